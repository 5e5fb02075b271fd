/*
 * selection.c
 *		The types and the documents that a client wants to see.
 */
#include "postgres.h"

#include "pull/pull.h"

static int
compare_types(const void *a, const void *b)
{
	return ls_text_compare(*(const LsText *) a, *(const LsText *) b);
}

/* The types, each once. */
static void
read_types(LsSelection *selection, const JsonbValue *list)
{
	LsText no_key;
	JsonbValue value;
	LsJsonWalk walk;
	Datum *values;
	int count = 0;

	if (!ls_json_is_array(list))
		ls_request_refuse("resourceTypes", "must be an array of strings");
	ls_request_count(ls_json_count(list), "resourceTypes");
	selection->by_type = true;
	selection->types = palloc(sizeof(LsText) * Max(ls_json_count(list), 1));
	values = palloc(sizeof(Datum) * Max(ls_json_count(list), 1));
	ls_json_walk(&walk, list);
	while (ls_json_walk_next(&walk, &no_key, &value))
	{
		if (value.type != jbvString)
			ls_request_refuse("resourceTypes", "must be an array of strings");
		selection->types[count++] = ls_text_of(&value);
	}
	ls_sort(selection->types, count, sizeof(LsText), compare_types);
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && ls_text_equal(selection->types[i], selection->types[selection->ntypes - 1]))
			continue;
		values[selection->ntypes] = ls_text_to_datum(selection->types[i]);
		selection->types[selection->ntypes++] = selection->types[i];
	}
	selection->type_array = ls_text_array(values, selection->ntypes);
}

static void
read_scope(LsSelection *selection, const JsonbValue *scope)
{
	LsText name;
	JsonbValue list;
	LsJsonWalk walk;
	int nvalues = 0;

	if (!ls_json_is_object(scope))
		ls_request_refuse("scope", "must be an object");
	ls_request_count(ls_json_count(scope), "scope");
	selection->scoped = true;
	selection->fields = palloc(sizeof(LsScopeField) * Max(ls_json_count(scope), 1));
	ls_json_walk(&walk, scope);
	while (ls_json_walk_next(&walk, &name, &list))
	{
		if (!ls_json_is_array(&list))
			ls_request_refuse("scope", "must give an array of values for each field");
		nvalues += ls_json_count(&list);
		ls_request_count(nvalues, "scope");
		selection->fields[selection->nfields++] = (LsScopeField){name, list, ls_request_set(&list, "scope")};
	}
}

/* Reads resourceTypes and scope of a request; null and nothing select everything. */
void
ls_selection_read(LsSelection *selection, const JsonbValue *request)
{
	JsonbValue value;

	*selection = (LsSelection){.by_type = false};
	if (ls_json_get(request, "resourceTypes", &value) && value.type != jbvNull)
		read_types(selection, &value);
	if (ls_json_get(request, "scope", &value) && value.type != jbvNull)
		read_scope(selection, &value);
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* Adds the values of a list to a digest, as a set, after their number. */
static void
digest_values(LsDigest *digest, const JsonbValue *list)
{
	pg_uuid_t *values = palloc(sizeof(pg_uuid_t) * Max(ls_json_count(list), 1));
	LsText no_key;
	JsonbValue value;
	LsJsonWalk walk;
	int count = 0;
	int kept = 0;

	ls_json_walk(&walk, list);
	while (ls_json_walk_next(&walk, &no_key, &value))
	{
		LsDigest one;

		ls_digest_start(&one);
		ls_digest_json(&one, &value, NULL);
		values[count++] = ls_digest_end(&one);
	}
	ls_sort(values, count, sizeof(pg_uuid_t), compare_uuids);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || compare_uuids(&values[i], &values[i - 1]) != 0)
			values[kept++] = values[i];
	}
	ls_digest_text(digest, ls_text(psprintf("%d", kept)));
	ls_digest_text(digest, (LsText){(char *) values, kept * UUID_LEN});
}

/* The same for equal selections. */
uint64
ls_selection_digest(const LsSelection *selection)
{
	LsDigest digest;
	pg_uuid_t uuid;

	ls_digest_start(&digest);
	ls_digest_text(&digest, ls_text(psprintf("%d %d %d %d", selection->by_type, selection->ntypes, selection->scoped,
											 selection->nfields)));
	for (int i = 0; i < selection->ntypes; i++)
		ls_digest_text(&digest, selection->types[i]);
	for (int i = 0; i < selection->nfields; i++)
	{
		ls_digest_text(&digest, selection->fields[i].name);
		digest_values(&digest, &selection->fields[i].list);
	}
	uuid = ls_digest_end(&digest);
	return (uint64) ls_digest_fingerprint(&uuid);
}

/* Whether a document of a wanted type is wanted: it has, for each field of the scope, one of its values. */
bool
ls_selection_has(const LsSelection *selection, Jsonb *data)
{
	JsonbValue document;
	JsonbValue value;

	if (selection->nfields > 0)
		ls_json_root(data, &document);
	for (int i = 0; i < selection->nfields; i++)
	{
		const LsScopeField *field = &selection->fields[i];

		if (!ls_json_get_text(&document, field->name, &value) || !ls_set_has(field->values, &value))
			return false;
	}
	return true;
}
