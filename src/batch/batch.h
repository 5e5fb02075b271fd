/*
 * batch.h
 *		What a push and a put share: the learner's row and lock, device, receipts, failed items; and what a push is made of.
 */
#ifndef LEARNSYNC_BATCH_H
#define LEARNSYNC_BATCH_H

#include "call/call.h"
#include "storage/itemptr.h"
#include "type/type.h"

/* A learner's row, read under its lock. */
typedef struct LsLearner
{
	LsText id;
	int64 version;
	int64 log_version; /* version of the newest row of the change log */
	int64 push_no;
	bool has_failed; /* there may be failed items; false is certain */
	TimestampTz receipt_horizon; /* receipts of items from before may be gone; LS_NO_TIME if none is */
	ItemPointerData place; /* where the locked row is */
	TimestampTz rate_at; /* until when the pushes so far use up the rate limit; LS_NO_TIME if never */
	LsText epoch; /* of the cursors: the learner's own, else the instance's */
} LsLearner;

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

/* What the ledger says of an item that was accepted before. */
typedef struct LsReceipt
{
	bool found;
	int64 fingerprint;
	LsVerdict verdict;
	int64 version;
} LsReceipt;

/* One item of a push, from its bytes to its answer. */
typedef struct LsItem
{
	int index;
	JsonbValue raw;
	LsText id;
	pg_uuid_t key; /* digest of the identity */
	int64 fingerprint; /* digest of the payload */
	LsText operation;
	LsText type_name;
	LsText resource_id;
	JsonbValue data; /* as sent; jbvNull where absent */
	const LsType *type;
	TimestampTz client_at;
	LsChange change;
	LsResource *resource;
	LsReceipt receipt;
	bool was_failed; /* an earlier copy stands among the failed items */
	struct LsItem *twin; /* the nearest earlier item of this push with the same identity */
	LsFailure refused; /* found wrong before anything was merged */
	LsFailure failure; /* refused, or wrong in the merge; code is NULL while the item is good */
	LsVerdict verdict;
	bool duplicate;
	bool accepted; /* takes part in the merge */
	bool changed; /* accepted, and its resource is not what it was before */
	int64 version; /* what the answer says */
	struct LsItem *next; /* in its hash bucket */
} LsItem;

/* A function that items come through, and how its items are worded. */
typedef struct LsChannel
{
	const char *name; /* the function's; part of the items' identities */
	bool by_device; /* the device is part of them, too */
	bool shows_documents; /* its answer has the documents that conflicts are about */
	bool is_flat; /* an item's data are not in a member of their own */
	const char *id; /* the member that holds an item's id */
	const char *time; /* and the client's time */
	/* finds operation, type, data and client time of an object */
	bool (*read)(LsItem *item, LsFailure *failure) pg_attribute_nonnull(2);
} LsChannel;

/* A whole push. */
typedef struct LsPush
{
	const LsChannel *channel;
	LsLearner learner;
	LsDevice device;
	LsText device_name;
	JsonbValue metadata; /* jbvNull where absent */
	JsonbValue items_raw; /* the request's array of items */
	LsDigest identity; /* what the items' identities have in common; of length 0 while unknown */
	int64 cursor; /* lastSyncVersion, -1 where absent */
	LsText epoch; /* whose cursor that is; without data where the device does not say */
	LsCursor bookmark; /* the same where the device stores cursors instead of versions */
	bool dry_run;
	bool atomic;
	bool of_app; /* the call's */
	bool unmetered; /* no rate limit counts it: empty, the server's own retry, or a further part of one request */
	bool partial; /* the request has other parts: who makes them prunes failed items, once for all */
	TimestampTz now;
	int64 version; /* the learner's, as this push leaves it */
	int64 safe_version; /* what the device may store as its cursor */
	int nitems;
	LsItem *items;
	int ntaken; /* the first so many are decided; the others are sent back */
	int naccepted;
	int nresources;
	LsResource **resources; /* in order of first use */
	int nchanged;
	LsResource **changed; /* in order of their new versions */
	int nbuckets; /* a power of two */
	LsItem **item_buckets;
	LsResource **resource_buckets;
	bool *lost; /* of each item whether a list has its member with other content; NULL where no item has lists */
} LsPush;

/* begin.c */
extern void ls_batch_begin(LsPush *push);
extern void ls_batch_note_charge(LsPush *push);

/* rate.c */
extern bool ls_rate_applies(const LsPush *push);
extern void ls_rate_take(LsPush *push);
extern void ls_rate_take_device(LsPush *push);

/* forget_store.c */
extern void ls_store_refuse_forgotten(LsText learner);

/* learner_store.c */
extern void ls_store_lock_learner(LsPush *push);
extern void ls_store_read_learner(LsPush *push);
extern LsText ls_learner_epoch(LsText own);
extern LsText ls_store_read_epoch(LsText learner);
extern void ls_store_update_learner(LsPush *push, bool logged, bool failed);

/* known_store.c */
extern void ls_store_read_known(LsPush *push);

/* failed_store.c */

/* A failed item, as it is recorded. */
typedef struct LsFailed
{
	pg_uuid_t key;
	LsText id; /* without data where it has none */
	const JsonbValue *raw;
	int64 fingerprint;
	const LsFailure *failure;
	int copies; /* how many of this identity failed at once */
} LsFailed;

extern void ls_store_write_failed(const LsPush *push, const LsFailed *failed, int count);
extern void ls_store_prune_failed(LsText learner);
extern void ls_store_forget_failed(const LsPush *push, const pg_uuid_t *keys, int count);

/* journal_store.c */
extern void ls_store_write_journal(LsPush *push);
extern void ls_store_touch_device(LsPush *push);
extern TimestampTz ls_store_device_rate(const LsPush *push);

#endif
