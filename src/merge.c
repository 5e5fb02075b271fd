/*
 * merge.c
 *		Applies one item to the state of its resource by the rule of its type. Pure: touches no table.
 */
#include "postgres.h"

#include "learnsync.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* Walks an item's data in key order. */
typedef struct Incoming
{
	JsonbIterator *walk;
	bool done;
	JsonbValue name;
	JsonbValue value;
} Incoming;

static void
next_incoming(Incoming *incoming)
{
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&incoming->walk, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			incoming->name = value;
		else if (token == WJB_VALUE)
		{
			incoming->value = value;
			return;
		}
	}
	incoming->done = true;
}

static Incoming
open_incoming(const LsChange *change)
{
	Incoming incoming = {.walk = JsonbIteratorInit(change->data.val.binary.data)};

	next_incoming(&incoming);
	return incoming;
}

static JsonbValue
key_value(const LsChange *change, int key)
{
	JsonbValue text = ls_json_text(change->keys[key]);

	if (!change->key_is_number[key])
		return text;
	text.type = jbvNumeric;
	text.val.numeric =
		DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(ls_text_string(change->keys[key])),
											ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return text;
}

static int
compare_fields(const void *a, const void *b)
{
	return ls_text_compare_keys(ls_text_of(&((const LsField *) a)->key), ls_text_of(&((const LsField *) b)->key));
}

/* A state that holds the key fields alone, with room for more fields. */
static void
start_document(const LsRule *rule, LsState *state, const LsChange *change, int room)
{
	state->exists = true;
	state->at = LS_NO_TIME;
	state->nfields = rule->nkeys;
	state->fields = palloc(sizeof(LsField) * (rule->nkeys + room));
	for (int i = 0; i < rule->nkeys; i++)
		state->fields[i] =
			(LsField){.key = ls_json_text(rule->keys[i]), .value = key_value(change, i), .at = change->at};
	qsort(state->fields, rule->nkeys, sizeof(LsField), compare_fields);
}

/* Whether a document takes this field over from an item as it is. */
static bool
is_taken(const LsRule *rule, LsText name)
{
	const LsRuleField *field = ls_rule_field(rule, name);

	if (field == NULL)
		return rule->other == LS_OTHER_LATEST && !(rule->xapi && ls_text_equal(name, ls_text("stored")));
	return field->strategy != NULL && field->strategy->needs_value && field->strategy != ls_strategy_derive;
}

/* The item as a whole document. */
static LsState
whole_document(const LsRule *rule, const LsChange *change)
{
	LsState state = {.deleted_at = LS_NO_TIME};
	Incoming incoming = open_incoming(change);

	start_document(rule, &state, change, ls_json_count(&change->data) + 1);
	state.at = change->at;
	for (; !incoming.done; next_incoming(&incoming))
	{
		if (is_taken(rule, ls_text_of(&incoming.name)))
			state.fields[state.nfields++] =
				(LsField){.key = incoming.name, .value = incoming.value, .at = change->at};
	}
	if (rule->xapi)
		state.fields[state.nfields++] =
			(LsField){.key = ls_json_string("stored"), .value = ls_json_stamp(change->received), .at = change->at};
	qsort(state.fields, state.nfields, sizeof(LsField), compare_fields);
	return state;
}

/* Steps over the time of storing, which the server sets and which no comparison sees. */
static int
skip_stored(const LsRule *rule, const LsState *state, int i)
{
	if (rule->xapi && i < state->nfields && ls_text_equal(ls_text_of(&state->fields[i].key), ls_text("stored")))
		return i + 1;
	return i;
}

/* Orders two documents as jsonb does: by the number of fields, then field by field. */
static int
compare_documents(const LsRule *rule, const LsState *a, const LsState *b)
{
	int order = a->nfields - b->nfields;
	int i = skip_stored(rule, a, 0);
	int j = skip_stored(rule, b, 0);

	while (order == 0 && i < a->nfields && j < b->nfields)
	{
		order = ls_json_compare(&a->fields[i].key, &b->fields[j].key);
		if (order == 0)
			order = ls_json_compare(&a->fields[i].value, &b->fields[j].value);
		i = skip_stored(rule, a, i + 1);
		j = skip_stored(rule, b, j + 1);
	}
	return order;
}

static void
replace(LsState *state, const LsState *document)
{
	TimestampTz deleted_at = state->deleted_at;

	*state = *document;
	state->deleted_at = deleted_at;
}

/* What merges a field; fields the rule does not name are latest. */
static const LsRuleField *
field_rule(const LsRule *rule, LsText name)
{
	static LsRuleField other;
	const LsRuleField *field = ls_rule_field(rule, name);

	if (field != NULL)
		return field;
	other.strategy = ls_strategy_latest;
	return &other;
}

/* The folding of one item into a state, field by field in key order. */
typedef struct Folding
{
	const LsRule *rule;
	const LsChange *change;
	const LsState *old;
	LsState new;
	bool changed;
	LsFailure *failure;
} Folding;

/* Folds one field; stored and value are NULL where the state or the item does not have it. */
static bool
fold_field(Folding *folding, LsText name, const LsField *stored, const JsonbValue *value)
{
	const LsRuleField *rule = field_rule(folding->rule, name);
	LsField field = {.key = ls_json_text(name)};
	LsFolded folded = LS_FOLD_KEPT;

	if (stored != NULL)
		field = *stored;
	if (rule->strategy != NULL && rule->strategy->fold != NULL &&
		(value != NULL ? value->type != jbvNull || rule->strategy->takes_null || !rule->strategy->needs_value
					   : !rule->strategy->needs_value))
		folded = rule->strategy->fold(&field, stored != NULL, rule, value, folding->change);
	if (folded == LS_FOLD_OVERFLOW)
		return ls_fail(folding->failure, "out_of_range", psprintf("data.%s", ls_text_string(name)),
					   "the total of %s does not fit into 64 bits", ls_text_string(name));
	if (folded == LS_FOLD_CHANGED)
		folding->changed = true;
	if (stored == NULL && folded == LS_FOLD_KEPT)
		return true;
	if (rule->strategy == NULL || !rule->strategy->stamps)
		field.at = Max(folding->old->at, folding->change->at);
	folding->new.fields[folding->new.nfields++] = field;
	return true;
}

/* The lesser of two names where either may be missing. */
static LsText
lesser_name(LsText a, LsText b)
{
	if (a.data == NULL || b.data == NULL)
		return a.data == NULL ? b : a;
	return ls_text_compare_keys(a, b) <= 0 ? a : b;
}

/* Walks state, rule and item side by side, all three being in key order. */
static bool
fold_fields(Folding *folding)
{
	const LsRule *rule = folding->rule;
	const LsState *old = folding->old;
	Incoming incoming = open_incoming(folding->change);
	LsText none = {NULL, 0};
	int s = 0;
	int r = 0;

	for (;;)
	{
		LsText stored = s < old->nfields ? ls_text_of(&old->fields[s].key) : none;
		LsText ruled = r < rule->nfields ? rule->fields[r].name : none;
		LsText item = incoming.done ? none : ls_text_of(&incoming.name);
		LsText name = lesser_name(lesser_name(stored, ruled), item);
		bool in_state = stored.data != NULL && ls_text_equal(stored, name);
		bool in_item = item.data != NULL && ls_text_equal(item, name);
		bool in_rule = ruled.data != NULL && ls_text_equal(ruled, name);

		if (name.data == NULL)
			return true;
		if (!fold_field(folding, name, in_state ? &old->fields[s] : NULL,
						in_item && (in_rule || rule->other == LS_OTHER_LATEST) ? &incoming.value : NULL))
			return false;
		s += in_state;
		r += in_rule;
		if (in_item)
			next_incoming(&incoming);
	}
}

static LsMerged
apply_merge(const LsRule *rule, LsState *state, const LsChange *change, LsFailure *failure)
{
	bool fresh = !state->exists;
	bool stale = !fresh && change->at < state->at;
	Folding folding = {.rule = rule, .change = change, .old = state, .new = *state, .failure = failure};
	LsState started = *state;

	if (stale && rule->stale == LS_STALE_DISCARD)
		return (LsMerged){LS_MANUAL_REQUIRED, false};
	if (fresh)
	{
		start_document(rule, &started, change, 0);
		folding.old = &started;
		folding.new = started;
	}
	folding.new.nfields = 0;
	folding.new.fields =
		palloc(sizeof(LsField) * (folding.old->nfields + rule->nfields + ls_json_count(&change->data) + 1));
	if (!fold_fields(&folding))
		return (LsMerged){LS_FAILED, false};
	if (change->at > folding.old->at)
	{
		folding.new.at = change->at;
		folding.changed = true;
	}
	*state = folding.new;
	return (LsMerged){stale && rule->stale == LS_STALE_MERGE ? LS_SERVER_WINS : LS_SYNCED, folding.changed || fresh};
}

static int64
clock_of(const LsRule *rule, const LsState *state)
{
	int64 clock;

	for (int i = 0; i < state->nfields; i++)
	{
		if (ls_text_equal(ls_text_of(&state->fields[i].key), rule->clock) &&
			ls_json_integer(&state->fields[i].value, &clock))
			return clock;
	}
	return PG_INT64_MIN;
}

/* Which of two documents has the later clock: > 0 the first, 0 neither. */
static int
compare_clocks(const LsRule *rule, const LsState *a, const LsState *b)
{
	if (rule->clock.data != NULL)
	{
		int64 ca = clock_of(rule, a);
		int64 cb = clock_of(rule, b);

		if (ca != cb)
			return ca < cb ? -1 : 1;
	}
	return a->at < b->at ? -1 : a->at > b->at;
}

static LsMerged
apply_latest(const LsRule *rule, LsState *state, const LsState *document)
{
	int clock = compare_clocks(rule, document, state);
	int content = compare_documents(rule, document, state);

	if (clock < 0)
		return (LsMerged){LS_SERVER_WINS, false};
	if (clock == 0 && content <= 0)
		return (LsMerged){content == 0 ? LS_SYNCED : LS_SERVER_WINS, false};
	replace(state, document);
	return (LsMerged){LS_SYNCED, true};
}

/* The first document stands. Where another repeats it, an immutable one is simply there already. */
static LsMerged
apply_first(const LsRule *rule, const LsState *state, const LsState *document)
{
	if (compare_documents(rule, document, state) != 0)
		return (LsMerged){LS_MANUAL_REQUIRED, false};
	return (LsMerged){rule->policy == LS_POLICY_IMMUTABLE ? LS_SYNCED : LS_SERVER_WINS, false};
}

/* Empties the resource, unless something later than the delete is in it. */
static LsMerged
apply_delete(LsState *state, const LsChange *change)
{
	if (state->exists && change->at < state->at)
		return (LsMerged){LS_MANUAL_REQUIRED, false};
	*state = (LsState){.at = change->at, .deleted_at = change->at};
	return (LsMerged){LS_SYNCED, true};
}

/* Applies a valid item. A failed one leaves the state as it was and says why. */
LsMerged
ls_merge_apply(const LsRule *rule, LsState *state, const LsChange *change, LsFailure *failure)
{
	LsState document;

	if (change->at <= state->deleted_at)
		return (LsMerged){LS_SERVER_WINS, false};
	if (change->is_delete)
		return apply_delete(state, change);
	if (rule->policy == LS_POLICY_MERGE)
		return apply_merge(rule, state, change, failure);
	document = whole_document(rule, change);
	if (!state->exists)
	{
		replace(state, &document);
		return (LsMerged){LS_SYNCED, true};
	}
	if (rule->policy == LS_POLICY_LATEST)
		return apply_latest(rule, state, &document);
	return apply_first(rule, state, &document);
}
