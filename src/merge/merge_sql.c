/*
 * merge_sql.c
 *		The merge as functions of SQL, over anyone's documents: merge, merge_states, document, the aggregate merge_agg,
 *		and the type merge_rule.
 *
 * A stored rule is the jsonb itself, so old values stay readable whatever the compiled form becomes.
 *
 * The aggregate folds the items of a group into one state, on all cores, in any order. Rows are lifted and gathered in a
 * batch, which is folded by halves. What comes out is packed, so that it holds no row any longer, and folded with packed
 * states of as many batches, as digits carry in a counter; so a list that grows long is copied but a few times.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define FIRST_RULES 4
#define BATCH_ROWS 256
#define BATCH_BYTES (1024 * 1024)
#define LEVELS 48

/* A rule that calls of SQL functions use, as it came and compiled; it lives as long as the query. */
typedef struct SqlRule
{
	Jsonb *json;
	LsRule *compiled;
} SqlRule;

static void
refuse(const LsFailure *failure)
{
	bool range = strcmp(failure->code, "out_of_range") == 0;

	ereport(ERROR, (errcode(range ? ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE : ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s", failure->message), errdetail("It is wrong at \"%s\".", failure->path)));
}

static void
refuse_argument(const char *name, const char *wanted)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be %s", name, wanted)));
}

static bool
is_same_json(const Jsonb *a, const Jsonb *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

static bool
is_same_rule(const SqlRule *a, const SqlRule *b)
{
	return a == b || is_same_json(a->json, b->json);
}

/* The rules that one function has met in a query. */
typedef struct RuleEntry
{
	LsText bytes; /* the rule's jsonb */
	SqlRule *rule;
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
	const SqlRule *last; /* of the call before; mostly it is the same rule again */
	rules_hash *known;
} SqlRules;

static LsText
bytes_of(const Jsonb *json)
{
	return (LsText){(const char *) json, VARSIZE(json)};
}

static SqlRule *
compile_rule(const Jsonb *json)
{
	SqlRule *rule = palloc(sizeof(SqlRule));

	rule->json = ls_memory_varlena(json);
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
static const SqlRule *
find_rule(FmgrInfo *function, const Jsonb *json)
{
	SqlRules *rules = function->fn_extra;
	RuleEntry *entry;
	bool found;

	if (rules == NULL)
		function->fn_extra = rules = no_rules(function->fn_mcxt);
	if (rules->last != NULL && is_same_json(rules->last->json, json))
		return rules->last;
	entry = rules_lookup(rules->known, bytes_of(json));
	if (entry == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(function->fn_mcxt);
		SqlRule *rule = compile_rule(json);

		MemoryContextSwitchTo(caller);
		entry = rules_insert(rules->known, bytes_of(rule->json), &found);
		entry->rule = rule;
	}
	return rules->last = entry->rule;
}

/* The rule in that argument. */
static const SqlRule *
rule_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		refuse_argument("rule", "a merge rule, not NULL");
	return find_rule(fcinfo->flinfo, PG_GETARG_JSONB_P(argument));
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
static LsState
lift_arguments(const LsRule *rule, FunctionCallInfo fcinfo, int argument, LsChange *change)
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
		!ls_check_keys(rule, &change->data, (LsText){NULL, 0}, true, change, &failure))
		refuse(&failure);
	ls_adjust_item(rule, change);
	if (!ls_check_document(rule, &change->data, &failure))
		refuse(&failure);
	return ls_state_lift(rule, change);
}

/* Joins two states as if their items had come in the order of their instants. */
static void
fold_states(const LsRule *rule, LsState *state, LsState *other)
{
	LsFailure failure = {NULL};

	if (!ls_policy_fold(rule, state, other, &failure))
		refuse(&failure);
}

static LsState
state_argument(FunctionCallInfo fcinfo, int argument, const LsRule *rule)
{
	LsState state = {.at = LS_NO_TIME, .deleted_at = LS_NO_TIME};
	LsFailure failure = {NULL};
	JsonbValue value;
	Jsonb *json;

	if (PG_ARGISNULL(argument))
		return state;
	json = PG_GETARG_JSONB_P(argument);
	if (!JB_ROOT_IS_OBJECT(json))
		refuse_argument("state", "an object");
	ls_json_root(json, &value);
	if (!ls_limit_check_numbers(&value, "state", &failure))
		refuse(&failure);
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
	const LsRule *rule = rule_argument(fcinfo, 0)->compiled;
	LsState state = state_argument(fcinfo, 1, rule);
	LsFailure failure = {NULL};
	LsChange change;

	if (PG_ARGISNULL(2))
		return return_state(fcinfo, &state);
	(void) lift_arguments(rule, fcinfo, 2, &change);
	if (ls_merge_apply(rule, &state, &change, &failure).verdict == LS_FAILED)
		refuse(&failure);
	return return_state(fcinfo, &state);
}

/* learnsync.merge_states(rule, a, b): what two states come to that grew apart. */
Datum
learnsync_merge_states(PG_FUNCTION_ARGS)
{
	const LsRule *rule = rule_argument(fcinfo, 0)->compiled;
	LsState state = state_argument(fcinfo, 1, rule);
	LsState other = state_argument(fcinfo, 2, rule);

	if (!state.exists)
		return return_state(fcinfo, &other);
	if (other.exists)
		fold_states(rule, &state, &other);
	return return_state(fcinfo, &state);
}

/* learnsync.document(rule, state): the document that a state shows. */
Datum
learnsync_document(PG_FUNCTION_ARGS)
{
	const LsRule *rule = rule_argument(fcinfo, 0)->compiled;
	LsState state = state_argument(fcinfo, 1, rule);
	JsonbValue document;

	if (!state.exists)
		PG_RETURN_NULL();
	document = ls_state_show(rule, &state);
	PG_RETURN_JSONB_P(ls_json_encode(&document));
}

/* The fold of a group in progress. */
typedef struct Fold
{
	MemoryContext context; /* the fold's own */
	MemoryContext batch_context; /* the batch's; NULL until there is one */
	const SqlRule *rule;
	int nstates;
	int room; /* for so many states */
	LsState *states; /* the batch */
	Jsonb *levels[LEVELS]; /* packed states of 2^i batches, NULL where there is none */
} Fold;

static Fold *
new_fold(FunctionCallInfo fcinfo, const SqlRule *rule)
{
	MemoryContext aggregate;
	Fold *fold;

	if (!AggCheckCallContext(fcinfo, &aggregate))
		elog(ERROR, "aggregate function called outside an aggregate");
	fold = MemoryContextAllocZero(aggregate, sizeof(Fold));
	fold->context = aggregate;
	fold->rule = rule;
	return fold;
}

static void
refuse_other_rule(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rule must be the same in all of a group")));
}

/* Folds two packed states; the result is in the fold's context, and so were they. */
static Jsonb *
fold_packed(Fold *fold, Jsonb *a, Jsonb *b)
{
	MemoryContext work = AllocSetContextCreate(fold->context, "learnsync fold", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	LsState state;
	LsState other;
	Jsonb *packed;

	ls_state_unpack(fold->rule->compiled, &state, a);
	ls_state_unpack(fold->rule->compiled, &other, b);
	fold_states(fold->rule->compiled, &state, &other);
	packed = ls_state_pack(&state);
	MemoryContextSwitchTo(fold->context);
	packed = ls_memory_varlena(packed);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	pfree(a);
	pfree(b);
	return packed;
}

static void
add_packed(Fold *fold, Jsonb *packed)
{
	int level = 0;

	for (; fold->levels[level] != NULL && level < LEVELS - 1; level++)
	{
		packed = fold_packed(fold, fold->levels[level], packed);
		fold->levels[level] = NULL;
	}
	fold->levels[level] = packed;
}

static void
fold_batch(Fold *fold)
{
	MemoryContext caller;
	Jsonb *packed;

	if (fold->nstates == 0)
		return;
	caller = MemoryContextSwitchTo(fold->batch_context);
	while (fold->nstates > 1)
	{
		int half = fold->nstates / 2;

		for (int i = 0; i < half; i++)
		{
			CHECK_FOR_INTERRUPTS();
			fold_states(fold->rule->compiled, &fold->states[i], &fold->states[fold->nstates - 1 - i]);
		}
		fold->nstates -= half;
	}
	packed = ls_state_pack(&fold->states[0]);
	MemoryContextSwitchTo(fold->context);
	packed = ls_memory_varlena(packed);
	MemoryContextReset(fold->batch_context);
	fold->nstates = fold->room = 0;
	add_packed(fold, packed);
	MemoryContextSwitchTo(caller);
}

/* All of the fold as one packed state; NULL where it had no rows. */
static Jsonb *
fold_all(Fold *fold)
{
	Jsonb *packed = NULL;

	fold_batch(fold);
	for (int level = 0; level < LEVELS; level++)
	{
		if (fold->levels[level] == NULL)
			continue;
		packed = packed == NULL ? fold->levels[level] : fold_packed(fold, fold->levels[level], packed);
		fold->levels[level] = NULL;
	}
	if (packed != NULL)
		fold->levels[0] = packed;
	return packed;
}

PG_FUNCTION_INFO_V1(learnsync_merge_agg_step);
PG_FUNCTION_INFO_V1(learnsync_merge_agg_combine);
PG_FUNCTION_INFO_V1(learnsync_merge_agg_serialize);
PG_FUNCTION_INFO_V1(learnsync_merge_agg_deserialize);
PG_FUNCTION_INFO_V1(learnsync_merge_agg_final);

/* Takes one more state into the batch, in whose context it is. */
static void
add_state(Fold *fold, LsState state)
{
	if (fold->nstates == fold->room)
	{
		LsState *states = palloc(sizeof(LsState) * Max(fold->room * 2, 4));

		if (fold->nstates > 0)
			memcpy(states, fold->states, sizeof(LsState) * fold->nstates);
		fold->states = states;
		fold->room = Max(fold->room * 2, 4);
	}
	fold->states[fold->nstates++] = state;
}

/* Takes in one row: state, rule, data, at, device_id. A row without data says nothing. */
Datum
learnsync_merge_agg_step(PG_FUNCTION_ARGS)
{
	Fold *fold = PG_ARGISNULL(0) ? NULL : (Fold *) PG_GETARG_POINTER(0);
	const SqlRule *rule = rule_argument(fcinfo, 1);
	MemoryContext caller;
	LsChange change;

	if (fold == NULL)
		fold = new_fold(fcinfo, rule);
	if (fold->rule != rule)
		refuse_other_rule();
	if (PG_ARGISNULL(2))
		PG_RETURN_POINTER(fold);
	if (fold->batch_context == NULL)
		fold->batch_context = AllocSetContextCreate(fold->context, "learnsync batch", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(fold->batch_context);
	add_state(fold, lift_arguments(rule->compiled, fcinfo, 2, &change));
	MemoryContextSwitchTo(caller);
	if (fold->nstates == BATCH_ROWS || MemoryContextMemAllocated(fold->batch_context, false) > BATCH_BYTES)
		fold_batch(fold);
	PG_RETURN_POINTER(fold);
}

Datum
learnsync_merge_agg_combine(PG_FUNCTION_ARGS)
{
	Fold *fold = PG_ARGISNULL(0) ? NULL : (Fold *) PG_GETARG_POINTER(0);
	Fold *other = PG_ARGISNULL(1) ? NULL : (Fold *) PG_GETARG_POINTER(1);
	MemoryContext caller;
	Jsonb *packed = other == NULL ? NULL : fold_all(other);

	if (fold == NULL && other != NULL)
		fold = new_fold(fcinfo, find_rule(fcinfo->flinfo, other->rule->json));
	if (fold == NULL)
		PG_RETURN_NULL();
	if (other != NULL && !is_same_rule(fold->rule, other->rule))
		refuse_other_rule();
	if (packed != NULL)
	{
		caller = MemoryContextSwitchTo(fold->context);
		add_packed(fold, ls_memory_varlena(packed));
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_POINTER(fold);
}

/* The rule, then the packed state where there is one. */
Datum
learnsync_merge_agg_serialize(PG_FUNCTION_ARGS)
{
	Fold *fold = (Fold *) PG_GETARG_POINTER(0);
	Jsonb *packed = fold_all(fold);
	StringInfoData out;

	pq_begintypsend(&out);
	pq_sendint32(&out, VARSIZE(fold->rule->json));
	pq_sendbytes(&out, (char *) fold->rule->json, VARSIZE(fold->rule->json));
	if (packed != NULL)
		pq_sendbytes(&out, (char *) packed, VARSIZE(packed));
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum
learnsync_merge_agg_deserialize(PG_FUNCTION_ARGS)
{
	bytea *serialized = PG_GETARG_BYTEA_PP(0);
	const char *bytes = VARDATA_ANY(serialized);
	int length = (int) VARSIZE_ANY_EXHDR(serialized);
	Fold *fold;
	uint32 rule_bytes;

	memcpy(&rule_bytes, bytes, sizeof(rule_bytes));
	rule_bytes = pg_ntoh32(rule_bytes);
	bytes += sizeof(rule_bytes);
	length -= (int) (sizeof(rule_bytes) + rule_bytes);
	fold = new_fold(fcinfo, find_rule(fcinfo->flinfo, memcpy(palloc(rule_bytes), bytes, rule_bytes)));
	if (length > 0)
	{
		fold->levels[0] = MemoryContextAlloc(fold->context, length);
		ls_memory_copy(fold->levels[0], bytes + rule_bytes, length);
	}
	PG_RETURN_POINTER(fold);
}

Datum
learnsync_merge_agg_final(PG_FUNCTION_ARGS)
{
	Jsonb *packed = PG_ARGISNULL(0) ? NULL : fold_all((Fold *) PG_GETARG_POINTER(0));

	if (packed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(ls_memory_varlena(packed));
}

PG_FUNCTION_INFO_V1(learnsync_merge_rule_in);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_out);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_recv);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_send);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_from_jsonb);

Datum
learnsync_merge_rule_in(PG_FUNCTION_ARGS)
{
	Datum json = DirectFunctionCall1(jsonb_in, PG_GETARG_DATUM(0));

	ls_rule_compile(DatumGetJsonbP(json));
	PG_RETURN_DATUM(json);
}

Datum
learnsync_merge_rule_out(PG_FUNCTION_ARGS)
{
	Jsonb *json = PG_GETARG_JSONB_P(0);

	PG_RETURN_CSTRING(JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

/* The binary form is jsonb's. */
Datum
learnsync_merge_rule_recv(PG_FUNCTION_ARGS)
{
	Datum json = DirectFunctionCall1(jsonb_recv, PG_GETARG_DATUM(0));

	ls_rule_compile(DatumGetJsonbP(json));
	PG_RETURN_DATUM(json);
}

Datum
learnsync_merge_rule_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_send, PG_GETARG_DATUM(0)));
}

Datum
learnsync_merge_rule_from_jsonb(PG_FUNCTION_ARGS)
{
	ls_rule_compile(PG_GETARG_JSONB_P(0));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
