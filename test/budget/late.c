/*
 * late.c
 *		Measures how long a session goes without asking for interrupts, which is how long whoever cancels it would wait.
 *
 * A timer raises the flag that the server's macro looks at, as a cancel does, and sees how long it stays up.
 */
#include "postgres.h"

#include <execinfo.h>
#include <signal.h>
#include <time.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

#define TICK 1000000 /* ns of processor time */
#define FRAMES 40

static timer_t timer;
static bool ticks;
static bool raised; /* by the timer, and not taken down yet */
static int64 raised_at;
static int64 longest;
static void *frames[FRAMES]; /* of the longest wait */
static int nframes;

/* Nanoseconds on a processor so far. */
static int64
used(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64) time.tv_sec * 1000000000 + time.tv_nsec;
}

static void
tick(int signal)
{
	int64 now = used();

	if (!raised || !InterruptPending)
	{
		raised = true;
		raised_at = now;
		InterruptPending = true;
	}
	else if (now - raised_at > longest)
	{
		longest = now - raised_at;
		nframes = backtrace(frames, FRAMES);
	}
}

PG_FUNCTION_INFO_V1(late_start);
PG_FUNCTION_INFO_V1(late_longest);

Datum
late_start(PG_FUNCTION_ARGS)
{
	struct itimerspec each = {{0, TICK}, {0, TICK}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};

	(void) backtrace(frames, FRAMES); /* the first call loads a library, which a handler must not */
	if (!ticks && (sigaction(SIGPROF, &action, NULL) != 0 ||
				   timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0 ||
				   timer_settime(timer, 0, &each, NULL) != 0))
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("could not start a timer: %m")));
	ticks = true;
	longest = 0;
	nframes = 0;
	PG_RETURN_VOID();
}

/* Milliseconds, and where they were spent. */
Datum
late_longest(PG_FUNCTION_ARGS)
{
	StringInfoData text;
	char **names = backtrace_symbols(frames, nframes);

	initStringInfo(&text);
	appendStringInfo(&text, "%.1f", (double) longest / 1000000);
	for (int i = 2; names != NULL && i < nframes; i++) /* the handler, and who called it */
		{
		char *place = strstr(names[i], "learnsync.so(");

		if (place != NULL)
			appendStringInfo(&text, " %.*s", (int) strcspn(place, " "), place);
	}
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
