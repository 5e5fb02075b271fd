/*
 * state_book.c
 *		A state as it is kept: beside its document a book of what that does not say; or both in one object, packed.
 *
 * A book has a note of each field that needs one: {field: note}, as field.c writes them. A stored state has its lists in
 * rows of their own and an empty array in the document, and the totals of devices in rows and their sum in the document. A
 * packed state holds everything: the document, lists included, and under "_learnsync" {"at": instant, "fields": notes}.
 *
 * What a person has corrected is part of stored states only. In the book it stands under "_learnsync": {"under": what the
 * fields are underneath, "corrections": the oldest first}; the stored document is the one that is shown. Rows of lists are
 * what is underneath, and "whole" is the version by which corrections last made a difference to them.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

#define NOTED_DIGITS 6 /* books keep microseconds, documents show milliseconds */

/* What stands in a document beside its fields: what is computed, and in a packed one what its document does not say. */
static bool
is_no_field(const LsRuleField *rule, LsText name)
{
	return rule->strategy == ls_strategy_derive || ls_text_equal(name, ls_text(LS_PACKED_MEMBER));
}

/* Reads the fields of a document; what is no field is left out. Only packed states have notes of what else are rows. */
static void
load_fields(const LsRule *rule, LsState *state, const JsonbValue *document, const JsonbValue *notes, bool packed)
{
	LsJsonWalk walk;
	JsonbValue value;
	JsonbValue note;
	LsText name;
	int place = 0;
	bool noted;

	state->nfields = 0;
	state->fields = palloc(sizeof(LsField) * (ls_json_count(document) + 1));
	ls_json_walk(&walk, document);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		LsField *field = &state->fields[state->nfields];

		CHECK_FOR_INTERRUPTS();
		*field = (LsField){.name = name, .rule = ls_rule_walk(rule, &place, name), .value.json = value};
		if (is_no_field(field->rule, name))
			continue;
		Assert(state->nfields == 0 || ls_text_compare_keys(field[-1].name, name) < 0);
		noted = notes != NULL && ls_json_get_text(notes, name, &note) &&
				(packed || note.type != jbvBinary || !ls_shape_has_rows(field->rule->shape));
		ls_field_load(field, noted ? &note : NULL, state->at);
		state->nfields++;
	}
}

static LsText
text_member(const JsonbValue *object, const char *key)
{
	JsonbValue value;

	return ls_json_get(object, key, &value) && value.type == jbvString ? ls_text_of(&value) : (LsText){NULL, 0};
}

static TimestampTz
stamp_member(const JsonbValue *object, const char *key)
{
	LsText text = text_member(object, key);
	TimestampTz at;

	return text.data != NULL && ls_stamp_parse(text, &at) ? at : LS_NO_TIME;
}

static LsPin
read_pin(const LsRule *rule, const JsonbValue *note)
{
	LsPin pin = ls_overlay_pin(rule, text_member(note, "field"), text_member(note, "part"));
	JsonbValue value;

	pin.has_value = ls_json_get(note, "value", &pin.value);
	if (!pin.has_value && pin.rule->shape == LS_SHAPE_LIST)
		(void) ls_json_get(note, "removed", &pin.value);
	pin.has_top = ls_json_get(note, "topAt", &value);
	pin.top_is_gone = pin.has_top && !ls_json_get(note, "top", &pin.top.json);
	pin.top.at = stamp_member(note, "topAt");
	if (ls_json_get(note, "bases", &value) && ls_json_is_object(&value))
		pin.bases = value;
	return pin;
}

/* Whether a person can correct such a field. */
static bool
may_pin(const LsRuleField *field)
{
	return field->strategy != NULL && field->strategy != ls_strategy_derive && field->strategy != ls_strategy_unread;
}

/* Whether a pin is one that the rule could have: somebody may have written the table. */
static bool
is_sound(const LsPin *pin)
{
	if (pin->field.data == NULL || !may_pin(pin->rule) ||
		(pin->rule->shape == LS_SHAPE_MAP || pin->rule->shape == LS_SHAPE_LIST) != (pin->part.data != NULL))
		return false;
	return pin->on_top != LS_TOP_ADDS || ((!pin->has_value || pin->value.type == jbvNumeric) &&
										  (!pin->has_top || pin->top.json.type == jbvNumeric));
}

static LsCorrection
read_correction(const LsRule *rule, const JsonbValue *note)
{
	LsCorrection correction = {.id = text_member(note, "id"),
							   .at = stamp_member(note, "at"),
							   .by = text_member(note, "by"),
							   .reason = text_member(note, "reason")};
	JsonbValue value;
	JsonbValue pins;
	LsJsonWalk walk;

	if (!ls_json_get(note, "version", &value) || !ls_json_integer(&value, &correction.version))
		correction.version = LS_SEEN_ALL;
	if (!ls_json_get(note, "pins", &pins) || !ls_json_is_array(&pins))
		return correction;
	correction.pins = palloc_extended(sizeof(LsPin) * Max(ls_json_count(&pins), 1), MCXT_ALLOC_HUGE);
	ls_json_walk(&walk, &pins);
	while (ls_json_walk_next(&walk, NULL, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_json_is_object(&value))
			continue;
		correction.pins[correction.npins] = read_pin(rule, &value);
		correction.npins += is_sound(&correction.pins[correction.npins]);
	}
	return correction;
}

/* The document as it is underneath, from the one that is shown. */
static Jsonb *
uncover(const LsOverlay *overlay, const JsonbValue *under, Jsonb *document)
{
	JsonbValue covered = ls_json_object();
	JsonbValue whole;
	JsonbValue value;
	LsJsonWalk walk;
	LsText name;
	int count;
	LsShownPin *pins = ls_overlay_shown(overlay, &count);
	int i = 0;

	ls_json_root(document, &whole);
	ls_json_walk(&walk, &whole);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		CHECK_FOR_INTERRUPTS();
		while (i < count && ls_text_compare_keys(pins[i].pin->field, name) < 0)
			i++;
		if (i == count || !ls_text_equal(pins[i].pin->field, name))
			ls_json_put_text(&covered, name, value);
	}
	for (i = 0; i < count; i += pins[i].nparts)
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_json_get_text(under, pins[i].pin->field, &value))
			ls_json_put_text(&covered, pins[i].pin->field, value);
	}
	return ls_json_encode(&covered);
}

/* Reads what is corrected from the notes of a state; answers the document as it is underneath. */
static Jsonb *
load_overlay(const LsRule *rule, LsState *state, const JsonbValue *noted, Jsonb *document)
{
	LsOverlay *overlay = palloc0(sizeof(LsOverlay));
	JsonbValue list;
	JsonbValue under;
	JsonbValue value;
	LsJsonWalk walk;

	if (!ls_json_get(noted, "whole", &value) || !ls_json_integer(&value, &state->whole))
		state->whole = 0;
	if (!ls_json_get(noted, "corrections", &list) || !ls_json_is_array(&list) ||
		!ls_json_get(noted, "under", &under) || !ls_json_is_object(&under))
		return document;
	overlay->corrections = palloc(sizeof(LsCorrection) * (ls_json_count(&list) + 1));
	ls_json_walk(&walk, &list);
	while (ls_json_walk_next(&walk, NULL, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_json_is_object(&value))
			overlay->corrections[overlay->count++] = read_correction(rule, &value);
	}
	if (overlay->count > 0)
		state->overlay = overlay;
	return uncover(overlay, &under, document);
}

/* Fills in the fields of a stored state from its document and its notes, which may be NULL. */
void
ls_state_load(const LsRule *rule, LsState *state, Jsonb *document, Jsonb *book)
{
	JsonbValue json;
	JsonbValue notes;
	JsonbValue own;

	ls_json_root(document, &json);
	if (book != NULL)
		ls_json_root(book, &notes);
	state->bytes = ((int64) VARSIZE(document) + (book != NULL ? VARSIZE(book) : 0)) * LS_STATE_ROOM;
	if (book != NULL && ls_json_get(&notes, LS_PACKED_MEMBER, &own) && ls_json_is_object(&own))
		ls_json_root(load_overlay(rule, state, &own, document), &json);
	load_fields(rule, state, &json, book != NULL ? &notes : NULL, false);
}

/* What is noted of the fields, null where the document says it all; of those with rows only in a packed state. */
static JsonbValue
notes_of(const LsState *state, bool packed)
{
	JsonbValue notes = ls_json_null();
	JsonbValue note;

	for (int i = 0; i < state->nfields; i++)
	{
		const LsField *field = &state->fields[i];

		CHECK_FOR_INTERRUPTS();
		if ((!packed && ls_shape_has_rows(field->rule->shape)) || !ls_field_note(field, state->at, &note))
			continue;
		if (notes.type == jbvNull)
			notes = ls_json_object();
		ls_json_put_text(&notes, field->name, note);
	}
	return notes;
}

static JsonbValue
note_stamp(TimestampTz at)
{
	return at == LS_NO_TIME ? ls_json_null() : ls_json_text(ls_stamp_text(at, NOTED_DIGITS));
}

static JsonbValue
note_pin(const LsPin *pin)
{
	JsonbValue note = ls_json_object();

	ls_json_put(&note, "field", ls_json_text(pin->field));
	if (pin->part.data != NULL)
		ls_json_put(&note, "part", ls_json_text(pin->part));
	if (pin->has_value)
		ls_json_put(&note, "value", pin->value);
	else if (pin->rule->shape == LS_SHAPE_LIST)
		ls_json_put(&note, "removed", pin->value);
	if (pin->bases.type != jbvNull)
		ls_json_put(&note, "bases", pin->bases);
	if (!pin->has_top)
		return note;
	if (!pin->top_is_gone)
		ls_json_put(&note, "top", pin->top.json);
	ls_json_put(&note, "topAt", note_stamp(pin->top.at));
	return note;
}

static JsonbValue
note_correction(const LsCorrection *correction)
{
	JsonbValue note = ls_json_object();
	JsonbValue pins = ls_json_array();

	for (int i = 0; i < correction->npins; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_json_add(&pins, note_pin(&correction->pins[i]));
	}
	ls_json_put(&note, "id", ls_json_text(correction->id));
	ls_json_put(&note, "at", note_stamp(correction->at));
	ls_json_put(&note, "pins", pins);
	ls_json_put(&note, "version", ls_json_int(correction->version));
	if (correction->by.data != NULL)
		ls_json_put(&note, "by", ls_json_text(correction->by));
	if (correction->reason.data != NULL)
		ls_json_put(&note, "reason", ls_json_text(correction->reason));
	return note;
}

/* What a field that is pinned is underneath; of a list, that it is one. */
static JsonbValue
note_under(const LsField *field)
{
	bool apart = field->rule->shape == LS_SHAPE_LIST && field->members != NULL;

	return apart ? ls_json_array() : ls_field_show(field, false);
}

/* Notes what is corrected, and what is underneath. */
static void
note_overlay(const LsState *state, JsonbValue *own)
{
	const LsOverlay *overlay = state->overlay;
	JsonbValue under = ls_json_object();
	JsonbValue corrections = ls_json_array();
	int count;
	LsShownPin *pins = ls_overlay_shown(overlay, &count);

	for (int i = 0; i < count; i += pins[i].nparts)
	{
		const LsField *field = ls_state_field(state, pins[i].pin->field);

		CHECK_FOR_INTERRUPTS();
		if (field != NULL)
			ls_json_put_text(&under, field->name, note_under(field));
	}
	for (int i = 0; i < overlay->count; i++)
		ls_json_add(&corrections, note_correction(&overlay->corrections[i]));
	ls_json_put(own, "under", under);
	ls_json_put(own, "corrections", corrections);
}

/* Adds to the notes of a state what people's corrections leave to be remembered. */
static void
note_corrected(const LsState *state, JsonbValue *notes)
{
	JsonbValue own = ls_json_object();

	if (state->overlay != NULL)
		note_overlay(state, &own);
	if (state->whole > 0)
		ls_json_put(&own, "whole", ls_json_int(state->whole));
	if (notes->type == jbvNull)
		*notes = ls_json_object();
	ls_json_put(notes, LS_PACKED_MEMBER, own);
}

/* The notes as they are stored, NULL where there is nothing to remember, as for most states. */
Jsonb *
ls_state_book(const LsState *state)
{
	JsonbValue notes = notes_of(state, false);

	if (state->overlay != NULL || state->whole > 0)
		note_corrected(state, &notes);
	return notes.type == jbvNull ? NULL : ls_json_encode(&notes);
}

/* A state from one object. A bare document is a state too, older than anything. */
void
ls_state_unpack(const LsRule *rule, LsState *state, Jsonb *packed)
{
	JsonbValue document;
	JsonbValue own;
	JsonbValue at;
	JsonbValue notes;
	bool noted;

	ls_json_root(packed, &document);
	*state = (LsState){.exists = true, .at = LS_NO_TIME, .deleted_at = LS_NO_TIME};
	noted = ls_json_get(&document, LS_PACKED_MEMBER, &own) && ls_json_is_object(&own);
	if (noted && ls_json_get(&own, "at", &at) && at.type == jbvString)
		(void) ls_stamp_parse(ls_text_of(&at), &state->at);
	noted = noted && ls_json_get(&own, "fields", &notes) && ls_json_is_object(&notes);
	load_fields(rule, state, &document, noted ? &notes : NULL, true);
}

/* The state as one object. */
Jsonb *
ls_state_pack(const LsState *state)
{
	JsonbValue document = ls_state_whole(state, true);
	JsonbValue own = ls_json_object();
	JsonbValue notes = notes_of(state, true);

	if (state->at != LS_NO_TIME)
		ls_json_put(&own, "at", ls_json_text(ls_stamp_text(state->at, NOTED_DIGITS)));
	if (notes.type != jbvNull)
		ls_json_put(&own, "fields", notes);
	ls_json_put(&document, LS_PACKED_MEMBER, own);
	return ls_json_encode(&document);
}
