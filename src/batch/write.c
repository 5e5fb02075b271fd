/*
 * write.c
 *		Writes what a batch accepted; where a team's trigger or constraint refuses an item, only that item fails.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "miscadmin.h"

/* What is tried apart, so that it can be undone. */
typedef struct Attempt
{
	LsBatch *batch;
	const LsWriter *writer;
} Attempt;

static void
write_accepted(void *argument)
{
	const Attempt *attempt = argument;

	attempt->writer->write(attempt->batch);
}

/* The greatest number of items that is good, between one that is and one that is not: by halves. */
int
ls_batch_longest(LsBatch *batch, const void *context, int good, int bad, LsIsGood is_good)
{
	while (bad - good > 1)
	{
		int middle = (good + bad) / 2;

		if (is_good(batch, context, middle))
			good = middle;
		else
			bad = middle;
	}
	return good;
}

static bool
can_be_written(LsBatch *batch, const void *writer, int taken)
{
	Attempt attempt = {batch, writer};

	attempt.writer->decide_first(batch, taken);
	return batch->naccepted == 0 || ls_try(write_accepted, &attempt, false) == NULL;
}

static void
write_guarded(LsBatch *batch, const LsWriter *writer)
{
	Attempt attempt = {batch, writer};
	ErrorData *error;

	while (batch->naccepted > 0 && (error = ls_try(write_accepted, &attempt, true)) != NULL)
	{
		/* The batch up to it is tried, and undone. */
		LsItem *culprit = &batch->items[ls_batch_longest(batch, writer, 0, batch->ntaken, can_be_written)];

		if (culprit->receipt.found || culprit->refused.code != NULL)
			ReThrowError(error); /* it is not an item that is refused */
		ls_fail(&culprit->refused, "error", "", "%s", error->message);
		writer->decide(batch);
	}
}

/* Writes what was accepted: at once, or so that it can be undone where something else has a say in the table. */
void
ls_batch_write_accepted(LsBatch *batch, const LsWriter *writer)
{
	if (batch->naccepted == 0)
		return;
	if (ls_store_is_guarded(writer->table))
		write_guarded(batch, writer);
	else
		writer->write(batch);
}

/* Records the items that failed, drops the failed copies of those that were accepted, and writes the learner's row. */
void
ls_batch_close(LsBatch *batch, bool logged)
{
	if (!ls_batch_writes_learner(batch))
		return;
	if (ls_batch_is_counted(batch))
		batch->counts = ls_batch_add_counts(batch, (LsText){NULL, 0}, batch->learner.counts);
	ls_store_record_failed(batch, batch->failed);
	ls_store_update_learner(batch, logged, batch->failed);
}
