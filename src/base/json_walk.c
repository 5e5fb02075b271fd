/*
 * json_walk.c
 *		Steps through the entries of one jsonb array or object without allocating anything.
 *
 * The server's iterator costs an allocation per container. The binary format is part of what pg_upgrade keeps, so
 * reading it here is as safe as writing it in json_out.c.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"

/*
 * Where an entry ends, given where it starts; every 32nd entry holds its end instead of its length, and there whoever walks
 * can be cancelled.
 */
static uint32
end_of(JEntry entry, uint32 start)
{
	if (!JBE_HAS_OFF(entry))
		return start + JBE_OFFLENFLD(entry);
	CHECK_FOR_INTERRUPTS();
	return JBE_OFFLENFLD(entry);
}

void
ls_json_walk(LsJsonWalk *walk, const JsonbValue *value)
{
	JsonbContainer *container = value->val.binary.data;
	int count = (int) JsonContainerSize(container);
	bool is_object = JsonContainerIsObject(container);

	Assert(value->type == jbvBinary);
	walk->keys = is_object ? container->children : NULL;
	walk->values = container->children + (is_object ? count : 0);
	walk->data = (char *) (walk->values + count);
	walk->left = count;
	walk->key_start = 0;
	walk->value_start = is_object && count > 0 ? getJsonbOffset(container, count) : 0;
}

/* Numbers and containers are aligned; what lies before them belongs to their entry. */
static void
read_entry(JsonbValue *value, JEntry entry, char *data, uint32 start, uint32 end)
{
	if (JBE_ISSTRING(entry))
	{
		value->type = jbvString;
		value->val.string.val = data + start;
		value->val.string.len = (int) (end - start);
	}
	else if (JBE_ISNUMERIC(entry))
	{
		value->type = jbvNumeric;
		value->val.numeric = (Numeric) (data + INTALIGN(start));
	}
	else if (JBE_ISBOOL(entry))
	{
		value->type = jbvBool;
		value->val.boolean = JBE_ISBOOL_TRUE(entry);
	}
	else if (JBE_ISCONTAINER(entry))
	{
		value->type = jbvBinary;
		value->val.binary.data = (JsonbContainer *) (data + INTALIGN(start));
		value->val.binary.len = (int) (end - INTALIGN(start));
	}
	else
		value->type = jbvNull;
}

/* The next entry, objects in jsonb's key order; key is left alone in an array. False at the end. */
bool
ls_json_walk_next(LsJsonWalk *walk, LsText *key, JsonbValue *value)
{
	JEntry entry;
	uint32 end;

	if (walk->left == 0)
		return false;
	walk->left--;
	if (walk->keys != NULL)
	{
		end = end_of(*walk->keys++, walk->key_start);
		*key = (LsText){walk->data + walk->key_start, (int) (end - walk->key_start)};
		walk->key_start = end;
	}
	entry = *walk->values++;
	end = end_of(entry, walk->value_start);
	read_entry(value, entry, walk->data, walk->value_start, end);
	walk->value_start = end;
	return true;
}
