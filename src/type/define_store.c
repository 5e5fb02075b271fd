/*
 * define_store.c
 *		Defines and drops resource types, beside pushes that go on.
 */
#include "postgres.h"

#include "audit/audit.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "type/type.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#define ROWS_AT_A_TIME 1000
#define MAX_LISTED 10

/* Pushes that are open may end by the rule before; none is open for an hour. */
static LsStatement save_type = {
	"INSERT INTO learnsync_data.resource_type AS t (name, rule, defined_by) VALUES ($1, $2, $3)"
	" ON CONFLICT (name) DO UPDATE SET rule = EXCLUDED.rule, defined_by = EXCLUDED.defined_by,"
	" ruled_from = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) '1 hour'::pg_catalog.interval",
	{"pg_catalog.text", "pg_catalog.jsonb", "pg_catalog.text", NULL},
	.writes = true};

/* With the marks of learners: another type of this name counts its changes from the beginning. */
static LsStatement remove_type = {"WITH marks AS (DELETE FROM learnsync_data.rebased m WHERE m.resource_type" EQ "$1)"
								  " DELETE FROM learnsync_data.resource_type t WHERE t.name" EQ "$1",
								  {"pg_catalog.text", NULL},
								  .writes = true};

/* Those who have data go by the rule that was, until they are carried over. */
static LsStatement begin_rebase = {
	"UPDATE learnsync_data.resource_type t SET rule = $2, defined_by = $3, old_rule = t.rule,"
	" generation = t.generation OPERATOR(pg_catalog.+) 1, rebase_learners = $4, rebased_at = NULL,"
	" ruled_from = pg_catalog.clock_timestamp() WHERE t.name" EQ "$1",
	{"pg_catalog.text", "pg_catalog.jsonb", "pg_catalog.text", "pg_catalog.int8", NULL},
	.writes = true};

/* Nobody has data who is not carried over; what is to be forgotten is the rule that was. */
static LsStatement end_rebase = {
	"UPDATE learnsync_data.resource_type t SET rebased_at = pg_catalog.clock_timestamp() WHERE t.name" EQ
	"$1 AND t.old_rule IS NOT NULL AND t.rebased_at IS NULL",
	{"pg_catalog.text", NULL},
	.writes = true};

static LsStatement settle_rebase = {
	"UPDATE learnsync_data.resource_type t SET old_rule = NULL WHERE t.name" EQ
	"$1 AND t.rebased_at OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) '1 hour'::pg_catalog.interval)",
	{"pg_catalog.text", NULL},
	.writes = true};

static LsStatement find_use = {"SELECT FROM learnsync_data.resource r WHERE r.resource_type" EQ "$1 LIMIT 1",
							   {"pg_catalog.text", NULL}};

/* The transaction from which on others may still write what is not seen now. */
static LsStatement oldest_open = {
	"SELECT pg_catalog.xid(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()))::pg_catalog.text", {NULL}};

/* The documents of all learners, or those only that were written by that transaction or one after it. $1 is the type. */
static LsStatement read_documents = {
	"SELECT r.learner_id, r.resource_id, r.at, r.data, r.book FROM learnsync_data.resource r"
	" WHERE r.resource_type" EQ "$1 AND r.data IS NOT NULL AND ($2 IS NULL"
	" OR pg_catalog.age(r.xmin) OPERATOR(pg_catalog.<=) pg_catalog.age($2::pg_catalog.xid)) ORDER BY r.learner_id",
	{"pg_catalog.text", "pg_catalog.text", NULL}};

static void
check_name(LsText name)
{
	bool good = name.length > 0 && name.length < LS_MAX_TYPE_NAME_BYTES;

	for (int i = 0; good && i < name.length; i++)
		good = (name.data[i] >= 'a' && name.data[i] <= 'z') || name.data[i] == '_' ||
			   (i > 0 && name.data[i] >= '0' && name.data[i] <= '9');
	if (!good)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid name of a resource type: \"%s\"", ls_text_string(name)),
						errdetail("It must have 1 to %d lower-case letters, digits and underscores.",
								  LS_MAX_TYPE_NAME_BYTES - 1)));
	if (ls_text_equal(name, ls_text(LS_EVENT_TYPE)))
		ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME), errmsg("the name \"%s\" is reserved", ls_text_string(name)),
						errdetail("Outboxes hand on the events of the event log as such.")));
}

/* Refuses what a type with data cannot take; problem is NULL where all data stands in the way. */
static void
refuse_used(LsText name, const Datum *values, const char *problem)
{
	if (ls_store_latest(&find_use, values) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE), errmsg("resource type \"%s\" has data", ls_text_string(name)),
			 problem == NULL ? 0 : errdetail("%s.", problem),
			 errhint("Fields may be added and validation loosened; for all else say rebase => true, which carries "
					 "the data over.")));
}

/* Nothing is locked where data is there already; where it is not, a push may be about to bring some. */
static void
refuse_used_for_good(LsText name, const Datum *values, const char *problem)
{
	refuse_used(name, values, problem);
	ls_type_lock(name, LS_LOCK_TO_REPLACE);
	refuse_used(name, values, problem);
}

/*
 * Writes a change of which every session hears once it is committed, and this one as the statement ends. It is written
 * upon the newest state, so that a transaction with an older snapshot can define as well as push.
 */
static uint64
write_change(LsStatement *statement, const Datum *values)
{
	CacheInvalidateRelcacheByRelid(ls_store_table("resource_type"));
	return ls_store_latest(statement, values);
}

/* Whether a definition is there already: who answers for it matters where it lends rights. */
static bool
is_defined(const LsTypeRow *row, Jsonb *rule, const LsRule *compiled, LsText definer)
{
	return row->rule != NULL && compareJsonbContainers(&row->rule->root, &rule->root) == 0 &&
		   (compiled->policy != LS_POLICY_CUSTOM || ls_text_equal(row->definer, definer));
}

static Datum
answer(LsText name, const char *what)
{
	return CStringGetTextDatum(psprintf("resource type \"%s\" %s", ls_text_string(name), what));
}

/* Notes who gave a type its rule, or took the type away; rules are NULL where there is none. */
static void
note_change(const char *action, Oid role, LsText name, Jsonb *old_rule, Jsonb *rule, bool rebase)
{
	LsAudit done = {.action = action, .at = GetCurrentTimestamp(), .role = role, .type = name};
	JsonbValue json;

	done.details = ls_json_object();
	if (rule != NULL)
	{
		ls_json_root(rule, &json);
		ls_json_put(&done.details, "rule", json);
	}
	if (old_rule != NULL)
	{
		ls_json_root(old_rule, &json);
		ls_json_put(&done.details, "before", json);
	}
	if (rebase)
		ls_json_put(&done.details, "rebase", ls_json_bool(true));
	ls_store_audit(&done);
}

/* A definition, and how far it is to go. */
typedef struct Definition
{
	LsText name;
	Jsonb *rule;
	const LsRule *compiled;
	LsText definer;
	bool rebase;
	bool dry_run;
	Oid role; /* that defines */
	LsTypeRow old;
	Datum values[4]; /* what the statements take: name, rule, definer, learners */
} Definition;

static void
note_definition(const Definition *definition)
{
	note_change("define_resource_type", definition->role, definition->name, definition->old.rule, definition->rule,
				definition->rebase);
}

/* Why a change cannot be carried out at all. */
static void
refuse_rebase(const Definition *definition, const LsRule *old)
{
	const char *problem = ls_rebase_refused(old, definition->compiled);

	if (definition->old.rebasing)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("the last change of resource type \"%s\" is still being carried out",
							   ls_text_string(definition->name)),
						errhint("CALL learnsync.rebase() carries it out.")));
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("resource type \"%s\" has data", ls_text_string(definition->name)),
						errdetail("%s.", problem), errhint("Define a type with another name for that.")));
}

/* Of the documents of a type, how many there are and which do not fit another rule. */
typedef struct Misfits
{
	int64 learners;
	int64 documents;
	int64 count; /* of those that do not fit */
	StringInfo list; /* the first of them, a line each */
} Misfits;

/* For find_misfits: what it does not see is written by this transaction or one after it. */
static LsText
oldest_transaction(void)
{
	ls_store_run(&oldest_open, NULL, NULL);
	return ls_text(ls_text_string(ls_store_text(0, 1)));
}

static void
note_misfit(Misfits *misfits, LsText learner, LsText id, const LsFailure *failure)
{
	if (misfits->count++ < MAX_LISTED)
		appendStringInfo(misfits->list, "%s%s of %s: %s", misfits->count > 1 ? "\n" : "", ls_text_string(id),
						 ls_text_string(learner), failure->message);
}

/* Looks at one row. Lists are judged by what the document says of them, as members have no checks of their own. */
static void
check_row(Misfits *misfits, uint64 row, LsText name, const LsRule *old, const LsRule *changed)
{
	LsText learner = ls_store_text(row, 1);
	LsText id = ls_store_text(row, 2);
	LsRowKey key = {"resource", {learner, name, id}};
	LsState state = {.exists = true, .at = ls_store_time(row, 3), .deleted_at = LS_NO_TIME};
	LsFailure failure = {NULL};
	LsState rebased;
	bool no_book;
	bool no_data;
	Datum book = ls_store_value(row, 5, &no_book);

	ls_state_load(old, &state, ls_store_document(&key, ls_store_value(row, 4, &no_data)),
				  no_book ? NULL : ls_store_object(&key, "book", book));
	rebased = ls_state_rebase(old, changed, &state);
	if (state.overlay != NULL)
		ls_fail(&failure, "invalid", "", "a correction stands");
	if (state.overlay != NULL || !ls_rebase_fits(changed, &rebased, &failure))
		note_misfit(misfits, learner, id, &failure);
}

/* The documents that do not fit, of all or of those that were written since; without data for all. */
static Misfits
find_misfits(LsText name, const LsRule *old, const LsRule *changed, LsText since)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion = AllocSetContextCreate(caller, "learnsync documents", ALLOCSET_DEFAULT_SIZES);
	Misfits misfits = {.list = makeStringInfo()};
	Datum values[] = {ls_text_to_datum(name), since.data == NULL ? (Datum) 0 : ls_text_to_datum(since)};
	Portal portal = ls_store_cursor(&read_documents, values, since.data == NULL ? " n" : NULL, LS_SEES_OWN);
	LsText learner = {NULL, 0};

	ls_tell("", 0, 0);
	do
	{
		SPI_cursor_fetch(portal, true, ROWS_AT_A_TIME);
		MemoryContextSwitchTo(caller);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			LsText next = ls_store_text(row, 1);

			CHECK_FOR_INTERRUPTS();
			misfits.learners += row == 0 ? learner.data == NULL || !ls_text_equal(learner, next)
										 : !ls_text_equal(ls_store_text(row - 1, 1), next);
			MemoryContextSwitchTo(portion);
			check_row(&misfits, row, name, old, changed);
			MemoryContextSwitchTo(caller);
			MemoryContextReset(portion);
			ls_tell("define_resource_type, documents looked at", ++misfits.documents, -1);
		}
		if (SPI_processed > 0)
			learner = ls_text(ls_text_string(ls_store_text(SPI_processed - 1, 1)));
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(portion);
	return misfits;
}

static void
refuse_misfits(LsText name, const Misfits *misfits)
{
	if (misfits->count == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
					errmsg(INT64_FORMAT " documents of resource type \"%s\" do not fit the rule", misfits->count,
						   ls_text_string(name)),
					errdetail("%s", misfits->list->data),
					errhint("Nothing was changed. Allow what they have, or change them by pushing items.")));
}

/*
 * Notes a change that is to be carried out with a rebase, where all documents fit. They are looked at beside the pushes
 * that go on, and those that were written meanwhile once more when none is open.
 */
static const char *
begin_change(Definition *definition)
{
	const LsRule *old = ls_rule_compile(definition->old.rule);
	LsText since = oldest_transaction();
	Misfits misfits;

	refuse_rebase(definition, old);
	misfits = find_misfits(definition->name, old, definition->compiled, (LsText){NULL, 0});
	refuse_misfits(definition->name, &misfits);
	if (definition->dry_run)
		return psprintf("would be changed, and " INT64_FORMAT " documents of " INT64_FORMAT " learners carried over",
						misfits.documents, misfits.learners);
	ls_type_lock(definition->name, LS_LOCK_TO_REPLACE);
	definition->values[3] = Int64GetDatum(misfits.learners);
	misfits = find_misfits(definition->name, old, definition->compiled, since);
	refuse_misfits(definition->name, &misfits);
	write_change(&begin_rebase, definition->values);
	note_definition(definition);
	return "is changed; CALL learnsync.rebase() carries its documents over";
}

/* Makes a change that needs no rebase, as nothing that is stored stands against it. */
static const char *
make_change(const Definition *definition, const char *problem)
{
	bool is_new = definition->old.rule == NULL;

	if (definition->dry_run)
	{
		if (problem != NULL)
			refuse_used(definition->name, definition->values, problem);
		return is_new ? "would be defined" : "would be changed";
	}
	if (problem != NULL)
		refuse_used_for_good(definition->name, definition->values, problem);
	else
		ls_type_lock(definition->name, LS_LOCK_TO_LOOSEN);
	write_change(&save_type, definition->values);
	note_definition(definition);
	return is_new ? "is defined" : "is changed";
}

static const char *
define(Definition *definition)
{
	const LsTypeRow *old = &definition->old;
	const char *problem;

	if (is_defined(old, definition->rule, definition->compiled, definition->definer))
		return definition->dry_run ? "would stay as it is" : "stays as it is";
	problem = old->rule == NULL ? NULL : ls_rule_change_refused(old->rule, definition->rule);
	if (problem != NULL && definition->rebase && ls_store_latest(&find_use, definition->values) > 0)
		return begin_change(definition);
	return make_change(definition, problem);
}

PG_FUNCTION_INFO_V1(learnsync_define_resource_type);
PG_FUNCTION_INFO_V1(learnsync_drop_resource_type);
PG_FUNCTION_INFO_V1(learnsync_end_rebase);

/* NULL is no name that a type can have, and neither is what it stands for here. */
static LsText
name_argument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(0) ? ls_text("") : ls_text_datum(PG_GETARG_DATUM(0));
}

static Jsonb *
rule_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		ls_option_refuse("rule", "must be an object");
	return PG_GETARG_JSONB_P(1);
}

static bool
flag_argument(FunctionCallInfo fcinfo, int argument)
{
	return !PG_ARGISNULL(argument) && PG_GETARG_BOOL(argument);
}

Datum
learnsync_define_resource_type(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	LsText name = name_argument(fcinfo);
	Jsonb *rule = rule_argument(fcinfo);
	LsText definer = ls_text(GetUserNameFromId(GetUserId(), false));
	Definition definition = {.name = name,
							 .rule = rule,
							 .compiled = ls_rule_compile(rule),
							 .definer = definer,
							 .rebase = flag_argument(fcinfo, 2),
							 .dry_run = flag_argument(fcinfo, 3),
							 .values = {ls_text_to_datum(name), JsonbPGetDatum(rule), ls_text_to_datum(definer)}};
	const char *done;

	check_name(definition.name);
	ls_store_open(&call);
	definition.role = call.caller;
	if (definition.compiled->policy == LS_POLICY_CUSTOM)
		ls_custom_check(definition.compiled, call.caller);
	ls_type_lock(definition.name, LS_LOCK_TO_CHANGE);
	definition.old = ls_store_read_type(definition.name);
	done = define(&definition);
	ls_store_close(&call);
	PG_RETURN_DATUM(answer(definition.name, done));
}

/*
 * learnsync_internal.end_rebase(name): nobody who has data is left to be carried over. The rule that was is kept for an
 * hour, for readers whose snapshot is of before.
 */
Datum
learnsync_end_rebase(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	Datum values[] = {PG_GETARG_DATUM(0)};

	ls_store_open(&call);
	ls_type_lock(ls_text_datum(values[0]), LS_LOCK_TO_CHANGE);
	if (ls_store_latest(&end_rebase, values) == 0)
		write_change(&settle_rebase, values);
	ls_store_close(&call);
	PG_RETURN_VOID();
}

Datum
learnsync_drop_resource_type(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	LsText name = name_argument(fcinfo);
	Datum values[] = {ls_text_to_datum(name)};
	LsTypeRow old;

	ls_store_open(&call);
	ls_type_lock(name, LS_LOCK_TO_CHANGE);
	old = ls_store_read_type(name);
	refuse_used_for_good(name, values, NULL);
	if (write_change(&remove_type, values) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("resource type \"%s\" does not exist", ls_text_string(name))));
	note_change("drop_resource_type", call.caller, name, old.rule, NULL, false);
	ls_store_close(&call);
	PG_RETURN_DATUM(answer(name, "is dropped"));
}
