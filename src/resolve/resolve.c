/*
 * resolve.c
 *		sync_resolve: a person's decision about an open conflict, written as a push of one resource.
 */
#include "postgres.h"

#include "resolve/resolve.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

typedef enum Resolution
{
	USE_SERVER,
	USE_CLIENT,
	USE_MERGED,
	KEEP_BOTH
} Resolution;

static const char *const resolutions[] = {"use_server", "use_client", "use_merged", "keep_both"};

/* One call. */
typedef struct Resolve
{
	LsText conflict_id;
	Resolution resolution;
	JsonbValue merged; /* jbvNull where absent */
	bool force;
	LsAudit done; /* by whom and why, too */
	LsText correction_id; /* that the decision is; without data where it is none */
	LsConflict conflict;
	LsPush push; /* of one item, which is the decision and gets no receipt */
	LsItem *item;
} Resolve;

static void
read_request(Resolve *resolve, const LsCall *call)
{
	JsonbValue request;
	LsText resolution;
	int i = 0;

	ls_request_open(call->request, &request);
	resolve->done = ls_call_audit(call, "resolve", &request);
	resolve->conflict_id = ls_header_or_body_id(&request, "conflictId");
	resolution = ls_request_text(&request, "resolution", true);
	while (i < lengthof(resolutions) && !ls_text_equal(ls_text(resolutions[i]), resolution))
		i++;
	if (i == lengthof(resolutions))
		ls_request_refuse("resolution", "must be use_server, use_client, use_merged or keep_both");
	resolve->resolution = (Resolution) i;
	resolve->force = ls_request_bool(&request, "force");
	if (!ls_json_get(&request, "mergedData", &resolve->merged))
		resolve->merged = ls_json_null();
	if ((resolve->resolution == USE_MERGED) != ls_json_is_object(&resolve->merged))
		ls_request_refuse("mergedData", "must be an object, and goes with use_merged only");
	ls_request_limit(&resolve->merged, learnsync_max_item_bytes, "learnsync.max_item_bytes", "mergedData");
}

static void
find_conflict(Resolve *resolve)
{
	if (!ls_store_read_conflict(resolve->push.batch.learner.id, resolve->conflict_id, &resolve->conflict))
		ereport(ERROR, (errcode(LS_NOT_FOUND), errmsg("conflict not found"),
						errhint("It may be closed already; sync_status lists the open ones.")));
}

static void
check_data(Resolve *resolve)
{
	LsItem *item = resolve->item;
	const LsRule *rule = item->type->rule;
	LsFailure failure = {NULL};

	if (!ls_check_keys(rule, &item->change.data, resolve->conflict.resource_id, false, &item->change, &failure))
		ls_request_refuse_document(&failure);
	if (item->change.is_delete)
		return;
	(resolve->resolution == USE_MERGED ? ls_adjust_document : ls_adjust_item)(rule, &item->change);
	if (!ls_check_document(rule, &item->change.data, &failure))
		ls_request_refuse_document(&failure);
}

/* Numbers in use, sorted, and the bounds that the rule sets. */
typedef struct Numbers
{
	const LsBounds *bounds;
	const int64 *taken;
	int count;
} Numbers;

static int
compare_numbers(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

static bool
is_free(const Numbers *numbers, int64 number)
{
	if (number < 1 || !ls_check_bounds(numbers->bounds, int64_to_numeric(number)))
		return false;
	return numbers->count == 0 ||
		   bsearch(&number, numbers->taken, numbers->count, sizeof(int64), compare_numbers) == NULL;
}

/* The least whole number that a lower bound allows, or 1. */
static int64
least_number(const LsBounds *bounds)
{
	JsonbValue least = {.type = jbvNumeric};
	int64 number;

	if (bounds->min == NULL)
		return 1;
	least.val.numeric = DatumGetNumeric(DirectFunctionCall1(numeric_ceil, NumericGetDatum(bounds->min)));
	if (!ls_json_integer(&least, &number) || number < 1)
		return 1;
	return number < PG_INT64_MAX && !ls_check_bounds(bounds, least.val.numeric) ? number + 1 : number;
}

/*
 * The number that a document gets which is kept beside another one: one more than the greatest of those in use or, where
 * there is none such, the least that is free. Sorts them; false where none is left.
 */
static bool
find_free_number(const LsRuleField *field, int64 *taken, int count, int64 *number)
{
	Numbers numbers = {&field->bounds, taken, count};

	if (count > 1)
		ls_sort(taken, count, sizeof(int64), compare_numbers);
	*number = count == 0 ? 1 : taken[count - 1] == PG_INT64_MAX ? 0 : taken[count - 1] + 1;
	if (is_free(&numbers, *number))
		return true;
	*number = least_number(&field->bounds);
	for (int i = 0; i < count && !is_free(&numbers, *number); i++)
	{
		if (taken[i] >= *number && taken[i] < PG_INT64_MAX)
			*number = taken[i] + 1;
	}
	return is_free(&numbers, *number);
}

/* The resource beside the one that is taken: the same key with the next free number. */
static void
take_next_number(Resolve *resolve)
{
	LsItem *item = resolve->item;
	const LsRule *rule = item->type->rule;
	int last = rule->nkeys - 1;
	int64 *taken;
	int64 number;
	int count;

	if (last < 1 || !item->change.key_is_number[last] || item->change.is_delete)
		ls_request_refuse("resolution", "may be keep_both for types of several keys of which the last is a number");
	count = ls_store_read_numbers(resolve->push.batch.learner.id, item->type->name, rule, &item->change, &taken);
	if (!find_free_number(ls_rule_field(rule, rule->keys[last]), taken, count, &number))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no number is free to keep both"),
						errdetail("The rule of \"%s\" allows no other value of \"%s\".",
								  ls_text_string(item->type->name), ls_text_string(rule->keys[last])),
						errhint("Resolve the conflict in another way.")));
	item->change.keys[last] = ls_text(psprintf(INT64_FORMAT, number));
	item->resource_id = ls_check_resource_id(rule, &item->change);
}

/* Sets up the push: the type and resource in question, and what its document is to be made of. */
static void
open_push(Resolve *resolve)
{
	LsPush *push = &resolve->push;
	LsItem *item;

	push->batch.nitems = 1;
	ls_batch_make_room(&push->batch);
	ls_push_make_room(push);
	push->batch.device.id = ls_text(""); /* nobody's: no device has this id */
	item = resolve->item = push->batch.items;
	item->type = ls_store_hold_type(resolve->conflict.type);
	item->resource_id = resolve->conflict.resource_id;
	item->change.is_delete = resolve->resolution != USE_MERGED && resolve->conflict.is_delete;
	item->change.at = resolve->conflict.at;
	item->change.received = push->batch.now;
	item->change.device = resolve->resolution == USE_MERGED ? ls_text("") : resolve->conflict.device;
	item->change.data = resolve->resolution == USE_MERGED ? resolve->merged : resolve->conflict.data;
	if (item->type == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("resource type \"%s\" does not exist", ls_text_string(resolve->conflict.type))));
	if (resolve->resolution == USE_SERVER)
		return;
	check_data(resolve);
	if (resolve->resolution == KEEP_BOTH)
		take_next_number(resolve);
}

/* Refuses to write over what nobody may have seen. */
static void
check_version(const Resolve *resolve, const LsResource *resource)
{
	if (!resolve->force && resource->version != resolve->conflict.resource_version)
		ereport(ERROR, (errcode(LS_MOVED_ON), errmsg("the resource has changed since the conflict"),
						errdetail("It has version " INT64_FORMAT ", the conflict is about version " INT64_FORMAT ".",
								  resource->version, resolve->conflict.resource_version),
						errhint("Look at the document again, then send \"force\": true.")));
}

/* Whether what a person has put together is to stand as a correction of the fields that differ. */
static bool
corrects(const Resolve *resolve, const LsResource *resource)
{
	const LsRule *rule = resource->type->rule;

	return resolve->resolution == USE_MERGED && rule->policy == LS_POLICY_MERGE && resource->stored.exists;
}

/* The document that the person has seen, with its lists. */
static JsonbValue
shown_document(const Resolve *resolve, const LsResource *resource)
{
	LsState whole = ls_state_copy(&resource->stored);
	LsListed listed = {resource->type->name, resource->id, 0, &whole};
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = PG_INT64_MAX};
	JsonbValue shown;

	if (resource->type->rule->has_lists)
		(void) ls_store_complete_lists(resolve->push.batch.learner.id, &listed, 1, room, LS_SEES_OWN);
	shown = ls_state_whole(&whole, false);
	ls_json_root(ls_json_encode(&shown), &shown);
	return shown;
}

static void
correct(Resolve *resolve, LsResource *resource)
{
	const LsRule *rule = resource->type->rule;
	const LsLearner *learner = &resolve->push.batch.learner;
	LsCorrection correction = ls_correction_of(&resource->stored, learner->epoch, learner->id,
											   resolve->push.batch.now, learner->version + 1);
	LsChange *change = &resolve->item->change;
	LsFailure failure = {NULL};
	JsonbValue shown = shown_document(resolve, resource);

	correction.by = resolve->done.by;
	correction.reason = resolve->done.reason;
	change->at = correction.at;
	change->data = ls_correction_difference(rule, &shown, &change->data);
	resource->state = resource->stored;
	resolve->correction_id = correction.id;
	if (ls_json_count(&change->data) > 0 &&
		!ls_correction_apply(rule, &resource->state, &correction, &change->data, &failure))
		ls_request_refuse_document(&failure);
}

/* Decides the resource's new state. */
static void
decide(Resolve *resolve, LsResource *resource)
{
	LsChange *change = &resolve->item->change;
	LsState *state = &resource->state;
	LsFailure failure = {NULL};

	*state = resource->stored;
	state->shared = state->limited = true;
	if (resolve->resolution == USE_MERGED || change->is_delete)
		change->at = Max(change->at, state->at);
	if (!ls_merge_decide(resource->type->rule, state, change, resolve->resolution == USE_CLIENT, &resource->replaced,
						 &failure))
		ls_request_refuse_document(&failure);
}

/* What the journal keeps of the decision, for whoever folds the items again. */
static JsonbValue
journal_entry(const Resolve *resolve, const LsResource *resource)
{
	const LsChange *change = &resolve->item->change;
	JsonbValue entry = ls_json_object();

	if (!change->is_delete)
		ls_json_put(&entry, "data", change->data);
	ls_json_put(&entry, "deviceId", ls_json_text(change->device));
	ls_json_put(&entry, "operation", ls_json_string(change->is_delete ? "delete" : "update"));
	ls_json_put(&entry, "conflictId", ls_json_text(resolve->conflict_id));
	ls_json_put(&entry, "resolution", ls_json_string(resolutions[resolve->resolution]));
	ls_json_put(&entry, "resourceId", ls_json_text(resource->id));
	ls_json_put(&entry, "resourceType", ls_json_text(resource->type->name));
	if (resolve->correction_id.data != NULL)
		ls_json_put(&entry, "correctionId", ls_json_text(resolve->correction_id));
	if (resolve->done.by.data != NULL)
		ls_json_put(&entry, "by", ls_json_text(resolve->done.by));
	if (resolve->done.reason.data != NULL)
		ls_json_put(&entry, "reason", ls_json_text(resolve->done.reason));
	return entry;
}

static void
write_decision(Resolve *resolve, LsResource *resource)
{
	LsPush *push = &resolve->push;

	push->batch.version = push->batch.learner.version + 1;
	push->batch.decision = journal_entry(resolve, resource);
	push->changed[push->nchanged++] = resource;
	resource->new_version = push->batch.version;
	ls_store_write_accepted(push);
	ls_store_update_learner(&push->batch, true, false);
}

/* Closes the conflict, and notes who did. */
static void
close_conflict(Resolve *resolve, const LsResource *resource)
{
	LsAudit *done = &resolve->done;

	done->at = resolve->push.batch.now;
	ls_store_close_conflict(resolve->conflict_id, resolutions[resolve->resolution], done);
	done->type = resource->type->name;
	done->resource_id = resource->id;
	done->details = ls_json_object();
	ls_json_put(&done->details, "conflictId", ls_json_text(resolve->conflict_id));
	ls_json_put(&done->details, "resolution", ls_json_string(resolutions[resolve->resolution]));
	ls_store_audit(done);
}

static Jsonb *
answer_resolve(const Resolve *resolve, const LsResource *resource)
{
	JsonbValue answer = ls_json_object();

	ls_json_put(&answer, "message", ls_json_string("Conflict resolved successfully"));
	ls_json_put(&answer, "version", ls_json_int(ls_resource_version(resource)));
	ls_json_put(&answer, "resourceId", ls_json_text(resource->id));
	ls_json_put(&answer, "resourceType", ls_json_text(resource->type->name));
	return ls_json_encode(&answer);
}

static Jsonb *
do_resolve(Resolve *resolve)
{
	LsPush *push = &resolve->push;
	LsResource *resource;

	find_conflict(resolve);
	ls_batch_begin(&push->batch);
	find_conflict(resolve);
	open_push(resolve);
	ls_store_carry_over(push);
	ls_push_find_resources(push);
	ls_store_read_known(push);
	resource = push->resources[0];
	if (resolve->resolution != USE_SERVER)
	{
		if (resolve->resolution != KEEP_BOTH)
			check_version(resolve, resource);
		ls_store_find_members(push);
		if (corrects(resolve, resource))
			correct(resolve, resource);
		else
			decide(resolve, resource);
		write_decision(resolve, resource);
	}
	else
		ls_batch_note_charge(&push->batch);
	close_conflict(resolve, resource);
	return answer_resolve(resolve, resource);
}

static const LsChannel channel = {.name = LS_RESOLVE_CHANNEL};

static Datum
resolve_work(LsCall *call)
{
	Resolve resolve = {.force = false};

	ls_push_open(&resolve.push, call, &channel);
	read_request(&resolve, call);
	return JsonbPGetDatum(do_resolve(&resolve));
}

#define MEMBERS "conflictId", "resolution", "mergedData", "force", "reason"

static const LsService service = {.work = resolve_work, .members = LS_MEMBERS(MEMBERS, "by"), .writes = true};

/* Who decides is who is signed in. */
static const LsService api_service = {.work = resolve_work, .members = LS_MEMBERS(MEMBERS), .writes = true};

PG_FUNCTION_INFO_V1(learnsync_sync_resolve);
PG_FUNCTION_INFO_V1(learnsync_api_sync_resolve);

Datum
learnsync_sync_resolve(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &service);
}

Datum
learnsync_api_sync_resolve(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &api_service);
}
