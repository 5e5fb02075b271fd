/*
 * sort.c
 *		Sorts what clients send: in a time that no order of theirs makes quadratic, and that can be cancelled.
 *
 * The server's qsort has such orders, and asks for no interrupts. This is a merge of the ascending runs that the elements
 * have already, so what is nearly sorted takes hardly more than being looked at.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"

#define FEW 16 /* so few are sorted in no time whatever their order */

typedef struct Sort
{
	Size size; /* of an element */
	LsCompare compare;
} Sort;

/* Where the ascending run that begins here ends. */
static char *
end_of_run(const Sort *sort, char *start, char *end)
{
	char *next = start + sort->size;

	while (next < end && sort->compare(next - sort->size, next) <= 0)
	{
		CHECK_FOR_INTERRUPTS();
		next += sort->size;
	}
	return Min(next, end);
}

/* Merges two runs that lie side by side. */
static void
merge_two(const Sort *sort, const char *a, const char *b, const char *end, char *out)
{
	const char *middle = b;

	while (a < middle && b < end)
	{
		const char **smaller = sort->compare(a, b) <= 0 ? &a : &b;

		CHECK_FOR_INTERRUPTS();
		memcpy(out, *smaller, sort->size);
		*smaller += sort->size;
		out += sort->size;
	}
	memcpy(out, a, middle - a);
	memcpy(out + (middle - a), b, end - b);
}

/* Copies the elements, each two runs merged into one. */
static void
merge_runs(const Sort *sort, char *from, char *end, char *out)
{
	while (from < end)
	{
		char *second = end_of_run(sort, from, end);
		char *next = second < end ? end_of_run(sort, second, end) : end;

		merge_two(sort, from, second, next, out);
		out += next - from;
		from = next;
	}
}

void
ls_sort(void *elements, Size count, Size size, LsCompare compare)
{
	Sort sort = {size, compare};
	Size bytes = count * size;
	char *sorted = elements;
	char *spare;

	if (count <= FEW)
	{
		qsort(elements, count, size, compare);
		return;
	}
	if (end_of_run(&sort, sorted, sorted + bytes) == sorted + bytes)
		return;
	spare = palloc_extended(bytes, MCXT_ALLOC_HUGE);
	do
	{
		char *merged = spare;

		merge_runs(&sort, sorted, sorted + bytes, merged);
		spare = sorted;
		sorted = merged;
	} while (end_of_run(&sort, sorted, sorted + bytes) < sorted + bytes);
	if (sorted != elements)
	{
		memcpy(elements, sorted, bytes);
		spare = sorted;
	}
	pfree(spare);
}
