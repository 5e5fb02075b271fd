/*
 * progress_size.c
 *		What the states of interactions in a snapshot take together, and what an event adds to that.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "progress/progress.h"

#define PADDING 3 /* what a value is moved by to be aligned, at most */

/* What the state of an interaction takes in the snapshot, as in a document. */
static int64
bytes_of(LsText id, LsText state)
{
	return state.data == NULL ? 0 : 2 * (int64) sizeof(JEntry) + id.length + state.length + PADDING;
}

static int64
shown_bytes(const LsProgress *progress, const LsInteraction *interaction)
{
	LsPoint point = ls_kept_point(&interaction->state);

	if (!ls_kept_exists(&interaction->state) || ls_progress_is_wiped(progress, &point))
		return 0;
	return bytes_of(interaction->id, ls_kept_value(&interaction->state));
}

/* What the states of interactions in the snapshot take together. */
int64
ls_progress_state_bytes(LsProgress *progress)
{
	int count;
	int64 bytes = 0;
	LsContent **contents = ls_progress_contents(progress, &count);

	for (int i = 0; i < count; i++)
	{
		for (const LsInteraction *each = contents[i]->interactions; each != NULL; each = each->next)
		{
			CHECK_FOR_INTERRUPTS();
			bytes += shown_bytes(progress, each);
		}
	}
	return bytes;
}

/* By how much they would take more with this event; less than nothing where it makes room. */
int64
ls_progress_growth(const LsProgress *progress, const LsEvent *event)
{
	const LsContent *content = ls_progress_find(progress, event->content_id);
	const LsInteraction *known =
		content == NULL ? NULL : ls_progress_find_interaction(progress, content, event->interaction_id);
	LsPoint bare = ls_point_bare(&event->point);
	LsText state = ls_progress_container(&event->state);

	if (ls_progress_is_wiped(progress, &event->point))
		return 0;
	if (known == NULL)
		return bytes_of(event->interaction_id, state);
	if (!ls_kept_is_later(&known->state, &bare, state))
		return 0;
	return bytes_of(event->interaction_id, state) - shown_bytes(progress, known);
}
