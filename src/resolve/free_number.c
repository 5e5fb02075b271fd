/*
 * free_number.c
 *		The number that a document gets which is kept beside another one: free, allowed by the rule, and at least 1.
 */
#include "postgres.h"

#include "resolve/resolve.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* Numbers in use, sorted, and the bounds that the rule sets. */
typedef struct Numbers
{
	const LsBounds *bounds;
	const int64 *taken;
	int count;
} Numbers;

static int
compare_numbers(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

static bool
is_free(const Numbers *numbers, int64 number)
{
	if (number < 1 || !ls_check_bounds(numbers->bounds, int64_to_numeric(number)))
		return false;
	return numbers->count == 0 ||
		   bsearch(&number, numbers->taken, numbers->count, sizeof(int64), compare_numbers) == NULL;
}

/* The least whole number that a lower bound allows, or 1. */
static int64
least_number(const LsBounds *bounds)
{
	JsonbValue least = {.type = jbvNumeric};
	int64 number;

	if (bounds->min == NULL)
		return 1;
	least.val.numeric = DatumGetNumeric(DirectFunctionCall1(numeric_ceil, NumericGetDatum(bounds->min)));
	if (!ls_json_integer(&least, &number) || number < 1)
		return 1;
	return number < PG_INT64_MAX && !ls_check_bounds(bounds, least.val.numeric) ? number + 1 : number;
}

/*
 * One more than the greatest of the numbers in use or, where there is none such, the least that is free. Sorts them;
 * false where none is left.
 */
bool
ls_free_number(const LsRuleField *field, int64 *taken, int count, int64 *number)
{
	Numbers numbers = {&field->bounds, taken, count};

	if (count > 1)
		ls_sort(taken, count, sizeof(int64), compare_numbers);
	*number = count == 0 ? 1 : taken[count - 1] == PG_INT64_MAX ? 0 : taken[count - 1] + 1;
	if (is_free(&numbers, *number))
		return true;
	*number = least_number(&field->bounds);
	for (int i = 0; i < count && !is_free(&numbers, *number); i++)
	{
		if (taken[i] >= *number && taken[i] < PG_INT64_MAX)
			*number = taken[i] + 1;
	}
	return is_free(&numbers, *number);
}
