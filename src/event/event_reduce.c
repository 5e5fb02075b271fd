/*
 * event_reduce.c
 *		What a learner's log reduces to, from its first event on.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"
#include "store/store.h"
#include "utils/memutils.h"

#define EVENTS_AT_A_TIME 1000

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
	ls_progress_add(progress, NULL, &event);
	log->events++;
	log->version = Max(log->version, stored->version);
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
