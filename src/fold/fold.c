/*
 * fold.c
 *		Reads the kept items of a learner again, in the order of their arrival, and merges them from nothing.
 */
#include "postgres.h"

#include "fold/fold.h"
#include "miscadmin.h"
#include "resolve/resolve.h"

/* The rule of a type, and from when on it holds. */
typedef struct RuledType
{
	const LsType *type; /* the key */
	TimestampTz from;
} RuledType;

/* A fold in progress. */
typedef struct Folding
{
	LsFold *fold;
	HTAB *types; /* of RuledType */
	int64 version; /* of the call before */
} Folding;

static pg_uuid_t
key_of(LsText type, LsText id)
{
	LsDigest digest;

	ls_digest_start(&digest);
	ls_digest_text(&digest, type);
	ls_digest_text(&digest, id);
	return ls_digest_end(&digest);
}

static TimestampTz
ruled_from(Folding *folding, const LsType *type)
{
	bool found;
	RuledType *ruled = hash_search(folding->types, &type, HASH_ENTER, &found);

	if (!found)
		ruled->from = ls_store_ruled_from(type->name);
	return ruled->from;
}

static LsFolded *
find_resource(LsFold *fold, const LsType *type, LsText id)
{
	pg_uuid_t key = key_of(type->name, id);
	bool found;
	LsFolded *folded = hash_search(fold->resources, &key, HASH_ENTER, &found);

	if (!found)
	{
		*folded = (LsFolded){.key = key, .type = type, .id = id, .complete = true};
		folded->state = (LsState){.gathers = true, .limited = true, .at = LS_NO_TIME, .deleted_at = LS_NO_TIME};
	}
	return folded;
}

/* The resource as its kept items make it, NULL where none is kept. */
const LsFolded *
ls_fold_find(const LsFold *fold, LsText type, LsText id)
{
	pg_uuid_t key = key_of(type, id);

	return hash_search(fold->resources, &key, HASH_FIND, NULL);
}

/*
 * Whether all that came of a resource is kept since there was nothing of it; folded is NULL where nothing is. A delete that is
 * not kept may have kept items out: one that is not forgotten is in the row, any other shows in what made the resource.
 */
bool
ls_fold_reaches_back(const LsFold *fold, const LsFolded *folded, const LsStored *stored)
{
	if (fold->since_version == LS_FIRST_VERSION)
		return true;
	if (stored->created_version <= fold->since_version)
		return false;
	return folded == NULL || (folded->state.deleted_at == stored->state.deleted_at &&
							  (!stored->state.exists || (stored->created_version > folded->created_after &&
														 stored->created_version <= folded->created_until)));
}

static bool
is_wanted(const LsFold *fold, LsText type, LsText id)
{
	return fold->type.data == NULL || (ls_text_equal(type, fold->type) && ls_text_equal(id, fold->id));
}

/* Whatever was merged so far is gone. */
static void
end_entries(LsFolded *folded)
{
	for (int i = 0; i < folded->nentries; i++)
		folded->entries[i].live = false;
}

static void
add_entry(LsFolded *folded, const LsEntry *entry)
{
	if (folded->nentries == folded->room)
	{
		folded->room = Max(16, folded->room * 2);
		folded->entries = folded->entries == NULL ? palloc(sizeof(LsEntry) * folded->room)
												  : repalloc_huge(folded->entries, sizeof(LsEntry) * folded->room);
	}
	folded->entries[folded->nentries++] = *entry;
}

/* Merges an item, as it was merged when it came. */
static void
merge_again(LsFolded *folded, LsEntry *entry)
{
	LsFailure failure = {NULL};
	LsMerged merged = ls_merge_apply(folded->type->rule, &folded->state, &entry->change, &failure);

	entry->verdict = merged.verdict;
	folded->complete &= merged.verdict != LS_FAILED;
	if (merged.changed && entry->change.is_delete)
		end_entries(folded);
	entry->live = merged.changed || folded->type->rule->policy == LS_POLICY_MERGE;
	entry->live &= merged.verdict != LS_FAILED && !ls_tombstone_hides(&folded->state, entry->change.at);
}

static void
decide_again(LsFolded *folded, LsEntry *entry)
{
	LsFailure failure = {NULL};
	bool joins = ls_text_equal(entry->resolution, ls_text("use_client"));
	bool replaced;

	ls_state_settle(&folded->state);
	folded->state.shared = true;
	entry->verdict = LS_SYNCED;
	folded->complete &=
		ls_merge_decide(folded->type->rule, &folded->state, &entry->change, joins, &replaced, &failure);
	folded->state.gathers = folded->state.limited = true;
	if (replaced || entry->change.is_delete)
		end_entries(folded);
	entry->live = !entry->change.is_delete;
}

/* Whether an item deletes what older items, coming later, may have brought back: the delete was forgotten since. */
static bool
is_forgotten(const LsFold *fold, const LsKept *kept, const LsRule *rule, const LsChange *change)
{
	return kept->prev_version < fold->tombstone_version &&
		   (change->is_delete || ls_member_removes(rule, &change->data));
}

/* Corrects again, or takes the newest correction back, as it was done. */
static void
correct_again(LsFolded *folded, LsEntry *entry, const LsCorrection *correction)
{
	LsFailure failure = {NULL};

	entry->verdict = LS_SYNCED;
	ls_state_settle(&folded->state);
	if (ls_json_is_object(&entry->change.data) && ls_json_count(&entry->change.data) == 0)
		return;
	if (entry->change.data.type != jbvNull)
		folded->complete &= folded->state.exists && ls_correction_apply(folded->type->rule, &folded->state,
																		correction, &entry->change.data, &failure);
	else if (folded->state.overlay != NULL)
		ls_correction_drop(&folded->state, entry->version);
	else
		folded->complete = false;
}

static void
take_entry(Folding *folding, const LsKept *kept, const LsType *type, LsText id, LsEntry *entry,
		   const LsCorrection *correction)
{
	LsFold *fold = folding->fold;
	LsFolded *folded;
	bool existed;

	if (!is_wanted(fold, type->name, id))
		return;
	folded = find_resource(fold, type, id);
	if (kept->at < ruled_from(folding, type) || type->rule->policy == LS_POLICY_CUSTOM ||
		is_forgotten(fold, kept, type->rule, &entry->change))
		folded->complete = false;
	entry->version = kept->version;
	existed = folded->state.exists;
	if (entry->corrects)
		correct_again(folded, entry, correction);
	else if (entry->resolution.data != NULL)
		decide_again(folded, entry);
	else
		merge_again(folded, entry);
	if (folded->state.exists && !existed)
	{
		folded->created_after = kept->prev_version;
		folded->created_until = kept->version;
	}
	if (fold->type.data != NULL)
		add_entry(folded, entry);
}

static TimestampTz
instant_of(const LsKept *kept, int i, TimestampTz client_at)
{
	return i < kept->ninstants ? kept->instants[i] : client_at;
}

/* An item that cannot be read by today's rule leaves its resource, or all so far, unknown. */
static void
take_item(Folding *folding, const LsKept *kept, const LsItem *item)
{
	LsEntry entry = {.id = item->id, .client_at = item->client_at, .change = item->change};

	entry.change.at = instant_of(kept, item->index, item->client_at);
	entry.change.received = kept->at;
	entry.change.device = kept->device;
	entry.change.seen = item->index < kept->nseen ? kept->seen[item->index] : 0;
	if (item->refused.code == NULL && ls_stamp_is_valid(entry.change.at))
		take_entry(folding, kept, item->type, item->resource_id, &entry, NULL);
	else
		folding->fold->since_version = kept->version;
}

static const LsChannel *
channel_of(LsText name)
{
	static const LsChannel *const channels[] = {&ls_push_channel, &ls_progress_channel, &ls_completion_channel,
												&ls_activity_channel};

	if (name.data == NULL)
		return &ls_push_channel;
	for (int i = 0; i < lengthof(channels); i++)
	{
		if (ls_text_equal(ls_text(channels[i]->name), name))
			return channels[i];
	}
	return NULL;
}

/* Reads the items as the push did that brought them. */
static void
take_items(Folding *folding, const LsKept *kept, const LsChannel *channel)
{
	LsCall call = {.learner = folding->fold->learner};
	LsPush push;

	ls_push_open(&push, &call, channel);
	push.batch.device.id = kept->device;
	push.batch.now = kept->at;
	push.batch.items_raw = kept->items;
	push.batch.nitems = ls_json_count(&kept->items);
	ls_push_read_items(&push);
	for (int i = 0; i < push.batch.nitems; i++)
		take_item(folding, kept, &push.batch.items[i]);
}

static LsText
member_of(const JsonbValue *object, const char *key)
{
	JsonbValue value;

	return ls_json_get(object, key, &value) && value.type == jbvString ? ls_text_of(&value) : (LsText){NULL, 0};
}

/* Reads a person's decision as resolve.c has written it. */
static void
take_decision(Folding *folding, const LsKept *kept)
{
	LsFailure failure = {NULL};
	JsonbValue whole;
	LsJsonWalk walk;
	LsText id;
	const LsType *type;
	LsEntry entry = {.client_at = LS_NO_TIME};
	LsCorrection correction;

	ls_json_walk(&walk, &kept->items);
	if (!ls_json_walk_next(&walk, NULL, &whole) || !ls_json_is_object(&whole))
		return;
	id = member_of(&whole, "resourceId");
	type = ls_store_type(member_of(&whole, "resourceType"));
	entry.id = member_of(&whole, "conflictId");
	entry.resolution = member_of(&whole, "resolution");
	entry.change = (LsChange){.at = instant_of(kept, 0, kept->at), .received = kept->at};
	entry.change.device = member_of(&whole, "deviceId");
	entry.change.is_delete = ls_text_equal(member_of(&whole, "operation"), ls_text("delete"));
	entry.change.ancestor = entry.change.capped = ls_json_null();
	correction = (LsCorrection){.id = member_of(&whole, "correctionId"),
								.at = entry.change.at,
								.version = kept->version,
								.by = member_of(&whole, "by"),
								.reason = member_of(&whole, "reason")};
	entry.corrects = correction.id.data != NULL;
	if (!ls_json_get(&whole, "data", &entry.change.data))
		entry.change.data = ls_json_null();
	if (type == NULL || id.data == NULL || entry.resolution.data == NULL ||
		!ls_check_keys(type->rule, &entry.change.data, id, false, &entry.change, &failure))
		folding->fold->since_version = kept->version;
	else
		take_entry(folding, kept, type, id, &entry, &correction);
}

static bool
is_decision(LsText channel)
{
	return ls_text_equal(channel, ls_text(LS_RESOLVE_CHANNEL)) ||
		   ls_text_equal(channel, ls_text(LS_CORRECT_CHANNEL)) ||
		   ls_text_equal(channel, ls_text(LS_UNCORRECT_CHANNEL));
}

/* What came before a gap is not known. */
static void
take_kept(void *argument, const LsKept *kept)
{
	Folding *folding = argument;
	LsFold *fold = folding->fold;
	const LsChannel *channel = channel_of(kept->channel);

	CHECK_FOR_INTERRUPTS();
	if (kept->prev_version != folding->version && kept->version != folding->version)
	{
		fold->since_version = kept->prev_version;
		fold->since = kept->at;
	}
	folding->version = kept->version;
	if (!ls_json_is_array(&kept->items))
	{
		fold->since_version = kept->version;
		fold->since = kept->at;
	}
	else if (channel != NULL)
		take_items(folding, kept, channel);
	else if (is_decision(kept->channel))
		take_decision(folding, kept);
}

/* Folds what is kept of a learner, or of one resource, of which the items are then remembered. */
LsFold *
ls_fold(LsText learner, LsText type, LsText id)
{
	LsFold *fold = palloc(sizeof(LsFold));
	Folding folding = {.fold = fold, .version = LS_FIRST_VERSION};
	HASH_SEQ_STATUS scan;
	LsHorizon horizon;
	LsFolded *folded;

	*fold =
		(LsFold){.learner = learner, .type = type, .id = id, .since_version = LS_FIRST_VERSION, .since = LS_NO_TIME};
	horizon = ls_store_horizon(learner);
	fold->tombstone_version = horizon.tombstones;
	fold->resources = ls_digest_table("learnsync folded", sizeof(pg_uuid_t), sizeof(LsFolded));
	folding.types = ls_digest_table("learnsync ruled types", sizeof(LsType *), sizeof(RuledType));
	ls_store_read_kept(learner, take_kept, &folding);
	if (folding.version < horizon.log)
		fold->since_version = horizon.log; /* the newest call is not kept, so none is */
	hash_seq_init(&scan, fold->resources);
	while ((folded = hash_seq_search(&scan)) != NULL)
		ls_state_settle(&folded->state);
	return fold;
}
