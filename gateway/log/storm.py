"""A limit for each event, so that a storm of one of them neither stops the service nor hides the others."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST_EVENTS = 1000  # events have constant names; this bounds what a mistake about that costs


class _Window:
    __slots__ = ("count", "start", "suppressed")

    def __init__(self, start: float) -> None:
        self.start = start
        self.count = 0
        self.suppressed = 0


class StormLimit:
    """At most ``burst`` lines of one event in a second. The rest is counted, and the counts told later."""

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.burst = burst
        self.total = 0
        """Lines suppressed since the start."""
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._swept = clock()

    def admit(self, event: str) -> int:
        """-1: not this one. Else how many lines of the event were suppressed since one was logged."""
        now = self._clock()
        window = self._windows.get(event)
        if window is None:
            if len(self._windows) >= _MOST_EVENTS:
                # a mistake about constant names: forget the oldest that has nothing to tell, or the oldest
                quiet = (name for name, old in self._windows.items() if not old.suppressed)
                del self._windows[next(quiet, next(iter(self._windows)))]
            window = self._windows[event] = _Window(now)
        elif now - window.start >= 1.0:
            window.start = now
            window.count = 0
        if window.count >= self.burst:
            window.suppressed += 1
            self.total += 1
            return -1
        window.count += 1
        suppressed, window.suppressed = window.suppressed, 0
        return suppressed

    def sweep_due(self) -> bool:
        """Whether a second has gone by since the last ``ended()``."""
        return self._clock() - self._swept >= 1.0

    def ended(self, *, all_of_them: bool = False) -> list[tuple[str, int]]:
        """(event, lines suppressed) of storms that are over, or of all; each is told once."""
        now = self._swept = self._clock()
        told = []
        for event, window in list(self._windows.items()):
            if window.suppressed and (all_of_them or now - window.start >= 1.0):
                told.append((event, window.suppressed))
                window.suppressed = 0
        return told
