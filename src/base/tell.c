/*
 * tell.c
 *		How far something is that takes long: a notice a second, from the second second on.
 */
#include "postgres.h"

#include "base/base.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Tells how much of a task is done, of a total or, where that is below 0, so far. It begins with nothing done. */
void
ls_tell(const char *task, int64 done, int64 total)
{
	static TimestampTz told;
	TimestampTz now = GetCurrentTimestamp();

	if (done > 0 && now - told < USECS_PER_SEC)
		return;
	told = now;
	if (done <= 0)
		return;
	if (total < 0)
		ereport(NOTICE, (errmsg("%s: %lld so far", task, (long long) done)));
	else
		ereport(NOTICE, (errmsg("%s: %lld of %lld, %d %%", task, (long long) Min(done, total), (long long) total,
								(int) (100.0 * Min(done, total) / Max(total, 1)))));
}

PG_FUNCTION_INFO_V1(learnsync_tell);

/* learnsync_internal.tell(task, done, total): for procedures. */
Datum
learnsync_tell(PG_FUNCTION_ARGS)
{
	ls_tell(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT64(1), PG_GETARG_INT64(2));
	PG_RETURN_VOID();
}
