/*
 * member.c
 *		The parts of a field that is merged by parts: sorted by id, found, joined.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* Makes the field one of no members. */
void
ls_member_start(LsField *field, int room)
{
	field->nmembers = field->nsorted = 0;
	field->room = Max(room, 1);
	field->own = true;
	field->members = palloc_extended(sizeof(LsMember) * field->room, MCXT_ALLOC_HUGE);
}

/* Adds a member wherever it belongs; ls_member_sort brings it there. */
LsMember *
ls_member_append(LsField *field, LsText id, const JsonbValue *json, TimestampTz at)
{
	LsMember *member;

	if (field->nmembers == field->room)
	{
		field->room *= 2;
		field->members = repalloc_huge(field->members, sizeof(LsMember) * field->room);
	}
	member = &field->members[field->nmembers++];
	*member = (LsMember){.id = id, .value = {*json, at}};
	ItemPointerSet(&member->place, field->item, InvalidOffsetNumber);
	return member;
}

/* A digest as 32 hexadecimal digits. */
static LsText
digest_of(const JsonbValue *value)
{
	LsDigest digest;
	pg_uuid_t uuid;
	LsText text = {NULL, 2 * UUID_LEN};

	ls_digest_start(&digest);
	ls_digest_json(&digest, value, NULL);
	uuid = ls_digest_end(&digest);
	text.data = palloc(text.length);
	(void) hex_encode((const char *) uuid.data, UUID_LEN, (char *) text.data);
	return text;
}

/*
 * The id of a list's member: the first of the rule's id fields it has, else the digest of its content. An id that is
 * too long for an index is known by its digest.
 */
LsText
ls_member_id(const LsRuleField *rule, const JsonbValue *value)
{
	JsonbValue id;

	for (int i = 0; i < rule->nids && ls_json_is_object(value); i++)
	{
		if (!ls_json_get_text(value, rule->ids[i], &id))
			continue;
		if (id.type == jbvNumeric)
			id = ls_json_string(numeric_normalize(id.val.numeric));
		if (id.type == jbvString && id.val.string.len > 0)
			return ls_text_chars(ls_text_of(&id)) > LS_MAX_ID_CHARS ? digest_of(&id) : ls_text_of(&id);
	}
	return digest_of(value);
}

/* Whether a list's member says that there is none of its id any more. */
bool
ls_member_is_removed(const LsRuleField *rule, const JsonbValue *value)
{
	JsonbValue deleted;

	return rule->members_latest && ls_json_is_object(value) && ls_json_get(value, "deleted", &deleted) &&
		   deleted.type == jbvBool && deleted.val.boolean;
}

/* Whether an item's data removes members of lists. */
bool
ls_member_removes(const LsRule *rule, const JsonbValue *data)
{
	for (int i = 0; i < rule->nfields && ls_json_is_object(data); i++)
	{
		JsonbValue list;
		JsonbValue member;
		LsJsonWalk walk;

		if (!rule->fields[i].members_latest || !ls_json_get_text(data, rule->fields[i].name, &list) ||
			!ls_json_is_array(&list))
			continue;
		ls_json_walk(&walk, &list);
		while (ls_json_walk_next(&walk, NULL, &member))
		{
			CHECK_FOR_INTERRUPTS();
			if (ls_member_is_removed(&rule->fields[i], &member))
				return true;
		}
	}
	return false;
}

static int
compare_ids(const void *a, const void *b)
{
	return ls_text_compare_keys(((const LsMember *) a)->id, ((const LsMember *) b)->id);
}

/* The member of that id, NULL where there is none. */
LsMember *
ls_member_find(const LsField *field, LsText id)
{
	LsMember wanted = {.id = id};

	Assert(field->nsorted <= field->nmembers);
	if (field->nsorted == 0)
		return NULL;
	return bsearch(&wanted, field->members, field->nsorted, sizeof(LsMember), compare_ids);
}

static uint32
item_of(const LsMember *member)
{
	return ItemPointerGetBlockNumberNoCheck(&member->place);
}

/* Notes of the item that brought the member that its content was not taken, where that makes a difference. */
static void
note_lost(const LsField *field, const LsMember *lost, const LsMember *taken)
{
	if (field->lost == NULL || ls_json_compare(&lost->value.json, &taken->value.json) == 0)
		return;
	Assert(!ItemPointerIsValid(&lost->place)); /* what is stored comes first, and is no item's */
	field->lost[item_of(lost)] = true;
}

/* Of two members of one item only one is taken; what an earlier item said was, in its time. */
static bool
is_of_one_item(const LsMember *a, const LsMember *b)
{
	return !ItemPointerIsValid(&a->place) && item_of(a) == item_of(b);
}

/* Adds a member, for which there is room, behind the greatest; of two with one id the strategy's choice stays. */
static bool
add_member(LsField *field, const LsMember *member)
{
	LsMember *last = field->nmembers == 0 ? NULL : &field->members[field->nmembers - 1];

	Assert(field->nmembers < field->room);
	Assert(last == NULL || compare_ids(last, member) <= 0);
	if (last == NULL || compare_ids(last, member) != 0)
	{
		field->members[field->nmembers++] = *member;
		return true;
	}
	if (!field->rule->strategy->replaces(field->rule, &last->value, &member->value))
	{
		note_lost(field, member, last);
		return false;
	}
	if (is_of_one_item(last, member))
		note_lost(field, last, member);
	*last = *member;
	return true;
}

/* By ids; of one id what is stored comes first, then what items brought, in their order. */
static int
compare_arrivals(const void *a, const void *b)
{
	const LsMember *ma = a;
	const LsMember *mb = b;
	int order = compare_ids(ma, mb);

	if (order != 0)
		return order;
	if (ItemPointerIsValid(&ma->place) || ItemPointerIsValid(&mb->place))
		return (int) ItemPointerIsValid(&mb->place) - (int) ItemPointerIsValid(&ma->place);
	return item_of(ma) < item_of(mb) ? -1 : item_of(ma) > item_of(mb);
}

/* Brings members that came in any order, repeated ones among them, into the form that all else relies on. */
void
ls_member_sort(LsField *field)
{
	int count = field->nmembers;

	ls_sort(field->members, count, sizeof(LsMember), compare_arrivals);
	field->nmembers = 0;
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_member(field, &field->members[i]);
	}
	field->nsorted = field->nmembers;
}

/* Joins two sorted lists into a new one: what fails later must leave the stored one as it is. Whether that changed it. */
bool
ls_member_join(LsField *field, const LsField *other)
{
	LsField joined = *field;
	bool changed = false;
	int i = 0;
	int j = 0;

	Assert(field->nsorted == field->nmembers && other->nsorted == other->nmembers);
	ls_member_start(&joined, field->nmembers + other->nmembers);
	while (i < field->nmembers || j < other->nmembers)
	{
		CHECK_FOR_INTERRUPTS();
		if (j == other->nmembers || (i < field->nmembers && compare_ids(&field->members[i], &other->members[j]) <= 0))
			add_member(&joined, &field->members[i++]);
		else if (add_member(&joined, &other->members[j++]))
			changed = true;
	}
	joined.nsorted = joined.nmembers;
	*field = joined;
	return changed;
}

/* Sees to room for so many more members in an array of the field's own. */
static void
make_room(LsField *field, int more)
{
	LsField larger = *field;

	if (field->own && field->nmembers + more <= field->room)
		return;
	ls_member_start(&larger, field->nmembers + more + (field->nmembers + more) / 2);
	memcpy(larger.members, field->members, sizeof(LsMember) * field->nmembers);
	larger.nmembers = field->nmembers;
	larger.nsorted = field->nsorted;
	if (field->own)
		pfree(field->members);
	*field = larger;
}

/* Whether all members of that id are alike, as it is the digest of their content. */
static bool
is_known_by_content(const LsRuleField *rule, const LsMember *member)
{
	return rule->shape != LS_SHAPE_MAP && !ls_json_is_object(&member->value.json);
}

/*
 * Adds what another list has and this one does not have as good, to be sorted in later: merging lists of many items
 * one by one would copy the growing list each time. Whether there was anything. Where items before have added something,
 * what one says may be just that, though it gives way to what is stored: only in its order is it seen whether it was lost.
 */
bool
ls_member_gather(LsField *field, const LsField *other)
{
	bool undecided = other->lost != NULL && field->nsorted < field->nmembers;
	bool changed = false;

	field->lost = other->lost;
	for (int i = 0; i < other->nmembers; i++)
	{
		const LsMember *member = &other->members[i];
		const LsMember *known = ls_member_find(field, member->id);
		bool gives_way =
			known != NULL && !field->rule->strategy->replaces(field->rule, &known->value, &member->value);

		CHECK_FOR_INTERRUPTS();
		changed |= !gives_way;
		if (gives_way && (!undecided || is_known_by_content(field->rule, member)))
		{
			note_lost(field, member, known);
			continue;
		}
		make_room(field, 1);
		field->members[field->nmembers++] = *member;
	}
	return changed;
}
