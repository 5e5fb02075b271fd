/*
 * progress_settle.c
 *		Brings a state in order: what its reset wiped goes, lists are sorted. Equal sets of events then look the same.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "progress/progress.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static int
compare_marks(const void *a, const void *b)
{
	LsPoint left = ls_mark_point(a);
	LsPoint right = ls_mark_point(b);

	return ls_point_compare(&left, &right);
}

static int
compare_contents(const void *a, const void *b)
{
	return ls_text_compare((*(LsContent *const *) a)->id, (*(LsContent *const *) b)->id);
}

static int
compare_interactions(const void *a, const void *b)
{
	return ls_text_compare((*(LsInteraction *const *) a)->id, (*(LsInteraction *const *) b)->id);
}

/* Sorts a trail and takes out what is in it twice. */
void
ls_progress_sort_trail(LsTrail *trail)
{
	int kept = 0;

	if (!trail->unsorted)
		return;
	ls_sort(trail->marks, trail->nmarks, sizeof(LsMark), compare_marks);
	for (int i = 1; i < trail->nmarks; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (compare_marks(&trail->marks[kept], &trail->marks[i]) != 0)
			trail->marks[++kept] = trail->marks[i];
	}
	trail->nmarks = kept + 1;
	trail->unsorted = false;
}

int
ls_progress_compare_scores(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static int
compare_kept_scores(const void *a, const void *b)
{
	const LsKept *one = a;
	const LsKept *other = b;
	LsPoint left = ls_kept_point(one);
	LsPoint right = ls_kept_point(other);
	int order = ls_point_compare(&left, &right);

	return order != 0 ? order : ls_progress_compare_scores((Numeric) one->block, (Numeric) other->block);
}

/* Sorts scores and takes out those that are not greater than all later ones. */
void
ls_progress_sort_scores(LsContent *content)
{
	LsKept *scores = content->scores;
	int count = content->nscores;
	int first = count;

	if (content->nsorted == count)
		return;
	ls_sort(scores, count, sizeof(LsKept), compare_kept_scores);
	for (int i = count - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (first == count ||
			ls_progress_compare_scores((Numeric) scores[i].block, (Numeric) scores[first].block) > 0)
			scores[--first] = scores[i];
	}
	content->nscores = content->nsorted = count - first;
	memmove(scores, scores + first, content->nscores * sizeof(LsKept));
	memset(scores + content->nscores, 0, first * sizeof(LsKept)); /* their memory is in use further up */
}

static bool
is_wiped(const LsPoint *reset, const LsKept *kept)
{
	LsPoint point = ls_kept_point(kept);

	return ls_kept_exists(kept) && ls_point_compare(&point, reset) < 0;
}

static void
wipe_kept(const LsPoint *reset, LsKept *kept)
{
	if (is_wiped(reset, kept))
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

	while (wiped < content->nscores && is_wiped(reset, &content->scores[wiped]))
		wiped++;
	if (wiped == 0)
		return;
	content->nscores = content->nsorted = content->nscores - wiped;
	memmove(content->scores, content->scores + wiped, content->nscores * sizeof(LsKept));
	memset(content->scores + content->nscores, 0, wiped * sizeof(LsKept));
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

/* Each event of a content states a status, so one without is empty. */
bool
ls_progress_is_empty(const LsContent *content)
{
	return !ls_kept_exists(&content->latest[LS_NOT_STARTED]) && !ls_kept_exists(&content->latest[LS_IN_PROGRESS]) &&
		   content->trails[0].nmarks == 0 && content->trails[1].nmarks == 0;
}

/* Settles a state; answers its contents in the order of their ids. */
LsContent **
ls_progress_settle(LsProgress *progress, int *count)
{
	LsContent **contents = ls_progress_contents(progress, count);
	bool has_reset = ls_point_exists(&progress->reset);
	int kept = 0;

	if (has_reset)
	{
		wipe_kept(&progress->reset, &progress->onboarding);
		wipe_kept(&progress->reset, &progress->active);
	}
	for (int i = 0; i < *count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < lengthof(contents[i]->trails); j++)
			ls_progress_sort_trail(&contents[i]->trails[j]);
		ls_progress_sort_scores(contents[i]);
		if (has_reset)
			wipe_content(&progress->reset, contents[i]);
		if (!ls_progress_is_empty(contents[i]))
			contents[kept++] = contents[i];
	}
	*count = kept;
	if (kept > 1)
		ls_sort(contents, kept, sizeof(LsContent *), compare_contents);
	return contents;
}

/* The interactions that a content knows of, removed ones too, in the order of their ids; NULL ends them. */
LsInteraction **
ls_progress_interactions(const LsContent *content)
{
	LsInteraction **list = palloc_extended(sizeof(LsInteraction *) * (content->ninteractions + 1), MCXT_ALLOC_HUGE);
	int count = 0;

	for (LsInteraction *each = content->interactions; each != NULL; each = each->next)
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_kept_exists(&each->state))
			list[count++] = each;
	}
	if (count > 1)
		ls_sort(list, count, sizeof(LsInteraction *), compare_interactions);
	list[count] = NULL;
	return list;
}
