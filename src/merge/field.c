/*
 * field.c
 *		One field of a state: lifted from what an item says, joined, shown, and what is noted of it beside the document.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

#define NOTED_DIGITS 6 /* notes keep microseconds, documents show milliseconds */

/* An instant beside a document of another one: null where it is the same, false where there is none. */
static JsonbValue
note_stamp(TimestampTz at, TimestampTz document)
{
	if (at == document)
		return ls_json_null();
	return at == LS_NO_TIME ? ls_json_bool(false) : ls_json_text(ls_stamp_text(at, NOTED_DIGITS));
}

static TimestampTz
noted_stamp(const JsonbValue *note, TimestampTz document)
{
	TimestampTz at;

	if (note->type == jbvBool)
		return LS_NO_TIME;
	return note->type == jbvString && ls_stamp_parse(ls_text_of(note), &at) ? at : document;
}

/* Takes a list apart; notes are the members' instants where these differ from at, NULL where none does. */
static void
lift_list(LsField *field, const JsonbValue *list, const JsonbValue *notes, TimestampTz at)
{
	int count = ls_json_count(list);
	int noted = notes != NULL && ls_json_is_array(notes) ? ls_json_count(notes) : 0;

	ls_member_start(field, count);
	for (int i = 0; i < count; i++)
	{
		JsonbValue *json = getIthJsonbValueFromContainer(list->val.binary.data, i);
		JsonbValue *note = i < noted ? getIthJsonbValueFromContainer(notes->val.binary.data, i) : NULL;

		CHECK_FOR_INTERRUPTS();
		ls_member_append(field, ls_member_id(field->rule, json), json, note == NULL ? at : noted_stamp(note, at));
		pfree(json);
	}
	ls_member_sort(field);
}

/* An object's keys come in the order of members' ids. */
static void
lift_map(LsField *field, const JsonbValue *map, TimestampTz at)
{
	LsJsonWalk walk;
	JsonbValue json;
	LsText key;

	ls_member_start(field, ls_json_count(map));
	ls_json_walk(&walk, map);
	while (ls_json_walk_next(&walk, &key, &json))
	{
		CHECK_FOR_INTERRUPTS();
		ls_member_append(field, key, &json, at);
	}
	field->nsorted = field->nmembers;
}

/* Sets the value and takes it apart where the field is merged by parts and the value is one that can be. */
static void
set_value(LsField *field, const JsonbValue *json, LsText device, TimestampTz at)
{
	field->value = (LsValue){*json, at};
	field->members = NULL;
	if (field->rule->shape < LS_SHAPE_LIST || !ls_check_is(field->rule->strategy->type, json))
		return;
	if (field->rule->shape == LS_SHAPE_LIST)
		lift_list(field, json, NULL, at);
	else if (field->rule->shape == LS_SHAPE_MAP)
		lift_map(field, json, at);
	else
	{
		ls_member_start(field, 1);
		ls_member_append(field, device, json, at);
		field->nsorted = 1;
	}
}

/* Whether the item meets the condition under which its instant counts. */
static bool
meets_condition(const LsRuleField *rule, const LsChange *change)
{
	JsonbValue value;

	if (rule->when.data == NULL)
		return true;
	return ls_json_get_text(&change->data, rule->when, &value) && value.type == jbvNumeric &&
		   ls_check_bounds(&rule->when_bounds, value.val.numeric);
}

/* What an item says of a field, as a field of its own; false where it says nothing. value is NULL where it is absent. */
bool
ls_field_lift(LsField *field, const LsRuleField *rule, LsText name, const JsonbValue *value, const LsChange *change)
{
	const LsStrategy *strategy = rule->strategy;
	JsonbValue stamp;

	*field = (LsField){.name = name, .rule = rule};
	if (rule->shape == LS_SHAPE_LIST)
	{
		field->item = change->number;
		field->lost = change->lost;
	}
	if (strategy == NULL || strategy == ls_strategy_derive)
		return false;
	if (strategy->ignores_value)
	{
		if (!meets_condition(rule, change))
			return false;
		stamp = ls_json_stamp(change->at);
		value = &stamp;
	}
	if (value == NULL || (value->type == jbvNull && !strategy->takes_null))
		return false;
	set_value(field, value, change->device, change->at);
	return true;
}

/* A value that another rule left behind has no part in a choice; it stands until there is one that this rule takes. */
static bool
is_usable(const LsField *field)
{
	const LsRuleField *rule = field->rule;
	const JsonbValue *json = &field->value.json;
	LsValueType type = rule->type == LS_TYPE_INTEGER ? LS_TYPE_NUMBER : rule->type;

	if (rule->shape >= LS_SHAPE_LIST)
		return field->members != NULL;
	if (rule->strategy == NULL)
		return true;
	if (rule->strategy->ignores_value)
		return ls_check_is_time(json);
	return json->type == jbvNull ? rule->strategy->takes_null : ls_check_is(type, json);
}

static bool
add_value(LsField *field, const LsField *other)
{
	LsValue sum = {field->value.json, Max(field->value.at, other->value.at)};
	bool changed;

	sum.json.val.numeric = ls_number_add(field->value.json.val.numeric, other->value.json.val.numeric);
	changed = ls_json_compare(&sum.json, &field->value.json) != 0;
	field->value = sum;
	return changed;
}

static JsonbValue
sum_of_totals(const LsField *field)
{
	JsonbValue sum = field->members[0].value.json;

	Assert(field->nmembers > 0);
	for (int i = 1; i < field->nmembers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		sum.val.numeric = ls_number_add(sum.val.numeric, field->members[i].value.json.val.numeric);
	}
	return sum;
}

/* Whether what a field adds up to lies within 64 bits, so that more can be added to it. */
bool
ls_field_is_bounded(const LsField *field)
{
	if (field->rule->shape == LS_SHAPE_TOTALS)
		return field->members == NULL || ls_check_leaves_room(sum_of_totals(field).val.numeric);
	return field->rule->strategy == NULL || !field->rule->strategy->adds || !is_usable(field) ||
		   ls_check_leaves_room(field->value.json.val.numeric);
}

/*
 * Takes a device's stored total out of what stands for all devices, which has no name: the field of a stored state has
 * that alone, so that it stays as small however many devices there are.
 */
LsMember *
ls_field_take_total(LsField *field, LsText device, const JsonbValue *total, TimestampTz at)
{
	JsonbValue *others = &field->members[0].value.json;

	Assert(field->nmembers > 0 && field->members[0].id.length == 0);
	others->val.numeric = ls_number_subtract(others->val.numeric, total->val.numeric);
	return ls_member_append(field, device, total, at);
}

/* Joins another state of the same field to this one; whether that changed it. */
bool
ls_field_join(LsField *field, const LsField *other)
{
	const LsStrategy *strategy = field->rule->strategy;

	if (strategy == NULL || !is_usable(other))
		return false;
	if (!is_usable(field))
		*field = *other;
	else if (field->rule->shape == LS_SHAPE_TOTALS)
		return ls_member_join(field, other);
	else if (field->members != NULL)
		return ls_member_gather(field, other);
	else if (strategy->adds)
		return add_value(field, other);
	else if (!strategy->replaces(field->rule, &field->value, &other->value))
		return false;
	else
		field->value = other->value;
	return true;
}

static int
compare_shown(const void *a, const void *b)
{
	const LsMember *ma = a;
	const LsMember *mb = b;
	int order;

	if (ma->value.at != mb->value.at)
		return ma->value.at < mb->value.at ? -1 : 1;
	order = memcmp(ma->id.data, mb->id.data, Min(ma->id.length, mb->id.length));
	return order != 0 ? order : ma->id.length - mb->id.length;
}

/* A copy of a list's members in the order in which they are shown: by order instant, then id. */
static LsMember *
ordered_members(const LsField *field)
{
	LsMember *members = palloc_extended(sizeof(LsMember) * Max(field->nmembers, 1), MCXT_ALLOC_HUGE);

	if (field->nmembers > 0)
		memcpy(members, field->members, sizeof(LsMember) * field->nmembers);
	ls_sort(members, field->nmembers, sizeof(LsMember), compare_shown);
	return members;
}

/* A list; who keeps a copy of it is told what was removed as well. */
static JsonbValue
show_list(const LsField *field, bool with_removed)
{
	JsonbValue list = ls_json_array();
	LsMember *members = ordered_members(field);

	for (int i = 0; i < field->nmembers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (with_removed || !ls_member_is_removed(field->rule, &members[i].value.json))
			ls_json_add(&list, members[i].value.json);
	}
	return list;
}

static JsonbValue
show_map(const LsField *field)
{
	JsonbValue map = ls_json_object();

	for (int i = 0; i < field->nmembers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (field->members[i].value.json.type != jbvNull)
			ls_json_put_text(&map, field->members[i].id, field->members[i].value.json);
	}
	return map;
}

/* The field as the document shows it; with_removed also tells which members of a list were removed. */
JsonbValue
ls_field_show(const LsField *field, bool with_removed)
{
	if (field->members == NULL)
		return field->value.json;
	switch (field->rule->shape)
	{
		case LS_SHAPE_LIST:
			return show_list(field, with_removed);
		case LS_SHAPE_MAP:
			return show_map(field);
		default:
			return sum_of_totals(field);
	}
}

/* Instants of a map's entries; what is noted but not shown was removed. */
static void
load_map(LsField *field, const JsonbValue *notes, TimestampTz at)
{
	LsField noted = {.rule = field->rule};

	lift_map(&noted, notes, at);
	for (int i = 0; i < noted.nmembers; i++)
	{
		LsMember *shown = ls_member_find(field, noted.members[i].id);
		TimestampTz stamp = noted_stamp(&noted.members[i].value.json, at);

		CHECK_FOR_INTERRUPTS();
		if (shown != NULL)
			shown->value.at = stamp;
		noted.members[i].value = (LsValue){ls_json_null(), stamp};
	}
	ls_member_join(field, &noted);
}

/* Totals by device; whatever else a note holds is none. */
static void
load_totals(LsField *field, const JsonbValue *notes, TimestampTz at)
{
	LsField noted = *field;
	int kept = 0;

	lift_map(&noted, notes, at);
	for (int i = 0; i < noted.nmembers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (noted.members[i].value.json.type == jbvNumeric)
			noted.members[kept++] = noted.members[i];
	}
	noted.nmembers = noted.nsorted = kept;
	if (kept > 0)
		*field = noted;
}

/*
 * Completes a field whose value was read from a document of that instant; note is NULL where nothing was noted. An
 * instant that was noted of the whole field is that of its parts. A total that no device is noted for is that of a
 * nameless one.
 */
void
ls_field_load(LsField *field, const JsonbValue *note, TimestampTz at)
{
	JsonbValue json = field->value.json;

	set_value(field, &json, ls_text(""), note == NULL ? at : noted_stamp(note, at));
	if (note == NULL || field->members == NULL)
		return;
	if (field->rule->shape == LS_SHAPE_LIST && ls_json_is_array(note))
		lift_list(field, &json, note, at);
	else if (field->rule->shape == LS_SHAPE_MAP && ls_json_is_object(note))
		load_map(field, note, at);
	else if (field->rule->shape == LS_SHAPE_TOTALS && ls_json_is_object(note))
		load_totals(field, note, at);
}

static bool
note_list(const LsField *field, TimestampTz at, JsonbValue *note)
{
	LsMember *members = ordered_members(field);
	bool differs = false;

	*note = ls_json_array();
	for (int i = 0; i < field->nmembers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_json_add(note, note_stamp(members[i].value.at, at));
		differs |= members[i].value.at != at;
	}
	return differs;
}

static bool
note_parts(const LsField *field, TimestampTz at, JsonbValue *note)
{
	*note = ls_json_object();
	for (int i = 0; i < field->nmembers; i++)
	{
		const LsMember *member = &field->members[i];

		CHECK_FOR_INTERRUPTS();
		if (field->rule->shape == LS_SHAPE_TOTALS)
			ls_json_put_text(note, member->id, member->value.json);
		else if (member->value.at != at || member->value.json.type == jbvNull)
			ls_json_put_text(note, member->id, note_stamp(member->value.at, at));
	}
	return note->val.object.nPairs > 0;
}

/* What has to be remembered of a field beside its document of that instant; false where that says it all. */
bool
ls_field_note(const LsField *field, TimestampTz at, JsonbValue *note)
{
	if (field->rule->shape == LS_SHAPE_STAMPED && field->value.at != at)
	{
		*note = note_stamp(field->value.at, at);
		return true;
	}
	if (field->members == NULL)
		return false;
	return field->rule->shape == LS_SHAPE_LIST ? note_list(field, at, note) : note_parts(field, at, note);
}
