"""What xAPI 1.0.3 and 2.0 ask of a statement, written from the specification, independently of the extension.

A second opinion: valid(statement, version) answers like an empty learnsync.xapi_validate, canonical(statement) is the
same for statements that are the same by xAPI Data 2.3.1.
"""
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

INTERACTIONS = {"true-false": (), "choice": ("choices",), "fill-in": (), "long-fill-in": (), "matching": ("source", "target"),
                "performance": ("steps",), "sequencing": ("choices",), "likert": ("scale",), "numeric": (), "other": ()}
LISTS = {"choices", "scale", "source", "target", "steps"}
IDENTIFIERS = {"mbox", "mbox_sha1sum", "openid", "account"}
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"

UCS = ("\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef" + "".join(f"{chr(plane << 16)}-{chr((plane << 16) + 0xfffd)}" for plane in range(1, 14))
       + "\U000e1000-\U000efffd")
PRIVATE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
UNIT = rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@{UCS}]|%[0-9A-Fa-f]{{2}})"
USER = rf"(?:{UNIT}*@)?"
IRI = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:(?=.)(?://(?:{USER}\[[0-9A-Fa-f:.v]+\]{UNIT}*|{UNIT}*)(?=[/?#]|\Z))?(?:{UNIT}|/)*"
                 rf"(?:\?(?:{UNIT}|[/?{PRIVATE}])*)?(?:#(?:{UNIT}|[/?])*)?", re.S)
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
LABEL = r"[A-Za-z0-9\-\u0080-\U0010ffff]+"
MAILTO = re.compile(rf"mailto:[^@/?#]+@{LABEL}(?:\.{LABEL})*")
LANGUAGE = re.compile(r"""(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?
    (?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?
    |x(?:-[a-z0-9]{1,8})+|en-GB-oed|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|sgn-(?:BE-FR|BE-NL|CH-DE)""",
                      re.I | re.X | re.A)
DURATION = re.compile(r"""P(?=[0-9T])(?:[0-9]+(?:[.,][0-9]+)?W|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?
    |[0-9]+[.,][0-9]+Y|(?:[0-9]+Y)?[0-9]+[.,][0-9]+M|(?:[0-9]+Y)?(?:[0-9]+M)?[0-9]+[.,][0-9]+D
    |(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?T(?:[0-9]+[.,][0-9]+H|(?:[0-9]+H)?[0-9]+[.,][0-9]+M|(?:[0-9]+H)?(?:[0-9]+M)?[0-9]+[.,][0-9]+S))""", re.X)
TOKEN = r"[!#$%&'*+\-.^_`{|}~A-Za-z0-9]+"
MEDIA = re.compile(rf'{TOKEN}/{TOKEN}(?:[ \t]*;[ \t]*{TOKEN}=(?:{TOKEN}|"(?:[^"\\]|\\.)*"))*[ \t]*', re.S)
TIME = re.compile(r"(?P<year>[0-9]{4})(?:-?(?P<month>[0-9]{2})-?(?P<day>[0-9]{2})|-?(?P<ordinal>[0-9]{3})|-?W(?P<week>[0-9]{2})-?(?P<weekday>[0-9]))"
                  r"T(?P<hour>[0-9]{2})(?::?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
                  r"(?P<zone>Z|[+\-][0-9]{2}(?::?[0-9]{2})?)?", re.I)
STRICT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+\-][0-9]{2}:[0-9]{2})", re.I)


class Invalid(Exception):
    pass


def must(condition):
    if not condition:
        raise Invalid


def full(pattern):
    return lambda value, version: must(isinstance(value, str) and pattern.fullmatch(value))


def text(value, version):
    must(isinstance(value, str))


def boolean(value, version):
    must(isinstance(value, bool))


def is_number(value):
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def irl(value, version):
    iri(value, version)
    must(not re.match(r"[^:]+://(?:[/?#:]|\Z)", value))


def uri(value, version):
    iri(value, version)
    must(value.isascii())


def mailto(value, version):
    iri(value, version)
    must(MAILTO.fullmatch(value))


def instant(value):
    """Milliseconds, or None where the text is no time."""
    match = TIME.fullmatch(value)
    if not match:
        return None
    part = {name: int(digits) if digits and digits.isdigit() else 0 for name, digits in match.groupdict().items()}
    zone = match["zone"] or "Z"
    shift = 0
    # The hyphens of a date are all there or none is, as are the colons of a time; the patterns above are laxer.
    day_text, time_text = re.split("[Tt]", value, maxsplit=1)
    if not re.fullmatch(r"\d{4}(-\d\d-\d\d|\d{4}|-?\d{3}|-W\d\d-\d|W\d{3})", day_text) or not re.match(r"\d\d(:\d\d(:\d\d)?|\d{2}(\d\d)?)?(?![\d:])", time_text):
        return None
    if zone not in "Zz":
        shift = int(zone[1:3]) * 60 + int(zone[-2:] if len(zone) > 3 else 0)
        if int(zone[1:3]) > 23 or len(zone) > 3 and int(zone[-2:]) > 59 or zone[0] == "-" and shift == 0:
            return None
        shift = -shift if zone[0] == "-" else shift
    leap = part["year"] % 4 == 0 and (part["year"] % 100 != 0 or part["year"] % 400 == 0)
    year = part["year"] + 400 * (part["year"] < 400)  # the calendar repeats, and Python's starts later
    try:
        if match["month"]:
            day = date(year, part["month"], part["day"])
        elif match["ordinal"]:
            if not 1 <= part["ordinal"] <= 365 + leap:
                return None
            day = date(year, 1, 1) + timedelta(part["ordinal"] - 1)
        else:
            day = date.fromisocalendar(year, part["week"], part["weekday"])
    except (ValueError, OverflowError):
        return None
    seconds = (part["hour"] * 60 + part["minute"]) * 60 + part["second"]
    milliseconds = seconds * 1000 + int(((match["fraction"] or "") + "000")[:3])
    if part["hour"] == 24 and (milliseconds > 24 * 3600000 or int(match["fraction"] or 0) // 10 ** max(len(match["fraction"] or "") - 3, 0)):
        return None
    if part["hour"] > 24 or part["minute"] > 59 or part["second"] > 60:
        return None
    days = day.toordinal() - 146097 * (part["year"] < 400)
    return days * 86400000 + milliseconds - shift * 60000


def timestamp(value, version):
    must(isinstance(value, str) and instant(value) is not None)
    must(version == "1.0.3" or STRICT.fullmatch(value) and re.search("[Tt]([0-9]{2})", value)[1] != "24")


def version_number(value, version):
    must(isinstance(value, str))
    must(re.fullmatch(r"(?:1\.0%s)(?:\.[0-9]+(?:-[0-9A-Za-z\-]*[0-9A-Za-z])?)?" % ("|2\\.0" if version == "2.0" else ""), value))


def obj(required, optional, extra=None):
    def check(value, version):
        must(isinstance(value, dict) and set(required) <= set(value))
        for name, member in value.items():
            test = required.get(name) or optional.get(name)
            must(test and member is not None)
            test(member, version)
        if extra:
            extra(value, version)
    return check


def array(test, least=0):
    def check(value, version):
        must(isinstance(value, list) and len(value) >= least)
        for element in value:
            must(element is not None)
            test(element, version)
    return check


def constant(name):
    return lambda value, version: must(value == name)


def language_map(value, version):
    must(isinstance(value, dict))
    must(all(LANGUAGE.fullmatch(key) and isinstance(member, str) for key, member in value.items()))


def extensions(value, version):
    must(isinstance(value, dict) and all(IRI.fullmatch(key) for key in value))


iri, uuid, duration, media, language = map(full, (IRI, UUID, DURATION, MEDIA, LANGUAGE))
sha1, sha2 = full(re.compile("[0-9a-fA-F]{40}")), full(re.compile("(?:[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})"))
account = obj({"homePage": irl, "name": text}, {})
identified = {"mbox": mailto, "mbox_sha1sum": sha1, "openid": uri, "account": account, "name": text}


def agent(value, version):
    obj({}, {**identified, "objectType": constant("Agent")})(value, version)
    must(len(IDENTIFIERS & set(value)) == 1)


def group(value, version):
    obj({"objectType": constant("Group")}, {**identified, "member": array(agent)})(value, version)
    count = len(IDENTIFIERS & set(value))
    must(count <= 1 and (count == 1 or value.get("member")))


def actor(value, version):
    must(isinstance(value, dict))
    (group if value.get("objectType") == "Group" else agent)(value, version)


def authority(value, version):
    actor(value, version)
    if value.get("objectType") == "Group":
        must(not IDENTIFIERS & set(value) and len(value["member"]) == 2 and any("account" in member for member in value["member"]))


def definition_extra(value, version):
    lists = LISTS & set(value)
    if "interactionType" not in value:
        must(not lists and "correctResponsesPattern" not in value)
        return
    must(value["interactionType"] in INTERACTIONS and lists <= set(INTERACTIONS[value["interactionType"]]))
    for name in lists:
        ids = [component["id"] for component in value[name]]
        must(len(ids) == len(set(ids)))


components = array(obj({"id": text}, {"description": language_map}))
definition = obj({}, {"name": language_map, "description": language_map, "type": iri, "moreInfo": irl, "extensions": extensions, "interactionType": text,
                      "correctResponsesPattern": array(text), **dict.fromkeys(LISTS, components)}, definition_extra)
activity = obj({"id": iri}, {"objectType": constant("Activity"), "definition": definition})
reference = obj({"objectType": constant("StatementRef"), "id": uuid}, {})


def score(value, version):
    must(isinstance(value, dict) and set(value) <= {"scaled", "raw", "min", "max"} and all(map(is_number, value.values())))
    must(-1 <= value.get("scaled", 0) <= 1)
    must("min" not in value or "max" not in value or value["min"] < value["max"])
    must("raw" not in value or value.get("min", value["raw"]) <= value["raw"] <= value.get("max", value["raw"]))


def activities(value, version):
    (activity if isinstance(value, dict) else array(activity))(value, version)


def context(value, version):
    more = {}
    if version == "2.0":
        types = {"relevantTypes": array(iri, 1)}
        more = {"contextAgents": array(obj({"objectType": constant("contextAgent"), "agent": agent}, types)),
                "contextGroups": array(obj({"objectType": constant("contextGroup"), "group": group}, types))}
    obj({}, {"registration": uuid, "instructor": actor, "team": group, "revision": text, "platform": text, "language": language, "statement": reference,
             "extensions": extensions, "contextActivities": obj({}, dict.fromkeys(("parent", "grouping", "category", "other"), activities)), **more})(value, version)


def attachment_extra(value, version):
    must(value["usageType"] != SIGNATURE or value["contentType"] == "application/octet-stream")


def length(value, version):
    must(is_number(value) and 0 <= value < 2 ** 63 and value == int(value))


result = obj({}, {"score": score, "success": boolean, "completion": boolean, "response": text, "duration": duration, "extensions": extensions})
verb = obj({"id": iri}, {"display": language_map})
attachments = array(obj({"usageType": iri, "display": language_map, "contentType": media, "length": length, "sha2": sha2}, {"description": language_map, "fileUrl": irl},
                        attachment_extra))


def target(value, version, inner):
    must(isinstance(value, dict))
    kind = value.get("objectType", "Activity")
    must(kind != "SubStatement" or not inner)
    kinds = {"Activity": activity, "Agent": agent, "Group": group, "StatementRef": reference, "SubStatement": sub_statement}
    must(isinstance(kind, str) and kind in kinds)
    kinds[kind](value, version)


def common(inner):
    def extra(value, version):
        kind = value["object"].get("objectType", "Activity")
        must(kind == "Activity" or not {"revision", "platform"} & set(value.get("context", {})))
        must(kind == "StatementRef" or value["verb"]["id"] != "http://adlnet.gov/expapi/verbs/voided")
    required = {"actor": actor, "verb": verb, "object": lambda value, version: target(value, version, inner)}
    return required, {"result": result, "context": context, "timestamp": timestamp, "attachments": attachments}, extra


def sub_statement(value, version):
    required, optional, extra = common(True)
    obj(required, {**optional, "objectType": constant("SubStatement")}, extra)(value, version)


def valid(statement, version):
    required, optional, extra = common(False)
    try:
        obj(required, {**optional, "id": uuid, "stored": timestamp, "version": version_number, "authority": authority}, extra)(statement, version)
    except Invalid:
        return False
    return True


def plain(value):
    """JSON in which equal values are equal Python, and only they: true is not 1."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(element) for element in value] if isinstance(value, list) else value


def canonical_actor(value):
    value = {"objectType": "Agent", **value}
    if "mbox" in value:
        box, domain = value["mbox"].rsplit("@", 1)
        value["mbox"] = box + "@" + domain.translate(LOWER)
    if "mbox_sha1sum" in value:
        value["mbox_sha1sum"] = value["mbox_sha1sum"].lower()
    if "member" in value:
        value["member"] = sorted(map(canonical_actor, value["member"]), key=lambda member: repr(sorted(member.items(), key=repr)))
    return value


LOWER = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


def canonical_activity(value):
    return {"objectType": "Activity", "id": value["id"]}


def canonical_context(value):
    value = {**value, **{name: value[name].lower() for name in ("registration", "language") if name in value},
             **{name: canonical_actor(value[name]) for name in ("instructor", "team") if name in value}}
    if "statement" in value:
        value["statement"] = {**value["statement"], "id": value["statement"]["id"].lower()}
    if "contextActivities" in value:
        value["contextActivities"] = {name: [canonical_activity(one) for one in ([some] if isinstance(some, dict) else some)]
                                      for name, some in value["contextActivities"].items()}
    for name, part in ("contextAgents", "agent"), ("contextGroups", "group"):
        if name in value:
            value[name] = [{**one, part: canonical_actor(one[part])} for one in value[name]]
    return value


def canonical_duration(value):
    match = re.fullmatch(r"(.*)([.,])([0-9]+)S", value)
    if not match:
        return value
    digits = match[3][:2].rstrip("0")
    return f"{match[1]}{match[2] if digits else ''}{digits}S"


def canonical(statement):
    """A valid statement without what makes no difference."""
    value = {name: member for name, member in statement.items() if name not in ("stored", "version", "authority")}
    kind = value["object"].get("objectType", "Activity")
    value["actor"] = canonical_actor(value["actor"])
    value["verb"] = {"id": value["verb"]["id"]}
    value["object"] = {"Activity": canonical_activity, "Agent": canonical_actor, "Group": canonical_actor, "SubStatement": canonical,
                       "StatementRef": lambda one: {**one, "id": one["id"].lower()}}[kind](value["object"])
    if "id" in value:
        value["id"] = value["id"].lower()
    if "timestamp" in value:
        value["timestamp"] = instant(value["timestamp"])
    if "context" in value:
        value["context"] = canonical_context(value["context"])
    if "duration" in value.get("result", {}):
        value["result"] = {**value["result"], "duration": canonical_duration(value["result"]["duration"])}
    if "attachments" in value:
        value["attachments"] = [{**one, "sha2": one["sha2"].lower()} for one in value["attachments"]]
    return plain(value)


def same(a, b):
    """Whether two valid statements are the same; an id or timestamp that one of them lacks does not count."""
    a, b = canonical(a), canonical(b)
    for name in "id", "timestamp":
        if name not in a or name not in b:
            a.pop(name, None)
            b.pop(name, None)
    return a == b
