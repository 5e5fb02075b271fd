/*
 * refuse.c
 *		Refuses a call for now: the error says when to come again, over HTTP in the form that PostgREST makes headers of.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "base/base.h"
#include "utils/guc.h"
#include "utils/json.h"

/* A number of seconds, so that those who were refused together do not come back together. */
int
ls_refuse_pause(int from, int to)
{
	return from + (int) pg_prng_uint64_range(&pg_global_prng_state, 0, to - from);
}

static void
add_member(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, ", \"%s\": ", name);
	escape_json(json, text);
}

/*
 * PostgREST takes the status and the headers of its answer from an error of this form. It is 429 whatever the code: a
 * 503 PostgREST takes for a lost database; it connects anew, reads its schema anew, and tells the client to come at once.
 */
static void
refuse_over_http(const char *code, int seconds, const char *message, const char *detail, const char *hint)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"code\": \"%s\"", code);
	add_member(&json, "message", message);
	add_member(&json, "details", detail);
	add_member(&json, "hint", hint);
	ereport(ERROR, (errcode(MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')), errmsg_internal("%s}", json.data),
					errdetail_internal("{\"status\": 429, \"headers\": {\"Retry-After\": \"%d\"}}", seconds)));
}

/* code is PTnnn; the message is constant, as PostgREST puts that of a PTnnn into the status line. */
void
ls_refuse_for_now(const char *code, int seconds, const char *message, const char *detail)
{
	const char *method = GetConfigOption("request.method", true, false);
	char *hint = psprintf("Try again in %d seconds.", seconds);

	if (method != NULL && method[0] != '\0')
		refuse_over_http(code, seconds, message, detail, hint);
	ereport(ERROR, (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
					errmsg_internal("%s", message), errdetail_internal("%s", detail), errhint("%s", hint)));
}
