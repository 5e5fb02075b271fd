/*
 * module.c
 *		sync_progress and sync_completions: events about modules, pushed as module_progress and module_completion.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"
#include "utils/memutils.h"

#define SCORE "score"

/* The members of an event that are not part of what it says of the module. */
static bool
is_envelope(LsText key)
{
	return ls_text_equal(key, ls_text("idempotencyKey")) || ls_text_equal(key, ls_text("deviceId")) ||
		   ls_text_equal(key, ls_text("clientTimestamp")) || ls_text_equal(key, ls_text("sentAt"));
}

static JsonbValue
data_of(const JsonbValue *event)
{
	JsonbValue data = ls_json_object();
	JsonbValue value;
	LsJsonWalk walk;
	LsText key;

	ls_json_walk(&walk, event);
	while (ls_json_walk_next(&walk, &key, &value))
	{
		if (!is_envelope(key))
			ls_json_put_text(&data, key, value);
	}
	ls_json_root(ls_json_encode(&data), &value);
	return value;
}

/* The device that an event names; empty where it names none. */
static LsText
device_of(const JsonbValue *event)
{
	JsonbValue value;

	if (ls_json_is_object(event) && ls_json_get(event, "deviceId", &value) && value.type == jbvString &&
		ls_text_is_id(ls_text_of(&value)))
		return ls_text_of(&value);
	return ls_text("");
}

static bool
read_event(LsItem *item, const char *type, LsFailure *failure)
{
	item->operation = ls_text("update");
	item->type_name = ls_text(type);
	item->type = ls_store_hold_type(item->type_name);
	if (item->type == NULL)
	{
		ls_fail(failure, "unknown_type", "", "resource type %s was dropped", type);
		return ls_fail_until(failure, item->type_name);
	}
	if (device_of(&item->raw).length == 0)
		return ls_fail(failure, "invalid", "deviceId", "deviceId must be a string of 1 to %d characters",
					   LS_MAX_ID_CHARS);
	item->data = item->change.data = data_of(&item->raw);
	return ls_item_read_time(item, "clientTimestamp", failure);
}

static bool
read_progress(LsItem *item, LsFailure *failure)
{
	return read_event(item, "module_progress", failure);
}

static bool
read_completion(LsItem *item, LsFailure *failure)
{
	return read_event(item, "module_completion", failure);
}

const LsChannel ls_progress_channel = {.name = "sync_progress",
									   .is_flat = true,
									   .id = "idempotencyKey",
									   .time = "clientTimestamp",
									   .read = read_progress};
const LsChannel ls_completion_channel = {.name = "sync_completions",
										 .is_flat = true,
										 .id = "idempotencyKey",
										 .time = "clientTimestamp",
										 .read = read_completion};

/* Whether the item's score is better than the best before it, which it takes the place of. */
static bool
raises_score(const LsItem *item, JsonbValue *best)
{
	const LsResource *resource = item->resource;
	const LsField *stored = resource->stored.exists ? ls_state_field(&resource->stored, ls_text(SCORE)) : NULL;
	JsonbValue *before = &best[resource->first_item];
	JsonbValue score;

	if (before->type == jbvNull && stored != NULL)
		*before = stored->value.json;
	if (!ls_json_get(&item->change.data, SCORE, &score))
		return false;
	if (before->type != jbvNull && ls_json_compare(&score, before) <= 0)
		return false;
	*before = score;
	return true;
}

/* Why an item that was taken changed nothing; NULL where it was applied. */
static const char *
reason_skipped(const LsPush *push, const LsItem *item, JsonbValue *best)
{
	if (item->duplicate)
		return "duplicate idempotencyKey";
	if (item->verdict == LS_MANUAL_REQUIRED)
		return "conflict: a person must decide";
	if (item->verdict == LS_SERVER_WINS && !item->changed)
		return ls_tombstone_hides(&item->resource->stored, item->change.at) ? "module was deleted later"
																			: "stale syncVersion";
	if (push->batch.channel == &ls_completion_channel && !raises_score(item, best))
		return "score is not higher than the stored one";
	return NULL;
}

static JsonbValue
result_of(const LsPush *push, const LsItem *item, JsonbValue *best)
{
	JsonbValue result = ls_json_object();
	bool rejected = item->verdict == LS_FAILED;
	const char *reason = rejected ? item->failure.message : reason_skipped(push, item, best);

	if (reason != NULL)
		ls_json_put(&result, "reason", ls_json_string(pstrdup(reason)));
	if (item->waits)
		ls_json_put(&result, "waiting", ls_json_bool(true));
	ls_json_put(&result, "status", ls_json_string(rejected ? "rejected" : reason != NULL ? "skipped" : "applied"));
	ls_json_put(&result, "idempotencyKey",
				item->id.data == NULL ? ls_json_null() : ls_json_string(ls_text_string(item->id)));
	return result;
}

/* The results outlive the push: what they say is copied. */
static void
add_results(JsonbValue *results, const LsPush *push)
{
	JsonbValue *best = palloc(sizeof(JsonbValue) * push->batch.nitems);

	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		best[i] = ls_json_null();
	}
	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_json_add(results, result_of(push, &push->batch.items[i], best));
	}
}

static JsonbValue *
elements_of(const JsonbValue *list, int count)
{
	JsonbValue *elements = palloc(sizeof(JsonbValue) * count);
	LsJsonWalk walk;
	LsText no_key;

	ls_json_walk(&walk, list);
	for (int i = 0; ls_json_walk_next(&walk, &no_key, &elements[i]);)
		i++;
	return elements;
}

/* The events as a JSON array of their own. */
static JsonbValue
array_of(const JsonbValue *events, int count)
{
	JsonbValue array = ls_json_array();
	JsonbValue value;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_json_add(&array, events[i]);
	}
	ls_json_root(ls_json_encode(&array), &value);
	return value;
}

/* How many of the events, from the first on, are of one device. */
static int
run_length(const JsonbValue *events, int count)
{
	LsText device = device_of(&events[0]);
	int length = 1;

	while (length < count && ls_text_equal(device_of(&events[length]), device))
		length++;
	return length;
}

/* One run of events of one device, which is a push. A request may be of a thousand: the memory it used is given back. */
static void
push_run(LsPush *push, JsonbValue *results)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext run = AllocSetContextCreate(context, "learnsync run", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(run);
	ls_push_run(push);
	MemoryContextSwitchTo(context);
	add_results(results, push);
	MemoryContextDelete(run);
}

/* A push is of one device, a request need not be, unless the token says whose it is. */
static Jsonb *
push_events(LsCall *call, const LsChannel *channel)
{
	JsonbValue answer = ls_json_object();
	JsonbValue data = ls_json_object();
	JsonbValue results = ls_json_array();
	JsonbValue request;
	JsonbValue list;
	JsonbValue *events;
	int length = 0;
	int recorded = 0; /* failed events */
	int count;

	ls_request_open(call->request, &request);
	count = ls_batch_count(&request, "events", &list);
	if (count == 0)
		ls_request_refuse("events", "must not be empty");
	events = elements_of(&list, count);
	for (int done = 0; done < count; done += length)
	{
		LsPush push;

		if (done > 0)
			ls_store_forget_rows();
		length = call->device.data != NULL ? count : run_length(&events[done], count - done);
		ls_push_open(&push, call, channel);
		ls_batch_read_sent(&push.batch, &request);
		push.batch.unmetered = done > 0;
		push.batch.partial = length < count;
		push.batch.device.id = call->device.data != NULL ? call->device : device_of(&events[done]);
		push.batch.nitems = length;
		push.batch.all_raw = list;
		push.batch.items_raw = length == count ? list : array_of(&events[done], length);
		push_run(&push, &results);
		recorded += push.batch.nrecorded;
	}
	if (recorded > 0 && length < count)
		ls_store_prune_failed(call->learner);
	ls_json_put(&data, "results", results);
	ls_json_put(&answer, "data", data);
	ls_json_put(&answer, "success", ls_json_bool(true));
	return ls_json_encode(&answer);
}

static Datum
progress_work(LsCall *call)
{
	return JsonbPGetDatum(push_events(call, &ls_progress_channel));
}

static Datum
completion_work(LsCall *call)
{
	return JsonbPGetDatum(push_events(call, &ls_completion_channel));
}

const LsService ls_module_progress = {
	.work = progress_work, .members = LS_MEMBERS("events", "sentAt", "traceparent"), .writes = true};
const LsService ls_module_completion = {
	.work = completion_work, .members = LS_MEMBERS("events", "sentAt", "traceparent"), .writes = true};

PG_FUNCTION_INFO_V1(learnsync_sync_progress);
PG_FUNCTION_INFO_V1(learnsync_sync_completions);
PG_FUNCTION_INFO_V1(learnsync_api_sync_progress);
PG_FUNCTION_INFO_V1(learnsync_api_sync_completions);

Datum
learnsync_sync_progress(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &ls_module_progress);
}

Datum
learnsync_sync_completions(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &ls_module_completion);
}

Datum
learnsync_api_sync_progress(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &ls_module_progress);
}

Datum
learnsync_api_sync_completions(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &ls_module_completion);
}
