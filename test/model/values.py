"""JSON values as the contract compares them, and instants as whole microseconds since 1970."""

import decimal
import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

decimal.getcontext().prec = 1000  # sums are exact

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIRST, LAST = ((edge.replace(tzinfo=timezone.utc) - EPOCH) // timedelta(microseconds=1) for edge in (datetime.min, datetime.max))
STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)


class Anything:
    """Stands for a part of an answer that the model does not predict, its absence included."""

    def __repr__(self):
        return "<anything>"

    def __deepcopy__(self, memo):
        return self


ANY = Anything()


def parse(text):
    """JSON text to values; every number is an exact decimal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def dump(value):
    """Values to compact JSON text. Lists, not generators: Python's own code nests deeper than what C calls."""
    if isinstance(value, dict):
        return "{" + ",".join([json.dumps(k, ensure_ascii=False) + ":" + dump(v) for k, v in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([dump(member) for member in value]) + "]"
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return str(value)
    if value is ANY:
        return '"<anything>"'
    return json.dumps(value, ensure_ascii=False)


def by_key(name):
    """The order in which jsonb keeps keys: shorter first, then by bytes."""
    raw = name.encode()
    return len(raw), raw


def order(value):
    """A tuple that compares as the contract orders JSON values; equal tuples are equal values."""
    if value is None:
        return (0,)
    if isinstance(value, str):
        return 1, value.encode()
    if isinstance(value, bool):
        return 3, value
    if isinstance(value, (int, Decimal)):
        return 2, (value + Decimal(0)).normalize()  # one form per value, so that repr() can be a key
    if isinstance(value, dict):
        return 5, len(value), [(name.encode(), order(value[name])) for name in sorted(value, key=by_key)]
    if value is ANY:
        return (6,)
    return 4, len(value), [order(member) for member in value]


def same(a, b):
    return order(a) == order(b)


def depth(value):
    """How many containers deep a value is."""
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def is_number(value):
    return isinstance(value, Decimal)


def is_integer(value):
    return is_number(value) and value == value.to_integral_value()


def is_id(value):
    return isinstance(value, str) and 1 <= len(value) <= 200


def parse_stamp(text):
    """RFC 3339 with offset to an instant; None where it is not that."""
    match = STAMP.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    hours, minutes = int(hours or 0), int(minutes or 0)
    if second == 60 and not (hour == 23 and minute == 59 and sign is None):
        return None
    leap, second = second == 60, min(second, 59)
    if hours > 23 or minutes > 59:
        return None
    try:
        local = datetime(year, month, day, hour, minute, second, int((fraction or "0").ljust(6, "0")), timezone.utc)
    except ValueError:
        return None
    offset = (hours * 60 + minutes) * 60_000_000 * (-1 if sign == "-" else 1)
    at = (local - EPOCH) // timedelta(microseconds=1) - offset + (1_000_000 if leap else 0)
    return min(max(at, FIRST), LAST)


def show_stamp(at):
    """An instant as documents show it, cut to milliseconds."""
    moment = EPOCH + timedelta(microseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
