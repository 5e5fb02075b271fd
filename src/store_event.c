/*
 * store_event.c
 *		The event log's statements: known events, new ones, failed ones, what arrived after a version.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "event.h"
#include "store.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define MAX_FAILED "1000" /* failed items kept per learner */

static LsRowType event_row = {"learnsync.event_row"};
static LsRowType failed_row = {"learnsync.failed_row"};

static LsStatement read_known = {"SELECT k.n, e.event FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (event_id, n)"
								 " CROSS JOIN LATERAL (SELECT x.event FROM learnsync_data.event x"
								 "  WHERE x.learner_id" EQ "$1 AND x.event_id" EQ "k.event_id LIMIT 1) e",
								 {"pg_catalog.text", "pg_catalog.text[]", NULL}};

static LsStatement add_events = {
	"INSERT INTO learnsync_data.event (learner_id, event_id, version, at, received_at, event)"
	" SELECT $1, c.event_id, c.version, c.at, $3, c.event FROM pg_catalog.unnest($2) c",
	{"pg_catalog.text", "learnsync.event_row[]", "pg_catalog.timestamptz", NULL}};

static LsStatement read_events = {"SELECT e.version, e.at, e.event FROM learnsync_data.event e WHERE e.learner_id" EQ
								  "$1 AND e.version" GT "$2"
								  " ORDER BY e.version LIMIT $3",
								  {"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int4", NULL}};

static LsStatement write_failed = {
	"INSERT INTO learnsync_data.failed AS f (learner_id, key, channel, device_id, item_id, code, path, message,"
	" retryable, item, item_bytes, fingerprint, retry_count, first_failed_at, failed_at)"
	" SELECT $1, c.key, 'progress_put', $3, c.item_id, c.code, c.path, c.message, c.retryable, c.item, c.item_bytes,"
	" c.fingerprint, c.copies OPERATOR(pg_catalog.-) 1, $4, $4 FROM pg_catalog.unnest($2) c"
	" ON CONFLICT (learner_id, key) DO UPDATE SET code = EXCLUDED.code, path = EXCLUDED.path,"
	" message = EXCLUDED.message, retryable = EXCLUDED.retryable, item = EXCLUDED.item,"
	" item_bytes = EXCLUDED.item_bytes, fingerprint = EXCLUDED.fingerprint, failed_at = EXCLUDED.failed_at,"
	" retry_count = f.retry_count OPERATOR(pg_catalog.+) EXCLUDED.retry_count OPERATOR(pg_catalog.+) 1",
	{"pg_catalog.text", "learnsync.failed_row[]", "pg_catalog.text", "pg_catalog.timestamptz", NULL}};

static LsStatement prune_failed = {
	"DELETE FROM learnsync_data.failed f USING (SELECT x.key FROM learnsync_data.failed x WHERE x.learner_id" EQ "$1"
	" ORDER BY x.failed_at DESC, x.key OFFSET " MAX_FAILED ") o WHERE f.learner_id" EQ "$1 AND f.key" EQ "o.key",
	{"pg_catalog.text", NULL}};

static LsStatement forget_failed = {"DELETE FROM learnsync_data.failed f USING pg_catalog.unnest($2) k (key)"
									" WHERE f.learner_id" EQ "$1 AND f.key" EQ "k.key",
									{"pg_catalog.text", "pg_catalog.uuid[]", NULL}};

/* Counts as a push: a trigger that calls learnsync for the same learner is found out by that number. */
static LsStatement finish_put = {
	"UPDATE learnsync_data.learner l SET version = $2, push_no = $3 OPERATOR(pg_catalog.+) 1,"
	" has_failed = l.has_failed OR $4 WHERE l.learner_id" EQ "$1 AND l.push_no" EQ "$3",
	{"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.bool", NULL}};

/* $1 is where the last page ended. */
static LsStatement read_learners = {"SELECT l.learner_id FROM learnsync_data.learner l WHERE l.learner_id" GT
									"$1 ORDER BY l.learner_id LIMIT $2",
									{"pg_catalog.text", "pg_catalog.int4", NULL}};

static LsStatement count_learners = {
	"SELECT pg_catalog.count(*) FROM learnsync_data.learner l WHERE l.learner_id" GT "$1", {"pg_catalog.text", NULL}};

/* Finds the events that were accepted before. */
void
ls_store_read_known_events(LsPut *put)
{
	Datum *ids = palloc(sizeof(Datum) * put->nevents);
	int *places = palloc(sizeof(int) * put->nevents);
	Datum values[2] = {ls_text_to_datum(put->push.learner.id)};
	int count = 0;
	uint64 found;

	for (int i = 0; i < put->nevents; i++)
	{
		if (put->events[i].refused.code != NULL)
			continue;
		places[count] = i;
		ids[count++] = ls_text_to_datum(put->events[i].id);
	}
	if (count == 0)
		return;
	values[1] = PointerGetDatum(construct_array(ids, count, TEXTOID, -1, false, TYPALIGN_INT));
	found = ls_store_run(&read_known, values, NULL);
	for (uint64 i = 0; i < found; i++)
	{
		bool isnull;

		put->events[places[ls_store_int(i, 1) - 1]].stored = DatumGetJsonbP(ls_store_value(i, 2, &isnull));
	}
}

void
ls_store_add_events(LsPut *put)
{
	Datum *rows = palloc(sizeof(Datum) * put->naccepted);
	Datum values[3] = {ls_text_to_datum(put->push.learner.id), 0, TimestampTzGetDatum(put->push.now)};
	int count = 0;

	for (int i = 0; i < put->nevents; i++)
	{
		const LsPutEvent *event = &put->events[i];
		Datum row[4];
		bool nulls[4];

		if (!event->accepted)
			continue;
		ls_store_put_text(row, nulls, 0, event->id);
		ls_store_put(row, nulls, 1, true, Int64GetDatum(event->version));
		ls_store_put(row, nulls, 2, true, TimestampTzGetDatum(event->event.point.at));
		ls_store_put_json(row, nulls, 3, &event->raw);
		rows[count++] = ls_store_row(&event_row, row, nulls);
	}
	values[1] = ls_store_array(&event_row, rows, count);
	if (ls_store_run(&add_events, values, NULL) != count)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("an event was refused outside learnsync"),
						errhint("A BEFORE trigger on learnsync_data.event must not skip rows.")));
}

/* Of an event that is too large only size and digest are kept. */
static Datum
failed_datum(const LsPut *put, const LsPutEvent *event, int copies)
{
	bool too_large = strcmp(event->failure.code, "too_large") == 0;
	JsonbValue none = ls_json_null();
	pg_uuid_t *key = palloc(sizeof(pg_uuid_t));
	pg_uuid_t payload;
	LsDigest digest;
	Datum values[10];
	bool nulls[10];

	ls_digest_start(&digest);
	ls_digest_json(&digest, &event->raw, "eventId");
	payload = ls_digest_end(&digest);
	*key = ls_put_key(put, event);
	ls_store_put(values, nulls, 0, true, UUIDPGetDatum(key));
	ls_store_put_text(values, nulls, 1, event->id);
	ls_store_put_text(values, nulls, 2, ls_text(event->failure.code));
	ls_store_put_text(values, nulls, 3, ls_text(event->failure.path));
	ls_store_put_text(values, nulls, 4, ls_text(event->failure.message));
	ls_store_put(values, nulls, 5, true, BoolGetDatum(event->failure.retryable));
	ls_store_put_json(values, nulls, 6, too_large ? &none : &event->raw);
	ls_store_put(values, nulls, 7, true, Int32GetDatum(ls_json_bytes(&event->raw)));
	ls_store_put(values, nulls, 8, true, Int64GetDatum(ls_digest_fingerprint(&payload)));
	ls_store_put(values, nulls, 9, true, Int32GetDatum(copies));
	return ls_store_row(&failed_row, values, nulls);
}

/* Records the failed events, each identity once. */
void
ls_store_write_failed_events(LsPut *put)
{
	Datum *rows = palloc(sizeof(Datum) * put->nevents);
	LsText device = put->push.device.id.data != NULL ? put->push.device.id : ls_text("");
	Datum values[4] = {ls_text_to_datum(put->push.learner.id), 0, ls_text_to_datum(device),
					   TimestampTzGetDatum(put->push.now)};
	int count = 0;

	for (int i = 0; i < put->nevents; i++)
	{
		int copies = ls_put_failed_copies(put, &put->events[i]);

		if (copies > 0)
			rows[count++] = failed_datum(put, &put->events[i], copies);
	}
	if (count == 0)
		return;
	values[1] = ls_store_array(&failed_row, rows, count);
	ls_store_run(&write_failed, values, NULL);
	ls_store_run(&prune_failed, values, NULL);
}

/* Drops the failed copies of events that were accepted now, for the few learners who have failed items. */
void
ls_store_forget_failed_events(LsPut *put)
{
	Datum *keys = palloc(sizeof(Datum) * put->nevents);
	Datum values[2] = {ls_text_to_datum(put->push.learner.id)};
	int count = 0;

	if (!put->push.learner.has_failed)
		return;
	for (int i = 0; i < put->nevents; i++)
	{
		pg_uuid_t *key;

		if (!put->events[i].accepted)
			continue;
		key = palloc(sizeof(pg_uuid_t));
		*key = ls_put_key(put, &put->events[i]);
		keys[count++] = UUIDPGetDatum(key);
	}
	if (count == 0)
		return;
	values[1] = PointerGetDatum(construct_array(keys, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	ls_store_run(&forget_failed, values, NULL);
}

/* The learner's row last, and outside any subtransaction, which would turn its lock into a multixact. */
void
ls_store_finish_put(LsPut *put, bool failed)
{
	Datum values[] = {ls_text_to_datum(put->push.learner.id), Int64GetDatum(put->version),
					  Int64GetDatum(put->push.learner.push_no), BoolGetDatum(failed)};

	if (ls_store_run(&finish_put, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a push was made within a put of the same learner"),
				 errhint("A trigger on the tables of learnsync must not call learnsync for the same learner.")));
}

/*
 * The events that arrived after a version, at most so many, in the current context. live: as they are now, with our own
 * writes; else as the calling statement sees them.
 */
int
ls_store_read_events(LsText learner, int64 after, int limit, bool live, LsStoredEvent **events)
{
	Datum values[] = {ls_text_to_datum(learner), Int64GetDatum(after), Int32GetDatum(limit)};
	int count = (int) (live ? ls_store_run(&read_events, values, NULL) : ls_store_read(&read_events, values, NULL));

	*events = palloc(sizeof(LsStoredEvent) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool isnull;

		(*events)[i].version = ls_store_int(i, 1);
		(*events)[i].at = DatumGetTimestampTz(ls_store_value(i, 2, &isnull));
		(*events)[i].json = DatumGetJsonbPCopy(ls_store_value(i, 3, &isnull));
	}
	SPI_freetuptable(SPI_tuptable); /* a log may be long */
	return count;
}

/* The next learners by id, for those who look at all of them. */
int
ls_store_read_learners(LsText after, int limit, LsText **learners)
{
	Datum values[] = {ls_text_to_datum(after), Int32GetDatum(limit)};
	int count = (int) ls_store_read(&read_learners, values, NULL);

	*learners = palloc(sizeof(LsText) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*learners)[i] = ls_text(ls_text_string(ls_store_text(i, 1)));
	SPI_freetuptable(SPI_tuptable);
	return count;
}

int64
ls_store_count_learners(void)
{
	Datum values[] = {CStringGetTextDatum("")};

	ls_store_read(&count_learners, values, NULL);
	return ls_store_int(0, 1);
}
