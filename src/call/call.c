/*
 * call.c
 *		What the calls of apps have in common: memory of their own, the rights of the tables' owner, one answer.
 */
#include "postgres.h"

#include "call/call.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define KEPT_BYTES (256 * 1024)

static MemoryContext idle_context; /* emptied, for the next call */

/*
 * A context to work in. The one of the call before is taken up again, because pages that went back to the system would
 * have to be faulted in anew; while in use it belongs to the caller's context, so that an error takes it along.
 */
static MemoryContext
take_context(MemoryContext caller)
{
	MemoryContext context = idle_context;

	idle_context = NULL;
	if (context == NULL)
		return AllocSetContextCreate(caller, "learnsync call", KEPT_BYTES, KEPT_BYTES, ALLOCSET_DEFAULT_MAXSIZE);
	MemoryContextSetParent(context, caller);
	return context;
}

static void
give_back_context(MemoryContext context)
{
	if (idle_context != NULL)
	{
		MemoryContextDelete(context);
		return;
	}
	MemoryContextReset(context);
	MemoryContextSetParent(context, TopMemoryContext);
	idle_context = context;
}

/* Works on a request with the store open; only the answer outlives it. */
Datum
ls_call(LsCall call)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = take_context(caller);
	Datum answer;

	call.outside = caller;
	MemoryContextSwitchTo(context);
	ls_store_open(&call.store);
	if (!call.service->admits_all)
		ls_device_admit(call.learner, call.device);
	ls_envelope_open(&call);
	answer = ls_envelope_tell(&call, call.service->work(&call));
	ls_store_close(&call.store);
	MemoryContextSwitchTo(caller);
	if (GetMemoryChunkContext(DatumGetPointer(answer)) != caller)
		answer = datumCopy(answer, false, -1);
	give_back_context(context);
	return answer;
}

/* The same for a function of schema learnsync: (learner_id, request). */
Datum
ls_call_for(FunctionCallInfo fcinfo, const LsService *service)
{
	return ls_call((LsCall){
		.learner = ls_learner_served(fcinfo, 0), .request = ls_request_argument(fcinfo, 1), .service = service});
}

/* The same for a function of schema learnsync_api: (request), by whoever is signed in. */
Datum
ls_call_api(FunctionCallInfo fcinfo, const LsService *service)
{
	return ls_call((LsCall){.learner = ls_learner_signed_in(),
							.device = ls_device_claimed(),
							.request = ls_request_argument(fcinfo, 0),
							.of_app = true,
							.service = service});
}
