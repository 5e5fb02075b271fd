/*
 * correction.c
 *		A person's correction of a document: what can be corrected, made, told and taken back.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

pg_noreturn static void
refuse(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s cannot be corrected", what), errhint("%s", hint)));
}

/* Refuses what nobody can correct, whatever its value. */
void
ls_correction_check(const LsRule *rule, const JsonbValue *data)
{
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	if (rule->xapi)
		refuse("an xAPI statement", "Send a statement that voids it.");
	if (rule->clock.data != NULL)
		refuse("a document with a clock of its own", "Send an item with a later clock.");
	if (rule->policy == LS_POLICY_CUSTOM)
		refuse("a document that a function merges", "Send an item that the function takes.");
	ls_json_walk(&walk, data);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		const LsRuleField *field = ls_rule_walk(rule, &place, name);

		CHECK_FOR_INTERRUPTS();
		if (field->strategy == ls_strategy_derive)
			refuse(psprintf("computed field \"%s\"", ls_text_string(name)),
				   "Correct the field that it is computed from.");
	}
}

/*
 * A correction of a state, which is known by its version: later than all that the resource has, so that nothing of that
 * counts on top.
 */
LsCorrection
ls_correction_of(const LsState *state, LsText epoch, LsText learner, TimestampTz now, int64 version)
{
	LsDigest digest;
	pg_uuid_t id;

	if (state->overlay != NULL && state->overlay->count >= LS_MAX_CORRECTIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many corrections stand on this resource"),
				 errdetail("There are %d.", state->overlay->count),
				 errhint("Take some back with sync_uncorrect first.")));
	ls_digest_start(&digest);
	ls_digest_text(&digest, epoch);
	ls_digest_text(&digest, learner);
	ls_digest_text(&digest, ls_text(psprintf(INT64_FORMAT, version)));
	id = ls_digest_end(&digest);
	return (LsCorrection){.id = ls_digest_uuid_text(&id), .at = Max(now, state->at), .version = version};
}

/* A correction that is being made. */
typedef struct Making
{
	const LsRule *rule;
	LsCorrection *correction;
	int room;
} Making;

static void
add_pin(Making *making, LsText field, LsText part, const JsonbValue *value)
{
	LsCorrection *correction = making->correction;
	LsPin pin = ls_overlay_pin(making->rule, field, part);

	pin.has_value = value != NULL;
	if (value != NULL)
		pin.value = *value;
	if (correction->npins == making->room)
	{
		making->room = Max(16, making->room * 2);
		correction->pins = correction->pins == NULL ? palloc(sizeof(LsPin) * making->room)
													: repalloc_huge(correction->pins, sizeof(LsPin) * making->room);
	}
	correction->pins[correction->npins++] = pin;
}

static bool
fail(LsFailure *failure, const char *code, LsText name, const char *what)
{
	return ls_fail(failure, code, psprintf("data.%s", ls_text_string(name)), "%s %s", ls_text_string(name), what);
}

/* A map is corrected key by key; null says that there is to be none. */
static void
pin_map(Making *making, LsText name, const JsonbValue *map)
{
	JsonbValue value;
	LsJsonWalk walk;
	LsText key;

	ls_json_walk(&walk, map);
	while (ls_json_walk_next(&walk, &key, &value))
	{
		CHECK_FOR_INTERRUPTS();
		add_pin(making, name, key, value.type == jbvNull ? NULL : &value);
	}
}

/* The members that a list's correction sets or removes; jbvNull where it has no such. */
static JsonbValue
listed(const JsonbValue *list, const char *what)
{
	JsonbValue members = ls_json_null();

	if (ls_json_is_array(list))
		return strcmp(what, "set") == 0 ? *list : members;
	(void) ls_json_get(list, what, &members);
	return members;
}

/* Whether a list's correction is an array of members to set, or an object of those that are to be set and removed. */
static bool
is_list_correction(const JsonbValue *list)
{
	static const char *const words[] = {"set", "remove"};
	int known = 0;

	if (!ls_json_is_object(list))
		return ls_json_is_array(list);
	for (int i = 0; i < lengthof(words); i++)
	{
		JsonbValue members;
		bool given = ls_json_get(list, words[i], &members);

		if (given && !ls_json_is_array(&members))
			return false;
		known += given;
	}
	return known == ls_json_count(list);
}

/* The id of a member that is to be removed: where members have ids, a text is one. */
static LsText
removed_id(const LsRuleField *field, const JsonbValue *member)
{
	return field->nids > 0 && member->type == jbvString ? ls_text_of(member) : ls_member_id(field, member);
}

static void
pin_members(Making *making, const LsRuleField *field, LsText name, const JsonbValue *members, bool set)
{
	LsCorrection *correction = making->correction;
	JsonbValue member;
	LsJsonWalk walk;

	if (members->type == jbvNull)
		return;
	ls_json_walk(&walk, members);
	while (ls_json_walk_next(&walk, NULL, &member))
	{
		CHECK_FOR_INTERRUPTS();
		add_pin(making, name, (set ? ls_member_id : removed_id)(field, &member), set ? &member : NULL);
		correction->pins[correction->npins - 1].value = member;
	}
}

static int
compare_parts(const void *a, const void *b)
{
	return ls_text_compare_keys(((const LsPin *) a)->part, ((const LsPin *) b)->part);
}

/* A list is corrected member by member. */
static bool
pin_list(Making *making, const LsRuleField *field, LsText name, const JsonbValue *list, LsFailure *failure)
{
	LsCorrection *correction = making->correction;
	int first = correction->npins;
	JsonbValue set = listed(list, "set");
	JsonbValue removed = listed(list, "remove");

	pin_members(making, field, name, &set, true);
	pin_members(making, field, name, &removed, false);
	if (correction->npins > first)
		ls_sort(correction->pins + first, correction->npins - first, sizeof(LsPin), compare_parts);
	for (int i = first + 1; i < correction->npins; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (compare_parts(&correction->pins[i - 1], &correction->pins[i]) == 0)
			return fail(failure, "invalid", name, "names a member twice");
	}
	return true;
}

/* A time that the server takes from items, in the form in which documents have it. */
static bool
pin_time(Making *making, LsText name, const JsonbValue *value, LsFailure *failure)
{
	JsonbValue stamp;
	TimestampTz at;

	if (value->type != jbvString || !ls_stamp_parse(ls_text_of(value), &at))
		return fail(failure, "bad_timestamp", name, "must be an RFC 3339 time with offset, or null");
	stamp = ls_json_stamp(at);
	add_pin(making, name, (LsText){NULL, 0}, &stamp);
	return true;
}

/* What is added to must leave room for more. */
static bool
may_add_to(const LsRuleField *field, const JsonbValue *value)
{
	return field->strategy->on_top != LS_TOP_ADDS || value->type != jbvNumeric ||
		   ls_check_leaves_room(value->val.numeric);
}

/* Pins one field; null says that there is to be none where it is no value. */
static bool
pin_field(Making *making, const LsRuleField *field, LsText name, const JsonbValue *value, LsFailure *failure)
{
	bool merges = making->rule->policy == LS_POLICY_MERGE;

	if (field->strategy == NULL)
		return true;
	if (field->strategy == ls_strategy_unread ||
		(field == &making->rule->rest && making->rule->other != LS_OTHER_LATEST))
		return fail(failure, "invalid", name, "is no field of such documents");
	if (field->shape == LS_SHAPE_MAP && value->type == jbvNull)
		return fail(failure, "invalid", name, "must be an object of the keys that are corrected");
	if (field->shape == LS_SHAPE_LIST)
		return pin_list(making, field, name, value, failure);
	if (field->shape == LS_SHAPE_MAP)
		pin_map(making, name, value);
	else if (value->type == jbvNull && merges && !field->strategy->takes_null)
		add_pin(making, name, (LsText){NULL, 0}, NULL);
	else if (field->strategy->ignores_value)
		return pin_time(making, name, value, failure);
	else if (!may_add_to(field, value))
		return fail(failure, "out_of_range", name, "does not fit into 64 bits");
	else
		add_pin(making, name, (LsText){NULL, 0}, value);
	return true;
}

static bool
pin_data(Making *making, const JsonbValue *data, LsFailure *failure)
{
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	ls_json_walk(&walk, data);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (!pin_field(making, ls_rule_walk(making->rule, &place, name), name, &value, failure))
			return false;
	}
	return true;
}

/* A document that is corrected whole has nothing that the correction does not have. */
static void
pin_others(Making *making, const JsonbValue *shown, const JsonbValue *data)
{
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	ls_json_walk(&walk, shown);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		const LsRuleField *field = ls_rule_walk(making->rule, &place, name);

		CHECK_FOR_INTERRUPTS();
		if (field->strategy != NULL && !ls_json_get_text(data, name, &value))
			add_pin(making, name, (LsText){NULL, 0}, NULL);
	}
}

/* The data as an item would say them: of lists the members that are set. */
static bool
as_item(const LsRule *rule, const JsonbValue *data, JsonbValue *item, LsFailure *failure)
{
	JsonbValue said = ls_json_object();
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	*item = *data;
	if (!rule->has_lists)
		return true;
	ls_json_walk(&walk, data);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_rule_walk(rule, &place, name)->shape == LS_SHAPE_LIST)
		{
			if (!is_list_correction(&value))
				return fail(failure, "invalid", name,
							"must be an array of members to set, or an object with the arrays set and remove");
			value = listed(&value, "set");
		}
		ls_json_put_text(&said, name, value);
	}
	ls_json_root(ls_json_encode(&said), item);
	return true;
}

/* Whether every field that is there is as the rule wants it, whatever is required. */
static bool
check_values(const LsRule *rule, const JsonbValue *data, LsFailure *failure)
{
	JsonbValue item;
	LsRule lenient = *rule;

	lenient.fields = palloc(sizeof(LsRuleField) * Max(rule->nfields, 1));
	for (int i = 0; i < rule->nfields; i++)
	{
		lenient.fields[i] = rule->fields[i];
		lenient.fields[i].required = false;
	}
	return as_item(rule, data, &item, failure) && ls_check_document(&lenient, &item, failure);
}

static bool
has_required(const LsRule *rule, const JsonbValue *document, LsFailure *failure)
{
	JsonbValue value;

	for (int i = 0; i < rule->nfields; i++)
	{
		const LsRuleField *field = &rule->fields[i];

		CHECK_FOR_INTERRUPTS();
		if (field->required && (!ls_json_get_text(document, field->name, &value) || value.type == jbvNull))
			return fail(failure, "invalid", field->name, "is missing");
	}
	return true;
}

/* Whether the state with its corrections is small enough to be stored. */
static bool
fits(const LsState *state, const Jsonb *document, LsFailure *failure)
{
	int64 bytes = (int64) VARSIZE(document) + VARSIZE(ls_state_book(state));

	return bytes <= learnsync_max_document_bytes ||
		   ls_fail(failure, "too_large", "data", "the document and its corrections would be larger than %d bytes",
				   learnsync_max_document_bytes);
}

static LsOverlay *
with_correction(const LsOverlay *overlay, const LsCorrection *correction)
{
	LsOverlay *extended = palloc(sizeof(LsOverlay));
	int count = overlay == NULL ? 0 : overlay->count;

	extended->count = count + 1;
	extended->corrections = palloc(sizeof(LsCorrection) * (count + 1));
	if (count > 0)
		memcpy(extended->corrections, overlay->corrections, sizeof(LsCorrection) * count);
	extended->corrections[count] = *correction;
	return extended;
}

/* Whether a correction takes members of lists out, or in: then lists are not what they were with some added. */
static bool
changes_lists(const LsCorrection *correction)
{
	for (int i = 0; i < correction->npins; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (correction->pins[i].rule->shape == LS_SHAPE_LIST)
			return true;
	}
	return false;
}

/*
 * Puts a correction over an existing document. Data are an object, rounded, of which the keys are checked; under policies
 * that take the first document only it is the whole document.
 */
bool
ls_correction_apply(const LsRule *rule, LsState *state, const LsCorrection *correction, const JsonbValue *data,
					LsFailure *failure)
{
	bool whole = rule->policy == LS_POLICY_INSERT_ONLY || rule->policy == LS_POLICY_IMMUTABLE;
	LsCorrection made = *correction;
	Making making = {rule, &made};
	JsonbValue shown;
	Jsonb *document;

	if (!check_values(rule, data, failure) || !pin_data(&making, data, failure))
		return false;
	ls_json_root(ls_state_document(state), &shown);
	if (whole)
		pin_others(&making, &shown, data);
	if (made.npins == 0)
		return ls_fail(failure, "invalid", "data", "data must say what is to be corrected");
	state->overlay = with_correction(state->overlay, &made);
	if (changes_lists(&made))
		state->whole = made.version;
	document = ls_state_document(state);
	ls_json_root(document, &shown);
	return has_required(rule, &shown, failure) && fits(state, document, failure);
}

/* Takes the newest correction back, under that version. */
void
ls_correction_drop(LsState *state, int64 version)
{
	LsOverlay *rest = palloc(sizeof(LsOverlay));

	Assert(state->overlay != NULL && state->overlay->count > 0);
	*rest = *state->overlay;
	rest->count--;
	if (changes_lists(&rest->corrections[rest->count]))
		state->whole = version;
	state->overlay = rest->count > 0 ? rest : NULL;
}

/* The members of an object that another does not have so, and as null those that only the other has. */
static JsonbValue
difference_of(const JsonbValue *shown, const JsonbValue *data)
{
	JsonbValue difference = ls_json_object();
	JsonbValue value;
	JsonbValue old;
	LsJsonWalk walk;
	LsText name;

	ls_json_walk(&walk, data);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_json_get_text(shown, name, &old) || ls_json_compare(&old, &value) != 0)
			ls_json_put_text(&difference, name, value);
	}
	ls_json_walk(&walk, shown);
	while (ls_json_walk_next(&walk, &name, &old))
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_json_get_text(data, name, &value))
			ls_json_put_text(&difference, name, ls_json_null());
	}
	ls_json_root(ls_json_encode(&difference), &value);
	return value;
}

/* What differs of a map, key by key; false where nothing does. */
static bool
map_differs(const JsonbValue *shown, LsText name, JsonbValue *value)
{
	JsonbValue none = ls_json_object();
	JsonbValue empty;
	JsonbValue old;

	ls_json_root(ls_json_encode(&none), &empty);
	if (!ls_json_get_text(shown, name, &old) || !ls_json_is_object(&old))
		old = empty;
	*value = difference_of(&old, ls_json_is_object(value) ? value : &empty);
	return ls_json_count(value) > 0;
}

static int
compare_members(const void *a, const void *b)
{
	return ls_text_compare_keys(((const LsMember *) a)->id, ((const LsMember *) b)->id);
}

/* A list's members by id. */
static LsField
members_of(const LsRuleField *rule, const JsonbValue *list)
{
	LsField field = {.rule = rule};
	JsonbValue member;
	LsJsonWalk walk;

	ls_member_start(&field, ls_json_is_array(list) ? ls_json_count(list) : 0);
	if (!ls_json_is_array(list))
		return field;
	ls_json_walk(&walk, list);
	while (ls_json_walk_next(&walk, NULL, &member))
	{
		CHECK_FOR_INTERRUPTS();
		ls_member_append(&field, ls_member_id(rule, &member), &member, LS_NO_TIME);
	}
	ls_sort(field.members, field.nmembers, sizeof(LsMember), compare_members);
	field.nsorted = field.nmembers;
	return field;
}

/* The members of a list that another does not have so, or does not have at all. */
static JsonbValue
members_beyond(const LsField *list, const LsField *other, bool at_all)
{
	JsonbValue beyond = ls_json_array();

	for (int i = 0; i < list->nmembers; i++)
	{
		const LsMember *member = &list->members[i];
		const LsMember *known = ls_member_find(other, member->id);

		CHECK_FOR_INTERRUPTS();
		if (known == NULL || (!at_all && ls_json_compare(&known->value.json, &member->value.json) != 0))
			ls_json_add(&beyond, member->value.json);
	}
	return beyond;
}

/* What differs of a list, member by member; false where nothing does. */
static bool
list_differs(const LsRuleField *rule, const JsonbValue *shown, LsText name, JsonbValue *value)
{
	JsonbValue difference = ls_json_object();
	JsonbValue none = ls_json_null();
	JsonbValue old;
	LsField before = members_of(rule, ls_json_get_text(shown, name, &old) ? &old : &none);
	LsField after = members_of(rule, value);
	JsonbValue set = members_beyond(&after, &before, false);
	JsonbValue removed = members_beyond(&before, &after, true);

	if (set.val.array.nElems + removed.val.array.nElems == 0)
		return false;
	if (set.val.array.nElems > 0)
		ls_json_put(&difference, "set", set);
	if (removed.val.array.nElems > 0)
		ls_json_put(&difference, "remove", removed);
	ls_json_root(ls_json_encode(&difference), value);
	return true;
}

/* Of a document that a person has put together, what differs from the one that is shown, as a correction says it. */
JsonbValue
ls_correction_difference(const LsRule *rule, const JsonbValue *shown, const JsonbValue *data)
{
	JsonbValue difference = ls_json_object();
	JsonbValue all = difference_of(shown, data);
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int place = 0;

	ls_json_walk(&walk, &all);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		const LsRuleField *field = ls_rule_walk(rule, &place, name);

		CHECK_FOR_INTERRUPTS();
		if (ls_check_is_read(field) && (field != &rule->rest || rule->other == LS_OTHER_LATEST) &&
			(field->shape != LS_SHAPE_MAP || map_differs(shown, name, &value)) &&
			(field->shape != LS_SHAPE_LIST || list_differs(field, shown, name, &value)))
			ls_json_put_text(&difference, name, value);
	}
	ls_json_root(ls_json_encode(&difference), &value);
	return value;
}

/* Adds what a correction says of a key of a map, or of a member of a list, to what it says of the others. */
static void
tell_part(JsonbValue *said, const LsPin *pin)
{
	const char *word = pin->has_value ? "set" : "remove";
	JsonbPair *pair = NULL;

	if (pin->rule->shape != LS_SHAPE_LIST)
	{
		ls_json_put_text(said, pin->part, pin->has_value ? pin->value : ls_json_null());
		return;
	}
	for (int i = 0; i < said->val.object.nPairs; i++)
	{
		if (ls_text_equal(ls_text_of(&said->val.object.pairs[i].key), ls_text(word)))
			pair = &said->val.object.pairs[i];
	}
	if (pair == NULL)
	{
		ls_json_put(said, word, ls_json_array());
		pair = &said->val.object.pairs[said->val.object.nPairs - 1];
	}
	ls_json_add(&pair->value, pin->value);
}

/* What a correction says of the fields: null where there is to be none. */
static JsonbValue
told_data(const LsCorrection *correction)
{
	JsonbValue data = ls_json_object();

	for (int i = 0; i < correction->npins; i++)
	{
		const LsPin *pin = &correction->pins[i];

		CHECK_FOR_INTERRUPTS();
		if (pin->part.data == NULL)
			ls_json_put_text(&data, pin->field, pin->has_value ? pin->value : ls_json_null());
		else
		{
			if (i == 0 || !ls_text_equal(pin[-1].field, pin->field))
				ls_json_put_text(&data, pin->field, ls_json_object());
			tell_part(&data.val.object.pairs[data.val.object.nPairs - 1].value, pin);
		}
	}
	return data;
}

/* The corrections as whoever asks for them is told, the newest first. */
JsonbValue
ls_correction_tell(const LsOverlay *overlay)
{
	JsonbValue told = ls_json_array();

	for (int i = overlay->count - 1; i >= 0; i--)
	{
		const LsCorrection *correction = &overlay->corrections[i];
		JsonbValue one = ls_json_object();

		ls_json_put(&one, "at", ls_json_stamp(correction->at));
		ls_json_put(&one, "data", told_data(correction));
		ls_json_put(&one, "version", ls_json_int(correction->version));
		ls_json_put(&one, "correctionId", ls_json_text(correction->id));
		if (correction->by.data != NULL)
			ls_json_put(&one, "by", ls_json_text(correction->by));
		if (correction->reason.data != NULL)
			ls_json_put(&one, "reason", ls_json_text(correction->reason));
		ls_json_add(&told, one);
	}
	return told;
}
