/*
 * store.h
 *		Runs what others write as the tables' owner: what every room may use of it. Only store files run statements.
 */
#ifndef LEARNSYNC_STORE_H
#define LEARNSYNC_STORE_H

#include "base/base.h"

/* What a statement sees, beside what its transaction wrote before it. */
typedef enum LsSnapshot
{
	LS_SEES_CALLERS, /* what the calling statement sees, so that all queries of one reader see one state; it only reads */
	LS_SEES_OWN, /* what was committed before it began, as far as the isolation level shows that */
	LS_SEES_LATEST /* all that is committed by now: for what must hold whatever the isolation level */
} LsSnapshot;

/* What to go back to when the store is closed. */
typedef struct LsStoreCall
{
	Oid caller;
	int context;
	int settings; /* the nest level of what was set meanwhile */
	uint64 outer; /* the call in the midst of which this one is made, 0 = none */
} LsStoreCall;

#define LS_KEY_PARTS 5

/* The table and the key of the row that is read, for whoever has to mend it. */
typedef struct LsRowKey
{
	const char *table;
	LsText parts[LS_KEY_PARTS]; /* the learner first; without data from the end of the key on */
	const char *repair; /* the way out, a sentence; NULL where there is none but a person's */
} LsRowKey;

/* owner.c */
extern void ls_store_open(LsStoreCall *call);
extern void ls_store_close(LsStoreCall *call);
extern void ls_store_forget_rows(void);
extern bool ls_store_is_guarded(const char *table);
extern bool ls_store_has_outbox(void);
extern bool ls_store_is_shard(void);
extern TimestampTz ls_store_receipts_from(void);
extern LsText ls_store_epoch(void);
extern Oid ls_store_table(const char *name);
extern ErrorData *ls_store_as(Oid role, void (*work)(void *), void *argument);
extern uint64 ls_store_changes(void);
extern uint64 ls_store_call_number(void);

/* damage.c */
pg_noreturn extern void ls_store_damaged(const LsRowKey *key, const char *column, const char *wanted);
extern Jsonb *ls_store_object(const LsRowKey *key, const char *column, Datum value);
extern Jsonb *ls_store_document(const LsRowKey *key, Datum value);

/* try.c */
extern ErrorData *ls_try(void (*work)(void *), void *argument, bool keep);
extern ErrorData *ls_try_for_now(void (*work)(void *), void *argument);
extern ErrorData *ls_try_read(void (*work)(void *), void *argument);

/* wait.c */
extern void ls_wait(bool of_app, void (*work)(void *), void *argument);

#endif
