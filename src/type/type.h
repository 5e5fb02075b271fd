/*
 * type.h
 *		What the files of this room offer each other: rules as they are stored, and the lock of a resource type.
 */
#ifndef LEARNSYNC_TYPE_H
#define LEARNSYNC_TYPE_H

#include "sync.h"

/* A row of the table. */
typedef struct LsTypeRow
{
	Jsonb *rule; /* NULL where there is none */
	LsText definer; /* who answers for the rule */
} LsTypeRow;

/* type_store.c */
extern LsTypeRow ls_store_read_type(LsText name);

/* type_lock.c */
extern void ls_type_lock_to_push(LsText name);
extern void ls_type_unlock_to_push(LsText name);
extern void ls_type_lock_to_read(LsText name);
extern void ls_type_unlock_to_read(LsText name);
extern void ls_type_lock_to_change(LsText name);
extern void ls_type_lock_to_loosen(LsText name);
extern void ls_type_lock_to_replace(LsText name);

#endif
