/*
 * xapi_context.c
 *		The context of a statement.
 */
#include "postgres.h"

#include "xapi/xapi.h"

static LsXapiTest test_activities;

static const LsXapiActors an_agent = LS_XAPI_AN_AGENT;
static const LsXapiActors a_group = LS_XAPI_A_GROUP;

static const char *const context_agent_types[] = {"contextAgent", NULL};
static const char *const context_group_types[] = {"contextGroup", NULL};

static const LsXapiList activities = {{.test = ls_xapi_activity, .requirement = "XAPI-00094"}};

static const LsXapiProperty activities_properties[] = {
	{LS_XAPI_KEY("other"), test_activities, "XAPI-00094", NULL, &activities},
	{LS_XAPI_KEY("parent"), test_activities, "XAPI-00094", NULL, &activities},
	{LS_XAPI_KEY("category"), test_activities, "XAPI-00094", NULL, &activities},
	{LS_XAPI_KEY("grouping"), test_activities, "XAPI-00094", NULL, &activities},
	{{NULL}},
};
static const LsXapiShape context_activities = {"contextActivities", activities_properties, "XAPI-00093"};

/* The requirements of xAPI 2.0 that the conformance suite gives no number are named by their section. */
static const LsXapiList relevant_types = {
	{.test = ls_xapi_string, .requirement = "xAPI-2.0-4.2.2.5", .argument = &ls_xapi_formats[LS_XAPI_IRI]},
	"xAPI-2.0-4.2.2.5"};

static const LsXapiProperty context_agent_properties[] = {
	{LS_XAPI_KEY("agent"), ls_xapi_actor, "xAPI-2.0-4.2.2.5", "xAPI-2.0-4.2.2.5", &an_agent},
	{LS_XAPI_KEY("objectType"), ls_xapi_constant, "xAPI-2.0-4.2.2.5", "xAPI-2.0-4.2.2.5", context_agent_types},
	{LS_XAPI_KEY("relevantTypes"), ls_xapi_array, "xAPI-2.0-4.2.2.5", NULL, &relevant_types},
	{{NULL}},
};
static const LsXapiShape context_agent = {"a contextAgent", context_agent_properties};
static const LsXapiList context_agents = {
	{.test = ls_xapi_object, .requirement = "xAPI-2.0-4.2.2.5", .argument = &context_agent}};

static const LsXapiProperty context_group_properties[] = {
	{LS_XAPI_KEY("group"), ls_xapi_actor, "xAPI-2.0-4.2.2.5", "xAPI-2.0-4.2.2.5", &a_group},
	{LS_XAPI_KEY("objectType"), ls_xapi_constant, "xAPI-2.0-4.2.2.5", "xAPI-2.0-4.2.2.5", context_group_types},
	{LS_XAPI_KEY("relevantTypes"), ls_xapi_array, "xAPI-2.0-4.2.2.5", NULL, &relevant_types},
	{{NULL}},
};
static const LsXapiShape context_group = {"a contextGroup", context_group_properties};
static const LsXapiList context_groups = {
	{.test = ls_xapi_object, .requirement = "xAPI-2.0-4.2.2.5", .argument = &context_group}};

static const LsXapiProperty context_properties[] = {
	{LS_XAPI_KEY("team"), ls_xapi_actor, "XAPI-00088", NULL, &a_group},
	{LS_XAPI_KEY("language"), ls_xapi_string, "XAPI-00091", NULL, &ls_xapi_language},
	{LS_XAPI_KEY("platform"), ls_xapi_text, "XAPI-00090"},
	{LS_XAPI_KEY("revision"), ls_xapi_text, "XAPI-00089"},
	{LS_XAPI_KEY("statement"), ls_xapi_reference, "XAPI-00092"},
	{LS_XAPI_KEY("extensions"), ls_xapi_extensions, "XAPI-00120"},
	{LS_XAPI_KEY("instructor"), ls_xapi_actor, "XAPI-00087-2"},
	{LS_XAPI_KEY("registration"), ls_xapi_string, "XAPI-00087-1", NULL, &ls_xapi_formats[LS_XAPI_UUID]},
	{LS_XAPI_KEY("contextAgents"), ls_xapi_array, "xAPI-2.0-4.2.2.5", NULL, &context_agents, 0, true},
	{LS_XAPI_KEY("contextGroups"), ls_xapi_array, "xAPI-2.0-4.2.2.5", NULL, &context_groups, 0, true},
	{LS_XAPI_KEY("contextActivities"), ls_xapi_object, "XAPI-00086", NULL, &context_activities},
	{{NULL}},
};
static const LsXapiShape context = {"a context", context_properties};

/* A list of activities, or a single one as before xAPI 1.0. */
static void
test_activities(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	if (ls_json_is_object(value))
		ls_xapi_activity(check, place, value, property);
	else
		ls_xapi_array(check, place, value, property);
}

void
ls_xapi_context(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	if (ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		ls_xapi_walk(check, place, value, &context);
}
