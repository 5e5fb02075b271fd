/*
 * sort.c
 *		Sorts what clients send: in a time that no order of theirs makes quadratic, and that can be cancelled.
 *
 * The server's qsort has such orders, and asks for no interrupts. This is a merge of the ascending runs that the elements
 * have already, so what is nearly sorted takes hardly more than being looked at. Merged are pointers: elements may be
 * large, and are moved once.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define FEW 16 /* so few are sorted in no time whatever their order */

/* Where the ascending run that begins here ends. */
static char **
end_of_run(LsCompare compare, char **start, char **end)
{
	char **next = start + 1;

	while (next < end && compare(next[-1], next[0]) <= 0)
	{
		CHECK_FOR_INTERRUPTS();
		next++;
	}
	return Min(next, end);
}

/* Merges two runs that lie side by side. */
static void
merge_two(LsCompare compare, char **a, char **b, char **end, char **out)
{
	char **middle = b;

	while (a < middle && b < end)
	{
		CHECK_FOR_INTERRUPTS();
		*out++ = compare(*a, *b) <= 0 ? *a++ : *b++;
	}
	ls_memory_copy(out, a, (char *) middle - (char *) a);
	ls_memory_copy(out + (middle - a), b, (char *) end - (char *) b);
}

/* Copies the pointers, each two runs merged into one; answers how many runs there were. */
static int
merge_runs(LsCompare compare, char **from, char **end, char **out)
{
	int runs = 0;

	while (from < end)
	{
		char **second = end_of_run(compare, from, end);
		char **next = second < end ? end_of_run(compare, second, end) : end;

		merge_two(compare, from, second, next, out);
		out += next - from;
		runs += second < end ? 2 : 1;
		from = next;
	}
	return runs;
}

/* Pointers to the elements, in order. */
static char **
find_order(char *elements, Size count, Size size, LsCompare compare)
{
	char **order = palloc_extended(sizeof(char *) * count, MCXT_ALLOC_HUGE);
	char **merged = palloc_extended(sizeof(char *) * count, MCXT_ALLOC_HUGE);
	int runs;

	for (Size i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		order[i] = elements + i * size;
	}
	do
	{
		char **other = order;

		runs = merge_runs(compare, order, order + count, merged);
		order = merged;
		merged = other;
	} while (runs > 2);
	pfree(merged);
	return order;
}

/* Moves each element to where the order has it, around each circle of such moves; the order is done with then. */
static void
move(char *elements, Size count, Size size, char **order)
{
	char *first = palloc(size);

	for (Size i = 0; i < count; i++)
	{
		char *place = elements + i * size;
		char *to = place;

		CHECK_FOR_INTERRUPTS();
		memcpy(first, place, size);
		while (order[(to - elements) / size] != place)
		{
			char *from = order[(to - elements) / size];

			CHECK_FOR_INTERRUPTS();
			order[(to - elements) / size] = to;
			memcpy(to, from, size);
			to = from;
		}
		order[(to - elements) / size] = to;
		memcpy(to, first, size);
	}
	pfree(first);
}

static bool
is_sorted(const char *elements, Size count, Size size, LsCompare compare)
{
	for (Size i = 1; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (compare(elements + (i - 1) * size, elements + i * size) > 0)
			return false;
	}
	return true;
}

void
ls_sort(void *elements, Size count, Size size, LsCompare compare)
{
	char **order;

	if (count <= FEW)
	{
		qsort(elements, count, size, compare);
		return;
	}
	if (is_sorted(elements, count, size, compare))
		return;
	order = find_order(elements, count, size, compare);
	move(elements, count, size, order);
	pfree(order);
}
