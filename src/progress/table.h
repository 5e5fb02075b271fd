/*
 * table.h
 *		The tables by which a state finds its contents and interactions.
 */
#ifndef LEARNSYNC_PROGRESS_TABLE_H
#define LEARNSYNC_PROGRESS_TABLE_H

#include "common/hashfn.h"
#include "progress/progress.h"

/* All contents of a state, by id. */
typedef struct ContentEntry
{
	LsText id;
	LsContent *content;
	uint32 hash;
	char status;
} ContentEntry;

#define SH_PREFIX content
#define SH_ELEMENT_TYPE ContentEntry
#define SH_KEY_TYPE LsText
#define SH_KEY id
#define SH_HASH_KEY(table, key) ls_digest_hash(key)
#define SH_EQUAL(table, a, b) ls_text_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Interactions of contents that have more than a few. */
typedef struct InteractionKey
{
	const LsContent *content;
	LsText id;
} InteractionKey;

typedef struct InteractionEntry
{
	InteractionKey key;
	LsInteraction *interaction;
	uint32 hash;
	char status;
} InteractionEntry;

#define SH_PREFIX interaction
#define SH_ELEMENT_TYPE InteractionEntry
#define SH_KEY_TYPE InteractionKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_combine(ls_digest_hash((key).id), (uint32) ((uintptr_t) (key).content >> 4))
#define SH_EQUAL(table, a, b) ((a).content == (b).content && ls_text_equal((a).id, (b).id))
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#endif
