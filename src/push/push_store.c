/*
 * push_store.c
 *		What a push writes of its accepted items: resources and conflicts; journal_store.c does the rest.
 */
#include "postgres.h"

#include "direct/direct.h"
#include "miscadmin.h"
#include "push/push.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define CONFLICTS_AT_A_TIME 100

/* The columns of a resource and of a conflict, counted from 0. */
enum
{
	RESOURCE_TYPE,
	RESOURCE_ID,
	VERSION,
	CREATED_VERSION,
	AT,
	DELETED_AT,
	DATA,
	BOOK,
	PLACE,
	NRESOURCE
};

enum
{
	CONFLICT_ID,
	ITEM_ID,
	CONFLICT_TYPE,
	CONFLICT_RESOURCE,
	OPERATION,
	CLIENT_DATA,
	SERVER_DATA,
	CLIENT_AT,
	RESOURCE_VERSION,
	RESOLUTION,
	IS_OPEN,
	NCONFLICT
};

static LsRowType resource_row = {"learnsync_internal.resource_row"};
static LsRowType conflict_row = {"learnsync_internal.conflict_row"};

#define ADD_RESOURCES                                                                                                \
	"INSERT INTO learnsync_data.resource (learner_id, resource_type, resource_id, version, created_version,"         \
	" at, deleted_at, updated_at, data, book)"
#define ROWS "pg_catalog.text", "pg_catalog.timestamptz", "learnsync_internal.resource_row[]"
#define ONE_ROW                                                                                                      \
	"pg_catalog.text", "pg_catalog.timestamptz", "pg_catalog.text", "pg_catalog.text", "pg_catalog.int8",            \
		"pg_catalog.int8", "pg_catalog.timestamptz", "pg_catalog.timestamptz", "pg_catalog.jsonb",                   \
		"pg_catalog.jsonb", "pg_catalog.tid"

static LsStatement add_resources = {
	ADD_RESOURCES
	" SELECT $1, c.resource_type, c.resource_id, c.version, c.created_version, c.at, c.deleted_at, $2, c.data, c.book"
	" FROM pg_catalog.unnest($3) c",
	{ROWS, NULL}};

/* A single one does without an array, whose unpacking costs more to set up than the row. */
static LsStatement add_resource = {ADD_RESOURCES " VALUES ($1, $3, $4, $5, $6, $7, $8, $2, $9, $10)",
								   {ONE_ROW, NULL}};

/*
 * Rows are found by the place they were read from, under the learner's lock. The learner is compared in a form that no
 * index serves, so that the plan cannot become one that reads all of the learner's resources.
 */
static LsStatement update_resources = {
	"UPDATE learnsync_data.resource r SET version = c.version, created_version = c.created_version, at = c.at,"
	" deleted_at = c.deleted_at, updated_at = $2, data = c.data, book = c.book"
	" FROM pg_catalog.unnest($3) c"
	" WHERE r.ctid" EQ "c.place AND (r.learner_id" EQ "$1) IS TRUE",
	{ROWS, NULL}};

static LsStatement update_resource = {
	"UPDATE learnsync_data.resource r SET version = $5, created_version = $6, at = $7,"
	" deleted_at = $8, updated_at = $2, data = $9, book = $10"
	" WHERE r.learner_id" EQ "$1 AND r.ctid" EQ "$11",
	{ONE_ROW, NULL}};

static LsStatement write_conflicts = {
	"INSERT INTO learnsync_data.conflict (learner_id, conflict_id, device_id, item_id, resource_type, resource_id,"
	" operation, client_data, server_data, at, resource_version, resolution, created_at, closed_at, closed_by)"
	" SELECT $1, c.conflict_id, $3, c.item_id, c.resource_type, c.resource_id, c.operation, c.client_data,"
	" c.server_data, c.at, c.resource_version, c.resolution, $4, CASE WHEN c.is_open THEN NULL ELSE $4 END,"
	" CASE WHEN c.is_open THEN NULL ELSE 'rule' END FROM pg_catalog.unnest($2) c",
	{"pg_catalog.text", "learnsync_internal.conflict_row[]", "pg_catalog.text", "pg_catalog.timestamptz", NULL}};

/* The version that a changed resource counts as created by: of the step from no document to one. */
static int64
created_version(const LsResource *resource)
{
	bool anew = resource->state.exists && (!resource->stored.exists || ls_resource_was_emptied(resource));

	return anew || resource->created_version == 0 ? resource->new_version : resource->created_version;
}

static void
resource_values(const LsResource *resource, Datum *values, bool *nulls)
{
	const LsState *state = &resource->state;
	Jsonb *book = state->exists ? ls_state_book(state) : NULL;

	ls_store_put_text(values, nulls, RESOURCE_TYPE, resource->type->name);
	ls_store_put_text(values, nulls, RESOURCE_ID, resource->id);
	ls_store_put(values, nulls, VERSION, true, Int64GetDatum(resource->new_version));
	ls_store_put(values, nulls, CREATED_VERSION, true, Int64GetDatum(created_version(resource)));
	ls_store_put(values, nulls, AT, true, TimestampTzGetDatum(state->at));
	ls_store_put(values, nulls, DELETED_AT, state->deleted_at != LS_NO_TIME, TimestampTzGetDatum(state->deleted_at));
	ls_store_put(values, nulls, DATA, state->exists,
				 state->exists ? JsonbPGetDatum(ls_state_document(state)) : (Datum) 0);
	ls_store_put(values, nulls, BOOK, book != NULL, JsonbPGetDatum(book));
	ls_store_put(values, nulls, PLACE, resource->version != 0, PointerGetDatum(&resource->place));
}

/* The document that a conflict was answered with, or would be; null where there is none, or it is too large to keep. */
static JsonbValue
met_document(const LsResource *resource)
{
	JsonbValue document = ls_json_null();

	if (resource->shown != NULL)
		document = *resource->shown;
	else if (!resource->type->rule->has_lists)
		document = ls_state_show(resource->type->rule, &resource->state);
	return ls_json_printed_bytes(&document) > learnsync_max_document_bytes ? ls_json_null() : document;
}

static void
conflict_values(const LsItem *item, Datum *values, bool *nulls)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	JsonbValue met = met_document(item->resource);

	*id = ls_digest_derive(&item->key, "conflict");
	ls_store_put(values, nulls, CONFLICT_ID, true, UUIDPGetDatum(id));
	ls_store_put_text(values, nulls, ITEM_ID, item->id);
	ls_store_put_text(values, nulls, CONFLICT_TYPE, item->type->name);
	ls_store_put_text(values, nulls, CONFLICT_RESOURCE, item->resource->id);
	ls_store_put_text(values, nulls, OPERATION, item->operation);
	ls_store_put_json(values, nulls, CLIENT_DATA, &item->data);
	ls_store_put_json(values, nulls, SERVER_DATA, &met);
	ls_store_put(values, nulls, CLIENT_AT, true, TimestampTzGetDatum(item->change.at));
	ls_store_put(values, nulls, RESOURCE_VERSION, true, Int64GetDatum(item->version));
	ls_store_put_text(values, nulls, RESOLUTION, ls_text(ls_verdict_resolution(item->verdict)));
	ls_store_put(values, nulls, IS_OPEN, true, BoolGetDatum(item->verdict == LS_MANUAL_REQUIRED));
}

static uint64
write_one(Datum *values, LsStatement *statement, const LsResource *resource)
{
	char nulls[NRESOURCE + 3] = "  ";
	bool isnull[NRESOURCE];

	resource_values(resource, values + 2, isnull);
	ls_store_mark_nulls(nulls + 2, isnull, NRESOURCE);
	return ls_store_run(statement, values, nulls);
}

static uint64
write_many(Datum *values, LsStatement *statement, LsResource **resources, int count)
{
	Datum *rows = palloc(sizeof(Datum) * count);
	Datum row[NRESOURCE];
	bool nulls[NRESOURCE];

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		resource_values(resources[i], row, nulls);
		rows[i] = ls_store_row(&resource_row, row, nulls);
	}
	values[2] = ls_store_array(&resource_row, rows, count);
	return ls_store_run(statement, values, NULL);
}

/* Resources that are written without a statement. */
typedef struct Written
{
	const LsPush *push;
	LsResource **resources;
	Datum learner;
} Written;

static void
fill_resource(const void *argument, int row, Datum *values, bool *nulls)
{
	static const int columns[] = {
		[RESOURCE_TYPE] = LS_RESOURCE_TYPE,
		[RESOURCE_ID] = LS_RESOURCE_ID,
		[VERSION] = LS_RESOURCE_VERSION,
		[CREATED_VERSION] = LS_RESOURCE_CREATED_VERSION,
		[AT] = LS_RESOURCE_AT,
		[DELETED_AT] = LS_RESOURCE_DELETED_AT,
		[DATA] = LS_RESOURCE_DATA,
		[BOOK] = LS_RESOURCE_BOOK,
	};
	const Written *written = argument;
	Datum resource[NRESOURCE];
	bool isnull[NRESOURCE];

	resource_values(written->resources[row], resource, isnull);
	for (int i = 0; i < lengthof(columns); i++)
	{
		values[columns[i]] = resource[i];
		nulls[columns[i]] = isnull[i];
	}
	ls_direct_put(values, nulls, LS_RESOURCE_LEARNER, written->learner);
	ls_direct_put(values, nulls, LS_RESOURCE_UPDATED_AT, TimestampTzGetDatum(written->push->batch.now));
}

/* How many of the rows were where they had been, and are changed. */
static int
change_rows(LsDirect *direct, const Written *written, int count)
{
	int changed = 0;

	for (int i = 0; i < count; i++)
	{
		const LsResource *resource = written->resources[i];
		Datum key[] = {written->learner, ls_text_to_datum(resource->type->name), ls_text_to_datum(resource->id)};

		CHECK_FOR_INTERRUPTS();
		if (!ls_direct_take(direct, &resource->place, key))
			continue;
		fill_resource(written, i, direct->values, direct->nulls);
		changed += ls_direct_change(direct);
	}
	return changed;
}

/* How many were written; -1 where SQL has to do it. */
static int
write_directly(const Written *written, bool is_new, int count)
{
	LsDirect direct;
	int done = count;

	if (!ls_direct_open(&direct, LS_DIRECT_RESOURCE, RowExclusiveLock))
		return -1;
	ls_direct_begin();
	if (is_new)
		ls_direct_add(&direct, count, fill_resource, written);
	else
		done = change_rows(&direct, written, count);
	ls_direct_close(&direct);
	ls_direct_end();
	return done;
}

/* Writes the changed resources that are new, or those that are not. */
static void
write_resources(LsPush *push, bool is_new, LsStatement *one, LsStatement *many)
{
	LsResource **resources = palloc(sizeof(LsResource *) * Max(push->nchanged, 1));
	Datum values[NRESOURCE + 2] = {ls_text_to_datum(push->batch.learner.id), TimestampTzGetDatum(push->batch.now)};
	Written written = {push, resources, values[0]};
	int count = 0;
	int done;

	for (int i = 0; i < push->nchanged; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if ((push->changed[i]->version == 0) == is_new)
			resources[count++] = push->changed[i];
	}
	if (count == 0)
		return;
	done = write_directly(&written, is_new, count);
	if (done < 0)
		done = (int) (count == 1 ? write_one(values, one, resources[0]) : write_many(values, many, resources, count));
	if (done != count)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("a resource was changed or a row of it refused outside learnsync"),
						errhint("Leave writing learnsync_data.resource to learnsync; a BEFORE trigger must not "
								"skip rows.")));
}

static bool
is_new_conflict(const LsItem *item)
{
	return item->accepted && ls_verdict_is_conflict(item->verdict);
}

/* Conflicts that are written together. */
typedef struct Conflicts
{
	const LsItem *items[CONFLICTS_AT_A_TIME];
	int count;
	Datum learner;
	Datum device;
	Datum now;
} Conflicts;

static void
fill_conflict(const void *argument, int row, Datum *values, bool *nulls)
{
	static const int columns[] = {
		[CONFLICT_ID] = LS_CONFLICT_ID,           [ITEM_ID] = LS_CONFLICT_ITEM,
		[CONFLICT_TYPE] = LS_CONFLICT_TYPE,       [CONFLICT_RESOURCE] = LS_CONFLICT_RESOURCE,
		[OPERATION] = LS_CONFLICT_OPERATION,      [CLIENT_DATA] = LS_CONFLICT_CLIENT_DATA,
		[SERVER_DATA] = LS_CONFLICT_SERVER_DATA,  [CLIENT_AT] = LS_CONFLICT_AT,
		[RESOURCE_VERSION] = LS_CONFLICT_VERSION, [RESOLUTION] = LS_CONFLICT_RESOLUTION,
	};
	const Conflicts *conflicts = argument;
	Datum conflict[NCONFLICT];
	bool isnull[NCONFLICT];

	conflict_values(conflicts->items[row], conflict, isnull);
	for (int i = 0; i < lengthof(columns); i++)
	{
		values[columns[i]] = conflict[i];
		nulls[columns[i]] = isnull[i];
	}
	ls_direct_put(values, nulls, LS_CONFLICT_LEARNER, conflicts->learner);
	ls_direct_put(values, nulls, LS_CONFLICT_DEVICE, conflicts->device);
	ls_direct_put(values, nulls, LS_CONFLICT_CREATED_AT, conflicts->now);
	if (DatumGetBool(conflict[IS_OPEN]))
		return;
	ls_direct_put(values, nulls, LS_CONFLICT_CLOSED_AT, conflicts->now);
	ls_direct_put(values, nulls, LS_CONFLICT_CLOSED_BY, CStringGetTextDatum("rule"));
}

static void
add_conflicts_by_statement(const Conflicts *conflicts)
{
	Datum rows[CONFLICTS_AT_A_TIME];
	Datum conflict[NCONFLICT];
	bool nulls[NCONFLICT];
	Datum values[] = {conflicts->learner, 0, conflicts->device, conflicts->now};

	for (int i = 0; i < conflicts->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		conflict_values(conflicts->items[i], conflict, nulls);
		rows[i] = ls_store_row(&conflict_row, conflict, nulls);
	}
	values[1] = ls_store_array(&conflict_row, rows, conflicts->count);
	ls_store_run(&write_conflicts, values, NULL);
}

/* Writes the conflicts of the items from the given one on, as many as are written together; where it ended. */
static int
write_some_conflicts(const LsPush *push, int start)
{
	Conflicts conflicts = {.learner = ls_text_to_datum(push->batch.learner.id),
						   .device = ls_text_to_datum(push->batch.device.id),
						   .now = TimestampTzGetDatum(push->batch.now)};
	int end = start;

	for (; end < push->batch.nitems && conflicts.count < CONFLICTS_AT_A_TIME; end++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_new_conflict(&push->batch.items[end]))
			conflicts.items[conflicts.count++] = &push->batch.items[end];
	}
	if (conflicts.count > 0 && !ls_direct_insert(LS_DIRECT_CONFLICT, conflicts.count, fill_conflict, &conflicts))
		add_conflicts_by_statement(&conflicts);
	return end;
}

/* A conflict's row repeats what the client sent: those that are written are freed before the next are made. */
static void
write_new_conflicts(const LsPush *push)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	int start = 0;

	while (start < push->batch.nitems && !is_new_conflict(&push->batch.items[start]))
		start++;
	if (start == push->batch.nitems)
		return;
	context = AllocSetContextCreate(caller, "learnsync conflicts", ALLOCSET_DEFAULT_SIZES);
	while (start < push->batch.nitems)
	{
		MemoryContextSwitchTo(context);
		start = write_some_conflicts(push, start);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

/* Writes the journal, which names the changed resources. */
static void
write_journal(LsPush *push)
{
	int count = push->nchanged;
	LsChanged changed = {palloc(sizeof(Datum) * Max(count, 1)), palloc(sizeof(Datum) * Max(count, 1)), count};

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		changed.types[i] = ls_text_to_datum(push->changed[i]->type->name);
		changed.ids[i] = ls_text_to_datum(push->changed[i]->id);
	}
	ls_store_write_journal(&push->batch, changed);
}

/* Writes what the accepted items did: everything that a team's triggers and constraints may have a say in. */
void
ls_store_write_accepted(LsPush *push)
{
	write_resources(push, true, &add_resource, &add_resources);
	write_resources(push, false, &update_resource, &update_resources);
	ls_store_write_members(push);
	ls_store_write_statements(push);
	write_journal(push);
	write_new_conflicts(push);
}
