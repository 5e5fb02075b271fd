"""The server as the contract describes it: push and pull over plain Python objects."""

import copy
from collections import Counter
from dataclasses import dataclass, field, replace

import check
from clocks import Clock
from merge import BUILT_IN, Refused, State, apply, document, is_removed
from values import ANY, order, parse_stamp, same


@dataclass
class Resource:
    type: str
    id: str
    rule: dict
    state: State = State()
    version: int = 0
    created: int = 0  # the version that last made it out of nothing
    members: dict = field(default_factory=dict)  # (field, member id) -> the version that brought it as it is
    corrected: dict = field(default_factory=dict)  # field -> what people say that it is, whatever items do beneath

    def document(self):
        shown = document(self.rule, self.state)
        return shown and {**shown, **self.corrected}

    def hides(self, change):
        """Whether an item says of a corrected field what is not shown."""
        return any(not same(change.data[name], value) for name, value in self.corrected.items() if name in change.data)

    def lists(self):
        return lists_of(self.rule)

    def delta(self, since):
        """The document with only those members of lists that came later."""
        state = self.state
        newer = {name: replace(state.fields[name], members={
            id: member for id, member in state.fields[name].members.items() if self.members[name, id] > since})
            for name in self.lists() if name in state.fields}
        return document(self.rule, replace(state, fields={**state.fields, **newer}), with_removed=True)

    def note_members(self, old):
        """Members that differ from those of the old state have the resource's version."""
        was = {(name, id): member for name in self.lists() if name in old.fields
               for id, member in old.fields[name].members.items()}
        now = {(name, id): member for name in self.lists() if name in self.state.fields
               for id, member in self.state.fields[name].members.items()}
        self.members = {key: self.members[key] if key in was and was[key].bookkeeping() == member.bookkeeping()
                        else self.version for key, member in now.items()}

    def forget_members(self):
        """Forgets what was removed from lists; the greatest version of that."""
        gone = [(name, id) for name, id in self.members
                if is_removed(self.rule["fields"][name], self.state.fields[name].members[id].value)]
        kept = {name: replace(self.state.fields[name], members={
            id: member for id, member in self.state.fields[name].members.items() if (name, id) not in gone})
            for name, _ in gone}
        self.state = replace(self.state, fields={**self.state.fields, **kept})
        return max((self.members.pop(key) for key in gone), default=1)


@dataclass
class Receipt:
    """What the ledger keeps of an accepted item: all that a retry has to repeat."""

    payload: tuple
    resource: Resource
    resolution: str  # None: synced
    conflict_id: str
    version: int = 0

    def status(self):
        return "conflict" if self.resolution else "synced"


@dataclass
class Learner:
    version: int = 1
    horizon: int = 1  # the greatest version of what was deleted and is forgotten
    resources: dict = field(default_factory=dict)  # (type, id) -> Resource
    ledger: dict = field(default_factory=dict)     # identity -> Receipt
    failed: dict = field(default_factory=dict)     # identity -> (device, id, code, retry_count)
    conflicts: dict = field(default_factory=dict)  # conflict id -> open?
    devices: dict = field(default_factory=dict)    # device -> the version it is known to hold
    dated: dict = field(default_factory=dict)      # identity of a failed item -> (client time, order instant)
    arrived: dict = field(default_factory=dict)    # the same -> (number of its first push, place there)
    waiting: dict = field(default_factory=dict)    # of an item that waits -> (function, device, item, what it waits for)
    pushes: int = 0
    clocks: dict = field(default_factory=dict)     # device, or channel that has none -> Clock

    def record_failure(self, entry):
        """The newest copy of an identity: its device, its id where it has one, why it failed, how often before."""
        times = self.failed[entry.identity][-1] + 1 if entry.identity in self.failed else 0
        if entry.again and entry.identity in self.waiting:
            times = 0
        if self.arrived.get(entry.identity, (self.pushes,))[0] == self.pushes:
            self.arrived[entry.identity] = self.pushes, entry.place
        self.waiting.pop(entry.identity, None)
        if entry.failure.waits:
            self.waiting[entry.identity] = entry.function(), entry.device, entry.item, entry.failure.waits
        id = entry.item["id"] if entry.identity[0] == "id" else None
        self.failed[entry.identity] = entry.device, id, entry.failure.code, times
        self.dated[entry.identity] = entry.dated


@dataclass
class Entry:
    """One item of a push on its way to its answer."""

    item: object
    identity: tuple
    id: str
    device: str
    dated: tuple  # (client time, order instant); None where it says no time
    receipt: Receipt = None
    duplicate: bool = False
    changed: bool = False
    old: State = None  # the resource's before it
    failure: Refused = None
    waits: bool = False  # what it needs may come
    channel: object = None
    place: int = 0  # in its push
    again: bool = False  # it is the server that sends it

    def status(self):
        return "failed" if self.failure else self.receipt.status()

    def outcome(self):
        if self.failure:
            return "refused_items"
        return "duplicate_items" if self.duplicate else "conflict_items" if self.receipt.resolution else "synced_items"

    def function(self):
        return getattr(self.channel, "function", "sync_push")


LABELS = {"version": "appVersion", "platform": "platform", "network": "networkType"}


def short_text(value):
    return value if isinstance(value, str) and 1 <= len(value.encode()) <= 64 else ""


class Server:
    def __init__(self, types=()):
        self.types = {**BUILT_IN, **dict(types)}
        self.learners = {}
        self.channels = {}  # function -> the channel
        self.cursors = {}  # text -> what it stands for
        self.epochs = {}  # learner -> the epoch of the learner's cursors, as the server named it
        self.tokens = {}
        self.receipts_from = -10**18  # what is older and has no receipt may have been taken before
        self.counts = Counter()  # (function, what became of items) -> how many
        self.app_counts = Counter()  # (label, value, what became of items) -> how many, of pushes that say of what app they are

    def token(self, kind, identity):
        """A name for an id that the server derives from an identity; only its consistency is predicted."""
        return f"~{kind}{self.tokens.setdefault(identity, len(self.tokens))}"

    # push

    def push(self, learner_id, request, now):
        stored = self.learner(learner_id)
        found = stored.version
        if request.get("dryRun") is not True:
            self.take_up(stored, request["items"], now, check, request["deviceId"])
        before = stored.version
        dry_run, atomic = request.get("dryRun") is True, request.get("atomic") is True
        learner = copy.deepcopy(stored) if dry_run or atomic else stored
        entries = self.take_all(learner, request["deviceId"], request["items"], now, check)
        if atomic and any(entry.failure for entry in entries):
            stored.clocks = stored.clocks if dry_run else learner.clocks
            learner = copy.deepcopy(stored) if dry_run else stored
            abort(learner, entries)
        if not dry_run:
            self.learners[learner_id] = learner
            self.count("sync_push", entries)
            self.count_app(request, [entry.outcome() for entry in entries])
        after = before if dry_run else learner.version
        foreign = self.is_foreign(learner_id, request, found)
        safe = 1 if foreign else self.safe_version(request, before, after)
        if not dry_run:
            learner.devices[request["deviceId"]] = max(safe, learner.devices.get(request["deviceId"], 1))
        answer = push_answer(entries, learner, safe, self.epochs.get(learner_id), foreign)
        return {**answer, "cursor": ANY} if request.get("cursor") is not None else answer

    def push_flat(self, learner_id, channel, request, now):
        """A request of another kind: each of its runs is a push."""
        learner = self.learner(learner_id)
        self.take_up(learner, request[channel.request], now, channel)
        results, all_entries = [], []
        for device, items in channel.runs(request[channel.request]):
            entries = self.take_all(learner, device, items, now, channel)
            all_entries += entries
            settle_waiting(entries)
            results += [channel.result(entry, self) for entry in entries]
            if device:
                learner.devices.setdefault(device, 1)
        self.count(channel.function, all_entries)
        return channel.answer(results)

    def count(self, function, entries):
        """A call of a device that has items, and each of these once."""
        self.counts[function, "calls"] += bool(entries)
        for entry in entries:
            self.counts[function, entry.outcome()] += 1

    def count_app(self, request, outcomes):
        """What the app says of itself counts where that is a short text, with the other labels as not said."""
        said = {label: short_text((request.get("metadata") or {}).get(key)) for label, key in LABELS.items()}
        for label, value in said.items() if outcomes and any(said.values()) else ():
            self.app_counts.update((label, value or "not said", what) for what in ["calls"] + outcomes)

    def define(self, name, rule):
        self.types[name] = rule

    def learner(self, learner_id):
        return self.learners.setdefault(learner_id, Learner())

    def take_up(self, learner, items, now, channel=check, device=""):
        """What waited for a type that there is now comes first, in the order of its arrival, one device after the other."""
        own = {channel.identity(device, check.named(item, getattr(channel, "id", "id"))) for item in items}
        due = [who for who, (*_, wanted) in learner.waiting.items() if wanted in self.types and who not in own]
        runs = []
        for who in sorted(due, key=learner.arrived.get):
            function, device, item, _ = learner.waiting[who]
            if not runs or runs[-1][:2] != (function, device):
                runs.append((function, device, []))
            runs[-1][2].append(item)
        for function, device, waited in runs:
            self.take_all(learner, device, waited, now, self.channels[function], again=True)

    def take_all(self, learner, device, items, now, channel, again=False):
        before = learner.version
        learner.pushes += 1
        named = [check.named(item, getattr(channel, "id", "id")) for item in items]
        dated = self.date(learner, device, named, now, channel)
        self.channels.setdefault(getattr(channel, "function", "sync_push"), channel)
        entries = [Entry(item, channel.identity(device, item), None, device, times, channel=channel, place=place, again=again)
                   for place, (item, times) in enumerate(zip(named, dated))]
        for entry in entries:
            self.take(learner, entry, now, before)
        for entry in entries:
            if not entry.failure and not entry.duplicate:
                entry.receipt.version = entry.receipt.resource.version
        return entries

    def date(self, learner, device, items, now, channel):
        """Of each item its client time and order instant; None where it says no time."""
        clock = learner.clocks.setdefault(device or getattr(channel, "type", ""), Clock())
        name, twins, dated, new = getattr(channel, "time", "clientTimestamp"), {}, [], []
        for place, item in enumerate(items):
            client = parse_stamp(item.get(name)) if isinstance(item, dict) else None
            who = channel.identity(device, item)
            twin, twins[who] = twins.get(who), place
            dated.append(None if client is None else [client, client])
            if client is None or who in learner.ledger:
                continue
            same = [first for first in (dated[twin] if twin is not None else None, learner.dated.get(who))
                    if first and first[0] == client]
            if same:
                dated[place] = same[0]
            else:
                new.append(place)
        for place, at in zip(new, clock.take(now, [dated[place][0] for place in new])):
            dated[place][1] = at
        return dated

    def take(self, learner, entry, now, before):
        """Judges one item and applies it. The channel says what identifies an item and when it is good."""
        who, item, channel = entry.identity, entry.item, entry.channel
        entry.id = self.shown_id(item, who)
        payload = channel.payload(item)
        entry.receipt = learner.ledger.get(who)
        try:
            if entry.receipt:
                if entry.receipt.payload != payload:
                    raise Refused("id_reused", "id")
                entry.duplicate = True
                return
            good = channel.check(self.types, item, self.token("r", who), now)
            if entry.dated and entry.dated[0] < self.receipts_from:
                raise Refused("expired", getattr(channel, "time", "clientTimestamp"))
            resource = learner.resources.get((good.type, good.resource_id))
            resource = resource or Resource(good.type, good.resource_id, good.rule)
            at = entry.dated[1] if entry.dated else now
            entry.old = resource.state
            resolution = change_resource(learner, resource, good.change(at, entry.device), before)
            entry.changed = entry.old.bookkeeping() != resource.state.bookkeeping()
            conflict_id = self.token("c", who) if resolution else None
            entry.receipt = learner.ledger[who] = Receipt(payload, resource, resolution, conflict_id)
            learner.failed.pop(who, None)
            learner.dated.pop(who, None)
            learner.arrived.pop(who, None)
            learner.waiting.pop(who, None)
            if resolution:
                learner.conflicts[conflict_id] = resolution == "manual_required"
        except Refused as refused:
            entry.failure = refused
            learner.record_failure(entry)

    def shown_id(self, item, who):
        """The id in the answers; not predicted where the item has no usable one."""
        if who[0] == "id":
            return item["id"]
        return self.token("i", who[2:]) if who[0] == "content" and item.get("id") is None else ANY

    def safe_version(self, request, before, after):
        """What the device may take as its cursor; nothing where it sent none, as its name proves nothing."""
        sent = self.cursors.get(request.get("cursor"))
        if sent is not None:
            return after if sent.position == before and sent.run is None else sent.position
        cursor = max(int(request.get("lastSyncVersion", 1)), 1)
        return after if cursor == before and "lastSyncVersion" in request else cursor

    def is_foreign(self, learner_id, request, before):
        """Whether the cursor that a push sent is of another life, or of another history."""
        epoch = self.epochs.get(learner_id)
        sent = self.cursors.get(request.get("cursor"))
        if sent is not None:
            return sent.life != (learner_id, epoch) or sent.position > before
        return int(request.get("lastSyncVersion", 0)) > before or request.get("epoch", epoch) != epoch

    # what happens to a learner beside pushes

    def forget_tombstones(self, learner_id):
        """What was deleted is forgotten; cursors up to the last of it are no good any more."""
        learner = self.learner(learner_id)
        for key, resource in list(learner.resources.items()):
            if not resource.state.exists:
                learner.horizon = max(learner.horizon, resource.version)
                del learner.resources[key]
            else:
                learner.horizon = max(learner.horizon, resource.forget_members())

    def pass_a_month(self, learner_id):
        """Open conflicts grow so old that the rules that say so close them; whatever was stored stands."""
        learner = self.learners.setdefault(learner_id, Learner())
        for receipt in learner.ledger.values():
            if receipt.conflict_id and "autoResolve" in receipt.resource.rule:
                learner.conflicts[receipt.conflict_id] = False

    def start_anew(self, learner_id):
        self.learners[learner_id] = Learner()


def change_resource(learner, resource, change, before):
    """Applies a change; the first one of a push gives its resource the next version."""
    state, resolution = apply(resource.rule, resource.state, change)
    if resource.version == 0 or state.bookkeeping() != resource.state.bookkeeping():
        old, resource.state = resource.state, state
        if resource.version <= before:
            learner.version += 1
            resource.version = learner.version
        if not old.exists:
            resource.created = resource.version
        resource.note_members(old)
        learner.resources[resource.type, resource.id] = resource
    return resolution or ("server_wins" if resource.hides(change) else None)


def abort(learner, entries):
    """An atomic push that fails: the culprits are recorded, the innocent are sent back, old items stay accepted."""
    learner.pushes += 1
    for entry in entries:
        if entry.failure:
            entry.receipt = learner.ledger.get(entry.identity)
            learner.record_failure(entry)
        elif entry.identity in learner.ledger:
            entry.receipt = learner.ledger[entry.identity]
        else:
            entry.failure, entry.duplicate = Refused("aborted", ANY, retryable=True), False
            if entry.dated and entry.dated[0] != entry.dated[1]:
                learner.dated[entry.identity] = entry.dated


def settle_waiting(entries):
    """The last copy of an identity is the one that is kept: earlier ones wait where that does."""
    last = {}
    for entry in reversed(entries):
        if entry.failure and entry.failure.code == "aborted":
            continue
        kept = last.setdefault(entry.identity, entry)
        entry.waits = bool(entry.failure and entry.failure.waits and kept.failure and kept.failure.waits)


def push_answer(entries, learner, safe, epoch, reset):
    settle_waiting(entries)
    return {
        **({"reset": True} if reset else {}),
        "syncedItems": [entry.id for entry in entries if entry.status() == "synced"],
        "failedItems": [failed_item(entry) for entry in entries if entry.failure],
        "conflicts": [conflict(entry, learner) for entry in entries if entry.status() == "conflict"],
        "results": [result(entry, learner) for entry in entries],
        "syncVersion": safe, "epoch": epoch or ANY, "serverTimestamp": ANY}


def failed_item(entry):
    failure = entry.failure
    first = entry.receipt if failure.code == "id_reused" else None
    return {"id": entry.id, "code": failure.code, "path": failure.path, "error": ANY, "retryable": failure.retryable,
            **({"waiting": True} if entry.waits else {}),
            **({"first": {"status": first.status(), "version": first.version}} if first else {})}


def current(entry, learner):
    """The item's resource as it is now; one without a version where it is forgotten."""
    resource = entry.receipt.resource
    return learner.resources.get((resource.type, resource.id)) or Resource(resource.type, resource.id, resource.rule)


def conflict(entry, learner):
    resource = current(entry, learner)
    return {"id": entry.id, "conflictId": entry.receipt.conflict_id, "clientData": entry.item.get("data") or {},
            "serverData": resource.document(), "serverVersion": resource.version,
            "resolution": entry.receipt.resolution}


def result(entry, learner):
    if entry.failure:
        return {"id": entry.id, "status": "failed", "duplicate": False, "resourceType": ANY, "resourceId": ANY,
                "version": None}
    resource = current(entry, learner)
    answer = {"id": entry.id, "status": entry.status(), "duplicate": entry.duplicate, "resourceType": resource.type,
              "resourceId": resource.id, "version": entry.receipt.version}
    if check.capped(resource.rule, entry.item):
        answer["capped"] = check.capped(resource.rule, entry.item)
    if entry.duplicate and resource.version > entry.receipt.version:
        answer["serverVersion"] = resource.version
    return answer


def lists_of(rule):
    """The fields whose members are kept one by one."""
    if rule["policy"] != "merge":
        return []
    return [name for name, spec in rule.get("fields", {}).items() if spec.get("merge") == "union"]
