"""Whether a moment is within a schedule. Pure: the moment is given, and what zones and holidays are is data.

A span is a stretch of real time, from the moment when the clock first shows its beginning to the moment when it first
shows its end. So where clocks are put back it neither ends and begins again nor leaves out the hour that comes twice,
and of two spans that follow each other each moment is in one; where they are put forward what does not exist is the
moment of the change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from gateway.settings.carrier.forms import zone_of
from gateway.settings.schedules import DAYS, Schedule, spans

REMEMBERED: Final = 64
"""Days whose spans are kept ready for a schedule; messages come in the order of time, and two are looked at."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY: Final = timedelta(days=1)


class Opening:
    """A schedule that answers for moments."""

    def __init__(self, name: str, schedule: Schedule) -> None:
        self.name = name
        self.zone = zone_of(schedule.zone)
        weekly = [span for text in schedule.times for span in spans(text)]
        self._weekday = [
            tuple((span.start, span.end) for span in weekly if weekday in span.days) for weekday in range(7)
        ]
        self._holiday = _of_a_day(schedule.holiday_times)
        self._calendars = _calendars(schedule.holidays)
        self._other: dict[date, tuple[tuple[int, int], ...]] = {}
        for one in schedule.exceptions:
            day, last = one.date, one.until or one.date
            while day <= last:
                self._other[day] = _of_a_day(one.times)
                day += _DAY
        self._ready: dict[date, tuple[tuple[int, int], ...]] = {}
        self._asked: tuple[int | None, bool] = (None, False)  # all messages of a burst come at the same moment

    def open(self, at_ms: int) -> bool:
        """Whether a moment (Unix ms) is within one of the spans."""
        at, answer = self._asked
        if at != at_ms:
            day = self._local(at_ms).date()
            answer = any(start <= at_ms < end for start, end in (*self._spans(day), *self._spans(day - _DAY)))
            self._asked = (at_ms, answer)
        return answer

    def span(self, at_ms: int) -> tuple[int, int] | None:
        """The span that a moment is in, as Unix ms, its end not in it; of several the one that ends last."""
        day = self._local(at_ms).date()
        around = [one for one in (*self._spans(day), *self._spans(day - _DAY)) if one[0] <= at_ms < one[1]]
        return max(around, key=lambda one: one[1]) if around else None

    def begins(self, at_ms: int, days: int) -> int | None:
        """When the next span begins after a moment, on one of so many days from that of the moment on."""
        day = self._local(at_ms).date()
        for _ in range(days):
            later = [start for start, end in self._spans(day) if at_ms < start < end]
            if later:
                return min(later)
            day += _DAY
        return None

    def why(self, at_ms: int) -> str:
        """The moment as the schedule sees it: weekday and time of its clock, the holiday or the exception it is on."""
        local = self._local(at_ms)
        day = local.date()
        said = f"{DAYS[day.weekday()]} {local:%Y-%m-%d %H:%M} {local.tzname()}"
        if day in self._other:
            return f"{said}, an exception"
        holiday = self._holiday_of(day)
        return f"{said}, {holiday}" if holiday is not None else said

    def _local(self, at_ms: int) -> datetime:
        return (_EPOCH + at_ms * _MILLISECOND).astimezone(self.zone)

    def _holiday_of(self, day: date) -> str | None:
        for calendar in self._calendars:
            if (name := calendar.get(day)) is not None:
                return str(name)
        return None

    def _spans(self, day: date) -> tuple[tuple[int, int], ...]:
        """The spans that begin on a day of the schedule's clock, as Unix ms."""
        found = self._ready.get(day)
        if found is None:
            times = self._other.get(day)
            if times is None:
                times = self._holiday if self._holiday_of(day) is not None else self._weekday[day.weekday()]
            found = tuple((self._moment(day, start), self._moment(day, end, after=start)) for start, end in times)
            if len(self._ready) >= REMEMBERED:
                self._ready.clear()
            self._ready[day] = found
        return found

    def _moment(self, day: date, minutes: int, *, after: int | None = None) -> int:
        """When the clock first shows a time of a day; of the next day where it is not ``after`` another."""
        if after is not None and minutes <= after:
            day += _DAY
        days, minutes = divmod(minutes, 24 * 60)
        wall = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60) + days * _DAY
        return int(first_shown(wall, self.zone).timestamp() * 1000)


def first_shown(wall: datetime, zone: tzinfo) -> datetime:
    """The moment (UTC) when a clock in a zone first shows a time, or goes past it, where it was put forward.

    PEP 495: of a time that comes twice ``fold=0`` is the first. One that is skipped reads with ``fold=1`` by the
    offset after the change and with ``fold=0`` by the one before, so the change is between the two.
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    earlier = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    # The clock shows less than `wall` before the change and more from then on.
    seconds = range(int((first - earlier).total_seconds()) + 1)

    def passed(second: int) -> bool:
        return (earlier + timedelta(seconds=second)).astimezone(zone).replace(tzinfo=None) > wall

    return earlier + timedelta(seconds=bisect_right(seconds, False, key=passed))


def _of_a_day(times: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((span.start, span.end) for text in times for span in spans(text))


def _calendars(names: tuple[str, ...]) -> list[Mapping[date, str]]:
    """Public holidays by date, each calendar made year by year as it is asked."""
    if not names:
        return []
    import holidays

    made: list[Mapping[date, str]] = []
    for name in names:
        country, _, part = name.partition("-")
        made.append(holidays.country_holidays(country, subdiv=part or None, language="en_US"))
    return made


def openings(schedules: Mapping[str, Schedule]) -> dict[str, Opening]:
    """The schedules of a configuration, ready to answer."""
    return {name: Opening(name, schedule) for name, schedule in schedules.items()}
