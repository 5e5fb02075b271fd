/*
 * type_store.c
 *		Rules as a session knows them: read from the table of resource types, compiled once, looked at anew after a change.
 *
 * A call goes by one rule of each type to its end. It reads them with a snapshot of that moment, as what is remembered
 * must not come from a snapshot of the past.
 */
#include "postgres.h"

#include "store/statement.h"
#include "type/type.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

/* A compiled type under its name. */
typedef struct TypeEntry
{
	char name[LS_MAX_TYPE_NAME_BYTES];
	MemoryContext context; /* of what follows */
	Jsonb *rule; /* as it is stored */
	Jsonb *old_rule; /* of those that are not carried over; NULL where there is none */
	LsType *type;
	uint64 changes; /* that were known when it was found up to date */
	uint64 used_by; /* the call that goes by it */
	uint64 held_by; /* the call that has locked it */
} TypeEntry;

static HTAB *cache; /* NULL until a type was asked for */
static Oid table; /* of resource types, as it was known last */
static uint64 rule_changes; /* that this session has heard of */

static LsStatement read_type = {
	"SELECT t.rule, t.defined_by, t.old_rule, t.generation,"
	" t.old_rule IS NOT NULL AND t.rebased_at IS NULL FROM learnsync_data.resource_type t WHERE t.name" EQ "$1",
	{"pg_catalog.text", NULL}};

static LsStatement find_mark = {"SELECT FROM learnsync_data.rebased m WHERE m.learner_id" EQ
								"$1 AND m.resource_type" EQ "$2 AND m.generation OPERATOR(pg_catalog.>=) $3",
								{"pg_catalog.text", "pg_catalog.text", "pg_catalog.int4", NULL}};

static void
note_change(Datum argument, Oid relation)
{
	if (!OidIsValid(relation) || relation == table)
		rule_changes++;
}

/*
 * How many changes of rules this session has heard of. Those of other relations do not count: where autovacuum has looked
 * at one of these, no push needs to read its rule again, behind a change of it that is not committed.
 */
static uint64
changes_of_rules(void)
{
	static uint64 looked_at;
	Oid known = table;

	if (looked_at != ls_store_changes())
	{
		looked_at = ls_store_changes();
		table = ls_store_table("resource_type");
		rule_changes += table != known;
	}
	return rule_changes;
}

static TypeEntry *
find_entry(const char *name)
{
	HASHCTL control = {.keysize = LS_MAX_TYPE_NAME_BYTES, .entrysize = sizeof(TypeEntry), .hcxt = TopMemoryContext};

	if (cache == NULL)
	{
		cache = hash_create("learnsync types", 32, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
		CacheRegisterRelcacheCallback(note_change, (Datum) 0);
	}
	return hash_search(cache, name, HASH_FIND, NULL);
}

/* The row as it is now; whoever is in the midst of another result goes on with it afterwards. */
LsTypeRow
ls_store_read_type(LsText name)
{
	SPITupleTable *result = SPI_tuptable;
	Datum values[] = {ls_text_to_datum(name)};
	LsTypeRow row = {NULL};
	Datum old_rule;
	bool isnull;

	if (ls_store_latest(&read_type, values) > 0)
	{
		row.rule = DatumGetJsonbPCopy(ls_store_value(0, 1, &isnull));
		row.definer = ls_text(ls_text_string(ls_store_text(0, 2)));
		old_rule = ls_store_value(0, 3, &isnull);
		row.old_rule = isnull ? NULL : DatumGetJsonbPCopy(old_rule);
		row.generation = (int) ls_store_int(0, 4);
		row.rebasing = DatumGetBool(ls_store_value(0, 5, &isnull));
	}
	SPI_tuptable = result;
	return row;
}

/* A push that a trigger has interrupted may go by the old rule, which therefore lasts as long as the transaction. */
static void
let_go(TypeEntry *entry)
{
	MemoryContextSetParent(entry->context, TopTransactionContext);
}

static LsType *
compile_type(const char *name, Jsonb *rule, const LsTypeRow *row, const LsType *before)
{
	LsType *type = palloc(sizeof(LsType));

	*type = (LsType){ls_text(pstrdup(name)), ls_rule_compile(rule), row->generation, before};
	type->rule->definer = row->definer;
	type->rule->custom = ls_custom_call;
	return type;
}

/* Puts a rule, which is in a context of its own, in its place. */
static TypeEntry *
keep(const char *name, const LsTypeRow *row, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	const LsType *before = row->old_rule == NULL ? NULL : compile_type(name, row->old_rule, row, NULL);
	LsType *type = compile_type(name, row->rule, row, before);
	TypeEntry *entry;
	bool found;

	Assert(strlen(name) < LS_MAX_TYPE_NAME_BYTES);
	MemoryContextSwitchTo(caller);
	entry = hash_search(cache, name, HASH_ENTER, &found);
	if (found)
		let_go(entry);
	MemoryContextSetParent(context, TopMemoryContext);
	entry->context = context;
	entry->rule = row->rule;
	entry->old_rule = row->old_rule;
	entry->type = type;
	entry->used_by = entry->held_by = 0;
	return entry;
}

static bool
same_json(const Jsonb *a, const Jsonb *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || (VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0));
}

static bool
goes_by(const TypeEntry *entry, const LsTypeRow *row)
{
	return same_json(entry->rule, row->rule) && same_json(entry->old_rule, row->old_rule) &&
		   entry->type->generation == row->generation && ls_text_equal(entry->type->rule->definer, row->definer);
}

/* Looks at the table: the entry that goes by it, NULL where it has no such type. */
static TypeEntry *
renew(const char *name, TypeEntry *entry)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "learnsync type", ALLOCSET_SMALL_SIZES);
	uint64 changes = changes_of_rules(); /* more may become known as the table is read */
	MemoryContext caller = MemoryContextSwitchTo(context);
	LsTypeRow row = ls_store_read_type(ls_text(name));

	MemoryContextSwitchTo(caller);
	if (row.rule == NULL && entry != NULL)
	{
		let_go(entry);
		hash_search(cache, name, HASH_REMOVE, NULL);
	}
	if (row.rule == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	if (entry != NULL && goes_by(entry, &row))
		MemoryContextDelete(context);
	else
		entry = keep(name, &row, context);
	entry->changes = changes;
	return entry;
}

/* The type of that name, NULL where there is none; locked where it is to be held. */
static const LsType *
find_type(LsText text, bool hold)
{
	uint64 call = ls_store_call_number();
	char name[LS_MAX_TYPE_NAME_BYTES] = {0};
	TypeEntry *entry;

	if (text.length >= sizeof(name))
		return NULL;
	memcpy(name, text.data, text.length);
	entry = find_entry(name);
	if (entry != NULL && (hold ? entry->held_by : entry->used_by) == call)
		return entry->type;
	if (hold)
		ls_type_lock(text, LS_LOCK_TO_PUSH);
	if (entry == NULL || entry->changes != changes_of_rules())
	{
		if (hold)
			ls_type_lock(text, LS_LOCK_TO_READ);
		entry = renew(name, entry);
		if (hold)
			ls_type_unlock(text, LS_LOCK_TO_READ);
	}
	if (entry == NULL)
	{
		if (hold)
			ls_type_unlock(text, LS_LOCK_TO_PUSH);
		return NULL;
	}
	entry->used_by = call;
	if (hold)
		entry->held_by = call;
	return entry->type;
}

/* The type of that name for a reader, NULL where there is none. */
const LsType *
ls_store_type(LsText name)
{
	return find_type(name, false);
}

/*
 * The same for a push: until its transaction ends, no change takes away what it stands on. To be asked under the
 * learner's lock, so that a learner's pushes never go back to an older rule.
 */
const LsType *
ls_store_hold_type(LsText name)
{
	return find_type(name, true);
}

/* Whether the learner's documents are still by the rule before; as the snapshot shows it, by which they are read. */
bool
ls_store_is_due(LsText learner, const LsType *type, LsSnapshot snapshot)
{
	SPITupleTable *result = SPI_tuptable;
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(type->name), Int32GetDatum(type->generation)};
	bool is_due = type->before != NULL && ls_store_see(&find_mark, values, NULL, snapshot) == 0;

	SPI_tuptable = result;
	return is_due;
}

/* The type of that name as a reader of this learner's documents needs it, NULL where there is none. */
const LsType *
ls_store_type_of(LsText learner, LsText name)
{
	const LsType *type = ls_store_type(name);

	if (type == NULL || type->before == NULL)
		return type;
	return ls_store_is_due(learner, type, LS_SEES_CALLERS) ? type->before : type;
}
