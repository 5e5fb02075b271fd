/*
 * device.c
 *		sync_devices and sync_status: the learner's devices, what is pending, the conflicts that wait for a person.
 */
#include "postgres.h"

#include "sync.h"

/* A reader's answer, built while the store is open. */
typedef JsonbValue (*Reader)(LsText learner, LsText device);

static Datum
read_for(LsText learner, LsText device, Reader reader)
{
	LsStoreCall call;
	MemoryContext caller = CurrentMemoryContext;
	JsonbValue answer;
	Jsonb *json;

	ls_store_open(&call);
	MemoryContextSwitchTo(caller);
	answer = reader(learner, device);
	json = ls_json_encode(&answer);
	ls_store_close(&call);
	return JsonbPGetDatum(json);
}

static JsonbValue
read_devices(LsText learner, LsText device)
{
	JsonbValue answer = ls_json_object();

	ls_json_put(&answer, "devices", ls_store_devices(learner, device));
	return answer;
}

static JsonbValue
read_status(LsText learner, LsText device)
{
	JsonbValue answer = read_devices(learner, device);
	LsCounts counts;

	ls_store_counts(learner, device, &counts);
	ls_json_put(&answer, "conflicts", ls_store_conflicts(learner, device));
	ls_json_put(&answer, "failedCount", ls_json_int(counts.failed));
	ls_json_put(&answer, "pendingCount", ls_json_int(counts.pending));
	ls_json_put(&answer, "conflictCount", ls_json_int(counts.conflicts));
	return answer;
}

/* The optional device of a status; NULL means all. */
static LsText
device_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? (LsText){NULL, 0} : ls_text_datum(PG_GETARG_DATUM(argument));
}

PG_FUNCTION_INFO_V1(learnsync_sync_devices);
PG_FUNCTION_INFO_V1(learnsync_sync_status);
PG_FUNCTION_INFO_V1(learnsync_api_sync_devices);
PG_FUNCTION_INFO_V1(learnsync_api_sync_status);

Datum
learnsync_sync_devices(PG_FUNCTION_ARGS)
{
	return read_for(ls_learner_argument(fcinfo, 0), (LsText){NULL, 0}, read_devices);
}

Datum
learnsync_sync_status(PG_FUNCTION_ARGS)
{
	return read_for(ls_learner_argument(fcinfo, 0), device_argument(fcinfo, 1), read_status);
}

Datum
learnsync_api_sync_devices(PG_FUNCTION_ARGS)
{
	return read_for(ls_learner_current(), (LsText){NULL, 0}, read_devices);
}

Datum
learnsync_api_sync_status(PG_FUNCTION_ARGS)
{
	return read_for(ls_learner_current(), device_argument(fcinfo, 0), read_status);
}
