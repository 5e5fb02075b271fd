/*
 * reply.c
 *		What is to stand in the head of an HTTP answer; PostgREST takes it from settings of the transaction.
 */
#include "postgres.h"

#include "call/call.h"
#include "utils/guc.h"

static const char *
request_setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value == NULL ? "" : value;
}

static void
set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Names a reader's answer by what it says, and spares a client that has it from getting it again. The tag is of the
 * bytes, not of a version: an answer may also change without one.
 */
void
ls_reply_tag(LsText answer)
{
	LsDigest digest;
	pg_uuid_t uuid;
	char *tag;
	char *known;

	if (strcmp(request_setting("request.method"), "GET") != 0 || request_setting("response.headers")[0] != '\0')
		return;
	ls_digest_start(&digest);
	ls_digest_text(&digest, answer);
	uuid = ls_digest_end(&digest);
	tag = ls_text_string(ls_digest_uuid_text(&uuid));
	set("response.headers", psprintf("[{\"ETag\": \"\\\"%s\\\"\"}]", tag));
	known = ls_header_find("if-none-match");
	if (known != NULL && (strcmp(known, "*") == 0 || strstr(known, psprintf("\"%s\"", tag)) != NULL))
		set("response.status", "304");
}
