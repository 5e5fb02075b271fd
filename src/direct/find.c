/*
 * find.c
 *		Finds rows by their primary key and locks them, as the plan of a statement would, but without one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "direct/direct.h"
#include "executor/executor.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

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
	if (direct->scan == NULL)
	{
		direct->slot = table_slot_create(direct->table, NULL);
		direct->scan = ls_compat_index_beginscan(direct->table, direct->index, GetActiveSnapshot(), direct->nkeys);
	}
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

/* Closes the table, whose lock is kept. */
void
ls_direct_close(LsDirect *direct)
{
	if (direct->scan != NULL)
	{
		index_endscan(direct->scan);
		ExecDropSingleTupleTableSlot(direct->slot);
	}
	index_close(direct->index, NoLock);
	relation_close(direct->table, NoLock);
}
