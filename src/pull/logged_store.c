/*
 * logged_store.c
 *		Events of the event log as changes, for who is handed both.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pull/pull.h"
#include "store/statement.h"

static LsStatement read_logged = {
	"SELECT e.version, e.event_id, e.received_at, e.event FROM learnsync_data.event e WHERE e.learner_id" EQ "$1"
	" AND e.version" GT "$2 AND e.version OPERATOR(pg_catalog.<=) $3 AND e.received_at OPERATOR(pg_catalog.>=) $4"
	" ORDER BY e.version LIMIT $5",
	{"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.timestamptz", "pg_catalog.int8", NULL}};

/* Its columns, counted from 1. */
enum
{
	VERSION = 1,
	EVENT_ID,
	RECEIVED_AT,
	EVENT
};

static void
take_event(const LsPull *pull, uint64 row, LsPulled *change)
{
	bool isnull;
	LsRowKey key = {"event", {pull->learner}};

	*change = (LsPulled){.current = true,
						 .version = ls_store_int(row, VERSION),
						 .created_version = ls_store_int(row, VERSION),
						 .type = ls_text(LS_EVENT_TYPE),
						 .id = ls_text(ls_text_string(ls_store_text(row, EVENT_ID))),
						 .updated_at = ls_store_time(row, RECEIVED_AT)};
	key.parts[1] = change->id;
	change->data =
		ls_store_object(&key, "event", PointerGetDatum(DatumGetJsonbPCopy(ls_store_value(row, EVENT, &isnull))));
}

/* The next events that are wanted, up to a version and at most so many, in the order of versions. */
int
ls_store_read_logged(const LsPull *pull, int64 to, int limit, LsPulled **changes)
{
	Datum values[] = {ls_text_to_datum(pull->learner), Int64GetDatum(pull->events_seen), Int64GetDatum(to),
					  TimestampTzGetDatum(pull->since), Int64GetDatum(limit)};
	int count = (int) ls_store_see(&read_logged, values, NULL, LS_SEES_CALLERS);

	*changes = palloc(sizeof(LsPulled) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		take_event(pull, i, &(*changes)[i]);
	}
	SPI_freetuptable(SPI_tuptable);
	return count;
}
