/*
 * second_try_store.c
 *		The server's second tries: which failed items are to be tried again, and the calls that do it.
 *
 * Each goes through the function that it came through, in the order in which it came. Which one that is only the table
 * says, so it is called by way of the database.
 */
#include "postgres.h"

#include "batch/second_try.h"
#include "batch/batch.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "progress/progress.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/memutils.h"

#define BYTES_AT_A_TIME (1024 * 1024) /* of items in one call: they may be many, and large */

/* Whose device was turned away is seen to last, and of those alone that are to be tried: of many that wait few are. */
#define WAY(which)                                                                                                           \
	"SELECT f.channel, f.device_id, f.key, f.item_bytes, d.last_sync_at FROM (SELECT f.* FROM learnsync_data.failed f" which \
	" OFFSET 0) f LEFT JOIN LATERAL (SELECT x.is_active, x.last_sync_at FROM learnsync_data.device x"                        \
	" WHERE x.learner_id" EQ "$1 AND x.device_id" EQ                                                                         \
	"f.device_id LIMIT 1) d ON true WHERE COALESCE(d.is_active, true)"                                                       \
	" ORDER BY f.first_failed_at, f.position, f.key"
#define OF_LEARNER " WHERE f.learner_id" EQ "$1 AND f.item IS NOT NULL AND "

static LsStatement find_arrived = {WAY(" INNER" LS_ARRIVED("$2") OF_LEARNER "f.waits_for IS NOT NULL"),
								   {"pg_catalog.text", "pg_catalog.text[]", NULL}};

static LsStatement find_due = {WAY(" LEFT" LS_ARRIVED("$2") OF_LEARNER "(w.arrived OR " LS_DUE ")"),
							   {"pg_catalog.text", "pg_catalog.text[]", NULL}};

static LsStatement find_of_code = {WAY(OF_LEARNER "f.code" EQ "$2"), {"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement try_again = {"SELECT learnsync_internal.try_again_as_owner($1, $2, $3, $4)",
								{"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.uuid[]", NULL}};

static LsStatement restore_seen = {"UPDATE learnsync_data.device d SET last_sync_at = $3 WHERE d.learner_id" EQ
								   "$1 AND d.device_id" EQ "$2",
								   {"pg_catalog.text", "pg_catalog.text", "pg_catalog.timestamptz", NULL}};

static LsStatement count_left = {"SELECT pg_catalog.count(*) FROM pg_catalog.unnest($2) k (key)"
								 " CROSS JOIN LATERAL (SELECT FROM learnsync_data.failed x WHERE x.learner_id" EQ
								 "$1 AND x.key" EQ "k.key LIMIT 1) f",
								 {"pg_catalog.text", "pg_catalog.uuid[]", NULL}};

/* A failed item, and whose it is. */
typedef struct Due
{
	LsText channel;
	LsText device; /* empty where none sent it */
	pg_uuid_t key;
	int64 bytes;
	TimestampTz seen; /* when the device was last here; LS_NO_TIME where it is not known */
} Due;

/* What is due of a learner. */
typedef struct Queue
{
	LsText learner;
	Due *due;
	int count;
} Queue;

/* The names of the types of events that this release knows. */
Datum
ls_store_event_types(void)
{
	Datum names[LS_EVENT_TYPES];

	for (int i = 0; i < LS_EVENT_TYPES; i++)
		names[i] = ls_text_to_datum(ls_event_type_name((LsEventType) i));
	return ls_text_array(names, LS_EVENT_TYPES);
}

/* The latest is asked for what has arrived: the call's own items are judged by it, and come after these. */
static Queue
find(LsText learner, LsStatement *statement, Datum argument)
{
	Datum values[] = {ls_text_to_datum(learner), argument};
	Queue queue = {learner, NULL, (int) ls_store_latest(statement, values)};
	bool isnull;

	queue.due = palloc(sizeof(Due) * queue.count);
	for (int i = 0; i < queue.count; i++)
		queue.due[i] =
			(Due){ls_text(ls_text_string(ls_store_text(i, 1))), ls_text(ls_text_string(ls_store_text(i, 2))),
				  *DatumGetUUIDP(ls_store_value(i, 3, &isnull)), ls_store_int(i, 4), ls_store_time(i, 5)};
	return queue;
}

/* How many items, from this one on, go in one call: those of one channel and device. */
static int
run_length(const Queue *queue, int start)
{
	const Due *first = &queue->due[start];
	int64 bytes = first->bytes;
	int end = start + 1;

	for (; end < queue->count && end - start < learnsync_max_batch_items; end++)
	{
		const Due *next = &queue->due[end];

		bytes += next->bytes;
		if (bytes > BYTES_AT_A_TIME || !ls_text_equal(next->channel, first->channel) ||
			!ls_text_equal(next->device, first->device))
			break;
	}
	return end - start;
}

static Datum
key_array(const Due *due, int count)
{
	Datum *keys = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
		keys[i] = UUIDPGetDatum(&due[i].key);
	return PointerGetDatum(construct_array(keys, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

/* One call; it notes the device as seen, which it was not. */
static void
try_run(LsText learner, const Due *due, int count)
{
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(due->channel), ls_text_to_datum(due->device),
					  key_array(due, count)};
	Datum seen[] = {values[0], values[2], TimestampTzGetDatum(due->seen)};

	ls_store_run(&try_again, values, NULL);
	if (due->seen != LS_NO_TIME)
		ls_store_run(&restore_seen, seen, NULL);
}

static void
try_all(void *argument)
{
	const Queue *queue = argument;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext run = AllocSetContextCreate(caller, "learnsync second try", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(run);
	for (int done = 0, length; done < queue->count; done += length)
	{
		CHECK_FOR_INTERRUPTS();
		length = run_length(queue, done);
		try_run(queue->learner, &queue->due[done], length);
		MemoryContextReset(run);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(run);
}

static int
compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(pg_uuid_t));
}

/* The identities of a request's items, sorted. */
static pg_uuid_t *
keys_of(LsBatch *batch, int *count)
{
	const JsonbValue *list = batch->all_raw.type != jbvNull ? &batch->all_raw : &batch->items_raw;
	pg_uuid_t *keys = palloc(sizeof(pg_uuid_t) * Max(ls_json_count(list), 1));
	LsItem item = {0};
	LsJsonWalk walk;
	LsText no_key;

	*count = 0;
	ls_json_walk(&walk, list);
	while (ls_json_walk_next(&walk, &no_key, &item.raw))
	{
		CHECK_FOR_INTERRUPTS();
		(void) ls_batch_identify(batch, &item);
		keys[(*count)++] = item.key;
	}
	ls_sort(keys, *count, sizeof(pg_uuid_t), compare_keys);
	return keys;
}

/* Leaves out of which the request brings a copy: that one counts, which may be a corrected one. */
static void
leave_own(Queue *queue, LsBatch *batch)
{
	int count;
	pg_uuid_t *keys = keys_of(batch, &count);
	int kept = 0;

	for (int i = 0; i < queue->count; i++)
	{
		if (bsearch(&queue->due[i].key, keys, count, sizeof(pg_uuid_t), compare_keys) == NULL)
			queue->due[kept++] = queue->due[i];
	}
	queue->count = kept;
}

/*
 * In the midst of a call, which goes on whatever comes of it: judges the items for which there is now what they waited for.
 * Whether there were any; the learner's row, which is locked, is another one then.
 */
bool
ls_store_take_up(LsBatch *batch)
{
	Queue queue = find(batch->learner.id, &find_arrived, ls_store_event_types());

	if (queue.count > 0 && batch->nitems > 0)
		leave_own(&queue, batch);
	return queue.count > 0 && ls_try_for_now(try_all, &queue) == NULL;
}

/* Tries again what is due of a learner whose row is locked: of one code, whatever is due, or only what has waited. */
LsTried
ls_store_try_again(LsText learner, LsText code, bool waiting)
{
	Queue queue = code.data != NULL ? find(learner, &find_of_code, ls_text_to_datum(code))
									: find(learner, waiting ? &find_arrived : &find_due, ls_store_event_types());
	Datum values[] = {ls_text_to_datum(learner), key_array(queue.due, queue.count)};

	try_all(&queue);
	ls_store_run(&count_left, values, NULL);
	return (LsTried){queue.count, (int) ls_store_int(0, 1)};
}
