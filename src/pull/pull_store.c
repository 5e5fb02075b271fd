/*
 * pull_store.c
 *		What a pull reads: changes in version order, from the change log or from the resources themselves.
 */
#include "postgres.h"

#include "store/store.h"
#include "utils/builtins.h"

#define FETCH_ROWS 100 /* rows taken at a time: a page rarely needs many more than its limit */

struct LsPullCursor
{
	Portal portal;
	LsText learner;
	bool use_log;
	uint64 next;
	uint64 count;
};

static LsStatement read_start = {"SELECT l.version, l.log_version, l.tombstone_version, d.is_active::pg_catalog.int4,"
								 " l.epoch::pg_catalog.text"
								 " FROM learnsync_data.learner l LEFT JOIN learnsync_data.device d"
								 " ON d.learner_id" EQ "$1 AND d.device_id" EQ "$2 WHERE l.learner_id" EQ "$1",
								 {"pg_catalog.text", "pg_catalog.text", NULL}};

/* Each row of the log stands for as many versions as it has entries, the last being its own. */
static LsStatement read_log = {
	"SELECT p.prev_version, p.version, p.version OPERATOR(pg_catalog.-) p.entries OPERATOR(pg_catalog.+) e.n,"
	" e.resource_type, e.resource_id, r.version, r.created_version, r.updated_at, r.at, r.data, r.book"
	" FROM (SELECT q.prev_version, q.version, q.resource_types, q.resource_ids,"
	"  pg_catalog.cardinality(q.resource_types) AS entries FROM learnsync_data.push q"
	"  WHERE q.learner_id" EQ "$1 AND q.version" GT "$2 ORDER BY q.version, q.push_no) p"
	" LEFT JOIN LATERAL unnest(p.resource_types, p.resource_ids) WITH ORDINALITY"
	"  AS e (resource_type, resource_id, n) ON true"
	" LEFT JOIN LATERAL (SELECT s.version, s.created_version, s.updated_at, s.at, s.data, s.book"
	"  FROM learnsync_data.resource s WHERE s.learner_id" EQ "$1 AND s.resource_type" EQ "e.resource_type"
	"  AND s.resource_id" EQ "e.resource_id LIMIT 1) r ON true",
	{"pg_catalog.text", "pg_catalog.int8", NULL}};

static LsStatement read_all = {
	"SELECT NULL::pg_catalog.int8, NULL::pg_catalog.int8, s.version, s.resource_type, s.resource_id, s.version,"
	" s.created_version, s.updated_at, s.at, s.data, s.book FROM learnsync_data.resource s"
	" WHERE s.learner_id" EQ "$1 AND s.version" GT "$2 ORDER BY s.version LIMIT $3",
	{"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int8", NULL}};

/* A learner who never pushed is at the first version. */
void
ls_store_read_pull_start(LsText learner, LsText device, LsPullStart *start)
{
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(device)};
	bool no_device;

	*start = (LsPullStart){.version = LS_FIRST_VERSION, .log_version = LS_FIRST_VERSION, .device.id = device};
	start->epoch = ls_learner_epoch((LsText){NULL, 0});
	if (ls_store_read(&read_start, values, NULL) == 0)
		return;
	start->version = ls_store_int(0, 1);
	start->log_version = ls_store_int(0, 2);
	start->tombstone_version = ls_store_int(0, 3);
	start->device.active = DatumGetInt32(ls_store_value(0, 4, &no_device)) != 0;
	start->device.exists = !no_device;
	start->epoch = ls_learner_epoch(ls_store_text(0, 5));
}

/* The changes after a version, from the log or from the resources; of these not more than limit. */
LsPullCursor *
ls_store_open_pull(LsText learner, int64 after, bool use_log, int64 limit)
{
	LsPullCursor *cursor = palloc0(sizeof(LsPullCursor));
	Datum values[] = {ls_text_to_datum(learner), Int64GetDatum(after), Int64GetDatum(limit)};

	cursor->learner = learner;
	cursor->use_log = use_log;
	cursor->portal = ls_store_cursor(use_log ? &read_log : &read_all, values);
	return cursor;
}

/* The document and its notes, each NULL where there is none. */
static void
take_document(const LsPullCursor *cursor, uint64 row, LsPulled *change)
{
	LsRowKey key = {"resource", {cursor->learner, change->type, change->id}};
	bool no_data;
	bool no_book;
	Datum data = ls_store_value(row, 10, &no_data);
	Datum book = ls_store_value(row, 11, &no_book);

	change->data = no_data ? NULL : ls_store_document(&key, data);
	change->book = no_book ? NULL : ls_store_object(&key, "book", book);
}

/* The next row; false at the end. What it points to lives until the store is closed. */
bool
ls_store_next_pulled(LsPullCursor *cursor, LsPulled *change)
{
	uint64 row;

	if (cursor->next == cursor->count)
	{
		MemoryContext caller = CurrentMemoryContext;

		SPI_cursor_fetch(cursor->portal, true, FETCH_ROWS);
		MemoryContextSwitchTo(caller);
		cursor->next = 0;
		cursor->count = SPI_processed;
		if (cursor->count == 0)
			return false;
	}
	row = cursor->next++;
	change->prev_version = ls_store_int(row, 1);
	change->log_version = ls_store_int(row, 2);
	change->version = ls_store_int(row, 3);
	change->type = ls_store_text(row, 4);
	change->id = ls_store_text(row, 5);
	change->current = change->type.data != NULL && ls_store_int(row, 6) == change->version;
	change->created_version = ls_store_int(row, 7);
	change->updated_at = ls_store_time(row, 8);
	change->at = ls_store_time(row, 9);
	take_document(cursor, row, change);
	return true;
}

void
ls_store_close_pull(LsPullCursor *cursor)
{
	SPI_cursor_close(cursor->portal);
}
