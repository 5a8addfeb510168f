"""What is left of the quotas of numbers that last: of a day, a month and a year. Pure: counts in, segments left out.

It is for choosing among numbers; what is refused is decided where messages are stored (`gateway.store.quotas`). A
second's quota has room again before anybody asks for another number, and is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.policy.periods import Period, Periods
from gateway.settings import Settings
from gateway.settings.carrier.forms import zone_of

LASTING: Final[tuple[Period, ...]] = ("day", "month", "year")


class Left(NamedTuple):
    """Segments left of a quota, of how many, and when (ms) its period ends."""

    left: int
    most: int
    end: int


class Room:
    """What is left at a moment, by number; one that is not in it has no quota that lasts."""

    __slots__ = ("_left",)

    def __init__(self, left: dict[str, list[Left]]) -> None:
        self._left = left

    def has(self, number: str, segments: int) -> bool:
        """Whether a number may send so many more."""
        return all(one.left >= segments for one in self._left.get(number, ()))

    def take(self, number: str, segments: int) -> None:
        """Notes what it sends, for who asks next."""
        known = self._left.get(number)
        if known is not None:
            self._left[number] = [Left(left - segments, most, end) for left, most, end in known]

    def soonest(self, numbers: Iterable[str], segments: int) -> str:
        """Of some numbers, one at least, the one that may send so many first."""
        return min([(self._from(number, segments), number) for number in numbers])[1]

    def _from(self, number: str, segments: int) -> float:
        ends = [
            one.end if segments <= one.most else math.inf for one in self._left.get(number, ()) if one.left < segments
        ]
        return max(ends, default=0)


class Rooms:
    """The quotas that last of a configuration's numbers."""

    def __init__(self, settings: Settings) -> None:
        self._periods = Periods(zone_of(settings.quotas.zone))
        self._most: dict[str, dict[str, int]] = {}
        for number in settings.numbers:
            if number.quota is not None:
                quota = number.quota
                most = {"day": quota.day, "month": quota.month, "year": quota.year}
                if any(most.values()):
                    self._most[number.number] = {period: n for period, n in most.items() if n}
        self.numbers = frozenset(self._most)

    def of(self, numbers: Iterable[str], used: Iterable[tuple[str, str, int, int]], now: int) -> Room:
        """What is left at ``now`` (ms). ``used`` is what was counted: number, period, its start (ms), segments."""
        spans = {period: self._periods.of(period, now) for period in LASTING}
        counted: dict[tuple[str, str], int] = {}
        for number, name, start, segments in used:
            for period, span in spans.items():
                # As where it is counted: one that began later, by a clock that stepped back since, is this one.
                if period == name and span.start <= start <= span.end:
                    counted[number, period] = segments
        left: dict[str, list[Left]] = {}
        for number in numbers:
            most = self._most.get(number)
            if most is not None:
                left[number] = [
                    Left(most[period] - counted.get((number, period), 0), most[period], span.end)
                    for period, span in spans.items()
                    if period in most
                ]
        return Room(left)
