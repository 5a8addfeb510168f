"""What is kept in order by itself: an app's messages of one priority in one lane, and whose turn it is in a lane.

A unit holds the look-ahead, and how far the database was read for it.
"""

from __future__ import annotations

from collections import deque

from gateway.carrier.outgoing import Outgoing

UnitKey = tuple[int, str, int]
"""lane, app, rank"""


class Unit:
    """Messages of one app and priority in one lane. ``complete``: all that is stored of it came through here."""

    __slots__ = ("complete", "items", "key", "last", "loading", "spilled")

    def __init__(self, key: UnitKey) -> None:
        self.key = key
        self.items: deque[Outgoing] = deque()
        self.complete = True
        self.last = 0  # up to this id the database was read
        self.loading = False
        self.spilled = 0  # the lowest id that was left on disk since a page was last asked for; 0: none

    def spill(self, id: int) -> None:
        """A message is on disk, and not in memory."""
        self.complete = False
        self.spilled = min(self.spilled or id, id)

    def begin_page(self) -> int:
        """A page is read now; returns the id after which."""
        self.loading = True
        if self.spilled:
            # What was scheduled, or in doubt, has a lower id than what was read long ago.
            self.last = min(self.last, self.spilled - 1)
            self.spilled = 0
        return self.last

    def page_read(self, items: list[Outgoing], last: int | None) -> list[Outgoing]:
        """A page was read up to the id ``last``, or (None) to the end. Returns what of it can be taken."""
        self.loading = False
        if self.spilled:
            # It came to be on disk while this was read, from another carrier say: what is behind it is read again.
            items = [item for item in items if item.id <= self.spilled]
        if last is not None:
            self.last = last
        else:
            self.complete = not self.spilled
            if items:
                self.last = items[-1].id
        return items


class Turns:
    """The apps of a lane that have something to send, in turn."""

    __slots__ = ("begun", "deficit", "order", "units")

    def __init__(self) -> None:
        self.order: deque[str] = deque()
        self.begun = False  # the first has been given its quantum, and goes on with it
        self.deficit: dict[str, int] = {}
        self.units: dict[str, list[Unit]] = {}  # by app, best rank first

    def add(self, unit: Unit) -> None:
        """A unit that is new."""
        units = self.units.setdefault(unit.key[1], [])
        units.append(unit)
        units.sort(key=lambda u: u.key[2])

    def join(self, app: str) -> None:
        """An app has something to send."""
        if app not in self.deficit:
            self.deficit[app] = 0
            self.order.append(app)

    def leave(self) -> None:
        """The app whose turn it is has nothing in memory: it keeps no credit."""
        del self.deficit[self.order.popleft()]
        self.begun = False

    def pass_on(self) -> None:
        """The next has its turn."""
        self.order.rotate(-1)
        self.begun = False
