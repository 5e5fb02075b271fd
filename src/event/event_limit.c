/*
 * event_limit.c
 *		Bounds what the interaction states of a learner's snapshot take together, event by event as they are accepted.
 *
 * Only what the last events say is counted, and no event is ever deleted: whatever else comes, what an event has hidden
 * stays hidden, so that states which fit go on fitting until an event is accepted that adds to them.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"

/* Starts from what is stored of the interactions that the events are about. */
void
ls_put_begin_states(LsPut *put)
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

/* Takes in what an event says of an interaction; fails where the states would take more than they may. */
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
	if (!ls_progress_is_wiped(put->states, &event->point))
		ls_progress_interaction(put->states, ls_progress_content(put->states, event->content_id),
								event->interaction_id, &bare, ls_progress_container(&event->state));
	return true;
}

/* Whether the snapshot has room for an event; takes it in. */
bool
ls_put_has_room(LsPut *put, const LsEvent *event, LsFailure *failure)
{
	if (event->type == LS_EVENT_CONTENT && event->interaction_id.data != NULL)
		return take_state(put, event, failure);
	if (event->type == LS_EVENT_RESET && !ls_progress_is_wiped(put->states, &event->point))
	{
		ls_progress_reset(put->states, &event->point);
		put->has_reset = true;
	}
	return true;
}
