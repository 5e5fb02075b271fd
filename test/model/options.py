"""Every option that a rule, a field, a learner's days or a content may have, as the code reads it, and what uses which."""

import functools
import glob
import json
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What the lists of names in the code are of, by the function that has them and their name.
LISTS = {
    ("ls_rule_compile", "known"): "", ("ls_rule_compile", "policies"): "policy=", ("ls_rule_compile", "stales"): "stale=",
    ("ls_rule_compile", "others"): "other=", ("ls_rule_compile", "formats"): "format=", ("check_auto", "known"): "autoResolve.",
    ("read_field", "known"): "field.", ("read_steps", "known"): "field.steps.", ("read_when", "known"): "field.when."}
NAMED = ("policy", "stale", "other", "format", "merge", "type", "members")  # of which each value is an option


def source(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def body(text, function):
    """A function of C; it ends with a brace at the beginning of a line."""
    return re.search(rf"^{function}\(.*?^}}", text, re.M | re.S)[0]


def lists(text):
    """The lists of names in C that end with NULL, under what they are of."""
    function = None
    for found in re.finditer(r"^(\w+)\(|static const char \*const (\w+)\[\] = \{([^}]*),\s*NULL\};", text, re.M):
        function = found[1] or function
        if found[2]:
            yield from (LISTS[function, found[2]] + name for name in re.findall(r'"(\w+)"', found[3]))


@functools.cache
def all_options():
    rule = "".join(source(path) for path in sorted(glob.glob("src/merge/rule*.c", root_dir=ROOT)))
    strategies = re.findall(r'^\t\{"(\w+)", ', source("src/merge/strategy.c"), re.M)
    types = re.findall(r'"(\w+)"', body(source("src/merge/check.c"), "ls_check_type_name"))
    days = re.findall(r'ls_json_get\(&request, "(\w+)"', source("src/people/set_learner.c"))
    content = re.search(r"known constant text\[\] := '\{(.*?)\}'", source("src/admin/content.sql"))[1].split(",")
    placement = re.search(r"p\.value - '\{(.*?)\}'", source("src/admin/placement.sql"))
    return {
        *lists(rule), *(f"field.merge={name}" for name in strategies if name != "derive"), *(f"field.type={name}" for name in types),
        *(f"field.members={name}" for name in re.findall(r'ls_text\("(\w+)"\)', body(rule, "read_members"))),
        *(f"days.{name}" for name in days), *(f"content.{name}" for name in content),
        *(f"content.placements.{name}" for name in (placement[1].split(",") if placement else ()))}


def of_rule(rule):
    """The options that a rule uses."""
    used = {*rule, *(f"{name}={rule[name]}" for name in NAMED if name in rule)}
    used |= {f"autoResolve.{name}" for name in rule.get("autoResolve") or ()}
    for field in (rule.get("fields") or {}).values():
        used |= {f"field.{name}" for name in field} | {f"field.{name}={field[name]}" for name in NAMED if name in field}
        used |= {f"field.steps.{name}" for step in field.get("steps") or () for name in step}
        used |= {f"field.when.{name}" for bounds in (field.get("when") or {}).values() for name in bounds}
    return used & all_options()


def of_content(content):
    return {f"content.{name}" for name in content} | {
        f"content.placements.{name}" for place in content.get("placements") or () for name in place}


def of_request(value):
    """The options that JSON uses, if it is a rule, or says something of days or contents."""
    top = {name for name in all_options() if not re.search(r"[.=]", name)}
    if not isinstance(value, dict) or not value:
        return set()
    if isinstance(value.get("contents"), list):
        return set().union(*map(of_content, value["contents"]))
    days = {f"days.{name}" for name in value}
    return of_rule(value) if set(value) <= top else days if days <= all_options() else set()


def of_sql(text):
    """The options that the JSON in SQL uses."""
    used = set()
    for literal in re.findall(r"'(\{(?:[^']|'')*\})'", text):
        try:
            used |= of_request(json.loads(literal.replace("''", "'")))
        except ValueError:
            pass  # an array of text, or a part of something
    return used


def is_of_request(name):
    """Whether it is no option of a rule."""
    return name.startswith(("days.", "content."))


def unused(used):
    """The options that are not among those used."""
    return sorted(all_options() - used)
