/*
 * point.c
 *		Places of events in their order: by order instant, then by id. What stands until a later event says otherwise has one.
 */
#include "postgres.h"

#include "progress/progress.h"

bool
ls_point_exists(const LsPoint *point)
{
	return point->id.data != NULL;
}

/* The point without the time as sent, for what never shows it. */
LsPoint
ls_point_bare(const LsPoint *point)
{
	return (LsPoint){point->at, point->id};
}

/* By order instant, then by the bytes of the id; the spelling only tells apart what nobody should have told twice. */
int
ls_point_compare(const LsPoint *a, const LsPoint *b)
{
	int order;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	order = ls_text_compare(a->id, b->id);
	return order != 0 ? order : ls_text_compare(a->time, b->time);
}

bool
ls_kept_exists(const LsKept *kept)
{
	return kept->block != NULL;
}

/* The place of the event that the value is from; without id where there is none yet. */
LsPoint
ls_kept_point(const LsKept *kept)
{
	LsPoint point = {kept->at};
	const char *id = kept->block + Max(kept->value_length, 0);

	if (kept->block == NULL)
		return point;
	point.id = (LsText){id, kept->id_length};
	if (kept->time_length >= 0)
		point.time = (LsText){id + kept->id_length, kept->time_length};
	return point;
}

LsText
ls_kept_value(const LsKept *kept)
{
	if (kept->block == NULL || kept->value_length < 0)
		return (LsText){NULL, 0};
	return (LsText){kept->block, kept->value_length};
}

LsPoint
ls_mark_point(const LsMark *mark)
{
	LsPoint point = {mark->at, {mark->texts, mark->id_length}};

	if (mark->time_length >= 0)
		point.time = (LsText){mark->texts + mark->id_length, mark->time_length};
	return point;
}

/* The time as it is shown: as sent, else in UTC with milliseconds, or microseconds where these do not do. */
LsText
ls_point_text(const LsPoint *point)
{
	return point->time.data != NULL ? point->time : ls_stamp_text(point->at, point->at % 1000 == 0 ? 3 : 6);
}
