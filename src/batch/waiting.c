/*
 * waiting.c
 *		Which failed items are kept until the type or content is there that they wait for.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "miscadmin.h"

#define MAX_WAITING 1000 /* of a learner; what comes after those fails for good */

/* Those of a batch that are copies of one another wait together, by the last of them, which is the one that is kept. */
static void
keep(LsItem *item)
{
	for (; item != NULL && !item->accepted; item = item->twin)
		item->waits = item->failure.waits_for.data != NULL;
}

/* Settles it once the items are decided. One that waits already keeps its place, as it is the same item. */
void
ls_batch_settle_waiting(LsBatch *batch)
{
	int64 room = -1;

	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->failure.waits_for.data == NULL || ls_batch_failed_copies(batch, item) == 0)
			continue;
		if (!item->waited)
		{
			if (room < 0)
				room = Max(MAX_WAITING - ls_store_count_waiting(batch->learner.id), 0);
			if (room == 0)
				continue;
			room--;
		}
		keep(item);
	}
}
