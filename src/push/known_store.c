/*
 * known_store.c
 *		What is known of a push before it is decided: its device, its items' receipts, their resources.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "direct/direct.h"
#include "miscadmin.h"
#include "push/push.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* The columns of what is known, counted from 0; those of the device come last. */
enum
{
	ITEM,
	FINGERPRINT,
	RECEIPT_VERSION,
	VERDICT,
	LEARNER, /* from here on as the columns of a resource */
	TYPE,
	ID,
	VERSION,
	CREATED_VERSION,
	AT,
	DELETED_AT,
	UPDATED_AT,
	DATA,
	BOOK,
	PLACE,
	IS_ACTIVE,
	DEVICE_PLACE,
	NCOLUMNS
};

#define RESOURCE_COLUMNS LEARNER

#define KNOWN                                                                                                        \
	"g.fingerprint, g.version, g.verdict, r.learner_id, r.resource_type, r.resource_id, r.version,"                  \
	" r.created_version, r.at, r.deleted_at, r.updated_at, r.data, r.book, r.place"
#define DEVICE                                                                                                       \
	"d.is_active, d.ctid FROM (SELECT 1) o LEFT JOIN learnsync_data.device d"                                        \
	" ON d.learner_id" EQ "$1 AND d.device_id" EQ "$2"
#define RESOURCE                                                                                                     \
	"SELECT s.learner_id, s.resource_type, s.resource_id, s.version, s.created_version, s.at, s.deleted_at,"         \
	" s.updated_at, s.data, s.book, s.ctid AS place FROM learnsync_data.resource s WHERE s.learner_id" EQ "$1"
#define RECEIPT                                                                                                      \
	"SELECT l.key, l.fingerprint, l.version, l.verdict FROM learnsync_data.ledger l WHERE l.learner_id" EQ "$1"

static LsRowType known_row = {"learnsync_internal.known_row"};

/*
 * A row per item, or a single one where there is none: the item's receipt, its resource, the device. LIMIT 1 keeps the
 * planner from joining in another way than by one index lookup per item.
 */
static LsStatement look_up = {"SELECT k.item, " KNOWN ", " DEVICE " LEFT JOIN pg_catalog.unnest($3) k ON true"
							  " LEFT JOIN LATERAL (" RECEIPT " AND l.key" EQ "k.key LIMIT 1) g ON true"
							  " LEFT JOIN LATERAL (" RESOURCE " AND s.resource_type" EQ
							  "k.resource_type AND s.resource_id" EQ "k.resource_id LIMIT 1) r ON true",
							  {"pg_catalog.text", "pg_catalog.text", "learnsync_internal.known_row[]", NULL}};

/* The same for a single item, which costs less than half of that to set up. */
static LsStatement look_up_one = {
	"SELECT 0::pg_catalog.int8, " KNOWN ", " DEVICE " LEFT JOIN (" RECEIPT ") g ON g.key" EQ "$3"
	" LEFT JOIN (" RESOURCE ") r ON r.resource_type" EQ "$4 AND r.resource_id" EQ "$5",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.uuid", "pg_catalog.text", "pg_catalog.text", NULL}};

/* The state and the version of a stored resource, of whose row the columns are given. What they point to stays. */
static void
take_resource(LsText learner, LsResource *resource, const Datum *values, const bool *nulls,
			  const ItemPointerData *place)
{
	LsRowKey key = {"resource", {learner, resource->type->name, resource->id}};
	LsState *state = &resource->stored;

	resource->place = *place;
	resource->version = DatumGetInt64(values[LS_RESOURCE_VERSION]);
	resource->created_version = DatumGetInt64(values[LS_RESOURCE_CREATED_VERSION]);
	state->at = DatumGetTimestampTz(values[LS_RESOURCE_AT]);
	state->deleted_at = ls_store_time_of(values, nulls, LS_RESOURCE_DELETED_AT);
	state->exists = !nulls[LS_RESOURCE_DATA];
	if (state->exists)
		ls_state_load(resource->type->rule, state, ls_store_document(&key, values[LS_RESOURCE_DATA]),
					  nulls[LS_RESOURCE_BOOK] ? NULL : ls_store_object(&key, "book", values[LS_RESOURCE_BOOK]));
}

static void
take_receipt(LsReceipt *receipt, Datum fingerprint, Datum version, Datum verdict)
{
	receipt->fingerprint = DatumGetInt64(fingerprint);
	receipt->version = DatumGetInt64(version);
	receipt->verdict = (LsVerdict) DatumGetChar(verdict);
}

static void
take_device(LsDevice *device, Datum is_active, const ItemPointerData *place)
{
	device->active = DatumGetBool(is_active);
	device->place = *place;
}

static void
take_known(LsPush *push, uint64 row)
{
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS];
	LsItem *item;

	heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, values, nulls);
	push->batch.device.exists = !nulls[IS_ACTIVE];
	if (push->batch.device.exists)
		take_device(&push->batch.device, values[IS_ACTIVE], (ItemPointer) DatumGetPointer(values[DEVICE_PLACE]));
	if (nulls[ITEM])
		return;
	item = &push->batch.items[DatumGetInt64(values[ITEM])];
	item->receipt.found = !nulls[VERDICT];
	if (item->receipt.found)
		take_receipt(&item->receipt, values[FINGERPRINT], values[RECEIPT_VERSION], values[VERDICT]);
	if (!nulls[VERSION])
		take_resource(push->batch.learner.id, item->resource, values + RESOURCE_COLUMNS, nulls + RESOURCE_COLUMNS,
					  (ItemPointer) DatumGetPointer(values[PLACE]));
}

static uint64
find_one(const LsPush *push, Datum *values)
{
	const LsResource *resource = push->batch.items[0].resource;

	values[2] = UUIDPGetDatum(&push->batch.items[0].key);
	if (resource == NULL)
		return ls_store_run(&look_up_one, values, "   nn");
	values[3] = ls_text_to_datum(resource->type->name);
	values[4] = ls_text_to_datum(resource->id);
	return ls_store_run(&look_up_one, values, NULL);
}

/* Each resource is read once, for the first item that is about it. */
static Datum
known_datum(const LsPush *push, int number)
{
	const LsItem *item = &push->batch.items[number];
	bool reads = item->resource != NULL && item->resource->first_item == number;
	Datum values[4];
	bool nulls[4];

	ls_store_put(values, nulls, 0, true, Int64GetDatum(number));
	ls_store_put(values, nulls, 1, true, UUIDPGetDatum(&item->key));
	ls_store_put_text(values, nulls, 2, reads ? item->resource->type->name : (LsText){NULL, 0});
	ls_store_put_text(values, nulls, 3, reads ? item->resource->id : (LsText){NULL, 0});
	return ls_store_row(&known_row, values, nulls);
}

static uint64
find_many(const LsPush *push, Datum *values)
{
	Datum *rows = palloc(sizeof(Datum) * Max(push->batch.nitems, 1));

	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		rows[i] = known_datum(push, i);
	}
	values[2] = ls_store_array(&known_row, rows, push->batch.nitems);
	return ls_store_run(&look_up, values, NULL);
}

static void
find_by_statement(LsPush *push)
{
	Datum values[5] = {ls_text_to_datum(push->batch.learner.id), ls_text_to_datum(push->batch.device.id)};
	uint64 count = push->batch.nitems == 1 ? find_one(push, values) : find_many(push, values);

	for (uint64 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		take_known(push, i);
	}
}

/* The tables of what is known. */
typedef struct Tables
{
	LsDirect devices;
	LsDirect receipts;
	LsDirect resources;
} Tables;

/* A push that writes locks them for that at once: a second lock of each would cost more than a lookup. */
static bool
open_tables(Tables *tables, bool writes)
{
	const LsDirectWanted wanted[] = {{&tables->devices, LS_DIRECT_DEVICE},
									 {&tables->receipts, LS_DIRECT_LEDGER},
									 {&tables->resources, LS_DIRECT_RESOURCE}};

	return (writes && ls_direct_open_all(wanted, lengthof(wanted), RowExclusiveLock)) ||
		   ls_direct_open_all(wanted, lengthof(wanted), AccessShareLock);
}

static void
find_item(LsPush *push, Tables *tables, Datum learner, int number)
{
	LsItem *item = &push->batch.items[number];
	Datum receipt[] = {learner, UUIDPGetDatum(&item->key)};
	Datum resource[] = {learner, 0, 0};

	item->receipt.found = ls_direct_find(&tables->receipts, receipt);
	if (item->receipt.found)
		take_receipt(&item->receipt, tables->receipts.values[LS_LEDGER_FINGERPRINT],
					 tables->receipts.values[LS_LEDGER_VERSION], tables->receipts.values[LS_LEDGER_VERDICT]);
	if (item->resource == NULL || item->resource->first_item != number)
		return;
	resource[1] = ls_text_to_datum(item->resource->type->name);
	resource[2] = ls_text_to_datum(item->resource->id);
	if (!ls_direct_find(&tables->resources, resource))
		return;
	ls_direct_keep(&tables->resources);
	take_resource(push->batch.learner.id, item->resource, tables->resources.values, tables->resources.nulls,
				  &tables->resources.place);
}

static bool
find_directly(LsPush *push)
{
	Datum device[] = {ls_text_to_datum(push->batch.learner.id), ls_text_to_datum(push->batch.device.id)};
	Tables tables;

	if (!open_tables(&tables, !push->batch.dry_run))
		return false;
	ls_direct_begin();
	push->batch.device.exists = ls_direct_find(&tables.devices, device);
	if (push->batch.device.exists)
		take_device(&push->batch.device, tables.devices.values[LS_DEVICE_IS_ACTIVE], &tables.devices.place);
	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		find_item(push, &tables, device[0], i);
	}
	ls_direct_close(&tables.resources);
	ls_direct_close(&tables.receipts);
	ls_direct_close(&tables.devices);
	ls_direct_end();
	return true;
}

/* Finds the device, the receipts of the items' identities and the stored states of their resources. */
void
ls_store_read_known(LsPush *push)
{
	if (!find_directly(push))
		find_by_statement(push);
}
