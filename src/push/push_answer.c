/*
 * push_answer.c
 *		The answer of a push: a verdict per item, and what the device must know of conflicts and failures.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"

/* How a conflict was or is to be settled, in the API's word; NULL for what is no conflict. */
const char *
ls_verdict_resolution(LsVerdict verdict)
{
	switch (verdict)
	{
		case LS_SERVER_WINS:
			return "server_wins";
		case LS_CLIENT_WINS:
			return "client_wins";
		case LS_MANUAL_REQUIRED:
			return "manual_required";
		default:
			return NULL;
	}
}

static JsonbValue
result_of(const LsItem *item)
{
	JsonbValue result = ls_json_object();
	bool failed = item->verdict == LS_FAILED;
	LsText type = item->type != NULL ? item->type->name : item->type_name;

	ls_json_put(&result, "id", ls_json_text(item->id));
	ls_json_put(&result, "status", ls_json_string(ls_verdict_status(item->verdict)));
	if (!failed && item->change.capped.type != jbvNull)
		ls_json_put(&result, "capped", item->change.capped);
	ls_json_put(&result, "version", failed ? ls_json_null() : ls_json_int(item->version));
	ls_json_put(&result, "duplicate", ls_json_bool(item->duplicate));
	ls_json_put(&result, "resourceId", ls_json_text(item->resource_id));
	ls_json_put(&result, "resourceType", ls_json_text(type));
	if (item->duplicate && item->resource != NULL && ls_resource_version(item->resource) > item->version)
		ls_json_put(&result, "serverVersion", ls_json_int(ls_resource_version(item->resource)));
	return result;
}

static JsonbValue
conflict_of(const LsItem *item)
{
	JsonbValue conflict = ls_json_object();
	pg_uuid_t id = ls_digest_derive(&item->key, "conflict");
	JsonbValue server = ls_json_null();
	JsonbValue version = ls_json_null();

	if (item->resource != NULL)
	{
		server = *item->resource->shown;
		version = ls_json_int(ls_resource_version(item->resource));
	}
	ls_json_put(&conflict, "id", ls_json_text(item->id));
	ls_json_put(&conflict, "conflictId", ls_json_uuid(&id));
	ls_json_put(&conflict, "clientData", item->data.type == jbvNull ? ls_json_object() : item->data);
	ls_json_put(&conflict, "serverData", server);
	ls_json_put(&conflict, "serverVersion", version);
	ls_json_put(&conflict, "resolution", ls_json_string(ls_verdict_resolution(item->verdict)));
	return conflict;
}

static JsonbValue
failure_of(const LsItem *item)
{
	JsonbValue failure = ls_json_object();
	LsReceipt first;

	ls_json_put(&failure, "id", ls_json_text(item->id));
	ls_json_put(&failure, "code", ls_json_string(item->failure.code));
	ls_json_put(&failure, "path", ls_json_string(item->failure.path));
	ls_json_put(&failure, "error", ls_json_string(item->failure.message));
	ls_json_put(&failure, "retryable", ls_json_bool(item->failure.retryable));
	if (ls_item_first(item, &first))
		ls_json_put(&failure, "first", ls_item_first_json(&first));
	return failure;
}

/* What the device is to store in place of its cursor. */
static LsText
new_cursor(const LsPush *push)
{
	LsCursor cursor = push->bookmark;

	if (push->batch.safe_version != cursor.position || ls_push_is_foreign(push))
		cursor = ls_cursor_at(&cursor, push->batch.safe_version,
							  ls_cursor_life(push->batch.learner.id, push->batch.learner.epoch));
	return ls_cursor_print(&cursor);
}

/* The answer, made in the context that outlives the call: it may be large, and is not copied. */
Jsonb *
ls_push_answer(LsPush *push, MemoryContext outside)
{
	MemoryContext inside = CurrentMemoryContext;
	Jsonb *json;
	JsonbValue answer = ls_json_object();
	JsonbValue results = ls_json_array();
	JsonbValue synced = ls_json_array();
	JsonbValue conflicts = ls_json_array();
	JsonbValue failed = ls_json_array();

	for (int i = 0; i < push->batch.nitems; i++)
	{
		LsItem *item = &push->batch.items[i];

		CHECK_FOR_INTERRUPTS();
		ls_json_add(&results, result_of(item));
		if (item->verdict == LS_FAILED)
			ls_json_add(&failed, failure_of(item));
		else if (ls_item_is_conflict(item))
			ls_json_add(&conflicts, conflict_of(item));
		else
			ls_json_add(&synced, ls_json_text(item->id));
	}
	ls_json_put(&answer, "epoch", ls_json_text(push->batch.learner.epoch));
	ls_json_put(&answer, "results", results);
	ls_json_put(&answer, "conflicts", conflicts);
	ls_json_put(&answer, "failedItems", failed);
	if (ls_push_is_foreign(push))
		ls_json_put(&answer, "reset", ls_json_bool(true));
	ls_json_put(&answer, "syncVersion", ls_json_int(push->batch.safe_version));
	if (push->bookmark.given)
		ls_json_put(&answer, "cursor", ls_json_text(new_cursor(push)));
	ls_json_put(&answer, "syncedItems", synced);
	ls_json_put(&answer, "serverTimestamp", ls_json_stamp(push->batch.now));
	MemoryContextSwitchTo(outside);
	json = ls_json_encode(&answer);
	MemoryContextSwitchTo(inside);
	return json;
}
