/*
 * push_write.c
 *		Writes a push; where a team's trigger or constraint refuses an item, only that item fails.
 */
#include "postgres.h"

#include "access/xact.h"
#include "sync.h"
#include "utils/resowner.h"

static bool
has_accepted(const LsPush *push)
{
	for (int i = 0; i < push->nitems; i++)
	{
		if (push->items[i].accepted)
			return true;
	}
	return false;
}

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

/* Errors that say nothing of an item: they end the push with their own SQLSTATE. */
static bool
is_of_the_server(int sqlerrcode)
{
	int class = ERRCODE_TO_CATEGORY(sqlerrcode);

	return class == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR) || sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* Tries to write what is accepted; the error of the team's that stopped it, or NULL. Kept only if wanted. */
static ErrorData *
try_to_write(LsPush *push, bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		ls_store_write_accepted(push);
		if (keep)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && is_of_the_server(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* The first item with which the write fails: the push up to it is tried, and undone, by halves. */
static LsItem *
find_culprit(LsPush *push)
{
	int good = 0;
	int bad = push->nitems;

	while (bad - good > 1)
	{
		int middle = (good + bad) / 2;

		ls_push_merge(push, middle);
		if (has_accepted(push) && try_to_write(push, false) != NULL)
			bad = middle;
		else
			good = middle;
	}
	return &push->items[bad - 1];
}

/* Writes what is accepted; items that something outside learnsync refuses fail, the others are written. */
static void
write_guarded(LsPush *push)
{
	ErrorData *error;

	while (has_accepted(push) && (error = try_to_write(push, true)) != NULL)
	{
		LsItem *culprit = find_culprit(push);

		if (culprit->receipt.found || culprit->refused.code != NULL)
			ReThrowError(error); /* it is not an item that is refused */
		ls_fail(&culprit->refused, "error", "", "%s", error->message);
		ls_push_merge(push, push->nitems);
	}
}

/* Writes the whole effect of a push. A retry of what is known leaves nothing but the device's last seen. */
void
ls_push_write(LsPush *push)
{
	bool logged;

	if (ls_store_is_guarded())
		write_guarded(push);
	else if (has_accepted(push))
		ls_store_write_accepted(push);
	logged = has_accepted(push);
	if (!logged)
		ls_store_touch_device(push);
	if (!logged && !has_failed(push) && !ls_rate_applies(push))
		return;
	ls_store_forget_failed(push);
	ls_store_write_failed(push);
	ls_store_update_learner(push, logged, has_failed(push));
}
