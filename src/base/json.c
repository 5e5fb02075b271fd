/*
 * json.c
 *		Reads typed values out of jsonb without copying them, and orders them.
 */
#include "postgres.h"

#include "base/base.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

LsText
ls_text_datum(Datum datum)
{
	text *packed = DatumGetTextPP(datum);

	return (LsText){VARDATA_ANY(packed), (int) VARSIZE_ANY_EXHDR(packed)};
}

char *
ls_text_string(LsText text)
{
	return pnstrdup(text.data, text.length);
}

Datum
ls_text_to_datum(LsText text)
{
	return PointerGetDatum(cstring_to_text_with_len(text.data, text.length));
}

Datum
ls_text_array(Datum *texts, int count)
{
	return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* jsonb's own order of object keys: the shorter first, then by bytes. */
int
ls_text_compare_keys(LsText a, LsText b)
{
	if (a.length != b.length)
		return a.length < b.length ? -1 : 1;
	return memcmp(a.data, b.data, a.length);
}

/* By bytes, a prefix before what it begins; no text before any. */
int
ls_text_compare(LsText a, LsText b)
{
	int order = a.data == NULL || b.data == NULL ? 0 : memcmp(a.data, b.data, Min(a.length, b.length));

	if (order != 0 || a.length != b.length)
		return order != 0 ? order : a.length - b.length;
	return (int) (a.data != NULL) - (int) (b.data != NULL);
}

int
ls_text_chars(LsText text)
{
	return pg_mbstrlen_with_len(text.data, text.length);
}

/* Ids of all kinds have 1 to 200 characters. */
bool
ls_text_is_id(LsText text)
{
	return text.length > 0 && (text.length <= LS_MAX_ID_CHARS || ls_text_chars(text) <= LS_MAX_ID_CHARS);
}

/* The value of a whole jsonb, containers unopened. */
void
ls_json_root(Jsonb *jsonb, JsonbValue *value)
{
	if (JB_ROOT_IS_SCALAR(jsonb))
	{
		*value = *getIthJsonbValueFromContainer(&jsonb->root, 0);
		return;
	}
	value->type = jbvBinary;
	value->val.binary.data = &jsonb->root;
	value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

bool
ls_json_is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

bool
ls_json_is_array(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

/* Elements of an array, members of an object. */
int
ls_json_count(const JsonbValue *value)
{
	Assert(value->type == jbvBinary);
	return JsonContainerSize(value->val.binary.data);
}

/* The size of a value within its jsonb. */
int
ls_json_bytes(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return value->val.string.len;
		case jbvNumeric:
			return VARSIZE_ANY(value->val.numeric);
		case jbvBinary:
			return value->val.binary.len;
		default:
			return 0;
	}
}

bool
ls_json_get_text(const JsonbValue *object, LsText key, JsonbValue *value)
{
	Assert(ls_json_is_object(object));
	return getKeyJsonValueFromContainer(object->val.binary.data, key.data, key.length, value) != NULL;
}

/* What a string says, or a number that fits in its shortest spelling: ids may be either. Without data for others. */
LsText
ls_json_name(const JsonbValue *value)
{
	if (value->type == jbvString)
		return ls_text_of(value);
	if (value->type == jbvNumeric && ls_number_fits(value->val.numeric))
		return ls_text(ls_number_text(value->val.numeric));
	return (LsText){NULL, 0};
}

/* Whether a value is a number without a fraction that fits 64 bits; 2.0 is one. */
bool
ls_json_integer(const JsonbValue *value, int64 *integer)
{
	Datum number;
	Datum low = NumericGetDatum(int64_to_numeric(PG_INT64_MIN));
	Datum high = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));

	if (value->type != jbvNumeric)
		return false;
	number = NumericGetDatum(value->val.numeric);
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, number, low)) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, number, high)))
		return false;
	*integer = DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, number, NumericGetDatum(int64_to_numeric(*integer))));
}

/* Where a type stands in jsonb's order of types. */
static int
type_rank(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return 0;
		case jbvString:
			return 1;
		case jbvNumeric:
			return 2;
		case jbvBool:
			return 3;
		default:
			return ls_json_is_array(value) ? 4 : 5;
	}
}

/* By the number of entries, then entry by entry, of an object first by its key. */
static int
compare_containers(const JsonbValue *a, const JsonbValue *b)
{
	bool are_objects = ls_json_is_object(a);
	int order = ls_json_count(a) - ls_json_count(b);
	LsJsonWalk walk_a;
	LsJsonWalk walk_b;
	LsText key_a;
	LsText key_b;
	JsonbValue value_a;
	JsonbValue value_b;

	check_stack_depth();
	ls_json_walk(&walk_a, a);
	ls_json_walk(&walk_b, b);
	while (order == 0 && ls_json_walk_next(&walk_a, &key_a, &value_a) && ls_json_walk_next(&walk_b, &key_b, &value_b))
	{
		CHECK_FOR_INTERRUPTS();
		if (are_objects)
			order = ls_text_compare(key_a, key_b);
		if (order == 0)
			order = ls_json_compare(&value_a, &value_b);
	}
	return order;
}

/* Orders JSON values as jsonb does, but text by bytes whatever the collation; 1 equals 1.0. */
int
ls_json_compare(const JsonbValue *a, const JsonbValue *b)
{
	int order = type_rank(a) - type_rank(b);

	if (order != 0)
		return order;
	switch (a->type)
	{
		case jbvNull:
			return 0;
		case jbvString:
			return ls_text_compare(ls_text_of(a), ls_text_of(b));
		case jbvNumeric:
			return ls_number_compare(a->val.numeric, b->val.numeric);
		case jbvBool:
			return (int) a->val.boolean - (int) b->val.boolean;
		default:
			return compare_containers(a, b);
	}
}
