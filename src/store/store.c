/*
 * store.c
 *		Runs SQL as the tables' owner: kept generic plans, rows in and out, and what a session knows of the tables.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* What a session knows of the tables; read anew after anything about one of them changed. */
static struct
{
	bool valid;
	Oid owner;
	Oid row_type; /* one of our types: another one means that the extension was created anew */
	Oid type_table; /* resource_type */
	bool guarded;
	char *at_once; /* the statement that ends the deferral of a team's triggers; NULL where there are none */
	char epoch[37];
} instance;

static uint64 changes; /* how often this session heard that a relation had changed, or rules */
static uint64 calls; /* that ever opened the store */
static uint64 current_call; /* the innermost one */

static LsStatement *prepared;
static LsRowType *row_types;

/*
 * Any change of any relation makes the next call look again, and rules count as such. Telling ours from others would
 * need their oids here, and looking costs one short query.
 */
static void
forget_instance(Datum argument, Oid relation)
{
	instance.valid = false;
	changes++;
}

/* From the first call on: nothing is known before. */
static void
listen_to_changes(void)
{
	static bool listens;

	if (!listens)
		CacheRegisterRelcacheCallback(forget_instance, (Datum) 0);
	listens = true;
}

static void
refuse_without_setup(void)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("learnsync is not set up"),
					errhint("Run SELECT learnsync.setup(); as a superuser.")));
}

static void
refuse_other_release(LsText release)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the tables are of release %s", ls_text_string(release)),
					errhint("Run SELECT learnsync.setup(); as a superuser.")));
}

/* One of the tables; InvalidOid where it is missing. */
static Oid
find_table(const char *name)
{
	Oid schema = get_namespace_oid("learnsync_data", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* The owner of the tables, whom our statements run as. */
static Oid
find_owner(void)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(find_table("instance")));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		refuse_without_setup();
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

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

/*
 * Policies that are missing went with an earlier copy of the extension. Tables are guarded where a team's triggers or
 * constraints may refuse what we write. The constraint of instance is ours.
 */
static LsStatement read_instance = {
	"SELECT i.schema_version, i.epoch::pg_catalog.text,"
	" EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid" EQ "ANY (o.tables) AND p.polname" EQ "'own_rows'),"
	" EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid" EQ "ANY (o.tables) AND NOT t.tgisinternal)"
	" OR EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid" EQ "ANY (o.tables)"
	" AND c.contype" NE "'p' AND c.contype" NE "'n')"
	" OR EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid" EQ "ANY (o.tables)"
	" AND x.indisunique AND NOT x.indisprimary),"
	" COALESCE(pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'release', 'unknown'),"
	" (SELECT 'SET CONSTRAINTS ' OPERATOR(pg_catalog.||) pg_catalog.string_agg("
	"pg_catalog.format('%s.%I', c.connamespace::pg_catalog.regnamespace, c.conname), ', ')"
	" OPERATOR(pg_catalog.||) ' IMMEDIATE' FROM pg_catalog.pg_constraint c"
	" WHERE c.conrelid" EQ "ANY (o.tables) AND c.contype" EQ "'t' AND c.condeferrable)"
	" FROM learnsync_data.instance i, (SELECT pg_catalog.array_agg(r.oid) AS tables FROM pg_catalog.pg_class r"
	" WHERE r.relnamespace" EQ "'learnsync_data'::pg_catalog.regnamespace"
	" AND r.relname OPERATOR(pg_catalog.<>) 'instance') o",
	{NULL}};

static void
note_deferred(LsText statement)
{
	if (instance.at_once != NULL)
		pfree(instance.at_once);
	instance.at_once =
		statement.data == NULL ? NULL : MemoryContextStrdup(TopMemoryContext, ls_text_string(statement));
}

/*
 * Reads what is known of the tables as they are now: what is remembered must not come from a snapshot of the past. Whoever
 * is in the midst of another result goes on with it afterwards.
 */
static void
read_tables(void)
{
	SPITupleTable *result = SPI_tuptable;
	uint64 known = changes;
	bool isnull;

	if (ls_store_latest(&read_instance, NULL) != 1)
		refuse_without_setup();
	if (ls_store_int(0, 1) != LS_SCHEMA_VERSION)
		refuse_other_release(ls_store_text(0, 5));
	if (!DatumGetBool(ls_store_value(0, 3, &isnull)))
		refuse_without_setup();
	Assert(ls_store_text(0, 2).length < sizeof(instance.epoch));
	strlcpy(instance.epoch, ls_text_string(ls_store_text(0, 2)), sizeof(instance.epoch));
	instance.guarded = DatumGetBool(ls_store_value(0, 4, &isnull));
	note_deferred(ls_store_text(0, 6));
	instance.type_table = find_table("resource_type");
	instance.valid = known == changes && !IsInParallelMode(); /* else it may be of the past */
	SPI_tuptable = result;
}

/* Looks whether the extension is still the one that plans and row types were made for. */
static void
check_extension(void)
{
	Oid schema = get_namespace_oid("learnsync_internal", false);
	Oid row_type =
		GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("ledger_row"), ObjectIdGetDatum(schema));

	if (instance.row_type != row_type)
		forget_plans();
	instance.row_type = row_type;
}

/*
 * Our statements do not depend on the search_path, but triggers and constraints of a team may, and they run with rights
 * that the caller does not have: no path of the caller's decides what they mean. Plans are kept under one path, too.
 */
static int
fix_search_path(void)
{
	int level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	return level;
}

/*
 * A trigger that is deferred would run as whoever commits, who may have more rights than the tables' owner, or fewer; and
 * where it refuses an item all others would fail with it.
 */
static void
fire_at_once(void)
{
	if (instance.at_once != NULL && SPI_execute(instance.at_once, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\"", instance.at_once);
}

/*
 * Starts running statements, as the tables' owner. An error takes the caller's rights back by itself. What others changed
 * is heard of here, as a long statement may not have asked since it began.
 */
void
ls_store_open(LsStoreCall *call)
{
	MemoryContext caller = CurrentMemoryContext;

	if (ls_try_is_apart())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a merge function must not call learnsync"),
						errhint("It is called in the midst of a push; all it needs are its arguments.")));
	GetUserIdAndSecContext(&call->caller, &call->context);
	call->outer = current_call;
	current_call = ++calls;
	listen_to_changes();
	AcceptInvalidationMessages();
	if (!instance.valid)
		instance.owner = find_owner();
	call->settings = fix_search_path();
	SPI_connect();
	SetUserIdAndSecContext(instance.owner, call->context | SECURITY_LOCAL_USERID_CHANGE);
	if (!instance.valid)
	{
		check_extension();
		read_tables();
	}
	fire_at_once();
	MemoryContextSwitchTo(caller);
}

/* Gives back the rows that were read, which live as long as the store is open, in the midst of a call. */
void
ls_store_forget_rows(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_finish();
	SPI_connect();
	MemoryContextSwitchTo(caller);
}

void
ls_store_close(LsStoreCall *call)
{
	MemoryContext caller = CurrentMemoryContext;

	Assert(current_call > call->outer); /* it is open, and closed before the one around it */
	current_call = call->outer;
	SPI_finish();
	MemoryContextSwitchTo(caller);
	AtEOXact_GUC(true, call->settings);
	SetUserIdAndSecContext(call->caller, call->context);
}

/*
 * Whether what is about to be written to a table may be refused by something that is not ours. Locked as for writing, the
 * table stays as it is looked at here.
 */
bool
ls_store_is_guarded(const char *table)
{
	Assert(current_call != 0);
	LockRelationOid(find_table(table), RowExclusiveLock);
	if (!instance.valid)
	{
		read_tables();
		instance.valid = false; /* the rest is for the next call to look at */
	}
	return instance.guarded;
}

Oid
ls_store_type_table(void)
{
	return instance.type_table;
}

/* How many changes of relations and rules this session has heard of. */
uint64
ls_store_changes(void)
{
	return changes;
}

/* The number of the call that is going on: another for each. */
uint64
ls_store_call_number(void)
{
	return current_call;
}

LsText
ls_store_epoch(void)
{
	return ls_text(pstrdup(instance.epoch));
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
 * it for as long as the plan is kept. Answers the nest level to end, 0 where the plan stands.
 */
static int
begin_planning(LsStatement *statement)
{
	static const char *const unwanted[] = {"enable_seqscan",   "enable_bitmapscan", "enable_hashjoin",
										   "enable_mergejoin", "enable_memoize",    "jit"};
	SPIPlanPtr plan = plan_of(statement);
	int level;

	if (statement->planned && SPI_plan_is_valid(plan))
		return 0;
	level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(unwanted); i++)
		(void) set_config_option(unwanted[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static void
end_planning(LsStatement *statement, int level)
{
	if (level == 0)
		return;
	AtEOXact_GUC(true, level);
	statement->planned = true;
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
	int level = begin_planning(statement);
	int result = snapshot == LS_SEES_LATEST
					 ? execute_latest(statement, (Datum *) values, nulls)
					 : SPI_execute_plan(statement->plan, (Datum *) values, nulls, snapshot == LS_SEES_CALLERS, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql, SPI_result_code_string(result));
	end_planning(statement, level);
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

/* A cursor over a query of which only the beginning may be wanted, or not all at once. */
Portal
ls_store_cursor(LsStatement *statement, const Datum *values, const char *nulls, LsSnapshot snapshot)
{
	MemoryContext caller = CurrentMemoryContext;
	int level = begin_planning(statement);
	Portal portal = SPI_cursor_open(NULL, statement->plan, (Datum *) values, nulls, snapshot == LS_SEES_CALLERS);

	Assert(snapshot != LS_SEES_LATEST);
	end_planning(statement, level);
	MemoryContextSwitchTo(caller);
	return portal;
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
