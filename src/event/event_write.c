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
	log->state_bytes = ls_progress_state_bytes(progress);
	return progress;
}

/* Whether an accepted event wipes more than the stored state knows of. */
static bool
has_new_reset(const LsPut *put)
{
	const LsPoint *known = &put->head->reset;

	for (int i = 0; i < put->batch.nitems; i++)
	{
		const LsEvent *event = &put->events[i];

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
		ls_progress_load_content(progress, &put->contents[i]);
	for (int i = 0; i < put->ninteractions; i++)
		ls_progress_load_interaction(progress, &put->interactions[i]);
	*log = put->log;
	log->state_bytes = put->state_bytes;
	for (int i = 0; i < put->batch.nitems; i++)
	{
		if (!put->batch.items[i].accepted)
			continue;
		ls_progress_add(progress, &put->events[i]);
		note_in_log(log, put->batch.items[i].version);
	}
	return progress;
}

/* Writes the accepted events and the state with them. */
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
	}
	else
		progress = fold_events(put, &log);
	ls_store_write_progress(learner, progress, &log);
}

static void
decide(LsBatch *batch)
{
	ls_put_decide((LsPut *) batch, batch->nitems);
}

static void
decide_first(LsBatch *batch, int taken)
{
	ls_put_decide((LsPut *) batch, taken);
}

static const LsWriter writer = {"event", decide, decide_first, write_accepted};

/* Writes the whole effect of a put. */
void
ls_put_write(LsPut *put)
{
	ls_batch_write_accepted(&put->batch, &writer);
	ls_batch_close(&put->batch, false);
}
