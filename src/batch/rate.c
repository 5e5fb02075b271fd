/*
 * rate.c
 *		How many calls a minute a learner may make that write: a token bucket that holds a minute's worth.
 *
 * The learner's row remembers one instant, until when the calls so far use up the limit. Each call moves it on by its
 * share of a minute; one that would move it more than a minute ahead of now is refused. It is written with the rest of
 * the call, so only what commits is charged.
 */
#include "postgres.h"

#include "batch/batch.h"

bool
ls_rate_applies(const LsPush *push)
{
	return learnsync_rate_limit > 0 && !push->dry_run && !push->unmetered;
}

/* Takes a token for this call, or refuses it. A clock that was set back must not lock the learner out for longer. */
void
ls_rate_take(LsPush *push)
{
	TimestampTz full = push->now + USECS_PER_MINUTE;
	TimestampTz used = Min(Max(push->learner.rate_at, push->now), full) + USECS_PER_MINUTE / learnsync_rate_limit;

	if (used > full)
		ls_refuse_for_now("PT429", (int) ((used - full + USECS_PER_SEC - 1) / USECS_PER_SEC), "too many calls",
						  psprintf("learnsync.rate_limit allows %d calls per minute.", learnsync_rate_limit));
	push->learner.rate_at = used;
}
