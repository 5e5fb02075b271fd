"""Random batches and pulls of three devices that are rarely online, sometimes wrong, and repeat themselves."""

import copy
import uuid
from decimal import Decimal

from channels import Requests
from check import UNIQUE
from devices import AHEAD, Device
from items import BAD_FIELDS, DELETED, KEYS, ORDER_FREE, TYPES, Items
from values import show_stamp

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE

BAD_TIMES = (None, "", "now", "infinity", "2026-01-08", "2026-01-08T10:30:00", 1767868200, "2026-13-01T00:00:00Z",
             "2026-02-30T00:00:00Z", "2026-01-08T24:00:01Z", "2026-01-08T10:60:00Z", "0000-12-31T23:59:59Z", "T10:30:00Z",
             "10000-01-01T00:00:00Z", " 2026-01-08T10:30:00Z", "2026-01-08T10:30:00Zulu", "2026-01-08T10:30:00+25:00", {})


# No more kinds than a row of counts has room for.
APPS = ({"appVersion": "1.2", "platform": "ios", "networkType": "wifi"}, {"appVersion": "1.2", "networkType": "cellular"},
        {"appVersion": "é" * 32, "platform": "web"}, {"appVersion": "x" * 65, "platform": "android"},
        {"appVersion": 7, "platform": "", "networkType": ["wifi"]}, {"other": "1.2"}, {})


class Workload(Items, Requests):
    def __init__(self, rng, now, late=None):
        self.rng = rng
        self.late = late or {}  # type -> what its twin is called, which may not be defined yet
        self.devices = [Device(f"phone-{n}", rng) for n in range(3)]
        self.reader = Device("reader", rng)  # only pulls
        start = now - 30 * DAY
        self.instants = [start + rng.randrange(20 * 24 * 60) * MINUTE + rng.randrange(3) * 1000 for _ in range(25)]
        self.instants += [instant + rng.choice((1, 400, 1001)) for instant in self.instants[:5]]
        self.soon, self.far = now + 4 * MINUTE, now + 365 * DAY
        self.emptied = None  # the last delete, when what it deleted was not yet made anew
        self.derived = []  # resource ids that the server gave to conversations

    def chance(self, percent):
        return self.rng.random() * 100 < percent

    def stamp(self, at):
        """One of the ways to write an instant."""
        minutes = self.rng.choice((0, 0, 0, 120, -330))
        text = show_stamp(at + minutes * MINUTE)[:-5]
        fraction = f"{at % 1_000_000:06d}"
        while fraction.endswith("0") and self.chance(70):
            fraction = fraction[:-1]
        zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
        return text + ("." + fraction if fraction else "") + (zone if minutes else self.rng.choice(("Z", "+00:00")))

    def client_time(self, order_free=False):
        if not order_free and self.chance(3):
            return self.stamp(self.rng.choice((self.soon, self.far)))
        return self.stamp(self.rng.choice(self.instants))

    def good_item(self, types=TYPES, order_free=False):
        if not order_free and self.emptied and self.chance(40):
            return self.make_anew()
        type = self.rng.choice(types)
        key, resource, data = getattr(self, type)(order_free)
        item = {"operation": self.rng.choice(("create", "update")), "resourceType": type, "data": data,
                "clientTimestamp": self.client_time(order_free)}
        if isinstance(key, dict):
            item["data"] = {**data, **key}
        elif key is None or (resource is not None and self.chance(30)):
            item["resourceId"] = resource
        elif resource is not None:
            item["data"] = {key: resource, **data}
            if self.chance(20):
                item["resourceId"] = resource
        if order_free:
            return item
        if type == "three" and self.chance(70):
            item["ancestor"] = self.rng.choice((None, {}, self.three(False)[2], self.three(False)[2]))
        if type == "conversation" and item["operation"] == "create" and self.chance(40):
            del item["resourceId"]
        if self.chance(8) and type in DELETED:
            self.make_delete(item, key)
        return item

    def make_delete(self, item, key):
        item["operation"] = "delete"
        item["data"] = {name: value for name, value in item["data"].items() if name == key or (isinstance(key, dict) and name in key)}
        if "resourceId" in item and not item["data"] and self.chance(50):
            del item["data"]
        elif "resourceId" not in item and key is None:
            item["resourceId"] = "v1"
        self.emptied = copy.deepcopy(item)  # the item itself may be spoilt

    def make_anew(self):
        """What was deleted last, from a later instant."""
        item = {**self.emptied, "operation": "create", "clientTimestamp": self.stamp(max(self.instants))}
        key, _, data = getattr(self, item["resourceType"])(False)
        names = key if isinstance(key, dict) else [key]
        item["data"] = {**{name: value for name, value in data.items() if name not in names},
                        **{name: value for name, value in (item.get("data") or {}).items() if name in names}}
        self.emptied = None
        return item

    # Bad items

    def spoil(self, item):
        """The item with something wrong, from envelope to field; not an item at all at times."""
        rng = self.rng
        data = item.get("data") if isinstance(item, dict) else None
        simple = [
            ("id", rng.choice(("", "x" * 201, 5, {}, True))), ("operation", rng.choice(("upsert", None, 1, "Create"))),
            ("resourceType", rng.choice((None, 5, ["deck"]))), ("resourceType", rng.choice(("nosuch", "", "Deck"))),
            ("data", rng.choice((None, [], "text", 5))), ("ancestor", rng.choice(([], "text", 5, True))), ("clientTimestamp", rng.choice(BAD_TIMES)),
            ("resourceId", rng.choice((True, {}, "", "r" * 201, [1])))]
        choice = rng.randrange(len(simple) + 12)
        if not isinstance(data, dict):
            return rng.choice((5, "item", None, [], [{}], True))
        if choice < len(simple):
            name, value = simple[choice]
            item[name] = value
            if rng.randrange(3) == 0:
                del item[name]
        elif choice == len(simple):
            return rng.choice((5, "item", None, [], [{}], True))
        elif choice == len(simple) + 1:
            data["big"] = "x" * 300_000
        elif choice == len(simple) + 2:
            nested = 1
            for _ in range(rng.choice((62, 63, 80))):
                nested = [nested]
            data["deep"] = nested
        elif choice == len(simple) + 3:
            item["operation"] = "delete"
        else:
            self.spoil_field(item, data)
        return item

    def spoil_field(self, item, data):
        type = str(item.get("resourceType"))
        if type in BAD_FIELDS and self.chance(60):
            name, values = self.rng.choice(BAD_FIELDS[type])
            data[name] = self.rng.choice(values)
        elif type in KEYS and self.chance(70):
            data[KEYS[type]] = self.rng.choice(("", True, {}, "k" * 201, "other"))
            if self.chance(30):
                item["resourceId"] = "mismatch"
        else:
            data.pop(KEYS.get(type), None)
            item.pop("resourceId", None)

    # Batches

    def item(self, device):
        """A new item, or one that the device sent before, as it was or changed; or one of a queue that came from another."""
        old = self.rng.choice(device.items) if device.items else None
        restored = self.rng.choice(self.devices).items if self.chance(2) else None
        if restored:
            again = self.rewritten(copy.deepcopy(self.rng.choice(restored)))
            shouts = isinstance(again, dict) and UNIQUE.fullmatch(str(again.get("id")))
            return {**again, "id": again["id"].upper()} if shouts else again
        if old is not None and self.chance(4):
            again = self.rewritten(copy.deepcopy(old))
            return {"id": None, **again} if isinstance(again, dict) and self.chance(50) else again
        item = self.good_item()
        if self.chance(25):
            item["resourceType"] = self.late.get(item["resourceType"], item["resourceType"])
        if isinstance(old, dict) and "id" in old and self.chance(4):
            item["id"] = old["id"]
        elif item["operation"] != "delete" and item["resourceType"] not in ("note", "fixed", "xapi_statement") and self.chance(10):
            item["data"]["nonce"] = f"{device.name}/{device.next_id}"
        else:
            item["id"] = f"i{device.next_id}" if self.chance(70) else self.other_id()
        device.next_id += 1
        if self.chance(5):
            item = self.spoil(item)
            if self.chance(10):
                item = self.spoil(item)
        device.items.append(item)
        return item

    def other_id(self):
        if self.chance(90):
            id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
            return id[:14] + self.rng.choice("1447") + id[15:]
        return self.rng.choice(("ü" * 200, "an id", "\\"))

    def rewritten(self, value):
        """The same JSON value in other words."""
        if isinstance(value, dict):
            names = list(value)
            self.rng.shuffle(names)
            return {name: self.rewritten(value[name]) for name in names}
        if isinstance(value, int) and not isinstance(value, bool) and self.chance(50):
            return Decimal(value) + Decimal("0.0")
        return value

    def envelope(self, device, items):
        request = {"deviceId": device.name, "items": items}
        cursor = self.rng.choice([device.cursor] * 6 + [None, None, 0, self.rng.randint(0, int(device.cursor)), AHEAD])
        if cursor is not None:
            request["lastSyncVersion"] = cursor
        if device.habit == "cursor" and device.text is not None and self.chance(60):
            request["cursor"] = device.text
        if device.epoch is not None and device.habit != "careless" and self.chance(50):
            request["epoch"] = device.epoch
        if self.chance(10):
            request.update(deviceName="Pixel 6", metadata={"appVersion": "1.2"})
        elif self.chance(40):
            request["metadata"] = self.rng.choice(APPS)
        if self.chance(6):
            request["dryRun"] = True
        if self.chance(8):
            request["atomic"] = True
        return request

    def push(self, device):
        kind = self.rng.randrange(100)
        if device.batches and kind < 14:
            return copy.deepcopy(self.rng.choice(device.batches))
        if device.batches and kind < 24:
            batches = self.rng.sample(device.batches, min(2, len(device.batches)))
            items = [item for batch in batches for item in batch["items"]]
            self.rng.shuffle(items)
            return self.envelope(device, copy.deepcopy(items))
        items = []
        for _ in range(self.rng.choice((0, 1, 1, 2, 3, 5, 8))):
            again = items and self.chance(4)
            items.append(copy.deepcopy(self.rng.choice(items)) if again else self.item(device))
        request = self.envelope(device, items)
        device.batches.append(copy.deepcopy(request))
        return request

    def pull(self, device):
        """(request, whether it belongs to the device's run of pages). Limits change from page to page."""
        request = {"deviceId": device.name, **device.about_cursor()}
        if self.chance(60):
            request["limit"] = self.rng.choice((1, 1, 2, 3, 5, 10**9))
        if device.habit == "cursor":
            return self.pull_on(device, request), True
        if self.chance(80):
            return request, True
        request["lastSyncVersion"] = self.rng.randint(0, int(device.cursor))
        request["resourceTypes"] = self.rng.sample(TYPES, self.rng.randrange(1, 4))
        return request, False

    def pull_on(self, device, request):
        """The next page of a device that stores cursors, which at times changes what it wants to see."""
        if self.chance(8):
            device.selection = self.selection()
            request = {name: value for name, value in request.items() if name not in ("resourceTypes", "scope")}
        if self.chance(30):
            request["count"] = True
        return {**request, **device.selection}

    def selection(self):
        return self.rng.choice((
            {}, {"resourceTypes": self.rng.sample(TYPES, 3)}, {"scope": {"courseId": ["c1", "c2"]}}, {"scope": {"courseId": [None, "c1"]}},
            {"scope": {}}, {"scope": {"courseId": ["c2"]}, "resourceTypes": ["lesson_progress", "conversation", "deck"]}))

    def note_derived(self, answer):
        """Remembers the ids that the server gave to conversations, to write to them again."""
        for result in answer["results"]:
            if result["status"] != "failed" and result["resourceType"] == "conversation" and len(result["resourceId"]) == 36:
                self.derived = (self.derived + [result["resourceId"]])[-3:]

    def order_free_batches(self):
        """Batches whose final documents must not depend on how often and in which order they arrive."""
        batches = []
        for number in range(self.rng.randrange(2, 8)):
            items = []
            for place in range(self.rng.randrange(1, 9)):
                item = dict(self.good_item(ORDER_FREE, order_free=True), id=f"free-{number}-{place}")
                items.append(item if self.chance(97) else self.spoil_free(item))
            batches.append({"deviceId": self.rng.choice(self.devices).name, "items": items})
        return batches

    def spoil_free(self, item):
        """A bad item that stays out of the way of the others whatever the order."""
        item["clientTimestamp"] = self.rng.choice(BAD_TIMES)
        return item


def malformed(rng):
    """(request, SQLSTATE) that no push answers."""
    return rng.choice((
        ({"items": []}, "22023"), ({"deviceId": "", "items": []}, "22023"), ({"deviceId": 5, "items": []}, "22023"),
        ({"deviceId": "d" * 201, "items": []}, "22023"), ({"deviceId": "d"}, "22023"), ([], "22023"), ("push", "22023"),
        ({"deviceId": "d", "items": {}}, "22023"), ({"deviceId": "d", "items": "x"}, "22023"),
        ({"deviceId": "d", "items": [], "lastSyncVersion": "7"}, "22023"),
        ({"deviceId": "d", "items": [], "lastSyncVersion": -1}, "22023"),
        ({"deviceId": "d", "items": [], "lastSyncVersion": Decimal("1.5")}, "22023"),
        ({"deviceId": "d", "items": [], "dryRun": "yes"}, "22023"), ({"deviceId": "d", "items": [5] * 1001}, "54000")))
