/*
 * hostile.c
 *		Shows the hash and the sort of the library as they are, to whoever wants to see how they stand hostile input.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

typedef struct Text
{
	const char *data;
	int length;
} Text; /* as the library has it */

typedef int (*Compare)(const void *a, const void *b);

static int64 compared;

/* Where the adversary is asked: values are fixed only as the sort forces it to, so that quicksorts go wrong. */
static int *values;
static int solid;
static int pivot;
static int gas;

static void *
function_of(const char *name)
{
	return load_external_function("$libdir/learnsync", name, true, NULL);
}

static int
compare(const void *a, const void *b)
{
	int left = *(const int *) a;
	int right = *(const int *) b;

	compared++;
	return (left > right) - (left < right);
}

/* M. D. McIlroy, "A Killer Adversary for Quicksort", 1999: elements are numbers of values. */
static int
adversary(const void *a, const void *b)
{
	int left = *(const int *) a;
	int right = *(const int *) b;

	compared++;
	if (values[left] == gas && values[right] == gas)
		values[left == pivot ? left : right] = solid++;
	if (values[left] == gas)
		pivot = left;
	else if (values[right] == gas)
		pivot = right;
	return (values[left] > values[right]) - (values[left] < values[right]);
}

PG_FUNCTION_INFO_V1(hostile_hash);
PG_FUNCTION_INFO_V1(hostile_sort);

Datum
hostile_hash(PG_FUNCTION_ARGS)
{
	uint32 (*hash)(Text) = (uint32 (*)(Text)) function_of("ls_digest_hash");
	text *id = PG_GETARG_TEXT_PP(0);

	PG_RETURN_INT64(hash((Text){VARDATA_ANY(id), (int) VARSIZE_ANY_EXHDR(id)}));
}

/* How many comparisons the sort of the numbers takes; with the adversary they are the numbers from 0 on. */
Datum
hostile_sort(PG_FUNCTION_ARGS)
{
	void (*sort)(void *, Size, Size, Compare) =
		(void (*)(void *, Size, Size, Compare)) function_of(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	ArrayType *array = PG_GETARG_ARRAYTYPE_P_COPY(0);
	int *numbers = (int *) ARR_DATA_PTR(array);
	int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	Compare by = PG_GETARG_BOOL(1) ? adversary : compare;

	compared = solid = pivot = 0;
	gas = count;
	values = palloc(sizeof(int) * count);
	for (int i = 0; i < count; i++)
		values[i] = gas;
	sort(numbers, count, sizeof(int), by);
	for (int i = 1; i < count; i++)
	{
		if (by(&numbers[i - 1], &numbers[i]) > 0)
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("not sorted")));
	}
	PG_RETURN_INT64(compared);
}
