/*
 * learnsync.h
 *		What the parts know about each other: types, then prototypes grouped by the file that defines them.
 */
#ifndef LEARNSYNC_H
#define LEARNSYNC_H

#include <stdarg.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define LS_SCHEMA_VERSION 1 /* layout of the tables that setup() makes */
#define LS_MAX_ID_CHARS 200
#define LS_MAX_KEYS 8
#define LS_FIRST_VERSION INT64CONST(1)	/* a learner's version when nothing was seen */
#define LS_MAX_CURSOR (INT64CONST(1) << 53)
#define LS_NO_TIME DT_NOBEGIN

/* A slice of text that is not zero-terminated; data is NULL where there is none. */
typedef struct LsText
{
	const char *data;
	int length;
} LsText;

/* Why an item was refused, as the answer tells it. */
typedef struct LsFailure
{
	const char *code;	 /* one of the item codes; NULL while nothing failed */
	const char *path;	 /* JSON path within the item */
	const char *message; /* what a developer of the app reads */
	bool retryable;
} LsFailure;

/* The 128-bit digest in progress (SipHash-2-4). */
typedef struct LsDigest
{
	uint64 v0, v1, v2, v3;
	uint64 tail;	 /* bytes that do not fill a word yet */
	uint64 length;	 /* bytes taken so far */
} LsDigest;

/* Rules */

typedef enum LsPolicy
{
	LS_POLICY_MERGE,
	LS_POLICY_LATEST,
	LS_POLICY_INSERT_ONLY,
	LS_POLICY_IMMUTABLE
} LsPolicy;

typedef enum LsStale
{
	LS_STALE_MERGE,
	LS_STALE_DISCARD,
	LS_STALE_IGNORE
} LsStale;

typedef enum LsOther
{
	LS_OTHER_LATEST,
	LS_OTHER_IGNORE,
	LS_OTHER_REFUSE
} LsOther;

typedef enum LsValueType
{
	LS_TYPE_ANY,
	LS_TYPE_STRING,
	LS_TYPE_NUMBER,
	LS_TYPE_INTEGER,
	LS_TYPE_BOOLEAN,
	LS_TYPE_OBJECT,
	LS_TYPE_ARRAY,
	LS_TYPE_ORDERED /* a number or a string: what max and min compare */
} LsValueType;

/* Bounds that a value may have to keep. */
typedef struct LsBounds
{
	Numeric min; /* NULL where there is none */
	Numeric max;
	bool min_excluded; /* "above" rather than "from" */
} LsBounds;

/* One step of a derived field: its value holds when the source keeps the bounds. */
typedef struct LsStep
{
	JsonbValue value;
	LsBounds bounds;
} LsStep;

typedef struct LsStrategy LsStrategy;

/* What a rule says of one field. */
typedef struct LsRuleField
{
	LsText name;
	const LsStrategy *strategy; /* NULL for a key field */
	LsValueType type;
	LsBounds bounds;
	int max_length; /* in characters; 0 = no limit */
	bool required;
	int nvalues; /* rank: the values from low to high */
	JsonbValue *values;
	int nids; /* union: names of the id to try; none for scalars */
	LsText *ids;
	LsText source; /* derive: the field it is computed from */
	int nsteps;
	LsStep *steps;
	LsText when; /* first_time, last_time: the item's field that the condition reads */
	LsBounds when_bounds;
} LsRuleField;

/* A compiled merge_rule; fields stand in jsonb's key order, like the documents they are merged with. */
typedef struct LsRule
{
	LsPolicy policy;
	LsStale stale;
	LsOther other;
	bool allow_delete;
	bool generate_key; /* a key that is absent is derived from the item's identity */
	bool xapi;		   /* documents are xAPI statements */
	LsText clock;	   /* latest: an integer field that is compared before the order instant */
	int nkeys;
	LsText keys[LS_MAX_KEYS];
	int nfields;
	LsRuleField *fields;
	bool has_derived;
	bool has_members; /* some field is a union, stored one row per member */
} LsRule;

/* Documents and states */

/* One member of a union field. */
typedef struct LsMember
{
	LsText id;
	TimestampTz at;
	JsonbValue value;
} LsMember;

/* One field of a state: its value and what its strategy has to remember. */
typedef struct LsField
{
	JsonbValue key;
	JsonbValue value;
	TimestampTz at; /* order instant of the value, for strategies that stamp */
	int nmembers;	/* union: sorted by id */
	LsMember *members;
} LsField;

/* The merged state of one resource. Values may point into the jsonb they were read from. */
typedef struct LsState
{
	bool exists;			/* there is a document; false for absent and deleted ones */
	TimestampTz at;			/* the greatest order instant merged in */
	TimestampTz deleted_at; /* items up to here are deleted; LS_NO_TIME if never */
	int nfields;			/* in jsonb's key order */
	LsField *fields;
} LsState;

/* What one item brings to a merge. */
typedef struct LsChange
{
	bool is_delete;
	TimestampTz at;		  /* order instant */
	TimestampTz received; /* the server's time, where documents show when they were stored */
	JsonbValue data;	  /* an object; unused by a delete */
	LsText keys[LS_MAX_KEYS];		  /* values of the rule's key fields as text */
	bool key_is_number[LS_MAX_KEYS]; /* the rule wants an integer there */
} LsChange;

typedef enum LsVerdict
{
	LS_SYNCED = 's',
	LS_SERVER_WINS = 'c',	  /* conflict that the rule decided for the stored document */
	LS_CLIENT_WINS = 'w',	  /* conflict that the rule decided for the item */
	LS_MANUAL_REQUIRED = 'm', /* conflict that a person decides */
	LS_FAILED = 'f'
} LsVerdict;

typedef struct LsMerged
{
	LsVerdict verdict;
	bool changed; /* the state differs from what it was */
} LsMerged;

/* Tables */

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
	int64 tombstone_version;
	int64 push_no;
} LsLearner;

/* The pushing device as the database knows it. */
typedef struct LsDevice
{
	LsText id;
	bool exists;
	bool active;
	int64 version; /* everything up to here it is known to hold */
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
	LsState state;	   /* stored, with the items merged so far */
	int64 new_version; /* given by this push, else 0 */
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
	pg_uuid_t key;	   /* digest of the identity */
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
	bool was_failed;	  /* an earlier copy stands among the failed items */
	struct LsItem *twin;  /* the nearest earlier item of this push with the same identity */
	LsFailure refused;	  /* found wrong before anything was merged */
	LsFailure failure;	  /* refused, or wrong in the merge; code is NULL while the item is good */
	LsVerdict verdict;
	bool duplicate;
	bool accepted; /* takes part in the merge */
	int64 version; /* what the answer says */
	struct LsItem *next; /* in its hash bucket */
} LsItem;

/* A whole push. */
typedef struct LsPush
{
	LsLearner learner;
	LsDevice device;
	LsText device_name;
	JsonbValue metadata; /* jbvNull where absent */
	JsonbValue items_raw; /* the request's array of items */
	int64 cursor;		 /* lastSyncVersion, -1 where absent */
	bool dry_run;
	bool atomic;
	TimestampTz now;
	int64 version;		/* the learner's, as this push leaves it */
	int64 safe_version; /* what the device may store as its cursor */
	int nitems;
	LsItem *items;
	int nresources;
	LsResource **resources; /* in order of first use */
	int nchanged;
	LsResource **changed; /* in order of their new versions */
	int nbuckets;		  /* a power of two */
	LsItem **item_buckets;
	LsResource **resource_buckets;
} LsPush;

/* learnsync.c */
extern int learnsync_max_batch_items;
extern int learnsync_max_item_bytes;
extern int learnsync_max_depth;
extern int learnsync_max_clock_skew;
extern int learnsync_max_pull_limit;
extern char *learnsync_jwt_claim;
extern char *learnsync_learner_id;

/* json.c */
extern LsText ls_text(const char *string);
extern LsText ls_text_of(const JsonbValue *value);
extern LsText ls_text_datum(Datum text);
extern char *ls_text_string(LsText text);
extern Datum ls_text_to_datum(LsText text);
extern bool ls_text_equal(LsText a, LsText b);
extern int ls_text_compare_keys(LsText a, LsText b);
extern int ls_text_chars(LsText text);
extern bool ls_text_is_id(LsText text);
extern void ls_json_root(Jsonb *jsonb, JsonbValue *value);
extern bool ls_json_is_object(const JsonbValue *value);
extern bool ls_json_is_array(const JsonbValue *value);
extern int ls_json_count(const JsonbValue *value);
extern int ls_json_bytes(const JsonbValue *value);
extern bool ls_json_get(const JsonbValue *object, const char *key, JsonbValue *value);
extern bool ls_json_get_text(const JsonbValue *object, LsText key, JsonbValue *value);
extern bool ls_json_integer(const JsonbValue *value, int64 *integer);
extern int ls_json_compare(const JsonbValue *a, const JsonbValue *b);

/* json_out.c */
extern JsonbValue ls_json_null(void);
extern JsonbValue ls_json_bool(bool boolean);
extern JsonbValue ls_json_int(int64 integer);
extern JsonbValue ls_json_text(LsText text);
extern JsonbValue ls_json_string(const char *string);
extern JsonbValue ls_json_stamp(TimestampTz at);
extern JsonbValue ls_json_uuid(const pg_uuid_t *uuid);
extern JsonbValue ls_json_object(void);
extern JsonbValue ls_json_array(void);
extern void ls_json_put(JsonbValue *object, const char *key, JsonbValue value);
extern void ls_json_put_text(JsonbValue *object, LsText key, JsonbValue value);
extern void ls_json_add(JsonbValue *array, JsonbValue value);
extern Jsonb *ls_json_encode(const JsonbValue *value);

/* json_scan.c */
extern bool ls_json_scan_member(const char *text, const char *name, char **value);
extern bool ls_json_scan_keys(LsText text, int nkeys, LsText *keys);

/* digest.c */
extern void ls_digest_start(LsDigest *digest);
extern void ls_digest_bytes(LsDigest *digest, const void *bytes, Size length);
extern void ls_digest_text(LsDigest *digest, LsText text);
extern int ls_digest_json(LsDigest *digest, const JsonbValue *value, const char *without);
extern pg_uuid_t ls_digest_end(LsDigest *digest);
extern int64 ls_digest_fingerprint(const pg_uuid_t *digest);
extern pg_uuid_t ls_digest_derive(const pg_uuid_t *key, const char *purpose);
extern LsText ls_digest_uuid_text(const pg_uuid_t *uuid);

/* stamp.c */
extern bool ls_stamp_parse(LsText text, TimestampTz *at);
extern LsText ls_stamp_text(TimestampTz at, int digits);

/* rule.c */
extern LsRule *ls_rule_compile(Jsonb *json);
extern const LsRuleField *ls_rule_field(const LsRule *rule, LsText name);

/* rule_read.c */
extern void ls_rule_read_field(LsRuleField *field, const JsonbValue *json);
extern void ls_rule_refuse(const char *path, const char *message, ...) pg_attribute_printf(2, 3) pg_attribute_noreturn();
extern void ls_rule_options(const JsonbValue *json, const char *path, const char *const *known);

/* strategy.c */

/* What became of a field when an item was merged into it. */
typedef enum LsFolded
{
	LS_FOLD_KEPT,
	LS_FOLD_CHANGED,
	LS_FOLD_OVERFLOW
} LsFolded;

/* How one field takes in an item's value; value is NULL where the item does not carry the field. */
typedef LsFolded (*LsFold)(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value,
						   const LsChange *change);

struct LsStrategy
{
	const char *name;
	LsFold fold; /* NULL for derive, which is computed when shown */
	LsValueType type; /* what values it can take */
	bool needs_value; /* false: it folds the item's instant and ignores what the item says */
	bool takes_null;  /* null is a value; elsewhere it says nothing */
	bool stamps;	  /* the field remembers its own order instant */
	bool has_values;  /* the rule lists its values */
	bool has_members; /* a list whose members are merged one by one */
};

extern const LsStrategy *ls_strategy_find(LsText name);
extern const LsStrategy *ls_strategy_latest;
extern const LsStrategy *ls_strategy_derive;

/* check.c */
extern char *ls_message(const char *format, va_list arguments) pg_attribute_printf(1, 0);
extern bool ls_fail(LsFailure *failure, const char *code, const char *path, const char *message, ...)
	pg_attribute_printf(4, 5);
extern bool ls_check_bounds(const LsBounds *bounds, Numeric number);
extern bool ls_check_value(const LsRuleField *field, const JsonbValue *value, LsFailure *failure);
extern bool ls_check_keys(const LsRule *rule, const JsonbValue *data, LsText resource_id, LsChange *change,
						  LsFailure *failure);
extern bool ls_check_document(const LsRule *rule, const JsonbValue *data, LsFailure *failure);
extern LsText ls_check_resource_id(const LsRule *rule, const LsChange *change);

/* merge.c */
extern LsMerged ls_merge_apply(const LsRule *rule, LsState *state, const LsChange *change, LsFailure *failure);

/* state.c */
extern void ls_state_load(const LsRule *rule, LsState *state, Jsonb *document, Jsonb *book);
extern Jsonb *ls_state_document(const LsState *state);
extern Jsonb *ls_state_book(const LsState *state);
extern JsonbValue ls_state_show(const LsRule *rule, const LsState *state);
extern LsText ls_state_member_id(const LsRuleField *rule, const JsonbValue *value);
extern int ls_state_find_member(const LsField *field, LsText id, bool *found);

/* learner.c */
extern LsText ls_learner_current(void);
extern LsText ls_learner_argument(FunctionCallInfo fcinfo, int argument);

/* request.c */
extern void ls_request_refuse(const char *path, const char *message, ...) pg_attribute_printf(2, 3) pg_attribute_noreturn();
extern Jsonb *ls_request_argument(FunctionCallInfo fcinfo, int argument);
extern void ls_request_open(Jsonb *json, JsonbValue *request);
extern LsText ls_request_text(const JsonbValue *request, const char *key, bool required);
extern bool ls_request_bool(const JsonbValue *request, const char *key);
extern int64 ls_request_cursor(const JsonbValue *request, const char *key);

/* push.c */
extern void ls_device_check(const LsDevice *device);

/* push_item.c */
extern void ls_item_read(LsPush *push, LsItem *item, const JsonbValue *raw);

/* push_merge.c */
extern void ls_push_judge(LsPush *push);
extern void ls_push_find_resources(LsPush *push);
extern void ls_push_merge(LsPush *push, int upto);
extern bool ls_item_is_recorded(const LsPush *push, const LsItem *item);

/* push_write.c */
extern void ls_push_write(LsPush *push);

/* push_answer.c */
extern const char *ls_verdict_resolution(LsVerdict verdict);
extern Jsonb *ls_push_answer(LsPush *push);

/* store.c */

/* Whose rights to go back to when the store is closed. */
typedef struct LsStoreCall
{
	Oid caller;
	int context;
} LsStoreCall;

extern void ls_store_init(void);
extern void ls_store_open(LsStoreCall *call);
extern void ls_store_close(LsStoreCall *call);
extern bool ls_store_is_guarded(void);
extern LsText ls_store_epoch(void);

/* store_type.c */
extern void ls_store_renew_types(void);
extern const LsType *ls_store_type(LsText name);

/* store_push.c */
extern void ls_store_lock_learner(LsPush *push);
extern void ls_store_read_learner(LsPush *push);
extern void ls_store_read_known(LsPush *push);
extern void ls_store_read_resources(LsPush *push);

/* store_write.c */
extern void ls_store_write_accepted(LsPush *push);
extern void ls_store_write_failed(LsPush *push);
extern void ls_store_forget_failed(LsPush *push);
extern void ls_store_update_learner(LsPush *push, bool logged);
extern void ls_store_touch_device(LsPush *push);

/* store_pull.c */

/* What a pull knows of learner and device before it looks for changes. */
typedef struct LsPullStart
{
	int64 version;
	int64 log_version;
	int64 tombstone_version;
	LsDevice device;
} LsPullStart;

/* One change as a pull reads it; data is NULL for a deleted resource, or for a log entry that is out of date. */
typedef struct LsPulled
{
	int64 prev_version; /* of the log row this comes from: where the row before it ended */
	int64 log_version;	/* the same row's end */
	bool current;		/* the resource is still at this version */
	int64 version;
	LsText type;
	LsText id;
	int64 created_version;
	TimestampTz updated_at;
	TimestampTz at;
	Jsonb *data;
	Jsonb *book;
} LsPulled;

typedef struct LsPullCursor LsPullCursor;

extern void ls_store_read_pull_start(LsText learner, LsText device, LsPullStart *start);
extern LsPullCursor *ls_store_open_pull(LsText learner, int64 after, bool use_log);
extern bool ls_store_next_pulled(LsPullCursor *cursor, LsPulled *change);
extern void ls_store_close_pull(LsPullCursor *cursor);

/* store_device.c */
typedef struct LsCounts
{
	int64 pending; /* failed items that can be retried */
	int64 failed;
	int64 conflicts; /* open ones */
} LsCounts;

extern JsonbValue ls_store_devices(LsText learner, LsText device);
extern JsonbValue ls_store_conflicts(LsText learner, LsText device);
extern void ls_store_counts(LsText learner, LsText device, LsCounts *counts);

#endif
