"""Merge rules: what one item does to the state of one resource. Pure; states are never changed in place."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from values import ANY, is_number, order, same, show_stamp

SUM_LIMIT = 2**63 - 1

LESSON_PROGRESS = {
    "key": ["lessonId"], "policy": "merge", "stale": "merge", "other": "latest",
    "fields": {
        "courseId": {"merge": "latest"},
        "completionPercentage": {"merge": "max", "type": "number", "min": 0, "max": 100},
        "timeSpent": {"merge": "sum", "type": "integer", "min": 0},
        "status": {"derive": "completionPercentage",
                   "steps": [{"value": "not-started"}, {"value": "in-progress", "above": 0},
                             {"value": "completed", "from": 100}]},
        "startedAt": {"merge": "first_time"},
        "completedAt": {"merge": "first_time", "when": {"completionPercentage": {"from": 100}}},
        "lastAccessedAt": {"merge": "last_time"}}}

BUILT_IN = {
    "lesson_progress": LESSON_PROGRESS,
    "quiz_attempt": {"key": ["quizId", "attemptNumber"], "policy": "insert_only",
                     "fields": {"attemptNumber": {"type": "integer", "min": 1}}},
    "mastery": {"key": ["competencyId"], "policy": "latest"},
    "conversation": {"key": [], "policy": "merge", "stale": "ignore",
                     "fields": {"messages": {"merge": "union", "id": ["id", "_id"]}}},
    "xapi_statement": {"key": ["id"], "policy": "immutable", "generate": True, "xapi": True}}


class Refused(Exception):
    """An item that fails: its code, the path of the mistake, and whether the same bytes may succeed later."""

    def __init__(self, code, path, retryable=False):
        super().__init__(code, path)
        self.code, self.path, self.retryable = code, path, retryable


@dataclass(frozen=True)
class Change:
    """A good item, reduced to what merging needs."""

    delete: bool
    at: int
    data: dict  # without key fields
    key: dict   # the key fields as documents show them


@dataclass(frozen=True)
class Field:
    """The value of a field and the instant that its strategy remembers, if any."""

    value: object = None
    at: int = None
    members: dict = field(default_factory=dict)  # union: id -> Field

    def bookkeeping(self):
        members = sorted((order_of_id(id), member.bookkeeping()) for id, member in self.members.items())
        return order(self.value), self.at, members


@dataclass(frozen=True)
class State:
    exists: bool = False
    at: int = None       # the greatest instant merged in
    deleted: int = None  # items up to here are deleted
    key: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)

    def bookkeeping(self):
        return self.exists, self.at, self.deleted, {name: f.bookkeeping() for name, f in self.fields.items()}


class Members(list):
    """A shown union; the place of members without an id is not predicted."""

    def __init__(self, members, ids):
        super().__init__(members)
        self.ids = ids


# Field strategies: (spec, stored Field or None, value, instant) -> Field

def fold_extreme(wins):
    def fold(spec, stored, value, at):
        return Field(value) if stored is None or wins(order(value), order(stored.value)) else stored
    return fold


def fold_sum(spec, stored, value, at):
    total = value + (stored.value if stored else 0)
    if abs(total) > SUM_LIMIT:
        raise OverflowError
    return Field(total)


def fold_rank(spec, stored, value, at):
    places = [order(v) for v in spec["values"]]
    return Field(value) if stored is None or places.index(order(value)) > places.index(order(stored.value)) else stored


def fold_latest(spec, stored, value, at):
    return Field(value, at) if stored is None or (at, order(value)) > (stored.at, order(stored.value)) else stored


def fold_first(spec, stored, value, at):
    return Field(value, at) if stored is None or (at, order(value)) < (stored.at, order(stored.value)) else stored


def fold_union(spec, stored, value, at):
    members = dict(stored.members) if stored else {}
    for member in value:
        id = member_id(spec, member)
        members[id] = fold_first(spec, members.get(id), member, at)
    return Field(members=members)


STRATEGIES = {
    "max": fold_extreme(lambda a, b: a > b), "min": fold_extreme(lambda a, b: a < b), "sum": fold_sum,
    "rank": fold_rank, "latest": fold_latest, "first": fold_first, "union": fold_union}


def member_id(spec, member):
    """A member's own id, or its content where it has none."""
    for name in spec["id"]:
        if isinstance(member, dict) and isinstance(member.get(name), str):
            return member[name]
    return repr(order(member)), "content"


def order_of_id(id):
    return (0, id.encode()) if isinstance(id, str) else (1, id[0].encode())


def within(bounds, value):
    """Whether a value keeps the bounds of a condition or step; only numbers can, unless there are none."""
    if "above" not in bounds and "from" not in bounds:
        return True
    return (is_number(value) and ("above" not in bounds or value > Decimal(bounds["above"]))
            and ("from" not in bounds or value >= Decimal(bounds["from"])))


def merge_field(name, spec, stored, data, at):
    """The field after an item; None where there still is none."""
    if "derive" in spec:
        return None
    if spec["merge"] in ("first_time", "last_time"):
        if not all(within(bounds, data.get(source)) for source, bounds in spec.get("when", {}).items()):
            return stored
        choose = min if spec["merge"] == "first_time" else max
        at -= at % 1000  # as shown: what nobody can see makes no new version
        return Field(None, choose(at, stored.at if stored else at))
    if name not in data or (data[name] is None and spec["merge"] != "latest"):
        return stored
    try:
        return STRATEGIES[spec["merge"]](spec, stored, data[name], at)
    except OverflowError:
        raise Refused("out_of_range", "data." + name) from None


def merge_fields(rule, state, change):
    specs = rule.get("fields", {})
    others = [] if rule.get("other", "latest") == "ignore" else [name for name in change.data if name not in specs]
    fields = dict(state.fields)
    for name in list(specs) + others:
        merged = merge_field(name, specs.get(name, {"merge": "latest"}), fields.get(name), change.data, change.at)
        if merged is not None:
            fields[name] = merged
    at = change.at if state.at is None else max(state.at, change.at)
    return replace(state, exists=True, at=at, key=change.key, fields=fields)


def replace_document(rule, state, change):
    data = dict(change.data, stored=ANY) if rule.get("xapi") else change.data
    fields = {name: Field(value, change.at) for name, value in data.items()}
    return replace(state, exists=True, at=change.at, key=change.key, fields=fields)


def document(rule, state):
    """The document as clients see it; None when deleted."""
    if not state.exists:
        return None
    shown = dict(state.key)
    specs = rule.get("fields", {}) if rule["policy"] == "merge" else {}
    for name, stored in state.fields.items():
        strategy = specs.get(name, {}).get("merge")
        if strategy == "union":
            ids = sorted(stored.members, key=lambda id: (stored.members[id].at, order_of_id(id)))
            shown[name] = Members([stored.members[id].value for id in ids], ids)
        else:
            shown[name] = show_stamp(stored.at) if strategy in ("first_time", "last_time") else stored.value
    for name, spec in specs.items():
        if "derive" in spec:
            source = shown.get(spec["derive"])
            steps = [step for step in spec["steps"] if within(step, source)]
            if steps:
                shown[name] = steps[-1]["value"]
    return shown


def content(rule, state):
    """What decides whether two whole documents are equal or which is greater."""
    shown = document(rule, state)
    if rule.get("xapi"):
        shown.pop("stored", None)
    return shown


def apply(rule, state, change):
    """(state after the item, resolution): no resolution means synced, "manual_required" an open conflict."""
    if state.deleted is not None and change.at <= state.deleted:
        return state, "server_wins"
    if change.delete:
        if state.exists and change.at < state.at:
            return state, "manual_required"
        return State(False, change.at, change.at, change.key), None
    if not state.exists:
        state = replace(state, at=None, fields={})
        return (merge_fields if rule["policy"] == "merge" else replace_document)(rule, state, change), None
    if rule["policy"] == "merge":
        return apply_merge(rule, state, change)
    return apply_whole(rule, state, change)


def apply_merge(rule, state, change):
    stale = change.at < state.at
    if stale and rule.get("stale", "merge") == "discard":
        return state, "manual_required"
    merged = merge_fields(rule, state, change)
    return merged, "server_wins" if stale and rule.get("stale", "merge") == "merge" else None


def apply_whole(rule, state, change):
    incoming = replace_document(rule, state, change)
    new, old = content(rule, incoming), content(rule, state)
    if rule["policy"] == "latest":
        if (change.at, order(new)) > (state.at, order(old)):
            return incoming, None
        return state, None if change.at == state.at and same(new, old) else "server_wins"
    if same(new, old):
        return state, "server_wins" if rule["policy"] == "insert_only" else None
    return state, "manual_required"
