/*
 * pull.c
 *		sync_pull: what changed after a cursor, a page at a time: what a client asks for, where its page starts, and how
 *		it goes on.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "pull/pull.h"

#define DEFAULT_LIMIT 500 /* for clients that store cursors; the pages of others end by bytes alone */

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
	pull->counts = ls_request_bool(&request, "count");
	limit = read_limit(&request);
	pull->limit = limit > 0 ? limit : pull->cursor.given ? DEFAULT_LIMIT : PG_INT64_MAX;
	ls_selection_read(&pull->selection, &request);
}

/*
 * For a client that counts versions. Below the horizon of tombstones it must start anew, however it came there: what it
 * holds may contain what was deleted and forgotten since, and a cursor of 1 says nothing of what it holds. As it cannot
 * say later that it has started anew, the page of a reset reaches the horizon at least.
 */
static void
start_by_version(LsPull *pull)
{
	const LsPullStart *start = &pull->start;
	bool is_foreign = pull->epoch.data != NULL && !ls_text_equal(pull->epoch, start->epoch);
	bool is_ahead = pull->after > start->version;

	if (is_ahead && !is_foreign && RecoveryInProgress())
	{
		/* A run that a newer server began must not seem to be over: it begins again, or its lists would lack members. */
		if (pull->from >= 0)
			pull->after = Min(pull->after, pull->from);
		pull->idle = true;
		return;
	}
	pull->reset = is_foreign || is_ahead || pull->after < start->tombstone_version;
	if (pull->reset)
	{
		pull->after = LS_FIRST_VERSION;
		pull->uncut = start->tombstone_version;
	}
	/* Nobody holds more than he has seen, nor anything from before a reset that must have been since. */
	if (pull->from > pull->after || (pull->from >= 0 && pull->from < start->tombstone_version))
		pull->from = LS_FIRST_VERSION;
	/* A server that lags behind cannot know whether an earlier page came from one that does not. */
	pull->deltas = pull->from >= 0 && !pull->selection.scoped && !RecoveryInProgress();
}

/*
 * Whether what the client holds is to be dropped: it is of another history, which only a primary can know, or of another
 * selection, or it may contain what was deleted and forgotten since its run began.
 */
static bool
must_drop(const LsPull *pull, uint64 life, uint64 selection)
{
	const LsCursor *cursor = &pull->cursor;

	if (!cursor->given)
		return false;
	if (cursor->life != life || ls_cursor_is_ahead(cursor, pull->start.version))
	{
		if (!RecoveryInProgress())
			return true;
		if (cursor->life != life)
			return false;
	}
	return cursor->selection != selection || pull->start.tombstone_version > Max(cursor->position, cursor->horizon);
}

/* A run that begins here. */
static LsCursor
begin_run(const LsPull *pull, int64 position)
{
	return (LsCursor){.given = true,
					  .position = position,
					  .newest = pull->start.version,
					  .from = position,
					  .horizon = pull->start.tombstone_version};
}

/*
 * For a client that stores cursors. A run may touch servers that lag behind others: it is over only on one that is as
 * new as any that has brought a page of it, as a resource that had moved on there was in none of the later pages.
 */
static void
start_by_cursor(LsPull *pull)
{
	const LsPullStart *start = &pull->start;
	LsCursor *cursor = &pull->cursor;
	uint64 life = ls_cursor_life(pull->learner, start->epoch);
	uint64 selection = ls_selection_digest(&pull->selection);
	bool is_ahead = ls_cursor_is_ahead(cursor, start->version);
	bool is_other = cursor->given && cursor->life != life;

	pull->after = cursor->position;
	pull->reset = must_drop(pull, life, selection);
	pull->behind = !pull->reset && (is_other || is_ahead);
	pull->idle = pull->behind && (is_other || cursor->position >= start->version);
	if (pull->idle)
		return;
	pull->begins = pull->reset || cursor->newest == 0;
	if (pull->begins)
		*cursor = begin_run(pull, pull->reset ? LS_FIRST_VERSION : cursor->position);
	cursor->newest = Max(cursor->newest, start->version);
	cursor->life = life;
	cursor->selection = selection;
	pull->after = cursor->position;
	pull->from = cursor->from;
	pull->deltas = !pull->selection.scoped;
}

/* Reads what the client asks for and what is there, and finds where the page starts. */
static void
begin_pull(LsPull *pull, const LsCall *call)
{
	read_pull(pull, call);
	ls_store_read_pull_start(pull->learner, pull->device, &pull->start);
	ls_device_check(pull->learner, &pull->start.device);
	if (pull->by_version)
		start_by_version(pull);
	else
		start_by_cursor(pull);
	pull->counts &= pull->by_version || pull->begins;
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

/* What an answer has behind its changes. */
static void
print_frame(const LsPull *pull, StringInfo out)
{
	appendStringInfoString(out, "],\"syncVersion\":");
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
	if (pull->page.listed != NIL)
		appendStringInfo(out, ",\"lists\":{%.*s}", pull->page.lists->len, pull->page.lists->data);
	if (pull->counts)
	{
		appendStringInfoString(out, ",\"count\":");
		ls_json_print_int(out, pull->page.all);
	}
}

static Datum
pull_work(LsCall *call)
{
	LsPull pull = {.learner = call->learner, .since = LS_NO_TIME};

	begin_pull(&pull, call);
	ls_page_open(&pull.page, call->outside);
	if (!pull.idle && pull.after < pull.start.version)
		ls_page_fill(&pull);
	move_cursor(&pull);
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
