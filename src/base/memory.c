/*
 * memory.c
 *		Fills and copies memory in pieces: large amounts take long where pages have to be faulted in, and can be cancelled.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define PIECE ((Size) 256 * 1024)

void
ls_memory_copy(void *to, const void *from, Size bytes)
{
	for (Size done = 0; done < bytes; done += PIECE)
	{
		CHECK_FOR_INTERRUPTS();
		memcpy((char *) to + done, (const char *) from + done, Min(PIECE, bytes - done));
	}
}

/*
 * Makes room behind a long text. What is so long that it is moved to grow is moved here, and not where more is appended
 * than this leaves room for.
 */
void
ls_memory_extend(StringInfo text)
{
	Size room = (Size) text->maxlen * 2;
	char *data;

	if (text->maxlen < PIECE || text->maxlen - text->len > PIECE / 4 || !AllocSizeIsValid(room))
		return;
	data = palloc(room);
	ls_memory_copy(data, text->data, text->len + 1);
	pfree(text->data);
	text->data = data;
	text->maxlen = (int) room;
}

/* Room for so many elements, empty. */
void *
ls_memory_zeroed(Size count, Size size)
{
	Size bytes = Max(count, 1) * size;
	char *room = palloc_extended(bytes, MCXT_ALLOC_HUGE);

	for (Size done = 0; done < bytes; done += PIECE)
	{
		CHECK_FOR_INTERRUPTS();
		memset(room + done, 0, Min(PIECE, bytes - done));
	}
	return room;
}

/* A copy of a value of variable length, such as a json, in the current context. */
void *
ls_memory_varlena(const void *value)
{
	void *copy = palloc(VARSIZE(value));

	ls_memory_copy(copy, value, VARSIZE(value));
	return copy;
}
