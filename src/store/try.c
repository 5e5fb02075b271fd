/*
 * try.c
 *		Work that may fail for reasons outside learnsync, done in a subtransaction so that only one item pays for it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "store/store.h"
#include "utils/resowner.h"

/* Errors that say nothing of an item: they end the push with their own SQLSTATE. */
static bool
is_of_the_server(int sqlerrcode)
{
	int category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		   category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		   category == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED) ||
		   category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		   category == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		   category == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR) || sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* Does the work in a subtransaction; the error that stopped it, or NULL. */
static ErrorData *
attempt(void (*work)(void *), void *argument, bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(argument);
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
	return error;
}

/* Does the work; the error that stopped it, or NULL. What it did is kept only if wanted. */
ErrorData *
ls_try(void (*work)(void *), void *argument, bool keep)
{
	ErrorData *error = attempt(work, argument, keep);

	if (error != NULL && is_of_the_server(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/*
 * Does work that can be done later as well; the error that stopped it, or NULL. A damaged row is left to whoever looks for
 * what is left to do.
 */
ErrorData *
ls_try_for_now(void (*work)(void *), void *argument)
{
	ErrorData *error = attempt(work, argument, true);

	if (error != NULL && error->sqlerrcode != ERRCODE_DATA_CORRUPTED && is_of_the_server(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* Reads what may be damaged; the error that names the row, or NULL. Any other error is raised. */
ErrorData *
ls_try_read(void (*work)(void *), void *argument)
{
	ErrorData *error = attempt(work, argument, false);

	if (error != NULL && error->sqlerrcode != ERRCODE_DATA_CORRUPTED)
		ReThrowError(error);
	return error;
}
