"""Runs of pages over a primary and a replica that lags behind it: whatever mix of the two brings them, the device holds
everything in the end, with all members of its lists."""

import os
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))

from psql import Psql  # noqa: E402
from values import dump, parse  # noqa: E402

LIVES, STEPS = 25, 40
SIZES = [{"limit": limit} for limit in range(1, 15)] + [{"max_bytes": size} for size in range(1024, 4096, 400)] + [{"limit": 3, "max_bytes": 1500}, {}]
ROUNDS = 4  # pages of each device while others push; a bit of its number says where each is from


def item(id, type, resource, data, minute, operation="update"):
    return {"id": id, "operation": operation, "resourceType": type, "resourceId": resource, "data": data,
            "clientTimestamp": f"2026-01-08T10:{minute // 60:02d}:{minute % 60:02d}Z"}


def message(id, minute, conversation="x"):
    return item(id, "conversation", conversation, {"messages": [{"id": id}]}, minute)


def lesson(id, minute, lesson, **data):
    return item(id, "lesson_progress", lesson, data, minute)


class Device:
    """Stores the cursor of each page, and sends it back."""

    def __init__(self, selection=None):
        self.cursor, self.documents, self.selection = None, {}, selection or {}

    def request(self, **more):
        return {"deviceId": "tablet", "cursor": self.cursor, **self.selection, **more}

    def take(self, page):
        self.cursor = page["cursor"]
        if page["reset"]:
            self.documents.clear()
        for change in page["changes"]:
            key = change["resourceType"], change["resourceId"]
            old = self.documents.pop(key, {})
            if change["operation"] != "delete":
                data = dict(change["data"])
                if "messages" in data:
                    known = old.get("messages", {}) if change.get("delta") else {}
                    data["messages"] = {**known, **{m["id"]: m for m in data["messages"]}}
                self.documents[key] = data
        return page


class Counting(Device):
    """Counts versions, as clients without the opaque cursor do."""

    def __init__(self):
        super().__init__()
        self.version, self.started = 1, 1

    def request(self, **more):
        return {"deviceId": "tablet", "lastSyncVersion": self.version, "from": self.started, **more}

    def take(self, page):
        super().take({"cursor": None, **page})
        self.version = page["syncVersion"]
        self.started = 1 if page["reset"] else self.started
        self.started = self.started if page["hasMore"] else self.version
        return page


class Life:
    """A learner, the two servers, and a device that reads from either."""

    def __init__(self, name, primary, replica):
        self.learner, self.primary, self.replica = name, primary, replica

    def push(self, *items, **more):
        return self.primary.call("sync_push", self.learner, {"deviceId": "phone", "items": list(items), **more})

    def pull(self, server, device, max_bytes=None, **more):
        return device.take(parse(server.text("sync_pull", self.learner, device.request(**more), max_bytes)))

    def lag(self):
        """What is pushed from now on the replica does not know."""
        self.catch_up()
        self.replica.ask("SELECT pg_wal_replay_pause();")
        while self.replica.ask("SELECT pg_get_wal_replay_pause_state();") != ["paused"]:
            pass

    def catch_up(self):
        lsn = self.primary.ask("SELECT pg_current_wal_flush_lsn();")[0]
        self.replica.ask("SELECT pg_wal_replay_resume();")
        while self.replica.ask(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}';") != ["t"]:
            pass

    def whole(self, device):
        """What a device that holds nothing gets."""
        fresh = Device(device.selection)
        while self.pull(self.primary, fresh)["hasMore"]:
            pass
        return fresh.documents


def shown(page):
    changes = [(c["resourceId"], c["version"], [m["id"] for m in c["data"].get("messages", [])]) for c in page["changes"]]
    return changes, page["syncVersion"], page["hasMore"], page.get("behind", False), page["reset"]


def told_cases(check, make):
    """The shortest lives in which a lagging replica made lists lose members."""
    life = make("behind the cursor")
    life.push(message("m1", 1))
    life.lag()
    life.push(lesson("2", 2, "l"))
    life.push(message("m2", 3))
    device, counting = Device(), Counting()
    for who in device, counting:
        check(f"{type(who).__name__}: a first page from the primary", shown(life.pull(life.primary, who, limit=1)), ([("l", 3, [])], 3, True, False, False))
    check("a replica behind the cursor has nothing", shown(life.pull(life.replica, device, limit=1)), ([], 3, False, True, False))
    check("a counting client begins its run again", shown(life.pull(life.replica, counting, limit=1)), ([], 1, False, False, False))
    for who in device, counting:
        while life.pull(life.primary, who, limit=1)["hasMore"]:
            pass
        check(f"{type(who).__name__}: all members are there", sorted(who.documents["conversation", "x"]["messages"]), ["m1", "m2"])

    life = make("behind the run")
    life.push(message("m1", 1))
    for n in range(6):
        life.push(lesson(str(n), n, f"l{n}"))
    life.lag()
    life.push(message("m2", 9))
    device = Device()
    life.pull(life.primary, device, limit=3)
    check("a replica behind the run's beginning gives what it has", shown(life.pull(life.replica, device, limit=2)), ([("l3", 6, []), ("l4", 7, [])], 7, True, False, False))
    check("but does not end the run", shown(life.pull(life.replica, device, limit=2)), ([("l5", 8, [])], 8, False, True, False))
    check("which is over on the primary", shown(life.pull(life.primary, device, limit=3)), ([("x", 9, ["m1", "m2"])], 9, False, False, False))
    # A page of a newer server in the midst of the run: what moved on there is in no later page of the replica.
    life = make("behind a page")
    for n in range(4):
        life.push(lesson(str(n), n, f"l{n}"))
    life.push(message("m1", 5))
    life.lag()
    device = Device()
    life.pull(life.replica, device, limit=2)
    life.push(lesson("9", 6, "l9"), message("m2", 6))
    life.pull(life.primary, device, limit=3)
    life.pull(life.replica, device, limit=3)
    while life.pull(life.primary, device)["hasMore"]:
        pass
    check("no page of a newer server is forgotten", sorted(device.documents["conversation", "x"]["messages"]), ["m1", "m2"])


def lives_apart(check, make):
    """A second life, which the replica does not know of yet."""
    life = make("lives")
    life.push(lesson("1", 1, "old"))
    old, new = Device(), Device()
    life.pull(life.primary, old)
    life.lag()
    life.primary.ask(f"SELECT learnsync.forget_learner('{life.learner}'), learnsync.remember_learner('{life.learner}');")
    life.push(lesson("2", 2, "new"))
    life.pull(life.primary, new)
    before = new.cursor
    check("a replica of the old life knows nothing of the new", shown(life.pull(life.replica, new)), ([], 2, False, True, False))
    check("and leaves the cursor alone", new.cursor, before)
    life.pull(life.replica, old)
    check("a device of the old life goes on there", list(old.documents), [("lesson_progress", "old")])
    life.catch_up()
    stale = old.cursor
    check("once it knows the new life it waits for the primary", shown(life.pull(life.replica, old)), ([], 2, False, True, False))
    check("which starts it anew", shown(life.pull(life.primary, old)), ([("new", 2, [])], 2, False, False, True))
    check("and a push with the old cursor tells as much", life.push(cursor=stale).get("reset"), True)


def random_life(number, life):
    """Whether the device holds everything at the end, and got there within so many pages."""
    rng = random.Random(number)
    device = Device(rng.choice((None, None, {"resourceTypes": ["conversation"]}, {"scope": {"k": [1, 2]}})))
    for step in range(STEPS):
        kind = rng.random()
        if kind < 0.4:
            where = rng.choice("xyz")
            life.push(*rng.choice(([message(f"m{step}", step, where)], [lesson(f"i{step}", step, where, k=rng.randrange(4))],
                                   [dict(lesson(f"d{step}", step, where), operation="delete")],
                                   [message(f"m{step}", step, where), lesson(f"i{step}", step, where, k=1)])))
        elif kind < 0.5:
            rng.choice((life.lag, life.catch_up))()
        else:
            life.pull(rng.choice((life.primary, life.replica)), device, limit=rng.randrange(1, 4))
    pages = 1
    while life.pull(life.primary, device, limit=1)["hasMore"] and pages < 50:
        pages += 1
    held, whole = device.documents, life.whole(device)
    return [] if held == whole and pages < 50 else [number, device.selection, held, whole]


def long_items(step):
    """Documents and members large enough that bytes end pages, too."""
    where, text = "abcdefghij"[step % 10], "long " * 40
    return [dict(message(f"m{step}", step, where), data={"messages": [{"id": f"m{step}", "text": text}]}), lesson(f"l{step}", step, where, n=step, text=text)]


def all_sizes(life, begun, forgets):
    """
    Devices of every page size and every order of the two servers, who go page by page, some from the beginning and some from a
    cursor, while documents change that they have, have not, or have in part, and are deleted. Gives those whose runs do not end
    or who do not hold everything at the end.
    """
    for step in range(10):
        life.push(*long_items(step))
    seen = Device()
    if begun:
        life.pull(life.primary, seen, limit=7 if begun == "in the midst" else 100)
    life.lag()
    for step in range(10, 13):
        life.push(*long_items(step))
    devices = []
    for size in SIZES:
        for order in range(2 ** ROUNDS):
            device = Device()
            device.cursor, device.documents = seen.cursor, dict(seen.documents)
            devices.append((device, size, order))
    for number in range(ROUNDS):
        for device, size, order in devices:
            life.pull(life.replica if order >> number & 1 else life.primary, device, **size)
        life.push(*long_items(13 + number), dict(lesson(f"d{number}", 20, "abcde"[number]), operation="delete"))
        if number == 2 and forgets:
            life.primary.ask(FORGET.format(life.learner))
    life.catch_up()
    whole, wrong = life.whole(Device()), []
    for device, size, order in devices:
        pages = 1
        while life.pull((life.primary, life.replica)[(pages + order) % 2], device, **size)["hasMore"] and pages < 60:
            pages += 1
        if device.documents != whole or pages == 60:
            odd = sorted({str(key) for key in {*whole, *device.documents} if whole.get(key) != device.documents.get(key)})
            wrong.append(f"pages {dump(size)}, servers {order:04b}: {pages} pages, other {', '.join(odd)}")
    return wrong


# Half a year passes for what was deleted so far.
FORGET = ("UPDATE learnsync_data.resource SET updated_at = updated_at - interval '200 days' WHERE learner_id = '{}' AND data IS NULL;"
          " SELECT learnsync_internal.clean_pages_as_owner('resource', 0, 4294967295, clock_timestamp() - interval '180 days');")


def mixed_runs(check, primary, replica):
    servers = [Psql(f"host={server.socket} user=postgres dbname=app") for server in (primary, replica)]

    def make(name):
        life = Life(name, *servers)
        life.catch_up()
        return life

    told_cases(check, make)
    lives_apart(check, make)
    check(f"{LIVES} random runs over both servers", [wrong for n in range(LIVES) for wrong in random_life(n, make(f"mixed {n}"))], [])
    for begun in (None, "in the midst", "at the end"):
        for forgets in (False, True):
            name = f"{begun or 'from the beginning'}{', deletes forgotten' if forgets else ''}"
            check(f"{len(SIZES) * 2 ** ROUNDS} devices of every page size over both servers, {name}", all_sizes(make(name), begun, forgets), [])
    make("end")
    for server in servers:
        server.close()
