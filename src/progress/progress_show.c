/*
 * progress_show.c
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
	ls_json_put(&json, "status", ls_json_string(ls_event_status_name(row->status)));
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

/* The UTC day of a time as it is shown, counted from 2000-01-01. */
static int64
day_of(const LsPoint *point)
{
	TimestampTz at = point->at;

	if (point->time.data != NULL)
		(void) ls_stamp_parse(point->time, &at);
	return at >= 0 ? at / USECS_PER_DAY : -((USECS_PER_DAY - 1 - at) / USECS_PER_DAY);
}

static int
compare_days(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* Runs of days on which a content was completed; the current run is the one that ends with the last such day. */
static JsonbValue
show_streak(int64 *days, int count)
{
	JsonbValue json = ls_json_object();
	int64 current = 0;
	int64 longest = 0;

	if (count > 1)
		ls_sort(days, count, sizeof(int64), compare_days);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || days[i] != days[i - 1])
			current = i > 0 && days[i] == days[i - 1] + 1 ? current + 1 : 1;
		longest = Max(longest, current);
	}
	ls_json_put(&json, "currentStreak", ls_json_int(current));
	ls_json_put(&json, "longestStreak", ls_json_int(longest));
	ls_json_put(&json, "lastActivityDate",
				count == 0 ? ls_json_null()
						   : ls_json_text((LsText){ls_stamp_text(days[count - 1] * USECS_PER_DAY, 3).data, 10}));
	return json;
}

/* The snapshot of a state; what it points to lives as long as that. */
JsonbValue
ls_progress_snapshot(LsProgress *progress)
{
	JsonbValue json = ls_json_object();
	JsonbValue map = ls_json_object();
	LsPoint last = {progress->last_at, {"", 0}, progress->last_time};
	int count;
	int ndays = 0;
	LsContent **contents = ls_progress_settle(progress, &count);
	int64 *days = palloc_extended(sizeof(int64) * Max(count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
	{
		LsContentRow row = ls_progress_row(contents[i]);

		CHECK_FOR_INTERRUPTS();
		ls_json_put_text(&map, row.id, show_content(contents[i], &row));
		if (ls_point_exists(&row.completed))
			days[ndays++] = day_of(&row.completed);
	}
	ls_json_put(&json, "version", ls_json_int(SNAPSHOT_VERSION));
	ls_json_put(&json, "onboarding", show_onboarding(&progress->onboarding));
	ls_json_put(&json, "activePathId", ls_json_text(ls_kept_value(&progress->active)));
	ls_json_put(&json, "content", map);
	ls_json_put(&json, "streak", show_streak(days, ndays));
	ls_json_put(&json, "lastUpdated", progress->last_at == LS_NO_TIME ? ls_json_null() : point_json(&last));
	return json;
}
