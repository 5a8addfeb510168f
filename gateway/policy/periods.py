"""Seconds, days, months and years as the clock of a zone has them: when the one of a moment began, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal, NamedTuple

Period = Literal["second", "day", "month", "year"]
PERIODS: Final[tuple[Period, ...]] = ("second", "day", "month", "year")


class Span(NamedTuple):
    """From ``start`` to before ``end``, in ms since 1970."""

    start: int
    end: int


class Periods:
    """The periods of a zone. The last span of each is remembered: it is asked for with every burst."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._known: dict[Period, Span] = {}

    def of(self, period: Period, now: int) -> Span:
        """The one that ``now`` (ms) is in."""
        if period == "second":
            start = now - now % 1000
            return Span(start, start + 1000)
        known = self._known.get(period)
        if known is None or not known.start <= now < known.end:
            known = self._known[period] = self._span(period, now)
        return known

    def _span(self, period: Period, now: int) -> Span:
        day = datetime.fromtimestamp(now / 1000, self._zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if period == "day":
            first, following = day, day + timedelta(days=1)
        elif period == "month":
            first = day.replace(day=1)
            following = (first + timedelta(days=32)).replace(day=1)
        else:
            first = day.replace(month=1, day=1)
            following = first.replace(year=first.year + 1)
        return Span(_ms(first), _ms(following))


def _ms(midnight: datetime) -> int:
    # Where clocks are put forward at midnight this is the moment of the change.
    return int(midnight.timestamp() * 1000)
