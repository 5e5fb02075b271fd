/*
 * check.c
 *		Is this document one that its rule allows? Bad ones are described, never raised.
 */
#include "postgres.h"

#include <math.h>

#include "merge/merge.h"
#include "miscadmin.h"
#include "xapi/xapi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

bool
ls_check_bounds(const LsBounds *bounds, Numeric number)
{
	if (bounds->min != NULL && ls_number_compare(number, bounds->min) < (bounds->min_excluded ? 1 : 0))
		return false;
	return bounds->max == NULL || ls_number_compare(number, bounds->max) <= 0;
}

static char *
number_text(Numeric number)
{
	return number == NULL ? NULL : numeric_normalize(number);
}

static const char *
data_path(LsText name)
{
	return psprintf("data.%.*s", name.length, name.data);
}

/* How many decimals a number needs; 2.50 needs one. */
int
ls_check_decimals(Numeric number)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_min_scale, NumericGetDatum(number)));
}

/* Whether a number has no fraction; 2.0 has none. */
static bool
is_whole(Numeric number)
{
	Datum whole = DirectFunctionCall2(numeric_trunc, NumericGetDatum(number), Int32GetDatum(0));

	return ls_number_compare(DatumGetNumeric(whole), number) == 0;
}

/* A type as rules name it; of what only strategies ask for, in words. */
const char *
ls_check_type_name(LsValueType type)
{
	/* In the order of LsValueType. */
	static const char *const names[] = {"any",     "string", "number", "integer",
										"boolean", "object", "array",  "number or string"};

	return names[type];
}

/* What a value fails to be, NULL where it is of the type. */
static const char *
wrong_type(LsValueType type, const JsonbValue *value)
{
	switch (type)
	{
		case LS_TYPE_ANY:
			return NULL;
		case LS_TYPE_STRING:
			return value->type == jbvString ? NULL : "a string";
		case LS_TYPE_NUMBER:
			return value->type == jbvNumeric ? NULL : "a number";
		case LS_TYPE_INTEGER:
			return value->type == jbvNumeric && is_whole(value->val.numeric) ? NULL : "an integer";
		case LS_TYPE_BOOLEAN:
			return value->type == jbvBool ? NULL : "true or false";
		case LS_TYPE_OBJECT:
			return ls_json_is_object(value) ? NULL : "an object";
		case LS_TYPE_ARRAY:
			return ls_json_is_array(value) ? NULL : "an array";
		case LS_TYPE_ORDERED:
			return value->type == jbvNumeric || value->type == jbvString ? NULL : "a number or a string";
	}
	return NULL;
}

static bool
check_range(const LsRuleField *field, const JsonbValue *value, LsFailure *failure)
{
	char *min;
	char *max;

	if (value->type != jbvNumeric || ls_check_bounds(&field->bounds, value->val.numeric))
		return true;
	min = number_text(field->bounds.min);
	max = number_text(field->bounds.max);
	if (max == NULL)
		return ls_fail(failure, "out_of_range", data_path(field->name), "%s must be at least %s",
					   ls_text_string(field->name), min);
	if (min == NULL)
		return ls_fail(failure, "out_of_range", data_path(field->name), "%s must be at most %s",
					   ls_text_string(field->name), max);
	return ls_fail(failure, "out_of_range", data_path(field->name), "%s must be between %s and %s",
				   ls_text_string(field->name), min, max);
}

static bool
is_listed(const LsRuleField *field, const JsonbValue *value)
{
	for (int i = 0; i < field->nvalues; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_json_compare(&field->values[i], value) == 0)
			return true;
	}
	return false;
}

/* Type, range, length and, for a rank, membership of one value that is not null. */
static bool
check_value(const LsRuleField *field, const JsonbValue *value, LsFailure *failure)
{
	const char *wanted = wrong_type(field->type, value);

	if (wanted != NULL)
		return ls_fail(failure, "invalid", data_path(field->name), "%s must be %s", ls_text_string(field->name),
					   wanted);
	if (field->max_length > 0 && value->type == jbvString && ls_text_chars(ls_text_of(value)) > field->max_length)
		return ls_fail(failure, "invalid", data_path(field->name), "%s must have at most %d characters",
					   ls_text_string(field->name), field->max_length);
	if (field->nvalues > 0 && !is_listed(field, value))
		return ls_fail(failure, "invalid", data_path(field->name), "%s is not one of the listed values",
					   ls_text_string(field->name));
	return check_range(field, value, failure);
}

/* A key field's value as text: a string, or a number where it is spelt as one. */
static bool
check_key(const LsRuleField *field, const JsonbValue *value, LsText *key, LsFailure *failure)
{
	JsonbValue text = *value;

	if (value->type == jbvNumeric)
		text = ls_json_string(numeric_normalize(value->val.numeric));
	if (!check_value(field, field->type == LS_TYPE_INTEGER ? value : &text, failure))
		return false;
	*key = ls_text_of(&text);
	if (!ls_text_is_id(*key))
		return ls_fail(failure, "invalid", data_path(field->name), "%s must have 1 to %d characters",
					   ls_text_string(field->name), LS_MAX_ID_CHARS);
	return true;
}

/* The integer that a text spells; 2.0 and 2e0 are one as well. */
static bool
read_integer(const char *text, int64 *integer)
{
	char *end;
	double number;

	errno = 0;
	*integer = strtoll(text, &end, 10);
	if (errno == 0 && *end == '\0' && end != text)
		return true;
	if (text[strspn(text, "0123456789+-.eE")] != '\0')
		return false;
	errno = 0;
	number = strtod(text, &end);
	if (errno != 0 || *end != '\0' || end == text || fabs(number) >= LS_MAX_CURSOR)
		return false;
	*integer = (int64) number;
	return (double) *integer == number;
}

/* A key that stands in a resourceId is JSON text; an integer key is judged as the number it spells. */
static bool
key_of_id(const LsRuleField *field, LsText *key, LsFailure *failure)
{
	JsonbValue value = ls_json_text(*key);
	int64 number;

	if (field->type == LS_TYPE_INTEGER)
	{
		if (!read_integer(ls_text_string(*key), &number))
			return ls_fail(failure, "invalid", "resourceId", "%s must be an integer", ls_text_string(field->name));
		value = ls_json_int(number);
	}
	return check_key(field, &value, key, failure);
}

/* The resource's id: the text of a single key, the compact JSON array of several. */
LsText
ls_check_resource_id(const LsRule *rule, const LsChange *change)
{
	StringInfoData text;

	if (rule->nkeys == 1)
		return change->keys[0];
	initStringInfo(&text);
	for (int i = 0; i < rule->nkeys; i++)
	{
		appendStringInfoChar(&text, i == 0 ? '[' : ',');
		if (change->key_is_number[i])
			appendBinaryStringInfo(&text, change->keys[i].data, change->keys[i].length);
		else
			escape_json(&text, ls_text_string(change->keys[i]));
	}
	appendStringInfoChar(&text, ']');
	return (LsText){text.data, text.len};
}

static bool
keys_from_id(const LsRule *rule, LsText resource_id, LsChange *change, LsFailure *failure)
{
	if (rule->nkeys == 1)
		change->keys[0] = resource_id;
	else if (!ls_json_scan_keys(resource_id, rule->nkeys, change->keys))
		return ls_fail(failure, "invalid", "resourceId", "resourceId must be a JSON array of the %d keys",
					   rule->nkeys);
	for (int i = 0; i < rule->nkeys; i++)
	{
		if (!key_of_id(ls_rule_field(rule, rule->keys[i]), &change->keys[i], failure))
			return false;
	}
	return true;
}

/* The key fields that data has, null counting as absent; answers how many. */
static int
find_keys(const LsRule *rule, const JsonbValue *data, JsonbValue *values)
{
	int found = 0;

	for (int i = 0; i < rule->nkeys; i++)
	{
		if (!ls_json_is_object(data) || !ls_json_get_text(data, rule->keys[i], &values[i]))
			values[i] = ls_json_null();
		found += values[i].type != jbvNull;
	}
	return found;
}

/* Checks the keys that were found; whether others may be missing is the caller's word. */
static bool
take_keys(const LsRule *rule, const JsonbValue *values, bool may_miss, LsChange *change, LsFailure *failure)
{
	for (int i = 0; i < rule->nkeys; i++)
	{
		const LsRuleField *field = ls_rule_field(rule, rule->keys[i]);

		change->keys[i] = (LsText){NULL, 0};
		change->key_is_number[i] = field->type == LS_TYPE_INTEGER;
		if (values[i].type == jbvNull && !may_miss)
			return ls_fail(failure, "invalid", data_path(field->name), "%s is missing", ls_text_string(field->name));
		if (values[i].type != jbvNull && !check_key(field, &values[i], &change->keys[i], failure))
			return false;
	}
	return true;
}

/* Whether a resourceId names the keys that were found, however it is spelt: UUIDs of statements in upper case too. */
static bool
names_keys(const LsRule *rule, const LsChange *change, LsText resource_id)
{
	LsText id = ls_check_resource_id(rule, change);
	LsChange named = *change;
	LsFailure ignored;

	if (rule->xapi)
		return id.length == resource_id.length && pg_strncasecmp(id.data, resource_id.data, id.length) == 0;
	return ls_text_equal(id, resource_id) || (keys_from_id(rule, resource_id, &named, &ignored) &&
											  ls_text_equal(id, ls_check_resource_id(rule, &named)));
}

/*
 * Finds the key fields' values in data, else in resource_id; leaves the one to be generated empty, and any that is missing
 * where keys may miss.
 */
bool
ls_check_keys(const LsRule *rule, const JsonbValue *data, LsText resource_id, bool may_miss, LsChange *change,
			  LsFailure *failure)
{
	JsonbValue values[LS_MAX_KEYS];
	int found = find_keys(rule, data, values);
	bool from_id = found == 0 && resource_id.data != NULL && rule->nkeys > 0;

	if (!take_keys(rule, values, from_id || may_miss || rule->generate_key, change, failure))
		return false;
	if (from_id)
		return keys_from_id(rule, resource_id, change, failure);
	if (found > 0 && resource_id.data != NULL && !names_keys(rule, change, resource_id))
		return ls_fail(failure, "invalid", "resourceId", "resourceId differs from the key in data");
	return true;
}

/* Whether a value is of that type. */
bool
ls_check_is(LsValueType type, const JsonbValue *value)
{
	return wrong_type(type, value) == NULL;
}

/* Whether a value is a time as documents show times. */
bool
ls_check_is_time(const JsonbValue *value)
{
	TimestampTz at;

	return value->type == jbvString && ls_stamp_parse(ls_text_of(value), &at);
}

/* Whether the rule reads this field from an item at all. */
bool
ls_check_is_read(const LsRuleField *field)
{
	return field->strategy != NULL && !field->strategy->ignores_value && field->strategy != ls_strategy_derive;
}

static bool
check_member(const LsRule *rule, LsText name, const JsonbValue *value, LsFailure *failure)
{
	const LsRuleField *field = ls_rule_field(rule, name);

	if (ls_text_equal(name, ls_text(LS_PACKED_MEMBER)))
		return ls_fail(failure, "invalid", data_path(name), "%s is reserved", LS_PACKED_MEMBER);
	if (field == NULL && rule->other == LS_OTHER_REFUSE)
		return ls_fail(failure, "invalid", data_path(name), "unknown field %s", ls_text_string(name));
	if (field == NULL || !ls_check_is_read(field) || value->type == jbvNull)
		return true;
	return check_value(field, value, failure);
}

/* Whether every field of the document is as the rule wants it, in key order, then whether all required are there. */
bool
ls_check_document(const LsRule *rule, const JsonbValue *data, LsFailure *failure)
{
	LsJsonWalk walk;
	JsonbValue value;
	LsText name;

	if (rule->xapi && !ls_xapi_check(data, failure))
		return false;
	ls_json_walk(&walk, data);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (!check_member(rule, name, &value, failure))
			return false;
	}
	for (int i = 0; i < rule->nfields; i++)
	{
		const LsRuleField *field = &rule->fields[i];

		CHECK_FOR_INTERRUPTS();
		if (field->required && (!ls_json_get_text(data, field->name, &value) || value.type == jbvNull))
			return ls_fail(failure, "invalid", data_path(field->name), "%s is missing", ls_text_string(field->name));
	}
	return true;
}
