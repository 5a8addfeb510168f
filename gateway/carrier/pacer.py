"""A rate in segments a second, smooth: in any sliding second at most the rate and a burst, and evenly spaced within."""

from __future__ import annotations

from collections import deque
from typing import Final

CREDIT: Final = 0.05
"""Seconds of lateness that are made up for: timers wake late by a millisecond or so, and that must not cost rate."""
SLACK: Final = 0.03
"""Seconds by which a second is taken for longer: what is allowed now comes to the carrier some milliseconds later, not
always the same number of them, and it counts what it sees; what it then throttles costs more. This costs three
percent of the rate."""


class Pacer:
    """Says when the next segment may be written. ``rate`` in segments a second; 0: at any time.

    After a rest ``burst`` segments may go at once, beside what the rate allows. A rate with a fraction above one counts
    as the whole number below it, since no second may hold more. It remembers the times of one second.
    """

    __slots__ = ("_credit", "_most", "_sent", "_span", "next_at", "rate")

    def __init__(self, rate: float, burst: int = 0) -> None:
        self.next_at = 0.0
        self._sent: deque[float] = deque()
        self.set(rate, burst)

    def set(self, rate: float, burst: int = 0) -> None:
        """Goes on at another rate; what was written in this second counts."""
        self.rate = rate
        self._most = max(1, int(rate + burst))
        # Below one a second the window is one segment's interval.
        self._span = max(1.0 + SLACK, 1 / rate if rate and not burst else 0.0)
        self._credit = max(CREDIT, burst / rate) if rate else 0.0

    def follow(self, other: Pacer) -> None:
        """Goes on where another stopped: the second that counts may have begun with that one."""
        self._sent.extend(other._sent)
        self.next_at = other.next_at

    def allow(self, now: float) -> bool:
        """Whether a segment may be written now; if so it is counted. Else `next_at` says when to ask again."""
        if not self.may(now):
            return False
        self.count(now)
        return True

    def may(self, now: float) -> bool:
        """Whether a segment may be written now. Else `next_at` says when to ask again."""
        if not self.rate:
            return True
        if now < self.next_at:
            return False
        sent = self._sent
        if len(sent) >= self._most:
            # The same sum for what counts still and for when to ask again, or rounding could have it asked for ever.
            while sent and sent[0] + self._span <= now:
                sent.popleft()
            if len(sent) >= self._most:
                self.next_at = sent[len(sent) - self._most] + self._span
                return False
        return True

    def count(self, now: float) -> None:
        """A segment is written now."""
        if self.rate:
            self._sent.append(now)
            self.next_at = max(self.next_at, now - self._credit) + 1 / self.rate
