/*
 * failed_items_store.c
 *		For whoever mends what went wrong: what failed of all learners, and what one learner sent.
 */
#include "postgres.h"

#include "status/status.h"
#include "store/statement.h"

static LsStatement read_failed_items = {
	"SELECT f.code, f.learner_id, f.channel, f.device_id, f.item_id, f.path, f.message, f.retryable, f.waits_for,"
	" f.retry_count, f.first_failed_at, f.failed_at, f.item, f.item_bytes,"
	" f.app_version, f.traceparent FROM learnsync_data.failed f"
	" WHERE ($1 IS NULL OR f.code" EQ "$1) AND ($2 IS NULL OR f.failed_at OPERATOR(pg_catalog.>=) $2)"
	" ORDER BY f.failed_at DESC, f.learner_id, f.key",
	{"pg_catalog.text", "pg_catalog.timestamptz", NULL}};

/* What a person decided is no push. */
static LsStatement read_pushes = {
	"SELECT p.version, p.pushed_at, COALESCE(p.channel, '" LS_PUSH_CHANNEL "'), p.device_id, p.app_version,"
	" p.traceparent, p.item_count FROM learnsync_data.push p"
	" WHERE p.learner_id" EQ "$1 AND ($2 IS NULL OR p.pushed_at OPERATOR(pg_catalog.>=) $2)"
	" AND COALESCE(p.channel, '') OPERATOR(pg_catalog.<>)"
	" ALL (ARRAY['sync_resolve', 'sync_correct', 'sync_uncorrect'])"
	" ORDER BY p.version DESC, p.push_no DESC",
	{"pg_catalog.text", "pg_catalog.timestamptz", NULL}};

PG_FUNCTION_INFO_V1(learnsync_failed_items);
PG_FUNCTION_INFO_V1(learnsync_pushes);

/* learnsync.failed_items(code, since) */
Datum
learnsync_failed_items(PG_FUNCTION_ARGS)
{
	Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	char nulls[] = {PG_ARGISNULL(0) ? 'n' : ' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};

	ls_store_answer_rows(fcinfo, &read_failed_items, values, nulls);
	return (Datum) 0;
}

/* learnsync.pushes(learner_id, since) */
Datum
learnsync_pushes(PG_FUNCTION_ARGS)
{
	Datum values[] = {ls_text_to_datum(ls_learner_argument(fcinfo, 0)), PG_GETARG_DATUM(1)};
	char nulls[] = {' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};

	ls_store_answer_rows(fcinfo, &read_pushes, values, nulls);
	return (Datum) 0;
}
