/*
 * event.c
 *		progress_put: a batch of events into the log, each once, from the request to the answer in one transaction.
 *
 * As in a push, everything that decides is read after the learner's row was locked.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"
#include "push/push.h"

static const LsChannel channel = {.name = "progress_put"};

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
read_envelope(LsPut *put, const LsCall *call, JsonbValue *events)
{
	JsonbValue request;
	JsonbValue since;

	ls_request_open(call->request, &request);
	put->nevents = ls_push_count_items(&request, "events", events);
	check_updated_at(&request);
	put->push.device.id = call->device;
	if (!ls_json_get(&request, "since", &since) || since.type == jbvNull)
		return;
	if (since.type != jbvString)
		ls_request_refuse("since", "must be a string");
	put->since = ls_text_of(&since);
}

static bool
check_event(LsPutEvent *event, LsFailure *failure)
{
	if (!ls_json_is_object(&event->raw))
		return ls_fail(failure, "invalid", "", "events[%d] must be an object", event->index);
	if (!ls_limit_check(&event->raw, NULL, "the event", learnsync_max_item_bytes, "", failure))
		return false;
	if (event->id.data == NULL || !ls_text_is_id(event->id))
		return ls_fail(failure, "invalid", "eventId", "events[%d].eventId must be a string of 1 to %d characters",
					   event->index, LS_MAX_ID_CHARS);
	return ls_event_read(&event->event, &event->raw, &event->client, failure);
}

/* What stands for the id of an event that came without: the digest of what it says. */
static LsText
name_of_content(const JsonbValue *raw)
{
	LsDigest digest;
	pg_uuid_t uuid;

	ls_digest_start(&digest);
	ls_digest_json(&digest, raw, NULL);
	uuid = ls_digest_end(&digest);
	return ls_digest_uuid_text(&uuid);
}

static void
read_event(LsPutEvent *event, int index, const JsonbValue *raw)
{
	JsonbValue id;

	event->index = index;
	event->raw = *raw;
	if (ls_json_is_object(raw) && ls_json_get(raw, "eventId", &id) && id.type == jbvString)
		event->id = ls_text_of(&id);
	event->name = event->id.data != NULL ? event->id : name_of_content(raw);
	(void) check_event(event, &event->refused);
}

static void
read_events(LsPut *put, const JsonbValue *events)
{
	JsonbIterator *walk = JsonbIteratorInit(events->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue raw;
	int count = 0;

	put->events = palloc0(sizeof(LsPutEvent) * Max(put->nevents, 1));
	while ((token = JsonbIteratorNext(&walk, &raw, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		read_event(&put->events[count], count, &raw);
		count++;
	}
	ls_put_link(put);
}

static void
check_device(LsPut *put)
{
	if (put->push.device.id.data == NULL)
		return;
	ls_store_read_known(&put->push);
	ls_device_check(put->push.learner.id, &put->push.device);
	ls_rate_take_device(&put->push);
}

static void
touch_device(LsPut *put)
{
	if (put->push.device.id.data == NULL)
		return;
	put->push.safe_version = LS_FIRST_VERSION;
	ls_store_touch_device(&put->push);
}

/* A put without events writes nothing; a retry of what is known nothing but when the device was seen. */
static void
do_put(LsPut *put)
{
	put->push.dry_run = put->nevents == 0; /* it writes nothing */
	ls_batch_begin(&put->push);
	check_device(put);
	put->head = ls_progress_new(CurrentMemoryContext);
	ls_store_read_head(put->push.learner.id, put->head, &put->log, LS_SEES_OWN);
	if (put->nevents == 0)
		return;
	ls_store_read_known_events(put);
	ls_put_judge(put);
	ls_put_decide(put, put->nevents);
	ls_put_write(put);
	touch_device(put);
}

static JsonbValue
failure_json(const LsPutEvent *event)
{
	JsonbValue failure = ls_json_object();

	ls_json_put(&failure, "code", ls_json_string(event->failure.code));
	ls_json_put(&failure, "eventId", ls_json_text(event->id));
	ls_json_put(&failure, "message", ls_json_string(event->failure.message));
	return failure;
}

static Jsonb *
answer_put(const LsPut *put)
{
	JsonbValue answer = ls_json_object();
	JsonbValue data = ls_json_object();
	JsonbValue failed = ls_json_array();

	for (int i = 0; i < put->nevents; i++)
	{
		if (put->events[i].failure.code != NULL)
			ls_json_add(&failed, failure_json(&put->events[i]));
	}
	ls_json_put(&data, "cursor", ls_json_text(ls_put_cursor(put)));
	ls_json_put(&data, "accepted", ls_json_int(put->naccepted));
	ls_json_put(&data, "duplicates", ls_json_int(put->nduplicates));
	ls_json_put(&data, "failedEvents", failed);
	ls_json_put(&answer, "ok", ls_json_bool(true));
	ls_json_put(&answer, "data", data);
	return ls_json_encode(&answer);
}

static Datum
put_work(LsCall *call)
{
	LsPut put = {.push.nitems = 0};
	JsonbValue events;

	ls_push_start(&put.push, call, &channel);
	read_envelope(&put, call, &events);
	read_events(&put, &events);
	do_put(&put);
	return JsonbPGetDatum(answer_put(&put));
}

static const LsService service = {.work = put_work,
								  .members = LS_MEMBERS("clientUpdatedAt", "since", "deviceId", "events"),
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
