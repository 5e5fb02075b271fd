/*
 * member_delta_store.c
 *		Members of lists and totals of devices, one row each: looked up for a merge, lists read to complete documents.
 *
 * A merge needs but the members that items bring again, so that adding to a long list costs what is added, and of totals
 * those of the devices that send them. Rows of totals have version 0, by which readers of lists pass them by.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "push/push.h"
#include "store/statement.h"
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
 * In the order of the resources asked for. The index by version serves both the condition
 * that it states itself and the order, so that no plan reads the members that are not wanted.
 */
static LsStatement read_members = {
	"SELECT k.n, m.field, m.member_id, m.at, m.value"
	" FROM unnest($2, $3, $4) WITH ORDINALITY AS k (resource_type, resource_id, after, n)"
	" CROSS JOIN LATERAL (SELECT s.field, s.member_id, s.at, s.value FROM learnsync_data.member s"
	"  WHERE s.learner_id" EQ "$1 AND s.resource_type" EQ "k.resource_type AND s.resource_id" EQ "k.resource_id"
	"  AND s.version" GT "k.after AND s.version" GT "0 ORDER BY s.version) m",
	{"pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", "pg_catalog.int8[]", NULL}};

/* A member that an item brings again, or a total that it raises, for the stored field that may have it. */
typedef struct Wanted
{
	const LsResource *resource;
	LsField *field;
	LsText id;
} Wanted;

typedef struct Lookup
{
	int count;
	int room;
	Wanted *wanted;
} Lookup;

static void
make_room(Lookup *lookup, int more)
{
	if (lookup->count + more <= lookup->room)
		return;
	lookup->room = (lookup->count + more) / 2 * 3 + 1;
	lookup->wanted = repalloc_huge(lookup->wanted, sizeof(Wanted) * lookup->room);
}

static void
want_members(Lookup *lookup, const LsResource *resource, LsField *field, const JsonbValue *list)
{
	JsonbValue value;
	LsJsonWalk walk;

	make_room(lookup, ls_json_count(list));
	ls_json_walk(&walk, list);
	while (ls_json_walk_next(&walk, NULL, &value))
	{
		CHECK_FOR_INTERRUPTS();
		lookup->wanted[lookup->count++] = (Wanted){resource, field, ls_member_id(field->rule, &value)};
	}
}

/* Nobody has no total of his own: what a person sets is the sum. */
static void
want_total(Lookup *lookup, const LsResource *resource, LsField *field, LsText device)
{
	if (device.length == 0)
		return;
	make_room(lookup, 1);
	lookup->wanted[lookup->count++] = (Wanted){resource, field, device};
}

static void
want_members_of(Lookup *lookup, const LsItem *item)
{
	const LsRule *rule = item->type->rule;
	LsField *field;
	JsonbValue value;

	for (int i = 0; i < rule->nfields; i++)
	{
		if (!ls_shape_has_rows(rule->fields[i].shape) ||
			!ls_json_get_text(&item->change.data, rule->fields[i].name, &value))
			continue;
		field = ls_state_field(&item->resource->stored, rule->fields[i].name);
		if (field == NULL)
			continue;
		if (field->rule->shape == LS_SHAPE_TOTALS)
			want_total(lookup, item->resource, field, item->change.device);
		else if (field->members != NULL && ls_json_is_array(&value))
			want_members(lookup, item->resource, field, &value);
	}
}

static int
compare_wanted(const void *a, const void *b)
{
	const Wanted *wa = a;
	const Wanted *wb = b;

	if (wa->field != wb->field)
		return wa->field < wb->field ? -1 : 1;
	return ls_text_compare_keys(wa->id, wb->id);
}

/* What many items bring is looked up once. */
static void
make_unique(Lookup *lookup)
{
	int kept = 0;

	ls_sort(lookup->wanted, lookup->count, sizeof(Wanted), compare_wanted);
	for (int i = 0; i < lookup->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (kept == 0 || compare_wanted(&lookup->wanted[kept - 1], &lookup->wanted[i]) != 0)
			lookup->wanted[kept++] = lookup->wanted[i];
	}
	lookup->count = kept;
}

/* A total is a number, and part of one that the document shows. */
static void
check_total(LsText learner, const Wanted *wanted, const JsonbValue *total)
{
	LsText type = wanted->resource->type->name;
	LsText name = wanted->field->name;
	LsRowKey resource = {"resource", {learner, type, wanted->resource->id}};
	LsRowKey row = {"member", {learner, type, wanted->resource->id, name, wanted->id}};

	if (total->type != jbvNumeric)
		ls_store_damaged(&row, "value", "a number");
	if (wanted->field->members == NULL)
		ls_store_damaged(&resource, "data", psprintf("an object with a number as \"%.*s\"", name.length, name.data));
}

/* Adds a row to the field that it belongs to; what it points to is copied, as the rows are freed soon. */
static void
take_member(LsText learner, const Wanted *wanted, uint64 row)
{
	LsText id = ls_text_datum(ls_text_to_datum(wanted->id));
	bool is_total = wanted->field->rule->shape == LS_SHAPE_TOTALS;
	TimestampTz at;
	LsMember *member;
	JsonbValue value;
	bool isnull;

	at = DatumGetTimestampTz(ls_store_value(row, 2, &isnull));
	ls_json_root(DatumGetJsonbPCopy(ls_store_value(row, 3, &isnull)), &value);
	if (is_total)
		check_total(learner, wanted, &value);
	member = (is_total ? ls_field_take_total : ls_member_append)(wanted->field, id, &value, at);
	member->place = *(ItemPointer) DatumGetPointer(ls_store_value(row, 4, &isnull));
}

/* Looks so many members up; context is for what is needed meanwhile. */
static void
find_portion(LsText learner, const Wanted *wanted, int count, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	Datum *columns[4];
	Datum values[5] = {ls_text_to_datum(learner)};
	uint64 found;

	for (int i = 0; i < lengthof(columns); i++)
		columns[i] = palloc(sizeof(Datum) * count);
	for (int i = 0; i < count; i++)
	{
		bool first = i == 0 || wanted[i].field != wanted[i - 1].field;

		CHECK_FOR_INTERRUPTS();
		columns[0][i] = first ? ls_text_to_datum(wanted[i].resource->type->name) : columns[0][i - 1];
		columns[1][i] = first ? ls_text_to_datum(wanted[i].resource->id) : columns[1][i - 1];
		columns[2][i] = first ? ls_text_to_datum(wanted[i].field->name) : columns[2][i - 1];
		columns[3][i] = ls_text_to_datum(wanted[i].id);
	}
	for (int i = 0; i < lengthof(columns); i++)
		values[i + 1] = ls_text_array(columns[i], count);
	found = ls_store_run(&find_members, values, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < found; i++)
	{
		CHECK_FOR_INTERRUPTS();
		take_member(learner, &wanted[ls_store_int(i, 1) - 1], i);
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextReset(context);
}

/* Looks all of them up, each field's in the order of their ids. */
static void
find_wanted(LsText learner, const Lookup *lookup)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "learnsync portion of members", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < lookup->count; i += LS_MEMBER_PORTION)
		find_portion(learner, &lookup->wanted[i], Min(LS_MEMBER_PORTION, lookup->count - i), context);
	MemoryContextDelete(context);
	for (int i = 0; i < lookup->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || lookup->wanted[i].field != lookup->wanted[i - 1].field)
			ls_member_sort(lookup->wanted[i].field);
	}
}

/* Adds to the stored states the members that the new items bring again, and the totals of their devices. */
void
ls_store_find_members(LsPush *push)
{
	Lookup lookup = {.room = 16};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = NULL;

	for (int i = 0; i < push->batch.nitems; i++)
	{
		const LsItem *item = &push->batch.items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->refused.code != NULL || item->receipt.found || item->change.is_delete ||
			!item->type->rule->has_rows || !item->resource->stored.exists)
			continue;
		if (context == NULL)
		{
			context = AllocSetContextCreate(caller, "learnsync members", ALLOCSET_DEFAULT_SIZES);
			MemoryContextSwitchTo(context);
			lookup.wanted = palloc(sizeof(Wanted) * lookup.room);
		}
		want_members_of(&lookup, item);
	}
	MemoryContextSwitchTo(caller);
	if (context == NULL)
		return;
	make_unique(&lookup);
	find_wanted(push->batch.learner.id, &lookup);
	MemoryContextDelete(context);
}

static Portal
open_members(LsText learner, const LsListed *listed, const int *places, int count, LsSnapshot snapshot)
{
	Datum *types = palloc(sizeof(Datum) * count);
	Datum *ids = palloc(sizeof(Datum) * count);
	Datum *after = palloc(sizeof(Datum) * count);
	Datum values[4] = {ls_text_to_datum(learner)};

	for (int i = 0; i < count; i++)
	{
		const LsListed *wanted = &listed[places[i]];

		CHECK_FOR_INTERRUPTS();
		types[i] = ls_text_to_datum(wanted->type);
		ids[i] = ls_text_to_datum(wanted->id);
		after[i] = Int64GetDatum(wanted->after);
	}
	values[1] = ls_text_array(types, count);
	values[2] = ls_text_array(ids, count);
	values[3] =
		PointerGetDatum(construct_array(after, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	return ls_store_cursor(&read_members, values, NULL, snapshot);
}

static bool
is_list(const LsField *field)
{
	return field->rule->shape == LS_SHAPE_LIST && field->members != NULL;
}

/* Gives a state's lists arrays of their own, to which members can be added. */
static void
start_lists(LsState *state)
{
	for (int i = 0; i < state->nfields; i++)
	{
		LsField *field = &state->fields[i];
		LsField list = *field;

		if (!is_list(field))
			continue;
		ls_member_start(&list, field->nmembers);
		for (int j = 0; j < field->nmembers; j++)
		{
			CHECK_FOR_INTERRUPTS();
			ls_member_append(&list, field->members[j].id, &field->members[j].value.json, field->members[j].value.at);
		}
		*field = list;
	}
}

static void
sort_lists(LsState *state)
{
	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_list(&state->fields[i]))
			ls_member_sort(&state->fields[i]);
	}
}

/* Adds a row to the list that it belongs to, if there is one; answers its size. What it points to is copied. */
static int64
add_listed(LsState *state, uint64 row)
{
	LsField *field = ls_state_field(state, ls_store_text(row, 2));
	JsonbValue value;
	Jsonb *json;
	bool isnull;

	if (field == NULL || !is_list(field))
		return 0;
	json = DatumGetJsonbPCopy(ls_store_value(row, 5, &isnull));
	ls_json_root(json, &value);
	ls_member_append(field, ls_text_datum(ls_text_to_datum(ls_store_text(row, 3))), &value,
					 DatumGetTimestampTz(ls_store_value(row, 4, &isnull)));
	return VARSIZE(json);
}

/* Lists on their way into their states. */
typedef struct Listing
{
	LsListed *listed;
	const int *places; /* of those that have lists */
	int place; /* the one that the rows belong to; -1 before the first */
	LsListRoom room; /* what is left of it */
	bool full; /* that one has more than there is room for */
} Listing;

static void
add_rows(Listing *listing, uint64 count)
{
	for (uint64 row = 0; row < count && !listing->full; row++)
	{
		int place = listing->places[ls_store_int(row, 1) - 1];

		CHECK_FOR_INTERRUPTS();
		if (place != listing->place)
		{
			if (listing->place >= 0)
				sort_lists(listing->listed[listing->place].state);
			start_lists(listing->listed[place].state);
			listing->place = place;
		}
		listing->room.members--;
		listing->room.bytes -= add_listed(listing->listed[place].state, row);
		listing->full = place >= listing->room.at_least && (listing->room.members < 0 || listing->room.bytes < 0);
	}
}

/*
 * Completes the lists of resources with the stored members of versions after the wanted ones, as the snapshot shows them.
 * Answers how many resources are complete, those without lists among them: as many as there is room for.
 */
int
ls_store_complete_lists(LsText learner, LsListed *listed, int count, LsListRoom room, LsSnapshot snapshot)
{
	MemoryContext caller = CurrentMemoryContext;
	int *places = palloc(sizeof(int) * Max(count, 1));
	Listing listing = {.listed = listed, .places = places, .place = -1, .room = room};
	int nlists = 0;
	Portal portal;

	for (int i = 0; i < count; i++)
	{
		if (listed[i].state != NULL)
			places[nlists++] = i;
	}
	if (nlists == 0)
		return count;
	portal = open_members(learner, listed, places, nlists, snapshot);
	do
	{
		SPI_cursor_fetch(portal, true, LS_MEMBER_PORTION);
		MemoryContextSwitchTo(caller);
		add_rows(&listing, SPI_processed);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0 && !listing.full);
	SPI_cursor_close(portal);
	if (listing.place >= 0 && !listing.full)
		sort_lists(listing.listed[listing.place].state);
	return listing.full ? listing.place : count;
}
