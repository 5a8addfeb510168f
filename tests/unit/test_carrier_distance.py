"""How far a carrier is follows from its quickest answers of late, and from that how many are stored at once."""

from __future__ import annotations

import math

import pytest

from gateway.carrier.distance import APART, FAR, PERIOD, ROOM, RoundTrip


def test_nothing_is_known_before_the_first_answer() -> None:
    trip = RoundTrip()
    assert trip.seconds == math.inf
    assert trip.group(100, 0.0) == 0


def test_the_least_of_a_period_counts_and_holds_through_the_next() -> None:
    trip = RoundTrip()
    for seconds, now in ((0.08, 100.0), (0.05, 101.0), (0.3, 102.0)):
        trip.took(seconds, now)
    assert trip.seconds == 0.05
    trip.took(0.2, 100.0 + PERIOD)
    assert trip.seconds == 0.05, "one slow answer at the border of a period says nothing"
    trip.took(0.1, 100.0 + 2 * PERIOD)
    assert trip.seconds == 0.1, "the carrier is farther away now"
    trip.took(0.02, 101.0 + 2 * PERIOD)
    assert trip.seconds == 0.02


def test_what_is_long_ago_says_nothing() -> None:
    trip = RoundTrip()
    trip.took(0.001, 0.0)
    trip.took(0.05, 2 * PERIOD + 1)
    assert trip.seconds == 0.05


@pytest.mark.parametrize(
    ("seconds", "window", "group"),
    [
        (0.0, 100, 0),
        (FAR / 2, 100, 0),
        (0.064, 100, math.ceil(100 * APART / 0.064)),
        (0.064, 1000, math.ceil(1000 * APART / 0.064)),
        (60.0, 10, 1),
    ],
)
def test_a_group_is_what_comes_in_its_time_of_a_window_that_is_spread_out(
    seconds: float, window: int, group: int
) -> None:
    trip = RoundTrip()
    trip.took(seconds, 1.0)
    assert trip.group(window, 0.001) == group


def test_where_transactions_take_long_groups_are_larger_and_a_carrier_is_near_that_was_far() -> None:
    trip = RoundTrip()
    trip.took(0.06, 1.0)
    assert trip.group(100, APART / ROOM) == trip.group(100, 0.0) == math.ceil(100 * APART / 0.06)
    assert trip.group(100, 0.005) == math.ceil(100 * ROOM * 0.005 / 0.06)
    assert trip.group(100, 0.011) == 0
