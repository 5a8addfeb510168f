"""One timer for everything that is to happen later: a heap and one task, none for each message."""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

import trio

GRAIN: Final = 0.001
"""Seconds: what is due within it of what is due now is done together, so that one write can carry it."""


class Timer:
    """Calls functions at their times. `after_turn` is called once after all that were due together."""

    def __init__(self, after_turn: Callable[[], None]) -> None:
        self._after_turn = after_turn
        self._heap: list[tuple[float, int, Callable[[Any], object], Any]] = []
        self._count = 0
        self._sleep: trio.CancelScope | None = None
        self._running = trio.Lock()
        self.shuffle: Callable[[list[Any]], None] | None = None
        """Brings what is due together into another order."""

    @property
    def pending(self) -> int:
        """Calls to come."""
        return len(self._heap)

    def at(self, due: float, function: Callable[[Any], object], argument: Any = None) -> None:
        """Call `function(argument)` at this time of Trio's clock; those of one time in the order they came
        in.
        """
        self._count += 1
        heappush(self._heap, (due, self._count, function, argument))
        if self._sleep is not None and due < self._sleep.deadline:
            self._sleep.deadline = due

    def later(self, seconds: float, function: Callable[[Any], object], argument: Any = None) -> None:
        """The same, so many seconds from now."""
        self.at(trio.current_time() + seconds, function, argument)

    async def run(self) -> None:
        """Never returns. Of several tasks in here one does the work, and another goes on when that is
        cancelled.
        """
        heap = self._heap
        async with self._running:
            while True:
                with trio.CancelScope(deadline=heap[0][0] if heap else math.inf) as self._sleep:
                    await trio.sleep_forever()
                until = trio.current_time() + GRAIN
                while heap and heap[0][0] <= until:
                    self._call_due(until)
                self._after_turn()

    def _call_due(self, until: float) -> None:
        heap, shuffle = self._heap, self.shuffle
        if shuffle is None:
            _, _, function, argument = heappop(heap)
            function(argument)
            return
        due = []
        while heap and heap[0][0] <= until:
            due.append(heappop(heap))
        shuffle(due)
        for _, _, function, argument in due:
            function(argument)
