/*
 * journal_store.c
 *		What a push notes of itself: receipts, payload and change log, the device.
 *
 * A single row that was read before is found again by its place, which spares an index lookup; its key is compared too,
 * as somebody else's row may have taken that place.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "catalog/pg_type.h"
#include "direct/direct.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#define SLOT_USECS (INT64CONST(7) * USECS_PER_DAY) /* a week fills one slot of the payloads, then the next */

static LsRowType ledger_row = {"learnsync_internal.ledger_row"};

/* The columns of a journal, counted from 0. Statements that only note the device take the first of them. */
enum
{
	LEARNER,
	DEVICE,
	DEVICE_NAME,
	METADATA,
	CURSOR,
	NOW,
	SYNCED_RESOURCES,
	SKEW,
	DEVICE_PLACE,
	VERSION,
	PUSH_NO,
	PREV_VERSION,
	TYPES,
	IDS,
	ITEMS,
	ITEM_COUNT,
	CHANNEL,
	INSTANTS,
	SEEN,
	APP_VERSION,
	TRACE,
	RECEIPTS,
	NJOURNAL = RECEIPTS
};

/* Those of a receipt, which follow where there is but one. */
enum
{
	KEY,
	FINGERPRINT,
	VERDICT,
	ITEM_VERSION,
	AT,
	NRECEIPT
};

#define NTOUCHED SYNCED_RESOURCES
#define COUNTS DEVICE_PLACE /* of what only notes the device, or a new one, which has no place yet */
#define NNOTED (COUNTS + 1)

#define DEVICE_TYPES                                                                                                 \
	"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.jsonb", "pg_catalog.int8",                  \
		"pg_catalog.timestamptz"
#define SYNCED_TYPES "pg_catalog.jsonb", "pg_catalog.int8"
#define JOURNAL_TYPES                                                                                                \
	DEVICE_TYPES, SYNCED_TYPES, "pg_catalog.tid", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.int8",           \
		"pg_catalog.text[]", "pg_catalog.text[]", "pg_catalog.jsonb", "pg_catalog.int8", "pg_catalog.text",          \
		"pg_catalog.timestamptz[]", "pg_catalog.int8[]", "pg_catalog.text", "pg_catalog.text"

static LsStatement add_device = {
	"INSERT INTO learnsync_data.device (learner_id, device_id, device_name, metadata, version, created_at,"
	" last_sync_at, synced_resources, skew_ms, counts) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)",
	{DEVICE_TYPES, SYNCED_TYPES, "pg_catalog.bytea", NULL}};

#define DEVICE_UPDATE                                                                                                \
	"UPDATE learnsync_data.device d SET device_name = COALESCE($3, d.device_name),"                                  \
	" metadata = COALESCE($4, d.metadata), version = GREATEST($5, d.version), last_sync_at = $6"
#define SYNCED ", synced_resources = COALESCE(d.synced_resources, '{}') OPERATOR(pg_catalog.||) $7, skew_ms = $8"
#define DEVICE_KEY " WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "$2"

static LsStatement touch_device = {
	DEVICE_UPDATE ", counts = learnsync_internal.add_counts_as_owner($1, $2, d.counts, $9)" DEVICE_KEY,
	{DEVICE_TYPES, SYNCED_TYPES, "pg_catalog.bytea", NULL}};

static LsStatement note_device = {DEVICE_UPDATE SYNCED DEVICE_KEY, {DEVICE_TYPES, SYNCED_TYPES, NULL}};

static LsStatement read_rate = {"SELECT d.rate_at FROM learnsync_data.device d" DEVICE_KEY,
								{"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement charge_device = {"UPDATE learnsync_data.device d SET rate_at = $3" DEVICE_KEY,
									{"pg_catalog.text", "pg_catalog.text", "pg_catalog.timestamptz", NULL}};

/* Those that were turned away count and stay: forgotten, they would be let in again. */
static LsStatement forget_devices = {
	"WITH gone AS (DELETE FROM learnsync_data.device d USING (SELECT x.device_id FROM learnsync_data.device x"
	" WHERE x.learner_id" EQ "$1 AND x.is_active AND x.device_id" NE "$2"
	" ORDER BY x.last_sync_at DESC, x.device_id OFFSET GREATEST($3 OPERATOR(pg_catalog.-) 1 OPERATOR(pg_catalog.-)"
	" (SELECT pg_catalog.count(*) FROM learnsync_data.device y WHERE y.learner_id" EQ "$1 AND NOT y.is_active), 0)) o"
	" WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "o.device_id RETURNING d.device_id, d.counts) SELECT"
	" learnsync_internal.keep_counts_as_owner(learnsync_internal.counts_as_owner($1, g.device_id, g.counts)) FROM gone g",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.int8", NULL}};

/*
 * Receipts, the row that is both payload and change log, and the device, which counts as what is processed. The row goes
 * to its slot directly, which spares the routing: %1$d stands for its number.
 */
#define JOURNAL(receipts)                                                                                                 \
	"WITH ledger AS (INSERT INTO learnsync_data.ledger (learner_id, key, fingerprint, verdict, version, at) " receipts    \
	"), log AS (INSERT INTO learnsync_data.push_%1$d (learner_id, version, push_no, slot, prev_version, device_id,"       \
	" pushed_at, resource_types, resource_ids, items, item_count, channel, instants, seen, app_version,"                  \
	" traceparent) VALUES ($1, $10, $11, %1$d, $12, $2, $6, $13, $14, $15, $16, $17, $18, $19, $20, $21)) " DEVICE_UPDATE \
		SYNCED DEVICE_KEY " AND d.ctid" EQ "$9"

/* The journal of a single item does without an array, whose unpacking costs more to set up than the item. */
static LsStatement write_one = {JOURNAL("VALUES ($1, $22, $23, $24, $25, $26)"),
								{JOURNAL_TYPES, "pg_catalog.uuid", "pg_catalog.int8", "pg_catalog.\"char\"",
								 "pg_catalog.int8", "pg_catalog.timestamptz", NULL}};

static LsStatement write_many = {
	JOURNAL("SELECT $1, c.key, c.fingerprint, c.verdict, c.version, c.at FROM pg_catalog.unnest($22) c"),
	{JOURNAL_TYPES, "learnsync_internal.ledger_row[]", NULL}};

/* Which slot takes what is written now; a clock may be before 2000. */
static int
slot_at(TimestampTz now)
{
	int64 into_week = now % SLOT_USECS;
	int64 week = now / SLOT_USECS - (into_week < 0 ? 1 : 0);

	return (int) ((week % LS_SLOTS + LS_SLOTS) % LS_SLOTS);
}

PG_FUNCTION_INFO_V1(learnsync_slot);

/* learnsync_internal.slot_as_owner(at): for the clean-up, which must count the weeks as we do. */
Datum
learnsync_slot(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(slot_at(PG_GETARG_TIMESTAMPTZ(0)));
}

/* The statement for a slot, made from the one for any when it is first wanted. */
static LsStatement *
journal_for(int slot, bool is_one)
{
	static LsStatement statements[LS_SLOTS][2];
	LsStatement *statement = &statements[slot][is_one];

	if (statement->sql == NULL)
	{
		LsStatement made = is_one ? write_one : write_many;
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		made.sql = psprintf(made.sql, slot);
		MemoryContextSwitchTo(caller);
		*statement = made;
	}
	return statement;
}

static void
receipt_values(const LsItem *item, TimestampTz now, Datum *values)
{
	values[KEY] = UUIDPGetDatum(&item->key);
	values[FINGERPRINT] = Int64GetDatum(item->fingerprint);
	values[VERDICT] = CharGetDatum(item->verdict);
	values[ITEM_VERSION] = Int64GetDatum(item->version);
	values[AT] = TimestampTzGetDatum(Max(now, item->client_at));
}

static Datum
receipts(const LsBatch *batch)
{
	Datum *rows = palloc(sizeof(Datum) * batch->naccepted);
	bool nulls[NRECEIPT] = {false};
	Datum values[NRECEIPT];
	int count = 0;

	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!batch->items[i].accepted)
			continue;
		receipt_values(&batch->items[i], batch->now, values);
		rows[count++] = ls_store_row(&ledger_row, values, nulls);
	}
	return ls_store_array(&ledger_row, rows, count);
}

/* The first accepted item; there is one. */
static const LsItem *
first_accepted(const LsBatch *batch)
{
	const LsItem *item = batch->items;

	while (!item->accepted)
		item++;
	return item;
}

/* The accepted items as they were sent, or a person's decision; the request's own array where that is all of them. */
static Datum
accepted_payload(LsBatch *batch)
{
	JsonbValue items = ls_json_array();

	if (batch->decision.type != jbvNull)
		ls_json_add(&items, batch->decision);
	else if (batch->naccepted == batch->nitems)
		return JsonbPGetDatum(ls_json_encode(&batch->items_raw));
	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].accepted)
			ls_json_add(&items, batch->items[i].raw);
	}
	return JsonbPGetDatum(ls_json_encode(&items));
}

static void
device_values(LsBatch *batch, Datum *values, char *nulls)
{
	bool isnull[NTOUCHED];

	ls_store_put_text(values, isnull, LEARNER, batch->learner.id);
	ls_store_put_text(values, isnull, DEVICE, batch->device.id);
	ls_store_put_text(values, isnull, DEVICE_NAME, batch->device_name);
	ls_store_put_json(values, isnull, METADATA, &batch->metadata);
	ls_store_put(values, isnull, CURSOR, true, Int64GetDatum(batch->safe_version));
	ls_store_put(values, isnull, NOW, true, TimestampTzGetDatum(batch->now));
	ls_store_mark_nulls(nulls, isnull, NTOUCHED);
}

/* Until when the calls of a device use up its rate limit. */
TimestampTz
ls_store_device_rate(const LsBatch *batch)
{
	Datum values[] = {ls_text_to_datum(batch->learner.id), ls_text_to_datum(batch->device.id)};

	return ls_store_run(&read_rate, values, NULL) > 0 ? ls_store_time(0, 1) : LS_NO_TIME;
}

/* What is left to do once the device's row is written: charge the call, and forget others of too many. */
static void
settle_device(const LsBatch *batch)
{
	Datum values[3];

	if (!batch->device.charged && batch->device.exists)
		return;
	values[0] = ls_text_to_datum(batch->learner.id);
	values[1] = ls_text_to_datum(batch->device.id);
	if (batch->device.charged)
	{
		values[2] = TimestampTzGetDatum(batch->device.rate_at);
		ls_store_run(&charge_device, values, NULL);
	}
	if (!batch->device.exists)
	{
		values[2] = Int64GetDatum(learnsync_max_devices);
		ls_store_run(&forget_devices, values, NULL);
	}
}

static bool
has_key(const JsonbValue *object, LsText key)
{
	for (int i = 0; i < object->val.object.nPairs; i++)
	{
		if (ls_text_equal(ls_text_of(&object->val.object.pairs[i].key), key))
			return true;
	}
	return false;
}

/* The types of the accepted items, each with the time of this push. */
static Datum
synced_types(const LsBatch *batch)
{
	JsonbValue synced = ls_json_object();
	JsonbValue now = ls_json_stamp(batch->now);

	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].accepted && !has_key(&synced, batch->items[i].type->name))
			ls_json_put_text(&synced, batch->items[i].type->name, now);
	}
	return JsonbPGetDatum(ls_json_encode(&synced));
}

/* Has what is stored of them say the same, where all of them are there; without it being made anew. */
static bool
stamp_types(const LsBatch *batch, Jsonb *stored)
{
	JsonbValue now = ls_json_stamp(batch->now);
	const LsType *last = NULL;
	JsonbValue synced;
	JsonbValue at;

	ls_json_root(stored, &synced);
	if (!ls_json_is_object(&synced))
		return false;
	for (int i = 0; i < batch->nitems; i++)
	{
		const LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (!item->accepted || item->type == last)
			continue;
		last = item->type;
		if (!ls_json_get_text(&synced, last->name, &at) || at.type != jbvString ||
			at.val.string.len != now.val.string.len)
			return false;
		memcpy(at.val.string.val, now.val.string.val, now.val.string.len);
	}
	return true;
}

/* How far the device's clock is ahead of ours, in milliseconds; at least so far, where it does not say when it sends. */
static int64
skew(const LsBatch *batch)
{
	TimestampTz newest = batch->now;

	if (batch->sending.sent_at != LS_NO_TIME)
		return batch->sending.ahead / 1000;
	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].accepted)
			newest = Max(newest, batch->items[i].client_at);
	}
	return (newest - batch->now) / 1000;
}

/* Whether what each accepted item says of its time is its order instant. */
static bool
is_dated_plainly(const LsBatch *batch)
{
	for (int i = 0; batch->corrected && i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].accepted && batch->items[i].at != batch->items[i].client_at)
			return false;
	}
	return batch->decision.type == jbvNull;
}

/* The order instants of what the payload holds. */
static Datum
instants(const LsBatch *batch)
{
	Datum *values = palloc(sizeof(Datum) * Max(batch->nitems, 1));
	int count = 0;

	for (int i = 0; i < batch->nitems; i++)
	{
		if (batch->items[i].accepted || batch->decision.type != jbvNull)
			values[count++] = TimestampTzGetDatum(batch->items[i].change.at);
	}
	return PointerGetDatum(
		construct_array(values, count, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* What the devices of the items in the payload had seen. */
static Datum
seen(const LsBatch *batch)
{
	Datum *values = palloc(sizeof(Datum) * Max(batch->nitems, 1));
	int count = 0;

	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].accepted)
			values[count++] = Int64GetDatum(batch->items[i].change.seen);
	}
	return PointerGetDatum(construct_array(values, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* What people decided is always kept; of what devices sent, the log alone will do for pulls. */
static bool
keeps_payload(const LsBatch *batch)
{
	return learnsync_keep_payloads || batch->decision.type != jbvNull;
}

/* The payload, and what whoever reads it again must know beside it, NULL where it says it all, as nearly always. */
static void
history_values(LsBatch *batch, Datum *values, char *nulls)
{
	bool is_named = strcmp(batch->channel->name, LS_PUSH_CHANNEL) != 0;
	bool is_kept = keeps_payload(batch);
	bool is_dated = is_kept && !is_dated_plainly(batch);
	bool is_seen = is_kept && batch->meets_corrections;

	values[CHANNEL] = is_named ? CStringGetTextDatum(batch->channel->name) : (Datum) 0;
	nulls[CHANNEL] = is_named ? ' ' : 'n';
	values[INSTANTS] = is_dated ? instants(batch) : (Datum) 0;
	nulls[INSTANTS] = is_dated ? ' ' : 'n';
	values[SEEN] = is_seen ? seen(batch) : (Datum) 0;
	nulls[SEEN] = is_seen ? ' ' : 'n';
	values[ITEMS] = is_kept ? accepted_payload(batch) : (Datum) 0;
	nulls[ITEMS] = is_kept ? ' ' : 'n';
}

/* By what support finds the push, NULL where it did not say. */
static void
origin_values(const LsBatch *batch, Datum *values, char *nulls)
{
	bool isnull[RECEIPTS];

	ls_store_put_text(values, isnull, APP_VERSION, batch->client.version);
	ls_store_put_text(values, isnull, TRACE, batch->trace);
	ls_store_mark_nulls(nulls + APP_VERSION, isnull + APP_VERSION, RECEIPTS - APP_VERSION);
}

static void
journal_values(LsBatch *batch, LsChanged changed, Datum *values, char *nulls)
{
	device_values(batch, values, nulls);
	values[SKEW] = Int64GetDatum(skew(batch));
	values[DEVICE_PLACE] = PointerGetDatum(&batch->device.place);
	nulls[DEVICE_PLACE] = batch->device.exists ? ' ' : 'n';
	values[VERSION] = Int64GetDatum(batch->version);
	values[PUSH_NO] = Int64GetDatum(batch->learner.push_no + 1);
	values[PREV_VERSION] = Int64GetDatum(batch->learner.log_version);
	values[TYPES] = ls_text_array(changed.types, changed.count);
	values[IDS] = ls_text_array(changed.ids, changed.count);
	values[ITEM_COUNT] = Int64GetDatum(batch->naccepted);
	history_values(batch, values, nulls);
	origin_values(batch, values, nulls);
}

/* A journal that is written without a statement. */
typedef struct Journal
{
	LsBatch *batch;
	int slot;
	const Datum *values;
	const char *nulls;
	const LsItem **accepted;
	LsDirect ledger;
	LsDirect log;
	LsDirect devices;
} Journal;

static void
fill_receipt(const void *argument, int row, Datum *values, bool *nulls)
{
	const Journal *journal = argument;
	Datum receipt[NRECEIPT];

	receipt_values(journal->accepted[row], journal->batch->now, receipt);
	ls_direct_put(values, nulls, LS_LEDGER_LEARNER, journal->values[LEARNER]);
	ls_direct_put(values, nulls, LS_LEDGER_KEY, receipt[KEY]);
	ls_direct_put(values, nulls, LS_LEDGER_FINGERPRINT, receipt[FINGERPRINT]);
	ls_direct_put(values, nulls, LS_LEDGER_VERSION, receipt[ITEM_VERSION]);
	ls_direct_put(values, nulls, LS_LEDGER_AT, receipt[AT]);
	ls_direct_put(values, nulls, LS_LEDGER_VERDICT, receipt[VERDICT]);
}

static void
fill_log(const void *argument, int row, Datum *values, bool *nulls)
{
	static const int taken[][2] = {
		{LS_LOG_LEARNER, LEARNER}, {LS_LOG_VERSION, VERSION},           {LS_LOG_NO, PUSH_NO},
		{LS_LOG_DEVICE, DEVICE},   {LS_LOG_PREV_VERSION, PREV_VERSION}, {LS_LOG_PUSHED_AT, NOW},
		{LS_LOG_ITEMS, ITEMS},     {LS_LOG_RESOURCE_TYPES, TYPES},      {LS_LOG_RESOURCE_IDS, IDS},
		{LS_LOG_CHANNEL, CHANNEL}, {LS_LOG_INSTANTS, INSTANTS},         {LS_LOG_SEEN, SEEN},
		{LS_LOG_TRACE, TRACE},     {LS_LOG_APP_VERSION, APP_VERSION}};
	const Journal *journal = argument;

	for (int i = 0; i < lengthof(taken); i++)
	{
		if (journal->nulls[taken[i][1]] != 'n')
			ls_direct_put(values, nulls, taken[i][0], journal->values[taken[i][1]]);
	}
	ls_direct_put(values, nulls, LS_LOG_SLOT, Int16GetDatum((int16) journal->slot));
	ls_direct_put(values, nulls, LS_LOG_ITEM_COUNT, Int32GetDatum(journal->batch->naccepted));
}

/* Takes the device's row, to be changed; false where it has moved since it was read, or there is none yet. */
static bool
take_device(LsDirect *device, const LsBatch *batch, const Datum *values, const char *nulls)
{
	Datum key[] = {values[LEARNER], values[DEVICE]};

	if (!batch->device.exists || !ls_direct_take(device, &batch->device.place, key))
		return false;
	if (nulls[DEVICE_NAME] != 'n')
		ls_direct_put(device->values, device->nulls, LS_DEVICE_NAME, values[DEVICE_NAME]);
	if (nulls[METADATA] != 'n')
		ls_direct_put(device->values, device->nulls, LS_DEVICE_METADATA, values[METADATA]);
	if (DatumGetInt64(device->values[LS_DEVICE_VERSION]) < DatumGetInt64(values[CURSOR]))
		device->values[LS_DEVICE_VERSION] = values[CURSOR];
	device->values[LS_DEVICE_LAST_SYNC_AT] = values[NOW];
	return true;
}

/* What a device's row is to say of the types, beside what it says. */
static Datum
add_types(const LsBatch *batch, const LsDirect *device)
{
	Jsonb *stored;

	if (device->nulls[LS_DEVICE_SYNCED_RESOURCES])
		return synced_types(batch);
	stored = DatumGetJsonbPCopy(device->values[LS_DEVICE_SYNCED_RESOURCES]);
	if (stamp_types(batch, stored))
		return JsonbPGetDatum(stored);
	return DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(stored), synced_types(batch));
}

/* Whether the device's row was where it had been, and is changed. */
static bool
note_directly(Journal *journal)
{
	LsDirect *device = &journal->devices;
	const Datum *values = journal->values;

	if (!take_device(device, journal->batch, values, journal->nulls))
		return false;
	ls_direct_put(device->values, device->nulls, LS_DEVICE_SYNCED_RESOURCES, add_types(journal->batch, device));
	ls_direct_put(device->values, device->nulls, LS_DEVICE_SKEW_MS, values[SKEW]);
	return ls_direct_change(device);
}

/* Adds what a call did to the counts of the device's row. */
static void
add_counts(LsDirect *device, const LsBatch *batch)
{
	Datum counts = device->values[LS_DEVICE_COUNTS];
	bytea *stored = device->nulls[LS_DEVICE_COUNTS] ? NULL : DatumGetByteaPP(counts);

	ls_direct_put(device->values, device->nulls, LS_DEVICE_COUNTS,
				  PointerGetDatum(ls_batch_add_counts(batch, batch->device.id, stored)));
}

static bool
touch_directly(const LsBatch *batch, const Datum *values, const char *nulls, bool is_counted)
{
	LsDirect device;
	bool touched;

	if (!ls_direct_open(&device, LS_DIRECT_DEVICE, RowExclusiveLock))
		return false;
	ls_direct_begin();
	touched = take_device(&device, batch, values, nulls);
	if (touched && is_counted)
		add_counts(&device, batch);
	touched = touched && ls_direct_change(&device);
	ls_direct_close(&device);
	ls_direct_end();
	return touched;
}

static void
touch_by_statement(const LsBatch *batch, Datum *values, char *nulls, bool is_counted)
{
	bytea *counts = is_counted ? ls_batch_add_counts(batch, batch->device.id, NULL) : NULL;

	values[COUNTS] = PointerGetDatum(counts);
	nulls[COUNTS] = counts == NULL ? 'n' : ' ';
	ls_store_run(batch->device.exists ? &touch_device : &add_device, values, nulls);
}

/* Notes that the device was here, if it was one, and what it did where nothing else is written. */
void
ls_store_touch_device(LsBatch *batch)
{
	bool is_counted = ls_batch_is_counted(batch) && !ls_batch_writes_learner(batch);
	Datum values[NNOTED];
	char nulls[NNOTED + 1] = "      nn ";

	if (batch->device.id.length == 0 || batch->again)
		return;
	device_values(batch, values, nulls);
	if (!touch_directly(batch, values, nulls, is_counted))
		touch_by_statement(batch, values, nulls, is_counted);
	settle_device(batch);
}

static bool
open_journal(Journal *journal)
{
	const LsDirectWanted wanted[] = {{&journal->ledger, LS_DIRECT_LEDGER},
									 {&journal->log, (LsDirectTable) (LS_DIRECT_PUSH + journal->slot)},
									 {&journal->devices, LS_DIRECT_DEVICE}};

	return ls_direct_open_all(wanted, lengthof(wanted), RowExclusiveLock);
}

static const LsItem **
accepted_items(const LsBatch *batch)
{
	const LsItem **accepted = palloc(sizeof(LsItem *) * Max(batch->naccepted, 1));
	int count = 0;

	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].accepted)
			accepted[count++] = &batch->items[i];
	}
	return accepted;
}

/* Writes all without a statement, if that may be; noted says whether the device's row is written, too. */
static bool
write_directly(Journal *journal, bool *noted)
{
	if (!open_journal(journal))
		return false;
	journal->accepted = accepted_items(journal->batch);
	ls_direct_begin();
	ls_direct_add(&journal->ledger, journal->batch->naccepted, fill_receipt, journal);
	ls_direct_add(&journal->log, 1, fill_log, journal);
	*noted = note_directly(journal);
	ls_direct_close(&journal->devices);
	ls_direct_close(&journal->log);
	ls_direct_close(&journal->ledger);
	ls_direct_end();
	return true;
}

/* Whether the device's row was written with the rest. */
static bool
write_by_statement(const LsBatch *batch, int slot, Datum *values, const char *nulls)
{
	bool is_one = batch->naccepted == 1;

	values[SYNCED_RESOURCES] = synced_types(batch);
	if (is_one)
		receipt_values(first_accepted(batch), batch->now, values + RECEIPTS);
	else
		values[RECEIPTS] = receipts(batch);
	return ls_store_run(journal_for(slot, is_one), values, nulls) > 0;
}

/* Writes receipts and payload of the accepted items, and the device. */
void
ls_store_write_journal(LsBatch *batch, LsChanged changed)
{
	Datum values[NJOURNAL + NRECEIPT];
	char nulls[NJOURNAL + NRECEIPT + 1] = "                          ";
	Journal journal = {.batch = batch, .slot = slot_at(batch->now), .values = values, .nulls = nulls};
	bool noted;

	journal_values(batch, changed, values, nulls);
	if (!write_directly(&journal, &noted))
		noted = write_by_statement(batch, journal.slot, values, nulls);
	if (nulls[ITEMS] != 'n')
		pfree(DatumGetPointer(values[ITEMS])); /* as large as the request */
	if (batch->device.id.length == 0 || batch->again)
		return;
	/* A new device, or one that was deactivated or removed since it was read. */
	if (!noted)
	{
		values[SYNCED_RESOURCES] = synced_types(batch);
		ls_store_run(batch->device.exists ? &note_device : &add_device, values, nulls);
	}
	settle_device(batch);
}
