/*
 * commit_pause.c
 *		Holds a session up in the midst of its commit: others see what it changed, and were not told of it yet.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static int pause_ms;

static void
hold_up(XactEvent event, void *argument)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause_ms);

	while (event == XACT_EVENT_COMMIT && GetCurrentTimestamp() < until)
		pg_usleep(10000); /* signals end a sleep */
}

void
_PG_init(void)
{
	DefineCustomIntVariable("commit_pause.ms", "How long a commit is held up.", NULL, &pause_ms, 0, 0, 60000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	RegisterXactCallback(hold_up, NULL);
}
