/*
 * push_decide.c
 *		Runs a push: has what is known read, decides the items in input order, as many as the answer has room for, and has
 *		what they did written.
 *
 * A small item can be answered by a whole document, and so can each of a thousand. Those that no room is left for are
 * not taken: the device sends them again.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"
#include "utils/memutils.h"

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

		CHECK_FOR_INTERRUPTS();
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
		push->lost = ls_memory_zeroed(push->batch.nitems, sizeof(bool));
	item->change.number = item->index;
	item->change.lost = push->lost;
}

/* Up to which version the holder of a cursor has seen everything; in the midst of a run newer versions hide older ones. */
static int64
seen_with(const LsCursor *cursor)
{
	return cursor->newest > 0 ? cursor->from : cursor->position;
}

/* What an item says that its device had seen; 0 where that is of another life, or nothing that we know of. */
static int64
seen_by_item(const LsPush *push, const JsonbValue *seen)
{
	const LsLearner *learner = &push->batch.learner;
	int64 version = 0;
	LsCursor cursor;

	if (seen->type == jbvString && ls_cursor_parse(ls_text_of(seen), &cursor))
		version = cursor.life == ls_cursor_life(learner->id, learner->epoch) ? seen_with(&cursor) : 0;
	else if (!ls_json_integer(seen, &version))
		return 0;
	return version > 0 && version <= push->batch.found_version ? version : 0;
}

/* Notes what an item's device had seen, which counts where a person has corrected its resource. */
static void
note_seen(LsPush *push, LsItem *item)
{
	JsonbValue seen;

	push->batch.meets_corrections = true;
	if (ls_json_get(&item->raw, "seen", &seen) && seen.type != jbvNull)
		item->change.seen = seen_by_item(push, &seen);
	else if (push->cursor > 0 && !push->is_foreign)
		item->change.seen = -(push->bookmark.given ? seen_with(&push->bookmark) : push->cursor);
}

static void
merge_item(LsPush *push, LsItem *item)
{
	LsResource *resource = item->resource;
	LsMerged merged;

	if (item->type->rule->has_lists)
		ask_for_lost(push, item);
	if (resource->state.overlay != NULL)
		note_seen(push, item);
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
	{
		CHECK_FOR_INTERRUPTS();
		push->batch.items[i].accepted = false;
	}
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
	return (resource->stored.exists && resource->replaced) || ls_tombstone_came(&resource->stored, &resource->state);
}

/* An item with a member that a list has with other content is a conflict that the rule decided; its copies say so too. */
static void
settle_lost(LsPush *push, int taken)
{
	for (int i = 0; i < taken; i++)
	{
		LsItem *item = &push->batch.items[i];

		CHECK_FOR_INTERRUPTS();
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

		CHECK_FOR_INTERRUPTS();
		if (item->verdict != LS_FAILED && !item->receipt.found && item->resource != NULL)
			item->version = ls_resource_version(item->resource);
	}
}

/* Why items are sent back: said once, as an answer without room for them is tried with more of them and fewer. */
static LsFailure
aborted(const char *message)
{
	LsFailure failure;

	(void) ls_fail(&failure, "aborted", "", "%s", message);
	return failure;
}

static void
abort_item(LsItem *item, const LsFailure *failure)
{
	item->failure = *failure;
	item->verdict = LS_FAILED;
	item->duplicate = false;
}

/* Where one item failed and the device wants all or nothing, the innocent ones are sent back too. */
static void
abort_others(LsPush *push)
{
	LsFailure why = aborted("another item of this atomic push failed");
	bool failed = false;

	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		failed |= push->batch.items[i].failure.code != NULL;
	}
	if (!failed)
		return;
	start_over(push);
	for (int i = 0; i < push->batch.nitems; i++)
	{
		LsItem *item = &push->batch.items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->failure.code == NULL && !item->receipt.found)
			abort_item(item, &why);
	}
}

/*
 * What the device may store as its pull cursor without skipping anything: all of this push where it had seen all before,
 * and is in no run of pages, else what it had seen; nothing where it does not say, as its name proves nothing. Versions
 * since the newest push are those of events, which no pull delivers.
 */
static int64
safe_version(const LsPush *push)
{
	if (push->cursor < 0 || push->is_foreign)
		return LS_FIRST_VERSION;
	if (push->cursor < push->batch.learner.log_version || push->batch.dry_run || push->bookmark.newest > 0)
		return push->cursor;
	return push->batch.version;
}

/*
 * Decides the first so many items from the stored states on, and sends the others back; can be called again after more
 * were refused.
 */
static void
merge_items(LsPush *push, int taken)
{
	LsFailure no_room = aborted("the answer has no room for it; send it again");

	start_over(push);
	push->batch.ntaken = taken;
	for (int i = 0; i < taken; i++)
	{
		CHECK_FOR_INTERRUPTS();
		decide_item(push, &push->batch.items[i]);
	}
	for (int i = taken; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		abort_item(&push->batch.items[i], &no_room);
	}
	if (push->atomic && taken == push->batch.nitems)
		abort_others(push);
	for (int i = 0; i < push->nchanged; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_state_settle(&push->changed[i]->state);
	}
	if (push->lost != NULL)
		settle_lost(push, taken);
	settle_item_versions(push);
	push->batch.safe_version = safe_version(push);
}

/*
 * The states of the resources that conflicts are about, in the order in which items show them, with their lists as they
 * will be stored: a merge knows but what items brought again. Answers how many are whole; for more there is no room.
 */
static int
read_whole(const LsPush *push, LsState *states, MemoryContext kept)
{
	LsListed *listed = ls_memory_zeroed(push->nresources, sizeof(LsListed));
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = learnsync_max_answer_bytes, .at_least = 1};
	int count = 0;

	for (int i = 0; i < push->batch.ntaken; i++)
	{
		LsResource *resource = push->batch.items[i].resource;

		CHECK_FOR_INTERRUPTS();
		if (!ls_verdict_is_conflict(push->batch.items[i].verdict) || resource == NULL || resource->shown != NULL)
			continue;
		resource->shown = MemoryContextAlloc(kept, sizeof(JsonbValue));
		resource->shown_bytes = -1;
		states[count] = ls_state_copy(&resource->state);
		if (resource->type->rule->has_lists && !ls_resource_was_emptied(resource))
			listed[count] = (LsListed){resource->type->name, resource->id, 0, &states[count]};
		count++;
	}
	return ls_store_complete_lists(push->batch.learner.id, listed, count, room, LS_SEES_OWN);
}

/* Keeps a document in as few bytes as it takes: what it was made of takes more. */
static void
keep_document(LsResource *resource, const LsState *state, MemoryContext kept)
{
	JsonbValue document = ls_state_show(resource->type->rule, state);
	MemoryContext caller = MemoryContextSwitchTo(kept);

	if (document.type == jbvObject)
		ls_json_root(ls_json_encode(&document), &document);
	*resource->shown = document;
	MemoryContextSwitchTo(caller);
	resource->shown_bytes = ls_json_printed_bytes(resource->shown);
}

/* Makes the documents that the conflicts of the taken items show; whether the answer has room for them. */
static bool
make_documents(LsPush *push, MemoryContext kept)
{
	LsState *states = palloc(sizeof(LsState) * Max(push->nresources, 1));
	int whole = read_whole(push, states, kept);
	int shown = 0;
	int64 bytes = 0;

	for (int i = 0; i < push->batch.ntaken; i++)
	{
		const LsItem *item = &push->batch.items[i];
		LsResource *resource = item->resource;

		if (!ls_verdict_is_conflict(item->verdict))
			continue;
		CHECK_FOR_INTERRUPTS();
		if (resource != NULL && resource->shown_bytes < 0)
		{
			if (shown == whole)
				return false;
			keep_document(resource, &states[shown++], kept);
		}
		bytes += ls_json_printed_bytes(&item->data) + (resource == NULL ? 0 : resource->shown_bytes);
		if (bytes > learnsync_max_answer_bytes && i > 0)
			return false;
	}
	return true;
}

/* The same, of which only the documents stay, and these only where they are kept. */
static bool
show_documents(LsPush *push, bool keep)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "learnsync documents of conflicts", ALLOCSET_DEFAULT_SIZES);
	bool has_room;

	MemoryContextSwitchTo(context);
	has_room = make_documents(push, keep ? caller : context);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return has_room;
}

static bool
has_conflict(const LsPush *push)
{
	for (int i = 0; i < push->batch.ntaken; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_verdict_is_conflict(push->batch.items[i].verdict))
			return true;
	}
	return false;
}

/* Whether the answer has room for so many items; what that takes besides the merge is freed. */
static bool
has_room_for(LsBatch *batch, const void *nothing, int taken)
{
	LsPush *push = (LsPush *) batch;

	merge_items(push, taken);
	return show_documents(push, false);
}

/* Decides as many items as the answer has room for, the first one in any case, and sends the others back. */
static void
decide_items(LsPush *push)
{
	int taken;

	merge_items(push, push->batch.nitems);
	if (!push->batch.channel->shows_documents || !has_conflict(push) || show_documents(push, true))
		return;
	if (push->atomic)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the documents that this atomic push is to be answered with are too large"),
						errhint("Send fewer items at a time; learnsync.max_answer_bytes is the limit.")));
	taken = ls_batch_longest(&push->batch, NULL, 1, push->batch.nitems, has_room_for);
	merge_items(push, taken);
	(void) show_documents(push, true);
}

static void
decide(LsBatch *batch)
{
	decide_items((LsPush *) batch);
}

static void
decide_first(LsBatch *batch, int taken)
{
	merge_items((LsPush *) batch, taken);
}

static void
write_accepted(LsBatch *batch)
{
	ls_store_write_accepted((LsPush *) batch);
}

static const LsWriter writer = {"resource", decide, decide_first, write_accepted};

/* A retry of what is known leaves nothing but when the device was seen. */
static void
write_push(LsPush *push)
{
	LsBatch *batch = &push->batch;
	bool logged;

	ls_batch_write_accepted(batch, &writer);
	logged = batch->naccepted > 0;
	if (!logged)
		ls_store_touch_device(batch);
	ls_batch_close(batch, logged);
}

/* Decides the items and, but in a dry run, writes what they did. */
static void
apply(LsPush *push)
{
	decide_items(push);
	if (push->batch.dry_run)
		ls_batch_settle_waiting(&push->batch);
	else
		write_push(push);
}

/*
 * Whether an item is new cannot be told once receipts that old are gone; but for one that waits, which was new when it came.
 */
static void
refuse_expired(const LsPush *push, TimestampTz horizon, LsItem *item)
{
	bool could_be_taken = item->refused.code == NULL || item->refused.waits_for.data != NULL;

	if (could_be_taken && !item->waited && item->dated < horizon)
		ls_fail(&item->refused, "expired", push->batch.channel->time,
				"items this old are not taken any more, as it is not known whether they were taken before");
}

/* Fixes each item's order instant, and tells the items that were accepted before from the new ones. */
static void
judge_items(LsPush *push)
{
	LsBatch *batch = &push->batch;
	TimestampTz horizon = Max(batch->learner.receipt_horizon, ls_store_receipts_from());

	ls_batch_link(batch);
	ls_batch_judge(batch);
	ls_batch_date(batch);
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		item->change.at = item->at;
		item->change.received = batch->now;
		item->change.device = batch->device.id;
		if (!item->receipt.found)
			refuse_expired(push, horizon, item);
	}
}

/* Whether the device's cursor is one of another history, which says nothing of what it holds. */
static bool
is_foreign(const LsPush *push)
{
	if (push->bookmark.given)
		return push->bookmark.life != ls_cursor_life(push->batch.learner.id, push->batch.learner.epoch) ||
			   ls_cursor_is_ahead(&push->bookmark, push->batch.found_version);
	return push->cursor > push->batch.found_version ||
		   (push->epoch.data != NULL && !ls_text_equal(push->epoch, push->batch.learner.epoch));
}

/*
 * From the items as they came to what they did. They are read under the learner's lock: only there is it certain that no
 * push of the learner has gone by a newer rule.
 */
void
ls_push_run(LsPush *push)
{
	ls_batch_begin(&push->batch);
	push->is_foreign = is_foreign(push);
	ls_push_read_items(push);
	ls_store_carry_over(push);
	ls_push_find_resources(push);
	ls_store_read_known(push);
	ls_store_mark_failed(&push->batch);
	ls_batch_admit_device(&push->batch);
	ls_store_check_content(push);
	judge_items(push);
	ls_store_find_members(push);
	apply(push);
}
