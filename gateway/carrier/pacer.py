"""A cap in segments a second, smooth: in any sliding second at most the rate, and even spacing within it."""

from __future__ import annotations

from collections import deque
from typing import Final

CREDIT: Final = 0.05
"""Seconds of lateness that are made up for: timers wake late by a millisecond or so, and that must not cost rate."""
SLACK: Final = 0.01
"""Seconds by which a second is taken for longer: what is allowed now is written some milliseconds later, not always
the same number of them, and the carrier counts what it sees. It costs one percent of the rate."""


class Pacer:
    """Says when the next segment may be written. ``rate`` in segments a second; 0: at any time.

    A rate with a fraction above one counts as the whole number below it, since no second may hold more.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.next_at = 0.0
        # Below one a second the window is one segment's interval.
        self._span = max(1.0 + SLACK, 1 / rate) if rate else 0.0
        self._sent: deque[float] = deque(maxlen=max(1, int(rate))) if rate else deque(maxlen=1)

    def follow(self, other: Pacer) -> None:
        """Goes on where another stopped: the second that counts may have begun with that one."""
        self._sent.extend(other._sent)
        self.next_at = other.next_at

    def allow(self, now: float) -> bool:
        """Whether a segment may be written now; if so it is counted. Else `next_at` says when to ask again."""
        if not self.rate:
            return True
        if now < self.next_at:
            return False
        sent = self._sent
        if len(sent) == sent.maxlen and now < sent[0] + self._span:
            self.next_at = sent[0] + self._span
            return False
        sent.append(now)
        self.next_at = max(self.next_at, now - CREDIT) + 1 / self.rate
        return True
