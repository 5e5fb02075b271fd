/*
 * forget_store.c
 *		Learners who were erased: a hash of each stays, so that a device that comes late cannot bring them back.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "store/statement.h"

static LsStatement is_forgotten = {"SELECT FROM learnsync_data.forgotten f"
								   " WHERE f.learner_hash" EQ "learnsync_internal.forgotten_hash_as_owner($1)",
								   {"pg_catalog.text", NULL}};

/*
 * Refuses a learner who was erased. To be asked where the learner's row is missing or was just made; an erasure that
 * comes later waits for that row.
 */
void
ls_store_refuse_forgotten(LsText learner)
{
	Datum values[] = {ls_text_to_datum(learner)};

	if (ls_store_latest(&is_forgotten, values) > 0)
		ereport(ERROR, (errcode(LS_ERASED), errmsg("this learner was erased"),
						errhint("Nothing is taken for an erased learner any more.")));
}
