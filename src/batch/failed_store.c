/*
 * failed_store.c
 *		The failed items of a learner: recorded under the identity that a corrected copy will have, dropped with it, kept
 *		while they wait. Of one that was aborted only its instant is, where the next copy would not come to the same.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "batch/batch.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define LAST_KEPT 999 /* of the failed items kept per learner, beside those that wait: newer ones than it */
StaticAssertDecl(LS_MAX_FAILED == LAST_KEPT + 1, "as many are written as are kept");
#define MAX_WAITING 1000 /* what comes after those fails for good */

static LsRowType failed_row = {"learnsync_internal.failed_row"};

/* Its columns, counted from 0. */
enum
{
	KEY,
	ITEM_ID,
	CODE,
	PATH,
	MESSAGE,
	RETRYABLE,
	ITEM,
	ITEM_BYTES,
	FINGERPRINT,
	COPIES,
	CLIENT_AT,
	AT,
	WAITS_FOR,
	POSITION,
	NFAILED
};

static LsStatement write_failed = {
	"INSERT INTO learnsync_data.failed AS f (learner_id, key, channel, device_id, item_id, code, path, message,"
	" retryable, item, item_bytes, fingerprint, client_at, at, waits_for, position, retry_count, first_failed_at,"
	" failed_at, app_version, traceparent)"
	" SELECT $1, c.key, $5, $3, c.item_id, c.code, c.path, c.message, c.retryable, c.item, c.item_bytes, c.fingerprint,"
	" c.client_at, c.at, c.waits_for, c.position, c.copies OPERATOR(pg_catalog.-) 1, $4, $4, $7, $8"
	" FROM pg_catalog.unnest($2) c"
	" ON CONFLICT (learner_id, key) DO UPDATE SET device_id = EXCLUDED.device_id, item_id = EXCLUDED.item_id,"
	" code = EXCLUDED.code, path = EXCLUDED.path,"
	" message = EXCLUDED.message, retryable = EXCLUDED.retryable, item = EXCLUDED.item,"
	" item_bytes = EXCLUDED.item_bytes, fingerprint = EXCLUDED.fingerprint, failed_at = EXCLUDED.failed_at,"
	" client_at = EXCLUDED.client_at, at = EXCLUDED.at, waits_for = EXCLUDED.waits_for,"
	" app_version = CASE WHEN $6 THEN f.app_version ELSE EXCLUDED.app_version END,"
	" traceparent = CASE WHEN $6 THEN f.traceparent ELSE EXCLUDED.traceparent END,"
	" retry_count = CASE WHEN $6 AND f.waits_for IS NOT NULL THEN 0"
	"  ELSE f.retry_count OPERATOR(pg_catalog.+) EXCLUDED.retry_count OPERATOR(pg_catalog.+) 1 END",
	{"pg_catalog.text", "learnsync_internal.failed_row[]", "pg_catalog.text", "pg_catalog.timestamptz",
	 "pg_catalog.text", "pg_catalog.bool", "pg_catalog.text", "pg_catalog.text", NULL}};

static LsRowType instant_row = {"learnsync_internal.instant_row"};

static LsStatement write_instants = {
	"INSERT INTO learnsync_data.instant AS t (learner_id, key, client_at, at, noted_at)"
	" SELECT DISTINCT ON (c.key) $1, c.key, c.client_at, c.at, $3 FROM pg_catalog.unnest($2) c"
	" ON CONFLICT (learner_id, key) DO UPDATE SET client_at = EXCLUDED.client_at, at = EXCLUDED.at,"
	" noted_at = EXCLUDED.noted_at",
	{"pg_catalog.text", "learnsync_internal.instant_row[]", "pg_catalog.timestamptz", NULL}};

/* What is older than the last that is kept goes: all are compared with that one, and not with one another. */
static LsStatement prune_instants = {
	"DELETE FROM learnsync_data.instant t WHERE t.learner_id" EQ
	"$1 AND ROW (t.noted_at, t.key) OPERATOR(pg_catalog.<)"
	" (SELECT x.noted_at, x.key FROM learnsync_data.instant x WHERE x.learner_id" EQ "$1"
	"  ORDER BY x.noted_at DESC, x.key DESC OFFSET " CppAsString2(LAST_KEPT) " LIMIT 1)",
	{"pg_catalog.text", NULL}};

static LsStatement prune_failed = {
	"DELETE FROM learnsync_data.failed f WHERE f.learner_id" EQ "$1 AND f.waits_for IS NULL"
	" AND ROW (f.failed_at, f.key) OPERATOR(pg_catalog.<)"
	" (SELECT x.failed_at, x.key FROM learnsync_data.failed x WHERE x.learner_id" EQ "$1 AND x.waits_for IS NULL"
	"  ORDER BY x.failed_at DESC, x.key DESC OFFSET " CppAsString2(LAST_KEPT) " LIMIT 1)",
	{"pg_catalog.text", NULL}};

static LsStatement count_waiting = {"SELECT pg_catalog.count(*) FROM learnsync_data.failed f WHERE f.learner_id" EQ
									"$1 AND f.waits_for IS NOT NULL",
									{"pg_catalog.text", NULL}};

static LsStatement read_failed = {
	"SELECT k.n, f.client_at, f.at, f.waits_for IS NOT NULL FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (key, n)"
	" CROSS JOIN LATERAL (SELECT x.client_at, x.at, x.waits_for FROM learnsync_data.failed x"
	"  WHERE x.learner_id" EQ "$1 AND x.key" EQ "k.key UNION ALL"
	"  SELECT t.client_at, t.at, NULL FROM learnsync_data.instant t WHERE t.learner_id" EQ "$1 AND t.key" EQ
	"k.key LIMIT 1) f",
	{"pg_catalog.text", "pg_catalog.uuid[]", NULL}};

static LsStatement forget_failed = {
	"WITH t AS (DELETE FROM learnsync_data.instant t USING pg_catalog.unnest($2) k (key)"
	" WHERE t.learner_id" EQ "$1 AND t.key" EQ "k.key)"
	" DELETE FROM learnsync_data.failed f USING pg_catalog.unnest($2) k (key)"
	" WHERE f.learner_id" EQ "$1 AND f.key" EQ "k.key",
	{"pg_catalog.text", "pg_catalog.uuid[]", NULL}};

static bool
is_to_blame(const LsItem *item)
{
	return item->failure.code != NULL && strcmp(item->failure.code, "aborted") != 0;
}

/*
 * Finds of each identity the copy to be recorded, the last one that failed if none was accepted after it, and how many
 * failed since one was accepted.
 */
static void
count_copies(LsBatch *batch)
{
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];
		LsItem *before = item->twin != NULL ? item->twin->settled : NULL;
		bool failed = is_to_blame(item);

		CHECK_FOR_INTERRUPTS();
		item->settled = failed || item->accepted ? item : before;
		item->failed_copies = failed ? 1 + (before != NULL ? before->failed_copies : 0) : 0;
		if (item->settled == item && before != NULL)
			before->failed_copies = 0;
	}
}

/* Of an item that is beyond the limits only size and digest are kept. */
static Datum
failed_datum(const LsItem *item)
{
	LsFailure beyond;
	bool is_kept = ls_limit_check(&item->raw, NULL, "", learnsync_max_item_bytes, "", &beyond);
	JsonbValue none = ls_json_null();
	bool dated = item->client_at != LS_NO_TIME;
	Datum values[NFAILED];
	bool nulls[NFAILED];

	ls_store_put(values, nulls, KEY, true, UUIDPGetDatum(&item->key));
	ls_store_put_text(values, nulls, ITEM_ID, item->id);
	ls_store_put_text(values, nulls, CODE, ls_text(item->failure.code));
	ls_store_put_text(values, nulls, PATH, ls_text(item->failure.path));
	ls_store_put_text(values, nulls, MESSAGE, ls_text(item->failure.message));
	ls_store_put(values, nulls, RETRYABLE, true, BoolGetDatum(item->failure.retryable));
	ls_store_put_json(values, nulls, ITEM, is_kept ? &item->raw : &none);
	ls_store_put(values, nulls, ITEM_BYTES, true, Int32GetDatum(ls_json_bytes(&item->raw)));
	ls_store_put(values, nulls, FINGERPRINT, true, Int64GetDatum(item->fingerprint));
	ls_store_put(values, nulls, COPIES, true, Int32GetDatum(item->failed_copies));
	ls_store_put(values, nulls, CLIENT_AT, dated, TimestampTzGetDatum(item->client_at));
	ls_store_put(values, nulls, AT, dated, TimestampTzGetDatum(item->at));
	ls_store_put_text(values, nulls, WAITS_FOR, item->waits && is_kept ? item->failure.waits_for : (LsText){NULL, 0});
	ls_store_put(values, nulls, POSITION, true, Int32GetDatum(item->index));
	return ls_store_row(&failed_row, values, nulls);
}

/* Drops the oldest of too many failed items. */
void
ls_store_prune_failed(LsText learner)
{
	Datum values[] = {ls_text_to_datum(learner)};

	ls_store_run(&prune_failed, values, NULL);
}

/* How many of the learner's failed items wait for a type or content. */
static int64
count_waiting_of(LsText learner)
{
	Datum values[] = {ls_text_to_datum(learner)};

	ls_store_run(&count_waiting, values, NULL);
	return ls_store_int(0, 1);
}

/* Those of a batch that are copies of one another wait together, by the last of them, which is the one that is kept. */
static void
wait_together(LsItem *item)
{
	for (; item != NULL && !item->accepted; item = item->twin)
		item->waits = item->failure.waits_for.data != NULL;
}

/* Settles it once the items are decided. One that waits already keeps its place, as it is the same item. */
void
ls_batch_settle_waiting(LsBatch *batch)
{
	int64 room = -1;

	count_copies(batch);
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->failure.waits_for.data == NULL || item->failed_copies == 0)
			continue;
		if (!item->waited)
		{
			if (room < 0)
				room = Max(MAX_WAITING - count_waiting_of(batch->learner.id), 0);
			if (room == 0)
				continue;
			room--;
		}
		wait_together(item);
	}
}

/* Whether the next copy of an aborted item would be given another instant. */
static bool
is_dated_once(const LsItem *item)
{
	bool known = item->first.at != LS_NO_TIME && item->first.client_at == item->client_at;

	return item->failure.code != NULL && strcmp(item->failure.code, "aborted") == 0 && !known &&
		   item->client_at != LS_NO_TIME && item->at != item->client_at;
}

static Datum
instant_datum(const LsItem *item)
{
	Datum values[] = {UUIDPGetDatum(&item->key), TimestampTzGetDatum(item->client_at), TimestampTzGetDatum(item->at)};
	bool nulls[] = {false, false, false};

	return ls_store_row(&instant_row, values, nulls);
}

/* Notes when aborted items happened, which keep that; of too many the oldest are dropped. */
static void
write_instants_of(const LsBatch *batch)
{
	Datum rows[LS_MAX_FAILED];
	Datum values[] = {ls_text_to_datum(batch->learner.id), 0, TimestampTzGetDatum(batch->now)};
	int count = 0;

	for (int i = batch->nitems - 1; i >= 0 && count < LS_MAX_FAILED; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_dated_once(&batch->items[i]))
			rows[count++] = instant_datum(&batch->items[i]);
	}
	if (count == 0)
		return;
	values[1] = ls_store_array(&instant_row, rows, count);
	ls_store_run(&write_instants, values, NULL);
	ls_store_run(&prune_instants, values, NULL);
}

/* The rows of failed items: of those that would be dropped at once, as more come after them, none is made. */
static Datum *
make_failed_rows(LsBatch *batch)
{
	Datum *rows = palloc(sizeof(Datum) * Max(batch->nitems, 1));
	int room = LS_MAX_FAILED;

	batch->nrecorded = 0;
	for (int i = batch->nitems - 1; i >= 0; i--)
	{
		const LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->failed_copies == 0 || (!item->waits && !item->waited && room-- <= 0))
			continue;
		rows[batch->nrecorded++] = failed_datum(item);
	}
	return rows;
}

/* Records failed items, each identity once; too many are dropped at once, unless more of the request is to come. */
static void
write_failed_items(LsBatch *batch)
{
	Datum *rows = make_failed_rows(batch);
	LsText device = batch->device.id.data != NULL ? batch->device.id : ls_text("");
	Datum values[8] = {ls_text_to_datum(batch->learner.id),
					   0,
					   ls_text_to_datum(device),
					   TimestampTzGetDatum(batch->now),
					   CStringGetTextDatum(batch->channel->name),
					   BoolGetDatum(batch->again)};
	bool isnull[8] = {false};
	char nulls[9] = "        ";

	write_instants_of(batch);
	if (batch->nrecorded == 0)
		return;
	values[1] = ls_store_array(&failed_row, rows, batch->nrecorded);
	ls_store_put_text(values, isnull, 6, batch->client.version);
	ls_store_put_text(values, isnull, 7, batch->trace);
	ls_store_mark_nulls(nulls, isnull, 8);
	ls_store_run(&write_failed, values, nulls);
	if (!batch->partial)
		ls_store_prune_failed(batch->learner.id);
}

static Datum
key_array(Datum *keys, int count)
{
	return PointerGetDatum(construct_array(keys, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

/* Marks the items of which an earlier copy failed, for the few learners who have failed items. */
void
ls_store_mark_failed(LsBatch *batch)
{
	Datum *keys;
	Datum values[2];
	uint64 count;

	if (!batch->learner.has_failed)
		return;
	keys = palloc(sizeof(Datum) * Max(batch->nitems, 1));
	values[0] = ls_text_to_datum(batch->learner.id);
	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		keys[i] = UUIDPGetDatum(&batch->items[i].key);
	}
	values[1] = key_array(keys, batch->nitems);
	count = ls_store_run(&read_failed, values, NULL);
	for (uint64 i = 0; i < count; i++)
	{
		LsItem *item = &batch->items[ls_store_int(i, 1) - 1];
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		item->was_failed = true;
		item->waited = DatumGetBool(ls_store_value(i, 4, &isnull));
		item->first = (LsTick){ls_store_time(i, 2), ls_store_time(i, 3)};
	}
}

/* Drops the failed copies of items that were accepted now. */
static void
forget_accepted(const LsBatch *batch)
{
	Datum *keys;
	Datum values[2];
	int count = 0;

	if (!batch->learner.has_failed)
		return;
	keys = palloc(sizeof(Datum) * Max(batch->nitems, 1));
	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].accepted && batch->items[i].was_failed)
			keys[count++] = UUIDPGetDatum(&batch->items[i].key);
	}
	if (count == 0)
		return;
	values[0] = ls_text_to_datum(batch->learner.id);
	values[1] = key_array(keys, count);
	ls_store_run(&forget_failed, values, NULL);
}

/* Drops the failed copies of what was accepted, and where there are any records the items that failed. */
void
ls_store_record_failed(LsBatch *batch, bool failed)
{
	forget_accepted(batch);
	if (!failed)
		return;
	ls_batch_settle_waiting(batch);
	write_failed_items(batch);
}
