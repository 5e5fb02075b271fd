/*
 * late.c
 *		Measures how long a call of ours goes without asking for interrupts, which is how long whoever cancels it would wait.
 *
 * A timer raises the flag that the server's macro looks at, as a cancel does, and sees how long it stays up. Only what is
 * spent in the library, or in what the library called, counts: what the server does between two calls is not ours. Where
 * limits are raised, nor is what it does in one go with one value or context: to read a stored value, to compress one
 * that is to be stored, and to give memory back.
 */
#include "postgres.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <time.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

#define TICK 1000000 /* ns of processor time */
#define FRAMES 100
#define LIBRARY "/learnsync.so"

typedef struct Range
{
	uintptr_t start;
	uintptr_t end;
} Range;

typedef struct Place
{
	void *frames[FRAMES];
	int count;
} Place;

static timer_t timer;
static bool ticks;
static bool all_counts; /* also what the server does in one go */
static bool raised; /* by the timer, and not taken down yet */
static int64 raised_at;
static int64 lost; /* to looking */
static int64 longest;
static int64 noted; /* how long this wait had been when its place was noted: it doubles each time */
static Place here; /* in the second half of this wait */
static Place there; /* in the second half of the longest one */
static Range library; /* where our code is */
static Range in_one_go[5]; /* functions of the server that cannot be cut short: no interrupt is looked for in them */

/* Nanoseconds on a processor so far. */
static int64
used(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64) time.tv_sec * 1000000000 + time.tv_nsec;
}

static int
note_library(struct dl_phdr_info *info, size_t size, void *argument)
{
	size_t length = strlen(info->dlpi_name);

	if (length < strlen(LIBRARY) || strcmp(info->dlpi_name + length - strlen(LIBRARY), LIBRARY) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
			continue;
		library.start = info->dlpi_addr + part->p_vaddr;
		library.end = library.start + part->p_memsz;
	}
	return 1;
}

/* To ask for the name of each place would take longer than what is measured. */
static void
note_functions(void)
{
	static const char *const names[] = {"detoast_attr", "toast_compress_datum", "MemoryContextReset",
										"MemoryContextResetOnly", "MemoryContextDelete"};

	StaticAssertStmt(lengthof(names) == lengthof(in_one_go), "a range for each");
	for (int i = 0; i < lengthof(names); i++)
	{
		void *start = dlsym(NULL, names[i]);
		const ElfW(Sym) *symbol;
		Dl_info info;

		if (start == NULL || dladdr1(start, &info, (void **) &symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("the server has no %s", names[i])));
		in_one_go[i] = (Range){(uintptr_t) start, (uintptr_t) start + symbol->st_size};
	}
}

static bool
is_in(const void *place, Range range)
{
	return (uintptr_t) place >= range.start && (uintptr_t) place < range.end;
}

static bool
is_ours(const Place *place)
{
	for (int i = 0; i < place->count; i++)
	{
		if (is_in(place->frames[i], library))
			return true;
		for (int k = 0; k < lengthof(in_one_go) && !all_counts; k++)
		{
			if (is_in(place->frames[i], in_one_go[k]))
				return false;
		}
	}
	return false;
}

/* Looks at a moment, of which the time is given. */
static void
look(int64 now)
{
	Place place;

	place.count = backtrace(place.frames, FRAMES);
	if (!raised || !InterruptPending || !is_ours(&place))
	{
		raised = true;
		raised_at = now;
		noted = 0;
		InterruptPending = true;
		return;
	}
	if (now - raised_at >= 2 * noted)
	{
		noted = now - raised_at;
		here = place;
	}
	if (now - raised_at > longest)
	{
		longest = now - raised_at;
		there = here;
	}
}

static void
tick(int signal)
{
	int64 now = used();

	look(now - lost);
	lost += used() - now;
}

PG_FUNCTION_INFO_V1(late_start);
PG_FUNCTION_INFO_V1(late_longest);

Datum
late_start(PG_FUNCTION_ARGS)
{
	struct itimerspec each = {{0, TICK}, {0, TICK}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};

	(void) backtrace(here.frames, FRAMES); /* the first call loads a library, which a handler must not */
	dl_iterate_phdr(note_library, NULL);
	note_functions();
	if (library.end == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE), errmsg("%s is not loaded", LIBRARY + 1)));
	if (!ticks && (sigaction(SIGPROF, &action, NULL) != 0 ||
				   timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0 ||
				   timer_settime(timer, 0, &each, NULL) != 0))
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("could not start a timer: %m")));
	ticks = true;
	all_counts = PG_GETARG_BOOL(0);
	longest = 0;
	there.count = 0;
	PG_RETURN_VOID();
}

/* Milliseconds, and where they were spent: from the innermost function on that has a name. */
Datum
late_longest(PG_FUNCTION_ARGS)
{
	StringInfoData text;
	Dl_info info;

	initStringInfo(&text);
	appendStringInfo(&text, "%.1f", (double) longest / 1000000);
	for (int i = 3; i < there.count; i++) /* the look, the handler, and who called it */
	{
		void *frame = there.frames[i];

		if (dladdr(frame, &info) == 0)
			continue;
		if (info.dli_sname != NULL)
			appendStringInfo(&text, " %s", info.dli_sname);
		else if (is_in(frame, library))
			appendStringInfo(&text, " %s+0x%zx", LIBRARY + 1, (uintptr_t) frame - (uintptr_t) info.dli_fbase);
	}
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
