/*
 * pull.c
 *		sync_pull: what changed after a cursor, a page at a time, in version order.
 *
 * The change log answers where its rows form an unbroken chain from the cursor on, and little has changed; else one
 * pass over the learner's resources does. Both see one snapshot, so a page never skips what another transaction is about
 * to commit: that will get greater versions, under the learner's lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pull/pull.h"
#include "utils/memutils.h"

#define DEFAULT_LIMIT 500 /* for clients that store cursors; the pages of others end by bytes alone */
#define ROWS_PER_LOOKUP 16 /* resources that are read one after the other in the time in which one is looked up */
#define LOG_ROWS_PER_CHANGE 20 /* how many outdated log entries a page may read before the resources are cheaper */
#define ROWS_AT_A_TIME 100

/* How many changes a page may have; 0 where the client does not say. */
static int64
read_limit(const JsonbValue *request)
{
	JsonbValue limit;
	int64 wanted;

	if (!ls_json_get(request, "limit", &limit) || limit.type == jbvNull)
		return 0;
	if (!ls_json_integer(&limit, &wanted) || wanted < 1)
		ls_request_refuse("limit", "must be a positive integer");
	return Min(wanted, (int64) learnsync_max_pull_limit);
}

/* A client that says a version counts versions, unless it sends a cursor; who says neither holds nothing in either way. */
static void
read_pull(LsPull *pull, const LsCall *call)
{
	JsonbValue request;
	int64 version;
	int64 limit;

	ls_request_open(call->request, &request);
	pull->device = ls_call_device(call);
	pull->cursor = ls_cursor_read(&request);
	version = ls_request_cursor(&request, "lastSyncVersion");
	pull->from = ls_request_cursor(&request, "from");
	pull->epoch = ls_request_text(&request, "epoch", false);
	pull->by_version = !pull->cursor.given && (version >= 0 || pull->from >= 0 || pull->epoch.data != NULL);
	pull->after = Max(version, LS_FIRST_VERSION);
	pull->wants_count = ls_request_bool(&request, "count");
	limit = read_limit(&request);
	pull->limit = limit > 0 ? limit : pull->cursor.given ? DEFAULT_LIMIT : PG_INT64_MAX;
	ls_select_read(&pull->selection, &request);
}

/* Whether the log is the shorter way to the page: each of its changes is looked up, while all resources are read in a row. */
static bool
prefers_log(const LsPull *pull, int64 lookups)
{
	return lookups * ROWS_PER_LOOKUP < pull->start.version;
}

/* How many more changes can be wanted: one more than fit tells that there are more. */
static int64
most_wanted(const LsPull *pull)
{
	if (pull->uncut > LS_FIRST_VERSION || pull->selection.scoped || pull->limit == PG_INT64_MAX)
		return PG_INT64_MAX;
	return pull->limit - pull->page.counted + 1;
}

/* How far the rows that were read form a chain. */
typedef struct Chain
{
	bool whole; /* there was no gap, and not too much that is out of date */
	int64 end; /* of the newest row of the log */
	int64 seen; /* no change up to here was missed */
	int64 spare; /* rows that may still be read */
} Chain;

/*
 * Whether a change belongs into the page. What is outside the scope may have been in it, and is told to have left, unless
 * it was made since, or the client holds nothing yet. Was it deleted in between, or are its lists whole again because a
 * person replaced them, it only seems to be made since.
 */
static bool
is_wanted(const LsPull *pull, LsPulled *change)
{
	const LsType *type;

	if (!change->current || change->version <= pull->after)
		return false;
	if (ls_select_has(&pull->selection, change))
		return true;
	if (pull->by_version || pull->after == LS_FIRST_VERSION)
		return false;
	type = ls_store_type(change->type);
	change->left =
		change->created_version <= pull->after || change->was_deleted || (type != NULL && type->rule->has_lists);
	return change->left;
}

/* Brings the wanted ones among rows to the array's beginning; how many they are. */
static int
select_changes(const LsPull *pull, LsPulled *rows, int count, Chain *chain)
{
	int selected = 0;

	for (int i = 0; i < count && chain->whole; i++)
	{
		chain->whole = rows[i].prev_version <= chain->end && chain->spare-- > 0;
		if (!chain->whole)
			break;
		chain->end = Max(chain->end, rows[i].log_version);
		chain->seen = Max(chain->seen, Max(rows[i].prev_version, rows[i].version));
		if (is_wanted(pull, &rows[i]))
			rows[selected++] = rows[i];
	}
	return selected;
}

/*
 * Fills the page with changes after a version, from one of the two sources; how the chain of the log went. The rows are
 * read a few at a time, and forgotten once they are printed.
 */
static Chain
read_changes(LsPull *pull, int64 after, bool use_log, int64 spare)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion = AllocSetContextCreate(caller, "learnsync portion", ALLOCSET_DEFAULT_SIZES);
	Chain chain = {true, after, after, spare};
	LsPullSource *source = ls_store_open_pull(pull, after, use_log, most_wanted(pull));
	LsPulled *rows;
	int count;

	MemoryContextSwitchTo(portion);
	while (chain.whole && !pull->page.full &&
		   (count = ls_store_fetch_pulled(source, (int) Min(most_wanted(pull), ROWS_AT_A_TIME), &rows)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		ls_page_add(pull, rows, select_changes(pull, rows, count, &chain));
		MemoryContextReset(portion);
	}
	MemoryContextSwitchTo(caller);
	ls_store_close_pull(source);
	MemoryContextDelete(portion);
	return chain;
}

static void
fill_page(LsPull *pull)
{
	const LsPullStart *start = &pull->start;
	int64 lookups = Min(pull->limit, start->log_version - pull->after);
	Chain chain = {false, pull->after, pull->after, 0};

	if (pull->uncut <= LS_FIRST_VERSION && prefers_log(pull, lookups))
		chain = read_changes(pull, pull->after, true, lookups * LOG_ROWS_PER_CHANGE);
	if (!pull->page.full && (!chain.whole || chain.end < start->log_version))
		(void) read_changes(pull, chain.seen, false, PG_INT64_MAX);
}

/* How many changes the run will bring. */
static int64
count_changes(const LsPull *pull)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion;
	LsPullSource *source;
	LsPulled *rows;
	int64 selected = 0;
	int count;

	if (!pull->selection.scoped)
		return ls_store_count_changes(pull, pull->after);
	portion = AllocSetContextCreate(caller, "learnsync portion", ALLOCSET_DEFAULT_SIZES);
	source = ls_store_open_pull(pull, pull->after, false, PG_INT64_MAX);
	MemoryContextSwitchTo(portion);
	while ((count = ls_store_fetch_pulled(source, ROWS_AT_A_TIME, &rows)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
			selected += is_wanted(pull, &rows[i]);
		MemoryContextReset(portion);
	}
	MemoryContextSwitchTo(caller);
	ls_store_close_pull(source);
	MemoryContextDelete(portion);
	return selected;
}

/* What the client is to store: where the page ended and, unless the run is over, the run. */
static void
move_cursor(LsPull *pull)
{
	LsCursor *cursor = &pull->cursor;

	if (pull->idle)
		return;
	cursor->position = pull->page.full ? pull->page.last : Max(cursor->position, pull->start.version);
	if (!pull->page.full && !pull->behind)
		*cursor = ls_cursor_at(cursor, cursor->position, cursor->life);
}

/* The version up to which everything was delivered with this page. */
static int64
delivered_version(const LsPull *pull)
{
	if (!pull->by_version)
		return pull->cursor.position;
	if (pull->idle)
		return pull->after;
	return pull->page.full ? Max(pull->page.last, pull->uncut) : Max(pull->start.version, pull->after);
}

static void
print_bool(StringInfo out, const char *name, bool value)
{
	appendStringInfo(out, ",\"%s\":%s", name, value ? "true" : "false");
}

/* What an answer has beside its changes. */
static void
print_frame(const LsPull *pull, StringInfo out)
{
	appendStringInfoString(out, ",\"syncVersion\":");
	ls_json_print_int(out, delivered_version(pull));
	appendStringInfoString(out, ",\"epoch\":");
	ls_json_print_text(out, pull->start.epoch);
	if (!pull->by_version)
	{
		appendStringInfoString(out, ",\"cursor\":");
		ls_json_print_text(out, ls_cursor_print(&pull->cursor));
	}
	print_bool(out, "hasMore", pull->page.full);
	print_bool(out, "reset", pull->reset);
	if (pull->behind && !pull->page.full)
		print_bool(out, "behind", true);
	if (pull->wants_count && (pull->by_version || pull->begins))
	{
		appendStringInfoString(out, ",\"count\":");
		ls_json_print_int(out, count_changes(pull));
	}
}

static Datum
pull_work(LsCall *call)
{
	LsPull pull = {.learner = call->learner};

	read_pull(&pull, call);
	ls_store_read_pull_start(pull.learner, pull.device, &pull.start);
	ls_device_check(pull.learner, &pull.start.device);
	ls_pull_start(&pull);
	ls_page_open(&pull.page, call->outside);
	if (!pull.idle && pull.after < pull.start.version)
		fill_page(&pull);
	move_cursor(&pull);
	ls_page_end_changes(&pull.page);
	print_frame(&pull, pull.page.text);
	return ls_page_close(&pull.page);
}

static const LsService service = {.work = pull_work,
								  .members = LS_MEMBERS("deviceId", "cursor", "resourceTypes", "scope", "limit",
														"count", "lastSyncVersion", "from", "epoch"),
								  .prints = true,
								  .by_device = true};

PG_FUNCTION_INFO_V1(learnsync_sync_pull);
PG_FUNCTION_INFO_V1(learnsync_api_sync_pull);

Datum
learnsync_sync_pull(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &service);
}

Datum
learnsync_api_sync_pull(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &service);
}
