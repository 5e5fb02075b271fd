/*
 * device.c
 *		The learner's devices, what is pending, the conflicts that wait for a person; turning devices away.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "shard/shard.h"
#include "status/status.h"

#define DEFAULT_CONFLICTS 100
#define WARN_PERCENT 80 /* of a limit */

/* Which devices and which open conflicts a status is to show. */
typedef struct Wanted
{
	LsText device; /* without data: all */
	LsText after; /* the last conflict that was seen; without data: from the first */
	int limit;
} Wanted;

/* A reader's answer, built while the store is open. */
typedef JsonbValue (*Reader)(LsText learner, const Wanted *wanted);

static Datum
read_for(LsText learner, const Wanted *wanted, Reader reader)
{
	LsStoreCall call;
	JsonbValue answer;
	Jsonb *json;

	ls_store_open(&call);
	ls_shard_admit(learner);
	answer = reader(learner, wanted);
	json = ls_json_encode(&answer);
	ls_store_close(&call);
	return JsonbPGetDatum(json);
}

static JsonbValue
read_devices(LsText learner, const Wanted *wanted)
{
	JsonbValue answer = ls_json_object();

	ls_json_put(&answer, "devices", ls_store_devices(learner, wanted->device));
	return answer;
}

/* What somebody should look at before it stops this learner: so far, a log of events that is nearly full. */
static JsonbValue
warnings(const LsCounts *counts)
{
	JsonbValue warnings = ls_json_array();
	JsonbValue warning = ls_json_object();
	bool full = counts->events >= learnsync_max_learner_events;
	const char *what = full ? ": it is full, and takes resets only" : "";

	if (counts->events * 100 < (int64) learnsync_max_learner_events * WARN_PERCENT)
		return warnings;
	ls_json_put(&warning, "code", ls_json_string(full ? "event_log_full" : "event_log_filling"));
	ls_json_put(&warning, "count", ls_json_int(counts->events));
	ls_json_put(&warning, "limit", ls_json_int(learnsync_max_learner_events));
	ls_json_put(&warning, "message",
				ls_json_string(psprintf("the event log holds " INT64_FORMAT " of %d events%s", counts->events,
										learnsync_max_learner_events, what)));
	ls_json_add(&warnings, warning);
	return warnings;
}

static JsonbValue
read_status(LsText learner, const Wanted *wanted)
{
	JsonbValue answer = read_devices(learner, wanted);
	LsCounts counts;
	bool has_more;

	ls_store_counts(learner, wanted->device, &counts);
	ls_json_put(&answer, "conflicts",
				ls_store_conflicts(learner, wanted->device, wanted->after, wanted->limit, &has_more));
	ls_json_put(&answer, "hasMore", ls_json_bool(has_more));
	ls_json_put(&answer, "warnings", warnings(&counts));
	ls_json_put(&answer, "failedCount", ls_json_int(counts.failed));
	ls_json_put(&answer, "pendingCount", ls_json_int(counts.pending));
	ls_json_put(&answer, "conflictCount", ls_json_int(counts.conflicts));
	return answer;
}

static Wanted
read_wanted(FunctionCallInfo fcinfo, int argument, bool of_app)
{
	Wanted wanted = {ls_header_text(fcinfo, argument, "deviceId", of_app),
					 ls_header_text(fcinfo, argument + 1, "after", of_app),
					 ls_header_limit(fcinfo, argument + 2, of_app)};

	if (wanted.limit == PG_INT32_MAX)
		wanted.limit = DEFAULT_CONFLICTS;
	return wanted;
}

/* A device that is let in or turned away. */
typedef struct Switch
{
	LsText learner;
	LsText device;
	LsActivation activation;
	bool found;
} Switch;

/* Waits for a push of the device, which has its row; and for the learner's, where that may be about to move. */
static void
write_active(void *argument)
{
	Switch *device = argument;
	LsDevice present = {.id = device->device};

	if (ls_store_is_shard())
	{
		ls_shard_admit(device->learner);
		ls_store_read_device(device->learner, &present);
		if (present.exists) /* an erased learner has none, and is told what one server would say */
			ls_store_lock_learner(&(LsLearner){.id = device->learner});
	}
	device->found = ls_store_activate(device->learner, device->device, &device->activation);
}

static const char *
message_of(const LsActivation *activation)
{
	if (activation->wiped)
		return "Device wiped itself";
	return activation->active ? "Device activated successfully" : "Device deactivated successfully";
}

/* A device that was turned away may say no more than that it has wiped itself. */
static void
admit(const LsCall *call, const Switch *device)
{
	if (!device->activation.wiped || !ls_text_equal(call->device, device->device))
		ls_device_admit(call->learner, call->device);
}

/* That a device has wiped itself is nobody's decision. */
static void
note_switch(const LsCall *call, const Switch *device)
{
	const LsActivation *activation = &device->activation;
	LsAudit done = ls_call_audit(call, activation->active ? "activate_device" : "deactivate_device", NULL);

	if (activation->wiped)
		return;
	done.details = ls_json_object();
	ls_json_put(&done.details, "deviceId", ls_json_text(device->device));
	if (activation->wipe)
		ls_json_put(&done.details, "wipe", ls_json_bool(true));
	ls_store_audit(&done);
}

/* Does to the device that a request names what it asks for; every later statement of whatever session goes by it. */
static Jsonb *
switch_device(const LsCall *call, const JsonbValue *request, LsActivation activation)
{
	Switch device = {.learner = call->learner, .activation = activation};
	LsBatch charged;
	JsonbValue answer = ls_json_object();

	ls_batch_open(&charged, call, NULL);
	device.device = ls_header_or_body_id(request, "deviceId");
	device.activation.now = GetCurrentTimestamp();
	admit(call, &device);
	if (ls_rate_applies(&charged))
		ls_batch_begin(&charged);
	ls_wait(call->of_app, write_active, &device);
	if (!device.found)
		ereport(ERROR, (errcode(LS_NOT_FOUND), errmsg("device not found"),
						errdetail("There is no device \"%s\".", ls_text_string(device.device))));
	ls_batch_note_charge(&charged);
	note_switch(call, &device);
	ls_json_put(&answer, "message", ls_json_string(message_of(&activation)));
	return ls_json_encode(&answer);
}

static Datum
activate(LsCall *call)
{
	JsonbValue request;

	ls_request_open(call->request, &request);
	return JsonbPGetDatum(switch_device(call, &request, (LsActivation){.active = true}));
}

static Datum
deactivate(LsCall *call)
{
	LsActivation activation = {.active = false};
	JsonbValue request;

	ls_request_open(call->request, &request);
	activation.wipe = ls_request_bool(&request, "wipe");
	activation.wiped = ls_request_bool(&request, "wiped");
	if (activation.wipe && activation.wiped)
		ls_request_refuse("wiped", "does not go with wipe");
	return JsonbPGetDatum(switch_device(call, &request, activation));
}

static const LsService activation = {.work = activate, .members = LS_MEMBERS("deviceId"), .writes = true};
static const LsService deactivation = {
	.work = deactivate, .members = LS_MEMBERS("deviceId", "wipe", "wiped"), .writes = true, .admits_all = true};

PG_FUNCTION_INFO_V1(learnsync_sync_devices);
PG_FUNCTION_INFO_V1(learnsync_sync_status);
PG_FUNCTION_INFO_V1(learnsync_sync_deactivate_device);
PG_FUNCTION_INFO_V1(learnsync_sync_activate_device);
PG_FUNCTION_INFO_V1(learnsync_api_sync_devices);
PG_FUNCTION_INFO_V1(learnsync_api_sync_status);
PG_FUNCTION_INFO_V1(learnsync_api_sync_deactivate_device);
PG_FUNCTION_INFO_V1(learnsync_api_sync_activate_device);

Datum
learnsync_sync_devices(PG_FUNCTION_ARGS)
{
	return read_for(ls_learner_served(fcinfo, 0), &(Wanted){0}, read_devices);
}

Datum
learnsync_sync_status(PG_FUNCTION_ARGS)
{
	Wanted wanted = read_wanted(fcinfo, 1, false);

	return read_for(ls_learner_served(fcinfo, 0), &wanted, read_status);
}

Datum
learnsync_sync_deactivate_device(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &deactivation);
}

Datum
learnsync_sync_activate_device(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &activation);
}

Datum
learnsync_api_sync_devices(PG_FUNCTION_ARGS)
{
	return read_for(ls_learner_current(), &(Wanted){0}, read_devices);
}

Datum
learnsync_api_sync_status(PG_FUNCTION_ARGS)
{
	Wanted wanted = read_wanted(fcinfo, 0, true);

	return read_for(ls_learner_current(), &wanted, read_status);
}

Datum
learnsync_api_sync_deactivate_device(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &deactivation);
}

Datum
learnsync_api_sync_activate_device(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &activation);
}
