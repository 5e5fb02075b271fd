/*
 * json_print.c
 *		Prints JSON as compact text, straight into the buffer of an answer.
 *
 * An answer that is built as jsonb and printed then is held twice, and walked three times.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define INT64_CHARS 20
#define IN_EACH_BYTE (PG_UINT64_MAX / 0xff) /* times a byte */

/* Begins a text that is printed where it stays: in a context that outlives the call. */
StringInfo
ls_json_print_open(MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	StringInfo out = makeStringInfo();

	out->len = VARHDRSZ; /* so that the finished text is a datum */
	MemoryContextSwitchTo(caller);
	return out;
}

/* The finished text. */
Datum
ls_json_print_close(StringInfo out)
{
	SET_VARSIZE(out->data, out->len);
	return PointerGetDatum(out->data);
}

static void
print_escaped(StringInfo out, unsigned char c)
{
	static const char letters[] = "btn?fr";

	appendStringInfoCharMacro(out, '\\');
	if (c == '"' || c == '\\')
		appendStringInfoCharMacro(out, c);
	else if (c >= '\b' && c <= '\r' && c != '\v')
		appendStringInfoCharMacro(out, letters[c - '\b']);
	else
		appendStringInfo(out, "u%04x", c);
}

/* Whether one of eight bytes is less than that. */
static inline bool
has_less(uint64 bytes, uint64 than)
{
	return ((bytes - IN_EACH_BYTE * than) & ~bytes & IN_EACH_BYTE * 0x80) != 0;
}

/* Whether the next eight bytes are printed as they are. */
static inline bool
are_plain(const char *next)
{
	uint64 bytes;

	memcpy(&bytes, next, sizeof(bytes));
	return !has_less(bytes, ' ') && !has_less(bytes ^ IN_EACH_BYTE * '"', 1) &&
		   !has_less(bytes ^ IN_EACH_BYTE * '\\', 1);
}

/* A string, quoted. */
void
ls_json_print_text(StringInfo out, LsText text)
{
	int start = 0;

	appendStringInfoCharMacro(out, '"');
	for (int i = 0; i < text.length; i++)
	{
		unsigned char c;

		while (text.length - i > (int) sizeof(uint64) && are_plain(text.data + i))
			i += sizeof(uint64);
		c = text.data[i];
		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		appendBinaryStringInfo(out, text.data + start, i - start);
		print_escaped(out, c);
		start = i + 1;
	}
	appendBinaryStringInfo(out, text.data + start, text.length - start);
	appendStringInfoCharMacro(out, '"');
}

void
ls_json_print_int(StringInfo out, int64 number)
{
	enlargeStringInfo(out, INT64_CHARS);
	out->len += pg_lltoa(number, out->data + out->len);
}

/* Between members: their comma, if it is not the first, and the name. */
static void
print_key(StringInfo out, LsText key, bool first)
{
	if (!first)
		appendStringInfoCharMacro(out, ',');
	if (key.data == NULL)
		return;
	ls_json_print_text(out, key);
	appendStringInfoCharMacro(out, ':');
}

static void
print_packed(StringInfo out, const JsonbValue *container)
{
	bool is_object = ls_json_is_object(container);
	bool first = true;
	LsText key = {NULL, 0};
	JsonbValue value;
	LsJsonWalk walk;

	appendStringInfoCharMacro(out, is_object ? '{' : '[');
	ls_json_walk(&walk, container);
	for (; ls_json_walk_next(&walk, &key, &value); first = false)
	{
		CHECK_FOR_INTERRUPTS();
		print_key(out, key, first);
		ls_json_print(out, &value);
	}
	appendStringInfoCharMacro(out, is_object ? '}' : ']');
}

static void
print_array(StringInfo out, const JsonbValue *array)
{
	appendStringInfoCharMacro(out, '[');
	for (int i = 0; i < array->val.array.nElems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		print_key(out, (LsText){NULL, 0}, i == 0);
		ls_json_print(out, &array->val.array.elems[i]);
	}
	appendStringInfoCharMacro(out, ']');
}

static void
print_object(StringInfo out, const JsonbValue *object)
{
	appendStringInfoCharMacro(out, '{');
	for (int i = 0; i < object->val.object.nPairs; i++)
	{
		CHECK_FOR_INTERRUPTS();
		print_key(out, ls_text_of(&object->val.object.pairs[i].key), i == 0);
		ls_json_print(out, &object->val.object.pairs[i].value);
	}
	appendStringInfoCharMacro(out, '}');
}

/* A tree of values, of which pieces may be jsonb. What it takes besides lies in the current context. */
void
ls_json_print(StringInfo out, const JsonbValue *value)
{
	check_stack_depth();
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(out, "null");
			break;
		case jbvBool:
			appendStringInfoString(out, value->val.boolean ? "true" : "false");
			break;
		case jbvString:
			ls_json_print_text(out, ls_text_of(value));
			break;
		case jbvNumeric:
			appendStringInfoString(
				out, DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
			break;
		case jbvBinary:
			print_packed(out, value);
			break;
		case jbvArray:
			print_array(out, value);
			break;
		default:
			print_object(out, value);
	}
}

/* How long a value is as text. */
int64
ls_json_printed_bytes(const JsonbValue *value)
{
	StringInfoData text;

	initStringInfo(&text);
	ls_json_print(&text, value);
	pfree(text.data);
	return text.len;
}
