"""When to try: waits that double, a circuit that opens when a receiver is down as a whole, and a rate."""

from __future__ import annotations

import random
from typing import Final

import trio

TRIP: Final = 10
"""Failures in a row after which the circuit opens."""
LONGEST_PAUSE: Final = 60.0
"""Seconds between two probes of an open circuit at most, so that a receiver that is back gets its events soon."""
PAUSED_PROBE: Final = 300.0
"""Seconds between two probes of a receiver that says that our requests are wrong, or that it wants none any more."""


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


class Rate:
    """At most so many a second, evenly spaced; 0: no limit."""

    def __init__(self, rate: float) -> None:
        self._apart = 1 / rate if rate else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Waits for the moment of the next one."""
        if self._apart:
            at = max(self._next, trio.current_time())
            self._next = at + self._apart
            await trio.sleep_until(at)


class Circuit:
    """Closed: posts flow. Open: one post at a time, not before ``probe_at`` (Trio's clock), until one succeeds.

    ``paused``: open since the receiver refuses what it is sent; then probes are few.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._in_a_row = 0
        self._refused = 0
        self._probes = 0
        self.open = False
        self.paused = False
        self.probe_at = 0.0

    def succeeded(self) -> bool:
        """A post came through; returns whether this closed the circuit."""
        was_open = self.open
        self._in_a_row = self._refused = self._probes = 0
        self.open = self.paused = False
        return was_open

    def refused(self, now: float, *, gone: bool) -> bool:
        """A post was refused as a wrong one; ``gone``: for good. Returns whether this began a pause."""
        self._refused += 1
        began = not self.paused and (gone or self._refused >= TRIP)
        if began or self.paused:
            self.open = self.paused = True
            self.probe_at = now + PAUSED_PROBE
        return began

    def hold(self, probe_at: float) -> None:
        """It is paused since an earlier run."""
        self.open = self.paused = True
        self.probe_at = probe_at

    def probe(self, now: float) -> None:
        """The next probe of an open circuit is due at once."""
        self.probe_at = now

    def failed(self, now: float, at_least: float = 0.0) -> bool:
        """A post failed; ``at_least`` is what the receiver asked for. Returns whether this opened the circuit."""
        self._in_a_row += 1
        opened = not self.open and self._in_a_row >= TRIP
        self.open = self.open or opened
        if self.open:
            self._probes += 1
            pause = PAUSED_PROBE if self.paused else min(self._backoff.wait(self._probes), LONGEST_PAUSE)
            self.probe_at = now + max(pause, at_least)
        return opened
