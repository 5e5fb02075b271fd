/*
 * history_store.c
 *		Reads what a fold needs: the kept calls of a learner, and the resources as they are stored.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fold/fold.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/memutils.h"

#define CALLS_AT_A_TIME 50
#define RESOURCES_AT_A_TIME 200

static LsStatement read_kept = {
	"SELECT p.version, p.prev_version, p.device_id, p.pushed_at, p.channel, p.items, p.instants, p.seen"
	" FROM learnsync_data.push p WHERE p.learner_id" EQ "$1 ORDER BY p.version, p.push_no",
	{"pg_catalog.text", NULL}};

#define STORED_COLUMNS                                                                                               \
	"SELECT r.resource_type, r.resource_id, r.version, r.created_version, r.at, r.deleted_at, r.data, r.book"        \
	" FROM learnsync_data.resource r WHERE r.learner_id" EQ "$1"

static LsStatement read_all_stored = {STORED_COLUMNS, {"pg_catalog.text", NULL}};

static LsStatement read_one_stored = {STORED_COLUMNS " AND r.resource_type" EQ "$2 AND r.resource_id" EQ "$3",
									  {"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement read_totals = {"SELECT m.member_id, m.value FROM learnsync_data.member m WHERE m.learner_id" EQ
								  "$1 AND m.resource_type" EQ "$2 AND m.resource_id" EQ "$3 AND m.field" EQ
								  "$4 AND m.version" EQ "0",
								  {"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement read_ruled_from = {"SELECT t.ruled_from FROM learnsync_data.resource_type t WHERE t.name" EQ "$1",
									  {"pg_catalog.text", NULL}};

static LsStatement read_horizon = {
	"SELECT l.tombstone_version, l.log_version FROM learnsync_data.learner l WHERE l.learner_id" EQ "$1",
	{"pg_catalog.text", NULL}};

/* What is kept of a call stays as long as the context. */
static LsText
copy_text(LsText text)
{
	return text.data == NULL ? text : ls_text(ls_text_string(text));
}

static void
take_instants(LsKept *kept, uint64 row)
{
	bool isnull;
	Datum array = ls_store_value(row, 7, &isnull);
	Datum *values;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(array), TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, NULL, &kept->ninstants);
	kept->instants = palloc(sizeof(TimestampTz) * Max(kept->ninstants, 1));
	for (int i = 0; i < kept->ninstants; i++)
		kept->instants[i] = DatumGetTimestampTz(values[i]);
}

static void
take_seen(LsKept *kept, uint64 row)
{
	bool isnull;
	Datum array = ls_store_value(row, 8, &isnull);
	Datum *values;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(array), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values,
					  NULL, &kept->nseen);
	kept->seen = palloc(sizeof(int64) * Max(kept->nseen, 1));
	for (int i = 0; i < kept->nseen; i++)
		kept->seen[i] = DatumGetInt64(values[i]);
}

/* Hands on the calls of a learner that are in the log, in order. */
void
ls_store_read_kept(LsText learner, LsTakeKept take, void *argument)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum values[] = {ls_text_to_datum(learner)};
	Portal portal = ls_store_cursor(&read_kept, values, NULL, LS_SEES_CALLERS);
	uint64 count;

	do
	{
		SPITupleTable *rows;

		SPI_cursor_fetch(portal, true, CALLS_AT_A_TIME);
		MemoryContextSwitchTo(caller);
		rows = SPI_tuptable;
		count = SPI_processed;
		for (uint64 row = 0; row < count; row++)
		{
			bool isnull;
			Datum items = ls_store_value(row, 6, &isnull);
			LsKept kept = {.version = ls_store_int(row, 1),
						   .prev_version = ls_store_int(row, 2),
						   .device = copy_text(ls_store_text(row, 3)),
						   .at = ls_store_time(row, 4),
						   .channel = copy_text(ls_store_text(row, 5)),
						   .items = ls_json_null()};

			if (!isnull)
				ls_json_root(DatumGetJsonbPCopy(items), &kept.items);
			take_instants(&kept, row);
			take_seen(&kept, row);
			take(argument, &kept);
			SPI_tuptable = rows;
		}
		SPI_freetuptable(rows);
	} while (count > 0);
	SPI_cursor_close(portal);
}

static LsStored
take_stored(LsText learner, uint64 row)
{
	LsStored stored = {.type_name = ls_store_text(row, 1),
					   .id = ls_store_text(row, 2),
					   .version = ls_store_int(row, 3),
					   .created_version = ls_store_int(row, 4),
					   .state = {.at = ls_store_time(row, 5), .deleted_at = ls_store_time(row, 6)}};
	LsRowKey key = {"resource", {learner, stored.type_name, stored.id}};
	bool no_data;
	bool no_book;
	Datum data = ls_store_value(row, 7, &no_data);
	Datum book = ls_store_value(row, 8, &no_book);

	stored.state.exists = !no_data;
	stored.type = ls_store_type_of(learner, stored.type_name);
	if (stored.type != NULL && !no_data)
		ls_state_load(stored.type->rule, &stored.state, ls_store_document(&key, data),
					  no_book ? NULL : ls_store_object(&key, "book", book));
	return stored;
}

/* Gives the states their lists. */
static void
complete(LsText learner, LsStored *stored, int count)
{
	LsListed *listed = palloc0(sizeof(LsListed) * Max(count, 1));
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = PG_INT64_MAX};

	for (int i = 0; i < count; i++)
	{
		bool has_lists = stored[i].type != NULL && stored[i].type->rule->has_lists && stored[i].state.exists;

		listed[i] = (LsListed){stored[i].type_name, stored[i].id, 0, has_lists ? &stored[i].state : NULL};
	}
	(void) ls_store_complete_lists(learner, listed, count, room, LS_SEES_CALLERS);
}

/* Hands on the resources of a learner, or the one of that type and id, some at a time; these are gone afterwards. */
void
ls_store_read_stored(LsText learner, LsText type, LsText id, LsTakeStored take, void *argument)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion = AllocSetContextCreate(caller, "learnsync stored", ALLOCSET_DEFAULT_SIZES);
	bool one = type.data != NULL;
	Datum values[] = {ls_text_to_datum(learner), one ? ls_text_to_datum(type) : (Datum) 0,
					  one ? ls_text_to_datum(id) : (Datum) 0};
	Portal portal = ls_store_cursor(one ? &read_one_stored : &read_all_stored, values, NULL, LS_SEES_CALLERS);
	uint64 count;

	do
	{
		SPITupleTable *rows;
		LsStored *stored;

		SPI_cursor_fetch(portal, true, RESOURCES_AT_A_TIME);
		rows = SPI_tuptable;
		count = SPI_processed;
		MemoryContextSwitchTo(portion);
		stored = palloc(sizeof(LsStored) * Max(count, 1));
		for (uint64 row = 0; row < count; row++)
		{
			CHECK_FOR_INTERRUPTS();
			stored[row] = take_stored(learner, row);
			SPI_tuptable = rows;
		}
		complete(learner, stored, (int) count);
		take(argument, stored, (int) count);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(portion);
		SPI_freetuptable(rows);
	} while (count > 0);
	SPI_cursor_close(portal);
	MemoryContextDelete(portion);
}

/* Whether a total is that of a settled field. */
static bool
total_is(const LsField *field, LsText device, uint64 row)
{
	const LsMember *made = ls_member_find(field, device);
	JsonbValue stored;
	bool isnull;

	ls_json_root(DatumGetJsonbP(ls_store_value(row, 2, &isnull)), &stored);
	return made != NULL && ls_json_compare(&stored, &made->value.json) == 0;
}

/* Whether the stored totals of a resource are those of a settled field; else device has one that is not. */
bool
ls_store_totals_are(LsText learner, const LsStored *stored, const LsField *field, LsText *device)
{
	SPITupleTable *result = SPI_tuptable;
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(stored->type_name), ls_text_to_datum(stored->id),
					  ls_text_to_datum(field->name)};
	uint64 count = ls_store_read(&read_totals, values, NULL);
	bool equal = true;
	uint64 made = 0;

	for (uint64 row = 0; row < count && equal; row++)
	{
		*device = copy_text(ls_store_text(row, 1));
		equal = total_is(field, *device, row);
	}
	/* Nobody has no row: what a person sets is the sum. */
	for (int i = 0; i < field->nmembers && equal; i++)
	{
		if (field->members[i].id.length > 0 && ++made > count)
			equal = false;
		if (!equal)
			*device = field->members[i].id;
	}
	SPI_tuptable = result;
	return equal;
}

/* From when on whatever came went by the rule that the type has now. */
TimestampTz
ls_store_ruled_from(LsText type)
{
	SPITupleTable *result = SPI_tuptable;
	Datum values[] = {ls_text_to_datum(type)};
	TimestampTz from = ls_store_latest(&read_ruled_from, values) > 0 ? ls_store_time(0, 1) : DT_NOEND;

	SPI_tuptable = result;
	return from;
}

/* The version up to which tombstones are gone, and that of the newest call, kept or not. */
LsHorizon
ls_store_horizon(LsText learner)
{
	Datum values[] = {ls_text_to_datum(learner)};

	if (ls_store_read(&read_horizon, values, NULL) == 0)
		return (LsHorizon){LS_FIRST_VERSION, LS_FIRST_VERSION};
	return (LsHorizon){ls_store_int(0, 1), ls_store_int(0, 2)};
}
