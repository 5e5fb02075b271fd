/*
 * try.c
 *		Work that may fail for reasons outside learnsync, done in a subtransaction so that only one item pays for it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "sync.h"
#include "utils/resowner.h"

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

/* Does the work; the error that stopped it, or NULL. What it did is kept only if wanted. */
ErrorData *
ls_try(void (*work)(void *), void *argument, bool keep)
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
	if (error != NULL && is_of_the_server(error->sqlerrcode))
		ReThrowError(error);
	return error;
}
