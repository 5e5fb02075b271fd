/*
 * json_out.c
 *		Builds jsonb: trees of values whose leaves may be pieces of other jsonb, copied as they are.
 *
 * The server's own JsonbValueToJsonb takes such pieces apart and puts them together again. The binary format is
 * part of what pg_upgrade keeps, so writing it here is safe.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"
#include "utils/numeric.h"

#define FIRST_CAPACITY 8 /* entries, a power of two */
#define LARGE (1024 * 1024) /* bytes that are copied in pieces */

JsonbValue
ls_json_null(void)
{
	return (JsonbValue){.type = jbvNull};
}

JsonbValue
ls_json_bool(bool boolean)
{
	return (JsonbValue){.type = jbvBool, .val.boolean = boolean};
}

JsonbValue
ls_json_int(int64 integer)
{
	return (JsonbValue){.type = jbvNumeric, .val.numeric = int64_to_numeric(integer)};
}

/* A time as documents and answers show it: UTC, milliseconds. */
JsonbValue
ls_json_stamp(TimestampTz at)
{
	return ls_json_text(ls_stamp_text(at, 3));
}

JsonbValue
ls_json_uuid(const pg_uuid_t *uuid)
{
	return ls_json_text(ls_digest_uuid_text(uuid));
}

JsonbValue
ls_json_object(void)
{
	JsonbValue object = {.type = jbvObject};

	object.val.object.pairs = palloc(sizeof(JsonbPair) * FIRST_CAPACITY);
	return object;
}

JsonbValue
ls_json_array(void)
{
	JsonbValue array = {.type = jbvArray};

	array.val.array.elems = palloc(sizeof(JsonbValue) * FIRST_CAPACITY);
	return array;
}

/* Makes room for one more entry: capacities are powers of two, so an array is full where its count is one. */
static void *
grow(void *entries, int n, Size entry)
{
	if (n < FIRST_CAPACITY || (n & (n - 1)) != 0)
		return entries;
	return repalloc_huge(entries, entry * n * 2);
}

void
ls_json_put_text(JsonbValue *object, LsText key, JsonbValue value)
{
	int n = object->val.object.nPairs;

	object->val.object.pairs = grow(object->val.object.pairs, n, sizeof(JsonbPair));
	object->val.object.pairs[n] = (JsonbPair){.key = ls_json_text(key), .value = value};
	object->val.object.nPairs = n + 1;
}

void
ls_json_put(JsonbValue *object, const char *key, JsonbValue value)
{
	ls_json_put_text(object, ls_text(key), value);
}

void
ls_json_add(JsonbValue *array, JsonbValue value)
{
	int n = array->val.array.nElems;

	array->val.array.elems = grow(array->val.array.elems, n, sizeof(JsonbValue));
	array->val.array.elems[n] = value;
	array->val.array.nElems = n + 1;
}

static JEntry write_value(StringInfo out, const JsonbValue *value);

static void
pad_to_int(StringInfo out)
{
	while (out->len != INTALIGN(out->len))
		appendStringInfoCharMacro(out, '\0');
}

/* Appends what may be as large as all that a client sends; mostly it is small, which costs no more than it must. */
static inline void
append(StringInfo out, const void *from, int bytes)
{
	if (bytes < LARGE)
	{
		appendBinaryStringInfo(out, from, bytes);
		return;
	}
	enlargeStringInfo(out, bytes);
	ls_memory_copy(out->data + out->len, from, bytes);
	out->len += bytes;
}

/* Room for n entries of a container; answers where it starts. */
static int
reserve_entries(StringInfo out, int n)
{
	int at = out->len;

	enlargeStringInfo(out, n * (int) sizeof(JEntry));
	out->len += n * (int) sizeof(JEntry);
	return at;
}

/* Fills in the entry of one child; every 32nd holds an offset instead of a length, for random access. */
static void
write_entry(StringInfo out, int entries, int index, JEntry entry, uint32 *total)
{
	*total += JBE_OFFLENFLD(entry);
	if (*total > JENTRY_OFFLENMASK)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("jsonb value is too large")));
	if (index % JB_OFFSET_STRIDE == 0)
	{
		CHECK_FOR_INTERRUPTS();
		entry = (entry & JENTRY_TYPEMASK) | *total | JENTRY_HAS_OFF;
	}
	memcpy(out->data + entries + index * sizeof(JEntry), &entry, sizeof(JEntry));
}

static void
write_array(StringInfo out, const JsonbValue *array)
{
	int n = array->val.array.nElems;
	uint32 header = n | JB_FARRAY | (array->val.array.rawScalar ? JB_FSCALAR : 0);
	uint32 total = 0;
	int entries;

	appendBinaryStringInfo(out, (char *) &header, sizeof(header));
	entries = reserve_entries(out, n);
	for (int i = 0; i < n; i++)
		write_entry(out, entries, i, write_value(out, &array->val.array.elems[i]), &total);
}

static int
compare_pairs(const void *a, const void *b)
{
	return ls_text_compare_keys(ls_text_of(&((const JsonbPair *) a)->key), ls_text_of(&((const JsonbPair *) b)->key));
}

static void
sort_pairs(const JsonbValue *object)
{
	JsonbPair *pairs = object->val.object.pairs;

	for (int i = 1; i < object->val.object.nPairs; i++)
	{
		if (compare_pairs(&pairs[i - 1], &pairs[i]) > 0)
		{
			ls_sort(pairs, object->val.object.nPairs, sizeof(JsonbPair), compare_pairs);
			return;
		}
	}
}

/* Keys come first, then values, both in key order; keys are unique by construction. */
static void
write_object(StringInfo out, const JsonbValue *object)
{
	int n = object->val.object.nPairs;
	uint32 header = n | JB_FOBJECT;
	uint32 total = 0;
	int entries;

	sort_pairs(object);
	appendBinaryStringInfo(out, (char *) &header, sizeof(header));
	entries = reserve_entries(out, n * 2);
	for (int i = 0; i < n; i++)
		write_entry(out, entries, i, write_value(out, &object->val.object.pairs[i].key), &total);
	for (int i = 0; i < n; i++)
		write_entry(out, entries, n + i, write_value(out, &object->val.object.pairs[i].value), &total);
}

/* Appends one value; its entry has the length including the padding before it. */
static JEntry
write_value(StringInfo out, const JsonbValue *value)
{
	int start = out->len;

	check_stack_depth();
	switch (value->type)
	{
		case jbvNull:
			return JENTRY_ISNULL;
		case jbvBool:
			return value->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
		case jbvString:
			append(out, value->val.string.val, value->val.string.len);
			return JENTRY_ISSTRING | (out->len - start);
		case jbvNumeric:
			pad_to_int(out);
			appendBinaryStringInfo(out, (char *) value->val.numeric, VARSIZE_ANY(value->val.numeric));
			return JENTRY_ISNUMERIC | (out->len - start);
		case jbvBinary:
			pad_to_int(out);
			append(out, value->val.binary.data, value->val.binary.len);
			break;
		case jbvArray:
			pad_to_int(out);
			write_array(out, value);
			break;
		default:
			pad_to_int(out);
			write_object(out, value);
	}
	return JENTRY_ISCONTAINER | (out->len - start);
}

/* The finished jsonb, in the current context. */
Jsonb *
ls_json_encode(const JsonbValue *value)
{
	StringInfoData out;
	JsonbValue scalar = {.type = jbvArray};

	initStringInfo(&out);
	out.len = VARHDRSZ;
	if (value->type < jbvArray)
	{
		scalar.val.array.nElems = 1;
		scalar.val.array.elems = (JsonbValue *) value;
		scalar.val.array.rawScalar = true;
		value = &scalar;
	}
	write_value(&out, value);
	SET_VARSIZE(out.data, out.len);
	return (Jsonb *) out.data;
}
