/*
 * begin.c
 *		What every call that writes for a learner begins with: the row's lock, the time, the charge; and the device.
 */
#include "postgres.h"

#include "batch/batch.h"

static void
lock_learner(void *push)
{
	ls_store_lock_learner(push);
}

/* Everything that decides is read after this. A dry run locks nothing and is not charged. */
void
ls_batch_begin(LsPush *push)
{
	if (push->dry_run)
		ls_store_read_learner(push);
	else
		ls_wait(push->of_app, lock_learner, push);
	push->now = GetCurrentTimestamp();
	if (ls_rate_applies(push))
		ls_rate_take(push);
}

/* For a call that leaves the learner's version as it is. */
void
ls_batch_note_charge(LsPush *push)
{
	if (!ls_rate_applies(push))
		return;
	push->version = push->learner.version;
	ls_store_update_learner(push, false, false);
}
