/*
 * push_write.c
 *		Writes the whole effect of a push.
 */
#include "postgres.h"

#include "push/push.h"

static void
decide(LsBatch *batch)
{
	ls_push_decide((LsPush *) batch);
}

static void
decide_first(LsBatch *batch, int taken)
{
	ls_push_merge((LsPush *) batch, taken);
}

static void
write_accepted(LsBatch *batch)
{
	ls_store_write_accepted((LsPush *) batch);
}

static const LsWriter writer = {"resource", decide, decide_first, write_accepted};

/* A retry of what is known leaves nothing but when the device was seen. */
void
ls_push_write(LsPush *push)
{
	LsBatch *batch = &push->batch;
	bool logged;

	ls_batch_write_accepted(batch, &writer);
	logged = batch->naccepted > 0;
	if (!logged)
		ls_store_touch_device(batch);
	ls_batch_close(batch, logged);
}
