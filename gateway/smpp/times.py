"""Times of SMPP both ways: `YYMMDDhhmmsstnnp`, absolute or relative (SMPP 3.4 §7.1.1, 5.0 §4.7.23.4, §4.7.23.5).

A relative time counts from the clock of the SMSC, so reading one takes the `now` of that clock. An absolute one has
two digits of a year: the century is the one that puts it nearest to `now`.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

LENGTH: Final = 16
"""Characters of a time, without the NUL that ends it."""

_QUARTER: Final = timedelta(minutes=15)
_FARTHEST: Final = 48
"""Quarter hours from UTC that nn goes to by the specification: 12 hours."""
_FARTHEST_READ: Final = 56
"""What is read: some clocks are up to 14 hours ahead of UTC, those of New Zealand 13 in summer."""

_FIELDS: Final = (
    # name, position, least, most (table 4-54 of 5.0)
    ("month", 2, 1, 12),
    ("day", 4, 1, 31),
    ("hour", 6, 0, 23),
    ("minute", 8, 0, 59),
    ("second", 10, 0, 59),
    ("difference from UTC in quarter hours", 13, 0, _FARTHEST_READ),
)


class TimeFormatError(ValueError):
    """A text that is no time; `position` is where in it, from 0."""

    def __init__(self, text: str, position: int, detail: str) -> None:
        super().__init__(f"time {text[:32]!r}: {detail}")
        self.position = position


class Relative(NamedTuple):
    """A relative time as it is written. Years and months are as long as the calendar has them."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0

    def after(self, now: datetime) -> datetime:
        """That much after `now`, in its zone; a day that the month does not have is its last one.

        Raises ValueError when `now` has no zone, or the result is past the year 9999.
        """
        if now.utcoffset() is None:
            raise ValueError("relative time: from a clock without a zone")
        months = now.month - 1 + self.months
        year, month = now.year + self.years + months // 12, months % 12 + 1
        rest = timedelta(days=self.days, hours=self.hours, minutes=self.minutes, seconds=self.seconds)
        try:
            moved = now.replace(year=year, month=month, day=min(now.day, monthrange(year, month)[1]))
            # In UTC, for an hour is an hour also on the day that clocks are changed.
            return (moved.astimezone(UTC) + rest).astimezone(now.tzinfo)
        except (OverflowError, ValueError):
            raise ValueError("relative time: past the year 9999") from None


def read_time(text: str, now: datetime) -> datetime | None:
    """The moment that a schedule_delivery_time, validity_period or final_date says; None when it is empty.

    `now` is the clock of the SMSC, with its zone. An absolute time keeps the zone that it was given in. Raises
    TimeFormatError, naming what is wrong and where.
    """
    if not text:
        return None
    _check_form(text)
    if text[15] == "R":
        return read_relative(text).after(now)
    return read_absolute(text, now)


def read_absolute(text: str, now: datetime) -> datetime:
    """The moment of an absolute time; see `read_time`."""
    _check_form(text)
    sign = text[15]
    if sign not in "+-":
        raise TimeFormatError(text, 15, f"character 16 is {sign!r}, and not + or -")
    month, day, hour, minute, second, quarters = [
        _number(text, name, position, least, most) for name, position, least, most in _FIELDS
    ]
    # §7.1.1: the digits are local time; + says that it is ahead of UTC.
    zone = timezone(_QUARTER * (quarters if sign == "+" else -quarters))
    tenths = int(text[12])
    year = _year(int(text[:2]), now.year)
    try:
        return datetime(year, month, day, hour, minute, second, tenths * 100_000, tzinfo=zone)
    except ValueError:
        raise TimeFormatError(text, 4, f"{year}-{month:02d} has no day {day}") from None


def read_relative(text: str) -> Relative:
    """A relative time. Tenths and difference from UTC are ignored (5.0 §4.7.23.5).

    Numbers of two digits are taken as they are: 48 hours or 90 minutes are clear, and in the field.
    """
    _check_form(text)
    if text[15] != "R":
        raise TimeFormatError(text, 15, f"character 16 is {text[15]!r}, and not R")
    return Relative(*(int(text[position : position + 2]) for position in range(0, 12, 2)))


def write_absolute(when: datetime) -> str:
    """A moment as an absolute time, in its own zone where that is of quarter hours within 12 hours, else in UTC.

    What is less than a tenth of a second is cut off. Raises ValueError for a datetime without a zone.
    """
    offset = when.utcoffset()
    if offset is None:
        raise ValueError("absolute time: a datetime without a zone")
    quarters, rest = divmod(abs(offset), _QUARTER)
    if rest or quarters > _FARTHEST:
        when = when.astimezone(UTC)
        offset, quarters = timedelta(0), 0
    sign = "-" if offset < timedelta(0) else "+"
    # Not strftime: its years before 1000 differ between platforms.
    return (
        f"{when.year % 100:02d}{when.month:02d}{when.day:02d}{when.hour:02d}{when.minute:02d}{when.second:02d}"
        f"{when.microsecond // 100_000}{quarters:02d}{sign}"
    )


_LONGEST: Final = 100 * 365 * 86_400 - 1


def write_relative(seconds: float) -> str:
    """A period as a relative time; at least 1 s and at most 99 years.

    What is less than a second is cut off. The format has two digits of days: months of 30 days and years of 365 for
    what is longer.
    """
    left = min(max(1, int(seconds)), _LONGEST)
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    years, days = divmod(days, 365)
    months, days = divmod(days, 30)
    return f"{years:02d}{months:02d}{days:02d}{hours:02d}{minutes:02d}{left:02d}000R"


def _check_form(text: str) -> None:
    if len(text) != LENGTH:
        raise TimeFormatError(text, min(len(text), LENGTH), f"{len(text)} characters, and not {LENGTH}")
    for position, character in enumerate(text[:15]):
        if character not in "0123456789":
            raise TimeFormatError(text, position, f"character {position + 1} is {character!r}, and no digit")
    if text[15] not in "+-R":
        raise TimeFormatError(text, 15, f"character 16 is {text[15]!r}, and not +, - or R")


def _number(text: str, name: str, position: int, least: int, most: int) -> int:
    digits = text[position : position + 2]
    if not least <= int(digits) <= most:
        raise TimeFormatError(
            text,
            position,
            f"{name} {digits} in characters {position + 1} and {position + 2}: {least:02d} to {most:02d}",
        )
    return int(digits)


def _year(digits: int, now: int) -> int:
    # Within 50 years of now, and 50 years from now rather than 50 years ago.
    year = now - now % 100 + digits
    if year - now > 50:
        return year - 100
    return year if now - year < 50 else year + 100
