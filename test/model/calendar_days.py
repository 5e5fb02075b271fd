"""Learners' days and runs of them, as naively as they can be told: by the clock on the wall, minute for minute."""

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

UTC = timezone.utc
LONGEST_LEAP = timedelta(days=6)  # no two days that follow each other are further apart


def on_the_wall(moment, zone, minutes):
    """The date that clocks showed when the day began; where they never showed that one, the one before."""
    shown = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    day = (shown - timedelta(minutes=minutes)).date()
    before = (moment - timedelta(minutes=15 * n) for n in range(27 * 4))
    was_there = day == shown.date() or any(earlier.astimezone(ZoneInfo(zone)).date() == day for earlier in before)
    return day if was_there else day - timedelta(days=1)


def day_of(rules, moment):
    """The day of a moment by a list of (since, zone, minutes): by the last that has begun, but never before the day of its start."""
    begun = [rule for rule in rules if rule[0] <= moment]
    if not begun:
        return moment.date()
    since, zone, minutes = begun[-1]
    return max(on_the_wall(moment, zone, minutes), day_of(begun[:-1], since))


def start_of(day, rules):
    """When a day begins: after the last moment of all days before it, looked for from quarter to quarter of an hour."""
    noon = datetime.combine(day, time(12), UTC)
    quarters = [noon + timedelta(minutes=15 * n) for n in range(-4 * 96, 4 * 96)]
    last = max(moment for moment in quarters if day_of(rules, moment) < day)
    later = last + timedelta(minutes=15)
    while later - last > timedelta(microseconds=1):
        middle = last + (later - last) / 2
        last, later = (middle, later) if day_of(rules, middle) < day else (last, middle)
    return later


def is_there(rules, first, last, low, high):
    """Whether any moment between two belongs to a day between two others."""
    moments = [since + timedelta(microseconds=n) for since, _, _ in rules for n in (-1, 0)]
    moment = first
    while moment < last:
        moments.append(moment)
        moment += timedelta(minutes=1)
    return any(first <= moment <= last and low < day_of(rules, moment) < high for moment in moments)


def streak(rules, moments):
    """(current, longest, last day) of the days of the moments."""
    days = {}
    for moment in moments:
        days.setdefault(day_of(rules, moment), []).append(moment)
    current = longest = 0
    before = None
    for day in sorted(days):
        follows = before is not None and (
            day - before == timedelta(days=1)
            or day - before <= LONGEST_LEAP and not is_there(rules, max(days[before]), min(days[day]), before, day))
        current = current + 1 if follows else 1
        longest = max(longest, current)
        before = day
    return [current, longest, before and before.isoformat()]


def set_learner(rules, request, now):
    """The rules after a service's call of set_learner."""
    zone, minutes = next(((rule[1], rule[2]) for rule in reversed(rules) if rule[0] <= now), ("UTC", 0))
    zone = request.get("timeZone", zone)
    if "dayStarts" in request:
        hours, rest = request["dayStarts"].split(":")
        minutes = int(hours) * 60 + int(rest)
    since = start_of(datetime.fromisoformat(request["from"]).date(), rules) if "from" in request else now
    kept = [rule for rule in rules if rule[0] < since]
    before = kept[-1][1:] if kept else ("UTC", 0)
    return kept if tuple(before) == (zone, minutes) else kept + [(since, zone, minutes)]
