/*
 * clock.h
 *		When items happened, by clocks that may be wrong: pure arithmetic over one device's client times.
 */
#ifndef LEARNSYNC_CLOCK_H
#define LEARNSYNC_CLOCK_H

#include "learnsync.h"

/* An item as its device dates it, and as we do; LS_NO_TIME where there is none. */
typedef struct LsTick
{
	TimestampTz client_at;
	TimestampTz at;
} LsTick;

/* What is kept of a device's clock. */
typedef struct LsClock
{
	int64 offset; /* how far it is ahead of ours, in microseconds; 0 where that is tolerated or not known */
	LsTick greatest; /* of the items so far the one with the greatest instant */
	LsTick newest; /* and the one that was placed last */
} LsClock;

/* When a call was made. */
typedef struct LsSending
{
	TimestampTz now;
	TimestampTz sent_at; /* by the device's clock; LS_NO_TIME where it does not say */
	TimestampTz issued_at; /* its token; LS_NO_TIME where there is none that says */
} LsSending;

/* An item to be placed in time. */
typedef struct LsTimed
{
	int position; /* in the call */
	LsTick tick; /* of which the instant is to be found; given where an earlier arrival has fixed it */
	bool believed; /* its own time stands, corrected where the clock is known to be wrong */
	int64 offset; /* by that */
} LsTimed;

#define LS_NO_CLOCK ((LsClock){.greatest = {LS_NO_TIME, LS_NO_TIME}, .newest = {LS_NO_TIME, LS_NO_TIME}})

extern bool ls_clock_is_kept(const LsClock *clock);
extern void ls_clock_place(LsClock *clock, const LsSending *sending, LsTimed *items, int count);

#endif
