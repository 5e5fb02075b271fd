/*
 * state.c
 *		The state of a resource: from its stored document and bookkeeping, back to them, and as it is shown.
 *
 * The bookkeeping ("book") holds what the document alone does not say: {"stamps": {field: instant}} where a field's
 * order instant differs from the document's, {"members": {field: [instant, …]}} for lists merged by member.
 */
#include "postgres.h"

#include "learnsync.h"
#include "utils/numeric.h"

#define STAMP_DIGITS 6 /* bookkeeping keeps microseconds, documents show milliseconds */

/* The id of a list's member: the first of the rule's id fields it has, else the digest of its content. */
LsText
ls_state_member_id(const LsRuleField *rule, const JsonbValue *value)
{
	JsonbValue id;
	LsDigest digest;
	pg_uuid_t uuid;

	for (int i = 0; i < rule->nids && ls_json_is_object(value); i++)
	{
		if (!ls_json_get_text(value, rule->ids[i], &id))
			continue;
		if (id.type == jbvString)
			return ls_text_of(&id);
		if (id.type == jbvNumeric)
			return ls_text(numeric_normalize(id.val.numeric));
	}
	ls_digest_start(&digest);
	ls_digest_json(&digest, value, NULL);
	uuid = ls_digest_end(&digest);
	return ls_digest_uuid_text(&uuid);
}

/* Where the member of that id stands among the members, or would have to be put. */
int
ls_state_find_member(const LsField *field, LsText id, bool *found)
{
	int low = 0;
	int high = field->nmembers;

	*found = false;
	while (low < high)
	{
		int middle = (low + high) / 2;
		int order = ls_text_compare_keys(field->members[middle].id, id);

		if (order == 0)
			*found = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
compare_member_ids(const void *a, const void *b)
{
	return ls_text_compare_keys(((const LsMember *) a)->id, ((const LsMember *) b)->id);
}

static int
compare_members(const void *a, const void *b)
{
	const LsMember *ma = a;
	const LsMember *mb = b;
	int order;

	if (ma->at != mb->at)
		return ma->at < mb->at ? -1 : 1;
	order = memcmp(ma->id.data, mb->id.data, Min(ma->id.length, mb->id.length));
	return order != 0 ? order : ma->id.length - mb->id.length;
}

/* The members in the order in which they are shown: by order instant, then id. */
static LsMember *
ordered_members(const LsField *field)
{
	LsMember *members = palloc_extended(sizeof(LsMember) * Max(field->nmembers, 1), MCXT_ALLOC_HUGE);

	if (field->nmembers > 0)
		memcpy(members, field->members, sizeof(LsMember) * field->nmembers);
	qsort(members, field->nmembers, sizeof(LsMember), compare_members);
	return members;
}

static JsonbValue
shown_members(const LsField *field)
{
	JsonbValue list = ls_json_array();
	LsMember *members = ordered_members(field);

	for (int i = 0; i < field->nmembers; i++)
		ls_json_add(&list, members[i].value);
	return list;
}

static bool
read_stamp(const JsonbValue *value, TimestampTz *at)
{
	return value->type == jbvString && ls_stamp_parse(ls_text_of(value), at);
}

/* Members stand in the document in shown order, and their instants in the book in the same order. */
static void
load_members(const LsRuleField *rule, LsField *field, const JsonbValue *list, const JsonbValue *stamps)
{
	int count = ls_json_is_array(list) ? ls_json_count(list) : 0;

	field->members = palloc_extended(sizeof(LsMember) * Max(count, 1), MCXT_ALLOC_HUGE);
	field->nmembers = count;
	for (int i = 0; i < count; i++)
	{
		LsMember *member = &field->members[i];
		JsonbValue *stamp = stamps == NULL ? NULL : getIthJsonbValueFromContainer(stamps->val.binary.data, i);

		member->value = *getIthJsonbValueFromContainer(list->val.binary.data, i);
		member->id = ls_state_member_id(rule, &member->value);
		if (stamp == NULL || !read_stamp(stamp, &member->at))
			member->at = field->at;
	}
	qsort(field->members, count, sizeof(LsMember), compare_member_ids);
}

/* The part of the book of that name, if it is an object. */
static bool
book_part(const JsonbValue *book, const char *name, JsonbValue *part)
{
	return book->type == jbvBinary && ls_json_get(book, name, part) && ls_json_is_object(part);
}

/* Fills in fields from a stored document; at, deleted_at and exists are the caller's. */
void
ls_state_load(const LsRule *rule, LsState *state, Jsonb *document, Jsonb *book)
{
	JsonbValue json;
	JsonbValue book_json = {.type = jbvNull};
	JsonbValue part;
	JsonbValue value;
	JsonbIterator *walk = JsonbIteratorInit(&document->root);
	JsonbIteratorToken token;
	bool has_stamps;

	ls_json_root(document, &json);
	if (book != NULL)
		ls_json_root(book, &book_json);
	has_stamps = book_part(&book_json, "stamps", &part);
	state->nfields = 0;
	state->fields = palloc(sizeof(LsField) * Max(ls_json_count(&json), 1));
	while ((token = JsonbIteratorNext(&walk, &value, true)) != WJB_DONE)
	{
		LsField *field = &state->fields[state->nfields];

		if (token == WJB_KEY)
			*field = (LsField){.key = value, .at = state->at};
		if (token != WJB_VALUE)
			continue;
		field->value = value;
		if (has_stamps && ls_json_get_text(&part, ls_text_of(&field->key), &value))
			(void) read_stamp(&value, &field->at);
		state->nfields++;
	}
	for (int i = 0; rule->has_members && i < state->nfields; i++)
	{
		LsField *field = &state->fields[i];
		const LsRuleField *known = ls_rule_field(rule, ls_text_of(&field->key));
		bool has_members;

		if (known == NULL || known->strategy == NULL || !known->strategy->has_members)
			continue;
		has_members = book_part(&book_json, "members", &part) &&
					  ls_json_get_text(&part, ls_text_of(&field->key), &value) && ls_json_is_array(&value);
		load_members(known, field, &field->value, has_members ? &value : NULL);
	}
}

static JsonbValue
stored_document(const LsState *state)
{
	JsonbValue document = ls_json_object();

	for (int i = 0; i < state->nfields; i++)
	{
		const LsField *field = &state->fields[i];

		ls_json_put_text(&document, ls_text_of(&field->key),
						 field->members != NULL ? shown_members(field) : field->value);
	}
	return document;
}

/* The document as it is stored: no derived fields. */
Jsonb *
ls_state_document(const LsState *state)
{
	JsonbValue document = stored_document(state);

	return ls_json_encode(&document);
}

static JsonbValue
book_stamp(TimestampTz at)
{
	return ls_json_text(ls_stamp_text(at, STAMP_DIGITS));
}

static JsonbValue
member_stamps(const LsState *state, const LsField *field)
{
	JsonbValue stamps = ls_json_array();
	LsMember *members = ordered_members(field);

	for (int i = 0; i < field->nmembers; i++)
		ls_json_add(&stamps, members[i].at == state->at ? ls_json_null() : book_stamp(members[i].at));
	return stamps;
}

/* What the book notes of one field, in which part; nothing where the document says it all. */
static bool
book_entry(const LsState *state, const LsField *field, JsonbValue *entry)
{
	if (field->members != NULL)
		*entry = member_stamps(state, field);
	else if (field->at != state->at)
		*entry = book_stamp(field->at);
	else
		return false;
	return true;
}

/* The bookkeeping as it is stored, NULL where there is nothing to remember, as for most states. */
Jsonb *
ls_state_book(const LsState *state)
{
	JsonbValue book = ls_json_null();
	JsonbValue parts[2];
	JsonbValue entry;

	for (int i = 0; i < state->nfields; i++)
	{
		if (!book_entry(state, &state->fields[i], &entry))
			continue;
		if (book.type == jbvNull)
		{
			book = ls_json_object();
			parts[0] = ls_json_object();
			parts[1] = ls_json_object();
		}
		ls_json_put_text(&parts[state->fields[i].members != NULL], ls_text_of(&state->fields[i].key), entry);
	}
	if (book.type == jbvNull)
		return NULL;
	if (parts[0].val.object.nPairs > 0)
		ls_json_put(&book, "stamps", parts[0]);
	if (parts[1].val.object.nPairs > 0)
		ls_json_put(&book, "members", parts[1]);
	return ls_json_encode(&book);
}

/* The value of a derived field: that of the last step whose bounds the source keeps. */
static bool
derive_value(const LsRuleField *rule, const LsState *state, JsonbValue *value)
{
	const JsonbValue *source = NULL;

	for (int i = 0; i < state->nfields; i++)
	{
		if (ls_text_equal(ls_text_of(&state->fields[i].key), rule->source))
			source = &state->fields[i].value;
	}
	for (int i = rule->nsteps - 1; i >= 0; i--)
	{
		const LsBounds *bounds = &rule->steps[i].bounds;
		bool always = bounds->min == NULL && bounds->max == NULL;

		if (always || (source != NULL && source->type == jbvNumeric && ls_check_bounds(bounds, source->val.numeric)))
		{
			*value = rule->steps[i].value;
			return true;
		}
	}
	return false;
}

/* The document as everybody sees it, computed fields included; null where there is none. */
JsonbValue
ls_state_show(const LsRule *rule, const LsState *state)
{
	JsonbValue document;
	JsonbValue value;

	if (!state->exists)
		return ls_json_null();
	document = stored_document(state);
	for (int i = 0; rule->has_derived && i < rule->nfields; i++)
	{
		if (rule->fields[i].strategy == ls_strategy_derive && derive_value(&rule->fields[i], state, &value))
			ls_json_put_text(&document, rule->fields[i].name, value);
	}
	return document;
}
