/*
 * fail.c
 *		Says what is wrong with an item, as data: an LsFailure.
 */
#include "postgres.h"

#include "learnsync.h"

/* A message of any length; the arguments may be walked again for the second try. */
char *
ls_fail_message(const char *format, va_list arguments)
{
	StringInfoData text;
	va_list again;
	int needed;

	initStringInfo(&text);
	do
	{
		va_copy(again, arguments);
		needed = appendStringInfoVA(&text, format, again);
		va_end(again);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);
	return text.data;
}

/* Describes a failure; always false, so that checks can return it. */
bool
ls_fail(LsFailure *failure, const char *code, const char *path, const char *message, ...)
{
	char *text;
	va_list arguments;

	va_start(arguments, message);
	text = ls_fail_message(message, arguments);
	va_end(arguments);
	failure->code = code;
	failure->path = path;
	failure->message = text;
	failure->retryable = strcmp(code, "aborted") == 0 || strcmp(code, "error") == 0;
	return false;
}

/* What a failure is as an error, where one raises it. */
int
ls_fail_sqlstate(const LsFailure *failure)
{
	return strcmp(failure->code, "too_large") == 0 ? ERRCODE_PROGRAM_LIMIT_EXCEEDED : ERRCODE_INVALID_PARAMETER_VALUE;
}
