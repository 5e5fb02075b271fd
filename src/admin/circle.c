/*
 * circle.c
 *		Finds circles in what contents say of each other: who is a part of whom, who replaces whom.
 */
#include "postgres.h"

#include "base/base.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"

/* One end of an edge, while nodes are numbered. */
typedef struct End
{
	LsText name;
	int *node; /* where the number belongs */
} End;

/* A directed graph; ends[0] is where an edge leaves, ends[1] where it arrives. */
typedef struct Graph
{
	int nedges;
	int nnodes;
	int *ends[2];
	bool *gone; /* per node: it is on no circle */
} Graph;

static int
compare_ends(const void *a, const void *b)
{
	return ls_text_compare(((const End *) a)->name, ((const End *) b)->name);
}

/* Gives each name a number. */
static void
number_nodes(Graph *graph, ArrayType *const *names)
{
	End *all = palloc_extended(sizeof(End) * graph->nedges * 2, MCXT_ALLOC_HUGE);

	for (int side = 0; side < 2; side++)
	{
		Datum *texts;

		deconstruct_array(names[side], TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, &graph->nedges);
		graph->ends[side] = palloc_extended(sizeof(int) * graph->nedges, MCXT_ALLOC_HUGE);
		for (int i = 0; i < graph->nedges; i++)
		{
			CHECK_FOR_INTERRUPTS();
			all[side * graph->nedges + i] = (End){ls_text_datum(texts[i]), &graph->ends[side][i]};
		}
	}
	ls_sort(all, graph->nedges * 2, sizeof(End), compare_ends);
	for (int i = 0; i < graph->nedges * 2; i++)
	{
		CHECK_FOR_INTERRUPTS();
		graph->nnodes += i == 0 || compare_ends(&all[i - 1], &all[i]) != 0;
		*all[i].node = graph->nnodes - 1;
	}
	pfree(all);
}

/* Takes out the nodes from which no edge leaves (side 0), or at which none arrives (side 1), until there is none. */
static void
peel(Graph *graph, int side)
{
	const int *mine = graph->ends[side];
	const int *other = graph->ends[1 - side];
	int *degree = ls_memory_zeroed(graph->nnodes, sizeof(int));
	int *first = palloc(sizeof(int) * graph->nnodes); /* of the edges at whose other end a node is; -1: none */
	int *next = palloc(sizeof(int) * graph->nedges);
	int *bare = palloc(sizeof(int) * graph->nnodes);
	int nbare = 0;

	memset(first, -1, sizeof(int) * graph->nnodes);
	for (int i = 0; i < graph->nedges; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (graph->gone[mine[i]] || graph->gone[other[i]])
			continue;
		degree[mine[i]]++;
		next[i] = first[other[i]];
		first[other[i]] = i;
	}
	for (int node = 0; node < graph->nnodes; node++)
	{
		CHECK_FOR_INTERRUPTS();
		if (degree[node] == 0 && !graph->gone[node])
			bare[nbare++] = node;
	}
	while (nbare > 0)
	{
		int node = bare[--nbare];

		CHECK_FOR_INTERRUPTS();
		graph->gone[node] = true;
		for (int edge = first[node]; edge >= 0; edge = next[edge])
		{
			if (--degree[mine[edge]] == 0)
				bare[nbare++] = mine[edge];
		}
	}
}

PG_FUNCTION_INFO_V1(learnsync_circles_as_owner);

/* learnsync_internal.circles_as_owner(tails, heads): which edges are part of a circle, or lead from one to another. */
Datum
learnsync_circles_as_owner(PG_FUNCTION_ARGS)
{
	ArrayType *names[] = {PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_ARRAYTYPE_P(1)};
	Graph graph = {.nedges = ArrayGetNItems(ARR_NDIM(names[0]), ARR_DIMS(names[0]))};
	Datum *found;
	int count = 0;

	number_nodes(&graph, names);
	graph.gone = ls_memory_zeroed(graph.nnodes, sizeof(bool));
	peel(&graph, 0);
	peel(&graph, 1);
	found = palloc(sizeof(Datum) * Max(graph.nedges, 1));
	for (int i = 0; i < graph.nedges; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!graph.gone[graph.ends[0][i]] && !graph.gone[graph.ends[1][i]])
			found[count++] = Int32GetDatum(i + 1);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(found, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}
