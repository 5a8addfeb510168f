"""Schedules: weekdays, spans over midnight, both clock changes, holidays and exceptions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.policy.schedule import Opening, first_shown
from gateway.settings.carrier.forms import zone_of
from gateway.settings.schedules import Schedule, spans

LONDON, NEW_YORK = "Europe/London", "America/New_York"


def ms(text: str) -> int:
    """A moment with its difference from UTC, as Unix ms."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return int(moment.timestamp() * 1000)


def opening(*times: str, zone: str = LONDON, **more: Any) -> Opening:
    return Opening("office", Schedule(zone=zone, times=times, **more))


@pytest.mark.parametrize(
    ("times", "at", "within"),
    [
        # 2026-03-02 is a Monday, and London is on UTC.
        ("mon-fri 09:00-17:00", "2026-03-02T08:59:59Z", False),
        ("mon-fri 09:00-17:00", "2026-03-02T09:00:00Z", True),
        ("mon-fri 09:00-17:00", "2026-03-06T16:59:59.999Z", True),
        ("mon-fri 09:00-17:00", "2026-03-06T17:00:00Z", False),
        ("mon-fri 09:00-17:00", "2026-03-07T12:00:00Z", False),
        ("mon-fri 09:00-12:00, 13:00-17:00", "2026-03-02T12:30:00Z", False),
        ("mon-fri 09:00-12:00, 13:00-17:00", "2026-03-02T13:00:00Z", True),
        ("sat,sun 10:00-11:00", "2026-03-08T10:30:00Z", True),
        ("sat, mon 10:00-11:00", "2026-03-08T10:30:00Z", False),
        ("sat-mon 10:00-11:00", "2026-03-08T10:30:00Z", True),
        ("sat-mon 10:00-11:00", "2026-03-09T10:30:00Z", True),
        ("sat-mon 10:00-11:00", "2026-03-10T10:30:00Z", False),
        ("00:00-24:00", "2026-03-10T23:59:59Z", True),
        ("tue 00:00-24:00", "2026-03-11T00:00:00Z", False),
        # Over midnight: the span is that of the day on which it begins.
        ("22:00-06:00", "2026-03-02T21:59:59Z", False),
        ("22:00-06:00", "2026-03-02T22:00:00Z", True),
        ("22:00-06:00", "2026-03-03T00:00:00Z", True),
        ("22:00-06:00", "2026-03-03T05:59:59Z", True),
        ("22:00-06:00", "2026-03-03T06:00:00Z", False),
        ("fri 22:00-06:00", "2026-03-06T05:00:00Z", False),
        ("fri 22:00-06:00", "2026-03-06T23:00:00Z", True),
        ("fri 22:00-06:00", "2026-03-07T05:00:00Z", True),
        ("fri 22:00-06:00", "2026-03-07T22:00:00Z", False),
        ("sun 22:00-06:00", "2026-03-09T05:00:00Z", True),
        ("mon-fri 22:00-00:00", "2026-03-06T23:59:00Z", True),
        ("mon-fri 22:00-00:00", "2026-03-07T00:00:00Z", False),
        ("22:00-24:00", "2026-03-06T23:59:00Z", True),
    ],
)
def test_weekdays_and_midnight(times: str, at: str, within: bool) -> None:
    assert opening(times).open(ms(at)) is within


# In 2026 London goes from 01:00 GMT to 02:00 BST on 29 March and from 02:00 BST to 01:00 GMT on 25 October; New York
# from 02:00 EST to 03:00 EDT on 8 March and from 02:00 EDT to 01:00 EST on 1 November.
CHANGES = [
    # Forward: hours of the clock that do not exist.
    (LONDON, "mon-sun 09:00-17:00", "2026-03-28T09:00:00+00:00", True),
    (LONDON, "mon-sun 09:00-17:00", "2026-03-29T08:00:00+00:00", True),  # 09:00 BST
    (LONDON, "mon-sun 09:00-17:00", "2026-03-29T07:59:59+00:00", False),
    (LONDON, "mon-sun 09:00-17:00", "2026-03-29T16:00:00+00:00", False),  # 17:00 BST
    (LONDON, "22:00-06:00", "2026-03-29T00:59:59+00:00", True),
    (LONDON, "22:00-06:00", "2026-03-29T01:00:00+00:00", True),
    (LONDON, "22:00-06:00", "2026-03-29T04:59:59+00:00", True),  # 05:59:59 BST
    (LONDON, "22:00-06:00", "2026-03-29T05:00:00+00:00", False),
    (LONDON, "01:30-03:00", "2026-03-29T00:59:59+00:00", False),
    (LONDON, "01:30-03:00", "2026-03-29T01:00:00+00:00", True),  # 02:00 BST, past 01:30
    (LONDON, "00:30-01:30", "2026-03-29T00:59:59+00:00", True),
    (LONDON, "00:30-01:30", "2026-03-29T01:00:00+00:00", False),
    (LONDON, "01:15-01:45", "2026-03-29T01:00:00+00:00", False),
    (LONDON, "01:15-01:45", "2026-03-29T01:20:00+00:00", False),
    (NEW_YORK, "02:30-04:00", "2026-03-08T06:59:59+00:00", False),
    (NEW_YORK, "02:30-04:00", "2026-03-08T07:00:00+00:00", True),  # 03:00 EDT
    (NEW_YORK, "02:30-04:00", "2026-03-08T08:00:00+00:00", False),
    (NEW_YORK, "sun 00:00-24:00", "2026-03-08T05:00:00+00:00", True),
    (NEW_YORK, "sun 00:00-24:00", "2026-03-09T03:59:59+00:00", True),  # a day of 23 hours
    (NEW_YORK, "sun 00:00-24:00", "2026-03-09T04:00:00+00:00", False),
    # Back: hours that come twice.
    (LONDON, "mon-sun 09:00-17:00", "2026-10-25T08:59:59+00:00", False),
    (LONDON, "mon-sun 09:00-17:00", "2026-10-25T09:00:00+00:00", True),
    (LONDON, "22:00-01:30", "2026-10-25T00:29:59+00:00", True),  # the first 01:29:59
    (LONDON, "22:00-01:30", "2026-10-25T00:30:00+00:00", False),
    (LONDON, "22:00-01:30", "2026-10-25T01:10:00+00:00", False),  # 01:10 again: it does not begin anew
    (LONDON, "01:30-06:00", "2026-10-25T00:29:59+00:00", False),
    (LONDON, "01:30-06:00", "2026-10-25T00:30:00+00:00", True),
    (LONDON, "01:30-06:00", "2026-10-25T01:10:00+00:00", True),
    (LONDON, "01:30-06:00", "2026-10-25T05:59:59+00:00", True),
    (LONDON, "01:30-06:00", "2026-10-25T06:00:00+00:00", False),
    (NEW_YORK, "01:00-02:00", "2026-11-01T05:00:00+00:00", True),  # 01:00 EDT
    (NEW_YORK, "01:00-02:00", "2026-11-01T06:30:00+00:00", True),  # 01:30 EST, the hour again
    (NEW_YORK, "01:00-02:00", "2026-11-01T07:00:00+00:00", False),
    (NEW_YORK, "sun 00:00-24:00", "2026-11-02T04:59:59+00:00", True),  # a day of 25 hours
    (NEW_YORK, "sun 00:00-24:00", "2026-11-02T05:00:00+00:00", False),
    (NEW_YORK, "22:00-06:00", "2026-11-01T10:59:59+00:00", True),
    (NEW_YORK, "22:00-06:00", "2026-11-01T11:00:00+00:00", False),
    # Where the change is at midnight there may be no midnight.
    ("Africa/Cairo", "fri 00:00-08:00", "2026-04-23T21:59:59+00:00", False),
    ("Africa/Cairo", "fri 00:00-08:00", "2026-04-23T22:00:00+00:00", True),  # 01:00 on Friday
    ("Africa/Cairo", "thu 20:00-24:00", "2026-04-23T21:59:59+00:00", True),
    ("Africa/Cairo", "thu 20:00-24:00", "2026-04-23T22:00:00+00:00", False),
    # Half an hour, and differences without any change.
    ("Australia/Lord_Howe", "01:45-03:00", "2026-10-03T15:30:00+00:00", True),  # 02:30, just changed from 02:00
    ("+05:30", "09:00-10:00", "2026-03-29T03:30:00+00:00", True),
    ("UTC", "09:00-10:00", "2026-03-29T09:00:00+00:00", True),
]


@pytest.mark.parametrize(("zone", "times", "at", "within"), CHANGES)
def test_clock_changes(zone: str, times: str, at: str, within: bool) -> None:
    assert opening(times, zone=zone).open(ms(at)) is within


@pytest.mark.parametrize("zone", [LONDON, NEW_YORK, "Africa/Cairo", "Australia/Lord_Howe"])
@pytest.mark.parametrize("edge", ["00:00", "00:30", "01:00", "01:30", "02:00", "02:15", "03:00"])
def test_each_moment_is_in_one_of_two_spans_that_follow_each_other(zone: str, edge: str) -> None:
    one, other = opening(f"{edge}-12:00", zone=zone), opening(f"12:00-{edge}", zone=zone)
    for first in ("2026-03-07", "2026-03-28", "2026-04-04", "2026-04-23", "2026-10-03", "2026-10-24", "2026-10-29"):
        start = ms(f"{first}T08:17:00Z")
        turns = 0
        before: bool | None = None
        for minutes in range(0, 48 * 60, 5):
            at = start + minutes * 60_000
            assert one.open(at) is not other.open(at)
            turns += before is not None and before is not one.open(at)
            before = one.open(at)
        assert turns == 4, "each begins and ends once a day"


@settings(derandomize=True, deadline=None, database=None)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2036, 1, 1)), st.sampled_from([LONDON, NEW_YORK, "Africa/Cairo"]))
def test_a_time_is_shown_first_when_it_is(wall: datetime, zone: str) -> None:
    wall = wall.replace(microsecond=0)
    at = first_shown(wall, zone_of(zone))
    assert at.astimezone(zone_of(zone)).replace(tzinfo=None) >= wall
    before = datetime.fromtimestamp(at.timestamp() - 1, UTC).astimezone(zone_of(zone)).replace(tzinfo=None)
    assert before < wall


DAYS_OFF: list[tuple[dict[str, Any], str, bool]] = [
    ({}, "2026-12-25T10:00:00Z", True),  # a Friday
    ({"holidays": ("GB-ENG",)}, "2026-12-24T10:00:00Z", True),
    ({"holidays": ("GB-ENG",)}, "2026-12-25T10:00:00Z", False),
    ({"holidays": ("GB-ENG",)}, "2026-12-28T10:00:00Z", False),  # Boxing Day is a Saturday: observed on Monday
    ({"holidays": ("GB-SCT",)}, "2026-11-30T10:00:00Z", False),  # Saint Andrew's
    ({"holidays": ("GB-ENG",)}, "2026-11-30T10:00:00Z", True),
    ({"holidays": ("GB-ENG", "US")}, "2026-11-26T10:00:00Z", False),  # Thanksgiving
    ({"holidays": ("GB-ENG",), "holiday_times": ("10:00-12:00",)}, "2026-12-25T10:00:00Z", True),
    ({"holidays": ("GB-ENG",), "holiday_times": ("10:00-12:00",)}, "2026-12-25T12:00:00Z", False),
    ({"exceptions": ({"date": "2026-12-24", "times": ["09:00-10:00"]},)}, "2026-12-24T10:00:00Z", False),
    ({"exceptions": ({"date": "2026-12-24", "times": ["09:00-11:00"]},)}, "2026-12-24T10:00:00Z", True),
    ({"exceptions": ({"date": date(2026, 12, 21), "until": date(2026, 12, 23)},)}, "2026-12-20T10:00:00Z", False),
    ({"exceptions": ({"date": date(2026, 12, 21), "until": date(2026, 12, 23)},)}, "2026-12-23T10:00:00Z", False),
    ({"exceptions": ({"date": date(2026, 12, 21), "until": date(2026, 12, 23)},)}, "2026-12-24T10:00:00Z", True),
    # An exception goes before a holiday, and brings a day that has no times otherwise.
    (
        {"holidays": ("GB",), "exceptions": ({"date": "2026-12-25", "times": ["10:00-11:00"]},)},
        "2026-12-25T10:30:00Z",
        True,
    ),
    ({"exceptions": ({"date": "2026-12-26", "times": ["10:00-11:00"]},)}, "2026-12-26T10:30:00Z", True),
]


@pytest.mark.parametrize(("more", "at", "within"), DAYS_OFF)
def test_holidays_and_exceptions(more: dict[str, Any], at: str, within: bool) -> None:
    assert opening("mon-fri 09:00-17:00", **more).open(ms(at)) is within


def test_a_holiday_takes_the_night_that_begins_on_it_and_not_the_one_before() -> None:
    night = opening("22:00-06:00", holidays=("GB-ENG",))
    assert night.open(ms("2026-12-25T05:00:00Z")), "it began on the 24th"
    assert not night.open(ms("2026-12-25T23:00:00Z"))
    assert not night.open(ms("2026-12-26T01:00:00Z")), "it would have begun on the 25th"
    assert night.open(ms("2026-12-27T22:00:00Z"))


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-12-25T10:00:00Z", "fri 2026-12-25 10:00 GMT, Christmas Day"),
        ("2026-07-01T10:00:00Z", "wed 2026-07-01 11:00 BST"),
        ("2026-12-24T10:00:00Z", "thu 2026-12-24 10:00 GMT, an exception"),
    ],
)
def test_a_moment_in_words(at: str, said: str) -> None:
    office = opening("09:00-17:00", holidays=("GB-ENG",), exceptions=({"date": "2026-12-24"},))
    assert office.why(ms(at)) == said


def test_days_that_are_remembered_are_bounded_and_do_not_change_an_answer() -> None:
    office = opening("mon-fri 09:00-17:00", holidays=("GB-ENG",))
    moments = range(ms("2026-01-01T10:00:00Z"), ms("2026-12-31T10:00:00Z"), 7_200_000)
    fresh = [opening("mon-fri 09:00-17:00", holidays=("GB-ENG",)).open(at) for at in moments[::100]]
    for at in moments:
        office.open(at)
    assert len(office._ready) <= 64
    assert [office.open(at) for at in moments[::100]] == fresh


@pytest.mark.parametrize(
    "text",
    [
        *("", "mon", "9:00-17:00", "09:00", "09:00-", "09:00 - 17:00", "mon-fry 09:00-17:00", "09:00-17:00 mon"),
        *("mon, 09:00-17:00,", "09:00-12:00 13:00-14:00", "monday 09:00-17:00", "09:60-17:00", "24:00-25:00"),
        *("09:00-24:01", "09:00-09:00", "mon 09:00–17:00", "٠٩:00-17:00", ", 09:00-10:00,,"),
    ],
)
def test_times_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"days and times such as|times from 00:00|ends at another time"):
        spans(text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"zone": "Europe/Londn"}, "a zone such as"),
        ({"holidays": ["XX"]}, "a country of ISO 3166 whose holidays are known"),
        ({"holidays": ["GB-XXX"]}, "GB alone, or with one of its parts: ENG, "),
        ({"holiday_times": ["mon 09:00-10:00"]}, "times without weekdays"),
        ({"exceptions": [{"date": "2026-13-01"}]}, "a date such as 2026-12-24"),
        ({"exceptions": [{"date": datetime(2026, 12, 24, tzinfo=UTC)}]}, "a date such as"),
        ({"exceptions": [{"date": "2026-12-24", "until": "2026-12-23"}]}, "until not before date"),
        ({"exceptions": [{"date": "2026-12-24"}, {"date": "2026-12-20", "until": "2026-12-24"}]}, "2026-12-24 is in"),
    ],
)
def test_schedules_that_are_wrong(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Schedule(**({"zone": "UTC", "times": ("09:00-17:00",)} | given))
