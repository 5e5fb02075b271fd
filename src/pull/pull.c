/*
 * pull.c
 *		sync_pull: what changed after a cursor, a page at a time, in version order.
 *
 * The change log answers where its rows form an unbroken chain from the cursor on, and little has changed; else one
 * pass over the learner's resources does. Both see one snapshot, so a page never skips what another transaction is about
 * to commit: that will get greater versions, under the learner's lock.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "sync.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define DEFAULT_LIMIT 500
#define ROWS_PER_LOOKUP 16 /* resources that are read one after the other in the time in which one is looked up */
#define LOG_ROWS_PER_CHANGE 20 /* how many outdated log entries a page may read before the resources are cheaper */

static bool
is_text_array(const JsonbValue *value)
{
	if (!ls_json_is_array(value))
		return false;
	for (int i = 0; i < ls_json_count(value); i++)
	{
		if (getIthJsonbValueFromContainer(value->val.binary.data, i)->type != jbvString)
			return false;
	}
	return true;
}

static void
read_selection(LsPull *pull, const JsonbValue *request)
{
	JsonbIterator *walk;
	JsonbIteratorToken token;
	JsonbValue value;

	if (!ls_json_get(request, "resourceTypes", &pull->types))
		pull->types = ls_json_null();
	if (pull->types.type != jbvNull && !is_text_array(&pull->types))
		ls_request_refuse("resourceTypes", "must be an array of strings");
	if (!ls_json_get(request, "scope", &pull->scope))
		pull->scope = ls_json_null();
	if (pull->scope.type == jbvNull)
		return;
	if (!ls_json_is_object(&pull->scope))
		ls_request_refuse("scope", "must be an object");
	walk = JsonbIteratorInit(pull->scope.val.binary.data);
	while ((token = JsonbIteratorNext(&walk, &value, true)) != WJB_DONE)
	{
		if (token == WJB_VALUE && !ls_json_is_array(&value))
			ls_request_refuse("scope", "must give an array of values for each field");
	}
}

static void
read_pull(LsPull *pull, Jsonb *json)
{
	JsonbValue request;
	JsonbValue limit;
	int64 wanted = DEFAULT_LIMIT;

	ls_request_open(json, &request);
	pull->device = ls_request_text(&request, "deviceId", true);
	pull->cursor = Max(ls_request_cursor(&request, "lastSyncVersion"), LS_FIRST_VERSION);
	pull->from = ls_request_cursor(&request, "from");
	if (pull->from == 0)
		pull->from = LS_FIRST_VERSION;
	pull->epoch = ls_request_text(&request, "epoch", false);
	if (ls_json_get(&request, "limit", &limit) && limit.type != jbvNull &&
		(!ls_json_integer(&limit, &wanted) || wanted < 1))
		ls_request_refuse("limit", "must be a positive integer");
	pull->limit = (int) Min(wanted, (int64) learnsync_max_pull_limit);
	pull->room = 16;
	pull->changes = palloc(sizeof(LsPulled) * pull->room);
	read_selection(pull, &request);
}

static bool
contains(const JsonbValue *list, const JsonbValue *wanted)
{
	for (int i = 0; i < ls_json_count(list); i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(list->val.binary.data, i);

		if (ls_json_compare(value, wanted) == 0)
			return true;
	}
	return false;
}

/* Whether a document has, for each field of the scope, one of the listed values. */
static bool
in_scope(const JsonbValue *scope, Jsonb *data)
{
	JsonbIterator *walk = JsonbIteratorInit(scope->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue document;
	JsonbValue value;
	JsonbValue field;
	LsText name = {NULL, 0};

	ls_json_root(data, &document);
	while ((token = JsonbIteratorNext(&walk, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = ls_text_of(&value);
		else if (token == WJB_VALUE && (!ls_json_get_text(&document, name, &field) || !contains(&value, &field)))
			return false;
	}
	return true;
}

/* Whether the client wants this change. A deletion has no document to judge by, so it goes to every scope. */
static bool
is_selected(const LsPull *pull, const LsPulled *change)
{
	JsonbValue type = ls_json_text(change->type);

	if (pull->types.type != jbvNull && !contains(&pull->types, &type))
		return false;
	return pull->scope.type == jbvNull || change->data == NULL || in_scope(&pull->scope, change->data);
}

static void
add_change(LsPull *pull, const LsPulled *change)
{
	if (pull->nchanges == pull->room)
	{
		pull->room *= 2;
		pull->changes = repalloc_huge(pull->changes, sizeof(LsPulled) * pull->room);
	}
	pull->changes[pull->nchanges++] = *change;
}

/* A reset page carries everything up to the horizon at once: below it, the next page would be a reset again. */
static bool
is_full(const LsPull *pull, const LsPulled *change)
{
	if (pull->reset && change->version <= pull->start.tombstone_version)
		return false;
	return pull->nchanges >= pull->limit;
}

/* How many changes from the cursor on can be wanted: one more than fit tells that there are more. */
static int64
most_wanted(const LsPull *pull)
{
	if (pull->reset || pull->types.type != jbvNull || pull->scope.type != jbvNull)
		return PG_INT64_MAX;
	return pull->limit + 1;
}

/*
 * Whether the log is the shorter way to the page: each of its changes is looked up, while all resources, of which there
 * are no more than versions, are read in a row.
 */
static bool
prefers_log(const LsPull *pull)
{
	int64 lookups = Min((int64) pull->limit, pull->start.log_version - pull->cursor);

	return lookups * ROWS_PER_LOOKUP < pull->start.version;
}

/* Fills the page from one of the two sources; false where the log cannot answer. */
static bool
fill_page(LsPull *pull, bool use_log)
{
	LsPullCursor *cursor = ls_store_open_pull(pull->learner, pull->cursor, use_log, most_wanted(pull));
	int64 chained = pull->cursor;
	int64 spare = (int64) pull->limit * LOG_ROWS_PER_CHANGE;
	bool whole = true;
	LsPulled change;

	pull->nchanges = 0;
	while (!pull->has_more && whole && ls_store_next_pulled(cursor, &change))
	{
		CHECK_FOR_INTERRUPTS();
		if (use_log)
		{
			whole = change.prev_version <= chained && spare-- > 0;
			chained = Max(chained, change.log_version);
		}
		if (!whole || !change.current || change.version <= pull->cursor || !is_selected(pull, &change))
			continue;
		if (is_full(pull, &change))
			pull->has_more = true;
		else
			add_change(pull, &change);
	}
	ls_store_close_pull(cursor);
	return whole && (pull->has_more || !use_log || chained >= pull->start.log_version);
}

/*
 * Whether the client must start anew: what it holds may contain what was deleted and forgotten since. A run that began
 * with nothing holds no such thing, and after the first page of a reset the cursor is past the horizon.
 */
static bool
must_reset(const LsPull *pull)
{
	if (pull->epoch.data != NULL && !ls_text_equal(pull->epoch, pull->start.epoch))
		return true;
	if (pull->cursor > pull->start.version)
		return !RecoveryInProgress();
	return pull->cursor > LS_FIRST_VERSION && pull->from != LS_FIRST_VERSION &&
		   pull->cursor < pull->start.tombstone_version;
}

static void
do_pull(LsPull *pull)
{
	ls_store_read_pull_start(pull->learner, pull->device, &pull->start);
	ls_device_check(&pull->start.device);
	pull->reset = must_reset(pull);
	if (pull->reset)
		pull->cursor = LS_FIRST_VERSION;
	if (pull->from > pull->cursor)
		pull->from = LS_FIRST_VERSION; /* nobody holds more than he has seen */
	if (pull->cursor < pull->start.version && (!prefers_log(pull) || !fill_page(pull, true)))
	{
		pull->has_more = false;
		(void) fill_page(pull, false);
	}
}

static Jsonb *
pull_work(LsCall *call)
{
	LsPull pull = {.learner = call->learner};

	read_pull(&pull, call->request);
	do_pull(&pull);
	return ls_pull_answer(&pull);
}

PG_FUNCTION_INFO_V1(learnsync_sync_pull);
PG_FUNCTION_INFO_V1(learnsync_api_sync_pull);

Datum
learnsync_sync_pull(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, pull_work);
}

Datum
learnsync_api_sync_pull(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, pull_work);
}
