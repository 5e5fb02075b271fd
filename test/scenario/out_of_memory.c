/*
 * out_of_memory.c
 *		Preloaded into a server it counts a session's allocations, and refuses the one it was told to.
 */
#include "postgres.h"

#include <errno.h>

#include "fmgr.h"

PG_MODULE_MAGIC;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static int64 allocated;
static int64 refused; /* this one from the mark on; 0 for none */

static bool
is_refused(void)
{
	if (++allocated != refused)
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return is_refused() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return is_refused() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return is_refused() ? NULL : __libc_realloc(old, size);
}

PG_FUNCTION_INFO_V1(refuse_memory);
PG_FUNCTION_INFO_V1(allow_memory);

Datum
refuse_memory(PG_FUNCTION_ARGS)
{
	allocated = 0;
	refused = PG_GETARG_INT64(0);
	PG_RETURN_VOID();
}

/* How many allocations there were since. */
Datum
allow_memory(PG_FUNCTION_ARGS)
{
	refused = 0;
	PG_RETURN_INT64(allocated);
}
