/*
 * rule_field.c
 *		The fields of a merge rule: reads what it says of each, and finds them by name.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "utils/numeric.h"

#define MAX_DECIMALS 15 /* a double has no more */

static Numeric
read_number(const JsonbValue *json, const char *key, const char *path)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return NULL;
	if (value.type != jbvNumeric)
		ls_option_refuse(psprintf("%s.%s", path, key), "must be a number");
	return value.val.numeric;
}

static LsText
read_text(const JsonbValue *json, const char *key, const char *path)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return (LsText){NULL, 0};
	if (value.type != jbvString || value.val.string.len == 0)
		ls_option_refuse(psprintf("%s.%s", path, key), "must be a string");
	return ls_text_of(&value);
}

/* The bounds of a step or a condition: "from" and "to" belong to the range, "above" does not. */
static LsBounds
read_condition(const JsonbValue *json, const char *path)
{
	LsBounds bounds = {NULL};
	Numeric above = read_number(json, "above", path);

	bounds.min = read_number(json, "from", path);
	bounds.max = read_number(json, "to", path);
	if (above != NULL && bounds.min != NULL)
		ls_option_refuse(path, "takes \"from\" or \"above\", not both");
	if (above != NULL)
	{
		bounds.min = above;
		bounds.min_excluded = true;
	}
	return bounds;
}

static void
read_steps(LsRuleField *field, const JsonbValue *json, const char *path)
{
	static const char *const known[] = {"value", "from", "above", "to", NULL};
	JsonbValue steps;

	if (!ls_json_get(json, "steps", &steps) || !ls_json_is_array(&steps) || ls_json_count(&steps) == 0)
		ls_option_refuse(psprintf("%s.steps", path), "must be a list of at least one step");
	field->nsteps = ls_json_count(&steps);
	field->steps = ls_memory_zeroed(field->nsteps, sizeof(LsStep));
	for (int i = 0; i < field->nsteps; i++)
	{
		JsonbValue *step = getIthJsonbValueFromContainer(steps.val.binary.data, i);
		char *where = psprintf("%s.steps[%d]", path, i);

		CHECK_FOR_INTERRUPTS();
		if (!ls_json_is_object(step) || !ls_json_get(step, "value", &field->steps[i].value))
			ls_option_refuse(where, "must be an object with \"value\"");
		ls_option_check_known(step, where, known);
		field->steps[i].bounds = read_condition(step, where);
		pfree(where);
		pfree(step);
	}
}

static void
read_values(LsRuleField *field, const JsonbValue *json, const char *path)
{
	JsonbValue values;
	LsJsonWalk walk;

	if (!ls_json_get(json, "values", &values) || !ls_json_is_array(&values) || ls_json_count(&values) == 0)
		ls_option_refuse(psprintf("%s.values", path), "must be the list of values from low to high");
	field->nvalues = ls_json_count(&values);
	field->values = palloc(sizeof(JsonbValue) * field->nvalues);
	ls_json_walk(&walk, &values);
	for (int i = 0; i < field->nvalues; i++)
		ls_json_walk_next(&walk, NULL, &field->values[i]);
}

static void
read_ids(LsRuleField *field, const JsonbValue *json, const char *path)
{
	JsonbValue id;

	if (!ls_json_get(json, "id", &id))
		return;
	field->nids = ls_json_is_array(&id) ? ls_json_count(&id) : 1;
	field->ids = palloc(sizeof(LsText) * Max(field->nids, 1));
	for (int i = 0; i < field->nids; i++)
	{
		JsonbValue *name = ls_json_is_array(&id) ? getIthJsonbValueFromContainer(id.val.binary.data, i) : &id;

		if (name->type != jbvString)
			ls_option_refuse(psprintf("%s.id", path), "must be a field name or a list of them");
		field->ids[i] = ls_text_of(name);
	}
}

/* Whether members of a list change; only what has an id of its own can be the same with other content. */
static void
read_members(LsRuleField *field, const JsonbValue *json, const char *path)
{
	LsText which = read_text(json, "members", path);

	if (which.data == NULL || ls_text_equal(which, ls_text("first")))
		return;
	if (!ls_text_equal(which, ls_text("latest")))
		ls_option_refuse(psprintf("%s.members", path), "must be \"first\" or \"latest\"");
	if (field->nids == 0)
		ls_option_refuse(psprintf("%s.members", path), "goes with \"id\"");
	field->members_latest = true;
}

/* The condition of first_time and last_time: one field of the item and the range it must be in. */
static void
read_when(LsRuleField *field, const JsonbValue *json, const char *path)
{
	static const char *const known[] = {"from", "above", "to", NULL};
	char *where = psprintf("%s.when", path);
	JsonbValue when;
	JsonbIterator *walk;
	JsonbValue name;

	if (!ls_json_get(json, "when", &when))
		return;
	if (!ls_json_is_object(&when) || ls_json_count(&when) != 1)
		ls_option_refuse(where, "must be an object with one field");
	walk = JsonbIteratorInit(when.val.binary.data);
	JsonbIteratorNext(&walk, &name, true);
	JsonbIteratorNext(&walk, &name, true);
	field->when = ls_text_of(&name);
	JsonbIteratorNext(&walk, &name, true);
	if (!ls_json_is_object(&name) || ls_json_count(&name) == 0)
		ls_option_refuse(where, "must give a range, such as {\"from\": 100}");
	ls_option_check_known(&name, where, known);
	field->when_bounds = read_condition(&name, where);
}

static void
read_type(LsRuleField *field, const JsonbValue *json, const char *path)
{
	LsText name = read_text(json, "type", path);
	LsValueType wanted = field->strategy->type;

	field->type = wanted;
	if (name.data == NULL)
		return;
	for (int i = 0; i < LS_TYPE_ORDERED; i++)
	{
		if (!ls_text_equal(ls_text(ls_check_type_name((LsValueType) i)), name))
			continue;
		field->type = (LsValueType) i;
		if (wanted == LS_TYPE_ANY || wanted == field->type ||
			(wanted == LS_TYPE_NUMBER && field->type == LS_TYPE_INTEGER) ||
			(wanted == LS_TYPE_ORDERED && field->type >= LS_TYPE_STRING && field->type <= LS_TYPE_INTEGER))
			return;
		ls_option_refuse(psprintf("%s.type", path), "does not go with strategy %s", field->strategy->name);
	}
	ls_option_refuse(psprintf("%s.type", path), "unknown type \"%s\"", ls_text_string(name));
}

static void
read_strategy(LsRuleField *field, const JsonbValue *json, const char *path)
{
	LsText name = read_text(json, "merge", path);

	field->source = read_text(json, "derive", path);
	if (field->source.data != NULL)
	{
		field->strategy = ls_strategy_derive;
		if (name.data != NULL)
			ls_option_refuse(path, "takes \"merge\" or \"derive\", not both");
		return;
	}
	field->strategy = ls_strategy_find(name.data == NULL ? ls_text("latest") : name);
	if (field->strategy == NULL)
		ls_option_refuse(psprintf("%s.merge", path), "unknown strategy \"%s\"", ls_text_string(name));
}

/* Refuses an option that means nothing to the field's strategy. */
static void
check_option(const LsRuleField *field, const JsonbValue *json, const char *path, const char *option, bool allowed)
{
	JsonbValue value;

	if (!allowed && ls_json_get(json, option, &value))
		ls_option_refuse(psprintf("%s.%s", path, option), "does not go with strategy %s", field->strategy->name);
}

/* A cap is a number that the field can have. */
static void
check_cap(const LsRuleField *field, const char *path)
{
	if (!ls_check_bounds(&field->bounds, field->cap))
		ls_option_refuse(path, "must be within \"min\" and \"max\"");
	if (field->type == LS_TYPE_INTEGER && ls_check_decimals(field->cap) > 0)
		ls_option_refuse(path, "must be an integer");
	if (field->rounds && ls_check_decimals(field->cap) > field->decimals)
		ls_option_refuse(path, "must have no more decimals than it is rounded to");
}

/* To how many decimals numbers are rounded, and what is the most that one item can say. */
static void
read_adjustments(LsRuleField *field, const JsonbValue *json, const char *path)
{
	bool are_numbers = field->type == LS_TYPE_NUMBER || field->type == LS_TYPE_INTEGER;
	JsonbValue decimals;
	int64 count;

	field->rounds = ls_json_get(json, "round", &decimals);
	field->cap = read_number(json, "cap", path);
	if ((field->rounds || field->cap != NULL) && (!are_numbers || !ls_check_is_read(field)))
		ls_option_refuse(psprintf("%s.%s", path, field->rounds ? "round" : "cap"),
						 "goes with fields of type number or integer that items set");
	if (field->rounds && (!ls_json_integer(&decimals, &count) || count < 0 || count > MAX_DECIMALS))
		ls_option_refuse(psprintf("%s.round", path), "must be an integer from 0 to %d", MAX_DECIMALS);
	field->decimals = field->rounds ? (int) count : 0;
	if (field->cap != NULL)
		check_cap(field, psprintf("%s.cap", path));
}

/* Fills in the field, whose name is set, from its JSON description. */
static void
read_field(LsRuleField *field, const JsonbValue *json)
{
	static const char *const known[] = {"merge",    "type",   "min",   "max",    "maxLength",
										"required", "round",  "cap",   "values", "id",
										"members",  "derive", "steps", "when",   NULL};
	char *path = psprintf("fields.%s", ls_text_string(field->name));
	JsonbValue option;
	int64 length;

	if (ls_text_chars(field->name) > LS_MAX_ID_CHARS)
		ls_option_refuse("fields", "the name of a field must have at most %d characters", LS_MAX_ID_CHARS);
	if (ls_text_equal(field->name, ls_text(LS_PACKED_MEMBER)))
		ls_option_refuse(path, "is reserved");
	if (!ls_json_is_object(json))
		ls_option_refuse(path, "must be an object");
	ls_option_check_known(json, path, known);
	read_strategy(field, json, path);
	read_type(field, json, path);
	field->bounds.min = read_number(json, "min", path);
	field->bounds.max = read_number(json, "max", path);
	if (ls_json_get(json, "maxLength", &option))
	{
		if (!ls_json_integer(&option, &length) || length < 1 || length > PG_INT32_MAX)
			ls_option_refuse(psprintf("%s.maxLength", path), "must be a positive integer");
		field->max_length = (int) length;
	}
	field->required = ls_option_flag(json, "required", path, false);
	read_adjustments(field, json, path);
	check_option(field, json, path, "steps", field->strategy == ls_strategy_derive);
	check_option(field, json, path, "values", field->strategy->has_values);
	check_option(field, json, path, "id", field->strategy->shape == LS_SHAPE_LIST);
	check_option(field, json, path, "members", field->strategy->shape == LS_SHAPE_LIST);
	check_option(field, json, path, "when", field->strategy->ignores_value);
	if (field->strategy == ls_strategy_derive)
		read_steps(field, json, path);
	if (field->strategy->has_values)
		read_values(field, json, path);
	if (field->strategy->shape == LS_SHAPE_LIST)
	{
		read_ids(field, json, path);
		read_members(field, json, path);
	}
	if (ls_shape_has_rows(field->strategy->shape) &&
		(field->name.length == 0 || field->name.length > LS_MAX_LIST_NAME_BYTES))
		ls_option_refuse(path, "the name of a list or counter must have 1 to %d bytes", LS_MAX_LIST_NAME_BYTES);
	if (field->strategy->ignores_value)
		read_when(field, json, path);
	pfree(path);
}

static int
compare_fields(const void *a, const void *b)
{
	return ls_text_compare_keys(((const LsRuleField *) a)->name, ((const LsRuleField *) b)->name);
}

/* The field of that name, NULL where the rule does not mention it. */
const LsRuleField *
ls_rule_field(const LsRule *rule, LsText name)
{
	LsRuleField wanted = {.name = name};

	if (rule->nfields == 0)
		return NULL;
	return bsearch(&wanted, rule->fields, rule->nfields, sizeof(LsRuleField), compare_fields);
}

/*
 * What holds for a field that stands at or after place in the rule, which moves on: for a document's names in key
 * order, one after the other.
 */
const LsRuleField *
ls_rule_walk(const LsRule *rule, int *place, LsText name)
{
	int order = 1;

	Assert(*place == 0 || ls_text_compare_keys(rule->fields[*place - 1].name, name) < 0); /* names come in order */
	while (*place < rule->nfields && (order = ls_text_compare_keys(rule->fields[*place].name, name)) < 0)
		(*place)++;
	return order == 0 ? &rule->fields[*place] : &rule->rest;
}

/* Reads the fields of a rule, whose keys are known and among them. */
void
ls_rule_read_fields(LsRule *rule, const JsonbValue *json)
{
	JsonbValue fields;
	bool given = ls_json_get(json, "fields", &fields);
	JsonbIterator *walk;
	JsonbIteratorToken token;
	JsonbValue value;

	if (given && !ls_json_is_object(&fields))
		ls_option_refuse("fields", "must be an object");
	rule->fields = palloc(sizeof(LsRuleField) * (rule->nkeys + (given ? ls_json_count(&fields) : 0)));
	if (given)
	{
		walk = JsonbIteratorInit(fields.val.binary.data);
		while ((token = JsonbIteratorNext(&walk, &value, true)) != WJB_DONE)
		{
			CHECK_FOR_INTERRUPTS();
			if (token == WJB_KEY)
				rule->fields[rule->nfields] = (LsRuleField){.name = ls_text_of(&value)};
			else if (token == WJB_VALUE)
				read_field(&rule->fields[rule->nfields++], &value);
		}
	}
	for (int i = 0; i < rule->nkeys; i++)
	{
		if (ls_rule_field(rule, rule->keys[i]) != NULL)
			continue;
		rule->fields[rule->nfields++] = (LsRuleField){.name = rule->keys[i]};
		ls_sort(rule->fields, rule->nfields, sizeof(LsRuleField), compare_fields);
	}
}
