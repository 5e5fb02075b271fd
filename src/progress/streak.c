/*
 * streak.c
 *		Runs of days on which a learner completed something, and which day a moment belongs to: by the time zones that held
 *		and when days began in them.
 *
 * A rule holds from an instant on, so that no day changes to which a moment of the past belongs. Days never go backwards:
 * who flies west has one long day.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "progress/progress.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define LONGEST_LEAP 4 /* from a day to the next that has a moment */
#define FIRST_DAY ((int64) 1721426 - POSTGRES_EPOCH_JDATE) /* 0001-01-01 */
#define LAST_DAY ((int64) 5373484 - POSTGRES_EPOCH_JDATE) /* 9999-12-31 */

/* The day of a clock's time, counted from 2000-01-01. */
static int64
day_of_clock(int64 time)
{
	return time >= 0 ? time / USECS_PER_DAY : -((USECS_PER_DAY - 1 - time) / USECS_PER_DAY);
}

/* How far the clocks of a zone are ahead of UTC. */
static int64
offset_at(pg_tz *zone, TimestampTz at)
{
	pg_time_t seconds = (pg_time_t) ((at - (at % USECS_PER_SEC + USECS_PER_SEC) % USECS_PER_SEC) / USECS_PER_SEC) +
						(pg_time_t) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	struct pg_tm *local = zone == NULL ? NULL : pg_localtime(&seconds, zone);

	return local == NULL ? 0 : local->tm_gmtoff * USECS_PER_SEC;
}

static int64
shown_day(const LsDayRule *rule, TimestampTz at)
{
	return day_of_clock(at + offset_at(rule->zone, at));
}

/* Whether clocks that show local left out the day before: they went on from an earlier one. */
static bool
is_left_out(const LsDayRule *rule, TimestampTz at, TimestampTz local)
{
	int64 left_out = day_of_clock(local) - 1;
	TimestampTz earlier = at - (local - day_of_clock(local) * USECS_PER_DAY) - 1;

	if (shown_day(rule, earlier) >= left_out)
		return false;
	while (at - earlier > 1)
	{
		TimestampTz middle = earlier + (at - earlier) / 2;

		if (shown_day(rule, middle) >= left_out)
			at = middle;
		else
			earlier = middle;
	}
	return shown_day(rule, at) > left_out;
}

/* The small hours after a day that was left out are the end of the one before it: else that would be a day of these alone. */
static int64
day_by(const LsDayRule *rule, TimestampTz at)
{
	TimestampTz local = at + offset_at(rule->zone, at);
	int64 day = day_of_clock(local - rule->starts);

	if (rule->zone != NULL && day < day_of_clock(local) && is_left_out(rule, at, local))
		day--;
	return Max(day, rule->least);
}

/* How many rules have begun by then. */
int
ls_day_rules_until(const LsDays *days, TimestampTz at)
{
	int low = 0;
	int high = days->count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (days->rules[middle].since <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The day that a moment belongs to, counted from 2000-01-01. */
int64
ls_day_of(const LsDays *days, TimestampTz at)
{
	int begun = days == NULL ? 0 : ls_day_rules_until(days, at);
	int64 day = begun == 0 ? day_of_clock(at) : day_by(&days->rules[begun - 1], at);

	return Min(Max(day, FIRST_DAY), LAST_DAY);
}

/* The first day after that of a moment which any moment up to a later one belongs to. */
static int64
next_day(const LsDays *days, int64 day, TimestampTz on_it, TimestampTz after)
{
	while (after - on_it > 1)
	{
		TimestampTz middle = on_it + (after - on_it) / 2;

		if (ls_day_of(days, middle) > day)
			after = middle;
		else
			on_it = middle;
	}
	return ls_day_of(days, after);
}

/* A moment, and the day that it belongs to, counted from 2000-01-01. */
typedef struct Day
{
	int64 day;
	TimestampTz at;
} Day;

/* Whether no day lies between those of two moments: zones left days out, and who flies east over the date line does. */
static bool
day_follows(const LsDays *days, const Day *earlier, const Day *later)
{
	int64 leap = later->day - earlier->day;

	if (leap <= 1 || leap > LONGEST_LEAP || days == NULL)
		return leap == 1;
	if (ls_day_of(days, earlier->at + USECS_PER_DAY) == earlier->day + 1)
		return false;
	return next_day(days, earlier->day, earlier->at, later->at) == later->day;
}

/*
 * When a rule's clocks show the start of a day. Where they are set forward then, it is that moment; where they are set
 * back, the second time.
 */
static TimestampTz
start_by(const LsDayRule *rule, int64 day)
{
	struct pg_tm clock = {.tm_min = (int) (rule->starts / USECS_PER_MINUTE) % MINS_PER_HOUR,
						  .tm_hour = (int) (rule->starts / USECS_PER_HOUR)};
	TimestampTz start = day * USECS_PER_DAY + rule->starts;

	if (rule->zone == NULL)
		return start;
	j2date((int) day + POSTGRES_EPOCH_JDATE, &clock.tm_year, &clock.tm_mon, &clock.tm_mday);
	return start + DetermineTimeZoneOffset(&clock, rule->zone) * USECS_PER_SEC;
}

/* The instant from which on no moment belongs to a day before that one. */
TimestampTz
ls_day_start(const LsDays *days, int64 day)
{
	TimestampTz start = day * USECS_PER_DAY;

	for (int i = 0; i < days->count && start >= days->rules[i].since; i++)
	{
		const LsDayRule *rule = &days->rules[i];

		start = rule->least >= day ? rule->since : Max(start_by(rule, day), rule->since);
	}
	return start;
}

/* Names that every server gives a meaning of its own. */
static bool
is_local(const char *name)
{
	return strcmp(name, "localtime") == 0 || strcmp(name, "posixrules") == 0 || strcmp(name, "Factory") == 0 ||
		   strncmp(name, "posix/", 6) == 0;
}

/*
 * The zone of that name in the server's database of time zones; NULL where it has none. The colon keeps the server from
 * taking other letters for a zone of POSIX, which has no history.
 */
pg_tz *
ls_day_zone(LsText name)
{
	pg_tz *zone;

	if (name.length == 0 || name.length > TZ_STRLEN_MAX - 1 || name.data[0] == ':')
		return NULL;
	zone = pg_tzset(psprintf(":%s", ls_text_string(name)));
	return zone != NULL && pg_tz_acceptable(zone) && !is_local(pg_get_timezone_name(zone)) ? zone : NULL;
}

/* One of another server, whose database is newer, counts as UTC. */
static pg_tz *
find_zone(LsText name)
{
	pg_tz *zone = ls_day_zone(name);

	if (zone == NULL)
		ereport(WARNING, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						  errmsg("time zone \"%s\" is not known", ls_text_string(name)),
						  errdetail("Days are counted in UTC while it holds."),
						  errhint("Update the time zone database of the server.")));
	return zone;
}

static bool
read_rule(const JsonbValue *json, LsDayRule *rule)
{
	JsonbValue part[3];
	LsJsonWalk walk;
	LsText no_key;
	int64 minutes;

	if (!ls_json_is_array(json) || ls_json_count(json) != lengthof(part))
		return false;
	ls_json_walk(&walk, json);
	for (int i = 0; i < lengthof(part); i++)
		ls_json_walk_next(&walk, &no_key, &part[i]);
	if (part[0].type != jbvString || part[1].type != jbvString ||
		!ls_stamp_parse(ls_text_of(&part[0]), &rule->since) || !ls_json_integer(&part[2], &minutes) || minutes < 0 ||
		minutes >= HOURS_PER_DAY * MINS_PER_HOUR)
		return false;
	rule->starts = minutes * USECS_PER_MINUTE;
	rule->name = ls_text_of(&part[1]);
	rule->zone = find_zone(rule->name);
	return true;
}

/* Adds a rule that holds from after all others on; there must be room for it. */
void
ls_day_add(LsDays *days, LsDayRule rule)
{
	rule.least = ls_day_of(days, rule.since);
	days->rules[days->count++] = rule;
}

/* Days of UTC, with room for a rule. */
LsDays
ls_day_none(void)
{
	return (LsDays){palloc(sizeof(LsDayRule)), 0};
}

/* Reads [[since, time zone, minutes], …], with room for one rule more; false where it is anything else. */
bool
ls_day_read(const JsonbValue *json, LsDays *days)
{
	LsJsonWalk walk;
	LsText no_key;
	JsonbValue each;
	LsDayRule rule;

	if (!ls_json_is_array(json))
		return false;
	*days = (LsDays){palloc(sizeof(LsDayRule) * (ls_json_count(json) + 1)), 0};
	ls_json_walk(&walk, json);
	while (ls_json_walk_next(&walk, &no_key, &each))
	{
		CHECK_FOR_INTERRUPTS();
		if (!read_rule(&each, &rule) || (days->count > 0 && rule.since <= days->rules[days->count - 1].since))
			return false;
		ls_day_add(days, rule);
	}
	return true;
}

/* What ls_day_read reads. */
JsonbValue
ls_day_json(const LsDays *days)
{
	JsonbValue json = ls_json_array();

	for (int i = 0; i < days->count; i++)
	{
		JsonbValue rule = ls_json_array();

		ls_json_add(&rule, ls_json_text(ls_stamp_text(days->rules[i].since, 6)));
		ls_json_add(&rule, ls_json_text(days->rules[i].name));
		ls_json_add(&rule, ls_json_int(days->rules[i].starts / USECS_PER_MINUTE));
		ls_json_add(&json, rule);
	}
	return json;
}

/* A day as it is shown: 2026-01-09. */
LsText
ls_day_text(int64 day)
{
	return (LsText){ls_stamp_text(day * USECS_PER_DAY, 3).data, 10};
}

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
	const Day *left = a;
	const Day *right = b;

	if (left->day != right->day)
		return left->day < right->day ? -1 : 1;
	return left->at < right->at ? -1 : left->at > right->at;
}

/* The days of moments, in order. */
static Day *
days_of(const LsDays *rules, const TimestampTz *moments, int count)
{
	Day *days = palloc_extended(sizeof(Day) * Max(count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		days[i] = (Day){ls_day_of(rules, moments[i]), moments[i]};
	}
	if (count > 1)
		ls_sort(days, count, sizeof(Day), compare_days);
	return days;
}

static Streak
count_streak(const LsDays *rules, const TimestampTz *moments, int count)
{
	Day *days = days_of(rules, moments, count);
	Streak streak = {0};

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || days[i].day != days[i - 1].day)
			streak.current = i > 0 && day_follows(rules, &days[i - 1], &days[i]) ? streak.current + 1 : 1;
		streak.longest = Max(streak.longest, streak.current);
		streak.last = days[i].day;
	}
	pfree(days);
	return streak;
}

/* The runs as the snapshot shows them. */
JsonbValue
ls_streak_show(const LsDays *rules, const TimestampTz *moments, int count)
{
	JsonbValue json = ls_json_object();
	Streak streak = count_streak(rules, moments, count);

	ls_json_put(&json, "currentStreak", ls_json_int(streak.current));
	ls_json_put(&json, "longestStreak", ls_json_int(streak.longest));
	ls_json_put(&json, "lastActivityDate", count == 0 ? ls_json_null() : ls_json_text(ls_day_text(streak.last)));
	return json;
}

/* The moments in an array, without those that are none. */
static TimestampTz *
read_moments(ArrayType *array, int *count)
{
	Datum *values;
	bool *isnull;
	int all;
	TimestampTz *moments;

	*count = 0;
	deconstruct_array(array, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &isnull,
					  &all);
	moments = palloc_extended(sizeof(TimestampTz) * Max(all, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < all; i++)
	{
		TimestampTz at = isnull[i] ? DT_NOBEGIN : DatumGetTimestampTz(values[i]);

		CHECK_FOR_INTERRUPTS();
		if (!TIMESTAMP_NOT_FINITE(at))
			moments[(*count)++] = at;
	}
	return moments;
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
	TimestampTz *moments = NULL;
	int count = 0;
	Streak streak;
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {false};

	if (!PG_ARGISNULL(1))
		read_rules(PG_GETARG_JSONB_P(1), &rules);
	if (!PG_ARGISNULL(0))
		moments = read_moments(PG_GETARG_ARRAYTYPE_P(0), &count);
	streak = count_streak(&rules, moments, count);
	get_call_result_type(fcinfo, NULL, &desc);
	values[0] = Int64GetDatum(streak.current);
	values[1] = Int64GetDatum(streak.longest);
	values[2] = DateADTGetDatum((DateADT) streak.last);
	nulls[2] = count == 0;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
