/*
 * push_fit.c
 *		The documents that conflicts show, and where a push ends because its answer is full.
 *
 * A small item can be answered by a whole document, and so can each of a thousand. Those that no room is left for are
 * not taken: the device sends them again.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"
#include "utils/memutils.h"

bool
ls_item_is_conflict(const LsItem *item)
{
	return item->verdict != LS_FAILED && item->verdict != LS_SYNCED;
}

/* The resource's state with fields that can be changed without it. */
static LsState
copy_of(const LsState *state)
{
	LsState copy = *state;

	copy.fields = palloc(sizeof(LsField) * Max(state->nfields, 1));
	if (state->nfields > 0)
		memcpy(copy.fields, state->fields, sizeof(LsField) * state->nfields);
	return copy;
}

/*
 * The states of the resources that conflicts are about, in the order in which items show them, with their lists as they
 * will be stored: a merge knows but what items brought again. Answers how many are whole; for more there is no room.
 */
static int
read_whole(const LsPush *push, LsState *states, MemoryContext kept)
{
	LsListed *listed = palloc0(sizeof(LsListed) * Max(push->nresources, 1));
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = learnsync_max_answer_bytes, .at_least = 1};
	int count = 0;

	for (int i = 0; i < push->batch.ntaken; i++)
	{
		LsResource *resource = push->batch.items[i].resource;

		if (!ls_item_is_conflict(&push->batch.items[i]) || resource == NULL || resource->shown != NULL)
			continue;
		resource->shown = MemoryContextAlloc(kept, sizeof(JsonbValue));
		resource->shown_bytes = -1;
		states[count] = copy_of(&resource->state);
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

		if (!ls_item_is_conflict(item))
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
		if (ls_item_is_conflict(&push->batch.items[i]))
			return true;
	}
	return false;
}

/* Whether the answer has room for so many items; what that takes besides the merge is freed. */
static bool
has_room_for(LsBatch *batch, const void *nothing, int taken)
{
	LsPush *push = (LsPush *) batch;

	ls_push_merge(push, taken);
	return show_documents(push, false);
}

/* Decides as many items as the answer has room for, the first one in any case, and sends the others back. */
void
ls_push_decide(LsPush *push)
{
	int taken;

	ls_push_merge(push, push->batch.nitems);
	if (!push->batch.channel->shows_documents || !has_conflict(push) || show_documents(push, true))
		return;
	if (push->atomic)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the documents that this atomic push is to be answered with are too large"),
						errhint("Send fewer items at a time; learnsync.max_answer_bytes is the limit.")));
	taken = ls_batch_longest(&push->batch, NULL, 1, push->batch.nitems, has_room_for);
	ls_push_merge(push, taken);
	(void) show_documents(push, true);
}
