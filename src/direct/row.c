/*
 * row.c
 *		Finds rows by their primary key, locks, adds and changes them, as the plan of a statement would, but without one.
 *
 * No row that is changed here gets another key.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "direct/direct.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define ROWS_AT_A_TIME 100

/* What is read from here on sees what a statement would that begins now. */
void
ls_direct_begin(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* After the tables are closed that were read since the beginning. */
void
ls_direct_end(void)
{
	PopActiveSnapshot();
}

static RegProcedure
equality_of(Oid type)
{
	switch (type)
	{
		case TEXTOID:
			return F_TEXTEQ;
		case UUIDOID:
			return F_UUID_EQ;
		case INT8OID:
			return F_INT8EQ;
		case INT2OID:
			return F_INT2EQ;
		default:
			Assert(false);
			return InvalidOid;
	}
}

/* Columns of text have the collation that ScanKeyInit takes. */
static void
make_key(const LsDirect *direct, const Datum *key, ScanKeyData *keys)
{
	for (int i = 0; i < direct->nkeys; i++)
	{
		Oid type = TupleDescAttr(RelationGetDescr(direct->table), i)->atttypid;

		ScanKeyInit(&keys[i], (AttrNumber) (i + 1), BTEqualStrategyNumber, equality_of(type), key[i]);
	}
}

static void
read_slot(LsDirect *direct)
{
	slot_getallattrs(direct->slot);
	direct->values = direct->slot->tts_values;
	direct->nulls = direct->slot->tts_isnull;
	direct->place = direct->slot->tts_tid;
}

static bool
find_by(LsDirect *direct, ScanKeyData *keys)
{
	if (direct->slot == NULL)
		direct->slot = table_slot_create(direct->table, NULL);
	if (direct->scan == NULL)
		direct->scan = ls_compat_index_beginscan(direct->table, direct->index, GetActiveSnapshot(), direct->nkeys);
	index_rescan(direct->scan, keys, direct->nkeys, NULL, 0);
	return index_getnext_slot(direct->scan, ForwardScanDirection, direct->slot);
}

/* Finds the row with that primary key. Its values stay until the next is looked for. */
bool
ls_direct_find(LsDirect *direct, const Datum *key)
{
	ScanKeyData keys[LS_DIRECT_KEYS];

	make_key(direct, key, keys);
	if (!find_by(direct, keys))
		return false;
	read_slot(direct);
	return true;
}

/* Copies the row that was found last, so that its values stay. */
void
ls_direct_keep(LsDirect *direct)
{
	TupleDesc desc = RelationGetDescr(direct->table);

	direct->values = palloc(sizeof(Datum) * desc->natts);
	direct->nulls = palloc(sizeof(bool) * desc->natts);
	heap_deform_tuple(ExecCopySlotHeapTuple(direct->slot), desc, direct->values, direct->nulls);
}

/* Whether the row still has the key that it was found by: another may have been updated into its place in the chain. */
static bool
has_key(const LsDirect *direct, ScanKeyData *keys)
{
	for (int i = 0; i < direct->nkeys; i++)
	{
		if (!DatumGetBool(
				FunctionCall2Coll(&keys[i].sk_func, keys[i].sk_collation, direct->values[i], keys[i].sk_argument)))
			return false;
	}
	return true;
}

/*
 * Finds the row with that primary key and locks it, as SELECT FOR NO KEY UPDATE does under READ COMMITTED: whoever waited has
 * the row as it is after the wait, or none.
 */
bool
ls_direct_lock(LsDirect *direct, const Datum *key)
{
	ScanKeyData keys[LS_DIRECT_KEYS];
	TupleTableSlot *found;
	TM_FailureData failure;
	TM_Result result;

	make_key(direct, key, keys);
	if (!find_by(direct, keys))
		return false;
	found = direct->slot;
	direct->slot = table_slot_create(direct->table, NULL);
	result = table_tuple_lock(direct->table, &found->tts_tid, GetActiveSnapshot(), direct->slot,
							  GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitBlock,
							  TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS | TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	ExecDropSingleTupleTableSlot(found);
	if (result != TM_Ok && result != TM_Deleted && result != TM_SelfModified)
		elog(ERROR, "could not lock a row of \"%s\": %d", RelationGetRelationName(direct->table), result);
	if (result != TM_Ok)
		return false;
	read_slot(direct);
	return !failure.traversed || has_key(direct, keys);
}

/* What the indexes of a table are told with each entry. */
typedef struct Entries
{
	IndexInfo *of_key;
	IndexInfo *of_others[LS_DIRECT_INDEXES];
} Entries;

static Entries
entries_of(const LsDirect *direct)
{
	Entries entries = {.of_key = BuildIndexInfo(direct->index)};

	for (int i = 0; i < direct->nothers; i++)
		entries.of_others[i] = BuildIndexInfo(direct->others[i]);
	return entries;
}

static void
insert_other(const LsDirect *direct, int number, TupleTableSlot *row, IndexInfo *info, bool is_changed)
{
	const LsDirectIndex *kind = direct->kinds[number];
	Datum values[LS_DIRECT_INDEX_KEYS];
	bool nulls[LS_DIRECT_INDEX_KEYS];

	if (kind->condition != LS_DIRECT_ALL &&
		slot_attisnull(row, kind->column + 1) != (kind->condition == LS_DIRECT_IS_NULL))
		return;
	for (int i = 0; i < kind->nkeys; i++)
		values[i] = slot_getattr(row, kind->keys[i] + 1, &nulls[i]);
	index_insert(direct->others[number], values, nulls, &row->tts_tid, direct->table, UNIQUE_CHECK_NO, is_changed,
				 info);
}

/* Has the indexes lead to a row that was written. */
static void
insert_entries(const LsDirect *direct, TupleTableSlot *row, const Entries *entries, bool is_changed)
{
	slot_getsomeattrs(row, direct->nkeys);
	index_insert(direct->index, row->tts_values, row->tts_isnull, &row->tts_tid, direct->table, UNIQUE_CHECK_YES,
				 is_changed, entries->of_key);
	for (int i = 0; i < direct->nothers; i++)
		insert_other(direct, i, row, entries->of_others[i], is_changed);
}

/* Several rows are written and logged a page at a time; what that takes beside them, one does without. */
static int
add_some(const LsDirect *direct, TupleTableSlot **rows, int count, const Entries *entries)
{
	if (count == 1)
		table_tuple_insert(direct->table, rows[0], GetCurrentCommandId(true), 0, NULL);
	else
		table_multi_insert(direct->table, rows, count, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		insert_entries(direct, rows[i], entries, false);
		ExecClearTuple(rows[i]);
	}
	return count;
}

/* Adds rows, as INSERT does: one that has the key of another is an error. */
void
ls_direct_add(LsDirect *direct, int count, LsDirectFill fill, const void *argument)
{
	TupleTableSlot *rows[ROWS_AT_A_TIME];
	Entries entries = entries_of(direct);
	int nrows = Min(count, ROWS_AT_A_TIME);
	int waiting = 0;

	for (int i = 0; i < nrows; i++)
		rows[i] = table_slot_create(direct->table, NULL);
	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *row = rows[waiting++];

		CHECK_FOR_INTERRUPTS();
		memset(row->tts_isnull, true, RelationGetDescr(direct->table)->natts);
		fill(argument, i, row->tts_values, row->tts_isnull);
		ExecStoreVirtualTuple(row);
		if (waiting == nrows || i == count - 1)
			waiting -= add_some(direct, rows, waiting, &entries);
	}
	for (int i = 0; i < nrows; i++)
		ExecDropSingleTupleTableSlot(rows[i]);
}

/* Adds rows to a table of which nothing else is wanted; false where SQL has to do it. */
bool
ls_direct_insert(LsDirectTable table, int count, LsDirectFill fill, const void *argument)
{
	LsDirect direct;

	if (!ls_direct_open(&direct, table, RowExclusiveLock))
		return false;
	ls_direct_begin();
	ls_direct_add(&direct, count, fill, argument);
	ls_direct_close(&direct);
	ls_direct_end();
	return true;
}

/*
 * Takes the row that is at a place, to be changed: its values are those that ls_direct_change writes. False where another row
 * is there by now, or none that can be seen.
 */
bool
ls_direct_take(LsDirect *direct, const ItemPointerData *place, const Datum *key)
{
	ScanKeyData keys[LS_DIRECT_KEYS];
	int natts = RelationGetDescr(direct->table)->natts;

	if (direct->slot == NULL)
		direct->slot = table_slot_create(direct->table, NULL);
	if (direct->changed == NULL)
		direct->changed = table_slot_create(direct->table, NULL);
	ExecClearTuple(direct->changed);
	make_key(direct, key, keys);
	if (!table_tuple_fetch_row_version(direct->table, (ItemPointer) place, GetActiveSnapshot(), direct->slot))
		return false;
	read_slot(direct);
	if (!has_key(direct, keys))
		return false;
	memcpy(direct->changed->tts_values, direct->values, sizeof(Datum) * natts);
	memcpy(direct->changed->tts_isnull, direct->nulls, sizeof(bool) * natts);
	direct->values = direct->changed->tts_values;
	direct->nulls = direct->changed->tts_isnull;
	return true;
}

/*
 * Writes the values of the row that was taken, as UPDATE does; false where somebody else has changed it meanwhile, who is
 * waited for.
 */
bool
ls_direct_change(LsDirect *direct)
{
	TM_Result result;
	bool is_elsewhere;

	CheckCmdReplicaIdentity(direct->table, CMD_UPDATE);
	ExecStoreVirtualTuple(direct->changed);
	result = ls_compat_tuple_update(direct->table, &direct->place, direct->changed, GetCurrentCommandId(true),
									GetActiveSnapshot(), &is_elsewhere);
	if (result != TM_Ok && result != TM_Updated && result != TM_Deleted)
		elog(ERROR, "could not change a row of \"%s\": %d", RelationGetRelationName(direct->table), result);
	if (result == TM_Ok && is_elsewhere)
	{
		Entries entries = entries_of(direct);

		insert_entries(direct, direct->changed, &entries, true);
	}
	return result == TM_Ok;
}

/* Closes the table, whose lock is kept. */
void
ls_direct_close(LsDirect *direct)
{
	if (direct->scan != NULL)
		index_endscan(direct->scan);
	if (direct->slot != NULL)
		ExecDropSingleTupleTableSlot(direct->slot);
	if (direct->changed != NULL)
		ExecDropSingleTupleTableSlot(direct->changed);
	for (int i = 0; i < direct->nothers; i++)
		index_close(direct->others[i], NoLock);
	index_close(direct->index, NoLock);
	relation_close(direct->table, NoLock);
}
