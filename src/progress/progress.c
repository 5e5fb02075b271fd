/*
 * progress.c
 *		The reduced state of a set of events: what takes in events, in any order, each any number of times.
 *
 * Whatever is said to be last or first is so in the order of (order instant, event id). A state keeps the last reset
 * that it saw and nothing of what is ordered before it. A reset that is still to come may lie anywhere after that, so
 * the state holds what would be left then: the last event of each kind, and for what goes by maximum or by the first
 * event all candidates.
 */
#include "postgres.h"

#include "progress/progress.h"

#define FIRST_CHUNK 256
#define LAST_CHUNK (8 * 1024) /* larger ones would be blocks of their own */

LsProgress *
ls_progress_new(MemoryContext context)
{
	LsProgress *progress = MemoryContextAllocZero(context, sizeof(LsProgress));

	progress->context = context;
	progress->last_at = LS_NO_TIME;
	progress->chunk = FIRST_CHUNK / 2;
	return progress;
}

/* Memory that lives as long as the state. Small pieces share chunks, which grow with the state. */
void *
ls_progress_take(LsProgress *progress, Size bytes)
{
	char *piece;

	bytes = MAXALIGN(bytes);
	if (bytes > progress->left)
	{
		progress->chunk = Min(progress->chunk * 2, LAST_CHUNK);
		progress->left = Max(progress->chunk, bytes);
		progress->free = MemoryContextAllocHuge(progress->context, progress->left);
	}
	piece = progress->free;
	progress->free += bytes;
	progress->left -= bytes;
	return piece;
}

LsText
ls_progress_copy(LsProgress *progress, LsText text)
{
	if (text.data == NULL)
		return text;
	return (LsText){memcpy(ls_progress_take(progress, text.length), text.data, text.length), text.length};
}

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

/* The time as it is shown: as sent, else in UTC with milliseconds, or microseconds where these do not do. */
LsText
ls_point_text(const LsPoint *point)
{
	return point->time.data != NULL ? point->time : ls_stamp_text(point->at, point->at % 1000 == 0 ? 3 : 6);
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

/* The length of an id or a time, which are bounded at the door; -1 where there is none. */
int16
ls_progress_length(LsText text)
{
	Assert(text.length <= PG_INT16_MAX);
	if (text.data == NULL)
		return -1;
	return (int16) text.length;
}

/* Puts a text, which may be none, behind what was written so far; answers where it ends. */
char *
ls_progress_append(char *to, LsText text)
{
	if (text.length > 0)
		memcpy(to, text.data, text.length);
	return to + text.length;
}

/* Takes a value over, into the memory of the one before where that is large enough. */
void
ls_progress_keep(LsProgress *progress, LsKept *kept, const LsPoint *point, LsText value)
{
	int bytes = value.length + point->id.length + point->time.length;

	if (bytes > kept->room)
	{
		kept->room = (int) MAXALIGN(Max(bytes, kept->room * 2));
		kept->block = ls_progress_take(progress, kept->room);
	}
	kept->at = point->at;
	kept->value_length = value.data == NULL ? -1 : value.length;
	kept->id_length = ls_progress_length(point->id);
	kept->time_length = ls_progress_length(point->time);
	/* The value first, for the alignment of numbers and containers. */
	(void) ls_progress_append(ls_progress_append(ls_progress_append(kept->block, value), point->id), point->time);
}

/* Whether a value at this point, of those an event told, is the one to keep. */
static bool
is_later(const LsKept *kept, const LsPoint *point, LsText value)
{
	LsPoint known;
	int order;

	if (point->at != kept->at)
		return point->at > kept->at;
	known = ls_kept_point(kept);
	order = ls_point_compare(point, &known);
	return order > 0 || (order == 0 && ls_text_compare(value, ls_kept_value(kept)) > 0);
}

/* Takes a value over unless a later event has spoken; at the same point the greater bytes stand, whoever comes first. */
bool
ls_progress_keep_latest(LsProgress *progress, LsKept *kept, const LsPoint *point, LsText value)
{
	if (ls_kept_exists(kept) && !is_later(kept, point, value))
		return false;
	ls_progress_keep(progress, kept, point, value);
	return true;
}

/* Whether one spelling of an instant is shown rather than another: the greater one. */
static bool
is_shown_instead(TimestampTz at, LsText time, LsText other)
{
	LsPoint one = {at, {NULL, 0}, time};
	LsPoint two = {at, {NULL, 0}, other};

	return ls_text_compare(time, other) != 0 && ls_text_compare(ls_point_text(&one), ls_point_text(&two)) > 0;
}

/* Notes that an event occurred, whatever became of it. */
void
ls_progress_touch(LsProgress *progress, TimestampTz at, LsText time)
{
	if (at < progress->last_at || (at == progress->last_at && !is_shown_instead(at, time, progress->last_time)))
		return;
	progress->last_at = at;
	progress->last_time = ls_progress_copy(progress, time);
}

/* Whether an event comes too early to count. */
static bool
is_wiped(const LsProgress *progress, const LsPoint *point)
{
	return ls_point_exists(&progress->reset) && ls_point_compare(point, &progress->reset) < 0;
}

/* A later reset wipes more; what it wiped is dropped when the state is settled. */
void
ls_progress_reset(LsProgress *progress, const LsPoint *point)
{
	if (ls_point_exists(&progress->reset) && ls_point_compare(point, &progress->reset) <= 0)
		return;
	progress->reset = (LsPoint){point->at, ls_progress_copy(progress, point->id)};
}

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

/* Takes one event in. */
void
ls_progress_add(LsProgress *progress, const LsEvent *event)
{
	const LsText nothing = {NULL, 0};
	LsPoint bare = ls_point_bare(&event->point);

	ls_progress_touch(progress, event->occurred_at, event->point.time);
	if (is_wiped(progress, &event->point))
		return;
	switch (event->type)
	{
		case LS_EVENT_CONTENT:
			ls_progress_add_content(progress, event);
			break;
		case LS_EVENT_ONBOARDED:
			ls_progress_keep_latest(progress, &progress->onboarding, &event->point,
									ls_progress_container(&event->payload));
			ls_progress_keep_latest(progress, &progress->active, &bare, event->path);
			break;
		case LS_EVENT_ONBOARDING_RESET:
			ls_progress_keep_latest(progress, &progress->onboarding, &event->point, nothing);
			ls_progress_keep_latest(progress, &progress->active, &bare, nothing);
			break;
		case LS_EVENT_ACTIVE_PATH:
			ls_progress_keep_latest(progress, &progress->active, &bare, event->path);
			break;
		default:
			ls_progress_reset(progress, &event->point);
	}
}
