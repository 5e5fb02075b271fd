/*
 * event_get.c
 *		progress_get: the snapshot, and the events that arrived after a cursor, a page at a time.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "event/event.h"
#include "miscadmin.h"
#include "people/people.h"
#include "shard/shard.h"
#include "utils/memutils.h"

#define EVENTS_AT_A_TIME 500
#define PAGE_BYTES (64 * 1024 * 1024) /* a page ends there, whatever was asked for: jsonb cannot be much larger */

typedef struct Get
{
	LsText learner;
	LsText since; /* without data: everything */
	LsText epoch; /* of the learner's cursors */
	int64 limit;
	LsEventLog log;
	int64 cursor; /* what was delivered before this page */
	JsonbValue events;
	JsonbValue ordered_at; /* instants of those that are ordered by another time than they say */
	bool has_more;
} Get;

/* Where the page starts: anything but a cursor of this history that we have reached means everything. */
static int64
start_version(const Get *get)
{
	int64 version;

	if (get->since.length == 0 || !ls_event_cursor_read(get->since, get->epoch, &version))
		return LS_FIRST_VERSION;
	return version <= get->log.version || RecoveryInProgress() ? version : LS_FIRST_VERSION;
}

/* Tells the order instant of an event that says another time. */
static void
add_instant(Get *get, const LsStoredEvent *event, const JsonbValue *json)
{
	JsonbValue sent;
	TimestampTz occurred_at;

	if (ls_json_get(json, "occurredAt", &sent) && sent.type == jbvString &&
		ls_stamp_parse(ls_text_of(&sent), &occurred_at) && occurred_at != event->at)
		ls_json_put_text(&get->ordered_at, event->id, ls_json_text(ls_stamp_text(event->at, 6)));
}

/* Adds stored events to the page; false where it is full. */
static bool
add_events(Get *get, const LsStoredEvent *events, int count, int64 *bytes)
{
	for (int i = 0; i < count; i++)
	{
		JsonbValue json;

		CHECK_FOR_INTERRUPTS();
		if (get->events.val.array.nElems >= get->limit || *bytes > PAGE_BYTES)
		{
			get->has_more = true;
			return false;
		}
		ls_json_root(events[i].json, &json);
		ls_json_add(&get->events, json);
		add_instant(get, &events[i], &json);
		*bytes += ls_json_bytes(&json);
		get->cursor = events[i].version;
	}
	return true;
}

static void
fill_page(Get *get)
{
	LsStoredEvent *events;
	int64 bytes = 0;
	int count;

	get->events = ls_json_array();
	do
	{
		/* One more than the limit tells whether there is more. */
		int wanted = (int) Min(get->limit - get->events.val.array.nElems + 1, EVENTS_AT_A_TIME);

		CHECK_FOR_INTERRUPTS();
		count = ls_store_read_events(get->learner, get->cursor, wanted, false, &events);
		if (!add_events(get, events, count, &bytes) || count < wanted)
			break;
	} while (true);
}

static Jsonb *
answer_get(Get *get)
{
	LsProgress *progress = ls_progress_new(CurrentMemoryContext);
	JsonbValue answer = ls_json_object();
	JsonbValue data = ls_json_object();
	LsDays days;

	ls_store_read_head(get->learner, progress, &get->log, LS_SEES_CALLERS);
	get->epoch = ls_store_read_days(get->learner, &days, LS_SEES_CALLERS);
	get->ordered_at = ls_json_object();
	get->cursor = start_version(get);
	if (get->cursor < get->log.version)
		fill_page(get);
	else
		get->events = ls_json_array();
	ls_store_read_contents(get->learner, progress, LS_SEES_CALLERS);
	ls_json_put(&data, "cursor", ls_json_text(ls_event_cursor(get->epoch, get->cursor)));
	ls_json_put(&data, "events", get->events);
	ls_json_put(&data, "hasMore", ls_json_bool(get->has_more));
	if (get->ordered_at.val.object.nPairs > 0)
		ls_json_put(&data, "orderedAt", get->ordered_at);
	ls_json_put(&data, "snapshot", ls_progress_snapshot(progress, &days));
	ls_json_put(&answer, "ok", ls_json_bool(true));
	ls_json_put(&answer, "data", data);
	return ls_json_encode(&answer);
}

static Datum
get_for(LsText learner, FunctionCallInfo fcinfo, int argument, bool of_app)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "learnsync get", ALLOCSET_DEFAULT_SIZES);
	Get get = {.learner = learner};
	LsStoreCall call;
	Jsonb *answer;

	get.since = ls_header_text(fcinfo, argument, "since", of_app);
	get.limit = ls_header_limit(fcinfo, argument + 1, of_app);
	MemoryContextSwitchTo(context);
	ls_store_open(&call);
	ls_shard_admit(learner);
	answer = answer_get(&get);
	ls_store_close(&call);
	MemoryContextSwitchTo(caller);
	answer = ls_memory_varlena(answer);
	MemoryContextDelete(context);
	if (of_app)
		ls_header_tag((LsText){VARDATA_ANY(answer), VARSIZE_ANY_EXHDR(answer)});
	return JsonbPGetDatum(answer);
}

PG_FUNCTION_INFO_V1(learnsync_progress_get);
PG_FUNCTION_INFO_V1(learnsync_api_progress_get);

Datum
learnsync_progress_get(PG_FUNCTION_ARGS)
{
	return get_for(ls_learner_served(fcinfo, 0), fcinfo, 1, false);
}

Datum
learnsync_api_progress_get(PG_FUNCTION_ARGS)
{
	return get_for(ls_learner_current(), fcinfo, 0, true);
}
