"""Times of SMPP: the specification's examples, tables of odd ones, and both ways with any moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp.times import (
    LENGTH,
    Relative,
    TimeFormatError,
    read_absolute,
    read_relative,
    read_time,
    write_absolute,
    write_relative,
)

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def zone(hours: float) -> timezone:
    return timezone(timedelta(hours=hours))


# --- absolute: 3.4 §7.1.1.1, 5.0 §4.7.23.4 ---

ABSOLUTE = [
    ("260301093000000+", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
    # One tenth of a second, and an hour (four quarters) ahead of UTC.
    ("260301093000104+", datetime(2026, 3, 1, 9, 30, 0, 100_000, tzinfo=zone(1))),
    ("260301093059920-", datetime(2026, 3, 1, 9, 30, 59, 900_000, tzinfo=zone(-5))),
    ("260301093000022+", datetime(2026, 3, 1, 9, 30, tzinfo=zone(5.5))),  # India
    ("260301093000023+", datetime(2026, 3, 1, 9, 30, tzinfo=zone(5.75))),  # Nepal
    ("260301093000014-", datetime(2026, 3, 1, 9, 30, tzinfo=zone(-3.5))),  # Newfoundland
    ("991231235959948-", datetime(1999, 12, 31, 23, 59, 59, 900_000, tzinfo=zone(-12))),
    ("280229000000048+", datetime(2028, 2, 29, tzinfo=zone(12))),
]


@pytest.mark.parametrize(("text", "moment"), ABSOLUTE)
def test_absolute_times_both_ways(text: str, moment: datetime) -> None:
    read = read_absolute(text, NOW)
    assert read == moment
    assert read.utcoffset() == moment.utcoffset()
    assert read_time(text, NOW) == moment
    assert write_absolute(moment) == text


def test_the_digits_are_local_time_and_plus_is_ahead_of_utc() -> None:
    assert read_absolute("260301120000008+", NOW) == datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    assert read_absolute("260301120000008-", NOW) == datetime(2026, 3, 1, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "digits", "year"),
    [
        (2026, "26", 2026),
        (2026, "00", 2000),
        (2026, "76", 2076),
        (2026, "77", 1977),
        (2026, "99", 1999),
        (1999, "00", 2000),
        (1999, "49", 2049),
        (1999, "50", 1950),
        (2060, "10", 2110),
        (2060, "11", 2011),
        (2050, "00", 2100),
        (2050, "01", 2001),
    ],
)
def test_the_century_is_the_one_nearest_to_now(now: int, digits: str, year: int) -> None:
    assert read_absolute(f"{digits}0102030405000+", NOW.replace(year=now)).year == year


@pytest.mark.parametrize("year", range(1977, 2077))
def test_every_year_within_fifty_of_now_comes_back(year: int) -> None:
    moment = datetime(year, 6, 15, tzinfo=UTC)
    assert read_absolute(write_absolute(moment), NOW) == moment


def test_clocks_more_than_12_hours_ahead_are_read_and_written_in_utc() -> None:
    summer = datetime(2026, 1, 5, 12, 0, tzinfo=zone(13))  # New Zealand
    assert write_absolute(summer) == "260104230000000+"
    assert read_absolute("260105120000052+", NOW) == summer
    assert read_absolute("260105120000056+", NOW) == datetime(2026, 1, 5, 12, tzinfo=zone(14))


def test_a_zone_that_is_not_of_quarter_hours_is_written_in_utc() -> None:
    amsterdam_of_old = timezone(timedelta(minutes=19, seconds=32))
    assert write_absolute(datetime(2026, 1, 1, 0, 19, 32, tzinfo=amsterdam_of_old)) == "260101000000000+"


def test_what_is_less_than_a_tenth_is_cut_off() -> None:
    assert write_absolute(datetime(2026, 1, 1, 0, 0, 59, 999_999, tzinfo=UTC)) == "260101000059900+"


def test_a_moment_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        write_absolute(datetime(2026, 1, 1))


moments = st.datetimes(
    datetime(1977, 1, 2),
    datetime(2076, 12, 30),
    timezones=st.integers(-48, 48).map(lambda quarters: timezone(timedelta(minutes=15 * quarters))),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 100_000 * 100_000))


@given(moments)
def test_any_moment_comes_back(moment: datetime) -> None:
    text = write_absolute(moment)
    assert len(text) == LENGTH
    read = read_absolute(text, NOW)
    assert read == moment
    assert read.utcoffset() == moment.utcoffset()
    assert write_absolute(read) == text


# --- relative: 3.4 §7.1.1.2, 5.0 §4.7.23.5 ---


def test_the_example_of_the_specification() -> None:
    """2 years, 6 months, 10 days, 23 hours, 34 minutes and 29 seconds from now."""
    assert read_relative("020610233429000R") == Relative(2, 6, 10, 23, 34, 29)
    assert read_time("020610233429000R", NOW) == datetime(2028, 9, 12, 9, 4, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "now", "then"),
    [
        ("000000000000000R", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        ("000007000000000R", datetime(2026, 2, 25, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)),
        # Months and years are the calendar's; the last day of a month where it has no such day.
        ("000100000000000R", datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)),
        ("000100000000000R", datetime(2028, 1, 31, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
        ("010000000000000R", datetime(2028, 2, 29, tzinfo=UTC), datetime(2029, 2, 28, tzinfo=UTC)),
        ("000100000000000R", datetime(2026, 12, 15, tzinfo=UTC), datetime(2027, 1, 15, tzinfo=UTC)),
        ("001200000000000R", datetime(2026, 12, 15, tzinfo=UTC), datetime(2027, 12, 15, tzinfo=UTC)),
        ("001300000000000R", datetime(2026, 12, 15, tzinfo=UTC), datetime(2028, 1, 15, tzinfo=UTC)),
        ("000101000000000R", datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        # More of an hour or a minute than the table has, and clear.
        ("000000480000000R", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)),
        ("000000009000000R", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 1, 30, tzinfo=UTC)),
        # Tenths and difference from UTC are ignored.
        ("000000010000999R", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 1, tzinfo=UTC)),
    ],
)
def test_relative_times_count_from_the_clock_given(text: str, now: datetime, then: datetime) -> None:
    assert read_time(text, now) == then


def test_a_relative_time_is_in_the_zone_of_the_clock() -> None:
    now = datetime(2026, 3, 1, 9, 30, tzinfo=zone(-5))
    then = read_time("000000010000000R", now)
    assert then == datetime(2026, 3, 1, 10, 30, tzinfo=zone(-5))
    assert then is not None
    assert then.utcoffset() == now.utcoffset()


class Dublin(tzinfo):
    """Clocks go forward on 29 March 2026 at 1:00; what comes later in the year is not asked for."""

    def utcoffset(self, when: datetime | None) -> timedelta:
        return self.dst(when)

    def dst(self, when: datetime | None) -> timedelta:
        assert when is not None
        return timedelta(hours=when.replace(tzinfo=None) >= datetime(2026, 3, 29, 1))

    def tzname(self, when: datetime | None) -> str:
        return "IST" if self.dst(when) else "GMT"


def test_hours_are_hours_on_the_day_that_clocks_are_changed() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=Dublin())
    after = read_time("000000240000000R", before)
    assert after is not None
    assert after.timestamp() - before.timestamp() == 86_400
    assert after.hour == 13


def test_a_relative_time_needs_a_clock_with_a_zone_and_an_end() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        read_time("000000010000000R", datetime(2026, 3, 1))
    for text in ("990000000000000R", "000099000000000R", "000000010000000R"):
        with pytest.raises(ValueError, match="9999"):
            read_time(text, datetime(9999, 12, 31, 23, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "000000000001000R"),  # never nothing: a carrier would take that for its default
        (-5, "000000000001000R"),
        (1, "000000000001000R"),
        (59.9, "000000000059000R"),
        (60, "000000000100000R"),
        (3600, "000000010000000R"),
        (86_399, "000000235959000R"),
        (86_400, "000001000000000R"),
        (2 * 86_400, "000002000000000R"),
        (29 * 86_400, "000029000000000R"),
        (30 * 86_400, "000100000000000R"),
        (14 * 86_400 + 3661, "000014010101000R"),
        (364 * 86_400, "001204000000000R"),
        (365 * 86_400, "010000000000000R"),
        (400 * 86_400, "010105000000000R"),
        (10**12, "991204235959000R"),
    ],
)
def test_periods_are_written_relative(seconds: float, expected: str) -> None:
    assert write_relative(seconds) == expected
    assert len(expected) == LENGTH


@given(st.integers(1, 30 * 86_400 - 1))
def test_any_period_within_a_month_comes_back(seconds: int) -> None:
    assert read_time(write_relative(seconds), NOW) == NOW + timedelta(seconds=seconds)


@given(st.integers(-10, 200 * 365 * 86_400))
def test_every_field_of_a_written_period_is_within_the_table(seconds: int) -> None:
    period = read_relative(write_relative(seconds))
    assert period.months <= 12
    assert period.days <= 31
    assert period.hours <= 23
    assert max(period.minutes, period.seconds) <= 59


# --- what is no time ---


def test_empty_is_no_time_at_all() -> None:
    assert read_time("", NOW) is None


@pytest.mark.parametrize(
    ("text", "position", "detail"),
    [
        ("26030109300000+", 15, "15 characters, and not 16"),
        ("260301093000000++", 16, "17 characters, and not 16"),
        ("2603", 4, "4 characters, and not 16"),
        ("2x0301093000000+", 1, "character 2 is 'x', and no digit"),
        ("26030109300000 +", 14, "character 15 is ' ', and no digit"),
        ("26030109300000\u0663+", 14, "character 15 is '\u0663', and no digit"),
        ("260301093000000Z", 15, "character 16 is 'Z', and not"),
        ("2603010930000000", 15, "character 16 is '0', and not"),
        ("260001093000000+", 2, "month 00 in characters 3 and 4: 01 to 12"),
        ("261301093000000+", 2, "month 13 in characters 3 and 4: 01 to 12"),
        ("260300093000000+", 4, "day 00 in characters 5 and 6: 01 to 31"),
        ("260332093000000+", 4, "day 32 in characters 5 and 6: 01 to 31"),
        ("260229093000000+", 4, "2026-02 has no day 29"),
        ("260301243000000+", 6, "hour 24 in characters 7 and 8: 00 to 23"),
        ("260301096000000+", 8, "minute 60 in characters 9 and 10: 00 to 59"),
        ("260301093060000+", 10, "second 60 in characters 11 and 12: 00 to 59"),
        ("260301093000057+", 13, "difference from UTC in quarter hours 57 in characters 14 and 15: 00 to 56"),
        ("0000000000000xxR", 13, "character 14 is 'x', and no digit"),
    ],
)
def test_a_bad_time_says_what_and_where(text: str, position: int, detail: str) -> None:
    with pytest.raises(TimeFormatError) as caught:
        read_time(text, NOW)
    assert caught.value.position == position
    assert detail in str(caught.value)


def test_one_form_is_not_the_other() -> None:
    with pytest.raises(TimeFormatError, match=r"character 16 is 'R', and not \+ or -"):
        read_absolute("000007000000000R", NOW)
    with pytest.raises(TimeFormatError, match=r"character 16 is '\+', and not R"):
        read_relative("260301093000000+")


@given(st.text(max_size=20) | st.text("0123456789+-R", min_size=16, max_size=16))
def test_any_text_is_a_time_or_a_format_error(text: str) -> None:
    if not text:
        assert read_time(text, NOW) is None
        return
    try:
        moment = read_time(text, NOW)
    except TimeFormatError as error:
        position = error.position
    else:
        assert moment is not None
        position = 0
    assert 0 <= position <= LENGTH


@given(st.text(max_size=40))
def test_a_long_text_is_not_repeated_in_full(text: str) -> None:
    with pytest.raises(TimeFormatError) as caught:
        read_time(text * 40 + "no time", NOW)
    assert len(str(caught.value)) < 450
