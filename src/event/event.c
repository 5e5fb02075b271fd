/*
 * event.c
 *		progress_put: a batch of events into the log, each once, from the request to the answer in one transaction.
 *
 * As in a push, everything that decides is read after the learner's row was locked.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"

static const LsChannel channel = {
	.name = "progress_put", .is_flat = true, .id = "eventId", .time = "occurredAt", .sender = "clientId"};

/* clientUpdatedAt is the client's own note; it is checked and means nothing here. */
static void
check_updated_at(const JsonbValue *request)
{
	JsonbValue value;
	TimestampTz ignored;

	if (!ls_json_get(request, "clientUpdatedAt", &value) || value.type == jbvNull)
		return;
	if (value.type != jbvString || !ls_stamp_parse(ls_text_of(&value), &ignored))
		ls_request_refuse("clientUpdatedAt", "must be an RFC 3339 time with offset");
}

static void
read_envelope(LsPut *put, const LsCall *call)
{
	JsonbValue request;
	JsonbValue since;

	ls_request_open(call->request, &request);
	put->batch.nitems = ls_batch_count(&request, "events", &put->batch.items_raw);
	check_updated_at(&request);
	ls_batch_read_sent(&put->batch, &request);
	put->batch.device.id = call->device;
	if (!ls_json_get(&request, "since", &since) || since.type == jbvNull)
		return;
	if (since.type != jbvString)
		ls_request_refuse("since", "must be a string");
	put->since = ls_text_of(&since);
}

/* Unlike other ids, that of an event is a string and nothing that could be written as one. */
static bool
has_string_id(const LsItem *item)
{
	JsonbValue id;

	return ls_json_is_object(&item->raw) && ls_json_get(&item->raw, "eventId", &id) && id.type == jbvString;
}

static bool
check_event(const LsItem *item, const LsExtent *extent, LsEvent *event, LsFailure *failure)
{
	LsText client;

	if (!ls_json_is_object(&item->raw))
		return ls_fail(failure, "invalid", "", "events[%d] must be an object", item->index);
	if (!ls_limit_check(&item->raw, extent, "the event", learnsync_max_item_bytes, "", failure))
		return false;
	if (item->id.data == NULL || !ls_text_is_id(item->id))
		return ls_fail(failure, "invalid", "eventId", "events[%d].eventId must be a string of 1 to %d characters",
					   item->index, LS_MAX_ID_CHARS);
	return ls_event_read(event, &item->raw, &client, failure);
}

static void
read_events(LsPut *put)
{
	ls_batch_take_items(&put->batch);
	put->events = palloc0(sizeof(LsEvent) * Max(put->batch.nitems, 1));
	for (int i = 0; i < put->batch.nitems; i++)
	{
		LsItem *item = &put->batch.items[i];
		LsExtent extent;

		CHECK_FOR_INTERRUPTS();
		extent = ls_batch_identify(&put->batch, item);
		if (!has_string_id(item))
			item->id = (LsText){NULL, 0};
		(void) check_event(item, &extent, &put->events[i], &item->refused);
		if (item->refused.code == NULL)
			item->client_at = put->events[i].occurred_at;
		else
			(void) ls_item_find_time(item, channel.time);
	}
}

static void
check_device(LsBatch *batch)
{
	if (batch->device.id.data == NULL)
		return;
	ls_store_read_device(batch->learner.id, &batch->device);
	ls_device_check(batch->learner.id, &batch->device);
	ls_rate_take_device(batch);
}

static void
touch_device(LsBatch *batch)
{
	if (batch->device.id.data == NULL)
		return;
	batch->safe_version = LS_FIRST_VERSION;
	ls_store_touch_device(batch);
}

/* A put without events writes nothing; a retry of what is known nothing but when the device was seen. */
static void
do_put(LsPut *put)
{
	put->batch.dry_run = put->batch.nitems == 0; /* it writes nothing */
	ls_batch_begin(&put->batch);
	check_device(&put->batch);
	put->head = ls_progress_new(CurrentMemoryContext);
	ls_store_read_head(put->batch.learner.id, put->head, &put->log, LS_SEES_OWN);
	if (put->batch.nitems == 0)
		return;
	ls_store_read_known_events(put);
	ls_store_mark_failed(&put->batch);
	ls_put_judge(put);
	ls_store_read_touched(put);
	ls_put_decide(put, put->batch.nitems);
	ls_put_write(put);
	touch_device(&put->batch);
}

static JsonbValue
failure_json(const LsItem *event)
{
	JsonbValue failure = ls_json_object();
	LsReceipt first;

	ls_json_put(&failure, "code", ls_json_string(event->failure.code));
	ls_json_put(&failure, "eventId", ls_json_text(event->id));
	ls_json_put(&failure, "message", ls_json_string(event->failure.message));
	if (ls_item_first(event, &first))
		ls_json_put(&failure, "first", ls_item_first_json(&first));
	return failure;
}

static int
count_duplicates(const LsPut *put)
{
	int count = 0;

	for (int i = 0; i < put->batch.nitems; i++)
		count += put->batch.items[i].duplicate;
	return count;
}

static Jsonb *
answer_put(const LsPut *put)
{
	JsonbValue answer = ls_json_object();
	JsonbValue data = ls_json_object();
	JsonbValue failed = ls_json_array();

	for (int i = 0; i < put->batch.nitems; i++)
	{
		if (put->batch.items[i].failure.code != NULL)
			ls_json_add(&failed, failure_json(&put->batch.items[i]));
	}
	ls_json_put(&data, "cursor", ls_json_text(ls_put_cursor(put)));
	ls_json_put(&data, "accepted", ls_json_int(put->batch.naccepted));
	ls_json_put(&data, "duplicates", ls_json_int(count_duplicates(put)));
	ls_json_put(&data, "failedEvents", failed);
	ls_json_put(&answer, "ok", ls_json_bool(true));
	ls_json_put(&answer, "data", data);
	return ls_json_encode(&answer);
}

static Datum
put_work(LsCall *call)
{
	LsPut put = {.since = {NULL, 0}};

	ls_batch_open(&put.batch, call, &channel);
	read_envelope(&put, call);
	read_events(&put);
	do_put(&put);
	return JsonbPGetDatum(answer_put(&put));
}

static const LsService service = {.work = put_work,
								  .members = LS_MEMBERS("clientUpdatedAt", "since", "deviceId", "events", "sentAt"),
								  .writes = true,
								  .by_device = true};

PG_FUNCTION_INFO_V1(learnsync_progress_put);
PG_FUNCTION_INFO_V1(learnsync_api_progress_put);

Datum
learnsync_progress_put(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &service);
}

Datum
learnsync_api_progress_put(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &service);
}
