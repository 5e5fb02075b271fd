"""Order instants, as the contract's "Whose clock" says: a device's clock, what is believed of it, what arrival stands for."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
SKEW = 5 * MINUTE
EARLIEST = 946_684_800 * SECOND  # min_client_time: 2000-01-01


class Clock:
    """What the server keeps of one device: how far it is ahead, the item with the greatest instant, the newest one."""

    def __init__(self, skew=SKEW, earliest=EARLIEST):
        self.skew, self.earliest = skew, earliest
        self.offset = 0
        self.greatest = self.newest = None  # (client time, instant)

    def measure(self, now, sent_at, issued_at=None):
        """A clock that is behind may be a request that waited, unless it shows what cannot be."""
        ahead = sent_at - now
        if abs(ahead - self.offset) <= self.skew:
            return
        absurd = sent_at < self.earliest or (issued_at is not None and sent_at < issued_at)
        self.offset = ahead if ahead > self.skew or (ahead < -self.skew and absurd) else 0

    def take(self, now, times, sent_at=None, issued_at=None):
        """The order instants of a request's items, whose client times come in input order."""
        if sent_at is not None:
            self.measure(now, sent_at, issued_at)
        offset = 0 if sent_at is None else self.offset
        instants = [None] * len(times)
        for place in sorted(range(len(times)), key=lambda place: (times[place], place)):
            instants[place] = self.place(now, times[place], times[place] - offset)
        if sent_at is None and self.says_nothing(now):
            self.greatest = self.newest = None
        return instants

    def says_nothing(self, now):
        """A clock that was right so far, and is not corrected: what it dates later is later anyway."""
        right = all(kept is not None and kept[0] == kept[1] for kept in (self.greatest, self.newest))
        return right and self.offset == 0 and self.greatest[1] <= now

    def place(self, now, client, at):
        if not self.earliest <= at <= now + self.skew:
            at = now if self.greatest is None else max(now, self.greatest[1] + 1)
        elif self.newest is not None and client == self.newest[0]:
            at = self.newest[1]
        else:
            for before in (self.greatest, self.newest):
                if before is not None and client > before[0]:
                    at = max(at, before[1] + 1)
        self.newest = (client, at)
        if self.greatest is None or at > self.greatest[1]:
            self.greatest = self.newest
        return at
