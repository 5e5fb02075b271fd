/*
 * learnsync.h
 *		What the pure parts know about each other: types, then prototypes grouped by the file that defines them.
 */
#ifndef LEARNSYNC_H
#define LEARNSYNC_H

#include <stdarg.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define LS_SCHEMA_VERSION 1 /* layout of the tables that setup() makes */
#define LS_MAX_ID_CHARS 200
#define LS_MAX_KEYS 8
#define LS_FIRST_VERSION INT64CONST(1) /* a learner's version when nothing was seen */
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
	const char *code; /* one of the item codes; NULL while nothing failed */
	const char *path; /* JSON path within the item */
	const char *message; /* what a developer of the app reads */
	bool retryable;
} LsFailure;

/* The 128-bit digest in progress (SipHash-2-4). */
typedef struct LsDigest
{
	uint64 v0, v1, v2, v3;
	uint64 tail; /* bytes that do not fill a word yet */
	uint64 length; /* bytes taken so far */
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
	bool xapi; /* documents are xAPI statements */
	LsText clock; /* latest: an integer field that is compared before the order instant */
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
	int nmembers; /* union: sorted by id */
	LsMember *members;
} LsField;

/* The merged state of one resource. Values may point into the jsonb they were read from. */
typedef struct LsState
{
	bool exists; /* there is a document; false for absent and deleted ones */
	TimestampTz at; /* the greatest order instant merged in */
	TimestampTz deleted_at; /* items up to here are deleted; LS_NO_TIME if never */
	int nfields; /* in jsonb's key order */
	LsField *fields;
} LsState;

/* What one item brings to a merge. */
typedef struct LsChange
{
	bool is_delete;
	TimestampTz at; /* order instant */
	TimestampTz received; /* the server's time, where documents show when they were stored */
	JsonbValue data; /* an object; unused by a delete */
	LsText keys[LS_MAX_KEYS]; /* values of the rule's key fields as text */
	bool key_is_number[LS_MAX_KEYS]; /* the rule wants an integer there */
} LsChange;

typedef enum LsVerdict
{
	LS_SYNCED = 's',
	LS_SERVER_WINS = 'c', /* conflict that the rule decided for the stored document */
	LS_CLIENT_WINS = 'w', /* conflict that the rule decided for the item */
	LS_MANUAL_REQUIRED = 'm', /* conflict that a person decides */
	LS_FAILED = 'f'
} LsVerdict;

typedef struct LsMerged
{
	LsVerdict verdict;
	bool changed; /* the state differs from what it was */
} LsMerged;

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
extern void ls_rule_refuse(const char *path, const char *message, ...) pg_attribute_printf(2, 3)
	pg_attribute_noreturn();
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
	bool takes_null; /* null is a value; elsewhere it says nothing */
	bool stamps; /* the field remembers its own order instant */
	bool has_values; /* the rule lists its values */
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

/* header.c */
extern LsText ls_header_id(void);
extern LsText ls_header_or_body_id(const JsonbValue *request, const char *key);

/* request.c */
extern void ls_request_refuse(const char *path, const char *message, ...) pg_attribute_printf(2, 3)
	pg_attribute_noreturn();
extern Jsonb *ls_request_argument(FunctionCallInfo fcinfo, int argument);
extern void ls_request_open(Jsonb *json, JsonbValue *request);
extern LsText ls_request_text(const JsonbValue *request, const char *key, bool required);
extern bool ls_request_bool(const JsonbValue *request, const char *key);
extern int64 ls_request_cursor(const JsonbValue *request, const char *key);

#endif
