/*
 * event_put.c
 *		Decides the events of a put in input order: known ones, new ones, ids used twice, the limit of the log.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"

#define MORE_RESETS 100 /* that a full log takes at least */

static LsPutEvent **
bucket_of(const LsPut *put, LsText name)
{
	return &put->buckets[ls_digest_hash(name) & (put->nbuckets - 1)];
}

/* Links each event to the one before it that has the same name. */
void
ls_put_link(LsPut *put)
{
	for (put->nbuckets = 16; put->nbuckets < put->nevents;)
		put->nbuckets *= 2;
	put->buckets = palloc0(sizeof(LsPutEvent *) * put->nbuckets);
	for (int i = 0; i < put->nevents; i++)
	{
		LsPutEvent *event = &put->events[i];
		LsPutEvent **bucket = bucket_of(put, event->name);

		CHECK_FOR_INTERRUPTS();
		event->twin = *bucket;
		while (event->twin != NULL && !ls_text_equal(event->twin->name, event->name))
			event->twin = event->twin->next;
		event->next = *bucket;
		*bucket = event;
	}
}

static bool
is_equal(const JsonbValue *raw, Jsonb *stored)
{
	JsonbValue other;

	ls_json_root(stored, &other);
	return ls_json_compare(raw, &other) == 0;
}

/* Fixes the order instant of the new events: the client's clock, unless it cannot be right. */
void
ls_put_judge(LsPut *put)
{
	TimestampTz latest = put->push.now + learnsync_max_clock_skew * USECS_PER_SEC;

	for (int i = 0; i < put->nevents; i++)
	{
		LsPutEvent *event = &put->events[i];
		JsonbValue sent;

		CHECK_FOR_INTERRUPTS();
		if (event->refused.code == NULL &&
			(event->event.occurred_at > latest || event->event.occurred_at < learnsync_min_client_time) &&
			ls_json_get(&event->raw, "occurredAt", &sent))
			ls_event_set_time(&event->event, put->push.now, ls_text_of(&sent));
	}
}

static bool
refuse_reused(LsFailure *failure)
{
	return ls_fail(failure, "id_reused", "eventId", "this eventId was already accepted with other content");
}

/* The event with the same id that was accepted earlier in this put. */
static const LsPutEvent *
accepted_twin(const LsPutEvent *event)
{
	const LsPutEvent *twin = event->twin;

	while (twin != NULL && !twin->accepted)
		twin = twin->twin;
	return twin;
}

/*
 * How many events the log may hold for one of this type to be taken. Who starts anew must be able to say so in a full log,
 * too, though not for ever.
 */
static int64
room_for(LsEventType type)
{
	bool resets = type == LS_EVENT_RESET || type == LS_EVENT_ONBOARDING_RESET;

	return learnsync_max_learner_events + (resets ? Max((int64) learnsync_max_learner_events / 100, MORE_RESETS) : 0);
}

static void
accept(LsPut *put, LsPutEvent *event)
{
	if (put->log.events + put->naccepted >= room_for(event->event.type))
	{
		ls_fail(&event->failure, "too_many", "", "the log of this learner is full: it holds %d events",
				learnsync_max_learner_events);
		return;
	}
	event->accepted = true;
	event->version = ++put->version;
	put->naccepted++;
}

/* Decides one event; the ones before it are decided. */
static void
decide_event(LsPut *put, LsPutEvent *event)
{
	const LsPutEvent *twin = accepted_twin(event);

	event->failure = event->refused;
	if (event->failure.code != NULL)
		return;
	if (event->stored == NULL && twin == NULL)
	{
		accept(put, event);
		return;
	}
	event->duplicate =
		event->stored != NULL ? is_equal(&event->raw, event->stored) : ls_json_compare(&event->raw, &twin->raw) == 0;
	if (event->duplicate)
		put->nduplicates++;
	else
		refuse_reused(&event->failure);
}

/* Decides the first so many events; can be called again after more were refused. */
void
ls_put_decide(LsPut *put, int upto)
{
	put->version = put->push.learner.version;
	put->naccepted = put->nduplicates = 0;
	for (int i = 0; i < put->nevents; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put->events[i].accepted = put->events[i].duplicate = false;
	}
	for (int i = 0; i < upto; i++)
		decide_event(put, &put->events[i]);
}

/* The identity under which a failed event is recorded. */
pg_uuid_t
ls_put_key(const LsPut *put, const LsPutEvent *event)
{
	LsDigest digest;

	ls_digest_start(&digest);
	ls_digest_text(&digest, put->push.learner.id);
	ls_digest_text(&digest, ls_text(put->push.channel->name));
	ls_digest_text(&digest, event->name);
	return ls_digest_end(&digest);
}

/*
 * How many copies of a failed event failed in this put since one was accepted, if it is the one to be recorded: the
 * last copy. 0 where it is not.
 */
int
ls_put_failed_copies(const LsPut *put, const LsPutEvent *event)
{
	int copies = 0;

	if (event->failure.code == NULL)
		return 0;
	for (const LsPutEvent *other = *bucket_of(put, event->name); other != NULL; other = other->next)
	{
		if (!ls_text_equal(other->name, event->name))
			continue;
		if (other->index > event->index && (other->accepted || other->failure.code != NULL))
			return 0;
		if (other->accepted)
			break;
		copies += other->failure.code != NULL;
	}
	return copies;
}
