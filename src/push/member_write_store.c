/*
 * member_write_store.c
 *		Writes the members of lists as a push changed them, and removes those of what it deleted.
 */
#include "postgres.h"

#include "store/store.h"
#include "utils/memutils.h"

static LsRowType member_row = {"learnsync.member_row"};

static LsStatement add_members = {
	"INSERT INTO learnsync_data.member (learner_id, resource_type, resource_id, field, member_id, version, at, value)"
	" SELECT $1, c.resource_type, c.resource_id, c.field, c.member_id, c.version, c.at, c.value"
	" FROM pg_catalog.unnest($2) c",
	{"pg_catalog.text", "learnsync.member_row[]", NULL}};

/* The members that are stored are found by their place, as resources are. */
static LsStatement update_members = {
	"UPDATE learnsync_data.member m SET version = c.version, at = c.at, value = c.value"
	" FROM pg_catalog.unnest($2) c WHERE m.ctid" EQ "c.place AND (m.learner_id" EQ "$1) IS TRUE",
	{"pg_catalog.text", "learnsync.member_row[]", NULL}};

static LsStatement delete_members = {
	"DELETE FROM learnsync_data.member m USING unnest($2, $3) k (resource_type, resource_id)"
	" WHERE m.learner_id" EQ "$1 AND m.resource_type" EQ "k.resource_type AND m.resource_id" EQ "k.resource_id",
	{"pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", NULL}};

static Datum
member_datum(const LsResource *resource, const LsField *field, const LsMember *member, const LsMember *stored)
{
	Datum values[8];
	bool nulls[8];
	bool in_place = stored != NULL && ItemPointerIsValid(&stored->place);

	ls_store_put_text(values, nulls, 0, resource->type->name);
	ls_store_put_text(values, nulls, 1, resource->id);
	ls_store_put_text(values, nulls, 2, field->name);
	ls_store_put_text(values, nulls, 3, member->id);
	ls_store_put(values, nulls, 4, true, Int64GetDatum(resource->new_version));
	ls_store_put(values, nulls, 5, true, TimestampTzGetDatum(member->value.at));
	ls_store_put(values, nulls, 6, true, JsonbPGetDatum(ls_json_encode(&member->value.json)));
	ls_store_put(values, nulls, 7, in_place, PointerGetDatum(in_place ? &stored->place : NULL));
	return ls_store_row(&member_row, values, nulls);
}

/* Rows on their way into the table, a portion at a time. */
typedef struct Rows
{
	Datum learner;
	LsStatement *statement;
	MemoryContext context; /* for one portion */
	int count;
	Datum rows[LS_MEMBER_PORTION];
} Rows;

static Rows *
start_rows(LsStatement *statement, Datum learner)
{
	Rows *rows = palloc(sizeof(Rows));

	rows->learner = learner;
	rows->statement = statement;
	rows->context = AllocSetContextCreate(CurrentMemoryContext, "learnsync members", ALLOCSET_DEFAULT_SIZES);
	rows->count = 0;
	return rows;
}

static void
write_rows(Rows *rows)
{
	MemoryContext caller = MemoryContextSwitchTo(rows->context);
	Datum values[2] = {rows->learner};

	if (rows->count > 0)
	{
		values[1] = ls_store_array(&member_row, rows->rows, rows->count);
		if (ls_store_run(rows->statement, values, NULL) != rows->count)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
							errmsg("a member was changed or a row of it refused outside learnsync"),
							errhint("Leave writing learnsync_data.member to learnsync; a BEFORE trigger must not "
									"skip rows.")));
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(rows->context);
	rows->count = 0;
}

static void
add_row(Rows *rows, const LsResource *resource, const LsField *field, const LsMember *member, const LsMember *stored)
{
	MemoryContext caller = MemoryContextSwitchTo(rows->context);

	rows->rows[rows->count++] = member_datum(resource, field, member, stored);
	MemoryContextSwitchTo(caller);
	if (rows->count == LS_MEMBER_PORTION)
		write_rows(rows);
}

/* The members of a changed list that are not stored as they are now: what came from a row still knows its place. */
static void
write_changed(Rows *new, Rows *known, const LsResource *resource, const LsField *field)
{
	const LsField *stored = ls_resource_was_emptied(resource) ? NULL : ls_state_field(&resource->stored, field->name);

	for (int i = 0; i < field->nmembers; i++)
	{
		const LsMember *member = &field->members[i];
		const LsMember *old = stored == NULL ? NULL : ls_member_find(stored, member->id);
		bool in_place = old != NULL && ItemPointerIsValid(&old->place);

		if (!in_place)
			add_row(new, resource, field, member, NULL);
		else if (!ItemPointerIsValid(&member->place))
			add_row(known, resource, field, member, old);
	}
}

static void
delete_emptied(LsPush *push)
{
	Datum *types = palloc(sizeof(Datum) * Max(push->nchanged, 1));
	Datum *ids = palloc(sizeof(Datum) * Max(push->nchanged, 1));
	Datum values[3] = {ls_text_to_datum(push->learner.id)};
	int count = 0;

	for (int i = 0; i < push->nchanged; i++)
	{
		const LsResource *resource = push->changed[i];

		if (!resource->type->rule->has_lists || !ls_resource_was_emptied(resource))
			continue;
		types[count] = ls_text_to_datum(resource->type->name);
		ids[count++] = ls_text_to_datum(resource->id);
	}
	if (count == 0)
		return;
	values[1] = ls_store_texts(types, count);
	values[2] = ls_store_texts(ids, count);
	ls_store_run(&delete_members, values, NULL);
}

/* Writes the members that the push brought or changed, and removes those of what it deleted. */
void
ls_store_write_members(LsPush *push)
{
	Datum learner = ls_text_to_datum(push->learner.id);
	Rows *new = NULL;
	Rows *known = NULL;

	delete_emptied(push);
	for (int i = 0; i < push->nchanged; i++)
	{
		const LsResource *resource = push->changed[i];

		if (!resource->type->rule->has_lists)
			continue;
		new = new != NULL ? new : start_rows(&add_members, learner);
		known = known != NULL ? known : start_rows(&update_members, learner);
		for (int j = 0; j < resource->state.nfields; j++)
		{
			if (resource->state.fields[j].rule->shape == LS_SHAPE_LIST)
				write_changed(new, known, resource, &resource->state.fields[j]);
		}
	}
	if (new == NULL)
		return;
	write_rows(new);
	write_rows(known);
}
