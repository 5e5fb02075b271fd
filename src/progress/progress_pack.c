/*
 * progress_pack.c
 *		A state as bytes: stored values and what parallel workers exchange, and the portable form that travels.
 *
 * Equal states have equal bytes. Numbers are big-endian; what is JSON or numeric is the server's own form, aligned to
 * four bytes from the start of the value, and in the portable form text in UTF-8.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "progress/progress.h"
#include "utils/numeric.h"

#define MARKS_AHEAD 8 /* whose texts are asked for before they are written: they lie all over a large state */

typedef struct Writer
{
	StringInfoData out;
	bool portable;
} Writer;

/* A length, plus one so that 0 says that there is nothing, and bytes. */
static void
put_bytes(Writer *writer, LsText text)
{
	pq_sendint32(&writer->out, text.data == NULL ? 0 : text.length + 1);
	if (text.data != NULL)
		appendBinaryStringInfo(&writer->out, text.data, text.length);
}

static void
put_text(Writer *writer, LsText text)
{
	if (writer->portable && text.data != NULL)
	{
		char *converted = pg_server_to_any(text.data, text.length, PG_UTF8);

		if (converted != text.data)
			text = ls_text(converted);
	}
	put_bytes(writer, text);
}

/* Bytes of the server's own form. */
static void
put_aligned(Writer *writer, LsText bytes)
{
	pq_sendint32(&writer->out, bytes.data == NULL ? 0 : bytes.length + 1);
	while (writer->out.len != INTALIGN(writer->out.len))
		appendStringInfoCharMacro(&writer->out, '\0');
	if (bytes.data != NULL)
		appendBinaryStringInfo(&writer->out, bytes.data, bytes.length);
}

static void
put_container(Writer *writer, LsText container)
{
	if (!writer->portable)
		put_aligned(writer, container);
	else
		put_text(writer, container.data == NULL
							 ? container
							 : ls_text(JsonbToCString(NULL, (JsonbContainer *) container.data, container.length)));
}

static void
put_score(Writer *writer, const LsKept *kept)
{
	Numeric score = (Numeric) kept->block;

	if (writer->portable)
		put_text(writer, ls_text(numeric_normalize(score)));
	else
	{
		score = ls_number_trim(score);
		put_aligned(writer, (LsText){(char *) score, VARSIZE_ANY(score)});
	}
}

static void
put_point(Writer *writer, const LsPoint *point)
{
	put_text(writer, point->id);
	if (!ls_point_exists(point))
		return;
	pq_sendint64(&writer->out, point->at);
	put_text(writer, point->time);
}

/* Where the value is from; answers whether there is one. */
static bool
put_place(Writer *writer, const LsKept *kept)
{
	LsPoint point = ls_kept_point(kept);

	put_point(writer, &point);
	return ls_kept_exists(kept);
}

static void
put_trail(Writer *writer, const LsTrail *trail)
{
	pq_sendint32(&writer->out, trail->nmarks);
	for (int i = 0; i < trail->nmarks; i++)
	{
		LsPoint point = ls_mark_point(&trail->marks[i]);

		CHECK_FOR_INTERRUPTS();
		if (i + MARKS_AHEAD < trail->nmarks)
			ls_memory_ask(trail->marks[i + MARKS_AHEAD].texts);
		put_point(writer, &point);
	}
}

static void
put_interactions(Writer *writer, const LsContent *content)
{
	if (content->ninteractions > 0)
	{
		for (LsInteraction **list = ls_progress_interactions(content); *list != NULL; list++)
		{
			CHECK_FOR_INTERRUPTS();
			put_text(writer, (*list)->id);
			put_place(writer, &(*list)->state);
			put_container(writer, ls_kept_value(&(*list)->state));
		}
	}
	put_text(writer, (LsText){NULL, 0});
}

static void
put_content(Writer *writer, const LsContent *content)
{
	put_text(writer, content->id);
	for (int i = 0; i < lengthof(content->latest); i++)
		put_place(writer, &content->latest[i]);
	for (int i = 0; i < lengthof(content->trails); i++)
		put_trail(writer, &content->trails[i]);
	pq_sendint32(&writer->out, content->nscores);
	for (int i = 0; i < content->nscores; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_place(writer, &content->scores[i].kept);
		put_score(writer, &content->scores[i].kept);
	}
	if (put_place(writer, &content->version))
		put_text(writer, ls_kept_value(&content->version));
	put_interactions(writer, content);
}

/* The bytes of a state; portable ones start with the number of the format. */
bytea *
ls_progress_pack(LsProgress *progress, bool portable)
{
	Writer writer = {.portable = portable};
	int count;
	LsContent **contents = ls_progress_settle(progress, &count);

	initStringInfo(&writer.out);
	writer.out.len = VARHDRSZ;
	pq_sendint32(&writer.out, LS_PROGRESS_FORMAT);
	put_point(&writer, &progress->reset);
	pq_sendint64(&writer.out, progress->last_at);
	put_text(&writer, progress->last_time);
	if (put_place(&writer, &progress->onboarding))
		put_container(&writer, ls_kept_value(&progress->onboarding));
	if (put_place(&writer, &progress->active))
		put_text(&writer, ls_kept_value(&progress->active));
	pq_sendint32(&writer.out, count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_memory_extend(&writer.out);
		put_content(&writer, contents[i]);
	}
	SET_VARSIZE(writer.out.data, writer.out.len);
	return (bytea *) writer.out.data;
}
