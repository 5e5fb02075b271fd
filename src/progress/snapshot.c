/*
 * snapshot.c
 *		The snapshot: the reduced state as the app shows it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "progress/progress.h"

#define SNAPSHOT_VERSION 1

static JsonbValue
point_json(const LsPoint *point)
{
	return ls_point_exists(point) ? ls_json_text(ls_point_text(point)) : ls_json_null();
}

static JsonbValue
empty_array(void)
{
	static const uint32 empty = JB_FARRAY;

	return (JsonbValue){.type = jbvBinary, .val.binary = {sizeof(empty), (JsonbContainer *) &empty}};
}

/* Who was never onboarded, or not since a reset, has null and no related paths. */
static JsonbValue
show_onboarding(const LsKept *onboarding)
{
	JsonbValue json = ls_json_object();
	JsonbValue payload = ls_progress_json(ls_kept_value(onboarding));
	LsPoint point = ls_kept_point(onboarding);
	JsonbValue path = ls_json_null();
	JsonbValue related = ls_json_null();

	if (payload.type != jbvNull)
	{
		ls_json_get(&payload, "pathId", &path);
		if (!ls_json_get(&payload, "relatedPaths", &related))
			related = ls_json_null();
	}
	ls_json_put(&json, "pathId", path);
	ls_json_put(&json, "completedAt", payload.type == jbvNull ? ls_json_null() : point_json(&point));
	ls_json_put(&json, "relatedPaths", related.type == jbvNull ? empty_array() : related);
	return json;
}

/* The interactions that have a state; false where there are none. */
static bool
show_interactions(const LsContent *content, JsonbValue *json)
{
	*json = ls_json_object();
	if (content->ninteractions == 0)
		return false;
	for (LsInteraction **list = ls_progress_interactions(content); *list != NULL; list++)
	{
		LsText state = ls_kept_value(&(*list)->state);

		CHECK_FOR_INTERRUPTS();
		if (state.data != NULL)
			ls_json_put_text(json, (*list)->id, ls_progress_json(state));
	}
	return json->val.object.nPairs > 0;
}

static JsonbValue
show_content(const LsContent *content, const LsContentRow *row)
{
	JsonbValue json = ls_json_object();
	JsonbValue interactions;

	ls_json_put(&json, "contentId", ls_json_text(row->id));
	ls_json_put(&json, "status", ls_json_text(ls_event_status_name(row->status)));
	if (row->score != NULL)
		ls_json_put(&json, "score", (JsonbValue){.type = jbvNumeric, .val.numeric = row->score});
	ls_json_put(&json, "lastAttemptAt", point_json(&row->last));
	if (ls_point_exists(&row->completed))
		ls_json_put(&json, "completedAt", point_json(&row->completed));
	ls_json_put(&json, "contentVersion",
				row->version.data == NULL ? ls_json_string("v1") : ls_json_text(row->version));
	if (show_interactions(content, &interactions))
		ls_json_put(&json, "interactions", interactions);
	return json;
}

/* The snapshot of a state, with streaks by the learner's days; what it points to lives as long as the state. */
JsonbValue
ls_progress_snapshot(LsProgress *progress, const LsDays *rules)
{
	JsonbValue json = ls_json_object();
	JsonbValue map = ls_json_object();
	LsPoint last = {progress->last_at, {"", 0}, progress->last_time};
	int count;
	int ncompleted = 0;
	LsContent **contents = ls_progress_settle(progress, &count);
	TimestampTz *completed = palloc_extended(sizeof(TimestampTz) * Max(count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
	{
		LsContentRow row = ls_progress_row(contents[i]);

		CHECK_FOR_INTERRUPTS();
		ls_json_put_text(&map, row.id, show_content(contents[i], &row));
		if (ls_point_exists(&row.completed))
			completed[ncompleted++] = row.completed.at;
	}
	ls_json_put(&json, "version", ls_json_int(SNAPSHOT_VERSION));
	ls_json_put(&json, "onboarding", show_onboarding(&progress->onboarding));
	ls_json_put(&json, "activePathId", ls_json_text(ls_kept_value(&progress->active)));
	ls_json_put(&json, "content", map);
	ls_json_put(&json, "streak", ls_streak_show(rules, completed, ncompleted));
	ls_json_put(&json, "lastUpdated", progress->last_at == LS_NO_TIME ? ls_json_null() : point_json(&last));
	return json;
}
