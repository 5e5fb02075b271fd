/*
 * wait.c
 *		Work that waits for a row of the learner's: in a call of an app no longer than learnsync.max_wait.
 *
 * lock_timeout bounds each single wait. Behind a queue of short calls all of them are short, and their sum is not.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "store/store.h"
#include "utils/timeout.h"

static volatile sig_atomic_t overdue;

/* Runs in a signal handler: asks for the cancel that ends a wait. */
static void
note_overdue(void)
{
	overdue = true;
	InterruptPending = true;
	QueryCancelPending = true;
}

static TimeoutId
timer(void)
{
	static TimeoutId id = MAX_TIMEOUTS;

	if (id == MAX_TIMEOUTS)
		id = RegisterTimeout(USER_TIMEOUT, note_overdue);
	return id;
}

/* Does the work with the clock running; false where it was cut short by our own cancel. Other errors pass. */
static bool
work_in_time(void (*work)(void *), void *argument)
{
	MemoryContext caller = CurrentMemoryContext;

	overdue = false;
	/* No subtransaction is needed: whoever was cut short raises another error in place of this one. */
	PG_TRY();
	{
		enable_timeout_after(timer(), learnsync_max_wait);
		work(argument);
	}
	PG_CATCH();
	{
		disable_timeout(timer(), false);
		if (!overdue || geterrcode() != ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		return false;
	}
	PG_END_TRY();
	disable_timeout(timer(), false);
	return !overdue;
}

/* An app that waits holds a connection which the others need: it is told to come again instead. */
void
ls_wait(bool of_app, void (*work)(void *), void *argument)
{
	if (!of_app || learnsync_max_wait == 0)
	{
		work(argument);
		return;
	}
	if (work_in_time(work, argument))
		return;
	QueryCancelPending = false; /* where the work was done just before: it must not end what comes after */
	ls_refuse_for_now("PT503", ls_refuse_pause(1, 5), "the learner is busy",
					  "Other calls for the same learner took longer than learnsync.max_wait.");
}
