/*
 * xapi_format.c
 *		The kinds of strings in a statement: identifiers, hashes, media types, times and durations. Times are of ISO 8601
 *		for xAPI 1.0.3, of its profile RFC 3339 for 2.0.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
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

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A copy in lower case; without data where there is no text. */
LsText
ls_xapi_lower_case(LsText text)
{
	char *copy;

	if (text.data == NULL)
		return text;
	copy = ls_text_string(text);
	for (int i = 0; i < text.length; i++)
		copy[i] = (char) pg_ascii_tolower((unsigned char) copy[i]);
	return (LsText){copy, text.length};
}

/* Orders texts by bytes, with ASCII letters in lower case. */
int
ls_xapi_compare_any_case(LsText a, LsText b)
{
	for (int i = 0; i < Min(a.length, b.length); i++)
	{
		int order = pg_ascii_tolower((unsigned char) a.data[i]) - pg_ascii_tolower((unsigned char) b.data[i]);

		if (order != 0)
			return order;
	}
	return a.length - b.length;
}

static bool
is_all_hex(const char *text, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (!is_hex(text[i]))
			return false;
	}
	return true;
}

/* The scheme's length, its colon not included; 0 where there is none. */
static int
scheme_length(LsText text)
{
	int i = 0;

	while (i < text.length &&
		   (is_alpha(text.data[i]) || (i > 0 && (is_digit(text.data[i]) || strchr("+-.", text.data[i]) != NULL))))
		i++;
	return i < text.length && text.data[i] == ':' ? i : 0;
}

/*
 * How many bytes a character outside ASCII takes, where it may stand in an IRI (RFC 3987): no control, no
 * non-character, and private ones in the query only; else 0. In other encodings than UTF-8 all may, byte by byte.
 */
static int
letter_length(const char *bytes, bool in_query)
{
	pg_wchar c;

	if (GetDatabaseEncoding() != PG_UTF8)
		return 1;
	c = utf8_to_unicode((const unsigned char *) bytes);
	if (c < 0xA0 || (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF) || (c >= 0xFFF0 && c <= 0xFFFF) ||
		(c >= 0xE0000 && c <= 0xE0FFF))
		return 0;
	if (!in_query && ((c >= 0xE000 && c <= 0xF8FF) || c >= 0xF0000))
		return 0;
	return pg_utf_mblen((const unsigned char *) bytes);
}

/* How many bytes the character at text[i] takes, where it may stand in an IRI; else 0. Delimiters of parts may not. */
static int
iri_character(LsText text, int i, bool in_query)
{
	char c = text.data[i];

	if (is_alpha(c) || is_digit(c))
		return 1;
	if (IS_HIGHBIT_SET(c))
		return letter_length(text.data + i, in_query);
	if (c == '%')
		return i + 2 < text.length && is_all_hex(text.data + i + 1, 2) ? 3 : 0;
	return c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL ? 1 : 0;
}

/* The length of an IP address in brackets; 0 where there is none. */
static int
address_length(const char *text, int length)
{
	for (int i = 1; i < length; i++)
	{
		if (text[i] == ']')
			return i > 1 ? i + 1 : 0;
		if (!is_hex(text[i]) && strchr(":.v", text[i]) == NULL)
			return 0;
	}
	return 0;
}

/* Where the authority ends that starts at text[i]; -1 where it is none. */
static int
skip_authority(LsText text, int i)
{
	int start = i;
	int step;

	while (i < text.length && strchr("/?#", text.data[i]) == NULL)
	{
		if (text.data[i] == '[' && (i == start || text.data[i - 1] == '@'))
			step = address_length(text.data + i, text.length - i);
		else
			step = iri_character(text, i, false);
		if (step == 0)
			return -1;
		i += step;
	}
	return i;
}

/* A whole IRI: a scheme and something after it, in the characters that RFC 3987 allows there. */
static bool
is_iri(LsText text)
{
	int i = scheme_length(text) + 1;
	bool in_query = false;
	bool in_fragment = false;
	int step;

	if (i == 1 || i == text.length)
		return false;
	if (i + 1 < text.length && text.data[i] == '/' && text.data[i + 1] == '/')
		i = skip_authority(text, i + 2);
	for (; i >= 0 && i < text.length; i += step)
	{
		step = 1;
		if (text.data[i] == '#' && !in_fragment)
			in_fragment = true;
		else if (text.data[i] == '?')
			in_query = !in_fragment;
		else
			step = iri_character(text, i, in_query && !in_fragment);
		if (step == 0)
			return false;
	}
	return i >= 0;
}

/* An IRI that leads somewhere: one with an authority names a host. */
static bool
is_irl(LsText text)
{
	int i = scheme_length(text) + 1;

	if (!is_iri(text))
		return false;
	if (i + 1 >= text.length || text.data[i] != '/' || text.data[i + 1] != '/')
		return true;
	return i + 2 < text.length && strchr("/?#:", text.data[i + 2]) == NULL;
}

/* A URI is an IRI in ASCII. */
static bool
is_uri(LsText text)
{
	for (int i = 0; i < text.length; i++)
	{
		if (IS_HIGHBIT_SET(text.data[i]))
			return false;
	}
	return is_iri(text);
}

/* The labels of a domain are not empty. */
static bool
is_domain(LsText text)
{
	char before = '.';

	for (int i = 0; i < text.length; i++)
	{
		char c = text.data[i];

		if (!is_alpha(c) && !is_digit(c) && !IS_HIGHBIT_SET(c) && c != '-' && (c != '.' || before == '.'))
			return false;
		before = c;
	}
	return before != '.';
}

/* "mailto:" and one address. */
static bool
is_mailto(LsText text)
{
	const char *at;

	if (text.length < 7 || memcmp(text.data, "mailto:", 7) != 0 || !is_iri(text))
		return false;
	at = memchr(text.data, '@', text.length);
	if (at == NULL || at == text.data + 7 || memchr(text.data, '/', text.length) != NULL ||
		memchr(text.data, '?', text.length) != NULL || memchr(text.data, '#', text.length) != NULL)
		return false;
	return is_domain((LsText){at + 1, (int) (text.data + text.length - at - 1)});
}

static bool
is_sha1(LsText text)
{
	return text.length == 40 && is_all_hex(text.data, text.length);
}

/* SHA-224, 256, 384 or 512. */
static bool
is_sha2(LsText text)
{
	return (text.length == 56 || text.length == 64 || text.length == 96 || text.length == 128) &&
		   is_all_hex(text.data, text.length);
}

static bool
is_uuid(LsText text)
{
	if (text.length != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text.data[i] != '-' : !is_hex(text.data[i]))
			return false;
	}
	return true;
}

/* The length of a token of RFC 2045 at the start. */
static int
token_length(const char *text, const char *end)
{
	const char *next = text;

	while (next<end && * next> ' ' && *next < 127 && strchr("()<>@,;:\\\"/[]?=", *next) == NULL)
		next++;
	return (int) (next - text);
}

/* The length of a token or of a quoted string at the start; 0 where there is neither. */
static int
parameter_length(const char *text, const char *end)
{
	const char *next = text + 1;

	if (text == end || *text != '"')
		return token_length(text, end);
	while (next < end && *next != '"')
		next += *next == '\\' ? 2 : 1;
	return next < end ? (int) (next + 1 - text) : 0;
}

static const char *
skip_blanks(const char *text, const char *end)
{
	while (text < end && (*text == ' ' || *text == '\t'))
		text++;
	return text;
}

/* Moves past a token, or a parameter's value, that the given character follows; NULL where it does not stand there. */
static const char *
skip_part(const char *text, const char *end, bool is_value)
{
	int length = text == NULL ? 0 : is_value ? parameter_length(text, end) : token_length(text, end);

	return length == 0 ? NULL : text + length;
}

static const char *
skip_character(const char *text, const char *end, char wanted)
{
	return text != NULL && text < end && *text == wanted ? text + 1 : NULL;
}

/* type/subtype and parameters: text/plain; charset=utf-8. */
static bool
is_media_type(LsText text)
{
	const char *end = text.data + text.length;
	const char *next = skip_part(text.data, end, false);

	next = skip_part(skip_character(next, end, '/'), end, false);
	while (next != NULL && (next = skip_blanks(next, end)) < end)
	{
		next = skip_character(next, end, ';');
		if (next != NULL)
			next = skip_part(skip_blanks(next, end), end, false);
		next = skip_part(skip_character(next, end, '='), end, true);
	}
	return next != NULL;
}

const LsXapiFormat ls_xapi_formats[] = {
	[LS_XAPI_IRI] = {is_iri, "an IRI with a scheme"},
	[LS_XAPI_IRL] = {is_irl, "an IRL with a scheme"},
	[LS_XAPI_URI] = {is_uri, "a URI with a scheme"},
	[LS_XAPI_MAILTO] = {is_mailto, "mailto: and an email address"},
	[LS_XAPI_SHA1] = {is_sha1, "a SHA-1 hash in hexadecimal"},
	[LS_XAPI_SHA2] = {is_sha2, "a SHA-2 hash in hexadecimal"},
	[LS_XAPI_UUID] = {is_uuid, "a UUID"},
	[LS_XAPI_MEDIA_TYPE] = {is_media_type, "an Internet media type"},
	[LS_XAPI_ISO_TIME] = {is_iso_time, "a timestamp of ISO 8601", "XAPI-00123"},
	[LS_XAPI_RFC_TIME] = {is_rfc_time, "a timestamp of RFC 3339", "XAPI-00123"},
	[LS_XAPI_DURATION] = {is_duration, "a duration of ISO 8601", "XAPI-00124"},
};
