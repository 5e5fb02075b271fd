/*
 * call.c
 *		What the calls of apps have in common: memory of their own, the rights of the tables' owner, for whom the call is,
 *		members of its envelope that mean nothing, one answer.
 */
#include "postgres.h"

#include "call/call.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "shard/shard.h"
#include "utils/memutils.h"

#define KEPT_BYTES (256 * 1024)
#define MAX_NAMED 20 /* members that an answer names as ignored */
#define MAX_NAME_BYTES 64 /* of each */
#define LEARNER "learnerId"

static MemoryContext idle_context; /* emptied, for the next call */

/* To ignore one of these would write what was not to be, or not so. */
static const char *const guards[] = {"dryRun", "atomic", NULL};

static bool
is_among(LsText name, const char *const *names)
{
	while (*names != NULL && !ls_text_equal(name, ls_text(*names)))
		names++;
	return *names != NULL;
}

/* A name without what spellings differ in, in a buffer of MAX_NAME_BYTES. */
static LsText
fold(LsText name, char *buffer)
{
	LsText folded = {buffer, 0};

	for (int i = 0; i < Min(name.length, MAX_NAME_BYTES); i++)
	{
		unsigned char c = (unsigned char) name.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || IS_HIGHBIT_SET(c))
			buffer[folded.length++] = (char) c;
	}
	return folded;
}

/* Whether two names are the same but for a letter that is missing, added, another or swapped with the next. */
static bool
is_typo(LsText a, LsText b)
{
	int shorter = Min(a.length, b.length);
	int start = 0;
	int end = 0;

	while (start < shorter && a.data[start] == b.data[start])
		start++;
	while (end < shorter - start && a.data[a.length - 1 - end] == b.data[b.length - 1 - end])
		end++;
	a = (LsText){a.data + start, a.length - start - end};
	b = (LsText){b.data + start, b.length - start - end};
	return (a.length <= 1 && b.length <= 1) ||
		   (a.length == 2 && b.length == 2 && a.data[0] == b.data[1] && a.data[1] == b.data[0]);
}

/* Which of our names is meant by one that is none of them; NULL where nothing is near. */
static const char *
find_meant(LsText name, const char *const *names)
{
	char sent[MAX_NAME_BYTES];
	char own[MAX_NAME_BYTES];
	LsText folded = fold(name, sent);

	while (*names != NULL && !is_typo(folded, fold(ls_text(*names), own)))
		names++;
	return name.length < MAX_NAME_BYTES ? *names : NULL;
}

static void
refuse_guard(LsText name, const char *meant, const LsService *service)
{
	const char *hint = is_among(ls_text(meant), service->members)
						   ? psprintf("It is spelt \"%s\". Ignoring it would write.", meant)
						   : "This call writes, and has no other way to. Leave it out.";

	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("\"%s\" is no member of this request", ls_text_string(name)),
					errdetail("The request is malformed at \"%s\".", ls_text_string(name)), errhint("%s", hint)));
}

/* Notes a member that means nothing, and which one may be meant. */
static void
note_ignored(LsCall *call, LsText name)
{
	const char *meant = find_meant(name, call->service->members);

	if (meant == NULL)
		meant = find_meant(name, (const char *const[]){LEARNER, NULL});
	if (call->ignored.type == jbvNull)
	{
		call->ignored = ls_json_array();
		call->meant = ls_json_object();
	}
	if (call->ignored.val.array.nElems == MAX_NAMED)
		return;
	name.length = pg_mbcliplen(name.data, name.length, MAX_NAME_BYTES);
	ls_json_add(&call->ignored, ls_json_text(name));
	if (meant != NULL)
		ls_json_put_text(&call->meant, name, ls_json_string(meant));
}

/* Looks for members that the call does not know. */
static void
check_members(LsCall *call, const JsonbValue *request)
{
	LsJsonWalk walk;
	JsonbValue value;
	LsText name;

	ls_json_walk(&walk, request);
	while (ls_json_walk_next(&walk, &name, &value))
	{
		const char *guard;

		CHECK_FOR_INTERRUPTS();
		if (is_among(name, call->service->members) || ls_text_equal(name, ls_text(LEARNER)))
			continue;
		guard = call->service->writes ? find_meant(name, guards) : NULL;
		if (guard != NULL)
			refuse_guard(name, guard, call->service);
		note_ignored(call, name);
	}
}

/*
 * A call that says for whom it is, is for whoever makes it or for a profile of theirs; a foreign queue is refused whole. A
 * device that is turned away for the one is so for the other.
 */
static void
find_learner(LsCall *call, const JsonbValue *request)
{
	LsText learner = ls_request_text(request, LEARNER, false);

	if (learner.data != NULL && call->learner.data == NULL)
		ls_request_refuse(LEARNER, "has no place in a call for all learners");
	if (learner.data == NULL || ls_text_equal(learner, call->learner))
		return;
	ls_device_admit(call->learner, call->device);
	if (!ls_store_owns_profile(learner, call->learner))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("the request is another learner's"),
						errdetail("learnerId is \"%s\", who is neither the caller nor a profile of theirs.",
								  ls_text_string(learner)),
						errhint("Keep what a learner did until that learner is signed in again.")));
	call->learner = learner;
}

/* A token that names a device goes with the queue of no other. */
static void
find_device(LsCall *call, const JsonbValue *request)
{
	LsText sent = ls_request_text(request, "deviceId", false);

	if (call->device.data == NULL)
		call->device = sent;
	else if (sent.data != NULL && !ls_text_equal(sent, call->device))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("the request is another device's"),
						errdetail("deviceId is \"%s\", which the token does not name.", ls_text_string(sent)),
						errhint("The claim that learnsync.device_claim names decides; deviceId may be left out.")));
}

/* What is to be seen to before a call does its work. What is no object is left to that. */
static void
open_envelope(LsCall *call)
{
	JsonbValue request;

	ls_json_root(call->request, &request);
	if (!ls_json_is_object(&request))
		return;
	if (call->service->members != NULL)
		check_members(call, &request);
	if (call->service->by_device)
		find_device(call, &request);
	find_learner(call, &request);
}

/* What an answer says of members that were ignored. */
static JsonbValue
ignored_part(const LsCall *call)
{
	JsonbValue part = ls_json_object();

	ls_json_put(&part, "ignored", call->ignored);
	if (call->meant.val.object.nPairs > 0)
		ls_json_put(&part, "meant", call->meant);
	return part;
}

static Datum
extend_text(Datum answer, const JsonbValue *part)
{
	LsText text = ls_text_datum(answer);
	StringInfoData out;
	int comma;

	Assert(text.length > 2 && text.data[text.length - 1] == '}'); /* an object, and not an empty one */
	initStringInfo(&out);
	enlargeStringInfo(&out, text.length);
	appendBinaryStringInfo(&out, text.data, text.length - 1);
	comma = out.len;
	ls_json_print(&out, part);
	out.data[comma] = ',';
	return ls_text_to_datum((LsText){out.data, out.len});
}

static Datum
extend_jsonb(Datum answer, const JsonbValue *part)
{
	JsonbValue extended = *part;
	JsonbValue object;
	JsonbValue value;
	LsJsonWalk walk;
	LsText key;

	ls_json_root(DatumGetJsonbP(answer), &object);
	ls_json_walk(&walk, &object);
	while (ls_json_walk_next(&walk, &key, &value))
		ls_json_put_text(&extended, key, value);
	return JsonbPGetDatum(ls_json_encode(&extended));
}

/* The answer, an object, with what was ignored of the request. */
static Datum
tell_ignored(const LsCall *call, Datum answer)
{
	JsonbValue part;

	if (call->ignored.type == jbvNull)
		return answer;
	part = ignored_part(call);
	return call->service->prints ? extend_text(answer, &part) : extend_jsonb(answer, &part);
}

/*
 * A context to work in. The one of the call before is taken up again, because pages that went back to the system would
 * have to be faulted in anew; while in use it belongs to the caller's context, so that an error takes it along.
 */
static MemoryContext
take_context(MemoryContext caller)
{
	MemoryContext context = idle_context;

	idle_context = NULL;
	if (context == NULL)
		return AllocSetContextCreate(caller, "learnsync call", KEPT_BYTES, KEPT_BYTES, ALLOCSET_DEFAULT_MAXSIZE);
	MemoryContextSetParent(context, caller);
	return context;
}

static void
give_back_context(MemoryContext context)
{
	if (idle_context != NULL)
	{
		MemoryContextDelete(context);
		return;
	}
	MemoryContextReset(context);
	MemoryContextSetParent(context, TopMemoryContext);
	idle_context = context;
}

/* Works on a request with the store open; only the answer outlives it. */
Datum
ls_call(LsCall call)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = take_context(caller);
	Datum answer;

	call.outside = caller;
	MemoryContextSwitchTo(context);
	ls_store_open(&call.store);
	if (!call.service->admits_all && !call.again)
		ls_device_admit(call.learner, call.device);
	open_envelope(&call);
	if (!call.service->writes)
		ls_shard_admit(call.learner);
	answer = tell_ignored(&call, call.service->work(&call));
	ls_store_close(&call.store);
	MemoryContextSwitchTo(caller);
	if (GetMemoryChunkContext(DatumGetPointer(answer)) != caller)
		answer = PointerGetDatum(ls_memory_varlena(DatumGetPointer(answer)));
	give_back_context(context);
	return answer;
}

/* Why something is done, in words; without data where the request does not say. */
static LsText
read_reason(const JsonbValue *request)
{
	JsonbValue value;
	LsText reason;

	if (!ls_json_get(request, "reason", &value) || value.type == jbvNull)
		return (LsText){NULL, 0};
	reason = value.type == jbvString ? ls_text_of(&value) : ls_text("");
	if (reason.length == 0 || ls_text_chars(reason) > LS_MAX_REASON_CHARS)
		ls_request_refuse("reason", "must be a string of 1 to %d characters", LS_MAX_REASON_CHARS);
	return reason;
}

/*
 * What a call does, for the audit: by whoever is signed in or, where a backend calls, whom its request names. The request
 * is NULL where it says neither that nor why.
 */
LsAudit
ls_call_audit(const LsCall *call, const char *action, const JsonbValue *request)
{
	LsAudit done = {.action = action,
					.at = GetCurrentTimestamp(),
					.role = call->store.caller,
					.learner = call->learner,
					.by = call->signed_in,
					.details = ls_json_null()};

	if (request == NULL)
		return done;
	if (!call->of_app)
		done.by = ls_request_text(request, "by", false);
	done.reason = read_reason(request);
	return done;
}
