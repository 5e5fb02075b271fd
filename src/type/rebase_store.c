/*
 * rebase_store.c
 *		Which rule a learner's documents of a type are by while a change of it is carried out, and which do not fit another.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "store/statement.h"
#include "type/type.h"
#include "utils/memutils.h"

#define ROWS_AT_A_TIME 1000
#define MAX_LISTED 10

static LsStatement find_mark = {"SELECT FROM learnsync_data.rebased m WHERE m.learner_id" EQ
								"$1 AND m.resource_type" EQ "$2 AND m.generation OPERATOR(pg_catalog.>=) $3",
								{"pg_catalog.text", "pg_catalog.text", "pg_catalog.int4", NULL}};

/* The transaction from which on others may still write what is not seen now. */
static LsStatement oldest_open = {
	"SELECT pg_catalog.xid(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()))::pg_catalog.text", {NULL}};

/* The documents of all learners, or those only that were written by that transaction or one after it. $1 is the type. */
static LsStatement read_documents = {
	"SELECT r.learner_id, r.resource_id, r.at, r.data, r.book FROM learnsync_data.resource r"
	" WHERE r.resource_type" EQ "$1 AND r.data IS NOT NULL AND ($2 IS NULL"
	" OR pg_catalog.age(r.xmin) OPERATOR(pg_catalog.<=) pg_catalog.age($2::pg_catalog.xid)) ORDER BY r.learner_id",
	{"pg_catalog.text", "pg_catalog.text", NULL}};

/* Whether the learner's documents are still by the rule before; as the snapshot shows it, by which they are read. */
bool
ls_store_is_due(LsText learner, const LsType *type, LsSnapshot snapshot)
{
	SPITupleTable *result = SPI_tuptable;
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(type->name), Int32GetDatum(type->generation)};
	bool is_due = type->before != NULL && ls_store_see(&find_mark, values, NULL, snapshot) == 0;

	SPI_tuptable = result;
	return is_due;
}

/* The type of that name as a reader of this learner's documents needs it, NULL where there is none. */
const LsType *
ls_store_type_of(LsText learner, LsText name)
{
	const LsType *type = ls_store_type(name);

	if (type == NULL || type->before == NULL)
		return type;
	return ls_store_is_due(learner, type, LS_SEES_CALLERS) ? type->before : type;
}

/* For ls_store_misfits: what it does not see is written by this transaction or one after it. */
LsText
ls_store_oldest_open(void)
{
	ls_store_run(&oldest_open, NULL, NULL);
	return ls_text(ls_text_string(ls_store_text(0, 1)));
}

static void
note_misfit(LsMisfits *misfits, LsText learner, LsText id, const LsFailure *failure)
{
	if (misfits->count++ < MAX_LISTED)
		appendStringInfo(misfits->list, "%s%s of %s: %s", misfits->count > 1 ? "\n" : "", ls_text_string(id),
						 ls_text_string(learner), failure->message);
}

/* Looks at one row. Lists are judged by what the document says of them, as members have no checks of their own. */
static void
check_row(LsMisfits *misfits, uint64 row, LsText name, const LsRule *old, const LsRule *changed)
{
	LsText learner = ls_store_text(row, 1);
	LsText id = ls_store_text(row, 2);
	LsRowKey key = {"resource", {learner, name, id}};
	LsState state = {.exists = true, .at = ls_store_time(row, 3), .deleted_at = LS_NO_TIME};
	LsFailure failure = {NULL};
	LsState rebased;
	bool no_book;
	bool no_data;
	Datum book = ls_store_value(row, 5, &no_book);

	ls_state_load(old, &state, ls_store_document(&key, ls_store_value(row, 4, &no_data)),
				  no_book ? NULL : ls_store_object(&key, "book", book));
	rebased = ls_state_rebase(old, changed, &state);
	if (!ls_rebase_fits(changed, &rebased, &failure))
		note_misfit(misfits, learner, id, &failure);
}

/* The documents that do not fit, of all or of those that were written since; without data for all. */
LsMisfits
ls_store_misfits(LsText name, const LsRule *old, const LsRule *changed, LsText since)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion = AllocSetContextCreate(caller, "learnsync documents", ALLOCSET_DEFAULT_SIZES);
	LsMisfits misfits = {.list = makeStringInfo()};
	Datum values[] = {ls_text_to_datum(name), since.data == NULL ? (Datum) 0 : ls_text_to_datum(since)};
	Portal portal = ls_store_cursor(&read_documents, values, since.data == NULL ? " n" : NULL, LS_SEES_OWN);
	LsText learner = {NULL, 0};

	do
	{
		SPI_cursor_fetch(portal, true, ROWS_AT_A_TIME);
		MemoryContextSwitchTo(caller);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			LsText next = ls_store_text(row, 1);

			CHECK_FOR_INTERRUPTS();
			misfits.learners += row == 0 ? learner.data == NULL || !ls_text_equal(learner, next)
										 : !ls_text_equal(ls_store_text(row - 1, 1), next);
			MemoryContextSwitchTo(portion);
			check_row(&misfits, row, name, old, changed);
			MemoryContextSwitchTo(caller);
			MemoryContextReset(portion);
		}
		misfits.documents += (int64) SPI_processed;
		if (SPI_processed > 0)
			learner = ls_text(ls_text_string(ls_store_text(SPI_processed - 1, 1)));
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(portion);
	return misfits;
}
