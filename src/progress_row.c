/*
 * progress_row.c
 *		A content as it is shown and stored: what is left of its state once no reset can come in between.
 */
#include "postgres.h"

#include "progress.h"
#include "utils/builtins.h"

static void
take_last(LsPoint *last, const LsPoint *point)
{
	if (ls_point_exists(point) && (!ls_point_exists(last) || ls_point_compare(last, point) < 0))
		*last = *point;
}

static void
take_first(LsPoint *first, const LsPoint *point)
{
	if (!ls_point_exists(first) || ls_point_compare(point, first) < 0)
		*first = *point;
}

/* The row of a content of a settled state. */
LsContentRow
ls_progress_row(const LsContent *content)
{
	LsContentRow row = {.id = content->id, .status = LS_NOT_STARTED};

	for (int status = LS_NOT_STARTED; status < LS_COMPLETED; status++)
	{
		if (ls_point_exists(&content->latest[status].point))
			row.status = (LsStatus) status;
		take_last(&row.last, &content->latest[status].point);
	}
	for (int status = LS_COMPLETED; status < LS_STATUSES; status++)
	{
		const LsTrail *trail = &content->trails[status - LS_COMPLETED];

		if (trail->npoints == 0)
			continue;
		row.status = (LsStatus) status;
		take_first(&row.completed, &trail->points[0]);
		take_last(&row.last, &trail->points[trail->npoints - 1]);
	}
	if (content->nscores > 0)
		row.score = (Numeric) content->scores[0].value.data;
	if (ls_point_exists(&content->version.point))
	{
		row.version = content->version.value;
		row.version_point = content->version.point;
	}
	return row;
}

/* The interactions as stored, {id: {at, id, state}} with the order instant and the event; NULL where there are none. */
Jsonb *
ls_progress_row_interactions(const LsContent *content)
{
	LsInteraction **list = ls_progress_interactions(content);
	JsonbValue json = ls_json_object();

	for (; *list != NULL; list++)
	{
		JsonbValue entry = ls_json_object();
		const LsKept *state = &(*list)->state;

		ls_json_put(&entry, "at", ls_json_text(ls_stamp_text(state->point.at, 6)));
		ls_json_put(&entry, "id", ls_json_text(state->point.id));
		ls_json_put(&entry, "state", ls_progress_json(state->value));
		ls_json_put_text(&json, (*list)->id, entry);
	}
	return json.val.object.nPairs == 0 ? NULL : ls_json_encode(&json);
}

static void
load_interaction(LsProgress *progress, LsContent *content, LsText id, const JsonbValue *entry)
{
	LsPoint point = {0};
	JsonbValue at;
	JsonbValue event;
	JsonbValue state;

	if (!ls_json_is_object(entry) || !ls_json_get(entry, "at", &at) || at.type != jbvString ||
		!ls_stamp_parse(ls_text_of(&at), &point.at) || !ls_json_get(entry, "id", &event) || event.type != jbvString ||
		!ls_json_get(entry, "state", &state) || (state.type != jbvNull && !ls_json_is_object(&state)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the stored interactions of content \"%s\" cannot be read", ls_text_string(content->id)),
				 errhint("CALL learnsync.progress_rebuild() derives them from the log again.")));
	point.id = ls_text_of(&event);
	ls_progress_interaction(progress, content, id, &point, ls_progress_container(&state));
}

static void
load_interactions(LsProgress *progress, LsContent *content, Jsonb *interactions)
{
	JsonbValue root;
	JsonbValue entry;
	LsJsonWalk walk;
	LsText id;

	ls_json_root(interactions, &root);
	ls_json_walk_start(&walk, &root);
	while (ls_json_walk_next(&walk, &id, &entry))
		load_interaction(progress, content, id, &entry);
}

static void
load_content(LsProgress *progress, LsContent *content, const LsContentRow *row)
{
	LsPoint last = row->last;

	/* Any earlier status does for the last event: the highest one is there with another. */
	ls_progress_status(progress, content, row->status < LS_COMPLETED ? row->status : LS_NOT_STARTED, &last);
	if (ls_point_exists(&row->completed))
		ls_progress_status(progress, content, row->status, &row->completed);
	if (row->score != NULL)
	{
		last.time = (LsText){NULL, 0};
		ls_progress_score(progress, content, &last, row->score);
	}
	if (row->version.data != NULL)
		ls_progress_version(progress, content, &row->version_point, row->version);
}

/*
 * Takes a stored content in. Events can then be added to it, as long as they bring no new reset: which events stood
 * for what is shown is not stored.
 */
void
ls_progress_load_row(LsProgress *progress, const LsContentRow *row)
{
	LsContent *content = ls_progress_content(progress, row->id);

	load_content(progress, content, row);
	if (row->interactions != NULL)
		load_interactions(progress, content, row->interactions);
	content->changed = false;
}

/* A state with nothing but what is stored of it, to compare with one that was read from the tables. */
LsProgress *
ls_progress_plain(LsProgress *progress)
{
	LsProgress *plain = ls_progress_new(progress->context);
	int count;
	LsContent **contents = ls_progress_settle(progress, &count);

	plain->reset = progress->reset;
	plain->last_at = progress->last_at;
	plain->last_time = progress->last_time;
	plain->onboarding = progress->onboarding;
	plain->active = progress->active;
	for (int i = 0; i < count; i++)
	{
		LsContentRow row = ls_progress_row(contents[i]);

		row.interactions = ls_progress_row_interactions(contents[i]);
		ls_progress_load_row(plain, &row);
	}
	return plain;
}
