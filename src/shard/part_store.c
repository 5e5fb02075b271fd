/*
 * part_store.c
 *		The parts of all learners that this server has, where they are spread over several.
 *
 * A learner's row says whether the learner is here still; parts are asked only where it is missing.
 */
#include "postgres.h"

#include "shard/shard.h"
#include "store/statement.h"

#define HERE                                                                                                         \
	"SELECT FROM learnsync_data.part p CROSS JOIN learnsync_data.instance i WHERE p.state" EQ "'here'"               \
	" AND p.part" EQ "learnsync.part_of($1, i.parts)"

static LsStatement find_part = {HERE, {"pg_catalog.text", NULL}};

/* Whoever gives the part away waits for those who hold it like this, and they see what it did. */
static LsStatement hold_part = {HERE " FOR SHARE OF p", {"pg_catalog.text", NULL}, .writes = true};

static LsStatement admit = {
	"SELECT FROM (SELECT (SELECT l.moved_at IS NULL FROM learnsync_data.learner l WHERE l.learner_id" EQ
	"$1)) s (stays)"
	" WHERE s.stays OR (s.stays IS NULL AND EXISTS (" HERE "))",
	{"pg_catalog.text", NULL}};

/* Long enough for a router that was not told yet to hear of it. */
void
ls_shard_refuse(void)
{
	ls_refuse_for_now("PT503", ls_refuse_pause(1, 5), "the learner is on another server",
					  "The part of this learner was given away, or was never here.");
}

/* Refuses a learner without a row whose part is elsewhere; it does not go away before a call that writes ends. */
void
ls_shard_claim(LsText learner, bool writes)
{
	Datum values[] = {ls_text_to_datum(learner)};

	if (ls_store_is_shard() && ls_store_latest(writes ? &hold_part : &find_part, values) == 0)
		ls_shard_refuse();
}

/* Refuses a reader whose learner is not here: nothing found would tell a device to start anew. */
void
ls_shard_admit(LsText learner)
{
	Datum values[] = {ls_text_to_datum(learner)};

	if (ls_store_is_shard() && ls_store_read(&admit, values, NULL) == 0)
		ls_shard_refuse();
}
