/*
 * merge_sql.c
 *		The merge as functions of SQL, over anyone's documents: merge, merge_states, document.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "utils/builtins.h"

#define FIRST_RULES 4

static void
refuse(const LsFailure *failure)
{
	bool range = strcmp(failure->code, "out_of_range") == 0;

	ereport(ERROR, (errcode(range ? ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE : ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s", failure->message), errdetail("The item is wrong at \"%s\".", failure->path)));
}

static void
refuse_argument(const char *name, const char *wanted)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be %s", name, wanted)));
}

static bool
same_json(const Jsonb *a, const Jsonb *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

bool
ls_merge_sql_same(const LsSqlRule *a, const LsSqlRule *b)
{
	return a == b || same_json(a->json, b->json);
}

/* The rules that one function has met in a query. */
typedef struct RuleEntry
{
	LsText bytes; /* the rule's jsonb */
	LsSqlRule *rule;
	uint32 hash;
	char status;
} RuleEntry;

#define SH_PREFIX rules
#define SH_ELEMENT_TYPE RuleEntry
#define SH_KEY_TYPE LsText
#define SH_KEY bytes
#define SH_HASH_KEY(table, key) ls_digest_hash(key)
#define SH_EQUAL(table, a, b) ls_text_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct SqlRules
{
	const LsSqlRule *last; /* of the call before; mostly it is the same rule again */
	rules_hash *known;
} SqlRules;

static LsText
bytes_of(const Jsonb *json)
{
	return (LsText){(const char *) json, VARSIZE(json)};
}

static LsSqlRule *
compile_rule(const Jsonb *json)
{
	LsSqlRule *rule = palloc(sizeof(LsSqlRule));

	rule->json = memcpy(palloc(VARSIZE(json)), json, VARSIZE(json));
	rule->compiled = ls_rule_compile(rule->json);
	if (rule->compiled->policy == LS_POLICY_CUSTOM)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("policy custom merges in a push only"),
						errhint("Call its function itself.")));
	return rule;
}

static SqlRules *
no_rules(MemoryContext context)
{
	SqlRules *rules = MemoryContextAllocZero(context, sizeof(SqlRules));

	rules->known = rules_create(context, FIRST_RULES, NULL);
	return rules;
}

/* The rule, compiled once for all calls of the function in a query. */
const LsSqlRule *
ls_merge_sql_rule(FmgrInfo *function, const Jsonb *json)
{
	SqlRules *rules = function->fn_extra;
	RuleEntry *entry;
	bool found;

	if (rules == NULL)
		function->fn_extra = rules = no_rules(function->fn_mcxt);
	if (rules->last != NULL && same_json(rules->last->json, json))
		return rules->last;
	entry = rules_lookup(rules->known, bytes_of(json));
	if (entry == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(function->fn_mcxt);
		LsSqlRule *rule = compile_rule(json);

		MemoryContextSwitchTo(caller);
		entry = rules_insert(rules->known, bytes_of(rule->json), &found);
		entry->rule = rule;
	}
	return rules->last = entry->rule;
}

/* The rule in that argument. */
const LsSqlRule *
ls_merge_sql_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		refuse_argument("rule", "a merge rule, not NULL");
	return ls_merge_sql_rule(fcinfo->flinfo, PG_GETARG_JSONB_P(argument));
}

static TimestampTz
instant_argument(FunctionCallInfo fcinfo, int argument)
{
	TimestampTz at = PG_ARGISNULL(argument) ? LS_NO_TIME : PG_GETARG_TIMESTAMPTZ(argument);

	if (!ls_stamp_is_valid(at))
		refuse_argument("at", "a time of the years 1 to 9999");
	return at;
}

/* What an item says, as a state: from the arguments data, at and device_id, of which data is the given one. */
LsState
ls_merge_sql_lift(const LsRule *rule, FunctionCallInfo fcinfo, int argument, LsChange *change)
{
	LsFailure failure = {NULL};
	JsonbValue own;

	*change = (LsChange){.at = instant_argument(fcinfo, argument + 1)};
	change->received = change->at;
	change->device = PG_ARGISNULL(argument + 2) ? ls_text("")
												: ls_text_datum(PointerGetDatum(PG_GETARG_TEXT_P_COPY(argument + 2)));
	ls_json_root(PG_GETARG_JSONB_P_COPY(argument), &change->data);
	if (!ls_json_is_object(&change->data) || ls_json_get(&change->data, LS_PACKED_MEMBER, &own))
		refuse_argument("data", "an object without the member \"" LS_PACKED_MEMBER "\"");
	if (!ls_limit_check(&change->data, NULL, "data", PG_INT32_MAX, "data", &failure) ||
		!ls_check_known_keys(rule, &change->data, change, &failure))
		refuse(&failure);
	ls_adjust_item(rule, change);
	if (!ls_check_document(rule, &change->data, &failure))
		refuse(&failure);
	return ls_state_lift(rule, change);
}

/* Joins two states as if their items had come in the order of their instants. */
void
ls_merge_sql_fold(const LsRule *rule, LsState *state, LsState *other)
{
	LsFailure failure = {NULL};

	if (!ls_merge_fold(rule, state, other, &failure))
		refuse(&failure);
}

static LsState
state_argument(FunctionCallInfo fcinfo, int argument, const LsRule *rule)
{
	LsState state = {.at = LS_NO_TIME, .deleted_at = LS_NO_TIME};
	Jsonb *json;

	if (PG_ARGISNULL(argument))
		return state;
	json = PG_GETARG_JSONB_P(argument);
	if (!JB_ROOT_IS_OBJECT(json))
		refuse_argument("state", "an object");
	ls_state_unpack(rule, &state, json);
	return state;
}

static Datum
return_state(FunctionCallInfo fcinfo, const LsState *state)
{
	if (!state->exists)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(ls_state_pack(state));
}

PG_FUNCTION_INFO_V1(learnsync_merge);
PG_FUNCTION_INFO_V1(learnsync_merge_states);
PG_FUNCTION_INFO_V1(learnsync_document);

/* learnsync.merge(rule, state, data, at, device_id): the state after an item, as a push would leave it. */
Datum
learnsync_merge(PG_FUNCTION_ARGS)
{
	const LsRule *rule = ls_merge_sql_argument(fcinfo, 0)->compiled;
	LsState state = state_argument(fcinfo, 1, rule);
	LsFailure failure = {NULL};
	LsChange change;

	if (PG_ARGISNULL(2))
		return return_state(fcinfo, &state);
	(void) ls_merge_sql_lift(rule, fcinfo, 2, &change);
	if (ls_merge_apply(rule, &state, &change, &failure).verdict == LS_FAILED)
		refuse(&failure);
	return return_state(fcinfo, &state);
}

/* learnsync.merge_states(rule, a, b): what two states come to that grew apart. */
Datum
learnsync_merge_states(PG_FUNCTION_ARGS)
{
	const LsRule *rule = ls_merge_sql_argument(fcinfo, 0)->compiled;
	LsState state = state_argument(fcinfo, 1, rule);
	LsState other = state_argument(fcinfo, 2, rule);

	if (!state.exists)
		return return_state(fcinfo, &other);
	if (other.exists)
		ls_merge_sql_fold(rule, &state, &other);
	return return_state(fcinfo, &state);
}

/* learnsync.document(rule, state): the document that a state shows. */
Datum
learnsync_document(PG_FUNCTION_ARGS)
{
	const LsRule *rule = ls_merge_sql_argument(fcinfo, 0)->compiled;
	LsState state = state_argument(fcinfo, 1, rule);
	JsonbValue document;

	if (!state.exists)
		PG_RETURN_NULL();
	document = ls_state_show(rule, &state);
	PG_RETURN_JSONB_P(ls_json_encode(&document));
}
