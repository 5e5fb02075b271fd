/*
 * event_put.c
 *		progress_put: a batch of events into the log, each once, from the request to the answer in one transaction.
 *
 * As in a push, everything that decides is read after the learner's row was locked.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"

#define MORE_RESETS 100 /* that a full log takes at least */

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
	put->events = ls_memory_zeroed(put->batch.nitems, sizeof(LsEvent));
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
	ls_batch_admit_device(batch);
}

static void
touch_device(LsBatch *batch)
{
	if (batch->device.id.data == NULL)
		return;
	batch->safe_version = LS_FIRST_VERSION;
	ls_store_touch_device(batch);
}

/* Starts from what is stored of the interactions that the events are about. */
static void
begin_states(LsPut *put)
{
	put->states = ls_progress_new(CurrentMemoryContext);
	put->states->reset = put->head->reset;
	put->state_bytes = put->log.state_bytes;
	put->has_reset = put->has_all = false;
	for (int i = 0; i < put->ninteractions; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_progress_load_interaction(put->states, &put->interactions[i]);
	}
}

static void
skip_content(void *progress, const LsContentRow *row)
{
}

static void
load_interaction(void *progress, const LsInteractionRow *row)
{
	ls_progress_load_interaction(progress, row);
}

/* After a reset of this put: what it left, which is less than was counted on. */
static void
count_again(LsPut *put)
{
	if (!put->has_all)
		ls_store_read_rows(put->batch.learner.id, skip_content, load_interaction, put->states, LS_SEES_OWN);
	put->has_all = true;
	put->has_reset = false;
	put->state_bytes = ls_progress_state_bytes(put->states);
}

/*
 * Takes in what an event says of an interaction; fails where the states would take more than they may. Only what the last
 * events say is counted, and no event is ever deleted: whatever else comes, what an event has hidden stays hidden, so that
 * states which fit go on fitting until an event is accepted that adds to them.
 */
static bool
take_state(LsPut *put, const LsEvent *event, LsFailure *failure)
{
	LsPoint bare = ls_point_bare(&event->point);
	int64 more = ls_progress_growth(put->states, event);

	if (more > 0 && put->has_reset && put->state_bytes + more > learnsync_max_document_bytes)
		count_again(put);
	if (more > 0 && put->state_bytes + more > learnsync_max_document_bytes)
		return ls_fail(failure, "too_large", "payload.interaction.state",
					   "the interaction states of this learner would be larger than %d bytes",
					   learnsync_max_document_bytes);
	put->state_bytes += more;
	ls_progress_interaction(put->states, ls_progress_content(put->states, event->content_id), event->interaction_id,
							&bare, ls_progress_container(&event->state));
	return true;
}

/* Whether the snapshot has room for an event; takes it in. */
static bool
has_room(LsPut *put, const LsEvent *event, LsFailure *failure)
{
	if (event->type == LS_EVENT_CONTENT && event->interaction_id.data != NULL)
		return take_state(put, event, failure);
	if (event->type == LS_EVENT_RESET)
	{
		ls_progress_reset(put->states, &event->point);
		put->has_reset = true;
	}
	return true;
}

/* Tells the known events from the new ones, and fixes the order instants of these. */
static void
judge_events(LsPut *put)
{
	ls_batch_link(&put->batch);
	ls_batch_judge(&put->batch);
	ls_batch_date(&put->batch);
	for (int i = 0; i < put->batch.nitems; i++)
	{
		const LsItem *item = &put->batch.items[i];
		JsonbValue sent;

		CHECK_FOR_INTERRUPTS();
		if (item->refused.code == NULL && item->at != item->client_at && ls_json_get(&item->raw, "occurredAt", &sent))
			ls_event_set_time(&put->events[i], item->at, ls_text_of(&sent));
	}
}

/*
 * How many events the log may hold for one of this type to be taken. Who starts anew must be able to say so in a full log,
 * too, though not for ever.
 */
static int64
room_for(LsEventType type)
{
	bool resets = type == LS_EVENT_RESET || type == LS_EVENT_ONBOARDING_RESET;

	return learnsync_max_learner_events + (resets ? Max((int64) learnsync_max_learner_events / 100, MORE_RESETS) : 0);
}

static void
accept_event(LsPut *put, LsItem *item)
{
	if (put->log.events + put->batch.naccepted >= room_for(put->events[item->index].type))
	{
		ls_fail(&item->failure, "too_many", "", "the log of this learner is full: it holds %d events",
				learnsync_max_learner_events);
		return;
	}
	if (!has_room(put, &put->events[item->index], &item->failure))
		return;
	item->accepted = true;
	item->verdict = LS_SYNCED;
	item->version = ++put->batch.version;
	put->batch.naccepted++;
}

/* Decides the first so many events; can be called again after more were refused. */
static void
decide_events(LsPut *put, int taken)
{
	LsBatch *batch = &put->batch;

	batch->version = batch->learner.version;
	batch->naccepted = 0;
	batch->ntaken = taken;
	begin_states(put);
	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		batch->items[i].accepted = batch->items[i].duplicate = false;
	}
	for (int i = 0; i < taken; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_batch_is_known(batch, &batch->items[i]))
			accept_event(put, &batch->items[i]);
	}
}

/* Whether an accepted event wipes more than the stored state knows of. */
static bool
has_new_reset(const LsPut *put)
{
	const LsPoint *known = &put->head->reset;

	for (int i = 0; i < put->batch.nitems; i++)
	{
		const LsEvent *event = &put->events[i];

		CHECK_FOR_INTERRUPTS();
		if (put->batch.items[i].accepted && event->type == LS_EVENT_RESET &&
			(!ls_point_exists(known) || ls_point_compare(&event->point, known) > 0))
			return true;
	}
	return false;
}

/* The stored state with the accepted events added; in one of its own each time, as a write may have to be repeated. */
static LsProgress *
fold_events(const LsPut *put, LsEventLog *log)
{
	LsProgress *progress = ls_progress_new(CurrentMemoryContext);

	progress->reset = put->head->reset;
	progress->last_at = put->head->last_at;
	progress->last_time = put->head->last_time;
	progress->onboarding = put->head->onboarding;
	progress->active = put->head->active;
	/* A value that takes another's place must not take its memory, which the next try reads again. */
	progress->onboarding.room = progress->active.room = 0;
	for (int i = 0; i < put->ncontents; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_progress_load_content(progress, &put->contents[i]);
	}
	for (int i = 0; i < put->ninteractions; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_progress_load_interaction(progress, &put->interactions[i]);
	}
	*log = put->log;
	log->events += put->batch.naccepted;
	log->version = put->batch.version;
	log->state_bytes = put->state_bytes;
	for (int i = 0; i < put->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (put->batch.items[i].accepted)
			ls_progress_add(progress, NULL, &put->events[i]);
	}
	return progress;
}

/* Writes the accepted events and the state with them. Only a new reset reads the log again. */
static void
write_accepted(LsBatch *batch)
{
	LsPut *put = (LsPut *) batch;
	LsText learner = put->batch.learner.id;
	LsEventLog log;
	LsProgress *progress;

	ls_store_add_events(put);
	if (has_new_reset(put))
	{
		progress = ls_event_reduce(learner, &log, LS_SEES_OWN);
		ls_store_clear_progress(learner);
		ls_store_write_progress(learner, progress, &log, NULL);
		return;
	}
	progress = fold_events(put, &log);
	ls_store_write_progress(learner, progress, &log, put);
}

static void
decide_all(LsBatch *batch)
{
	decide_events((LsPut *) batch, batch->nitems);
}

static void
decide_first(LsBatch *batch, int taken)
{
	decide_events((LsPut *) batch, taken);
}

static const LsWriter writer = {"event", decide_all, decide_first, write_accepted};

/* Writes the whole effect of a put. */
static void
write_put(LsPut *put)
{
	ls_batch_write_accepted(&put->batch, &writer);
	ls_batch_close(&put->batch, false);
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
	judge_events(put);
	ls_store_read_touched(put);
	decide_events(put, put->batch.nitems);
	write_put(put);
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
	if (event->waits)
		ls_json_put(&failure, "waiting", ls_json_bool(true));
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

/*
 * What a client may store as its cursor after a put without skipping anything: with this put where it held the rest.
 * Who sends none may hold nothing: a client's name proves nothing.
 */
static LsText
put_cursor(const LsPut *put)
{
	LsText epoch = put->batch.learner.epoch;
	int64 held = LS_FIRST_VERSION;
	bool holds_all;

	if (put->since.data == NULL || !ls_event_cursor_read(put->since, epoch, &held) || held > put->log.version)
		return ls_event_cursor(epoch, LS_FIRST_VERSION);
	holds_all = held == put->log.version && put->batch.naccepted > 0;
	return ls_event_cursor(epoch, holds_all ? put->batch.version : held);
}

static Jsonb *
answer_put(const LsPut *put)
{
	JsonbValue answer = ls_json_object();
	JsonbValue data = ls_json_object();
	JsonbValue failed = ls_json_array();

	for (int i = 0; i < put->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (put->batch.items[i].failure.code != NULL)
			ls_json_add(&failed, failure_json(&put->batch.items[i]));
	}
	ls_json_put(&data, "cursor", ls_json_text(put_cursor(put)));
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

const LsService ls_put_events = {
	.work = put_work,
	.members = LS_MEMBERS("clientUpdatedAt", "since", "deviceId", "events", "sentAt", "traceparent"),
	.writes = true,
	.by_device = true};

PG_FUNCTION_INFO_V1(learnsync_progress_put);
PG_FUNCTION_INFO_V1(learnsync_api_progress_put);

Datum
learnsync_progress_put(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &ls_put_events);
}

Datum
learnsync_api_progress_put(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &ls_put_events);
}
