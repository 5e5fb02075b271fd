/*
 * correct.c
 *		sync_correct, sync_uncorrect: a person's correction of a document, and its end, each written as a push of one
 *		resource.
 */
#include "postgres.h"

#include "resolve/resolve.h"

/* One call. */
typedef struct Correct
{
	LsText type;
	LsText id;
	JsonbValue data; /* jbvNull where a correction is taken back */
	LsText conflict_id; /* that the correction settles; without data where it settles none */
	LsText correction_id; /* the only one that is to be taken back; without data where it may be any */
	LsAudit done;
	LsPush push; /* of one item, which is the correction and gets no receipt */
	LsItem *item;
} Correct;

/* Who corrects, and why, must be said. */
static void
read_person(Correct *correct, const LsCall *call, const char *action, const JsonbValue *request)
{
	correct->done = ls_call_audit(call, action, request);
	if (correct->done.by.data == NULL)
		ls_request_refuse("by", "is missing");
	if (correct->done.reason.data == NULL)
		ls_request_refuse("reason", "is missing");
}

static void
read_request(Correct *correct, const LsCall *call, const char *action, bool has_data)
{
	JsonbValue request;

	ls_request_open(call->request, &request);
	correct->type = ls_request_text(&request, "resourceType", true);
	correct->id = ls_request_text(&request, "resourceId", true);
	read_person(correct, call, action, &request);
	correct->conflict_id = ls_request_text(&request, "conflictId", false);
	correct->correction_id = ls_request_text(&request, "correctionId", false);
	correct->data = ls_json_null();
	if (!has_data)
		return;
	if (!ls_json_get(&request, "data", &correct->data) || !ls_json_is_object(&correct->data))
		ls_request_refuse("data", "must be an object");
	ls_request_limit(&correct->data, learnsync_max_item_bytes, "learnsync.max_item_bytes", "data");
}

/* Sets up the push under the learner's lock; answers the resource, which must exist. */
static LsResource *
open_resource(Correct *correct)
{
	LsPush *push = &correct->push;
	LsItem *item;

	ls_batch_begin(&push->batch);
	push->batch.nitems = 1;
	ls_batch_make_room(&push->batch);
	ls_push_make_room(push);
	push->batch.device.id = ls_text("");
	item = correct->item = push->batch.items;
	item->type = ls_store_hold_type(correct->type);
	if (item->type == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("resource type \"%s\" does not exist", ls_text_string(correct->type))));
	item->resource_id = correct->id;
	item->change = (LsChange){.at = push->batch.now, .received = push->batch.now, .data = correct->data};
	item->change.ancestor = item->change.capped = ls_json_null();
	ls_store_carry_over(push);
	ls_push_find_resources(push);
	ls_store_read_known(push);
	if (!push->resources[0]->stored.exists)
		ereport(ERROR, (errcode(LS_NOT_FOUND), errmsg("resource not found"),
						errdetail("The learner has no %s \"%s\".", ls_text_string(correct->type),
								  ls_text_string(correct->id))));
	push->resources[0]->state = push->resources[0]->stored;
	return push->resources[0];
}

/* Writes what became of the resource, for whoever folds its items again, too. */
static void
write_entry(Correct *correct, LsResource *resource, LsText correction_id)
{
	LsPush *push = &correct->push;
	JsonbValue entry = ls_json_object();

	if (correct->data.type != jbvNull)
		ls_json_put(&entry, "data", correct->item->change.data);
	ls_json_put(&entry, "by", ls_json_text(correct->done.by));
	ls_json_put(&entry, "reason", ls_json_text(correct->done.reason));
	ls_json_put(&entry, "resolution", ls_json_string(correct->done.action));
	ls_json_put(&entry, "resourceId", ls_json_text(resource->id));
	ls_json_put(&entry, "correctionId", ls_json_text(correction_id));
	ls_json_put(&entry, "resourceType", ls_json_text(resource->type->name));
	push->batch.version = push->batch.learner.version + 1;
	push->batch.decision = entry;
	push->changed[push->nchanged++] = resource;
	resource->new_version = push->batch.version;
	ls_store_write_accepted(push);
	ls_store_update_learner(&push->batch, true, false);
}

/* Notes who did it. */
static void
write_audit(Correct *correct, LsResource *resource, LsText correction_id)
{
	LsAudit *done = &correct->done;

	done->at = correct->push.batch.now;
	done->type = resource->type->name;
	done->resource_id = resource->id;
	done->details = ls_json_object();
	ls_json_put(&done->details, "correctionId", ls_json_text(correction_id));
	if (correct->data.type != jbvNull)
		ls_json_put(&done->details, "data", correct->item->change.data);
	ls_store_audit(done);
}

static Jsonb *
answer(const LsResource *resource, LsText correction_id)
{
	JsonbValue answer = ls_json_object();

	ls_json_put(&answer, "version", ls_json_int(resource->new_version));
	ls_json_put(&answer, "resourceId", ls_json_text(resource->id));
	ls_json_put(&answer, "correctionId", ls_json_text(correction_id));
	ls_json_put(&answer, "resourceType", ls_json_text(resource->type->name));
	return ls_json_encode(&answer);
}

/* The open conflict that the correction settles must be one about this resource. */
static void
settle_conflict(const Correct *correct)
{
	LsConflict conflict;

	if (correct->conflict_id.data == NULL)
		return;
	if (!ls_store_read_conflict(correct->push.batch.learner.id, correct->conflict_id, &conflict) ||
		!ls_text_equal(conflict.type, correct->type) || !ls_text_equal(conflict.resource_id, correct->id))
		ereport(ERROR, (errcode(LS_NOT_FOUND), errmsg("conflict not found"),
						errhint("It may be closed already, or be about another resource.")));
	ls_store_close_conflict(correct->conflict_id, "correct", &correct->done);
}

static void
check_data(Correct *correct)
{
	LsItem *item = correct->item;
	const LsRule *rule = item->type->rule;
	LsFailure failure = {NULL};

	ls_correction_check(rule, &item->change.data);
	if (!ls_check_keys(rule, &item->change.data, correct->id, false, &item->change, &failure))
		ls_request_refuse_document(&failure);
	ls_adjust_document(rule, &item->change);
}

static Datum
correct_work(LsCall *call)
{
	Correct correct = {.data = ls_json_null()};
	LsFailure failure = {NULL};
	const LsLearner *learner = &correct.push.batch.learner;
	LsCorrection correction;
	LsResource *resource;
	static const LsChannel channel = {.name = LS_CORRECT_CHANNEL};

	ls_push_open(&correct.push, call, &channel);
	read_request(&correct, call, "correct", true);
	resource = open_resource(&correct);
	check_data(&correct);
	correction = ls_correction_of(&resource->stored, learner->epoch, learner->id, correct.push.batch.now,
								  learner->version + 1);
	correction.by = correct.done.by;
	correction.reason = correct.done.reason;
	correct.item->change.at = correction.at;
	if (!ls_correction_apply(resource->type->rule, &resource->state, &correction, &correct.item->change.data,
							 &failure))
		ls_request_refuse_document(&failure);
	write_entry(&correct, resource, correction.id);
	write_audit(&correct, resource, correction.id);
	settle_conflict(&correct);
	return JsonbPGetDatum(answer(resource, correction.id));
}

static Datum
uncorrect_work(LsCall *call)
{
	Correct correct = {.data = ls_json_null()};
	const LsLearner *learner = &correct.push.batch.learner;
	const LsOverlay *overlay;
	LsResource *resource;
	LsText newest;
	static const LsChannel channel = {.name = LS_UNCORRECT_CHANNEL};

	ls_push_open(&correct.push, call, &channel);
	read_request(&correct, call, "uncorrect", false);
	resource = open_resource(&correct);
	overlay = resource->stored.overlay;
	if (overlay == NULL)
		ereport(ERROR, (errcode(LS_NOT_FOUND), errmsg("no correction stands on this resource")));
	newest = overlay->corrections[overlay->count - 1].id;
	if (correct.correction_id.data != NULL && !ls_text_equal(correct.correction_id, newest))
		ereport(ERROR, (errcode(LS_MOVED_ON), errmsg("another correction is the newest"),
						errdetail("That is \"%s\".", ls_text_string(newest))));
	ls_correction_drop(&resource->state, learner->version + 1);
	write_entry(&correct, resource, newest);
	write_audit(&correct, resource, newest);
	return JsonbPGetDatum(answer(resource, newest));
}

static const LsService correction = {
	.work = correct_work,
	.members = LS_MEMBERS("resourceType", "resourceId", "data", "by", "reason", "conflictId"),
	.writes = true};

static const LsService uncorrection = {.work = uncorrect_work,
									   .members =
										   LS_MEMBERS("resourceType", "resourceId", "by", "reason", "correctionId"),
									   .writes = true};

PG_FUNCTION_INFO_V1(learnsync_sync_correct);
PG_FUNCTION_INFO_V1(learnsync_sync_uncorrect);

Datum
learnsync_sync_correct(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &correction);
}

Datum
learnsync_sync_uncorrect(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &uncorrection);
}
