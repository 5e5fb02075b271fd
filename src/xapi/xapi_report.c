/*
 * xapi_report.c
 *		Takes what a check finds: into a list of violations, or the first of them as an item's failure.
 */
#include "postgres.h"

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
