/*
 * event_cursor.c
 *		Cursors of the event log: an epoch and an arrival version, opaque to clients.
 */
#include "postgres.h"

#include "event/event.h"

#define MAX_DIGITS 16

LsText
ls_event_cursor(LsText epoch, int64 version)
{
	return ls_text(psprintf("%.*s:" INT64_FORMAT, epoch.length, epoch.data, version));
}

/* The version of a cursor of that epoch; false for one of another history, or anything else. */
bool
ls_event_cursor_read(LsText text, LsText epoch, int64 *version)
{
	int64 number = 0;
	int start = epoch.length + 1;

	if (text.length <= start || text.length > start + MAX_DIGITS || text.data[epoch.length] != ':' ||
		!ls_text_equal((LsText){text.data, epoch.length}, epoch))
		return false;
	for (int i = start; i < text.length; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (text.data[i] - '0');
	}
	*version = Max(number, LS_FIRST_VERSION);
	return number < LS_MAX_CURSOR;
}
