/*
 * store_member.c
 *		Members of lists, one row each: looked up by id for a merge, read to complete documents.
 *
 * A merge needs but the members that items bring again, so that adding to a long list costs what is added.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static LsStatement find_members = {
	"SELECT k.n, m.at, m.value, m.ctid"
	" FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS k (resource_type, resource_id, field, member_id, n)"
	" CROSS JOIN LATERAL (SELECT s.at, s.value, s.ctid FROM learnsync_data.member s WHERE s.learner_id" EQ "$1"
	"  AND s.resource_type" EQ "k.resource_type AND s.resource_id" EQ "k.resource_id AND s.field" EQ "k.field"
	"  AND s.member_id" EQ "k.member_id LIMIT 1) m",
	{"pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", "pg_catalog.text[]", "pg_catalog.text[]", NULL}};

/*
 * In the order of the resources asked for; $5 is how many rows at most. The index by version serves both the condition
 * that it states itself and the order, so that no plan reads the members that are not wanted.
 */
static LsStatement read_members = {
	"SELECT k.n, m.field, m.member_id, m.at, m.value"
	" FROM unnest($2, $3, $4) WITH ORDINALITY AS k (resource_type, resource_id, after, n)"
	" CROSS JOIN LATERAL (SELECT s.field, s.member_id, s.at, s.value FROM learnsync_data.member s"
	"  WHERE s.learner_id" EQ "$1 AND s.resource_type" EQ "k.resource_type AND s.resource_id" EQ "k.resource_id"
	"  AND s.version" GT "k.after AND s.version" GT "0 ORDER BY s.version) m LIMIT $5",
	{"pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", "pg_catalog.int8[]", "pg_catalog.int8", NULL}};

/* Members to be looked up, a portion at a time: their keys by column, and the fields that they belong to. */
typedef struct Lookup
{
	Datum learner;
	int count;
	Datum columns[4][LS_MEMBER_PORTION];
	LsField *fields[LS_MEMBER_PORTION];
	LsText ids[LS_MEMBER_PORTION];
} Lookup;

static void
take_member(const Lookup *lookup, uint64 row)
{
	int64 n = ls_store_int(row, 1) - 1;
	LsField *field = lookup->fields[n];
	LsMember *member;
	JsonbValue value;
	bool isnull;

	ls_json_root(DatumGetJsonbP(ls_store_value(row, 3, &isnull)), &value);
	member = ls_member_append(field, lookup->ids[n], &value, DatumGetTimestampTz(ls_store_value(row, 2, &isnull)));
	member->place = *(ItemPointer) DatumGetPointer(ls_store_value(row, 4, &isnull));
}

/* Looks the portion up. What is found stays in the statement's result, which lives as long as the call. */
static void
find_portion(Lookup *lookup)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "learnsync members", ALLOCSET_DEFAULT_SIZES);
	Datum values[5] = {lookup->learner};
	uint64 count;

	MemoryContextSwitchTo(context);
	for (int i = 0; i < lengthof(lookup->columns); i++)
		values[i + 1] = ls_store_texts(lookup->columns[i], lookup->count);
	count = ls_store_run(&find_members, values, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < count; i++)
		take_member(lookup, i);
	MemoryContextDelete(context);
	lookup->count = 0;
}

/* Asks for the members of a stored list that an item brings again. */
static void
want_members(Lookup *lookup, const LsResource *resource, LsField *field, const JsonbValue *list)
{
	Datum type = ls_text_to_datum(resource->type->name);
	Datum id = ls_text_to_datum(resource->id);
	Datum name = ls_text_to_datum(field->name);

	for (int i = 0; i < ls_json_count(list); i++)
	{
		LsText member = ls_member_id(field->rule, getIthJsonbValueFromContainer(list->val.binary.data, i));

		if (lookup->count == LS_MEMBER_PORTION)
			find_portion(lookup);
		lookup->columns[0][lookup->count] = type;
		lookup->columns[1][lookup->count] = id;
		lookup->columns[2][lookup->count] = name;
		lookup->columns[3][lookup->count] = ls_text_to_datum(member);
		lookup->ids[lookup->count] = member;
		lookup->fields[lookup->count++] = field;
	}
}

static void
want_members_of(Lookup *lookup, const LsItem *item)
{
	LsState *stored = &item->resource->stored;
	JsonbValue list;

	for (int i = 0; i < stored->nfields; i++)
	{
		LsField *field = &stored->fields[i];

		if (field->rule->shape == LS_SHAPE_LIST && field->members != NULL &&
			ls_json_get_text(&item->change.data, field->name, &list) && ls_json_is_array(&list))
			want_members(lookup, item->resource, field, &list);
	}
}

static void
sort_lists(LsState *state)
{
	for (int i = 0; i < state->nfields; i++)
	{
		if (state->fields[i].rule->shape == LS_SHAPE_LIST && state->fields[i].members != NULL)
			ls_member_sort(&state->fields[i]);
	}
}

/* Adds to the stored states the members that the new items bring again. */
void
ls_store_find_members(LsPush *push)
{
	Lookup *lookup = NULL;

	for (int i = 0; i < push->nitems; i++)
	{
		const LsItem *item = &push->items[i];

		if (item->refused.code != NULL || item->receipt.found || item->change.is_delete ||
			!item->type->rule->has_lists || !item->resource->stored.exists)
			continue;
		if (lookup == NULL)
		{
			lookup = palloc(sizeof(Lookup));
			lookup->learner = ls_text_to_datum(push->learner.id);
			lookup->count = 0;
		}
		want_members_of(lookup, item);
	}
	if (lookup == NULL)
		return;
	if (lookup->count > 0)
		find_portion(lookup);
	for (int i = 0; i < push->nresources; i++)
	{
		if (push->resources[i]->type->rule->has_lists)
			sort_lists(&push->resources[i]->stored);
	}
}

static uint64
query_members(LsText learner, const LsListed *listed, int count, int64 limit, bool fresh)
{
	Datum *types = palloc(sizeof(Datum) * count);
	Datum *ids = palloc(sizeof(Datum) * count);
	Datum *after = palloc(sizeof(Datum) * count);
	Datum values[5] = {ls_text_to_datum(learner)};

	for (int i = 0; i < count; i++)
	{
		types[i] = ls_text_to_datum(listed[i].type);
		ids[i] = ls_text_to_datum(listed[i].id);
		after[i] = Int64GetDatum(listed[i].after);
	}
	values[1] = ls_store_texts(types, count);
	values[2] = ls_store_texts(ids, count);
	values[3] = PointerGetDatum(construct_array(after, count, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE));
	values[4] = Int64GetDatum(limit);
	return (fresh ? ls_store_run : ls_store_read)(&read_members, values, limit == 0 ? "    n" : NULL);
}

/* Adds the rows of one resource, up to but not including end, to one of its lists. */
static void
complete_list(LsField *field, uint64 row, uint64 end)
{
	LsField list = *field;
	JsonbValue value;
	bool isnull;

	ls_member_start(&list, field->nmembers + (int) (end - row));
	for (int i = 0; i < field->nmembers; i++)
		ls_member_append(&list, field->members[i].id, &field->members[i].value.json, field->members[i].value.at);
	for (; row < end; row++)
	{
		if (!ls_text_equal(ls_store_text(row, 2), field->name))
			continue;
		ls_json_root(DatumGetJsonbP(ls_store_value(row, 5, &isnull)), &value);
		ls_member_append(&list, ls_store_text(row, 3), &value, DatumGetTimestampTz(ls_store_value(row, 4, &isnull)));
	}
	ls_member_sort(&list);
	*field = list;
}

static void
complete_state(LsState *state, uint64 row, uint64 end)
{
	for (int i = 0; i < state->nfields; i++)
	{
		if (state->fields[i].rule->shape == LS_SHAPE_LIST && state->fields[i].members != NULL)
			complete_list(&state->fields[i], row, end);
	}
}

/*
 * Completes the lists of states with the stored members of versions after the wanted ones, as the calling statement
 * sees them or, fresh, as they are now. Answers how many states are complete: all where limit is 0, else as many as
 * have at most so many members together, and at least the first.
 */
int
ls_store_complete_lists(LsText learner, LsListed *listed, int count, int64 limit, bool fresh)
{
	uint64 rows = query_members(learner, listed, count, limit == 0 ? 0 : limit + 1, fresh);
	uint64 start = 0;

	if (limit > 0 && rows > limit)
	{
		count = (int) ls_store_int(rows - 1, 1) - 1;
		if (count == 0)
			return ls_store_complete_lists(learner, listed, 1, 0, fresh);
	}
	for (int i = 0; i < count; i++)
	{
		uint64 end = start;

		while (end < rows && ls_store_int(end, 1) == i + 1)
			end++;
		complete_state(listed[i].state, start, end);
		start = end;
	}
	return count;
}
