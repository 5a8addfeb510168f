"""Target `time`: what a peer writes into schedule_delivery_time, validity_period and final_date."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from gateway.smpp.times import (
    TimeFormatError,
    read_absolute,
    read_relative,
    read_time,
    write_absolute,
    write_relative,
)

from .target import Reader, Target

_CLOCKS: Final = (
    datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=14))),
    datetime(2099, 12, 31, tzinfo=timezone(timedelta(hours=-12))),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
)
_EXAMPLES: Final = (
    "020610233429000R", "991231235959948+", "000229120000000-", "010101000000000+", "261122010203056-",
    "490101000000000+",
    "991231235959900R", "000000000000000R", "000000000000000+", "991399256161999-", "", "0", "26112201",
)  # fmt: skip


def check_time(octets: bytes) -> None:
    """A text is a time, or a TimeFormatError that says where it is none; what we write of it reads the same."""
    reader = Reader(octets)
    now = _CLOCKS[reader.octet() % len(_CLOCKS)]
    text = reader.rest().decode("latin-1")
    try:
        moment = read_time(text, now)
    except TimeFormatError as error:
        position = error.position
    except ValueError as error:
        if "9999" not in str(error) or not text.endswith("R"):
            raise
        return
    else:
        position = -1
        assert (moment is None) == (text == "")
        if moment is not None:
            _check_moment(text, moment, now)
    assert position == -1 or 0 <= position <= 16


def _check_moment(text: str, moment: datetime, now: datetime) -> None:
    assert moment.utcoffset() is not None
    if text.endswith("R"):
        assert moment >= now
        period = read_relative(text)
        if period.years == period.months == 0:
            # Only days and less are exact: we write these as they count.
            seconds = timedelta(
                days=period.days, hours=period.hours, minutes=period.minutes, seconds=period.seconds
            ).total_seconds()
            again = read_relative(write_relative(seconds))
            assert timedelta(
                days=again.years * 365 + again.months * 30 + again.days,
                hours=again.hours,
                minutes=again.minutes,
                seconds=again.seconds,
            ) == timedelta(seconds=max(1, seconds))
        return
    assert moment == read_absolute(text, now)
    assert abs(moment.year - now.year) <= 50
    assert read_absolute(write_absolute(moment), moment) == moment


def _time(rng: random.Random) -> bytes:
    random = rng.random
    clock = bytes((int(random() * 256),))
    chance = random()
    if chance < 0.1:
        return clock + rng.randbytes(int(random() * 20))
    text = list(_EXAMPLES[int(random() * len(_EXAMPLES))])
    if chance < 0.6:
        text = list(f"{int(random() * 10**15):015d}{'+-RRr '[int(random() * 6)]}")
        for at, most in ((2, 13), (4, 32), (6, 25), (8, 61), (10, 61), (13, 60)):
            text[at : at + 2] = f"{int(random() * most):02d}"
    if chance > 0.4 and text:
        for _ in range(int(random() * 3)):
            text[int(random() * len(text))] = "0123456789+-Rr \0²\xff:"[int(random() * 19)]
    return clock + "".join(text).encode("latin-1")


TARGETS: Final = (Target("time", _time, check_time, 6),)
