"""What the contract's section on the event log says, by replay: events sorted, then applied one after the other."""

from datetime import date, timedelta

from values import EPOCH, parse_stamp

RANK = ["not_started", "in_progress", "completed", "passed"]


def snapshot(log):
    """The snapshot of a list of (order instant, event)."""
    content, onboarding, active = {}, None, None
    for _, event in sorted(log, key=lambda entry: (entry[0], entry[1]["eventId"].encode())):
        kind, payload = event["type"], event.get("payload")
        if kind == "progress.reset":
            content, onboarding, active = {}, None, None
        elif kind == "onboarding.completed":
            onboarding = {"pathId": payload["pathId"], "relatedPaths": payload.get("relatedPaths") or [],
                          "completedAt": event["occurredAt"]}
            active = payload["pathId"]
        elif kind == "onboarding.reset":
            onboarding = active = None
        elif kind == "activePath.set":
            active = payload["pathId"]
        else:
            progressed(content, payload, event["occurredAt"])
    return {"version": 1, "activePathId": active, "lastUpdated": last_updated(log), "streak": streak(content),
            "onboarding": onboarding or {"pathId": None, "relatedPaths": [], "completedAt": None},
            "content": {name: shown(entry) for name, entry in content.items()}}


def progressed(content, payload, at):
    entry = content.setdefault(payload["contentId"], {
        "contentId": payload["contentId"], "status": "not_started", "contentVersion": "v1", "interactions": {}})
    entry["lastAttemptAt"] = at
    if RANK.index(payload["status"]) > RANK.index(entry["status"]):
        entry["status"] = payload["status"]
    if payload["status"] in ("completed", "passed"):
        entry.setdefault("completedAt", at)
    if payload.get("score") is not None:
        entry["score"] = max(entry.get("score", payload["score"]), payload["score"])
    if payload.get("contentVersion") is not None:
        entry["contentVersion"] = payload["contentVersion"]
    interaction = payload.get("interaction")
    if interaction is not None:
        entry["interactions"].pop(interaction["interactionId"], None)
        if interaction["state"] is not None:
            entry["interactions"][interaction["interactionId"]] = interaction["state"]


def shown(entry):
    return {key: value for key, value in entry.items() if key != "interactions" or value}


def last_updated(log):
    """Of several spellings of the greatest instant the greatest by bytes."""
    sent = [event["occurredAt"] for _, event in log]
    return max(sent, key=lambda text: (parse_stamp(text), text.encode()), default=None)


def streak(content):
    days = sorted({(EPOCH + timedelta(microseconds=parse_stamp(entry["completedAt"]))).date()
                   for entry in content.values() if "completedAt" in entry})
    runs = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return {"currentStreak": len(runs[-1]) if runs else 0, "longestStreak": max(map(len, runs), default=0),
            "lastActivityDate": date.isoformat(days[-1]) if days else None}
