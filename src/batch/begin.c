/*
 * begin.c
 *		What every call that writes for a learner begins with: the row's lock, the time, the charge; and the device.
 */
#include "postgres.h"

#include "batch/batch.h"

/* Turns away a device that was deactivated. */
void
ls_device_check(const LsDevice *device)
{
	if (device->exists && !device->active)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("this device is deactivated"),
						errhint("sync_activate_device lets it in again.")));
}

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
