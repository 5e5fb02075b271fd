/*
 * xapi.c
 *		Is this a valid xAPI statement? Lists what it breaks, or names the first of it as an item's failure.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/json.h"
#include "xapi/xapi.h"

#define MAX_VIOLATIONS 100

/* Whether a key can stand in a path as it is. */
static bool
is_plain(LsText key)
{
	for (int i = 0; i < key.length; i++)
	{
		char c = key.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' && (i == 0 || !(c >= '0' && c <= '9')))
			return false;
	}
	return key.length > 0;
}

/* Writes a path: actor.member[0].mbox, verb.display["en-US"]. */
static void
append_path(StringInfo path, const LsXapiPlace *place)
{
	if (place->up == NULL)
		return;
	append_path(path, place->up);
	if (place->key.data == NULL)
		appendStringInfo(path, "[%d]", place->index);
	else if (is_plain(place->key))
		appendStringInfo(path, "%s%.*s", path->len > 0 ? "." : "", place->key.length, place->key.data);
	else
	{
		appendStringInfoChar(path, '[');
		escape_json(path, ls_text_string(place->key));
		appendStringInfoChar(path, ']');
	}
}

static void
add_violation(LsXapiCheck *check, const char *path, const char *requirement, const char *message)
{
	JsonbValue violation = ls_json_object();

	ls_json_put(&violation, "path", ls_json_string(path));
	ls_json_put(&violation, "requirement", ls_json_string(requirement));
	ls_json_put(&violation, "message", ls_json_string(message));
	ls_json_add(check->list, violation);
	check->done = ++check->count == MAX_VIOLATIONS;
}

/* Takes one violation; what comes after enough is known is dropped. The message goes on where the path ends. */
void
ls_xapi_report(LsXapiCheck *check, const LsXapiPlace *place, const char *requirement, const char *message, ...)
{
	StringInfoData path;
	va_list arguments;
	char *text;

	if (check->done)
		return;
	initStringInfo(&path);
	append_path(&path, place);
	va_start(arguments, message);
	text = ls_fail_message(message, arguments);
	va_end(arguments);
	text = psprintf("%s %s", path.len > 0 ? path.data : "the statement", text);
	if (check->list != NULL)
		add_violation(check, path.data, requirement, text);
	else
	{
		const char *separator = path.len > 0 && path.data[0] != '[' ? "." : "";

		ls_fail(check->failure, "invalid_statement", psprintf("data%s%s", separator, path.data), "%s", text);
		check->done = true;
	}
}

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
