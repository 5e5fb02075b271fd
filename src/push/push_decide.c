/*
 * push_decide.c
 *		Decides the items of a push in input order: known ones, the merge of the new ones, the versions they get.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"

/* Whether an item is new cannot be told once receipts that old are gone. */
static void
refuse_expired(const LsPush *push, LsItem *item)
{
	if (item->refused.code == NULL && item->dated < push->batch.learner.receipt_horizon)
		ls_fail(&item->refused, "expired", push->batch.channel->time,
				"items this old are not taken any more, as it is not known whether they were taken before");
}

/* Fixes each item's order instant, and tells the items that were accepted before from the new ones. */
void
ls_push_judge(LsPush *push)
{
	LsBatch *batch = &push->batch;

	ls_batch_link(batch);
	ls_batch_judge(batch);
	ls_batch_date(batch);
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		item->change.at = item->at;
		item->change.received = batch->now;
		item->change.device = batch->device.id;
		if (!item->receipt.found)
			refuse_expired(push, item);
	}
}

static LsResource *
find_resource(LsPush *push, const LsItem *item)
{
	const LsType *type = item->type;
	LsText id = item->resource_id;
	LsResource **bucket = &push->resource_buckets[ls_digest_hash(id) & (push->batch.nbuckets - 1)];
	LsResource *resource = *bucket;

	while (resource != NULL && (resource->type != type || !ls_text_equal(resource->id, id)))
		resource = resource->next;
	if (resource != NULL)
		return resource;
	resource = palloc0(sizeof(LsResource));
	resource->type = type;
	resource->id = id;
	resource->first_item = item->index;
	resource->stored.at = resource->stored.deleted_at = LS_NO_TIME;
	resource->next = *bucket;
	*bucket = resource;
	push->resources[push->nresources++] = resource;
	return resource;
}

/* Gathers the resources that the items are about, as far as these say. */
void
ls_push_find_resources(LsPush *push)
{
	for (int i = 0; i < push->batch.nitems; i++)
	{
		LsItem *item = &push->batch.items[i];

		if (item->type != NULL && item->resource_id.data != NULL)
			item->resource = find_resource(push, item);
	}
}

/* Gives a resource its version, once per push. */
static void
mark_changed(LsPush *push, LsResource *resource)
{
	if (resource->new_version != 0)
		return;
	resource->new_version = ++push->batch.version;
	push->changed[push->nchanged++] = resource;
}

/* Has the merge tell whether a member of a list was not taken as the item says. */
static void
ask_for_lost(LsPush *push, LsItem *item)
{
	if (push->lost == NULL)
		push->lost = palloc0(sizeof(bool) * push->batch.nitems);
	item->change.number = item->index;
	item->change.lost = push->lost;
}

static void
merge_item(LsPush *push, LsItem *item)
{
	LsResource *resource = item->resource;
	LsMerged merged;

	if (item->type->rule->has_lists)
		ask_for_lost(push, item);
	merged = ls_merge_apply(item->type->rule, &resource->state, &item->change, &item->failure);
	item->verdict = merged.verdict;
	if (merged.verdict == LS_FAILED)
		return;
	item->accepted = true;
	push->batch.naccepted++;
	item->changed = merged.changed;
	if (merged.changed)
		mark_changed(push, resource);
}

/* Decides one item; the ones before it are decided. */
static void
decide_item(LsPush *push, LsItem *item)
{
	item->changed = false;
	if (!ls_batch_is_known(&push->batch, item))
		merge_item(push, item);
	if (item->failure.code != NULL)
		item->verdict = LS_FAILED;
}

static void
start_over(LsPush *push)
{
	push->batch.version = push->batch.learner.version;
	push->nchanged = push->batch.naccepted = 0;
	push->lost = NULL;
	for (int i = 0; i < push->nresources; i++)
	{
		CHECK_FOR_INTERRUPTS();
		push->resources[i]->state = push->resources[i]->stored;
		push->resources[i]->state.shared = push->resources[i]->state.gathers = true;
		push->resources[i]->state.limited = true;
		push->resources[i]->new_version = 0;
		push->resources[i]->shown = NULL;
	}
	for (int i = 0; i < push->batch.nitems; i++)
		push->batch.items[i].accepted = false;
}

/* The resource's version as this push leaves it. */
int64
ls_resource_version(const LsResource *resource)
{
	return resource->new_version != 0 ? resource->new_version : resource->version;
}

/* Whether this push does away with what was stored, whatever may have come after. */
bool
ls_resource_was_emptied(const LsResource *resource)
{
	return resource->stored.exists &&
		   (resource->replaced || resource->state.deleted_at > resource->stored.deleted_at);
}

/* An item with a member that a list has with other content is a conflict that the rule decided; its copies say so too. */
static void
settle_lost(LsPush *push, int taken)
{
	for (int i = 0; i < taken; i++)
	{
		LsItem *item = &push->batch.items[i];

		if (item->accepted && push->lost[i] && item->verdict == LS_SYNCED)
			item->verdict = LS_SERVER_WINS;
		else if (item->duplicate && !item->receipt.found)
			item->verdict = item->original->verdict;
	}
}

/* All items of one push that touch one resource answer the version it has in the end. */
static void
settle_item_versions(LsPush *push)
{
	for (int i = 0; i < push->batch.nitems; i++)
	{
		LsItem *item = &push->batch.items[i];

		if (item->verdict != LS_FAILED && !item->receipt.found && item->resource != NULL)
			item->version = ls_resource_version(item->resource);
	}
}

/* The version that a changed resource counts as created by: of the step from no document to one. */
int64
ls_resource_created(const LsResource *resource)
{
	bool anew = resource->state.exists && (!resource->stored.exists || ls_resource_was_emptied(resource));

	return anew || resource->created_version == 0 ? resource->new_version : resource->created_version;
}

static void
abort_item(LsItem *item, const char *message)
{
	ls_fail(&item->failure, "aborted", "", "%s", message);
	item->verdict = LS_FAILED;
	item->duplicate = false;
}

/* Where one item failed and the device wants all or nothing, the innocent ones are sent back too. */
static void
abort_others(LsPush *push)
{
	bool failed = false;

	for (int i = 0; i < push->batch.nitems; i++)
		failed |= push->batch.items[i].failure.code != NULL;
	if (!failed)
		return;
	start_over(push);
	for (int i = 0; i < push->batch.nitems; i++)
	{
		LsItem *item = &push->batch.items[i];

		if (item->failure.code == NULL && !item->receipt.found)
			abort_item(item, "another item of this atomic push failed");
	}
}

/* Whether the device's cursor is one of another history, which says nothing of what it holds. */
bool
ls_push_is_foreign(const LsPush *push)
{
	if (push->bookmark.given)
		return push->bookmark.life != ls_cursor_life(push->batch.learner.id, push->batch.learner.epoch) ||
			   ls_cursor_is_ahead(&push->bookmark, push->batch.learner.version);
	return push->cursor > push->batch.learner.version ||
		   (push->epoch.data != NULL && !ls_text_equal(push->epoch, push->batch.learner.epoch));
}

/*
 * What the device may store as its pull cursor without skipping anything: all of this push where it had seen all before,
 * and is in no run of pages, else what it had seen; nothing where it does not say, as its name proves nothing. Versions
 * since the newest push are those of events, which no pull delivers.
 */
static int64
safe_version(const LsPush *push)
{
	if (push->cursor < 0 || ls_push_is_foreign(push))
		return LS_FIRST_VERSION;
	if (push->cursor < push->batch.learner.log_version || push->batch.dry_run || push->bookmark.newest > 0)
		return push->cursor;
	return push->batch.version;
}

/*
 * Decides the first so many items from the stored states on, and sends the others back; can be called again after more
 * were refused.
 */
void
ls_push_merge(LsPush *push, int taken)
{
	start_over(push);
	push->batch.ntaken = taken;
	for (int i = 0; i < taken; i++)
	{
		CHECK_FOR_INTERRUPTS();
		decide_item(push, &push->batch.items[i]);
	}
	for (int i = taken; i < push->batch.nitems; i++)
		abort_item(&push->batch.items[i], "the answer has no room for it; send it again");
	if (push->atomic && taken == push->batch.nitems)
		abort_others(push);
	for (int i = 0; i < push->nchanged; i++)
		ls_state_settle(&push->changed[i]->state);
	if (push->lost != NULL)
		settle_lost(push, taken);
	settle_item_versions(push);
	push->batch.safe_version = safe_version(push);
}
