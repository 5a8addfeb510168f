"""Whether somebody may be waiting for what is to be stored, or it can wait a moment for company in its transaction.

Whoever has as many requests open as it ever had at once of late may have to see an answer before it goes on: a client
that sends one after the other, a carrier with a full window. Its requests are stored at once. With fewer open, more
come whether these are answered or not, and they are stored together.
"""

from __future__ import annotations

from typing import Final

PERIOD: Final = 1.0
"""Seconds for which what was open at once counts, and up to twice that."""


class MostOpen:
    """The most requests of one connection that were open at once of late."""

    __slots__ = ("_before", "_now", "_until")

    def __init__(self) -> None:
        self._before = 0
        self._now = 0
        self._until = 0.0

    def reached(self, count: int, now: float) -> bool:
        """Whether ``count`` requests that are open at ``now`` (Trio's seconds) are as many as there were."""
        if now >= self._until:
            rested = now >= self._until + PERIOD  # nothing was counted in the period that ended last
            self._before = 0 if rested else self._now
            self._until = (now if rested else self._until) + PERIOD
            self._now = 0
        if count > self._now:
            self._now = count
        return count >= self._now and count >= self._before
