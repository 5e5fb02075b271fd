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
	return a->events == b->events && a->version == b->version;
}

/* Whether what is stored of a learner is not what its log says. */
static bool
differs(LsText learner, bool live)
{
	LsProgress *stored = ls_progress_new(CurrentMemoryContext);
	LsEventLog stored_log;
	LsEventLog log;
	bytea *one;
	bytea *other;

	ls_store_read_head(learner, stored, &stored_log, live);
	ls_store_read_contents(learner, stored, live);
	one = ls_progress_pack(stored, false);
	other = ls_progress_pack(ls_progress_plain(ls_event_reduce(learner, &log, live)), false);
	return !is_same_log(&log, &stored_log) || VARSIZE(one) != VARSIZE(other) || memcmp(one, other, VARSIZE(one)) != 0;
}

/* The next learner by id whose stored state differs, and how many were looked at; false where there is none. */
static bool
find_different(LsText *after, int limit, int64 *looked_at)
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
		found = differs(learners[i], false);
		MemoryContextSwitchTo(caller);
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
	MemoryContext caller = CurrentMemoryContext;
	LsText after = ls_text("");
	int64 before = -1;
	int64 looked_at = 0;
	LsStoreCall call;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	ls_store_open(&call);
	MemoryContextSwitchTo(caller);
	for (; looked_at != before;)
	{
		before = looked_at;
		if (find_different(&after, LEARNERS_AT_A_TIME, &looked_at))
		{
			Datum values[] = {ls_text_to_datum(after)};
			bool nulls[] = {false};

			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	ls_store_close(&call);
	MemoryContextSwitchTo(caller);
	return (Datum) 0;
}

/* Under the learner's lock nobody adds events, so what differs now is not about to be right. */
static void
rebuild(LsText learner)
{
	LsPush push = {.learner.id = learner};
	LsProgress *progress;
	LsEventLog log;

	ls_store_lock_learner(&push);
	if (!differs(learner, true))
		return;
	progress = ls_event_reduce(learner, &log, true);
	ls_store_clear_progress(learner);
	ls_store_write_progress(learner, progress, &log);
}

/*
 * learnsync.progress_rebuild_next(after, done, total): looks at the next learners up to the first that differs and
 * repairs that one, so that a transaction never locks more than one.
 */
Datum
learnsync_progress_rebuild_next(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	LsText after = ls_text_datum(PG_GETARG_DATUM(0));
	int64 done = PG_GETARG_INT64(1);
	int64 total = PG_GETARG_INT64(2);
	TupleDesc desc;
	LsStoreCall call;
	Datum values[3];
	bool nulls[3] = {false};

	get_call_result_type(fcinfo, NULL, &desc);
	ls_store_open(&call);
	MemoryContextSwitchTo(caller);
	if (total < 0)
		total = ls_store_count_learners();
	if (find_different(&after, LEARNERS_AT_A_TIME, &done))
		rebuild(after);
	ls_store_close(&call);
	MemoryContextSwitchTo(caller);
	values[0] = ls_text_to_datum(after);
	values[1] = Int64GetDatum(done);
	values[2] = Int64GetDatum(total);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
