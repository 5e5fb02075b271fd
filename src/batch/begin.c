/*
 * begin.c
 *		What every call that writes for a learner begins with: its items, the row's lock, the time, the charge; the device.
 */
#include "postgres.h"

#include "batch/batch.h"

/* Sets up what a call with items of that channel writes. */
void
ls_batch_open(LsBatch *batch, const LsCall *call, const LsChannel *channel)
{
	*batch = (LsBatch){.channel = channel, .of_app = call->of_app};
	batch->learner.id = call->learner;
	batch->learner.receipt_horizon = batch->learner.rate_at = LS_NO_TIME;
	batch->metadata = batch->learner.clocks = ls_json_null();
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
	batch->items = palloc0(sizeof(LsItem) * Max(batch->nitems, 1));
	batch->buckets = palloc0(sizeof(LsItem *) * batch->nbuckets);
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
}

/* For a call that leaves the learner's version as it is. */
void
ls_batch_note_charge(LsBatch *batch)
{
	if (!ls_rate_applies(batch))
		return;
	batch->version = batch->learner.version;
	ls_store_update_learner(batch, false, false);
}
