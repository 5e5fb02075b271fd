/*
 * profile_store.c
 *		Profiles: learners for whom another learner acts.
 */
#include "postgres.h"

#include "call/call.h"
#include "store/statement.h"
#include "utils/builtins.h"

static LsStatement find_profile = {"SELECT FROM learnsync_data.profile p WHERE p.learner_id" EQ "$1 AND p.owner" EQ
								   "$2",
								   {"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement read_profiles = {"SELECT p.learner_id FROM learnsync_data.profile p WHERE p.owner" EQ "$1",
									{"pg_catalog.text", NULL}};

/* What was taken from an owner is so from the next call on, at every isolation level. */
bool
ls_store_owns_profile(LsText profile, LsText owner)
{
	Datum values[] = {ls_text_to_datum(profile), ls_text_to_datum(owner)};

	return ls_store_latest(&find_profile, values) > 0;
}

PG_FUNCTION_INFO_V1(learnsync_current_learners);

/* learnsync.current_learners(): read for row security by whoever asks, so as the owner. */
Datum
learnsync_current_learners(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	Datum values[1];
	Datum *learners;
	char *name;
	int count;

	if (!ls_learner_admitted(&name))
		PG_RETURN_NULL();
	values[0] = CStringGetTextDatum(name);
	ls_store_open(&call);
	count = (int) ls_store_read(&read_profiles, values, NULL);
	learners = palloc(sizeof(Datum) * (count + 1));
	learners[0] = values[0];
	for (int i = 0; i < count; i++)
		learners[i + 1] = ls_text_to_datum(ls_store_text(i, 1));
	ls_store_close(&call);
	return ls_text_array(learners, count + 1);
}
