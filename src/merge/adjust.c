/*
 * adjust.c
 *		Numbers as apps make them: rounded, and cut to what one item may say, before anything else looks at them.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static Numeric
round_number(Numeric number, int decimals)
{
	Datum rounded = DirectFunctionCall2(numeric_round, NumericGetDatum(number), Int32GetDatum(decimals));

	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, rounded));
}

/* What became of a number. */
typedef enum Adjusted
{
	AS_IT_WAS,
	ROUNDED,
	CAPPED
} Adjusted;

static Adjusted
adjust_value(const LsRuleField *field, bool caps, JsonbValue *value)
{
	LsBounds cap = {.max = field->cap};
	Adjusted done = AS_IT_WAS;

	if (value->type != jbvNumeric)
		return AS_IT_WAS;
	if (field->rounds && ls_check_decimals(value->val.numeric) > field->decimals)
	{
		value->val.numeric = round_number(value->val.numeric, field->decimals);
		done = ROUNDED;
	}
	if (!caps || ls_check_bounds(&cap, value->val.numeric))
		return done;
	value->val.numeric = field->cap;
	return CAPPED;
}

/* The same data with its numbers adjusted. */
static JsonbValue
adjusted_data(const LsRule *rule, bool caps, const JsonbValue *data)
{
	JsonbValue adjusted = ls_json_object();
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	ls_json_walk(&walk, data);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		CHECK_FOR_INTERRUPTS();
		(void) adjust_value(ls_rule_walk(rule, &place, name), caps, &value);
		ls_json_put_text(&adjusted, name, value);
	}
	ls_json_root(ls_json_encode(&adjusted), &value);
	return value;
}

/* Adjusts an item's numbers; change->capped names the fields of which a part does not count. */
static void
adjust(const LsRule *rule, bool caps, LsChange *change)
{
	bool differs = false;

	for (int i = 0; i < rule->nfields && rule->adjusts; i++)
	{
		const LsRuleField *field = &rule->fields[i];
		Adjusted done = AS_IT_WAS;
		JsonbValue value;

		CHECK_FOR_INTERRUPTS();
		if ((field->rounds || field->cap != NULL) && ls_json_get_text(&change->data, field->name, &value))
			done = adjust_value(field, caps, &value);
		differs |= done != AS_IT_WAS;
		if (done != CAPPED)
			continue;
		if (change->capped.type == jbvNull)
			change->capped = ls_json_array();
		ls_json_add(&change->capped, ls_json_text(field->name));
	}
	if (differs)
		change->data = adjusted_data(rule, caps, &change->data);
}

/* Adjusts the numbers of an item, whose data are an object. */
void
ls_adjust_item(const LsRule *rule, LsChange *change)
{
	adjust(rule, true, change);
}

/* The same of a whole document, as a person puts it together: what counts in one item says nothing of that. */
void
ls_adjust_document(const LsRule *rule, LsChange *change)
{
	adjust(rule, false, change);
}
