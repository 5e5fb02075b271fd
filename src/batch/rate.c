/*
 * rate.c
 *		How many pushes a minute a learner may make: a token bucket that holds a minute's worth.
 *
 * The learner's row remembers one instant, until when the pushes so far use up the limit. Each push moves it on by its
 * share of a minute; one that would move it more than a minute ahead of now is refused.
 */
#include "postgres.h"

#include "sync.h"
#include "utils/builtins.h"
#include "utils/guc.h"

bool
ls_rate_applies(const LsPush *push)
{
	return learnsync_rate_limit > 0 && !push->dry_run && !push->unmetered;
}

/* PostgREST takes the status and the headers of its answer from an error of this form. */
static void
refuse_over_http(int seconds)
{
	ereport(ERROR, (errcode(MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')),
					errmsg_internal("{\"code\": \"PT429\", \"message\": \"too many pushes\", \"details\": null, "
									"\"hint\": \"Try again in %d seconds.\"}",
									seconds),
					errdetail_internal("{\"status\": 429, \"headers\": {\"Retry-After\": \"%d\"}}", seconds)));
}

static void
refuse(int seconds)
{
	const char *method = GetConfigOption("request.method", true, false);

	if (method != NULL && method[0] != '\0')
		refuse_over_http(seconds);
	ereport(ERROR, (errcode(MAKE_SQLSTATE('P', 'T', '4', '2', '9')), errmsg("too many pushes"),
					errdetail("learnsync.rate_limit allows %d pushes per minute.", learnsync_rate_limit),
					errhint("Try again in %d seconds.", seconds)));
}

/* Takes a token for this push, or refuses it. A clock that was set back must not lock the learner out for longer. */
void
ls_rate_take(LsPush *push)
{
	TimestampTz full = push->now + USECS_PER_MINUTE;
	TimestampTz used = Min(Max(push->learner.rate_at, push->now), full) + USECS_PER_MINUTE / learnsync_rate_limit;

	if (used > full)
		refuse((int) ((used - full + USECS_PER_SEC - 1) / USECS_PER_SEC));
	push->learner.rate_at = used;
}
