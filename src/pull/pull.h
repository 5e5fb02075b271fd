/*
 * pull.h
 *		What a pull is made of, and what its files and the store offer each other.
 */
#ifndef LEARNSYNC_PULL_H
#define LEARNSYNC_PULL_H

#include "push/push.h"

/* A field that documents are selected by. */
typedef struct LsScopeField
{
	LsText name;
	JsonbValue list; /* it must be one of these */
	LsSet *values;
} LsScopeField;

/* Which changes a client wants to see. What it lists are sets: neither order nor repetition means anything. */
typedef struct LsSelection
{
	bool by_type;
	int ntypes;
	LsText *types; /* sorted, each once */
	Datum type_array; /* the same as text[] */
	bool scoped;
	int nfields;
	LsScopeField *fields;
} LsSelection;

/* What a pull knows of learner and device before it looks for changes. */
typedef struct LsPullStart
{
	int64 version;
	int64 log_version;
	int64 tombstone_version;
	LsText epoch;
	LsDevice device;
} LsPullStart;

/* One change as a pull reads it. */
typedef struct LsPulled
{
	int64 prev_version; /* of the log row this comes from: where the row before it ended */
	int64 log_version; /* the same row's end */
	bool current; /* the resource is still at this version; what follows the id is known only then */
	int64 version;
	LsText type;
	LsText id;
	int64 created_version;
	TimestampTz updated_at;
	TimestampTz at;
	bool was_deleted; /* now or ever before */
	Jsonb *data; /* NULL for a deleted resource */
	Jsonb *book;
	bool left; /* it is not what the client wants to see, but may have been */
} LsPulled;

/* A document that a client who is up to date holds. */
typedef struct LsHeld
{
	LsText type;
	LsText id;
	int64 version;
	int64 nmembers; /* that its lists hold together */
} LsHeld;

/* A page on its way into the answer. */
typedef struct LsPage
{
	StringInfo text;
	int64 nchanges;
	int64 last; /* the version of the last one */
	int64 counted; /* how many of them the limit is for */
	int start; /* where the text of these begins */
	int64 nmembers; /* that the lists among these hold together */
	List *listed; /* the names of their types that have lists */
	StringInfo lists; /* what there is to say of these types' lists */
	bool full; /* there is a change that it has no room for */
	int64 all; /* how many changes the run will bring, where they are counted */
} LsPage;

/* A whole pull. */
typedef struct LsPull
{
	LsText learner;
	LsText device;
	bool by_version; /* the client counts versions instead of storing cursors */
	LsCursor cursor; /* as it came, then as it goes back */
	LsText epoch; /* of the cursor; without data where the client does not say */
	int64 after; /* everything up to here was delivered */
	int64 from; /* the device held everything up to here as the run began; -1 where it does not say */
	int64 limit; /* of changes; PG_INT64_MAX: the page ends by bytes alone */
	LsSelection selection;
	TimestampTz since; /* what was changed last before then is not wanted */
	bool with_events; /* those of the event log are changes, too */
	int64 events_seen; /* none up to here is to be added any more */
	const char *whose; /* members that each change begins with, in JSON; NULL: none */
	LsPullStart start;
	bool reset;
	bool idle; /* nothing can be told from here: the page stays empty */
	bool behind; /* this server lags behind one that has brought a page of the run */
	bool begins; /* a run does, with this page */
	bool counts; /* the client wants to know what the run will bring */
	bool deltas; /* lists of what the device held carry only what is new */
	int64 uncut; /* changes up to here come at once, and no limit is for them */
	LsPage page;
} LsPull;

/* page.c */
extern void ls_page_open(LsPage *page, MemoryContext context);
extern void ls_page_fill(LsPull *pull);
extern Datum ls_page_close(LsPage *page);

/* selection.c */
extern void ls_selection_read(LsSelection *selection, const JsonbValue *request);
extern uint64 ls_selection_digest(const LsSelection *selection);
extern bool ls_selection_has(const LsSelection *selection, Jsonb *data);

/* pull_store.c */
typedef struct LsPullSource LsPullSource;

extern void ls_store_read_pull_start(LsText learner, LsText device, LsPullStart *start);
extern LsPullSource *ls_store_open_pull(const LsPull *pull, int64 after, bool use_log, int64 limit);
extern int ls_store_fetch_pulled(LsPullSource *source, int count, LsPulled **changes);
extern void ls_store_close_pull(LsPullSource *source);
extern int64 ls_store_count_changes(const LsPull *pull, int64 after);

/* logged_store.c */
extern int ls_store_read_logged(const LsPull *pull, int64 to, int limit, LsPulled **changes);

/* held_store.c */
typedef void (*LsTakeHeld)(void *argument, const LsHeld *held);

extern void ls_store_read_held(LsText learner, const LsSelection *selection, LsTakeHeld take, void *argument);

#endif
