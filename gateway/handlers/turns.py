"""Whose turn it is: at most one event of a thread is being delivered, and none before an earlier one of its thread.

A thread is a pair of our number and a peer; its messages and receipts are in one line. Of each line the earliest may be
delivered. What comes behind one that is being delivered is held in memory for that moment; what comes behind one that
failed waits in the store's table of retries, as that does, so that it does not hold up the feed's cursor.

An event that fails while others come through is at odds with the receiver by itself: after a few times it leaves its
line, and its thread goes on.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final

import msgspec

from gateway.outbox import Delivery

Key = tuple[str, str]
"""Number and peer."""

STRIKES: Final = 5
"""Failures of an event, each with a success of others since the one before, after which it leaves its line."""
HELD: Final = 500
"""Events held in memory behind others; more of them wait among the retries."""


class _Names(msgspec.Struct):
    """What of a payload names its thread: an inbound message by one pair of names, a receipt by the other."""

    number: str = ""
    peer: str = ""
    from_: str = msgspec.field(name="from", default="")
    to: str = ""


_names: Final = msgspec.json.Decoder(_Names)


def key_of(payload: bytes) -> Key:
    """The thread of an event. Those of a damaged payload, which cannot be told apart, are one."""
    try:
        names = _names.decode(payload)
    except msgspec.DecodeError:
        return ("", "")
    return (names.number or names.from_, names.peer or names.to)


class _Line:
    __slots__ = ("busy", "held", "waiting")

    def __init__(self) -> None:
        self.busy = False
        self.waiting: list[int] = []  # a heap of what waits among the retries
        self.held: deque[Delivery] = deque()


class Turns:
    """The lines of one handler. ``held`` counts the events that are held in memory."""

    def __init__(self) -> None:
        self._lines: dict[Key, _Line] = {}
        self._keys: dict[int, Key] = {}  # of what waits among the retries
        self._strikes: dict[int, tuple[int, int]] = {}  # by event: how many, and the successes by then
        self._successes = 0
        self.held = 0

    @property
    def full(self) -> bool:
        """Whether no more can be held in memory."""
        return self.held >= HELD

    # --- what waits among the retries ---------------------------------------------------------------------------------

    def knows(self, seq: int) -> bool:
        """Whether it is known to wait, in its line or by itself."""
        return seq in self._keys

    def wait(self, seq: int, key: Key) -> bool:
        """It waits among the retries; returns whether it is the first of its line."""
        if seq not in self._keys:
            self._keys[seq] = key
            heapq.heappush(self._lines.setdefault(key, _Line()).waiting, seq)
        line = self._lines[key]
        return not line.busy and line.waiting[0] == seq

    def key(self, seq: int) -> Key:
        """The thread of one that waits."""
        return self._keys[seq]

    def is_next(self, seq: int) -> bool:
        """Whether one that waits is the first of its line, and nothing of that is being delivered."""
        if self._left(seq):
            return True
        line = self._lines[self._keys[seq]]
        return not line.busy and line.waiting[0] == seq

    def may_retry(self, seq: int) -> bool:
        """Takes one that waits for delivery, if it is its turn; `done` or `failed` ends that."""
        if not self.is_next(seq):
            return False
        if not self._left(seq):
            line = self._lines[self._keys[seq]]
            heapq.heappop(line.waiting)
            line.busy = True
        return True

    # --- what is new --------------------------------------------------------------------------------------------------

    def may_start(self, key: Key) -> bool:
        """Takes a new event for delivery, if nothing of its thread is in front of it."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        elif line.busy or line.waiting or line.held:
            return False
        line.busy = True
        return True

    def hold(self, key: Key, delivery: Delivery) -> bool:
        """Holds a new event until the one before it is through; False: that one failed. `full` is to be asked first."""
        line = self._lines[key]
        if line.waiting:
            return False
        line.held.append(delivery)
        self.held += 1
        return True

    # --- what became of it --------------------------------------------------------------------------------------------

    def done(self, seq: int, key: Key, *, success: bool) -> tuple[Delivery | None, int | None]:
        """It came through, or was set aside. Returns what is next in its line.

        That is one that was held, whose turn it is by this, or one of the retries, which is to be due.
        """
        self._successes += success
        alone = self._left(seq)
        self._strikes.pop(seq, None)
        self._keys.pop(seq, None)
        line = self._lines.get(key)
        if alone or line is None:
            return None, None
        if line.waiting and line.waiting[0] == seq:
            heapq.heappop(line.waiting)  # it was not being delivered
        else:
            line.busy = False
        return (None, None) if line.busy else self._next(key, line)

    def failed(self, seq: int, key: Key) -> tuple[list[Delivery], list[int]]:
        """It failed, and waits among the retries from now on.

        Returns what was held behind it, which is to wait there too, and which of the retries are to be due: the first
        of its line, which is this one as a rule, and this one where it leaves its line or has left it.
        """
        if self._left(seq):
            return [], [seq]
        line = self._lines[key]
        line.busy = False
        held = list(line.held)
        line.held.clear()
        self.held -= len(held)
        self._keys[seq] = key
        strikes, successes = self._strikes.get(seq, (0, self._successes))
        strikes += successes != self._successes
        self._strikes[seq] = (strikes, self._successes)
        if strikes < STRIKES:
            heapq.heappush(line.waiting, seq)
        for delivery in held:
            self.wait(delivery.seq, key)
        first = self._next(key, line)[1]
        return held, [one for one in (first, seq if strikes >= STRIKES else None) if one is not None]

    def _left(self, seq: int) -> bool:
        return self._strikes.get(seq, (0, 0))[0] >= STRIKES

    def _next(self, key: Key, line: _Line) -> tuple[Delivery | None, int | None]:
        if line.waiting:
            return None, line.waiting[0]
        if line.held:
            self.held -= 1
            line.busy = True
            return line.held.popleft(), None
        del self._lines[key]
        return None, None
