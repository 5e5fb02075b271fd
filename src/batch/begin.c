/*
 * begin.c
 *		What every call that writes for a learner begins with: its items, the row's lock, the time.
 */
#include "postgres.h"

#include "batch/batch.h"

/* Sets up what a call with items of that channel writes. */
void
ls_batch_open(LsBatch *batch, const LsCall *call, const LsChannel *channel)
{
	*batch =
		(LsBatch){.channel = channel, .of_app = call->of_app, .again = call->again, .started = GetCurrentTimestamp()};
	batch->learner.id = call->learner;
	batch->learner.receipt_horizon = batch->learner.rate_at = LS_NO_TIME;
	batch->metadata = batch->decision = batch->learner.clocks = batch->all_raw = ls_json_null();
	batch->sending.sent_at = batch->sending.issued_at = LS_NO_TIME;
}

/* The request's list of items, and their number, which is checked before any of them is looked at. */
int
ls_batch_count(const JsonbValue *request, const char *key, JsonbValue *items)
{
	int count;

	if (!ls_json_get(request, key, items) || !ls_json_is_array(items))
		ls_request_refuse(key, "must be an array");
	count = ls_json_count(items);
	if (count > learnsync_max_batch_items)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many %s in one request", key),
						errdetail("%s has %d elements.", key, count),
						errhint("Send at most %d at a time; learnsync.max_batch_items is the limit.",
								learnsync_max_batch_items)));
	return count;
}

void
ls_batch_make_room(LsBatch *batch)
{
	for (batch->nbuckets = 16; batch->nbuckets < batch->nitems;)
		batch->nbuckets *= 2;
	batch->items = ls_memory_zeroed(batch->nitems, sizeof(LsItem));
	batch->buckets = ls_memory_zeroed(batch->nbuckets, sizeof(LsItem *));
}

/* Takes the items from the request's list; there may be none. */
void
ls_batch_take_items(LsBatch *batch)
{
	LsJsonWalk walk;
	LsText no_key;
	JsonbValue raw;

	ls_batch_make_room(batch);
	if (batch->nitems == 0)
		return;
	ls_json_walk(&walk, &batch->items_raw);
	for (int i = 0; ls_json_walk_next(&walk, &no_key, &raw); i++)
	{
		batch->items[i].index = i;
		batch->items[i].raw = raw;
		batch->items[i].client_at = batch->items[i].first.at = LS_NO_TIME;
	}
}

static void
lock_learner(void *learner)
{
	ls_store_lock_learner(learner);
}

/* For a call in the midst of which the learner was written for: all but what it is charged is of the past. */
void
ls_batch_read_again(LsBatch *batch)
{
	TimestampTz rate_at = batch->learner.rate_at;

	ls_store_lock_learner(&batch->learner);
	batch->learner.rate_at = rate_at;
}

/* Earlier items that waited for a type or content which is there now come before those of this call. */
static void
take_up(LsBatch *batch)
{
	if (batch->again || batch->dry_run || !batch->learner.has_failed || !ls_store_take_up(batch))
		return;
	ls_batch_read_again(batch);
	batch->now = GetCurrentTimestamp();
}

/* Everything that decides is read after this. A dry run locks nothing and is not charged. */
void
ls_batch_begin(LsBatch *batch)
{
	if (batch->dry_run)
		ls_store_read_learner(&batch->learner);
	else
		ls_wait(batch->of_app, lock_learner, &batch->learner);
	batch->now = GetCurrentTimestamp();
	if (ls_rate_applies(batch))
		ls_rate_take(batch);
	batch->found_version = batch->learner.version;
	take_up(batch);
}
