/*
 * cursor.c
 *		The cursor that a client stores with each page and sends with its next call: opaque text to the client.
 *
 * It says how far its run of pages has come, and what must still hold so that the run can go on. Whoever forges one
 * deceives himself alone: all that a cursor leads to are changes of the learner who calls.
 */
#include "postgres.h"

#include <inttypes.h>

#include "call/call.h"

#define FORMAT '1' /* another one could be told from it */
#define NPARTS 6
#define MAX_PART_DIGITS 16

/* One part of a cursor, in hexadecimal digits as we write them; false for anything else. */
static bool
read_part(LsText *text, uint64 *part)
{
	int digits = 0;

	if (text->length == 0 || text->data[0] != '-')
		return false;
	*part = 0;
	for (text->data++, text->length--; text->length > 0 && text->data[0] != '-'; text->data++, text->length--)
	{
		char c = text->data[0];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) || ++digits > MAX_PART_DIGITS)
			return false;
		*part = *part << 4 | (uint64) (c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return digits > 0;
}

/* Reads a cursor as we print them; false for anything else. */
bool
ls_cursor_parse(LsText text, LsCursor *cursor)
{
	uint64 parts[NPARTS];

	if (text.length == 0 || text.data[0] != FORMAT)
		return false;
	text = (LsText){text.data + 1, text.length - 1};
	for (int i = 0; i < NPARTS; i++)
	{
		if (!read_part(&text, &parts[i]) || (i < NPARTS - 2 && parts[i] >= LS_MAX_CURSOR))
			return false;
	}
	*cursor =
		(LsCursor){true, (int64) parts[0], (int64) parts[1], (int64) parts[2], (int64) parts[3], parts[4], parts[5]};
	return text.length == 0 && cursor->position >= LS_FIRST_VERSION;
}

/* Reads the cursor of a request; one that is not given says that the client holds nothing. */
LsCursor
ls_cursor_read(const JsonbValue *request)
{
	LsCursor cursor = {.position = LS_FIRST_VERSION};
	JsonbValue value;

	if (!ls_json_get(request, "cursor", &value) || value.type == jbvNull)
		return cursor;
	if (value.type != jbvString || !ls_cursor_parse(ls_text_of(&value), &cursor))
		ls_request_refuse("cursor", "must be one that an answer gave");
	return cursor;
}

LsText
ls_cursor_print(const LsCursor *cursor)
{
	uint64 parts[NPARTS] = {cursor->position, cursor->newest, cursor->from,
							cursor->horizon,  cursor->life,   cursor->selection};
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, FORMAT);
	for (int i = 0; i < NPARTS; i++)
		appendStringInfo(&text, "-%" PRIx64, parts[i]);
	return (LsText){text.data, text.len};
}

/* What cursors of one life of one learner have in common. */
uint64
ls_cursor_life(LsText learner, LsText epoch)
{
	LsDigest digest;
	pg_uuid_t uuid;

	ls_digest_start(&digest);
	ls_digest_text(&digest, learner);
	ls_digest_text(&digest, epoch);
	uuid = ls_digest_end(&digest);
	return (uint64) ls_digest_fingerprint(&uuid);
}

/* The cursor of who has everything up to a version, and is in no run. */
LsCursor
ls_cursor_at(const LsCursor *cursor, int64 version, uint64 life)
{
	return (LsCursor){.given = true, .position = version, .life = life, .selection = cursor->selection};
}

/* Whether a cursor is ahead of a version: of its own position, or of a server that has brought pages of its run. */
bool
ls_cursor_is_ahead(const LsCursor *cursor, int64 version)
{
	return Max(cursor->position, cursor->newest) > version;
}
