/*
 * request.c
 *		Reads the envelope of a request: the members that concern the request as a whole. A bad one is refused.
 */
#include "postgres.h"

#include "call/call.h"

/* Refuses the request: the detail gives the JSON path. */
void
ls_request_refuse(const char *path, const char *message, ...)
{
	char *text;
	va_list arguments;

	va_start(arguments, message);
	text = ls_fail_message(message, arguments);
	va_end(arguments);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s %s", path, text),
					errdetail("The request is malformed at \"%s\".", path)));
}

/* The request of a call; NULL is refused like any other malformed one. */
Jsonb *
ls_request_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		ls_request_refuse("request", "is missing");
	return PG_GETARG_JSONB_P(argument);
}

void
ls_request_open(Jsonb *json, JsonbValue *request)
{
	ls_json_root(json, request);
	if (!ls_json_is_object(request))
		ls_request_refuse("request", "must be a JSON object");
}

/* A string of 1 to 200 characters; without data where it is absent and not required. */
LsText
ls_request_text(const JsonbValue *request, const char *key, bool required)
{
	JsonbValue value;

	if (!ls_json_get(request, key, &value) || (value.type == jbvNull && !required))
	{
		if (required)
			ls_request_refuse(key, "is missing");
		return (LsText){NULL, 0};
	}
	if (value.type != jbvString || !ls_text_is_id(ls_text_of(&value)))
		ls_request_refuse(key, "must be a string of 1 to %d characters", LS_MAX_ID_CHARS);
	return ls_text_of(&value);
}

bool
ls_request_bool(const JsonbValue *request, const char *key)
{
	JsonbValue value;

	if (!ls_json_get(request, key, &value) || value.type == jbvNull)
		return false;
	if (value.type != jbvBool)
		ls_request_refuse(key, "must be true or false");
	return value.val.boolean;
}

/* A cursor, 0 counting as 1; -1 where it is absent. */
int64
ls_request_cursor(const JsonbValue *request, const char *key)
{
	JsonbValue value;
	int64 cursor;

	if (!ls_json_get(request, key, &value) || value.type == jbvNull)
		return -1;
	if (!ls_json_integer(&value, &cursor) || cursor < 0 || cursor >= LS_MAX_CURSOR)
		ls_request_refuse(key, "must be an integer from 0 to 2^53 - 1");
	return Max(cursor, LS_FIRST_VERSION);
}

/* Refuses a list that is longer than lists may be. */
void
ls_request_count(int count, const char *path)
{
	if (count > learnsync_max_list)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s has too many elements", path),
						errdetail("It has %d.", count),
						errhint("At most %d are taken; learnsync.max_list is the limit.", learnsync_max_list)));
}

/* An array as a set. */
LsSet *
ls_request_set(const JsonbValue *list, const char *path)
{
	Assert(ls_json_is_array(list));
	ls_request_count(ls_json_count(list), path);
	return ls_set_of(list);
}

/* Refuses a value that is stored with the request if it is not within the limits. */
void
ls_request_limit(const JsonbValue *value, int max_bytes, const char *setting, const char *path)
{
	LsFailure failure;

	if (!ls_limit_check(value, NULL, path, max_bytes, path, &failure))
		ereport(ERROR,
				(errcode(ls_fail_sqlstate(&failure)), errmsg("%s", failure.message),
				 errdetail("The request is wrong at \"%s\".", failure.path),
				 errhint("Limits are %s, learnsync.max_depth, and numbers of %d digits that a double can hold.",
						 setting, LS_MAX_NUMBER_DIGITS)));
}

/* Refuses a document that a person has put together, which may be less than its rule wants. */
void
ls_request_refuse_document(const LsFailure *failure)
{
	ereport(ERROR, (errcode(ls_fail_sqlstate(failure)), errmsg("%s", failure->message),
					errdetail("The document is wrong at \"%s\".", failure->path)));
}
