/*
 * type.h
 *		Resource types: their rules as they are stored and as a session knows them, and their locks.
 */
#ifndef LEARNSYNC_TYPE_H
#define LEARNSYNC_TYPE_H

#include "merge/merge.h"
#include "store/store.h"

#define LS_EVENT_TYPE "progress_event" /* what outboxes call events of the event log; no resource's */

/* A row of learnsync_data.resource_type, compiled. */
typedef struct LsType
{
	LsText name;
	LsRule *rule;
	int generation; /* how often the rule was changed with a rebase */
	const struct LsType *before; /* what learners go by who are not carried over yet; NULL where there may be none */
} LsType;

/* A row of the table, as it is. */
typedef struct LsTypeRow
{
	Jsonb *rule; /* NULL where there is none */
	LsText definer; /* who answers for the rule */
	Jsonb *old_rule; /* what learners go by who are not carried over yet; NULL where there may be none */
	int generation;
	bool rebasing; /* there may still be some of them with data */
} LsTypeRow;

/* type_store.c */
extern const LsType *ls_store_type(LsText name);
extern const LsType *ls_store_hold_type(LsText name);
extern LsTypeRow ls_store_read_type(LsText name);
extern bool ls_store_is_due(LsText learner, const LsType *type, LsSnapshot snapshot);
extern const LsType *ls_store_type_of(LsText learner, LsText name);

/* custom.c */
extern bool ls_custom_call(const LsRule *rule, const LsState *stored, const LsState *incoming,
						   const JsonbValue *ancestor, Jsonb **result, LsFailure *failure) pg_attribute_nonnull(6);
extern void ls_custom_check(const LsRule *rule, Oid definer);

/* type_lock.c */

/* What the lock of a type is taken for. */
typedef enum LsTypeLock
{
	LS_LOCK_TO_PUSH, /* until the transaction ends, only a change can come that leaves what this push writes good */
	LS_LOCK_TO_READ, /* every session knows of the changes that are committed */
	LS_LOCK_TO_CHANGE, /* other changes are kept away */
	LS_LOCK_TO_LOOSEN, /* by a change that leaves all that is stored good: pushes go on by the old rule */
	LS_LOCK_TO_REPLACE /* by any other: no push of the type is open, and none begins until it is committed */
} LsTypeLock;

extern void ls_type_lock(LsText name, LsTypeLock lock);
extern void ls_type_unlock(LsText name, LsTypeLock lock);

#endif
