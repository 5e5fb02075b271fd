/*
 * fuzz.c
 *		Runs clang's libFuzzer in a session of the server: inputs go to readers of the pure rooms, to receive functions or to
 *		a statement, and nothing may come of them but an answer or an error with a code.
 *
 * It is linked into one library with learnsync (test/fuzz/run). What must not be ends the process as a crash does, so
 * that libFuzzer keeps the input.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "access/xact.h"
#include "base/base.h"
#include "call/call.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "xapi/xapi.h"

#define PAGE 4096
#define MAX_INPUT (256 * PAGE)
#define TOO_LONG_MS 20000 /* for one input */

extern int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *data, size_t size));
extern char __start___sancov_cntrs[]; /* how often each edge was taken */
extern char __stop___sancov_cntrs[];

/* What inputs go to: a statement if there is a plan, else a type's functions, else the readers. */
static SPIPlanPtr plan;
static Oid argument; /* of the statement: text or bytea */
static Oid type;
static MemoryContext context; /* of one input */

bool fuzz_mutates_json; /* what mutate.c does to inputs */

static void
die(const char *what)
{
	fprintf(stderr, "FOUND: %s\n", what);
	abort();
}

/* Texts that have a form of their own: what is printed must be read as the same. */
static void
read_text(LsText text)
{
	LsText keys[LS_MAX_KEYS];
	LsCursor cursor = {0};
	LsCursor same = {0};
	TimestampTz at;
	TimestampTz again;
	pg_uuid_t uuid;
	int64 number;

	if (ls_stamp_parse(text, &at) && !(ls_stamp_parse(ls_stamp_text(at, 6), &again) && again == at))
		die("a time is not read as it was printed");
	if (ls_digest_read_uuid(text, &uuid) && !ls_digest_read_uuid(ls_digest_uuid_text(&uuid), &uuid))
		die("a UUID is not read as it was printed");
	if (ls_cursor_parse(text, &cursor) &&
		!(ls_cursor_parse(ls_cursor_print(&cursor), &same) && same.position == cursor.position))
		die("a cursor is not read as it was printed");
	ls_digest_hash(text);
	if (!pg_verify_mbstr(PG_UTF8, text.data, text.length, true))
		return;
	for (int i = 0; i <= LS_XAPI_DURATION; i++)
		ls_xapi_formats[i].holds(text);
	ls_xapi_language.holds(text);
	ls_xapi_instant(text, &number);
	ls_xapi_lower_case(text);
	ls_text_is_id(text);
	ls_text_chars(text);
	for (int i = 1; i <= LS_MAX_KEYS; i++)
		ls_json_scan_keys(text, i, keys);
	if (ls_text_compare(text, text) != 0 || ls_text_compare_keys(text, text) != 0 ||
		ls_xapi_compare_any_case(text, text) != 0)
		die("a text is not equal to itself");
}

/* What a type receives it must be able to send, and to receive that as the same. */
static void
receive(LsText bytes)
{
	StringInfoData message = {(char *) bytes.data, bytes.length, bytes.length, 0};
	Oid function;
	Oid parameter;
	bool is_varlena;
	Datum value;
	bytea *sent;

	getTypeBinaryInputInfo(type, &function, &parameter);
	value = OidReceiveFunctionCall(function, &message, parameter, -1);
	if (message.cursor != message.len)
		return; /* the server refuses this */
	getTypeOutputInfo(type, &function, &is_varlena);
	OidOutputFunctionCall(function, value);
	getTypeBinaryOutputInfo(type, &function, &is_varlena);
	sent = OidSendFunctionCall(function, value);
	message.data = VARDATA(sent);
	message.len = message.maxlen = VARSIZE(sent) - VARHDRSZ;
	message.cursor = 0;
	getTypeBinaryInputInfo(type, &function, &parameter);
	if (!datumIsEqual(value, OidReceiveFunctionCall(function, &message, parameter, -1), false, get_typlen(type)))
		die("a value that was sent is not received as the same");
}

static void
execute(LsText input)
{
	Datum value = ls_text_to_datum(input);

	if (argument == TEXTOID && !pg_verify_mbstr(PG_UTF8, input.data, input.length, true))
		return;
	if (SPI_execute_plan(plan, &value, NULL, false, 0) < 0)
		die("a statement is not executed");
}

/* An error may have any code but those of what cannot happen; one of these the server gives bytes that are no jsonb. */
static void
judge(ErrorData *error)
{
	char *code = unpack_sql_state(error->sqlerrcode);

	if (strncmp(error->message, "unsupported jsonb version number", 32) == 0)
		return;
	if (error->elevel >= FATAL || strncmp(code, "XX", 2) == 0)
		die(psprintf("%s: %s (%s:%d)", code, error->message, error->filename, error->lineno));
}

/* Where each input ends: nobody may read on. */
static char *
input_end(void)
{
	static char *end = NULL;

	if (end == NULL)
	{
		end = (char *) mmap(NULL, MAX_INPUT + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) +
			  MAX_INPUT;
		if (mprotect(end, PAGE, PROT_NONE) != 0)
			die("no page can be closed");
	}
	return end;
}

/* One input, of which nothing stays. */
static int
run_input(const uint8_t *data, size_t size)
{
	MemoryContext outer = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	TimestampTz start = GetCurrentTimestamp();
	LsText input = {memcpy(input_end() - size, data, size), (int) size};

	CHECK_FOR_INTERRUPTS();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (plan != NULL)
			execute(input);
		else if (OidIsValid(type))
			receive(input);
		else
			read_text(input);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		judge(CopyErrorData());
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(outer);
	CurrentResourceOwner = owner;
	MemoryContextReset(context);
	if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(), TOO_LONG_MS))
		die("an input takes too long");
	return 0;
}

PG_FUNCTION_INFO_V1(fuzz_target);
PG_FUNCTION_INFO_V1(fuzz_run);
PG_FUNCTION_INFO_V1(fuzz_reach);

/* Chooses what inputs go to from now on: a statement with one parameter, or a type's functions, or with neither the readers. */
Datum
fuzz_target(PG_FUNCTION_ARGS)
{
	context = AllocSetContextCreate(TopMemoryContext, "an input", ALLOCSET_DEFAULT_SIZES);
	argument = PG_GETARG_OID(1);
	type = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);
	fuzz_mutates_json = PG_GETARG_BOOL(3);
	plan = NULL;
	if (!PG_ARGISNULL(0))
	{
		SPI_connect();
		plan = SPI_prepare(text_to_cstring(PG_GETARG_TEXT_PP(0)), 1, &argument);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the statement");
		SPI_finish();
	}
	PG_RETURN_VOID();
}

/* Runs libFuzzer with these options; it ends the session. */
Datum
fuzz_run(PG_FUNCTION_ARGS)
{
	Datum *words;
	char **argv;
	int argc;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &words, NULL, &argc);
	argv = palloc0(sizeof(char *) * (argc + 1));
	for (int i = 0; i < argc; i++)
		argv[i] = TextDatumGetCString(words[i]);
	SPI_connect();
	LLVMFuzzerRunDriver(&argc, &argv, run_input);
	SPI_finish();
	PG_RETURN_VOID();
}

/* Runs one input; how many places it reached that none before it in this session did. */
Datum
fuzz_reach(PG_FUNCTION_ARGS)
{
	static char *reached = NULL;
	size_t count = __stop___sancov_cntrs - __start___sancov_cntrs;
	bytea *input = PG_GETARG_BYTEA_PP(0);
	int found = 0;

	if (reached == NULL)
		reached = MemoryContextAllocZero(TopMemoryContext, count);
	memset(__start___sancov_cntrs, 0, count);
	SPI_connect();
	run_input((const uint8_t *) VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input));
	SPI_finish();
	for (size_t i = 0; i < count; i++)
	{
		if (__start___sancov_cntrs[i] != 0 && !reached[i])
			found += reached[i] = 1;
	}
	PG_RETURN_INT32(found);
}
