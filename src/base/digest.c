/*
 * digest.c
 *		Digests of identities and payloads: SipHash-2-4 with 128 bits over a canonical walk of JSON.
 *
 * Digests are stored for ever, so the algorithm, its key and the walk are frozen; test vectors guard them. The
 * server's own hash functions may change from one major version to the next.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"

/* What the algorithm starts from, before the key. */
#define FIRST_V0 UINT64CONST(0x736f6d6570736575)
#define FIRST_V1 UINT64CONST(0x646f72616e646f6d)
#define FIRST_V2 UINT64CONST(0x6c7967656e657261)
#define FIRST_V3 UINT64CONST(0x7465646279746573)

#define ROTATE_LEFT(word, bits) (((word) << (bits)) | ((word) >> (64 - (bits))))

static inline void
mix(LsDigest *d)
{
	d->v0 += d->v1;
	d->v1 = ROTATE_LEFT(d->v1, 13) ^ d->v0;
	d->v0 = ROTATE_LEFT(d->v0, 32);
	d->v2 += d->v3;
	d->v3 = ROTATE_LEFT(d->v3, 16) ^ d->v2;
	d->v0 += d->v3;
	d->v3 = ROTATE_LEFT(d->v3, 21) ^ d->v0;
	d->v2 += d->v1;
	d->v1 = ROTATE_LEFT(d->v1, 17) ^ d->v2;
	d->v2 = ROTATE_LEFT(d->v2, 32);
}

static inline void
take_word(LsDigest *d, uint64 word)
{
	d->v3 ^= word;
	mix(d);
	mix(d);
	d->v0 ^= word;
}

/* Starts with the key of the algorithm's published test vectors, bytes 0 to 15. */
void
ls_digest_start(LsDigest *digest)
{
	uint64 k0 = UINT64CONST(0x0706050403020100);
	uint64 k1 = UINT64CONST(0x0f0e0d0c0b0a0908);

	digest->v0 = FIRST_V0 ^ k0;
	digest->v1 = FIRST_V1 ^ k1 ^ 0xee;
	digest->v2 = FIRST_V2 ^ k0;
	digest->v3 = FIRST_V3 ^ k1;
	digest->tail = 0;
	digest->length = 0;
}

static uint64
read_word(const unsigned char *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
#ifdef WORDS_BIGENDIAN
	word = pg_bswap64(word);
#endif
	return word;
}

/* The same of up to 7 bytes. */
static uint64
read_part(const unsigned char *bytes, int count)
{
	unsigned char word[8] = {0};

	Assert(count < lengthof(word));
	for (int i = 0; i < count; i++)
		word[i] = bytes[i];
	return read_word(word);
}

/* Takes up to 8 bytes, of which word has no others. */
static inline void
take_few(LsDigest *digest, uint64 word, int count)
{
	int filled = 8 * (int) (digest->length & 7); /* bits of tail in use */

	Assert(count > 0 && count <= 8 && (count == 8 || word >> (8 * count) == 0));
	digest->length += count;
	digest->tail |= word << filled;
	if (filled + 8 * count < 64)
		return;
	take_word(digest, digest->tail);
	digest->tail = filled == 0 ? 0 : word >> (64 - filled);
}

/* On a copy, which the compiler keeps in registers. */
static void
take_bytes(LsDigest *digest, const void *bytes, Size length)
{
	const unsigned char *next = bytes;
	const unsigned char *end = next + length;
	LsDigest d = *digest;

	for (; end - next >= 8; next += 8)
		take_few(&d, read_word(next), 8);
	if (next < end)
	{
		int rest = (int) (end - next); /* at most 7 */

		take_few(&d, length >= 8 ? read_word(end - 8) >> (64 - 8 * rest) : read_part(next, rest), rest);
	}
	*digest = d;
}

/* The raw digest, without the bits that make it a UUID. */
static void
finish(LsDigest *d, unsigned char *out)
{
	uint64 words[2];

	StaticAssertStmt(sizeof(words) == UUID_LEN, "a digest must be as long as a UUID");
	take_word(d, d->tail | (d->length << 56));
	d->v2 ^= 0xee;
	for (int i = 0; i < 4; i++)
		mix(d);
	words[0] = d->v0 ^ d->v1 ^ d->v2 ^ d->v3;
	d->v1 ^= 0xdd;
	for (int i = 0; i < 4; i++)
		mix(d);
	words[1] = d->v0 ^ d->v1 ^ d->v2 ^ d->v3;
	for (int i = 0; i < 16; i++)
		out[i] = (unsigned char) (words[i / 8] >> (8 * (i % 8)));
}

/* The digest as a UUID of version 8 (RFC 9562), so that ids derived from it are valid wherever a UUID is wanted. */
pg_uuid_t
ls_digest_end(LsDigest *digest)
{
	pg_uuid_t uuid;

	finish(digest, uuid.data);
	uuid.data[6] = (uuid.data[6] & 0x0f) | 0x80;
	uuid.data[8] = (uuid.data[8] & 0x3f) | 0x80;
	return uuid;
}

int64
ls_digest_fingerprint(const pg_uuid_t *digest)
{
	return (int64) read_word(digest->data);
}

/* A tag, the length in four bytes and the bytes: no two different sequences of texts give the same stream. */
static void
take_tagged(LsDigest *digest, char tag, const char *data, uint32 length)
{
	take_few(digest, (unsigned char) tag | (uint64) length << 8, 5);
	take_bytes(digest, data, length);
}

void
ls_digest_text(LsDigest *digest, LsText text)
{
	take_tagged(digest, text.data == NULL ? 'z' : 's', text.data, text.length);
}

static void
take_number(LsDigest *digest, Numeric numeric, LsExtent *extent)
{
	char *number = ls_number_text(numeric);

	take_tagged(digest, 'n', number, ls_text(number).length);
	pfree(number);
	if (!ls_number_fits(numeric))
		extent->has_bad_number = true;
}

static void
take_scalar(LsDigest *digest, const JsonbValue *value, LsExtent *extent)
{
	switch (value->type)
	{
		case jbvNull:
			take_tagged(digest, 'z', NULL, 0);
			break;
		case jbvBool:
			take_tagged(digest, value->val.boolean ? 't' : 'f', NULL, 0);
			break;
		case jbvNumeric:
			take_number(digest, value->val.numeric, extent);
			break;
		default:
			ls_digest_text(digest, ls_text_of(value));
	}
}

/* Which of some names, of which the last is without data, a member has; -1 where it has none of them. */
static int
find_name(LsText key, const LsText *names)
{
	for (int i = 0; names != NULL && names[i].data != NULL; i++)
	{
		if (key.length == names[i].length && memcmp(key.data, names[i].data, key.length) == 0)
			return i;
	}
	return -1;
}

/* An array or object that is nested so deeply; without the members of some names, where these are given. */
static void
take_container(LsDigest *digest, const JsonbValue *json, const LsText *without, LsExtent *extent, int depth)
{
	LsText key = {NULL, 0};
	JsonbValue value;
	LsJsonWalk walk;
	bool is_object = ls_json_is_object(json);

	check_stack_depth();
	extent->depth = Max(extent->depth, depth);
	take_tagged(digest, is_object ? '{' : '[', NULL, 0);
	ls_json_walk(&walk, json);
	while (ls_json_walk_next(&walk, &key, &value))
	{
		LsDigest of_nothing;
		LsDigest *into = digest;
		int found;

		CHECK_FOR_INTERRUPTS();
		found = is_object ? find_name(key, without) : -1;
		if (found == 0)
			continue;
		if (found > 0)
		{
			ls_digest_start(&of_nothing);
			into = &of_nothing;
		}
		if (is_object)
			ls_digest_text(into, key);
		if (value.type == jbvBinary)
			take_container(into, &value, NULL, extent, depth + 1);
		else
			take_scalar(into, &value, extent);
	}
	take_tagged(digest, ')', NULL, 0);
}

/*
 * Digests a JSON value as a value: key order, spelling of numbers and white space do not matter. Members of the outermost
 * object can be left out: names, of which the last is without data. Answers what the walk tells besides, of those as well but for the first.
 */
LsExtent
ls_digest_json(LsDigest *digest, const JsonbValue *json, const LsText *without)
{
	LsExtent extent = {0};

	if (json->type == jbvBinary)
		take_container(digest, json, without, &extent, 1);
	else
		take_scalar(digest, json, &extent);
	return extent;
}

/*
 * A hash of a text for tables in memory, keyed at random, so that nobody can choose ids that collide: SipHash-1-3, which
 * takes half the time of the digest and need not last.
 */
uint32
ls_digest_hash(LsText text)
{
	static uint64 key[2];
	static bool has_key;
	const unsigned char *next = (const unsigned char *) text.data;
	int left = text.length;
	LsDigest d;
	uint64 word;

	if (!has_key && !pg_strong_random(key, sizeof(key)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random key")));
	has_key = true;
	d.v0 = FIRST_V0 ^ key[0];
	d.v1 = FIRST_V1 ^ key[1];
	d.v2 = FIRST_V2 ^ key[0];
	d.v3 = FIRST_V3 ^ key[1];
	for (; left >= 8; left -= 8, next += 8)
	{
		word = read_word(next);
		d.v3 ^= word;
		mix(&d);
		d.v0 ^= word;
	}
	word = read_part(next, left) | (uint64) text.length << 56;
	d.v3 ^= word;
	mix(&d);
	d.v0 ^= word;
	d.v2 ^= 0xff;
	mix(&d);
	mix(&d);
	mix(&d);
	word = d.v0 ^ d.v1 ^ d.v2 ^ d.v3;
	return (uint32) (word >> 32) ^ (uint32) word;
}

/* An id that follows from an item's identity, different for each purpose. */
pg_uuid_t
ls_digest_derive(const pg_uuid_t *key, const char *purpose)
{
	LsDigest digest;

	ls_digest_start(&digest);
	ls_digest_text(&digest, ls_text(purpose));
	take_bytes(&digest, key->data, UUID_LEN);
	return ls_digest_end(&digest);
}

LsText
ls_digest_uuid_text(const pg_uuid_t *uuid)
{
	static const char hex[] = "0123456789abcdef";
	char *text = palloc(37);
	char *next = text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*next++ = '-';
		*next++ = hex[uuid->data[i] >> 4];
		*next++ = hex[uuid->data[i] & 0x0f];
	}
	*next = '\0';
	return (LsText){text, 36};
}

PG_FUNCTION_INFO_V1(learnsync_digest);

/* learnsync.digest(jsonb): for the test vectors, and for teams that want to compare JSON by value. */
Datum
learnsync_digest(PG_FUNCTION_ARGS)
{
	JsonbValue value;
	LsDigest digest;
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));

	ls_json_root(PG_GETARG_JSONB_P(0), &value);
	ls_digest_start(&digest);
	ls_digest_json(&digest, &value, NULL);
	*uuid = ls_digest_end(&digest);
	PG_RETURN_UUID_P(uuid);
}

static int
hex_digit(char c)
{
	int lower;

	if (c >= '0' && c <= '9')
		return c - '0';
	lower = pg_ascii_tolower((unsigned char) c);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A uuid of 32 hexadecimal digits, wherever its dashes are; false where the text is none. */
bool
ls_digest_read_uuid(LsText text, pg_uuid_t *uuid)
{
	int digits = 0;

	for (int i = 0; i < text.length; i++)
	{
		int digit = hex_digit(text.data[i]);

		if (text.data[i] == '-')
			continue;
		if (digit < 0 || digits == UUID_LEN * 2)
			return false;
		uuid->data[digits / 2] = (unsigned char) (digits % 2 == 0 ? digit << 4 : uuid->data[digits / 2] | digit);
		digits++;
	}
	return digits == UUID_LEN * 2;
}

static uint32
hash_key(const void *key, Size bytes)
{
	return ls_digest_hash((LsText){key, (int) bytes});
}

/* A table in memory. The server's own hash has no key: whoever chooses ids could choose them to collide. */
HTAB *
ls_digest_table(const char *name, Size key, Size entry)
{
	HASHCTL control = {.keysize = key, .entrysize = entry, .hash = hash_key, .hcxt = CurrentMemoryContext};

	return hash_create(name, 64, &control, HASH_ELEM | HASH_FUNCTION | HASH_CONTEXT);
}
