/*
 * progress.h
 *		What the parts of the event log know about each other: events, the state reduced from them, a put.
 */
#ifndef LEARNSYNC_PROGRESS_H
#define LEARNSYNC_PROGRESS_H

#include "base/base.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "storage/itemptr.h"

/* Events */

typedef enum LsEventType
{
	LS_EVENT_CONTENT, /* content.progressed */
	LS_EVENT_ONBOARDED, /* onboarding.completed */
	LS_EVENT_ONBOARDING_RESET,
	LS_EVENT_ACTIVE_PATH,
	LS_EVENT_RESET, /* progress.reset */
	LS_EVENT_TYPES
} LsEventType;

/* In the order of their rank. */
typedef enum LsStatus
{
	LS_NOT_STARTED,
	LS_IN_PROGRESS,
	LS_COMPLETED,
	LS_PASSED,
	LS_STATUSES
} LsStatus;

/* An event's place in the order, and its time as it is shown. Without data in id: no event. */
typedef struct LsPoint
{
	TimestampTz at; /* order instant */
	LsText id;
	LsText time; /* occurredAt as sent; without data where it is the usual spelling of at */
} LsPoint;

/* What the reduction takes from one event. Values point into the event's jsonb. */
typedef struct LsEvent
{
	LsEventType type;
	LsPoint point;
	TimestampTz occurred_at; /* as the client says */
	LsText content_id;
	LsStatus status;
	Numeric score; /* NULL where absent */
	LsText version; /* contentVersion; without data where absent */
	LsText interaction_id; /* without data where absent */
	JsonbValue state; /* of the interaction: an object or null */
	LsText path; /* pathId; without data for null */
	JsonbValue payload;
	bool has_bad_number; /* in the payload of a content.progressed */
} LsEvent;

/* The reduced state */

/* Ids and times as sent are bounded where events, stored rows and packed states are read; here their lengths take little. */
StaticAssertDecl(LS_MAX_ID_CHARS *MAX_MULTIBYTE_CHAR_LEN <= PG_INT16_MAX, "the length of an id must fit");
StaticAssertDecl(LS_MAX_STAMP_BYTES <= PG_INT16_MAX, "the length of a time must fit");

/* What stands until an event that is later in the order says otherwise. Kept small: a reduction has very many. */
typedef struct LsKept
{
	TimestampTz at; /* order instant of the event */
	char *block; /* value, event id and time as sent, one after the other; NULL: no event yet */
	int value_length; /* of a text, number or container; -1 where the event cleared it */
	int room; /* bytes of block */
	int16 id_length;
	int16 time_length; /* -1: none */
} LsKept;

/* A score that may become the greatest. */
typedef struct LsScore
{
	LsKept kept; /* the number as sent */
	int64 units; /* by which it compares to others, without a look at the number, which lies elsewhere */
} LsScore;

/* An event of a trail. */
typedef struct LsMark
{
	TimestampTz at;
	char *texts; /* id and time as sent, one after the other */
	int16 id_length;
	int16 time_length; /* -1: none */
} LsMark;

/* All events that reached one of the completing statuses: a reset may come to lie between any two of them. */
typedef struct LsTrail
{
	LsMark *marks;
	int nmarks;
	int room;
	bool unsorted; /* or with an event twice */
} LsTrail;

/* Memory that pieces are taken from and never given back. */
typedef struct LsChunk
{
	char *free; /* the rest of the newest chunk */
	Size left;
	Size size; /* of it */
} LsChunk;

/* The state of one interaction. */
typedef struct LsInteraction
{
	LsText id;
	LsKept state; /* a container, or cleared */
	bool changed; /* since it was loaded */
	struct LsInteraction *next; /* of the same content */
} LsInteraction;

/* What is known of one content. */
typedef struct LsContent
{
	LsText id;
	LsKept latest[LS_COMPLETED]; /* the last event with not_started, with in_progress */
	LsTrail trails[LS_STATUSES - LS_COMPLETED]; /* those with completed, with passed */
	LsScore *scores;
	int nscores;
	int nsorted; /* the first so many are in order, each greater than the next; all of them, once settled */
	int scores_room;
	LsKept version;
	int ninteractions;
	LsInteraction *interactions;
	bool changed; /* since it was loaded */
	LsChunk chunk; /* an event of a content finds all that it touches in a few places, of a state's many */
} LsContent;

struct content_hash;
struct interaction_hash;

/*
 * The reduction of a set of events. It does not depend on the order in which they were added: it holds what any
 * further reset could leave over.
 */
typedef struct LsProgress
{
	MemoryContext context;
	LsChunk chunk;
	LsPoint reset; /* the last progress.reset; without id: none */
	TimestampTz last_at; /* the greatest occurredAt; LS_NO_TIME: no event */
	LsText last_time; /* as sent; without data where it is the usual spelling */
	LsKept onboarding; /* the payload of the last onboarding.completed, or cleared */
	LsKept active; /* the active path, or cleared */
	struct content_hash *contents;
	struct interaction_hash *interactions;
} LsProgress;

/* One content as it is shown and stored: what is left when no earlier reset can come. */
typedef struct LsContentRow
{
	LsText id;
	LsStatus status;
	Numeric score; /* NULL: none */
	LsPoint last;
	LsPoint completed; /* without id: never */
	LsText version; /* without data: none was stated */
	LsPoint version_point;
	ItemPointerData place; /* where it is stored, as far as whoever read it knows */
} LsContentRow;

/* The state of one interaction as it is stored. */
typedef struct LsInteractionRow
{
	LsText content_id;
	LsText id;
	LsPoint point;
	LsText state; /* a container; without data where an event removed it */
	ItemPointerData place; /* likewise */
} LsInteractionRow;

/* event_name.c */
extern LsText ls_event_status_name(LsStatus status);
extern bool ls_event_status(LsText name, LsStatus *status);
extern LsText ls_event_type_name(LsEventType type);
extern bool ls_event_type(LsText name, LsEventType *type);

/* event_read.c */
extern bool ls_event_is_score(Numeric number);
extern bool ls_event_read_payload(LsEvent *event, const JsonbValue *payload, LsFailure *failure)
	pg_attribute_nonnull(3);
extern bool ls_event_read(LsEvent *event, const JsonbValue *raw, LsText *client, LsFailure *failure)
	pg_attribute_nonnull(4);
extern void ls_event_set_time(LsEvent *event, TimestampTz at, LsText sent);

/* point.c */
extern bool ls_point_exists(const LsPoint *point);
extern LsPoint ls_point_bare(const LsPoint *point);
extern int ls_point_compare(const LsPoint *a, const LsPoint *b);
extern LsText ls_point_text(const LsPoint *point);
extern bool ls_kept_exists(const LsKept *kept);
extern LsPoint ls_kept_point(const LsKept *kept);
extern LsText ls_kept_value(const LsKept *kept);
extern LsPoint ls_mark_point(const LsMark *mark);

/* progress.c */
extern void ls_progress_begin(LsProgress *progress, MemoryContext context);

static inline LsProgress *
ls_progress_new(MemoryContext context)
{
	LsProgress *progress = MemoryContextAlloc(context, sizeof(LsProgress));

	ls_progress_begin(progress, context);
	return progress;
}

extern bool ls_progress_keep_latest(LsProgress *progress, LsKept *kept, const LsPoint *point, LsText value);
extern void ls_progress_touch(LsProgress *progress, TimestampTz at, LsText time);
extern void ls_progress_add(LsProgress *progress, LsContent *content, const LsEvent *event);
extern LsContent *ls_progress_content(LsProgress *progress, LsText id);
extern LsContent *ls_progress_find(const LsProgress *progress, LsText id);
extern LsInteraction *ls_progress_find_interaction(const LsProgress *progress, const LsContent *content, LsText id);
extern void ls_progress_status(LsProgress *progress, LsContent *content, LsStatus status, const LsPoint *point);
extern void ls_progress_score(LsProgress *progress, LsContent *content, const LsPoint *point, Numeric score);
extern void ls_progress_version(LsProgress *progress, LsContent *content, const LsPoint *point, LsText version);
extern LsInteraction *ls_progress_interaction(LsProgress *progress, LsContent *content, LsText id,
											  const LsPoint *point, LsText state);
extern LsContent **ls_progress_settle(LsProgress *progress, int *count);
extern int64 ls_progress_state_bytes(LsProgress *progress);
extern int64 ls_progress_growth(const LsProgress *progress, const LsEvent *event);

/* reset.c */

/* Whether an event comes too early to count. */
static inline bool
ls_progress_is_wiped(const LsProgress *progress, const LsPoint *point)
{
	return ls_point_exists(&progress->reset) && ls_point_compare(point, &progress->reset) < 0;
}

extern void ls_progress_reset(LsProgress *progress, const LsPoint *point);
extern void ls_progress_wipe(LsProgress *progress, LsContent **contents, int count);

/* progress_row.c */
extern LsText ls_progress_container(const JsonbValue *value);
extern JsonbValue ls_progress_json(LsText container);
extern bool ls_progress_is_empty(const LsContent *content);
extern LsInteraction **ls_progress_interactions(const LsContent *content);
extern LsContentRow ls_progress_row(const LsContent *content);
extern void ls_progress_load_content(LsProgress *progress, const LsContentRow *row);
extern void ls_progress_load_interaction(LsProgress *progress, const LsInteractionRow *row);

/* streak.c */

/* From an instant on, by which clocks and when on them days begin. */
typedef struct LsDayRule
{
	TimestampTz since;
	LsText name; /* of the zone */
	pg_tz *zone; /* NULL: UTC, as this server does not know it */
	int64 starts; /* after midnight */
	int64 least; /* day that the moments of this rule have at least */
} LsDayRule;

/* The rules of a learner, each from after the one before it on; before the first days are those of UTC. */
typedef struct LsDays
{
	LsDayRule *rules;
	int count;
} LsDays;

/* Without days: those of UTC. */
extern int64 ls_day_of(const LsDays *days, TimestampTz at);
extern TimestampTz ls_day_start(const LsDays *days, int64 day);
extern pg_tz *ls_day_zone(LsText name);
extern LsDays ls_day_none(void);
extern bool ls_day_read(const JsonbValue *json, LsDays *days);
extern int ls_day_rules_until(const LsDays *days, TimestampTz at);
extern void ls_day_add(LsDays *days, LsDayRule rule);
extern JsonbValue ls_day_json(const LsDays *days);
extern LsText ls_day_text(int64 day);

extern JsonbValue ls_streak_show(const LsDays *rules, const TimestampTz *moments, int count);

/* snapshot.c */
extern JsonbValue ls_progress_snapshot(LsProgress *progress, const LsDays *rules);

/* progress_pack.c */
#define LS_PROGRESS_FORMAT 1 /* of the bytes of a state */
extern bytea *ls_progress_pack(LsProgress *progress, bool portable);

/* progress_unpack.c */
extern void ls_progress_unpack(LsProgress *progress, const bytea *packed, bool portable);

#endif
