"""Devices as clients are: how each keeps its cursor, what it sends, and what it does with pages and answers."""

# How a device keeps its cursor. All of these must get to the end of a run, and hold then what the server holds.
HABITS = {
    "cursor": 12,    # the opaque cursor, as the docs say
    "loop": 10,      # versions, with from and epoch
    "cautious": 4,   # no from, so that lists come whole
    "trusting": 4,   # no from either, and takes the cursor of every push, be it lower than its own
    "careless": 3,   # no epoch: a second life it cannot tell from its first
    "stubborn": 3}   # keeps its from over a reset: its lists may lack members then
AHEAD = 10**6    # a version that no learner reaches here
FAITHFUL = ("cursor", "loop", "cautious", "trusting")


class Device:
    def __init__(self, name, rng):
        self.name = name
        self.habit = rng.choices(list(HABITS), HABITS.values())[0]
        self.cursor = 0    # up to where it has seen everything
        self.text = None   # the opaque cursor
        self.selection = {}  # what it wants to see
        self.finished = 0  # the cursor at which it last finished a run of pages
        self.epoch = None  # of its cursor, as pulls tell it
        self.lives = 1     # of its learner, as long as it does not say which one it knows
        self.batches = []
        self.items = []
        self.next_id = 0
        self.documents = {}  # (type, id) -> what it holds
        self.versions = {}  # of these, as the server told them
        self.sent = {}  # function -> what it sent in other requests than pushes

    def is_faithful(self):
        return self.habit in FAITHFUL or (self.habit == "careless" and self.lives == 1)

    def about_cursor(self):
        """What it says of its cursor."""
        if self.habit == "cursor":
            return {**self.selection, **({"cursor": self.text} if self.text else {})}
        said = {"lastSyncVersion": self.cursor}
        if self.habit in ("loop", "careless", "stubborn"):
            said["from"] = self.finished
        if self.epoch is not None and self.habit != "careless":
            said["epoch"] = self.epoch
        return said

    def takes_push(self, answer):
        """Whether it looks at the cursor that the answer to a push gives."""
        return self.habit != "cursor" or "cursor" in answer

    def wants(self, type, document):
        """Whether it wants to see a document."""
        types, scope = self.selection.get("resourceTypes"), self.selection.get("scope") or {}
        if types is not None and type not in types:
            return False
        return all(name in document and document[name] in values for name, values in scope.items())

    def stands_by(self, request):
        """Whether a push claims what the device holds by now: one from before a reset, sent again as it was, may not."""
        if self.habit == "cursor":
            return request.get("cursor", self.text) == self.text
        claimed = request.get("lastSyncVersion", 0)
        return claimed <= self.cursor or claimed == AHEAD

    def drop_all(self):
        self.documents.clear()
        self.versions.clear()

    def take_page(self, answer):
        """Moves on by a page; what it held goes where that starts anew."""
        self.text = answer.get("cursor")
        if answer["reset"]:
            self.drop_all()
        self.epoch = answer["epoch"]
        self.cursor = answer["syncVersion"]
        if answer["reset"] and self.habit != "stubborn":
            self.finished = 1
        if not answer["hasMore"]:
            self.finished = self.cursor

    def take_push(self, answer):
        """Takes the cursor of a push; those who count versions mostly take none that lags behind their own."""
        if self.habit == "cursor":
            if answer.get("reset"):
                self.drop_all()
            self.text = answer["cursor"]
            self.cursor = answer["syncVersion"]
        elif answer["syncVersion"] > self.cursor or self.habit == "trusting":
            if self.finished == self.cursor:
                self.finished = answer["syncVersion"]
            self.cursor = answer["syncVersion"]
            self.epoch = self.epoch or answer["epoch"]  # where it has none yet; another one would hide a reset


def fnv(text, hash=2166136261):
    for byte in text.encode():
        hash = (hash ^ byte) * 16777619 % 2**32
    return hash


class Copy:
    """What a device tells of the documents that it holds, each (type, id, version, members), to have it verified."""

    def __init__(self, held):
        self.held = set(held)
        self.buckets = [0] * 64
        for entry in self.held:
            self.buckets[self.bucket(entry)] += fnv("\n".join(map(str, entry)))
        self.sum = sum(self.buckets) % 2**32
        self.buckets = [sum % 2**32 for sum in self.buckets]

    @staticmethod
    def bucket(entry):
        return fnv("\n".join(entry[:2])) % 64

    def request(self, by_bucket):
        return {"count": len(self.held), "sum": self.sum, **({"buckets": self.buckets} if by_bucket else {})}

    def differs(self, answer):
        """What only one side holds, by an answer that lists the buckets that differ."""
        theirs = {(r["resourceType"], r["resourceId"], r["version"], r["members"]) for r in answer["resources"]}
        return theirs ^ {entry for entry in self.held if self.bucket(entry) in answer["differing"]}
