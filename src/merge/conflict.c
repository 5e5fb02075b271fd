/*
 * conflict.c
 *		Whether an item becomes part of its resource or a conflict: the verdict on what is stale, on deletes and on all else;
 *		and what a person decides.
 */
#include "postgres.h"

#include "merge/merge.h"

static LsMerged
merge_fields(const LsRule *rule, LsState *state, LsState *other, LsFailure *failure)
{
	bool stale = state->exists && other->at < state->at;
	bool changed;

	if (stale && rule->stale == LS_STALE_DISCARD)
		return (LsMerged){LS_MANUAL_REQUIRED, false};
	if (!ls_state_join(state, other, &changed, failure))
		return (LsMerged){LS_FAILED, false};
	return (LsMerged){stale && rule->stale == LS_STALE_MERGE ? LS_SERVER_WINS : LS_SYNCED, changed};
}

/* What a delete leaves of a resource: no document, and the instant up to which nothing that is said of it counts. */
static void
leave_tombstone(LsState *state, TimestampTz at)
{
	*state = (LsState){.gathers = state->gathers, .limited = state->limited, .at = at, .deleted_at = at};
}

/* Whether an item of that instant comes too early to count. */
bool
ls_tombstone_hides(const LsState *state, TimestampTz at)
{
	return at <= state->deleted_at;
}

/* Whether a resource that had been stored was deleted since, whatever may have come after. */
bool
ls_tombstone_came(const LsState *stored, const LsState *state)
{
	return stored->exists && (!state->exists || state->deleted_at > stored->deleted_at);
}

/* Empties the resource, unless something later than the delete is in it, or a correction that it has not seen. */
static LsMerged
apply_delete(const LsRule *rule, LsState *state, const LsChange *change)
{
	bool hidden = state->overlay != NULL && !ls_overlay_take(rule, state, NULL, change).seen;

	if (state->exists && (change->at < state->at || hidden))
		return (LsMerged){LS_MANUAL_REQUIRED, false};
	ls_state_settle(state);
	leave_tombstone(state, change->at);
	return (LsMerged){LS_SYNCED, true};
}

static LsMerged
merge_lifted(const LsRule *rule, LsState *state, LsState *lifted, const LsChange *change, LsFailure *failure)
{
	return rule->policy == LS_POLICY_MERGE ? merge_fields(rule, state, lifted, failure)
										   : ls_policy_join(rule, state, lifted, &change->ancestor, failure);
}

/* Whether an item says just what is shown. */
static bool
says_what_is_shown(const LsRule *rule, const LsState *state, const LsChange *change)
{
	LsState said = ls_state_lift(rule, change);

	return compareJsonbContainers(&ls_state_document(&said)->root, &ls_state_document(state)->root) == 0;
}

/*
 * Merges an item into a document that a person has corrected: underneath, as if nothing were, and into what comes on top of
 * that. One whose content is not shown is a conflict for the corrected document.
 */
static LsMerged
merge_corrected(const LsRule *rule, LsState *state, const LsChange *change, LsFailure *failure)
{
	const LsOverlay *before = state->overlay;
	LsState lifted = ls_state_lift(rule, change);
	LsOverlaid overlaid;
	LsMerged merged;

	ls_state_settle(state);
	overlaid = ls_overlay_take(rule, state, &lifted, change);
	state->overlay = overlaid.overlay;
	merged = merge_lifted(rule, state, &lifted, change, failure);
	if (merged.verdict == LS_FAILED || merged.verdict == LS_MANUAL_REQUIRED)
		state->overlay = before;
	else
		merged.changed |= overlaid.changed;
	if (merged.verdict == LS_MANUAL_REQUIRED && rule->policy != LS_POLICY_MERGE &&
		says_what_is_shown(rule, state, change))
		merged.verdict = rule->policy == LS_POLICY_INSERT_ONLY ? LS_SERVER_WINS : LS_SYNCED;
	else if (overlaid.hidden && (merged.verdict == LS_SYNCED || merged.verdict == LS_CLIENT_WINS))
		merged.verdict = LS_SERVER_WINS;
	return merged;
}

/* Applies a valid item. A failed one leaves the state as it was and says why. */
LsMerged
ls_merge_apply(const LsRule *rule, LsState *state, const LsChange *change, LsFailure *failure)
{
	LsState lifted;

	if (ls_tombstone_hides(state, change->at))
		return (LsMerged){LS_SERVER_WINS, false};
	if (change->is_delete)
		return apply_delete(rule, state, change);
	if (state->overlay != NULL)
		return merge_corrected(rule, state, change, failure);
	lifted = ls_state_lift(rule, change);
	return merge_lifted(rule, state, &lifted, change, failure);
}

/* Whether a field is a time that the server takes from items. */
static bool
is_dated(const LsField *field)
{
	const LsStrategy *strategy = field->rule->strategy;

	return strategy != NULL && strategy->ignores_value && ls_check_is_time(&field->value.json);
}

/*
 * The document as decided: times that the server takes from items stay. Devices go on counting from the totals they have
 * told, which are stored beside the document.
 */
static LsState
replacement(const LsRule *rule, const LsState *stored, const LsChange *change)
{
	LsState state = ls_state_lift(rule, change);

	for (int i = 0; stored->exists && i < state.nfields; i++)
	{
		const LsField *old = ls_state_field(stored, state.fields[i].name);

		if (old != NULL && is_dated(old))
			state.fields[i].value = old->value;
	}
	state.deleted_at = stored->deleted_at;
	state.at = Max(state.at, stored->at);
	return state;
}

/*
 * Applies what a person decided about a state that is settled: a delete; an item that joins it as if it were not stale,
 * where the rule merges fields; else a document that takes its place, and that of what was corrected.
 */
bool
ls_merge_decide(const LsRule *rule, LsState *state, const LsChange *change, bool joins, bool *replaced,
				LsFailure *failure)
{
	LsState lifted;
	LsChange decided = *change;
	bool changed;

	decided.seen = LS_SEEN_ALL;
	*replaced = false;
	if (change->is_delete)
	{
		leave_tombstone(state, change->at);
		return true;
	}
	if (joins && rule->policy == LS_POLICY_MERGE && state->exists)
	{
		lifted = ls_state_lift(rule, change);
		if (state->overlay != NULL)
			state->overlay = ls_overlay_take(rule, state, &lifted, &decided).overlay;
		return ls_state_join(state, &lifted, &changed, failure);
	}
	lifted = replacement(rule, state, change);
	if (!ls_state_is_bounded(&lifted, failure) || !ls_state_fits(state, &lifted, failure))
		return false;
	*state = lifted;
	*replaced = true;
	return true;
}

/* How a conflict was or is to be settled, in the API's word; NULL for what is no conflict. */
const char *
ls_verdict_resolution(LsVerdict verdict)
{
	switch (verdict)
	{
		case LS_SERVER_WINS:
			return "server_wins";
		case LS_CLIENT_WINS:
			return "client_wins";
		case LS_MANUAL_REQUIRED:
			return "manual_required";
		default:
			return NULL;
	}
}

bool
ls_verdict_is_conflict(LsVerdict verdict)
{
	return verdict != LS_FAILED && verdict != LS_SYNCED;
}

const char *
ls_verdict_status(LsVerdict verdict)
{
	return verdict == LS_FAILED ? "failed" : verdict == LS_SYNCED ? "synced" : "conflict";
}
