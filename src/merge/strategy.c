/*
 * strategy.c
 *		How one field is merged: which of two values stays. A function per strategy, and the table that names them.
 */
#include "postgres.h"

#include "funcapi.h"
#include "merge/merge.h"
#include "miscadmin.h"
#include "utils/builtins.h"

static bool
is_later(const LsRuleField *rule, const LsValue *stored, const LsValue *incoming)
{
	return incoming->at > stored->at ||
		   (incoming->at == stored->at && ls_json_compare(&incoming->json, &stored->json) > 0);
}

static bool
is_earlier(const LsRuleField *rule, const LsValue *stored, const LsValue *incoming)
{
	return incoming->at < stored->at ||
		   (incoming->at == stored->at && ls_json_compare(&incoming->json, &stored->json) < 0);
}

/* Members of a list that do not change keep the content that they had first. */
static bool
is_better_member(const LsRuleField *rule, const LsValue *stored, const LsValue *incoming)
{
	return (rule->members_latest ? is_later : is_earlier)(rule, stored, incoming);
}

/* Booleans too: true is greater than false. */
static bool
is_greater(const LsRuleField *rule, const LsValue *stored, const LsValue *incoming)
{
	return ls_json_compare(&incoming->json, &stored->json) > 0;
}

/* Times as well: they are kept as they are shown, and that form orders by bytes. */
static bool
is_less(const LsRuleField *rule, const LsValue *stored, const LsValue *incoming)
{
	return ls_json_compare(&incoming->json, &stored->json) < 0;
}

static int
rank_of(const LsRuleField *rule, const JsonbValue *value)
{
	for (int i = 0; i < rule->nvalues; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_json_compare(&rule->values[i], value) == 0)
			return i;
	}
	return -1;
}

static bool
is_further_up(const LsRuleField *rule, const LsValue *stored, const LsValue *incoming)
{
	return rank_of(rule, &incoming->json) > rank_of(rule, &stored->json);
}

static const LsStrategy strategies[] = {
	{"latest", is_later, LS_SHAPE_STAMPED, LS_TYPE_ANY, .takes_null = true, .on_top = LS_TOP_REPLACES},
	{"first", is_earlier, LS_SHAPE_STAMPED, LS_TYPE_ANY, .on_top = LS_TOP_STAYS},
	{"max", is_greater, LS_SHAPE_PLAIN, LS_TYPE_ORDERED},
	{"min", is_less, LS_SHAPE_PLAIN, LS_TYPE_ORDERED},
	{"sum", NULL, LS_SHAPE_PLAIN, LS_TYPE_NUMBER, .adds = true, .on_top = LS_TOP_ADDS},
	{"counter", is_greater, LS_SHAPE_TOTALS, LS_TYPE_NUMBER, .on_top = LS_TOP_ADDS},
	{"rank", is_further_up, LS_SHAPE_PLAIN, LS_TYPE_ANY, .has_values = true},
	{"any", is_greater, LS_SHAPE_PLAIN, LS_TYPE_BOOLEAN},
	{"all", is_less, LS_SHAPE_PLAIN, LS_TYPE_BOOLEAN},
	{"union", is_better_member, LS_SHAPE_LIST, LS_TYPE_ARRAY},
	{"map_latest", is_later, LS_SHAPE_MAP, LS_TYPE_OBJECT, .on_top = LS_TOP_REPLACES},
	{"first_time", is_less, LS_SHAPE_PLAIN, LS_TYPE_ANY, .ignores_value = true, .on_top = LS_TOP_STAYS},
	{"last_time", is_greater, LS_SHAPE_PLAIN, LS_TYPE_ANY, .ignores_value = true, .on_top = LS_TOP_REPLACES},
	{"derive", NULL, LS_SHAPE_PLAIN, LS_TYPE_ANY},
};

const LsStrategy *ls_strategy_derive = &strategies[lengthof(strategies) - 1];

/* What the server would compute under policy merge has no value where documents are taken as a whole. */
static const LsStrategy unread = {"none", NULL, LS_SHAPE_PLAIN, LS_TYPE_ANY, .ignores_value = true};
const LsStrategy *ls_strategy_unread = &unread;

/* The strategy of that name, NULL where there is none; derive has an option of its own. */
const LsStrategy *
ls_strategy_find(LsText name)
{
	for (int i = 0; i < lengthof(strategies); i++)
	{
		if (&strategies[i] != ls_strategy_derive && ls_text_equal(ls_text(strategies[i].name), name))
			return &strategies[i];
	}
	return NULL;
}

PG_FUNCTION_INFO_V1(learnsync_merge_strategies);

/* learnsync.merge_strategies(): what each strategy promises, for the documentation and for the tests of the laws. */
Datum
learnsync_merge_strategies(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(strategies); i++)
	{
		const LsStrategy *strategy = &strategies[i];
		Datum values[5];
		bool nulls[5] = {false};

		if (strategy == ls_strategy_derive)
			continue;
		values[0] = CStringGetTextDatum(strategy->name);
		values[1] = CStringGetTextDatum(strategy->ignores_value ? "none" : ls_check_type_name(strategy->type));
		values[2] = BoolGetDatum(true);
		values[3] = BoolGetDatum(true);
		values[4] = BoolGetDatum(!strategy->adds);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
