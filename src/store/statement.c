/*
 * statement.c
 *		Runs statements: kept generic plans, what a statement sees, values of rows out and rows in.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#define FETCH_ROWS 200

static LsStatement *prepared;
static LsRowType *row_types;

/* Plans and row types name types by oid, so they die with the extension that made these. */
static void
forget_plans(void)
{
	for (; prepared != NULL; prepared = prepared->next)
	{
		SPI_freeplan(prepared->plan);
		prepared->plan = NULL;
		prepared->planned = false;
	}
	for (; row_types != NULL; row_types = row_types->next)
		row_types->desc = NULL;
}

/* Looks, after any change, whether the extension is still the one that plans and row types were made for. */
static void
check_extension(void)
{
	static uint64 changes;
	static Oid known; /* one of our types: another one means that the extension was created anew */
	Oid schema;
	Oid type;

	if (OidIsValid(known) && changes == ls_store_changes())
		return;
	schema = get_namespace_oid("learnsync_internal", false);
	type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("ledger_row"), ObjectIdGetDatum(schema));
	if (known != type)
		forget_plans();
	known = type;
	changes = ls_store_changes();
}

static Oid
type_oid(const char *name)
{
	return DatumGetObjectId(DirectFunctionCall1(regtypein, CStringGetDatum(name)));
}

/* Generic plans: the values never matter to the plan, and planning each time would cost more than the work. */
static SPIPlanPtr
plan_of(LsStatement *statement)
{
	Oid types[LS_MAX_ARGUMENTS];
	int count = 0;

	check_extension();
	if (statement->plan != NULL)
		return statement->plan;
	for (; statement->arguments[count] != NULL; count++)
	{
		Assert(count < LS_MAX_ARGUMENTS - 1);
		types[count] = type_oid(statement->arguments[count]);
	}
	statement->plan = SPI_prepare_cursor(statement->sql, count, types, CURSOR_OPT_GENERIC_PLAN);
	if (statement->plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", statement->sql, SPI_result_code_string(SPI_result));
	SPI_keepplan(statement->plan);
	statement->next = prepared;
	prepared = statement;
	return statement->plan;
}

/*
 * While a statement is planned only lookups by index count as plans: one made while a table was small would else scan
 * it for as long as the plan is kept. What triggers and views' functions plan as it runs goes by the session's settings.
 */
static void
plan_by_index(LsStatement *statement)
{
	static const char *const unwanted[] = {"enable_seqscan",   "enable_bitmapscan", "enable_hashjoin",
										   "enable_mergejoin", "enable_memoize",    "jit"};
	int level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(unwanted); i++)
		(void) set_config_option(unwanted[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	ReleaseCachedPlan(SPI_plan_get_cached_plan(statement->plan), CurrentResourceOwner);
	AtEOXact_GUC(true, level);
	statement->planned = true;
}

/* Has a statement ready to be run. */
static void
make_ready(LsStatement *statement)
{
	SPIPlanPtr plan;

	ls_store_fix_search_path();
	plan = plan_of(statement);
	if (!statement->planned || !SPI_plan_is_valid(plan))
		plan_by_index(statement);
}

/* All that is committed by now; among parallel workers there is no other snapshot than the caller's. */
static int
execute_latest(const LsStatement *statement, Datum *values, const char *nulls)
{
	Snapshot snapshot = IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot();

	return SPI_execute_snapshot(statement->plan, values, nulls, snapshot, InvalidSnapshot, !statement->writes,
								statement->writes, 0);
}

/* Runs a statement; answers how many rows it found or wrote. */
uint64
ls_store_see(LsStatement *statement, const Datum *values, const char *nulls, LsSnapshot snapshot)
{
	MemoryContext caller = CurrentMemoryContext;
	int result;

	make_ready(statement);
	result = snapshot == LS_SEES_LATEST
				 ? execute_latest(statement, (Datum *) values, nulls)
				 : SPI_execute_plan(statement->plan, (Datum *) values, nulls, snapshot == LS_SEES_CALLERS, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql, SPI_result_code_string(result));
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

/* A cursor over a query of which only the beginning may be wanted, or not all at once. */
Portal
ls_store_cursor(LsStatement *statement, const Datum *values, const char *nulls, LsSnapshot snapshot)
{
	MemoryContext caller = CurrentMemoryContext;
	Portal portal;

	Assert(snapshot != LS_SEES_LATEST);
	make_ready(statement);
	portal = SPI_cursor_open(NULL, statement->plan, (Datum *) values, nulls, snapshot == LS_SEES_CALLERS);
	MemoryContextSwitchTo(caller);
	return portal;
}

/* Answers a call of a function with rows: those of a query whose columns are the function's. */
void
ls_store_answer_rows(FunctionCallInfo fcinfo, LsStatement *statement, const Datum *values, const char *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LsStoreCall call;
	Portal portal;

	InitMaterializedSRF(fcinfo, 0);
	ls_store_open(&call);
	portal = ls_store_cursor(statement, values, nulls, LS_SEES_CALLERS);
	do
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	ls_store_close(&call);
}

Datum
ls_store_value(uint64 row, int column, bool *isnull)
{
	Assert(row < SPI_tuptable->numvals);
	Assert(column > 0 && column <= SPI_tuptable->tupdesc->natts);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/* An integer of any width; 0 for NULL. */
int64
ls_store_int(uint64 row, int column)
{
	bool isnull;
	Datum value = ls_store_value(row, column, &isnull);

	if (isnull)
		return 0;
	if (SPI_gettypeid(SPI_tuptable->tupdesc, column) == INT4OID)
		return DatumGetInt32(value);
	Assert(SPI_gettypeid(SPI_tuptable->tupdesc, column) == INT8OID);
	return DatumGetInt64(value);
}

/* A time; LS_NO_TIME for NULL, which must not be taken for one where times are passed by reference. */
TimestampTz
ls_store_time(uint64 row, int column)
{
	bool isnull;
	Datum value = ls_store_value(row, column, &isnull);

	Assert(SPI_gettypeid(SPI_tuptable->tupdesc, column) == TIMESTAMPTZOID);
	return isnull ? LS_NO_TIME : DatumGetTimestampTz(value);
}

/* A text that lives as long as the result; without data for NULL. */
LsText
ls_store_text(uint64 row, int column)
{
	bool isnull;
	Datum value = ls_store_value(row, column, &isnull);

	Assert(SPI_gettypeid(SPI_tuptable->tupdesc, column) == TEXTOID);
	return isnull ? (LsText){NULL, 0} : ls_text_datum(value);
}

static TupleDesc
row_desc(LsRowType *type)
{
	if (type->desc == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		type->desc = lookup_rowtype_tupdesc_copy(type_oid(type->name), -1);
		MemoryContextSwitchTo(caller);
		type->next = row_types;
		row_types = type;
	}
	return type->desc;
}

Datum
ls_store_row(LsRowType *type, Datum *values, bool *nulls)
{
	return PointerGetDatum(heap_form_tuple(row_desc(type), values, nulls)->t_data);
}

Datum
ls_store_array(LsRowType *type, Datum *rows, int nrows)
{
	return PointerGetDatum(construct_array(rows, nrows, row_desc(type)->tdtypeid, -1, false, TYPALIGN_DOUBLE));
}

/* A nullable value of a row under construction. */
void
ls_store_put(Datum *values, bool *nulls, int column, bool present, Datum value)
{
	values[column] = value;
	nulls[column] = !present;
}

/* The nulls of a row in the form that a statement's arguments take. */
void
ls_store_mark_nulls(char *nulls, const bool *isnull, int count)
{
	for (int i = 0; i < count; i++)
		nulls[i] = isnull[i] ? 'n' : ' ';
}

void
ls_store_put_text(Datum *values, bool *nulls, int column, LsText text)
{
	ls_store_put(values, nulls, column, text.data != NULL, text.data == NULL ? (Datum) 0 : ls_text_to_datum(text));
}

void
ls_store_put_json(Datum *values, bool *nulls, int column, const JsonbValue *json)
{
	ls_store_put(values, nulls, column, json->type != jbvNull,
				 json->type == jbvNull ? (Datum) 0 : JsonbPGetDatum(ls_json_encode(json)));
}
