/*
 * member_write_store.c
 *		Writes the members of lists and the totals of devices as a push changed them, and removes those of what it deleted.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"
#include "store/statement.h"
#include "utils/memutils.h"

/* The columns of a member, counted from 0. */
enum
{
	RESOURCE_TYPE,
	RESOURCE_ID,
	FIELD,
	MEMBER_ID,
	VERSION,
	AT,
	VALUE,
	PLACE,
	NMEMBER
};

static LsRowType member_row = {"learnsync_internal.member_row"};

static LsStatement add_members = {
	"INSERT INTO learnsync_data.member (learner_id, resource_type, resource_id, field, member_id, version, at, value)"
	" SELECT $1, c.resource_type, c.resource_id, c.field, c.member_id, c.version, c.at, c.value"
	" FROM pg_catalog.unnest($2) c",
	{"pg_catalog.text", "learnsync_internal.member_row[]", NULL}};

/* The members that are stored are found by their place, as resources are. */
static LsStatement update_members = {
	"UPDATE learnsync_data.member m SET version = c.version, at = c.at, value = c.value"
	" FROM pg_catalog.unnest($2) c WHERE m.ctid" EQ "c.place AND (m.learner_id" EQ "$1) IS TRUE",
	{"pg_catalog.text", "learnsync_internal.member_row[]", NULL}};

static LsStatement delete_members = {
	"DELETE FROM learnsync_data.member m USING unnest($2, $3) k (resource_type, resource_id)"
	" WHERE m.learner_id" EQ "$1 AND m.resource_type" EQ "k.resource_type AND m.resource_id" EQ "k.resource_id",
	{"pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", NULL}};

static Datum
member_datum(const LsResource *resource, const LsField *field, const LsMember *member, const LsMember *stored)
{
	Datum values[NMEMBER];
	bool nulls[NMEMBER];
	bool in_place = stored != NULL && ItemPointerIsValid(&stored->place);

	ls_store_put_text(values, nulls, RESOURCE_TYPE, resource->type->name);
	ls_store_put_text(values, nulls, RESOURCE_ID, resource->id);
	ls_store_put_text(values, nulls, FIELD, field->name);
	ls_store_put_text(values, nulls, MEMBER_ID, member->id);
	ls_store_put(values, nulls, VERSION, true,
				 Int64GetDatum(field->rule->shape == LS_SHAPE_TOTALS ? 0 : resource->new_version));
	ls_store_put(values, nulls, AT, true, TimestampTzGetDatum(member->value.at));
	ls_store_put(values, nulls, VALUE, true, JsonbPGetDatum(ls_json_encode(&member->value.json)));
	ls_store_put(values, nulls, PLACE, in_place, PointerGetDatum(in_place ? &stored->place : NULL));
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

/*
 * The parts of a changed field that are not stored as they are now: what came from a row still knows its place. What of
 * a sum is no device's is not stored.
 */
static void
write_changed(Rows *added, Rows *known, const LsResource *resource, const LsField *field)
{
	const LsField *stored = ls_resource_was_emptied(resource) ? NULL : ls_state_field(&resource->stored, field->name);

	for (int i = 0; i < field->nmembers; i++)
	{
		const LsMember *member = &field->members[i];
		const LsMember *old = stored == NULL ? NULL : ls_member_find(stored, member->id);
		bool in_place = old != NULL && ItemPointerIsValid(&old->place);

		CHECK_FOR_INTERRUPTS();
		if (field->rule->shape == LS_SHAPE_TOTALS && member->id.length == 0)
			continue;
		if (!in_place)
			add_row(added, resource, field, member, NULL);
		else if (!ItemPointerIsValid(&member->place))
			add_row(known, resource, field, member, old);
	}
}

/* Those of resources that were deleted, whatever came after: what a person puts in the place of a document has no rows. */
static void
delete_emptied(LsPush *push)
{
	Datum *types = palloc(sizeof(Datum) * Max(push->nchanged, 1));
	Datum *ids = palloc(sizeof(Datum) * Max(push->nchanged, 1));
	Datum values[3] = {ls_text_to_datum(push->batch.learner.id)};
	int count = 0;

	for (int i = 0; i < push->nchanged; i++)
	{
		const LsResource *resource = push->changed[i];

		CHECK_FOR_INTERRUPTS();
		if (!resource->type->rule->has_rows || !ls_resource_was_emptied(resource))
			continue;
		types[count] = ls_text_to_datum(resource->type->name);
		ids[count++] = ls_text_to_datum(resource->id);
	}
	if (count == 0)
		return;
	values[1] = ls_text_array(types, count);
	values[2] = ls_text_array(ids, count);
	ls_store_run(&delete_members, values, NULL);
}

/* Writes the members and totals that the push brought or changed, and removes those of what it deleted. */
void
ls_store_write_members(LsPush *push)
{
	Datum learner = ls_text_to_datum(push->batch.learner.id);
	Rows *added = NULL;
	Rows *known = NULL;

	delete_emptied(push);
	for (int i = 0; i < push->nchanged; i++)
	{
		const LsResource *resource = push->changed[i];

		CHECK_FOR_INTERRUPTS();
		if (!resource->type->rule->has_rows)
			continue;
		added = added != NULL ? added : start_rows(&add_members, learner);
		known = known != NULL ? known : start_rows(&update_members, learner);
		for (int j = 0; j < resource->state.nfields; j++)
		{
			if (ls_shape_has_rows(resource->state.fields[j].rule->shape))
				write_changed(added, known, resource, &resource->state.fields[j]);
		}
	}
	if (added == NULL)
		return;
	write_rows(added);
	write_rows(known);
}
