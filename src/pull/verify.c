/*
 * verify.c
 *		sync_verify: whether a client holds every document of its selection at its version, with all members of its lists.
 *
 * Both sides add up a hash of each document, over all and in buckets. In the buckets that differ the client finds by
 * itself what is wrong, as it is told what they should hold; no hash needs to be trusted for that.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pull/pull.h"
#include "utils/builtins.h"

#define NBUCKETS 64
#define FNV_BASIS 2166136261U
#define FNV_PRIME 16777619U
#define ENTRY_BYTES 110 /* of a listed document beside its type and id, at most */

/* What one side holds. */
typedef struct Sums
{
	int64 count;
	uint32 sum;
	uint32 buckets[NBUCKETS];
} Sums;

typedef struct Verify
{
	LsText learner;
	LsCursor cursor;
	LsSelection selection;
	LsPullStart start;
	Sums client;
	Sums own;
	bool by_bucket; /* the client says the sums of its buckets */
	int64 bytes[NBUCKETS]; /* what listing our side of each would take */
	StringInfo listed[NBUCKETS]; /* our side of those that differ, as far as the answer has room; else NULL */
} Verify;

/* FNV-1a. */
static uint32
add_bytes(uint32 hash, const char *bytes, int count)
{
	for (int i = 0; i < count; i++)
		hash = (hash ^ (unsigned char) bytes[i]) * FNV_PRIME;
	return hash;
}

/* Of the bytes of UTF-8, whatever the database is in. */
static uint32
hash_text(uint32 hash, LsText text)
{
	char *utf8 = pg_server_to_any(text.data, text.length, PG_UTF8);

	return add_bytes(hash, utf8, utf8 == text.data ? text.length : (int) strlen(utf8));
}

static uint32
hash_number(uint32 hash, int64 number)
{
	char digits[MAXINT8LEN + 2] = "\n";

	return add_bytes(hash, digits, 1 + pg_lltoa(number, digits + 1));
}

/* What the hash of a document begins with: its bucket follows from that, so that it stays in it whatever its version. */
static uint32
hash_name(const LsHeld *held)
{
	return hash_text(add_bytes(hash_text(FNV_BASIS, held->type), "\n", 1), held->id);
}

static int
bucket_of(uint32 name)
{
	return (int) (name % NBUCKETS);
}

static int64
printed_bytes(LsText text)
{
	JsonbValue json = ls_json_text(text);

	return ls_json_printed_bytes(&json);
}

static void
add_held(void *argument, const LsHeld *held)
{
	Verify *verify = argument;
	Sums *own = &verify->own;
	uint32 name = hash_name(held);
	uint32 hash = hash_number(hash_number(name, held->version), held->nmembers);
	int bucket = bucket_of(name);

	own->count++;
	own->sum += hash;
	own->buckets[bucket] += hash;
	if (verify->by_bucket)
		verify->bytes[bucket] += ENTRY_BYTES + printed_bytes(held->type) + printed_bytes(held->id);
}

static uint32
read_sum(const JsonbValue *value, const char *path)
{
	int64 sum;

	if (!ls_json_integer(value, &sum) || sum < 0 || sum > PG_UINT32_MAX)
		ls_request_refuse(path, "must be a sum, from 0 to %u", PG_UINT32_MAX);
	return (uint32) sum;
}

static void
read_buckets(Verify *verify, const JsonbValue *list)
{
	JsonbValue value;
	LsJsonWalk walk;
	int bucket = 0;

	if (!ls_json_is_array(list) || ls_json_count(list) != NBUCKETS)
		ls_request_refuse("buckets", "must be an array of %d sums", NBUCKETS);
	verify->by_bucket = true;
	ls_json_walk(&walk, list);
	while (ls_json_walk_next(&walk, NULL, &value))
		verify->client.buckets[bucket++] = read_sum(&value, "buckets");
}

static void
read_request(Verify *verify, const LsCall *call)
{
	JsonbValue request;
	JsonbValue value;

	ls_request_open(call->request, &request);
	verify->cursor = ls_cursor_read(&request);
	if (!verify->cursor.given)
		ls_request_refuse("cursor", "is missing");
	ls_selection_read(&verify->selection, &request);
	if (!ls_json_get(&request, "count", &value) || !ls_json_integer(&value, &verify->client.count) ||
		verify->client.count < 0)
		ls_request_refuse("count", "must be how many documents the client holds");
	if (!ls_json_get(&request, "sum", &value))
		ls_request_refuse("sum", "is missing");
	verify->client.sum = read_sum(&value, "sum");
	if (ls_json_get(&request, "buckets", &value) && value.type != jbvNull)
		read_buckets(verify, &value);
}

/* Whether the client is to pull before anything can be said: it is in a run of pages, or one would bring it something. */
static bool
is_behind(const Verify *verify)
{
	const LsCursor *cursor = &verify->cursor;

	return cursor->newest != 0 || cursor->position != verify->start.version ||
		   cursor->life != ls_cursor_life(verify->learner, verify->start.epoch) ||
		   cursor->selection != ls_selection_digest(&verify->selection);
}

static bool
bucket_differs(const Verify *verify, int bucket)
{
	return verify->by_bucket && verify->own.buckets[bucket] != verify->client.buckets[bucket];
}

static bool
is_equal(const Verify *verify)
{
	bool equal = verify->own.count == verify->client.count && verify->own.sum == verify->client.sum;

	for (int i = 0; i < NBUCKETS; i++)
		equal &= !bucket_differs(verify, i);
	return equal;
}

/* Lists a document in its bucket, if that differs. */
static void
list_held(void *argument, const LsHeld *held)
{
	Verify *verify = argument;
	StringInfo out = verify->listed[bucket_of(hash_name(held))];

	if (out == NULL)
		return;
	appendStringInfoString(out, out->len > 0 ? ",{\"resourceType\":" : "{\"resourceType\":");
	ls_json_print_text(out, held->type);
	appendStringInfoString(out, ",\"resourceId\":");
	ls_json_print_text(out, held->id);
	appendStringInfo(out, ",\"version\":" INT64_FORMAT ",\"members\":" INT64_FORMAT "}", held->version,
					 held->nmembers);
}

/* Chooses the buckets to list: of those that differ as many as the answer has room for, and one at least. */
static bool
choose_buckets(Verify *verify)
{
	int64 room = learnsync_max_answer_bytes;
	bool more = false;
	bool any = false;

	for (int i = 0; i < NBUCKETS; i++)
	{
		if (!bucket_differs(verify, i))
			continue;
		if (any && verify->bytes[i] > room)
		{
			more = true;
			continue;
		}
		room -= verify->bytes[i];
		verify->listed[i] = makeStringInfo();
		any = true;
	}
	return more;
}

/* Of those that are listed: their numbers, then what is in them. */
static void
print_listed(const Verify *verify, StringInfo out)
{
	const char *separator = "";

	appendStringInfoString(out, ",\"differing\":[");
	for (int i = 0; i < NBUCKETS; i++)
	{
		if (verify->listed[i] == NULL)
			continue;
		appendStringInfo(out, "%s%d", separator, i);
		separator = ",";
	}
	appendStringInfoString(out, "],\"resources\":[");
	separator = "";
	for (int i = 0; i < NBUCKETS; i++)
	{
		if (verify->listed[i] == NULL || verify->listed[i]->len == 0)
			continue;
		appendStringInfoString(out, separator);
		appendBinaryStringInfo(out, verify->listed[i]->data, verify->listed[i]->len);
		separator = ",";
	}
	appendStringInfoChar(out, ']');
}

static void
print_difference(Verify *verify, StringInfo out)
{
	appendStringInfo(out, "{\"equal\":false,\"count\":" INT64_FORMAT ",\"sum\":%u,\"buckets\":[", verify->own.count,
					 verify->own.sum);
	for (int i = 0; i < NBUCKETS; i++)
		appendStringInfo(out, "%s%u", i > 0 ? "," : "", verify->own.buckets[i]);
	appendStringInfoChar(out, ']');
	if (verify->by_bucket)
	{
		bool more = choose_buckets(verify);

		ls_store_read_held(verify->learner, &verify->selection, list_held, verify);
		print_listed(verify, out);
		appendStringInfo(out, ",\"hasMore\":%s", more ? "true" : "false");
	}
	appendStringInfoChar(out, '}');
}

static Datum
verify_work(LsCall *call)
{
	Verify verify = {.learner = call->learner};
	StringInfo out;

	read_request(&verify, call);
	ls_store_read_pull_start(verify.learner, call->device.data != NULL ? call->device : ls_text(""), &verify.start);
	ls_device_check(verify.learner, &verify.start.device);
	if (is_behind(&verify))
		return CStringGetTextDatum("{\"behind\":true}");
	ls_store_read_held(verify.learner, &verify.selection, add_held, &verify);
	if (is_equal(&verify))
		return CStringGetTextDatum("{\"equal\":true}");
	out = ls_json_print_open(call->outside);
	print_difference(&verify, out);
	return ls_json_print_close(out);
}

static const LsService service = {
	.work = verify_work,
	.members = LS_MEMBERS("deviceId", "cursor", "resourceTypes", "scope", "count", "sum", "buckets"),
	.prints = true,
	.by_device = true};

PG_FUNCTION_INFO_V1(learnsync_sync_verify);
PG_FUNCTION_INFO_V1(learnsync_api_sync_verify);

Datum
learnsync_sync_verify(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &service);
}

Datum
learnsync_api_sync_verify(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &service);
}
