/*
 * status.h
 *		What a learner sees of devices, open conflicts and what failed.
 */
#ifndef LEARNSYNC_STATUS_H
#define LEARNSYNC_STATUS_H

#include "push/push.h"

/* device_store.c */
typedef struct LsCounts
{
	int64 pending; /* failed items that can be retried */
	int64 failed;
	int64 conflicts; /* open ones */
	int64 events; /* in the learner's log, whatever the device */
} LsCounts;

extern JsonbValue ls_store_devices(LsText learner, LsText device);
extern JsonbValue ls_store_conflicts(LsText learner, LsText device, LsText after, int limit, bool *has_more);

/* What is to become of a device. */
typedef struct LsActivation
{
	bool active; /* let it in, or turn it away */
	bool wipe; /* turned away, it is to wipe what it holds */
	bool wiped; /* nothing of that: it has done so */
	TimestampTz now;
} LsActivation;

extern bool ls_store_activate(LsText learner, LsText device, const LsActivation *activation);
extern void ls_store_counts(LsText learner, LsText device, LsCounts *counts);

#endif
