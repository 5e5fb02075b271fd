/*
 * xapi_store.c
 *		A narrow row for each xAPI statement, by which it is found, and xapi_export, the statements as a Learning Record Store
 *		returns them.
 *
 * An index on resource.data would serve as well, but would cost every update of every resource its place on the page.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "push/push.h"
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

static Datum
statement_datum(const LsResource *resource)
{
	JsonbValue statement;
	LsXapiIndex index;
	Datum values[NSTATEMENT];
	bool nulls[NSTATEMENT];

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
	return ls_store_row(&xapi_row, values, nulls);
}

/* Writes the rows of the statements that this push brought. */
void
ls_store_write_statements(LsPush *push)
{
	Datum *rows = palloc(sizeof(Datum) * Max(push->nchanged, 1));
	Datum values[3];
	int count = 0;

	for (int i = 0; i < push->nchanged; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (push->changed[i]->type->rule->xapi && push->changed[i]->state.exists)
			rows[count++] = statement_datum(push->changed[i]);
	}
	if (count == 0)
		return;
	values[0] = ls_text_to_datum(push->batch.learner.id);
	values[1] = ls_store_array(&xapi_row, rows, count);
	values[2] = TimestampTzGetDatum(push->batch.now);
	ls_store_run(&write_statements, values, NULL);
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
