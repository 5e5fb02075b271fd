/*
 * pull_store.c
 *		What a pull reads: changes in version order, from the change log or from the resources themselves.
 */
#include "postgres.h"

#include "direct/direct.h"
#include "miscadmin.h"
#include "pull/pull.h"
#include "store/statement.h"

#define MANY_CHANGES 10000 /* more than what is sorted in memory as it is */

struct LsPullSource
{
	Portal portal;
	LsText learner;
	SPITupleTable *rows; /* those fetched last; NULL before */
};

static LsStatement read_start = {"SELECT l.version, l.log_version, l.tombstone_version, l.epoch, d.is_active"
								 " FROM learnsync_data.learner l LEFT JOIN learnsync_data.device d ON d.learner_id" EQ
								 "$1 AND d.device_id" EQ "$2"
								 " WHERE l.learner_id" EQ "$1",
								 {"pg_catalog.text", "pg_catalog.text", NULL}};

/* What both sources take: learner, version after which, types or NULL for all, how many at most or NULL. */
#define ARGUMENTS                                                                                                    \
	{                                                                                                                \
		"pg_catalog.text", "pg_catalog.int8", "pg_catalog.text[]", "pg_catalog.int8", NULL                           \
	}
#define RESOURCE_COLUMNS "s.version, s.created_version, s.updated_at, s.at, s.deleted_at, s.data, s.book"

/*
 * Each row of the log stands for as many versions as it has entries, the last being its own. Only entries of the wanted
 * types are looked up; a row without such is there still, as one of the chain.
 */
static LsStatement read_log = {
	"SELECT p.prev_version, p.version, e.version, e.resource_type, e.resource_id, r.version, r.created_version,"
	" r.updated_at, r.at, r.deleted_at, r.data, r.book"
	" FROM (SELECT q.prev_version, q.version, q.resource_types, q.resource_ids,"
	"  pg_catalog.cardinality(q.resource_types) AS entries FROM learnsync_data.push q"
	"  WHERE q.learner_id" EQ "$1 AND q.version" GT "$2 ORDER BY q.version, q.push_no) p"
	" LEFT JOIN LATERAL (SELECT x.resource_type, x.resource_id,"
	"  p.version OPERATOR(pg_catalog.-) p.entries OPERATOR(pg_catalog.+) x.n AS version"
	"  FROM unnest(p.resource_types, p.resource_ids) WITH ORDINALITY AS x (resource_type, resource_id, n)"
	"  WHERE $3 IS NULL OR x.resource_type" EQ "ANY (SELECT t.name FROM pg_catalog.unnest($3) t (name))) e ON true"
	" LEFT JOIN LATERAL (SELECT " RESOURCE_COLUMNS " FROM learnsync_data.resource s WHERE s.learner_id" EQ "$1"
	"  AND s.resource_type" EQ "e.resource_type AND s.resource_id" EQ "e.resource_id LIMIT 1) r ON true LIMIT $4",
	ARGUMENTS};

/* The columns of all these, counted from 1. */
enum
{
	PREV_VERSION = 1,
	LOG_VERSION,
	CHANGE_VERSION,
	RESOURCE_TYPE,
	RESOURCE_ID,
	VERSION,
	CREATED_VERSION,
	UPDATED_AT,
	AT,
	DELETED_AT,
	DATA,
	BOOK
};

/* What the resources themselves say: of all types, or of the wanted ones. */
#define ALL_CHANGES(columns)                                                                                         \
	"SELECT " columns " FROM learnsync_data.resource y WHERE y.learner_id" EQ "$1 AND y.version" GT "$2"             \
	" AND $3 IS NULL"
#define SOME_CHANGES(columns)                                                                                        \
	"SELECT z.* FROM pg_catalog.unnest($3) t (name) CROSS JOIN LATERAL (SELECT " columns                             \
	" FROM learnsync_data.resource y WHERE y.learner_id" EQ "$1 AND y.resource_type" EQ "t.name"                     \
	" AND y.version" GT "$2 OFFSET 0) z"

#define IN_ORDER(changes)                                                                                               \
	"SELECT NULL::pg_catalog.int8, NULL::pg_catalog.int8, s.version, s.resource_type, s.resource_id, " RESOURCE_COLUMNS \
	" FROM (" changes ") s ORDER BY s.version LIMIT $4"

/*
 * Where they may be many only their places are sorted, and those on the page read, some at a time. Found there, the
 * learner is compared in a form that no index serves.
 */
#define BY_PLACE(changes)                                                                                               \
	"SELECT NULL::pg_catalog.int8, NULL::pg_catalog.int8, s.version, s.resource_type, s.resource_id, " RESOURCE_COLUMNS \
	" FROM (SELECT pg_catalog.array_agg(n.place) AS places"                                                             \
	"  FROM (SELECT k.place, pg_catalog.row_number() OVER () OPERATOR(pg_catalog./) 100 AS portion"                     \
	"   FROM (" changes " ORDER BY version LIMIT $4) k) n GROUP BY n.portion ORDER BY n.portion) p"                     \
	" CROSS JOIN LATERAL (SELECT * FROM learnsync_data.resource x WHERE x.ctid" EQ "ANY (p.places)"                     \
	"  AND (x.learner_id" EQ "$1) IS TRUE ORDER BY x.version) s"

static LsStatement read_all = {IN_ORDER(ALL_CHANGES("y.*")), ARGUMENTS};
static LsStatement read_some = {IN_ORDER(SOME_CHANGES("y.*")), ARGUMENTS};
static LsStatement read_all_by_place = {BY_PLACE(ALL_CHANGES("y.ctid AS place, y.version")), ARGUMENTS};
static LsStatement read_some_by_place = {BY_PLACE(SOME_CHANGES("y.ctid AS place, y.version")), ARGUMENTS};

static LsStatement count_all = {"SELECT pg_catalog.count(*) FROM (" ALL_CHANGES("y.version") ") c", ARGUMENTS};
static LsStatement count_some = {"SELECT pg_catalog.count(*) FROM (" SOME_CHANGES("y.version") ") c", ARGUMENTS};

static void
read_start_by_statement(const Datum *key, LsPullStart *start)
{
	bool no_epoch;
	bool no_device;
	Datum epoch;

	if (ls_store_read(&read_start, key, NULL) == 0)
		return;
	start->version = ls_store_int(0, 1);
	start->log_version = ls_store_int(0, 2);
	start->tombstone_version = ls_store_int(0, 3);
	epoch = ls_store_value(0, 4, &no_epoch);
	start->epoch = ls_learner_epoch(epoch, no_epoch);
	start->device.active = DatumGetBool(ls_store_value(0, 5, &no_device));
	start->device.exists = !no_device;
}

static bool
read_start_directly(const Datum *key, LsPullStart *start)
{
	LsDirect learners;
	LsDirect devices;
	const LsDirectWanted wanted[] = {{&learners, LS_DIRECT_LEARNER}, {&devices, LS_DIRECT_DEVICE}};

	if (!ls_direct_open_all(wanted, lengthof(wanted), AccessShareLock))
		return false;
	if (ls_direct_find(&learners, key))
	{
		start->version = DatumGetInt64(learners.values[LS_LEARNER_VERSION]);
		start->log_version = DatumGetInt64(learners.values[LS_LEARNER_LOG_VERSION]);
		start->tombstone_version = DatumGetInt64(learners.values[LS_LEARNER_TOMBSTONE_VERSION]);
		start->epoch = ls_learner_epoch(learners.values[LS_LEARNER_EPOCH], learners.nulls[LS_LEARNER_EPOCH]);
		start->device.exists = ls_direct_find(&devices, key);
	}
	if (start->device.exists)
		start->device.active = DatumGetBool(devices.values[LS_DEVICE_IS_ACTIVE]);
	ls_direct_close(&devices);
	ls_direct_close(&learners);
	return true;
}

/* Reads learner and device; as of one who never came where there is none. */
void
ls_store_read_pull_start(LsText learner, LsText device, LsPullStart *start)
{
	Datum key[] = {ls_text_to_datum(learner), ls_text_to_datum(device)};

	*start = (LsPullStart){.version = LS_FIRST_VERSION, .log_version = LS_FIRST_VERSION, .device.id = device};
	start->epoch = ls_store_epoch();
	if (!read_start_directly(key, start))
		read_start_by_statement(key, start);
}

static LsStatement *
source_of(const LsPull *pull, int64 after, bool use_log)
{
	bool by_type = pull->selection.by_type;

	if (use_log)
		return &read_log;
	if (pull->start.version - after > MANY_CHANGES)
		return by_type ? &read_some_by_place : &read_all_by_place;
	return by_type ? &read_some : &read_all;
}

/* The changes of the wanted types after a version, from the log or from the resources; of these not more than limit. */
LsPullSource *
ls_store_open_pull(const LsPull *pull, int64 after, bool use_log, int64 limit)
{
	LsPullSource *source = palloc0(sizeof(LsPullSource));
	Datum values[] = {ls_text_to_datum(pull->learner), Int64GetDatum(after), pull->selection.type_array,
					  Int64GetDatum(limit)};
	char nulls[] = "    ";

	if (!pull->selection.by_type)
		nulls[2] = 'n';
	if (use_log || limit == PG_INT64_MAX)
		nulls[3] = 'n';
	source->learner = pull->learner;
	source->portal = ls_store_cursor(source_of(pull, after, use_log), values, nulls, LS_SEES_CALLERS);
	return source;
}

/* The document and its notes, each NULL where there is none. */
static void
take_document(const LsPullSource *source, uint64 row, LsPulled *change)
{
	LsRowKey key = {"resource", {source->learner, change->type, change->id}};
	bool no_data;
	bool no_book;
	Datum data = ls_store_value(row, DATA, &no_data);
	Datum book = ls_store_value(row, BOOK, &no_book);

	change->data = no_data ? NULL : ls_store_document(&key, data);
	change->book = no_book ? NULL : ls_store_object(&key, "book", book);
}

static void
take_change(const LsPullSource *source, uint64 row, LsPulled *change)
{
	bool isnull;

	*change = (LsPulled){.prev_version = ls_store_int(row, PREV_VERSION),
						 .log_version = ls_store_int(row, LOG_VERSION),
						 .version = ls_store_int(row, CHANGE_VERSION),
						 .type = ls_store_text(row, RESOURCE_TYPE),
						 .id = ls_store_text(row, RESOURCE_ID)};
	change->current = change->type.data != NULL && ls_store_int(row, VERSION) == change->version;
	if (!change->current)
		return;
	change->created_version = ls_store_int(row, CREATED_VERSION);
	change->updated_at = ls_store_time(row, UPDATED_AT);
	change->at = ls_store_time(row, AT);
	(void) ls_store_value(row, DELETED_AT, &isnull);
	change->was_deleted = !isnull;
	take_document(source, row, change);
}

static void
forget_rows(LsPullSource *source)
{
	if (source->rows != NULL)
		SPI_freetuptable(source->rows);
	source->rows = NULL;
}

/* The next rows, at most so many; how many, 0 at the end. What they point to stays until the next are fetched. */
int
ls_store_fetch_pulled(LsPullSource *source, int count, LsPulled **changes)
{
	MemoryContext caller = CurrentMemoryContext;

	forget_rows(source);
	SPI_cursor_fetch(source->portal, true, count);
	MemoryContextSwitchTo(caller);
	source->rows = SPI_tuptable;
	count = (int) SPI_processed;
	*changes = palloc(sizeof(LsPulled) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		take_change(source, i, &(*changes)[i]);
	}
	return count;
}

void
ls_store_close_pull(LsPullSource *source)
{
	forget_rows(source);
	SPI_cursor_close(source->portal);
}

/* How many resources of the wanted types changed after a version. */
int64
ls_store_count_changes(const LsPull *pull, int64 after)
{
	Datum values[] = {ls_text_to_datum(pull->learner), Int64GetDatum(after), pull->selection.type_array, (Datum) 0};
	bool by_type = pull->selection.by_type;

	(void) ls_store_read(by_type ? &count_some : &count_all, values, by_type ? "   n" : "  nn");
	return ls_store_int(0, 1);
}
