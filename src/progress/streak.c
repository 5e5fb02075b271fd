/*
 * streak.c
 *		Runs of days on which a learner completed something.
 */
#include "postgres.h"

#include "progress/progress.h"
#include "utils/timestamp.h"

/* The UTC day of an instant, counted from 2000-01-01. */
int64
ls_streak_day(const LsPoint *point)
{
	return point->at >= 0 ? point->at / USECS_PER_DAY : -((USECS_PER_DAY - 1 - point->at) / USECS_PER_DAY);
}

static int
compare_days(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* Runs of days on which a content was completed; the current run is the one that ends with the last such day. */
JsonbValue
ls_streak_show(int64 *days, int count)
{
	JsonbValue json = ls_json_object();
	int64 current = 0;
	int64 longest = 0;

	if (count > 1)
		ls_sort(days, count, sizeof(int64), compare_days);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || days[i] != days[i - 1])
			current = i > 0 && days[i] == days[i - 1] + 1 ? current + 1 : 1;
		longest = Max(longest, current);
	}
	ls_json_put(&json, "currentStreak", ls_json_int(current));
	ls_json_put(&json, "longestStreak", ls_json_int(longest));
	ls_json_put(&json, "lastActivityDate",
				count == 0 ? ls_json_null()
						   : ls_json_text((LsText){ls_stamp_text(days[count - 1] * USECS_PER_DAY, 3).data, 10}));
	return json;
}
