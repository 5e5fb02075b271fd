/*
 * rule.c
 *		Reads a merge rule, says where it is wrong, and compiles it to an LsRule.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/numeric.h"
#include "utils/varlena.h"

#define MAX_DECIMALS 15 /* a double has no more */
#define LONGEST_DAYS 36500 /* until conflicts are closed without a person */

pg_noreturn static void refuse_rule(const char *path, const char *message, ...) pg_attribute_printf(2, 3);

/* Refuses the rule: the detail says where and what. */
static void
refuse_rule(const char *path, const char *message, ...)
{
	char *detail;
	va_list arguments;

	va_start(arguments, message);
	detail = ls_fail_message(message, arguments);
	va_end(arguments);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid merge rule"),
					errdetail("%s: %s.", path, detail)));
}

/* Refuses members that are not among the known ones, so that a misspelt option is not silently without effect. */
static void
check_known(const JsonbValue *json, const char *path, const char *const *known)
{
	JsonbIterator *walk = JsonbIteratorInit(json->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&walk, &value, true)) != WJB_DONE)
	{
		bool found = token != WJB_KEY;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; !found && known[i] != NULL; i++)
			found = ls_text_equal(ls_text(known[i]), ls_text_of(&value));
		if (!found)
			refuse_rule(path, "unknown option \"%s\"", ls_text_string(ls_text_of(&value)));
	}
}

static Numeric
read_number(const JsonbValue *json, const char *key, const char *path)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return NULL;
	if (value.type != jbvNumeric)
		refuse_rule(psprintf("%s.%s", path, key), "must be a number");
	return value.val.numeric;
}

static LsText
read_text(const JsonbValue *json, const char *key, const char *path)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return (LsText){NULL, 0};
	if (value.type != jbvString || value.val.string.len == 0)
		refuse_rule(psprintf("%s.%s", path, key), "must be a string");
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
		refuse_rule(path, "takes \"from\" or \"above\", not both");
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
		refuse_rule(psprintf("%s.steps", path), "must be a list of at least one step");
	field->nsteps = ls_json_count(&steps);
	field->steps = ls_memory_zeroed(field->nsteps, sizeof(LsStep));
	for (int i = 0; i < field->nsteps; i++)
	{
		JsonbValue *step = getIthJsonbValueFromContainer(steps.val.binary.data, i);
		char *where = psprintf("%s.steps[%d]", path, i);

		CHECK_FOR_INTERRUPTS();
		if (!ls_json_is_object(step) || !ls_json_get(step, "value", &field->steps[i].value))
			refuse_rule(where, "must be an object with \"value\"");
		check_known(step, where, known);
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
		refuse_rule(psprintf("%s.values", path), "must be the list of values from low to high");
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
			refuse_rule(psprintf("%s.id", path), "must be a field name or a list of them");
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
		refuse_rule(psprintf("%s.members", path), "must be \"first\" or \"latest\"");
	if (field->nids == 0)
		refuse_rule(psprintf("%s.members", path), "goes with \"id\"");
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
		refuse_rule(where, "must be an object with one field");
	walk = JsonbIteratorInit(when.val.binary.data);
	JsonbIteratorNext(&walk, &name, true);
	JsonbIteratorNext(&walk, &name, true);
	field->when = ls_text_of(&name);
	JsonbIteratorNext(&walk, &name, true);
	if (!ls_json_is_object(&name))
		refuse_rule(where, "must give a range, such as {\"from\": 100}");
	check_known(&name, where, known);
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
		refuse_rule(psprintf("%s.type", path), "does not go with strategy %s", field->strategy->name);
	}
	refuse_rule(psprintf("%s.type", path), "unknown type \"%s\"", ls_text_string(name));
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
			refuse_rule(path, "takes \"merge\" or \"derive\", not both");
		return;
	}
	field->strategy = ls_strategy_find(name.data == NULL ? ls_text("latest") : name);
	if (field->strategy == NULL)
		refuse_rule(psprintf("%s.merge", path), "unknown strategy \"%s\"", ls_text_string(name));
}

/* Refuses an option that means nothing to the field's strategy. */
static void
check_option(const LsRuleField *field, const JsonbValue *json, const char *path, const char *option, bool allowed)
{
	JsonbValue value;

	if (!allowed && ls_json_get(json, option, &value))
		refuse_rule(psprintf("%s.%s", path, option), "does not go with strategy %s", field->strategy->name);
}

/* A cap is a number that the field can have. */
static void
check_cap(const LsRuleField *field, const char *path)
{
	if (!ls_check_bounds(&field->bounds, field->cap))
		refuse_rule(path, "must be within \"min\" and \"max\"");
	if (field->type == LS_TYPE_INTEGER && ls_check_decimals(field->cap) > 0)
		refuse_rule(path, "must be an integer");
	if (field->rounds && ls_check_decimals(field->cap) > field->decimals)
		refuse_rule(path, "must have no more decimals than it is rounded to");
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
		refuse_rule(psprintf("%s.%s", path, field->rounds ? "round" : "cap"),
					"goes with fields of type number or integer that items set");
	if (field->rounds && (!ls_json_integer(&decimals, &count) || count < 0 || count > MAX_DECIMALS))
		refuse_rule(psprintf("%s.round", path), "must be an integer from 0 to %d", MAX_DECIMALS);
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
		refuse_rule("fields", "the name of a field must have at most %d characters", LS_MAX_ID_CHARS);
	if (ls_text_equal(field->name, ls_text(LS_PACKED_MEMBER)))
		refuse_rule(path, "is reserved");
	if (!ls_json_is_object(json))
		refuse_rule(path, "must be an object");
	check_known(json, path, known);
	read_strategy(field, json, path);
	read_type(field, json, path);
	field->bounds.min = read_number(json, "min", path);
	field->bounds.max = read_number(json, "max", path);
	if (ls_json_get(json, "maxLength", &option))
	{
		if (!ls_json_integer(&option, &length) || length < 1 || length > PG_INT32_MAX)
			refuse_rule(psprintf("%s.maxLength", path), "must be a positive integer");
		field->max_length = (int) length;
	}
	if (ls_json_get(json, "required", &option))
	{
		if (option.type != jbvBool)
			refuse_rule(psprintf("%s.required", path), "must be true or false");
		field->required = option.val.boolean;
	}
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
		refuse_rule(path, "the name of a list or counter must have 1 to %d bytes", LS_MAX_LIST_NAME_BYTES);
	if (field->strategy->ignores_value)
		read_when(field, json, path);
	pfree(path);
}

/* Which of a list of names an option has; the first where it is absent. */
static int
read_choice(const JsonbValue *json, const char *key, const char *const *names)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return 0;
	for (int i = 0; value.type == jbvString && names[i] != NULL; i++)
	{
		if (ls_text_equal(ls_text(names[i]), ls_text_of(&value)))
			return i;
	}
	refuse_rule(key, value.type == jbvString ? "unknown value \"%s\"" : "must be a string",
				value.type == jbvString ? ls_text_string(ls_text_of(&value)) : "");
}

static bool
read_flag(const JsonbValue *json, const char *key, bool absent)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return absent;
	if (value.type != jbvBool)
		refuse_rule(key, "must be true or false");
	return value.val.boolean;
}

static LsText
read_name(const JsonbValue *json, const char *key, const char *what)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return (LsText){NULL, 0};
	if (value.type != jbvString)
		refuse_rule(key, "must be %s", what);
	return ls_text_of(&value);
}

static void
read_keys(LsRule *rule, const JsonbValue *json)
{
	JsonbValue keys;

	if (!ls_json_get(json, "key", &keys))
		return;
	if (!ls_json_is_array(&keys) || ls_json_count(&keys) > LS_MAX_KEYS)
		refuse_rule("key", "must be a list of at most %d field names", LS_MAX_KEYS);
	rule->nkeys = ls_json_count(&keys);
	for (int i = 0; i < rule->nkeys; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(keys.val.binary.data, i);

		if (name->type != jbvString || name->val.string.len == 0)
			refuse_rule(psprintf("key[%d]", i), "must be a field name");
		rule->keys[i] = ls_text_of(name);
		if (ls_text_equal(rule->keys[i], ls_text(LS_PACKED_MEMBER)))
			refuse_rule(psprintf("key[%d]", i), "is reserved");
		for (int j = 0; j < i; j++)
		{
			if (ls_text_equal(rule->keys[i], rule->keys[j]))
				refuse_rule(psprintf("key[%d]", i), "repeats \"%s\"", ls_text_string(rule->keys[i]));
		}
	}
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

static void
read_fields(LsRule *rule, const JsonbValue *json)
{
	JsonbValue fields;
	bool given = ls_json_get(json, "fields", &fields);
	JsonbIterator *walk;
	JsonbIteratorToken token;
	JsonbValue value;

	if (given && !ls_json_is_object(&fields))
		refuse_rule("fields", "must be an object");
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

/* A key is a string unless its description says integer, and is never merged. */
static void
arm_key(LsRuleField *field)
{
	LsRuleField key = {.name = field->name, .type = LS_TYPE_STRING, .max_length = field->max_length};

	if (field->rounds || field->cap != NULL)
		refuse_rule(psprintf("fields.%s", ls_text_string(field->name)),
					"is a key, which takes no \"round\" or \"cap\"");
	if (field->type == LS_TYPE_INTEGER)
	{
		key.type = LS_TYPE_INTEGER;
		key.bounds = field->bounds;
	}
	*field = key;
}

/* Where documents are taken or left as a whole a field is validated, and never merged. */
static void
arm_whole(LsRuleField *field)
{
	LsRuleField whole = *field;

	whole.strategy = field->strategy->ignores_value ? ls_strategy_unread : ls_strategy_find(ls_text("latest"));
	whole.nids = 0;
	whole.ids = NULL;
	whole.members_latest = false;
	whole.when = (LsText){NULL, 0};
	whole.when_bounds = (LsBounds){NULL};
	*field = whole;
}

/* A field of which nothing is read has no values to validate. */
static void
disarm_unread(LsRuleField *field)
{
	field->type = LS_TYPE_ANY;
	field->bounds = (LsBounds){NULL};
	field->max_length = 0;
}

static bool
is_key(const LsRule *rule, LsText name)
{
	for (int i = 0; i < rule->nkeys; i++)
	{
		if (ls_text_equal(rule->keys[i], name))
			return true;
	}
	return false;
}

/*
 * Leaves in the fields what the policy makes use of, and nothing else: strategies and parts under policy merge only,
 * validation where values are read. Nothing that follows asks for the policy again.
 */
static void
arm_fields(LsRule *rule)
{
	bool by_field = rule->policy == LS_POLICY_MERGE;

	rule->rest.strategy = ls_strategy_find(ls_text("latest"));
	rule->rest.shape = by_field ? rule->rest.strategy->shape : LS_SHAPE_PLAIN;
	for (int i = 0; i < rule->nfields; i++)
	{
		LsRuleField *field = &rule->fields[i];

		CHECK_FOR_INTERRUPTS();
		if (is_key(rule, field->name))
			arm_key(field);
		else if (field->strategy == ls_strategy_derive)
			rule->has_derived = true;
		else if (by_field)
			field->shape = field->strategy->shape;
		else
			arm_whole(field);
		if (field->strategy != NULL && !ls_check_is_read(field))
			disarm_unread(field);
		rule->adjusts |= field->rounds || field->cap != NULL;
		rule->has_lists |= field->shape == LS_SHAPE_LIST;
		rule->has_rows |= ls_shape_has_rows(field->shape);
	}
}

/* The parts of a function's name, as the parser gives them; none where it is not spelt as a name. */
List *
ls_rule_function_name(LsText function)
{
	List *parts;
	List *name = NIL;
	ListCell *part;

	if (!SplitIdentifierString(ls_text_string(function), '.', &parts))
		return NIL;
	foreach (part, parts)
		name = lappend(name, makeString(pstrdup(lfirst(part))));
	return name;
}

static void
check_function(const LsRule *rule)
{
	if ((rule->policy == LS_POLICY_CUSTOM) != (rule->function.data != NULL))
		refuse_rule("function", "is needed by policy custom, and goes with no other");
	if (rule->function.data != NULL && list_length(ls_rule_function_name(rule->function)) != 2)
		refuse_rule("function", "must be the name of a function with its schema, such as \"app.merge_note\"");
}

static void
check_together(const LsRule *rule, const JsonbValue *json)
{
	JsonbValue value;

	if (rule->policy != LS_POLICY_MERGE && ls_json_get(json, "stale", &value))
		refuse_rule("stale", "goes with policy merge only");
	if (rule->policy != LS_POLICY_LATEST && rule->clock.data != NULL)
		refuse_rule("clock", "goes with policy latest only");
	if (rule->generate_key && rule->nkeys > 1)
		refuse_rule("generateKey", "goes with at most one key field");
	if (rule->require_content && rule->nkeys == 0)
		refuse_rule("requireContent", "goes with a key");
	check_function(rule);
}

/* The days in a number of units; 0 where there is no such unit. */
static int64
days_of(int64 number, LsText unit)
{
	static const struct
	{
		const char *name;
		int hours;
	} units[] = {{"hour", 1}, {"day", 24}, {"week", 168}, {"month", 720}, {"year", 8760}};

	for (int i = 0; i < lengthof(units); i++)
	{
		int length = (int) strlen(units[i].name);
		bool is_plural = unit.length == length + 1 && unit.data[length] == 's';

		if ((unit.length == length || is_plural) && memcmp(unit.data, units[i].name, length) == 0)
			return (number * units[i].hours + 23) / 24;
	}
	return 0;
}

/* Whether a text is a number of units that PostgreSQL reads as an interval under any setting. */
static bool
is_age(LsText text)
{
	int64 number = 0;
	int64 days;
	int i = 0;

	while (i < text.length && i < 6 && text.data[i] >= '0' && text.data[i] <= '9')
		number = number * 10 + (text.data[i++] - '0');
	if (i == 0 || i == text.length || text.data[i] != ' ')
		return false;
	days = days_of(number, (LsText){text.data + i + 1, text.length - i - 1});
	return days > 0 && days <= LONGEST_DAYS;
}

/*
 * Refuses what autoResolve cannot be. Of a person's resolutions only the one that leaves the document alone is left to
 * a rule: the others would write, into what has moved on for weeks, something that nobody has looked at.
 */
static void
check_auto(const JsonbValue *json)
{
	static const char *const known[] = {"after", "resolution", NULL};
	JsonbValue option;
	JsonbValue value;

	if (!ls_json_get(json, "autoResolve", &option))
		return;
	if (!ls_json_is_object(&option))
		refuse_rule("autoResolve",
					"must be an object such as {\"after\": \"30 days\", \"resolution\": \"use_server\"}");
	check_known(&option, "autoResolve", known);
	if (!ls_json_get(&option, "after", &value) || value.type != jbvString || !is_age(ls_text_of(&value)))
		refuse_rule(
			"autoResolve.after",
			"must be a positive number of hours, days, weeks, months or years, such as \"30 days\", of at most "
			"%d days",
			LONGEST_DAYS);
	if (!ls_json_get(&option, "resolution", &value) || value.type != jbvString ||
		!ls_text_equal(ls_text("use_server"), ls_text_of(&value)))
		refuse_rule("autoResolve.resolution",
					"must be \"use_server\": what else becomes of a document is for a person to decide");
}

/* Compiles a rule or refuses it; the result points into json and lives in the current context. */
LsRule *
ls_rule_compile(Jsonb *jsonb)
{
	static const char *const known[] = {"key",   "policy",   "stale",       "other",  "fields",         "delete",
										"clock", "function", "generateKey", "format", "requireContent", "autoResolve",
										NULL};
	static const char *const policies[] = {"merge",       "latest", "insert_only", "immutable", "server_wins",
										   "client_wins", "manual", "custom",      NULL};
	static const char *const stales[] = {"merge", "discard", "ignore", NULL};
	static const char *const others[] = {"latest", "ignore", "refuse", NULL};
	static const char *const formats[] = {"json", "xapi", NULL};
	LsRule *rule = palloc0(sizeof(LsRule));
	LsFailure failure = {NULL};
	JsonbValue json;

	ls_json_root(jsonb, &json);
	if (!ls_json_is_object(&json))
		refuse_rule("rule", "must be an object");
	check_known(&json, "rule", known);
	if (!ls_limit_check_numbers(&json, "", &failure))
		refuse_rule(failure.path, "%s", failure.message);
	rule->policy = (LsPolicy) read_choice(&json, "policy", policies);
	rule->stale = (LsStale) read_choice(&json, "stale", stales);
	rule->other = (LsOther) read_choice(&json, "other", others);
	rule->xapi = read_choice(&json, "format", formats) == 1;
	rule->generate_key = read_flag(&json, "generateKey", false);
	rule->require_content = read_flag(&json, "requireContent", false);
	rule->allow_delete = read_flag(&json, "delete", true) && rule->policy != LS_POLICY_INSERT_ONLY &&
						 rule->policy != LS_POLICY_IMMUTABLE;
	rule->clock = read_name(&json, "clock", "a field name");
	rule->function = read_name(&json, "function", "the name of a function");
	read_keys(rule, &json);
	read_fields(rule, &json);
	arm_fields(rule);
	check_together(rule, &json);
	check_auto(&json);
	return rule;
}
