/*
 * define_store.c
 *		Defines and drops resource types, beside pushes that go on.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "store/statement.h"
#include "type/type.h"
#include "utils/builtins.h"
#include "utils/inval.h"

static LsStatement save_type = {
	"INSERT INTO learnsync_data.resource_type AS t (name, rule, defined_by) VALUES ($1, $2, $3)"
	" ON CONFLICT (name) DO UPDATE SET rule = EXCLUDED.rule, defined_by = EXCLUDED.defined_by",
	{"pg_catalog.text", "pg_catalog.jsonb", "pg_catalog.text", NULL},
	.writes = true};

static LsStatement remove_type = {
	"DELETE FROM learnsync_data.resource_type t WHERE t.name" EQ "$1", {"pg_catalog.text", NULL}, .writes = true};

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
	if (ls_store_latest(&find_use, values) == 0)
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
	return ls_store_latest(statement, values);
}

/* Whether a definition is there already: who answers for it matters where it lends rights. */
static bool
is_defined(const LsTypeRow *row, Jsonb *rule, const LsRule *compiled, LsText definer)
{
	return row->rule != NULL && compareJsonbContainers(&row->rule->root, &rule->root) == 0 &&
		   (compiled->policy != LS_POLICY_CUSTOM || ls_text_equal(row->definer, definer));
}

static Datum
answer(LsText name, const char *what)
{
	return CStringGetTextDatum(psprintf("resource type \"%s\" %s", ls_text_string(name), what));
}

PG_FUNCTION_INFO_V1(learnsync_define_resource_type);
PG_FUNCTION_INFO_V1(learnsync_drop_resource_type);

Datum
learnsync_define_resource_type(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	LsText name = ls_text_datum(PG_GETARG_DATUM(0));
	Jsonb *rule = PG_GETARG_JSONB_P(1);
	LsText definer = ls_text(GetUserNameFromId(GetUserId(), false));
	Datum values[] = {PG_GETARG_DATUM(0), JsonbPGetDatum(rule), ls_text_to_datum(definer)};
	const LsRule *compiled = ls_rule_compile(rule);
	const char *done = "stays as it is";
	LsTypeRow old;

	check_name(name);
	ls_store_open(&call);
	if (compiled->policy == LS_POLICY_CUSTOM)
		ls_custom_check(compiled, call.caller);
	ls_type_lock_to_change(name);
	old = ls_store_read_type(name);
	if (!is_defined(&old, rule, compiled, definer))
	{
		const char *problem = old.rule == NULL ? NULL : ls_rule_change_refused(old.rule, rule);

		if (problem != NULL)
			refuse_used_for_good(name, values, problem);
		else
			ls_type_lock_to_loosen(name);
		write_change(&save_type, values);
		done = old.rule == NULL ? "is defined" : "is changed";
	}
	ls_store_close(&call);
	PG_RETURN_DATUM(answer(name, done));
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
	PG_RETURN_DATUM(answer(name, "is dropped"));
}
