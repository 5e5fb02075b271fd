/*
 * xapi_equal.c
 *		Are two xAPI statements the same, by xAPI Data 2.3.1? What an LRS may set or change makes no difference.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "xapi/xapi.h"

static LsXapiOrder ignore;
static LsXapiOrder compare_object;
static LsXapiOrder compare_object_of_statement;
static LsXapiOrder compare_list;
static LsXapiOrder compare_activities;

static const LsXapiRule verb[] = {
	{LS_XAPI_KEY("display"), ignore},
	{{NULL}},
};
static const LsXapiRule activity[] = {
	{LS_XAPI_KEY("definition"), ignore},
	{LS_XAPI_KEY("objectType"), ls_xapi_order_activity_type},
	{{NULL}},
};
static const LsXapiRule reference[] = {
	{LS_XAPI_KEY("id"), ls_xapi_order_any_case},
	{{NULL}},
};
static const LsXapiRule result[] = {
	{LS_XAPI_KEY("duration"), ls_xapi_order_duration},
	{{NULL}},
};
static const LsXapiRule context_activities[] = {
	{LS_XAPI_KEY("other"), compare_activities, activity},
	{LS_XAPI_KEY("parent"), compare_activities, activity},
	{LS_XAPI_KEY("category"), compare_activities, activity},
	{LS_XAPI_KEY("grouping"), compare_activities, activity},
	{{NULL}},
};
static const LsXapiRule context_actor[] = {
	{LS_XAPI_KEY("agent"), ls_xapi_order_actor},
	{LS_XAPI_KEY("group"), ls_xapi_order_actor},
	{{NULL}},
};
static const LsXapiRule context[] = {
	{LS_XAPI_KEY("team"), ls_xapi_order_actor},
	{LS_XAPI_KEY("language"), ls_xapi_order_any_case},
	{LS_XAPI_KEY("statement"), compare_object, reference},
	{LS_XAPI_KEY("instructor"), ls_xapi_order_actor},
	{LS_XAPI_KEY("registration"), ls_xapi_order_any_case},
	{LS_XAPI_KEY("contextAgents"), compare_list, context_actor},
	{LS_XAPI_KEY("contextGroups"), compare_list, context_actor},
	{LS_XAPI_KEY("contextActivities"), compare_object, context_activities},
	{{NULL}},
};
static const LsXapiRule attachment[] = {
	{LS_XAPI_KEY("sha2"), ls_xapi_order_any_case},
	{{NULL}},
};
static const LsXapiRule sub_statement[] = {
	{LS_XAPI_KEY("verb"), compare_object, verb},
	{LS_XAPI_KEY("actor"), ls_xapi_order_actor},
	{LS_XAPI_KEY("object"), compare_object_of_statement},
	{LS_XAPI_KEY("result"), compare_object, result},
	{LS_XAPI_KEY("context"), compare_object, context},
	{LS_XAPI_KEY("timestamp"), ls_xapi_order_time},
	{LS_XAPI_KEY("attachments"), compare_list, attachment},
	{{NULL}},
};

/* An LRS sets stored, version and authority as it likes, id and timestamp where they are absent. */
static const LsXapiRule statement[] = {
	{LS_XAPI_KEY("id"), ls_xapi_order_id},
	{LS_XAPI_KEY("verb"), compare_object, verb},
	{LS_XAPI_KEY("actor"), ls_xapi_order_actor},
	{LS_XAPI_KEY("object"), compare_object_of_statement},
	{LS_XAPI_KEY("result"), compare_object, result},
	{LS_XAPI_KEY("stored"), ignore},
	{LS_XAPI_KEY("context"), compare_object, context},
	{LS_XAPI_KEY("version"), ignore},
	{LS_XAPI_KEY("authority"), ignore},
	{LS_XAPI_KEY("timestamp"), ls_xapi_order_timestamp},
	{LS_XAPI_KEY("attachments"), compare_list, attachment},
	{{NULL}},
};

static bool
are_arrays(const JsonbValue *a, const JsonbValue *b)
{
	return a != NULL && b != NULL && ls_json_is_array(a) && ls_json_is_array(b);
}

static int
ignore(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
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
compare_by_rules(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
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
		LsXapiOrder *compare = ls_xapi_order_value;

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
compare_object(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	if (a == NULL || b == NULL || !ls_json_is_object(a) || !ls_json_is_object(b))
		return ls_xapi_order_value(a, b, NULL);
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
static const LsXapiRule *
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
compare_object_of_statement(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	if (is_actor(a) && is_actor(b))
		return ls_xapi_order_actor(a, b, NULL);
	rules = rules_of_object(a);
	if (rules == NULL || rules != rules_of_object(b))
		return ls_xapi_order_value(a, b, NULL);
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
compare_activities(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	Elements one;
	Elements other;
	int order;

	if (a == NULL || b == NULL)
		return ls_xapi_order_value(a, b, NULL);
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
compare_list(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	return are_arrays(a, b) ? compare_activities(a, b, rules) : ls_xapi_order_value(a, b, NULL);
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
