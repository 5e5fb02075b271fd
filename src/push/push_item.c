/*
 * push_item.c
 *		Reads one item of a push: its identity, then whether it is one that can be merged.
 */
#include "postgres.h"

#include "push/push.h"
#include "xapi/xapi.h"

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

const LsChannel ls_push_channel = {.name = "sync_push",
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
	if (!ls_check_keys(rule, &item->data, sent, &item->change, failure))
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
void
ls_item_read(LsPush *push, LsItem *item)
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
