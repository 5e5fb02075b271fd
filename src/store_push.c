/*
 * store_push.c
 *		What a push reads: the learner under lock, the identities it knows, the resources its items touch.
 *
 * The lock comes first and alone; the rest is read by later statements, whose snapshots see what was committed
 * while the lock was waited for.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define LEARNER_COLUMNS                                                                                              \
	"SELECT l.version, l.log_version, l.push_no FROM learnsync_data.learner l WHERE l.learner_id" EQ "$1"

static LsStatement read_learner = {LEARNER_COLUMNS, {"pg_catalog.text", NULL}};

static LsStatement lock_learner = {LEARNER_COLUMNS " FOR NO KEY UPDATE", {"pg_catalog.text", NULL}};

static LsStatement add_learner = {
	"INSERT INTO learnsync_data.learner (learner_id) VALUES ($1) ON CONFLICT (learner_id) DO NOTHING",
	{"pg_catalog.text", NULL}};

/*
 * Kinds of rows: 'l' a receipt, 'f' a failed item, 'd' the device. The EXISTS spares the probes of a learner who has
 * no failed items, which is nearly every one.
 */
static LsStatement read_known = {
	"SELECT 'l'::pg_catalog.\"char\", k.n, l.fingerprint, l.version, l.verdict"
	" FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (key, n)"
	" CROSS JOIN LATERAL (SELECT g.fingerprint, g.version, g.verdict FROM learnsync_data.ledger g"
	"  WHERE g.learner_id" EQ "$1 AND g.key" EQ "k.key LIMIT 1) l"
	" UNION ALL SELECT 'f', k.n, NULL, NULL, NULL"
	" FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (key, n)"
	" CROSS JOIN LATERAL (SELECT FROM learnsync_data.failed x"
	"  WHERE x.learner_id" EQ "$1 AND x.key" EQ "k.key LIMIT 1) f"
	" WHERE EXISTS (SELECT FROM learnsync_data.failed x WHERE x.learner_id" EQ "$1)"
	" UNION ALL SELECT 'd', 0, d.is_active::pg_catalog.int4, d.version, NULL"
	" FROM learnsync_data.device d WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "$3",
	{"pg_catalog.text", "pg_catalog.uuid[]", "pg_catalog.text", NULL}};

static LsStatement read_resources = {
	"SELECT k.n, r.version, r.created_version, r.at, r.deleted_at, r.data, r.book, r.place"
	" FROM unnest($2, $3) WITH ORDINALITY AS k (resource_type, resource_id, n)"
	" CROSS JOIN LATERAL (SELECT s.version, s.created_version, s.at, s.deleted_at, s.data, s.book, s.ctid AS place"
	"  FROM learnsync_data.resource s WHERE s.learner_id" EQ "$1 AND s.resource_type" EQ "k.resource_type"
	"  AND s.resource_id" EQ "k.resource_id LIMIT 1) r",
	{"pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", NULL}};

static bool
take_learner(LsPush *push, LsStatement *statement)
{
	Datum values[] = {ls_text_to_datum(push->learner.id)};

	if (ls_store_run(statement, values, NULL) == 0)
		return false;
	push->learner.version = ls_store_int(0, 1);
	push->learner.log_version = ls_store_int(0, 2);
	push->learner.push_no = ls_store_int(0, 3);
	return true;
}

/* Reads the learner as it is, for a push that writes nothing. */
void
ls_store_read_learner(LsPush *push)
{
	if (!take_learner(push, &read_learner))
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
}

static void
take_known(LsPush *push, uint64 row)
{
	bool isnull;
	char kind = DatumGetChar(ls_store_value(row, 1, &isnull));
	LsItem *item = kind == 'd' ? NULL : &push->items[ls_store_int(row, 2) - 1];

	if (kind == 'd')
	{
		push->device.exists = true;
		push->device.active = ls_store_int(row, 3) != 0;
		push->device.version = ls_store_int(row, 4);
	}
	else if (kind == 'f')
		item->was_failed = true;
	else
	{
		item->receipt.found = true;
		item->receipt.fingerprint = ls_store_int(row, 3);
		item->receipt.version = ls_store_int(row, 4);
		item->receipt.verdict = (LsVerdict) DatumGetChar(ls_store_value(row, 5, &isnull));
	}
}

/* Finds the receipts and failed copies of the items' identities, and the device. */
void
ls_store_read_known(LsPush *push)
{
	Datum *keys = palloc(sizeof(Datum) * Max(push->nitems, 1));
	Datum values[3];
	uint64 count;

	for (int i = 0; i < push->nitems; i++)
		keys[i] = UUIDPGetDatum(&push->items[i].key);
	values[0] = ls_text_to_datum(push->learner.id);
	values[1] = PointerGetDatum(construct_array(keys, push->nitems, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	values[2] = ls_text_to_datum(push->device.id);
	count = ls_store_run(&read_known, values, NULL);
	for (uint64 i = 0; i < count; i++)
		take_known(push, i);
}

static TimestampTz
take_time(uint64 row, int column)
{
	bool isnull;
	Datum value = ls_store_value(row, column, &isnull);

	return isnull ? LS_NO_TIME : DatumGetTimestampTz(value);
}

/* The result stays until the store is closed, so states may point into it. */
static void
take_resource(LsResource *resource, uint64 row)
{
	LsState *state = &resource->stored;
	bool no_place;
	bool no_data;
	bool no_book;
	Datum data = ls_store_value(row, 6, &no_data);
	Datum book = ls_store_value(row, 7, &no_book);

	resource->place = *(ItemPointer) DatumGetPointer(ls_store_value(row, 8, &no_place));
	resource->version = ls_store_int(row, 2);
	resource->created_version = ls_store_int(row, 3);
	state->at = take_time(row, 4);
	state->deleted_at = take_time(row, 5);
	state->exists = !no_data;
	if (!no_data)
		ls_state_load(resource->type->rule, state, DatumGetJsonbP(data), no_book ? NULL : DatumGetJsonbP(book));
}

static Datum
text_array(Datum *texts, int count)
{
	return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Reads the stored states of the push's resources. */
void
ls_store_read_resources(LsPush *push)
{
	Datum *types = palloc(sizeof(Datum) * Max(push->nresources, 1));
	Datum *ids = palloc(sizeof(Datum) * Max(push->nresources, 1));
	Datum values[3];
	uint64 count;

	if (push->nresources == 0)
		return;
	for (int i = 0; i < push->nresources; i++)
	{
		types[i] = ls_text_to_datum(push->resources[i]->type->name);
		ids[i] = ls_text_to_datum(push->resources[i]->id);
	}
	values[0] = ls_text_to_datum(push->learner.id);
	values[1] = text_array(types, push->nresources);
	values[2] = text_array(ids, push->nresources);
	count = ls_store_run(&read_resources, values, NULL);
	for (uint64 i = 0; i < count; i++)
		take_resource(push->resources[ls_store_int(i, 1) - 1], i);
}
