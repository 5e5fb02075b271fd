/*
 * strategy.c
 *		How one field takes in one more item: a function per strategy, and the table that names them.
 *
 * A fold may be called in any order of items; where the table says a strategy is order-free, the outcome is the same.
 */
#include "postgres.h"

#include "learnsync.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static LsFolded
set_value(LsField *field, const JsonbValue *value, TimestampTz at)
{
	field->value = *value;
	field->at = at;
	return LS_FOLD_CHANGED;
}

static LsFolded
fold_latest(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	if (!present || change->at > field->at || (change->at == field->at && ls_json_compare(value, &field->value) > 0))
		return set_value(field, value, change->at);
	return LS_FOLD_KEPT;
}

static LsFolded
fold_first(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	if (!present || change->at < field->at || (change->at == field->at && ls_json_compare(value, &field->value) < 0))
		return set_value(field, value, change->at);
	return LS_FOLD_KEPT;
}

static LsFolded
fold_max(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	if (!present || ls_json_compare(value, &field->value) > 0)
		return set_value(field, value, change->at);
	return LS_FOLD_KEPT;
}

static LsFolded
fold_min(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	if (!present || ls_json_compare(value, &field->value) < 0)
		return set_value(field, value, change->at);
	return LS_FOLD_KEPT;
}

/* Whether a number lies within 64 bits, or within twice that for what is added to such a one. */
static bool
in_sum_range(Numeric number, int times)
{
	Datum limit = DirectFunctionCall2(numeric_mul, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)),
									  NumericGetDatum(int64_to_numeric(times)));
	LsBounds bounds = {DatumGetNumeric(DirectFunctionCall1(numeric_uminus, limit)), DatumGetNumeric(limit), false};

	return ls_check_bounds(&bounds, number);
}

/* What is added is bounded before, so that the addition itself cannot fail. */
static LsFolded
fold_sum(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	JsonbValue sum = *value;

	if (!in_sum_range(value->val.numeric, 2))
		return LS_FOLD_OVERFLOW;
	if (present && field->value.type == jbvNumeric)
		sum.val.numeric = DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(field->value.val.numeric),
															  NumericGetDatum(value->val.numeric)));
	if (!in_sum_range(sum.val.numeric, 1))
		return LS_FOLD_OVERFLOW;
	if (present && ls_json_compare(&sum, &field->value) == 0)
		return LS_FOLD_KEPT;
	return set_value(field, &sum, change->at);
}

static int
rank_of(const LsRuleField *rule, const JsonbValue *value)
{
	for (int i = 0; i < rule->nvalues; i++)
	{
		if (ls_json_compare(&rule->values[i], value) == 0)
			return i;
	}
	return -1;
}

static LsFolded
fold_rank(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	if (!present || rank_of(rule, value) > rank_of(rule, &field->value))
		return set_value(field, value, change->at);
	return LS_FOLD_KEPT;
}

/* Whether the item meets the condition under which its instant counts. */
static bool
meets_condition(const LsRuleField *rule, const LsChange *change)
{
	JsonbValue value;

	if (rule->when.data == NULL)
		return true;
	return ls_json_get_text(&change->data, rule->when, &value) && value.type == jbvNumeric &&
		   ls_check_bounds(&rule->when_bounds, value.val.numeric);
}

/* Times are kept as they are shown; that form orders by bytes, so no parsing is needed to compare. */
static LsFolded
fold_time(LsField *field, bool present, const LsRuleField *rule, const LsChange *change, int wanted)
{
	JsonbValue shown;
	int order;

	if (!meets_condition(rule, change))
		return LS_FOLD_KEPT;
	shown = ls_json_stamp(change->at);
	order = present ? ls_json_compare(&shown, &field->value) : wanted;
	if (order * wanted <= 0)
		return LS_FOLD_KEPT;
	return set_value(field, &shown, change->at);
}

static LsFolded
fold_first_time(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value,
				const LsChange *change)
{
	return fold_time(field, present, rule, change, -1);
}

static LsFolded
fold_last_time(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	return fold_time(field, present, rule, change, 1);
}

/* Takes one member in, for which there is room; of two contents under one id the earlier stays, then the smaller. */
static LsFolded
fold_member(LsField *field, LsText id, const JsonbValue *value, TimestampTz at)
{
	bool found;
	int place = ls_state_find_member(field, id, &found);
	LsMember *member;

	if (!found)
	{
		memmove(&field->members[place + 1], &field->members[place], sizeof(LsMember) * (field->nmembers - place));
		field->members[place] = (LsMember){id, at, *value};
		field->nmembers++;
		return LS_FOLD_CHANGED;
	}
	member = &field->members[place];
	if (at > member->at || (at == member->at && ls_json_compare(value, &member->value) >= 0))
		return LS_FOLD_KEPT;
	*member = (LsMember){id, at, *value};
	return LS_FOLD_CHANGED;
}

/* The members are copied first, with room for the new: a later failure of the item must leave the stored ones alone. */
static LsFolded
fold_union(LsField *field, bool present, const LsRuleField *rule, const JsonbValue *value, const LsChange *change)
{
	LsFolded folded = present ? LS_FOLD_KEPT : LS_FOLD_CHANGED;
	int incoming = ls_json_count(value);
	LsMember *members = palloc_extended(sizeof(LsMember) * (field->nmembers + incoming + 1), MCXT_ALLOC_HUGE);

	if (field->nmembers > 0)
		memcpy(members, field->members, sizeof(LsMember) * field->nmembers);
	field->members = members;
	for (int i = 0; i < incoming; i++)
	{
		JsonbValue *member = getIthJsonbValueFromContainer(value->val.binary.data, i);

		if (fold_member(field, ls_state_member_id(rule, member), member, change->at) == LS_FOLD_CHANGED)
			folded = LS_FOLD_CHANGED;
	}
	return folded;
}

static const LsStrategy strategies[] = {
	{.name = "latest", .fold = fold_latest, .needs_value = true, .takes_null = true, .stamps = true},
	{.name = "first", .fold = fold_first, .needs_value = true, .stamps = true},
	{.name = "max", .fold = fold_max, .type = LS_TYPE_ORDERED, .needs_value = true},
	{.name = "min", .fold = fold_min, .type = LS_TYPE_ORDERED, .needs_value = true},
	{.name = "sum", .fold = fold_sum, .type = LS_TYPE_NUMBER, .needs_value = true},
	{.name = "rank", .fold = fold_rank, .needs_value = true, .has_values = true},
	{.name = "union", .fold = fold_union, .type = LS_TYPE_ARRAY, .needs_value = true, .has_members = true},
	{.name = "first_time", .fold = fold_first_time},
	{.name = "last_time", .fold = fold_last_time},
	{.name = "derive", .needs_value = true},
};

const LsStrategy *ls_strategy_latest = &strategies[0];
const LsStrategy *ls_strategy_derive = &strategies[lengthof(strategies) - 1];

/* The strategy of that name, NULL where there is none; derive has an option of its own. */
const LsStrategy *
ls_strategy_find(LsText name)
{
	for (int i = 0; i < lengthof(strategies); i++)
	{
		if (strategies[i].fold != NULL && ls_text_equal(ls_text(strategies[i].name), name))
			return &strategies[i];
	}
	return NULL;
}
