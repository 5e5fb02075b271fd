/*
 * pull_page.c
 *		The page of a pull: changes printed one by one into its text, until the next one has no room.
 */
#include "postgres.h"

#include "pull/pull.h"

#define MAX_MEMBERS 10000 /* of lists in one page, unless its first change alone has more */
#define MAX_UNCUT_BYTES (64 * 1024 * 1024)
#define FRAME_BYTES 400 /* what an answer has beside its changes, at most */

/* A change on its way into the page. */
typedef struct Shown
{
	const LsType *type; /* NULL where it was dropped */
	bool has_lists;
	bool is_delta;
	LsState state; /* where the document has lists, which are stored elsewhere */
} Shown;

void
ls_page_open(LsPage *page, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);

	*page = (LsPage){.text = makeStringInfo()};
	appendStringInfoSpaces(page->text, VARHDRSZ); /* so that the finished text is a datum */
	appendStringInfoString(page->text, "{\"changes\":[");
	MemoryContextSwitchTo(caller);
}

void
ls_page_end_changes(LsPage *page)
{
	appendStringInfoChar(page->text, ']');
}

/* The finished answer, a json. */
Datum
ls_page_close(LsPage *page)
{
	appendStringInfoChar(page->text, '}');
	SET_VARSIZE(page->text->data, page->text->len);
	return PointerGetDatum(page->text->data);
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
	Shown shown = {.type = ls_store_type(change->type)};
	const LsRule *rule;

	if (change->data == NULL || change->left || shown.type == NULL || !shown.type->rule->has_lists)
		return shown;
	rule = shown.type->rule;
	shown.has_lists = true;
	shown.is_delta = is_delta(pull, change);
	shown.state = (LsState){.exists = true, .at = change->at, .deleted_at = LS_NO_TIME};
	ls_state_load(rule, &shown.state, change->data, change->book);
	return shown;
}

/* Completes the lists of changes; answers how many changes there is room for, and at least the first of a page. */
static int
complete_lists(const LsPull *pull, const LsPulled *changes, Shown *shown, int count, LsListRoom room)
{
	LsListed *listed = palloc0(sizeof(LsListed) * Max(count, 1));

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

static void
print_change(const LsPull *pull, const LsPulled *change, const Shown *shown)
{
	StringInfo out = pull->page.text;
	bool is_new = change->created_version > known_version(pull);
	bool is_gone = change->data == NULL || change->left;
	const char *operation = is_gone ? "delete" : is_new ? "create" : "update";

	if (pull->page.nchanges > 0)
		appendStringInfoChar(out, ',');
	appendStringInfoString(out, "{\"resourceType\":");
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

	print_change(pull, change, shown);
	if (page->nchanges > 0 && page->text->len - page->start + FRAME_BYTES > learnsync_max_answer_bytes)
	{
		page->text->len = before;
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
		page->full = !add_change(pull, &changes[i], &shown[i]);
	page->full |= fitting < count;
}

/* Adds changes, which come in version order, until the page is full. */
void
ls_page_add(LsPull *pull, const LsPulled *changes, int count)
{
	Shown *shown = palloc(sizeof(Shown) * Max(count, 1));
	int uncut = 0;

	for (int i = 0; i < count; i++)
	{
		shown[i] = show(pull, &changes[i]);
		uncut += changes[i].version <= pull->uncut;
	}
	if (uncut > 0)
		add_uncut(pull, changes, shown, uncut);
	if (uncut < count)
		add_counted(pull, changes + uncut, shown + uncut, count - uncut);
}
