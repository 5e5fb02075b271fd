/*
 * state_join.c
 *		What an item says as a state of its own, the union of two states, field by field, and how large it may become.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define COMPUTED_BYTES 48 /* more than a field takes that the server fills in */
#define PADDING 3 /* what a value is moved by to be aligned, at most */
#define HEADER ((int64) sizeof(uint32)) /* of a container */

static int64
entry_bytes(LsText key, const JsonbValue *value)
{
	return 2 * (int64) sizeof(JEntry) + key.length + ls_json_bytes(value) + PADDING;
}

/* A map, with what it has lost: that is kept beside the document for as long as it is. */
static int64
map_bytes(const LsField *map)
{
	int64 bytes = HEADER;

	for (int i = 0; i < map->nmembers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		bytes += entry_bytes(map->members[i].id, &map->members[i].value.json);
	}
	return bytes;
}

/* What a field takes; members of lists do not count, as they are stored apart, nor do totals but for their sum. */
static int64
field_bytes(const LsField *field)
{
	JsonbValue value = ls_json_null();

	if (field->members == NULL)
		return entry_bytes(field->name, &field->value.json);
	switch (field->rule->shape)
	{
		case LS_SHAPE_LIST:
			return entry_bytes(field->name, &value) + HEADER;
		case LS_SHAPE_MAP:
			return entry_bytes(field->name, &value) + map_bytes(field);
		default:
			value = ls_field_show(field, false);
			return entry_bytes(field->name, &value);
	}
}

/* What the document of a settled state takes at most as jsonb. */
static int64
state_bytes(const LsState *state)
{
	int64 bytes = VARHDRSZ + HEADER;

	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		bytes += field_bytes(&state->fields[i]);
	}
	return bytes;
}

/* Whether a settled state's document may become so large: where it is too large already, only if it grows no further. */
static bool
may_grow(const LsState *before, int64 bytes, LsFailure *failure)
{
	if (!before->limited || bytes <= learnsync_max_document_bytes ||
		(before->exists && bytes <= (before->measured ? before->bytes : state_bytes(before))))
		return true;
	return ls_fail(failure, "too_large", "data", "the document would be larger than %d bytes",
				   learnsync_max_document_bytes);
}

/* Whether another state's document may take the place of the one before. */
bool
ls_state_fits(const LsState *before, LsState *after, LsFailure *failure)
{
	if (!before->limited || after->bytes <= learnsync_max_document_bytes)
		return true;
	after->bytes = state_bytes(after);
	return may_grow(before, after->bytes, failure);
}

/* Walks an item's data in key order. */
typedef struct Incoming
{
	LsJsonWalk walk;
	bool done;
	LsText name;
	JsonbValue value;
} Incoming;

static void
next_incoming(Incoming *incoming)
{
	incoming->done = !ls_json_walk_next(&incoming->walk, &incoming->name, &incoming->value);
}

/* The value of a key field; false where the item's key is not known. */
static bool
key_value(const LsRule *rule, const LsChange *change, LsText name, JsonbValue *value)
{
	int key = 0;

	while (!ls_text_equal(rule->keys[key], name))
		key++;
	Assert(key < rule->nkeys);
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
	Incoming incoming;
	int r = 0;

	state.fields = palloc(sizeof(LsField) * (rule->nfields + ls_json_count(&change->data) + 1));
	ls_json_walk(&incoming.walk, &change->data);
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

/* Whether all that items are added to has room for more: a state that was not joined may hold any number. */
bool
ls_state_is_bounded(const LsState *state, LsFailure *failure)
{
	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_field_is_bounded(&state->fields[i]))
			return fail_overflow(failure, state->fields[i].name);
	}
	return true;
}

/* What a field of the other state comes to. */
typedef struct Touched
{
	int place; /* of the field of that name in the state; -1 where it has none */
	LsField joined; /* unused where it has none */
} Touched;

/* The first field at or after from, of those in order up to end, whose name is not smaller. Near ones are found first. */
static int
find_from(const LsField *fields, int from, int end, LsText name)
{
	int step = 1;

	while (from + step <= end && ls_text_compare_keys(fields[from + step - 1].name, name) < 0)
	{
		from += step;
		step *= 2;
	}
	end = Min(end, from + step - 1);
	while (from < end)
	{
		int middle = from + (end - from) / 2;

		if (ls_text_compare_keys(fields[middle].name, name) < 0)
			from = middle + 1;
		else
			end = middle;
	}
	return from;
}

static bool
is_at(const LsState *state, int place, int end, LsText name)
{
	return place < end && ls_text_equal(state->fields[place].name, name);
}

/* Finds the fields that both states have. */
static void
find_touched(Touched *touched, const LsState *state, const LsState *other)
{
	int settled = state->nfields - state->nadded;
	int place = 0;
	int added = settled;

	for (int i = 0; i < other->nfields; i++)
	{
		LsText name = other->fields[i].name;

		CHECK_FOR_INTERRUPTS();
		touched[i].place = -1;
		if (!is_at(state, place, settled, name))
			place = find_from(state->fields, place, settled, name);
		if (state->nadded > 0)
			added = find_from(state->fields, added, state->nfields, name);
		if (is_at(state, place, settled, name))
			touched[i].place = place++;
		else if (is_at(state, added, state->nfields, name))
			touched[i].place = added;
		if (touched[i].place >= 0)
			touched[i].joined = state->fields[touched[i].place];
	}
}

/* Lists and maps cannot fail, and are joined in place once nothing else has. */
static bool
is_gathered(const LsField *field)
{
	return field->rule->shape == LS_SHAPE_LIST || field->rule->shape == LS_SHAPE_MAP;
}

/* Joins a field that both have, beside the state. */
static bool
join_field(LsField *field, const LsField *other, bool *changed, LsFailure *failure)
{
	if (field->rule->strategy == NULL)
		return ls_json_compare(&field->value.json, &other->value.json) == 0 || fail_key(failure, other->name);
	if (is_gathered(field) || !ls_field_join(field, other))
		return true;
	*changed = true;
	return ls_field_is_bounded(field) || fail_overflow(failure, field->name);
}

/* Joins the fields of the other state, but for lists and maps that both have, and leaves the state as it is. */
static bool
join_fields(Touched *touched, const LsState *other, bool *changed, LsFailure *failure)
{
	for (int i = 0; i < other->nfields; i++)
	{
		const LsField *field = &other->fields[i];

		CHECK_FOR_INTERRUPTS();
		if (touched[i].place >= 0)
		{
			if (!join_field(&touched[i].joined, field, changed, failure))
				return false;
			continue;
		}
		*changed = true;
		if (!ls_field_is_bounded(field))
			return fail_overflow(failure, field->name);
	}
	return true;
}

/* Frees what a join that failed had made. */
static void
drop_joined(const Touched *touched, const LsState *state, int count)
{
	for (int i = 0; touched != NULL && i < count; i++)
	{
		const LsField *old = touched[i].place < 0 ? NULL : &state->fields[touched[i].place];

		if (old != NULL && touched[i].joined.members != NULL && touched[i].joined.members != old->members)
			pfree(touched[i].joined.members);
	}
}

/*
 * What a field of the other state adds to the size of the document; maps that both have are joined aside for that.
 * touched is NULL where the state has no fields.
 */
static int64
growth(const Touched *touched, LsState *state, const LsField *other)
{
	LsField *old = touched == NULL || touched->place < 0 ? NULL : &state->fields[touched->place];
	LsField aside;
	int64 bytes;

	if (old == NULL)
		return field_bytes(other);
	if (old->rule->shape != LS_SHAPE_MAP || other->members == NULL)
		return field_bytes(&touched->joined) - field_bytes(old);
	if (old->members == NULL)
		return field_bytes(other) - field_bytes(old);
	if (old->nsorted < old->nmembers)
		ls_member_sort(old);
	aside = *old;
	(void) ls_member_join(&aside, other);
	bytes = field_bytes(&aside) - field_bytes(old);
	pfree(aside.members);
	return bytes;
}

/* Before anything is joined in place: what it comes to must be known where it may be too large. */
static void
measure(LsState *state, const LsState *other)
{
	if (!state->limited || state->measured || state->bytes + other->bytes <= learnsync_max_document_bytes)
		return;
	ls_state_settle(state);
	state->bytes = state_bytes(state);
	state->measured = true;
}

/* What the document takes once the other state is joined. */
static int64
joined_bytes(const Touched *touched, LsState *state, const LsState *other)
{
	int64 bytes = state->bytes;

	if (!state->measured)
		return bytes + other->bytes;
	for (int i = 0; i < other->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		bytes += growth(touched == NULL ? NULL : &touched[i], state, &other->fields[i]);
	}
	return bytes;
}

/* Makes the fields the state's own. */
static void
own_fields(LsState *state)
{
	LsField *fields;

	if (!state->shared)
		return;
	state->room = state->nfields;
	fields = palloc_extended(sizeof(LsField) * Max(state->room, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		fields[i] = state->fields[i];
		fields[i].own = false;
	}
	state->fields = fields;
	state->shared = false;
}

/* Takes what a field that both have was joined to. */
static void
take_joined(LsField *field, const Touched *touched, const LsField *other, bool *changed)
{
	if (is_gathered(field))
		*changed |= ls_field_join(field, other);
	else
	{
		if (field->members != NULL && field->members != touched->joined.members && field->own)
			pfree(field->members);
		*field = touched->joined;
	}
	if (other->members != NULL && other->members != field->members && other->own)
		pfree(other->members);
}

/* Moves the fields in that were added, from the last one on, so that each of the others is moved once. */
static void
settle_fields(LsState *state)
{
	int count = state->nadded;
	int settled = state->nfields - count;
	LsField *added;

	if (count == 0)
		return;
	added = palloc(sizeof(LsField) * count);
	memcpy(added, &state->fields[settled], sizeof(LsField) * count);
	for (int i = count - 1; i >= 0; i--)
	{
		int place = find_from(state->fields, 0, settled, added[i].name);

		memmove(&state->fields[place + i + 1], &state->fields[place], sizeof(LsField) * (settled - place));
		state->fields[place + i] = added[i];
		settled = place;
	}
	pfree(added);
	state->nadded = 0;
}

/*
 * Adds a field that the state does not have. Those that were added stand in order behind the others, few enough for the
 * next one to be put among them at little cost: to put each among all would cost what the document has, each time.
 */
static void
add_field(LsState *state, const LsField *field)
{
	int place = state->nfields;

	if (state->nfields >= state->room)
	{
		state->room = Max(state->nfields, 4) * 2;
		state->fields = repalloc_huge(state->fields, sizeof(LsField) * state->room);
	}
	while (place > state->nfields - state->nadded && compare_fields(&state->fields[place - 1], field) > 0)
		place--;
	memmove(&state->fields[place + 1], &state->fields[place], sizeof(LsField) * (state->nfields - place));
	state->fields[place] = *field;
	state->nfields++;
	state->nadded++;
	if ((int64) state->nadded * state->nadded > state->nfields)
		settle_fields(state);
}

/* Joins the other state in place, and frees what of either is in the state no more. */
static void
take_fields(LsState *state, const Touched *touched, LsState *other, bool *changed)
{
	if (state->nfields == 0)
	{
		state->fields = other->fields;
		state->nfields = other->nfields;
		state->room = 0;
		state->shared = false;
		return;
	}
	own_fields(state);
	for (int i = 0; i < other->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (touched[i].place >= 0)
			take_joined(&state->fields[touched[i].place], &touched[i], &other->fields[i], changed);
	}
	for (int i = 0; i < other->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (touched[i].place < 0)
			add_field(state, &other->fields[i]);
	}
	pfree(other->fields);
}

/* Sorts what joins have gathered. */
void
ls_state_settle(LsState *state)
{
	settle_fields(state);
	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (state->fields[i].nsorted < state->fields[i].nmembers)
			ls_member_sort(&state->fields[i]);
	}
}

/*
 * Joins another state to this one, field by field, at the cost of the other's fields; changed says whether that made a
 * difference. Where a total grows out of its range, or the document out of its size, the state stays as it was; else the
 * other one is used up.
 */
bool
ls_state_join(LsState *state, LsState *other, bool *changed, LsFailure *failure)
{
	Touched *touched = NULL;
	int64 bytes = 0;
	bool good;

	measure(state, other);
	*changed = state->nfields == 0 && other->nfields > 0;
	if (state->nfields == 0)
		good = ls_state_is_bounded(other, failure);
	else
	{
		touched = palloc_extended(sizeof(Touched) * Max(other->nfields, 1), MCXT_ALLOC_HUGE);
		find_touched(touched, state, other);
		good = join_fields(touched, other, changed, failure);
	}
	if (good)
	{
		bytes = joined_bytes(touched, state, other);
		good = may_grow(state, bytes, failure);
	}
	if (!good)
		drop_joined(touched, state, other->nfields);
	else
	{
		take_fields(state, touched, other, changed);
		state->bytes = bytes;
		*changed |= other->at > state->at || !state->exists;
		state->at = Max(state->at, other->at);
		state->exists = true;
		if (!state->gathers)
			ls_state_settle(state);
	}
	if (touched != NULL)
		pfree(touched);
	return good;
}
