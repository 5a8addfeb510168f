"""Periods of a zone: where they begin and end, also where its clocks are put forward and back."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.policy.periods import PERIODS, Period, Periods

HOUR = 3_600_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "period", "at", "start", "end"),
    [
        ("UTC", "second", "2026-11-22T11:00:00.999Z", "2026-11-22T11:00:00Z", "2026-11-22T11:00:01Z"),
        ("UTC", "day", "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("UTC", "month", "2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("UTC", "month", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("UTC", "year", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("America/New_York", "day", "2026-11-22T04:59:59Z", "2026-11-21T05:00:00Z", "2026-11-22T05:00:00Z"),
        ("America/New_York", "month", "2026-11-15T00:00:00Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"),
        ("Asia/Kathmandu", "day", "2026-11-22T18:20:00Z", "2026-11-22T18:15:00Z", "2026-11-23T18:15:00Z"),
        # A day of 23 hours, one of 25, and one whose midnight does not exist.
        ("Europe/Berlin", "day", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "day", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("Africa/Cairo", "day", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),
    ],
)
def test_where_a_period_begins_and_ends(zone: str, period: Period, at: str, start: str, end: str) -> None:
    assert Periods(ZoneInfo(zone)).of(period, ms(at)) == (ms(start), ms(end))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Australia/Lord_Howe"])
def test_one_ends_where_the_next_begins(zone: str) -> None:
    periods = Periods(ZoneInfo(zone))
    for period in PERIODS[1:]:
        at = ms("2025-12-31T12:00:00Z")
        for _ in range(400 if period == "day" else 14):
            span = periods.of(period, at)
            assert span.start <= at < span.end
            assert periods.of(period, span.end - 1) == span
            assert periods.of(period, span.end).start == span.end
            at = span.end
