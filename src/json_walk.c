/*
 * json_walk.c
 *		Walks the members of a jsonb object once, without opening what is in them.
 *
 * Looking members up by name searches the keys anew for each; an iterator makes a node for each level. Both cost more
 * than the rest of what is done with an event that changes nothing.
 */
#include "postgres.h"

#include "progress.h"

/* The value of an entry whose bytes start at an offset from data. */
static void
take_value(const LsJsonWalk *walk, JEntry entry, uint32 at, uint32 length, JsonbValue *value)
{
	switch (entry & JENTRY_TYPEMASK)
	{
		case JENTRY_ISNULL:
			value->type = jbvNull;
			break;
		case JENTRY_ISSTRING:
			value->type = jbvString;
			value->val.string.val = (char *) walk->data + at;
			value->val.string.len = length;
			break;
		case JENTRY_ISNUMERIC:
			value->type = jbvNumeric;
			value->val.numeric = (Numeric) (walk->data + INTALIGN(at));
			break;
		case JENTRY_ISBOOL_TRUE:
		case JENTRY_ISBOOL_FALSE:
			value->type = jbvBool;
			value->val.boolean = JBE_ISBOOL_TRUE(entry);
			break;
		default:
			value->type = jbvBinary;
			value->val.binary.data = (JsonbContainer *) (walk->data + INTALIGN(at));
			value->val.binary.len = length - (INTALIGN(at) - at);
	}
}

void
ls_json_walk_start(LsJsonWalk *walk, const JsonbValue *object)
{
	walk->object = object->val.binary.data;
	walk->count = JsonContainerSize(walk->object);
	walk->data = (const char *) &walk->object->children[walk->count * 2];
	walk->next = 0;
	walk->key_at = 0;
	walk->value_at = 0;
	for (int i = 0; i < walk->count; i++)
		JBE_ADVANCE_OFFSET(walk->value_at, walk->object->children[i]);
}

/* The next member, in jsonb's order of keys; false at the end. */
bool
ls_json_walk_next(LsJsonWalk *walk, LsText *key, JsonbValue *value)
{
	uint32 key_end = walk->key_at;
	uint32 value_end = walk->value_at;
	JEntry entry;

	if (walk->next == walk->count)
		return false;
	JBE_ADVANCE_OFFSET(key_end, walk->object->children[walk->next]);
	*key = (LsText){walk->data + walk->key_at, (int) (key_end - walk->key_at)};
	entry = walk->object->children[walk->count + walk->next];
	JBE_ADVANCE_OFFSET(value_end, entry);
	take_value(walk, entry, walk->value_at, value_end - walk->value_at, value);
	walk->key_at = key_end;
	walk->value_at = value_end;
	walk->next++;
	return true;
}
