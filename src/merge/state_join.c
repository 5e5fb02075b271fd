/*
 * state_join.c
 *		What an item says as a state of its own, and the union of two states, field by field.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define COMPUTED_BYTES 48 /* more than a field takes that the server fills in */

/* Walks an item's data in key order. */
typedef struct Incoming
{
	JsonbIterator *walk;
	bool done;
	LsText name;
	JsonbValue value;
} Incoming;

static void
next_incoming(Incoming *incoming)
{
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&incoming->walk, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			incoming->name = ls_text_of(&value);
		else if (token == WJB_VALUE)
		{
			incoming->value = value;
			return;
		}
	}
	incoming->done = true;
}

/* The value of a key field; false where the item's key is not known. */
static bool
key_value(const LsRule *rule, const LsChange *change, LsText name, JsonbValue *value)
{
	int key = 0;

	while (!ls_text_equal(rule->keys[key], name))
		key++;
	if (change->keys[key].data == NULL)
		return false;
	*value = ls_json_text(change->keys[key]);
	if (!change->key_is_number[key])
		return true;
	value->type = jbvNumeric;
	value->val.numeric =
		DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(ls_text_string(change->keys[key])),
											ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return true;
}

/* Takes a field over into a document that is not merged field by field. */
static bool
take_field(const LsRuleField *rule, const JsonbValue *value)
{
	return value != NULL && !rule->strategy->ignores_value && rule->strategy != ls_strategy_derive;
}

/* One field of the lifted state; false where the item does not say anything of it. value is NULL where it is absent. */
static bool
lift_field(const LsRule *rule, const LsChange *change, const LsRuleField *field_rule, LsText name,
		   const JsonbValue *value, LsField *field)
{
	JsonbValue key;

	*field = (LsField){.name = name, .rule = field_rule, .value.at = change->at};
	if (field_rule->strategy == NULL)
	{
		if (!key_value(rule, change, name, &key))
			return false;
		field->value.json = key;
		return true;
	}
	if (field_rule == &rule->rest && rule->other != LS_OTHER_LATEST)
		return false;
	if (rule->policy == LS_POLICY_MERGE)
		return ls_field_lift(field, field_rule, name, value, change);
	if (!take_field(field_rule, value))
		return false;
	field->value.json = *value;
	return true;
}

static int
compare_fields(const void *a, const void *b)
{
	return ls_text_compare_keys(((const LsField *) a)->name, ((const LsField *) b)->name);
}

/* An xAPI statement shows when the server stored it, whatever the item says. */
static void
set_stored(const LsRule *rule, LsState *state, const LsChange *change)
{
	LsText name = ls_text("stored");
	LsField *field = ls_state_field(state, name);
	bool is_new = field == NULL;

	if (is_new)
		field = &state->fields[state->nfields++];
	*field = (LsField){name, &rule->rest, {ls_json_stamp(change->received), change->at}};
	if (is_new)
		ls_sort(state->fields, state->nfields, sizeof(LsField), compare_fields);
}

/* More than what an item says can take: its data, its keys, and what the server computes. */
static int64
most_bytes(const LsRule *rule, const LsChange *change)
{
	int64 bytes = ls_json_bytes(&change->data) + (rule->nfields + 2) * COMPUTED_BYTES;

	for (int i = 0; i < rule->nkeys; i++)
		bytes += change->keys[i].length;
	return bytes * LS_STATE_ROOM;
}

/* What a valid item says, as a state of its own. Rule and item are walked side by side, both being in key order. */
LsState
ls_state_lift(const LsRule *rule, const LsChange *change)
{
	LsState state = {.exists = true, .at = change->at, .deleted_at = LS_NO_TIME, .bytes = most_bytes(rule, change)};
	Incoming incoming = {JsonbIteratorInit(change->data.val.binary.data)};
	int r = 0;

	state.fields = palloc(sizeof(LsField) * (rule->nfields + ls_json_count(&change->data) + 1));
	next_incoming(&incoming);
	while (r < rule->nfields || !incoming.done)
	{
		int order = incoming.done       ? -1
					: r < rule->nfields ? ls_text_compare_keys(rule->fields[r].name, incoming.name)
										: 1;
		LsText name = order <= 0 ? rule->fields[r].name : incoming.name;

		CHECK_FOR_INTERRUPTS();
		state.nfields += lift_field(rule, change, order <= 0 ? &rule->fields[r] : &rule->rest, name,
									order >= 0 ? &incoming.value : NULL, &state.fields[state.nfields]);
		r += order <= 0;
		if (order >= 0)
			next_incoming(&incoming);
	}
	if (rule->xapi)
		set_stored(rule, &state, change);
	return state;
}

static bool
fail_overflow(LsFailure *failure, LsText name)
{
	return ls_fail(failure, "out_of_range", psprintf("data.%s", ls_text_string(name)),
				   "the total of %s does not fit into 64 bits", ls_text_string(name));
}

static bool
fail_key(LsFailure *failure, LsText name)
{
	return ls_fail(failure, "invalid", psprintf("data.%s", ls_text_string(name)), "%s differs from that of the state",
				   ls_text_string(name));
}

/* Takes one field of the other state in; present if the joined one has it already. */
static bool
join_field(LsField *field, bool present, const LsField *other, bool *changed, LsFailure *failure)
{
	if (present && field->rule->strategy == NULL)
		return ls_json_compare(&field->value.json, &other->value.json) == 0 || fail_key(failure, other->name);
	if (!present)
		*field = *other;
	else if (!ls_field_join(field, other))
		return true;
	*changed = true;
	return ls_field_is_bounded(field) || fail_overflow(failure, field->name);
}

/* Whether all that items are added to has room for more: a state that was not joined may hold any number. */
bool
ls_state_is_bounded(const LsState *state, LsFailure *failure)
{
	for (int i = 0; i < state->nfields; i++)
	{
		if (!ls_field_is_bounded(&state->fields[i]))
			return fail_overflow(failure, state->fields[i].name);
	}
	return true;
}

/* Lists and maps cannot fail, and are joined in place once nothing else has. */
static bool
is_gathered(const LsField *field)
{
	return field->rule->shape == LS_SHAPE_LIST || field->rule->shape == LS_SHAPE_MAP;
}

/* The fields of both states in order, joined but for lists and maps that both have. */
static bool
join_fields(LsState *joined, const LsState *state, const LsState *other, bool *changed, LsFailure *failure)
{
	int i = 0;
	int j = 0;

	joined->nfields = 0;
	joined->fields = palloc(sizeof(LsField) * (state->nfields + other->nfields + 1));
	while (i < state->nfields || j < other->nfields)
	{
		int order = i == state->nfields   ? 1
					: j == other->nfields ? -1
										  : compare_fields(&state->fields[i], &other->fields[j]);
		LsField *field = &joined->fields[joined->nfields++];

		CHECK_FOR_INTERRUPTS();
		if (order <= 0)
		{
			*field = state->fields[i++];
			field->own &= !state->shared;
		}
		if (order == 0 && is_gathered(field))
			j++;
		else if (order >= 0 && !join_field(field, order == 0, &other->fields[j++], changed, failure))
			return false;
	}
	return true;
}

/* Joins the lists and maps that both states have, and frees what of either is in the joined state no more. */
static void
gather_fields(LsState *joined, LsState *state, LsState *other, bool *changed)
{
	int i = 0;
	int j = 0;

	for (int k = 0; k < joined->nfields; k++)
	{
		LsField *field = &joined->fields[k];
		LsField *old =
			i < state->nfields && ls_text_equal(state->fields[i].name, field->name) ? &state->fields[i++] : NULL;
		LsField *theirs =
			j < other->nfields && ls_text_equal(other->fields[j].name, field->name) ? &other->fields[j++] : NULL;

		if (old == NULL || theirs == NULL)
			continue;
		if (is_gathered(field))
			*changed |= ls_field_join(field, theirs);
		else if (old->members != NULL && old->members != field->members && old->own && !state->shared)
			pfree(old->members);
		if (theirs->members != NULL && theirs->members != field->members && theirs->own)
			pfree(theirs->members);
	}
	if (!state->shared && state->fields != NULL)
		pfree(state->fields);
	pfree(other->fields);
}

/* Frees what a join that failed had made. */
static void
drop_joined(LsState *joined, const LsState *state)
{
	for (int k = 0; k < joined->nfields; k++)
	{
		LsField *field = &joined->fields[k];
		LsField *old = field->rule->shape == LS_SHAPE_TOTALS ? ls_state_field(state, field->name) : NULL;

		if (old != NULL && field->members != NULL && field->members != old->members)
			pfree(field->members);
	}
	pfree(joined->fields);
}

/* The map that two come to, beside them. */
static void
join_aside(LsField *field, const LsField *other)
{
	if (field->members == NULL)
		*field = *other;
	else
		(void) ls_member_join(field, other);
}

/*
 * Whether the document that a join comes to is small enough. What is gathered, and is still as it was, is joined aside
 * for that.
 */
static bool
fits(LsState *joined, const LsState *state, const LsState *other, LsFailure *failure)
{
	MemoryContext aside = AllocSetContextCreate(CurrentMemoryContext, "learnsync join", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(aside);
	LsState whole = *joined;
	bool fit;

	whole.fields = palloc(sizeof(LsField) * Max(joined->nfields, 1));
	for (int i = 0; i < joined->nfields; i++)
	{
		LsField *field = &whole.fields[i];
		const LsField *theirs = NULL;

		*field = joined->fields[i];
		if (field->rule->shape == LS_SHAPE_MAP)
			theirs = ls_state_field(other, field->name);
		if (theirs != NULL && theirs->members != NULL && theirs->members != field->members)
			join_aside(field, theirs);
	}
	MemoryContextSwitchTo(caller);
	fit = ls_state_fits(state, &whole, failure);
	joined->bytes = whole.bytes;
	MemoryContextDelete(aside);
	return fit;
}

/* Sorts what joins have gathered. */
void
ls_state_settle(LsState *state)
{
	for (int i = 0; i < state->nfields; i++)
	{
		if (state->fields[i].nsorted < state->fields[i].nmembers)
			ls_member_sort(&state->fields[i]);
	}
}

/*
 * Joins another state to this one, field by field; changed says whether that made a difference. Where a total grows out
 * of its range the state stays as it was; else the other one is used up.
 */
bool
ls_state_join(LsState *state, LsState *other, bool *changed, LsFailure *failure)
{
	LsState joined = *state;
	bool is_near; /* to the limit: what a join comes to must be known before anything is joined in place */

	joined.bytes += other->bytes;
	is_near = state->limited && joined.bytes > learnsync_max_document_bytes;
	if (is_near)
		ls_state_settle(state);
	*changed = false;
	if (!join_fields(&joined, state, other, changed, failure) || (is_near && !fits(&joined, state, other, failure)))
	{
		drop_joined(&joined, state);
		return false;
	}
	gather_fields(&joined, state, other, changed);
	joined.at = Max(state->at, other->at);
	*changed |= joined.at > state->at || !state->exists;
	joined.exists = true;
	joined.shared = false;
	*state = joined;
	if (!state->gathers)
		ls_state_settle(state);
	return true;
}
