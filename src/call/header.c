/*
 * header.c
 *		Headers of HTTP: what the front server hands on of a request, the id in its path in the header Learnsync-Id, its
 *		query in Learnsync-Query, both as they were sent, percent-encoded; and what is to stand in the head of the answer,
 *		which PostgREST takes from settings of the transaction.
 *
 * Decoded here and not there, since a decoded line break would end the header. The query comes this way because
 * PostgREST takes parts of it for its own: a limit cuts the answer, a device called in.school.tablet is a filter.
 */
#include "postgres.h"

#include "call/call.h"
#include "mb/pg_wchar.h"
#include "utils/guc.h"

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* A header of this request, named in lower case; NULL where there is none. */
static char *
find_header(const char *name)
{
	const char *headers = GetConfigOption("request.headers", true, false);
	char *value = NULL;

	if (headers == NULL || headers[0] == '\0' || !ls_json_scan_member(headers, name, &value))
		return NULL;
	return value;
}

/* Decodes a percent-encoded text in place, of a form with + for a blank; NULL where it is none. */
static char *
decode(char *text, bool is_form)
{
	char *out = text;
	LsText decoded;

	for (char *in = text; *in != '\0'; in++)
	{
		if (*in == '%')
		{
			int high = hex_value(in[1]);
			int low = high < 0 ? -1 : hex_value(in[2]);

			if (low < 0 || (high == 0 && low == 0))
				return NULL;
			*out++ = (char) (high << 4 | low);
			in += 2;
		}
		else
			*out++ = (char) (is_form && *in == '+' ? ' ' : *in);
	}
	*out = '\0';
	decoded = ls_text(text);
	if (!pg_verify_mbstr(PG_UTF8, decoded.data, decoded.length, true))
		return NULL;
	return pg_any_to_server(decoded.data, decoded.length, PG_UTF8);
}

/* The id in the request's path; without data where there is none. */
static LsText
id_of_path(void)
{
	char *sent = find_header("learnsync-id");
	LsText id;

	if (sent == NULL)
		return (LsText){NULL, 0};
	id = ls_text(decode(sent, false));
	if (!ls_text_is_id(id))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the id in the path must have 1 to %d characters", LS_MAX_ID_CHARS),
						errdetail("It is percent-encoded UTF-8.")));
	return id;
}

/* A required id of a request, in its body or its path; if in both, the same. */
LsText
ls_header_or_body_id(const JsonbValue *request, const char *key)
{
	LsText path = id_of_path();
	LsText body = ls_request_text(request, key, path.data == NULL);

	if (path.data == NULL)
		return body;
	if (body.data != NULL && !ls_text_equal(path, body))
		ls_request_refuse(key, "differs from the id in the path");
	return path;
}

/* A member of the request's query; without data where it has none of that name. */
static LsText
member_of_query(const char *name)
{
	char *query = find_header("learnsync-query");
	char *value;

	for (char *member = query; member != NULL; member = query)
	{
		query = strchr(member, '&');
		if (query != NULL)
			*query++ = '\0';
		if (strncmp(member, name, strlen(name)) != 0 || member[strlen(name)] != '=')
			continue;
		value = decode(member + strlen(name) + 1, true);
		if (value == NULL)
			ls_request_refuse(name, "must be percent-encoded UTF-8");
		return ls_text(value);
	}
	return (LsText){NULL, 0};
}

#define TRACE_BYTES 55 /* of a traceparent; what later versions of it add stands behind these */

static bool
is_hex(const char *digits, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (!((digits[i] >= '0' && digits[i] <= '9') || (digits[i] >= 'a' && digits[i] <= 'f')))
			return false;
	}
	return true;
}

/* Whether it is a traceparent, as W3C's Trace Context says: version, trace, parent and flags, neither of the ids 0. */
static bool
is_trace(LsText text)
{
	const char *at = text.data;

	if (text.length < TRACE_BYTES || at[2] != '-' || at[35] != '-' || at[52] != '-' ||
		!(is_hex(at, 2) && is_hex(at + 3, 32) && is_hex(at + 36, 16) && is_hex(at + 53, 2)))
		return false;
	if (memcmp(at, "ff", 2) == 0 || strspn(at + 3, "0") >= 32 || strspn(at + 36, "0") >= 16)
		return false;
	return text.length == TRACE_BYTES || (memcmp(at, "00", 2) != 0 && at[TRACE_BYTES] == '-');
}

/*
 * The trace that a request is part of: its member traceparent, else the header, which is passed over where it is none, as
 * a proxy may have set it. Without data where there is none.
 */
LsText
ls_header_trace(const JsonbValue *request)
{
	LsText trace = ls_request_text(request, "traceparent", false);

	if (trace.data != NULL && !is_trace(trace))
		ls_request_refuse("traceparent", "must be as W3C Trace Context has it");
	if (trace.data == NULL)
		trace = ls_text(find_header("traceparent"));
	if (trace.data == NULL || !is_trace(trace))
		return (LsText){NULL, 0};
	return (LsText){trace.data, TRACE_BYTES};
}

/* A reader's argument, for an app else from the query; without data where it is absent. */
LsText
ls_header_text(FunctionCallInfo fcinfo, int argument, const char *name, bool of_app)
{
	if (!PG_ARGISNULL(argument))
		return ls_text_datum(PG_GETARG_DATUM(argument));
	return of_app ? member_of_query(name) : (LsText){NULL, 0};
}

/* The limit of a page: the query's, else the argument's; without either there is none. */
int
ls_header_limit(FunctionCallInfo fcinfo, int argument, bool of_app)
{
	LsText sent = of_app ? member_of_query("limit") : (LsText){NULL, 0};
	char *end = NULL;
	long limit = sent.data == NULL ? 0 : strtol(sent.data, &end, 10);

	if (sent.data == NULL && PG_ARGISNULL(argument))
		return PG_INT32_MAX;
	if (sent.data == NULL)
		limit = PG_GETARG_INT32(argument);
	if (limit < 1 || (end != NULL && *end != '\0'))
		ls_request_refuse("limit", "must be a positive integer");
	return (int) Min(limit, learnsync_max_pull_limit);
}

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
ls_header_tag(LsText answer)
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
	known = find_header("if-none-match");
	if (known != NULL && (strcmp(known, "*") == 0 || strstr(known, psprintf("\"%s\"", tag)) != NULL))
		set("response.status", "304");
}
