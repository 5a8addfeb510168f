"""When to try again: waits that double, and a circuit that opens when a receiver is down as a whole."""

from __future__ import annotations

import random
from typing import Final

TRIP: Final = 10
"""Failures in a row after which the circuit opens."""
LONGEST_PAUSE: Final = 60.0
"""Seconds between two probes of an open circuit at most, so that a receiver that is back gets its events soon."""


class Backoff:
    """Waits in seconds: doubling from ``first`` to ``longest``, each between half and the whole of its value."""

    def __init__(self, first: float, longest: float, rng: random.Random) -> None:
        self._first = first
        self._longest = longest
        self._rng = rng

    def wait(self, failures: int) -> float:
        """The wait after this many failures (at least 1)."""
        # The exponent has a bound: a float overflows at 2**1024.
        whole = min(self._longest, self._first * 2.0 ** min(failures - 1, 64))
        return whole * (0.5 + 0.5 * self._rng.random())


class Circuit:
    """Closed: posts flow. Open: one post at a time, not before ``probe_at`` (Trio's clock), until one succeeds."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._in_a_row = 0
        self._probes = 0
        self.open = False
        self.probe_at = 0.0

    def succeeded(self) -> bool:
        """A post came through; returns whether this closed the circuit."""
        was_open = self.open
        self._in_a_row = self._probes = 0
        self.open = False
        return was_open

    def failed(self, now: float, at_least: float = 0.0) -> bool:
        """A post failed; ``at_least`` is what the receiver asked for. Returns whether this opened the circuit."""
        self._in_a_row += 1
        opened = not self.open and self._in_a_row >= TRIP
        self.open = self.open or opened
        if self.open:
            self._probes += 1
            self.probe_at = now + max(min(self._backoff.wait(self._probes), LONGEST_PAUSE), at_least)
        return opened
