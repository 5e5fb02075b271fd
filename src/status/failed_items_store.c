/*
 * failed_items_store.c
 *		failed_items: what failed of all learners, for whoever mends it.
 */
#include "postgres.h"

#include "funcapi.h"
#include "status/status.h"
#include "store/statement.h"

#define FETCH_ROWS 200

static LsStatement read_failed_items = {
	"SELECT f.code, f.learner_id, f.channel, f.device_id, f.item_id, f.path, f.message, f.retryable, f.waits_for,"
	" f.retry_count, f.first_failed_at, f.failed_at, f.item, f.item_bytes FROM learnsync_data.failed f"
	" WHERE ($1 IS NULL OR f.code" EQ "$1) AND ($2 IS NULL OR f.failed_at OPERATOR(pg_catalog.>=) $2)"
	" ORDER BY f.failed_at DESC, f.learner_id, f.key",
	{"pg_catalog.text", "pg_catalog.timestamptz", NULL}};

PG_FUNCTION_INFO_V1(learnsync_failed_items);

/* learnsync.failed_items(code, since) */
Datum
learnsync_failed_items(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	char nulls[] = {PG_ARGISNULL(0) ? 'n' : ' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};
	LsStoreCall call;
	Portal portal;

	InitMaterializedSRF(fcinfo, 0);
	ls_store_open(&call);
	portal = ls_store_cursor(&read_failed_items, values, nulls, LS_SEES_CALLERS);
	do
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	ls_store_close(&call);
	return (Datum) 0;
}
