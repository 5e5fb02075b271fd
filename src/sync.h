/*
 * sync.h
 *		What a push and a pull are made of, and what their files and the store offer each other.
 */
#ifndef LEARNSYNC_SYNC_H
#define LEARNSYNC_SYNC_H

#include "merge/merge.h"
#include "storage/itemptr.h"

/* What to go back to when the store is closed. */
typedef struct LsStoreCall
{
	Oid caller;
	int context;
	int settings; /* the nest level of what was set meanwhile */
	uint64 outer; /* the call in the midst of which this one is made, 0 = none */
} LsStoreCall;

/* A call of an app, while the store is open. */
typedef struct LsCall
{
	LsStoreCall store;
	LsText learner;
	Jsonb *request;
	bool of_app; /* it came through learnsync_api: its connection is not to be held for long */
	MemoryContext outside; /* what lies there outlives the call */
	const struct LsService *service;
	JsonbValue ignored; /* names of members that the service does not know; jbvNull where there are none */
	JsonbValue meant; /* what some of them are called */
} LsCall;

/* What a call does: from its request to its answer, a varlena, in a context that is emptied afterwards, or in outside. */
typedef Datum (*LsWork)(LsCall *call);

/* What apps can call. */
typedef struct LsService
{
	LsWork work;
	const char *const *members; /* of its envelope, beside learnerId, ends with NULL; NULL where no app sends one */
	bool writes;
	bool prints; /* the answer is text of JSON, not jsonb */
} LsService;

#define LS_MEMBERS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What a client's cursor says. */
typedef struct LsCursor
{
	bool given;
	int64 position; /* everything up to here was delivered */
	int64 newest; /* the greatest version of a server that has brought a page of the open run; 0 where none is open */
	int64 from; /* everything up to here the client held as that run began */
	int64 horizon; /* of deletes that were forgotten by then */
	uint64 life; /* of the learner, in digest */
	uint64 selection; /* what the client wants to see, in digest */
} LsCursor;

/* A row of learnsync_data.resource_type, compiled. */
typedef struct LsType
{
	LsText name;
	LsRule *rule;
} LsType;

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

/* The pushing device as the database knows it. */
typedef struct LsDevice
{
	LsText id; /* empty where no device is involved */
	bool exists;
	bool active;
	ItemPointerData place; /* where its row was when it was read */
} LsDevice;

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
} LsPush;

/* call.c */
extern Datum ls_call(LsCall call);
extern Datum ls_call_for(FunctionCallInfo fcinfo, const LsService *service);
extern Datum ls_call_api(FunctionCallInfo fcinfo, const LsService *service);

/* envelope.c */
extern void ls_envelope_open(LsCall *call);
extern Datum ls_envelope_tell(const LsCall *call, Datum answer);

/* cursor.c */
extern LsCursor ls_cursor_read(const JsonbValue *request);
extern LsText ls_cursor_print(const LsCursor *cursor);
extern uint64 ls_cursor_life(LsText learner, LsText epoch);
extern LsCursor ls_cursor_at(const LsCursor *cursor, int64 version, uint64 life);
extern bool ls_cursor_is_ahead(const LsCursor *cursor, int64 version);

/* push.c */
extern void ls_device_check(const LsDevice *device);
extern int ls_push_count_items(const JsonbValue *request, const char *key, JsonbValue *items);
extern void ls_push_start(LsPush *push, const LsCall *call, const LsChannel *channel);
extern void ls_push_run(LsPush *push);
extern const LsService ls_push_retry;

/* push_item.c */
extern const LsChannel ls_push_channel;
extern bool ls_item_read_time(LsItem *item, const char *key, LsFailure *failure) pg_attribute_nonnull(3);
extern void ls_item_read(LsPush *push, LsItem *item, const JsonbValue *raw);

/* push_merge.c */
extern void ls_push_judge(LsPush *push);
extern bool ls_push_is_foreign(const LsPush *push);
extern void ls_push_find_resources(LsPush *push);
extern void ls_push_merge(LsPush *push, int taken);
extern int64 ls_resource_version(const LsResource *resource);
extern bool ls_resource_was_emptied(const LsResource *resource);
extern int64 ls_resource_created(const LsResource *resource);
extern int ls_item_failed_copies(const LsPush *push, const LsItem *item);

/* push_fit.c */
extern bool ls_item_is_conflict(const LsItem *item);
extern void ls_push_decide(LsPush *push);
extern int ls_push_longest(LsPush *push, int good, int bad, bool (*is_good)(LsPush *push, int taken));

/* push_write.c */
extern void ls_push_write(LsPush *push);

/* begin.c */
extern void ls_batch_begin(LsPush *push);

/* rate.c */
extern bool ls_rate_applies(const LsPush *push);
extern void ls_rate_take(LsPush *push);

/* try.c */
extern ErrorData *ls_try(void (*work)(void *), void *argument, bool keep);
extern ErrorData *ls_try_as(Oid role, void (*work)(void *), void *argument);
extern bool ls_try_is_apart(void);
extern ErrorData *ls_try_read(void (*work)(void *), void *argument);

/* wait.c */
extern void ls_wait(bool of_app, void (*work)(void *), void *argument);

/* push_answer.c */
extern const char *ls_verdict_resolution(LsVerdict verdict);
extern Jsonb *ls_push_answer(LsPush *push);

/* store.c */
extern void ls_store_init(void);
extern void ls_store_open(LsStoreCall *call);
extern void ls_store_close(LsStoreCall *call);
extern void ls_store_forget_rows(void);
extern bool ls_store_is_guarded(const char *table);
extern LsText ls_store_epoch(void);
extern Oid ls_store_type_table(void);
extern uint64 ls_store_changes(void);
extern uint64 ls_store_call_number(void);

/* type_store.c */
extern const LsType *ls_store_type(LsText name);
extern const LsType *ls_store_hold_type(LsText name);

/* content_store.c */
extern void ls_store_check_content(LsPush *push);

/* profile_store.c */
extern bool ls_store_owns_profile(LsText profile, LsText owner);

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

/* member_store.c, member_write_store.c */

/* A state of which the lists are wanted. */
typedef struct LsListed
{
	LsText type;
	LsText id;
	int64 after; /* only members of greater versions */
	LsState *state;
} LsListed;

extern void ls_store_find_members(LsPush *push);
extern void ls_store_write_members(LsPush *push);
/* How much a reader of lists has room for. */
typedef struct LsListRoom
{
	int64 members;
	int64 bytes; /* of these, as they are stored */
	int at_least; /* states that are completed whatever they hold */
} LsListRoom;

#define LS_ALL_LISTS ((LsListRoom){.members = PG_INT64_MAX, .bytes = PG_INT64_MAX})

extern int ls_store_complete_lists(LsText learner, LsListed *listed, int count, LsListRoom room, bool fresh);

/* xapi_store.c */
extern void ls_store_write_statements(LsPush *push);
struct ReturnSetInfo;
extern void ls_store_export_statements(LsText learner, TimestampTz since, struct ReturnSetInfo *result);

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

/* push_store.c */
extern void ls_store_write_accepted(LsPush *push);

/* journal_store.c */
extern void ls_store_write_journal(LsPush *push);
extern void ls_store_touch_device(LsPush *push);

/* conflict_store.c */

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
extern void ls_store_close_conflict(LsText learner, LsText id, const char *by, TimestampTz now);
extern int ls_store_read_numbers(LsText learner, LsText type, const LsRule *rule, const LsChange *change,
								 int64 **numbers);

/* free_number.c */
extern bool ls_free_number(const LsRuleField *field, int64 *taken, int count, int64 *number);

/* device_store.c */
typedef struct LsCounts
{
	int64 pending; /* failed items that can be retried */
	int64 failed;
	int64 conflicts; /* open ones */
	int64 events; /* in the learner's log, whatever the device */
} LsCounts;

extern JsonbValue ls_store_devices(LsText learner, LsText device);
extern JsonbValue ls_store_conflicts(LsText learner, LsText device, LsText after, int limit, bool *has_more);
extern bool ls_store_set_active(LsText learner, LsText device, bool active);
extern void ls_store_counts(LsText learner, LsText device, LsCounts *counts);

#endif
