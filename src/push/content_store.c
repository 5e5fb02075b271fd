/*
 * content_store.c
 *		The content catalog, which belongs to no learner: are the contents known that items are about?
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"
#include "store/statement.h"
#include "utils/array.h"

static LsStatement find_unknown = {"SELECT k.n FROM pg_catalog.unnest($1) WITH ORDINALITY AS k (content_id, n)"
								   " WHERE NOT EXISTS (SELECT FROM learnsync_data.content c"
								   "  WHERE c.content_id" EQ "k.content_id)",
								   {"pg_catalog.text[]", NULL}};

static bool
needs_content(const LsItem *item)
{
	return item->refused.code == NULL && !item->receipt.found && item->type->rule->require_content;
}

/* Refuses items of types that need content where the catalog has none. What was accepted before stays so. */
void
ls_store_check_content(LsPush *push)
{
	Datum *ids = palloc(sizeof(Datum) * Max(push->batch.nitems, 1));
	LsItem **items = palloc(sizeof(LsItem *) * Max(push->batch.nitems, 1));
	Datum values[1];
	int count = 0;
	uint64 unknown;

	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!needs_content(&push->batch.items[i]))
			continue;
		items[count] = &push->batch.items[i];
		ids[count++] = ls_text_to_datum(push->batch.items[i].change.keys[0]);
	}
	if (count == 0)
		return;
	values[0] = ls_text_array(ids, count);
	unknown = ls_store_run(&find_unknown, values, NULL);
	for (uint64 i = 0; i < unknown; i++)
	{
		LsItem *item = items[ls_store_int(i, 1) - 1];
		const char *key = ls_text_string(item->type->rule->keys[0]);

		CHECK_FOR_INTERRUPTS();
		ls_fail(&item->refused, "unknown_content", push->batch.channel->is_flat ? key : psprintf("data.%s", key),
				"%s is not in the content catalog", key);
		ls_fail_until(&item->refused, item->change.keys[0]);
	}
}
