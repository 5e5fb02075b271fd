/*
 * xapi_actor.c
 *		Agents and groups.
 */
#include "postgres.h"

#include "xapi/xapi.h"

#define MBOX 1
#define SHA1 2
#define OPENID 4
#define ACCOUNT 8
#define IDENTIFIERS (MBOX | SHA1 | OPENID | ACCOUNT)
#define MEMBER 16

enum
{
	AN_AGENT,
	A_GROUP
};

static const char *const actor_types[] = {"Agent", "Group", NULL};

static const LsXapiProperty account_properties[] = {
	{LS_XAPI_KEY("name"), ls_xapi_text, "XAPI-00043", "XAPI-00043"},
	{LS_XAPI_KEY("homePage"), ls_xapi_string, "XAPI-00042", "XAPI-00042", &ls_xapi_formats[LS_XAPI_IRL]},
	{{NULL}},
};
static const LsXapiShape account = {"an account", account_properties};

static const LsXapiProperty agent_properties[] = {
	{LS_XAPI_KEY("mbox"), ls_xapi_string, "XAPI-00038", NULL, &ls_xapi_formats[LS_XAPI_MAILTO], MBOX},
	{LS_XAPI_KEY("name"), ls_xapi_text, "XAPI-00033"},
	{LS_XAPI_KEY("member"), ls_xapi_forbidden, "XAPI-00035", NULL, "an agent"},
	{LS_XAPI_KEY("openid"), ls_xapi_string, "XAPI-00040", NULL, &ls_xapi_formats[LS_XAPI_URI], OPENID},
	{LS_XAPI_KEY("account"), ls_xapi_object, "XAPI-00041", NULL, &account, ACCOUNT},
	{LS_XAPI_KEY("objectType"), ls_xapi_known, "XAPI-00032"},
	{LS_XAPI_KEY("mbox_sha1sum"), ls_xapi_string, "XAPI-00039", NULL, &ls_xapi_formats[LS_XAPI_SHA1], SHA1},
	{{NULL}},
};
static const LsXapiShape agent = {"an agent", agent_properties};

static const LsXapiActors an_agent = LS_XAPI_AN_AGENT;
static const LsXapiList members = {{.test = ls_xapi_actor, .requirement = "XAPI-00036", .argument = &an_agent}};

static const LsXapiProperty group_properties[] = {
	{LS_XAPI_KEY("mbox"), ls_xapi_string, "XAPI-00038", NULL, &ls_xapi_formats[LS_XAPI_MAILTO], MBOX},
	{LS_XAPI_KEY("name"), ls_xapi_text, "XAPI-00033"},
	{LS_XAPI_KEY("member"), ls_xapi_array, "XAPI-00036", NULL, &members, MEMBER},
	{LS_XAPI_KEY("openid"), ls_xapi_string, "XAPI-00040", NULL, &ls_xapi_formats[LS_XAPI_URI], OPENID},
	{LS_XAPI_KEY("account"), ls_xapi_object, "XAPI-00041", NULL, &account, ACCOUNT},
	{LS_XAPI_KEY("objectType"), ls_xapi_known, "XAPI-00032"},
	{LS_XAPI_KEY("mbox_sha1sum"), ls_xapi_string, "XAPI-00039", NULL, &ls_xapi_formats[LS_XAPI_SHA1], SHA1},
	{{NULL}},
};
static const LsXapiShape group = {"a group", group_properties};

static bool
is_several(uint32 marks)
{
	return (marks & (marks - 1)) != 0;
}

static void
check_agent(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value)
{
	uint32 identifiers = ls_xapi_walk(check, place, value, &agent) & IDENTIFIERS;

	if (identifiers == 0 || is_several(identifiers))
		ls_xapi_report(check, place, "XAPI-00034", "must have exactly one of mbox, mbox_sha1sum, openid and account");
}

static int
count_members(const JsonbValue *value)
{
	JsonbValue list;

	return ls_json_get(value, "member", &list) && ls_json_is_array(&list) ? ls_json_count(&list) : 0;
}

/* Answers whether the group is an identified one. */
static bool
check_group(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value)
{
	uint32 marks = ls_xapi_walk(check, place, value, &group);

	if (is_several(marks & IDENTIFIERS))
		ls_xapi_report(check, place, "XAPI-00037", "must have at most one of mbox, mbox_sha1sum, openid and account");
	else if ((marks & IDENTIFIERS) == 0 && (marks & MEMBER) == 0)
		ls_xapi_report(check, place, "XAPI-00037", "must have an identifier or members");
	else if ((marks & IDENTIFIERS) == 0 && count_members(value) == 0)
		ls_xapi_report(check, place, "XAPI-00037", "must have an identifier or at least one member");
	return (marks & IDENTIFIERS) != 0;
}

/* A group that vouches for a statement is a user and the application, which is known by its account. */
static void
check_pair(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value)
{
	LsJsonWalk walk;
	JsonbValue list;
	JsonbValue member;
	JsonbValue application;
	bool found = false;

	if (!ls_json_get(value, "member", &list) || !ls_json_is_array(&list) || ls_json_count(&list) != 2)
	{
		ls_xapi_report(check, place, "XAPI-00098", "must be an Agent or a Group of two members");
		return;
	}
	ls_json_walk(&walk, &list);
	while (ls_json_walk_next(&walk, NULL, &member))
		found |= ls_json_is_object(&member) && ls_json_get(&member, "account", &application);
	if (!found)
		ls_xapi_report(check, place, "XAPI-00100", "must have a member with an account, the OAuth consumer");
}

static void
check_authority(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value)
{
	if (check_group(check, place, value))
		ls_xapi_report(check, place, "XAPI-00098", "must not be a Group with an identifier");
	else
		check_pair(check, place, value);
}

/* An agent or a group; the argument says where it cannot be any of them. */
void
ls_xapi_actor(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	LsXapiActors wanted = property->argument == NULL ? LS_XAPI_ANY_ACTOR : *(const LsXapiActors *) property->argument;
	int type;

	if (!ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object") ||
		!ls_xapi_type(check, place, value, "XAPI-00031", actor_types, &type))
		return;
	if (wanted == LS_XAPI_AN_AGENT &&
		!ls_xapi_expect(check, place, type == AN_AGENT, property->requirement, "an Agent"))
		return;
	if (wanted == LS_XAPI_A_GROUP && !ls_xapi_expect(check, place, type == A_GROUP, property->requirement, "a Group"))
		return;
	if (type == AN_AGENT)
		check_agent(check, place, value);
	else if (wanted == LS_XAPI_AN_AUTHORITY)
		check_authority(check, place, value);
	else
		check_group(check, place, value);
}
