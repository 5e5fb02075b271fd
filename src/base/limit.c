/*
 * limit.c
 *		The one check that every value of a client passes before it is stored: its size, its depth, its numbers.
 *
 * What is digested anyway is walked once: the digest tells the extent as well.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"

/* Whether there is anything in a container that can be out of bounds: a number, or another container. */
static bool
has_bounded(const JsonbContainer *container)
{
	uint32 first = JsonContainerIsObject(container) ? JsonContainerSize(container) : 0;
	uint32 end = first + JsonContainerSize(container);

	for (uint32 i = first; i < end; i++)
	{
		if (i % JB_OFFSET_STRIDE == 0)
			CHECK_FOR_INTERRUPTS();
		if (JBE_ISNUMERIC(container->children[i]) || JBE_ISCONTAINER(container->children[i]))
			return true;
	}
	return false;
}

/* Walks a container, but no deeper than it may be. */
static void
measure(LsExtent *extent, const JsonbValue *json, int depth, int max_depth)
{
	LsJsonWalk walk;
	LsText key;
	JsonbValue value;

	check_stack_depth();
	extent->depth = Max(extent->depth, depth);
	if (depth > max_depth || !has_bounded(json->val.binary.data))
		return;
	ls_json_walk(&walk, json);
	while (ls_json_walk_next(&walk, &key, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (value.type == jbvBinary)
			measure(extent, &value, depth + 1, max_depth);
		else if (value.type == jbvNumeric && !ls_number_fits(value.val.numeric))
			extent->has_bad_number = true;
	}
}

static LsExtent
extent_of(const JsonbValue *value, int max_depth)
{
	LsExtent extent = {0};

	if (value->type == jbvBinary)
		measure(&extent, value, 1, max_depth);
	else if (value->type == jbvNumeric)
		extent.has_bad_number = !ls_number_fits(value->val.numeric);
	return extent;
}

/* Extends a path to the first bad number in a value; as it was, and false, where there is none. */
static bool
find_bad_number(const JsonbValue *json, StringInfo path)
{
	int before = path->len;
	int index = 0;
	LsJsonWalk walk;
	LsText key;
	JsonbValue value;

	check_stack_depth();
	if (json->type != jbvBinary)
		return json->type == jbvNumeric && !ls_number_fits(json->val.numeric);
	ls_json_walk(&walk, json);
	for (; ls_json_walk_next(&walk, &key, &value); index++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_json_is_object(json))
			appendStringInfo(path, "[%d]", index);
		else
			appendStringInfo(path, "%s%.*s", before > 0 ? "." : "", key.length, key.data);
		if (find_bad_number(&value, path))
			return true;
		path->len = before;
		path->data[before] = '\0';
	}
	return false;
}

static bool
refuse_number(const JsonbValue *value, const char *path, LsFailure *failure)
{
	StringInfoData place;

	initStringInfo(&place);
	appendStringInfoString(&place, path);
	(void) find_bad_number(value, &place);
	return ls_fail(failure, "out_of_range", place.data,
				   "the number is beyond what a double can hold, or longer than %d digits", LS_MAX_NUMBER_DIGITS);
}

/* Whether a number of a value is one that not every client can read, however deep it stands. */
bool
ls_limit_has_bad_number(const JsonbValue *value)
{
	return extent_of(value, PG_INT32_MAX).has_bad_number;
}

/* Refuses a value with such a number. */
bool
ls_limit_check_numbers(const JsonbValue *value, const char *path, LsFailure *failure)
{
	return !ls_limit_has_bad_number(value) || refuse_number(value, path, failure);
}

/*
 * Whether a value is within the limits. what names it; path is where it stands; extent is what a walk over it told, NULL
 * where there was none yet.
 */
bool
ls_limit_check(const JsonbValue *value, const LsExtent *extent, const char *what, int max_bytes, const char *path,
			   LsFailure *failure)
{
	LsExtent measured;

	if (ls_json_bytes(value) > max_bytes)
		return ls_fail(failure, "too_large", path, "%s is larger than %d bytes", what, max_bytes);
	measured = extent != NULL ? *extent : extent_of(value, learnsync_max_depth);
	if (measured.depth > learnsync_max_depth)
		return ls_fail(failure, "too_large", path, "%s is nested deeper than %d", what, learnsync_max_depth);
	return !measured.has_bad_number || refuse_number(value, path, failure);
}
