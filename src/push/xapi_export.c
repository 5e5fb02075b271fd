/*
 * xapi_export.c
 *		xapi_export: a learner's xAPI statements as a Learning Record Store returns them.
 */
#include "postgres.h"

#include "funcapi.h"
#include "push/push.h"

static Datum
export_for(FunctionCallInfo fcinfo, LsText learner, int since)
{
	TimestampTz after = PG_ARGISNULL(since) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(since);
	LsStoreCall call;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	ls_store_open(&call);
	ls_store_export_statements(learner, after, (ReturnSetInfo *) fcinfo->resultinfo);
	ls_store_close(&call);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(learnsync_xapi_export);
PG_FUNCTION_INFO_V1(learnsync_api_xapi_export);

Datum
learnsync_xapi_export(PG_FUNCTION_ARGS)
{
	return export_for(fcinfo, ls_learner_served(fcinfo, 0), 1);
}

Datum
learnsync_api_xapi_export(PG_FUNCTION_ARGS)
{
	return export_for(fcinfo, ls_learner_current(), 0);
}
