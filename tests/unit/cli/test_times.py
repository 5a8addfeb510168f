"""Times and durations as people write and read them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.cli.times import local, moment, seconds, span

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_new_york() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()  # or the tests that come after were there too


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86_400), (" 1w ", 604_800)],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "h", "-5m", "5 m", "1y", "1h30m", "nan", "9" * 400])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00.000Z"),
        ("2026-03-01T09:00:00.25+02:00", "2026-03-01T07:00:00.250Z"),
        ("2026-03-01", "2026-03-01T05:00:00.000Z"),
        ("2026-07-01 09:00", "2026-07-01T13:00:00.000Z"),
        ("2h", "2026-03-01T07:00:00.000Z"),
        ("1d", "2026-02-28T09:00:00.000Z"),
    ],
)
def test_moments(text: str, value: str) -> None:
    assert moment(text, now=NOW) == value


def test_a_moment_ahead() -> None:
    assert moment("90s", ahead=True, now=NOW) == "2026-03-01T09:01:30.000Z"


@pytest.mark.parametrize("text", ["", "tomorrow", "9:00", "5", "2026-13-01", "100w5", "0001-01-01T00:00:00"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        # With a zone ahead of UTC the first day of the calendar is before its beginning.
        moment(text + "+09:00" if text.startswith("0001") else text, now=NOW)


def test_a_time_of_the_daemon_is_shown_in_the_users_zone() -> None:
    assert local("2026-03-01T09:00:00.123Z") == "2026-03-01 04:00:00"
    assert local(None) is None
    assert local("not a time") == "not a time"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (0.85, "850ms"),
        (59.9, "59s"),
        (60, "1m"),
        (200, "3m20s"),
        (3600, "1h"),
        (18_600, "5h10m"),
        (1_051_200, "12d4h"),
    ],
)
def test_spans(value: float | None, text: str | None) -> None:
    assert span(value) == text
