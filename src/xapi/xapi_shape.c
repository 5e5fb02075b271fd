/*
 * xapi_shape.c
 *		Walks an object of a statement along the table of its properties, and tests values of the simple kinds.
 *
 * Tables and objects are both in jsonb's key order, so a walk costs one step per property and looks nothing up.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "xapi/xapi.h"

/* Reports what does not hold; answers whether it does. */
bool
ls_xapi_expect(LsXapiCheck *check, const LsXapiPlace *place, bool holds, const char *requirement, const char *wanted)
{
	if (!holds)
		ls_xapi_report(check, place, requirement, "must be %s", wanted);
	return holds;
}

static char *
list_names(const char *const *names)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; names[i] != NULL; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ", names[i]);
	return text.data;
}

/* Finds a string in a list of names, or reports it. */
static bool
choose(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const char *requirement,
	   const char *const *names, int *choice)
{
	LsText text;

	if (!ls_xapi_expect(check, place, value->type != jbvNull, "XAPI-00001", "something other than null") ||
		!ls_xapi_expect(check, place, value->type == jbvString, requirement, "a string"))
		return false;
	text = ls_text_of(value);
	for (int i = 0; names[i] != NULL; i++)
	{
		if (ls_text_equal(text, ls_text(names[i])))
		{
			*choice = i;
			return true;
		}
		if (ls_xapi_compare_any_case(text, ls_text(names[i])) == 0)
			requirement = "XAPI-00009";
	}
	return ls_xapi_expect(check, place, false, requirement, list_names(names));
}

/* Which of the names an object's objectType is, the first where it has none. */
bool
ls_xapi_type(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *object, const char *requirement,
			 const char *const *names, int *choice)
{
	LsXapiPlace here = {place, LS_XAPI_NAME("objectType"), 0};
	JsonbValue type;

	*choice = 0;
	if (!ls_json_get(object, "objectType", &type))
		return true;
	return ls_xapi_expect(check, &here, type.type == jbvString || type.type == jbvNull, "XAPI-00032", "a string") &&
		   choose(check, &here, &type, requirement, names, choice);
}

static void
test_value(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	check_stack_depth();
	if (ls_xapi_expect(check, place, value->type != jbvNull, "XAPI-00001", "something other than null"))
		property->test(check, place, value, property);
}

static void
report_unknown(LsXapiCheck *check, const LsXapiPlace *place, const LsXapiShape *shape)
{
	for (const LsXapiProperty *known = shape->properties; known->name.data != NULL; known++)
	{
		if (ls_xapi_compare_any_case(known->name, place->key) == 0 && !ls_text_equal(known->name, place->key))
		{
			ls_xapi_report(check, place, "XAPI-00008", "must be spelt %s", known->name.data);
			return;
		}
	}
	ls_xapi_report(check, place, shape->unknown != NULL ? shape->unknown : "XAPI-00010", "is no property of %s",
				   shape->name);
}

static void
report_missing(LsXapiCheck *check, const LsXapiPlace *place, const LsXapiProperty *property)
{
	LsXapiPlace here = {place, property->name, 0};

	if (property->required != NULL)
		ls_xapi_report(check, &here, property->required, "is missing");
}

/* Tests all properties of an object; answers the marks of those that it has. */
uint32
ls_xapi_walk(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *object, const LsXapiShape *shape)
{
	const LsXapiProperty *next = shape->properties;
	LsXapiPlace here = {.up = place};
	LsJsonWalk walk;
	JsonbValue value;
	uint32 marks = 0;

	ls_json_walk(&walk, object);
	while (!check->done && ls_json_walk_next(&walk, &here.key, &value))
	{
		int order = 1;

		while (next->name.data != NULL && (order = ls_text_compare_keys(next->name, here.key)) < 0)
			report_missing(check, place, next++);
		if (next->name.data == NULL || order > 0 || (next->since_2 && !check->version_2))
			report_unknown(check, &here, shape);
		else
		{
			marks |= next->mark;
			test_value(check, &here, &value, next++);
		}
	}
	while (next->name.data != NULL)
		report_missing(check, place, next++);
	return marks;
}

/* A property that was tested before its object was walked. */
void
ls_xapi_known(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
}

/* Properties of another kind of object; the argument is the name of this one. */
void
ls_xapi_forbidden(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
				  const LsXapiProperty *property)
{
	ls_xapi_report(check, place, property->requirement, "is not allowed in %s", (const char *) property->argument);
}

/* Any string. */
void
ls_xapi_text(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	ls_xapi_expect(check, place, value->type == jbvString, property->requirement, "a string");
}

/* A string of the format that the argument is. */
void
ls_xapi_string(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	const LsXapiFormat *format = property->argument;

	if (!ls_xapi_expect(check, place, value->type == jbvString, property->requirement, "a string"))
		return;
	ls_xapi_expect(check, place, format->holds(ls_text_of(value)),
				   format->requirement != NULL ? format->requirement : property->requirement, format->wanted);
}

/* One of the strings in the list of names that the argument is. */
void
ls_xapi_constant(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
				 const LsXapiProperty *property)
{
	int choice;

	choose(check, place, value, property->requirement, property->argument, &choice);
}

/* An object of the shape that the argument is. */
void
ls_xapi_object(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	if (ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		ls_xapi_walk(check, place, value, property->argument);
}

/* A list as the argument describes. */
void
ls_xapi_array(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	const LsXapiList *list = property->argument;
	LsXapiPlace here = {.up = place};
	LsJsonWalk walk;
	JsonbValue element;

	if (!ls_xapi_expect(check, place, ls_json_is_array(value), property->requirement, "an array"))
		return;
	if (list->filled != NULL && ls_json_count(value) == 0)
		ls_xapi_report(check, place, list->filled, "must not be empty");
	ls_json_walk(&walk, value);
	for (; !check->done && ls_json_walk_next(&walk, NULL, &element); here.index++)
		test_value(check, &here, &element, &list->element);
}

void
ls_xapi_language_map(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
					 const LsXapiProperty *property)
{
	LsXapiPlace here = {.up = place};
	LsXapiProperty text = {.test = ls_xapi_text, .requirement = property->requirement};
	LsJsonWalk walk;
	JsonbValue string;

	if (!ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		return;
	ls_json_walk(&walk, value);
	while (!check->done && ls_json_walk_next(&walk, &here.key, &string))
	{
		if (!ls_xapi_language.holds(here.key))
			ls_xapi_report(check, &here, "XAPI-00121", "must have %s as its key", ls_xapi_language.wanted);
		test_value(check, &here, &string, &text);
	}
}

/* Keys are IRIs; values are anybody's, null and depth included, so nothing looks at them. */
void
ls_xapi_extensions(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
				   const LsXapiProperty *property)
{
	LsXapiPlace here = {.up = place};
	LsJsonWalk walk;
	JsonbValue anything;

	if (!ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		return;
	ls_json_walk(&walk, value);
	while (!check->done && ls_json_walk_next(&walk, &here.key, &anything))
	{
		if (!ls_xapi_formats[LS_XAPI_IRI].holds(here.key))
			ls_xapi_report(check, &here, "XAPI-00118", "must have %s as its key",
						   ls_xapi_formats[LS_XAPI_IRI].wanted);
	}
}
