/*
 * merge.h
 *		Rules, documents and states, and what merging them is made of. All of it is pure: no file here touches a table.
 */
#ifndef LEARNSYNC_MERGE_H
#define LEARNSYNC_MERGE_H

#include "base/base.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/numeric.h"

/* Rules */

typedef enum LsPolicy
{
	LS_POLICY_MERGE,
	LS_POLICY_LATEST,
	LS_POLICY_INSERT_ONLY,
	LS_POLICY_IMMUTABLE,
	LS_POLICY_SERVER_WINS,
	LS_POLICY_CLIENT_WINS,
	LS_POLICY_MANUAL,
	LS_POLICY_CUSTOM
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
typedef struct LsRule LsRule;
typedef struct LsState LsState;

/* Makes one document of two, NULL where it makes none; false where it fails. ancestor is jbvNull where none is known. */
typedef bool (*LsCustom)(const LsRule *rule, const LsState *stored, const LsState *incoming,
						 const JsonbValue *ancestor, Jsonb **result, LsFailure *failure) pg_attribute_nonnull(6);

/* What the state keeps of a field, beside or instead of its value. */
typedef enum LsShape
{
	LS_SHAPE_PLAIN, /* the value alone */
	LS_SHAPE_STAMPED, /* and the order instant it is from */
	LS_SHAPE_LIST, /* an array by its members' ids */
	LS_SHAPE_MAP, /* an object by its keys */
	LS_SHAPE_TOTALS /* a number per device */
} LsShape;

/* Whether the parts of such fields are rows of their own where a state is stored. */
static inline bool
ls_shape_has_rows(LsShape shape)
{
	return shape == LS_SHAPE_LIST || shape == LS_SHAPE_TOTALS;
}

/* What a rule says of one field. */
typedef struct LsRuleField
{
	LsText name;
	const LsStrategy *strategy; /* NULL for a key field; latest under policies that merge no fields */
	LsShape shape; /* the strategy's under policy merge, else plain */
	LsValueType type;
	LsBounds bounds;
	int max_length; /* in characters; 0 = no limit */
	bool required;
	bool rounds; /* numbers, before anything else is done with them */
	int decimals; /* to so many */
	Numeric cap; /* more than that in one item counts as that; NULL where there is none */
	int nvalues; /* rank: the values from low to high */
	JsonbValue *values;
	int nids; /* union: names of the id to try; none for scalars */
	LsText *ids;
	bool members_latest; /* union: a member is what was said of it last, and can be removed */
	LsText source; /* derive: the field it is computed from */
	int nsteps;
	LsStep *steps;
	LsText when; /* first_time, last_time: the item's field that the condition reads */
	LsBounds when_bounds;
} LsRuleField;

/* A compiled merge_rule; fields stand in jsonb's key order, like the documents they are merged with. */
struct LsRule
{
	LsPolicy policy;
	LsStale stale;
	LsOther other;
	bool allow_delete;
	bool generate_key; /* a key that is absent is derived from the item's identity */
	bool xapi; /* documents are xAPI statements */
	bool require_content; /* the first key must be in the content catalog */
	LsText clock; /* latest: an integer field that is compared before the order instant */
	LsText function; /* custom: the function's qualified name */
	LsCustom custom; /* calls it; set where a type's rule is read, NULL in a rule that is nobody's */
	LsText definer; /* the role that defined the type; without data where the rule is nobody's */
	int nkeys;
	LsText keys[LS_MAX_KEYS];
	int nfields;
	LsRuleField *fields;
	LsRuleField rest; /* what holds for fields that the rule does not mention */
	bool adjusts; /* some field rounds or caps */
	bool has_derived;
	bool has_lists; /* some field is a list, stored one row per member */
	bool has_rows; /* or one of totals, stored one row per device */
};

/* Documents and states */

/* A JSON value and the order instant it is from. */
typedef struct LsValue
{
	JsonbValue json;
	TimestampTz at;
} LsValue;

/* One part of a field that is merged by parts: a list's member, a map's entry, a device's total. */
typedef struct LsMember
{
	LsText id;
	LsValue value;
	ItemPointerData
		place; /* where the row is stored; where none is, no valid place, of which the block is the item's number */
} LsMember;

#define LS_STATE_ROOM 2 /* so many times what a part of jsonb takes is more than it can take in another place */

/* One field of a state. */
typedef struct LsField
{
	LsText name;
	const LsRuleField *rule;
	LsValue value; /* unused where there are members */
	int nmembers;
	int nsorted; /* the first so many members are sorted by id, each there once; all of them, once settled */
	int room; /* for so many members */
	bool own; /* no other field has the same array */
	LsMember *members; /* NULL where the field is not merged by parts */
	uint32 item; /* the number of the item that members come from */
	bool *lost; /* of each item whether a member was not taken as it said; NULL where nobody asks */
} LsField;

/* How what items say comes on top of what a person corrected. */
typedef enum LsOnTop
{
	LS_TOP_JOINS, /* as it joins any value */
	LS_TOP_ADDS, /* as a number */
	LS_TOP_REPLACES, /* in its place */
	LS_TOP_STAYS /* not at all, unless what was corrected is that there is none */
} LsOnTop;

/* What a person corrected of a field, of one key of a map or one member of a list, and what has come on top of that. */
typedef struct LsPin
{
	LsText field;
	const LsRuleField *rule;
	LsOnTop on_top;
	LsText part; /* the map's key or the list member's id; without data where it is the whole field */
	bool has_value; /* else there is to be none */
	JsonbValue value; /* of a list's member that is to be none, how the person named it */
	bool has_top;
	bool top_is_gone; /* the document that counts on top does not have the field */
	LsValue top; /* what counts on top; of totals what devices have added since */
	JsonbValue bases; /* of totals: what devices had by the correction, where they have added since; else jbvNull */
} LsPin;

#define LS_MAX_CORRECTIONS 20 /* that stand on one resource */

/* A person's correction, which stands until it is taken back. */
typedef struct LsCorrection
{
	LsText id;
	TimestampTz at; /* order instant: nothing that was there before is later */
	int64 version;
	LsText by;
	LsText reason; /* without data where none was given, as of by */
	int npins;
	LsPin *pins;
} LsCorrection;

/* What a person has corrected of a resource. Shared by copies of a state: whoever changes it makes another. */
typedef struct LsOverlay
{
	int count;
	LsCorrection *corrections; /* the newest last */
} LsOverlay;

/* The merged state of one resource. Values may point into the jsonb they were read from. */
struct LsState
{
	bool exists; /* there is a document; false for absent and deleted ones */
	bool shared; /* its fields belong to another state, which must stay as it is */
	bool gathers; /* joins add to lists and maps, and ls_state_settle sorts these once for all */
	bool limited; /* joins make no document that is larger than learnsync.max_document_bytes */
	bool measured; /* bytes is what the document takes, else more */
	const LsOverlay
		*overlay; /* what is shown instead of the fields, which know nothing of it; NULL where nothing is */
	int64 whole; /* who has not seen this version gets lists whole, as members may be gone; 0 for nobody */
	int64 bytes; /* lists' members apart; nothing while there is no document */
	TimestampTz at; /* the greatest order instant merged in */
	TimestampTz deleted_at; /* items up to here are deleted; LS_NO_TIME if never */
	int nfields; /* in jsonb's key order, but for the last ones while joins gather */
	int nadded; /* the last so many, which are in that order among themselves */
	int room; /* for so many fields; less where nobody has asked for room */
	LsField *fields;
};

#define LS_SEEN_ALL PG_INT64_MAX

/* What one item brings to a merge. */
typedef struct LsChange
{
	int64 seen; /* what its device had seen: the item's own word, less than 0 the push's; 0 where neither says */
	bool is_delete;
	TimestampTz at; /* order instant */
	TimestampTz received; /* the server's time, where documents show when they were stored */
	JsonbValue data; /* an object, its numbers adjusted; unused by a delete */
	JsonbValue ancestor; /* the document that the item's was made from; jbvNull where it does not say */
	JsonbValue capped; /* the names of fields of which a part does not count; jbvNull where there are none */
	LsText device;
	uint32 number; /* the item's, among those that are merged together */
	bool *lost; /* by number, set where a list's member was not taken as the item says; NULL where nobody asks */
	LsText keys[LS_MAX_KEYS]; /* values of the rule's key fields as text; without data where one is not known */
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

/* rule.c */
extern LsRule *ls_rule_compile(Jsonb *json);
extern List *ls_rule_function_name(LsText function);

/* rule_option.c */
pg_noreturn extern void ls_option_refuse(const char *path, const char *message, ...) pg_attribute_printf(2, 3);
extern void ls_option_check_known(const JsonbValue *json, const char *path, const char *const *known);
extern bool ls_option_flag(const JsonbValue *json, const char *key, const char *path, bool absent);

/* rule_field.c */
extern void ls_rule_read_fields(LsRule *rule, const JsonbValue *json);
extern const LsRuleField *ls_rule_field(const LsRule *rule, LsText name);
extern const LsRuleField *ls_rule_walk(const LsRule *rule, int *place, LsText name);

/* rule_change.c */
extern const char *ls_rule_change_refused(Jsonb *old_json, Jsonb *new_json);

/* strategy.c */

/* Whether the second value takes the place of the first. */
typedef bool (*LsReplaces)(const LsRuleField *rule, const LsValue *stored, const LsValue *incoming);

/*
 * How one field is merged. Of two values one stays, which makes a strategy commutative, associative and idempotent as
 * far as the choice does not depend on which of the two was there first; a sum is the exception.
 */
struct LsStrategy
{
	const char *name;
	LsReplaces replaces; /* NULL for sum, derive and what is not read */
	LsShape shape;
	LsValueType type; /* what values items may carry */
	bool ignores_value; /* the item's instant counts, not what it says */
	bool takes_null; /* null is a value; elsewhere it says nothing */
	bool has_values; /* the rule lists the values there are */
	bool adds; /* values are added; the only thing that is not idempotent */
	LsOnTop on_top; /* of a person's correction */
};

extern const LsStrategy *ls_strategy_find(LsText name);
extern const LsStrategy *ls_strategy_derive;
extern const LsStrategy *ls_strategy_unread;

/* adjust.c */
extern void ls_adjust_item(const LsRule *rule, LsChange *change);
extern void ls_adjust_document(const LsRule *rule, LsChange *change);

/* check.c */
extern const char *ls_check_type_name(LsValueType type);
extern int ls_check_decimals(Numeric number);
extern bool ls_check_bounds(const LsBounds *bounds, Numeric number);
extern bool ls_check_is(LsValueType type, const JsonbValue *value);
extern bool ls_check_is_time(const JsonbValue *value);
extern bool ls_check_is_read(const LsRuleField *field);
extern bool ls_check_keys(const LsRule *rule, const JsonbValue *data, LsText resource_id, bool may_miss,
						  LsChange *change, LsFailure *failure) pg_attribute_nonnull(6);
extern bool ls_check_document(const LsRule *rule, const JsonbValue *data, LsFailure *failure) pg_attribute_nonnull(3);
extern LsText ls_check_resource_id(const LsRule *rule, const LsChange *change);

/* Whether a number lies within 64 bits, so that what is added to such a one stays small enough to be added. */
static inline bool
ls_check_leaves_room(Numeric number)
{
	LsBounds bounds = {int64_to_numeric(PG_INT64_MIN), int64_to_numeric(PG_INT64_MAX), false};

	return ls_check_bounds(&bounds, number);
}

/* member.c */
extern LsText ls_member_id(const LsRuleField *rule, const JsonbValue *value);
extern bool ls_member_is_removed(const LsRuleField *rule, const JsonbValue *value);
extern bool ls_member_removes(const LsRule *rule, const JsonbValue *data);
extern void ls_member_start(LsField *field, int room);
extern LsMember *ls_member_append(LsField *field, LsText id, const JsonbValue *json, TimestampTz at);
extern LsMember *ls_member_find(const LsField *field, LsText id);
extern void ls_member_sort(LsField *field);
extern bool ls_member_join(LsField *field, const LsField *other);
extern bool ls_member_gather(LsField *field, const LsField *other);

/* field.c */
extern bool ls_field_lift(LsField *field, const LsRuleField *rule, LsText name, const JsonbValue *value,
						  const LsChange *change);
extern bool ls_field_join(LsField *field, const LsField *other);
extern bool ls_field_is_bounded(const LsField *field);
extern JsonbValue ls_field_show(const LsField *field, bool with_removed);
extern void ls_field_load(LsField *field, const JsonbValue *note, TimestampTz at);
extern LsMember *ls_field_take_total(LsField *field, LsText device, const JsonbValue *total, TimestampTz at);
extern bool ls_field_note(const LsField *field, TimestampTz at, JsonbValue *note);

/* state.c */
extern Jsonb *ls_state_document(const LsState *state);
extern LsState ls_state_copy(const LsState *state);
extern JsonbValue ls_state_whole(const LsState *state, bool with_removed);
extern LsField *ls_state_field(const LsState *state, LsText name);
extern JsonbValue ls_state_show(const LsRule *rule, const LsState *state);
extern JsonbValue ls_state_show_delta(const LsRule *rule, const LsState *state);
extern JsonbValue ls_state_show_stored(const LsRule *rule, Jsonb *stored);

/* state_book.c */
extern void ls_state_load(const LsRule *rule, LsState *state, Jsonb *document, Jsonb *book);
extern Jsonb *ls_state_book(const LsState *state);
extern void ls_state_unpack(const LsRule *rule, LsState *state, Jsonb *packed);
extern Jsonb *ls_state_pack(const LsState *state);

/* state_join.c */
extern LsState ls_state_lift(const LsRule *rule, const LsChange *change);
extern bool ls_state_join(LsState *state, LsState *other, bool *changed, LsFailure *failure) pg_attribute_nonnull(4);
extern bool ls_state_is_bounded(const LsState *state, LsFailure *failure) pg_attribute_nonnull(2);
extern void ls_state_settle(LsState *state);
extern bool ls_state_fits(const LsState *before, LsState *after, LsFailure *failure) pg_attribute_nonnull(3);

/* state_rebase.c */
extern const char *ls_rebase_refused(const LsRule *old, const LsRule *changed);
extern bool ls_rebase_keeps_rows(const LsRuleField *old, const LsRuleField *changed);
extern LsState ls_state_rebase(const LsRule *old, const LsRule *rule, const LsState *state);
extern bool ls_rebase_fits(const LsRule *rule, const LsState *rebased, LsFailure *failure) pg_attribute_nonnull(3);

/* overlay.c */

/* A pin that shows: of each field and key the newest, in the order of their fields. */
typedef struct LsShownPin
{
	const LsPin *pin;
	int correction; /* the number of its correction, the oldest first */
	int nparts; /* so many from here on are of the same field */
} LsShownPin;

/* What of lists a document shows that is being built. */
typedef enum LsLists
{
	LS_LISTS_APART, /* nothing: their members are rows */
	LS_LISTS_SHOWN,
	LS_LISTS_WITH_REMOVED /* also which members were removed */
} LsLists;

extern LsShownPin *ls_overlay_shown(const LsOverlay *overlay, int *count);
extern JsonbValue ls_overlay_show(const LsState *state, const JsonbValue *document, LsLists lists);
extern LsPin ls_overlay_pin(const LsRule *rule, LsText field, LsText part);

/* What an item does to corrections. */
typedef struct LsOverlaid
{
	const LsOverlay *overlay; /* as it is afterwards */
	bool changed;
	bool seen; /* the newest of them was seen by the item */
	bool hidden; /* the item says of a field what is not shown, as it has not seen the correction */
} LsOverlaid;

extern LsOverlaid ls_overlay_take(const LsRule *rule, const LsState *state, const LsState *said,
								  const LsChange *change);

/* correction.c */
extern LsCorrection ls_correction_of(const LsState *state, LsText epoch, LsText learner, TimestampTz now,
									 int64 version);
extern void ls_correction_check(const LsRule *rule, const JsonbValue *data);
extern bool ls_correction_apply(const LsRule *rule, LsState *state, const LsCorrection *correction,
								const JsonbValue *data, LsFailure *failure) pg_attribute_nonnull(5);
extern void ls_correction_drop(LsState *state, int64 version);
extern JsonbValue ls_correction_tell(const LsOverlay *overlay);
extern JsonbValue ls_correction_difference(const LsRule *rule, const JsonbValue *shown, const JsonbValue *data);

/* policy.c */
extern LsMerged ls_policy_join(const LsRule *rule, LsState *state, LsState *document, const JsonbValue *ancestor,
							   LsFailure *failure) pg_attribute_nonnull(5);
extern bool ls_policy_fold(const LsRule *rule, LsState *state, LsState *other, LsFailure *failure)
	pg_attribute_nonnull(4);

/* conflict.c */
extern bool ls_tombstone_hides(const LsState *state, TimestampTz at);
extern bool ls_tombstone_came(const LsState *stored, const LsState *state);
extern LsMerged ls_merge_apply(const LsRule *rule, LsState *state, const LsChange *change, LsFailure *failure)
	pg_attribute_nonnull(4);
extern bool ls_merge_decide(const LsRule *rule, LsState *state, const LsChange *change, bool joins, bool *replaced,
							LsFailure *failure) pg_attribute_nonnull(6);
extern const char *ls_verdict_status(LsVerdict verdict);
extern const char *ls_verdict_resolution(LsVerdict verdict);
extern bool ls_verdict_is_conflict(LsVerdict verdict);

#endif
