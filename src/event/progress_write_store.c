/*
 * progress_write_store.c
 *		Writes the stored state of a learner: its row, and the rows of contents and interactions that changed.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define ROWS_AT_A_TIME 1000

static LsRowType progress_row = {"learnsync_internal.progress_row"};
static LsRowType content_row = {"learnsync_internal.content_row"};
static LsRowType interaction_row = {"learnsync_internal.interaction_row"};

/* Columns of rows, counted from 0. A point takes two of them, and a third where its time is shown. */
enum
{
	EVENTS,
	VERSION,
	RESET,
	LAST_AT = RESET + 2,
	LAST_SENT,
	ONBOARDING_POINT,
	ONBOARDING = ONBOARDING_POINT + 3,
	ACTIVE_POINT,
	ACTIVE_PATH = ACTIVE_POINT + 2,
	STATE_BYTES,
	NHEAD
};

enum
{
	CONTENT_ID,
	STATUS,
	SCORE,
	LAST,
	COMPLETED = LAST + 3,
	CONTENT_VERSION = COMPLETED + 3,
	VERSION_POINT,
	NCONTENT = VERSION_POINT + 2
};

enum
{
	OF_CONTENT,
	INTERACTION_ID,
	STATE_POINT,
	STATE = STATE_POINT + 2,
	NINTERACTION
};

static LsStatement write_head = {
	"INSERT INTO learnsync_data.progress (learner_id, events, version, reset_at, reset_id, last_at, last_sent,"
	" onboarding_at, onboarding_id, onboarding_sent, onboarding, active_at, active_id, active_path, state_bytes) SELECT $1, p.* FROM pg_catalog.unnest($2) p"
	" ON CONFLICT (learner_id) DO UPDATE SET events = EXCLUDED.events, version = EXCLUDED.version,"
	" reset_at = EXCLUDED.reset_at, reset_id = EXCLUDED.reset_id, last_at = EXCLUDED.last_at, last_sent = EXCLUDED.last_sent,"
	" onboarding_at = EXCLUDED.onboarding_at, onboarding_id = EXCLUDED.onboarding_id,"
	" onboarding_sent = EXCLUDED.onboarding_sent, onboarding = EXCLUDED.onboarding,"
	" active_at = EXCLUDED.active_at, active_id = EXCLUDED.active_id, active_path = EXCLUDED.active_path,"
	" state_bytes = EXCLUDED.state_bytes",
	{"pg_catalog.text", "learnsync_internal.progress_row[]", NULL}};

static LsStatement write_contents = {
	"INSERT INTO learnsync_data.progress_content (learner_id, content_id, status, score, last_at, last_id, last_sent,"
	" completed_at, completed_id, completed_sent, content_version, version_at, version_id)"
	" SELECT $1, c.* FROM pg_catalog.unnest($2) c"
	" ON CONFLICT (learner_id, content_id) DO UPDATE SET status = EXCLUDED.status, score = EXCLUDED.score,"
	" last_at = EXCLUDED.last_at, last_id = EXCLUDED.last_id, last_sent = EXCLUDED.last_sent,"
	" completed_at = EXCLUDED.completed_at, completed_id = EXCLUDED.completed_id,"
	" completed_sent = EXCLUDED.completed_sent, content_version = EXCLUDED.content_version,"
	" version_at = EXCLUDED.version_at, version_id = EXCLUDED.version_id",
	{"pg_catalog.text", "learnsync_internal.content_row[]", NULL}};

static LsStatement write_interactions = {
	"INSERT INTO learnsync_data.progress_interaction (learner_id, content_id, interaction_id, at, event_id, state)"
	" SELECT $1, c.* FROM pg_catalog.unnest($2) c"
	" ON CONFLICT (learner_id, content_id, interaction_id) DO UPDATE SET at = EXCLUDED.at,"
	" event_id = EXCLUDED.event_id, state = EXCLUDED.state",
	{"pg_catalog.text", "learnsync_internal.interaction_row[]", NULL}};

static LsStatement clear_contents = {"DELETE FROM learnsync_data.progress_content c WHERE c.learner_id" EQ "$1",
									 {"pg_catalog.text", NULL}};

static LsStatement clear_interactions = {
	"DELETE FROM learnsync_data.progress_interaction i WHERE i.learner_id" EQ "$1", {"pg_catalog.text", NULL}};

/* A point as columns: instant, event id, and where it is shown the time as sent. */
static void
put_point(Datum *values, bool *nulls, int column, bool with_time, const LsPoint *point)
{
	ls_store_put(values, nulls, column, ls_point_exists(point), TimestampTzGetDatum(point->at));
	ls_store_put_text(values, nulls, column + 1, point->id);
	if (with_time)
		ls_store_put_text(values, nulls, column + 2, point->time);
}

static void
put_place(Datum *values, bool *nulls, int column, bool with_time, const LsKept *kept)
{
	LsPoint point = ls_kept_point(kept);

	put_point(values, nulls, column, with_time, &point);
}

static Datum
head_datum(const LsProgress *progress, const LsEventLog *log)
{
	Datum values[NHEAD];
	bool nulls[NHEAD];
	JsonbValue onboarding = ls_progress_json(ls_kept_value(&progress->onboarding));

	ls_store_put(values, nulls, EVENTS, true, Int64GetDatum(log->events));
	ls_store_put(values, nulls, VERSION, true, Int64GetDatum(log->version));
	put_point(values, nulls, RESET, false, &progress->reset);
	ls_store_put(values, nulls, LAST_AT, progress->last_at != LS_NO_TIME, TimestampTzGetDatum(progress->last_at));
	ls_store_put_text(values, nulls, LAST_SENT, progress->last_time);
	put_place(values, nulls, ONBOARDING_POINT, true, &progress->onboarding);
	ls_store_put_json(values, nulls, ONBOARDING, &onboarding);
	put_place(values, nulls, ACTIVE_POINT, false, &progress->active);
	ls_store_put_text(values, nulls, ACTIVE_PATH, ls_kept_value(&progress->active));
	ls_store_put(values, nulls, STATE_BYTES, true, Int64GetDatum(log->state_bytes));
	return ls_store_row(&progress_row, values, nulls);
}

static Datum
content_datum(const LsContent *content)
{
	LsContentRow row = ls_progress_row(content);
	Datum values[NCONTENT];
	bool nulls[NCONTENT];

	ls_store_put_text(values, nulls, CONTENT_ID, row.id);
	ls_store_put_text(values, nulls, STATUS, ls_event_status_name(row.status));
	ls_store_put(values, nulls, SCORE, row.score != NULL, NumericGetDatum(row.score));
	put_point(values, nulls, LAST, true, &row.last);
	put_point(values, nulls, COMPLETED, true, &row.completed);
	ls_store_put_text(values, nulls, CONTENT_VERSION, row.version);
	put_point(values, nulls, VERSION_POINT, false, &row.version_point);
	return ls_store_row(&content_row, values, nulls);
}

static Datum
interaction_datum(const LsContent *content, const LsInteraction *interaction)
{
	JsonbValue state = ls_progress_json(ls_kept_value(&interaction->state));
	Datum values[NINTERACTION];
	bool nulls[NINTERACTION];

	ls_store_put_text(values, nulls, OF_CONTENT, content->id);
	ls_store_put_text(values, nulls, INTERACTION_ID, interaction->id);
	put_place(values, nulls, STATE_POINT, false, &interaction->state);
	ls_store_put_json(values, nulls, STATE, &state);
	return ls_store_row(&interaction_row, values, nulls);
}

/* Rows on their way into a table, in a context that is emptied when they have got there. */
typedef struct Rows
{
	LsStatement *statement;
	LsRowType *type;
	Datum learner;
	MemoryContext context;
	int count;
	Datum rows[ROWS_AT_A_TIME];
} Rows;

static void
write_rows(Rows *rows)
{
	Datum values[2] = {rows->learner};

	if (rows->count == 0)
		return;
	values[1] = ls_store_array(rows->type, rows->rows, rows->count);
	ls_store_run(rows->statement, values, NULL);
	rows->count = 0;
}

/* Rows are made in their own context, which this begins; the caller's, which is answered, goes on with end_row. */
static MemoryContext
begin_row(Rows *rows)
{
	return MemoryContextSwitchTo(rows->context);
}

static void
end_row(Rows *rows, Datum row, MemoryContext caller)
{
	rows->rows[rows->count++] = row;
	if (rows->count == ROWS_AT_A_TIME)
	{
		write_rows(rows);
		MemoryContextReset(rows->context);
	}
	MemoryContextSwitchTo(caller);
}

static void
write_contents_of(LsContent **contents, int count, Rows *rows)
{
	for (int i = 0; i < count; i++)
	{
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (!contents[i]->changed)
			continue;
		caller = begin_row(rows);
		end_row(rows, content_datum(contents[i]), caller);
	}
	write_rows(rows);
}

static void
write_interactions_of(LsContent **contents, int count, Rows *rows)
{
	for (int i = 0; i < count; i++)
	{
		for (LsInteraction **list = ls_progress_interactions(contents[i]); *list != NULL; list++)
		{
			MemoryContext caller;

			CHECK_FOR_INTERRUPTS();
			if (!(*list)->changed)
				continue;
			caller = begin_row(rows);
			end_row(rows, interaction_datum(contents[i], *list), caller);
		}
	}
	write_rows(rows);
}

/* Writes what changed of a state since it was loaded; contents go in the order of their ids, as their index does. */
void
ls_store_write_progress(LsText learner, LsProgress *progress, const LsEventLog *log)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "learnsync rows", ALLOCSET_DEFAULT_SIZES);
	Rows rows = {&write_contents, &content_row, ls_text_to_datum(learner), work};
	int count;
	LsContent **contents = ls_progress_settle(progress, &count);

	write_contents_of(contents, count, &rows);
	rows.statement = &write_interactions;
	rows.type = &interaction_row;
	write_interactions_of(contents, count, &rows);
	rows.statement = &write_head;
	rows.type = &progress_row;
	rows.rows[rows.count++] = head_datum(progress, log);
	write_rows(&rows);
	MemoryContextDelete(work);
}

/* Takes the rows of contents and interactions away, before all are written anew. */
void
ls_store_clear_progress(LsText learner)
{
	Datum values[] = {ls_text_to_datum(learner)};

	ls_store_run(&clear_contents, values, NULL);
	ls_store_run(&clear_interactions, values, NULL);
}
