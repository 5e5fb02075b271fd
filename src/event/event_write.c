/*
 * event_write.c
 *		Writes a put: the new events and what they change of the stored state. Only a new reset reads the log again.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"
#include "store/store.h"
#include "utils/memutils.h"

#define EVENTS_AT_A_TIME 1000

/* Notes an event as the newest of the log. */
static void
note_in_log(LsEventLog *log, int64 version)
{
	log->events++;
	log->version = Max(log->version, version);
}

/* Adds an event of the log to the state, in the order in which events arrived. */
static void
add_stored(LsText learner, LsProgress *progress, LsEventLog *log, const LsStoredEvent *stored)
{
	LsRowKey key = {"event", {learner, stored->id}};
	LsEvent event = {0};
	LsText client;
	LsFailure failure;
	JsonbValue raw;
	JsonbValue sent;

	ls_json_root(stored->json, &raw);
	if (!ls_event_read(&event, &raw, &client, &failure) || !ls_json_get(&raw, "occurredAt", &sent))
		ls_store_damaged(&key, "event", psprintf("an event that can be taken (%s)", failure.message));
	ls_event_set_time(&event, stored->at, ls_text_of(&sent));
	ls_progress_add(progress, &event);
	note_in_log(log, stored->version);
}

/* The state of a learner from the log alone. */
LsProgress *
ls_event_reduce(LsText learner, LsEventLog *log, LsSnapshot snapshot)
{
	LsProgress *progress = ls_progress_new(CurrentMemoryContext);
	MemoryContext page = AllocSetContextCreate(CurrentMemoryContext, "learnsync events", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(page);
	LsStoredEvent *events;
	int count;

	*log = (LsEventLog){.version = LS_FIRST_VERSION};
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(page);
		count = ls_store_read_events(learner, log->version, EVENTS_AT_A_TIME, snapshot, &events);
		for (int i = 0; i < count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			add_stored(learner, progress, log, &events[i]);
		}
	} while (count == EVENTS_AT_A_TIME);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(page);
	return progress;
}

/* Whether an accepted event wipes more than the stored state knows of. */
static bool
has_new_reset(const LsPut *put)
{
	const LsPoint *known = &put->head->reset;

	for (int i = 0; i < put->nevents; i++)
	{
		const LsPutEvent *event = &put->events[i];

		if (event->accepted && event->event.type == LS_EVENT_RESET &&
			(!ls_point_exists(known) || ls_point_compare(&event->event.point, known) > 0))
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
		ls_progress_load_content(progress, &put->contents[i]);
	for (int i = 0; i < put->ninteractions; i++)
		ls_progress_load_interaction(progress, &put->interactions[i]);
	*log = put->log;
	for (int i = 0; i < put->nevents; i++)
	{
		if (!put->events[i].accepted)
			continue;
		ls_progress_add(progress, &put->events[i].event);
		note_in_log(log, put->events[i].version);
	}
	return progress;
}

/* Writes the accepted events and the state with them. */
static void
write_accepted(void *argument)
{
	LsPut *put = argument;
	LsText learner = put->push.learner.id;
	LsEventLog log;
	LsProgress *progress;

	ls_store_add_events(put);
	if (has_new_reset(put))
	{
		progress = ls_event_reduce(learner, &log, LS_SEES_OWN);
		ls_store_clear_progress(learner);
	}
	else
		progress = fold_events(put, &log);
	ls_store_write_progress(learner, progress, &log);
}

/* The first event with which the write fails: the put up to it is tried, and undone, by halves. */
static LsPutEvent *
find_culprit(LsPut *put)
{
	int good = 0;
	int bad = put->nevents;

	while (bad - good > 1)
	{
		int middle = (good + bad) / 2;

		ls_put_decide(put, middle);
		if (put->naccepted > 0 && ls_try(write_accepted, put, false) != NULL)
			bad = middle;
		else
			good = middle;
	}
	return &put->events[bad - 1];
}

/* Writes what is accepted; events that something outside learnsync refuses fail, the others are written. */
static void
write_guarded(LsPut *put)
{
	ErrorData *error;

	while (put->naccepted > 0 && (error = ls_try(write_accepted, put, true)) != NULL)
	{
		LsPutEvent *culprit = find_culprit(put);

		if (culprit->stored != NULL || culprit->refused.code != NULL)
			ReThrowError(error); /* it is not an event that is refused */
		ls_fail(&culprit->refused, "error", "", "%s", error->message);
		culprit->refused.retryable = true;
		ls_put_decide(put, put->nevents);
	}
}

static bool
has_failed(const LsPut *put)
{
	for (int i = 0; i < put->nevents; i++)
	{
		if (put->events[i].failure.code != NULL)
			return true;
	}
	return false;
}

/* The digest of what an event says beside its id. */
static int64
fingerprint_of(const LsPutEvent *event)
{
	LsDigest digest;
	pg_uuid_t payload;

	ls_digest_start(&digest);
	ls_digest_json(&digest, &event->raw, "eventId");
	payload = ls_digest_end(&digest);
	return ls_digest_fingerprint(&payload);
}

/* Records the events that failed, and drops the failed copies of those that were accepted now. */
static void
write_failed(LsPut *put)
{
	LsFailed *failed = palloc(sizeof(LsFailed) * put->nevents);
	pg_uuid_t *cured = palloc(sizeof(pg_uuid_t) * put->nevents);
	int nfailed = 0;
	int ncured = 0;

	for (int i = 0; i < put->nevents; i++)
	{
		LsPutEvent *event = &put->events[i];
		int copies = ls_put_failed_copies(put, event);

		if (copies > 0)
			failed[nfailed++] = (LsFailed){ls_put_key(put, event), event->id,       &event->raw,
										   fingerprint_of(event),  &event->failure, copies};
		if (event->accepted && put->push.learner.has_failed)
			cured[ncured++] = ls_put_key(put, event);
	}
	ls_store_forget_failed(&put->push, cured, ncured);
	ls_store_write_failed(&put->push, failed, nfailed);
}

/* Writes the whole effect of a put. */
void
ls_put_write(LsPut *put)
{
	bool guarded = put->naccepted > 0 && ls_store_is_guarded("event");
	bool failed;

	/* A reset does without, unless it is itself what is refused. */
	if (put->naccepted > 0 && (guarded || !has_new_reset(put)))
		ls_store_read_touched(put);
	if (guarded)
		write_guarded(put);
	else if (put->naccepted > 0)
		write_accepted(put);
	failed = has_failed(put);
	if (put->naccepted == 0 && !failed && !ls_rate_applies(&put->push))
		return;
	write_failed(put);
	ls_store_finish_put(put, failed);
}
