/*
 * xapi_store.c
 *		A narrow row for each xAPI statement, by which it is found, and xapi_export, the statements as a Learning Record Store
 *		returns them.
 *
 * An index on resource.data would serve as well, but would cost every update of every resource its place on the page.
 */
#include "postgres.h"

#include "direct/direct.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "push/push.h"
#include "shard/shard.h"
#include "store/statement.h"
#include "utils/memutils.h"
#include "xapi/xapi.h"

#define FETCH_ROWS 1000

/* The columns of a statement, counted from 0. */
enum
{
	RESOURCE_TYPE,
	RESOURCE_ID,
	AT,
	AGENT,
	VERB,
	ACTIVITY,
	REGISTRATION,
	VOIDS,
	NSTATEMENT
};

static LsRowType xapi_row = {"learnsync_internal.xapi_row"};

static LsStatement write_statements = {
	"INSERT INTO learnsync_data.xapi_statement AS x (learner_id, resource_type, resource_id, stored, \"timestamp\","
	" agent, verb, activity, registration, voids)"
	" SELECT $1, c.resource_type, c.resource_id, $3, COALESCE(c.at, $3), c.agent, c.verb, c.activity, c.registration,"
	" c.voids FROM pg_catalog.unnest($2) c"
	" ON CONFLICT (learner_id, resource_type, resource_id) DO UPDATE SET stored = EXCLUDED.stored,"
	" \"timestamp\" = EXCLUDED.\"timestamp\", agent = EXCLUDED.agent, verb = EXCLUDED.verb,"
	" activity = EXCLUDED.activity, registration = EXCLUDED.registration, voids = EXCLUDED.voids",
	{"pg_catalog.text", "learnsync_internal.xapi_row[]", "pg_catalog.timestamptz", NULL}};

/* $2 is the time after which statements were stored. */
static LsStatement export_statements = {
	"SELECT r.data, x.\"timestamp\", r.resource_type, r.resource_id FROM learnsync_data.xapi_statement x JOIN learnsync_data.resource r"
	" ON r.learner_id" EQ "$1 AND r.resource_type" EQ "x.resource_type AND r.resource_id" EQ "x.resource_id"
	" WHERE x.learner_id" EQ "$1 AND x.stored" GT
	"$2 AND r.data IS NOT NULL ORDER BY x.stored, x.resource_type, x.resource_id",
	{"pg_catalog.text", "pg_catalog.timestamptz", NULL}};

static void
statement_values(const LsResource *resource, Datum *values, bool *nulls)
{
	JsonbValue statement;
	LsXapiIndex index;

	ls_json_root(ls_state_document(&resource->state), &statement);
	index = ls_xapi_index(&statement);
	ls_store_put_text(values, nulls, RESOURCE_TYPE, resource->type->name);
	ls_store_put_text(values, nulls, RESOURCE_ID, resource->id);
	ls_store_put(values, nulls, AT, index.at != LS_NO_TIME, TimestampTzGetDatum(index.at));
	ls_store_put_text(values, nulls, AGENT, index.agent);
	ls_store_put_text(values, nulls, VERB, index.verb);
	ls_store_put_text(values, nulls, ACTIVITY, index.activity);
	ls_store_put_text(values, nulls, REGISTRATION, index.registration);
	ls_store_put_text(values, nulls, VOIDS, index.voids);
}

/* Statements of a push that have no row yet, or those that may have one. */
typedef struct Statements
{
	Datum learner;
	TimestampTz stored;
	LsResource **resources;
	int count;
} Statements;

static void
write_by_statement(const Statements *statements)
{
	Datum *rows = palloc(sizeof(Datum) * statements->count);
	Datum values[3] = {statements->learner, 0, TimestampTzGetDatum(statements->stored)};
	Datum row[NSTATEMENT];
	bool nulls[NSTATEMENT];

	for (int i = 0; i < statements->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		statement_values(statements->resources[i], row, nulls);
		rows[i] = ls_store_row(&xapi_row, row, nulls);
	}
	values[1] = ls_store_array(&xapi_row, rows, statements->count);
	ls_store_run(&write_statements, values, NULL);
}

static void
fill_statement(const void *argument, int row, Datum *values, bool *nulls)
{
	static const int columns[] = {
		[RESOURCE_TYPE] = LS_XAPI_TYPE,
		[RESOURCE_ID] = LS_XAPI_ID,
		[AT] = LS_XAPI_AT,
		[AGENT] = LS_XAPI_AGENT,
		[VERB] = LS_XAPI_VERB,
		[ACTIVITY] = LS_XAPI_ACTIVITY,
		[VOIDS] = LS_XAPI_VOIDS,
		[REGISTRATION] = LS_XAPI_REGISTRATION,
	};
	const Statements *statements = argument;
	Datum statement[NSTATEMENT];
	bool isnull[NSTATEMENT];

	ls_direct_put(values, nulls, LS_XAPI_LEARNER, statements->learner);
	ls_direct_put(values, nulls, LS_XAPI_STORED, TimestampTzGetDatum(statements->stored));
	ls_direct_put(values, nulls, LS_XAPI_AT, TimestampTzGetDatum(statements->stored));
	statement_values(statements->resources[row], statement, isnull);
	for (int i = 0; i < lengthof(columns); i++)
	{
		if (!isnull[i])
			ls_direct_put(values, nulls, columns[i], statement[i]);
	}
}

/* Adds rows without a statement for those that have none; the others are left. */
static void
add_directly(Statements *statements)
{
	Statements added = *statements;
	int left = 0;
	LsDirect direct;

	if (!ls_direct_open(&direct, LS_DIRECT_XAPI, RowExclusiveLock))
		return;
	added.resources = palloc(sizeof(LsResource *) * statements->count);
	added.count = 0;
	ls_direct_begin();
	for (int i = 0; i < statements->count; i++)
	{
		LsResource *resource = statements->resources[i];
		Datum key[] = {statements->learner, ls_text_to_datum(resource->type->name), ls_text_to_datum(resource->id)};

		CHECK_FOR_INTERRUPTS();
		if (resource->version != 0 || ls_direct_find(&direct, key))
			statements->resources[left++] = resource;
		else
			added.resources[added.count++] = resource;
	}
	statements->count = left;
	ls_direct_add(&direct, added.count, fill_statement, &added);
	ls_direct_close(&direct);
	ls_direct_end();
}

/* Writes the rows of the statements that this push brought. */
void
ls_store_write_statements(LsPush *push)
{
	Statements statements = {.stored = push->batch.now};

	for (int i = 0; i < push->nchanged; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!push->changed[i]->type->rule->xapi || !push->changed[i]->state.exists)
			continue;
		if (statements.count == 0)
			statements.resources = palloc(sizeof(LsResource *) * push->nchanged);
		statements.resources[statements.count++] = push->changed[i];
	}
	if (statements.count == 0)
		return;
	statements.learner = ls_text_to_datum(push->batch.learner.id);
	add_directly(&statements);
	if (statements.count > 0)
		write_by_statement(&statements);
}

/* A statement as an LRS returns it, which sets timestamp and version where they are absent. */
static Datum
exported(LsText learner, uint64 row)
{
	LsRowKey row_key = {"resource", {learner, ls_store_text(row, 3), ls_store_text(row, 4)}};
	bool isnull;
	TimestampTz at = DatumGetTimestampTz(ls_store_value(row, 2, &isnull));
	JsonbValue document;
	JsonbValue statement = ls_json_object();
	JsonbValue value;
	LsJsonWalk walk;
	LsText key;

	ls_json_root(ls_store_document(&row_key, ls_store_value(row, 1, &isnull)), &document);
	ls_json_walk(&walk, &document);
	while (ls_json_walk_next(&walk, &key, &value))
		ls_json_put_text(&statement, key, value);
	if (!ls_json_get(&document, "timestamp", &value))
		ls_json_put(&statement, "timestamp", ls_json_stamp(at));
	if (!ls_json_get(&document, "version", &value))
		ls_json_put(&statement, "version", ls_json_string("1.0.0"));
	return JsonbPGetDatum(ls_json_encode(&statement));
}

/* Hands the learner's statements to the result, in the order in which they were stored. */
static void
export_to(LsText learner, TimestampTz since, ReturnSetInfo *result)
{
	Datum values[] = {ls_text_to_datum(learner), TimestampTzGetDatum(since)};
	Portal portal = ls_store_cursor(&export_statements, values, NULL, LS_SEES_CALLERS);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "learnsync export", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	bool nulls[1] = {false};

	do
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		caller = MemoryContextSwitchTo(batch);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Datum statement = exported(learner, i);

			CHECK_FOR_INTERRUPTS();
			tuplestore_putvalues(result->setResult, result->setDesc, &statement, nulls);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(batch);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextDelete(batch);
}

static Datum
export_for(FunctionCallInfo fcinfo, LsText learner, int since)
{
	TimestampTz after = PG_ARGISNULL(since) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(since);
	LsStoreCall call;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	ls_store_open(&call);
	ls_shard_admit(learner);
	export_to(learner, after, (ReturnSetInfo *) fcinfo->resultinfo);
	ls_store_close(&call);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(learnsync_xapi_export);
PG_FUNCTION_INFO_V1(learnsync_api_xapi_export);

Datum
learnsync_xapi_export(PG_FUNCTION_ARGS)
{
	return export_for(fcinfo, ls_learner_served(fcinfo, 0), 1);
}

Datum
learnsync_api_xapi_export(PG_FUNCTION_ARGS)
{
	return export_for(fcinfo, ls_learner_current(), 0);
}
