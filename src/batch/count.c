/*
 * count.c
 *		What the calls of devices came to, in numbers: by day and channel, and by what apps say of themselves, in the
 *		learner's row or the device's.
 *
 * A row holds them as bytes, as every push writes them: for each day and channel the number of the channel, the days since
 * 2000-01-01 and the measures, each number in as many groups of seven bits as it takes, the lowest first. In those of an
 * app CLIENTS stands for the channel, and before the measures come the length and the bytes of what it says. That is the
 * client's, who may say anything: a row has room for so many, and so has the sum over rows; the rest count as others.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"

#define MAX_KEPT 16 /* days and channels in one row; more are added to a later day until maintain() takes them */
#define MAX_NUMBER_BYTES 10
#define MORE 0x80 /* another group of the number follows */
#define CLIENTS 127 /* in place of a channel: counted by what the app says of itself */
#define MAX_CLIENTS 8 /* of one row */
#define MAX_CLIENTS_OF_ALL 200 /* of the rows that are added up at once */
#define MAX_LABEL_BYTES (3 * (LS_MAX_CLIENT_BYTES + 1))

typedef enum Measure
{
	CALLS,
	ITEMS,
	SYNCED,
	DUPLICATES,
	CONFLICTS,
	FAILED,
	BYTES,
	MICROSECONDS,
	NMEASURES
} Measure;

/* What came through one channel on one day, or from one kind of app. */
typedef struct Entry
{
	uint64 channel;
	uint64 day;
	LsText client; /* version, platform and network, each ended by a byte 0; empty for others, and for a channel */
	uint64 measures[NMEASURES];
} Entry;

/* Those of one row, or of many. */
typedef struct Entries
{
	Entry *list;
	int count;
	int room;
} Entries;

#define NNUMBERS (NMEASURES + 3) /* of an entry */

/* By their numbers, which are stored: new ones come last. */
static const char *const channels[] = {LS_PUSH_CHANNEL, "progress_put", "sync_progress", "sync_completions",
									   "progress_batch"};

static uint64
channel_number(const char *name)
{
	for (int i = 0; i < lengthof(channels); i++)
	{
		if (strcmp(name, channels[i]) == 0)
			return (uint64) i;
	}
	elog(ERROR, "calls of channel \"%s\" are not counted", name);
}

static bool
read_number(const unsigned char **at, const unsigned char *end, uint64 *number)
{
	*number = 0;
	for (int shift = 0; *at < end && shift < 64; shift += 7)
	{
		*number |= (uint64) (**at & ~MORE) << shift;
		if ((*(*at)++ & MORE) == 0)
			return true;
	}
	return false;
}

static unsigned char *
write_number(unsigned char *at, uint64 number)
{
	for (; number >= MORE; number >>= 7)
		*at++ = (unsigned char) (number | MORE);
	*at++ = (unsigned char) number;
	return at;
}

static void
add_measures(Entry *entry, const Entry *added)
{
	for (int m = 0; m < NMEASURES; m++)
		entry->measures[m] += added->measures[m];
}

/* What was read from a row goes with it. */
static char *
copy_client(LsText client)
{
	char *copy = palloc(client.length);

	memcpy(copy, client.data, client.length);
	return copy;
}

static bool
is_of_same(const Entry *a, const Entry *b)
{
	return a->channel == b->channel && ls_text_equal(a->client, b->client);
}

static void
add_entry(Entries *entries, const Entry *added)
{
	for (int i = entries->count - 1; i >= 0; i--)
	{
		Entry *entry = &entries->list[i];

		if (entry->day != added->day || !is_of_same(entry, added))
			continue;
		add_measures(entry, added);
		return;
	}
	if (entries->count == entries->room)
	{
		entries->room = Max(entries->room * 2, MAX_KEPT + 1);
		entries->list = entries->list == NULL ? palloc(sizeof(Entry) * entries->room)
											  : repalloc(entries->list, sizeof(Entry) * entries->room);
	}
	entries->list[entries->count] = *added;
	if (added->client.length > 0)
		entries->list[entries->count].client.data = copy_client(added->client);
	entries->count++;
}

static bool
is_named(const Entry *entry)
{
	return entry->channel == CLIENTS && entry->client.length > 0;
}

/* Has the last kind of app that is named count as one of the others. */
static void
unname_last(Entries *entries)
{
	int last = entries->count - 1;
	Entry entry;

	while (!is_named(&entries->list[last]))
		last--;
	entry = entries->list[last];
	entry.client.length = 0;
	entries->count--;
	memmove(&entries->list[last], &entries->list[last + 1], sizeof(Entry) * (entries->count - last));
	add_entry(entries, &entry);
}

/* Reads what an app says of itself. */
static bool
read_client(const unsigned char **at, const unsigned char *end, LsText *client)
{
	uint64 length;

	if (!read_number(at, end, &length) || length > MAX_LABEL_BYTES || length > (uint64) (end - *at))
		return false;
	*client = (LsText){(const char *) *at, (int) length};
	*at += length;
	return true;
}

/* The row of a device, or of a learner where there is none. */
static LsRowKey
row_key(LsText learner, LsText device)
{
	return (LsRowKey){device.data == NULL ? "learner" : "device", {learner, device}, "UPDATE it to NULL."};
}

/* Adds what a row holds; key is NULL for what was added up from rows. */
static void
add_stored(Entries *entries, const LsRowKey *key, bytea *stored)
{
	const unsigned char *at = (const unsigned char *) VARDATA_ANY(stored);
	const unsigned char *end = at + VARSIZE_ANY_EXHDR(stored);

	while (at < end)
	{
		Entry entry = {.client = {"", 0}};
		bool whole;

		CHECK_FOR_INTERRUPTS();
		whole = read_number(&at, end, &entry.channel) && read_number(&at, end, &entry.day) &&
				(entry.channel != CLIENTS || read_client(&at, end, &entry.client));
		for (int m = 0; m < NMEASURES; m++)
			whole = whole && read_number(&at, end, &entry.measures[m]);
		if (!whole && key != NULL)
			ls_store_damaged(key, "counts", "as learnsync wrote it");
		if (!whole)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("counts are not as learnsync adds them up")));
		add_entry(entries, &entry);
	}
}

/* Adds the oldest day that has a later one of its channel, or app, to that one. Whether there was one. */
static bool
join_oldest(Entries *entries, bool of_clients)
{
	for (int i = 0; i < entries->count; i++)
	{
		for (int j = i + 1; j < entries->count; j++)
		{
			if (!is_of_same(&entries->list[j], &entries->list[i]) || (of_clients && !is_named(&entries->list[i])))
				continue;
			add_measures(&entries->list[j], &entries->list[i]);
			entries->count--;
			memmove(&entries->list[i], &entries->list[i + 1], sizeof(Entry) * (entries->count - i));
			return true;
		}
	}
	return false;
}

/* Leaves so many kinds of apps named; where days may be joined, those of one kind are first. */
static void
bound_clients(Entries *entries, int most, bool joins)
{
	int named = 0;

	for (int i = 0; i < entries->count; i++)
		named += is_named(&entries->list[i]);
	for (; named > most; named--)
	{
		if (!joins || !join_oldest(entries, true))
			unname_last(entries);
	}
}

static unsigned char *
print_entry(unsigned char *at, const Entry *entry)
{
	at = write_number(at, entry->channel);
	at = write_number(at, entry->day);
	if (entry->channel == CLIENTS)
	{
		at = write_number(at, (uint64) entry->client.length);
		memcpy(at, entry->client.data, entry->client.length);
		at += entry->client.length;
	}
	for (int m = 0; m < NMEASURES; m++)
		at = write_number(at, entry->measures[m]);
	return at;
}

static bytea *
print_entries(const Entries *entries)
{
	Size size = VARHDRSZ + (Size) entries->count * NNUMBERS * MAX_NUMBER_BYTES;
	bytea *printed;
	unsigned char *at;

	for (int i = 0; i < entries->count; i++)
		size += (Size) entries->list[i].client.length;
	printed = palloc(size);
	at = (unsigned char *) VARDATA(printed);
	for (int i = 0; i < entries->count; i++)
		at = print_entry(at, &entries->list[i]);
	SET_VARSIZE(printed, at - (unsigned char *) printed);
	return printed;
}

/* What one row keeps of them. */
static bytea *
print_kept(Entries *entries)
{
	bound_clients(entries, MAX_CLIENTS, true);
	while (entries->count > MAX_KEPT && join_oldest(entries, false))
		;
	return print_entries(entries);
}

static Measure
measure_of(const LsItem *item)
{
	if (item->failure.code != NULL)
		return FAILED;
	if (item->duplicate)
		return DUPLICATES;
	return ls_verdict_is_conflict(item->verdict) ? CONFLICTS : SYNCED;
}

/* Nobody made a second try or a dry run; a call without items says nothing of them. */
bool
ls_batch_is_counted(const LsBatch *batch)
{
	return batch->nitems > 0 && !batch->again && !batch->dry_run;
}

static bool
has_failed(const LsBatch *batch)
{
	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->items[i].failure.code != NULL)
			return true;
	}
	return false;
}

/* Whether there is more to write than when the device was seen; of a call without one its counts are. */
bool
ls_batch_writes_learner(LsBatch *batch)
{
	batch->failed = has_failed(batch);
	return batch->naccepted > 0 || batch->failed || ls_rate_applies(batch) ||
		   (batch->device.id.length == 0 && ls_batch_is_counted(batch));
}

/* What the app says of itself, as an entry has it; empty where it says nothing. */
static LsText
client_label(const LsClient *client)
{
	const LsText said[] = {client->version, client->platform, client->network};
	int length = client->version.length + client->platform.length + client->network.length;
	char *label;
	char *at;

	if (length == 0)
		return (LsText){"", 0};
	at = label = palloc0(length + lengthof(said));
	for (int i = 0; i < lengthof(said); i++)
	{
		if (said[i].length > 0)
			memcpy(at, said[i].data, said[i].length);
		at += said[i].length + 1;
	}
	return (LsText){label, length + (int) lengthof(said)};
}

/*
 * What a row is to hold that holds so much, NULL where nothing, after a batch that is decided: that of the device, or, where
 * none is named, of the learner.
 */
bytea *
ls_batch_add_counts(const LsBatch *batch, LsText device, bytea *stored)
{
	TimestampTz now = GetCurrentTimestamp();
	Entry entry = {.channel = channel_number(batch->channel->name),
				   .day = (uint64) (Max(now, 0) / USECS_PER_DAY),
				   .client = {"", 0}};
	Entries entries = {NULL, 0, 0};

	entry.measures[CALLS] = batch->unmetered ? 0 : 1;
	entry.measures[ITEMS] = (uint64) batch->nitems;
	entry.measures[MICROSECONDS] = (uint64) Max(now - batch->started, 0);
	for (int i = 0; i < batch->nitems; i++)
	{
		const LsItem *item = &batch->items[i];

		entry.measures[measure_of(item)]++;
		if (item->raw.type == jbvBinary)
			entry.measures[BYTES] += (uint64) item->raw.val.binary.len;
	}
	if (stored != NULL)
	{
		LsRowKey key = row_key(batch->learner.id, device);

		add_stored(&entries, &key, stored);
	}
	add_entry(&entries, &entry);
	entry.client = client_label(&batch->client);
	if (entry.client.length > 0)
	{
		entry.channel = CLIENTS;
		add_entry(&entries, &entry);
	}
	return print_kept(&entries);
}

PG_FUNCTION_INFO_V1(learnsync_add_counts);

/* learnsync_internal.add_counts_as_owner(learner_id, device_id, stored, added): for a device's row, not read before. */
Datum
learnsync_add_counts(PG_FUNCTION_ARGS)
{
	LsRowKey key = row_key(ls_text_datum(PG_GETARG_DATUM(0)), ls_text_datum(PG_GETARG_DATUM(1)));
	Entries entries = {NULL, 0, 0};

	for (int i = 2; i < 4; i++)
	{
		if (!PG_ARGISNULL(i))
			add_stored(&entries, &key, PG_GETARG_BYTEA_PP(i));
	}
	if (entries.count == 0)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(print_kept(&entries));
}

PG_FUNCTION_INFO_V1(learnsync_counts_add);
PG_FUNCTION_INFO_V1(learnsync_counts_end);

/* The step of learnsync_internal.counts_as_owner(learner_id, device_id, counts): those of one more row. */
Datum
learnsync_counts_add(PG_FUNCTION_ARGS)
{
	MemoryContext rows;
	MemoryContext caller;
	Entries *entries;

	if (!AggCheckCallContext(fcinfo, &rows))
		elog(ERROR, "counts are added up in an aggregate only");
	caller = MemoryContextSwitchTo(rows);
	entries = PG_ARGISNULL(0) ? palloc0(sizeof(Entries)) : (Entries *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(3))
	{
		LsRowKey key = row_key(ls_text_datum(PG_GETARG_DATUM(1)),
							   PG_ARGISNULL(2) ? (LsText){NULL, 0} : ls_text_datum(PG_GETARG_DATUM(2)));

		add_stored(entries, &key, PG_GETARG_BYTEA_PP(3));
	}
	if (entries->count > MAX_CLIENTS_OF_ALL)
		bound_clients(entries, MAX_CLIENTS_OF_ALL, false);
	MemoryContextSwitchTo(caller);
	PG_RETURN_POINTER(entries);
}

Datum
learnsync_counts_end(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(print_entries((const Entries *) PG_GETARG_POINTER(0)));
}

static void
put_measures(const Entry *entry, Datum *values)
{
	for (int m = 0; m < NMEASURES; m++)
		values[m] = Int64GetDatum((int64) entry->measures[m]);
}

/* Version, platform and network; NULL for others, empty where the app does not say. */
static void
put_client(const Entry *entry, Datum *values, bool *nulls)
{
	const char *at = entry->client.data;
	const char *end = at + entry->client.length;

	for (int i = 0; i < 3; i++)
	{
		int length = (int) strnlen(at, end - at);

		nulls[i] = at >= end;
		values[i] = nulls[i] ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(at, length));
		at = Min(at + length + 1, end);
	}
}

/* A row for each day and channel, or for each day and kind of app. */
static Datum
answer_counts(FunctionCallInfo fcinfo, bool by_client)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Entries entries = {NULL, 0, 0};

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		add_stored(&entries, NULL, PG_GETARG_BYTEA_PP(0));
	for (int i = 0; i < entries.count; i++)
	{
		const Entry *entry = &entries.list[i];
		Datum values[NMEASURES + 4] = {DateADTGetDatum((DateADT) entry->day)};
		bool nulls[NMEASURES + 4] = {false};

		CHECK_FOR_INTERRUPTS();
		if ((entry->channel == CLIENTS) != by_client)
			continue;
		if (by_client)
			put_client(entry, values + 1, nulls + 1);
		else
			values[1] =
				CStringGetTextDatum(entry->channel < lengthof(channels) ? channels[entry->channel] : "unknown");
		put_measures(entry, values + (by_client ? 4 : 2));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(learnsync_count_rows);
PG_FUNCTION_INFO_V1(learnsync_client_rows);

/* learnsync_internal.count_rows_as_owner(counts): what the bytes say, a row for each day and channel. */
Datum
learnsync_count_rows(PG_FUNCTION_ARGS)
{
	return answer_counts(fcinfo, false);
}

/* learnsync_internal.client_rows_as_owner(counts): the same for each day and kind of app. */
Datum
learnsync_client_rows(PG_FUNCTION_ARGS)
{
	return answer_counts(fcinfo, true);
}
