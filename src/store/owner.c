/*
 * owner.c
 *		The switch to the tables' owner and back, around our statements, with what a session knows of the tables; and that to
 *		the owner of a team's function, who must not get at them.
 *
 * Of the tables only instance, which says what they all are, is the store's own to read.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "store/statement.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* What a session knows of the tables; read anew after anything about one of them changed. */
static struct
{
	bool valid;
	Oid owner;
	bool guarded;
	bool has_outbox;
	bool is_shard;
	TimestampTz receipts_from;
	char *at_once; /* the statement that ends the deferral of a team's triggers; NULL where there are none */
	char epoch[37];
} instance;

static uint64 changes; /* how often this session heard that a relation had changed, or rules */
static uint64 calls; /* that ever opened the store */
static uint64 current_call; /* the innermost one */

static bool is_apart; /* we are within the work of somebody else */

/*
 * Any change of any relation makes the next call look again, and rules count as such. Telling ours from others would
 * need their oids here, and looking costs one short query.
 */
static void
forget_instance(Datum argument, Oid relation)
{
	instance.valid = false;
	changes++;
}

/* From the first call on: nothing is known before. */
static void
listen_to_changes(void)
{
	static bool listens;

	if (!listens)
		CacheRegisterRelcacheCallback(forget_instance, (Datum) 0);
	listens = true;
}

static void
refuse_without_setup(void)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("learnsync is not set up"),
					errhint("Run SELECT learnsync.setup(); as a superuser.")));
}

static void
refuse_other_release(LsText release)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the tables are of release %s", ls_text_string(release)),
					errhint("Run SELECT learnsync.setup(); as a superuser.")));
}

/* One of the tables; InvalidOid where it is missing. */
Oid
ls_store_table(const char *name)
{
	Oid schema = get_namespace_oid("learnsync_data", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* The owner of the tables, whom our statements run as. */
static Oid
find_owner(void)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(ls_store_table("instance")));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		refuse_without_setup();
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Policies that are missing went with an earlier copy of the extension. Tables are guarded where a team's triggers or
 * constraints may refuse what we write. The constraint of instance and the triggers of audit are ours.
 */
static LsStatement read_instance = {
	"SELECT i.schema_version, i.epoch::pg_catalog.text,"
	" EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid" EQ "ANY (o.tables) AND p.polname" EQ "'own_rows'),"
	" EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid" EQ "ANY (o.tables) AND NOT t.tgisinternal"
	" AND t.tgname" NE "ALL (ARRAY['learnsync_keep_rows'::pg_catalog.name, 'learnsync_keep_table']))"
	" OR EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid" EQ "ANY (o.tables)"
	" AND c.contype" NE "'p' AND c.contype" NE "'n')"
	" OR EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid" EQ "ANY (o.tables)"
	" AND x.indisunique AND NOT x.indisprimary),"
	" COALESCE(pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'release', 'unknown'),"
	" (SELECT 'SET CONSTRAINTS ' OPERATOR(pg_catalog.||) pg_catalog.string_agg("
	"pg_catalog.format('%s.%I', c.connamespace::pg_catalog.regnamespace, c.conname), ', ')"
	" OPERATOR(pg_catalog.||) ' IMMEDIATE' FROM pg_catalog.pg_constraint c"
	" WHERE c.conrelid" EQ "ANY (o.tables) AND c.contype" EQ "'t' AND c.condeferrable),"
	" COALESCE((pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'has_outbox')::pg_catalog.bool, false),"
	" (pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'parts') IS NOT NULL,"
	" (pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'receipts_from')::pg_catalog.timestamptz"
	" FROM learnsync_data.instance i, (SELECT pg_catalog.array_agg(r.oid) AS tables FROM pg_catalog.pg_class r"
	" WHERE r.relnamespace" EQ "'learnsync_data'::pg_catalog.regnamespace"
	" AND r.relname OPERATOR(pg_catalog.<>) 'instance') o",
	{NULL}};

static void
note_deferred(LsText statement)
{
	if (instance.at_once != NULL)
		pfree(instance.at_once);
	instance.at_once =
		statement.data == NULL ? NULL : MemoryContextStrdup(TopMemoryContext, ls_text_string(statement));
}

/*
 * Reads what is known of the tables as they are now: what is remembered must not come from a snapshot of the past. Whoever
 * is in the midst of another result goes on with it afterwards.
 */
static void
read_tables(void)
{
	SPITupleTable *result = SPI_tuptable;
	uint64 known = changes;
	bool isnull;

	if (ls_store_latest(&read_instance, NULL) != 1)
		refuse_without_setup();
	if (ls_store_int(0, 1) != LS_SCHEMA_VERSION)
		refuse_other_release(ls_store_text(0, 5));
	if (!DatumGetBool(ls_store_value(0, 3, &isnull)))
		refuse_without_setup();
	Assert(ls_store_text(0, 2).length < sizeof(instance.epoch));
	strlcpy(instance.epoch, ls_text_string(ls_store_text(0, 2)), sizeof(instance.epoch));
	instance.guarded = DatumGetBool(ls_store_value(0, 4, &isnull));
	note_deferred(ls_store_text(0, 6));
	instance.has_outbox = DatumGetBool(ls_store_value(0, 7, &isnull));
	instance.is_shard = DatumGetBool(ls_store_value(0, 8, &isnull));
	instance.receipts_from = ls_store_time(0, 9);
	instance.valid = known == changes && !IsInParallelMode(); /* else it may be of the past */
	SPI_tuptable = result;
}

#define SEARCH_PATH "pg_catalog, pg_temp"

/*
 * Our statements do not depend on the search_path, but triggers and constraints of a team may, and they run with rights
 * that the caller does not have: no path of the caller's decides what they mean. Plans are kept under one path, too.
 * Called before whatever may run what is not ours; a call that goes to the tables directly does without. It lasts until
 * the store is closed, or the subtransaction ends.
 */
void
ls_store_fix_search_path(void)
{
	if (strcmp(namespace_search_path, SEARCH_PATH) != 0)
		(void) set_config_option("search_path", SEARCH_PATH, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}

/*
 * A trigger that is deferred would run as whoever commits, who may have more rights than the tables' owner, or fewer; and
 * where it refuses an item all others would fail with it.
 */
static void
fire_at_once(void)
{
	if (instance.at_once == NULL)
		return;
	ls_store_fix_search_path();
	if (SPI_execute(instance.at_once, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\"", instance.at_once);
}

/*
 * Starts running statements, as the tables' owner. An error takes the caller's rights back by itself. What others changed
 * is heard of here, as a long statement may not have asked since it began.
 */
void
ls_store_open(LsStoreCall *call)
{
	MemoryContext caller = CurrentMemoryContext;

	if (is_apart)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a merge function must not call learnsync"),
						errhint("It is called in the midst of a push; all it needs are its arguments.")));
	GetUserIdAndSecContext(&call->caller, &call->context);
	call->outer = current_call;
	current_call = ++calls;
	listen_to_changes();
	AcceptInvalidationMessages();
	if (!instance.valid)
		instance.owner = find_owner();
	call->settings = NewGUCNestLevel();
	SPI_connect();
	SetUserIdAndSecContext(instance.owner, call->context | SECURITY_LOCAL_USERID_CHANGE);
	if (!instance.valid)
		read_tables();
	fire_at_once();
	MemoryContextSwitchTo(caller);
}

/* Gives back the rows that were read, which live as long as the store is open, in the midst of a call. */
void
ls_store_forget_rows(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_finish();
	SPI_connect();
	MemoryContextSwitchTo(caller);
}

void
ls_store_close(LsStoreCall *call)
{
	MemoryContext caller = CurrentMemoryContext;

	Assert(current_call > call->outer); /* it is open, and closed before the one around it */
	current_call = call->outer;
	SPI_finish();
	MemoryContextSwitchTo(caller);
	AtEOXact_GUC(true, call->settings);
	SetUserIdAndSecContext(call->caller, call->context);
}

/* In the midst of a call: what this one goes by may have changed; the rest is for the next call to look at. */
static void
look_again(void)
{
	Assert(current_call != 0);
	if (instance.valid)
		return;
	read_tables();
	instance.valid = false;
}

/*
 * Whether what is about to be written to a table may be refused by something that is not ours. Locked as for writing, the
 * table stays as it is looked at here.
 */
bool
ls_store_is_guarded(const char *table)
{
	LockRelationOid(ls_store_table(table), RowExclusiveLock);
	look_again();
	return instance.guarded;
}

/* Whether changes are handed on. To be asked with a learner's row locked: the first outbox waits for whoever has one. */
bool
ls_store_has_outbox(void)
{
	look_again();
	return instance.has_outbox;
}

/* Whether learners are spread over servers, of which this is one. */
bool
ls_store_is_shard(void)
{
	look_again();
	return instance.is_shard;
}

/*
 * Receipts of items from before may be gone. To be asked after receipts were looked for: who removed one that was not found
 * any more had this committed, and sessions told, before.
 */
TimestampTz
ls_store_receipts_from(void)
{
	AcceptInvalidationMessages();
	look_again();
	return instance.receipts_from;
}

/* How many changes of relations and rules this session has heard of. */
uint64
ls_store_changes(void)
{
	return changes;
}

/* The number of the call that is going on: another for each. */
uint64
ls_store_call_number(void)
{
	return current_call;
}

LsText
ls_store_epoch(void)
{
	return ls_text(pstrdup(instance.epoch));
}

/* Somebody's work, and whom it is done as. */
typedef struct Apart
{
	Oid role;
	void (*work)(void *);
	void *argument;
} Apart;

/* The end of the subtransaction takes the rights back, however the work ends. */
static void
work_apart(void *argument)
{
	Apart *apart = argument;
	int context;
	Oid caller;

	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(apart->role, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	is_apart = true;
	PG_TRY();
	{
		apart->work(apart->argument);
	}
	PG_FINALLY();
	{
		is_apart = false;
	}
	PG_END_TRY();
}

/*
 * Does the work of somebody whom nobody vouches for, as that role and nobody else, without temporary objects and without
 * us. Whatever it did is undone. The error that stopped it, or NULL.
 */
ErrorData *
ls_store_as(Oid role, void (*work)(void *), void *argument)
{
	Apart apart = {role, work, argument};

	ls_store_fix_search_path();
	return ls_try(work_apart, &apart, false);
}
