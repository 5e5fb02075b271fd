/*
 * state.c
 *		The state of a resource: from document and notes and back, lifted from an item, joined, and as it is shown.
 *
 * Notes ("book") hold what the document alone does not say, by field: {field: note}, as field.c writes them. A stored
 * state has its lists in rows of their own and an empty array in the document, and the totals of devices in rows and
 * their sum in the document. A packed state is one object that holds everything: the document, lists included, and under
 * "_learnsync" {"at": instant, "fields": notes}. What a person has corrected is part of stored states only, see overlay.c.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

#define PACKED_DIGITS 6

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
	JsonbIterator *walk = JsonbIteratorInit(document->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue value;
	JsonbValue note;
	LsText name = {NULL, 0};
	int place = 0;
	bool noted;

	state->nfields = 0;
	state->fields = palloc(sizeof(LsField) * (ls_json_count(document) + 1));
	while ((token = JsonbIteratorNext(&walk, &value, true)) != WJB_DONE)
	{
		LsField *field = &state->fields[state->nfields];

		CHECK_FOR_INTERRUPTS();
		if (token == WJB_KEY)
			name = ls_text_of(&value);
		if (token != WJB_VALUE)
			continue;
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
	if (book != NULL && ls_json_get(&notes, LS_PACKED_MEMBER, &own))
		ls_json_root(ls_overlay_load(rule, state, &own, document), &json);
	load_fields(rule, state, &json, book != NULL ? &notes : NULL, false);
}

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
		document = ls_overlay_show(state, &document);
	return ls_json_encode(&document);
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

/* The notes as they are stored, NULL where there is nothing to remember, as for most states. */
Jsonb *
ls_state_book(const LsState *state)
{
	JsonbValue notes = notes_of(state, false);

	if (state->overlay != NULL)
		ls_overlay_note(state, &notes);
	return notes.type == jbvNull ? NULL : ls_json_encode(&notes);
}

static JsonbValue
whole_document(const LsState *state, bool with_removed)
{
	JsonbValue document = ls_json_object();

	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_json_put_text(&document, state->fields[i].name, ls_field_show(&state->fields[i], with_removed));
	}
	return state->overlay == NULL ? document : ls_overlay_show(state, &document);
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
	JsonbValue document = whole_document(state, true);
	JsonbValue own = ls_json_object();
	JsonbValue notes = notes_of(state, true);

	if (state->at != LS_NO_TIME)
		ls_json_put(&own, "at", ls_json_text(ls_stamp_text(state->at, PACKED_DIGITS)));
	if (notes.type != jbvNull)
		ls_json_put(&own, "fields", notes);
	ls_json_put(&document, LS_PACKED_MEMBER, own);
	return ls_json_encode(&document);
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
	document = whole_document(state, with_removed);
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
