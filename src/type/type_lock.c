/*
 * type_lock.c
 *		The lock of a resource type, which makes pushes and changes of its rule agree on which rule counts.
 *
 * Each push holds it in the weakest mode until its transaction ends. A change never stands in the queue of that lock,
 * where every later push would have to stand behind it: it waits for the transactions that hold the lock, and takes it
 * only when it is free. Which mode:
 *		a push														AccessShare
 *		whoever reads the rule from the table in order to push		RowExclusive, as long as that takes
 *		a change, from its beginning								ShareUpdateExclusive: one at a time
 *		a change that leaves all that is stored good, once written	ShareRowExclusive: pushes go on, by the old rule
 *		any other change											AccessExclusive: no push is open
 * The second and the fourth exclude each other so that nobody reads a rule that is committed and not yet announced:
 * another session might still merge by the one before.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "store/store.h"
#include "type/type.h"
#include "utils/guc.h"
#include "utils/inval.h"

#define PATIENCE_MS 5000 /* how long a change waits where lock_timeout does not say */

/* The table of resource types; looked up again after any change of a relation. */
static Oid
type_table(void)
{
	static Oid table;
	static uint64 changes;

	if (!OidIsValid(table) || changes != ls_store_changes())
	{
		changes = ls_store_changes();
		table = ls_store_table("resource_type");
	}
	return table;
}

/* Names that share a hash share a lock, which costs a wait and nothing else. */
static LOCKTAG
tag_of(LsText name)
{
	LOCKTAG tag;

	Assert(OidIsValid(type_table()));
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, type_table(), hash_bytes((const unsigned char *) name.data, name.length),
					   0);
	return tag;
}

static void
take(LsText name, LOCKMODE mode)
{
	LOCKTAG tag = tag_of(name);

	(void) LockAcquire(&tag, mode, false, false);
	AcceptInvalidationMessages();
}

/* Whether this transaction has the lock in this very mode. */
static pg_attribute_unused() bool holds(LsText name, LOCKMODE mode)
{
	LOCKTAG tag = tag_of(name);

	if (LockAcquire(&tag, mode, false, true) != LOCKACQUIRE_ALREADY_HELD)
		return false;
	LockRelease(&tag, mode, false);
	return true;
}

/* Says what the wait was for. */
static void
describe_wait(void *name)
{
	if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
		errhint("Try again when the transactions that pushed or changed it have ended; lock_timeout says how long to "
				"wait for them.");
	errcontext("waiting for open pushes and changes of resource type \"%s\"", (const char *) name);
}

/* Ends each wait, by the server's own timeout, when the patience for all of them is over. */
static void
limit_wait(TimestampTz until)
{
	long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
	char value[32];

	if (left <= 0)
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("canceling statement due to lock timeout")));
	snprintf(value, sizeof(value), "%ld", left);
	(void) set_config_option("lock_timeout", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Waits for the transactions that hold the lock now in a mode that conflicts with this one, and once more as long as
 * others have it meanwhile where the lock is wanted.
 */
static void
wait_for_holders(LsText name, LOCKMODE mode, bool wanted)
{
	ErrorContextCallback context = {error_context_stack, describe_wait, ls_text_string(name)};
	TimestampTz until =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LockTimeout > 0 ? LockTimeout : PATIENCE_MS);
	int level = NewGUCNestLevel();
	LOCKTAG tag = tag_of(name);

	error_context_stack = &context;
	while (!wanted || LockAcquire(&tag, mode, false, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		CHECK_FOR_INTERRUPTS();
		limit_wait(until);
		WaitForLockers(tag, mode, false);
		if (!wanted)
			break;
	}
	error_context_stack = context.previous;
	AtEOXact_GUC(true, level);
	AcceptInvalidationMessages();
}

/* Takes the lock of a type; sessions hear meanwhile of the changes that are committed. */
void
ls_type_lock(LsText name, LsTypeLock lock)
{
	switch (lock)
	{
		case LS_LOCK_TO_PUSH:
			take(name, AccessShareLock);
			break;
		case LS_LOCK_TO_READ:
			take(name, RowExclusiveLock);
			break;
		case LS_LOCK_TO_CHANGE:
			wait_for_holders(name, ShareUpdateExclusiveLock, true);
			break;
		case LS_LOCK_TO_LOOSEN:
			/* It waits for the pushes that are open now; those that begin meanwhile may end after it. */
			Assert(holds(name, ShareUpdateExclusiveLock));
			wait_for_holders(name, AccessExclusiveLock, false);
			take(name, ShareRowExclusiveLock);
			break;
		case LS_LOCK_TO_REPLACE:
			Assert(holds(name, ShareUpdateExclusiveLock));
			wait_for_holders(name, AccessExclusiveLock, true);
			break;
	}
}

/* Gives back the lock to read, and that to push of a type that there is not: else a push could fill the table of locks. */
void
ls_type_unlock(LsText name, LsTypeLock lock)
{
	LOCKTAG tag = tag_of(name);

	Assert(lock == LS_LOCK_TO_PUSH || lock == LS_LOCK_TO_READ);
	LockRelease(&tag, lock == LS_LOCK_TO_PUSH ? AccessShareLock : RowExclusiveLock, false);
}
