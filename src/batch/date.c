/*
 * date.c
 *		When the items of a batch happened, by the clocks of their devices, which are kept in the learner's row.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "miscadmin.h"

#define MAX_CLOCKS 100 /* kept of a learner */
#define CLOCK_PARTS 5

/* The clock of one device, or of a channel whose items come from none. */
struct LsKeptClock
{
	LsText device;
	LsClock clock;
};

/* An item that is to be dated, and who dated it. */
typedef struct Sent
{
	LsText device;
	LsItem *item;
} Sent;

/* Reads when the request was sent, by the device's clock and by its token. */
void
ls_batch_read_sent(LsBatch *batch, const JsonbValue *request)
{
	JsonbValue value;

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
read_clock(const JsonbValue *parts, LsClock *clock)
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
	*clock = (LsClock){numbers[0], {numbers[1], numbers[2]}, {numbers[3], numbers[4]}};
	return true;
}

/* Takes the clocks from the learner's row; what is none is not kept. */
static void
read_clocks(LsBatch *batch)
{
	LsJsonWalk walk;
	LsText device;
	JsonbValue parts;

	if (batch->clocks != NULL)
		return;
	batch->clocks = palloc(sizeof(LsKeptClock) * MAX_CLOCKS);
	if (!ls_json_is_object(&batch->learner.clocks))
		return;
	ls_json_walk(&walk, &batch->learner.clocks);
	while (batch->nclocks < MAX_CLOCKS && ls_json_walk_next(&walk, &device, &parts))
	{
		if (read_clock(&parts, &batch->clocks[batch->nclocks].clock))
			batch->clocks[batch->nclocks++].device = device;
	}
}

/* The clock of a device; of too many the one goes that was last heard of. */
static LsKeptClock *
find_clock(LsBatch *batch, LsText device)
{
	LsKeptClock *oldest = batch->clocks;

	for (int i = 0; i < batch->nclocks; i++)
	{
		if (ls_text_equal(batch->clocks[i].device, device))
			return &batch->clocks[i];
		if (batch->clocks[i].clock.greatest.at < oldest->clock.greatest.at)
			oldest = &batch->clocks[i];
	}
	if (batch->nclocks < MAX_CLOCKS)
		oldest = &batch->clocks[batch->nclocks++];
	*oldest = (LsKeptClock){device, LS_NO_CLOCK};
	return oldest;
}

/* The clocks as the learner's row keeps them; NULL where they are as they were. */
Jsonb *
ls_batch_clocks(const LsBatch *batch)
{
	JsonbValue clocks = ls_json_object();

	if (batch->clocks == NULL)
		return NULL;
	for (int i = 0; i < batch->nclocks; i++)
	{
		const LsClock *clock = &batch->clocks[i].clock;
		JsonbValue parts = ls_json_array();

		if (!ls_clock_is_kept(clock))
			continue;
		ls_json_add(&parts, ls_json_int(clock->offset));
		ls_json_add(&parts, ls_json_int(clock->greatest.client_at));
		ls_json_add(&parts, ls_json_int(clock->greatest.at));
		ls_json_add(&parts, ls_json_int(clock->newest.client_at));
		ls_json_add(&parts, ls_json_int(clock->newest.at));
		ls_json_put_text(&clocks, batch->clocks[i].device, parts);
	}
	return ls_json_encode(&clocks);
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

		if (item->client_at == LS_NO_TIME)
			item->at = item->dated = batch->now;
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
date_run(LsBatch *batch, const Sent *sent, int count)
{
	LsTimed *timed = palloc(sizeof(LsTimed) * count);
	LsKeptClock *kept = find_clock(batch, sent[0].device);

	for (int i = 0; i < count; i++)
	{
		const LsItem *item = sent[i].item;
		bool seen = item->first.at != LS_NO_TIME && item->first.client_at == item->client_at;

		timed[i] = (LsTimed){item->index, {item->client_at, seen ? item->first.at : LS_NO_TIME}};
	}
	ls_clock_place(&kept->clock, &batch->sending, timed, count);
	for (int i = 0; i < count; i++)
	{
		LsItem *item = &batch->items[timed[i].position];

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
	Sent *sent;
	int count = 0;

	batch->sending.now = batch->now;
	if (date_plainly(batch))
		return;
	read_clocks(batch);
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
		date_run(batch, sent + done, end - done);
	}
	for (int i = 0; i < batch->nitems; i++)
	{
		LsItem *item = &batch->items[i];

		if (item->twin == NULL || item->client_at == LS_NO_TIME || item->twin->client_at != item->client_at)
			continue;
		item->at = item->twin->at;
		item->dated = item->twin->dated;
	}
}
