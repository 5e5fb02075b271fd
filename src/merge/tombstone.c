/*
 * tombstone.c
 *		What a delete leaves of a resource: no document, and the instant up to which nothing that is said of it counts.
 */
#include "postgres.h"

#include "merge/merge.h"

/* The state that is left. */
LsState
ls_tombstone(const LsState *state, TimestampTz at)
{
	return (LsState){.gathers = state->gathers, .limited = state->limited, .at = at, .deleted_at = at};
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
	return stored->exists && state->deleted_at > stored->deleted_at;
}
