/*
 * event_read.c
 *		Reads one event of the log: what its type wants of it, and what the reduction takes from it.
 */
#include "postgres.h"

#include "progress/progress.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

static bool
is_name(LsText text, const char *name, int length)
{
	return text.length == length && memcmp(text.data, name, length) == 0;
}

#define IS(text, name) is_name(text, name, sizeof(name) - 1)

static bool
refuse_id(const char *path, LsFailure *failure)
{
	return ls_fail(failure, "invalid", path, "%s must be a string of 1 to %d characters", path, LS_MAX_ID_CHARS);
}

static bool
is_id(const JsonbValue *value)
{
	return value->type == jbvString && ls_text_is_id(ls_text_of(value));
}

static bool
read_id(const JsonbValue *value, const char *path, LsText *id, LsFailure *failure)
{
	if (!is_id(value))
		return refuse_id(path, failure);
	*id = ls_text_of(value);
	return true;
}

static bool
read_status(const JsonbValue *value, LsStatus *status, LsFailure *failure)
{
	if (value->type == jbvString && ls_event_status(ls_text_of(value), status))
		return true;
	return ls_fail(failure, "invalid", "payload.status",
				   "payload.status must be not_started, in_progress, completed or passed");
}

bool
ls_event_is_score(Numeric number)
{
	static Numeric lowest, highest;

	if (highest == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		lowest = int64_to_numeric(0);
		highest = int64_to_numeric(100);
		MemoryContextSwitchTo(caller);
	}
	return ls_number_compare(number, lowest) >= 0 && ls_number_compare(number, highest) <= 0;
}

static bool
read_score(const JsonbValue *value, Numeric *score, LsFailure *failure)
{
	if (value->type == jbvNull)
		return true;
	if (value->type != jbvNumeric)
		return ls_fail(failure, "invalid", "payload.score", "payload.score must be a number");
	if (!ls_event_is_score(value->val.numeric))
		return ls_fail(failure, "out_of_range", "payload.score", "payload.score must be between 0 and 100");
	*score = value->val.numeric;
	return true;
}

/* Any object is a state, null takes the interaction away; leaving the state out is neither. */
static bool
read_interaction(LsEvent *event, const JsonbValue *value, LsFailure *failure)
{
	LsJsonWalk walk;
	LsText key;
	JsonbValue member;
	bool has_state = false;

	if (value->type == jbvNull)
		return true;
	if (!ls_json_is_object(value))
		return ls_fail(failure, "invalid", "payload.interaction", "payload.interaction must be an object");
	ls_json_walk(&walk, value);
	while (ls_json_walk_next(&walk, &key, &member))
	{
		if (IS(key, "interactionId"))
		{
			if (!read_id(&member, "payload.interaction.interactionId", &event->interaction_id, failure))
				return false;
		}
		else if (IS(key, "state"))
		{
			event->state = member;
			has_state = member.type == jbvNull || ls_json_is_object(&member);
		}
	}
	if (event->interaction_id.data == NULL)
		return refuse_id("payload.interaction.interactionId", failure);
	return has_state || ls_fail(failure, "invalid", "payload.interaction.state",
								"payload.interaction.state must be an object or null");
}

/* One member of the payload of a content.progressed; those it does not know are kept in the log and mean nothing. */
static bool
read_content_member(LsEvent *event, LsText key, const JsonbValue *value, bool *has_status, LsFailure *failure)
{
	if (IS(key, "contentId"))
		return read_id(value, "payload.contentId", &event->content_id, failure);
	if (IS(key, "status"))
		return *has_status = read_status(value, &event->status, failure);
	if (IS(key, "score"))
		return read_score(value, &event->score, failure);
	if (IS(key, "contentVersion"))
		return value->type == jbvNull || read_id(value, "payload.contentVersion", &event->version, failure);
	if (IS(key, "interaction"))
		return read_interaction(event, value, failure);
	return true;
}

/* Looks at each number on the way: who reads rows has nobody who did so before. */
static bool
read_content(LsEvent *event, const JsonbValue *payload, LsFailure *failure)
{
	LsJsonWalk walk;
	LsText key;
	JsonbValue value;
	JsonbValue none = ls_json_null();
	bool has_status = false;

	event->content_id = event->version = event->interaction_id = (LsText){NULL, 0};
	event->score = NULL;
	event->has_bad_number = false;
	ls_json_walk(&walk, payload);
	while (ls_json_walk_next(&walk, &key, &value))
	{
		if (value.type == jbvNumeric || value.type == jbvBinary)
			event->has_bad_number = event->has_bad_number || ls_limit_has_bad_number(&value);
		if (!read_content_member(event, key, &value, &has_status, failure))
			return false;
	}
	if (event->content_id.data == NULL)
		return refuse_id("payload.contentId", failure);
	return has_status || read_status(&none, &event->status, failure);
}

/* relatedPaths: a list of ids, absent or null for none. */
static bool
read_related_paths(const JsonbValue *payload, LsFailure *failure)
{
	JsonbValue paths;
	JsonbValue path;
	LsJsonWalk walk;
	LsText id;

	if (!ls_json_get(payload, "relatedPaths", &paths) || paths.type == jbvNull)
		return true;
	if (!ls_json_is_array(&paths))
		return ls_fail(failure, "invalid", "payload.relatedPaths", "payload.relatedPaths must be an array");
	ls_json_walk(&walk, &paths);
	for (int i = 0; ls_json_walk_next(&walk, &id, &path); i++)
	{
		if (!is_id(&path))
			return refuse_id(psprintf("payload.relatedPaths[%d]", i), failure);
	}
	return true;
}

/* pathId; only activePath.set may say null, and no event may leave it out. */
static bool
read_path(LsEvent *event, const JsonbValue *payload, LsFailure *failure)
{
	JsonbValue value;
	bool found = ls_json_get(payload, "pathId", &value);

	event->path = (LsText){NULL, 0};
	if (found && value.type == jbvNull && event->type == LS_EVENT_ACTIVE_PATH)
		return true;
	if (!found)
		return refuse_id("payload.pathId", failure);
	return read_id(&value, "payload.pathId", &event->path, failure) &&
		   (event->type == LS_EVENT_ACTIVE_PATH || read_related_paths(payload, failure));
}

/* Reads the payload that an event of this type must have; NULL where it has none. */
bool
ls_event_read_payload(LsEvent *event, const JsonbValue *payload, LsFailure *failure)
{
	if (event->type == LS_EVENT_ONBOARDING_RESET || event->type == LS_EVENT_RESET)
		return true;
	if (payload == NULL || !ls_json_is_object(payload))
		return ls_fail(failure, "invalid", "payload", "payload must be an object");
	event->payload = *payload;
	if (event->type == LS_EVENT_CONTENT)
		return read_content(event, payload, failure);
	return read_path(event, payload, failure);
}

static bool
read_type(LsEvent *event, const JsonbValue *raw, LsFailure *failure)
{
	JsonbValue value;

	if (!ls_json_get(raw, "type", &value) || value.type != jbvString)
		return ls_fail(failure, "invalid", "type", "type must be a string");
	if (ls_event_type(ls_text_of(&value), &event->type))
		return true;
	ls_fail(failure, "unknown_type", "type", "unknown event type");
	return ls_fail_until(failure, ls_text_of(&value));
}

/* Whether a time is spelt as ls_point_text would: UTC, with milliseconds or, where these do not do, microseconds. */
static bool
is_usual(LsText text, TimestampTz at)
{
	const char *t = text.data;

	if (text.length != (at % 1000 == 0 ? 24 : 27))
		return false;
	return t[10] == 'T' && t[19] == '.' && t[text.length - 1] == 'Z' && memcmp(t + 17, "60", 2) != 0;
}

/* Settles the event's order instant; its time is shown as sent where that is it, and kept where it is spelt otherwise. */
void
ls_event_set_time(LsEvent *event, TimestampTz at, LsText sent)
{
	event->point.at = at;
	event->point.time = at != event->occurred_at || is_usual(sent, at) ? (LsText){NULL, 0} : sent;
}

static bool
read_time(LsEvent *event, const JsonbValue *raw, LsFailure *failure)
{
	JsonbValue value;

	if (!ls_json_get(raw, "occurredAt", &value) || value.type != jbvString ||
		!ls_stamp_parse(ls_text_of(&value), &event->occurred_at))
		return ls_fail(failure, "bad_timestamp", "occurredAt",
					   "occurredAt must be an RFC 3339 time with offset, such as 2026-01-08T10:30:00.000Z");
	ls_event_set_time(event, event->occurred_at, ls_text_of(&value));
	return true;
}

static bool
read_member_id(const JsonbValue *raw, const char *name, LsText *id, LsFailure *failure)
{
	JsonbValue value;

	return ls_json_get(raw, name, &value) ? read_id(&value, name, id, failure) : refuse_id(name, failure);
}

/* Reads an event as sent; its order instant is its own time so far. */
bool
ls_event_read(LsEvent *event, const JsonbValue *raw, LsText *client, LsFailure *failure)
{
	JsonbValue payload;

	return read_member_id(raw, "eventId", &event->point.id, failure) && read_type(event, raw, failure) &&
		   read_time(event, raw, failure) && read_member_id(raw, "clientId", client, failure) &&
		   ls_event_read_payload(event, ls_json_get(raw, "payload", &payload) ? &payload : NULL, failure);
}
