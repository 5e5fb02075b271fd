/*
 * clock.c
 *		Finds the order instants of a call's items: the client times, corrected, or arrival where they cannot be right.
 *
 * However a device's queue is cut into calls, in the order of its client times, its items come to stand in that order:
 * an item with a later client time than one before it gets a later instant.
 */
#include "postgres.h"

#include "base/base.h"
#include "batch/clock.h"

static int64
tolerance(void)
{
	return learnsync_max_clock_skew * USECS_PER_SEC;
}

/* Whether there is anything to remember. */
bool
ls_clock_is_kept(const LsClock *clock)
{
	return clock->offset != 0 || clock->greatest.at != LS_NO_TIME;
}

/*
 * Compares the clocks. One that is behind may be right, and the call have waited on its way, unless it says what cannot
 * be. A difference that was found before stands as long as it is about the same, so that equal clocks give equal times.
 */
static void
measure(LsClock *clock, const LsSending *sending)
{
	int64 ahead = sending->sent_at - sending->now;
	int64 change = ahead - clock->offset;
	bool absurd = sending->sent_at < learnsync_min_client_time || sending->sent_at < sending->issued_at;

	if (change >= -tolerance() && change <= tolerance())
		return;
	clock->offset = ahead > tolerance() || (ahead < -tolerance() && absurd) ? ahead : 0;
}

/* Not before what the device has dated earlier. */
static TimestampTz
after(TimestampTz at, TimestampTz client_at, const LsTick *before)
{
	return before->at != LS_NO_TIME && client_at > before->client_at ? Max(at, before->at + 1) : at;
}

/* The instant of an item whose own time, corrected, is believed. */
static TimestampTz
own_time(const LsClock *clock, TimestampTz client_at, int64 offset)
{
	if (clock->newest.at != LS_NO_TIME && client_at == clock->newest.client_at)
		return clock->newest.at;
	return after(after(client_at - offset, client_at, &clock->greatest), client_at, &clock->newest);
}

static TimestampTz
arrival(const LsClock *clock, TimestampTz now)
{
	return clock->greatest.at == LS_NO_TIME ? now : Max(now, clock->greatest.at + 1);
}

static void
place(LsClock *clock, const LsSending *sending, LsTimed *item)
{
	LsTick *tick = &item->tick;

	if (tick->at != LS_NO_TIME)
		return;
	tick->at = item->believed ? own_time(clock, tick->client_at, item->offset) : arrival(clock, sending->now);
	clock->newest = *tick;
	if (clock->greatest.at == LS_NO_TIME || tick->at > clock->greatest.at)
		clock->greatest = *tick;
}

static int
compare_items(const void *a, const void *b)
{
	const LsTimed *left = a;
	const LsTimed *right = b;

	if (left->tick.client_at != right->tick.client_at)
		return left->tick.client_at < right->tick.client_at ? -1 : 1;
	return left->position - right->position;
}

/* Says of each item whether its own time is believed. */
static void
believe(const LsSending *sending, LsTimed *items, int count, int64 offset)
{
	TimestampTz latest = sending->now + tolerance();

	for (int i = 0; i < count; i++)
	{
		TimestampTz at = items[i].tick.client_at - offset;

		items[i].offset = offset;
		items[i].believed = at >= learnsync_min_client_time && at <= latest;
	}
}

static bool
is_right(const LsTick *tick)
{
	return tick->client_at == tick->at;
}

/*
 * A clock that was right so far need not be remembered: what it dates later is later anyway, unless it is corrected, as
 * one may be that says when it sends.
 */
static void
forget(LsClock *clock, const LsSending *sending)
{
	if (sending->sent_at == LS_NO_TIME && clock->offset == 0 && clock->greatest.at <= sending->now &&
		is_right(&clock->greatest) && is_right(&clock->newest))
		*clock = LS_NO_CLOCK;
}

/* Places the items of one device's call in time, which may sort them, and notes what that says of its clock. */
void
ls_clock_place(LsClock *clock, const LsSending *sending, LsTimed *items, int count)
{
	int64 offset = 0;

	if (sending->sent_at != LS_NO_TIME)
	{
		measure(clock, sending);
		offset = clock->offset;
	}
	believe(sending, items, count, offset);
	if (count > 1)
		ls_sort(items, count, sizeof(LsTimed), compare_items);
	for (int i = 0; i < count; i++)
		place(clock, sending, &items[i]);
	forget(clock, sending);
}
