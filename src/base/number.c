/*
 * number.c
 *		Which numbers are taken from clients, sums of them, and the one spelling by which equal numbers are known.
 *
 * The numbers of jsonb go far beyond what programs read: 1e131071 takes ten bytes, and 131072 characters as text. How
 * large one is stands at its beginning; the format is part of what pg_upgrade keeps, so reading it here is safe.
 */
#include "postgres.h"

#include <math.h>

#include "base/base.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define MAX_DOUBLE_DIGITS 309 /* before the point of the greatest double */
#define PLACE_DIGITS 4 /* numbers are stored with the base 10000 */
#define PLACE_BASE 10000
#define SMALL_PLACES 2 /* after the point, of numbers that fit 64 bits */

/* The first word of a number tells how it is stored: in a short form, a long one, or as what is no number. */
#define NOT_LONG 0x8000
#define NO_NUMBER 0xC000
#define SCALE_MASK 0x3FFF

/* The rest of the first word in the short form; the weight is that of the long one, in the complement of two. */
#define SHORT_SIGN 0x2000
#define SHORT_WEIGHT_SIGN 0x0040
#define SHORT_WEIGHT 0x003F

/* A number in the long form. The short one has at most 256 digits before the point and 63 after it. */
typedef struct Shape
{
	int scale; /* digits after the point, as text */
	int weight; /* place of the first stored digit; 0 is the one before the point */
	int nplaces; /* stored digits: none for 0, and neither the first nor the last of them is 0 */
	int first; /* the first of them */
} Shape;

static uint16
read_word(Numeric number, int index)
{
	uint16 word;

	memcpy(&word, (char *) VARDATA_ANY(number) + index * sizeof(word), sizeof(word));
	return word;
}

static Shape
shape_of(Numeric number)
{
	Shape shape = {read_word(number, 0) & SCALE_MASK, (int16) read_word(number, 1)};

	shape.nplaces = (int) (VARSIZE_ANY_EXHDR(number) / sizeof(uint16)) - 2;
	shape.first = shape.nplaces > 0 ? read_word(number, 2) : 0;
	return shape;
}

/* Digits before the point. */
static int
whole_digits(const Shape *shape)
{
	if (shape->nplaces == 0 || shape->weight < 0)
		return 1;
	return shape->weight * PLACE_DIGITS + (shape->first >= 1000  ? 4
										   : shape->first >= 100 ? 3
										   : shape->first >= 10  ? 2
																 : 1);
}

static bool
is_finite_double(Numeric number)
{
	return !isinf(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(number))));
}

/* Whether a number is one that any client can read: a finite double of no more digits than are allowed as text. */
bool
ls_number_fits(Numeric number)
{
	uint16 form = read_word(number, 0);
	Shape shape;
	int digits;

	if ((form & NOT_LONG) != 0)
		return (form & NO_NUMBER) != NO_NUMBER;
	shape = shape_of(number);
	digits = whole_digits(&shape);
	return digits + shape.scale <= LS_MAX_NUMBER_DIGITS &&
		   (digits < MAX_DOUBLE_DIGITS || (digits == MAX_DOUBLE_DIGITS && is_finite_double(number)));
}

/*
 * A number of at most four digits before the point and eight after it as a multiple of the last of these: by that such numbers
 * compare. LS_NO_UNITS of any other.
 */
int64
ls_number_units(Numeric number)
{
	static const int64 powers[] = {1, PLACE_BASE, (int64) PLACE_BASE * PLACE_BASE};
	uint16 form = read_word(number, 0);
	int weight = (form & SHORT_WEIGHT_SIGN) != 0 ? (form & SHORT_WEIGHT) - SHORT_WEIGHT - 1 : form & SHORT_WEIGHT;
	int nplaces = (int) (VARSIZE_ANY_EXHDR(number) / sizeof(uint16)) - 1;
	int last = SMALL_PLACES + weight - (nplaces - 1); /* the power of the base that the last stored digit counts in */
	int64 units = 0;

	if ((form & NO_NUMBER) != NOT_LONG || (nplaces > 0 && (weight > 0 || last < 0)))
		return LS_NO_UNITS;
	for (int i = 1; i <= nplaces; i++)
		units = units * PLACE_BASE + read_word(number, i);
	if (nplaces > 0)
		units *= powers[last];
	return (form & SHORT_SIGN) != 0 ? -units : units;
}

/* In the order of numbers, whatever their scales; most numbers of clients are small. */
int
ls_number_compare(Numeric a, Numeric b)
{
	int64 left = ls_number_units(a);
	int64 right = ls_number_units(b);

	if (left != LS_NO_UNITS && right != LS_NO_UNITS)
		return left < right ? -1 : left > right;
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

Numeric
ls_number_add(Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(a), NumericGetDatum(b)));
}

Numeric
ls_number_subtract(Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(a), NumericGetDatum(b)));
}

/* The scale that equal numbers share. */
Numeric
ls_number_trim(Numeric number)
{
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number)));
}

/* Whether a number has so many zeros that its text would be far longer than it is itself. */
static bool
is_sparse(Numeric number)
{
	Shape shape;

	if ((read_word(number, 0) & NOT_LONG) != 0)
		return false;
	shape = shape_of(number);
	return Max(shape.weight, 0) + Max(shape.nplaces - 1 - shape.weight, 0) > LS_MAX_NUMBER_DIGITS / PLACE_DIGITS;
}

/* The text of a number that all spellings of it share; with an exponent where it would be very long. */
char *
ls_number_text(Numeric number)
{
	if (!is_sparse(number))
		return numeric_normalize(number);
	return numeric_out_sci(number, (int) VARSIZE_ANY_EXHDR(number) / (int) sizeof(uint16) * PLACE_DIGITS);
}
