/*
 * guard.c
 *		Tries a write in a subtransaction, for when a team's trigger or constraint may refuse it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "event.h"
#include "utils/resowner.h"

/* Errors that say nothing of what is written: they end the call with their own SQLSTATE. */
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

/* Tries a write; answers the team's error that stopped it, or NULL. What was written stays only if wanted. */
ErrorData *
ls_guard_try(void (*write)(void *argument), void *argument, bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		write(argument);
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
