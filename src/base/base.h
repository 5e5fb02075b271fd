/*
 * base.h
 *		What every room is built from: text and JSON, digests, times, failures. It knows no table and no rule.
 */
#ifndef LEARNSYNC_BASE_H
#define LEARNSYNC_BASE_H

#include "lib/stringinfo.h"
#include "learnsync.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* A slice of text that is not zero-terminated; data is NULL where there is none. */
typedef struct LsText
{
	const char *data;
	int length;
} LsText;

/* Why an item was refused, as the answer tells it. */
typedef struct LsFailure
{
	const char *code; /* one of the item codes; NULL while nothing failed */
	const char *path; /* JSON path within the item */
	const char *message; /* what a developer of the app reads */
	bool retryable;
	LsText waits_for; /* the type or content without which it cannot be judged; without data where that is not why */
} LsFailure;

/* What a walk over a client's value tells of it. */
typedef struct LsExtent
{
	int depth; /* how deeply it is nested; 0 for what is no container */
	bool has_bad_number; /* one that is no finite double, or too long as text */
} LsExtent;

/* The 128-bit digest in progress (SipHash-2-4). */
typedef struct LsDigest
{
	uint64 v0, v1, v2, v3;
	uint64 tail; /* bytes that do not fill a word yet */
	uint64 length; /* bytes taken so far */
} LsDigest;

/* Where the text is a literal, the compiler knows its length. */
static inline LsText
ls_text(const char *string)
{
	return (LsText){string, string != NULL ? (int) strlen(string) : 0};
}

static inline LsText
ls_text_of(const JsonbValue *value)
{
	Assert(value->type == jbvString);
	return (LsText){value->val.string.val, value->val.string.len};
}

static inline bool
ls_text_equal(LsText a, LsText b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* json.c */
extern LsText ls_text_datum(Datum text);
extern char *ls_text_string(LsText text);
extern Datum ls_text_to_datum(LsText text);
extern Datum ls_text_array(Datum *texts, int count);
extern int ls_text_compare(LsText a, LsText b);
extern int ls_text_compare_keys(LsText a, LsText b);
extern int ls_text_chars(LsText text);
extern bool ls_text_is_id(LsText text);
extern void ls_json_root(Jsonb *jsonb, JsonbValue *value);
extern bool ls_json_is_object(const JsonbValue *value);
extern bool ls_json_is_array(const JsonbValue *value);
extern int ls_json_count(const JsonbValue *value);
extern int ls_json_bytes(const JsonbValue *value);
extern bool ls_json_get_text(const JsonbValue *object, LsText key, JsonbValue *value);
extern LsText ls_json_name(const JsonbValue *value);
extern bool ls_json_integer(const JsonbValue *value, int64 *integer);
extern int ls_json_compare(const JsonbValue *a, const JsonbValue *b);

static inline bool
ls_json_get(const JsonbValue *object, const char *key, JsonbValue *value)
{
	return ls_json_get_text(object, ls_text(key), value);
}

/* json_walk.c */

/* Steps through the entries of an array or object. */
typedef struct LsJsonWalk
{
	const JEntry *keys; /* of the next entry; NULL in an array */
	const JEntry *values;
	char *data;
	uint32 key_start;
	uint32 value_start;
	int left;
} LsJsonWalk;

extern void ls_json_walk(LsJsonWalk *walk, const JsonbValue *value);
extern bool ls_json_walk_next(LsJsonWalk *walk, LsText *key, JsonbValue *value);

/* json_out.c */
extern JsonbValue ls_json_null(void);
extern JsonbValue ls_json_bool(bool boolean);
extern JsonbValue ls_json_int(int64 integer);
extern JsonbValue ls_json_stamp(TimestampTz at);
extern JsonbValue ls_json_uuid(const pg_uuid_t *uuid);
extern JsonbValue ls_json_object(void);
extern JsonbValue ls_json_array(void);
extern void ls_json_put(JsonbValue *object, const char *key, JsonbValue value);
extern void ls_json_put_text(JsonbValue *object, LsText key, JsonbValue value);
extern void ls_json_add(JsonbValue *array, JsonbValue value);
extern Jsonb *ls_json_encode(const JsonbValue *value);

/* null where there is no text. */
static inline JsonbValue
ls_json_text(LsText text)
{
	if (text.data == NULL)
		return ls_json_null();
	return (JsonbValue){.type = jbvString, .val.string = {text.length, (char *) text.data}};
}

static inline JsonbValue
ls_json_string(const char *string)
{
	return ls_json_text(ls_text(string));
}

/* json_print.c */

/* Appends what is written as it stands, a literal. */
#define ls_json_print_plain(out, literal) appendBinaryStringInfo(out, "" literal, sizeof(literal) - 1)

extern StringInfo ls_json_print_open(MemoryContext context);
extern Datum ls_json_print_close(StringInfo out);
extern void ls_json_print_text(StringInfo out, LsText text);
extern void ls_json_print_int(StringInfo out, int64 number);
extern void ls_json_print(StringInfo out, const JsonbValue *value);
extern int64 ls_json_printed_bytes(const JsonbValue *value);

/* json_scan.c */
extern bool ls_json_scan_member(const char *text, const char *name, char **value);
extern bool ls_json_scan_number(const char *text, const char *name, double *value);
extern bool ls_json_scan_keys(LsText text, int nkeys, LsText *keys);

/* digest.c */
extern void ls_digest_start(LsDigest *digest);
extern void ls_digest_text(LsDigest *digest, LsText text);
extern LsExtent ls_digest_json(LsDigest *digest, const JsonbValue *value, const LsText *without);
extern pg_uuid_t ls_digest_end(LsDigest *digest);
extern int64 ls_digest_fingerprint(const pg_uuid_t *digest);
extern pg_uuid_t ls_digest_derive(const pg_uuid_t *key, const char *purpose);
extern LsText ls_digest_uuid_text(const pg_uuid_t *uuid);
extern bool ls_digest_read_uuid(LsText text, pg_uuid_t *uuid);
extern PGDLLEXPORT uint32 ls_digest_hash(LsText text); /* to be looked at by test/scenario/hostile */
extern HTAB *ls_digest_table(const char *name, Size key, Size entry);

/* number.c */
extern bool ls_number_fits(Numeric number);
#define LS_NO_UNITS PG_INT64_MIN /* of a number that has other digits */
extern int64 ls_number_units(Numeric number);
extern int ls_number_compare(Numeric a, Numeric b);
extern Numeric ls_number_add(Numeric a, Numeric b);
extern Numeric ls_number_subtract(Numeric a, Numeric b);
extern Numeric ls_number_trim(Numeric number);
extern char *ls_number_text(Numeric number);

/* tell.c */
extern void ls_tell(const char *task, int64 done, int64 total);

#define LS_LINE_BYTES 64 /* of memory, which a processor gets at a time */

/* Asks for memory that will be looked at soon; what is no memory at all is not asked for. */
static inline void
ls_memory_ask(const void *memory)
{
#ifdef __GNUC__
	__builtin_prefetch(memory);
#endif
}

/* memory.c */
extern void ls_memory_copy(void *to, const void *from, Size bytes);
extern void ls_memory_extend(StringInfo text);
extern void *ls_memory_zeroed(Size count, Size size);
extern void *ls_memory_varlena(const void *value);

/* limit.c */
extern bool ls_limit_check(const JsonbValue *value, const LsExtent *extent, const char *what, int max_bytes,
						   const char *path, LsFailure *failure) pg_attribute_nonnull(6);
extern bool ls_limit_has_bad_number(const JsonbValue *value);
extern bool ls_limit_check_numbers(const JsonbValue *value, const char *path, LsFailure *failure)
	pg_attribute_nonnull(3);

/* set.c */
typedef struct LsSet LsSet;

extern LsSet *ls_set_of(const JsonbValue *array);
extern bool ls_set_has(const LsSet *set, const JsonbValue *value);

/* sort.c */
typedef int (*LsCompare)(const void *a, const void *b);

extern PGDLLEXPORT void ls_sort(void *elements, Size count, Size size, LsCompare compare); /* likewise */

/* stamp.c */
extern bool ls_stamp_is_valid(TimestampTz at);
extern bool ls_stamp_parse(LsText text, TimestampTz *at);
extern LsText ls_stamp_text(TimestampTz at, int digits);

/* fail.c */
extern int ls_fail_sqlstate(const LsFailure *failure) pg_attribute_nonnull(1);
extern char *ls_fail_message(const char *format, va_list arguments) pg_attribute_printf(1, 0);
extern bool ls_fail_until(LsFailure *failure, LsText waits_for) pg_attribute_nonnull(1);
extern bool ls_fail(LsFailure *failure, const char *code, const char *path, const char *message, ...)
	pg_attribute_printf(4, 5) pg_attribute_nonnull(1, 2, 3);

/* refuse.c */
extern int ls_refuse_pause(int from, int to);
pg_noreturn extern void ls_refuse_for_now(const char *code, int seconds, const char *message, const char *detail);

#endif
