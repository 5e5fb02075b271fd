/*
 * damage.h
 *		For whoever reads what is stored: the errors that name a row which something else damaged.
 */
#ifndef LEARNSYNC_DAMAGE_H
#define LEARNSYNC_DAMAGE_H

#include "learnsync.h"

#define LS_KEY_PARTS 5

/* The table and the key of the row that is read, for whoever has to mend it. */
typedef struct LsRowKey
{
	const char *table;
	LsText parts[LS_KEY_PARTS]; /* the learner first; without data from the end of the key on */
	const char *repair; /* the way out, a sentence; NULL where there is none but a person's */
} LsRowKey;

pg_noreturn extern void ls_store_damaged(const LsRowKey *key, const char *column, const char *wanted);
extern Jsonb *ls_store_object(const LsRowKey *key, const char *column, Datum value);
extern Jsonb *ls_store_document(const LsRowKey *key, Datum value);

#endif
