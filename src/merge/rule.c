/*
 * rule.c
 *		Reads a merge rule, says where it is wrong, and compiles it to an LsRule.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/varlena.h"

#define LONGEST_DAYS 36500 /* until conflicts are closed without a person */

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
	ls_option_refuse(key, value.type == jbvString ? "unknown value \"%s\"" : "must be a string",
					 value.type == jbvString ? ls_text_string(ls_text_of(&value)) : "");
}

static LsText
read_name(const JsonbValue *json, const char *key, const char *what)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return (LsText){NULL, 0};
	if (value.type != jbvString)
		ls_option_refuse(key, "must be %s", what);
	return ls_text_of(&value);
}

static void
read_keys(LsRule *rule, const JsonbValue *json)
{
	JsonbValue keys;

	if (!ls_json_get(json, "key", &keys))
		return;
	if (!ls_json_is_array(&keys) || ls_json_count(&keys) > LS_MAX_KEYS)
		ls_option_refuse("key", "must be a list of at most %d field names", LS_MAX_KEYS);
	rule->nkeys = ls_json_count(&keys);
	for (int i = 0; i < rule->nkeys; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(keys.val.binary.data, i);

		if (name->type != jbvString || name->val.string.len == 0)
			ls_option_refuse(psprintf("key[%d]", i), "must be a field name");
		rule->keys[i] = ls_text_of(name);
		if (ls_text_equal(rule->keys[i], ls_text(LS_PACKED_MEMBER)))
			ls_option_refuse(psprintf("key[%d]", i), "is reserved");
		for (int j = 0; j < i; j++)
		{
			if (ls_text_equal(rule->keys[i], rule->keys[j]))
				ls_option_refuse(psprintf("key[%d]", i), "repeats \"%s\"", ls_text_string(rule->keys[i]));
		}
	}
}

/* A key is a string unless its description says integer, and is never merged. */
static void
arm_key(LsRuleField *field)
{
	LsRuleField key = {.name = field->name, .type = LS_TYPE_STRING, .max_length = field->max_length};

	if (field->rounds || field->cap != NULL)
		ls_option_refuse(psprintf("fields.%s", ls_text_string(field->name)),
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
		ls_option_refuse("function", "is needed by policy custom, and goes with no other");
	if (rule->function.data != NULL && list_length(ls_rule_function_name(rule->function)) != 2)
		ls_option_refuse("function", "must be the name of a function with its schema, such as \"app.merge_note\"");
}

static void
check_together(const LsRule *rule, const JsonbValue *json)
{
	JsonbValue value;

	if (rule->policy != LS_POLICY_MERGE && ls_json_get(json, "stale", &value))
		ls_option_refuse("stale", "goes with policy merge only");
	if (rule->policy != LS_POLICY_LATEST && rule->clock.data != NULL)
		ls_option_refuse("clock", "goes with policy latest only");
	if (rule->generate_key && rule->nkeys > 1)
		ls_option_refuse("generateKey", "goes with at most one key field");
	if (rule->require_content && rule->nkeys == 0)
		ls_option_refuse("requireContent", "goes with a key");
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
		ls_option_refuse("autoResolve",
						 "must be an object such as {\"after\": \"30 days\", \"resolution\": \"use_server\"}");
	ls_option_check_known(&option, "autoResolve", known);
	if (!ls_json_get(&option, "after", &value) || value.type != jbvString || !is_age(ls_text_of(&value)))
		ls_option_refuse(
			"autoResolve.after",
			"must be a positive number of hours, days, weeks, months or years, such as \"30 days\", of at most "
			"%d days",
			LONGEST_DAYS);
	if (!ls_json_get(&option, "resolution", &value) || value.type != jbvString ||
		!ls_text_equal(ls_text("use_server"), ls_text_of(&value)))
		ls_option_refuse("autoResolve.resolution",
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
		ls_option_refuse("rule", "must be an object");
	ls_option_check_known(&json, "rule", known);
	if (!ls_limit_check_numbers(&json, "", &failure))
		ls_option_refuse(failure.path, "%s", failure.message);
	rule->policy = (LsPolicy) read_choice(&json, "policy", policies);
	rule->stale = (LsStale) read_choice(&json, "stale", stales);
	rule->other = (LsOther) read_choice(&json, "other", others);
	rule->xapi = read_choice(&json, "format", formats) == 1;
	rule->generate_key = ls_option_flag(&json, "generateKey", NULL, false);
	rule->require_content = ls_option_flag(&json, "requireContent", NULL, false);
	rule->allow_delete = ls_option_flag(&json, "delete", NULL, true) && rule->policy != LS_POLICY_INSERT_ONLY &&
						 rule->policy != LS_POLICY_IMMUTABLE;
	rule->clock = read_name(&json, "clock", "a field name");
	rule->function = read_name(&json, "function", "the name of a function");
	read_keys(rule, &json);
	ls_rule_read_fields(rule, &json);
	arm_fields(rule);
	check_together(rule, &json);
	check_auto(&json);
	return rule;
}
