/*
 * xapi.c
 *		Is this a valid xAPI statement? As a check of an item, and as a function of SQL that lists what it breaks.
 */
#include "postgres.h"

#include "xapi/xapi.h"

/* Which rules a statement wants: those of its version, of 1.0.3 where it has none. */
static bool
wants_version_2(const JsonbValue *statement)
{
	JsonbValue version;

	return ls_json_is_object(statement) && ls_json_get(statement, "version", &version) && version.type == jbvString &&
		   version.val.string.len > 0 && version.val.string.val[0] == '2';
}

/* Whether a statement that lies in a jsonb is valid by the rules of its version; the first violation is the failure. */
bool
ls_xapi_check(const JsonbValue *statement, LsFailure *failure)
{
	LsXapiCheck check = {.version_2 = wants_version_2(statement), .failure = failure};

	ls_xapi_statement(&check, statement);
	return !check.done;
}

/* Whether a statement voids the one that its object refers to. */
bool
ls_xapi_is_voiding(const JsonbValue *statement)
{
	JsonbValue verb;
	JsonbValue id;

	return ls_json_get(statement, "verb", &verb) && ls_json_is_object(&verb) && ls_json_get(&verb, "id", &id) &&
		   id.type == jbvString && ls_text_equal(ls_text_of(&id), ls_text("http://adlnet.gov/expapi/verbs/voided"));
}

static bool
read_version(LsText version)
{
	if (ls_text_equal(version, ls_text("2.0")))
		return true;
	if (!ls_text_equal(version, ls_text("1.0.3")))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unknown xAPI version: \"%.*s\"", version.length, version.data),
						errhint("It is 1.0.3 or 2.0, or null for the statement's own.")));
	return false;
}

PG_FUNCTION_INFO_V1(learnsync_xapi_validate);

Datum
learnsync_xapi_validate(PG_FUNCTION_ARGS)
{
	JsonbValue violations = ls_json_array();
	LsXapiCheck check = {.list = &violations};
	JsonbValue statement;

	if (!PG_ARGISNULL(1))
		check.version_2 = read_version(ls_text_datum(PG_GETARG_DATUM(1)));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	ls_json_root(PG_GETARG_JSONB_P(0), &statement);
	if (PG_ARGISNULL(1))
		check.version_2 = wants_version_2(&statement);
	ls_xapi_statement(&check, &statement);
	PG_RETURN_JSONB_P(ls_json_encode(&violations));
}
