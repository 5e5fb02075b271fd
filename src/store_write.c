/*
 * store_write.c
 *		What a push writes of its accepted items: resources, receipts and change log, conflicts, device, learner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define SLOT_USECS (INT64CONST(7) * USECS_PER_DAY) /* a week fills one slot of the payloads, then the next */
#define SLOTS 8

static LsRowType resource_row = {"learnsync.resource_row"};
static LsRowType ledger_row = {"learnsync.ledger_row"};
static LsRowType conflict_row = {"learnsync.conflict_row"};

static LsStatement add_resources = {
	"INSERT INTO learnsync_data.resource (learner_id, resource_type, resource_id, version, created_version,"
	" at, deleted_at, updated_at, data, book)"
	" SELECT $1, c.resource_type, c.resource_id, c.version, c.created_version, c.at, c.deleted_at, $3, c.data, c.book"
	" FROM pg_catalog.unnest($2) c",
	{"pg_catalog.text", "learnsync.resource_row[]", "pg_catalog.timestamptz", NULL}};

/*
 * Rows are found by the place they were read from, under the learner's lock. The learner is compared in a form that no
 * index serves, so that the plan cannot become one that reads all of the learner's resources.
 */
static LsStatement update_resources = {
	"UPDATE learnsync_data.resource r SET version = c.version, created_version = c.created_version, at = c.at,"
	" deleted_at = c.deleted_at, updated_at = $3, data = c.data, book = c.book"
	" FROM pg_catalog.unnest($2) c"
	" WHERE r.ctid" EQ "c.place AND (r.learner_id" EQ "$1) IS TRUE",
	{"pg_catalog.text", "learnsync.resource_row[]", "pg_catalog.timestamptz", NULL}};

/* What every statement that notes the device takes: learner, id, name, metadata, version, now. */
#define DEVICE_TYPES                                                                                                 \
	"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.jsonb", "pg_catalog.int8",                  \
		"pg_catalog.timestamptz"

static LsStatement add_device = {
	"INSERT INTO learnsync_data.device (learner_id, device_id, device_name, metadata, version, created_at,"
	" last_sync_at) VALUES ($1, $2, $3, $4, $5, $6, $6)",
	{DEVICE_TYPES, NULL}};

#define DEVICE_UPDATE(more)                                                                                          \
	"UPDATE learnsync_data.device d SET device_name = COALESCE($3, d.device_name),"                                  \
	" metadata = COALESCE($4, d.metadata), version = GREATEST($5, d.version), last_sync_at = $6" more                \
	" WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "$2"

static LsStatement touch_device = {DEVICE_UPDATE(""), {DEVICE_TYPES, NULL}};

/*
 * Receipts, the device and the row that is both payload and change log; that goes to its slot directly, which spares
 * the routing.
 */
#define JOURNAL(slot)                                                                                                                                                              \
	{                                                                                                                                                                              \
		"WITH ledger AS (INSERT INTO learnsync_data.ledger (learner_id, key, fingerprint, verdict, version, at)"                                                                   \
		" SELECT $1, c.key, c.fingerprint, c.verdict, c.version, c.at FROM pg_catalog.unnest($7) c),"                                                                              \
		" device AS (" DEVICE_UPDATE(                                                                                                                                              \
			", synced_resources = COALESCE(d.synced_resources, '{}') OPERATOR(pg_catalog.||) $14, skew_ms = $15") ")"                                                              \
																												  " INSERT INTO learnsync_data.push_" slot                         \
																												  " (learner_id, version, push_no, slot, prev_version, device_id," \
																												  " pushed_at, resource_types, resource_ids, item_count, items)"   \
																												  " VALUES ($1, $8, $9, " slot                                     \
																												  ", $10, $2, $6, $11, $12, pg_catalog.cardinality($7), $13)",     \
		{                                                                                                                                                                          \
			DEVICE_TYPES, "learnsync.ledger_row[]", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.int8",                                                                       \
				"pg_catalog.text[]", "pg_catalog.text[]", "pg_catalog.jsonb", "pg_catalog.jsonb", "pg_catalog.int8",                                                               \
				NULL                                                                                                                                                               \
		}                                                                                                                                                                          \
	}

static LsStatement write_journal[SLOTS] = {JOURNAL("0"), JOURNAL("1"), JOURNAL("2"), JOURNAL("3"),
										   JOURNAL("4"), JOURNAL("5"), JOURNAL("6"), JOURNAL("7")};

static LsStatement write_conflicts = {
	"INSERT INTO learnsync_data.conflict (learner_id, conflict_id, device_id, item_id, resource_type, resource_id,"
	" operation, client_data, at, resource_version, resolution, created_at, closed_at, closed_by)"
	" SELECT $1, c.conflict_id, $3, c.item_id, c.resource_type, c.resource_id, c.operation, c.client_data, c.at,"
	" c.resource_version, c.resolution, $4, CASE WHEN c.is_open THEN NULL ELSE $4 END,"
	" CASE WHEN c.is_open THEN NULL ELSE 'rule' END FROM pg_catalog.unnest($2) c",
	{"pg_catalog.text", "learnsync.conflict_row[]", "pg_catalog.text", "pg_catalog.timestamptz", NULL}};

/* The number of pushes is compared too: a trigger that pushed for the same learner has left our versions behind. */
static LsStatement update_learner = {
	"UPDATE learnsync_data.learner l SET version = $2, log_version = $3, push_no = $4, has_failed = l.has_failed OR $6,"
	" rate_at = $7"
	" WHERE l.learner_id" EQ "$1 AND l.push_no" EQ "$5",
	{"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.bool",
	 "pg_catalog.timestamptz", NULL}};

static Datum
resource_datum(const LsResource *resource)
{
	const LsState *state = &resource->state;
	Jsonb *book = state->exists ? ls_state_book(state) : NULL;
	Datum values[9];
	bool nulls[9];

	ls_store_put_text(values, nulls, 0, resource->type->name);
	ls_store_put_text(values, nulls, 1, resource->id);
	ls_store_put(values, nulls, 2, true, Int64GetDatum(resource->new_version));
	ls_store_put(values, nulls, 3, true, Int64GetDatum(ls_resource_created(resource)));
	ls_store_put(values, nulls, 4, true, TimestampTzGetDatum(state->at));
	ls_store_put(values, nulls, 5, state->deleted_at != LS_NO_TIME, TimestampTzGetDatum(state->deleted_at));
	ls_store_put(values, nulls, 6, state->exists,
				 state->exists ? JsonbPGetDatum(ls_state_document(state)) : (Datum) 0);
	ls_store_put(values, nulls, 7, book != NULL, JsonbPGetDatum(book));
	ls_store_put(values, nulls, 8, resource->version != 0, PointerGetDatum(&resource->place));
	return ls_store_row(&resource_row, values, nulls);
}

static Datum
ledger_datum(const LsItem *item, TimestampTz now)
{
	bool nulls[5] = {false};
	Datum values[5] = {UUIDPGetDatum(&item->key), Int64GetDatum(item->fingerprint), CharGetDatum(item->verdict),
					   Int64GetDatum(item->version), TimestampTzGetDatum(Max(now, item->client_at))};

	return ls_store_row(&ledger_row, values, nulls);
}

static Datum
conflict_datum(const LsItem *item)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	Datum values[10];
	bool nulls[10];

	*id = ls_digest_derive(&item->key, "conflict");
	ls_store_put(values, nulls, 0, true, UUIDPGetDatum(id));
	ls_store_put_text(values, nulls, 1, item->id);
	ls_store_put_text(values, nulls, 2, item->type->name);
	ls_store_put_text(values, nulls, 3, item->resource->id);
	ls_store_put_text(values, nulls, 4, item->operation);
	ls_store_put_json(values, nulls, 5, &item->data);
	ls_store_put(values, nulls, 6, true, TimestampTzGetDatum(item->change.at));
	ls_store_put(values, nulls, 7, true, Int64GetDatum(item->version));
	ls_store_put_text(values, nulls, 8, ls_text(ls_verdict_resolution(item->verdict)));
	ls_store_put(values, nulls, 9, true, BoolGetDatum(item->verdict == LS_MANUAL_REQUIRED));
	return ls_store_row(&conflict_row, values, nulls);
}

/* Writes the changed resources that are new, or those that are not. */
static void
write_resources(LsPush *push, bool new, LsStatement *statement)
{
	Datum *rows = palloc(sizeof(Datum) * Max(push->nchanged, 1));
	Datum values[3];
	int count = 0;

	for (int i = 0; i < push->nchanged; i++)
	{
		if ((push->changed[i]->version == 0) == new)
			rows[count++] = resource_datum(push->changed[i]);
	}
	if (count == 0)
		return;
	values[0] = ls_text_to_datum(push->learner.id);
	values[1] = ls_store_array(&resource_row, rows, count);
	values[2] = TimestampTzGetDatum(push->now);
	if (ls_store_run(statement, values, NULL) != count)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("a resource was changed or a row of it refused outside learnsync"),
						errhint("Leave writing learnsync_data.resource to learnsync; a BEFORE trigger must not "
								"skip rows.")));
}

/* The accepted items as they were sent; the request's own array where that is all of them. */
static Datum
accepted_payload(LsPush *push, int accepted)
{
	JsonbValue items = ls_json_array();

	if (accepted == push->nitems)
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
	bool isnull[6];

	ls_store_put_text(values, isnull, 0, push->learner.id);
	ls_store_put_text(values, isnull, 1, push->device.id);
	ls_store_put_text(values, isnull, 2, push->device_name);
	ls_store_put_json(values, isnull, 3, &push->metadata);
	ls_store_put(values, isnull, 4, true, Int64GetDatum(push->safe_version));
	ls_store_put(values, isnull, 5, true, TimestampTzGetDatum(push->now));
	for (int i = 0; i < 6; i++)
		nulls[i] = isnull[i] ? 'n' : ' ';
}

/* Notes that the device was here, if it was one. */
void
ls_store_touch_device(LsPush *push)
{
	Datum values[6];
	char nulls[6];

	if (push->device.id.length == 0)
		return;
	device_values(push, values, nulls);
	ls_store_run(push->device.exists ? &touch_device : &add_device, values, nulls);
}

static Datum
changed_texts(LsPush *push, bool ids)
{
	Datum *texts = palloc(sizeof(Datum) * Max(push->nchanged, 1));

	for (int i = 0; i < push->nchanged; i++)
		texts[i] = ls_text_to_datum(ids ? push->changed[i]->id : push->changed[i]->type->name);
	return ls_store_texts(texts, push->nchanged);
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
write_receipts(LsPush *push)
{
	Datum *rows = palloc(sizeof(Datum) * Max(push->nitems, 1));
	Datum values[15];
	char nulls[16] = "               ";
	int count = 0;

	for (int i = 0; i < push->nitems; i++)
	{
		if (push->items[i].accepted)
			rows[count++] = ledger_datum(&push->items[i], push->now);
	}
	device_values(push, values, nulls);
	values[6] = ls_store_array(&ledger_row, rows, count);
	values[7] = Int64GetDatum(push->version);
	values[8] = Int64GetDatum(push->learner.push_no + 1);
	values[9] = Int64GetDatum(push->learner.log_version);
	values[10] = changed_texts(push, false);
	values[11] = changed_texts(push, true);
	values[12] = accepted_payload(push, count);
	values[13] = synced_types(push);
	values[14] = Int64GetDatum(skew(push));
	if (!push->device.exists && push->device.id.length > 0)
		ls_store_run(&add_device, values, nulls);
	ls_store_run(&write_journal[push->now / SLOT_USECS % SLOTS], values, nulls);
}

static void
write_new_conflicts(LsPush *push)
{
	Datum *rows = palloc(sizeof(Datum) * Max(push->nitems, 1));
	Datum values[4];
	int count = 0;

	for (int i = 0; i < push->nitems; i++)
	{
		if (push->items[i].accepted && push->items[i].verdict != LS_SYNCED)
			rows[count++] = conflict_datum(&push->items[i]);
	}
	if (count == 0)
		return;
	values[0] = ls_text_to_datum(push->learner.id);
	values[1] = ls_store_array(&conflict_row, rows, count);
	values[2] = ls_text_to_datum(push->device.id);
	values[3] = TimestampTzGetDatum(push->now);
	ls_store_run(&write_conflicts, values, NULL);
}

/* Writes what the accepted items did: everything that a team's triggers and constraints may have a say in. */
void
ls_store_write_accepted(LsPush *push)
{
	write_resources(push, true, &add_resources);
	write_resources(push, false, &update_resources);
	ls_store_write_members(push);
	ls_store_write_statements(push);
	write_receipts(push);
	write_new_conflicts(push);
}

/* The learner's row last and outside any subtransaction, which would turn its lock into a multixact. */
void
ls_store_update_learner(LsPush *push, bool logged, bool failed)
{
	Datum values[] = {ls_text_to_datum(push->learner.id),
					  Int64GetDatum(push->version),
					  Int64GetDatum(logged ? push->version : push->learner.log_version),
					  Int64GetDatum(push->learner.push_no + (logged ? 1 : 0)),
					  Int64GetDatum(push->learner.push_no),
					  BoolGetDatum(failed),
					  TimestampTzGetDatum(push->learner.rate_at)};

	if (ls_store_run(&update_learner, values, push->learner.rate_at == LS_NO_TIME ? "      n" : NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a push was made within a push of the same learner"),
				 errhint("A trigger on the tables of learnsync must not call learnsync for the same learner.")));
}
