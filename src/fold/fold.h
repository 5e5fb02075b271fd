/*
 * fold.h
 *		The kept items of a learner, merged again from the beginning: what their resources must be, and why.
 */
#ifndef LEARNSYNC_FOLD_H
#define LEARNSYNC_FOLD_H

#include "push/push.h"

/* What was taken by one call: items, or what a person decided. */
typedef struct LsKept
{
	int64 version;
	int64 prev_version;
	LsText device;
	TimestampTz at;
	LsText channel; /* without data for sync_push */
	JsonbValue items; /* jbvNull where they are not kept */
	int ninstants; /* of the items; 0 where these are their own times */
	TimestampTz *instants;
	int nseen; /* of the items; 0 where it did not matter */
	int64 *seen;
} LsKept;

/* An item of a resource, or a decision about it, and what became of it. */
typedef struct LsEntry
{
	LsText id;
	LsText resolution; /* what a person decided; without data for an item */
	bool corrects; /* it is a correction, or the end of one */
	TimestampTz client_at;
	int64 version; /* of the learner, as the call left it */
	LsVerdict verdict;
	LsChange change; /* at is the order instant, received the arrival */
	bool live; /* it is part of the state, as far as its policy lets it: nothing has done away with it since */
} LsEntry;

/* A resource as its kept items make it. */
typedef struct LsFolded
{
	pg_uuid_t key; /* of the hash table: digest of type and id */
	const LsType *type;
	LsText id;
	LsState state;
	bool complete; /* no item of it is of an older rule or cannot be read any more, no delete may be forgotten */
	int64 created_after; /* the call that made it, after nothing or a delete, had versions after this one */
	int64 created_until; /* and up to this one */
	int nentries; /* where they are wanted */
	int room;
	LsEntry *entries; /* in order of arrival */
} LsFolded;

/* What is folded of a learner. */
typedef struct LsFold
{
	LsText learner;
	LsText type; /* with the next, the only resource that is wanted; without data where all are */
	LsText id;
	int64 since_version; /* what came up to there is not kept; LS_FIRST_VERSION where everything is */
	int64 tombstone_version; /* deletes of versions up to there may be forgotten */
	TimestampTz since; /* when the first kept call was made, where not everything is; else LS_NO_TIME */
	struct HTAB *resources; /* of LsFolded */
} LsFold;

/* A resource as it is stored. */
typedef struct LsStored
{
	LsText type_name;
	const LsType *type; /* by which its state is; NULL where there is none of that name */
	LsText id;
	int64 version;
	int64 created_version;
	LsState state;
} LsStored;

/* What may be gone of a learner: tombstones of versions up to the one, and the version of the newest call. */
typedef struct LsHorizon
{
	int64 tombstones;
	int64 log;
} LsHorizon;

/* history_store.c */
typedef void (*LsTakeKept)(void *argument, const LsKept *kept);
typedef void (*LsTakeStored)(void *argument, LsStored *stored, int count);

extern void ls_store_read_kept(LsText learner, LsTakeKept take, void *argument);
extern void ls_store_read_stored(LsText learner, LsText type, LsText id, LsTakeStored take, void *argument);
extern bool ls_store_totals_are(LsText learner, const LsStored *stored, const LsField *field, LsText *device);
extern TimestampTz ls_store_ruled_from(LsText type);
extern LsHorizon ls_store_horizon(LsText learner);

/* fold.c */
extern LsFold *ls_fold(LsText learner, LsText type, LsText id);
extern const LsFolded *ls_fold_find(const LsFold *fold, LsText type, LsText id);
extern bool ls_fold_reaches_back(const LsFold *fold, const LsFolded *folded, const LsStored *stored);

#endif
