"""Random logs: few ids and instants, so that events meet; odd ids, odd spellings of times, nulls, unknown keys."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

ODD = ["constructor", "__proto__", "toString", "x" * 200, "é" * 200, "\U0001f600", '"quoted\\"', " ", "null", "0", "ab", "a", "B"]
STATUSES = ["not_started", "in_progress", "completed", "passed"]
TYPES = ["content.progressed"] * 12 + ["onboarding.completed", "onboarding.reset", "activePath.set"]
START = datetime(2025, 12, 28, 22, 0, tzinfo=timezone.utc)


class Logs:
    """Makes the events of one learner."""

    def __init__(self, rng):
        self.rng = rng
        self.count = 0
        self.contents = rng.sample(ODD, 2) + [f"content-{n}" for n in range(rng.choice([1, 3, 8]))]
        self.interactions = rng.sample(ODD, 1) + ["quiz", "pairs"]
        self.paths = rng.sample(ODD, 1) + ["path-1", "path-2"]
        self.resets = rng.choice([0, 0.02, 0.1])
        self.span = rng.choice([3, 40, 100000])  # instants, an hour apart or less

    def event_id(self):
        self.count += 1
        odd = self.rng.choice(ODD)
        return odd[:190] + str(self.count) if self.rng.random() < 0.2 else f"event-{self.rng.getrandbits(40):x}-{self.count}"

    def moment(self):
        """Anything from ties to days apart, sometimes far off."""
        pick = self.rng
        if pick.random() < 0.02:
            return datetime(pick.choice([2000, 2001, 2024]), pick.choice([1, 2, 12]), pick.choice([1, 28]), tzinfo=timezone.utc)
        step = timedelta(hours=1) if self.span < 1000 else timedelta(seconds=7)
        return START + step * pick.randrange(self.span) + timedelta(microseconds=pick.choice([0, 0, 0, 1000, 1, 999999]))

    def spell(self, moment):
        """A spelling of an instant: mostly the one of toISOString, else any that RFC 3339 allows."""
        pick = self.rng
        if pick.random() < 0.7:
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
        offset = timedelta(minutes=pick.choice([0, 60, -330, 345, 14 * 60, -12 * 60]))
        text = (moment + offset).strftime("%Y-%m-%d" + pick.choice("Tt") + "%H:%M:%S")
        digits = pick.choice([0, 1, 3, 6])
        if digits:
            text += "." + f"{moment.microsecond:06}"[:digits]
        minutes = int(offset.total_seconds() // 60)
        if minutes == 0:
            return text + pick.choice(["Z", "z", "+00:00", "-00:00"])
        return text + f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    def maybe(self, payload, key, share, *choices):
        if self.rng.random() < share:
            payload[key] = self.rng.choice(choices)

    def state(self):
        return self.rng.choice([None, None, {}, {"kind": "quiz", "selectedOptionId": self.rng.choice("abc")},
                                {"kind": "pairs", "n": Decimal(self.rng.randrange(3)), "deep": {"list": [None, True, {"__proto__": []}]}}])

    def payload(self, kind):
        pick = self.rng
        payload = {}
        if kind == "content.progressed":
            payload = {"contentId": pick.choice(self.contents), "status": pick.choice(STATUSES)}
            score = Decimal(pick.randrange(0, 1001)).scaleb(-pick.choice([1, 1, 1, 3])) if pick.random() < 0.5 else Decimal(pick.randrange(101))
            self.maybe(payload, "score", 0.6, None, Decimal(0), Decimal(100), Decimal("50.0"), score, score)
            self.maybe(payload, "contentVersion", 0.4, None, "v1", "v2", "x" * 200)
            self.maybe(payload, "interaction", 0.5, None, *[
                {"interactionId": pick.choice(self.interactions), "state": self.state(), "extra": True} for _ in range(4)])
        elif kind == "onboarding.completed":
            payload = {"pathId": pick.choice(self.paths)}
            self.maybe(payload, "relatedPaths", 0.6, None, [], self.paths, ["path-2"])
        elif kind == "activePath.set":
            payload = {"pathId": pick.choice(self.paths + [None])}
        self.maybe(payload, "unknown", 0.1, None, {"a": [Decimal(1)]}, "x")
        return payload

    def event(self, client="client-1"):
        kind = "progress.reset" if self.rng.random() < self.resets else self.rng.choice(TYPES)
        event = {"eventId": self.event_id(), "occurredAt": self.spell(self.moment()), "clientId": client, "type": kind}
        payload = self.payload(kind)
        if payload or self.rng.random() < 0.5:
            event["payload"] = payload
        self.maybe(event, "note", 0.05, None, "kept", {"constructor": Decimal(1)})
        return event

    def bad(self):
        """An event that must fail, and its code."""
        event = self.event()
        event["type"] = "content.progressed"
        event["payload"] = {"contentId": "c", "status": "passed"}
        spoil, code = self.rng.choice([
            (lambda: event.pop("type"), "invalid"), (lambda: event.update(type="content.viewed"), "unknown_type"),
            (lambda: event.update(occurredAt="2025-12-28"), "bad_timestamp"), (lambda: event.update(clientId=""), "invalid"),
            (lambda: event["payload"].update(score=Decimal("100.1")), "out_of_range"),
            (lambda: event["payload"].update(contentId=None), "invalid"), (lambda: event.update(eventId="x" * 201), "invalid"),
            (lambda: event["payload"].update(interaction={"interactionId": "i"}), "invalid")])
        spoil()
        return event, code
