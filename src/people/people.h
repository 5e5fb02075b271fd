/*
 * people.h
 *		What was said of a learner, beside what the learner did.
 */
#ifndef LEARNSYNC_PEOPLE_H
#define LEARNSYNC_PEOPLE_H

#include "batch/batch.h"
#include "progress/progress.h"

/* learner_day_store.c */
extern LsText ls_store_read_days(LsText learner, LsDays *days, LsSnapshot snapshot);
extern void ls_store_write_days(LsText learner, const LsDays *days);

#endif
