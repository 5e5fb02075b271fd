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

static void
read_envelope(LsPush *push, const LsCall *call)
{
	JsonbValue request;

	ls_request_open(call->request, &request);
	push->batch.nitems = ls_batch_count(&request, "items", &push->batch.items_raw);
	push->batch.device.id = ls_call_device(call);
	push->batch.device_name = ls_request_text(&request, "deviceName", false);
	ls_batch_read_sent(&push->batch, &request);
	push->cursor = ls_request_cursor(&request, "lastSyncVersion");
	push->epoch = ls_request_text(&request, "epoch", false);
	push->bookmark = ls_cursor_read(&request);
	if (push->bookmark.given)
		push->cursor = push->bookmark.position;
	push->batch.dry_run = ls_request_bool(&request, "dryRun");
	push->atomic = ls_request_bool(&request, "atomic");
	if (!ls_json_get(&request, "metadata", &push->batch.metadata))
		push->batch.metadata = ls_json_null();
	if (push->batch.metadata.type != jbvNull && !ls_json_is_object(&push->batch.metadata))
		ls_request_refuse("metadata", "must be an object");
	ls_request_limit(&push->batch.metadata, learnsync_max_metadata_bytes, "learnsync.max_metadata_bytes", "metadata");
}

/* Room for the resources that the items are about. */
void
ls_push_make_room(LsPush *push)
{
	int count = Max(push->batch.nitems, 1);

	push->resources = palloc(sizeof(LsResource *) * count);
	push->changed = palloc(sizeof(LsResource *) * count);
	push->resource_buckets = palloc0(sizeof(LsResource *) * push->batch.nbuckets);
}

static void
read_items(LsPush *push)
{
	ls_batch_take_items(&push->batch);
	ls_push_make_room(push);
	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_item_read(push, &push->batch.items[i]);
	}
}

/*
 * From the items as they came to what they did. They are read under the learner's lock: only there is it certain that no
 * push of the learner has gone by a newer rule.
 */
void
ls_push_run(LsPush *push)
{
	ls_batch_begin(&push->batch);
	read_items(push);
	ls_store_carry_over(push);
	ls_push_find_resources(push);
	ls_store_read_known(push);
	ls_store_mark_failed(&push->batch);
	ls_device_check(push->batch.learner.id, &push->batch.device);
	ls_rate_take_device(&push->batch);
	ls_store_check_content(push);
	ls_push_judge(push);
	ls_store_find_members(push);
	ls_push_decide(push);
	if (!push->batch.dry_run)
		ls_push_write(push);
}

/* Sets up a push that does not say what its device has seen. */
void
ls_push_open(LsPush *push, const LsCall *call, const LsChannel *channel)
{
	*push = (LsPush){.cursor = -1};
	ls_batch_open(&push->batch, call, channel);
}

static Jsonb *
answer_push(LsCall *call, bool retry)
{
	LsPush push;

	ls_push_open(&push, call, &ls_push_channel);
	read_envelope(&push, call);
	push.batch.unmetered = retry || push.batch.nitems == 0;
	ls_push_run(&push);
	return ls_push_answer(&push, call->outside);
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
														"lastSyncVersion", "epoch", "dryRun", "atomic", "sentAt"),
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
