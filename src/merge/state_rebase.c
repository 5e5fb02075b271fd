/*
 * state_rebase.c
 *		The state of a resource under another rule: what fields keep whose strategy stays, and what the others start from.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

static bool
same_ids(const LsRuleField *a, const LsRuleField *b)
{
	bool same = a->nids == b->nids;

	for (int i = 0; same && i < a->nids; i++)
		same = ls_text_equal(a->ids[i], b->ids[i]);
	return same;
}

/* Whether the rows of a field's parts are the same under both rules. */
bool
ls_rebase_keeps_rows(const LsRuleField *old, const LsRuleField *changed)
{
	if (old->shape != changed->shape)
		return false;
	return old->shape == LS_SHAPE_TOTALS ||
		   (old->shape == LS_SHAPE_LIST && same_ids(old, changed) && old->members_latest == changed->members_latest);
}

/* The list's members under the ids that they have now, each from the instant that it is from. */
static void
take_members(LsField *field, const LsField *old)
{
	ls_member_start(field, old->nmembers);
	for (int i = 0; i < old->nmembers; i++)
	{
		const LsMember *member = &old->members[i];

		CHECK_FOR_INTERRUPTS();
		if (!ls_member_is_removed(old->rule, &member->value.json))
			ls_member_append(field, ls_member_id(field->rule, &member->value.json), &member->value.json,
							 member->value.at);
	}
	ls_member_sort(field);
}

/* One field as it goes on, of which the document shows the value; false where it has no place any more. */
static bool
rebase_field(const LsField *old, const LsRuleField *rule, LsText name, const JsonbValue *shown, TimestampTz at,
			 LsField *field)
{
	bool stays = old != NULL && old->rule->strategy == rule->strategy && old->rule->shape == rule->shape;

	*field = (LsField){.name = name, .rule = rule, .value = {*shown, at}};
	if (rule->strategy == NULL)
		return true;
	if (rule->strategy == ls_strategy_derive || rule->strategy == ls_strategy_unread ||
		(old == NULL && rule->name.data == NULL))
		return false;
	if (!stays)
		ls_field_load(field, NULL, at);
	else if (rule->shape < LS_SHAPE_LIST)
		field->value.at = old->value.at;
	else if (rule->shape == LS_SHAPE_LIST && old->members != NULL && !ls_rebase_keeps_rows(old->rule, rule))
		take_members(field, old);
	else
	{
		*field = *old;
		field->rule = rule;
	}
	return true;
}

/* The document that everybody sees, its numbers rounded as the new rule has it. */
static JsonbValue
shown_document(const LsRule *old, const LsRule *rule, const LsState *state)
{
	JsonbValue shown = ls_state_show(old, state);
	LsChange change = {.is_delete = false};

	ls_json_root(ls_json_encode(&shown), &change.data);
	ls_adjust_document(rule, &change);
	return change.data;
}

/*
 * The state of an existing document, with the lists of which the rows are not kept, under another rule. Fields whose
 * strategy stays keep what is remembered of them; the others start from what is shown, at the resource's own instant.
 */
LsState
ls_state_rebase(const LsRule *old, const LsRule *rule, const LsState *state)
{
	LsState rebased = {.exists = true, .whole = state->whole, .at = state->at, .deleted_at = state->deleted_at};
	JsonbValue document = shown_document(old, rule, state);
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	rebased.fields = palloc(sizeof(LsField) * (ls_json_count(&document) + 1));
	ls_json_walk(&walk, &document);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		CHECK_FOR_INTERRUPTS();
		rebased.nfields += rebase_field(ls_state_field(state, name), ls_rule_walk(rule, &place, name), name, &value,
										state->at, &rebased.fields[rebased.nfields]);
	}
	return rebased;
}

/* Times that the server takes from items are times as documents show them. */
static bool
check_times(const LsState *state, LsFailure *failure)
{
	for (int i = 0; i < state->nfields; i++)
	{
		const LsField *field = &state->fields[i];
		const JsonbValue *json = &field->value.json;

		if (field->rule->strategy == NULL || !field->rule->strategy->ignores_value)
			continue;
		if (!ls_check_is_time(json))
			return ls_fail(failure, "invalid", psprintf("data.%s", ls_text_string(field->name)), "%s must be a time",
						   ls_text_string(field->name));
	}
	return true;
}

/* Whether a rebased state is one that its rule allows; it must have what is required. */
bool
ls_rebase_fits(const LsRule *rule, const LsState *rebased, LsFailure *failure)
{
	JsonbValue document;

	ls_json_root(ls_state_document(rebased), &document);
	return ls_check_document(rule, &document, failure) && check_times(rebased, failure) &&
		   ls_state_is_bounded(rebased, failure);
}

/* What of a field no rebase can do: totals cannot be told from a number, nor can ids of resources change. */
static const char *
field_refused(const LsRuleField *old, const LsRuleField *changed)
{
	bool was_total = old != NULL && old->shape == LS_SHAPE_TOTALS;
	bool is_total = changed != NULL && changed->shape == LS_SHAPE_TOTALS;
	bool is_key = old != NULL && changed != NULL && old->strategy == NULL;

	if (was_total != is_total)
		return "must not change from or to counter";
	return is_key && old->type != changed->type ? "must keep its type" : NULL;
}

/* What stands against a change that is carried out with a rebase, with its path; NULL where nothing does. */
const char *
ls_rebase_refused(const LsRule *old, const LsRule *changed)
{
	bool same_key = old->nkeys == changed->nkeys;

	for (int i = 0; same_key && i < old->nkeys; i++)
		same_key = ls_text_equal(old->keys[i], changed->keys[i]);
	if (!same_key)
		return "key: must not change";
	if (old->xapi != changed->xapi)
		return "format: must not change";
	for (int i = 0; i < old->nfields + changed->nfields; i++)
	{
		const LsRuleField *field = i < old->nfields ? &old->fields[i] : &changed->fields[i - old->nfields];
		const char *problem = field_refused(ls_rule_field(old, field->name), ls_rule_field(changed, field->name));

		CHECK_FOR_INTERRUPTS();
		if (problem != NULL)
			return psprintf("fields.%s: %s", ls_text_string(field->name), problem);
	}
	return NULL;
}
