/*
 * date.c
 *		When the items of a batch happened, by the clocks of their devices, which are kept in the learner's row: the client
 *		times, corrected, or arrival where they cannot be right.
 *
 * However a device's queue is cut into calls, in the order of its client times, its items come to stand in that order:
 * an item with a later client time than one before it gets a later instant.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "miscadmin.h"

#define MAX_CLOCKS 100 /* kept of a learner */
#define CLOCK_PARTS 5

/* What is kept of a device's clock. */
typedef struct Clock
{
	int64 offset; /* how far it is ahead of ours, in microseconds; 0 where that is tolerated or not known */
	LsTick greatest; /* of the items so far the one with the greatest instant */
	LsTick newest; /* and the one that was placed last */
} Clock;

/* An item to be placed in time. */
typedef struct Timed
{
	int position; /* in the call */
	LsTick tick; /* of which the instant is to be found; given where an earlier arrival has fixed it */
	bool believed; /* its own time stands, corrected where the clock is known to be wrong */
	int64 offset; /* by that */
} Timed;

#define NO_CLOCK ((Clock){.greatest = {LS_NO_TIME, LS_NO_TIME}, .newest = {LS_NO_TIME, LS_NO_TIME}})

/* The clock of one device, or of a channel whose items come from none. */
typedef struct KeptClock
{
	LsText device;
	Clock clock;
} KeptClock;

/* The clocks of a learner's devices. */
typedef struct Clocks
{
	KeptClock *kept;
	int count;
} Clocks;

/* An item that is to be dated, and who dated it. */
typedef struct Sent
{
	LsText device;
	LsItem *item;
} Sent;

static int64
tolerance(void)
{
	return learnsync_max_clock_skew * USECS_PER_SEC;
}

/* Whether there is anything to remember. */
static bool
is_worth_keeping(const Clock *clock)
{
	return clock->offset != 0 || clock->greatest.at != LS_NO_TIME;
}

/*
 * How far a device's clock is ahead by what it says as it sends. One that is behind may be right, and the call have waited
 * on its way, unless it says what cannot be.
 */
static int64
find_ahead(const LsSending *sending)
{
	int64 ahead = sending->sent_at - sending->now;
	bool absurd = sending->sent_at < learnsync_min_client_time || sending->sent_at < sending->issued_at;

	return ahead > 0 || absurd ? ahead : 0;
}

/* Compares the clocks. A difference found before stands as long as it is about the same: equal clocks give equal times. */
static void
measure(Clock *clock, const LsSending *sending)
{
	int64 ahead = sending->ahead;
	int64 change = sending->sent_at - sending->now - clock->offset;

	if (change >= -tolerance() && change <= tolerance())
		return;
	clock->offset = ahead >= -tolerance() && ahead <= tolerance() ? 0 : ahead;
}

/* Not before what the device has dated earlier. */
static TimestampTz
after(TimestampTz at, TimestampTz client_at, const LsTick *before)
{
	return before->at != LS_NO_TIME && client_at > before->client_at ? Max(at, before->at + 1) : at;
}

/* The instant of an item whose own time, corrected, is believed. */
static TimestampTz
own_time(const Clock *clock, TimestampTz client_at, int64 offset)
{
	if (clock->newest.at != LS_NO_TIME && client_at == clock->newest.client_at)
		return clock->newest.at;
	return after(after(client_at - offset, client_at, &clock->greatest), client_at, &clock->newest);
}

static TimestampTz
arrival(const Clock *clock, TimestampTz now)
{
	return clock->greatest.at == LS_NO_TIME ? now : Max(now, clock->greatest.at + 1);
}

static void
place(Clock *clock, const LsSending *sending, Timed *item)
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
	const Timed *left = a;
	const Timed *right = b;

	if (left->tick.client_at != right->tick.client_at)
		return left->tick.client_at < right->tick.client_at ? -1 : 1;
	return left->position - right->position;
}

/* Says of each item whether its own time is believed. */
static void
believe(const LsSending *sending, Timed *items, int count, int64 offset)
{
	TimestampTz latest = sending->now + tolerance();

	for (int i = 0; i < count; i++)
	{
		TimestampTz at = items[i].tick.client_at - offset;

		CHECK_FOR_INTERRUPTS();
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
forget(Clock *clock, const LsSending *sending)
{
	if (sending->sent_at == LS_NO_TIME && clock->offset == 0 && clock->greatest.at <= sending->now &&
		is_right(&clock->greatest) && is_right(&clock->newest))
		*clock = NO_CLOCK;
}

/* Places the items of one device's call in time, which may sort them, and notes what that says of its clock. */
static void
place_items(Clock *clock, const LsSending *sending, Timed *items, int count)
{
	int64 offset = 0;

	if (sending->sent_at != LS_NO_TIME)
	{
		measure(clock, sending);
		offset = clock->offset;
	}
	believe(sending, items, count, offset);
	if (count > 1)
		ls_sort(items, count, sizeof(Timed), compare_items);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		place(clock, sending, &items[i]);
	}
	forget(clock, sending);
}

/* Reads when the request was sent, by the device's clock and by its token, and as part of what. */
void
ls_batch_read_sent(LsBatch *batch, const JsonbValue *request)
{
	JsonbValue value;

	if (!batch->again)
		batch->trace = ls_header_trace(request);
	if (!ls_json_get(request, "sentAt", &value) || value.type == jbvNull)
		return;
	if (value.type != jbvString || !ls_stamp_parse(ls_text_of(&value), &batch->sending.sent_at))
		ls_request_refuse("sentAt", "must be an RFC 3339 time with offset");
	if (batch->of_app)
		batch->sending.issued_at = ls_call_issued_at();
}

/* The client's time, from that member of the item. */
bool
ls_item_find_time(LsItem *item, const char *key)
{
	JsonbValue value;

	return ls_json_is_object(&item->raw) && ls_json_get(&item->raw, key, &value) && value.type == jbvString &&
		   ls_stamp_parse(ls_text_of(&value), &item->client_at);
}

static bool
read_clock(const JsonbValue *parts, Clock *clock)
{
	int64 numbers[CLOCK_PARTS];

	if (!ls_json_is_array(parts) || ls_json_count(parts) != CLOCK_PARTS)
		return false;
	for (int i = 0; i < CLOCK_PARTS; i++)
	{
		JsonbValue *part = getIthJsonbValueFromContainer(parts->val.binary.data, i);

		if (!ls_json_integer(part, &numbers[i]))
			return false;
	}
	*clock = (Clock){numbers[0], {numbers[1], numbers[2]}, {numbers[3], numbers[4]}};
	return true;
}

/* Takes the clocks from the learner's row; what is none is not kept. */
static Clocks
read_clocks(const JsonbValue *stored)
{
	Clocks clocks = {palloc(sizeof(KeptClock) * MAX_CLOCKS), 0};
	LsJsonWalk walk;
	LsText device;
	JsonbValue parts;

	if (!ls_json_is_object(stored))
		return clocks;
	ls_json_walk(&walk, stored);
	while (clocks.count < MAX_CLOCKS && ls_json_walk_next(&walk, &device, &parts))
	{
		if (read_clock(&parts, &clocks.kept[clocks.count].clock))
			clocks.kept[clocks.count++].device = device;
	}
	return clocks;
}

/* The clock of a device; of too many the one goes that was last heard of. */
static KeptClock *
find_clock(Clocks *clocks, LsText device)
{
	KeptClock *oldest = clocks->kept;

	for (int i = 0; i < clocks->count; i++)
	{
		if (ls_text_equal(clocks->kept[i].device, device))
			return &clocks->kept[i];
		if (clocks->kept[i].clock.greatest.at < oldest->clock.greatest.at)
			oldest = &clocks->kept[i];
	}
	if (clocks->count < MAX_CLOCKS)
		oldest = &clocks->kept[clocks->count++];
	*oldest = (KeptClock){device, NO_CLOCK};
	return oldest;
}

/* The clocks as the learner's row keeps them. */
static Jsonb *
clocks_json(const Clocks *clocks)
{
	JsonbValue json = ls_json_object();

	for (int i = 0; i < clocks->count; i++)
	{
		const Clock *clock = &clocks->kept[i].clock;
		JsonbValue parts = ls_json_array();

		if (!is_worth_keeping(clock))
			continue;
		ls_json_add(&parts, ls_json_int(clock->offset));
		ls_json_add(&parts, ls_json_int(clock->greatest.client_at));
		ls_json_add(&parts, ls_json_int(clock->greatest.at));
		ls_json_add(&parts, ls_json_int(clock->newest.client_at));
		ls_json_add(&parts, ls_json_int(clock->newest.at));
		ls_json_put_text(&json, clocks->kept[i].device, parts);
	}
	return ls_json_encode(&json);
}

/* Whose clock an item goes by: that of the device that sends, or that it names, or else the channel's. */
static LsText
device_of(const LsBatch *batch, const LsItem *item)
{
	JsonbValue value;

	if (batch->device.id.length > 0)
		return batch->device.id;
	if (batch->channel->sender != NULL && ls_json_is_object(&item->raw) &&
		ls_json_get(&item->raw, batch->channel->sender, &value) && value.type == jbvString &&
		ls_text_is_id(ls_text_of(&value)))
		return ls_text_of(&value);
	return ls_text(psprintf("/%s", batch->channel->name));
}

/* Whether an item has a time to be found, as none was found for it before. */
static bool
is_undated(const LsItem *item)
{
	return !item->receipt.found && item->client_at != LS_NO_TIME &&
		   (item->twin == NULL || item->twin->client_at != item->client_at);
}

/* Whether all items simply stand as they are dated, as almost always; they are, then. */
static bool
date_plainly(LsBatch *batch)
{
	bool plain = batch->sending.sent_at == LS_NO_TIME && !ls_json_is_object(&batch->learner.clocks);

	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->client_at == LS_NO_TIME)
		{
			item->at = item->dated = batch->now;
			batch->corrected = true;
		}
		else
		{
			item->at = item->dated = item->client_at;
			plain = plain && item->at >= learnsync_min_client_time && item->at <= batch->now &&
					item->first.at == LS_NO_TIME;
		}
	}
	return plain;
}

static int
compare_sent(const void *a, const void *b)
{
	const Sent *left = a;
	const Sent *right = b;
	int order = ls_text_compare(left->device, right->device);

	return order != 0 ? order : left->item->index - right->item->index;
}

/* Dates items of one device. */
static void
date_run(LsBatch *batch, Clocks *clocks, const Sent *sent, int count)
{
	Timed *timed = palloc(sizeof(Timed) * count);
	KeptClock *kept = find_clock(clocks, sent[0].device);

	for (int i = 0; i < count; i++)
	{
		const LsItem *item = sent[i].item;
		bool seen = item->first.at != LS_NO_TIME && item->first.client_at == item->client_at;

		CHECK_FOR_INTERRUPTS();
		timed[i] = (Timed){item->index, {item->client_at, seen ? item->first.at : LS_NO_TIME}};
	}
	place_items(&kept->clock, &batch->sending, timed, count);
	for (int i = 0; i < count; i++)
	{
		LsItem *item = &batch->items[timed[i].position];

		CHECK_FOR_INTERRUPTS();
		item->at = timed[i].tick.at;
		item->dated = timed[i].believed ? timed[i].tick.client_at - timed[i].offset : batch->now;
	}
	pfree(timed);
}

/*
 * Fixes the order instants of the items that are not known from before, and when they were made as far as that is known:
 * dated, or now where it is not.
 */
void
ls_batch_date(LsBatch *batch)
{
	Clocks clocks;
	Sent *sent;
	int count = 0;

	batch->sending.now = batch->now;
	if (batch->sending.sent_at != LS_NO_TIME)
		batch->sending.ahead = find_ahead(&batch->sending);
	if (date_plainly(batch))
		return;
	batch->corrected = true;
	clocks = read_clocks(&batch->learner.clocks);
	sent = palloc(sizeof(Sent) * Max(batch->nitems, 1));
	for (int i = 0; i < batch->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_undated(&batch->items[i]))
			sent[count++] = (Sent){device_of(batch, &batch->items[i]), &batch->items[i]};
	}
	if (batch->device.id.length == 0)
		ls_sort(sent, count, sizeof(Sent), compare_sent);
	for (int done = 0, end; done < count; done = end)
	{
		for (end = done + 1; end < count && ls_text_equal(sent[end].device, sent[done].device);)
			end++;
		date_run(batch, &clocks, sent + done, end - done);
	}
	batch->clocks = clocks_json(&clocks);
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->twin == NULL || item->client_at == LS_NO_TIME || item->twin->client_at != item->client_at)
			continue;
		item->at = item->twin->at;
		item->dated = item->twin->dated;
	}
}
