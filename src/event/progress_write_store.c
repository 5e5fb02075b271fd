/*
 * progress_write_store.c
 *		Writes the stored state of a learner: its row, and the rows of contents and interactions that changed.
 */
#include "postgres.h"

#include "direct/direct.h"
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

static void
content_values(const LsContent *content, const LsInteraction *none, Datum *values, bool *nulls)
{
	LsContentRow row = ls_progress_row(content);

	ls_store_put_text(values, nulls, CONTENT_ID, row.id);
	ls_store_put_text(values, nulls, STATUS, ls_event_status_name(row.status));
	ls_store_put(values, nulls, SCORE, row.score != NULL, NumericGetDatum(row.score));
	put_point(values, nulls, LAST, true, &row.last);
	put_point(values, nulls, COMPLETED, true, &row.completed);
	ls_store_put_text(values, nulls, CONTENT_VERSION, row.version);
	put_point(values, nulls, VERSION_POINT, false, &row.version_point);
}

static void
interaction_values(const LsContent *content, const LsInteraction *interaction, Datum *values, bool *nulls)
{
	JsonbValue state = ls_progress_json(ls_kept_value(&interaction->state));

	ls_store_put_text(values, nulls, OF_CONTENT, content->id);
	ls_store_put_text(values, nulls, INTERACTION_ID, interaction->id);
	put_place(values, nulls, STATE_POINT, false, &interaction->state);
	ls_store_put_json(values, nulls, STATE, &state);
}

/* A table that a state is written to: its columns but for the learner are the values, in their order. */
typedef struct Kind
{
	LsDirectTable direct;
	LsStatement *statement;
	LsRowType *type;
	void (*values)(const LsContent *content, const LsInteraction *interaction, Datum *values, bool *nulls);
	int nvalues;
} Kind;

static const Kind of_contents = {LS_DIRECT_CONTENT, &write_contents, &content_row, content_values, NCONTENT};
static const Kind of_interactions = {LS_DIRECT_INTERACTION, &write_interactions, &interaction_row, interaction_values,
									 NINTERACTION};

/* What one row is made of. */
typedef struct Source
{
	const LsContent *content;
	const LsInteraction *interaction; /* NULL: the row is the content's */
	const ItemPointerData *place; /* where the row is that it replaces; NULL where none is known */
} Source;

/* What is to be written to one table. What a statement takes lies in a context of its own, which is emptied after it. */
typedef struct Rows
{
	const Kind *kind;
	Datum learner;
	MemoryContext context;
	Source *sources;
	int count;
	int room;
} Rows;

static void
add_source(Rows *rows, const Source *source)
{
	if (rows->count == rows->room)
	{
		rows->room = Max(rows->room * 2, ROWS_AT_A_TIME);
		rows->sources = rows->sources == NULL ? palloc(sizeof(Source) * rows->room)
											  : repalloc_huge(rows->sources, sizeof(Source) * rows->room);
	}
	rows->sources[rows->count++] = *source;
}

static void
write_by_statement(const Rows *rows)
{
	MemoryContext caller = MemoryContextSwitchTo(rows->context);

	for (int done = 0; done < rows->count;)
	{
		Datum values[] = {rows->learner, 0};
		Datum written[ROWS_AT_A_TIME];
		int count = 0;

		for (; done < rows->count && count < ROWS_AT_A_TIME; done++)
		{
			Datum row[NCONTENT]; /* of interactions there are fewer */
			bool nulls[NCONTENT];

			CHECK_FOR_INTERRUPTS();
			rows->kind->values(rows->sources[done].content, rows->sources[done].interaction, row, nulls);
			written[count++] = ls_store_row(rows->kind->type, row, nulls);
		}
		values[1] = ls_store_array(rows->kind->type, written, count);
		ls_store_run(rows->kind->statement, values, NULL);
		MemoryContextReset(rows->context);
	}
	MemoryContextSwitchTo(caller);
}

static void
fill_row(const void *argument, int row, Datum *values, bool *nulls)
{
	const Rows *rows = argument;

	ls_direct_put(values, nulls, 0, rows->learner);
	rows->kind->values(rows->sources[row].content, rows->sources[row].interaction, values + 1, nulls + 1);
}

/* Whether the row is where it was found, and is replaced. */
static bool
change_row(LsDirect *direct, const Rows *rows, int number)
{
	const Source *source = &rows->sources[number];
	Datum key[] = {rows->learner, ls_text_to_datum(source->content->id), 0};

	if (source->interaction != NULL)
		key[2] = ls_text_to_datum(source->interaction->id);
	if (!ls_direct_take(direct, source->place, key))
		return false;
	fill_row(rows, number, direct->values, direct->nulls);
	return ls_direct_change(direct);
}

/* Writes rows whose places are known where they are not new, but for those that somebody else has moved, which it leaves. */
static void
write_directly(Rows *rows)
{
	Rows new_rows = {rows->kind, rows->learner, rows->context};
	Rows moved = new_rows;
	LsDirect direct;

	if (rows->count == 0 || !ls_direct_open(&direct, rows->kind->direct, RowExclusiveLock))
		return;
	ls_direct_begin();
	for (int i = 0; i < rows->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (rows->sources[i].place == NULL)
			add_source(&new_rows, &rows->sources[i]);
		else if (!change_row(&direct, rows, i))
			add_source(&moved, &rows->sources[i]);
	}
	ls_direct_add(&direct, new_rows.count, fill_row, &new_rows);
	ls_direct_close(&direct);
	ls_direct_end();
	*rows = moved;
}

static void
write_rows(Rows *rows, bool knows_places)
{
	if (knows_places)
		write_directly(rows);
	write_by_statement(rows);
}

/* The place of the stored row of a content, of which the first so many are passed; NULL where none is known. */
static const ItemPointerData *
find_content(const LsPut *put, int *passed, LsText id)
{
	const LsContentRow *rows = put->contents;

	while (*passed < put->ncontents && ls_text_compare(rows[*passed].id, id) < 0)
		(*passed)++;
	return *passed < put->ncontents && ls_text_equal(rows[*passed].id, id) ? &rows[*passed].place : NULL;
}

/* The same of an interaction. */
static const ItemPointerData *
find_interaction(const LsPut *put, int *passed, LsText content, LsText id)
{
	for (; *passed < put->ninteractions; (*passed)++)
	{
		const LsInteractionRow *row = &put->interactions[*passed];
		int order = ls_text_compare(row->content_id, content);

		if (order == 0)
			order = ls_text_compare(row->id, id);
		if (order >= 0)
			return order == 0 ? &row->place : NULL;
	}
	return NULL;
}

static void
gather_contents(Rows *rows, LsContent **contents, int count, const LsPut *put)
{
	int passed = 0;

	for (int i = 0; i < count; i++)
	{
		Source source = {contents[i]};

		CHECK_FOR_INTERRUPTS();
		if (!contents[i]->changed)
			continue;
		if (put != NULL && put->knows_contents)
			source.place = find_content(put, &passed, contents[i]->id);
		add_source(rows, &source);
	}
}

static void
gather_interactions(Rows *rows, LsContent **contents, int count, const LsPut *put)
{
	int passed = 0;

	for (int i = 0; i < count; i++)
	{
		for (LsInteraction **list = ls_progress_interactions(contents[i]); *list != NULL; list++)
		{
			Source source = {contents[i], *list};

			CHECK_FOR_INTERRUPTS();
			if (!(*list)->changed)
				continue;
			if (put != NULL && put->knows_interactions)
				source.place = find_interaction(put, &passed, contents[i]->id, (*list)->id);
			add_source(rows, &source);
		}
	}
}

static void
write_head_row(Datum learner, const LsProgress *progress, const LsEventLog *log)
{
	Datum row = head_datum(progress, log);
	Datum values[] = {learner, ls_store_array(&progress_row, &row, 1)};

	ls_store_run(&write_head, values, NULL);
}

/*
 * Writes what changed of a state since it was loaded, by the put that loaded it, or NULL where no row of it is stored;
 * contents go in the order of their ids, as their index does.
 */
void
ls_store_write_progress(LsText learner, LsProgress *progress, const LsEventLog *log, const LsPut *put)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "learnsync rows", ALLOCSET_DEFAULT_SIZES);
	Datum id = ls_text_to_datum(learner);
	Rows of_content = {&of_contents, id, work};
	Rows of_interaction = {&of_interactions, id, work};
	int count;
	LsContent **contents = ls_progress_settle(progress, &count);

	gather_contents(&of_content, contents, count, put);
	gather_interactions(&of_interaction, contents, count, put);
	write_rows(&of_content, put != NULL && put->knows_contents);
	write_rows(&of_interaction, put != NULL && put->knows_interactions);
	write_head_row(id, progress, log);
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
