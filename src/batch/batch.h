/*
 * batch.h
 *		What a push and a put share: the learner's row and lock, the device, identities, receipts, failed items.
 */
#ifndef LEARNSYNC_BATCH_H
#define LEARNSYNC_BATCH_H

#include "call/call.h"
#include "storage/itemptr.h"
#include "type/type.h"

/* An item as its device dates it, and as we do; LS_NO_TIME where there is none. */
typedef struct LsTick
{
	TimestampTz client_at;
	TimestampTz at;
} LsTick;

/* When a call was made. */
typedef struct LsSending
{
	TimestampTz now;
	TimestampTz sent_at; /* by the device's clock; LS_NO_TIME where it does not say */
	TimestampTz issued_at; /* its token; LS_NO_TIME where there is none that says */
	int64 ahead; /* how far its clock is ahead, where it says when it sends, as far as that shows */
} LsSending;

/* A learner's row, read under its lock. */
typedef struct LsLearner
{
	LsText id;
	int64 version;
	int64 log_version; /* version of the newest row of the change log */
	int64 push_no; /* counts the calls that took something */
	bool has_failed; /* there may be failed items; false is certain */
	TimestampTz receipt_horizon; /* receipts of items from before may be gone; LS_NO_TIME if none is */
	ItemPointerData place; /* where the locked row is */
	TimestampTz rate_at; /* until when the pushes so far use up the rate limit; LS_NO_TIME if never */
	LsText epoch; /* of the cursors: the learner's own, else the instance's */
	JsonbValue clocks; /* of devices that were wrong; jbvNull where none was */
	bytea *counts; /* of calls; NULL where none was counted since they were taken */
} LsLearner;

/* What the identities of a batch's items begin with: of ids that are UUIDs, and of others. */
typedef struct LsIdentity
{
	bool known;
	LsDigest of_uuid;
	LsDigest of_other;
} LsIdentity;

/* What is kept of an item that was accepted before. */
typedef struct LsReceipt
{
	bool found;
	int64 fingerprint;
	LsVerdict verdict;
	int64 version;
} LsReceipt;

struct LsResource;

/* One item of a push, or event of a put, from its bytes to its answer. */
typedef struct LsItem
{
	int index;
	JsonbValue raw;
	LsText id; /* as sent; without data where it has none */
	pg_uuid_t key; /* digest of the identity */
	int64 fingerprint; /* digest of the payload */
	TimestampTz client_at; /* LS_NO_TIME where it does not say */
	TimestampTz at; /* order instant */
	TimestampTz dated; /* when it was made, by its device's clock, corrected; now where that is not believed */
	LsReceipt receipt;
	bool was_failed; /* an earlier copy stands among the failed items, or its instant among those of aborted ones */
	bool waited; /* and waits for a type or content */
	LsTick first; /* of that copy */
	struct LsItem *twin; /* the nearest earlier item of this batch with the same identity */
	const struct LsItem *original; /* the one of that identity that was accepted before it, once it is decided */
	struct LsItem *next; /* in its hash bucket */
	LsFailure refused; /* found wrong before anything was decided */
	LsFailure failure; /* refused, or wrong in the end; code is NULL while the item is good */
	bool waits; /* failed, and kept until what it waits for is there */
	LsVerdict verdict;
	bool duplicate;
	bool accepted; /* becomes part of what is stored */
	struct LsItem *settled; /* the last copy up to this one that was accepted or is to blame */
	int failed_copies; /* as which it is recorded; 0 where it is not */
	int64 version; /* what the answer says */

	/* Of an item of a push */
	LsText operation;
	LsText type_name;
	LsText resource_id;
	JsonbValue data; /* as sent; jbvNull where absent */
	const LsType *type;
	LsChange change;
	struct LsResource *resource;
	bool changed; /* accepted, and its resource is not what it was before */
} LsItem;

#define LS_MAX_FAILED 1000 /* failed items that are kept of a learner, beside those that wait */
#define LS_PUSH_CHANNEL "sync_push" /* the one that the journal does not name */

/* A function that items come through, and how its items are worded. */
typedef struct LsChannel
{
	const char *name; /* the function's; part of the items' identities */
	bool by_device; /* the device is part of them, too */
	bool shows_documents; /* its answer has the documents that conflicts are about */
	bool is_flat; /* an item's data are not in a member of their own */
	const char *id; /* the member that holds an item's id */
	const char *time; /* and the client's time */
	const char *sender; /* and the device, where the call does not say; NULL where none does */
	/* finds operation, type, data and client time of an object */
	bool (*read)(LsItem *item, LsFailure *failure) pg_attribute_nonnull(2);
} LsChannel;

/* What an app says of itself with a push; without data where it does not, or not in LS_MAX_CLIENT_BYTES. */
typedef struct LsClient
{
	LsText version;
	LsText platform;
	LsText network;
} LsClient;

#define LS_MAX_CLIENT_BYTES 64

/* The items of one call, and whose they are. */
typedef struct LsBatch
{
	const LsChannel *channel;
	LsLearner learner;
	LsDevice device;
	LsText device_name;
	JsonbValue metadata; /* jbvNull where absent */
	LsClient client;
	LsText trace; /* by which others know the call; without data where it says none */
	bool dry_run;
	bool of_app; /* the call's */
	bool again; /* the call's */
	bool unmetered; /* no rate limit counts it: empty, or a further part of one request */
	bool partial; /* the request has other parts: who makes them prunes failed items, once for all */
	TimestampTz started; /* before it waited for the learner's row */
	TimestampTz now;
	LsSending sending;
	bytea *counts; /* of calls, as the learner's row is to keep them; NULL where they are as they were */
	Jsonb *clocks; /* of devices, as the learner's row is to keep them; NULL where they are as they were */
	bool corrected; /* order instants may differ from what items say of their time */
	int64 found_version; /* the learner's, as it was before anything of this call */
	int64 version; /* as this batch leaves it */
	int64 safe_version; /* what the device may store as its cursor */
	JsonbValue items_raw; /* the request's array of items */
	JsonbValue all_raw; /* those of its other parts as well; jbvNull where it has none */
	bool meets_corrections; /* what items had seen is part of their history */
	JsonbValue decision; /* what a person decided, of which there is one item; jbvNull where none did */
	int nitems;
	LsItem *items;
	int ntaken; /* the first so many are decided; the others are sent back */
	int naccepted;
	bool failed; /* items of it did, of what was decided last */
	int nrecorded; /* failed items */
	LsIdentity identity; /* what the items' identities have in common */
	int nbuckets; /* a power of two */
	LsItem **buckets; /* by key */
} LsBatch;

/* begin.c */
extern void ls_batch_open(LsBatch *batch, const LsCall *call, const LsChannel *channel);
extern int ls_batch_count(const JsonbValue *request, const char *key, JsonbValue *items);
extern void ls_batch_make_room(LsBatch *batch);
extern void ls_batch_take_items(LsBatch *batch);
extern void ls_batch_begin(LsBatch *batch);
extern void ls_batch_read_again(LsBatch *batch);

/* date.c */
extern void ls_batch_read_sent(LsBatch *batch, const JsonbValue *request);
extern bool ls_item_find_time(LsItem *item, const char *key);
extern void ls_batch_date(LsBatch *batch);

/* count.c */
extern bool ls_batch_is_counted(const LsBatch *batch);
extern bool ls_batch_writes_learner(LsBatch *batch);
extern bytea *ls_batch_add_counts(const LsBatch *batch, LsText device, bytea *stored);

/* identity.c */
extern LsText ls_identity_id(LsText id);
extern LsExtent ls_batch_identify(LsBatch *batch, LsItem *item);

/* retry.c */

/* Where an item stands with all that may be of its identity, the last one first. */
static inline LsItem **
ls_batch_bucket(const LsBatch *batch, const LsItem *item)
{
	LsText key = {(const char *) item->key.data, UUID_LEN};

	return &batch->buckets[ls_digest_hash(key) & (batch->nbuckets - 1)];
}

static inline bool
ls_item_is_twin(const LsItem *a, const LsItem *b)
{
	return memcmp(&a->key, &b->key, UUID_LEN) == 0;
}

extern void ls_batch_link(LsBatch *batch);
extern void ls_batch_judge(LsBatch *batch);
extern bool ls_batch_is_known(const LsBatch *batch, LsItem *item);
extern bool ls_item_first(const LsItem *item, LsReceipt *first);
extern JsonbValue ls_item_first_json(const LsReceipt *first);

/* write.c */

/* How what is decided and written of a batch depends on its channel. */
typedef struct LsWriter
{
	const char *table; /* whose triggers and constraints may refuse what is written */
	void (*decide)(LsBatch *batch); /* all that the answer has room for */
	void (*decide_first)(LsBatch *batch, int taken); /* so many, whatever the answer has room for */
	void (*write)(LsBatch *batch); /* what was accepted */
} LsWriter;

typedef bool (*LsIsGood)(LsBatch *batch, const void *context, int taken);

extern void ls_batch_write_accepted(LsBatch *batch, const LsWriter *writer);
extern void ls_batch_close(LsBatch *batch, bool logged);
extern int ls_batch_longest(LsBatch *batch, const void *context, int good, int bad, LsIsGood is_good);

/* rate.c */
extern bool ls_rate_applies(const LsBatch *batch);
extern void ls_rate_take(LsBatch *batch);
extern void ls_batch_note_charge(LsBatch *batch);
extern void ls_batch_admit_device(LsBatch *batch);

/* forget_store.c */
extern void ls_store_refuse_forgotten(LsText learner);

/* learner_store.c */
extern void ls_store_lock_learner(LsLearner *learner);
extern void ls_store_read_learner(LsLearner *learner);
extern int ls_store_read_learners(LsText after, int limit, LsText **learners);
extern int64 ls_store_count_learners(void);
extern LsText ls_learner_epoch(Datum own, bool isnull);
extern void ls_store_update_learner(const LsBatch *batch, bool logged, bool failed);

/* failed_store.c */
extern void ls_store_mark_failed(LsBatch *batch);
extern void ls_batch_settle_waiting(LsBatch *batch);
extern void ls_store_record_failed(LsBatch *batch, bool failed);
extern void ls_store_prune_failed(LsText learner);

/* second_try_store.c */

/* What came of the server's second tries. */
typedef struct LsTried
{
	int items;
	int left; /* of these still stand among the failed items */
} LsTried;

extern bool ls_store_take_up(LsBatch *batch);
extern LsTried ls_store_try_again(LsText learner, LsText code, bool waiting);
extern Datum ls_store_event_types(void);

/* journal_store.c */

/* The resources that a push changed, in the order of their versions. */
typedef struct LsChanged
{
	Datum *types;
	Datum *ids;
	int count;
} LsChanged;

extern void ls_store_write_journal(LsBatch *batch, LsChanged changed);
extern void ls_store_touch_device(LsBatch *batch);
extern TimestampTz ls_store_device_rate(const LsBatch *batch);

#endif
