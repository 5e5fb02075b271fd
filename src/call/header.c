/*
 * header.c
 *		An id that came in the request's path: the front server hands it on in the header Learnsync-Id, as it was
 *		in the path, percent-encoded. Decoded here and not there, since a decoded line break would end the header.
 */
#include "postgres.h"

#include "learnsync.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/guc.h"

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Decodes a percent-encoded text in place; false where it is none. */
static bool
decode(char *text)
{
	char *out = text;

	for (char *in = text; *in != '\0'; in++)
	{
		if (*in == '%')
		{
			int high = hex_value(in[1]);
			int low = high < 0 ? -1 : hex_value(in[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*out++ = (char) (high << 4 | low);
			in += 2;
		}
		else
			*out++ = *in;
	}
	*out = '\0';
	return pg_verify_mbstr(PG_UTF8, text, out - text, true);
}

/* The id in the request's path; without data where there is none. */
LsText
ls_header_id(void)
{
	const char *headers = GetConfigOption("request.headers", true, false);
	char *id;

	if (headers == NULL || headers[0] == '\0' || !ls_json_scan_member(headers, "learnsync-id", &id) || id == NULL)
		return (LsText){NULL, 0};
	id = decode(id) ? pg_any_to_server(id, strlen(id), PG_UTF8) : "";
	if (!ls_text_is_id(ls_text(id)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the id in the path must have 1 to %d characters", LS_MAX_ID_CHARS),
						errdetail("It is percent-encoded UTF-8.")));
	return ls_text(id);
}

/* A required id of a request: the body's, else the path's. */
LsText
ls_header_or_body_id(const JsonbValue *request, const char *key)
{
	LsText id = ls_request_text(request, key, false);

	if (id.data == NULL)
		id = ls_header_id();
	return id.data != NULL ? id : ls_request_text(request, key, true);
}

PG_FUNCTION_INFO_V1(learnsync_path_id);

/* learnsync.path_id(): for functions that are written in SQL. */
Datum
learnsync_path_id(PG_FUNCTION_ARGS)
{
	LsText id = ls_header_id();

	if (id.data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(ls_text_to_datum(id));
}
