/*
 * xapi_statement.c
 *		Is this a valid xAPI statement? The statement and the sub-statement: their verbs, objects, results and attachments.
 */
#include "postgres.h"

#include "xapi/xapi.h"

#define CONTEXT 1

#define RAW 1
#define MIN 2
#define MAX 4
#define SCALED 8

static LsXapiTest test_boolean;
static LsXapiTest test_number;
static LsXapiTest test_object;
static LsXapiTest test_inner_object;
static LsXapiTest test_score;
static LsXapiTest test_length;
static LsXapiTest test_attachment;
static LsXapiTest test_timestamp;
static LsXapiTest test_version;

enum
{
	ACTIVITY,
	AGENT,
	GROUP,
	REFERENCE,
	SUB_STATEMENT
};

static const char *const object_types[] = {"Activity", "Agent", "Group", "StatementRef", "SubStatement", NULL};

static const LsXapiProperty verb_properties[] = {
	{LS_XAPI_KEY("id"), ls_xapi_string, "XAPI-00044", "XAPI-00044", &ls_xapi_formats[LS_XAPI_IRI]},
	{LS_XAPI_KEY("display"), ls_xapi_language_map, "XAPI-00045"},
	{{NULL}},
};
static const LsXapiShape verb = {"a verb", verb_properties};

static const LsXapiProperty score_properties[] = {
	{LS_XAPI_KEY("max"), test_number, "XAPI-00080", NULL, NULL, MAX},
	{LS_XAPI_KEY("min"), test_number, "XAPI-00081", NULL, NULL, MIN},
	{LS_XAPI_KEY("raw"), test_number, "XAPI-00082", NULL, NULL, RAW},
	{LS_XAPI_KEY("scaled"), test_number, "XAPI-00083", NULL, NULL, SCALED},
	{{NULL}},
};
static const LsXapiShape score = {"a score", score_properties};

static const LsXapiProperty result_properties[] = {
	{LS_XAPI_KEY("score"), test_score, "XAPI-00079", NULL, &score},
	{LS_XAPI_KEY("success"), test_boolean, "XAPI-00074"},
	{LS_XAPI_KEY("duration"), ls_xapi_string, "XAPI-00077", NULL, &ls_xapi_formats[LS_XAPI_DURATION]},
	{LS_XAPI_KEY("response"), ls_xapi_text, "XAPI-00076"},
	{LS_XAPI_KEY("completion"), test_boolean, "XAPI-00075"},
	{LS_XAPI_KEY("extensions"), ls_xapi_extensions, "XAPI-00078"},
	{{NULL}},
};
static const LsXapiShape result = {"a result", result_properties};

static const LsXapiProperty attachment_properties[] = {
	{LS_XAPI_KEY("sha2"), ls_xapi_string, "XAPI-00103", "XAPI-00103", &ls_xapi_formats[LS_XAPI_SHA2]},
	{LS_XAPI_KEY("length"), test_length, "XAPI-00102", "XAPI-00102"},
	{LS_XAPI_KEY("display"), ls_xapi_language_map, "XAPI-00106", "XAPI-00106"},
	{LS_XAPI_KEY("fileUrl"), ls_xapi_string, "XAPI-00104", NULL, &ls_xapi_formats[LS_XAPI_IRL]},
	{LS_XAPI_KEY("usageType"), ls_xapi_string, "XAPI-00107", "XAPI-00107", &ls_xapi_formats[LS_XAPI_IRI]},
	{LS_XAPI_KEY("contentType"), ls_xapi_string, "XAPI-00105", "XAPI-00105", &ls_xapi_formats[LS_XAPI_MEDIA_TYPE]},
	{LS_XAPI_KEY("description"), ls_xapi_language_map, "XAPI-00121"},
	{{NULL}},
};
static const LsXapiShape attachment = {"an attachment", attachment_properties};
static const LsXapiList attachments = {
	{.test = test_attachment, .requirement = "XAPI-00025", .argument = &attachment}};

static const LsXapiActors authority = LS_XAPI_AN_AUTHORITY;

static const LsXapiProperty statement_properties[] = {
	{LS_XAPI_KEY("id"), ls_xapi_string, "XAPI-00027", NULL, &ls_xapi_formats[LS_XAPI_UUID]},
	{LS_XAPI_KEY("verb"), ls_xapi_object, "XAPI-00006", "XAPI-00004", &verb},
	{LS_XAPI_KEY("actor"), ls_xapi_actor, "XAPI-00006", "XAPI-00003"},
	{LS_XAPI_KEY("object"), test_object, "XAPI-00006", "XAPI-00005"},
	{LS_XAPI_KEY("result"), ls_xapi_object, "XAPI-00006", NULL, &result},
	{LS_XAPI_KEY("stored"), test_timestamp, "XAPI-00023"},
	{LS_XAPI_KEY("context"), ls_xapi_context, "XAPI-00006", NULL, NULL, CONTEXT},
	{LS_XAPI_KEY("version"), test_version, "XAPI-00101"},
	{LS_XAPI_KEY("authority"), ls_xapi_actor, "XAPI-00024", NULL, &authority},
	{LS_XAPI_KEY("timestamp"), test_timestamp, "XAPI-00022"},
	{LS_XAPI_KEY("attachments"), ls_xapi_array, "XAPI-00025", NULL, &attachments},
	{{NULL}},
};
static const LsXapiShape statement = {"a statement", statement_properties};

static const LsXapiProperty sub_statement_properties[] = {
	{LS_XAPI_KEY("id"), ls_xapi_forbidden, "XAPI-00070", NULL, "a SubStatement"},
	{LS_XAPI_KEY("verb"), ls_xapi_object, "XAPI-00006", "XAPI-00066", &verb},
	{LS_XAPI_KEY("actor"), ls_xapi_actor, "XAPI-00006", "XAPI-00066"},
	{LS_XAPI_KEY("object"), test_inner_object, "XAPI-00006", "XAPI-00066"},
	{LS_XAPI_KEY("result"), ls_xapi_object, "XAPI-00006", NULL, &result},
	{LS_XAPI_KEY("stored"), ls_xapi_forbidden, "XAPI-00069", NULL, "a SubStatement"},
	{LS_XAPI_KEY("context"), ls_xapi_context, "XAPI-00006", NULL, NULL, CONTEXT},
	{LS_XAPI_KEY("version"), ls_xapi_forbidden, "XAPI-00068", NULL, "a SubStatement"},
	{LS_XAPI_KEY("authority"), ls_xapi_forbidden, "XAPI-00067", NULL, "a SubStatement"},
	{LS_XAPI_KEY("timestamp"), test_timestamp, "XAPI-00022"},
	{LS_XAPI_KEY("objectType"), ls_xapi_known, "XAPI-00073"},
	{LS_XAPI_KEY("attachments"), ls_xapi_array, "XAPI-00025", NULL, &attachments},
	{{NULL}},
};
static const LsXapiShape sub_statement = {"a SubStatement", sub_statement_properties};

static bool
has(const JsonbValue *object, const char *key)
{
	JsonbValue value;

	return ls_json_get(object, key, &value);
}

/* Which of the object types a statement's object is; -1 where it is none of them. */
static int
type_of_object(const JsonbValue *whole)
{
	JsonbValue object;
	JsonbValue type;

	if (!ls_json_get(whole, "object", &object) || !ls_json_is_object(&object))
		return -1;
	if (!ls_json_get(&object, "objectType", &type))
		return ACTIVITY;
	for (int i = 0; type.type == jbvString && object_types[i] != NULL; i++)
	{
		if (ls_text_equal(ls_text_of(&type), ls_text(object_types[i])))
			return i;
	}
	return -1;
}

/* A platform and a revision are those of an activity. */
static void
check_activity_context(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *whole)
{
	LsXapiPlace above = {place, LS_XAPI_NAME("context"), 0};
	LsXapiPlace revision = {&above, LS_XAPI_NAME("revision"), 0};
	LsXapiPlace platform = {&above, LS_XAPI_NAME("platform"), 0};
	JsonbValue context;

	if (type_of_object(whole) <= ACTIVITY || !ls_json_get(whole, "context", &context) || !ls_json_is_object(&context))
		return;
	if (has(&context, "revision"))
		ls_xapi_report(check, &revision, "XAPI-00084", "goes with an object that is an Activity only");
	if (has(&context, "platform"))
		ls_xapi_report(check, &platform, "XAPI-00085", "goes with an object that is an Activity only");
}

/* What is void is named by a reference. */
static void
check_voiding(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *whole)
{
	LsXapiPlace here = {place, LS_XAPI_NAME("object"), 0};
	JsonbValue verb, id;
	int type;

	if (!ls_json_get(whole, "verb", &verb) || !ls_json_is_object(&verb) || !ls_json_get(&verb, "id", &id) ||
		id.type != jbvString || !ls_text_equal(ls_text_of(&id), ls_text(LS_XAPI_VOIDED)))
		return;
	type = type_of_object(whole);
	if (type >= 0 && type != REFERENCE)
		ls_xapi_report(check, &here, "XAPI-00017", "must be a StatementRef where the verb is voided");
}

static void
check_statement(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiShape *shape)
{
	uint32 marks = ls_xapi_walk(check, place, value, shape);

	if (check->done)
		return;
	check_voiding(check, place, value);
	if (marks & CONTEXT)
		check_activity_context(check, place, value);
}

/* An object that lacks its type but looks like one that must not; answers whether it was reported. */
static bool
lacks_type(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value)
{
	if (has(value, "objectType") || has(value, "definition"))
		return false;
	if (has(value, "mbox") || has(value, "mbox_sha1sum") || has(value, "openid") || has(value, "account") ||
		has(value, "member"))
		ls_xapi_report(check, place, "XAPI-00065", "must have an objectType where it is an Agent or a Group");
	else if (has(value, "actor") || has(value, "verb") || has(value, "object"))
		ls_xapi_report(check, place, "XAPI-00073", "must have an objectType where it is a SubStatement");
	else
		return false;
	return true;
}

static void
check_object(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property,
			 bool is_inner)
{
	int type;

	if (!ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object") ||
		!ls_xapi_type(check, place, value, "XAPI-00046", object_types, &type))
		return;
	if (type == AGENT || type == GROUP)
		ls_xapi_actor(check, place, value, property);
	else if (type == REFERENCE)
		ls_xapi_reference(check, place, value, property);
	else if (type == SUB_STATEMENT && is_inner)
		ls_xapi_report(check, place, "XAPI-00071", "must not be another SubStatement");
	else if (type == SUB_STATEMENT)
		check_statement(check, place, value, &sub_statement);
	else if (has(value, "id") || !lacks_type(check, place, value))
		ls_xapi_activity(check, place, value, property);
}

static void
test_object(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	check_object(check, place, value, property, false);
}

/* The object of a sub-statement. */
static void
test_inner_object(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
				  const LsXapiProperty *property)
{
	check_object(check, place, value, property, true);
}

/* Whether both are numbers and the first is the greater one. */
static bool
exceeds(const JsonbValue *a, const JsonbValue *b)
{
	return a->type == jbvNumeric && b->type == jbvNumeric && ls_json_compare(a, b) > 0;
}

static void
check_scaled(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value)
{
	LsXapiPlace here = {place, LS_XAPI_NAME("scaled"), 0};
	JsonbValue low = ls_json_int(-1);
	JsonbValue high = ls_json_int(1);
	JsonbValue scaled = ls_json_null();

	ls_json_get(value, "scaled", &scaled);
	ls_xapi_expect(check, &here, !exceeds(&low, &scaled) && !exceeds(&scaled, &high), "XAPI-00083",
				   "between -1 and 1");
	pfree(low.val.numeric);
	pfree(high.val.numeric);
}

static void
test_boolean(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	ls_xapi_expect(check, place, value->type == jbvBool, property->requirement, "true or false");
}

static void
test_number(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	ls_xapi_expect(check, place, value->type == jbvNumeric, property->requirement, "a number");
}

static void
test_score(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	LsXapiPlace raw_place = {place, LS_XAPI_NAME("raw"), 0};
	LsXapiPlace min_place = {place, LS_XAPI_NAME("min"), 0};
	JsonbValue raw = ls_json_null();
	JsonbValue min = ls_json_null();
	JsonbValue max = ls_json_null();
	uint32 marks;

	if (!ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		return;
	marks = ls_xapi_walk(check, place, value, property->argument);
	if (marks & SCALED)
		check_scaled(check, place, value);
	if ((marks & (MIN | MAX)) == 0)
		return;
	ls_json_get(value, "raw", &raw);
	ls_json_get(value, "min", &min);
	ls_json_get(value, "max", &max);
	if (min.type == jbvNumeric && max.type == jbvNumeric)
		ls_xapi_expect(check, &min_place, exceeds(&max, &min), "XAPI-00081", "less than max");
	ls_xapi_expect(check, &raw_place, !exceeds(&raw, &max), "XAPI-00082", "at most max");
	ls_xapi_expect(check, &raw_place, !exceeds(&min, &raw), "XAPI-00082", "at least min");
}

static void
test_length(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	int64 length;

	ls_xapi_expect(check, place, ls_json_integer(value, &length) && length >= 0, property->requirement,
				   "a whole number of bytes");
}

/* A signature's type is fixed. */
static void
test_attachment(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	LsXapiPlace here = {place, LS_XAPI_NAME("contentType"), 0};
	JsonbValue usage;
	JsonbValue type;

	ls_xapi_object(check, place, value, property);
	if (!ls_json_is_object(value) || !ls_json_get(value, "usageType", &usage) || usage.type != jbvString ||
		!ls_json_get(value, "contentType", &type) || type.type != jbvString)
		return;
	if (ls_text_equal(ls_text_of(&usage), ls_text("http://adlnet.gov/expapi/attachments/signature")))
		ls_xapi_expect(check, &here, ls_text_equal(ls_text_of(&type), ls_text("application/octet-stream")),
					   "XAPI-00115", "application/octet-stream for a signature");
}

static void
test_timestamp(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	LsXapiProperty by_version = *property;

	by_version.argument = check->version_2 ? &ls_xapi_formats[LS_XAPI_RFC_TIME] : &ls_xapi_formats[LS_XAPI_ISO_TIME];
	ls_xapi_string(check, place, value, &by_version);
}

/* Digits, which a hyphen and a pre-release may follow: the patch level of Semantic Versioning 1.0.0. */
static bool
is_patch(LsText text)
{
	bool in_digits = true;

	for (int i = 0; i < text.length; i++)
	{
		char c = text.data[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (i > 0 && i + 1 < text.length && c == '-')
			in_digits = false;
		else if (!(c >= '0' && c <= '9') && (in_digits || !is_letter))
			return false;
	}
	return text.length > 0;
}

static bool
is_version(LsText text, const char *minor)
{
	int length = ls_text(minor).length;

	if (text.length < length || memcmp(text.data, minor, length) != 0)
		return false;
	return text.length == length ||
		   (text.data[length] == '.' && is_patch((LsText){text.data + length + 1, text.length - length - 1}));
}

/* xAPI 2.0 takes what 1.0 takes. */
static void
test_version(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	bool holds = value->type == jbvString &&
				 (is_version(ls_text_of(value), "1.0") || (check->version_2 && is_version(ls_text_of(value), "2.0")));

	ls_xapi_expect(check, place, holds, property->requirement,
				   check->version_2 ? "1.0, 1.0.x, 2.0 or 2.0.x" : "1.0 or 1.0.x");
}

/* Checks a whole statement. */
static void
check_whole(LsXapiCheck *check, const JsonbValue *value)
{
	LsXapiPlace top = {0};

	if (ls_xapi_expect(check, &top, ls_json_is_object(value), "XAPI-00014", "an object"))
		check_statement(check, &top, value, &statement);
}

/* Which rules a statement wants: those of its version, of 1.0.3 where it has none. */
static bool
wants_version_2(const JsonbValue *statement)
{
	JsonbValue version;

	return ls_json_is_object(statement) && ls_json_get(statement, "version", &version) && version.type == jbvString &&
		   version.val.string.len > 0 && version.val.string.val[0] == '2';
}

/* Whether a statement that lies in a jsonb is valid by the rules of its version; the first violation is the failure. */
bool
ls_xapi_check(const JsonbValue *statement, LsFailure *failure)
{
	LsXapiCheck check = {.version_2 = wants_version_2(statement), .failure = failure};

	check_whole(&check, statement);
	return !check.done;
}

static bool
read_version(LsText version)
{
	if (ls_text_equal(version, ls_text("2.0")))
		return true;
	if (!ls_text_equal(version, ls_text("1.0.3")))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unknown xAPI version: \"%.*s\"", version.length, version.data),
						errhint("It is 1.0.3 or 2.0, or null for the statement's own.")));
	return false;
}

PG_FUNCTION_INFO_V1(learnsync_xapi_validate);

Datum
learnsync_xapi_validate(PG_FUNCTION_ARGS)
{
	JsonbValue violations = ls_json_array();
	LsXapiCheck check = {.list = &violations};
	JsonbValue statement;

	if (!PG_ARGISNULL(1))
		check.version_2 = read_version(ls_text_datum(PG_GETARG_DATUM(1)));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	ls_json_root(PG_GETARG_JSONB_P(0), &statement);
	if (PG_ARGISNULL(1))
		check.version_2 = wants_version_2(&statement);
	check_whole(&check, &statement);
	PG_RETURN_JSONB_P(ls_json_encode(&violations));
}
