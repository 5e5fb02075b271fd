/*
 * pull_answer.c
 *		The answer of a pull: the documents of the page, with their lists whole or only what is new in them.
 */
#include "postgres.h"

#include "sync.h"
#include "utils/memutils.h"

#define MAX_MEMBERS 10000 /* of lists in one page, unless its first change alone has more */

/* A change on its way into the answer. */
typedef struct Shown
{
	const LsType *type; /* NULL where it was dropped */
	bool has_lists;
	LsState state; /* where the document has lists, which are stored elsewhere */
} Shown;

/* What the device is known to hold: changes made later are new to it. */
static int64
known_version(const LsPull *pull)
{
	return pull->from >= 0 ? pull->from : pull->cursor;
}

/* Whether the device holds the older members of the resource's lists, so that the newer ones are enough. */
static bool
is_delta(const LsPull *pull, const LsPulled *change)
{
	return pull->from >= 0 && pull->scope.type == jbvNull && change->created_version <= pull->from;
}

static void
load_state(const LsPulled *change, Shown *shown)
{
	const LsRule *rule;

	shown->type = ls_store_type(change->type);
	if (change->data == NULL || shown->type == NULL)
		return;
	rule = shown->type->rule;
	shown->has_lists = rule->has_lists;
	if (!rule->has_lists)
		return;
	shown->state = (LsState){.exists = true, .at = change->at, .deleted_at = LS_NO_TIME};
	ls_state_load(rule, &shown->state, change->data, change->book);
}

/* A reset page carries all up to the horizon, so it is not cut. */
static int64
member_limit(const LsPull *pull)
{
	return pull->reset && pull->changes[0].version <= pull->start.tombstone_version ? 0 : MAX_MEMBERS;
}

/* Completes the lists of the page, which ends where they become too long for it. */
static void
complete_lists(LsPull *pull, Shown *shown)
{
	LsListed *listed = palloc(sizeof(LsListed) * pull->nchanges);
	int *places = palloc(sizeof(int) * pull->nchanges);
	int count = 0;
	int complete;

	for (int i = 0; i < pull->nchanges; i++)
	{
		const LsPulled *change = &pull->changes[i];

		if (!shown[i].has_lists)
			continue;
		places[count] = i;
		listed[count++] =
			(LsListed){change->type, change->id, is_delta(pull, change) ? pull->from : 0, &shown[i].state};
	}
	if (count == 0)
		return;
	complete = ls_store_complete_lists(pull->learner, listed, count, member_limit(pull), false);
	if (complete == count)
		return;
	pull->nchanges = places[complete];
	pull->has_more = true;
}

static JsonbValue
data_of(const LsPulled *change, const Shown *shown)
{
	JsonbValue data;

	if (change->data == NULL)
		return ls_json_object();
	if (shown->has_lists)
		return ls_state_show(shown->type->rule, &shown->state);
	if (shown->type != NULL)
		return ls_state_show_stored(shown->type->rule, change->data);
	ls_json_root(change->data, &data);
	return data;
}

static JsonbValue
change_of(const LsPull *pull, const LsPulled *change, const Shown *shown)
{
	JsonbValue json = ls_json_object();
	bool is_new = change->created_version > known_version(pull);
	const char *operation = change->data == NULL ? "delete" : is_new ? "create" : "update";

	ls_json_put(&json, "data", data_of(change, shown));
	if (shown->has_lists && is_delta(pull, change))
		ls_json_put(&json, "delta", ls_json_bool(true));
	ls_json_put(&json, "version", ls_json_int(change->version));
	ls_json_put(&json, "operation", ls_json_string(operation));
	ls_json_put(&json, "resourceId", ls_json_text(change->id));
	ls_json_put(&json, "resourceType", ls_json_text(change->type));
	ls_json_put(&json, "serverTimestamp", ls_json_stamp(change->updated_at));
	return json;
}

/* The changes of the page. Each is packed as it is made: as trees, a page would take ten times its size. */
static JsonbValue
answer_changes(const LsPull *pull, const Shown *shown)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "learnsync change", ALLOCSET_DEFAULT_SIZES);
	JsonbValue changes = ls_json_array();

	for (int i = 0; i < pull->nchanges; i++)
	{
		JsonbValue change;
		Jsonb *packed;

		MemoryContextSwitchTo(scratch);
		change = change_of(pull, &pull->changes[i], &shown[i]);
		packed = ls_json_encode(&change);
		MemoryContextSwitchTo(caller);
		packed = memcpy(palloc(VARSIZE(packed)), packed, VARSIZE(packed));
		MemoryContextReset(scratch);
		ls_json_root(packed, &change);
		ls_json_add(&changes, change);
	}
	return changes;
}

/* The answer, while the store is open. */
Jsonb *
ls_pull_answer(LsPull *pull)
{
	Shown *shown = palloc0(sizeof(Shown) * Max(pull->nchanges, 1));
	JsonbValue answer = ls_json_object();
	int64 version = Max(pull->start.version, pull->cursor);

	for (int i = 0; i < pull->nchanges; i++)
		load_state(&pull->changes[i], &shown[i]);
	complete_lists(pull, shown);
	if (pull->has_more)
		version = pull->changes[pull->nchanges - 1].version;
	ls_json_put(&answer, "epoch", ls_json_text(pull->start.epoch));
	ls_json_put(&answer, "reset", ls_json_bool(pull->reset));
	ls_json_put(&answer, "changes", answer_changes(pull, shown));
	ls_json_put(&answer, "hasMore", ls_json_bool(pull->has_more));
	ls_json_put(&answer, "syncVersion", ls_json_int(version));
	return ls_json_encode(&answer);
}
