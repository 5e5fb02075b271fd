/*
 * xapi_time.c
 *		The times and durations of statements: ISO 8601 for xAPI 1.0.3, its profile RFC 3339 for 2.0.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
#include "xapi/xapi.h"

/* Parts of a time, each under the letter that stands for its digits in a pattern. */
typedef struct Parts
{
	int year; /* y */
	int month; /* m */
	int day; /* d, of the month */
	int ordinal; /* o, day of the year */
	int week; /* w */
	int weekday; /* k */
	int hour; /* h */
	int minute; /* i */
	int second; /* s */
} Parts;

/* The first of each list is the one of RFC 3339. */
static const char *const dates[] = {"yyyy-mm-dd", "yyyymmdd", "yyyy-ooo", "yyyyooo", "yyyy-Www-k", "yyyyWwwk", NULL};
static const char *const times[] = {"hh:ii:ss", "hhiiss", "hh:ii", "hhii", "hh", NULL};
static const char *const offsets[] = {"hh:ii", "hhii", "hh", NULL};

static int *
part_of(Parts *parts, char letter)
{
	switch (letter)
	{
		case 'y':
			return &parts->year;
		case 'm':
			return &parts->month;
		case 'd':
			return &parts->day;
		case 'o':
			return &parts->ordinal;
		case 'w':
			return &parts->week;
		case 'k':
			return &parts->weekday;
		case 'h':
			return &parts->hour;
		case 'i':
			return &parts->minute;
		case 's':
			return &parts->second;
		default:
			return NULL;
	}
}

/* Whether the text is of the pattern; fills in the parts that its letters stand for. */
static bool
match(const char *pattern, LsText text, Parts *parts)
{
	if (strlen(pattern) != text.length)
		return false;
	for (int i = 0; i < text.length; i++)
	{
		int *part = part_of(parts, pattern[i]);

		if (part == NULL ? text.data[i] != pattern[i] : text.data[i] < '0' || text.data[i] > '9')
			return false;
		if (part != NULL)
			*part = (i > 0 && pattern[i - 1] == pattern[i] ? *part * 10 : 0) + (text.data[i] - '0');
	}
	return true;
}

static bool
match_any(const char *const *patterns, bool first_only, LsText text, Parts *parts)
{
	for (int i = 0; patterns[i] != NULL && !(first_only && i > 0); i++)
	{
		*parts = (Parts){0};
		if (match(patterns[i], text, parts))
			return true;
	}
	return false;
}

/* Cuts the text before the first of the given characters; the rest starts with it, or is empty. */
static LsText
cut(LsText *text, const char *characters)
{
	LsText rest = {text->data + text->length, 0};

	for (int i = 0; i < text->length; i++)
	{
		if (strchr(characters, text->data[i]) != NULL)
		{
			rest = (LsText){text->data + i, text->length - i};
			text->length = i;
			break;
		}
	}
	return rest;
}

/* The day as a Julian day number. */
static bool
read_date(LsText text, bool strict, int *day)
{
	Parts parts;

	if (!match_any(dates, strict, text, &parts))
		return false;
	if (parts.month > 0)
	{
		*day = date2j(parts.year, parts.month, parts.day);
		return parts.month <= 12 && parts.day >= 1 && parts.day <= day_tab[isleap(parts.year)][parts.month - 1];
	}
	if (parts.ordinal > 0)
	{
		*day = date2j(parts.year, 1, 1) + parts.ordinal - 1;
		return parts.ordinal <= (isleap(parts.year) ? 366 : 365);
	}
	if (parts.week == 0)
		return false;
	*day = isoweek2j(parts.year, parts.week) + parts.weekday - 1;
	return parts.weekday >= 1 && parts.weekday <= 7 && *day < isoweek2j(parts.year + 1, 1);
}

/* Milliseconds of the day, finer ones cut off. 24:00 is the end of the day for ISO 8601, a leap second the next one. */
static bool
read_time(LsText text, bool strict, int64 *milliseconds)
{
	LsText fraction = cut(&text, strict ? "." : ".,");
	int64 scale = 1000;
	Parts parts;

	if (!match_any(times, strict, text, &parts))
		return false;
	*milliseconds = ((parts.hour * 60 + parts.minute) * 60 + parts.second) * INT64CONST(1000);
	if (fraction.length == 1 || (fraction.length > 0 && text.length != 8 && text.length != 6))
		return false;
	for (int i = 1; i < fraction.length; i++)
	{
		if (fraction.data[i] < '0' || fraction.data[i] > '9')
			return false;
		scale /= 10;
		*milliseconds += (fraction.data[i] - '0') * scale;
	}
	if (parts.hour == 24)
		return !strict && *milliseconds == 24 * 3600 * INT64CONST(1000);
	return parts.hour < 24 && parts.minute < 60 && parts.second <= 60;
}

/* Minutes east of UTC. "Unknown" (-00:00) is no offset; none at all is one for ISO 8601 only, read as UTC. */
static bool
read_offset(LsText text, bool strict, int *minutes)
{
	Parts parts = {0};
	char sign;

	*minutes = 0;
	if (text.length == 0)
		return !strict;
	sign = text.data[0];
	if (sign == 'Z' || sign == 'z')
		return text.length == 1;
	if (!match_any(offsets, strict, (LsText){text.data + 1, text.length - 1}, &parts))
		return false;
	*minutes = (parts.hour * 60 + parts.minute) * (sign == '-' ? -1 : 1);
	return parts.hour < 24 && parts.minute < 60 && (sign == '+' || *minutes != 0);
}

static bool
read_instant(LsText text, bool strict, int64 *milliseconds)
{
	LsText time = cut(&text, "Tt");
	LsText offset;
	int day;
	int minutes;

	if (time.length == 0)
		return false;
	time = (LsText){time.data + 1, time.length - 1};
	offset = cut(&time, "Zz+-");
	if (!read_date(text, strict, &day) || !read_time(time, strict, milliseconds) ||
		!read_offset(offset, strict, &minutes))
		return false;
	*milliseconds += day * (SECS_PER_DAY * INT64CONST(1000)) - minutes * INT64CONST(60000);
	return true;
}

/* A time as a number that grows with it, by millisecond, which is the precision that every LRS keeps. */
bool
ls_xapi_instant(LsText text, int64 *milliseconds)
{
	return read_instant(text, false, milliseconds);
}

static bool
is_iso_time(LsText text)
{
	int64 milliseconds;

	return read_instant(text, false, &milliseconds);
}

static bool
is_rfc_time(LsText text)
{
	int64 milliseconds;

	return read_instant(text, true, &milliseconds);
}

/*
 * Reads number and unit pairs whose units come in the given order; a fraction only at the end. Answers where it
 * stopped, and leaves ended set where nothing may follow.
 */
static const char *
skip_units(const char *next, const char *end, const char *units, bool *ended)
{
	while (next < end && !*ended)
	{
		const char *digits = next;
		const char *unit;

		while (next < end && *next >= '0' && *next <= '9')
			next++;
		if (next == digits)
			break;
		if (next < end && (*next == '.' || *next == ','))
		{
			digits = ++next;
			while (next < end && *next >= '0' && *next <= '9')
				next++;
			*ended = true;
		}
		unit = next < end && next > digits ? strchr(units, *next) : NULL;
		if (unit == NULL)
			return NULL;
		units = unit + 1;
		next++;
	}
	return next;
}

/* PnYnMnDTnHnMnS with at least one part, or PnW; the smallest part may have a fraction. */
static bool
is_duration(LsText text)
{
	const char *end = text.data + text.length;
	const char *next;
	bool ended = false;

	if (text.length < 3 || text.data[0] != 'P')
		return false;
	if (text.data[text.length - 1] == 'W')
		return skip_units(text.data + 1, end, "W", &ended) == end;
	next = skip_units(text.data + 1, end, "YMD", &ended);
	if (next == NULL || next == end)
		return next == end;
	if (*next != 'T' || next + 1 == end || ended)
		return false;
	return skip_units(next + 1, end, "HMS", &ended) == end;
}

const LsXapiFormat ls_xapi_iso_time = {is_iso_time, "a timestamp of ISO 8601", "XAPI-00123"};
const LsXapiFormat ls_xapi_rfc_time = {is_rfc_time, "a timestamp of RFC 3339", "XAPI-00123"};
const LsXapiFormat ls_xapi_duration = {is_duration, "a duration of ISO 8601", "XAPI-00124"};
