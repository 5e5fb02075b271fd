/*
 * xapi_index.c
 *		What an xAPI statement is found by, as an LRS finds it: agent, verb, activity, registration, time, what it voids.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "xapi/xapi.h"

#define MAX_BYTES 600 /* of a text, so that an index row has room for it beside the learner's id */

/* A member's text; without data where it has none. */
static LsText
text_of(const JsonbValue *object, const char *key)
{
	JsonbValue value;

	if (!ls_json_is_object(object) || !ls_json_get(object, key, &value) || value.type != jbvString)
		return (LsText){NULL, 0};
	return ls_text_of(&value);
}

/* The text, or where it is long its digest as a URN. */
static LsText
bounded(LsText text)
{
	JsonbValue value = ls_json_text(text);
	LsDigest digest;
	pg_uuid_t uuid;

	if (text.length <= MAX_BYTES)
		return text;
	ls_digest_start(&digest);
	ls_digest_json(&digest, &value, NULL);
	uuid = ls_digest_end(&digest);
	return ls_text(psprintf("urn:uuid:%s", ls_text_string(ls_digest_uuid_text(&uuid))));
}

/* The object in a member; another value where there is none. */
static JsonbValue
object_of(const JsonbValue *object, const char *key)
{
	JsonbValue value;

	if (!ls_json_is_object(object) || !ls_json_get(object, key, &value))
		return ls_json_null();
	return value;
}

/* The identifier of an agent or identified group: mbox, mbox_sha1sum or openid as it is, account as homePage|name. */
static LsText
agent_of(const JsonbValue *actor)
{
	static const char *const identifiers[] = {"mbox", "mbox_sha1sum", "openid"};
	JsonbValue account = object_of(actor, "account");

	for (int i = 0; i < lengthof(identifiers); i++)
	{
		LsText text = text_of(actor, identifiers[i]);

		if (text.data != NULL)
			return text;
	}
	if (!ls_json_is_object(&account))
		return (LsText){NULL, 0};
	return ls_text(
		psprintf("%s|%s", ls_text_string(text_of(&account, "homePage")), ls_text_string(text_of(&account, "name"))));
}

static TimestampTz
time_of(const JsonbValue *statement)
{
	LsText text = text_of(statement, "timestamp");
	int64 milliseconds;

	if (text.data == NULL || !ls_xapi_instant(text, &milliseconds))
		return LS_NO_TIME;
	return (milliseconds - POSTGRES_EPOCH_JDATE * (SECS_PER_DAY * INT64CONST(1000))) * 1000;
}

/* What a valid statement is found by. */
LsXapiIndex
ls_xapi_index(const JsonbValue *statement)
{
	JsonbValue actor = object_of(statement, "actor");
	JsonbValue verb = object_of(statement, "verb");
	JsonbValue object = object_of(statement, "object");
	JsonbValue context = object_of(statement, "context");
	LsText type = text_of(&object, "objectType");
	bool is_activity = type.data == NULL || ls_text_equal(type, ls_text("Activity"));
	LsXapiIndex index = {
		.at = time_of(statement), .agent = bounded(agent_of(&actor)), .verb = bounded(text_of(&verb, "id"))};

	if (is_activity)
		index.activity = bounded(text_of(&object, "id"));
	index.registration = ls_xapi_lower_case(text_of(&context, "registration"));
	if (ls_text_equal(text_of(&verb, "id"), ls_text(LS_XAPI_VOIDED)))
		index.voids = ls_xapi_lower_case(text_of(&object, "id"));
	return index;
}

/* The id of a statement as one spelling; without data where it is no UUID. */
LsText
ls_xapi_statement_id(LsText id)
{
	return ls_xapi_formats[LS_XAPI_UUID].holds(id) ? ls_xapi_lower_case(id) : (LsText){NULL, 0};
}
