/*
 * memcheck.h
 *		What PostgreSQL tells Valgrind of its memory, told to AddressSanitizer: what is free, the end of each chunk that
 *		was asked for, the headers of chunks and buffers that are not pinned are poisoned.
 *
 * The server is built with USE_VALGRIND and finds this file in Valgrind's place.
 */
#ifndef MEMCHECK_H
#define MEMCHECK_H

#include <sanitizer/asan_interface.h>

#define VALGRIND_MAKE_MEM_NOACCESS(address, size) ASAN_POISON_MEMORY_REGION(address, size)
#define VALGRIND_MAKE_MEM_UNDEFINED(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)

/* Contexts poison what they free and what is left of a chunk themselves. */
#define VALGRIND_MEMPOOL_ALLOC(context, address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define VALGRIND_MEMPOOL_CHANGE(context, old, address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define VALGRIND_MEMPOOL_FREE(context, address) ((void) 0)
#define VALGRIND_CREATE_MEMPOOL(context, redzone, zeroed) ((void) 0)
#define VALGRIND_DESTROY_MEMPOOL(context) ((void) 0)
#define VALGRIND_MEMPOOL_TRIM(context, address, size) ((void) 0)

/* It knows nothing of what is not yet defined, and ends the process at the first error. */
#define VALGRIND_CHECK_MEM_IS_DEFINED(address, size) ((void) 0)
#define VALGRIND_COUNT_ERRORS 0
#define VALGRIND_PRINTF(...) ((void) 0)

#endif
