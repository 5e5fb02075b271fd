/*
 * policy.c
 *		Which of two whole documents stands, by the policy of their type.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "xapi/xapi.h"
#include "miscadmin.h"

/* Steps over the time of storing, which the server sets and which no comparison sees. */
static int
skip_stored(const LsRule *rule, const LsState *state, int i)
{
	if (rule->xapi && i < state->nfields && ls_text_equal(state->fields[i].name, ls_text("stored")))
		return i + 1;
	return i;
}

static int
compare_names(LsText a, LsText b)
{
	JsonbValue name_a = ls_json_text(a);
	JsonbValue name_b = ls_json_text(b);

	return ls_json_compare(&name_a, &name_b);
}

/* Orders two documents as jsonb does: by the number of fields, then field by field. */
static int
compare_documents(const LsRule *rule, const LsState *a, const LsState *b)
{
	int order = a->nfields - b->nfields;
	int i = skip_stored(rule, a, 0);
	int j = skip_stored(rule, b, 0);

	while (order == 0 && i < a->nfields && j < b->nfields)
	{
		CHECK_FOR_INTERRUPTS();
		order = compare_names(a->fields[i].name, b->fields[j].name);
		if (order == 0)
			order = ls_json_compare(&a->fields[i].value.json, &b->fields[j].value.json);
		i = skip_stored(rule, a, i + 1);
		j = skip_stored(rule, b, j + 1);
	}
	return order;
}

/* Whether two states are one xAPI statement. */
static bool
is_same_statement(const LsState *a, const LsState *b)
{
	JsonbValue statement;
	JsonbValue other;

	ls_json_root(ls_state_document(a), &statement);
	ls_json_root(ls_state_document(b), &other);
	return ls_xapi_equal(&statement, &other);
}

/* Compares what two documents say: > 0 the first is greater. */
static int
compare_contents(const LsRule *rule, const LsState *a, const LsState *b)
{
	return rule->xapi && is_same_statement(a, b) ? 0 : compare_documents(rule, a, b);
}

/* Puts another document in the place of the stored one; what was deleted, and how far time has come, stays. */
static void
replace(LsState *state, const LsState *document)
{
	LsState old = *state;

	*state = *document;
	state->deleted_at = old.deleted_at;
	state->at = Max(old.at, document->at);
	state->overlay = old.overlay;
	state->gathers = old.gathers;
	state->limited = old.limited;
	state->measured = false;
}

/* The clock of a document; null, which comes before every number, where it has none. */
static JsonbValue
clock_of(const LsRule *rule, const LsState *state)
{
	const LsField *field = ls_state_field(state, rule->clock);

	return field != NULL && ls_check_is(LS_TYPE_INTEGER, &field->value.json) ? field->value.json : ls_json_null();
}

/* Which of two documents has the later clock: > 0 the first, 0 neither. */
static int
compare_clocks(const LsRule *rule, const LsState *a, const LsState *b)
{
	if (rule->clock.data != NULL)
	{
		JsonbValue ca = clock_of(rule, a);
		JsonbValue cb = clock_of(rule, b);
		int order = ls_json_compare(&ca, &cb);

		if (order != 0)
			return order;
	}
	return a->at < b->at ? -1 : a->at > b->at;
}

/* The document of the later clock stands. */
static LsMerged
take_latest(const LsRule *rule, LsState *state, const LsState *document, int content)
{
	int clock = compare_clocks(rule, document, state);

	if (clock < 0)
		return (LsMerged){LS_SERVER_WINS, false};
	if (clock == 0 && content <= 0)
		return (LsMerged){content == 0 ? LS_SYNCED : LS_SERVER_WINS, false};
	replace(state, document);
	state->at = document->at;
	return (LsMerged){LS_SYNCED, true};
}

/* The incoming document stands; one that is older than what it replaces is a conflict that the client won. */
static LsMerged
take_incoming(LsState *state, const LsState *document, int content)
{
	bool stale = document->at < state->at;

	if (content == 0 && document->at <= state->at)
		return (LsMerged){LS_SYNCED, false};
	replace(state, document);
	return (LsMerged){stale ? LS_CLIENT_WINS : LS_SYNCED, true};
}

/* Whether what a team's function answered is a document that an item could have brought. */
static bool
check_custom(const LsRule *rule, Jsonb *json, LsFailure *failure)
{
	LsFailure wrong;
	JsonbValue document;

	ls_json_root(json, &document);
	if (ls_limit_check(&document, NULL, "the whole", PG_INT32_MAX, "", &wrong) &&
		ls_check_document(rule, &document, &wrong))
		return true;
	return ls_fail(failure, "error", "", "merge function %s made a document in which %s",
				   ls_text_string(rule->function), wrong.message);
}

/* A document that came back from a team's function: its key stays the resource's, what is computed is not stored. */
static LsState
custom_document(const LsRule *rule, const LsState *state, Jsonb *json)
{
	LsState document = {.exists = true, .at = state->at};
	JsonbValue made = ls_json_object();
	JsonbValue whole;
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (state->fields[i].rule->strategy == NULL)
			ls_json_put_text(&made, state->fields[i].name, state->fields[i].value.json);
	}
	ls_json_root(json, &whole);
	ls_json_walk(&walk, &whole);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		const LsRuleField *field = ls_rule_walk(rule, &place, name);

		if (ls_check_is_read(field) && (field != &rule->rest || rule->other == LS_OTHER_LATEST))
			ls_json_put_text(&made, name, value);
	}
	ls_state_load(rule, &document, ls_json_encode(&made), NULL);
	return document;
}

/* A team's function decides; a document equal to the stored one is its word that the stored one wins. */
static LsMerged
take_custom(const LsRule *rule, LsState *state, const LsState *incoming, const JsonbValue *ancestor,
			LsFailure *failure)
{
	Jsonb *json;
	LsState document;
	bool kept;

	if (!rule->custom(rule, state, incoming, ancestor, &json, failure))
		return (LsMerged){LS_FAILED, false};
	if (json == NULL)
		return (LsMerged){LS_MANUAL_REQUIRED, false};
	if (!check_custom(rule, json, failure))
		return (LsMerged){LS_FAILED, false};
	document = custom_document(rule, state, json);
	kept = compare_documents(rule, &document, state) == 0;
	if (kept && compare_documents(rule, incoming, state) != 0)
		return (LsMerged){LS_SERVER_WINS, false};
	if (kept && incoming->at <= state->at)
		return (LsMerged){LS_SYNCED, false};
	if (!ls_state_fits(state, &document, failure))
		return (LsMerged){LS_FAILED, false};
	document.at = incoming->at;
	replace(state, &document);
	return (LsMerged){LS_SYNCED, true};
}

/* Joins a whole document to a stored one, under a policy that merges no fields. */
LsMerged
ls_policy_join(const LsRule *rule, LsState *state, LsState *document, const JsonbValue *ancestor, LsFailure *failure)
{
	int content;

	if (!ls_state_fits(state, document, failure))
		return (LsMerged){LS_FAILED, false};
	if (!state->exists)
	{
		replace(state, document);
		return (LsMerged){LS_SYNCED, true};
	}
	content = compare_contents(rule, document, state);
	switch (rule->policy)
	{
		case LS_POLICY_LATEST:
			return take_latest(rule, state, document, content);
		case LS_POLICY_CLIENT_WINS:
			return take_incoming(state, document, content);
		case LS_POLICY_INSERT_ONLY:
			return (LsMerged){content == 0 ? LS_SERVER_WINS : LS_MANUAL_REQUIRED, false};
		case LS_POLICY_SERVER_WINS:
			return (LsMerged){content == 0 ? LS_SYNCED : LS_SERVER_WINS, false};
		case LS_POLICY_CUSTOM:
			return take_custom(rule, state, document, ancestor, failure);
		default: /* immutable, manual */
			return (LsMerged){content == 0 ? LS_SYNCED : LS_MANUAL_REQUIRED, false};
	}
}

/*
 * Joins two states as if their items had come in the order of their instants, so that any order and grouping of joins
 * gives the same: of two documents of which the first stands, that is the earlier one. The other state may be used up.
 */
bool
ls_policy_fold(const LsRule *rule, LsState *state, LsState *other, LsFailure *failure)
{
	bool changed;
	int order;

	if (rule->policy == LS_POLICY_MERGE)
		return ls_state_join(state, other, &changed, failure);
	order = rule->policy == LS_POLICY_LATEST ? compare_clocks(rule, other, state)
			: other->at == state->at         ? 0
			: other->at < state->at          ? -1
											 : 1;
	if (order == 0)
		order = compare_contents(rule, other, state);
	if (rule->policy == LS_POLICY_LATEST || rule->policy == LS_POLICY_CLIENT_WINS ? order > 0 : order < 0)
		*state = *other;
	return true;
}
