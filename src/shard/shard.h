/*
 * shard.h
 *		Learners who are spread over several servers: who lives here.
 */
#ifndef LEARNSYNC_SHARD_H
#define LEARNSYNC_SHARD_H

#include "store/store.h"

/* part_store.c */
pg_noreturn extern void ls_shard_refuse(void);
extern void ls_shard_claim(LsText learner, bool writes);
extern void ls_shard_admit(LsText learner);

#endif
