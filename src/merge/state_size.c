/*
 * state_size.c
 *		How large the document of a state is, and whether a push may make it so large.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

#define PADDING 3 /* what a value is moved by to be aligned, at most */
#define HEADER ((int64) sizeof(uint32)) /* of a container */

static int64
entry_bytes(LsText key, const JsonbValue *value)
{
	return 2 * (int64) sizeof(JEntry) + key.length + ls_json_bytes(value) + PADDING;
}

/* A map, with what it has lost: that is kept beside the document for as long as it is. */
static int64
map_bytes(const LsField *map)
{
	int64 bytes = HEADER;

	for (int i = 0; i < map->nmembers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		bytes += entry_bytes(map->members[i].id, &map->members[i].value.json);
	}
	return bytes;
}

/* What a field takes; members of lists do not count, as they are stored apart, nor do totals but for their sum. */
int64
ls_field_bytes(const LsField *field)
{
	JsonbValue value = ls_json_null();

	if (field->members == NULL)
		return entry_bytes(field->name, &field->value.json);
	switch (field->rule->shape)
	{
		case LS_SHAPE_LIST:
			return entry_bytes(field->name, &value) + HEADER;
		case LS_SHAPE_MAP:
			return entry_bytes(field->name, &value) + map_bytes(field);
		default:
			value = ls_field_show(field, false);
			return entry_bytes(field->name, &value);
	}
}

/* What the document of a settled state takes at most as jsonb. */
int64
ls_state_bytes(const LsState *state)
{
	int64 bytes = VARHDRSZ + HEADER;

	for (int i = 0; i < state->nfields; i++)
	{
		CHECK_FOR_INTERRUPTS();
		bytes += ls_field_bytes(&state->fields[i]);
	}
	return bytes;
}

/* Whether a settled state's document may become so large: where it is too large already, only if it grows no further. */
bool
ls_state_may_grow(const LsState *before, int64 bytes, LsFailure *failure)
{
	if (!before->limited || bytes <= learnsync_max_document_bytes ||
		(before->exists && bytes <= (before->measured ? before->bytes : ls_state_bytes(before))))
		return true;
	return ls_fail(failure, "too_large", "data", "the document would be larger than %d bytes",
				   learnsync_max_document_bytes);
}

/* Whether another state's document may take the place of the one before. */
bool
ls_state_fits(const LsState *before, LsState *after, LsFailure *failure)
{
	if (!before->limited || after->bytes <= learnsync_max_document_bytes)
		return true;
	after->bytes = ls_state_bytes(after);
	return ls_state_may_grow(before, after->bytes, failure);
}
