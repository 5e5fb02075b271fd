/*
 * progress.c
 *		The reduced state of a set of events: what takes in events, in any order, each any number of times.
 *
 * Whatever is said to be last or first is so in the order of (order instant, event id). A state keeps the last reset
 * that it saw and nothing of what is ordered before it. A reset that is still to come may lie anywhere after that, so
 * the state holds what would be left then: the last event of each kind, and for what goes by maximum or by the first
 * event all candidates.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "progress/progress.h"
#include "progress/table.h"

#define FIRST_CHUNK 256
#define LAST_CHUNK (8 * 1024) /* larger ones would be blocks of their own */
#define FIRST_OWN_CHUNK 128 /* of a content */
#define LAST_OWN_CHUNK 1024
#define LAST_OWN_ARRAY 200
#define FEW_LATER 16 /* marks of a trail that one more is put before at once: events come in order, or nearly so */
#define PADDING 3 /* what a value is moved by to be aligned, at most */

void
ls_progress_begin(LsProgress *progress, MemoryContext context)
{
	*progress = (LsProgress){.context = context, .last_at = LS_NO_TIME, .chunk.size = FIRST_CHUNK / 2};
}

/* A piece of a chunk that has room for it. */
static void *
cut(LsChunk *chunk, Size bytes)
{
	char *piece = chunk->free;

	chunk->free += bytes;
	chunk->left -= bytes;
	return piece;
}

/* Memory that lives as long as the state. Small pieces share chunks, which grow with the state. */
static void *
take(LsProgress *progress, Size bytes)
{
	LsChunk *chunk = &progress->chunk;

	bytes = MAXALIGN(bytes);
	if (bytes > chunk->left)
	{
		chunk->size = Min(chunk->size * 2, LAST_CHUNK);
		chunk->left = Max(chunk->size, bytes);
		chunk->free = MemoryContextAllocHuge(progress->context, chunk->left);
	}
	return cut(chunk, bytes);
}

/* The same near what else is known of a content, which may be none. */
static void *
take_near(LsProgress *progress, LsContent *content, Size bytes)
{
	bytes = MAXALIGN(bytes);
	if (content == NULL || bytes > LAST_OWN_CHUNK)
		return take(progress, bytes);
	if (bytes > content->chunk.left)
	{
		content->chunk.left = content->chunk.size = Max(Min(content->chunk.size * 2, LAST_OWN_CHUNK), bytes);
		content->chunk.free = take(progress, content->chunk.size);
	}
	return cut(&content->chunk, bytes);
}

/* The length of an id or a time, which are bounded at the door; -1 where there is none. */
static int16
length_of(LsText text)
{
	Assert(text.length <= PG_INT16_MAX);
	if (text.data == NULL)
		return -1;
	return (int16) text.length;
}

/* Puts a text, which may be none, behind what was written so far; answers where it ends. */
static char *
append(char *to, LsText text)
{
	if (text.length > 0)
		memcpy(to, text.data, text.length);
	return to + text.length;
}

/* Takes a value over, into the memory of the one before where that is large enough. */
static void
keep(LsProgress *progress, LsContent *content, LsKept *kept, const LsPoint *point, LsText value)
{
	int bytes = value.length + point->id.length + point->time.length;

	if (bytes > kept->room)
	{
		kept->room = (int) MAXALIGN(Max(bytes, kept->room * 2));
		kept->block = take_near(progress, content, kept->room);
	}
	kept->at = point->at;
	kept->value_length = value.data == NULL ? -1 : value.length;
	kept->id_length = length_of(point->id);
	kept->time_length = length_of(point->time);
	/* The value first, for the alignment of numbers and containers. */
	(void) append(append(append(kept->block, value), point->id), point->time);
}

/* Whether a value at this point, of those an event told, is the one to keep. */
static bool
is_later(const LsKept *kept, const LsPoint *point, LsText value)
{
	LsPoint known;
	int order;

	if (!ls_kept_exists(kept))
		return true;
	if (point->at != kept->at)
		return point->at > kept->at;
	known = ls_kept_point(kept);
	order = ls_point_compare(point, &known);
	return order > 0 || (order == 0 && ls_text_compare(value, ls_kept_value(kept)) > 0);
}

/* Takes a value over unless a later event has spoken; at the same point the greater bytes stand, whoever comes first. */
static bool
keep_latest(LsProgress *progress, LsContent *content, LsKept *kept, const LsPoint *point, LsText value)
{
	if (!is_later(kept, point, value))
		return false;
	keep(progress, content, kept, point, value);
	return true;
}

/* The same of what belongs to no content. */
bool
ls_progress_keep_latest(LsProgress *progress, LsKept *kept, const LsPoint *point, LsText value)
{
	return keep_latest(progress, NULL, kept, point, value);
}

/* Whether one spelling of an instant is shown rather than another: the greater one. */
static bool
is_shown_instead(TimestampTz at, LsText time, LsText other)
{
	LsPoint one = {at, {NULL, 0}, time};
	LsPoint two = {at, {NULL, 0}, other};

	return ls_text_compare(time, other) != 0 && ls_text_compare(ls_point_text(&one), ls_point_text(&two)) > 0;
}

/* Notes that an event occurred, whatever became of it. */
void
ls_progress_touch(LsProgress *progress, TimestampTz at, LsText time)
{
	if (at < progress->last_at || (at == progress->last_at && !is_shown_instead(at, time, progress->last_time)))
		return;
	progress->last_at = at;
	progress->last_time = time;
	if (time.data != NULL)
		progress->last_time.data = memcpy(take(progress, time.length), time.data, time.length);
}

#define FIRST_CONTENTS 4
#define FIRST_INTERACTIONS 32
#define FEW_INTERACTIONS 8 /* of a content, which are found by looking at each */

/* The content of that id, made where it is not known yet. */
LsContent *
ls_progress_content(LsProgress *progress, LsText id)
{
	ContentEntry *entry;
	bool found;

	if (progress->contents == NULL)
		progress->contents = content_create(progress->context, FIRST_CONTENTS, NULL);
	entry = content_insert(progress->contents, id, &found);
	if (!found)
	{
		LsContent *content = take(progress, sizeof(LsContent) + MAXALIGN(id.length) + FIRST_OWN_CHUNK);
		char *text = (char *) (content + 1);

		entry->id = (LsText){memcpy(text, id.data, id.length), id.length};
		entry->content = content;
		*content =
			(LsContent){.id = entry->id, .chunk = {text + MAXALIGN(id.length), FIRST_OWN_CHUNK, FIRST_OWN_CHUNK}};
	}
	return entry->content;
}

/* The content of that id, NULL where it is not known. */
LsContent *
ls_progress_find(const LsProgress *progress, LsText id)
{
	ContentEntry *entry = progress->contents == NULL ? NULL : content_lookup(progress->contents, id);

	return entry == NULL ? NULL : entry->content;
}

/* The interaction of that id, NULL where it is not known. */
LsInteraction *
ls_progress_find_interaction(const LsProgress *progress, const LsContent *content, LsText id)
{
	InteractionEntry *entry;

	if (content->ninteractions <= FEW_INTERACTIONS)
	{
		LsInteraction *each = content->interactions;

		while (each != NULL && !ls_text_equal(each->id, id))
			each = each->next;
		return each;
	}
	entry = interaction_lookup(progress->interactions, (InteractionKey){content, id});
	return entry == NULL ? NULL : entry->interaction;
}

/* All contents, in no order. */
static LsContent **
all_contents(LsProgress *progress, int *count)
{
	LsContent **contents;
	content_iterator walk;
	ContentEntry *entry;

	*count = 0;
	if (progress->contents == NULL)
		return NULL;
	contents = palloc_extended(sizeof(LsContent *) * Max(progress->contents->members, 1), MCXT_ALLOC_HUGE);
	content_start_iterate(progress->contents, &walk);
	while ((entry = content_iterate(progress->contents, &walk)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		contents[(*count)++] = entry->content;
	}
	return contents;
}

/* Makes an array larger. As long as it is small it lies near the content. */
static void *
enlarge(LsProgress *progress, LsContent *content, void *array, int *room, int first, Size element)
{
	Size before = *room * element;
	Size bytes;
	void *larger;

	*room = *room == 0 ? first : *room * 2;
	bytes = *room * element;
	if (before > LAST_OWN_ARRAY)
		return repalloc_huge(array, bytes);
	larger = bytes > LAST_OWN_ARRAY ? MemoryContextAllocHuge(progress->context, bytes)
									: take_near(progress, content, bytes);
	if (before > 0)
		memcpy(larger, array, before);
	return larger;
}

static LsMark
copy_mark(LsProgress *progress, LsContent *content, const LsPoint *point)
{
	LsMark mark = {point->at, take_near(progress, content, point->id.length + point->time.length),
				   length_of(point->id), length_of(point->time)};

	(void) append(append(mark.texts, point->id), point->time);
	return mark;
}

static int
compare_marks(const void *a, const void *b)
{
	LsPoint left = ls_mark_point(a);
	LsPoint right = ls_mark_point(b);

	return ls_point_compare(&left, &right);
}

/* Sorts a trail and takes out what is in it twice. */
static void
sort_trail(LsTrail *trail)
{
	int kept = 0;

	if (!trail->unsorted)
		return;
	ls_sort(trail->marks, trail->nmarks, sizeof(LsMark), compare_marks);
	for (int i = 1; i < trail->nmarks; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (compare_marks(&trail->marks[kept], &trail->marks[i]) != 0)
			trail->marks[++kept] = trail->marks[i];
	}
	trail->nmarks = kept + 1;
	trail->unsorted = false;
}

/* Compares a score to one that is kept. */
static int
compare_score(Numeric score, int64 units, const LsScore *other)
{
	if (units != LS_NO_UNITS && other->units != LS_NO_UNITS)
		return units < other->units ? -1 : units > other->units;
	return ls_number_compare(score, (Numeric) other->kept.block);
}

static int
compare_kept_scores(const LsScore *a, const LsScore *b)
{
	return compare_score((Numeric) a->kept.block, a->units, b);
}

static int
compare_scores(const void *a, const void *b)
{
	const LsScore *one = a;
	const LsScore *other = b;
	LsPoint left = ls_kept_point(&one->kept);
	LsPoint right = ls_kept_point(&other->kept);
	int order = ls_point_compare(&left, &right);

	return order != 0 ? order : compare_kept_scores(one, other);
}

/* Sorts scores and takes out those that are not greater than all later ones. */
static void
sort_scores(LsContent *content)
{
	LsScore *scores = content->scores;
	int count = content->nscores;
	int first = count;

	if (content->nsorted == count)
		return;
	ls_sort(scores, count, sizeof(LsScore), compare_scores);
	for (int i = count - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (first == count || compare_kept_scores(&scores[i], &scores[first]) > 0)
			scores[--first] = scores[i];
	}
	content->nscores = content->nsorted = count - first;
	memmove(scores, scores + first, content->nscores * sizeof(LsScore));
	memset(scores + content->nscores, 0, first * sizeof(LsScore)); /* their memory is in use further up */
}

/*
 * Where an event belongs in a trail: by its order where that is near the end, else at the end, which leaves the trail
 * unsorted. Below 0 where it is found there already.
 */
static int
find_place(LsTrail *trail, const LsPoint *point)
{
	int place = trail->nmarks;
	int lowest = Max(place - (trail->unsorted ? 1 : FEW_LATER), 0);

	for (; place > lowest; place--)
	{
		LsPoint known = ls_mark_point(&trail->marks[place - 1]);
		int order = ls_point_compare(point, &known);

		if (order == 0)
			return -1;
		if (order > 0)
			return place;
	}
	if (place == 0)
		return 0;
	trail->unsorted = true;
	return trail->nmarks;
}

static void
add_to_trail(LsProgress *progress, LsContent *content, LsTrail *trail, const LsPoint *point)
{
	int place;

	if (trail->nmarks == trail->room)
	{
		sort_trail(trail); /* what came twice goes, so that repeating events takes no room */
		if (trail->nmarks * 2 >= trail->room)
			trail->marks = enlarge(progress, content, trail->marks, &trail->room, 4, sizeof(LsMark));
	}
	place = find_place(trail, point);
	if (place < 0)
		return;
	memmove(trail->marks + place + 1, trail->marks + place, (trail->nmarks - place) * sizeof(LsMark));
	trail->marks[place] = copy_mark(progress, content, point);
	trail->nmarks++;
}

/* An event stated this status. */
void
ls_progress_status(LsProgress *progress, LsContent *content, LsStatus status, const LsPoint *point)
{
	const LsText nothing = {NULL, 0};

	content->changed = true;
	if (status >= LS_COMPLETED)
		add_to_trail(progress, content, &content->trails[status - LS_COMPLETED], point);
	else
		keep_latest(progress, content, &content->latest[status], point, nothing);
}

static int
compare_place(const LsPoint *point, const LsKept *kept)
{
	LsPoint other = ls_kept_point(kept);

	return ls_point_compare(point, &other);
}

/* Whether an event at or after the point has stated as great a score, of those that are sorted. */
static bool
is_beaten(const LsContent *content, const LsPoint *point, Numeric score, int64 units)
{
	int low = 0;
	int high = content->nsorted;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (compare_place(point, &content->scores[middle].kept) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < content->nsorted && compare_score(score, units, &content->scores[low]) <= 0;
}

/* Makes room for one more score, where what is beaten by now takes none. */
static void
make_room_for_score(LsProgress *progress, LsContent *content)
{
	int before = content->scores_room;

	if (content->nscores < before)
		return;
	sort_scores(content);
	if (content->nscores * 2 < before)
		return;
	content->scores = enlarge(progress, content, content->scores, &content->scores_room, 1, sizeof(LsScore));
	memset(content->scores + before, 0, (content->scores_room - before) * sizeof(LsScore));
}

/*
 * An event stated this score. Only scores that are greater than all later ones can become the maximum, now or after
 * a reset. Those that come in order beat earlier ones at once; others are sorted in later, many at a time.
 */
void
ls_progress_score(LsProgress *progress, LsContent *content, const LsPoint *point, Numeric score)
{
	int64 units = ls_number_units(score);
	bool in_order;

	if (is_beaten(content, point, score, units))
		return;
	make_room_for_score(progress, content);
	in_order = content->nsorted == content->nscores &&
			   (content->nscores == 0 || compare_place(point, &content->scores[content->nscores - 1].kept) > 0);
	while (in_order && content->nscores > 0 &&
		   compare_score(score, units, &content->scores[content->nscores - 1]) >= 0)
		content->nscores--;
	content->scores[content->nscores].units = units;
	keep(progress, content, &content->scores[content->nscores++].kept, point,
		 (LsText){(char *) score, VARSIZE_ANY(score)});
	if (in_order)
		content->nsorted = content->nscores;
	content->changed = true;
}

/* An event stated this contentVersion. */
void
ls_progress_version(LsProgress *progress, LsContent *content, const LsPoint *point, LsText version)
{
	if (keep_latest(progress, content, &content->version, point, version))
		content->changed = true;
}

static void
note_interaction(LsProgress *progress, const LsContent *content, LsInteraction *interaction)
{
	bool found;

	interaction_insert(progress->interactions, (InteractionKey){content, interaction->id}, &found)->interaction =
		interaction;
}

/* From the one on that is more than a few, all of a content are in the table. */
static LsInteraction *
add_interaction(LsProgress *progress, LsContent *content, LsText id)
{
	LsInteraction *interaction = take_near(progress, content, sizeof(LsInteraction) + id.length);
	char *text = (char *) (interaction + 1);

	*interaction =
		(LsInteraction){.id = {memcpy(text, id.data, id.length), id.length}, .next = content->interactions};
	content->interactions = interaction;
	content->ninteractions++;
	if (content->ninteractions <= FEW_INTERACTIONS)
		return interaction;
	if (progress->interactions == NULL)
		progress->interactions = interaction_create(progress->context, FIRST_INTERACTIONS, NULL);
	note_interaction(progress, content, interaction);
	for (LsInteraction *each = interaction->next; content->ninteractions == FEW_INTERACTIONS + 1 && each != NULL;
		 each = each->next)
		note_interaction(progress, content, each);
	return interaction;
}

/* An event stated the state of an interaction; without data it took the interaction away. Answers the interaction. */
LsInteraction *
ls_progress_interaction(LsProgress *progress, LsContent *content, LsText id, const LsPoint *point, LsText state)
{
	LsInteraction *interaction = ls_progress_find_interaction(progress, content, id);

	if (interaction == NULL)
		interaction = add_interaction(progress, content, id);
	if (keep_latest(progress, content, &interaction->state, point, state))
		interaction->changed = true;
	return interaction;
}

/* Takes a content.progressed in. Only the times of statuses are shown. */
static void
add_content(LsProgress *progress, LsContent *content, const LsEvent *event)
{
	LsPoint bare = ls_point_bare(&event->point);

	ls_progress_status(progress, content, event->status, &event->point);
	if (event->score != NULL)
		ls_progress_score(progress, content, &bare, event->score);
	if (event->version.data != NULL)
		ls_progress_version(progress, content, &bare, event->version);
	if (event->interaction_id.data != NULL)
		ls_progress_interaction(progress, content, event->interaction_id, &bare,
								ls_progress_container(&event->state));
}

/* Takes one event in. The content is the event's where that is at hand, else NULL. */
void
ls_progress_add(LsProgress *progress, LsContent *content, const LsEvent *event)
{
	const LsText nothing = {NULL, 0};
	LsPoint bare = ls_point_bare(&event->point);

	ls_progress_touch(progress, event->point.at, event->point.time);
	if (ls_progress_is_wiped(progress, &event->point))
		return;
	switch (event->type)
	{
		case LS_EVENT_CONTENT:
			add_content(progress, content != NULL ? content : ls_progress_content(progress, event->content_id),
						event);
			break;
		case LS_EVENT_ONBOARDED:
			ls_progress_keep_latest(progress, &progress->onboarding, &event->point,
									ls_progress_container(&event->payload));
			ls_progress_keep_latest(progress, &progress->active, &bare, event->path);
			break;
		case LS_EVENT_ONBOARDING_RESET:
			ls_progress_keep_latest(progress, &progress->onboarding, &event->point, nothing);
			ls_progress_keep_latest(progress, &progress->active, &bare, nothing);
			break;
		case LS_EVENT_ACTIVE_PATH:
			ls_progress_keep_latest(progress, &progress->active, &bare, event->path);
			break;
		default:
			ls_progress_reset(progress, &event->point);
	}
}

/* A content beside how its id begins: of many that are sorted few are looked at where they lie. */
typedef struct Named
{
	uint64 head;
	LsContent *content;
} Named;

static int
compare_named(const void *a, const void *b)
{
	const Named *left = a;
	const Named *right = b;
	int by_head = (left->head > right->head) - (left->head < right->head);

	return by_head != 0 ? by_head : ls_text_compare(left->content->id, right->content->id);
}

static void
sort_contents(LsContent **contents, int count)
{
	Named *named = palloc_extended(sizeof(Named) * count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		named[i].content = contents[i];
		memcpy(&named[i].head, contents[i]->id.data, Min((Size) contents[i]->id.length, sizeof(uint64)));
		named[i].head = pg_ntoh64(named[i].head);
	}
	ls_sort(named, count, sizeof(Named), compare_named);
	for (int i = 0; i < count; i++)
		contents[i] = named[i].content;
	pfree(named);
}

/* Settles a state; answers its contents in the order of their ids. */
LsContent **
ls_progress_settle(LsProgress *progress, int *count)
{
	LsContent **contents = all_contents(progress, count);
	int kept = 0;

	for (int i = 0; i < *count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < lengthof(contents[i]->trails); j++)
			sort_trail(&contents[i]->trails[j]);
		sort_scores(contents[i]);
	}
	if (ls_point_exists(&progress->reset))
		ls_progress_wipe(progress, contents, *count);
	for (int i = 0; i < *count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ls_progress_is_empty(contents[i]))
			contents[kept++] = contents[i];
	}
	*count = kept;
	if (kept > 1)
		sort_contents(contents, kept);
	return contents;
}

/* What the state of an interaction takes in the snapshot, as in a document. */
static int64
bytes_of(LsText id, LsText state)
{
	return state.data == NULL ? 0 : 2 * (int64) sizeof(JEntry) + id.length + state.length + PADDING;
}

static int64
shown_bytes(const LsProgress *progress, const LsInteraction *interaction)
{
	LsPoint point = ls_kept_point(&interaction->state);

	if (!ls_kept_exists(&interaction->state) || ls_progress_is_wiped(progress, &point))
		return 0;
	return bytes_of(interaction->id, ls_kept_value(&interaction->state));
}

/* What the states of interactions in the snapshot take together. */
int64
ls_progress_state_bytes(LsProgress *progress)
{
	int count;
	int64 bytes = 0;
	LsContent **contents = all_contents(progress, &count);

	for (int i = 0; i < count; i++)
	{
		for (const LsInteraction *each = contents[i]->interactions; each != NULL; each = each->next)
		{
			CHECK_FOR_INTERRUPTS();
			bytes += shown_bytes(progress, each);
		}
	}
	return bytes;
}

/* By how much they would take more with this event; less than nothing where it makes room. */
int64
ls_progress_growth(const LsProgress *progress, const LsEvent *event)
{
	const LsContent *content = ls_progress_find(progress, event->content_id);
	const LsInteraction *known =
		content == NULL ? NULL : ls_progress_find_interaction(progress, content, event->interaction_id);
	LsPoint bare = ls_point_bare(&event->point);
	LsText state = ls_progress_container(&event->state);

	if (ls_progress_is_wiped(progress, &event->point))
		return 0;
	if (known == NULL)
		return bytes_of(event->interaction_id, state);
	if (!is_later(&known->state, &bare, state))
		return 0;
	return bytes_of(event->interaction_id, state) - shown_bytes(progress, known);
}
