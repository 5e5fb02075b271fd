/*
 * merge_agg.c
 *		The aggregate merge_agg: folds the items of a group into one state, on all cores, in any order.
 *
 * Rows are lifted and gathered in a batch, which is folded by halves. What comes out is packed, so that it holds no row
 * any longer, and folded with packed states of as many batches, as digits carry in a counter; so a list that grows long
 * is copied but a few times.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#define BATCH_ROWS 256
#define BATCH_BYTES (1024 * 1024)
#define LEVELS 48

/* The fold of a group in progress. */
typedef struct Fold
{
	MemoryContext context; /* the fold's own */
	MemoryContext batch_context; /* the batch's; NULL until there is one */
	const LsSqlRule *rule;
	int nstates;
	int room; /* for so many states */
	LsState *states; /* the batch */
	Jsonb *levels[LEVELS]; /* packed states of 2^i batches, NULL where there is none */
} Fold;

static Fold *
new_fold(FunctionCallInfo fcinfo, const LsSqlRule *rule)
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

static Jsonb *
copy_json(const Jsonb *json)
{
	return memcpy(palloc(VARSIZE(json)), json, VARSIZE(json));
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
	ls_merge_sql_fold(fold->rule->compiled, &state, &other);
	packed = ls_state_pack(&state);
	MemoryContextSwitchTo(fold->context);
	packed = copy_json(packed);
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
			ls_merge_sql_fold(fold->rule->compiled, &fold->states[i], &fold->states[fold->nstates - 1 - i]);
		}
		fold->nstates -= half;
	}
	packed = ls_state_pack(&fold->states[0]);
	MemoryContextSwitchTo(fold->context);
	packed = copy_json(packed);
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
	const LsSqlRule *rule = ls_merge_sql_argument(fcinfo, 1);
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
	add_state(fold, ls_merge_sql_lift(rule->compiled, fcinfo, 2, &change));
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
		fold = new_fold(fcinfo, ls_merge_sql_rule(fcinfo->flinfo, other->rule->json));
	if (fold == NULL)
		PG_RETURN_NULL();
	if (other != NULL && !ls_merge_sql_same(fold->rule, other->rule))
		refuse_other_rule();
	if (packed != NULL)
	{
		caller = MemoryContextSwitchTo(fold->context);
		add_packed(fold, copy_json(packed));
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
	fold = new_fold(fcinfo, ls_merge_sql_rule(fcinfo->flinfo, memcpy(palloc(rule_bytes), bytes, rule_bytes)));
	if (length > 0)
		fold->levels[0] = memcpy(MemoryContextAlloc(fold->context, length), bytes + rule_bytes, length);
	PG_RETURN_POINTER(fold);
}

Datum
learnsync_merge_agg_final(PG_FUNCTION_ARGS)
{
	Jsonb *packed = PG_ARGISNULL(0) ? NULL : fold_all((Fold *) PG_GETARG_POINTER(0));

	if (packed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(copy_json(packed));
}
