/*
 * page.c
 *		A page of changes, in version order: which of them it shows, how, and where it ends.
 *
 * The change log answers where its rows form an unbroken chain from the cursor on, and little has changed; else one
 * pass over the learner's resources does. Both see one snapshot, so a page never skips what another transaction is about
 * to commit: that will get greater versions, under the learner's lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pull/pull.h"
#include "utils/memutils.h"

#define MAX_MEMBERS 10000 /* of lists in one page, unless its first change alone has more */
#define MAX_UNCUT_BYTES (64 * 1024 * 1024)
#define FRAME_BYTES 400 /* what an answer has beside its changes, at most */
#define ROWS_PER_LOOKUP 16 /* resources that are read one after the other in the time in which one is looked up */
#define LOG_ROWS_PER_CHANGE 20 /* how many outdated log entries a page may read before the resources are cheaper */
#define ROWS_AT_A_TIME 100

/* A change on its way into the page. */
typedef struct Shown
{
	const LsType *type; /* NULL where it was dropped */
	bool has_lists;
	bool is_delta;
	LsState state; /* where the document has lists, which are stored elsewhere */
} Shown;

/* Begins an answer in a context that outlives the call. */
void
ls_page_open(LsPage *page, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);

	*page = (LsPage){.text = ls_json_print_open(context), .lists = makeStringInfo()};
	ls_json_print_plain(page->text, "{\"changes\":[");
	MemoryContextSwitchTo(caller);
}

/* The finished answer, a json. */
Datum
ls_page_close(LsPage *page)
{
	appendStringInfoChar(page->text, '}');
	return ls_json_print_close(page->text);
}

/* What the device is known to hold: changes made later are new to it. */
static int64
known_version(const LsPull *pull)
{
	return pull->from >= 0 ? pull->from : pull->after;
}

/* Whether the device holds the older members of the resource's lists, so that the newer ones are enough. */
static bool
is_delta(const LsPull *pull, const LsPulled *change)
{
	return pull->deltas && change->created_version <= pull->from;
}

static Shown
show(const LsPull *pull, const LsPulled *change)
{
	Shown shown = {.type = ls_store_type_of(pull->learner, change->type)};
	const LsRule *rule;

	if (change->data == NULL || change->left || shown.type == NULL || !shown.type->rule->has_lists)
		return shown;
	rule = shown.type->rule;
	shown.has_lists = true;
	shown.state = (LsState){.exists = true, .at = change->at, .deleted_at = LS_NO_TIME};
	ls_state_load(rule, &shown.state, change->data, change->book);
	shown.is_delta = is_delta(pull, change) && shown.state.whole <= pull->from;
	return shown;
}

/* Completes the lists of changes; answers how many changes there is room for, and at least the first of a page. */
static int
complete_lists(const LsPull *pull, const LsPulled *changes, Shown *shown, int count, LsListRoom room)
{
	LsListed *listed = ls_memory_zeroed(count, sizeof(LsListed));

	for (int i = 0; i < count; i++)
	{
		if (shown[i].has_lists)
			listed[i] =
				(LsListed){changes[i].type, changes[i].id, shown[i].is_delta ? pull->from : 0, &shown[i].state};
	}
	room.at_least = pull->page.nchanges == 0 ? 1 : 0;
	return ls_store_complete_lists(pull->learner, listed, count, room, LS_SEES_CALLERS);
}

static void
print_data(StringInfo out, const LsPulled *change, const Shown *shown)
{
	JsonbValue data;

	if (change->data == NULL || change->left)
		data = ls_json_object();
	else if (shown->has_lists)
		data = (shown->is_delta ? ls_state_show_delta : ls_state_show)(shown->type->rule, &shown->state);
	else if (shown->type != NULL)
		data = ls_state_show_stored(shown->type->rule, change->data);
	else
		ls_json_root(change->data, &data);
	ls_json_print(out, &data);
}

/* Prints which fields of a type are lists, and what names their members: what a client joins deltas by. */
static void
print_lists(StringInfo out, const LsType *type)
{
	const char *before = "";

	ls_json_print_text(out, type->name);
	appendStringInfoString(out, ":{");
	for (int i = 0; i < type->rule->nfields; i++)
	{
		const LsRuleField *field = &type->rule->fields[i];

		if (field->shape != LS_SHAPE_LIST)
			continue;
		appendStringInfoString(out, before);
		ls_json_print_text(out, field->name);
		appendStringInfoString(out, ":{\"id\":[");
		for (int n = 0; n < field->nids; n++)
		{
			appendStringInfoString(out, n > 0 ? "," : "");
			ls_json_print_text(out, field->ids[n]);
		}
		appendStringInfoString(out, field->members_latest ? "],\"members\":\"latest\"}" : "]}");
		before = ",";
	}
	appendStringInfoChar(out, '}');
}

/* Sees to it that the page names the lists of a type, once. */
static void
name_lists(LsPage *page, const LsType *type)
{
	MemoryContext caller;
	ListCell *cell;

	foreach (cell, page->listed)
	{
		if (ls_text_equal(ls_text(lfirst(cell)), type->name))
			return;
	}
	appendStringInfoString(page->lists, page->listed == NIL ? "" : ",");
	print_lists(page->lists, type);
	caller = MemoryContextSwitchTo(GetMemoryChunkContext(page->text));
	page->listed = lcons(ls_text_string(type->name), page->listed);
	MemoryContextSwitchTo(caller);
}

static void
print_change(LsPull *pull, const LsPulled *change, const Shown *shown)
{
	StringInfo out = pull->page.text;
	bool is_new = change->created_version > known_version(pull);
	bool is_gone = change->data == NULL || change->left;
	const char *operation = is_gone ? "delete" : is_new ? "create" : "update";

	if (pull->page.nchanges > 0)
		appendStringInfoChar(out, ',');
	appendStringInfo(out, "{%s\"resourceType\":", pull->whose == NULL ? "" : pull->whose);
	ls_json_print_text(out, change->type);
	appendStringInfoString(out, ",\"resourceId\":");
	ls_json_print_text(out, change->id);
	appendStringInfo(out, ",\"operation\":\"%s\",\"version\":", operation);
	ls_json_print_int(out, change->version);
	appendStringInfoString(out, ",\"serverTimestamp\":");
	ls_json_print_text(out, ls_stamp_text(change->updated_at, 3));
	if (shown->is_delta)
		appendStringInfoString(out, ",\"delta\":true");
	if (change->left)
		appendStringInfoString(out, ",\"left\":true");
	appendStringInfoString(out, ",\"data\":");
	print_data(out, change, shown);
	appendStringInfoChar(out, '}');
	if (shown->has_lists)
		name_lists(&pull->page, shown->type);
}

/* How many members the lists of a change hold. */
static int64
count_members(const Shown *shown)
{
	int64 count = 0;

	for (int i = 0; shown->has_lists && i < shown->state.nfields; i++)
	{
		if (shown->state.fields[i].rule->shape == LS_SHAPE_LIST)
			count += shown->state.fields[i].nmembers;
	}
	return count;
}

static void
refuse_uncut(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("what was deleted is forgotten up to a version, and all up to it is too much for one answer"),
			 errdetail("It is more than %d MB.", MAX_UNCUT_BYTES / 1024 / 1024),
			 errhint("Pull with a \"cursor\" instead of a version: it is given out in pages.")));
}

/* Adds changes that must all be in this page: below the horizon of tombstones a page by itself would be another reset. */
static void
add_uncut(LsPull *pull, const LsPulled *changes, Shown *shown, int count)
{
	LsPage *page = &pull->page;
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = MAX_UNCUT_BYTES - page->text->len};

	if (complete_lists(pull, changes, shown, count, room) < count)
		refuse_uncut();
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		print_change(pull, &changes[i], &shown[i]);
		if (page->text->len > MAX_UNCUT_BYTES)
			refuse_uncut();
		page->nchanges++;
		page->last = changes[i].version;
	}
	page->start = page->text->len;
}

/* Prints a change; takes it back, and answers false, where it has no room and is not the first. */
static bool
add_change(LsPull *pull, const LsPulled *change, const Shown *shown)
{
	LsPage *page = &pull->page;
	int before = page->text->len;
	int listed = page->lists->len;

	print_change(pull, change, shown);
	if (page->nchanges > 0 &&
		page->text->len - page->start + page->lists->len + FRAME_BYTES > learnsync_max_answer_bytes)
	{
		page->text->len = before;
		if (page->lists->len > listed)
			page->listed = list_delete_first(page->listed);
		page->lists->len = listed;
		return false;
	}
	page->nchanges++;
	page->counted++;
	page->last = change->version;
	page->nmembers += count_members(shown);
	return true;
}

static void
add_counted(LsPull *pull, const LsPulled *changes, Shown *shown, int count)
{
	LsPage *page = &pull->page;
	LsListRoom room = {.members = MAX_MEMBERS - page->nmembers,
					   .bytes = learnsync_max_answer_bytes - (page->text->len - page->start)};
	int fitting = (int) Min(count, pull->limit - page->counted);

	fitting = complete_lists(pull, changes, shown, fitting, room);
	for (int i = 0; i < fitting && !page->full; i++)
	{
		CHECK_FOR_INTERRUPTS();
		page->full = !add_change(pull, &changes[i], &shown[i]);
	}
	page->full |= fitting < count;
}

/* Adds changes, which come in version order, until the page is full. */
static void
add_changes(LsPull *pull, const LsPulled *changes, int count)
{
	Shown *shown = palloc(sizeof(Shown) * Max(count, 1));
	int uncut = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		shown[i] = show(pull, &changes[i]);
		uncut += changes[i].version <= pull->uncut;
	}
	if (uncut > 0)
		add_uncut(pull, changes, shown, uncut);
	if (uncut < count)
		add_counted(pull, changes + uncut, shown + uncut, count - uncut);
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
 * Whether a change belongs into the page. A deletion has no document to judge by, so it goes to every scope. What is
 * outside the scope may have been in it, and is told to have left, unless it was made since, or the client holds nothing
 * yet. Was it deleted in between, or are its lists whole again because a person replaced them, it only seems to be made
 * since.
 */
static bool
is_wanted(const LsPull *pull, LsPulled *change)
{
	const LsType *type;

	if (!change->current || change->version <= pull->after || change->updated_at < pull->since)
		return false;
	if (change->data == NULL || ls_selection_has(&pull->selection, change->data))
		return true;
	if (pull->by_version || pull->after == LS_FIRST_VERSION)
		return false;
	type = ls_store_type_of(pull->learner, change->type);
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
		CHECK_FOR_INTERRUPTS();
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

/* Two lists in version order become one. */
static LsPulled *
merge_changes(const LsPulled *these, int nthese, const LsPulled *those, int nthose)
{
	LsPulled *merged = palloc(sizeof(LsPulled) * Max(nthese + nthose, 1));

	for (int i = 0, j = 0; i + j < nthese + nthose;)
	{
		bool is_next = j == nthose || (i < nthese && these[i].version < those[j].version);

		merged[i + j] = is_next ? these[i] : those[j];
		i += is_next;
		j += !is_next;
	}
	return merged;
}

/* Adds changes, the last that there are up to a version, and between them the events, a few at a time. */
static void
add_with_events(LsPull *pull, const LsPulled *changes, int count, int64 to)
{
	while (pull->events_seen < to && !pull->page.full)
	{
		int wanted = (int) Min(most_wanted(pull), ROWS_AT_A_TIME);
		LsPulled *events;
		int nevents = ls_store_read_logged(pull, to, wanted, &events);
		int64 end = nevents == wanted ? events[nevents - 1].version : to;
		int upto = 0;

		CHECK_FOR_INTERRUPTS();
		while (upto < count && changes[upto].version <= end)
			upto++;
		add_changes(pull, merge_changes(changes, upto, events, nevents), upto + nevents);
		changes += upto;
		count -= upto;
		pull->events_seen = end;
	}
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
		count = select_changes(pull, rows, count, &chain);
		if (pull->with_events)
			add_with_events(pull, rows, count, chain.seen);
		else
			add_changes(pull, rows, count);
		MemoryContextReset(portion);
	}
	MemoryContextSwitchTo(caller);
	ls_store_close_pull(source);
	MemoryContextDelete(portion);
	return chain;
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
		{
			CHECK_FOR_INTERRUPTS();
			selected += is_wanted(pull, &rows[i]);
		}
		MemoryContextReset(portion);
	}
	MemoryContextSwitchTo(caller);
	ls_store_close_pull(source);
	MemoryContextDelete(portion);
	return selected;
}

/* Adds what changed behind pull->after to the page, as far as there is room, and counts what the run will bring. */
void
ls_page_fill(LsPull *pull)
{
	const LsPullStart *start = &pull->start;
	int64 lookups = Min(pull->limit, start->log_version - pull->after);
	Chain chain = {false, pull->after, pull->after, 0};

	if (pull->uncut <= LS_FIRST_VERSION && prefers_log(pull, lookups))
		chain = read_changes(pull, pull->after, true, lookups * LOG_ROWS_PER_CHANGE);
	if (!pull->page.full && (!chain.whole || chain.end < start->log_version))
		(void) read_changes(pull, chain.seen, false, PG_INT64_MAX);
	if (pull->with_events)
		add_with_events(pull, NULL, 0, start->version);
	if (pull->counts)
		pull->page.all = count_changes(pull);
}
