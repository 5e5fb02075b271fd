/*
 * event_cursor.c
 *		Cursors of the event log: an epoch and an arrival version, opaque to clients.
 */
#include "postgres.h"

#include "event/event.h"

#define EPOCH_LENGTH 36
#define MAX_DIGITS 16

LsText
ls_cursor_text(int64 version)
{
	return ls_text(psprintf("%s:" INT64_FORMAT, ls_text_string(ls_store_epoch()), version));
}

/* The version of a cursor of ours; false for one of another history, or anything else. */
bool
ls_cursor_parse(LsText text, int64 *version)
{
	int64 number = 0;

	if (text.length <= EPOCH_LENGTH + 1 || text.length > EPOCH_LENGTH + 1 + MAX_DIGITS ||
		text.data[EPOCH_LENGTH] != ':' || !ls_text_equal((LsText){text.data, EPOCH_LENGTH}, ls_store_epoch()))
		return false;
	for (int i = EPOCH_LENGTH + 1; i < text.length; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (text.data[i] - '0');
	}
	*version = Max(number, LS_FIRST_VERSION);
	return number < LS_MAX_CURSOR;
}

/* The client whose events these are; without data where they are of several, or none was good. */
static LsText
sole_client(const LsPut *put)
{
	LsText client = {NULL, 0};

	for (int i = 0; i < put->nevents; i++)
	{
		const LsPutEvent *event = &put->events[i];

		if (!event->accepted && !event->duplicate)
			continue;
		if (client.data != NULL && !ls_text_equal(client, event->client))
			return (LsText){NULL, 0};
		client = event->client;
	}
	return client;
}

/*
 * The version up to which whoever put this holds every event: what its cursor says, else everything before the first
 * event of another client than the one whose events it put.
 */
static int64
held_version(const LsPut *put)
{
	int64 version;
	LsText client;

	if (put->since.length > 0)
		return ls_cursor_parse(put->since, &version) && version <= put->log.version ? version : LS_FIRST_VERSION;
	client = sole_client(put);
	if (client.data == NULL || put->log.client.data == NULL || !ls_text_equal(client, put->log.client))
		return LS_FIRST_VERSION;
	return put->log.foreign_version != 0 ? put->log.foreign_version - 1 : put->log.version;
}

/* What a client may store as its cursor after a put without skipping anything: with this put where it held the rest. */
LsText
ls_put_cursor(const LsPut *put)
{
	int64 held = held_version(put);

	return ls_cursor_text(held >= put->log.version && put->naccepted > 0 ? put->version : held);
}
