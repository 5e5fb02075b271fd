"""Is an item good? The checks in the order in which the first failure is answered."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from merge import Change, Refused
from values import ANY, by_key, depth, dump, is_id, is_integer, is_number, order, parse, parse_stamp

MAX_ID = 200
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|~r[0-9]+", re.I)  # or a token for one
MAX_ITEM_BYTES = 256 * 1024
MAX_DEPTH = 64
OPERATIONS = ("create", "update", "delete")
STRATEGY_TYPES = {"max": ("string", "number"), "min": ("string", "number"), "sum": ("number",), "counter": ("number",),
                  "any": ("boolean",), "all": ("boolean",), "union": ("array",), "map_latest": ("object",)}
TYPE_CHECKS = {
    "any": lambda value: True,
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list)}


@dataclass(frozen=True)
class Item:
    """A good item: its type, its resource, and what it does to it."""

    type: str
    rule: dict
    resource_id: str
    at: int
    delete: bool
    data: dict
    key: dict
    ancestor: dict = None

    def change(self, at, device):
        return Change(self.delete, at, self.data, self.key, device, self.ancestor)


def named(item, name):
    """The item, its id as the text that stands for a number."""
    if not isinstance(item, dict) or not is_number(item.get(name)):
        return item
    return {**item, name: format((item[name] + 0).normalize(), "f")}


# A UUID of version 4 or 7, which is the same item wherever it comes from.
UNIQUE = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.I)


def identity(device, item):
    """What makes two items the same item: the device's id for it, however long, else the content."""
    if not isinstance(item, dict):
        return "raw", device, repr(order(item))
    if isinstance(item.get("id"), str):
        return ("id", item["id"].lower()) if UNIQUE.fullmatch(item["id"]) else ("id", device, item["id"])
    parts = [item.get(name) for name in ("resourceType", "resourceId", "operation", "data", "clientTimestamp")]
    return "content", device, repr(order(parts))


def payload(item, id="id"):
    """What must be the same where the identity is."""
    apart = (id, "deviceId", "seen", "ancestor")
    return order({name: value for name, value in item.items() if name not in apart}) if isinstance(item, dict) else None


def require(condition, code, path, waits=None):
    if not condition:
        raise Refused(code, path, waits=waits)


def check(types, item, derived_id, now):
    """The Item, or Refused; derived_id is the resource id that its identity gives, where the type allows one."""
    require(isinstance(item, dict), "invalid", "")
    require(len(dump(item)) <= MAX_ITEM_BYTES and depth(item) <= MAX_DEPTH, "too_large", "")
    require(item.get("id") is None or is_id(item["id"]), "invalid", "id")
    operation = item.get("operation")
    require(isinstance(operation, str) and operation in OPERATIONS, "invalid", "operation")
    require(isinstance(item.get("resourceType"), str), "invalid", "resourceType")
    name = item["resourceType"]
    require(name in types, "unknown_type", "resourceType", name if is_id(name) else None)
    delete = operation == "delete"
    data = item.get("data")
    if data is None and delete:
        data = {}
    require(isinstance(data, dict), "invalid", "data")
    require(item.get("ancestor") is None or isinstance(item["ancestor"], dict), "invalid", "ancestor")
    at = parse_stamp(item.get("clientTimestamp"))
    require(at is not None, "bad_timestamp", "clientTimestamp")
    rule = types[item["resourceType"]]
    room = MAX_ID * max(len(rule["key"]), 1)
    given = key_text(item["resourceId"], "resourceId", room) if item.get("resourceId") is not None else None
    refused = rule["policy"] in ("insert_only", "immutable") or not rule.get("delete", True)
    require(not delete or not refused, "not_allowed", "operation")
    resource_id, key = check_key(rule, operation, data, given, derived_id)
    if not delete:
        data = adjust(rule, data)
        if rule.get("xapi"):
            require(is_statement(data) and UUID.fullmatch(resource_id), "invalid_statement", ANY)
        check_fields(rule, data)
    rest = {name: value for name, value in data.items() if name not in rule["key"]}
    return Item(item["resourceType"], rule, resource_id, at, delete, rest, key, item.get("ancestor"))


def adjust(rule, data):
    """The data with numbers as their fields want them: rounded, and no more than one item may say."""
    adjusted = dict(data)
    for name, spec in rule.get("fields", {}).items():
        if "round" in spec and is_number(adjusted.get(name)):
            adjusted[name] = adjusted[name].quantize(Decimal(1).scaleb(-int(spec["round"])), ROUND_HALF_UP)
        if "cap" in spec and is_number(adjusted.get(name)):
            adjusted[name] = min(adjusted[name], Decimal(spec["cap"]))
    return adjusted


def capped(rule, item):
    """The fields of an item of which a part does not count, in the order of keys."""
    specs, data = rule.get("fields", {}), item.get("data")
    if item["operation"] == "delete":
        return []
    uncapped = adjust({"fields": {name: {**spec, "cap": Decimal("Infinity")} for name, spec in specs.items()}}, data)
    return sorted((name for name, spec in specs.items() if "cap" in spec and is_number(uncapped.get(name))
                   and uncapped[name] > Decimal(spec["cap"])), key=by_key)


def key_text(value, path, room=MAX_ID):
    """The text of a key: a string as it is, a number as its shortest digits, so that equal values are one key."""
    text = format((value + 0).normalize(), "f") if is_number(value) else value
    require(isinstance(text, str) and 1 <= len(text) <= room, "invalid", path)
    return text


def check_key(rule, operation, data, given, derived_id):
    """(resource id, key fields): from data, else from resourceId, else derived where the type allows it."""
    names = rule["key"]
    if not names:
        require(given is not None or operation == "create", "invalid", "resourceId")
        return given or derived_id, {}
    if not any(name in data for name in names):
        if given is None and rule.get("generate"):
            given = derived_id
        if given is not None:
            data = split_key(names, given)
    key = {}
    for name in names:
        require(data.get(name) is not None, "invalid", "data." + name)
        key[name] = key_value(rule, name, data)
    resource_id = dump(list(key.values())) if len(names) > 1 else key[names[0]]
    require(given is None or given == resource_id, "invalid", "resourceId")
    return resource_id, key


def split_key(names, text):
    """A resourceId as the data that it stands for."""
    if len(names) == 1:
        return {names[0]: text}
    try:
        parts = parse(text)
    except ValueError:
        parts = None
    require(isinstance(parts, list) and len(parts) == len(names), "invalid", "resourceId")
    return dict(zip(names, parts))


def key_value(rule, name, data):
    path = "data." + name
    spec = rule.get("fields", {}).get(name, {})
    if spec.get("type") == "integer":
        check_value(spec, data[name], path)
        return data[name].to_integral_value()
    return key_text(data[name], path)


def is_statement(data):
    """Whether it is a valid xAPI statement, of the few kinds that the workload makes."""
    kinds = {"id": lambda id: isinstance(id, str) and UUID.fullmatch(id), "stored": lambda at: parse_stamp(at) is not None,
             "actor": lambda actor: actor == {"mbox": "mailto:ada@example.org"},
             "object": lambda activity: activity == {"id": "http://example.org/quiz"},
             "verb": lambda verb: verb in ({"id": "http://adlnet.gov/expapi/verbs/passed"}, {"id": "x:failed"}),
             "result": lambda result: result in ({"success": True}, {"success": False})
             and isinstance(result["success"], bool)}
    return set(data) >= {"actor", "verb", "object"} and all(name in kinds and kinds[name](data[name]) for name in data)


def check_fields(rule, data):
    specs = rule.get("fields", {})
    for name in sorted(set(specs) | set(data), key=by_key):
        spec, path = specs.get(name), "data." + name
        if name in rule["key"]:
            continue
        if spec is None:
            require(rule.get("other", "latest") != "refuse", "invalid", path)
        elif "derive" not in spec and spec.get("merge") not in ("first_time", "last_time"):
            if data.get(name) is not None:
                check_value(spec, data[name], path)
    for name in sorted(specs, key=by_key):
        require(data.get(name) is not None or not specs[name].get("required"), "invalid", "data." + name)


def check_value(spec, value, path):
    allowed = STRATEGY_TYPES.get(spec.get("merge"), ("any",))
    require(any(TYPE_CHECKS[name](value) for name in allowed), "invalid", path)
    require(TYPE_CHECKS[spec.get("type", "any")](value), "invalid", path)
    if is_number(value):
        require("min" not in spec or value >= Decimal(spec["min"]), "out_of_range", path)
        require("max" not in spec or value <= Decimal(spec["max"]), "out_of_range", path)
    require(not isinstance(value, str) or len(value) <= spec.get("maxLength", len(value)), "invalid", path)
    if "values" in spec:
        require(order(value) in [order(v) for v in spec["values"]], "invalid", path)
