"""How far away a carrier is, and how many of its answers are then stored at once.

A slot of the window is free again when its answer is stored, so a carrier takes at most a window in a round trip and
what lies between an answer and the next submit. When a full window is answered as one, that is as long as a large
transaction takes. In groups each goes out again as soon as it is stored, and comes back by itself: the window is spread
over the round trip from then on, and what is stored at a time is little.
"""

from __future__ import annotations

import math
from typing import Final

FAR: Final = 0.016
"""Seconds of round trip from which on a carrier is far: nearer, the transactions cost more than they bring."""
APART: Final = 0.008
"""Seconds between two groups of a window that is spread over its round trip, at least: the smaller they are, the more
CPU the transactions cost."""
ROOM: Final = 3
"""Transactions for which there is time between two groups, at least: each is followed by what else there is."""
PERIOD: Final = 10.0
"""Seconds for which the least round trip holds, and up to twice that."""


class RoundTrip:
    """The least time that an answer took of late: what waits on its way now and then does not count."""

    __slots__ = ("_before", "_now", "_until")

    def __init__(self) -> None:
        self._before = math.inf
        self._now = math.inf
        self._until = 0.0

    def took(self, seconds: float, now: float) -> None:
        """An answer took so long, and came ``now`` (Trio's seconds)."""
        if now >= self._until:
            self._before = self._now if now < self._until + PERIOD else math.inf
            self._now, self._until = seconds, now + PERIOD
        elif seconds < self._now:
            self._now = seconds

    @property
    def seconds(self) -> float:
        """Seconds; infinite as long as there was no answer."""
        return min(self._now, self._before)

    def group(self, window: int, transaction: float) -> int:
        """How many answers of a full window are stored at once; 0: as many as there are, the carrier is near.

        ``transaction``: seconds that a small one takes. Where the disk is slow more carriers are near by these.
        """
        seconds = self.seconds
        apart = max(APART, ROOM * transaction)
        return math.ceil(window * apart / seconds) if max(FAR, 2 * apart) <= seconds < math.inf else 0
