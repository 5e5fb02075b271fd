/*
 * push.c
 *		sync_push: one batch of one device, from the request to the answer, in one transaction.
 *
 * Everything that decides is read after the learner's row was locked, by statements with snapshots of their own;
 * that is what makes concurrent copies of one batch count once.
 */
#include "postgres.h"

#include "push/push.h"
#include "miscadmin.h"

/* The request's list of items, and their number, which is checked before any of them is looked at. */
int
ls_push_count_items(const JsonbValue *request, const char *key, JsonbValue *items)
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

static void
read_envelope(LsPush *push, const LsCall *call)
{
	JsonbValue request;

	ls_request_open(call->request, &request);
	push->nitems = ls_push_count_items(&request, "items", &push->items_raw);
	push->device.id = ls_call_device(call);
	push->device_name = ls_request_text(&request, "deviceName", false);
	push->cursor = ls_request_cursor(&request, "lastSyncVersion");
	push->epoch = ls_request_text(&request, "epoch", false);
	push->bookmark = ls_cursor_read(&request);
	if (push->bookmark.given)
		push->cursor = push->bookmark.position;
	push->dry_run = ls_request_bool(&request, "dryRun");
	push->atomic = ls_request_bool(&request, "atomic");
	if (!ls_json_get(&request, "metadata", &push->metadata))
		push->metadata = ls_json_null();
	if (push->metadata.type != jbvNull && !ls_json_is_object(&push->metadata))
		ls_request_refuse("metadata", "must be an object");
	ls_request_limit(&push->metadata, learnsync_max_metadata_bytes, "learnsync.max_metadata_bytes", "metadata");
}

static void
make_room(LsPush *push)
{
	push->nbuckets = 16;
	while (push->nbuckets < push->nitems)
		push->nbuckets *= 2;
	push->items = palloc0(sizeof(LsItem) * Max(push->nitems, 1));
	push->resources = palloc(sizeof(LsResource *) * Max(push->nitems, 1));
	push->changed = palloc(sizeof(LsResource *) * Max(push->nitems, 1));
	push->item_buckets = palloc0(sizeof(LsItem *) * push->nbuckets);
	push->resource_buckets = palloc0(sizeof(LsResource *) * push->nbuckets);
}

static void
read_items(LsPush *push)
{
	JsonbIterator *walk = JsonbIteratorInit(push->items_raw.val.binary.data);
	JsonbIteratorToken token;
	JsonbValue raw;
	int count = 0;

	make_room(push);
	while ((token = JsonbIteratorNext(&walk, &raw, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		push->items[count].index = count;
		ls_item_read(push, &push->items[count++], &raw);
	}
}

/*
 * From the items as they came to what they did. They are read under the learner's lock: only there is it certain that no
 * push of the learner has gone by a newer rule.
 */
void
ls_push_run(LsPush *push)
{
	ls_batch_begin(push);
	read_items(push);
	ls_push_find_resources(push);
	ls_store_read_known(push);
	ls_device_check(push->learner.id, &push->device);
	ls_rate_take_device(push);
	ls_store_check_content(push);
	ls_push_judge(push);
	ls_store_find_members(push);
	ls_push_decide(push);
	if (!push->dry_run)
		ls_push_write(push);
}

/* Sets up a push of so many items, all in one array. */
void
ls_push_start(LsPush *push, const LsCall *call, const LsChannel *channel)
{
	*push = (LsPush){.channel = channel, .cursor = -1, .of_app = call->of_app};
	push->learner.id = call->learner;
	push->learner.receipt_horizon = push->learner.rate_at = LS_NO_TIME;
	push->metadata = ls_json_null();
}

static Jsonb *
answer_push(LsCall *call, bool retry)
{
	LsPush push;

	ls_push_start(&push, call, &ls_push_channel);
	read_envelope(&push, call);
	push.unmetered = retry || push.nitems == 0;
	ls_push_run(&push);
	return ls_push_answer(&push);
}

static Datum
push_work(LsCall *call)
{
	return JsonbPGetDatum(answer_push(call, false));
}

static Datum
retry_work(LsCall *call)
{
	return JsonbPGetDatum(answer_push(call, true));
}

/* A push that the server makes itself. */
const LsService ls_push_retry = {.work = retry_work, .by_device = true};

static const LsService service = {.work = push_work,
								  .members = LS_MEMBERS("deviceId", "deviceName", "items", "metadata", "cursor",
														"lastSyncVersion", "epoch", "dryRun", "atomic"),
								  .writes = true,
								  .by_device = true};

PG_FUNCTION_INFO_V1(learnsync_sync_push);
PG_FUNCTION_INFO_V1(learnsync_api_sync_push);

Datum
learnsync_sync_push(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &service);
}

Datum
learnsync_api_sync_push(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &service);
}
