"""Times and durations as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)")
_LONGEST: Final = 3_153_600_000  # a hundred years


def seconds(text: str) -> float:
    """``90``, ``90s``, ``15m``, ``2h``, ``1d`` or ``1w`` in seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or (value := float(match[1]) * _UNITS[match[2]]) > _LONGEST:
        raise ValueError(f'"{text}" is not a duration such as 90s, 15m, 2h or 1d')
    return value


def moment(text: str, *, ahead: bool = False, now: datetime | None = None) -> str:
    """A time as RFC 3339 in UTC.

    Takes RFC 3339, a date or a time without a zone (then it is local), and a duration such as ``2h`` before
    ``now``, or after it when ``ahead``. Raises ValueError.
    """
    text = text.strip()
    try:
        if _DURATION.fullmatch(text) and not text.isdigit():
            away = timedelta(seconds=seconds(text))
            at = (now or datetime.now(UTC)) + (away if ahead else -away)
        else:
            at = datetime.fromisoformat(text)
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is not a time such as 2026-03-01T09:00:00Z, "2026-03-01 09:00" or 2h') from None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(text: str | None, *, milliseconds: bool = False) -> str | None:
    """An RFC 3339 time of the daemon in the user's zone, to the second or the millisecond."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text).astimezone()
        return at.strftime("%Y-%m-%d %H:%M:%S") + (f".{at.microsecond // 1000:03d}" if milliseconds else "")
    except (ValueError, OverflowError):
        return text


def span(value: float | None) -> str | None:
    """Seconds in at most two units: ``850ms``, ``42s``, ``3m20s``, ``5h10m``, ``12d4h``."""
    if value is None:
        return None
    if value < 1:
        return f"{value * 1000:.0f}ms"
    whole = int(value)
    if whole < 60:
        return f"{whole}s"
    for size, big, small_size, small in (
        (3600, "m", 1, "s"),
        (86_400, "h", 60, "m"),
        (None, "d", 3600, "h"),
    ):
        if size is None or whole < size:
            unit = _UNITS[big]
            rest = whole % unit // small_size
            return f"{whole // unit}{big}{rest}{small}" if rest else f"{whole // unit}{big}"
    raise AssertionError
