/*
 * progress_unpack.c
 *		Adds the bytes of a state to another: how values are read and how two states become one.
 *
 * What is read is added like events are, so that bytes from outside cannot make a state that events could not.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "progress/progress.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

typedef struct Reader
{
	const char *start;
	const char *next;
	const char *end;
	bool portable;
	MemoryContext scratch; /* for values on their way into the state, which copies them */
} Reader;

static void
refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid binary form of learnsync.progress")));
}

static const char *
take(Reader *reader, Size bytes)
{
	const char *taken = reader->next;

	if (bytes > (Size) (reader->end - reader->next))
		refuse();
	reader->next += bytes;
	return taken;
}

/* Drops what the values read so far took beside the state. */
static void
forget_values(const Reader *reader)
{
	if (reader->portable)
		MemoryContextReset(reader->scratch);
}

static uint32
take_int32(Reader *reader)
{
	uint32 number;

	memcpy(&number, take(reader, sizeof(number)), sizeof(number));
	return pg_ntoh32(number);
}

static int64
take_int64(Reader *reader)
{
	uint64 number;

	memcpy(&number, take(reader, sizeof(number)), sizeof(number));
	return (int64) pg_ntoh64(number);
}

/* A length; -1 where there is nothing. */
static int
take_length(Reader *reader)
{
	uint32 length = take_int32(reader);

	if (length > PG_INT32_MAX)
		refuse();
	return (int) length - 1;
}

static LsText
take_text(Reader *reader)
{
	LsText text = {NULL, take_length(reader)};

	if (text.length < 0)
		return (LsText){NULL, 0};
	text.data = take(reader, text.length);
	if (reader->portable)
	{
		char *converted = pg_any_to_server(text.data, text.length, PG_UTF8);

		if (memchr(text.data, '\0', text.length) != NULL)
			refuse();
		if (converted != text.data)
			text = ls_text(converted);
	}
	return text;
}

static LsText
take_aligned(Reader *reader)
{
	int length = take_length(reader);
	Size at = reader->next - reader->start;

	take(reader, INTALIGN(at) - at);
	if (length < 0)
		return (LsText){NULL, 0};
	return (LsText){take(reader, length), length};
}

/* An object or nothing. */
static LsText
take_container(Reader *reader)
{
	LsText text;
	JsonbValue value;
	LsFailure failure = {NULL};

	if (!reader->portable)
		return take_aligned(reader);
	text = take_text(reader);
	if (text.data == NULL)
		return text;
	ls_json_root(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(ls_text_string(text)))), &value);
	if (!ls_json_is_object(&value) || !ls_limit_check_numbers(&value, "", &failure))
		refuse();
	return ls_progress_container(&value);
}

static Numeric
take_number(Reader *reader)
{
	LsText text;
	JsonbValue value;

	if (!reader->portable)
		return (Numeric) take_aligned(reader).data;
	text = take_text(reader);
	if (text.data == NULL)
		refuse();
	ls_json_root(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(ls_text_string(text)))), &value);
	if (value.type != jbvNumeric || !ls_number_fits(value.val.numeric))
		refuse();
	return value.val.numeric;
}

/* An id; without data where there may be none. */
static LsText
take_id(Reader *reader, bool required)
{
	LsText id = take_text(reader);

	if ((id.data == NULL && required) || (id.data != NULL && !ls_text_is_id(id)))
		refuse();
	return id;
}

static void
check_time(TimestampTz at, LsText sent)
{
	TimestampTz ignored;

	if (!ls_stamp_is_valid(at) || (sent.data != NULL && !ls_stamp_parse(sent, &ignored)))
		refuse();
}

static bool
take_point(Reader *reader, LsPoint *point)
{
	point->id = take_id(reader, false);
	if (point->id.data == NULL)
		return false;
	point->at = take_int64(reader);
	point->time = take_text(reader);
	check_time(point->at, point->time);
	return true;
}

static void
take_required_point(Reader *reader, LsPoint *point)
{
	if (!take_point(reader, point))
		refuse();
}

/* What a value must be is what the payload of an event must be. */
static void
check_event(const LsEvent *event, const JsonbValue *payload)
{
	LsEvent copy = *event;
	LsFailure failure;

	if (!ls_event_read_payload(&copy, payload, &failure))
		refuse();
}

static void
take_scores(Reader *reader, LsProgress *progress, LsContent *content)
{
	LsPoint point;
	Numeric score;

	for (uint32 n = take_int32(reader); n > 0; n--)
	{
		CHECK_FOR_INTERRUPTS();
		take_required_point(reader, &point);
		score = take_number(reader);
		if (reader->portable && !ls_event_is_score(score))
			refuse();
		ls_progress_score(progress, content, &point, score);
		forget_values(reader);
	}
}

static void
take_interactions(Reader *reader, LsProgress *progress, LsContent *content)
{
	LsText id;
	LsPoint point;

	while ((id = take_id(reader, false)).data != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		take_required_point(reader, &point);
		ls_progress_interaction(progress, content, id, &point, take_container(reader));
		forget_values(reader);
	}
}

static void
take_content(Reader *reader, LsProgress *progress)
{
	LsContent *content = ls_progress_content(progress, take_id(reader, true));
	LsPoint point;

	for (int status = LS_NOT_STARTED; status < LS_COMPLETED; status++)
	{
		if (take_point(reader, &point))
			ls_progress_status(progress, content, (LsStatus) status, &point);
	}
	for (int status = LS_COMPLETED; status < LS_STATUSES; status++)
	{
		for (uint32 n = take_int32(reader); n > 0; n--)
		{
			CHECK_FOR_INTERRUPTS();
			take_required_point(reader, &point);
			ls_progress_status(progress, content, (LsStatus) status, &point);
			forget_values(reader);
		}
	}
	take_scores(reader, progress, content);
	if (take_point(reader, &point))
		ls_progress_version(progress, content, &point, take_id(reader, true));
	take_interactions(reader, progress, content);
}

static void
take_paths(Reader *reader, LsProgress *progress)
{
	LsEvent event = {.type = LS_EVENT_ONBOARDED};
	LsPoint point;
	LsText value;
	JsonbValue payload;

	if (take_point(reader, &point))
	{
		value = take_container(reader);
		payload = ls_progress_json(value);
		if (reader->portable && value.data != NULL)
			check_event(&event, &payload);
		ls_progress_keep_latest(progress, &progress->onboarding, &point, value);
	}
	if (take_point(reader, &point))
		ls_progress_keep_latest(progress, &progress->active, &point, take_id(reader, false));
}

static void
take_progress(Reader *reader, LsProgress *progress)
{
	LsPoint point;
	TimestampTz at;
	LsText time;

	if (take_int32(reader) != LS_PROGRESS_FORMAT)
		refuse();
	if (take_point(reader, &point))
		ls_progress_reset(progress, &point);
	at = take_int64(reader);
	time = take_text(reader);
	if (at != LS_NO_TIME)
	{
		check_time(at, time);
		ls_progress_touch(progress, at, time);
	}
	take_paths(reader, progress);
	for (uint32 n = take_int32(reader); n > 0; n--)
	{
		CHECK_FOR_INTERRUPTS();
		take_content(reader, progress);
		forget_values(reader);
	}
	if (reader->next != reader->end)
		refuse();
}

/* Adds the bytes of a state. */
void
ls_progress_unpack(LsProgress *progress, const bytea *packed, bool portable)
{
	Reader reader = {(const char *) packed, VARDATA(packed), (const char *) packed + VARSIZE(packed), portable};
	MemoryContext caller;

	reader.scratch = AllocSetContextCreate(CurrentMemoryContext, "learnsync unpack", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(reader.scratch);
	take_progress(&reader, progress);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(reader.scratch);
}
