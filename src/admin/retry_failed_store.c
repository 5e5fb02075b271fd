/*
 * retry_failed_store.c
 *		Failed items that are due to be tried again: found learner by learner, sent as they came, or put off.
 */
#include "postgres.h"

#include "batch/second_try.h"
#include "catalog/pg_type.h"
#include "event/event.h"
#include "push/push.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define NOT_TURNED_AWAY                                                                                              \
	" AND f.item IS NOT NULL AND NOT EXISTS (SELECT FROM learnsync_data.device x WHERE x.learner_id" EQ              \
	"f.learner_id AND x.device_id" EQ "f.device_id AND NOT x.is_active)"
#define FIRST " ORDER BY f.learner_id LIMIT 1"
#define NEXT "SELECT f.learner_id FROM learnsync_data.failed f "

static LsStatement next_arrived = {
	NEXT "INNER" LS_ARRIVED("$2") "WHERE f.learner_id" GT "$1 AND f.waits_for IS NOT NULL" NOT_TURNED_AWAY FIRST,
	{"pg_catalog.text", "pg_catalog.text[]", NULL}};

static LsStatement next_due = {NEXT "WHERE f.learner_id" GT "$1 AND " LS_DUE NOT_TURNED_AWAY FIRST,
							   {"pg_catalog.text", NULL}};

static LsStatement next_of_code = {NEXT "WHERE f.learner_id" GT "$1 AND f.code" EQ "$2" NOT_TURNED_AWAY FIRST,
								   {"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement lock_learner = {"SELECT FROM learnsync_data.learner l WHERE l.learner_id" EQ
								   "$1 AND l.moved_at IS NULL FOR NO KEY UPDATE SKIP LOCKED",
								   {"pg_catalog.text", NULL}};

/* What waits is not counted: it was not at fault. */
static LsStatement postpone = {
	"UPDATE learnsync_data.failed f SET retry_count = f.retry_count OPERATOR(pg_catalog.+) 1,"
	" failed_at = pg_catalog.clock_timestamp() WHERE f.learner_id" EQ "$1 AND f.waits_for IS NULL"
	" AND CASE WHEN $2 IS NULL THEN " LS_DUE " ELSE f.code" EQ "$2 END" NOT_TURNED_AWAY,
	{"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement read_items = {"SELECT pg_catalog.jsonb_agg(f.item ORDER BY k.n)"
								 " FROM pg_catalog.unnest($2) WITH ORDINALITY AS k (key, n)"
								 " CROSS JOIN LATERAL (SELECT x.item FROM learnsync_data.failed x"
								 "  WHERE x.learner_id" EQ "$1 AND x.key" EQ "k.key LIMIT 1) f",
								 {"pg_catalog.text", "pg_catalog.uuid[]", NULL}};

/* The functions that items come through. */
static const struct
{
	const char *name;
	const LsService *service;
	const char *items; /* the member of a request that holds them */
} channels[] = {{LS_PUSH_CHANNEL, &ls_push_items, "items"},
				{"sync_progress", &ls_module_progress, "events"},
				{"sync_completions", &ls_module_completion, "events"},
				{"progress_batch", &ls_profile_batch, "items"},
				{"progress_put", &ls_put_events, "events"}};

/* Items of one learner, channel and device as a request. */
static Jsonb *
request_of(LsText learner, Datum keys, const char *member)
{
	Datum values[] = {ls_text_to_datum(learner), keys};
	JsonbValue request = ls_json_object();
	JsonbValue items = ls_json_array();
	LsStoreCall call;
	Jsonb *json;
	bool isnull;
	Datum found;

	ls_store_open(&call);
	ls_store_run(&read_items, values, NULL);
	found = ls_store_value(0, 1, &isnull);
	if (!isnull)
		ls_json_root(DatumGetJsonbP(found), &items);
	ls_json_put(&request, member, items);
	json = ls_json_encode(&request);
	ls_store_close(&call);
	return json;
}

PG_FUNCTION_INFO_V1(learnsync_next_to_retry);
PG_FUNCTION_INFO_V1(learnsync_retry_learner);
PG_FUNCTION_INFO_V1(learnsync_postpone_retry);
PG_FUNCTION_INFO_V1(learnsync_try_again_as_owner);

static LsText
code_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? (LsText){NULL, 0} : ls_text_datum(PG_GETARG_DATUM(argument));
}

static LsText
find_next(LsStatement *statement, Datum after, Datum argument)
{
	Datum values[] = {after, argument};

	return ls_store_run(statement, values, NULL) > 0 ? ls_store_text(0, 1) : (LsText){NULL, 0};
}

/* The earlier of two learners, each of whom there may not be. */
static LsText
earlier(LsText a, LsText b)
{
	return b.data == NULL || (a.data != NULL && ls_text_compare_keys(a, b) <= 0) ? a : b;
}

/* (after, code, waiting): the first learner after the given one of whom something is to be tried again. */
Datum
learnsync_next_to_retry(PG_FUNCTION_ARGS)
{
	Datum after = PG_ARGISNULL(0) ? CStringGetTextDatum("") : PG_GETARG_DATUM(0);
	LsStoreCall call;
	LsText next;

	ls_store_open(&call);
	if (!PG_ARGISNULL(1))
		next = find_next(&next_of_code, after, PG_GETARG_DATUM(1));
	else
	{
		next = find_next(&next_arrived, after, ls_store_event_types());
		if (PG_ARGISNULL(2) || !PG_GETARG_BOOL(2))
			next = earlier(next, find_next(&next_due, after, (Datum) 0));
	}
	return ls_learner_answer(fcinfo, &call, next);
}

/*
 * (learner, code, waiting): how many were tried again, and how many of these failed. It is done under the learner's lock:
 * else a corrected copy could be accepted in between, and the copy that we have would be recorded as failed for ever. A
 * learner who is busy is left for the next time: one of them must not hold up the others.
 */
Datum
learnsync_retry_learner(PG_FUNCTION_ARGS)
{
	LsText learner = ls_learner_argument(fcinfo, 0);
	Datum values[] = {ls_text_to_datum(learner)};
	LsTried tried = {0, 0};
	LsStoreCall call;
	Datum answer[2];

	ls_store_open(&call);
	if (ls_store_run(&lock_learner, values, NULL) > 0)
		tried = ls_store_try_again(learner, code_argument(fcinfo, 1), !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	ls_store_close(&call);
	answer[0] = Int32GetDatum(tried.items);
	answer[1] = Int32GetDatum(tried.left);
	PG_RETURN_ARRAYTYPE_P(construct_array(answer, 2, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

Datum
learnsync_postpone_retry(PG_FUNCTION_ARGS)
{
	Datum values[] = {ls_text_to_datum(ls_learner_argument(fcinfo, 0)),
					  PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1)};
	LsStoreCall call;

	ls_store_open(&call);
	ls_store_run(&postpone, values, PG_ARGISNULL(1) ? " n" : NULL);
	ls_store_close(&call);
	PG_RETURN_VOID();
}

/* (learner, channel, device, keys): sends failed items once more as they came. */
Datum
learnsync_try_again_as_owner(PG_FUNCTION_ARGS)
{
	LsText learner = ls_learner_argument(fcinfo, 0);
	LsText channel = ls_text_datum(PG_GETARG_DATUM(1));
	LsText device = ls_text_datum(PG_GETARG_DATUM(2));

	if (device.length == 0)
		device.data = NULL;
	for (int i = 0; i < lengthof(channels); i++)
	{
		if (ls_text_equal(channel, ls_text(channels[i].name)))
			(void) ls_call((LsCall){.learner = learner,
									.device = device,
									.request = request_of(learner, PG_GETARG_DATUM(3), channels[i].items),
									.again = true,
									.service = channels[i].service});
	}
	PG_RETURN_VOID();
}
