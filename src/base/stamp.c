/*
 * stamp.c
 *		Times of clients: RFC 3339 with an offset, read strictly, printed in UTC.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "base/base.h"
#include "utils/datetime.h"

#define MAX_FRACTION 9 /* digits after the seconds */
#define FIRST_INSTANT ((TimestampTz) (1721426 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY) /* 0001-01-01 */
#define LAST_INSTANT ((TimestampTz) (5373485 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY - 1) /* the end of 9999 */

/* What is left of a time to read; every step moves on or fails for good. */
typedef struct Reader
{
	const char *next;
	const char *end;
	bool failed;
} Reader;

/* Exactly this many digits. */
static int
read_digits(Reader *reader, int count)
{
	int number = 0;

	for (int i = 0; i < count; i++)
	{
		if (reader->next == reader->end || *reader->next < '0' || *reader->next > '9')
		{
			reader->failed = true;
			return 0;
		}
		number = number * 10 + (*reader->next++ - '0');
	}
	return number;
}

/* Takes one of the given characters, answers which; '\0' where none stands there. */
static char
read_one_of(Reader *reader, const char *characters)
{
	if (reader->next == reader->end || *reader->next == '\0' || strchr(characters, *reader->next) == NULL)
		return '\0';
	return *reader->next++;
}

static void
expect_one_of(Reader *reader, const char *characters)
{
	if (read_one_of(reader, characters) == '\0')
		reader->failed = true;
}

/* The digits after the seconds, at most nine, as microseconds; what is finer is cut off. */
static int
read_fraction(Reader *reader)
{
	int microseconds = 0;
	int scale = 100000;
	int digits = 0;

	if (read_one_of(reader, ".") == '\0')
		return 0;
	for (; reader->next < reader->end && *reader->next >= '0' && *reader->next <= '9'; digits++)
	{
		microseconds += (*reader->next++ - '0') * scale;
		scale /= 10;
	}
	if (digits < 1 || digits > MAX_FRACTION)
		reader->failed = true;
	return microseconds;
}

/* Seconds east of UTC. */
static int
read_offset(Reader *reader, bool *is_utc)
{
	char sign;
	int hours;
	int minutes;

	*is_utc = read_one_of(reader, "Zz") != '\0';
	if (*is_utc)
		return 0;
	sign = read_one_of(reader, "+-");
	hours = read_digits(reader, 2);
	expect_one_of(reader, ":");
	minutes = read_digits(reader, 2);
	if (sign == '\0' || hours > 23 || minutes > 59)
		reader->failed = true;
	return (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60;
}

static bool
is_date(int year, int month, int day)
{
	return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= day_tab[isleap(year)][month - 1];
}

/* Up to the last second of the day; the one beyond is a leap second, of which UTC says when it is. */
static bool
is_time_of_day(int hour, int minute, int second, bool is_utc)
{
	if (second == 60)
		return hour == 23 && minute == 59 && is_utc;
	return hour <= 23 && minute <= 59 && second <= 59;
}

/* Whether an instant lies in the years that we know, 1 to 9999. */
bool
ls_stamp_is_valid(TimestampTz at)
{
	return at >= FIRST_INSTANT && at <= LAST_INSTANT;
}

/*
 * Reads a time of the years 0001 to 9999; false where it is anything else. A leap second is the next second. What an
 * offset takes out of these years is at their edge, so that every time that was read can be written.
 */
bool
ls_stamp_parse(LsText text, TimestampTz *at)
{
	Reader reader = {text.data, text.data + text.length, false};
	int year = read_digits(&reader, 4);
	int month, day, hour, minute, second, microseconds;
	int64 seconds;
	bool is_utc;

	expect_one_of(&reader, "-");
	month = read_digits(&reader, 2);
	expect_one_of(&reader, "-");
	day = read_digits(&reader, 2);
	expect_one_of(&reader, "Tt");
	hour = read_digits(&reader, 2);
	expect_one_of(&reader, ":");
	minute = read_digits(&reader, 2);
	expect_one_of(&reader, ":");
	second = read_digits(&reader, 2);
	microseconds = read_fraction(&reader);
	seconds = -(int64) read_offset(&reader, &is_utc);
	if (reader.failed || reader.next != reader.end)
		return false;
	Assert(text.length <= LS_MAX_STAMP_BYTES);
	if (!is_date(year, month, day) || !is_time_of_day(hour, minute, second, is_utc))
		return false;
	seconds += (int64) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * SECS_PER_DAY;
	seconds += hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE + second;
	*at = Min(Max(seconds * USECS_PER_SEC + microseconds, FIRST_INSTANT), LAST_INSTANT);
	return true;
}

static char *
write_digits(char *out, int number, int count)
{
	for (int i = count - 1; i >= 0; i--)
	{
		out[i] = (char) ('0' + number % 10);
		number /= 10;
	}
	Assert(number == 0);
	return out + count;
}

/* A time in UTC with so many digits of the second, finer ones cut off: 2026-01-08T10:46:00.000Z. */
LsText
ls_stamp_text(TimestampTz at, int digits)
{
	char *text = palloc(32);
	char *next = text;
	int year, month, day;
	int64 days = at / USECS_PER_DAY;
	int64 time = at % USECS_PER_DAY;
	int fraction;

	if (time < 0)
	{
		time += USECS_PER_DAY;
		days--;
	}
	j2date((int) days + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	fraction = (int) (time % USECS_PER_SEC);
	time /= USECS_PER_SEC;
	next = write_digits(next, year, 4);
	*next++ = '-';
	next = write_digits(next, month, 2);
	*next++ = '-';
	next = write_digits(next, day, 2);
	*next++ = 'T';
	next = write_digits(next, (int) (time / SECS_PER_HOUR), 2);
	*next++ = ':';
	next = write_digits(next, (int) (time / SECS_PER_MINUTE) % 60, 2);
	*next++ = ':';
	next = write_digits(next, (int) (time % 60), 2);
	*next++ = '.';
	next = write_digits(next, digits == 3 ? fraction / 1000 : fraction, digits);
	*next++ = 'Z';
	return (LsText){text, (int) (next - text)};
}
