/*
 * progress_store.c
 *		Reads the stored state of a learner: one row, a row per content and per interaction; all of it or what a put touches.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "direct/direct.h"
#include "event/event.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define ROWS_AT_A_TIME 1000

static LsStatement read_head = {
	"SELECT p.events, p.version, p.reset_at, p.reset_id, p.last_at, p.last_sent,"
	" p.onboarding_at, p.onboarding_id, p.onboarding_sent, p.onboarding, p.active_at, p.active_id, p.active_path,"
	" p.state_bytes"
	" FROM learnsync_data.progress p WHERE p.learner_id" EQ "$1",
	{"pg_catalog.text", NULL}};

#define CONTENT_COLUMNS                                                                                              \
	"c.content_id, c.status, c.score, c.last_at, c.last_id, c.last_sent, c.completed_at, c.completed_id,"            \
	" c.completed_sent, c.content_version, c.version_at, c.version_id"

#define INTERACTION_COLUMNS "i.content_id, i.interaction_id, i.at, i.event_id, i.state"

static LsStatement read_contents = {"SELECT " CONTENT_COLUMNS
									" FROM learnsync_data.progress_content c WHERE c.learner_id" EQ "$1",
									{"pg_catalog.text", NULL}};

static LsStatement read_interactions = {"SELECT " INTERACTION_COLUMNS
										" FROM learnsync_data.progress_interaction i WHERE i.learner_id" EQ "$1",
										{"pg_catalog.text", NULL}};

static LsStatement read_some_contents = {
	"SELECT " CONTENT_COLUMNS " FROM pg_catalog.unnest($2) AS k (content_id)"
	" CROSS JOIN LATERAL (SELECT * FROM learnsync_data.progress_content x WHERE x.learner_id" EQ "$1"
	"  AND x.content_id" EQ "k.content_id LIMIT 1) c",
	{"pg_catalog.text", "pg_catalog.text[]", NULL}};

static LsStatement read_some_interactions = {
	"SELECT " INTERACTION_COLUMNS " FROM unnest($2, $3) AS k (content_id, interaction_id)"
	" CROSS JOIN LATERAL (SELECT * FROM learnsync_data.progress_interaction x WHERE x.learner_id" EQ "$1"
	"  AND x.content_id" EQ "k.content_id AND x.interaction_id" EQ "k.interaction_id LIMIT 1) i",
	{"pg_catalog.text", "pg_catalog.text[]", "pg_catalog.text[]", NULL}};

/* The columns of a row but for the learner, taken apart once. */
typedef struct Row
{
	LsRowKey key;
	TupleDesc desc;
	int skipped; /* columns of these before them */
	ItemPointerData place; /* not valid where it is not known */
	Datum values[14];
	bool nulls[14];
} Row;

static LsRowKey
key_of(LsText learner, const char *table)
{
	return (LsRowKey){table, {learner}, "CALL learnsync.progress_rebuild() derives it from the log again."};
}

/* Takes a row of a result. */
static void
take_row(LsText learner, const char *table, uint64 number, Row *row)
{
	row->key = key_of(learner, table);
	row->desc = SPI_tuptable->tupdesc;
	row->skipped = 0;
	ItemPointerSetInvalid(&row->place);
	heap_deform_tuple(SPI_tuptable->vals[number], row->desc, row->values, row->nulls);
}

pg_noreturn static void
refuse(const Row *row, int column, const char *wanted)
{
	ls_store_damaged(&row->key, NameStr(TupleDescAttr(row->desc, column + row->skipped)->attname), wanted);
}

static LsText
take_text(const Row *row, int column)
{
	return row->nulls[column] ? (LsText){NULL, 0} : ls_text_datum(row->values[column]);
}

/* An id of a row, or none. */
static LsText
take_id(const Row *row, int column)
{
	LsText id = take_text(row, column);

	if (id.data != NULL && !ls_text_is_id(id))
		refuse(row, column, "of 1 to 200 characters");
	return id;
}

/* A time as sent, or none. */
static LsText
take_time(const Row *row, int column)
{
	LsText time = take_text(row, column);
	TimestampTz ignored;

	if (time.data != NULL && !ls_stamp_parse(time, &ignored))
		refuse(row, column, "an RFC 3339 time");
	return time;
}

/* A point from three columns: instant, event id, time as sent. */
static bool
take_point(const Row *row, int column, bool with_time, LsPoint *point)
{
	*point = (LsPoint){0};
	point->id = take_id(row, column + 1);
	if (row->nulls[column] || point->id.data == NULL)
		return false;
	point->at = DatumGetTimestampTz(row->values[column]);
	if (!ls_stamp_is_valid(point->at))
		refuse(row, column, "a time that clients can have");
	if (with_time)
		point->time = take_time(row, column + 2);
	return true;
}

/* The bytes of an object; without data for NULL. */
static LsText
take_container(const Row *row, int column)
{
	JsonbValue json;

	if (row->nulls[column])
		return (LsText){NULL, 0};
	ls_json_root(ls_store_object(&row->key, NameStr(TupleDescAttr(row->desc, column + row->skipped)->attname),
								 row->values[column]),
				 &json);
	return ls_progress_container(&json);
}

/* Reads the learner's row into a state without contents; as in a log without events where there is none. */
void
ls_store_read_head(LsText learner, LsProgress *head, LsEventLog *log, LsSnapshot snapshot)
{
	Datum values[] = {ls_text_to_datum(learner)};
	Row row;
	LsPoint point;

	*log = (LsEventLog){.version = LS_FIRST_VERSION};
	if (ls_store_see(&read_head, values, NULL, snapshot) == 0)
		return;
	take_row(learner, "progress", 0, &row);
	log->events = DatumGetInt64(row.values[0]);
	log->version = DatumGetInt64(row.values[1]);
	log->state_bytes = DatumGetInt64(row.values[13]);
	if (take_point(&row, 2, false, &point))
		ls_progress_reset(head, &point);
	if (!row.nulls[4])
		ls_progress_touch(head, DatumGetTimestampTz(row.values[4]), take_time(&row, 5));
	if (take_point(&row, 6, true, &point))
		ls_progress_keep_latest(head, &head->onboarding, &point, take_container(&row, 9));
	if (take_point(&row, 10, false, &point))
		ls_progress_keep_latest(head, &head->active, &point, take_id(&row, 12));
}

static LsContentRow
take_content(Row *row)
{
	LsContentRow content = {0};

	row->key.parts[1] = content.id = take_text(row, 0);
	(void) take_id(row, 0);
	if (!ls_event_status(take_text(row, 1), &content.status))
		refuse(row, 1, "a status");
	content.score = row->nulls[2] ? NULL : DatumGetNumeric(row->values[2]);
	if (content.score != NULL && !ls_event_is_score(content.score))
		refuse(row, 2, "between 0 and 100");
	take_point(row, 3, true, &content.last);
	take_point(row, 6, true, &content.completed);
	content.version = take_id(row, 9);
	take_point(row, 10, false, &content.version_point);
	return content;
}

static LsInteractionRow
take_interaction(Row *row)
{
	LsInteractionRow interaction = {.point = {0}};

	row->key.parts[1] = interaction.content_id = take_text(row, 0);
	row->key.parts[2] = interaction.id = take_text(row, 1);
	(void) take_id(row, 0);
	(void) take_id(row, 1);
	take_point(row, 2, false, &interaction.point);
	interaction.state = take_container(row, 4);
	return interaction;
}

/* Whom the rows of a learner are handed to. */
typedef struct Reader
{
	LsText learner;
	LsSnapshot snapshot;
	LsTakeContent take_content;
	LsTakeInteraction take_interaction;
	void *argument;
} Reader;

static void
hand_over_content(const Reader *reader, uint64 number)
{
	LsContentRow content;
	Row row;

	take_row(reader->learner, "progress_content", number, &row);
	content = take_content(&row);
	reader->take_content(reader->argument, &content);
}

static void
hand_over_interaction(const Reader *reader, uint64 number)
{
	LsInteractionRow interaction;
	Row row;

	take_row(reader->learner, "progress_interaction", number, &row);
	interaction = take_interaction(&row);
	reader->take_interaction(reader->argument, &interaction);
}

static void
read_rows(const Reader *reader, LsStatement *statement, void (*hand_over)(const Reader *, uint64))
{
	Datum values[] = {ls_text_to_datum(reader->learner)};
	Portal portal = ls_store_cursor(statement, values, NULL, reader->snapshot);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext page = AllocSetContextCreate(caller, "learnsync rows", ALLOCSET_DEFAULT_SIZES);

	do
	{
		SPI_cursor_fetch(portal, true, ROWS_AT_A_TIME);
		MemoryContextReset(page);
		MemoryContextSwitchTo(page);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			CHECK_FOR_INTERRUPTS();
			hand_over(reader, i);
		}
		MemoryContextSwitchTo(caller);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextDelete(page);
}

/* Hands all stored contents over, then their interactions; a row lasts no longer than the call that it is handed to. */
void
ls_store_read_rows(LsText learner, LsTakeContent content, LsTakeInteraction interaction, void *argument,
				   LsSnapshot snapshot)
{
	Reader reader = {learner, snapshot, content, interaction, argument};

	read_rows(&reader, &read_contents, hand_over_content);
	read_rows(&reader, &read_interactions, hand_over_interaction);
}

static void
load_content(void *progress, const LsContentRow *row)
{
	ls_progress_load_content(progress, row);
}

static void
load_interaction(void *progress, const LsInteractionRow *row)
{
	ls_progress_load_interaction(progress, row);
}

/* Adds all stored contents to a state. */
void
ls_store_read_contents(LsText learner, LsProgress *progress, LsSnapshot snapshot)
{
	ls_store_read_rows(learner, load_content, load_interaction, progress, snapshot);
}

/* What a new event touches. */
typedef struct Touched
{
	LsText content_id;
	LsText interaction_id; /* without data: none */
} Touched;

static int
compare_touched(const void *a, const void *b)
{
	const Touched *left = a;
	const Touched *right = b;
	int order = ls_text_compare(left->content_id, right->content_id);

	return order != 0 ? order : ls_text_compare(left->interaction_id, right->interaction_id);
}

/* Whether an event may be accepted. */
static bool
is_new(const LsItem *item)
{
	return item->refused.code == NULL && !item->receipt.found;
}

/* The contents and interactions of the new events, sorted; those without interaction come first of their content. */
static int
list_touched(const LsPut *put, Touched *touched)
{
	int count = 0;

	for (int i = 0; i < put->batch.nitems; i++)
	{
		const LsEvent *event = &put->events[i];

		CHECK_FOR_INTERRUPTS();
		if (is_new(&put->batch.items[i]) && event->type == LS_EVENT_CONTENT)
			touched[count++] = (Touched){event->content_id, event->interaction_id};
	}
	if (count > 1)
		ls_sort(touched, count, sizeof(Touched), compare_touched);
	return count;
}

static void
add_content(LsPut *put, Row *row)
{
	put->contents[put->ncontents] = take_content(row);
	put->contents[put->ncontents++].place = row->place;
}

static void
add_interaction(LsPut *put, Row *row)
{
	put->interactions[put->ninteractions] = take_interaction(row);
	put->interactions[put->ninteractions++].place = row->place;
}

/* A table of which a put reads what it touches. */
typedef struct Kind
{
	const char *table;
	LsDirectTable direct;
	LsStatement *statement;
	void (*add)(LsPut *put, Row *row); /* its place is known, or not valid */
} Kind;

static const Kind of_contents = {"progress_content", LS_DIRECT_CONTENT, &read_some_contents, add_content};
static const Kind of_interactions = {"progress_interaction", LS_DIRECT_INTERACTION, &read_some_interactions,
									 add_interaction};

/* The rows whose keys end with these ids, without a statement; false where SQL has to do it. */
static bool
find_directly(LsPut *put, const Kind *kind, const Datum *contents, const Datum *ids, int count)
{
	Datum key[] = {ls_text_to_datum(put->batch.learner.id), 0, 0};
	Row row = {.skipped = 1};
	LsDirect direct;
	int ncolumns;

	if (!ls_direct_open(&direct, kind->direct, AccessShareLock))
		return false;
	ls_direct_begin();
	row.desc = RelationGetDescr(direct.table);
	ncolumns = Min(row.desc->natts - row.skipped, (int) lengthof(row.values)); /* others were dropped */
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		key[1] = contents[i];
		key[2] = ids[i];
		if (!ls_direct_find(&direct, key))
			continue;
		ls_direct_keep(&direct);
		row.key = key_of(put->batch.learner.id, kind->table);
		row.place = direct.place;
		memcpy(row.values, direct.values + row.skipped, sizeof(Datum) * ncolumns);
		memcpy(row.nulls, direct.nulls + row.skipped, sizeof(bool) * ncolumns);
		kind->add(put, &row);
	}
	ls_direct_close(&direct);
	ls_direct_end();
	return true;
}

/* The rows whose keys end with these ids; of contents, both are theirs. Answers whether their places are known. */
static bool
read_some(LsPut *put, const Kind *kind, Datum *contents, Datum *ids, int count)
{
	Datum values[3] = {ls_text_to_datum(put->batch.learner.id)};
	uint64 found;

	if (count == 0 || find_directly(put, kind, contents, ids, count))
		return true;
	values[1] = ls_text_array(contents, count);
	values[2] = ls_text_array(ids, count);
	found = ls_store_run(kind->statement, values, NULL);
	for (uint64 i = 0; i < found; i++)
	{
		Row row;

		CHECK_FOR_INTERRUPTS();
		take_row(put->batch.learner.id, kind->table, i, &row);
		kind->add(put, &row);
	}
	return false;
}

static void
read_touched_contents(LsPut *put, const Touched *touched, int count)
{
	Datum *ids = palloc(sizeof(Datum) * Max(count, 1));
	int nids = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || !ls_text_equal(touched[i].content_id, touched[i - 1].content_id))
			ids[nids++] = ls_text_to_datum(touched[i].content_id);
	}
	put->contents = palloc(sizeof(LsContentRow) * Max(nids, 1));
	put->knows_contents = read_some(put, &of_contents, ids, ids, nids);
}

static void
read_touched_interactions(LsPut *put, const Touched *touched, int count)
{
	Datum *contents = palloc(sizeof(Datum) * Max(count, 1));
	Datum *ids = palloc(sizeof(Datum) * Max(count, 1));
	int nids = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (touched[i].interaction_id.data == NULL || (i > 0 && compare_touched(&touched[i], &touched[i - 1]) == 0))
			continue;
		contents[nids] = ls_text_to_datum(touched[i].content_id);
		ids[nids++] = ls_text_to_datum(touched[i].interaction_id);
	}
	put->interactions = palloc(sizeof(LsInteractionRow) * Max(nids, 1));
	put->knows_interactions = read_some(put, &of_interactions, contents, ids, nids);
}

/* Reads the stored rows that the new events are about. What they point to stays until the store is closed. */
void
ls_store_read_touched(LsPut *put)
{
	Touched *touched = palloc(sizeof(Touched) * Max(put->batch.nitems, 1));
	int count = list_touched(put, touched);

	read_touched_contents(put, touched, count);
	put->knows_interactions = put->knows_contents;
	if (put->ncontents > 0) /* an interaction has no row without its content */
		read_touched_interactions(put, touched, count);
}
