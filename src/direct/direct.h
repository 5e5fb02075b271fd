/*
 * direct.h
 *		Reads, locks and writes rows of our tables without the executor, where a table is exactly as setup() made it.
 *
 * What ls_direct_open refuses is for SQL to do, with the same result: every use has a statement beside it.
 */
#ifndef LEARNSYNC_DIRECT_H
#define LEARNSYNC_DIRECT_H

#include "access/genam.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "store/store.h"

#define LS_SLOTS 8 /* of payloads, a table for each */

/* The tables that can be; table.c describes each. */
typedef enum LsDirectTable
{
	LS_DIRECT_LEARNER,
	LS_DIRECT_DEVICE,
	LS_DIRECT_RESOURCE,
	LS_DIRECT_LEDGER,
	LS_DIRECT_XAPI,
	LS_DIRECT_CONFLICT,
	LS_DIRECT_EVENT,
	LS_DIRECT_CONTENT,
	LS_DIRECT_INTERACTION,
	LS_DIRECT_PUSH, /* that of slot 0, and so on */
	LS_DIRECT_TABLES = LS_DIRECT_PUSH + LS_SLOTS
} LsDirectTable;

/* Their columns, counted from 0, those of the primary key first. */
enum
{
	LS_LEARNER_ID,
	LS_LEARNER_TOMBSTONE_VERSION,
	LS_LEARNER_CREATED_AT,
	LS_LEARNER_RECEIPT_HORIZON,
	LS_LEARNER_EPOCH,
	LS_LEARNER_LIFE,
	LS_LEARNER_MOVED_AT,
	LS_LEARNER_HAS_FAILED,
	LS_LEARNER_DAYS,
	LS_LEARNER_CLOCKS,
	LS_LEARNER_RATE_AT,
	LS_LEARNER_COUNTS,
	LS_LEARNER_VERSION,
	LS_LEARNER_LOG_VERSION,
	LS_LEARNER_PUSH_NO
};

enum
{
	LS_DEVICE_LEARNER,
	LS_DEVICE_ID,
	LS_DEVICE_NAME,
	LS_DEVICE_METADATA,
	LS_DEVICE_IS_ACTIVE,
	LS_DEVICE_CREATED_AT,
	LS_DEVICE_RATE_AT,
	LS_DEVICE_WIPE_AT,
	LS_DEVICE_WIPED_AT,
	LS_DEVICE_COUNTS,
	LS_DEVICE_SYNCED_RESOURCES,
	LS_DEVICE_LAST_SYNC_AT,
	LS_DEVICE_VERSION,
	LS_DEVICE_SKEW_MS
};

enum
{
	LS_RESOURCE_LEARNER,
	LS_RESOURCE_TYPE,
	LS_RESOURCE_ID,
	LS_RESOURCE_VERSION,
	LS_RESOURCE_CREATED_VERSION,
	LS_RESOURCE_AT,
	LS_RESOURCE_DELETED_AT,
	LS_RESOURCE_UPDATED_AT,
	LS_RESOURCE_DATA,
	LS_RESOURCE_BOOK
};

enum
{
	LS_LEDGER_LEARNER,
	LS_LEDGER_KEY,
	LS_LEDGER_FINGERPRINT,
	LS_LEDGER_VERSION,
	LS_LEDGER_AT,
	LS_LEDGER_VERDICT
};

enum
{
	LS_XAPI_LEARNER,
	LS_XAPI_TYPE,
	LS_XAPI_ID,
	LS_XAPI_STORED,
	LS_XAPI_AT,
	LS_XAPI_AGENT,
	LS_XAPI_VERB,
	LS_XAPI_ACTIVITY,
	LS_XAPI_REGISTRATION,
	LS_XAPI_VOIDS
};

enum
{
	LS_CONFLICT_LEARNER,
	LS_CONFLICT_ID,
	LS_CONFLICT_DEVICE,
	LS_CONFLICT_ITEM,
	LS_CONFLICT_TYPE,
	LS_CONFLICT_RESOURCE,
	LS_CONFLICT_OPERATION,
	LS_CONFLICT_CLIENT_DATA,
	LS_CONFLICT_SERVER_DATA,
	LS_CONFLICT_AT,
	LS_CONFLICT_VERSION,
	LS_CONFLICT_RESOLUTION,
	LS_CONFLICT_CREATED_AT,
	LS_CONFLICT_CLOSED_AT,
	LS_CONFLICT_CLOSED_BY,
	LS_CONFLICT_DECIDED_BY,
	LS_CONFLICT_REASON
};

enum
{
	LS_EVENT_LEARNER,
	LS_EVENT_ID,
	LS_EVENT_VERSION,
	LS_EVENT_AT,
	LS_EVENT_RECEIVED_AT,
	LS_EVENT_SENT
};

enum
{
	LS_CONTENT_LEARNER,
	LS_CONTENT_ID,
	LS_CONTENT_STATUS,
	LS_CONTENT_SCORE,
	LS_CONTENT_LAST_AT,
	LS_CONTENT_LAST_ID,
	LS_CONTENT_LAST_SENT,
	LS_CONTENT_COMPLETED_AT,
	LS_CONTENT_COMPLETED_ID,
	LS_CONTENT_COMPLETED_SENT,
	LS_CONTENT_STATED,
	LS_CONTENT_STATED_AT,
	LS_CONTENT_STATED_ID
};

enum
{
	LS_INTERACTION_LEARNER,
	LS_INTERACTION_CONTENT,
	LS_INTERACTION_ID,
	LS_INTERACTION_AT,
	LS_INTERACTION_EVENT,
	LS_INTERACTION_STATE
};

enum
{
	LS_LOG_LEARNER,
	LS_LOG_VERSION,
	LS_LOG_NO,
	LS_LOG_SLOT,
	LS_LOG_ITEM_COUNT,
	LS_LOG_PREV_VERSION,
	LS_LOG_PUSHED_AT,
	LS_LOG_DEVICE,
	LS_LOG_RESOURCE_TYPES,
	LS_LOG_RESOURCE_IDS,
	LS_LOG_ITEMS,
	LS_LOG_CHANNEL,
	LS_LOG_INSTANTS,
	LS_LOG_SEEN,
	LS_LOG_APP_VERSION,
	LS_LOG_TRACE
};

#define LS_DIRECT_KEYS 4 /* columns of a primary key, at most */
#define LS_DIRECT_INDEXES 4 /* of a table, beside that of its primary key */
#define LS_DIRECT_INDEX_KEYS 3 /* columns of one of these */

/* Which rows an index has. */
typedef enum LsDirectCondition
{
	LS_DIRECT_ALL,
	LS_DIRECT_IS_NULL, /* those with NULL in a column */
	LS_DIRECT_IS_NOT_NULL
} LsDirectCondition;

/* An index beside that of the primary key; none of them is unique. */
typedef struct LsDirectIndex
{
	const char *name;
	int nkeys;
	int keys[LS_DIRECT_INDEX_KEYS]; /* columns */
	LsDirectCondition condition;
	int column; /* of the condition, if it has one */
} LsDirectIndex;

/* A table that is open, and the row of it that was found last. */
typedef struct LsDirect
{
	Relation table;
	Relation index; /* of the primary key */
	int nkeys;
	int nothers; /* of the other indexes, which are open where rows are written */
	Relation others[LS_DIRECT_INDEXES];
	const LsDirectIndex *kinds[LS_DIRECT_INDEXES];
	IndexScanDesc scan; /* NULL until something is looked for */
	TupleTableSlot *slot; /* NULL until then */
	TupleTableSlot *changed; /* as the row is to be; NULL where none is to change */
	ItemPointerData place; /* where the row is */
	Datum *values; /* by the columns above */
	bool *nulls;
} LsDirect;

/* Fills in a new row, the values of which are NULL as it is called. */
typedef void (*LsDirectFill)(const void *argument, int row, Datum *values, bool *nulls);

/* table.c */

/* One of several tables that are opened together. */
typedef struct LsDirectWanted
{
	LsDirect *direct;
	LsDirectTable table;
} LsDirectWanted;

extern bool ls_direct_open_all(const LsDirectWanted *wanted, int count, LOCKMODE lock);
extern bool ls_direct_open(LsDirect *direct, LsDirectTable table, LOCKMODE lock);

/* row.c */
extern void ls_direct_begin(void);
extern bool ls_direct_find(LsDirect *direct, const Datum *key);
extern void ls_direct_keep(LsDirect *direct);
extern bool ls_direct_lock(LsDirect *direct, const Datum *key);
extern void ls_direct_add(LsDirect *direct, int count, LsDirectFill fill, const void *argument);
extern bool ls_direct_insert(LsDirectTable table, int count, LsDirectFill fill, const void *argument);
extern bool ls_direct_take(LsDirect *direct, const ItemPointerData *place, const Datum *key);
extern bool ls_direct_change(LsDirect *direct);
extern void ls_direct_close(LsDirect *direct);
extern void ls_direct_end(void);

static inline void
ls_direct_put(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

#endif
