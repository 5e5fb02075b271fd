/*
 * retry_store.c
 *		Failed items that are due to be tried again: found, pushed under their own identities, or put off.
 */
#include "postgres.h"

#include "push/push.h"
#include "store/statement.h"
#include "utils/builtins.h"

/*
 * What may be tried again now: 1, 5, 15 and 60 seconds after it failed last, and never for a device that was turned
 * away. retry_count counts what the device itself sent again, too. What came through another function is sent again by
 * whoever sent it.
 */
#define DUE                                                                                                          \
	"f.channel" EQ "'sync_push' AND f.retryable AND f.retry_count OPERATOR(pg_catalog.<) 4 AND f.item IS NOT NULL"   \
	" AND f.failed_at OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => ('{1,5,15,60}'::pg_catalog.float8[])"  \
	"  [f.retry_count OPERATOR(pg_catalog.+) 1]) OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"               \
	" AND NOT EXISTS (SELECT FROM learnsync_data.device x WHERE x.learner_id" EQ "f.learner_id"                      \
	"  AND x.device_id" EQ "f.device_id AND NOT x.is_active)"

static LsStatement next_learner = {"SELECT f.learner_id FROM learnsync_data.failed f WHERE f.learner_id" GT
								   "$1 AND " DUE " ORDER BY f.learner_id LIMIT 1",
								   {"pg_catalog.text", NULL}};

static LsStatement lock_learner = {"SELECT FROM learnsync_data.learner l WHERE l.learner_id" EQ
								   "$1 FOR NO KEY UPDATE SKIP LOCKED",
								   {"pg_catalog.text", NULL}};

/* A request per device, with what is due of it, and when the device was last seen. */
static LsStatement read_due = {"SELECT pg_catalog.jsonb_build_object('deviceId', w.device_id,"
							   "  'items', pg_catalog.jsonb_agg(w.item ORDER BY w.failed_at, w.key)),"
							   " w.device_id, COALESCE(pg_catalog.min(d.last_sync_at), pg_catalog.max(w.failed_at))"
							   " FROM (SELECT f.device_id, f.item, f.failed_at, f.key FROM learnsync_data.failed f"
							   "  WHERE f.learner_id" EQ "$1 AND " DUE " ORDER BY f.failed_at, f.key LIMIT $2) w"
							   " LEFT JOIN learnsync_data.device d ON d.learner_id" EQ "$1 AND d.device_id" EQ
							   "w.device_id"
							   " GROUP BY w.device_id ORDER BY w.device_id",
							   {"pg_catalog.text", "pg_catalog.int8", NULL}};

static LsStatement restore_seen = {"UPDATE learnsync_data.device d SET last_sync_at = $3 WHERE d.learner_id" EQ
								   "$1 AND d.device_id" EQ "$2",
								   {"pg_catalog.text", "pg_catalog.text", "pg_catalog.timestamptz", NULL}};

static LsStatement postpone = {
	"UPDATE learnsync_data.failed f SET retry_count = f.retry_count OPERATOR(pg_catalog.+) 1,"
	" failed_at = pg_catalog.clock_timestamp() WHERE f.learner_id" EQ "$1 AND " DUE,
	{"pg_catalog.text", NULL}};

/* What is due of one device. */
typedef struct Due
{
	Jsonb *request;
	LsText device;
	TimestampTz seen;
} Due;

/*
 * Reads what is due under the learner's lock, which is held to the end: else a corrected copy could be accepted in
 * between, and the copy that we have would be recorded as failed for ever. A learner who is busy is left for the next
 * time: one of them must not hold up the others.
 */
static int
read_learner(LsText learner, Due **due)
{
	Datum values[] = {ls_text_to_datum(learner), Int64GetDatum(learnsync_max_batch_items)};
	LsStoreCall call;
	bool isnull;
	int count;

	ls_store_open(&call);
	count = ls_store_run(&lock_learner, values, NULL) == 0 ? 0 : (int) ls_store_run(&read_due, values, NULL);
	*due = palloc(sizeof(Due) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		(*due)[i].request = DatumGetJsonbPCopy(ls_store_value(i, 1, &isnull));
		(*due)[i].device = ls_text(ls_text_string(ls_store_text(i, 2)));
		(*due)[i].seen = DatumGetTimestampTz(ls_store_value(i, 3, &isnull));
	}
	ls_store_close(&call);
	return count;
}

/* The push noted the device as seen, which it was not. */
static void
restore(LsText learner, const Due *due)
{
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(due->device), TimestampTzGetDatum(due->seen)};
	LsStoreCall call;

	ls_store_open(&call);
	ls_store_run(&restore_seen, values, NULL);
	ls_store_close(&call);
}

PG_FUNCTION_INFO_V1(learnsync_next_to_retry);
PG_FUNCTION_INFO_V1(learnsync_retry_learner);
PG_FUNCTION_INFO_V1(learnsync_postpone_retry);

/* The first learner after the given one who has failed items that are due. */
Datum
learnsync_next_to_retry(PG_FUNCTION_ARGS)
{
	Datum values[] = {PG_ARGISNULL(0) ? CStringGetTextDatum("") : PG_GETARG_DATUM(0)};
	LsStoreCall call;
	Datum next = (Datum) 0;

	ls_store_open(&call);
	if (ls_store_run(&next_learner, values, NULL) > 0)
		next = ls_text_to_datum(ls_store_text(0, 1));
	ls_store_close(&call);
	if (next == (Datum) 0)
		PG_RETURN_NULL();
	return next;
}

Datum
learnsync_retry_learner(PG_FUNCTION_ARGS)
{
	LsText learner = ls_learner_argument(fcinfo, 0);
	Due *due;
	int count = read_learner(learner, &due);

	for (int i = 0; i < count; i++)
	{
		(void) ls_call((LsCall){.learner = learner, .request = due[i].request, .service = &ls_push_retry});
		restore(learner, &due[i]);
	}
	PG_RETURN_VOID();
}

Datum
learnsync_postpone_retry(PG_FUNCTION_ARGS)
{
	Datum values[] = {ls_text_to_datum(ls_learner_argument(fcinfo, 0))};
	LsStoreCall call;

	ls_store_open(&call);
	ls_store_run(&postpone, values, NULL);
	ls_store_close(&call);
	PG_RETURN_VOID();
}
