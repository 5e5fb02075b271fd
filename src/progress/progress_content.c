/*
 * progress_content.c
 *		What events say of one content: statuses, scores, versions, interactions.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "progress/progress.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define FIRST_CONTENTS 4
#define FIRST_INTERACTIONS 8

/* All contents of a state, by id. */
typedef struct ContentEntry
{
	LsText id;
	LsContent *content;
	uint32 hash;
	char status;
} ContentEntry;

#define SH_PREFIX content
#define SH_ELEMENT_TYPE ContentEntry
#define SH_KEY_TYPE LsText
#define SH_KEY id
#define SH_HASH_KEY(table, key) ls_digest_hash(key)
#define SH_EQUAL(table, a, b) ls_text_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Interactions of all contents: one content may have very many. */
typedef struct InteractionKey
{
	const LsContent *content;
	LsText id;
} InteractionKey;

typedef struct InteractionEntry
{
	InteractionKey key;
	LsInteraction *interaction;
	uint32 hash;
	char status;
} InteractionEntry;

#define SH_PREFIX interaction
#define SH_ELEMENT_TYPE InteractionEntry
#define SH_KEY_TYPE InteractionKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_combine(ls_digest_hash((key).id), (uint32) ((uintptr_t) (key).content >> 4))
#define SH_EQUAL(table, a, b) ((a).content == (b).content && ls_text_equal((a).id, (b).id))
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

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
		entry->content = ls_progress_take(progress, sizeof(LsContent));
		memset(entry->content, 0, sizeof(LsContent));
		entry->id = entry->content->id = ls_progress_copy(progress, id);
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
	InteractionEntry *entry = progress->interactions == NULL
								  ? NULL
								  : interaction_lookup(progress->interactions, (InteractionKey){content, id});

	return entry == NULL ? NULL : entry->interaction;
}

/* All contents, in no order. */
LsContent **
ls_progress_contents(LsProgress *progress, int *count)
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

static void *
enlarge(LsProgress *progress, void *array, int *room, int first, Size element)
{
	*room = *room == 0 ? first : *room * 2;
	if (array == NULL)
		return MemoryContextAlloc(progress->context, *room * element);
	return repalloc_huge(array, *room * element);
}

static LsMark
copy_mark(LsProgress *progress, const LsPoint *point)
{
	LsMark mark = {point->at, ls_progress_take(progress, point->id.length + point->time.length),
				   ls_progress_length(point->id), ls_progress_length(point->time)};

	(void) ls_progress_append(ls_progress_append(mark.texts, point->id), point->time);
	return mark;
}

static void
add_to_trail(LsProgress *progress, LsTrail *trail, const LsPoint *point)
{
	if (trail->nmarks == trail->room)
	{
		ls_progress_sort_trail(trail); /* what came twice goes, so that repeating events takes no room */
		if (trail->nmarks * 2 >= trail->room)
			trail->marks = enlarge(progress, trail->marks, &trail->room, 4, sizeof(LsMark));
	}
	if (trail->nmarks > 0)
	{
		LsPoint last = ls_mark_point(&trail->marks[trail->nmarks - 1]);
		int order = ls_point_compare(point, &last);

		if (order == 0)
			return;
		trail->unsorted = trail->unsorted || order < 0;
	}
	trail->marks[trail->nmarks++] = copy_mark(progress, point);
}

/* An event stated this status. */
void
ls_progress_status(LsProgress *progress, LsContent *content, LsStatus status, const LsPoint *point)
{
	const LsText nothing = {NULL, 0};

	content->changed = true;
	if (status >= LS_COMPLETED)
		add_to_trail(progress, &content->trails[status - LS_COMPLETED], point);
	else
		ls_progress_keep_latest(progress, &content->latest[status], point, nothing);
}

/* The spelling that equal scores share; scores are kept as sent, as most of them are never shown. */
Numeric
ls_progress_trim(Numeric score)
{
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(score)));
}

static int
compare_place(const LsPoint *point, const LsKept *kept)
{
	LsPoint other = ls_kept_point(kept);

	return ls_point_compare(point, &other);
}

/* Whether an event at or after the point has stated as great a score, of those that are sorted. */
static bool
is_beaten(const LsContent *content, const LsPoint *point, Numeric score)
{
	int low = 0;
	int high = content->nsorted;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (compare_place(point, &content->scores[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < content->nsorted && ls_progress_compare_scores(score, (Numeric) content->scores[low].block) <= 0;
}

/* Makes room for one more score, where what is beaten by now takes none. */
static void
make_room_for_score(LsProgress *progress, LsContent *content)
{
	int before = content->scores_room;

	if (content->nscores < before)
		return;
	ls_progress_sort_scores(content);
	if (content->nscores * 2 < before)
		return;
	content->scores = enlarge(progress, content->scores, &content->scores_room, 1, sizeof(LsKept));
	memset(content->scores + before, 0, (content->scores_room - before) * sizeof(LsKept));
}

/*
 * An event stated this score. Only scores that are greater than all later ones can become the maximum, now or after
 * a reset. Those that come in order beat earlier ones at once; others are sorted in later, many at a time.
 */
void
ls_progress_score(LsProgress *progress, LsContent *content, const LsPoint *point, Numeric score)
{
	bool in_order;

	if (is_beaten(content, point, score))
		return;
	make_room_for_score(progress, content);
	in_order = content->nsorted == content->nscores &&
			   (content->nscores == 0 || compare_place(point, &content->scores[content->nscores - 1]) > 0);
	while (in_order && content->nscores > 0 &&
		   ls_progress_compare_scores(score, (Numeric) content->scores[content->nscores - 1].block) >= 0)
		content->nscores--;
	ls_progress_keep(progress, &content->scores[content->nscores++], point,
					 (LsText){(char *) score, VARSIZE_ANY(score)});
	if (in_order)
		content->nsorted = content->nscores;
	content->changed = true;
}

/* An event stated this contentVersion. */
void
ls_progress_version(LsProgress *progress, LsContent *content, const LsPoint *point, LsText version)
{
	if (ls_progress_keep_latest(progress, &content->version, point, version))
		content->changed = true;
}

/* An event stated the state of an interaction; without data it took the interaction away. Answers the interaction. */
LsInteraction *
ls_progress_interaction(LsProgress *progress, LsContent *content, LsText id, const LsPoint *point, LsText state)
{
	InteractionEntry *entry;
	bool found;

	if (progress->interactions == NULL)
		progress->interactions = interaction_create(progress->context, FIRST_INTERACTIONS, NULL);
	entry = interaction_insert(progress->interactions, (InteractionKey){content, id}, &found);
	if (!found)
	{
		entry->interaction = ls_progress_take(progress, sizeof(LsInteraction));
		memset(entry->interaction, 0, sizeof(LsInteraction));
		entry->key.id = entry->interaction->id = ls_progress_copy(progress, id);
		entry->interaction->next = content->interactions;
		content->interactions = entry->interaction;
		content->ninteractions++;
	}
	if (ls_progress_keep_latest(progress, &entry->interaction->state, point, state))
		entry->interaction->changed = true;
	return entry->interaction;
}

/* Takes a content.progressed in. Only the times of statuses are shown. */
void
ls_progress_add_content(LsProgress *progress, const LsEvent *event)
{
	LsContent *content = ls_progress_content(progress, event->content_id);
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
