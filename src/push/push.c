/*
 * push.c
 *		sync_push: one batch of one device, from the request to the answer, in one transaction.
 *
 * Everything that decides is read after the learner's row was locked, by statements with snapshots of their own;
 * that is what makes concurrent copies of one batch count once.
 */
#include "postgres.h"

#include "push/push.h"
#include "miscadmin.h"
#include "xapi/xapi.h"

/* A text of the app's about itself; without data where it is none that is short. */
static LsText
read_about(const JsonbValue *metadata, const char *key)
{
	JsonbValue value;

	if (!ls_json_get(metadata, key, &value) || value.type != jbvString || value.val.string.len == 0 ||
		value.val.string.len > LS_MAX_CLIENT_BYTES)
		return (LsText){NULL, 0};
	return ls_text_of(&value);
}

static void
read_metadata(LsBatch *batch, const JsonbValue *request)
{
	if (!ls_json_get(request, "metadata", &batch->metadata))
		batch->metadata = ls_json_null();
	if (batch->metadata.type == jbvNull)
		return;
	if (!ls_json_is_object(&batch->metadata))
		ls_request_refuse("metadata", "must be an object");
	ls_request_limit(&batch->metadata, learnsync_max_metadata_bytes, "learnsync.max_metadata_bytes", "metadata");
	batch->client = (LsClient){read_about(&batch->metadata, "appVersion"), read_about(&batch->metadata, "platform"),
							   read_about(&batch->metadata, "networkType")};
}

static void
read_envelope(LsPush *push, const LsCall *call)
{
	JsonbValue request;

	ls_request_open(call->request, &request);
	push->batch.nitems = ls_batch_count(&request, "items", &push->batch.items_raw);
	push->batch.device.id = ls_call_device(call);
	push->batch.device_name = ls_request_text(&request, "deviceName", false);
	ls_batch_read_sent(&push->batch, &request);
	push->cursor = ls_request_cursor(&request, "lastSyncVersion");
	push->epoch = ls_request_text(&request, "epoch", false);
	push->bookmark = ls_cursor_read(&request);
	if (push->bookmark.given)
		push->cursor = push->bookmark.position;
	push->batch.dry_run = ls_request_bool(&request, "dryRun");
	push->atomic = ls_request_bool(&request, "atomic");
	read_metadata(&push->batch, &request);
}

/* Room for the resources that the items are about. */
void
ls_push_make_room(LsPush *push)
{
	int count = Max(push->batch.nitems, 1);

	push->resources = palloc(sizeof(LsResource *) * count);
	push->changed = palloc(sizeof(LsResource *) * count);
	push->resource_buckets = ls_memory_zeroed(push->batch.nbuckets, sizeof(LsResource *));
}

static bool
is_create(const LsItem *item)
{
	return ls_text_equal(item->operation, ls_text("create"));
}

static bool
read_operation(LsItem *item, LsFailure *failure)
{
	JsonbValue value;

	if (ls_json_get(&item->raw, "operation", &value) && value.type == jbvString)
	{
		item->operation = ls_text_of(&value);
		item->change.is_delete = ls_text_equal(item->operation, ls_text("delete"));
		if (item->change.is_delete || is_create(item) || ls_text_equal(item->operation, ls_text("update")))
			return true;
	}
	return ls_fail(failure, "invalid", "operation", "operation must be create, update or delete");
}

static bool
read_type(LsItem *item, LsFailure *failure)
{
	JsonbValue value;

	if (!ls_json_get(&item->raw, "resourceType", &value) || value.type != jbvString)
		return ls_fail(failure, "invalid", "resourceType", "resourceType must be a string");
	item->type_name = ls_text_of(&value);
	item->type = ls_store_hold_type(item->type_name);
	if (item->type != NULL)
		return true;
	ls_fail(failure, "unknown_type", "resourceType", "unknown resource type");
	return ls_fail_until(failure, item->type_name);
}

static bool
read_data(LsItem *item, LsFailure *failure)
{
	if (!ls_json_get(&item->raw, "data", &item->data))
		item->data = ls_json_null();
	item->change.data = item->data;
	if (ls_json_is_object(&item->data) || (item->data.type == jbvNull && item->change.is_delete))
		return true;
	return ls_fail(failure, "invalid", "data", "data must be an object");
}

/* The document that the item's was made from, where it says so. */
static bool
read_ancestor(LsItem *item, LsFailure *failure)
{
	if (!ls_json_get(&item->raw, "ancestor", &item->change.ancestor))
		item->change.ancestor = ls_json_null();
	if (item->change.ancestor.type == jbvNull || ls_json_is_object(&item->change.ancestor))
		return true;
	return ls_fail(failure, "invalid", "ancestor", "ancestor must be an object");
}

/* The client's time, from that member of the item. */
bool
ls_item_read_time(LsItem *item, const char *key, LsFailure *failure)
{
	if (ls_item_find_time(item, key))
		return true;
	return ls_fail(failure, "bad_timestamp", key,
				   "%s must be an RFC 3339 time with offset, such as 2026-01-08T10:30:00.000Z", key);
}

static bool
read_push_item(LsItem *item, LsFailure *failure)
{
	return read_operation(item, failure) && read_type(item, failure) && read_data(item, failure) &&
		   read_ancestor(item, failure) && ls_item_read_time(item, "clientTimestamp", failure);
}

const LsChannel ls_push_channel = {.name = LS_PUSH_CHANNEL,
								   .by_device = true,
								   .shows_documents = true,
								   .id = "id",
								   .time = "clientTimestamp",
								   .read = read_push_item};

/* The resourceId as sent, if it was. */
static bool
read_resource_id(LsItem *item, LsText *id, LsFailure *failure)
{
	JsonbValue value;

	*id = (LsText){NULL, 0};
	if (!ls_json_get(&item->raw, "resourceId", &value) || value.type == jbvNull)
		return true;
	*id = ls_json_name(&value);
	if (id->data == NULL || id->length == 0 || ls_text_chars(*id) > LS_MAX_ID_CHARS * Max(item->type->rule->nkeys, 1))
		return ls_fail(failure, "invalid", "resourceId", "resourceId must be a string of 1 to %d characters",
					   LS_MAX_ID_CHARS);
	return true;
}

/* Settles which resource the item is about; an id that is missing and may be is derived from the identity. */
static bool
read_key(const LsChannel *channel, LsItem *item, LsFailure *failure)
{
	const LsRule *rule = item->type->rule;
	LsText sent = {NULL, 0};
	pg_uuid_t derived;

	/* Where the data are the item, a member of that name is but a member. */
	if (!channel->is_flat && !read_resource_id(item, &sent, failure))
		return false;
	if (item->change.is_delete && !rule->allow_delete)
		return ls_fail(failure, "not_allowed", "operation", "%s cannot be deleted", ls_text_string(item->type->name));
	if (!ls_check_keys(rule, &item->data, sent, false, &item->change, failure))
		return false;
	item->resource_id = rule->nkeys > 0 ? ls_check_resource_id(rule, &item->change) : sent;
	if (item->resource_id.data != NULL && item->resource_id.length > LS_MAX_RESOURCE_ID_BYTES)
		return ls_fail(failure, "invalid", "resourceId", "the key is longer than %d bytes", LS_MAX_RESOURCE_ID_BYTES);
	if (item->resource_id.data != NULL)
		return true;
	if (!rule->generate_key || item->change.is_delete || (rule->nkeys == 0 && !is_create(item)))
		return ls_fail(failure, "invalid", "resourceId", "resourceId is missing");
	derived = ls_digest_derive(&item->key, "resource");
	item->resource_id = ls_digest_uuid_text(&derived);
	item->change.keys[0] = item->resource_id;
	return true;
}

/* Statements are known by UUIDs, which mean the same in upper case. */
static bool
read_statement_id(LsItem *item, LsFailure *failure)
{
	item->resource_id = ls_xapi_statement_id(item->resource_id);
	return item->resource_id.data != NULL ||
		   ls_fail(failure, "invalid_statement", "resourceId", "resourceId must be a UUID");
}

/* Whether the item can be looked at: what has no end is not walked. */
static bool
check_raw(const JsonbValue *raw, const LsExtent *extent, LsFailure *failure)
{
	if (!ls_json_is_object(raw))
		return ls_fail(failure, "invalid", "", "an item must be an object");
	return ls_limit_check(raw, extent, "the item", learnsync_max_item_bytes, "", failure);
}

static bool
check_data(LsItem *item, LsFailure *failure)
{
	if (item->change.is_delete)
		return true;
	ls_adjust_item(item->type->rule, &item->change);
	return ls_check_document(item->type->rule, &item->change.data, failure);
}

static bool
check_item(const LsChannel *channel, LsItem *item, LsFailure *failure)
{
	if (item->id.data == NULL || !ls_text_is_id(item->id))
		return ls_fail(failure, "invalid", channel->id, "%s must be a string of 1 to %d characters", channel->id,
					   LS_MAX_ID_CHARS);
	return channel->read(item, failure) && read_key(channel, item, failure) && check_data(item, failure) &&
		   (!item->type->rule->xapi || read_statement_id(item, failure));
}

/* The data of a flat item are the item: a path into them starts there. */
static const char *
flat_path(const char *path)
{
	return strncmp(path, "data.", 5) == 0 ? path + 5 : path;
}

/* Reads one item; what is wrong with it goes to item->refused. */
static void
read_item(LsPush *push, LsItem *item)
{
	const LsChannel *channel = push->batch.channel;
	LsExtent extent = ls_batch_identify(&push->batch, item);

	item->data = ls_json_null();
	if (check_raw(&item->raw, &extent, &item->refused) && !check_item(channel, item, &item->refused) &&
		channel->is_flat)
		item->refused.path = flat_path(item->refused.path);
	/* A corrected copy will have happened when this one did. */
	if (item->refused.code != NULL && item->client_at == LS_NO_TIME)
		(void) ls_item_find_time(item, channel->time);
}

/* Reads the items; what is wrong with one stands in it. */
void
ls_push_read_items(LsPush *push)
{
	ls_batch_take_items(&push->batch);
	ls_push_make_room(push);
	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		read_item(push, &push->batch.items[i]);
	}
}

/* Sets up a push that does not say what its device has seen. */
void
ls_push_open(LsPush *push, const LsCall *call, const LsChannel *channel)
{
	*push = (LsPush){.cursor = -1};
	ls_batch_open(&push->batch, call, channel);
}

static void
print_id(StringInfo out, LsText id)
{
	if (id.data == NULL)
		ls_json_print_plain(out, "null");
	else
		ls_json_print_text(out, id);
}

static void
print_result(StringInfo out, const LsItem *item)
{
	bool failed = item->verdict == LS_FAILED;
	int64 newest = item->resource == NULL ? 0 : ls_resource_version(item->resource);

	ls_json_print_plain(out, "{\"id\":");
	print_id(out, item->id);
	if (!failed && item->change.capped.type != jbvNull)
	{
		ls_json_print_plain(out, ",\"capped\":");
		ls_json_print(out, &item->change.capped);
	}
	ls_json_print_plain(out, ",\"status\":\"");
	appendStringInfoString(out, ls_verdict_status(item->verdict));
	ls_json_print_plain(out, "\",\"version\":");
	if (failed)
		ls_json_print_plain(out, "null");
	else
		ls_json_print_int(out, item->version);
	appendStringInfoString(out, item->duplicate ? ",\"duplicate\":true" : ",\"duplicate\":false");
	ls_json_print_plain(out, ",\"resourceId\":");
	print_id(out, item->resource_id);
	ls_json_print_plain(out, ",\"resourceType\":");
	print_id(out, item->type != NULL ? item->type->name : item->type_name);
	if (item->duplicate && newest > item->version)
	{
		ls_json_print_plain(out, ",\"serverVersion\":");
		ls_json_print_int(out, newest);
	}
	appendStringInfoChar(out, '}');
}

static void
print_conflict(StringInfo out, const LsItem *item)
{
	pg_uuid_t id = ls_digest_derive(&item->key, "conflict");

	ls_json_print_plain(out, "{\"id\":");
	print_id(out, item->id);
	ls_json_print_plain(out, ",\"clientData\":");
	if (item->data.type == jbvNull)
		ls_json_print_plain(out, "{}");
	else
		ls_json_print(out, &item->data);
	ls_json_print_plain(out, ",\"conflictId\":");
	ls_json_print_text(out, ls_digest_uuid_text(&id));
	ls_json_print_plain(out, ",\"resolution\":\"");
	appendStringInfoString(out, ls_verdict_resolution(item->verdict));
	ls_json_print_plain(out, "\",\"serverData\":");
	if (item->resource == NULL)
		ls_json_print_plain(out, "null,\"serverVersion\":null");
	else
	{
		ls_json_print(out, item->resource->shown);
		ls_json_print_plain(out, ",\"serverVersion\":");
		ls_json_print_int(out, ls_resource_version(item->resource));
	}
	appendStringInfoChar(out, '}');
}

/* Of those there are few, and their words are not ours only: built and printed then. */
static void
print_failure(StringInfo out, const LsItem *item)
{
	JsonbValue failure = ls_json_object();
	LsReceipt first;

	ls_json_put(&failure, "id", ls_json_text(item->id));
	ls_json_put(&failure, "code", ls_json_string(item->failure.code));
	ls_json_put(&failure, "path", ls_json_string(item->failure.path));
	ls_json_put(&failure, "error", ls_json_string(item->failure.message));
	ls_json_put(&failure, "retryable", ls_json_bool(item->failure.retryable));
	if (item->waits)
		ls_json_put(&failure, "waiting", ls_json_bool(true));
	if (ls_item_first(item, &first))
		ls_json_put(&failure, "first", ls_item_first_json(&first));
	ls_json_print(out, &failure);
}

static void
print_synced(StringInfo out, const LsItem *item)
{
	print_id(out, item->id);
}

static bool
is_any(const LsItem *item)
{
	return true;
}

static bool
is_failed(const LsItem *item)
{
	return item->verdict == LS_FAILED;
}

static bool
is_conflict(const LsItem *item)
{
	return item->verdict != LS_FAILED && ls_verdict_is_conflict(item->verdict);
}

static bool
is_synced(const LsItem *item)
{
	return item->verdict != LS_FAILED && !ls_verdict_is_conflict(item->verdict);
}

/* One of the lists of an answer, and which items it has. */
typedef struct Group
{
	const char *name; /* as it is printed */
	bool (*has)(const LsItem *item);
	void (*print)(StringInfo out, const LsItem *item);
} Group;

static const Group groups[] = {{",\"results\":[", is_any, print_result},
							   {",\"conflicts\":[", is_conflict, print_conflict},
							   {",\"failedItems\":[", is_failed, print_failure},
							   {",\"syncedItems\":[", is_synced, print_synced}};

static void
print_group(const Group *group, const LsPush *push, StringInfo out)
{
	int start;

	appendStringInfoString(out, group->name);
	start = out->len;
	for (int i = 0; i < push->batch.nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!group->has(&push->batch.items[i]))
			continue;
		if (out->len > start)
			appendStringInfoCharMacro(out, ',');
		group->print(out, &push->batch.items[i]);
	}
	appendStringInfoChar(out, ']');
}

/* What the device is to store in place of its cursor. */
static LsText
new_cursor(const LsPush *push)
{
	LsCursor cursor = push->bookmark;

	if (push->batch.safe_version != cursor.position || push->is_foreign)
		cursor = ls_cursor_at(&cursor, push->batch.safe_version,
							  ls_cursor_life(push->batch.learner.id, push->batch.learner.epoch));
	return ls_cursor_print(&cursor);
}

/* The answer, made in the context that outlives the call: it may be large, and is not copied. */
static Datum
answer_push(const LsPush *push, MemoryContext outside)
{
	StringInfo out = ls_json_print_open(outside);

	ls_json_print_plain(out, "{\"epoch\":");
	ls_json_print_text(out, push->batch.learner.epoch);
	if (push->is_foreign)
		ls_json_print_plain(out, ",\"reset\":true");
	if (push->bookmark.given)
	{
		ls_json_print_plain(out, ",\"cursor\":");
		ls_json_print_text(out, new_cursor(push));
	}
	for (int i = 0; i < lengthof(groups); i++)
		print_group(&groups[i], push, out);
	ls_json_print_plain(out, ",\"syncVersion\":");
	ls_json_print_int(out, push->batch.safe_version);
	ls_json_print_plain(out, ",\"serverTimestamp\":");
	ls_json_print_text(out, ls_stamp_text(push->batch.now, 3));
	appendStringInfoChar(out, '}');
	return ls_json_print_close(out);
}

static Datum
push_work(LsCall *call)
{
	LsPush push;

	ls_push_open(&push, call, &ls_push_channel);
	read_envelope(&push, call);
	push.batch.unmetered = push.batch.nitems == 0;
	ls_push_run(&push);
	return answer_push(&push, call->outside);
}

const LsService ls_push_items = {.work = push_work,
								 .members = LS_MEMBERS("deviceId", "deviceName", "items", "metadata", "cursor",
													   "lastSyncVersion", "epoch", "dryRun", "atomic", "sentAt",
													   "traceparent"),
								 .writes = true,
								 .prints = true,
								 .by_device = true};

PG_FUNCTION_INFO_V1(learnsync_sync_push);
PG_FUNCTION_INFO_V1(learnsync_api_sync_push);

Datum
learnsync_sync_push(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &ls_push_items);
}

Datum
learnsync_api_sync_push(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &ls_push_items);
}
