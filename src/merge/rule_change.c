/*
 * rule_change.c
 *		May a type that has data get this rule? It may where everything that is stored, and every item that was good, still is.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

/* The description of a field in a rule's JSON; false where the rule does not mention it. */
static bool
find_description(const JsonbValue *rule, LsText name, JsonbValue *description)
{
	JsonbValue fields;

	return ls_json_get(rule, "fields", &fields) && ls_json_get_text(&fields, name, description);
}

/* Whether both have the option with the same value, or neither has it. */
static bool
same_option(const JsonbValue *a, const JsonbValue *b, const char *option)
{
	JsonbValue value_a;
	JsonbValue value_b;
	bool has_a = ls_json_get(a, option, &value_a);
	bool has_b = ls_json_get(b, option, &value_b);

	return has_a == has_b && (!has_a || ls_json_compare(&value_a, &value_b) == 0);
}

static bool
type_includes(LsValueType type, LsValueType other)
{
	switch (type)
	{
		case LS_TYPE_ANY:
			return true;
		case LS_TYPE_NUMBER:
			return other == LS_TYPE_NUMBER || other == LS_TYPE_INTEGER;
		case LS_TYPE_ORDERED:
			return other == LS_TYPE_ORDERED || (other >= LS_TYPE_STRING && other <= LS_TYPE_INTEGER);
		default:
			return type == other;
	}
}

static bool
bounds_include(const LsBounds *bounds, const LsBounds *other)
{
	if (bounds->min != NULL && (other->min == NULL || !ls_check_bounds(bounds, other->min)))
		return false;
	return bounds->max == NULL || (other->max != NULL && ls_check_bounds(bounds, other->max));
}

/* Whether the values of a rank are still there and in the same order, whatever was put between them. */
static bool
values_include(const LsRuleField *field, const LsRuleField *other)
{
	int found = 0;

	for (int i = 0; i < field->nvalues && found < other->nvalues; i++)
		found += ls_json_compare(&field->values[i], &other->values[found]) == 0;
	return found == other->nvalues;
}

static bool
is_rounded(Numeric number, int decimals)
{
	return number == NULL || ls_check_decimals(number) <= decimals;
}

/*
 * Whether every number that the other field made good, this one makes good too: rounding may become coarser as long as
 * bounds are multiples of it, and what was capped must not be out of range.
 */
static bool
adjusts_include(const LsRuleField *field, const LsRuleField *other)
{
	if (other->rounds && (!field->rounds || field->decimals > other->decimals))
		return false;
	if (other->cap != NULL && field->cap == NULL && field->bounds.max != NULL)
		return false;
	return !field->rounds || (other->rounds && field->decimals == other->decimals) ||
		   (is_rounded(field->bounds.min, field->decimals) && is_rounded(field->bounds.max, field->decimals));
}

/* Whether every value that the other field took is good in this one. */
static bool
field_includes(const LsRuleField *field, const LsRuleField *other)
{
	return type_includes(field->type, other->type) && bounds_include(&field->bounds, &other->bounds) &&
		   (field->max_length == 0 || (other->max_length != 0 && field->max_length >= other->max_length)) &&
		   (!field->required || other->required) && values_include(field, other) && adjusts_include(field, other);
}

/* What about a field that both rules mention stands against the change; NULL where nothing does. */
static const char *
compare_field(const LsRuleField *old, const LsRuleField *changed, const JsonbValue *old_rule,
			  const JsonbValue *new_rule)
{
	static const char *const meaning[] = {"derive", "steps", "id", "members", "when"};
	JsonbValue old_json;
	JsonbValue new_json;

	if (changed == NULL)
		return "must stay";
	if (old->strategy != changed->strategy)
		return "must keep its strategy";
	if (!field_includes(changed, old))
		return "must not be validated more strictly";
	if (!find_description(old_rule, old->name, &old_json) || !find_description(new_rule, old->name, &new_json))
		return NULL; /* a key field, which needs no description */
	for (int i = 0; i < lengthof(meaning); i++)
	{
		if (!same_option(&old_json, &new_json, meaning[i]))
			return psprintf("must keep its option \"%s\"", meaning[i]);
	}
	return NULL;
}

/* What stands against the change, with its path; NULL where nothing does. */
const char *
ls_rule_change_refused(Jsonb *old_json, Jsonb *new_json)
{
	static const char *const meaning[] = {"key", "policy", "stale", "clock", "function", "generateKey", "format"};
	const LsRule *old = ls_rule_compile(old_json);
	const LsRule *changed = ls_rule_compile(new_json);
	JsonbValue old_rule;
	JsonbValue new_rule;

	ls_json_root(old_json, &old_rule);
	ls_json_root(new_json, &new_rule);
	for (int i = 0; i < lengthof(meaning); i++)
	{
		if (!same_option(&old_rule, &new_rule, meaning[i]))
			return psprintf("%s: must not change", meaning[i]);
	}
	if (old->other != changed->other && old->other != LS_OTHER_REFUSE)
		return "other: must not change";
	if (old->allow_delete && !changed->allow_delete)
		return "delete: must not become false";
	if (!old->require_content && changed->require_content)
		return "requireContent: must not become true";
	for (int i = 0; i < old->nfields; i++)
	{
		const LsRuleField *field = &old->fields[i];
		const char *problem = compare_field(field, ls_rule_field(changed, field->name), &old_rule, &new_rule);

		CHECK_FOR_INTERRUPTS();
		if (problem != NULL)
			return psprintf("fields.%s: %s", ls_text_string(field->name), problem);
	}
	for (int i = 0; i < changed->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (changed->fields[i].required && ls_rule_field(old, changed->fields[i].name) == NULL)
			return psprintf("fields.%s: must not be required", ls_text_string(changed->fields[i].name));
	}
	return NULL;
}
