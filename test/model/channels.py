"""The other requests whose items are pushed: events about modules, activities of profiles. Model and workload."""

import copy
from decimal import Decimal

from check import (Item, MAX_DEPTH, MAX_ID, MAX_ITEM_BYTES, UNIQUE, adjust, check_fields, check_key, is_id, payload,
                   require)
from values import ANY, depth, dump, order, parse_stamp

CATALOG = ("m1", "m2", "7")  # the contents that there are
ENVELOPE = ("idempotencyKey", "deviceId", "clientTimestamp")


class Channel:
    """How one kind of request says what a sync_push says; an item's data are the item."""

    def __init__(self, function, id, type):
        self.function, self.id, self.type = function, id, type

    def identity(self, device, item):
        if isinstance(item, dict) and isinstance(item.get(self.id), str):
            id = item[self.id]
            return "flat", self.function, id.lower() if UNIQUE.fullmatch(id) else id
        return "flat content", self.function, repr(payload(item, self.id) or order(item))

    def payload(self, item):
        return payload(item, self.id)

    def check(self, types, item, derived_id, now):
        """The Item, or Refused."""
        require(isinstance(item, dict), "invalid", "")
        require(len(dump(item)) <= MAX_ITEM_BYTES and depth(item) <= MAX_DEPTH, "too_large", "")
        require(is_id(item.get(self.id)), "invalid", self.id)
        data, at = self.read(item, now)
        rule = types[self.type]
        resource_id, key = check_key(rule, "update", data, None, derived_id)
        data = adjust(rule, data)
        check_fields(rule, data)
        require(not rule.get("requireContent") or resource_id in CATALOG, "unknown_content", "", resource_id)
        rest = {name: value for name, value in data.items() if name not in rule["key"]}
        return Item(self.type, rule, resource_id, at, False, rest, key)


class ModuleEvents(Channel):
    request = "events"

    def read(self, item, now):
        require(is_id(item.get("deviceId")), "invalid", "deviceId")
        at = parse_stamp(item.get("clientTimestamp"))
        require(at is not None, "bad_timestamp", "clientTimestamp")
        return {name: value for name, value in item.items() if name not in ENVELOPE}, at

    def runs(self, items):
        """Those that follow each other and are of one device are one push."""
        runs = []
        for item in items:
            device = item.get("deviceId") if isinstance(item, dict) and is_id(item.get("deviceId")) else ""
            if not runs or runs[-1][0] != device:
                runs.append((device, []))
            runs[-1][1].append(item)
        return runs

    def reason(self, entry):
        """Why it changed nothing; None where it was applied."""
        if entry.duplicate:
            return "duplicate idempotencyKey"
        if entry.receipt.resolution == "server_wins" and not entry.changed:
            return "stale syncVersion"
        if self.type == "module_completion" and entry.old.exists and self.score(entry) <= entry.old.fields["score"].value:
            return "score is not higher than the stored one"
        return None

    def score(self, entry):
        return adjust(entry.receipt.resource.rule, entry.item)["score"]

    def result(self, entry, server):
        if entry.failure:
            return {"idempotencyKey": ANY, "status": "rejected", "reason": ANY, **({"waiting": True} if entry.waits else {})}
        reason = self.reason(entry)
        said = {"reason": reason, "status": "skipped"} if reason else {"status": "applied"}
        return {"idempotencyKey": entry.item["idempotencyKey"], **said}

    def answer(self, results):
        return {"success": True, "data": {"results": results}}


class Activities(Channel):
    request = "items"
    time = "timestamp"

    def read(self, item, now):
        at = now if item.get("timestamp") is None else parse_stamp(item["timestamp"])
        require(at is not None, "bad_timestamp", "timestamp")
        return item, at

    def runs(self, items):
        return [("", items)]

    def result(self, entry, server):
        if entry.failure or entry.receipt.resolution:
            return {"idempotency_key": ANY, "status": "error", "error": ANY}
        return {"idempotency_key": entry.item["idempotency_key"], "server_id": server.token("s", entry.identity),
                "status": "duplicate" if entry.duplicate or not entry.changed else "ok"}

    def answer(self, results):
        return {"results": results}


PROGRESS = ModuleEvents("sync_progress", "idempotencyKey", "module_progress")
COMPLETIONS = ModuleEvents("sync_completions", "idempotencyKey", "module_completion")
ACTIVITIES = Activities("progress_batch", "idempotency_key", "activity")
BAD = (None, "", "y" * (MAX_ID + 1), True, {}, Decimal("1.5"), -1, 101, "5")


class Requests:
    """Makes requests; a mixin of the workload."""

    def known_time(self):
        """None that the server replaces by its own: these answers do not show that."""
        return self.stamp(self.rng.choice(self.instants + [self.soon]))

    def module_event(self, device, **said):
        named = {"idempotencyKey": f"{device.name}/{device.next_id}", "deviceId": device.name,
                 "moduleId": self.rng.choice(("m1", "m1", "m2", "m9", 7)), "clientTimestamp": self.known_time()}
        return {**named, **said, **self.some(note=lambda: self.value(1))}

    def flat_item(self, channel, device):
        device.next_id += 1
        if channel is PROGRESS:
            return self.module_event(device, progressPercent=self.rng.choice((0, 10, Decimal("33.3"), 100, Decimal("100.0000001"))),
                                     syncVersion=self.rng.choice((0, 1, 1, 2, Decimal("2.0"), 3)))
        if channel is COMPLETIONS:
            return self.module_event(device, score=self.rng.choice((0, 50, Decimal("70.5"), Decimal("70.50"), Decimal("70.5000001"), 100)))
        return {"idempotency_key": f"a{device.next_id}", "activity_type": self.rng.choice(("game", "reading")),
                "content_id": self.rng.choice(("c1", "c2")), **self.some(
                    score=self.one_of(5, Decimal("5.0"), None), duration_seconds=self.one_of(0, 60), timestamp=self.known_time,
                    completed=self.one_of(True, False, None), meta_data=lambda: {"a": self.value(1)})}

    def flat_request(self, device):
        """(channel, request): new items, items from before as they were or changed, and bad ones."""
        channel = self.rng.choice((PROGRESS, COMPLETIONS, ACTIVITIES))
        sent = device.sent.setdefault(channel.function, [])
        items = []
        for _ in range(self.rng.choice((1, 1, 2, 3, 5, 8))):
            item = copy.deepcopy(self.rng.choice(sent)) if sent and self.chance(25) else self.flat_item(channel, device)
            sent.append(copy.deepcopy(item))
            if self.chance(12):
                item[self.rng.choice(list(item))] = self.rng.choice(BAD)
            if self.chance(10) and channel.request == "events":
                item["deviceId"] = self.rng.choice(self.devices).name
            items.append(item if self.chance(98) else self.rng.choice((5, None, [], {}, "item")))
        return channel, {channel.request: items}
