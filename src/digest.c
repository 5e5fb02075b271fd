/*
 * digest.c
 *		Digests of identities and payloads: SipHash-2-4 with 128 bits over a canonical walk of JSON.
 *
 * Digests are stored for ever, so the algorithm, its key and the walk are frozen; test vectors guard them. The
 * server's own hash functions may change from one major version to the next.
 */
#include "postgres.h"

#include "learnsync.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define ROTATE_LEFT(word, bits) (((word) << (bits)) | ((word) >> (64 - (bits))))

static void
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

static void
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

	digest->v0 = UINT64CONST(0x736f6d6570736575) ^ k0;
	digest->v1 = UINT64CONST(0x646f72616e646f6d) ^ k1 ^ 0xee;
	digest->v2 = UINT64CONST(0x6c7967656e657261) ^ k0;
	digest->v3 = UINT64CONST(0x7465646279746573) ^ k1;
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

/* Takes whole words across the bytes that are left from before, then keeps what does not fill a word. */
static void
take_bytes(LsDigest *digest, const void *bytes, Size length)
{
	const unsigned char *next = bytes;
	const unsigned char *end = next + length;
	int filled = 8 * (digest->length & 7); /* bits of tail in use */

	digest->length += length;
	for (; end - next >= 8; next += 8)
	{
		uint64 word = read_word(next);

		take_word(digest, digest->tail | word << filled);
		digest->tail = filled == 0 ? 0 : word >> (64 - filled);
	}
	while (next < end)
	{
		digest->tail |= ((uint64) *next++) << filled;
		filled = (filled + 8) & 63;
		if (filled == 0)
		{
			take_word(digest, digest->tail);
			digest->tail = 0;
		}
	}
}

/* The raw digest, without the bits that make it a UUID. */
static void
finish(LsDigest *d, unsigned char *out)
{
	uint64 words[2];

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
	unsigned char head[5] = {(unsigned char) tag, length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff,
							 (length >> 24) & 0xff};

	take_bytes(digest, head, sizeof(head));
	take_bytes(digest, data, length);
}

void
ls_digest_text(LsDigest *digest, LsText text)
{
	take_tagged(digest, text.data == NULL ? 'z' : 's', text.data, text.length);
}

static void
take_scalar(LsDigest *digest, const JsonbValue *value)
{
	char *number;

	switch (value->type)
	{
		case jbvNull:
			take_tagged(digest, 'z', NULL, 0);
			break;
		case jbvBool:
			take_tagged(digest, value->val.boolean ? 't' : 'f', NULL, 0);
			break;
		case jbvNumeric:
			number = numeric_normalize(value->val.numeric);
			take_tagged(digest, 'n', number, strlen(number));
			pfree(number);
			break;
		default:
			ls_digest_text(digest, ls_text_of(value));
	}
}

/*
 * Digests a JSON value as a value: key order, spelling of numbers and white space do not matter. A member of the
 * outermost object can be left out. Answers how deeply the value is nested.
 */
int
ls_digest_json(LsDigest *digest, const JsonbValue *json, const char *without)
{
	JsonbIterator *walk;
	JsonbIteratorToken token;
	JsonbValue value;
	LsText skipped = ls_text(without);
	int depth = 0;
	int deepest = 0;
	bool skip = false;

	if (json->type != jbvBinary)
	{
		take_scalar(digest, json);
		return 0;
	}
	walk = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&walk, &value, skip)) != WJB_DONE)
	{
		bool passed_over = skip;

		skip = false;
		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
		{
			take_tagged(digest, token == WJB_BEGIN_ARRAY ? '[' : '{', NULL, 0);
			depth++;
			deepest = Max(deepest, depth);
		}
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
		{
			take_tagged(digest, ')', NULL, 0);
			depth--;
		}
		else if (token == WJB_KEY && depth == 1 && without != NULL && ls_text_equal(ls_text_of(&value), skipped))
			skip = true;
		else if (!passed_over)
			take_scalar(digest, &value);
	}
	return deepest;
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
