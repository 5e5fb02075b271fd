/*
 * reset.c
 *		What a progress.reset wipes, however late it comes: all that is ordered before it, from whatever comes after it too.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "progress/progress.h"

/* A later reset wipes more; what it wiped is dropped when the state is settled. */
void
ls_progress_reset(LsProgress *progress, const LsPoint *point)
{
	char *id;

	if (ls_point_exists(&progress->reset) && ls_point_compare(point, &progress->reset) <= 0)
		return;
	id = MemoryContextAlloc(progress->context, point->id.length);
	memcpy(id, point->id.data, point->id.length);
	progress->reset = (LsPoint){point->at, {id, point->id.length}};
}

static bool
is_kept_wiped(const LsPoint *reset, const LsKept *kept)
{
	LsPoint point = ls_kept_point(kept);

	return ls_kept_exists(kept) && ls_point_compare(&point, reset) < 0;
}

static void
wipe_kept(const LsPoint *reset, LsKept *kept)
{
	if (is_kept_wiped(reset, kept))
		memset(kept, 0, sizeof(LsKept));
}

static void
wipe_trail(const LsPoint *reset, LsTrail *trail)
{
	int wiped = 0;

	for (; wiped < trail->nmarks; wiped++)
	{
		LsPoint point = ls_mark_point(&trail->marks[wiped]);

		CHECK_FOR_INTERRUPTS();
		if (ls_point_compare(&point, reset) >= 0)
			break;
	}
	if (wiped == 0)
		return;
	trail->nmarks -= wiped;
	memmove(trail->marks, trail->marks + wiped, trail->nmarks * sizeof(LsMark));
}

static void
wipe_scores(const LsPoint *reset, LsContent *content)
{
	int wiped = 0;

	while (wiped < content->nscores && is_kept_wiped(reset, &content->scores[wiped].kept))
		wiped++;
	if (wiped == 0)
		return;
	content->nscores = content->nsorted = content->nscores - wiped;
	memmove(content->scores, content->scores + wiped, content->nscores * sizeof(LsScore));
	memset(content->scores + content->nscores, 0, wiped * sizeof(LsScore));
}

static void
wipe_content(const LsPoint *reset, LsContent *content)
{
	for (int i = 0; i < lengthof(content->latest); i++)
		wipe_kept(reset, &content->latest[i]);
	for (int i = 0; i < lengthof(content->trails); i++)
		wipe_trail(reset, &content->trails[i]);
	wipe_scores(reset, content);
	wipe_kept(reset, &content->version);
	for (LsInteraction *each = content->interactions; each != NULL; each = each->next)
	{
		CHECK_FOR_INTERRUPTS();
		wipe_kept(reset, &each->state);
	}
}

/* Drops what the last reset wipes; the contents are all there are, in order within. */
void
ls_progress_wipe(LsProgress *progress, LsContent **contents, int count)
{
	wipe_kept(&progress->reset, &progress->onboarding);
	wipe_kept(&progress->reset, &progress->active);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		wipe_content(&progress->reset, contents[i]);
	}
}
