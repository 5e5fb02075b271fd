/*
 * table.c
 *		What setup() makes of each table, and whether a table is that and nothing else.
 *
 * Only what SQL would do just as we do may go by us: whoever adds a column, trigger, rule, constraint, index, policy or
 * default has the statements again from the next call on.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "direct/direct.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/readfuncs.h"
#include "rewrite/rowsecurity.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#define RIGHTS (ACL_SELECT | ACL_INSERT | ACL_UPDATE)

typedef struct Column
{
	const char *name;
	Oid type;
	bool required;
	bool has_default;
} Column;

/* A table as src/tables.sql has it. */
typedef struct Form
{
	const char *name;
	const Column *columns;
	int ncolumns;
	int nkeys; /* so many of the columns are its primary key */
	LsDirectIndex indexes[LS_DIRECT_INDEXES]; /* the others; without a name from the end on */
	bool is_partition; /* for one value of its column slot */
	int16 slot;
} Form;

static const Column learner[] = {
	[LS_LEARNER_ID] = {"learner_id", TEXTOID, true, false},
	[LS_LEARNER_TOMBSTONE_VERSION] = {"tombstone_version", INT8OID, true, true},
	[LS_LEARNER_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true, true},
	[LS_LEARNER_RECEIPT_HORIZON] = {"receipt_horizon", TIMESTAMPTZOID, false, false},
	[LS_LEARNER_EPOCH] = {"epoch", UUIDOID, false, false},
	[LS_LEARNER_LIFE] = {"life", INT8OID, false, false},
	[LS_LEARNER_MOVED_AT] = {"moved_at", TIMESTAMPTZOID, false, true},
	[LS_LEARNER_HAS_FAILED] = {"has_failed", BOOLOID, true, true},
	[LS_LEARNER_DAYS] = {"days", JSONBOID, false, false},
	[LS_LEARNER_CLOCKS] = {"clocks", JSONBOID, false, false},
	[LS_LEARNER_RATE_AT] = {"rate_at", TIMESTAMPTZOID, false, false},
	[LS_LEARNER_COUNTS] = {"counts", BYTEAOID, false, false},
	[LS_LEARNER_VERSION] = {"version", INT8OID, true, true},
	[LS_LEARNER_LOG_VERSION] = {"log_version", INT8OID, true, true},
	[LS_LEARNER_PUSH_NO] = {"push_no", INT8OID, true, true},
};

static const Column device[] = {
	[LS_DEVICE_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_DEVICE_ID] = {"device_id", TEXTOID, true, false},
	[LS_DEVICE_NAME] = {"device_name", TEXTOID, false, false},
	[LS_DEVICE_METADATA] = {"metadata", JSONBOID, false, false},
	[LS_DEVICE_IS_ACTIVE] = {"is_active", BOOLOID, true, true},
	[LS_DEVICE_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true, false},
	[LS_DEVICE_RATE_AT] = {"rate_at", TIMESTAMPTZOID, false, false},
	[LS_DEVICE_WIPE_AT] = {"wipe_at", TIMESTAMPTZOID, false, false},
	[LS_DEVICE_WIPED_AT] = {"wiped_at", TIMESTAMPTZOID, false, false},
	[LS_DEVICE_COUNTS] = {"counts", BYTEAOID, false, false},
	[LS_DEVICE_SYNCED_RESOURCES] = {"synced_resources", JSONBOID, false, false},
	[LS_DEVICE_LAST_SYNC_AT] = {"last_sync_at", TIMESTAMPTZOID, true, false},
	[LS_DEVICE_VERSION] = {"version", INT8OID, true, true},
	[LS_DEVICE_SKEW_MS] = {"skew_ms", INT8OID, false, false},
};

static const Column resource[] = {
	[LS_RESOURCE_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_RESOURCE_TYPE] = {"resource_type", TEXTOID, true, false},
	[LS_RESOURCE_ID] = {"resource_id", TEXTOID, true, false},
	[LS_RESOURCE_VERSION] = {"version", INT8OID, true, false},
	[LS_RESOURCE_CREATED_VERSION] = {"created_version", INT8OID, true, false},
	[LS_RESOURCE_AT] = {"at", TIMESTAMPTZOID, true, false},
	[LS_RESOURCE_DELETED_AT] = {"deleted_at", TIMESTAMPTZOID, false, false},
	[LS_RESOURCE_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID, true, false},
	[LS_RESOURCE_DATA] = {"data", JSONBOID, false, false},
	[LS_RESOURCE_BOOK] = {"book", JSONBOID, false, false},
};

static const Column ledger[] = {
	[LS_LEDGER_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_LEDGER_KEY] = {"key", UUIDOID, true, false},
	[LS_LEDGER_FINGERPRINT] = {"fingerprint", INT8OID, true, false},
	[LS_LEDGER_VERSION] = {"version", INT8OID, true, false},
	[LS_LEDGER_AT] = {"at", TIMESTAMPTZOID, true, false},
	[LS_LEDGER_VERDICT] = {"verdict", CHAROID, true, false},
};

static const Column xapi_statement[] = {
	[LS_XAPI_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_XAPI_TYPE] = {"resource_type", TEXTOID, true, false},
	[LS_XAPI_ID] = {"resource_id", TEXTOID, true, false},
	[LS_XAPI_STORED] = {"stored", TIMESTAMPTZOID, true, false},
	[LS_XAPI_AT] = {"timestamp", TIMESTAMPTZOID, true, false},
	[LS_XAPI_AGENT] = {"agent", TEXTOID, false, false},
	[LS_XAPI_VERB] = {"verb", TEXTOID, false, false},
	[LS_XAPI_ACTIVITY] = {"activity", TEXTOID, false, false},
	[LS_XAPI_REGISTRATION] = {"registration", TEXTOID, false, false},
	[LS_XAPI_VOIDS] = {"voids", TEXTOID, false, false},
};

static const Column conflict[] = {
	[LS_CONFLICT_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_CONFLICT_ID] = {"conflict_id", UUIDOID, true, false},
	[LS_CONFLICT_DEVICE] = {"device_id", TEXTOID, true, false},
	[LS_CONFLICT_ITEM] = {"item_id", TEXTOID, true, false},
	[LS_CONFLICT_TYPE] = {"resource_type", TEXTOID, true, false},
	[LS_CONFLICT_RESOURCE] = {"resource_id", TEXTOID, true, false},
	[LS_CONFLICT_OPERATION] = {"operation", TEXTOID, true, false},
	[LS_CONFLICT_CLIENT_DATA] = {"client_data", JSONBOID, false, false},
	[LS_CONFLICT_SERVER_DATA] = {"server_data", JSONBOID, false, false},
	[LS_CONFLICT_AT] = {"at", TIMESTAMPTZOID, true, false},
	[LS_CONFLICT_VERSION] = {"resource_version", INT8OID, true, false},
	[LS_CONFLICT_RESOLUTION] = {"resolution", TEXTOID, true, false},
	[LS_CONFLICT_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true, false},
	[LS_CONFLICT_CLOSED_AT] = {"closed_at", TIMESTAMPTZOID, false, false},
	[LS_CONFLICT_CLOSED_BY] = {"closed_by", TEXTOID, false, false},
	[LS_CONFLICT_DECIDED_BY] = {"decided_by", TEXTOID, false, false},
	[LS_CONFLICT_REASON] = {"reason", TEXTOID, false, false},
};

static const Column event[] = {
	[LS_EVENT_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_EVENT_ID] = {"event_id", TEXTOID, true, false},
	[LS_EVENT_VERSION] = {"version", INT8OID, true, false},
	[LS_EVENT_AT] = {"at", TIMESTAMPTZOID, true, false},
	[LS_EVENT_RECEIVED_AT] = {"received_at", TIMESTAMPTZOID, true, false},
	[LS_EVENT_SENT] = {"event", JSONBOID, true, false},
};

static const Column progress_content[] = {
	[LS_CONTENT_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_CONTENT_ID] = {"content_id", TEXTOID, true, false},
	[LS_CONTENT_STATUS] = {"status", TEXTOID, true, false},
	[LS_CONTENT_SCORE] = {"score", NUMERICOID, false, false},
	[LS_CONTENT_LAST_AT] = {"last_at", TIMESTAMPTZOID, true, false},
	[LS_CONTENT_LAST_ID] = {"last_id", TEXTOID, true, false},
	[LS_CONTENT_LAST_SENT] = {"last_sent", TEXTOID, false, false},
	[LS_CONTENT_COMPLETED_AT] = {"completed_at", TIMESTAMPTZOID, false, false},
	[LS_CONTENT_COMPLETED_ID] = {"completed_id", TEXTOID, false, false},
	[LS_CONTENT_COMPLETED_SENT] = {"completed_sent", TEXTOID, false, false},
	[LS_CONTENT_STATED] = {"content_version", TEXTOID, false, false},
	[LS_CONTENT_STATED_AT] = {"version_at", TIMESTAMPTZOID, false, false},
	[LS_CONTENT_STATED_ID] = {"version_id", TEXTOID, false, false},
};

static const Column progress_interaction[] = {
	[LS_INTERACTION_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_INTERACTION_CONTENT] = {"content_id", TEXTOID, true, false},
	[LS_INTERACTION_ID] = {"interaction_id", TEXTOID, true, false},
	[LS_INTERACTION_AT] = {"at", TIMESTAMPTZOID, true, false},
	[LS_INTERACTION_EVENT] = {"event_id", TEXTOID, true, false},
	[LS_INTERACTION_STATE] = {"state", JSONBOID, false, false},
};

static const Column push[] = {
	[LS_LOG_LEARNER] = {"learner_id", TEXTOID, true, false},
	[LS_LOG_VERSION] = {"version", INT8OID, true, false},
	[LS_LOG_NO] = {"push_no", INT8OID, true, false},
	[LS_LOG_SLOT] = {"slot", INT2OID, true, false},
	[LS_LOG_ITEM_COUNT] = {"item_count", INT4OID, true, false},
	[LS_LOG_PREV_VERSION] = {"prev_version", INT8OID, true, false},
	[LS_LOG_PUSHED_AT] = {"pushed_at", TIMESTAMPTZOID, true, false},
	[LS_LOG_DEVICE] = {"device_id", TEXTOID, true, false},
	[LS_LOG_RESOURCE_TYPES] = {"resource_types", TEXTARRAYOID, true, false},
	[LS_LOG_RESOURCE_IDS] = {"resource_ids", TEXTARRAYOID, true, false},
	[LS_LOG_ITEMS] = {"items", JSONBOID, false, false},
	[LS_LOG_CHANNEL] = {"channel", TEXTOID, false, false},
	[LS_LOG_INSTANTS] = {"instants", TIMESTAMPTZARRAYOID, false, false},
	[LS_LOG_SEEN] = {"seen", INT8ARRAYOID, false, false},
	[LS_LOG_APP_VERSION] = {"app_version", TEXTOID, false, false},
	[LS_LOG_TRACE] = {"traceparent", TEXTOID, false, false},
};

#define SLOT(number) [LS_DIRECT_PUSH + (number)] = {"push_" #number, push, lengthof(push), 4, {{NULL}}, true, number}

static const Form forms[] = {
	[LS_DIRECT_LEARNER] = {"learner", learner, lengthof(learner), 1, {{NULL}}},
	[LS_DIRECT_DEVICE] = {"device", device, lengthof(device), 2, {{NULL}}},
	[LS_DIRECT_RESOURCE] = {"resource", resource, lengthof(resource), 3, {{NULL}}},
	[LS_DIRECT_LEDGER] = {"ledger", ledger, lengthof(ledger), 2, {{NULL}}},
	[LS_DIRECT_XAPI] =
		{"xapi_statement",
		 xapi_statement,
		 lengthof(xapi_statement),
		 3,
		 {{"xapi_statement_stored", 2, {LS_XAPI_LEARNER, LS_XAPI_STORED}},
		  {"xapi_statement_activity", 3, {LS_XAPI_LEARNER, LS_XAPI_ACTIVITY, LS_XAPI_STORED}},
		  {"xapi_statement_registration",
		   3,
		   {LS_XAPI_LEARNER, LS_XAPI_REGISTRATION, LS_XAPI_STORED},
		   LS_DIRECT_IS_NOT_NULL,
		   LS_XAPI_REGISTRATION},
		  {"xapi_statement_voids", 2, {LS_XAPI_LEARNER, LS_XAPI_VOIDS}, LS_DIRECT_IS_NOT_NULL, LS_XAPI_VOIDS}}},
	[LS_DIRECT_CONFLICT] = {"conflict",
							conflict,
							lengthof(conflict),
							2,
							{{"conflict_open",
							  3,
							  {LS_CONFLICT_LEARNER, LS_CONFLICT_CREATED_AT, LS_CONFLICT_ID},
							  LS_DIRECT_IS_NULL,
							  LS_CONFLICT_CLOSED_AT}}},
	[LS_DIRECT_EVENT] =
		{"event", event, lengthof(event), 2, {{"event_arrival", 2, {LS_EVENT_LEARNER, LS_EVENT_VERSION}}}},
	[LS_DIRECT_CONTENT] = {"progress_content", progress_content, lengthof(progress_content), 2, {{NULL}}},
	[LS_DIRECT_INTERACTION] =
		{"progress_interaction", progress_interaction, lengthof(progress_interaction), 3, {{NULL}}},
	SLOT(0),
	SLOT(1),
	SLOT(2),
	SLOT(3),
	SLOT(4),
	SLOT(5),
	SLOT(6),
	SLOT(7),
};

StaticAssertDecl(lengthof(forms) == LS_DIRECT_TABLES, "a table is not described");

/* What was found of a table; good until something about any relation changes. */
typedef struct Finding
{
	bool valid;
	uint64 changes; /* that had been heard of */
	bool fits;
	Oid table;
	Oid index;
	Oid others[LS_DIRECT_INDEXES]; /* InvalidOid for one that was dropped */
} Finding;

static Finding findings[LS_DIRECT_TABLES];

static bool
is_column(const Column *column, Form_pg_attribute attribute, bool is_key)
{
	return strcmp(NameStr(attribute->attname), column->name) == 0 && attribute->atttypid == column->type &&
		   (!is_key || column->type != TEXTOID || attribute->attcollation == C_COLLATION_OID) &&
		   attribute->attnotnull == column->required && attribute->atthasdef == column->has_default &&
		   attribute->attgenerated == '\0' && attribute->attidentity == '\0' && !attribute->attisdropped;
}

/* The columns are ours, and what a team once added after them is gone again. */
static bool
has_columns(const Form *form, TupleDesc desc)
{
	if (desc->natts < form->ncolumns || (desc->constr != NULL && desc->constr->num_check > 0))
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (i < form->ncolumns ? !is_column(&form->columns[i], attribute, i < form->nkeys) : !attribute->attisdropped)
			return false;
	}
	return true;
}

/* Row security stands open for the owner, and nobody's policy but ours says more. */
static bool
has_policies(const Relation table)
{
	ListCell *cell;

	if (table->rd_rel->relforcerowsecurity)
		return false;
	foreach (cell, table->rd_rsdesc != NULL ? table->rd_rsdesc->policies : NIL)
	{
		const char *name = ((RowSecurityPolicy *) lfirst(cell))->policy_name;

		if (strcmp(name, "own_rows") != 0 && strcmp(name, "rows_of_reports") != 0)
			return false;
	}
	return true;
}

/* A partition for its slot, or none: what is put into it directly must be what belongs there. */
static bool
is_bound(const Form *form, const Relation table)
{
	const PartitionBoundSpec *bound;
	HeapTuple tuple;
	Datum source;
	bool isnull;

	if (!form->is_partition || !table->rd_rel->relispartition)
		return form->is_partition == table->rd_rel->relispartition;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(RelationGetRelid(table)));
	if (!HeapTupleIsValid(tuple))
		return false;
	source = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	bound = isnull ? NULL : castNode(PartitionBoundSpec, stringToNode(TextDatumGetCString(source)));
	ReleaseSysCache(tuple);
	return bound != NULL && !bound->is_default && list_length(bound->listdatums) == 1 &&
		   IsA(linitial(bound->listdatums), Const) && !linitial_node(Const, bound->listdatums)->constisnull &&
		   DatumGetInt16(linitial_node(Const, bound->listdatums)->constvalue) == form->slot;
}

static bool
is_plain(const Relation table)
{
	const FormData_pg_class *class = table->rd_rel;

	return class->relkind == RELKIND_RELATION && class->relam == HEAP_TABLE_AM_OID &&
		   class->relpersistence == RELPERSISTENCE_PERMANENT && class->relreplident == REPLICA_IDENTITY_DEFAULT &&
		   class->relowner == GetUserId() && table->trigdesc == NULL && table->rd_rules == NULL &&
		   (!class->relhassubclass || find_inheritance_children(RelationGetRelid(table), NoLock) == NIL);
}

static bool
is_primary_key(const Form *form, const Relation index)
{
	const FormData_pg_index *key = index->rd_index;

	if (!key->indisprimary || !key->indisvalid || !key->indimmediate || key->indnatts != form->nkeys ||
		key->indnkeyatts != form->nkeys || index->rd_rel->relam != BTREE_AM_OID)
		return false;
	for (int i = 0; i < form->nkeys; i++)
	{
		if (key->indkey.values[i] != i + 1)
			return false;
	}
	return true;
}

/* Whether an index has the rows that it is to have. */
static bool
has_condition(const LsDirectIndex *kind, Relation index)
{
	NullTestType type = kind->condition == LS_DIRECT_IS_NULL ? IS_NULL : IS_NOT_NULL;
	List *condition = RelationGetIndexPredicate(index);
	const NullTest *test = condition == NIL ? NULL : linitial(condition);

	if (kind->condition == LS_DIRECT_ALL || test == NULL)
		return kind->condition == LS_DIRECT_ALL && test == NULL;
	return list_length(condition) == 1 && IsA(test, NullTest) && test->nulltesttype == type && IsA(test->arg, Var) &&
		   ((const Var *) test->arg)->varattno == kind->column + 1;
}

static bool
is_index(const LsDirectIndex *kind, Relation index)
{
	const FormData_pg_index *form = index->rd_index;

	if (kind->name == NULL || strcmp(RelationGetRelationName(index), kind->name) != 0 || form->indisunique ||
		form->indisexclusion || !form->indisvalid || !form->indisready || form->indnatts != kind->nkeys ||
		form->indnkeyatts != kind->nkeys || index->rd_rel->relam != BTREE_AM_OID)
		return false;
	for (int i = 0; i < kind->nkeys; i++)
	{
		if (form->indkey.values[i] != kind->keys[i] + 1)
			return false;
	}
	return has_condition(kind, index);
}

/* Which of the other indexes that is; LS_DIRECT_INDEXES where it is none of ours. */
static int
find_kind(const Form *form, Relation index)
{
	int i = 0;

	while (i < LS_DIRECT_INDEXES && !is_index(&form->indexes[i], index))
		i++;
	return i;
}

/* Finds the primary key and the other indexes; whether there are none but ours. */
static bool
find_indexes(Finding *finding, const Form *form, Relation table)
{
	List *indexes = RelationGetIndexList(table);
	bool has_foreign = false;
	ListCell *cell;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		int kind = find_kind(form, index);

		if (is_primary_key(form, index))
			finding->index = lfirst_oid(cell);
		else if (kind < LS_DIRECT_INDEXES)
			finding->others[kind] = lfirst_oid(cell);
		else
			has_foreign = true;
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return !has_foreign && OidIsValid(finding->index);
}

/* Citus has its own ways to rows, which look like an empty table. */
static bool
is_alone(const Relation table)
{
	return pg_class_aclmask(RelationGetRelid(table), GetUserId(), RIGHTS, ACLMASK_ALL) == RIGHTS &&
		   !OidIsValid(get_extension_oid("citus", true));
}

/* Looks at a table that is locked, so that it stays as it is found as long as that lets nothing else change it. */
static void
look_at(Finding *finding, const Form *form, Relation table)
{
	*finding = (Finding){.valid = true, .changes = ls_store_changes(), .table = RelationGetRelid(table)};
	finding->fits = find_indexes(finding, form, table) && is_plain(table) && is_bound(form, table) &&
					has_policies(table) && has_columns(form, RelationGetDescr(table)) && is_alone(table) &&
					ls_store_table(form->name) == finding->table;
}

static bool
is_current(const Finding *finding)
{
	return finding->valid && finding->changes == ls_store_changes();
}

/* Where something checks rights, and to write at other isolation levels or in transactions that only read, SQL is needed. */
static bool
may_go_direct(LOCKMODE lock)
{
	return learnsync_direct && !IsInParallelMode() && ExecutorCheckPerms_hook == NULL &&
		   (lock == AccessShareLock || (!IsolationUsesXactSnapshot() && !XactReadOnly));
}

static void
open_indexes(LsDirect *direct, const Form *form, const Finding *finding, LOCKMODE lock)
{
	bool writes = lock == RowExclusiveLock;

	direct->index = index_open(finding->index, writes ? lock : AccessShareLock);
	for (int i = 0; writes && i < LS_DIRECT_INDEXES; i++)
	{
		if (!OidIsValid(finding->others[i]))
			continue;
		direct->kinds[direct->nothers] = &form->indexes[i];
		direct->others[direct->nothers++] = index_open(finding->others[i], lock);
	}
}

/*
 * Opens a table with a lock that is held until the transaction ends, as a statement's is; false where SQL has to do it. Once
 * it is locked it is looked at again if anything changed.
 */
bool
ls_direct_open(LsDirect *direct, LsDirectTable which, LOCKMODE lock)
{
	const Form *form = &forms[which];
	Finding *finding = &findings[which];
	Oid oid;

	if (!may_go_direct(lock) || (is_current(finding) && !finding->fits))
		return false;
	oid = is_current(finding) ? finding->table : ls_store_table(form->name);
	*direct = (LsDirect){.nkeys = form->nkeys};
	direct->table = OidIsValid(oid) ? try_relation_open(oid, lock) : NULL;
	if (direct->table == NULL)
		return false;
	if (!is_current(finding))
		look_at(finding, form, direct->table);
	if (finding->fits)
	{
		open_indexes(direct, form, finding, lock);
		return true;
	}
	relation_close(direct->table, NoLock);
	return false;
}

/* The same of several tables: all of them, or none. */
bool
ls_direct_open_all(const LsDirectWanted *wanted, int count, LOCKMODE lock)
{
	for (int i = 0; i < count; i++)
	{
		if (ls_direct_open(wanted[i].direct, wanted[i].table, lock))
			continue;
		while (i-- > 0)
			ls_direct_close(wanted[i].direct);
		return false;
	}
	return true;
}

PG_FUNCTION_INFO_V1(learnsync_direct_tables);

/* learnsync_internal.direct_tables(): those that a call goes to directly now. */
Datum
learnsync_direct_tables(PG_FUNCTION_ARGS)
{
	Datum names[LS_DIRECT_TABLES];
	int count = 0;
	LsStoreCall call;
	LsDirect direct;

	ls_store_open(&call);
	for (int i = 0; i < LS_DIRECT_TABLES; i++)
	{
		if (!ls_direct_open(&direct, (LsDirectTable) i, RowExclusiveLock))
			continue;
		names[count++] = CStringGetTextDatum(forms[i].name);
		ls_direct_close(&direct);
	}
	ls_store_close(&call);
	PG_RETURN_DATUM(ls_text_array(names, count));
}
