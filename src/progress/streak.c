/*
 * streak.c
 *		Runs of days on which a learner completed something, for the snapshot and for learnsync.streak.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "progress/progress.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/timestamp.h"

/* What runs of days come to. */
typedef struct Streak
{
	int64 current; /* the run that ends with the last day */
	int64 longest;
	int64 last; /* that day, where there is one */
} Streak;

static int
compare_days(const void *a, const void *b)
{
	const LsDay *left = a;
	const LsDay *right = b;

	if (left->day != right->day)
		return left->day < right->day ? -1 : 1;
	return left->at < right->at ? -1 : left->at > right->at;
}

static Streak
count_streak(const LsDays *rules, LsDay *days, int count)
{
	Streak streak = {0};

	if (count > 1)
		ls_sort(days, count, sizeof(LsDay), compare_days);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || days[i].day != days[i - 1].day)
			streak.current = i > 0 && ls_day_follows(rules, &days[i - 1], &days[i]) ? streak.current + 1 : 1;
		streak.longest = Max(streak.longest, streak.current);
		streak.last = days[i].day;
	}
	return streak;
}

LsDay
ls_streak_day(const LsDays *rules, TimestampTz at)
{
	return (LsDay){ls_day_of(rules, at), at};
}

/* The runs as the snapshot shows them. */
JsonbValue
ls_streak_show(const LsDays *rules, LsDay *days, int count)
{
	JsonbValue json = ls_json_object();
	Streak streak = count_streak(rules, days, count);

	ls_json_put(&json, "currentStreak", ls_json_int(streak.current));
	ls_json_put(&json, "longestStreak", ls_json_int(streak.longest));
	ls_json_put(&json, "lastActivityDate", count == 0 ? ls_json_null() : ls_json_text(ls_day_text(streak.last)));
	return json;
}

/* The days of the moments in an array, without those that are none. */
static LsDay *
read_days(const LsDays *rules, ArrayType *array, int *count)
{
	Datum *moments;
	bool *isnull;
	int all;
	LsDay *days;

	*count = 0;
	deconstruct_array(array, TIMESTAMPTZOID, sizeof(TimestampTz), true, TYPALIGN_DOUBLE, &moments, &isnull, &all);
	days = palloc_extended(sizeof(LsDay) * Max(all, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < all; i++)
	{
		TimestampTz at = DatumGetTimestampTz(moments[i]);

		CHECK_FOR_INTERRUPTS();
		if (!isnull[i] && !TIMESTAMP_NOT_FINITE(at))
			days[(*count)++] = ls_streak_day(rules, at);
	}
	return days;
}

static void
read_rules(Jsonb *sent, LsDays *rules)
{
	JsonbValue json;

	ls_json_root(sent, &json);
	if (!ls_day_read(&json, rules))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the days cannot be read"),
						errdetail("They are like [[\"2026-01-09T15:00:00Z\", \"Europe/Berlin\", 240]], the earliest "
								  "first: since when, the time zone, how many minutes after midnight days begin.")));
}

PG_FUNCTION_INFO_V1(learnsync_streak);

/* learnsync.streak(moments, days) */
Datum
learnsync_streak(PG_FUNCTION_ARGS)
{
	LsDays rules = {0};
	LsDay *days = NULL;
	int count = 0;
	Streak streak;
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {false};

	if (!PG_ARGISNULL(1))
		read_rules(PG_GETARG_JSONB_P(1), &rules);
	if (!PG_ARGISNULL(0))
		days = read_days(&rules, PG_GETARG_ARRAYTYPE_P(0), &count);
	streak = count_streak(&rules, days, count);
	get_call_result_type(fcinfo, NULL, &desc);
	values[0] = Int64GetDatum(streak.current);
	values[1] = Int64GetDatum(streak.longest);
	values[2] = DateADTGetDatum((DateADT) streak.last);
	nulls[2] = count == 0;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
