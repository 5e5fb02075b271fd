/*
 * carry_store.c
 *		Carries a learner's documents of a type over to its newest rule: before a push of theirs, or one learner after
 *		the other.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "push/push.h"
#include "store/statement.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define DOCUMENTS_AT_A_TIME 200

static LsStatement read_portion = {
	"SELECT r.resource_id, r.version, r.created_version, r.at, r.deleted_at, r.data, r.book, r.ctid"
	" FROM learnsync_data.resource r WHERE r.learner_id" EQ "$1 AND r.resource_type" EQ "$2 AND r.resource_id" GT
	"$3 AND r.data IS NOT NULL ORDER BY r.resource_id LIMIT $4",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.int8", NULL}};

/* Its columns, counted from 1. */
enum
{
	RESOURCE_ID = 1,
	VERSION,
	CREATED_VERSION,
	AT,
	DELETED_AT,
	DATA,
	BOOK,
	PLACE
};

static LsStatement drop_members = {
	"DELETE FROM learnsync_data.member m USING pg_catalog.unnest($3) i (id), pg_catalog.unnest($4) f (name)"
	" WHERE m.learner_id" EQ "$1 AND m.resource_type" EQ "$2 AND m.resource_id" EQ "i.id AND m.field" EQ "f.name",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", NULL}};

static LsStatement set_mark = {
	"INSERT INTO learnsync_data.rebased (learner_id, resource_type, generation) VALUES ($1, $2, $3)"
	" ON CONFLICT (learner_id, resource_type) DO UPDATE SET generation = EXCLUDED.generation",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.int4", NULL}};

static LsStatement lock_learner = {"SELECT FROM learnsync_data.learner l WHERE l.learner_id" EQ
								   "$1 FOR NO KEY UPDATE SKIP LOCKED",
								   {"pg_catalog.text", NULL}};

/* Whoever has documents of the type; $2 is the learner after whom to look. */
static LsStatement next_learner = {
	"SELECT l.learner_id FROM learnsync_data.learner l WHERE l.learner_id" GT "$2"
	" AND EXISTS (SELECT FROM learnsync_data.resource r WHERE r.learner_id" EQ "l.learner_id"
	"  AND r.resource_type" EQ "$1)"
	" AND NOT EXISTS (SELECT FROM learnsync_data.rebased m WHERE m.learner_id" EQ "l.learner_id"
	"  AND m.resource_type" EQ "$1 AND m.generation OPERATOR(pg_catalog.>=) $3) ORDER BY l.learner_id LIMIT 1",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.int4", NULL}};

/* The names of the lists of which the rows do not stay as they are. */
static int
moved_lists(const LsType *type, Datum *names)
{
	const LsRule *old = type->before->rule;
	int count = 0;

	for (int i = 0; i < old->nfields; i++)
	{
		const LsRuleField *changed = ls_rule_field(type->rule, old->fields[i].name);

		if (old->fields[i].shape == LS_SHAPE_LIST &&
			(changed == NULL || !ls_rebase_keeps_rows(&old->fields[i], changed)))
			names[count++] = ls_text_to_datum(old->fields[i].name);
	}
	return count;
}

static void
load(LsText learner, LsResource *resource, const LsType *type, uint64 row)
{
	LsRowKey key = {"resource", {learner, type->name, ls_store_text(row, RESOURCE_ID)}};
	LsState *state = &resource->stored;
	bool isnull;
	bool no_book;
	Datum book = ls_store_value(row, BOOK, &no_book);

	resource->type = type;
	resource->id = ls_store_text(row, RESOURCE_ID);
	resource->version = ls_store_int(row, VERSION);
	resource->created_version = ls_store_int(row, CREATED_VERSION);
	resource->place = *(ItemPointer) DatumGetPointer(ls_store_value(row, PLACE, &isnull));
	*state = (LsState){.exists = true, .at = ls_store_time(row, AT), .deleted_at = ls_store_time(row, DELETED_AT)};
	ls_state_load(type->before->rule, state, ls_store_document(&key, ls_store_value(row, DATA, &isnull)),
				  no_book ? NULL : ls_store_object(&key, "book", book));
}

static bool
same(Jsonb *a, Jsonb *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || compareJsonbContainers(&a->root, &b->root) == 0);
}

static bool
shows_the_same(const LsType *type, const LsState *old, const LsState *rebased)
{
	JsonbValue before = ls_state_show(type->before->rule, old);
	JsonbValue after = ls_state_show(type->rule, rebased);

	return same(ls_json_encode(&before), ls_json_encode(&after));
}

/* The rows of lists that stay are not written again: what is known of them here is nothing. */
static void
leave_kept_lists(LsState *state, const LsRule *old)
{
	for (int i = 0; i < state->nfields; i++)
	{
		LsField *field = &state->fields[i];
		const LsRuleField *was = ls_rule_field(old, field->name);

		CHECK_FOR_INTERRUPTS();
		if (field->rule->shape == LS_SHAPE_LIST && was != NULL && ls_rebase_keeps_rows(was, field->rule))
			field->nmembers = field->nsorted = 0;
	}
}

/* Gives a resource its state under the new rule, and a version where that is another one or shows another document. */
static void
rebase_resource(LsPush *push, LsResource *resource, bool moves)
{
	const LsType *type = resource->type;
	LsState *stored = &resource->stored;

	resource->state = ls_state_rebase(type->before->rule, type->rule, stored);
	if (!moves && same(ls_state_document(stored), ls_state_document(&resource->state)) &&
		same(ls_state_book(stored), ls_state_book(&resource->state)) &&
		shows_the_same(type, stored, &resource->state))
		return;
	leave_kept_lists(&resource->state, type->before->rule);
	stored->nfields = 0; /* what lists now have is new to the table */
	resource->new_version = ++push->batch.version;
	push->changed[push->nchanged++] = resource;
}

static void
write_portion(LsPush *push, const LsType *type, Datum *moved, int nmoved)
{
	Datum *ids = palloc(sizeof(Datum) * Max(push->nchanged, 1));
	Datum values[] = {ls_text_to_datum(push->batch.learner.id), ls_text_to_datum(type->name), (Datum) 0, (Datum) 0};

	if (push->nchanged == 0)
		return;
	for (int i = 0; i < push->nchanged; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ids[i] = ls_text_to_datum(push->changed[i]->id);
	}
	values[2] = ls_text_array(ids, push->nchanged);
	values[3] = ls_text_array(moved, nmoved);
	if (nmoved > 0)
		ls_store_run(&drop_members, values, NULL);
	ls_store_write_accepted(push);
	ls_store_update_learner(&push->batch, true, false);
}

/* A push that nobody made, of the learner as it is now. */
static void
start_push(LsPush *push, LsText learner)
{
	LsCall call = {.learner = learner};

	ls_push_open(push, &call, &ls_push_channel);
	push->batch.unmetered = true;
	push->batch.device.id = ls_text("");
	push->batch.items_raw = ls_json_array();
	ls_store_lock_learner(&push->batch.learner);
	push->batch.version = push->batch.learner.version;
	push->batch.now = GetCurrentTimestamp();
}

/* Carries over so many documents behind that id, which moves on; how many there were. */
static int
carry_portion(LsText learner, const LsType *type, LsText *after)
{
	Datum *moved = palloc(sizeof(Datum) * Max(type->before->rule->nfields, 1));
	int nmoved = moved_lists(type, moved);
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(type->name), ls_text_to_datum(*after),
					  Int64GetDatum(DOCUMENTS_AT_A_TIME)};
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = PG_INT64_MAX};
	LsPush push;
	LsResource *resources;
	LsListed *listed;
	int count;

	start_push(&push, learner);
	count = (int) ls_store_run(&read_portion, values, NULL);
	resources = ls_memory_zeroed(count, sizeof(LsResource));
	listed = ls_memory_zeroed(count, sizeof(LsListed));
	push.changed = palloc(sizeof(LsResource *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		load(learner, &resources[i], type, i);
		if (nmoved > 0)
			listed[i] = (LsListed){type->name, resources[i].id, 0, &resources[i].stored};
	}
	(void) ls_store_complete_lists(learner, listed, count, room, LS_SEES_OWN);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		rebase_resource(&push, &resources[i], nmoved > 0);
	}
	write_portion(&push, type, moved, nmoved);
	if (count > 0)
		*after = resources[count - 1].id;
	return count;
}

/* Carries all of them over and notes that. The learner's row is locked. */
static void
carry(LsText learner, const LsType *type)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext ids = AllocSetContextCreate(caller, "learnsync carried", ALLOCSET_SMALL_SIZES);
	MemoryContext portion = AllocSetContextCreate(caller, "learnsync portion", ALLOCSET_DEFAULT_SIZES);
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(type->name), Int32GetDatum(type->generation)};
	LsText after = ls_text("");
	int count;

	do
	{
		MemoryContextSwitchTo(portion);
		count = carry_portion(learner, type, &after);
		MemoryContextSwitchTo(ids);
		after = ls_text(ls_text_string(after));
		MemoryContextReset(portion);
	} while (count == DOCUMENTS_AT_A_TIME);
	MemoryContextSwitchTo(caller);
	ls_store_run(&set_mark, values, NULL);
	MemoryContextDelete(portion);
	MemoryContextDelete(ids);
}

static void
refuse_dry_run(void)
{
	ls_refuse_for_now("PT503", 5, "the rule of a resource type is being changed",
					  "The learner's documents are not carried over yet, and a dry run writes nothing.");
}

/* Carries the learner's own documents over before items of their types are merged, so that no push mixes two rules. */
void
ls_store_carry_over(LsPush *push)
{
	const LsType *last = NULL;
	bool carried = false;

	for (int i = 0; i < push->batch.nitems; i++)
	{
		const LsType *type = push->batch.items[i].type;

		CHECK_FOR_INTERRUPTS();
		if (type == NULL || type->before == NULL || type == last)
			continue;
		last = type;
		if (!ls_store_is_due(push->batch.learner.id, type, LS_SEES_OWN))
			continue;
		if (push->batch.dry_run)
			refuse_dry_run();
		carry(push->batch.learner.id, type);
		carried = true;
	}
	if (carried)
		ls_batch_read_again(&push->batch);
}

PG_FUNCTION_INFO_V1(learnsync_next_to_rebase);
PG_FUNCTION_INFO_V1(learnsync_rebase_learner);

Datum
learnsync_next_to_rebase(PG_FUNCTION_ARGS)
{
	Datum values[3] = {PG_GETARG_DATUM(0), PG_ARGISNULL(1) ? CStringGetTextDatum("") : PG_GETARG_DATUM(1)};
	LsText next = {NULL, 0};
	LsStoreCall call;
	LsTypeRow row;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	ls_store_open(&call);
	row = ls_store_read_type(ls_text_datum(values[0]));
	values[2] = Int32GetDatum(row.generation);
	if (row.old_rule != NULL && ls_store_run(&next_learner, values, NULL) > 0)
		next = ls_store_text(0, 1);
	return ls_learner_answer(fcinfo, &call, next);
}

/* A learner who is busy is left for later: one of them must not hold up the others. */
Datum
learnsync_rebase_learner(PG_FUNCTION_ARGS)
{
	LsText name = ls_text_datum(PG_GETARG_DATUM(0));
	LsText learner = ls_learner_argument(fcinfo, 1);
	Datum values[] = {ls_text_to_datum(learner)};
	LsStoreCall call;
	const LsType *type;
	bool free;

	ls_store_open(&call);
	free = ls_store_run(&lock_learner, values, NULL) > 0;
	type = free ? ls_store_hold_type(name) : NULL;
	if (type != NULL && type->before != NULL && ls_store_is_due(learner, type, LS_SEES_OWN))
		carry(learner, type);
	ls_store_close(&call);
	PG_RETURN_BOOL(free);
}
