/*
 * journal_store.c
 *		What a push notes of itself: receipts, payload and change log, the device.
 *
 * A single row that was read before is found again by its place, which spares an index lookup; its key is compared too,
 * as somebody else's row may have taken that place.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "store/statement.h"

#define SLOT_USECS (INT64CONST(7) * USECS_PER_DAY) /* a week fills one slot of the payloads, then the next */
#define SLOTS 8

static LsRowType ledger_row = {"learnsync_internal.ledger_row"};

/* What every statement that notes the device takes: learner, id, name, metadata, version, now. */
#define DEVICE_TYPES                                                                                                 \
	"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.jsonb", "pg_catalog.int8",                  \
		"pg_catalog.timestamptz"
#define NDEVICE 6

/* And where it sent something: the types, each with this push's time, and how far its clock is ahead. */
#define SYNCED_TYPES "pg_catalog.jsonb", "pg_catalog.int8"
#define NSYNCED 2

static LsStatement add_device = {
	"INSERT INTO learnsync_data.device (learner_id, device_id, device_name, metadata, version, created_at,"
	" last_sync_at, synced_resources, skew_ms) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
	{DEVICE_TYPES, SYNCED_TYPES, NULL}};

#define DEVICE_UPDATE                                                                                                \
	"UPDATE learnsync_data.device d SET device_name = COALESCE($3, d.device_name),"                                  \
	" metadata = COALESCE($4, d.metadata), version = GREATEST($5, d.version), last_sync_at = $6"
#define SYNCED ", synced_resources = COALESCE(d.synced_resources, '{}') OPERATOR(pg_catalog.||) $7, skew_ms = $8"
#define DEVICE_KEY " WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "$2"

static LsStatement touch_device = {DEVICE_UPDATE DEVICE_KEY, {DEVICE_TYPES, NULL}};

static LsStatement note_device = {DEVICE_UPDATE SYNCED DEVICE_KEY, {DEVICE_TYPES, SYNCED_TYPES, NULL}};

static LsStatement read_rate = {"SELECT d.rate_at FROM learnsync_data.device d" DEVICE_KEY,
								{"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement charge_device = {"UPDATE learnsync_data.device d SET rate_at = $3" DEVICE_KEY,
									{"pg_catalog.text", "pg_catalog.text", "pg_catalog.timestamptz", NULL}};

/* Those that were turned away count and stay: forgotten, they would be let in again. */
static LsStatement forget_devices = {
	"DELETE FROM learnsync_data.device d USING (SELECT x.device_id FROM learnsync_data.device x"
	" WHERE x.learner_id" EQ "$1 AND x.is_active AND x.device_id" NE "$2"
	" ORDER BY x.last_sync_at DESC, x.device_id OFFSET GREATEST($3 OPERATOR(pg_catalog.-) 1 OPERATOR(pg_catalog.-)"
	" (SELECT pg_catalog.count(*) FROM learnsync_data.device y WHERE y.learner_id" EQ "$1 AND NOT y.is_active), 0)) o"
	" WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "o.device_id",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.int8", NULL}};

/* The rest of what the journal takes, up to the receipts. */
#define JOURNAL_TYPES                                                                                                \
	DEVICE_TYPES, SYNCED_TYPES, "pg_catalog.tid", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.int8",           \
		"pg_catalog.text[]", "pg_catalog.text[]", "pg_catalog.jsonb", "pg_catalog.int8"
#define NJOURNAL 16
#define NRECEIPT 5

/*
 * Receipts, the row that is both payload and change log, and the device, which counts as what is processed. The row goes
 * to its slot directly, which spares the routing.
 */
#define JOURNAL(slot, receipts)                                                                                        \
	"WITH ledger AS (INSERT INTO learnsync_data.ledger (learner_id, key, fingerprint, verdict, version, at) " receipts \
	"), log AS (INSERT INTO learnsync_data.push_" slot                                                                 \
	" (learner_id, version, push_no, slot, prev_version, device_id,"                                                   \
	" pushed_at, resource_types, resource_ids, items, item_count)"                                                     \
	" VALUES ($1, $10, $11, " slot ", $12, $2, $6, $13, $14, $15, $16)) " DEVICE_UPDATE SYNCED DEVICE_KEY              \
	" AND d.ctid" EQ "$9"
#define ONE(slot)                                                                                                    \
	{                                                                                                                \
		JOURNAL(slot, "VALUES ($1, $17, $18, $19, $20, $21)"),                                                       \
		{                                                                                                            \
			JOURNAL_TYPES, "pg_catalog.uuid", "pg_catalog.int8", "pg_catalog.\"char\"", "pg_catalog.int8",           \
				"pg_catalog.timestamptz", NULL                                                                       \
		}                                                                                                            \
	}
#define MANY(slot)                                                                                                   \
	{                                                                                                                \
		JOURNAL(slot, "SELECT $1, c.key, c.fingerprint, c.verdict, c.version, c.at FROM pg_catalog.unnest($17) c"),  \
		{                                                                                                            \
			JOURNAL_TYPES, "learnsync_internal.ledger_row[]", NULL                                                   \
		}                                                                                                            \
	}

/* The journal of a single item does without an array, whose unpacking costs more to set up than the item. */
static LsStatement write_one[SLOTS] = {ONE("0"), ONE("1"), ONE("2"), ONE("3"),
									   ONE("4"), ONE("5"), ONE("6"), ONE("7")};

static LsStatement write_many[SLOTS] = {MANY("0"), MANY("1"), MANY("2"), MANY("3"),
										MANY("4"), MANY("5"), MANY("6"), MANY("7")};

static void
receipt_values(const LsItem *item, TimestampTz now, Datum *values)
{
	values[0] = UUIDPGetDatum(&item->key);
	values[1] = Int64GetDatum(item->fingerprint);
	values[2] = CharGetDatum(item->verdict);
	values[3] = Int64GetDatum(item->version);
	values[4] = TimestampTzGetDatum(Max(now, item->client_at));
}

static Datum
receipts(const LsPush *push)
{
	Datum *rows = palloc(sizeof(Datum) * push->naccepted);
	bool nulls[NRECEIPT] = {false};
	Datum values[NRECEIPT];
	int count = 0;

	for (int i = 0; i < push->nitems; i++)
	{
		if (!push->items[i].accepted)
			continue;
		receipt_values(&push->items[i], push->now, values);
		rows[count++] = ls_store_row(&ledger_row, values, nulls);
	}
	return ls_store_array(&ledger_row, rows, count);
}

/* The first accepted item; there is one. */
static const LsItem *
first_accepted(const LsPush *push)
{
	const LsItem *item = push->items;

	while (!item->accepted)
		item++;
	return item;
}

/* The accepted items as they were sent; the request's own array where that is all of them. */
static Datum
accepted_payload(LsPush *push)
{
	JsonbValue items = ls_json_array();

	if (push->naccepted == push->nitems)
		return JsonbPGetDatum(ls_json_encode(&push->items_raw));
	for (int i = 0; i < push->nitems; i++)
	{
		if (push->items[i].accepted)
			ls_json_add(&items, push->items[i].raw);
	}
	return JsonbPGetDatum(ls_json_encode(&items));
}

static void
device_values(LsPush *push, Datum *values, char *nulls)
{
	bool isnull[NDEVICE];

	ls_store_put_text(values, isnull, 0, push->learner.id);
	ls_store_put_text(values, isnull, 1, push->device.id);
	ls_store_put_text(values, isnull, 2, push->device_name);
	ls_store_put_json(values, isnull, 3, &push->metadata);
	ls_store_put(values, isnull, 4, true, Int64GetDatum(push->safe_version));
	ls_store_put(values, isnull, 5, true, TimestampTzGetDatum(push->now));
	ls_store_mark_nulls(nulls, isnull, NDEVICE);
}

/* Until when the calls of a device use up its rate limit. */
TimestampTz
ls_store_device_rate(const LsPush *push)
{
	Datum values[] = {ls_text_to_datum(push->learner.id), ls_text_to_datum(push->device.id)};

	return ls_store_run(&read_rate, values, NULL) > 0 ? ls_store_time(0, 1) : LS_NO_TIME;
}

/* What is left to do once the device's row is written: charge the call, and forget others of too many. */
static void
settle_device(const LsPush *push)
{
	Datum values[3];

	if (!push->device.charged && push->device.exists)
		return;
	values[0] = ls_text_to_datum(push->learner.id);
	values[1] = ls_text_to_datum(push->device.id);
	if (push->device.charged)
	{
		values[2] = TimestampTzGetDatum(push->device.rate_at);
		ls_store_run(&charge_device, values, NULL);
	}
	if (!push->device.exists)
	{
		values[2] = Int64GetDatum(learnsync_max_devices);
		ls_store_run(&forget_devices, values, NULL);
	}
}

/* Notes that the device was here, if it was one. */
void
ls_store_touch_device(LsPush *push)
{
	Datum values[NDEVICE + NSYNCED];
	char nulls[NDEVICE + NSYNCED + 1] = "      nn";

	if (push->device.id.length == 0)
		return;
	device_values(push, values, nulls);
	ls_store_run(push->device.exists ? &touch_device : &add_device, values, nulls);
	settle_device(push);
}

static Datum
changed_texts(LsPush *push, bool ids)
{
	Datum *texts = palloc(sizeof(Datum) * Max(push->nchanged, 1));

	for (int i = 0; i < push->nchanged; i++)
		texts[i] = ls_text_to_datum(ids ? push->changed[i]->id : push->changed[i]->type->name);
	return ls_text_array(texts, push->nchanged);
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
synced_types(const LsPush *push)
{
	JsonbValue synced = ls_json_object();
	JsonbValue now = ls_json_stamp(push->now);

	for (int i = 0; i < push->nitems; i++)
	{
		if (push->items[i].accepted && !has_key(&synced, push->items[i].type->name))
			ls_json_put_text(&synced, push->items[i].type->name, now);
	}
	return JsonbPGetDatum(ls_json_encode(&synced));
}

/* How far the newest of the accepted items is ahead of our clock, in milliseconds. */
static int64
skew(const LsPush *push)
{
	TimestampTz newest = push->now;

	for (int i = 0; i < push->nitems; i++)
	{
		if (push->items[i].accepted)
			newest = Max(newest, push->items[i].client_at);
	}
	return (newest - push->now) / 1000;
}

static void
journal_values(LsPush *push, Datum *values, char *nulls)
{
	device_values(push, values, nulls);
	values[6] = synced_types(push);
	values[7] = Int64GetDatum(skew(push));
	values[8] = PointerGetDatum(&push->device.place);
	nulls[8] = push->device.exists ? ' ' : 'n';
	values[9] = Int64GetDatum(push->version);
	values[10] = Int64GetDatum(push->learner.push_no + 1);
	values[11] = Int64GetDatum(push->learner.log_version);
	values[12] = changed_texts(push, false);
	values[13] = changed_texts(push, true);
	values[14] = accepted_payload(push);
	values[15] = Int64GetDatum(push->naccepted);
}

/* Writes receipts and payload of the accepted items, and the device. */
void
ls_store_write_journal(LsPush *push)
{
	int slot = (int) (push->now / SLOT_USECS % SLOTS);
	bool is_one = push->naccepted == 1;
	Datum values[NJOURNAL + NRECEIPT];
	char nulls[NJOURNAL + NRECEIPT + 1] = "                     ";
	bool noted;

	journal_values(push, values, nulls);
	if (is_one)
		receipt_values(first_accepted(push), push->now, values + NJOURNAL);
	else
		values[NJOURNAL] = receipts(push);
	noted = ls_store_run(is_one ? &write_one[slot] : &write_many[slot], values, nulls) > 0;
	if (push->device.id.length == 0)
		return;
	/* A new device, or one that was deactivated or removed since it was read. */
	if (!noted)
		ls_store_run(push->device.exists ? &note_device : &add_device, values, nulls);
	settle_device(push);
}
