/*
 * xapi_order.c
 *		Orders values of one property of two statements; values that are the same statement's have order 0.
 */
#include "postgres.h"

#include "xapi/xapi.h"

static bool
are_strings(const JsonbValue *a, const JsonbValue *b)
{
	return a != NULL && b != NULL && a->type == jbvString && b->type == jbvString;
}

static int
compare_texts(LsText a, LsText b)
{
	int order = memcmp(a.data, b.data, Min(a.length, b.length));

	return order != 0 ? order : a.length - b.length;
}

int
ls_xapi_order_value(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return ls_json_compare(a, b);
}

int
ls_xapi_order_activity_type(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	JsonbValue usual = ls_json_string("Activity");

	return ls_json_compare(a != NULL ? a : &usual, b != NULL ? b : &usual);
}

/* Hexadecimal and language tags. */
int
ls_xapi_order_any_case(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	if (!are_strings(a, b))
		return ls_xapi_order_value(a, b, NULL);
	return ls_xapi_compare_any_case(ls_text_of(a), ls_text_of(b));
}

/* Instants, by millisecond; an LRS may show them in another zone and cut off what is finer. */
int
ls_xapi_order_time(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	int64 one;
	int64 other;
	bool read_one;
	bool read_other;

	if (!are_strings(a, b))
		return ls_xapi_order_value(a, b, NULL);
	read_one = ls_xapi_instant(ls_text_of(a), &one);
	read_other = ls_xapi_instant(ls_text_of(b), &other);
	if (!read_one || !read_other)
		return read_one == read_other ? ls_json_compare(a, b) : read_one - read_other;
	return (one > other) - (one < other);
}

static bool
is_point(char c)
{
	return c == '.' || c == ',';
}

/* Cuts off the unit of seconds, and of their fraction what is finer than a hundredth; answers whether there are any. */
static bool
cut_seconds(LsText *text)
{
	int point;

	if (text->length == 0 || text->data[text->length - 1] != 'S')
		return false;
	text->length--;
	for (point = text->length - 1; point >= 0 && !is_point(text->data[point]); point--)
		;
	if (point < 0)
		return true;
	text->length = Min(text->length, point + 3);
	while (text->data[text->length - 1] == '0')
		text->length--;
	if (text->length == point + 1)
		text->length--;
	return true;
}

/* A text, as units of time cannot be converted, but for the fraction of the seconds. */
int
ls_xapi_order_duration(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	LsText one;
	LsText other;
	int order;

	if (!are_strings(a, b))
		return ls_xapi_order_value(a, b, NULL);
	one = ls_text_of(a);
	other = ls_text_of(b);
	order = cut_seconds(&one) - cut_seconds(&other);
	return order != 0 ? order : compare_texts(one, other);
}

int
ls_xapi_order_id(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	return a == NULL || b == NULL ? 0 : ls_xapi_order_any_case(a, b, NULL);
}

int
ls_xapi_order_timestamp(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	return a == NULL || b == NULL ? 0 : ls_xapi_order_time(a, b, NULL);
}
