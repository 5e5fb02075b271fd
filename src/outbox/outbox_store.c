/*
 * outbox_store.c
 *		Outboxes: the newest state of what changed is taken, learner by learner, each in the order of versions.
 *
 * Nobody waits for anybody: a taker leaves what others have locked, and a push makes another mark. All marks of a learner
 * are taken together or none, so that the learner's changes go to one taker at a time. What a push commits while changes
 * are read here is not among them, and its mark stays: marks are done with only up to the version that was read.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pull/pull.h"
#include "store/statement.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#define MAX_LEASE_SECONDS 86400
#define MAX_HALVINGS 30

/* An outbox, and who takes from it. */
typedef struct LsOutbox
{
	LsText name;
	LsSelection selection;
	bool events; /* those of the event log are handed on */
	TimestampTz since; /* what was changed last before then is not handed on; LS_NO_TIME: all is */
	pg_uuid_t lease;
	int64 seconds; /* for which it holds */
	int64 most; /* changes in a lease */
} LsOutbox;

/* What is to be handed on of a learner, in one life of theirs. */
typedef struct LsMark
{
	int64 life;
	int64 after; /* everything up to here was handed on */
	int64 horizon; /* of deletes that were forgotten when the learner's changes began to be handed on */
	int64 erased; /* the version of the erasure that is to be told of an earlier life, 0 = none */
	int64 erased_life;
	int tries; /* how often it was taken since some of it was last handed on */
	bool changed; /* there is more to it than the erasure */
	bool anew; /* what receivers hold is of an earlier epoch */
} LsMark;

static LsStatement fill = {
	"SELECT learnsync_internal.outbox_known_as_owner($1), learnsync_internal.outbox_fill_as_owner($1)",
	{"pg_catalog.text", NULL}};

static LsStatement read_outbox = {"SELECT o.resource_types, o.changed_from, COALESCE('" LS_EVENT_TYPE "'" EQ
								  "ANY (o.resource_types), true)"
								  " FROM learnsync_data.outbox o WHERE o.name" EQ "$1",
								  {"pg_catalog.text", NULL}};

/* Who has waited longest, and is in nobody's hands. $1 is the outbox. */
static LsStatement find_marked = {
	"SELECT m.learner_id FROM learnsync_data.outbox_mark m WHERE m.outbox" EQ "$1"
	" AND m.due_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() AND NOT EXISTS ("
	"SELECT FROM learnsync_data.outbox_mark x WHERE x.learner_id" EQ "m.learner_id AND x.outbox" EQ "$1"
	" AND x.due_at" GT "pg_catalog.clock_timestamp())"
	" ORDER BY m.due_at, m.learner_id LIMIT $2 FOR UPDATE SKIP LOCKED",
	{"pg_catalog.text", "pg_catalog.int8", NULL}};

#define MARKS " FROM learnsync_data.outbox_mark m WHERE m.learner_id" EQ "$1 AND m.outbox" EQ "$2"

static LsStatement lock_marks = {
	"SELECT m.life, m.after_version, m.version, m.is_erased, m.is_anew, m.horizon, m.due_at" GT
	"pg_catalog.clock_timestamp(), m.tries" MARKS " ORDER BY m.life, m.after_version FOR UPDATE SKIP LOCKED",
	{"pg_catalog.text", "pg_catalog.text", NULL}};

/* Its columns, counted from 1. */
enum
{
	LIFE = 1,
	AFTER,
	VERSION,
	IS_ERASED,
	IS_ANEW,
	HORIZON,
	IS_TAKEN,
	TRIES
};

static LsStatement count_marks = {"SELECT pg_catalog.count(*)" MARKS, {"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement lease_marks = {
	"UPDATE learnsync_data.outbox_mark m SET lease = $3, tries = m.tries OPERATOR(pg_catalog.+) 1,"
	" error = CASE WHEN m.lease IS NULL THEN m.error ELSE 'the lease ran out' END,"
	" due_at = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => $4),"
	" taken_version = CASE WHEN m.is_erased THEN m.version ELSE $5 END, taken_horizon = $6"
	" WHERE m.learner_id" EQ "$1 AND m.outbox" EQ "$2",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.uuid", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.int8",
	 NULL}};

static LsStatement drop_marks = {"DELETE FROM learnsync_data.outbox_mark m WHERE m.learner_id" EQ "$1 AND m.outbox" EQ
								 "$2 AND NOT m.is_erased AND m.version OPERATOR(pg_catalog.<=) $3",
								 {"pg_catalog.text", "pg_catalog.text", "pg_catalog.int8", NULL}};

static LsStatement read_outboxes = {
	"SELECT o.name, o.resource_types, o.changed_from, o.filled_to IS NOT NULL, w.waiting, w.taken, w.failing,"
	" (SELECT pg_catalog.count(*) FROM learnsync_data.outbox_dead d WHERE d.outbox" EQ "o.name), w.oldest_at,"
	" w.last_error, o.created_at FROM learnsync_data.outbox o CROSS JOIN LATERAL ("
	"SELECT pg_catalog.count(DISTINCT m.learner_id) AS waiting,"
	" pg_catalog.count(DISTINCT m.learner_id) FILTER (WHERE m.lease IS NOT NULL AND m.due_at" GT
	"pg_catalog.clock_timestamp()) AS taken,"
	" pg_catalog.count(DISTINCT m.learner_id) FILTER (WHERE m.error IS NOT NULL) AS failing,"
	" pg_catalog.min(m.marked_at) AS oldest_at,"
	" (pg_catalog.array_agg(m.error ORDER BY m.due_at DESC) FILTER (WHERE m.error IS NOT NULL))[1] AS last_error"
	" FROM learnsync_data.outbox_mark m WHERE m.outbox" EQ "o.name) w WHERE ($1 IS NULL OR o.name" EQ
	"$1) ORDER BY o.name",
	{"pg_catalog.text", NULL}};

static LsStatement read_dead = {
	"SELECT d.outbox, d.learner_id, d.resource_type, d.resource_id, d.life, d.version, d.error, d.failed_at"
	" FROM learnsync_data.outbox_dead d WHERE d.outbox" EQ "$1 ORDER BY d.failed_at DESC, d.learner_id,"
	" d.resource_type, d.resource_id",
	{"pg_catalog.text", NULL}};

static LsStatement done = {"SELECT learnsync_internal.outbox_done_as_owner($1, $2)",
						   {"pg_catalog.text", "pg_catalog.text", NULL}};
static LsStatement failed = {"SELECT learnsync_internal.outbox_failed_as_owner($1, $2, $3, $4)",
							 {"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.jsonb", NULL}};
static LsStatement retry = {"SELECT learnsync_internal.outbox_retry_as_owner($1, $2)",
							{"pg_catalog.text", "pg_catalog.text", NULL}};

/* Marks more of what was there before the outbox, if there is some, and reads what it is for. */
static void
open_outbox(LsOutbox *outbox)
{
	Datum values[] = {ls_text_to_datum(outbox->name)};
	bool isnull;
	Datum types;

	ls_store_run(&fill, values, NULL);
	if (ls_store_run(&read_outbox, values, NULL) == 0)
		elog(ERROR, "an outbox is gone");
	types = ls_store_value(0, 1, &isnull);
	outbox->selection = (LsSelection){.by_type = !isnull};
	if (!isnull)
		outbox->selection.type_array = datumCopy(types, false, -1);
	outbox->since = ls_store_time(0, 2);
	outbox->events = DatumGetBool(ls_store_value(0, 3, &isnull));
}

/* The learners of whom something is due, each once or more often; how many there are. */
static int
find_learners(const LsOutbox *outbox, LsText **learners)
{
	Datum values[] = {ls_text_to_datum(outbox->name), Int64GetDatum(outbox->most)};
	int count = (int) ls_store_run(&find_marked, values, NULL);

	*learners = palloc(sizeof(LsText) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(*learners)[i] = ls_text(ls_text_string(ls_store_text(i, 1)));
	}
	return count;
}

static void
add_mark(LsMark *mark, uint64 row)
{
	bool isnull;

	mark->tries = Max(mark->tries, (int) ls_store_int(row, TRIES));
	if (DatumGetBool(ls_store_value(row, IS_ERASED, &isnull)))
	{
		mark->erased = ls_store_int(row, VERSION);
		mark->erased_life = ls_store_int(row, LIFE);
		return;
	}
	mark->after = mark->changed ? Min(mark->after, ls_store_int(row, AFTER)) : ls_store_int(row, AFTER);
	mark->horizon = Max(mark->horizon, ls_store_int(row, HORIZON));
	mark->life = Max(mark->life, ls_store_int(row, LIFE));
	mark->anew |= DatumGetBool(ls_store_value(row, IS_ANEW, &isnull));
	mark->changed = true;
}

/* Locks all marks of a learner; false where one is locked by somebody else, taken or not due. */
static bool
take_marks(const LsOutbox *outbox, LsText learner, LsMark *mark)
{
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(outbox->name)};
	uint64 count = ls_store_run(&lock_marks, values, NULL);
	bool isnull;

	*mark = (LsMark){.life = 0};
	for (uint64 i = 0; i < count; i++)
	{
		if (DatumGetBool(ls_store_value(i, IS_TAKEN, &isnull)))
			return false;
		add_mark(mark, i);
	}
	ls_store_run(&count_marks, values, NULL);
	return count > 0 && ls_store_int(0, 1) == (int64) count;
}

/* Leases all that is marked of a learner, up to a version. */
static void
lease(const LsOutbox *outbox, LsText learner, int64 version, int64 horizon)
{
	Datum values[] = {ls_text_to_datum(learner),      ls_text_to_datum(outbox->name), UUIDPGetDatum(&outbox->lease),
					  Int64GetDatum(outbox->seconds), Int64GetDatum(version),         Int64GetDatum(horizon)};

	ls_store_run(&lease_marks, values, NULL);
}

/* Does away with marks of changes that nobody wants. */
static void
drop(const LsOutbox *outbox, LsText learner, int64 version)
{
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(outbox->name), Int64GetDatum(version)};

	ls_store_run(&drop_marks, values, NULL);
}

static int
read_number(FunctionCallInfo fcinfo, int argument, const char *name, int most)
{
	int number = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);

	if (number < 1 || number > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be a number from 1 to %d", name, most)));
	return number;
}

/* The members that say whose change it is. */
static char *
whose(LsText learner, int64 life)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "\"learnerId\":");
	ls_json_print_text(&out, learner);
	appendStringInfoString(&out, ",\"life\":");
	ls_json_print_int(&out, life);
	appendStringInfoChar(&out, ',');
	return out.data;
}

/* Adds a change that is of no resource but of the learner as a whole. */
static void
add_notice(LsPage *page, LsText learner, int64 life, const char *operation, int64 version)
{
	if (page->nchanges > 0)
		appendStringInfoChar(page->text, ',');
	appendStringInfo(page->text, "{%s\"operation\":\"%s\",\"version\":", whose(learner, life), operation);
	ls_json_print_int(page->text, version);
	appendStringInfoChar(page->text, '}');
	page->nchanges++;
	page->counted++;
}

/*
 * Adds what changed of a learner to the page; the version up to which that is all. Below the horizon deletes are
 * forgotten: whoever has some of it, in this run or before, can only start anew.
 */
static int64
add_changes(LsPull *pull, const LsMark *mark)
{
	int64 horizon = pull->start.tombstone_version;

	pull->after = Max(mark->after, LS_FIRST_VERSION);
	if (mark->anew || (pull->after > LS_FIRST_VERSION && Max(pull->after, mark->horizon) < horizon))
	{
		add_notice(&pull->page, pull->learner, mark->life, "reset", Max(horizon, LS_FIRST_VERSION));
		pull->after = LS_FIRST_VERSION;
	}
	pull->whose = whose(pull->learner, mark->life);
	pull->page.last = pull->events_seen = pull->after;
	if (pull->after < pull->start.version)
		ls_page_fill(pull);
	return pull->page.full ? pull->page.last : Max(pull->start.version, pull->after);
}

/* Takes at most so much of one learner. What nobody wants of it is done with at once. */
static void
take_changes(const LsOutbox *outbox, LsPage *page, LsText learner, const LsMark *mark, int64 limit)
{
	LsPull pull = {.learner = learner,
				   .by_version = true,
				   .from = -1,
				   .limit = limit,
				   .selection = outbox->selection,
				   .with_events = outbox->events,
				   .since = outbox->since};
	int64 before = page->nchanges;
	int64 version = LS_FIRST_VERSION;

	ls_store_read_pull_start(learner, ls_text(""), &pull.start);
	if (mark->erased > 0)
		add_notice(page, learner, mark->erased_life, "forget", mark->erased);
	pull.page = *page;
	if (mark->changed)
		version = add_changes(&pull, mark);
	*page = pull.page;
	if (page->nchanges > before)
		lease(outbox, learner, version, pull.start.tombstone_version);
	else
		drop(outbox, learner, version);
}

/*
 * Takes what is due of one learner, unless somebody else has it. What was taken in vain is taken with half as much each
 * time: so what no taker survives, or manages in time, is alone at last, and all others pass.
 */
static void
take_learner(const LsOutbox *outbox, LsPage *page, LsText learner, int64 *limit)
{
	LsMark mark;
	int64 share;

	if (!take_marks(outbox, learner, &mark))
		return;
	share = Max(outbox->most >> Min(mark.tries, MAX_HALVINGS), 1);
	if (page->nchanges > 0 && page->counted >= share)
	{
		page->full = true;
		return;
	}
	*limit = Min(*limit, share);
	take_changes(outbox, page, learner, &mark, *limit);
}

/* Fills the page; whether there may be more. */
static bool
take(const LsOutbox *outbox, LsPage *page)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion = AllocSetContextCreate(caller, "learnsync learner", ALLOCSET_DEFAULT_SIZES);
	LsText *learners;
	int64 limit = outbox->most;
	int count = find_learners(outbox, &learners);

	for (int i = 0; i < count && !page->full && page->counted < limit; i++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(portion);
		take_learner(outbox, page, learners[i], &limit);
		MemoryContextReset(portion);
		ls_store_forget_rows();
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(portion);
	return page->full || count == outbox->most || page->counted >= limit;
}

static void
print_frame(const LsOutbox *outbox, const LsPage *page, bool more)
{
	appendStringInfoString(page->text, "],\"lease\":");
	if (page->nchanges > 0)
		ls_json_print_text(page->text, ls_digest_uuid_text(&outbox->lease));
	else
		appendStringInfoString(page->text, "null");
	appendStringInfo(page->text, ",\"hasMore\":%s", more ? "true" : "false");
}

PG_FUNCTION_INFO_V1(learnsync_outbox_take);

/* learnsync.outbox_take(name, limit, lease) */
Datum
learnsync_outbox_take(PG_FUNCTION_ARGS)
{
	LsOutbox outbox = {.name = PG_ARGISNULL(0) ? ls_text("") : ls_text_datum(PG_GETARG_DATUM(0)),
					   .lease = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0)),
					   .most = read_number(fcinfo, 1, "limit", learnsync_max_pull_limit),
					   .seconds = read_number(fcinfo, 2, "lease", MAX_LEASE_SECONDS)};
	LsPage page;
	LsStoreCall call;
	bool more;

	ls_page_open(&page, CurrentMemoryContext);
	ls_store_open(&call);
	open_outbox(&outbox);
	more = take(&outbox, &page);
	ls_store_close(&call);
	print_frame(&outbox, &page, more);
	return ls_page_close(&page);
}

/* Answers a call with the number that a statement answers. */
static Datum
answer_number(FunctionCallInfo fcinfo, LsStatement *statement)
{
	Datum values[LS_MAX_ARGUMENTS];
	char nulls[LS_MAX_ARGUMENTS];
	LsStoreCall call;
	int64 number;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	ls_store_open(&call);
	ls_store_run(statement, values, nulls);
	number = ls_store_int(0, 1);
	ls_store_close(&call);
	PG_RETURN_INT64(number);
}

PG_FUNCTION_INFO_V1(learnsync_outbox_done);
PG_FUNCTION_INFO_V1(learnsync_outbox_failed);
PG_FUNCTION_INFO_V1(learnsync_outbox_retry);
PG_FUNCTION_INFO_V1(learnsync_outboxes);
PG_FUNCTION_INFO_V1(learnsync_outbox_dead);

Datum
learnsync_outbox_done(PG_FUNCTION_ARGS)
{
	return answer_number(fcinfo, &done);
}

Datum
learnsync_outbox_failed(PG_FUNCTION_ARGS)
{
	return answer_number(fcinfo, &failed);
}

Datum
learnsync_outbox_retry(PG_FUNCTION_ARGS)
{
	return answer_number(fcinfo, &retry);
}

Datum
learnsync_outboxes(PG_FUNCTION_ARGS)
{
	Datum any = (Datum) 0;

	ls_store_answer_rows(fcinfo, &read_outboxes, &any, "n");
	return (Datum) 0;
}

Datum
learnsync_outbox_dead(PG_FUNCTION_ARGS)
{
	Datum name = PG_GETARG_DATUM(0);

	ls_store_answer_rows(fcinfo, &read_dead, &name, PG_ARGISNULL(0) ? "n" : NULL);
	return (Datum) 0;
}
