/*
 * learner.c
 *		Who is asking: the learner of a call, from the request's claims or a trusted backend's setting; its device, which the
 *		token names where learnsync.device_claim is set; and whether that is let in.
 */
#include "postgres.h"

#include "call/call.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define LAST_ISSUE 253402300799.0 /* the last second of 9999, since 1970 */

/* While apps are paused nobody is served. Long enough a pause that all of them together are no load. */
static void
check_enabled(void)
{
	if (!learnsync_enabled)
		ls_refuse_for_now("PT503", ls_refuse_pause(10, 60), "learnsync is paused", "learnsync.enabled is off.");
}

/*
 * Finds the learner who calls; false where there is none. Where claims are set they alone decide: a pooled
 * connection may still carry the setting of an earlier user.
 */
static bool
find_learner(char **name)
{
	const char *claims = GetConfigOption("request.jwt.claims", true, false);

	check_enabled();
	*name = learnsync_learner_id;
	if (claims != NULL && claims[0] != '\0' && !ls_json_scan_member(claims, learnsync_jwt_claim, name))
		return false;
	return ls_text_is_id(ls_text(*name));
}

/* When the token of the call was issued, as it says itself; LS_NO_TIME where it does not. */
TimestampTz
ls_call_issued_at(void)
{
	const char *claims = GetConfigOption("request.jwt.claims", true, false);
	double seconds;

	if (claims == NULL || claims[0] == '\0' || !ls_json_scan_number(claims, "iat", &seconds) || !(seconds >= 0) ||
		seconds > LAST_ISSUE)
		return LS_NO_TIME;
	return (TimestampTz) (seconds * USECS_PER_SEC) -
		   (TimestampTz) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* Turns away a device that was deactivated; one that is to wipe itself is told so. */
void
ls_device_check(LsText learner, const LsDevice *device)
{
	LsDevice now = {.id = device->id};

	if (!device->exists || device->active)
		return;
	ls_store_read_device(learner, &now);
	ereport(ERROR, (errcode(LS_TURNED_AWAY), errmsg("this device is deactivated"),
					now.wipes ? errdetail_internal("{\"wipe\": true}") : 0,
					errhint("A service or an administrator lets it in again with sync_activate_device.")));
}

/* The same for a device by its name, if there is one. */
void
ls_device_admit(LsText learner, LsText id)
{
	LsDevice device = {.id = id};

	if (id.data == NULL)
		return;
	ls_store_read_device(learner, &device);
	ls_device_check(learner, &device);
}

/* The device that the caller's token names; without data where tokens name none, or a trusted backend has none. */
static LsText
claimed_device(void)
{
	const char *claims = GetConfigOption("request.jwt.claims", true, false);
	char *name = "";

	if (learnsync_device_claim[0] == '\0' || claims == NULL || claims[0] == '\0')
		return (LsText){NULL, 0};
	if (!ls_json_scan_member(claims, learnsync_device_claim, &name) || !ls_text_is_id(ls_text(name)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION), errmsg("the token names no device"),
						errhint("The claim that learnsync.device_claim names must hold an id of 1 to %d characters.",
								LS_MAX_ID_CHARS)));
	return ls_text(pstrdup(name));
}

/* Turns away a reader whose token is a deactivated device's; the store is closed. */
static void
admit_reader(LsText learner)
{
	LsText device = claimed_device();
	LsStoreCall call;

	if (device.data == NULL)
		return;
	ls_store_open(&call);
	ls_device_admit(learner, device);
	ls_store_close(&call);
}

/* The device that makes this call, which must say so. */
LsText
ls_call_device(const LsCall *call)
{
	if (call->device.data == NULL)
		ls_request_refuse("deviceId", "is missing");
	return call->device;
}

/* The learner who calls, with a device that is let in; false where there is none. */
bool
ls_learner_admitted(char **name)
{
	if (!find_learner(name))
		return false;
	admit_reader(ls_text(*name));
	return true;
}

/* The learner who calls learnsync_api, whatever the device. */
static LsText
signed_in(void)
{
	char *name;

	if (!find_learner(&name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION), errmsg("no learner is signed in"),
				 errhint("The claim that learnsync.jwt_claim names, or learnsync.learner_id where there are no "
						 "claims, must hold an id of 1 to %d characters.",
						 LS_MAX_ID_CHARS)));
	return ls_text(pstrdup(name));
}

/* The learner who reads by learnsync_api, with a device that is let in. */
LsText
ls_learner_current(void)
{
	LsText learner = signed_in();

	admit_reader(learner);
	return learner;
}

/* The learner that a backend names as an argument. */
LsText
ls_learner_argument(FunctionCallInfo fcinfo, int argument)
{
	LsText id = PG_ARGISNULL(argument) ? (LsText){NULL, 0} : ls_text_datum(PG_GETARG_DATUM(argument));

	if (!ls_text_is_id(id))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("learner_id must have 1 to %d characters", LS_MAX_ID_CHARS)));
	return id;
}

/* The same for a call on behalf of an app. */
LsText
ls_learner_served(FunctionCallInfo fcinfo, int argument)
{
	check_enabled();
	return ls_learner_argument(fcinfo, argument);
}

/* Works on the request of a function of schema learnsync: (learner_id, request). */
Datum
ls_call_for(FunctionCallInfo fcinfo, const LsService *service)
{
	return ls_call((LsCall){
		.learner = ls_learner_served(fcinfo, 0), .request = ls_request_argument(fcinfo, 1), .service = service});
}

/* The same of schema learnsync_api: (request), by whoever is signed in; whether the device is let in is seen to later. */
Datum
ls_call_api(FunctionCallInfo fcinfo, const LsService *service)
{
	LsText learner = signed_in();
	LsText device = claimed_device();

	return ls_call((LsCall){.learner = learner,
							.signed_in = learner,
							.device = device,
							.request = ls_request_argument(fcinfo, 0),
							.of_app = true,
							.service = service});
}

/* Closes the store and answers a learner who was read from it, NULL where there is none. */
Datum
ls_learner_answer(FunctionCallInfo fcinfo, LsStoreCall *call, LsText id)
{
	Datum answer = id.data == NULL ? (Datum) 0 : ls_text_to_datum(id);

	ls_store_close(call);
	fcinfo->isnull = answer == (Datum) 0;
	return answer;
}

PG_FUNCTION_INFO_V1(learnsync_current_learner);

/* learnsync.current_learner(): NULL where nobody is signed in, so that row security shows nothing. */
Datum
learnsync_current_learner(PG_FUNCTION_ARGS)
{
	char *name;

	if (!ls_learner_admitted(&name))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}
