/*
 * mutate.c
 *		How libFuzzer changes inputs that are JSON: most of the time by their values and members, so that they stay JSON.
 */
#include "postgres.h"

#define MAX_SPANS 4096
#define MAX_DEPTH 200

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
extern bool fuzz_mutates_json;

/* A value, or a member of an object with its name. */
typedef struct Span
{
	size_t start;
	size_t end;
	bool is_member;
} Span;

typedef struct Reader
{
	const char *text;
	size_t size;
	size_t at;
	int count;
	Span spans[MAX_SPANS];
} Reader;

static const char *const odd_values[] = {"null",
										 "true",
										 "false",
										 "0",
										 "-1",
										 "1",
										 "2",
										 "100",
										 "1e300",
										 "-1e-300",
										 "9223372036854775807",
										 "9223372036854775808",
										 "0.1",
										 "1.50",
										 "99999999999999999999999999999999",
										 "\"\"",
										 "\"a\"",
										 "\"\\u0001\"",
										 "\"\\ud83d\\ude00\"",
										 "\"é\"",
										 "\"infinity\"",
										 "\"2026-01-08T10:00:00.000Z\"",
										 "\"0001-01-01T00:00:00+23:59\"",
										 "\"9999-12-31T23:59:60Z\"",
										 "[]",
										 "{}",
										 "[[]]",
										 "[null]",
										 "{\"a\":1}",
										 "{\"id\":\"a\",\"deleted\":true}",
										 "[{\"id\":\"a\"},{\"id\":\"b\"}]",
										 "\"create\"",
										 "\"update\"",
										 "\"delete\"",
										 "\"note\"",
										 "\"lesson_progress\"",
										 "\"r1\"",
										 "\"[\\\"r1\\\",1]\""};

static char
skip(Reader *reader, const char *characters)
{
	while (reader->at < reader->size && strchr(characters, reader->text[reader->at]) != NULL &&
		   reader->text[reader->at] != '\0')
		reader->at++;
	return reader->at < reader->size ? reader->text[reader->at] : '\0';
}

static void
add_span(Reader *reader, size_t start, bool is_member)
{
	if (reader->count < MAX_SPANS)
		reader->spans[reader->count++] = (Span){start, reader->at, is_member};
}

static bool
read_string(Reader *reader)
{
	size_t start = reader->at;

	for (reader->at++; reader->at < reader->size && reader->text[reader->at] != '"'; reader->at++)
	{
		if (reader->text[reader->at] == '\\')
			reader->at++;
	}
	if (reader->at >= reader->size)
		return false;
	reader->at++;
	add_span(reader, start, false);
	return true;
}

/* Notes the spans of a value and of all in it; false where it is no JSON any more. */
static bool
read_value(Reader *reader, int depth)
{
	char first = skip(reader, " \n\t");
	size_t start = reader->at;

	if (first == '"')
		return read_string(reader);
	if (first != '{' && first != '[')
	{
		skip(reader, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
		add_span(reader, start, false);
		return reader->at > start;
	}
	reader->at++;
	while (skip(reader, ", \n\t") != (first == '{' ? '}' : ']'))
	{
		size_t member = reader->at;

		if (depth == MAX_DEPTH || (first == '{' && (reader->at >= reader->size || !read_string(reader))))
			return false;
		skip(reader, ": \n\t");
		if (!read_value(reader, depth + 1))
			return false;
		if (first == '{')
			add_span(reader, member, true);
	}
	reader->at++;
	add_span(reader, start, false);
	return true;
}

/* Puts bytes in the place of others; the size then, or 0 where that is too much. */
static size_t
replace(uint8_t *data, size_t size, size_t max, size_t start, size_t end, const char *bytes, size_t length)
{
	size_t total = size - (end - start) + length;

	if (total > max)
		return 0;
	memmove(data + start + length, data + end, size - end);
	memcpy(data + start, bytes, length);
	return total;
}

static size_t
mutate_json(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static Reader reader;
	char *text = malloc(size + 1);
	const char *odd = odd_values[seed / 7 % lengthof(odd_values)];
	const Span *span;
	const Span *other;
	size_t result = 0;

	memcpy(text, data, size);
	reader.text = text;
	reader.size = size;
	reader.at = reader.count = 0;
	read_value(&reader, 0);
	if (reader.count > 0)
	{
		srand(seed);
		span = &reader.spans[rand() % reader.count];
		other = &reader.spans[rand() % reader.count];
		switch (seed % 7)
		{
			case 0: /* it goes, and its comma */
				result = replace(data, size, max, span->start,
								 span->end + (span->end < size && text[span->end] == ','), "", 0);
				break;
			case 1: /* twice */
				result =
					replace(data, size, max, span->start, span->start, text + span->start, span->end - span->start);
				if (result > 0)
					result = replace(data, result, max, span->end, span->end, ",", 1);
				break;
			case 2: /* another of its kind in its place */
			case 3:
				for (int i = 0; i < 20 && other->is_member != span->is_member; i++)
					other = &reader.spans[rand() % reader.count];
				result =
					replace(data, size, max, span->start, span->end, text + other->start, other->end - other->start);
				break;
			case 4: /* its bytes change */
				if (!span->is_member && span->end - span->start < 100)
				{
					uint8_t bytes[200];
					size_t length = span->end - span->start;

					memcpy(bytes, text + span->start, length);
					length = LLVMFuzzerMutate(bytes, length, sizeof(bytes));
					result = replace(data, size, max, span->start, span->end, (char *) bytes, length);
					break;
				}
				/* FALLTHROUGH */
			default:
				while (span->is_member)
					span = &reader.spans[rand() % reader.count];
				result = replace(data, size, max, span->start, span->end, odd, strlen(odd));
		}
	}
	free(text);
	return result;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t changed = 0;

	if (fuzz_mutates_json && seed % 4 != 0)
		changed = mutate_json(data, size, max, seed / 4);
	return changed > 0 ? changed : LLVMFuzzerMutate(data, size, max);
}
