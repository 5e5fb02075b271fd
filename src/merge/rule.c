/*
 * rule.c
 *		The type merge_rule: JSON in, checked; JSON out; and its compiled form, an LsRule.
 *
 * A stored value is the jsonb itself, so old values stay readable whatever the compiled form becomes.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

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
	ls_rule_refuse(key, value.type == jbvString ? "unknown value \"%s\"" : "must be a string",
				   value.type == jbvString ? ls_text_string(ls_text_of(&value)) : "");
}

static bool
read_flag(const JsonbValue *json, const char *key, bool absent)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return absent;
	if (value.type != jbvBool)
		ls_rule_refuse(key, "must be true or false");
	return value.val.boolean;
}

static LsText
read_name(const JsonbValue *json, const char *key, const char *what)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return (LsText){NULL, 0};
	if (value.type != jbvString)
		ls_rule_refuse(key, "must be %s", what);
	return ls_text_of(&value);
}

static void
read_keys(LsRule *rule, const JsonbValue *json)
{
	JsonbValue keys;

	if (!ls_json_get(json, "key", &keys))
		return;
	if (!ls_json_is_array(&keys) || ls_json_count(&keys) > LS_MAX_KEYS)
		ls_rule_refuse("key", "must be a list of at most %d field names", LS_MAX_KEYS);
	rule->nkeys = ls_json_count(&keys);
	for (int i = 0; i < rule->nkeys; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(keys.val.binary.data, i);

		if (name->type != jbvString || name->val.string.len == 0)
			ls_rule_refuse(psprintf("key[%d]", i), "must be a field name");
		rule->keys[i] = ls_text_of(name);
		if (ls_text_equal(rule->keys[i], ls_text(LS_PACKED_MEMBER)))
			ls_rule_refuse(psprintf("key[%d]", i), "is reserved");
		for (int j = 0; j < i; j++)
		{
			if (ls_text_equal(rule->keys[i], rule->keys[j]))
				ls_rule_refuse(psprintf("key[%d]", i), "repeats \"%s\"", ls_text_string(rule->keys[i]));
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
		ls_rule_refuse("fields", "must be an object");
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
				ls_rule_read_field(&rule->fields[rule->nfields++], &value);
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
		ls_rule_refuse(psprintf("fields.%s", ls_text_string(field->name)),
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

	whole.strategy = field->strategy->ignores_value ? ls_strategy_unread : ls_strategy_latest;
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

	rule->rest.strategy = ls_strategy_latest;
	rule->rest.shape = by_field ? ls_strategy_latest->shape : LS_SHAPE_PLAIN;
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
		ls_rule_refuse("function", "is needed by policy custom, and goes with no other");
	if (rule->function.data != NULL && list_length(ls_rule_function_name(rule->function)) != 2)
		ls_rule_refuse("function", "must be the name of a function with its schema, such as \"app.merge_note\"");
}

static void
check_together(const LsRule *rule, const JsonbValue *json)
{
	JsonbValue value;

	if (rule->policy != LS_POLICY_MERGE && ls_json_get(json, "stale", &value))
		ls_rule_refuse("stale", "goes with policy merge only");
	if (rule->policy != LS_POLICY_LATEST && rule->clock.data != NULL)
		ls_rule_refuse("clock", "goes with policy latest only");
	if (rule->generate_key && rule->nkeys > 1)
		ls_rule_refuse("generateKey", "goes with at most one key field");
	if (rule->require_content && rule->nkeys == 0)
		ls_rule_refuse("requireContent", "goes with a key");
	check_function(rule);
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
	JsonbValue json;

	ls_json_root(jsonb, &json);
	if (!ls_json_is_object(&json))
		ls_rule_refuse("rule", "must be an object");
	ls_rule_options(&json, "rule", known);
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
	ls_rule_check_auto(&json);
	return rule;
}

PG_FUNCTION_INFO_V1(learnsync_merge_rule_in);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_out);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_recv);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_send);
PG_FUNCTION_INFO_V1(learnsync_merge_rule_from_jsonb);

Datum
learnsync_merge_rule_in(PG_FUNCTION_ARGS)
{
	Datum json = DirectFunctionCall1(jsonb_in, PG_GETARG_DATUM(0));

	ls_rule_compile(DatumGetJsonbP(json));
	PG_RETURN_DATUM(json);
}

Datum
learnsync_merge_rule_out(PG_FUNCTION_ARGS)
{
	Jsonb *json = PG_GETARG_JSONB_P(0);

	PG_RETURN_CSTRING(JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

/* The binary form is jsonb's. */
Datum
learnsync_merge_rule_recv(PG_FUNCTION_ARGS)
{
	Datum json = DirectFunctionCall1(jsonb_recv, PG_GETARG_DATUM(0));

	ls_rule_compile(DatumGetJsonbP(json));
	PG_RETURN_DATUM(json);
}

Datum
learnsync_merge_rule_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_send, PG_GETARG_DATUM(0)));
}

Datum
learnsync_merge_rule_from_jsonb(PG_FUNCTION_ARGS)
{
	ls_rule_compile(PG_GETARG_JSONB_P(0));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
