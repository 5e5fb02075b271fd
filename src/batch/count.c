/*
 * count.c
 *		What the calls of devices came to, in numbers: by day and channel, in the learner's row or the device's.
 *
 * A row holds them as bytes, as every push writes them: for each day and channel the number of the channel, the days since
 * 2000-01-01 and the measures, each number in as many groups of seven bits as it takes, the lowest first.
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

/* What came through one channel on one day. */
typedef struct Entry
{
	uint64 channel;
	uint64 day;
	uint64 measures[NMEASURES];
} Entry;

/* Those of one row, or of many. */
typedef struct Entries
{
	Entry *list;
	int count;
	int room;
} Entries;

#define NNUMBERS (NMEASURES + 2) /* of an entry */

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

static void
add_entry(Entries *entries, const Entry *added)
{
	for (int i = entries->count - 1; i >= 0; i--)
	{
		Entry *entry = &entries->list[i];

		if (entry->channel != added->channel || entry->day != added->day)
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
	entries->list[entries->count++] = *added;
}

/* Adds what a row holds. */
static void
add_stored(Entries *entries, bytea *stored)
{
	const unsigned char *at = (const unsigned char *) VARDATA_ANY(stored);
	const unsigned char *end = at + VARSIZE_ANY_EXHDR(stored);

	while (at < end)
	{
		Entry entry;
		bool whole;

		CHECK_FOR_INTERRUPTS();
		whole = read_number(&at, end, &entry.channel) && read_number(&at, end, &entry.day);
		for (int m = 0; m < NMEASURES; m++)
			whole = whole && read_number(&at, end, &entry.measures[m]);
		if (!whole)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED), errmsg("counts of calls are not as learnsync wrote them"),
					 errhint("UPDATE counts to NULL in the rows of learnsync_data.learner and "
							 "learnsync_data.device where it was written otherwise.")));
		add_entry(entries, &entry);
	}
}

/* Adds the oldest day that has a later one of its channel to that one. */
static void
join_oldest(Entries *entries)
{
	for (int i = 0; i < entries->count; i++)
	{
		for (int j = i + 1; j < entries->count; j++)
		{
			if (entries->list[j].channel != entries->list[i].channel)
				continue;
			add_measures(&entries->list[j], &entries->list[i]);
			entries->count--;
			memmove(&entries->list[i], &entries->list[i + 1], sizeof(Entry) * (entries->count - i));
			return;
		}
	}
}

static bytea *
print_entries(const Entries *entries)
{
	bytea *printed = palloc(VARHDRSZ + (Size) entries->count * NNUMBERS * MAX_NUMBER_BYTES);
	unsigned char *at = (unsigned char *) VARDATA(printed);

	for (int i = 0; i < entries->count; i++)
	{
		at = write_number(at, entries->list[i].channel);
		at = write_number(at, entries->list[i].day);
		for (int m = 0; m < NMEASURES; m++)
			at = write_number(at, entries->list[i].measures[m]);
	}
	SET_VARSIZE(printed, at - (unsigned char *) printed);
	return printed;
}

/* What one row keeps of them. */
static bytea *
print_kept(Entries *entries)
{
	if (entries->count > MAX_KEPT)
		join_oldest(entries);
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

/* What a row is to hold that holds so much, NULL where nothing, after a batch that is decided. */
bytea *
ls_batch_add_counts(const LsBatch *batch, bytea *stored)
{
	TimestampTz now = GetCurrentTimestamp();
	Entry entry = {.channel = channel_number(batch->channel->name), .day = (uint64) (Max(now, 0) / USECS_PER_DAY)};
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
		add_stored(&entries, stored);
	add_entry(&entries, &entry);
	return print_kept(&entries);
}

PG_FUNCTION_INFO_V1(learnsync_add_counts);

/* learnsync_internal.add_counts_as_owner(stored, added): for a row that is not read before; either may be NULL. */
Datum
learnsync_add_counts(PG_FUNCTION_ARGS)
{
	Entries entries = {NULL, 0, 0};

	for (int i = 0; i < 2; i++)
	{
		if (!PG_ARGISNULL(i))
			add_stored(&entries, PG_GETARG_BYTEA_PP(i));
	}
	if (entries.count == 0)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(print_kept(&entries));
}

PG_FUNCTION_INFO_V1(learnsync_counts_add);
PG_FUNCTION_INFO_V1(learnsync_counts_end);

/* The step of learnsync_internal.counts_as_owner(counts): those of one more row. */
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
	if (!PG_ARGISNULL(1))
		add_stored(entries, PG_GETARG_BYTEA_PP(1));
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

PG_FUNCTION_INFO_V1(learnsync_count_rows);

/* learnsync_internal.count_rows_as_owner(counts): what the bytes say, a row for each day and channel. */
Datum
learnsync_count_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Entries entries = {NULL, 0, 0};

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		add_stored(&entries, PG_GETARG_BYTEA_PP(0));
	for (int i = 0; i < entries.count; i++)
	{
		const Entry *entry = &entries.list[i];
		const char *channel = entry->channel < lengthof(channels) ? channels[entry->channel] : "unknown";
		Datum values[NNUMBERS] = {DateADTGetDatum((DateADT) entry->day), CStringGetTextDatum(channel)};
		bool nulls[NNUMBERS] = {false};

		CHECK_FOR_INTERRUPTS();
		for (int m = 0; m < NMEASURES; m++)
			values[m + 2] = Int64GetDatum((int64) entry->measures[m]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
