/*
 * type.h
 *		Resource types: their rules as they are stored and as a session knows them, and their locks.
 */
#ifndef LEARNSYNC_TYPE_H
#define LEARNSYNC_TYPE_H

#include "merge/merge.h"

/* A row of learnsync_data.resource_type, compiled. */
typedef struct LsType
{
	LsText name;
	LsRule *rule;
} LsType;

/* A row of the table, as it is. */
typedef struct LsTypeRow
{
	Jsonb *rule; /* NULL where there is none */
	LsText definer; /* who answers for the rule */
} LsTypeRow;

/* type_store.c */
extern const LsType *ls_store_type(LsText name);
extern const LsType *ls_store_hold_type(LsText name);
extern LsTypeRow ls_store_read_type(LsText name);

/* custom.c */
extern bool ls_custom_call(const LsRule *rule, const LsState *stored, const LsState *incoming,
						   const JsonbValue *ancestor, Jsonb **result, LsFailure *failure) pg_attribute_nonnull(6);
extern void ls_custom_check(const LsRule *rule, Oid definer);

/* type_lock.c */
extern void ls_type_lock_to_push(LsText name);
extern void ls_type_unlock_to_push(LsText name);
extern void ls_type_lock_to_read(LsText name);
extern void ls_type_unlock_to_read(LsText name);
extern void ls_type_lock_to_change(LsText name);
extern void ls_type_lock_to_loosen(LsText name);
extern void ls_type_lock_to_replace(LsText name);

#endif
