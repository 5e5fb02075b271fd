"""Resource types of the test's own, good items of every type, and what may be wrong with a field."""

from decimal import Decimal

DECK = {
    "key": ["deckId"], "policy": "merge", "other": "latest",
    "fields": {
        "lang": {"merge": "first", "type": "string", "required": True},
        "best": {"merge": "max", "type": "number", "min": 0, "max": 1000},
        "alias": {"merge": "max", "type": "string"},
        "fastest": {"merge": "min", "type": "number"},
        "cards": {"merge": "sum", "type": "integer"},
        "title": {"merge": "latest", "type": "string", "maxLength": 20},
        "origin": {"merge": "first"},
        "level": {"merge": "rank", "values": ["new", "learning", "known"]},
        "opened": {"merge": "first_time"},
        "mastered": {"merge": "first_time", "when": {"best": {"from": 500}}},
        "touched": {"merge": "last_time"},
        "slowAt": {"merge": "last_time", "when": {"fastest": {"above": 10}}},
        "quickAt": {"merge": "first_time", "when": {"fastest": {"from": 0, "to": 2}}},
        "grade": {"derive": "best",
                  "steps": [{"value": "none"}, {"value": "ok", "above": 0}, {"value": "good", "from": 500}]},
        "size": {"derive": "cards", "steps": [{"value": 0, "to": 0}, {"value": 1, "from": 3}, {"value": 2, "from": 10}]}}}

BOARD = {
    "key": ["area", "number"], "policy": "merge", "stale": "ignore", "other": "ignore",
    "fields": {
        "number": {"type": "integer", "min": 0},
        "taps": {"merge": "counter", "type": "integer"},
        "metres": {"merge": "counter"},
        "seen": {"merge": "any"}, "passed": {"merge": "all", "type": "boolean"},
        "prefs": {"merge": "map_latest"},
        "tags": {"merge": "union", "type": "array"},
        "parts": {"merge": "union", "id": ["uid", "id", "n"]},
        "chat": {"merge": "union", "id": "id", "members": "first"},
        "tasks": {"merge": "union", "id": "id", "members": "latest"},
        "busy": {"derive": "taps", "steps": [{"value": False}, {"value": True, "above": 5}]}}}

NOTE = {
    "key": ["noteId"], "policy": "merge", "stale": "discard", "other": "refuse",
    "fields": {"text": {"merge": "latest"}, "likes": {"merge": "sum", "type": "integer"},
               "lines": {"merge": "union", "id": "id"}}}

TEXT = {"text": {"type": "string", "maxLength": 30}}
USER_TYPES = {
    "deck": DECK, "board": BOARD, "note": NOTE,
    "latch": {"key": ["latchId"], "policy": "latest", "clock": "rev", "fields": {"rev": {"type": "integer"}}},
    "fixed": {"key": ["fixedId"], "policy": "server_wins", "other": "refuse",
              "fields": {"a": {"required": True}, "b": {}, "tags": {"merge": "union"}}},
    "draft": {"key": ["draftId"], "policy": "client_wins",
              "fields": {"a": {"type": "number"}, "big": {"derive": "a", "steps": [{"value": True, "from": 2}]}}},
    "essay": {"key": ["essayId"], "policy": "manual", "other": "ignore", "fields": TEXT,
              "autoResolve": {"after": "30 days", "resolution": "use_server"}},
    "longest": {"key": ["longestId"], "policy": "custom", "function": "twin.longest", "fields": TEXT},
    "tally": {"key": ["tallyId"], "policy": "custom", "function": "twin.tally",
              "fields": {"points": {"type": "number"}, "touched": {"merge": "last_time"},
                         "level": {"derive": "points", "steps": [{"value": "low"}, {"value": "high", "from": 10}]}}},
    "newest": {"key": ["newestId"], "policy": "custom", "function": "twin.newest", "delete": False, "format": "json",
               "fields": {"b": {"type": "any"}}},
    "both": {"key": ["bothId"], "policy": "custom", "function": "twin.both"},
    "three": {"key": ["threeId"], "policy": "custom", "function": "twin.three"},
    "gauge": {"key": ["gaugeId"], "policy": "merge", "stale": "ignore",
              "fields": {"peak": {"merge": "max", "type": "number", "round": 1, "max": 50, "cap": Decimal("20.5")},
                         "steps": {"merge": "sum", "type": "integer", "round": 0, "cap": 100},
                         "walked": {"merge": "counter", "type": "number", "cap": 1000},
                         "done": {"merge": "first_time", "when": {"peak": {"from": 20}}},
                         "full": {"derive": "peak", "steps": [{"value": True, "from": 20}]}}},
    "reading": {"key": ["readingId"], "policy": "latest", "fields": {"page": {"type": "number", "round": 2, "cap": 900}}}}

ORDER_FREE = ("lesson_progress", "conversation", "deck", "board", "mastery", "latch", "gauge", "reading")
MERGED = ("lesson_progress", "conversation", "deck", "board", "note", "gauge")
DELETED = MERGED + ("mastery", "latch", "fixed", "draft", "essay", "longest", "tally", "newest", "both", "three", "reading")
LATE = ("deck", "note", "gauge", "latch", "draft", "essay")
TYPES = MERGED * 2 + DELETED[len(MERGED):] + ("quiz_attempt", "xapi_statement")
KEYS = {"lesson_progress": "lessonId", "deck": "deckId", "mastery": "competencyId", "xapi_statement": "id",
        "quiz_attempt": "quizId", **{name: rule["key"][0] for name, rule in USER_TYPES.items()}}
TEXTS = ("", "a", "B", "b", "aa", "Zebra", "é", "ß", "日本", "quote\"back\\slash", "😀", "line\nbreak", "a" * 40)
NUMBERS = (0, 1, -1, 2, Decimal("1.0"), Decimal("2.50"), 7, 100, Decimal("0.001"), 10**20)
IDS = ("m1", "m2", "m3", "m10", "é", "M")

BAD_FIELDS = {
    "lesson_progress": [("completionPercentage", (-1, 101, "50", True, Decimal("100.001"), Decimal("-0.0000005"))),
                        ("timeSpent", (-1, Decimal("-0.5"), "1", []))],
    "gauge": [("peak", ("1", True)), ("steps", ("1", {})), ("walked", ([],))], "reading": [("page", ("1", []))],
    "deck": [("best", (-1, 1001, "1")), ("alias", (1, True)), ("fastest", ("1", [])), ("cards", (Decimal("1.5"), "1")),
             ("title", ("x" * 21, "日" * 21, 5)), ("level", ("expert", 1)), ("lang", (None, 5)), ("lang", (None,))],
    "board": [("taps", ("1", Decimal("0.5"), {})), ("metres", ("1", True)), ("seen", (0, "true")), ("passed", (1, [])),
              ("prefs", ([], "x", 1)), ("tags", ({}, "x")), ("parts", (5,)), ("number", (-1, Decimal("1.5"), "1", None)),
              ("metres", (2**63,))],
    "quiz_attempt": [("attemptNumber", (0, -1, Decimal("1.5"), "1", None, True))],
    "note": [("likes", (Decimal("0.5"),)), ("color", ("red", None)), ("lines", ({},))],
    "conversation": [("messages", ("text", {}, 5))],
    "xapi_statement": [("verb", (None, {}, "http://example.org/v")), ("result", ({"passed": True}, {"success": 1})),
                       ("Stored", (1,))],
    "latch": [("rev", ("1", Decimal("1.5")))], "fixed": [("a", (None,)), ("c", (1,)), ("tags", ("x", {}))],
    "draft": [("a", ("1", []))], "essay": [("text", (5, "x" * 31))], "longest": [("text", (5, "日" * 31))],
    "tally": [("points", ("1", True))]}


class Items:
    """Makes good items; a mixin of the workload. Each method gives (key field or fields, key, data)."""

    def value(self, depth=2):
        choice = self.rng.randrange(8 if depth else 5)
        if choice < 2:
            return self.rng.choice(TEXTS)
        if choice < 5:
            return self.rng.choice((None, True, False) if choice == 2 else NUMBERS)
        if choice == 5:
            return [self.value(depth - 1) for _ in range(self.rng.randrange(3))]
        return {self.rng.choice(("a", "b", "aa", "ü", "")): self.value(depth - 1) for _ in range(self.rng.randrange(3))}

    def some(self, **fields):
        """A random part of the fields given as functions."""
        return {name: make() for name, make in fields.items() if self.chance(50)}

    def one_of(self, *values):
        return lambda: self.rng.choice(values)

    def several(self, make, most=3):
        return lambda: [make() for _ in range(self.rng.randrange(most + 1))]

    def member(self, *names):
        """A member of a list: an object with one of these ids, or with none."""
        id = {name: self.rng.choice(IDS) for name in (self.rng.choice(names),) if name}
        return {**id, "text": self.rng.choice(TEXTS)}

    def task(self):
        """A member that others change, and remove at times."""
        return {**self.member("id", "id", "id", None), **({"deleted": self.rng.choice((True, True, False, 1))} if self.chance(40) else {})}

    def part(self):
        """A member whose id may be under several names, of several kinds, or too long to be one."""
        ids = ("m1", "m2", 1, Decimal("1.0"), "1", 10**20, "", None, True, [1], "x" * 200, "x" * 201, "ü" * 201)
        names = [name for name in ("uid", "id", "n") if self.chance(40)]
        member = {**{name: self.rng.choice(ids) for name in names}, **self.some(v=self.one_of(1, 2, Decimal("1.0")))}
        return member if self.chance(90) else self.value(1)

    def lesson_progress(self, order_free):
        return "lessonId", self.rng.choice(("l1", "l2", "l3", "é1", 7)), self.some(
            courseId=self.one_of("c1", "c2", None),
            completionPercentage=self.one_of(0, 10, Decimal("33.3"), 75, 100, Decimal("100.0"), Decimal("99.99999999999999"),
                                             Decimal("100.00000000000001"), Decimal("-0.0000004"), None),
            timeSpent=self.one_of(0, 1000, Decimal("250.0"), Decimal("61234.60000002384"), 600000, 86400001, 10**15, None),
            status=self.one_of("completed", 5), startedAt=lambda: "ignored", note=self.value, z=self.value)

    def conversation(self, order_free):
        data = self.some(messages=self.several(lambda: self.member("id", "id", "_id", None)),
                         topic=self.one_of(*TEXTS, None), extra=self.value)
        return None, self.rng.choice(["v1", "v2", "v3", 42] + (self.derived if not order_free else [])), data

    def deck(self, order_free):
        counts = [0, 1, 3, 10, -2, Decimal("5.0"), None] + ([] if order_free else [2**62, -(2**62), 2**63 - 1, 10**19])
        return "deckId", self.rng.choice(("d1", "d2", "d3")), {"lang": self.rng.choice(("en", "de", "ja")), **self.some(
            best=self.one_of(0, 1, Decimal("499.9"), 500, 1000, None), alias=self.one_of(*TEXTS, None),
            fastest=self.one_of(*NUMBERS, None), cards=self.one_of(*counts), title=self.one_of(*TEXTS[:10], None),
            origin=self.value, level=self.one_of("new", "learning", "known", None), opened=lambda: 1,
            grade=lambda: "fake", size=lambda: "fake", color=self.value)}

    def board(self, order_free):
        key = {"area": self.rng.choice(("x", "y\"")), "number": self.rng.choice((1, Decimal("1.0"), 2))}
        big = () if order_free else (2**62, 2**63 - 1, -(2**63))
        return key, None, self.some(
            taps=self.one_of(0, 1, 2, 6, -1, Decimal("3.0"), None, *big),
            metres=self.one_of(0, Decimal("0.1"), Decimal("2.50"), Decimal("2.5"), None, *big),
            seen=self.one_of(True, False, None), passed=self.one_of(True, False, None),
            prefs=lambda: None if self.chance(10) else {key: self.value(1) for key in ("a", "b", "é", "") if self.chance(40)},
            tags=self.several(lambda: self.value(1)), parts=self.several(self.part),
            chat=self.several(lambda: self.member("id", "id", None)), tasks=self.several(self.task), busy=lambda: "fake", unknown=self.value)

    def note(self, order_free):
        return "noteId", self.rng.choice(("n1", "n2")), self.some(
            text=self.value, likes=self.one_of(1, 2, None), lines=self.several(lambda: self.member("id")))

    def quiz_attempt(self, order_free):
        key = {"quizId": self.rng.choice(("q1", "q\"2", "ü", 3)),
               "attemptNumber": self.rng.choice((1, 2, Decimal("1.0")))}
        return key, None, self.some(score=self.one_of(1, Decimal("1.0"), 2), passed=lambda: True)

    def mastery(self, order_free):
        return "competencyId", self.rng.choice(("k1", "k2", "k3")), self.some(level=self.value, seen=lambda: 1, none=lambda: None)

    def xapi_statement(self, order_free):
        statement = {"actor": {"mbox": "mailto:ada@example.org"}, "object": {"id": "http://example.org/quiz"},
                     "verb": {"id": self.rng.choice(("http://adlnet.gov/expapi/verbs/passed", "x:failed"))}}
        return "id", self.rng.choice([None] + [f"00000000-0000-4000-8000-00000000000{n}" for n in range(5)]), {
            **statement, **self.some(stored=lambda: "2020-01-01T00:00:00Z", result=lambda: {"success": self.chance(50)})}

    def latch(self, order_free):
        return "latchId", self.rng.choice(("a", "b")), self.some(
            rev=self.one_of(0, 1, 2, Decimal("2.0"), -5, None, 2**63 - 1, 2**63, 10**30), a=self.value)

    def fixed(self, order_free):
        return "fixedId", self.rng.choice(("f1", "f2", "f3")), {
            "a": self.rng.choice((1, Decimal("1.0"), 2)), **self.some(b=self.one_of("x", None), tags=lambda: ["t"])}

    def draft(self, order_free):
        return "draftId", self.rng.choice(("w1", "w2")), self.some(a=self.one_of(1, Decimal("1.0"), 2, None), big=lambda: "fake")

    def essay(self, order_free):
        return "essayId", self.rng.choice(("e1", "e2", "e3")), self.some(text=self.one_of("x", "y"), unknown=self.value)

    def longest(self, order_free):
        return "longestId", self.rng.choice(("g1", "g2")), self.some(text=self.one_of(*TEXTS[:-1], None), more=self.value)

    def tally(self, order_free):
        fail = {"fail": self.rng.choice((True, "list", "no"))} if self.chance(15) else {}
        return "tallyId", self.rng.choice(("t1", 2)), {**fail, **self.some(
            points=self.one_of(0, 1, Decimal("2.5"), -1, 10**20, None), level=lambda: 1, touched=lambda: 1, name=self.value)}

    def newest(self, order_free):
        return "newestId", self.rng.choice(("s1", "s2")), self.some(a=self.one_of(1, Decimal("1.0"), 2), b=self.value)

    def gauge(self, order_free):
        return "gaugeId", self.rng.choice(("u1", "u2")), self.some(
            peak=self.one_of(0, Decimal("19.95"), Decimal("19.94"), Decimal("20.55"), Decimal("-3.25"), 10**18, None),
            steps=self.one_of(0, 1, Decimal("0.5"), Decimal("99.5"), Decimal("100.49"), 5000, -200, None),
            walked=self.one_of(1, 999, 1000, Decimal("1000.01"), None))

    def reading(self, order_free):
        return "readingId", self.rng.choice(("p1", "p2")), self.some(
            page=self.one_of(1, Decimal("1.005"), Decimal("1.0049"), Decimal("899.999"), 900, 901, None), a=self.one_of(1, 2))

    def three(self, order_free):
        return "threeId", self.rng.choice(("h1", "h2")), self.some(a=self.one_of(1, Decimal("1.0"), 2, None), b=self.one_of(1, 2))

    def both(self, order_free):
        return "bothId", self.rng.choice(("b1", "b2")), self.some(a=self.one_of(1, Decimal("1.0")), b=self.one_of(1, 2))
