/*
 * push.h
 *		How the items of a push become resources.
 */
#ifndef LEARNSYNC_PUSH_H
#define LEARNSYNC_PUSH_H

#include "batch/batch.h"

/* A resource that a push touches. */
typedef struct LsResource
{
	const LsType *type;
	LsText id;
	int64 version; /* 0 = not stored */
	ItemPointerData place; /* where the stored row is */
	int64 created_version;
	LsState stored;
	LsState state; /* stored, with the items merged so far */
	int64 new_version; /* given by this push, else 0 */
	JsonbValue *shown; /* the document that conflicts show; NULL where none does */
	int64 shown_bytes; /* of it, as text */
	bool replaced; /* a person put another document in the place of the stored one */
	int first_item; /* the first item of this push that is about it */
	struct LsResource *next; /* in its hash bucket */
} LsResource;

/* A whole push. */
typedef struct LsPush
{
	LsBatch batch; /* comes first */
	int64 cursor; /* lastSyncVersion, -1 where absent */
	LsText epoch; /* whose cursor that is; without data where the device does not say */
	LsCursor bookmark; /* the same where the device stores cursors instead of versions */
	bool is_foreign; /* the cursor is one of another history */
	bool atomic;
	int nresources;
	LsResource **resources; /* in order of first use */
	int nchanged;
	LsResource **changed; /* in order of their new versions */
	LsResource **resource_buckets; /* as many as the batch has */
	bool *lost; /* of each item whether a list has its member with other content; NULL where no item has lists */
} LsPush;

/* push.c */
extern void ls_push_open(LsPush *push, const LsCall *call, const LsChannel *channel);
extern void ls_push_make_room(LsPush *push);
extern void ls_push_read_items(LsPush *push);
extern const LsService ls_push_items;
extern const LsChannel ls_push_channel;
extern bool ls_item_read_time(LsItem *item, const char *key, LsFailure *failure) pg_attribute_nonnull(3);

/* module.c, profile.c */
extern const LsChannel ls_progress_channel;
extern const LsChannel ls_completion_channel;
extern const LsChannel ls_activity_channel;

/* push_decide.c */
extern void ls_push_find_resources(LsPush *push);
extern void ls_push_run(LsPush *push);
extern int64 ls_resource_version(const LsResource *resource);
extern bool ls_resource_was_emptied(const LsResource *resource);

/* module.c, profile.c */
extern const LsService ls_module_progress;
extern const LsService ls_module_completion;
extern const LsService ls_profile_batch;

/* carry_store.c */
extern void ls_store_carry_over(LsPush *push);

/* content_store.c */
extern void ls_store_check_content(LsPush *push);

/* member_delta_store.c, member_write_store.c */

/* A resource that is to be shown. */
typedef struct LsListed
{
	LsText type;
	LsText id;
	int64 after; /* only members of greater versions */
	LsState *state; /* of which the lists are wanted; NULL where it has none */
} LsListed;

extern void ls_store_find_members(LsPush *push);
extern void ls_store_write_members(LsPush *push);

/* How much a reader of lists has room for. */
typedef struct LsListRoom
{
	int64 members;
	int64 bytes; /* of these, as they are stored */
	int at_least; /* resources that are completed whatever they hold */
} LsListRoom;

extern int ls_store_complete_lists(LsText learner, LsListed *listed, int count, LsListRoom room, LsSnapshot snapshot);

/* xapi_store.c */
extern void ls_store_write_statements(LsPush *push);

/* known_store.c */
extern void ls_store_read_known(LsPush *push);

/* push_store.c */
extern void ls_store_write_accepted(LsPush *push);

#endif
