/*
 * push.c
 *		sync_push: one batch of one device, from the request to the answer, in one transaction.
 *
 * Everything that decides is read after the learner's row was locked, by statements with snapshots of their own;
 * that is what makes concurrent copies of one batch count once.
 */
#include "postgres.h"

#include "sync.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define KEPT_BYTES (256 * 1024)

static MemoryContext idle_context; /* emptied, for the next push */

/* The request's list of items; its length is checked before any of them is looked at. */
static void
read_item_count(LsPush *push, const JsonbValue *request)
{
	if (!ls_json_get(request, "items", &push->items_raw) || !ls_json_is_array(&push->items_raw))
		ls_request_refuse("items", "must be an array");
	push->nitems = ls_json_count(&push->items_raw);
	if (push->nitems > learnsync_max_batch_items)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many items in one push"),
						errdetail("items has %d elements.", push->nitems),
						errhint("Send at most %d items at a time; learnsync.max_batch_items is the limit.",
								learnsync_max_batch_items)));
}

static void
read_envelope(LsPush *push, Jsonb *json)
{
	JsonbValue request;

	ls_request_open(json, &request);
	read_item_count(push, &request);
	push->device.id = ls_request_text(&request, "deviceId", true);
	push->device_name = ls_request_text(&request, "deviceName", false);
	push->cursor = ls_request_cursor(&request, "lastSyncVersion");
	push->dry_run = ls_request_bool(&request, "dryRun");
	push->atomic = ls_request_bool(&request, "atomic");
	if (!ls_json_get(&request, "metadata", &push->metadata))
		push->metadata = ls_json_null();
	if (push->metadata.type != jbvNull && !ls_json_is_object(&push->metadata))
		ls_request_refuse("metadata", "must be an object");
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

/* Turns away a device that was deactivated. */
void
ls_device_check(const LsDevice *device)
{
	if (device->exists && !device->active)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("this device is deactivated"),
						errhint("sync_activate_device lets it in again.")));
}

static void
do_push(LsPush *push)
{
	read_items(push);
	ls_push_find_resources(push);
	if (push->dry_run)
		ls_store_read_learner(push);
	else
		ls_store_lock_learner(push);
	push->now = GetCurrentTimestamp();
	if (ls_rate_applies(push))
		ls_rate_take(push);
	ls_store_read_known(push);
	ls_device_check(&push->device);
	ls_push_judge(push);
	ls_store_find_members(push);
	ls_push_merge(push, push->nitems);
	if (push->dry_run)
		return;
	ls_push_write(push);
	ls_notify_push(push);
}

/*
 * A context to work in. The one of the push before is taken up again, because pages that went back to the system would
 * have to be faulted in anew; while in use it belongs to the caller's context, so that an error takes it along.
 */
static MemoryContext
take_context(MemoryContext caller)
{
	MemoryContext context = idle_context;

	idle_context = NULL;
	if (context == NULL)
		return AllocSetContextCreate(caller, "learnsync push", KEPT_BYTES, KEPT_BYTES, ALLOCSET_DEFAULT_MAXSIZE);
	MemoryContextSetParent(context, caller);
	return context;
}

static void
give_back_context(MemoryContext context)
{
	if (idle_context != NULL)
	{
		MemoryContextDelete(context);
		return;
	}
	MemoryContextReset(context);
	MemoryContextSetParent(context, TopMemoryContext);
	idle_context = context;
}

/* Works in a context of its own; only the answer outlives it. */
Jsonb *
ls_push_for(LsText learner, Jsonb *request, bool retry)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = take_context(caller);
	LsPush push = {.learner = {.id = learner, .receipt_horizon = LS_NO_TIME, .rate_at = LS_NO_TIME}, .retry = retry};
	Jsonb *answer;

	MemoryContextSwitchTo(context);
	read_envelope(&push, request);
	ls_store_open(&push.call);
	MemoryContextSwitchTo(context);
	do_push(&push);
	answer = ls_push_answer(&push);
	ls_store_close(&push.call);
	MemoryContextSwitchTo(caller);
	answer = memcpy(palloc(VARSIZE(answer)), answer, VARSIZE(answer));
	give_back_context(context);
	return answer;
}

PG_FUNCTION_INFO_V1(learnsync_sync_push);
PG_FUNCTION_INFO_V1(learnsync_api_sync_push);

Datum
learnsync_sync_push(PG_FUNCTION_ARGS)
{
	return JsonbPGetDatum(ls_push_for(ls_learner_argument(fcinfo, 0), ls_request_argument(fcinfo, 1), false));
}

Datum
learnsync_api_sync_push(PG_FUNCTION_ARGS)
{
	return JsonbPGetDatum(ls_push_for(ls_learner_current(), ls_request_argument(fcinfo, 0), false));
}
