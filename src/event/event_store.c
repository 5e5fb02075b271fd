/*
 * event_store.c
 *		The event log's statements: known events, new ones, failed ones, what arrived after a version.
 */
#include "postgres.h"

#include "direct/direct.h"
#include "event/event.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"

static LsRowType event_row = {"learnsync_internal.event_row"};

static LsStatement read_known = {
	"SELECT k.n, e.event, e.version FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (event_id, n)"
	" CROSS JOIN LATERAL (SELECT x.event, x.version FROM learnsync_data.event x"
	"  WHERE x.learner_id" EQ "$1 AND x.event_id" EQ "k.event_id LIMIT 1) e",
	{"pg_catalog.text", "pg_catalog.text[]", NULL}};

static LsStatement add_events = {
	"INSERT INTO learnsync_data.event (learner_id, event_id, version, at, received_at, event)"
	" SELECT $1, c.event_id, c.version, c.at, $3, c.event FROM pg_catalog.unnest($2) c",
	{"pg_catalog.text", "learnsync_internal.event_row[]", "pg_catalog.timestamptz", NULL}};

static LsStatement read_events = {
	"SELECT e.version, e.at, e.event, e.event_id FROM learnsync_data.event e WHERE e.learner_id" EQ
	"$1 AND e.version" GT "$2"
	" ORDER BY e.version LIMIT $3",
	{"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int4", NULL}};

/* What an event is known by in the log; nothing that is no id stands there. */
static Datum
id_datum(const LsItem *item)
{
	return ls_text_to_datum(item->id.data == NULL ? ls_text("") : ls_identity_id(item->id));
}

static Jsonb *
take_event(LsText learner, LsText id, Datum value)
{
	LsRowKey key = {"event", {learner, id}};

	return ls_store_object(&key, "event", value);
}

/* What an event of the log says, as it would be said of one that comes again. */
static LsReceipt
receipt_of(LsBatch *batch, const LsItem *item, Datum event, int64 version)
{
	LsItem first = {0};

	ls_json_root(take_event(batch->learner.id, item->id, event), &first.raw);
	ls_batch_identify(batch, &first);
	return (LsReceipt){true, first.fingerprint, LS_SYNCED, version};
}

/* False where SQL has to do it. */
static bool
find_directly(LsBatch *batch, const Datum *ids)
{
	Datum key[] = {ls_text_to_datum(batch->learner.id), 0};
	LsDirect events;

	if (!ls_direct_open(&events, LS_DIRECT_EVENT, AccessShareLock))
		return false;
	ls_direct_begin();
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		key[1] = ids[i];
		if (ls_direct_find(&events, key))
			item->receipt =
				receipt_of(batch, item, events.values[LS_EVENT_SENT], DatumGetInt64(events.values[LS_EVENT_VERSION]));
	}
	ls_direct_close(&events);
	ls_direct_end();
	return true;
}

/* Finds the events that were accepted before. */
void
ls_store_read_known_events(LsPut *put)
{
	LsBatch *batch = &put->batch;
	Datum *ids = palloc(sizeof(Datum) * batch->nitems);
	Datum values[2] = {ls_text_to_datum(batch->learner.id)};
	uint64 found;

	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ids[i] = id_datum(&batch->items[i]);
	}
	if (find_directly(batch, ids))
		return;
	values[1] = ls_text_array(ids, batch->nitems);
	found = ls_store_run(&read_known, values, NULL);
	for (uint64 i = 0; i < found; i++)
	{
		LsItem *item = &batch->items[ls_store_int(i, 1) - 1];
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		item->receipt = receipt_of(batch, item, ls_store_value(i, 2, &isnull), ls_store_int(i, 3));
	}
}

/* Columns of a new event, counted from 0. */
enum
{
	ID,
	VERSION,
	AT,
	SENT,
	NEVENT
};

/* The accepted events on their way into the log. */
typedef struct Added
{
	LsPut *put;
	Datum learner;
	const int *accepted; /* their numbers among those of the put */
	int count;
} Added;

static void
event_values(const Added *added, int row, Datum *values, bool *nulls)
{
	int number = added->accepted[row];
	const LsItem *item = &added->put->batch.items[number];

	ls_store_put(values, nulls, ID, true, id_datum(item));
	ls_store_put(values, nulls, VERSION, true, Int64GetDatum(item->version));
	ls_store_put(values, nulls, AT, true, TimestampTzGetDatum(added->put->events[number].point.at));
	ls_store_put_json(values, nulls, SENT, &item->raw);
}

static void
fill_event(const void *argument, int row, Datum *values, bool *nulls)
{
	const Added *added = argument;
	Datum event[NEVENT];
	bool isnull[NEVENT];

	event_values(added, row, event, isnull);
	ls_direct_put(values, nulls, LS_EVENT_LEARNER, added->learner);
	ls_direct_put(values, nulls, LS_EVENT_ID, event[ID]);
	ls_direct_put(values, nulls, LS_EVENT_VERSION, event[VERSION]);
	ls_direct_put(values, nulls, LS_EVENT_AT, event[AT]);
	ls_direct_put(values, nulls, LS_EVENT_RECEIVED_AT, TimestampTzGetDatum(added->put->batch.now));
	ls_direct_put(values, nulls, LS_EVENT_SENT, event[SENT]);
}

static void
add_by_statement(const Added *added)
{
	Datum *rows = palloc(sizeof(Datum) * added->count);
	Datum values[] = {added->learner, 0, TimestampTzGetDatum(added->put->batch.now)};

	for (int i = 0; i < added->count; i++)
	{
		Datum row[NEVENT];
		bool nulls[NEVENT];

		CHECK_FOR_INTERRUPTS();
		event_values(added, i, row, nulls);
		rows[i] = ls_store_row(&event_row, row, nulls);
	}
	values[1] = ls_store_array(&event_row, rows, added->count);
	if (ls_store_run(&add_events, values, NULL) != added->count)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("an event was refused outside learnsync"),
						errhint("A BEFORE trigger on learnsync_data.event must not skip rows.")));
}

/* Adds the accepted events to the log. */
void
ls_store_add_events(LsPut *put)
{
	int *accepted = palloc(sizeof(int) * Max(put->batch.nitems, 1));
	Added added = {put, ls_text_to_datum(put->batch.learner.id), accepted, 0};

	for (int i = 0; i < put->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (put->batch.items[i].accepted)
			accepted[added.count++] = i;
	}
	if (!ls_direct_insert(LS_DIRECT_EVENT, added.count, fill_event, &added))
		add_by_statement(&added);
}

/*
 * The events that arrived after a version, at most so many, in the current context.
 */
int
ls_store_read_events(LsText learner, int64 after, int limit, LsSnapshot snapshot, LsStoredEvent **events)
{
	Datum values[] = {ls_text_to_datum(learner), Int64GetDatum(after), Int32GetDatum(limit)};
	int count = (int) ls_store_see(&read_events, values, NULL, snapshot);

	*events = palloc(sizeof(LsStoredEvent) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool isnull;
		LsStoredEvent *event = &(*events)[i];

		CHECK_FOR_INTERRUPTS();
		event->id = ls_text(ls_text_string(ls_store_text(i, 4)));
		event->version = ls_store_int(i, 1);
		event->at = DatumGetTimestampTz(ls_store_value(i, 2, &isnull));
		event->json =
			take_event(learner, event->id, PointerGetDatum(DatumGetJsonbPCopy(ls_store_value(i, 3, &isnull))));
	}
	SPI_freetuptable(SPI_tuptable); /* a log may be long */
	return count;
}
