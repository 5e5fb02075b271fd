/*
 * store_push.c
 *		What a push reads: the learner under lock, the identities it knows, the resources its items touch.
 *
 * The lock comes first and alone; the rest is read by a later statement, whose snapshot sees what was committed while
 * the lock was waited for.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "store.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define LEARNER_COLUMNS                                                                                              \
	"SELECT l.version, l.log_version, l.push_no, l.has_failed::pg_catalog.int4,"                                     \
	" COALESCE(l.receipt_horizon, '-infinity'), COALESCE(l.rate_at, '-infinity')"                                    \
	" FROM learnsync_data.learner l WHERE l.learner_id" EQ "$1"

static LsStatement read_learner = {LEARNER_COLUMNS, {"pg_catalog.text", NULL}};

static LsStatement lock_learner = {LEARNER_COLUMNS " FOR NO KEY UPDATE", {"pg_catalog.text", NULL}};

static LsStatement add_learner = {
	"INSERT INTO learnsync_data.learner (learner_id) VALUES ($1) ON CONFLICT (learner_id) DO NOTHING",
	{"pg_catalog.text", NULL}};

/* The columns of read_known, counted from 0. */
enum
{
	ITEM,
	IS_ACTIVE,
	DEVICE_VERSION,
	FINGERPRINT,
	RECEIPT_VERSION,
	VERDICT,
	VERSION,
	CREATED_VERSION,
	AT,
	DELETED_AT,
	DATA,
	BOOK,
	PLACE,
	NCOLUMNS
};

/*
 * A row per item, or a single one where there is none: the device, the item's receipt, its resource. LIMIT 1 keeps the
 * planner from joining in another way than by one index lookup per item.
 */
static LsStatement read_known = {
	"SELECT k.n, d.is_active, d.version, g.fingerprint, g.version, g.verdict,"
	" r.version, r.created_version, r.at, r.deleted_at, r.data, r.book, r.place"
	" FROM (SELECT 1) o LEFT JOIN learnsync_data.device d ON d.learner_id" EQ "$1 AND d.device_id" EQ "$2"
	" LEFT JOIN unnest($3, $4, $5) WITH ORDINALITY AS k (key, resource_type, resource_id, n) ON true"
	" LEFT JOIN LATERAL (SELECT l.fingerprint, l.version, l.verdict FROM learnsync_data.ledger l"
	"  WHERE l.learner_id" EQ "$1 AND l.key" EQ "k.key LIMIT 1) g ON true"
	" LEFT JOIN LATERAL (SELECT s.version, s.created_version, s.at, s.deleted_at, s.data, s.book, s.ctid AS place"
	"  FROM learnsync_data.resource s WHERE s.learner_id" EQ "$1 AND s.resource_type" EQ "k.resource_type"
	"  AND s.resource_id" EQ "k.resource_id LIMIT 1) r ON true",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.uuid[]", "pg_catalog.text[]", "pg_catalog.text[]", NULL}};

static LsStatement read_failed = {"SELECT k.n FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (key, n)"
								  " CROSS JOIN LATERAL (SELECT FROM learnsync_data.failed x"
								  "  WHERE x.learner_id" EQ "$1 AND x.key" EQ "k.key LIMIT 1) f",
								  {"pg_catalog.text", "pg_catalog.uuid[]", NULL}};

static bool
take_learner(LsPush *push, LsStatement *statement)
{
	Datum values[] = {ls_text_to_datum(push->learner.id)};

	if (ls_store_run(statement, values, NULL) == 0)
		return false;
	push->learner.version = ls_store_int(0, 1);
	push->learner.log_version = ls_store_int(0, 2);
	push->learner.push_no = ls_store_int(0, 3);
	push->learner.has_failed = ls_store_int(0, 4) != 0;
	push->learner.receipt_horizon = ls_store_int(0, 5);
	push->learner.rate_at = ls_store_int(0, 6);
	return true;
}

/* Reads the learner as it is, for a push that writes nothing. */
void
ls_store_read_learner(LsPush *push)
{
	if (take_learner(push, &read_learner))
		return;
	ls_store_refuse_forgotten(push->learner.id);
	push->learner.version = push->learner.log_version = LS_FIRST_VERSION;
}

/* Locks the learner's row, which is made where it is missing. Whoever waited reads it as it is after the wait. */
void
ls_store_lock_learner(LsPush *push)
{
	Datum values[] = {ls_text_to_datum(push->learner.id)};

	if (take_learner(push, &lock_learner))
		return;
	ls_store_run(&add_learner, values, NULL);
	if (!take_learner(push, &lock_learner))
		elog(ERROR, "learner vanished while it was added");
	ls_store_refuse_forgotten(push->learner.id);
}

/* The state and the version of a stored resource; what they point to stays until the store is closed. */
static void
take_resource(LsResource *resource, const Datum *values, const bool *nulls)
{
	LsState *state = &resource->stored;

	resource->place = *(ItemPointer) DatumGetPointer(values[PLACE]);
	resource->version = DatumGetInt64(values[VERSION]);
	resource->created_version = DatumGetInt64(values[CREATED_VERSION]);
	state->at = DatumGetTimestampTz(values[AT]);
	state->deleted_at = nulls[DELETED_AT] ? LS_NO_TIME : DatumGetTimestampTz(values[DELETED_AT]);
	state->exists = !nulls[DATA];
	if (state->exists)
		ls_state_load(resource->type->rule, state, DatumGetJsonbP(values[DATA]),
					  nulls[BOOK] ? NULL : DatumGetJsonbP(values[BOOK]));
}

static void
take_known(LsPush *push, uint64 row)
{
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS];
	LsItem *item;

	heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, values, nulls);
	push->device.exists = !nulls[IS_ACTIVE];
	if (push->device.exists)
	{
		push->device.active = DatumGetBool(values[IS_ACTIVE]);
		push->device.version = DatumGetInt64(values[DEVICE_VERSION]);
	}
	if (nulls[ITEM])
		return;
	item = &push->items[DatumGetInt64(values[ITEM]) - 1];
	item->receipt.found = !nulls[VERDICT];
	if (item->receipt.found)
	{
		item->receipt.fingerprint = DatumGetInt64(values[FINGERPRINT]);
		item->receipt.version = DatumGetInt64(values[RECEIPT_VERSION]);
		item->receipt.verdict = (LsVerdict) DatumGetChar(values[VERDICT]);
	}
	if (!nulls[VERSION])
		take_resource(item->resource, values, nulls);
}

/* The array of a column of the items; missing says where an item has none. */
static Datum
column_array(const Datum *values, const bool *missing, int count, Oid type)
{
	int lower = 1;
	bool is_text = type == TEXTOID;

	if (count == 0)
		return PointerGetDatum(construct_empty_array(type));
	return PointerGetDatum(construct_md_array((Datum *) values, (bool *) missing, 1, &count, &lower, type,
											  is_text ? -1 : UUID_LEN, false,
											  is_text ? TYPALIGN_INT : TYPALIGN_CHAR));
}

/* Marks the items of which an earlier copy failed, for the few learners who have failed items. */
static void
mark_failed(LsPush *push, Datum learner, Datum keys)
{
	Datum values[] = {learner, keys};
	uint64 count;

	if (!push->learner.has_failed)
		return;
	count = ls_store_run(&read_failed, values, NULL);
	for (uint64 i = 0; i < count; i++)
		push->items[ls_store_int(i, 1) - 1].was_failed = true;
}

/* Finds the device, the receipts of the items' identities and the stored states of their resources, each read once. */
void
ls_store_read_known(LsPush *push)
{
	Datum *keys = palloc(sizeof(Datum) * Max(push->nitems, 1));
	Datum *types = palloc0(sizeof(Datum) * Max(push->nitems, 1));
	Datum *ids = palloc0(sizeof(Datum) * Max(push->nitems, 1));
	bool *missing = palloc(sizeof(bool) * Max(push->nitems, 1));
	Datum values[5];
	uint64 count;

	for (int i = 0; i < push->nitems; i++)
	{
		LsResource *resource = push->items[i].resource;

		keys[i] = UUIDPGetDatum(&push->items[i].key);
		missing[i] = resource == NULL || resource->first_item != i;
		if (missing[i])
			continue;
		types[i] = ls_text_to_datum(resource->type->name);
		ids[i] = ls_text_to_datum(resource->id);
	}
	values[0] = ls_text_to_datum(push->learner.id);
	values[1] = ls_text_to_datum(push->device.id);
	values[2] = column_array(keys, NULL, push->nitems, UUIDOID);
	values[3] = column_array(types, missing, push->nitems, TEXTOID);
	values[4] = column_array(ids, missing, push->nitems, TEXTOID);
	count = ls_store_run(&read_known, values, NULL);
	for (uint64 i = 0; i < count; i++)
		take_known(push, i);
	mark_failed(push, values[0], values[2]);
}
