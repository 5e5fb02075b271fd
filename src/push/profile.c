/*
 * profile.c
 *		progress_batch: activities of a profile, a learner whom another one owns, pushed as the type activity.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"

/* Activities without a time are from now. The whole record is its document. */
static bool
read_activity(LsItem *item, LsFailure *failure)
{
	JsonbValue value;

	item->operation = ls_text("create");
	item->type_name = ls_text("activity");
	item->type = ls_store_hold_type(item->type_name);
	if (item->type == NULL)
	{
		ls_fail(failure, "unknown_type", "", "resource type activity was dropped");
		return ls_fail_until(failure, item->type_name);
	}
	item->data = item->change.data = item->raw;
	if (ls_json_get(&item->raw, "timestamp", &value) && value.type != jbvNull)
		return ls_item_read_time(item, "timestamp", failure);
	return true;
}

const LsChannel ls_activity_channel = {
	.name = "progress_batch", .is_flat = true, .id = "idempotency_key", .time = "timestamp", .read = read_activity};

/* Why an item has no part in what is stored; NULL where it has. */
static const char *
error_of(const LsItem *item)
{
	if (item->verdict == LS_FAILED)
		return item->failure.message;
	return item->verdict == LS_SYNCED ? NULL : "idempotency_key is that of another activity";
}

/* Whether what it says was there before, be it through another function. */
static bool
is_duplicate(const LsItem *item)
{
	return item->duplicate || !item->changed;
}

static JsonbValue
result_of(const LsItem *item)
{
	JsonbValue result = ls_json_object();
	const char *error = error_of(item);
	pg_uuid_t id = ls_digest_derive(&item->key, "activity");

	if (error != NULL)
		ls_json_put(&result, "error", ls_json_string(error));
	if (item->waits)
		ls_json_put(&result, "waiting", ls_json_bool(true));
	ls_json_put(&result, "status", ls_json_string(error != NULL ? "error" : is_duplicate(item) ? "duplicate" : "ok"));
	if (error == NULL)
		ls_json_put(&result, "server_id", ls_json_uuid(&id));
	ls_json_put(&result, "idempotency_key", ls_json_text(item->id));
	return result;
}

static Jsonb *
push_activities(LsCall *call, const JsonbValue *request)
{
	JsonbValue answer = ls_json_object();
	JsonbValue results = ls_json_array();
	JsonbValue items;
	LsPush push;

	ls_push_open(&push, call, &ls_activity_channel);
	ls_batch_read_sent(&push.batch, request);
	push.batch.device.id = call->device.data != NULL ? call->device : ls_text("");
	/* No list is an empty one: a client that had nothing to send sent that. */
	if (ls_json_get(request, "items", &items) && items.type != jbvNull)
		push.batch.nitems = ls_batch_count(request, "items", &push.batch.items_raw);
	if (push.batch.nitems > 0)
		ls_push_run(&push);
	for (int i = 0; i < push.batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ls_json_add(&results, result_of(&push.batch.items[i]));
	}
	ls_json_put(&answer, "results", results);
	return ls_json_encode(&answer);
}

/* A batch by a backend, which names the learner; the request may name the profile again. */
static Datum
service_work(LsCall *call)
{
	JsonbValue request;
	LsText profile;

	ls_request_open(call->request, &request);
	profile = ls_request_text(&request, "profile_id", false);
	if (profile.data != NULL && !ls_text_equal(profile, call->learner))
		ls_request_refuse("profile_id", "must be the learner");
	return JsonbPGetDatum(push_activities(call, &request));
}

/* A batch by a learner, for themselves or for a profile of theirs. */
static Datum
learner_work(LsCall *call)
{
	JsonbValue request;
	LsText profile;

	ls_request_open(call->request, &request);
	profile = ls_request_text(&request, "profile_id", true);
	if (!ls_text_equal(profile, call->learner) && !ls_store_owns_profile(profile, call->learner))
		ereport(ERROR, (errcode(LS_NOT_FOUND), errmsg("profile not found"),
						errdetail("The caller has no profile \"%s\".", ls_text_string(profile))));
	call->learner = profile;
	return JsonbPGetDatum(push_activities(call, &request));
}

#define MEMBERS LS_MEMBERS("profile_id", "items", "sentAt", "traceparent")

const LsService ls_profile_batch = {.work = service_work, .members = MEMBERS, .writes = true};
static const LsService api_service = {.work = learner_work, .members = MEMBERS, .writes = true};

PG_FUNCTION_INFO_V1(learnsync_progress_batch);
PG_FUNCTION_INFO_V1(learnsync_api_progress_batch);

Datum
learnsync_progress_batch(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &ls_profile_batch);
}

Datum
learnsync_api_progress_batch(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &api_service);
}
