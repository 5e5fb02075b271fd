/*
 * type_store.c
 *		The table of resource types: its rules, compiled once per session and read anew after a change.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MAX_NAME_BYTES 64

/* A compiled type under its name; names are bounded by the table's definition functions. */
typedef struct TypeEntry
{
	char name[MAX_NAME_BYTES];
	LsType type;
} TypeEntry;

static MemoryContext cache_context; /* NULL until a type was asked for */
static HTAB *cache;
static bool cache_stale;

static LsStatement read_type = {"SELECT t.rule FROM learnsync_data.resource_type t WHERE t.name" EQ "$1",
								{"pg_catalog.text", NULL}};

static LsStatement save_type = {"INSERT INTO learnsync_data.resource_type AS t (name, rule) VALUES ($1, $2)"
								" ON CONFLICT (name) DO UPDATE SET rule = EXCLUDED.rule",
								{"pg_catalog.text", "pg_catalog.jsonb", NULL}};

static LsStatement remove_type = {"DELETE FROM learnsync_data.resource_type t WHERE t.name" EQ "$1",
								  {"pg_catalog.text", NULL}};

static LsStatement find_use = {"SELECT FROM learnsync_data.resource r WHERE r.resource_type" EQ "$1 LIMIT 1",
							   {"pg_catalog.text", NULL}};

/* The cache may be in use when the message comes, so it is only marked. */
static void
mark_stale(Datum argument, Oid relation)
{
	cache_stale = true;
}

/*
 * Starts an empty cache where there is none or the old one may be out of date. A push that a trigger has interrupted may
 * hold types of the old one, which therefore lasts as long as the transaction.
 */
void
ls_store_renew_types(void)
{
	HASHCTL control = {.keysize = MAX_NAME_BYTES, .entrysize = sizeof(TypeEntry)};

	if (cache_context == NULL)
		CacheRegisterRelcacheCallback(mark_stale, (Datum) 0);
	else if (!cache_stale)
		return;
	else
		MemoryContextSetParent(cache_context, TopTransactionContext);
	cache_context = AllocSetContextCreate(TopMemoryContext, "learnsync types", ALLOCSET_SMALL_SIZES);
	control.hcxt = cache_context;
	cache = hash_create("learnsync types", 32, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	cache_stale = false;
}

/*
 * Reads a rule, as the calling statement sees it or as it is now; whoever is in the midst of another result goes on with
 * it afterwards.
 */
static Jsonb *
read_rule(LsText name, bool latest)
{
	SPITupleTable *result = SPI_tuptable;
	Datum values[] = {ls_text_to_datum(name)};
	Jsonb *rule = NULL;
	bool isnull;

	if ((latest ? ls_store_read_latest(&read_type, values) : ls_store_read(&read_type, values, NULL)) > 0)
		rule = DatumGetJsonbPCopy(ls_store_value(0, 1, &isnull));
	SPI_tuptable = result;
	return rule;
}

/* The type of that name, NULL where there is none. */
const LsType *
ls_store_type(LsText name)
{
	char key[MAX_NAME_BYTES] = {0};
	TypeEntry *entry;
	MemoryContext caller;
	Jsonb *rule;

	if (name.length >= MAX_NAME_BYTES)
		return NULL;
	memcpy(key, name.data, name.length);
	entry = hash_search(cache, key, HASH_FIND, NULL);
	if (entry != NULL)
		return &entry->type;
	caller = MemoryContextSwitchTo(cache_context);
	rule = read_rule(name, false);
	if (rule != NULL)
	{
		LsRule *compiled = ls_rule_compile(rule);

		entry = hash_search(cache, key, HASH_ENTER, NULL);
		entry->type = (LsType){ls_text(entry->name), compiled};
	}
	MemoryContextSwitchTo(caller);
	return rule == NULL ? NULL : &entry->type;
}

/* Tells every session, once this transaction commits, that rules have changed. */
static void
announce_change(void)
{
	CacheInvalidateRelcacheByRelid(get_relname_relid("resource_type", get_namespace_oid("learnsync_data", false)));
	CommandCounterIncrement();
}

static void
check_name(LsText name)
{
	bool good = name.length > 0 && name.length < MAX_NAME_BYTES;

	for (int i = 0; good && i < name.length; i++)
		good = (name.data[i] >= 'a' && name.data[i] <= 'z') || name.data[i] == '_' ||
			   (i > 0 && name.data[i] >= '0' && name.data[i] <= '9');
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name of a resource type: \"%s\"", ls_text_string(name)),
				 errdetail("It must have 1 to %d lower-case letters, digits and underscores.", MAX_NAME_BYTES - 1)));
}

/* Refuses what a type with data cannot take; problem is NULL where all data stands in the way. */
static void
refuse_used(LsText name, Datum *values, const char *problem)
{
	if (ls_store_run(&find_use, values, NULL) == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("resource type \"%s\" has data", ls_text_string(name)),
					problem == NULL ? 0 : errdetail("%s.", problem),
					errhint("Fields may be added and validation loosened; for all else define a type with another "
							"name and move the data there.")));
}

PG_FUNCTION_INFO_V1(learnsync_define_resource_type);
PG_FUNCTION_INFO_V1(learnsync_drop_resource_type);

Datum
learnsync_define_resource_type(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	LsText name = ls_text_datum(PG_GETARG_DATUM(0));
	Jsonb *rule = PG_GETARG_JSONB_P(1);
	Datum values[] = {PG_GETARG_DATUM(0), JsonbPGetDatum(rule)};
	Jsonb *old;

	check_name(name);
	ls_rule_compile(rule);
	ls_store_open(&call);
	old = read_rule(name, true);
	if (old == NULL || compareJsonbContainers(&old->root, &rule->root) != 0)
	{
		const char *problem = old == NULL ? NULL : ls_rule_change_refused(old, rule);

		if (problem != NULL)
			refuse_used(name, values, problem);
		ls_store_run(&save_type, values, NULL);
		announce_change();
	}
	ls_store_close(&call);
	PG_RETURN_VOID();
}

Datum
learnsync_drop_resource_type(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	LsText name = ls_text_datum(PG_GETARG_DATUM(0));
	Datum values[] = {PG_GETARG_DATUM(0)};

	ls_store_open(&call);
	refuse_used(name, values, NULL);
	if (ls_store_run(&remove_type, values, NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("resource type \"%s\" does not exist", ls_text_string(name))));
	announce_change();
	ls_store_close(&call);
	PG_RETURN_VOID();
}
