/*
 * pull_start.c
 *		Where a page starts: whether the client's cursor leads on, or what it holds is to be dropped, or this server cannot
 *		tell yet.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "pull/pull.h"

/*
 * For a client that counts versions. Below the horizon of tombstones it must start anew, however it came there: what it
 * holds may contain what was deleted and forgotten since, and a cursor of 1 says nothing of what it holds. As it cannot
 * say later that it has started anew, the page of a reset reaches the horizon at least.
 */
static void
start_by_version(LsPull *pull)
{
	const LsPullStart *start = &pull->start;
	bool is_foreign = pull->epoch.data != NULL && !ls_text_equal(pull->epoch, start->epoch);
	bool is_ahead = pull->after > start->version;

	if (is_ahead && !is_foreign && RecoveryInProgress())
	{
		/* A run that a newer server began must not seem to be over: it begins again, or its lists would lack members. */
		if (pull->from >= 0)
			pull->after = Min(pull->after, pull->from);
		pull->idle = true;
		return;
	}
	pull->reset = is_foreign || is_ahead || pull->after < start->tombstone_version;
	if (pull->reset)
	{
		pull->after = LS_FIRST_VERSION;
		pull->uncut = start->tombstone_version;
	}
	/* Nobody holds more than he has seen, nor anything from before a reset that must have been since. */
	if (pull->from > pull->after || (pull->from >= 0 && pull->from < start->tombstone_version))
		pull->from = LS_FIRST_VERSION;
	/* A server that lags behind cannot know whether an earlier page came from one that does not. */
	pull->deltas = pull->from >= 0 && !pull->selection.scoped && !RecoveryInProgress();
}

/*
 * Whether what the client holds is to be dropped: it is of another history, which only a primary can know, or of another
 * selection, or it may contain what was deleted and forgotten since its run began.
 */
static bool
must_drop(const LsPull *pull, uint64 life, uint64 selection)
{
	const LsCursor *cursor = &pull->cursor;

	if (!cursor->given)
		return false;
	if (cursor->life != life || ls_cursor_is_ahead(cursor, pull->start.version))
	{
		if (!RecoveryInProgress())
			return true;
		if (cursor->life != life)
			return false;
	}
	return cursor->selection != selection || pull->start.tombstone_version > Max(cursor->position, cursor->horizon);
}

/* A run that begins here. */
static LsCursor
begin_run(const LsPull *pull, int64 position)
{
	return (LsCursor){.given = true,
					  .position = position,
					  .newest = pull->start.version,
					  .from = position,
					  .horizon = pull->start.tombstone_version};
}

/*
 * For a client that stores cursors. A run may touch servers that lag behind others: it is over only on one that is as
 * new as any that has brought a page of it, as a resource that had moved on there was in none of the later pages.
 */
static void
start_by_cursor(LsPull *pull)
{
	const LsPullStart *start = &pull->start;
	LsCursor *cursor = &pull->cursor;
	uint64 life = ls_cursor_life(pull->learner, start->epoch);
	uint64 selection = ls_select_digest(&pull->selection);
	bool is_ahead = ls_cursor_is_ahead(cursor, start->version);
	bool is_other = cursor->given && cursor->life != life;

	pull->after = cursor->position;
	pull->reset = must_drop(pull, life, selection);
	pull->behind = !pull->reset && (is_other || is_ahead);
	pull->idle = pull->behind && (is_other || cursor->position >= start->version);
	if (pull->idle)
		return;
	pull->begins = pull->reset || cursor->newest == 0;
	if (pull->begins)
		*cursor = begin_run(pull, pull->reset ? LS_FIRST_VERSION : cursor->position);
	cursor->newest = Max(cursor->newest, start->version);
	cursor->life = life;
	cursor->selection = selection;
	pull->after = cursor->position;
	pull->from = cursor->from;
	pull->deltas = !pull->selection.scoped;
}

void
ls_pull_start(LsPull *pull)
{
	if (pull->by_version)
		start_by_version(pull);
	else
		start_by_cursor(pull);
}
