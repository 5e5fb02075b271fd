/*
 * define_store.c
 *		Defines and drops resource types, beside pushes that go on.
 */
#include "postgres.h"

#include "store/store.h"
#include "type/type.h"
#include "utils/inval.h"

static LsStatement save_type = {"INSERT INTO learnsync_data.resource_type AS t (name, rule) VALUES ($1, $2)"
								" ON CONFLICT (name) DO UPDATE SET rule = EXCLUDED.rule",
								{"pg_catalog.text", "pg_catalog.jsonb", NULL}};

static LsStatement remove_type = {"DELETE FROM learnsync_data.resource_type t WHERE t.name" EQ "$1",
								  {"pg_catalog.text", NULL}};

static LsStatement find_use = {"SELECT FROM learnsync_data.resource r WHERE r.resource_type" EQ "$1 LIMIT 1",
							   {"pg_catalog.text", NULL}};

static void
check_name(LsText name)
{
	bool good = name.length > 0 && name.length < LS_MAX_TYPE_NAME_BYTES;

	for (int i = 0; good && i < name.length; i++)
		good = (name.data[i] >= 'a' && name.data[i] <= 'z') || name.data[i] == '_' ||
			   (i > 0 && name.data[i] >= '0' && name.data[i] <= '9');
	if (!good)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid name of a resource type: \"%s\"", ls_text_string(name)),
						errdetail("It must have 1 to %d lower-case letters, digits and underscores.",
								  LS_MAX_TYPE_NAME_BYTES - 1)));
}

/* Refuses what a type with data cannot take; problem is NULL where all data stands in the way. */
static void
refuse_used(LsText name, const Datum *values, const char *problem)
{
	if (ls_store_read_latest(&find_use, values) == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("resource type \"%s\" has data", ls_text_string(name)),
					problem == NULL ? 0 : errdetail("%s.", problem),
					errhint("Fields may be added and validation loosened; for all else define a type with another "
							"name and move the data there.")));
}

/* Nothing is locked where data is there already; where it is not, a push may be about to bring some. */
static void
refuse_used_for_good(LsText name, const Datum *values, const char *problem)
{
	refuse_used(name, values, problem);
	ls_type_lock_to_replace(name);
	refuse_used(name, values, problem);
}

/*
 * Writes a change of which every session hears once it is committed, and this one as the statement ends. It is written
 * upon the newest state, so that a transaction with an older snapshot can define as well as push.
 */
static uint64
write_change(LsStatement *statement, const Datum *values)
{
	CacheInvalidateRelcacheByRelid(ls_store_type_table());
	return ls_store_run_latest(statement, values);
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
	ls_type_lock_to_change(name);
	old = ls_store_read_rule(name);
	if (old == NULL || compareJsonbContainers(&old->root, &rule->root) != 0)
	{
		const char *problem = old == NULL ? NULL : ls_rule_change_refused(old, rule);

		if (problem != NULL)
			refuse_used_for_good(name, values, problem);
		else
			ls_type_lock_to_loosen(name);
		write_change(&save_type, values);
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
	ls_type_lock_to_change(name);
	refuse_used_for_good(name, values, NULL);
	if (write_change(&remove_type, values) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("resource type \"%s\" does not exist", ls_text_string(name))));
	ls_store_close(&call);
	PG_RETURN_VOID();
}
