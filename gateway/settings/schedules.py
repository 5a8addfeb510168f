"""``[schedules.NAME]``: when somebody is there. Weekdays and times in a zone, holidays, and days that are otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.settings.base import Section
from gateway.settings.carrier.forms import Zone
from gateway.settings.types import Form, fail

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week as `times` writes them; their places are those of `date.weekday`."""

_EVERY_DAY: Final = frozenset(range(7))
_SPAN: Final = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_LAST_MINUTE: Final = 24 * 60
_LONGEST_EXCEPTION: Final = 366


class Span(NamedTuple):
    """A span of a day, in minutes of its clock: from the first to before the second, which may be past midnight."""

    days: frozenset[int]
    start: int
    end: int


def spans(text: str) -> tuple[Span, ...]:
    """``mon-fri 09:00-12:00, 13:00-17:00`` as spans. Without days every day is meant; days may go round the week.

    A span that ends before it begins goes over midnight and belongs to the day on which it begins. Raises ValueError
    (a PydanticCustomError) saying what is expected.
    """
    words = text.strip().lower().replace(",", " , ").split()
    days: set[int] = set()
    while words and not words[0][0].isdigit():
        word = words.pop(0)
        if word != ",":
            days.update(_days(word))
    found = []
    for place, word in enumerate(words):
        if (word == ",") != (place % 2 == 1):
            raise _unreadable()
        if word != ",":
            found.append(Span(frozenset(days) or _EVERY_DAY, *_minutes(word)))
    if not found or words[-1] == ",":
        raise _unreadable()
    return tuple(found)


def _unreadable() -> ValueError:
    return fail("times", 'days and times such as "mon-fri 09:00-17:00", "sat,sun 10:00-12:00" or "22:00-06:00"')


def _days(word: str) -> Iterator[int]:
    first, dash, last = word.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise _unreadable()
    start = DAYS.index(first)
    count = (DAYS.index(last) - start) % 7 + 1 if dash else 1
    return ((start + place) % 7 for place in range(count))


def _minutes(word: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(word)
    if match is None:
        raise _unreadable()
    hours, minutes, last_hours, last_minutes = map(int, match.groups())
    start, end = hours * 60 + minutes, last_hours * 60 + last_minutes
    if minutes > 59 or last_minutes > 59 or start >= _LAST_MINUTE or end > _LAST_MINUTE:
        raise fail("times", "times from 00:00 to 24:00")
    if start == end:
        raise fail("times", 'a span that ends at another time than it begins (a whole day is "00:00-24:00")')
    return start, end


def _times(value: str) -> str:
    spans(value)
    return value


def _of_a_day(value: str) -> str:
    if any(span.days != _EVERY_DAY for span in spans(value)):
        raise fail("times", 'times without weekdays, such as "09:00-12:00"')
    return value


def _date(value: Any) -> date:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise fail("date", "a date such as 2026-12-24")


def _calendar(value: str) -> str:
    import holidays  # only where a configuration has some: it takes its time

    country, dash, part = value.partition("-")
    parts = holidays.list_supported_countries().get(country)
    if parts is None:
        raise fail("holidays", 'a country of ISO 3166 whose holidays are known, such as "GB" or "US"')
    if dash and part not in parts:
        raise fail(
            "holidays", f"{country} alone, or with one of its parts: {', '.join(sorted(parts)) or 'it has none'}"
        )
    return value


Times = Annotated[str, AfterValidator(_times), Form("days and times")]
TimesOfDay = Annotated[str, AfterValidator(_of_a_day), Form("times")]
Date = Annotated[date, BeforeValidator(_date), Form("date")]
Calendar = Annotated[str, AfterValidator(_calendar), Form("country, or country-part")]


class OtherDays(Section):
    """A day, or several, on which a schedule's times are others."""

    date: Date = Field(description="The day, or the first of several.")
    until: Date | None = Field(None, description="The last of the days, itself included.")
    times: tuple[TimesOfDay, ...] = Field((), description='Times on these days, as "09:00-12:00"; empty: none.')

    @model_validator(mode="after")
    def _in_order(self) -> OtherDays:
        if self.until is not None and not 0 <= (self.until - self.date).days < _LONGEST_EXCEPTION:
            raise fail("exception", "until not before date, and within a year of it")
        return self


class Schedule(Section):
    """Times that rules and members of groups refer to by name, on the clock of a zone.

    A span over midnight, as 22:00-06:00, belongs to the day on which it begins. A holiday has `holiday_times` instead
    of those of its weekday, and an exception goes before both. Where clocks are put forward a time that does not exist
    is the moment of the change; where they are put back a time that comes twice is the first of them.
    """

    zone: Zone = Field(
        description="Zone whose clock the times are of, such as Europe/London. A difference, as +05:30, is the same "
        "all the year."
    )
    times: tuple[Times, ...] = Field(description='Days and times, as "mon-fri 09:00-17:00" or "22:00-06:00".')
    holidays: tuple[Calendar, ...] = Field(
        (), description='Public holidays of these countries or parts of them, as "GB-ENG" or "US".'
    )
    holiday_times: tuple[TimesOfDay, ...] = Field((), description="Times on holidays; empty: none.")
    exceptions: tuple[OtherDays, ...] = Field(
        (), description="Days with other times: a list of tables `{ date, until, times }`."
    )

    @model_validator(mode="after")
    def _dated_once(self) -> Schedule:
        taken: dict[date, int] = {}
        for place, one in enumerate(self.exceptions):
            for day in range((one.until - one.date).days + 1 if one.until is not None else 1):
                ordinal = date.fromordinal(one.date.toordinal() + day)
                if taken.setdefault(ordinal, place) != place:
                    raise fail("exceptions", f"each day in one of the exceptions; {ordinal} is in two")
        return self
