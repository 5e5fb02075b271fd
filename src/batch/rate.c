/*
 * rate.c
 *		How many calls a minute a learner, or a device, may make that write: a token bucket that holds a minute's worth.
 *
 * The learner's row, or the device's, remembers one instant, until when the calls so far use up the limit. Each call
 * moves it on by its share of a minute; one that would move it more than a minute ahead of now is refused. It is written
 * with the rest of the call, so only what commits is charged.
 */
#include "postgres.h"

#include "batch/batch.h"

static bool
is_charged(const LsBatch *batch)
{
	return !batch->dry_run && !batch->unmetered && !batch->again;
}

bool
ls_rate_applies(const LsBatch *batch)
{
	return learnsync_rate_limit > 0 && is_charged(batch);
}

/*
 * Takes a token for this call, or refuses it: until when the limit is used up then. A clock that was set back must not
 * lock the learner out for longer.
 */
static TimestampTz
take(TimestampTz used, TimestampTz now, const char *setting, int limit)
{
	TimestampTz full = now + USECS_PER_MINUTE;

	used = Min(Max(used, now), full) + USECS_PER_MINUTE / limit;
	if (used > full)
		ls_refuse_for_now("PT429", (int) ((used - full + USECS_PER_SEC - 1) / USECS_PER_SEC), "too many calls",
						  psprintf("%s allows %d calls per minute.", setting, limit));
	return used;
}

void
ls_rate_take(LsBatch *batch)
{
	batch->learner.rate_at = take(batch->learner.rate_at, batch->now, "learnsync.rate_limit", learnsync_rate_limit);
}

/* The same for the device, if it is one; it is written where the device is noted. */
static void
take_of_device(LsBatch *batch)
{
	if (learnsync_device_rate_limit == 0 || !is_charged(batch) || batch->device.id.length == 0)
		return;
	batch->device.charged = true;
	batch->device.rate_at =
		take(ls_store_device_rate(batch), batch->now, "learnsync.device_rate_limit", learnsync_device_rate_limit);
}

/* Turns away a device that was deactivated, and charges the call to it. A second try was let in when it was found. */
void
ls_batch_admit_device(LsBatch *batch)
{
	if (batch->again)
		return;
	ls_device_check(batch->learner.id, &batch->device);
	take_of_device(batch);
}

/* For a call that leaves the learner's version as it is. */
void
ls_batch_note_charge(LsBatch *batch)
{
	if (!ls_rate_applies(batch))
		return;
	batch->version = batch->learner.version;
	ls_store_update_learner(batch, false, false);
}
