/*
 * state.c
 *		The state of a resource: its fields, and the document that they make, as it is stored and as it is shown.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

/* The document as it is stored: lists empty, no computed fields. */
Jsonb *
ls_state_document(const LsState *state)
{
	JsonbValue document = ls_json_object();

	for (int i = 0; i < state->nfields; i++)
	{
		const LsField *field = &state->fields[i];
		bool apart = field->rule->shape == LS_SHAPE_LIST && field->members != NULL;

		CHECK_FOR_INTERRUPTS();
		ls_json_put_text(&document, field->name, apart ? ls_json_array() : ls_field_show(field, false));
	}
	if (state->overlay != NULL)
		document = ls_overlay_show(state, &document, LS_LISTS_APART);
	return ls_json_encode(&document);
}

/* The document with its lists, before anything is computed; with_removed also tells which of their members are gone. */
JsonbValue
ls_state_whole(const LsState *state, bool with_removed)
{
	JsonbValue document = ls_json_object();

	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_json_put_text(&document, state->fields[i].name, ls_field_show(&state->fields[i], with_removed));
	}
	if (state->overlay == NULL)
		return document;
	return ls_overlay_show(state, &document, with_removed ? LS_LISTS_WITH_REMOVED : LS_LISTS_SHOWN);
}

/* A state with fields that can be changed without those of the other. */
LsState
ls_state_copy(const LsState *state)
{
	LsState copy = *state;

	copy.fields = palloc(sizeof(LsField) * Max(state->nfields, 1));
	ls_memory_copy(copy.fields, state->fields, sizeof(LsField) * state->nfields);
	return copy;
}

/* The field of that name, NULL where the state has none. */
LsField *
ls_state_field(const LsState *state, LsText name)
{
	int low = 0;
	int high = state->nfields;

	while (low < high)
	{
		int middle = (low + high) / 2;
		int order = ls_text_compare_keys(name, state->fields[middle].name);

		if (order == 0)
			return &state->fields[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* The value of a derived field: that of the last step whose bounds the source keeps. */
static bool
derive_value(const LsRuleField *rule, const JsonbValue *source, JsonbValue *value)
{
	for (int i = rule->nsteps - 1; i >= 0; i--)
	{
		const LsBounds *bounds = &rule->steps[i].bounds;
		bool always = bounds->min == NULL && bounds->max == NULL;

		CHECK_FOR_INTERRUPTS();
		if (always || (source->type == jbvNumeric && ls_check_bounds(bounds, source->val.numeric)))
		{
			*value = rule->steps[i].value;
			return true;
		}
	}
	return false;
}

static int
compare_pairs(const void *a, const void *b)
{
	return ls_text_compare_keys(ls_text_of(&((const JsonbPair *) a)->key), ls_text_of(&((const JsonbPair *) b)->key));
}

/* What a document that is being built shows of a field, of which the first so many are in key order. */
static JsonbValue
shown_value(const JsonbValue *document, int count, LsText name)
{
	JsonbPair wanted = {.key = ls_json_text(name)};
	const JsonbPair *pair =
		count == 0 ? NULL : bsearch(&wanted, document->val.object.pairs, count, sizeof(JsonbPair), compare_pairs);

	return pair == NULL ? ls_json_null() : pair->value;
}

/* Adds the derived fields to a document that is being built, whose fields so far are in key order. */
static void
derive_fields(const LsRule *rule, JsonbValue *document)
{
	int count = document->val.object.nPairs;

	for (int i = 0; rule->has_derived && i < rule->nfields; i++)
	{
		const LsRuleField *field = &rule->fields[i];
		JsonbValue source;
		JsonbValue value;

		CHECK_FOR_INTERRUPTS();
		if (field->strategy != ls_strategy_derive)
			continue;
		source = shown_value(document, count, field->source);
		if (derive_value(field, &source, &value))
			ls_json_put_text(document, field->name, value);
	}
}

static JsonbValue
show(const LsRule *rule, const LsState *state, bool with_removed)
{
	JsonbValue document;

	if (!state->exists)
		return ls_json_null();
	document = ls_state_whole(state, with_removed);
	derive_fields(rule, &document);
	return document;
}

/* The document as everybody sees it, computed fields included; null where there is none. */
JsonbValue
ls_state_show(const LsRule *rule, const LsState *state)
{
	return show(rule, state, false);
}

/* The same for a client that puts the members of its lists to those it has, and is told which were removed. */
JsonbValue
ls_state_show_delta(const LsRule *rule, const LsState *state)
{
	return show(rule, state, true);
}

/*
 * The same of a stored document that has no lists: nothing needs to be taken apart for it. One that is older than the
 * rule may have a value where a field is computed now.
 */
JsonbValue
ls_state_show_stored(const LsRule *rule, Jsonb *stored)
{
	JsonbValue document = ls_json_object();
	JsonbValue whole;
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	ls_json_root(stored, &whole);
	if (!rule->has_derived)
		return whole;
	ls_json_walk(&walk, &whole);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		if (ls_rule_walk(rule, &place, name)->strategy != ls_strategy_derive)
			ls_json_put_text(&document, name, value);
	}
	derive_fields(rule, &document);
	return document;
}
