/*
 * xapi_object.c
 *		What a statement is about or refers to: activities with their definitions and interactions, other statements.
 */
#include "postgres.h"

#include "xapi/xapi.h"

#define CHOICES 1
#define SCALE 2
#define SOURCE 4
#define TARGET 8
#define STEPS 16
#define LISTS (CHOICES | SCALE | SOURCE | TARGET | STEPS)
#define PATTERN 32
#define INTERACTION 64

static LsXapiTest test_components;
static LsXapiTest test_definition;

static const char *const activity_types[] = {"Activity", NULL};
static const char *const interactions[] = {"true-false", "choice",      "fill-in",    "long-fill-in",
										   "matching",   "performance", "sequencing", "likert",
										   "numeric",    "other",       NULL};

/* The lists of components that go with each of them. */
static const uint32 interaction_lists[] = {0, CHOICES, 0, 0, SOURCE | TARGET, STEPS, CHOICES, SCALE, 0, 0};

static const LsXapiProperty component_properties[] = {
	{LS_XAPI_KEY("id"), ls_xapi_text, "XAPI-00058", "XAPI-00058"},
	{LS_XAPI_KEY("description"), ls_xapi_language_map, "XAPI-00062"},
	{{NULL}},
};
static const LsXapiShape component = {"an interaction component", component_properties};
static const LsXapiList components = {{.test = ls_xapi_object, .requirement = "XAPI-00063", .argument = &component}};

static const LsXapiList patterns = {{.test = ls_xapi_text, .requirement = "XAPI-00050"}};

static const LsXapiProperty definition_properties[] = {
	{LS_XAPI_KEY("name"), ls_xapi_language_map, "XAPI-00056"},
	{LS_XAPI_KEY("type"), ls_xapi_string, "XAPI-00060", NULL, &ls_xapi_formats[LS_XAPI_IRI]},
	{LS_XAPI_KEY("scale"), test_components, "XAPI-00054", NULL, &components, SCALE},
	{LS_XAPI_KEY("steps"), test_components, "XAPI-00051", NULL, &components, STEPS},
	{LS_XAPI_KEY("source"), test_components, "XAPI-00053", NULL, &components, SOURCE},
	{LS_XAPI_KEY("target"), test_components, "XAPI-00052", NULL, &components, TARGET},
	{LS_XAPI_KEY("choices"), test_components, "XAPI-00055", NULL, &components, CHOICES},
	{LS_XAPI_KEY("moreInfo"), ls_xapi_string, "XAPI-00061", NULL, &ls_xapi_formats[LS_XAPI_IRL]},
	{LS_XAPI_KEY("extensions"), ls_xapi_extensions, "XAPI-00057"},
	{LS_XAPI_KEY("description"), ls_xapi_language_map, "XAPI-00059"},
	{LS_XAPI_KEY("interactionType"), ls_xapi_constant, "XAPI-00049", NULL, interactions, INTERACTION},
	{LS_XAPI_KEY("correctResponsesPattern"), ls_xapi_array, "XAPI-00050", NULL, &patterns, PATTERN},
	{{NULL}},
};
static const LsXapiShape definition = {"an activity definition", definition_properties};

static const LsXapiProperty activity_properties[] = {
	{LS_XAPI_KEY("id"), ls_xapi_string, "XAPI-00047", "XAPI-00047", &ls_xapi_formats[LS_XAPI_IRI]},
	{LS_XAPI_KEY("definition"), test_definition, "XAPI-00048", NULL, &definition},
	{LS_XAPI_KEY("objectType"), ls_xapi_constant, "XAPI-00046", NULL, activity_types},
	{{NULL}},
};
static const LsXapiShape activity = {"an activity", activity_properties};

/* The id of a component and where it stands. */
typedef struct Id
{
	LsText text;
	int index;
} Id;

static int
compare_ids(const void *a, const void *b)
{
	const Id *one = a;
	const Id *other = b;
	int order = ls_text_compare_keys(one->text, other->text);

	return order != 0 ? order : one->index - other->index;
}

/* Collects the ids that are strings. */
static int
read_ids(const JsonbValue *list, Id *ids)
{
	LsJsonWalk walk;
	JsonbValue element;
	JsonbValue id;
	int count = 0;

	ls_json_walk(&walk, list);
	for (int i = 0; ls_json_walk_next(&walk, NULL, &element); i++)
	{
		if (ls_json_is_object(&element) && ls_json_get(&element, "id", &id) && id.type == jbvString)
			ids[count++] = (Id){ls_text_of(&id), i};
	}
	return count;
}

static void
check_distinct(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *list)
{
	Id *ids = MemoryContextAllocHuge(CurrentMemoryContext, (Size) ls_json_count(list) * sizeof(Id));
	int count = read_ids(list, ids);

	ls_sort(ids, count, sizeof(Id), compare_ids);
	for (int i = 1; i < count; i++)
	{
		LsXapiPlace element = {.up = place, .index = ids[i].index};
		LsXapiPlace here = {&element, LS_XAPI_NAME("id"), 0};

		if (ls_text_equal(ids[i - 1].text, ids[i].text))
			ls_xapi_report(check, &here, "XAPI-00058", "must be different from those before it");
	}
	pfree(ids);
}

/* A list of interaction components with different ids. */
static void
test_components(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	ls_xapi_array(check, place, value, property);
	if (!check->done && ls_json_is_array(value) && ls_json_count(value) > 1)
		check_distinct(check, place, value);
}

/* Reports the component lists that do not go with the type of interaction. */
static void
check_lists(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *type, uint32 lists)
{
	int which = 0;

	while (interactions[which] != NULL && !ls_text_equal(ls_text_of(type), ls_text(interactions[which])))
		which++;
	if (interactions[which] == NULL)
		return;
	for (const LsXapiProperty *property = definition_properties; property->name.data != NULL; property++)
	{
		LsXapiPlace here = {place, property->name, 0};

		if ((property->mark & LISTS & lists & ~interaction_lists[which]) != 0)
			ls_xapi_report(check, &here, "XAPI-00010", "does not go with interactionType %s", interactions[which]);
	}
}

static void
test_definition(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value, const LsXapiProperty *property)
{
	uint32 marks;
	JsonbValue type;

	if (!ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		return;
	marks = ls_xapi_walk(check, place, value, property->argument);
	if ((marks & INTERACTION) == 0 && (marks & (LISTS | PATTERN)) != 0)
		ls_xapi_report(check, place, "XAPI-00064", "must have an interactionType with these properties");
	else if ((marks & LISTS) != 0 && ls_json_get(value, "interactionType", &type) && type.type == jbvString)
		check_lists(check, place, &type, marks);
}

void
ls_xapi_activity(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
				 const LsXapiProperty *property)
{
	if (ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		ls_xapi_walk(check, place, value, &activity);
}

static const char *const reference_types[] = {"StatementRef", NULL};

static const LsXapiProperty reference_properties[] = {
	{LS_XAPI_KEY("id"), ls_xapi_string, "XAPI-00072", "XAPI-00072", &ls_xapi_formats[LS_XAPI_UUID]},
	{LS_XAPI_KEY("objectType"), ls_xapi_constant, "XAPI-00073", "XAPI-00073", reference_types},
	{{NULL}},
};
static const LsXapiShape reference = {"a statement reference", reference_properties};

void
ls_xapi_reference(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
				  const LsXapiProperty *property)
{
	if (ls_xapi_expect(check, place, ls_json_is_object(value), property->requirement, "an object"))
		ls_xapi_walk(check, place, value, &reference);
}
