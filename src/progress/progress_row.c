/*
 * progress_row.c
 *		A content as it is shown and stored: what is left of its state once no reset can come in between.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "progress/progress.h"

/* The bytes of an object, or none for null. */
LsText
ls_progress_container(const JsonbValue *value)
{
	if (value->type == jbvNull)
		return (LsText){NULL, 0};
	return (LsText){(const char *) value->val.binary.data, value->val.binary.len};
}

JsonbValue
ls_progress_json(LsText container)
{
	if (container.data == NULL)
		return ls_json_null();
	return (JsonbValue){.type = jbvBinary, .val.binary = {container.length, (JsonbContainer *) container.data}};
}

static void
take_last(LsPoint *last, LsPoint point)
{
	if (!ls_point_exists(last) || ls_point_compare(last, &point) < 0)
		*last = point;
}

static void
take_first(LsPoint *first, LsPoint point)
{
	if (!ls_point_exists(first) || ls_point_compare(&point, first) < 0)
		*first = point;
}

/* The row of a content of a settled state. */
LsContentRow
ls_progress_row(const LsContent *content)
{
	LsContentRow row = {.id = content->id, .status = LS_NOT_STARTED};

	Assert(content->nsorted == content->nscores);
	for (int status = LS_NOT_STARTED; status < LS_COMPLETED; status++)
	{
		if (!ls_kept_exists(&content->latest[status]))
			continue;
		row.status = (LsStatus) status;
		take_last(&row.last, ls_kept_point(&content->latest[status]));
	}
	for (int status = LS_COMPLETED; status < LS_STATUSES; status++)
	{
		const LsTrail *trail = &content->trails[status - LS_COMPLETED];

		Assert(!trail->unsorted);
		if (trail->nmarks == 0)
			continue;
		row.status = (LsStatus) status;
		take_first(&row.completed, ls_mark_point(&trail->marks[0]));
		take_last(&row.last, ls_mark_point(&trail->marks[trail->nmarks - 1]));
	}
	if (content->nscores > 0)
		row.score = ls_number_trim((Numeric) content->scores[0].kept.block);
	row.version = ls_kept_value(&content->version);
	row.version_point = ls_kept_point(&content->version);
	return row;
}

/*
 * Takes a stored content in. Events can then be added to it, as long as they bring no new reset: which events stood
 * for what is shown is not stored.
 */
void
ls_progress_load_content(LsProgress *progress, const LsContentRow *row)
{
	LsContent *content = ls_progress_content(progress, row->id);
	LsPoint score_point = ls_point_bare(&row->last);

	/* Any earlier status does for the last event: the highest one is there with another. */
	ls_progress_status(progress, content, row->status < LS_COMPLETED ? row->status : LS_NOT_STARTED, &row->last);
	if (ls_point_exists(&row->completed))
		ls_progress_status(progress, content, row->status, &row->completed);
	if (row->score != NULL)
		ls_progress_score(progress, content, &score_point, row->score);
	if (row->version.data != NULL)
		ls_progress_version(progress, content, &row->version_point, row->version);
	content->changed = false;
}

/* Takes a stored interaction in, of a content that was taken in before. */
void
ls_progress_load_interaction(LsProgress *progress, const LsInteractionRow *row)
{
	LsContent *content = ls_progress_content(progress, row->content_id);

	ls_progress_interaction(progress, content, row->id, &row->point, row->state)->changed = false;
}

/* Each event of a content states a status, so one without is empty. */
bool
ls_progress_is_empty(const LsContent *content)
{
	return !ls_kept_exists(&content->latest[LS_NOT_STARTED]) && !ls_kept_exists(&content->latest[LS_IN_PROGRESS]) &&
		   content->trails[0].nmarks == 0 && content->trails[1].nmarks == 0;
}

static int
compare_interactions(const void *a, const void *b)
{
	return ls_text_compare((*(LsInteraction *const *) a)->id, (*(LsInteraction *const *) b)->id);
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
