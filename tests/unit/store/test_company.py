"""What was open at once of late, and whether as much is open now."""

from __future__ import annotations

from gateway.store.company import PERIOD, MostOpen


def test_as_many_as_there_were_at_once() -> None:
    most = MostOpen()
    assert [most.reached(count, 0.0) for count in (1, 1, 3, 2, 1, 3, 4, 3)] == [
        True,  # one after the other
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_it_counts_for_one_to_two_periods() -> None:
    most = MostOpen()
    assert most.reached(5, 0.0)
    assert not most.reached(4, PERIOD * 0.9)
    assert not most.reached(4, PERIOD * 1.9)
    assert most.reached(4, PERIOD * 2.0), "four were the most of the period before"
    assert not most.reached(3, PERIOD * 2.9)
    assert most.reached(1, PERIOD * 10), "after a rest it counts anew"
    assert not most.reached(0, PERIOD * 10)
