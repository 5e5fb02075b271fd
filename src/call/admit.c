/*
 * admit.c
 *		Whether a device is let in, and which one it is: where learnsync.device_claim is set, the token says.
 */
#include "postgres.h"

#include "call/call.h"
#include "utils/guc.h"

/* Turns away a device that was deactivated; one that is to wipe itself is told so. */
void
ls_device_check(LsText learner, const LsDevice *device)
{
	bool wipes;

	if (!device->exists || device->active)
		return;
	wipes = ls_store_must_wipe(learner, device->id);
	ereport(ERROR, (errcode(LS_TURNED_AWAY), errmsg("this device is deactivated"),
					wipes ? errdetail_internal("{\"wipe\": true}") : 0,
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
LsText
ls_device_claimed(void)
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
void
ls_device_admit_reader(LsText learner)
{
	LsText device = ls_device_claimed();
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
