/*
 * event.h
 *		What a put to the event log is made of, and what its files and the store offer each other.
 */
#ifndef LEARNSYNC_EVENT_H
#define LEARNSYNC_EVENT_H

#include "batch/batch.h"
#include "progress/progress.h"

/* A learner's row of learnsync_data.progress beside what LsProgress holds. */
typedef struct LsEventLog
{
	int64 events; /* in the log */
	int64 version; /* arrival version of the newest one; 1 where there is none */
	int64 state_bytes; /* what the interaction states in the snapshot take together */
} LsEventLog;

/* A whole put: the items of its batch are events. */
typedef struct LsPut
{
	LsBatch batch; /* comes first */
	LsText since; /* the client's cursor; without data where absent */
	LsEvent *events; /* what the items say, where they are not refused */
	LsEventLog log; /* before this put */
	LsProgress *head; /* the stored state without contents */
	LsContentRow *contents; /* stored rows of the contents that the events are about */
	int ncontents;
	LsInteractionRow *interactions;
	int ninteractions;
	bool knows_contents; /* they are in order, each with its place; others are not stored */
	bool knows_interactions;
	LsProgress *states; /* the interactions, with what was accepted so far */
	int64 state_bytes; /* what they take together, or more where a reset was accepted since */
	bool has_reset; /* since they were counted */
	bool has_all; /* states holds all of the learner's */
} LsPut;

/* event_put.c */
extern const LsService ls_put_events;

/* event_cursor.c */
extern LsText ls_event_cursor(LsText epoch, int64 version);
extern bool ls_event_cursor_read(LsText text, LsText epoch, int64 *version);

/* event_reduce.c */
extern LsProgress *ls_event_reduce(LsText learner, LsEventLog *log, LsSnapshot snapshot);

/* event_store.c */

/* An event as it is stored. */
typedef struct LsStoredEvent
{
	LsText id;
	int64 version;
	TimestampTz at; /* order instant */
	Jsonb *json; /* as sent, an object */
} LsStoredEvent;

extern void ls_store_read_known_events(LsPut *put);
extern void ls_store_add_events(LsPut *put);
extern int ls_store_read_events(LsText learner, int64 after, int limit, LsSnapshot snapshot, LsStoredEvent **events);

/* progress_store.c */

/* Whom a stored row is handed to. */
typedef void (*LsTakeContent)(void *argument, const LsContentRow *row);
typedef void (*LsTakeInteraction)(void *argument, const LsInteractionRow *row);

extern void ls_store_read_head(LsText learner, LsProgress *head, LsEventLog *log, LsSnapshot snapshot);
extern void ls_store_read_touched(LsPut *put);
extern void ls_store_read_rows(LsText learner, LsTakeContent content, LsTakeInteraction interaction, void *argument,
							   LsSnapshot snapshot);
extern void ls_store_read_contents(LsText learner, LsProgress *progress, LsSnapshot snapshot);
extern void ls_store_write_progress(LsText learner, LsProgress *progress, const LsEventLog *log, const LsPut *put);
extern void ls_store_clear_progress(LsText learner);

#endif
