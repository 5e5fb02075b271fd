/*
 * fail.c
 *		Says what is wrong with an item, as data: an LsFailure.
 */
#include "postgres.h"

#include "base/base.h"
#include "funcapi.h"
#include "utils/builtins.h"

#define FIRST_ROOM 128 /* for a message; most fit */

typedef struct ItemCode
{
	const char *name;
	int sqlstate; /* where one is raised */
	bool retryable; /* the same item may succeed if it is sent again */
	bool waiting; /* it may succeed once the server knows more: a type, a content */
	const char *meaning;
} ItemCode;

static const ItemCode codes[] = {
	{"invalid", ERRCODE_INVALID_PARAMETER_VALUE, false, false,
	 "A member is missing, of the wrong type, too long or not allowed by the rule."},
	{"out_of_range", ERRCODE_INVALID_PARAMETER_VALUE, false, false,
	 "A number is outside min and max, a total beyond 64 bits, or a number is one that no double holds or that has "
	 "more than 400 digits."},
	{"bad_timestamp", ERRCODE_INVALID_PARAMETER_VALUE, false, false,
	 "clientTimestamp or occurredAt is not RFC 3339 with offset."},
	{"unknown_type", ERRCODE_INVALID_PARAMETER_VALUE, false, true, "There is no such resource or event type."},
	{"unknown_content", ERRCODE_INVALID_PARAMETER_VALUE, false, true,
	 "The type requires content, and the catalog has none of that id."},
	{"not_allowed", ERRCODE_INVALID_PARAMETER_VALUE, false, false, "This type cannot be deleted."},
	{"invalid_statement", ERRCODE_INVALID_PARAMETER_VALUE, false, false,
	 "It is no valid xAPI statement; the path names the first thing that is wrong."},
	{"id_reused", ERRCODE_INVALID_PARAMETER_VALUE, false, false,
	 "The id was accepted before, with other content; the first copy stands."},
	{"expired", ERRCODE_INVALID_PARAMETER_VALUE, false, false,
	 "It is older than learnsync.receipt_days, and no receipt says whether it was taken before."},
	{"too_large", ERRCODE_PROGRAM_LIMIT_EXCEEDED, false, false,
	 "It has more bytes or is deeper than the limits, then it is recorded without its payload; or it would make the "
	 "document too large."},
	{"too_many", ERRCODE_INVALID_PARAMETER_VALUE, false, false,
	 "The learner's event log is full, and the event is no reset."},
	{"aborted", ERRCODE_INVALID_PARAMETER_VALUE, true, false,
	 "Another item of an atomic push failed; or the answer is full: the documents of the conflicts before it take "
	 "learnsync.max_answer_bytes. The first item is always taken, so sending the rest again gets further."},
	{"error", ERRCODE_INVALID_PARAMETER_VALUE, true, false,
	 "A trigger, constraint or merge function of yours refused it; the message is its message. Or the function made a "
	 "document that no item could bring."},
};

static const ItemCode *
find_code(const char *name)
{
	for (int i = 0; i < lengthof(codes); i++)
	{
		if (strcmp(codes[i].name, name) == 0)
			return &codes[i];
	}
	elog(ERROR, "unknown item code \"%s\"", name);
}

/* A message of any length; the arguments may be walked again for the second try. */
char *
ls_fail_message(const char *format, va_list arguments)
{
	for (Size room = FIRST_ROOM;;)
	{
		char *text = palloc(room);
		va_list again;
		Size needed;

		va_copy(again, arguments);
		needed = pvsnprintf(text, room, format, again);
		va_end(again);
		if (needed < room)
			return text;
		pfree(text);
		room = needed;
	}
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
	failure->retryable = find_code(code)->retryable;
	failure->waits_for = (LsText){NULL, 0};
	return false;
}

/* Says what a failure may be mended by, as there may be something of that name some day; always false. */
bool
ls_fail_until(LsFailure *failure, LsText waits_for)
{
	Assert(find_code(failure->code)->waiting);
	if (ls_text_is_id(waits_for))
		failure->waits_for = waits_for;
	return false;
}

/* What a failure is as an error, where one raises it. */
int
ls_fail_sqlstate(const LsFailure *failure)
{
	return find_code(failure->code)->sqlstate;
}

PG_FUNCTION_INFO_V1(learnsync_item_codes);

/* learnsync.item_codes(): what an item may fail with. */
Datum
learnsync_item_codes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(codes); i++)
	{
		Datum values[] = {CStringGetTextDatum(codes[i].name),
						  CStringGetTextDatum(unpack_sql_state(codes[i].sqlstate)), BoolGetDatum(codes[i].retryable),
						  BoolGetDatum(codes[i].waiting), CStringGetTextDatum(codes[i].meaning)};
		bool nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
