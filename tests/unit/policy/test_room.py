"""What is left of the quotas of numbers, and which number is chosen by that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.policy.names import Names
from gateway.policy.numbers import Sending
from gateway.policy.room import Room
from gateway.policy.sender import Senders
from gateway.settings import Settings

US1, US2, US3, CA = "+12025550101", "+12025550102", "+12025550103", "+14165550100"
PEERS = [f"+1212555{i:04}" for i in range(200)]


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type]


NOW, TODAY, MONTH, YEAR = ms(2026, 11, 29, 12), ms(2026, 11, 29), ms(2026, 11, 1), ms(2026, 1, 1)
TOMORROW, DECEMBER = ms(2026, 11, 30), ms(2026, 12, 1)


def senders(quotas: dict[str, dict[str, int] | None]) -> Senders:
    numbers: list[dict[str, Any]] = [
        {"number": n, "carrier": "acme", **({"quota": q} if q is not None else {})} for n, q in quotas.items()
    ]
    made = Settings.model_validate({"default_region": "US", "numbers": numbers})
    return Senders(made, Sending(made), Names(made))


HAS: list[tuple[dict[str, int], list[tuple[str, int, int]], int]] = [
    # A quota, what was counted (period, its start, segments), and the most that there is room for.
    ({"day": 5}, [], 5),
    ({"day": 5}, [("day", TODAY, 3)], 2),
    ({"day": 5}, [("day", TODAY, 9)], 0),  # a quota that was made smaller
    ({"day": 5}, [("day", TODAY - 1, 5)], 5),  # of yesterday
    ({"day": 5}, [("day", TOMORROW, 5)], 0),  # a clock that stepped back does not begin the day anew
    ({"day": 5}, [("month", MONTH, 9)], 5),
    ({"day": 5, "month": 9}, [("day", TODAY, 1), ("month", MONTH, 8)], 1),
    ({"month": 9, "year": 20}, [("month", MONTH, 2), ("year", YEAR, 20)], 0),
]


@pytest.mark.parametrize(("quota", "counted", "room"), HAS)
def test_there_is_room_for_what_the_shortest_quota_leaves(
    quota: dict[str, int], counted: list[tuple[str, int, int]], room: int
) -> None:
    found = senders({US1: quota, US2: None}).rooms.of({US1, US2}, [(US1, *one) for one in counted], NOW)
    assert not room or found.has(US1, room)
    assert not found.has(US1, room + 1)
    assert found.has(US2, 10**9)


def test_what_comes_back_within_a_second_and_one_phone_are_not_looked_at() -> None:
    assert senders({US1: {"second": 1, "per_peer_day": 1}}).rooms.numbers == set()


SOONEST: list[tuple[dict[str, dict[str, int]], list[tuple[str, str, int, int]], int, str]] = [
    ({US1: {"month": 1}, US2: {"day": 1}}, [(US1, "month", MONTH, 1), (US2, "day", TODAY, 1)], 1, US2),
    # Where two are used up, the longer one says.
    (
        {US1: {"day": 1, "year": 5}, US2: {"month": 1}},
        [(US1, "day", TODAY, 1), (US1, "year", YEAR, 5), (US2, "month", MONTH, 1)],
        1,
        US2,
    ),
    # One that never has so many comes last.
    ({US1: {"day": 2}, US2: {"year": 9}}, [(US2, "year", YEAR, 8)], 3, US2),
]


@pytest.mark.parametrize(("quotas", "counted", "segments", "number"), SOONEST)
def test_where_none_has_room_it_is_the_one_that_has_some_first(
    quotas: dict[str, dict[str, int] | None], counted: list[tuple[str, str, int, int]], segments: int, number: str
) -> None:
    table = senders(quotas)
    room = table.rooms.of(set(quotas), counted, NOW)
    fit = table.fit(frozenset(quotas), "direct", PEERS[0])
    assert table.choose(fit, PEERS[0], (), room, segments) == (number, "full")


def room_of(table: Senders, used: dict[str, int]) -> Room:
    return table.rooms.of(table.rooms.numbers, [(n, "day", TODAY, segments) for n, segments in used.items()], NOW)


def test_only_the_phones_of_the_number_without_room_have_another() -> None:
    table = senders({US1: {"day": 5}, US2: {"day": 5}, US3: None, CA: None})
    fit = table.fit(frozenset(table._numbers), "direct", PEERS[0])
    assert fit.metered == {US1, US2}
    room = room_of(table, {US1: 5, US2: 4})
    before = [table.choose(fit, peer, ()) for peer in PEERS]
    after = [table.choose(fit, peer, (), room) for peer in PEERS]
    assert {one.number for one in before} == {US1, US2, US3}
    for one, other in zip(before, after, strict=True):
        assert other == one if one.number != US1 else (other.number in (US2, US3) and other.why == "room")
    assert {other.number for one, other in zip(before, after, strict=True) if one.number == US1} == {US2, US3}
    # For more segments, and after what was noted.
    assert {table.choose(fit, peer, (), room, 2).number for peer in PEERS} == {US3}
    room.take(US2, 1)
    room.take(US3, 10**6)
    assert {table.choose(fit, peer, (), room).number for peer in PEERS} == {US3}


def test_those_that_fit_less_well_come_when_the_best_have_none() -> None:
    table = senders({US1: {"day": 5}, CA: {"day": 5}})
    fit = table.fit(frozenset(table._numbers), "direct", PEERS[0])
    assert table.choose(fit, PEERS[0], (), room_of(table, {})) == (US1, "hash")
    assert table.choose(fit, PEERS[0], (), room_of(table, {US1: 5})) == (CA, "room")


def test_who_wrote_to_a_number_hears_from_no_other() -> None:
    table = senders({US1: {"day": 5}, US2: None})
    fit = table.fit(frozenset(table._numbers), "direct", PEERS[0])
    assert table.choose(fit, PEERS[0], (US1,), room_of(table, {US1: 5})) == (US1, "thread")
