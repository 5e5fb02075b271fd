/*
 * push_write.c
 *		Writes a push; where a team's trigger or constraint refuses an item, only that item fails.
 */
#include "postgres.h"

#include "push/push.h"

static bool
has_failed(const LsPush *push)
{
	for (int i = 0; i < push->nitems; i++)
	{
		if (push->items[i].failure.code != NULL)
			return true;
	}
	return false;
}

static void
write_accepted(void *push)
{
	ls_store_write_accepted(push);
}

static bool
can_be_written(LsPush *push, int taken)
{
	ls_push_merge(push, taken);
	return push->naccepted == 0 || ls_try(write_accepted, push, false) == NULL;
}

/* Writes what is accepted; items that something outside learnsync refuses fail, the others are written. */
static void
write_guarded(LsPush *push)
{
	ErrorData *error;

	while (push->naccepted > 0 && (error = ls_try(write_accepted, push, true)) != NULL)
	{
		/* The push up to it is tried, and undone. */
		LsItem *culprit = &push->items[ls_push_longest(push, 0, push->ntaken, can_be_written)];

		if (culprit->receipt.found || culprit->refused.code != NULL)
			ReThrowError(error); /* it is not an item that is refused */
		ls_fail(&culprit->refused, "error", "", "%s", error->message);
		ls_push_decide(push);
	}
}

/* Records the items that failed, and drops the failed copies of those that were accepted now. */
static void
write_failed(LsPush *push)
{
	LsFailed *failed = palloc(sizeof(LsFailed) * Max(push->nitems, 1));
	pg_uuid_t *cured = palloc(sizeof(pg_uuid_t) * Max(push->nitems, 1));
	int nfailed = 0;
	int ncured = 0;

	for (int i = 0; i < push->nitems; i++)
	{
		LsItem *item = &push->items[i];
		int copies = ls_item_failed_copies(push, item);

		if (copies > 0)
			failed[nfailed++] =
				(LsFailed){item->key, item->id, &item->raw, item->fingerprint, &item->failure, copies};
		if (item->accepted && item->was_failed)
			cured[ncured++] = item->key;
	}
	ls_store_forget_failed(push, cured, ncured);
	ls_store_write_failed(push, failed, nfailed);
}

/* Writes the whole effect of a push. A retry of what is known leaves nothing but the device's last seen. */
void
ls_push_write(LsPush *push)
{
	bool logged;

	if (push->naccepted > 0 && ls_store_is_guarded("resource"))
		write_guarded(push);
	else if (push->naccepted > 0)
		ls_store_write_accepted(push);
	logged = push->naccepted > 0;
	if (!logged)
		ls_store_touch_device(push);
	if (!logged && !has_failed(push) && !ls_rate_applies(push))
		return;
	write_failed(push);
	ls_store_update_learner(push, logged, has_failed(push));
}
