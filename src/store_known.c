/*
 * store_known.c
 *		What is known of a push before it is decided: its device, its items' receipts, their resources.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "store.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* The columns of what is known, counted from 0; those of the device come last. */
enum
{
	ITEM,
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
	IS_ACTIVE,
	DEVICE_VERSION,
	DEVICE_PLACE,
	NCOLUMNS
};

#define KNOWN                                                                                                        \
	"g.fingerprint, g.version, g.verdict, r.version, r.created_version, r.at, r.deleted_at, r.data, r.book, r.place"
#define DEVICE                                                                                                       \
	"d.is_active, d.version, d.ctid FROM (SELECT 1) o LEFT JOIN learnsync_data.device d"                             \
	" ON d.learner_id" EQ "$1 AND d.device_id" EQ "$2"
#define RESOURCE                                                                                                     \
	"(SELECT s.resource_type, s.resource_id, s.version, s.created_version, s.at, s.deleted_at, s.data, s.book,"      \
	" s.ctid AS place FROM learnsync_data.resource s WHERE s.learner_id" EQ "$1"
#define RECEIPT                                                                                                      \
	"(SELECT l.key, l.fingerprint, l.version, l.verdict FROM learnsync_data.ledger l WHERE l.learner_id" EQ "$1"
#define ITEM_TYPES "pg_catalog.uuid[]", "pg_catalog.text[]", "pg_catalog.text[]"

/*
 * A row per item, or a single one where there is none: the item's receipt, its resource, the device. LIMIT 1 keeps the
 * planner from joining in another way than by one index lookup per item.
 */
static LsStatement look_up = {
	"SELECT k.n, " KNOWN ", " DEVICE
	" LEFT JOIN unnest($3, $4, $5) WITH ORDINALITY AS k (key, resource_type, resource_id, n) ON true"
	" LEFT JOIN LATERAL " RECEIPT " AND l.key" EQ "k.key LIMIT 1) g ON true"
	" LEFT JOIN LATERAL " RESOURCE " AND s.resource_type" EQ "k.resource_type AND s.resource_id" EQ
	"k.resource_id LIMIT 1) r ON true",
	{"pg_catalog.text", "pg_catalog.text", ITEM_TYPES, NULL}};

/* The same for a single item, which costs less than half of that to set up. */
static LsStatement look_up_one = {
	"SELECT 1::pg_catalog.int8, " KNOWN ", " DEVICE " LEFT JOIN " RECEIPT ") g ON g.key" EQ "$3"
	" LEFT JOIN " RESOURCE ") r ON r.resource_type" EQ "$4 AND r.resource_id" EQ "$5",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.uuid", "pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement read_failed = {"SELECT k.n FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (key, n)"
								  " CROSS JOIN LATERAL (SELECT FROM learnsync_data.failed x"
								  "  WHERE x.learner_id" EQ "$1 AND x.key" EQ "k.key LIMIT 1) f",
								  {"pg_catalog.text", "pg_catalog.uuid[]", NULL}};

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
		push->device.place = *(ItemPointer) DatumGetPointer(values[DEVICE_PLACE]);
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

static Datum
item_keys(const LsPush *push)
{
	Datum *keys = palloc(sizeof(Datum) * Max(push->nitems, 1));

	for (int i = 0; i < push->nitems; i++)
		keys[i] = UUIDPGetDatum(&push->items[i].key);
	return column_array(keys, NULL, push->nitems, UUIDOID);
}

/* Marks the items of which an earlier copy failed, for the few learners who have failed items. */
static void
mark_failed(LsPush *push)
{
	Datum values[] = {ls_text_to_datum(push->learner.id), item_keys(push)};
	uint64 count = ls_store_run(&read_failed, values, NULL);

	for (uint64 i = 0; i < count; i++)
		push->items[ls_store_int(i, 1) - 1].was_failed = true;
}

static uint64
find_one(const LsPush *push, Datum *values)
{
	const LsResource *resource = push->items[0].resource;

	values[2] = UUIDPGetDatum(&push->items[0].key);
	if (resource == NULL)
		return ls_store_run(&look_up_one, values, "   nn");
	values[3] = ls_text_to_datum(resource->type->name);
	values[4] = ls_text_to_datum(resource->id);
	return ls_store_run(&look_up_one, values, NULL);
}

/* Each resource is read once, for the first item that is about it. */
static uint64
find_many(const LsPush *push, Datum *values)
{
	Datum *types = palloc0(sizeof(Datum) * Max(push->nitems, 1));
	Datum *ids = palloc0(sizeof(Datum) * Max(push->nitems, 1));
	bool *missing = palloc(sizeof(bool) * Max(push->nitems, 1));

	for (int i = 0; i < push->nitems; i++)
	{
		LsResource *resource = push->items[i].resource;

		missing[i] = resource == NULL || resource->first_item != i;
		if (missing[i])
			continue;
		types[i] = ls_text_to_datum(resource->type->name);
		ids[i] = ls_text_to_datum(resource->id);
	}
	values[2] = item_keys(push);
	values[3] = column_array(types, missing, push->nitems, TEXTOID);
	values[4] = column_array(ids, missing, push->nitems, TEXTOID);
	return ls_store_run(&look_up, values, NULL);
}

/* Finds the device, the receipts of the items' identities and the stored states of their resources. */
void
ls_store_read_known(LsPush *push)
{
	Datum values[5] = {ls_text_to_datum(push->learner.id), ls_text_to_datum(push->device.id)};
	uint64 count = push->nitems == 1 ? find_one(push, values) : find_many(push, values);

	for (uint64 i = 0; i < count; i++)
		take_known(push, i);
	if (push->learner.has_failed)
		mark_failed(push);
}
