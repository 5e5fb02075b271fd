"""Merge rules: what one item does to the state of one resource. Pure; states are never changed in place."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from values import ANY, is_integer, is_number, order, parse_stamp, same, show_stamp

SUMS = range(-(2**63), 2**63)  # with all that lies between these

LESSON_PROGRESS = {
    "key": ["lessonId"], "policy": "merge", "stale": "merge", "other": "latest",
    "fields": {
        "courseId": {"merge": "latest"},
        "completionPercentage": {"merge": "max", "type": "number", "round": 6, "min": 0, "max": 100},
        "timeSpent": {"merge": "sum", "type": "integer", "round": 0, "min": 0, "cap": 86400000},
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
    "xapi_statement": {"key": ["id"], "policy": "immutable", "generate": True, "xapi": True},
    "module_progress": {"key": ["moduleId"], "policy": "latest", "clock": "syncVersion",
                        "fields": {"progressPercent": {"type": "number", "round": 6, "min": 0, "max": 100, "required": True},
                                   "syncVersion": {"type": "integer", "min": 0, "required": True}}},
    "module_completion": {"key": ["moduleId"], "policy": "merge", "stale": "ignore", "requireContent": True,
                          "fields": {"score": {"merge": "max", "type": "number", "round": 6, "min": 0, "max": 100, "required": True},
                                     "completedAt": {"merge": "first_time"}}},
    "activity": {"key": ["idempotency_key"], "policy": "immutable", "generate": True,
                 "fields": {"activity_type": {"type": "string", "maxLength": 200, "required": True},
                            "content_id": {"type": "string", "maxLength": 200, "required": True},
                            "score": {"type": "number"}, "duration_seconds": {"type": "number", "min": 0},
                            "meta_data": {"type": "object"}, "completed": {"type": "boolean"}}}}


class Refused(Exception):
    """An item that fails: its code, the path of the mistake, whether the same bytes may succeed later, and what they
    wait for: the name of a type or content."""

    def __init__(self, code, path, retryable=False, waits=None):
        super().__init__(code, path)
        self.code, self.path, self.retryable, self.waits = code, path, retryable, waits


@dataclass(frozen=True)
class Change:
    """A good item, reduced to what merging needs."""

    delete: bool
    at: int
    data: dict  # without key fields
    key: dict   # the key fields as documents show them
    device: str = ""
    ancestor: dict = None


@dataclass(frozen=True)
class Field:
    """The value of a field and the instant that its strategy remembers, if any."""

    value: object = None
    at: int = None
    members: dict = field(default_factory=dict)  # union: id -> Field, map_latest: key -> Field, counter: device -> Field

    def bookkeeping(self):
        members = sorted(((order_of_id(id), member.bookkeeping()) for id, member in self.members.items()), key=repr)
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
    """A shown union: (id, Field) in order; of members of one instant the place of those without an id is not predicted."""

    def __init__(self, members):
        super().__init__(member.value for _, member in members)
        self.ids = [id for id, _ in members]
        self.ats = [member.at for _, member in members]


# Field strategies: (spec, stored Field or None, value, instant, device) -> Field

def fold_extreme(wins):
    def fold(spec, stored, value, at, device):
        return Field(value) if stored is None or wins(order(value), order(stored.value)) else stored
    return fold


def fits(total):
    return SUMS[0] <= total <= SUMS[-1]


def fold_sum(spec, stored, value, at, device):
    total = value + (stored.value if stored else 0)
    if not fits(total):
        raise OverflowError
    return Field(total)


def fold_rank(spec, stored, value, at, device):
    places = [order(v) for v in spec["values"]]
    return Field(value) if stored is None or places.index(order(value)) > places.index(order(stored.value)) else stored


def fold_latest(spec, stored, value, at, device):
    return Field(value, at) if stored is None or (at, order(value)) > (stored.at, order(stored.value)) else stored


def fold_first(spec, stored, value, at, device):
    return Field(value, at) if stored is None or (at, order(value)) < (stored.at, order(stored.value)) else stored


def fold_union(spec, stored, value, at, device):
    members = dict(stored.members) if stored else {}
    fold = fold_latest if spec.get("members") == "latest" else fold_first
    for member in value:
        id = member_id(spec, member)
        members[id] = fold(spec, members.get(id), member, at, device)
    return Field(members=members)


def is_removed(spec, member):
    """Whether a list's member says that there is none of its id any more."""
    return spec.get("members") == "latest" and isinstance(member, dict) and member.get("deleted") is True


def loses_members(rule, state, data):
    """Whether a list has a member with other content than the item has just said."""
    for name, spec in rule.get("fields", {}).items():
        if spec.get("merge") == "union" and data.get(name) is not None:
            members = state.fields[name].members
            if not all(same(members[member_id(spec, member)].value, member) for member in data[name]):
                return True
    return False


def fold_map(spec, stored, value, at, device):
    members = dict(stored.members) if stored else {}
    for key, member in value.items():
        members[key] = fold_latest(spec, members.get(key), member, at, device)
    return Field(members=members)


def fold_counter(spec, stored, value, at, device):
    members = dict(stored.members) if stored else {}
    if device not in members or value > members[device].value:
        members[device] = Field(value)
    if not fits(sum(member.value for member in members.values())):
        raise OverflowError
    return Field(members=members)


STRATEGIES = {
    "max": fold_extreme(lambda a, b: a > b), "min": fold_extreme(lambda a, b: a < b), "sum": fold_sum,
    "any": fold_extreme(lambda a, b: a > b), "all": fold_extreme(lambda a, b: a < b), "rank": fold_rank,
    "counter": fold_counter, "latest": fold_latest, "first": fold_first, "union": fold_union, "map_latest": fold_map}


def member_id(spec, member):
    """A member's own id, or its content where it has none; too long an id counts as content."""
    names = spec.get("id", [])
    for name in [names] if isinstance(names, str) else names:
        id = member.get(name) if isinstance(member, dict) else None
        id = format((id + 0).normalize(), "f") if is_number(id) else id
        if isinstance(id, str) and id:
            return id if len(id) <= 200 else (repr(order(id)), "content")
    return repr(order(member)), "content"


def order_of_id(id):
    return (0, id.encode()) if isinstance(id, str) else (1, id[0].encode())


def within(bounds, value):
    """Whether a value keeps the bounds of a condition or step; only numbers can, unless there are none."""
    if not {"above", "from", "to"} & set(bounds):
        return True
    return (is_number(value) and ("above" not in bounds or value > Decimal(bounds["above"]))
            and ("from" not in bounds or value >= Decimal(bounds["from"])) and ("to" not in bounds or value <= Decimal(bounds["to"])))


def merge_field(name, spec, stored, data, at, device):
    """The field after an item; None where there still is none."""
    if "derive" in spec:
        return None
    strategy = spec.get("merge", "latest")
    if strategy in ("first_time", "last_time"):
        if not all(within(bounds, data.get(source)) for source, bounds in spec.get("when", {}).items()):
            return stored
        choose = min if strategy == "first_time" else max
        at -= at % 1000  # as shown: what nobody can see makes no new version
        return Field(None, choose(at, stored.at if stored else at))
    if name not in data or (data[name] is None and strategy != "latest"):
        return stored
    try:
        return STRATEGIES[strategy](spec, stored, data[name], at, device)
    except OverflowError:
        raise Refused("out_of_range", "data." + name) from None


def read_names(rule, data):
    """The fields of the data that the rule takes over."""
    specs = rule.get("fields", {})
    return [name for name in data if name in specs or rule.get("other", "latest") == "latest"]


def merge_fields(rule, state, change):
    specs = rule.get("fields", {})
    fields = dict(state.fields)
    for name in {**specs, **dict.fromkeys(read_names(rule, change.data))}:
        if name in rule["key"]:
            continue
        merged = merge_field(name, specs.get(name, {}), fields.get(name), change.data, change.at, change.device)
        if merged is not None:
            fields[name] = merged
    at = change.at if state.at is None else max(state.at, change.at)
    return replace(state, exists=True, at=at, key=change.key, fields=fields)


def is_computed(rule, name):
    spec = rule.get("fields", {}).get(name, {})
    return "derive" in spec or spec.get("merge") in ("first_time", "last_time")


def replace_document(rule, state, change):
    data = {name: change.data[name] for name in read_names(rule, change.data) if not is_computed(rule, name)}
    if rule.get("xapi"):
        data["stored"] = ANY
    fields = {name: Field(value, change.at) for name, value in data.items()}
    return replace(state, exists=True, at=change.at, key=change.key, fields=fields)


def show_field(rule, name, stored, with_removed):
    spec = rule.get("fields", {}).get(name, {})
    strategy = spec.get("merge") if rule["policy"] == "merge" else None
    if strategy == "union":
        shown = [(id, member) for id, member in stored.members.items() if with_removed or not is_removed(spec, member.value)]
        return Members(sorted(shown, key=lambda pair: (pair[1].at, order_of_id(pair[0]))))
    if strategy == "map_latest":
        return {key: member.value for key, member in stored.members.items() if member.value is not None}
    if strategy == "counter":
        return sum(member.value for member in stored.members.values())
    return show_stamp(stored.at) if strategy in ("first_time", "last_time") else stored.value


def restart_field(spec, value, at):
    """A field that goes on from a value that was shown, under another strategy."""
    strategy = spec.get("merge", "latest")
    if strategy in ("first_time", "last_time"):
        return Field(None, parse_stamp(value))
    if strategy in ("union", "map_latest"):
        return STRATEGIES[strategy](spec, None, value, at, "")
    return Field(value, at)


def rebase_list(old, spec, stored):
    """A list under other ids, or under another choice between members of one id; what was removed is forgotten."""
    fold = fold_latest if spec.get("members") == "latest" else fold_first
    members = {}
    for member in stored.members.values():
        if not is_removed(old, member.value):
            id = member_id(spec, member.value)
            members[id] = fold(spec, members.get(id), member.value, member.at, "")
    return Field(members=members)


def rebase_field(old, spec, stored, value, at):
    if stored is None or old.get("merge", "latest") != spec.get("merge", "latest"):
        return restart_field(spec, value, at)
    keeps = old.get("id") == spec.get("id") and old.get("members", "first") == spec.get("members", "first")
    return rebase_list(old, spec, stored) if spec.get("merge") == "union" and not keeps else stored


def rebase(old, rule, state):
    """The state under another rule: fields whose strategy stays go on, the others start from what is shown."""
    if not state.exists:
        return state
    was, specs, fields = old.get("fields", {}), rule.get("fields", {}), {}
    for name, value in document(old, state).items():
        known = name in state.fields or name in specs
        if name not in rule["key"] and known and "derive" not in specs.get(name, {}):
            fields[name] = rebase_field(was.get(name, {}), specs.get(name, {}), state.fields.get(name), value, state.at)
    return replace(state, fields=fields)


def stored_document(rule, state, with_removed=False):
    """The document without what is computed from it."""
    return {**state.key, **{name: show_field(rule, name, stored, with_removed) for name, stored in state.fields.items()}}


def document(rule, state, with_removed=False):
    """The document as clients see it, None when deleted; a delta says what was removed from its lists as well."""
    if not state.exists:
        return None
    shown = stored_document(rule, state, with_removed)
    derived = {}
    for name, spec in rule.get("fields", {}).items():
        if "derive" in spec:
            steps = [step for step in spec["steps"] if within(step, shown.get(spec["derive"]))]
            if steps:
                derived[name] = steps[-1]["value"]
    return {**shown, **derived}


def content(rule, state):
    """What decides whether two whole documents are equal or which is greater."""
    shown = stored_document(rule, state)
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
    if rule["policy"] == "merge":
        return apply_merge(rule, state, change)
    return apply_whole(rule, state, change) if state.exists else (replace_document(rule, state, change), None)


def apply_merge(rule, state, change):
    stale = state.exists and change.at < state.at
    if stale and rule.get("stale", "merge") == "discard":
        return state, "manual_required"
    merged = merge_fields(rule, state, change)
    told = stale and rule.get("stale", "merge") == "merge"
    return merged, "server_wins" if told or loses_members(rule, merged, change.data) else None


def apply_whole(rule, state, change):
    incoming = replace_document(rule, state, change)
    new, old = content(rule, incoming), content(rule, state)
    equal = same(new, old)
    policy = rule["policy"]
    if policy == "latest":
        return apply_latest(rule, state, incoming, new, old)
    if policy == "client_wins":
        if equal and change.at <= state.at:
            return state, None
        return replace(incoming, at=max(state.at, change.at)), "client_wins" if change.at < state.at else None
    if policy == "custom":
        return apply_custom(rule, state, change, new, old)
    if policy == "server_wins":
        return state, None if equal else "server_wins"
    if equal:
        return state, "server_wins" if policy == "insert_only" else None
    return state, "manual_required"


def clock(rule, state):
    """The named field where it is an integer, before all else; none at all comes first."""
    value = state.fields[rule["clock"]].value if rule.get("clock") in state.fields else None
    return (1, value) if is_integer(value) else (0, 0)


def apply_latest(rule, state, incoming, new, old):
    place, stored = (clock(rule, incoming), incoming.at), (clock(rule, state), state.at)
    if (place, order(new)) > (stored, order(old)):
        return incoming, None
    return state, None if place == stored and same(new, old) else "server_wins"


def apply_custom(rule, state, change, new, old):
    """The team's function decides; a document like the stored one is its word that the stored one wins."""
    result = TWINS[rule["function"]](old, new, state.at, change.at, change.ancestor)
    if result is None:
        return state, "manual_required"
    if not isinstance(result, dict):
        raise Refused("error", "", retryable=True)
    data = {name: value for name, value in result.items() if name not in rule["key"] and not is_computed(rule, name)}
    kept = same({**state.key, **data}, old)
    if kept and not same(new, old):
        return state, "server_wins"
    if kept and change.at <= state.at:
        return state, None
    fields = {name: Field(value, change.at) for name, value in data.items()}
    return replace(state, at=max(state.at, change.at), fields=fields), None


TWINS = {}  # the team's functions by name; the tests fill it
