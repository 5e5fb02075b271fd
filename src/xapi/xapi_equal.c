/*
 * xapi_equal.c
 *		Are two xAPI statements the same, by xAPI Data 2.3.1? What an LRS may set or change makes no difference.
 *
 * Values are ordered, those that are the same having order 0. The members of a group have no order and may be groups:
 * comparing them in pairs to sort them would compare the innermost ones again for each level above, so a digest is made
 * once of each and sorted instead.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "xapi/xapi.h"

typedef struct Rule Rule;

/* Orders two values of a property, 0 where they make no difference; NULL stands for an absent one. */
typedef int Order(const JsonbValue *a, const JsonbValue *b, const Rule *rules);

/* How one property is compared. Those that no rule names are compared as JSON. */
struct Rule
{
	LsText name;
	Order *order;
	const Rule *rules; /* of the objects in it, in jsonb's key order; a nameless one ends them */
};

static bool
are_strings(const JsonbValue *a, const JsonbValue *b)
{
	return a != NULL && b != NULL && a->type == jbvString && b->type == jbvString;
}

static int
compare_texts(LsText a, LsText b)
{
	int order = memcmp(a.data, b.data, Min(a.length, b.length));

	return order != 0 ? order : a.length - b.length;
}

static int
order_value(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return ls_json_compare(a, b);
}

static int
order_activity_type(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	JsonbValue usual = ls_json_string("Activity");

	return ls_json_compare(a != NULL ? a : &usual, b != NULL ? b : &usual);
}

/* Hexadecimal and language tags. */
static int
order_any_case(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	if (!are_strings(a, b))
		return order_value(a, b, NULL);
	return ls_xapi_compare_any_case(ls_text_of(a), ls_text_of(b));
}

/* Instants, by millisecond; an LRS may show them in another zone and cut off what is finer. */
static int
order_time(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	int64 one;
	int64 other;
	bool read_one;
	bool read_other;

	if (!are_strings(a, b))
		return order_value(a, b, NULL);
	read_one = ls_xapi_instant(ls_text_of(a), &one);
	read_other = ls_xapi_instant(ls_text_of(b), &other);
	if (!read_one || !read_other)
		return read_one == read_other ? ls_json_compare(a, b) : read_one - read_other;
	return (one > other) - (one < other);
}

static bool
is_point(char c)
{
	return c == '.' || c == ',';
}

/* Cuts off the unit of seconds, and of their fraction what is finer than a hundredth; answers whether there are any. */
static bool
cut_seconds(LsText *text)
{
	int point;

	if (text->length == 0 || text->data[text->length - 1] != 'S')
		return false;
	text->length--;
	for (point = text->length - 1; point >= 0 && !is_point(text->data[point]); point--)
		;
	if (point < 0)
		return true;
	text->length = Min(text->length, point + 3);
	while (text->data[text->length - 1] == '0')
		text->length--;
	if (text->length == point + 1)
		text->length--;
	return true;
}

/* A text, as units of time cannot be converted, but for the fraction of the seconds. */
static int
order_duration(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	LsText one;
	LsText other;
	int order;

	if (!are_strings(a, b))
		return order_value(a, b, NULL);
	one = ls_text_of(a);
	other = ls_text_of(b);
	order = cut_seconds(&one) - cut_seconds(&other);
	return order != 0 ? order : compare_texts(one, other);
}

static int
order_id(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	return a == NULL || b == NULL ? 0 : order_any_case(a, b, NULL);
}

static int
order_timestamp(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	return a == NULL || b == NULL ? 0 : order_time(a, b, NULL);
}

static pg_uuid_t digest_actor(const JsonbValue *actor);

/* An address, split behind its last @: the domain's case does not matter, the mailbox's does. */
static void
take_mbox(LsDigest *digest, LsText text)
{
	LsText domain = {text.data + text.length, 0};

	while (domain.data > text.data && domain.data[-1] != '@')
	{
		domain.data--;
		domain.length++;
	}
	ls_digest_text(digest, (LsText){text.data, text.length - domain.length});
	ls_digest_text(digest, ls_xapi_lower_case(domain));
}

static int
compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* The digests of members in an order of their own, behind a null and their number: no JSON value is written so. */
static void
take_members(LsDigest *digest, const JsonbValue *list)
{
	int count = ls_json_count(list);
	pg_uuid_t *members = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(pg_uuid_t));
	JsonbValue number = ls_json_int(count);
	JsonbValue member;
	LsJsonWalk walk;

	ls_json_walk(&walk, list);
	for (int i = 0; ls_json_walk_next(&walk, NULL, &member); i++)
		members[i] = digest_actor(&member);
	ls_sort(members, count, sizeof(pg_uuid_t), compare_digests);
	ls_digest_text(digest, (LsText){NULL, 0});
	ls_digest_json(digest, &number, NULL);
	for (int i = 0; i < count; i++)
		ls_digest_text(digest, (LsText){(const char *) members[i].data, UUID_LEN});
	pfree(members);
}

static void
take_property(LsDigest *digest, LsText key, const JsonbValue *value)
{
	bool is_text = value->type == jbvString;

	if (is_text && ls_text_equal(key, LS_XAPI_NAME("objectType")) &&
		ls_text_equal(ls_text_of(value), LS_XAPI_NAME("Agent")))
		return; /* as good as absent */
	ls_digest_text(digest, key);
	if (is_text && ls_text_equal(key, LS_XAPI_NAME("mbox")))
		take_mbox(digest, ls_text_of(value));
	else if (is_text && ls_text_equal(key, LS_XAPI_NAME("mbox_sha1sum")))
		ls_digest_text(digest, ls_xapi_lower_case(ls_text_of(value)));
	else if (ls_json_is_array(value) && ls_text_equal(key, LS_XAPI_NAME("member")))
		take_members(digest, value);
	else
		ls_digest_json(digest, value, NULL);
}

static pg_uuid_t
digest_actor(const JsonbValue *actor)
{
	bool is_object = ls_json_is_object(actor);
	LsDigest digest;
	LsJsonWalk walk;
	LsText key;
	JsonbValue value;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	ls_digest_start(&digest);
	ls_digest_text(&digest, is_object ? LS_XAPI_NAME("actor") : LS_XAPI_NAME("other"));
	if (!is_object)
		ls_digest_json(&digest, actor, NULL);
	else
	{
		ls_json_walk(&walk, actor);
		while (ls_json_walk_next(&walk, &key, &value))
			take_property(&digest, key, &value);
	}
	return ls_digest_end(&digest);
}

/* Agents and groups, with their members in any order. */
static int
order_actor(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	pg_uuid_t one;
	pg_uuid_t other;

	if (a == NULL || b == NULL)
		return order_value(a, b, NULL);
	one = digest_actor(a);
	other = digest_actor(b);
	return memcmp(one.data, other.data, UUID_LEN);
}

static Order ignore;
static Order compare_object;
static Order compare_object_of_statement;
static Order compare_list;
static Order compare_activities;

static const Rule verb[] = {
	{LS_XAPI_KEY("display"), ignore},
	{{NULL}},
};
static const Rule activity[] = {
	{LS_XAPI_KEY("definition"), ignore},
	{LS_XAPI_KEY("objectType"), order_activity_type},
	{{NULL}},
};
static const Rule reference[] = {
	{LS_XAPI_KEY("id"), order_any_case},
	{{NULL}},
};
static const Rule result[] = {
	{LS_XAPI_KEY("duration"), order_duration},
	{{NULL}},
};
static const Rule context_activities[] = {
	{LS_XAPI_KEY("other"), compare_activities, activity},
	{LS_XAPI_KEY("parent"), compare_activities, activity},
	{LS_XAPI_KEY("category"), compare_activities, activity},
	{LS_XAPI_KEY("grouping"), compare_activities, activity},
	{{NULL}},
};
static const Rule context_actor[] = {
	{LS_XAPI_KEY("agent"), order_actor},
	{LS_XAPI_KEY("group"), order_actor},
	{{NULL}},
};
static const Rule context[] = {
	{LS_XAPI_KEY("team"), order_actor},
	{LS_XAPI_KEY("language"), order_any_case},
	{LS_XAPI_KEY("statement"), compare_object, reference},
	{LS_XAPI_KEY("instructor"), order_actor},
	{LS_XAPI_KEY("registration"), order_any_case},
	{LS_XAPI_KEY("contextAgents"), compare_list, context_actor},
	{LS_XAPI_KEY("contextGroups"), compare_list, context_actor},
	{LS_XAPI_KEY("contextActivities"), compare_object, context_activities},
	{{NULL}},
};
static const Rule attachment[] = {
	{LS_XAPI_KEY("sha2"), order_any_case},
	{{NULL}},
};
static const Rule sub_statement[] = {
	{LS_XAPI_KEY("verb"), compare_object, verb},
	{LS_XAPI_KEY("actor"), order_actor},
	{LS_XAPI_KEY("object"), compare_object_of_statement},
	{LS_XAPI_KEY("result"), compare_object, result},
	{LS_XAPI_KEY("context"), compare_object, context},
	{LS_XAPI_KEY("timestamp"), order_time},
	{LS_XAPI_KEY("attachments"), compare_list, attachment},
	{{NULL}},
};

/* An LRS sets stored, version and authority as it likes, id and timestamp where they are absent. */
static const Rule statement[] = {
	{LS_XAPI_KEY("id"), order_id},
	{LS_XAPI_KEY("verb"), compare_object, verb},
	{LS_XAPI_KEY("actor"), order_actor},
	{LS_XAPI_KEY("object"), compare_object_of_statement},
	{LS_XAPI_KEY("result"), compare_object, result},
	{LS_XAPI_KEY("stored"), ignore},
	{LS_XAPI_KEY("context"), compare_object, context},
	{LS_XAPI_KEY("version"), ignore},
	{LS_XAPI_KEY("authority"), ignore},
	{LS_XAPI_KEY("timestamp"), order_timestamp},
	{LS_XAPI_KEY("attachments"), compare_list, attachment},
	{{NULL}},
};

static bool
are_arrays(const JsonbValue *a, const JsonbValue *b)
{
	return a != NULL && b != NULL && ls_json_is_array(a) && ls_json_is_array(b);
}

static int
ignore(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	return 0;
}

/* The next entry of an object, as far as the walk goes. */
typedef struct Entry
{
	LsJsonWalk walk;
	LsText key;
	JsonbValue value;
	bool exists;
} Entry;

static void
next_entry(Entry *entry)
{
	entry->exists = ls_json_walk_next(&entry->walk, &entry->key, &entry->value);
}

/* Which of two entries comes first; 0 where both have the same key. */
static int
compare_entries(const Entry *a, const Entry *b)
{
	if (!a->exists || !b->exists)
		return b->exists - a->exists;
	return ls_text_compare_keys(a->key, b->key);
}

/* Walks two objects and the rules side by side, all in jsonb's key order. */
static int
compare_by_rules(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	Entry one;
	Entry other;
	int order = 0;

	check_stack_depth();
	ls_json_walk(&one.walk, a);
	ls_json_walk(&other.walk, b);
	next_entry(&one);
	next_entry(&other);
	while (order == 0 && (one.exists || other.exists))
	{
		int first = compare_entries(&one, &other);
		LsText key = first <= 0 ? one.key : other.key;
		Order *compare = order_value;

		CHECK_FOR_INTERRUPTS();
		while (rules->name.data != NULL && ls_text_compare_keys(rules->name, key) < 0)
			rules++;
		if (rules->name.data != NULL && ls_text_equal(rules->name, key))
			compare = rules->order;
		order = compare(first <= 0 ? &one.value : NULL, first >= 0 ? &other.value : NULL, rules->rules);
		if (first <= 0)
			next_entry(&one);
		if (first >= 0)
			next_entry(&other);
	}
	return order;
}

static int
compare_object(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	if (a == NULL || b == NULL || !ls_json_is_object(a) || !ls_json_is_object(b))
		return order_value(a, b, NULL);
	return compare_by_rules(a, b, rules);
}

/* Whether the object of a statement is of that type. */
static bool
is_of_type(const JsonbValue *object, LsText name)
{
	JsonbValue type;

	return object != NULL && ls_json_is_object(object) && ls_json_get(object, "objectType", &type) &&
		   type.type == jbvString && ls_text_equal(ls_text_of(&type), name);
}

static bool
is_actor(const JsonbValue *object)
{
	return is_of_type(object, LS_XAPI_NAME("Agent")) || is_of_type(object, LS_XAPI_NAME("Group"));
}

/* The rules for the object of a statement that is no actor; NULL where it is none. */
static const Rule *
rules_of_object(const JsonbValue *object)
{
	JsonbValue type;

	if (object == NULL || !ls_json_is_object(object))
		return NULL;
	if (!ls_json_get(object, "objectType", &type) || is_of_type(object, LS_XAPI_NAME("Activity")))
		return activity;
	if (is_of_type(object, LS_XAPI_NAME("StatementRef")))
		return reference;
	return is_of_type(object, LS_XAPI_NAME("SubStatement")) ? sub_statement : NULL;
}

static int
compare_object_of_statement(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	if (is_actor(a) && is_actor(b))
		return order_actor(a, b, NULL);
	rules = rules_of_object(a);
	if (rules == NULL || rules != rules_of_object(b))
		return order_value(a, b, NULL);
	return compare_by_rules(a, b, rules);
}

/* The elements of an array, or a single value as if it were in one. */
typedef struct Elements
{
	LsJsonWalk walk;
	const JsonbValue *single; /* NULL where it is an array */
	int count;
} Elements;

static void
list_elements(Elements *elements, const JsonbValue *value)
{
	elements->single = ls_json_is_array(value) ? NULL : value;
	elements->count = elements->single != NULL ? 1 : ls_json_count(value);
	if (elements->single == NULL)
		ls_json_walk(&elements->walk, value);
}

static void
next_element(Elements *elements, JsonbValue *value)
{
	if (elements->single != NULL)
		*value = *elements->single;
	else
		ls_json_walk_next(&elements->walk, NULL, value);
}

/* A single activity is a list of one. */
static int
compare_activities(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	Elements one;
	Elements other;
	int order;

	if (a == NULL || b == NULL)
		return order_value(a, b, NULL);
	list_elements(&one, a);
	list_elements(&other, b);
	order = one.count - other.count;
	for (int i = 0; order == 0 && i < one.count; i++)
	{
		JsonbValue va;
		JsonbValue vb;

		CHECK_FOR_INTERRUPTS();
		next_element(&one, &va);
		next_element(&other, &vb);
		order = compare_object(&va, &vb, rules);
	}
	return order;
}

static int
compare_list(const JsonbValue *a, const JsonbValue *b, const Rule *rules)
{
	return are_arrays(a, b) ? compare_activities(a, b, rules) : order_value(a, b, NULL);
}

/* Whether two statements that lie in jsonb are the same statement. */
bool
ls_xapi_equal(const JsonbValue *a, const JsonbValue *b)
{
	return compare_object(a, b, statement) == 0;
}

PG_FUNCTION_INFO_V1(learnsync_xapi_equal);

Datum
learnsync_xapi_equal(PG_FUNCTION_ARGS)
{
	JsonbValue a;
	JsonbValue b;

	ls_json_root(PG_GETARG_JSONB_P(0), &a);
	ls_json_root(PG_GETARG_JSONB_P(1), &b);
	PG_RETURN_BOOL(ls_xapi_equal(&a, &b));
}
