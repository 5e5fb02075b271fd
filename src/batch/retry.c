/*
 * retry.c
 *		Tells the items that were accepted before, in an earlier batch or in this one, from the new ones.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "miscadmin.h"

/* Links each item to the one before it that has the same identity. */
void
ls_batch_link(LsBatch *batch)
{
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];
		LsItem **bucket = ls_batch_bucket(batch, item);

		CHECK_FOR_INTERRUPTS();
		item->twin = *bucket;
		while (item->twin != NULL && !ls_item_is_twin(item->twin, item))
			item->twin = item->twin->next;
		item->next = *bucket;
		*bucket = item;
	}
}

static bool
refuse_reused(const LsBatch *batch, LsFailure *failure)
{
	return ls_fail(failure, "id_reused", batch->channel->id, "this id was already accepted with other content");
}

/*
 * The item with the same identity that was accepted earlier in this batch. The twin, which is decided, knows it: of a
 * thousand copies none looks through those before it.
 */
static const LsItem *
find_first(const LsItem *item)
{
	const LsItem *twin = item->twin;

	return twin == NULL || twin->accepted ? twin : twin->original;
}

/* What was accepted before is not judged by what it would be today. */
void
ls_batch_judge(LsBatch *batch)
{
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (!item->receipt.found)
			continue;
		item->refused = (LsFailure){NULL};
		if (item->receipt.fingerprint != item->fingerprint)
			refuse_reused(batch, &item->refused);
	}
}

/* Begins to decide an item, the ones before it being decided; whether its identity settles what becomes of it. */
bool
ls_batch_is_known(const LsBatch *batch, LsItem *item)
{
	const LsItem *first = item->original = find_first(item);

	item->failure = item->refused;
	item->accepted = item->duplicate = false;
	if (item->failure.code == NULL && item->receipt.found)
	{
		item->duplicate = true;
		item->verdict = item->receipt.verdict;
		item->version = item->receipt.version;
	}
	else if (first != NULL && first->fingerprint == item->fingerprint)
	{
		item->duplicate = true;
		item->verdict = first->verdict;
		item->version = first->version;
	}
	else if (first != NULL)
		refuse_reused(batch, &item->failure);
	return item->duplicate || item->failure.code != NULL;
}

/* What was accepted of the identity of an item that came with other content; false where that is not why it failed. */
bool
ls_item_first(const LsItem *item, LsReceipt *first)
{
	const LsItem *other = item->original;

	*first = item->receipt;
	if (!first->found && other != NULL && other->accepted)
		*first = (LsReceipt){true, other->fingerprint, other->verdict, other->version};
	return first->found && item->failure.code != NULL && strcmp(item->failure.code, "id_reused") == 0;
}

/* The first copy as it is told: so a client knows what was taken apart from what is lost and is to get a new id. */
JsonbValue
ls_item_first_json(const LsReceipt *first)
{
	JsonbValue json = ls_json_object();

	ls_json_put(&json, "status", ls_json_string(ls_verdict_status(first->verdict)));
	ls_json_put(&json, "version", ls_json_int(first->version));
	return json;
}
