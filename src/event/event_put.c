/*
 * event_put.c
 *		Decides the events of a put in input order: known ones, new ones, the limit of the log.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"

#define MORE_RESETS 100 /* that a full log takes at least */

/* Tells the known events from the new ones, and fixes the order instants of these. */
void
ls_put_judge(LsPut *put)
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
accept(LsPut *put, LsItem *item)
{
	if (put->log.events + put->batch.naccepted >= room_for(put->events[item->index].type))
	{
		ls_fail(&item->failure, "too_many", "", "the log of this learner is full: it holds %d events",
				learnsync_max_learner_events);
		return;
	}
	if (!ls_put_has_room(put, &put->events[item->index], &item->failure))
		return;
	item->accepted = true;
	item->verdict = LS_SYNCED;
	item->version = ++put->batch.version;
	put->batch.naccepted++;
}

/* Decides the first so many events; can be called again after more were refused. */
void
ls_put_decide(LsPut *put, int taken)
{
	LsBatch *batch = &put->batch;

	batch->version = batch->learner.version;
	batch->naccepted = 0;
	batch->ntaken = taken;
	ls_put_begin_states(put);
	for (int i = 0; i < batch->nitems; i++)
		batch->items[i].accepted = batch->items[i].duplicate = false;
	for (int i = 0; i < taken; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_batch_is_known(batch, &batch->items[i]))
			accept(put, &batch->items[i]);
	}
}
