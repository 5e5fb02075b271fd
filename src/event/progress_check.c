/*
 * progress_check.c
 *		Compares stored snapshots with a reduction of the log from scratch, and derives them again where they differ.
 */
#include "postgres.h"

#include "event/event.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#define LEARNERS_AT_A_TIME 500

static bool
is_same_log(const LsEventLog *a, const LsEventLog *b)
{
	return a->events == b->events && a->version == b->version && a->state_bytes == b->state_bytes;
}

static bool
is_same_text(LsText a, LsText b)
{
	return (a.data == NULL) == (b.data == NULL) && ls_text_compare(a, b) == 0;
}

static bool
is_same_point(const LsPoint *a, const LsPoint *b)
{
	return ls_point_exists(a) == ls_point_exists(b) && (!ls_point_exists(a) || ls_point_compare(a, b) == 0);
}

static bool
is_same_kept(const LsKept *a, const LsKept *b)
{
	LsPoint left = ls_kept_point(a);
	LsPoint right = ls_kept_point(b);

	return is_same_point(&left, &right) && is_same_text(ls_kept_value(a), ls_kept_value(b));
}

/* Whether two states are one but for their contents. */
static bool
is_same_head(const LsProgress *a, const LsProgress *b)
{
	return is_same_point(&a->reset, &b->reset) && a->last_at == b->last_at &&
		   is_same_text(a->last_time, b->last_time) && is_same_kept(&a->onboarding, &b->onboarding) &&
		   is_same_kept(&a->active, &b->active);
}

static bool
is_same_score(Numeric a, Numeric b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || ls_number_compare(a, b) == 0);
}

static bool
is_same_row(const LsContentRow *a, const LsContentRow *b)
{
	return a->status == b->status && is_same_score(a->score, b->score) && is_same_point(&a->last, &b->last) &&
		   is_same_point(&a->completed, &b->completed) && is_same_text(a->version, b->version) &&
		   is_same_point(&a->version_point, &b->version_point);
}

/* What a log says, and how many of the stored rows say the same. */
typedef struct Comparison
{
	LsProgress *derived; /* settled */
	int ncontents;
	int ninteractions;
	bool differs;
} Comparison;

static void
compare_content(void *argument, const LsContentRow *row)
{
	Comparison *comparison = argument;
	const LsContent *content = ls_progress_find(comparison->derived, row->id);
	LsContentRow derived;

	comparison->ncontents++;
	if (content == NULL || ls_progress_is_empty(content))
	{
		comparison->differs = true;
		return;
	}
	derived = ls_progress_row(content);
	comparison->differs |= !is_same_row(row, &derived);
}

static void
compare_interaction(void *argument, const LsInteractionRow *row)
{
	Comparison *comparison = argument;
	const LsContent *content = ls_progress_find(comparison->derived, row->content_id);
	const LsInteraction *interaction =
		content == NULL ? NULL : ls_progress_find_interaction(comparison->derived, content, row->id);
	LsPoint point;

	comparison->ninteractions++;
	if (interaction == NULL)
	{
		comparison->differs = true;
		return;
	}
	point = ls_kept_point(&interaction->state);
	comparison->differs |=
		!is_same_point(&point, &row->point) || !is_same_text(ls_kept_value(&interaction->state), row->state);
}

static int
count_interactions(LsContent **contents, int count)
{
	int interactions = 0;

	for (int i = 0; i < count; i++)
	{
		for (const LsInteraction *each = contents[i]->interactions; each != NULL; each = each->next)
		{
			CHECK_FOR_INTERRUPTS();
			interactions += ls_kept_exists(&each->state);
		}
	}
	return interactions;
}

/* Whether what is stored of a learner is not what its log says. */
static bool
differs(LsText learner, LsSnapshot snapshot)
{
	LsEventLog log;
	LsEventLog stored_log;
	LsProgress *stored = ls_progress_new(CurrentMemoryContext);
	Comparison comparison = {ls_event_reduce(learner, &log, snapshot)};
	int count;
	LsContent **contents = ls_progress_settle(comparison.derived, &count);

	ls_store_read_head(learner, stored, &stored_log, snapshot);
	ls_store_read_rows(learner, compare_content, compare_interaction, &comparison, snapshot);
	return comparison.differs || !is_same_log(&log, &stored_log) || !is_same_head(stored, comparison.derived) ||
		   comparison.ncontents != count || comparison.ninteractions != count_interactions(contents, count);
}

/* One look at a learner. */
typedef struct Look
{
	LsText learner;
	LsSnapshot snapshot;
	bool differs;
} Look;

static void
compare(void *argument)
{
	Look *look = argument;

	look->differs = differs(look->learner, look->snapshot);
}

/* Whether what is stored of a learner is not what its log says; damage says which row cannot be read, or is NULL. */
static bool
is_off(LsText learner, LsSnapshot snapshot, const char **damage)
{
	Look look = {learner, snapshot, true};
	ErrorData *error = ls_try_read(compare, &look);

	*damage = error == NULL ? NULL : error->detail;
	return look.differs;
}

/*
 * The next learner by id whose stored state differs, the damage that makes it so, and how many were looked at; false
 * where there is none.
 */
static bool
find_different(LsText *after, const char **damage, int limit, int64 *looked_at)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "learnsync check", ALLOCSET_DEFAULT_SIZES);
	LsText *learners;
	int count = ls_store_read_learners(*after, limit, &learners);
	bool found = false;

	for (int i = 0; i < count && !found; i++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		found = is_off(learners[i], LS_SEES_CALLERS, damage);
		MemoryContextSwitchTo(caller);
		if (*damage != NULL)
			*damage = pstrdup(*damage);
		*after = learners[i];
		(*looked_at)++;
	}
	MemoryContextDelete(context);
	return found;
}

PG_FUNCTION_INFO_V1(learnsync_progress_verify);
PG_FUNCTION_INFO_V1(learnsync_progress_rebuild_next);

/* learnsync.progress_verify(): the learners whose stored snapshot is not the reduction of their log. */
Datum
learnsync_progress_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LsText after = ls_text("");
	const char *damage;
	int64 before = -1;
	int64 looked_at = 0;
	int64 total;
	LsStoreCall call;

	InitMaterializedSRF(fcinfo, 0);
	ls_store_open(&call);
	total = ls_store_count_learners();
	ls_tell("", 0, 0);
	for (; looked_at != before;)
	{
		before = looked_at;
		if (find_different(&after, &damage, LEARNERS_AT_A_TIME, &looked_at))
		{
			Datum values[] = {ls_text_to_datum(after), damage == NULL ? (Datum) 0 : CStringGetTextDatum(damage)};
			bool nulls[] = {false, damage == NULL};

			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		ls_tell("progress_verify, learners", looked_at, total);
	}
	ls_store_close(&call);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(learnsync_check_progress_as_owner);

/* learnsync_internal.check_progress_as_owner(learner): what is wrong with a stored snapshot, NULL where nothing is. */
Datum
learnsync_check_progress_as_owner(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	const char *damage;
	bool off;

	ls_store_open(&call);
	off = is_off(ls_text_datum(PG_GETARG_DATUM(0)), LS_SEES_CALLERS, &damage);
	ls_store_close(&call);
	if (!off)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(damage != NULL ? damage : "the snapshot is not what the events make it"));
}

/* A reduction of a learner's log. */
typedef struct Reduction
{
	LsText learner;
	LsProgress *progress;
	LsEventLog log;
} Reduction;

static void
reduce(void *argument)
{
	Reduction *reduction = argument;

	reduction->progress = ls_event_reduce(reduction->learner, &reduction->log, LS_SEES_OWN);
}

/*
 * Under the learner's lock nobody adds events, so what differs now is not about to be right. A log that cannot be read
 * is left as it is: nothing can be derived from it.
 */
static void
rebuild(LsText learner)
{
	LsLearner row = {.id = learner};
	Reduction reduction = {learner};
	ErrorData *error;
	const char *damage;

	ls_store_lock_learner(&row);
	if (!is_off(learner, LS_SEES_OWN, &damage))
		return;
	error = ls_try_read(reduce, &reduction);
	if (error != NULL)
	{
		ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED),
						  errmsg("the progress of learner \"%s\" cannot be derived again", ls_text_string(learner)),
						  errdetail_internal("%s", error->detail)));
		return;
	}
	ls_store_clear_progress(learner);
	ls_store_write_progress(learner, reduction.progress, &reduction.log, NULL);
}

/*
 * learnsync_internal.progress_rebuild_next(after, done, total): looks at the next learners up to the first that differs and
 * repairs that one, so that a transaction never locks more than one.
 */
Datum
learnsync_progress_rebuild_next(PG_FUNCTION_ARGS)
{
	LsText after = ls_text_datum(PG_GETARG_DATUM(0));
	const char *damage;
	int64 done = PG_GETARG_INT64(1);
	int64 total = PG_GETARG_INT64(2);
	TupleDesc desc;
	LsStoreCall call;
	Datum values[3];
	bool nulls[3] = {false};

	get_call_result_type(fcinfo, NULL, &desc);
	ls_store_open(&call);
	if (total < 0)
		total = ls_store_count_learners();
	if (find_different(&after, &damage, LEARNERS_AT_A_TIME, &done))
		rebuild(after);
	ls_store_close(&call);
	values[0] = ls_text_to_datum(after);
	values[1] = Int64GetDatum(done);
	values[2] = Int64GetDatum(total);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
