/*
 * learner_day_store.c
 *		Reads and writes by which clocks a learner's days begin, which is kept in the learner's row.
 */
#include "postgres.h"

#include "people/people.h"
#include "store/statement.h"

static LsStatement read_days = {"SELECT l.days, l.epoch FROM learnsync_data.learner l WHERE l.learner_id" EQ "$1",
								{"pg_catalog.text", NULL}};

static LsStatement write_days = {"UPDATE learnsync_data.learner l SET days = $2 WHERE l.learner_id" EQ "$1",
								 {"pg_catalog.text", "pg_catalog.jsonb", NULL}};

static void
take_days(LsText learner, Datum value, LsDays *days)
{
	LsRowKey key = {"learner", {learner}, "UPDATE it to NULL, which is UTC, and call learnsync.set_learner."};
	JsonbValue json;

	ls_json_root(DatumGetJsonbP(value), &json);
	if (!ls_day_read(&json, days))
		ls_store_damaged(&key, "days", "an array of [time, time zone, minutes], by time");
}

/* The learner's days. Answers the epoch of the learner's cursors, as whoever reads wants both. */
LsText
ls_store_read_days(LsText learner, LsDays *days, LsSnapshot snapshot)
{
	Datum values[] = {ls_text_to_datum(learner)};
	bool isnull = true;
	bool no_epoch = true;
	Datum value = (Datum) 0;
	Datum epoch = (Datum) 0;

	*days = ls_day_none();
	if (ls_store_see(&read_days, values, NULL, snapshot) > 0)
	{
		value = ls_store_value(0, 1, &isnull);
		epoch = ls_store_value(0, 2, &no_epoch);
	}
	if (!isnull)
		take_days(learner, value, days);
	return ls_learner_epoch(epoch, no_epoch);
}

PG_FUNCTION_INFO_V1(learnsync_current_days);

/* learnsync.current_days(): read for a view by whoever asks, so as the owner. */
Datum
learnsync_current_days(PG_FUNCTION_ARGS)
{
	LsStoreCall call;
	LsDays days;
	JsonbValue json;
	Jsonb *answer;
	char *name;

	if (!ls_learner_admitted(&name))
		PG_RETURN_NULL();
	ls_store_open(&call);
	(void) ls_store_read_days(ls_text(name), &days, LS_SEES_CALLERS);
	json = ls_day_json(&days);
	answer = ls_json_encode(&json);
	ls_store_close(&call);
	if (days.count == 0)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(answer);
}

/* Of a learner whose row is locked. */
void
ls_store_write_days(LsText learner, const LsDays *days)
{
	JsonbValue json = ls_day_json(days);
	Datum values[] = {ls_text_to_datum(learner), JsonbPGetDatum(ls_json_encode(&json))};

	ls_store_run(&write_days, values, days->count == 0 ? " n" : "  ");
}
