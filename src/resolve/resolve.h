/*
 * resolve.h
 *		Open conflicts, and what a decision about one needs.
 */
#ifndef LEARNSYNC_RESOLVE_H
#define LEARNSYNC_RESOLVE_H

#include "push/push.h"

#define LS_RESOLVE_CHANNEL "sync_resolve"
#define LS_CORRECT_CHANNEL "sync_correct"
#define LS_UNCORRECT_CHANNEL "sync_uncorrect"

/* resolve_store.c */

/* An open conflict. */
typedef struct LsConflict
{
	LsText type;
	LsText resource_id;
	LsText device;
	bool is_delete;
	JsonbValue data; /* what the device sent; jbvNull where nothing */
	TimestampTz at;
	int64 resource_version; /* of the resource that the item met */
} LsConflict;

extern bool ls_store_read_conflict(LsText learner, LsText id, LsConflict *conflict);
extern void ls_store_close_conflict(LsText id, const char *how, const LsAudit *done);
extern int ls_store_read_numbers(LsText learner, LsText type, const LsRule *rule, const LsChange *change,
								 int64 **numbers);

#endif
