"""What the settings say of numbers, as the store tells it with events; and numbers that nobody hears."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from gateway.settings import Settings
from gateway.store.about import About, Numbers, numbers_of
from gateway.store.arrivals import Arrival
from gateway.store.inbound import InboundOp
from tests.support.stores import NUMBER, PEER, Desk

OTHER = "+15551230009"


def single(text: str, number: str = NUMBER) -> Arrival:
    return Arrival(
        carrier="acme", number=number, peer=PEER, at=0, text=text, data=None, encoding="gsm7", extra=None
    )  # fmt: skip


def configure(desk: Desk, about: Mapping[str, About] | None = None, unheard: Mapping[str, int] | None = None) -> None:
    desk.store.streams.configure({"app": None}, {}, Numbers(about or {}, unheard or {}))


def test_what_is_taken_from_the_settings() -> None:
    numbers: list[dict[str, Any]] = [
        {"number": "+12025550101"},
        {"number": "+12025550102", "owner": "Anna"},
        {"number": "+12025550103", "meta": {"team": "north"}, "state": "released"},
        {"number": "12345", "state": "held", "held_until": "1970-01-01"},
    ]
    found = numbers_of(Settings.model_validate({"numbers": numbers}))
    assert found.about == {
        "+12025550102": About(UNSET, "Anna"),
        "+12025550103": About({"team": "north"}, UNSET),
    }
    assert found.unheard == {"+12025550103": 0, "12345": 86_400_000}
    assert [found.hears("12345", now) for now in (0, 86_399_999, 86_400_000)] == [True, True, False]


async def test_events_say_what_is_known_of_their_number(desk: Desk) -> None:
    await desk.open()
    configure(desk, {NUMBER: About({"team": "north"}, "Anna"), OTHER: About(UNSET, "Bob")})
    await desk.do(InboundOp([single("1"), single("2", OTHER), single("3", "+15550000000")]))
    first, second, third = desk.told("inbound")
    assert (first["number_meta"], first["owner"]) == ({"team": "north"}, "Anna")
    assert ("number_meta" in second, second["owner"]) == (False, "Bob")
    assert not {"number_meta", "owner"} & third.keys()


async def test_receipts_say_it_too(desk: Desk) -> None:
    await desk.open()
    configure(desk, {NUMBER: About({"team": "north"}, "Anna")})
    await desk.sent("a1")
    await desk.sent("a2", number=OTHER)
    await desk.receive(desk.receipt("a1"), desk.receipt("a2"))
    first, second = desk.told()
    assert (first["number_meta"], first["owner"], first["state"]) == ({"team": "north"}, "Anna", "delivered")
    assert not {"number_meta", "owner"} & second.keys()


async def test_what_comes_to_a_number_that_nobody_hears_is_stored_alone(desk: Desk) -> None:
    """No event, no thread and no peer; the others of the burst are not touched by it."""
    await desk.open(events=frozenset({"inbound", "peer.created"}))
    configure(desk, unheard={OTHER: 0})
    await desk.do(InboundOp([single("gone", OTHER)]))
    assert desk.events == []
    assert desk.rows("SELECT count(*) FROM peer") == desk.rows("SELECT count(*) FROM thread") == [(0,)]
    await desk.do(InboundOp([single("1"), single("gone too", OTHER), single("2")]))
    assert [event["text"] for event in desk.told("inbound")] == ["1", "2"]
    assert sorted(desk.rows("SELECT text FROM inbound")) == [("1",), ("2",), ("gone",), ("gone too",)]
    assert desk.rows("SELECT number, unread FROM thread") == [(NUMBER, 2)]
    assert (desk.counts["inbound_unmonitored"], desk.counts.get("inbound_unrouted", 0)) == (2, 0)


async def test_the_moment_counts(desk: Desk) -> None:
    await desk.open()
    configure(desk, unheard={NUMBER: desk.now + 1000})
    await desk.do(InboundOp([single("before")]))
    configure(desk, unheard={NUMBER: desk.now})
    await desk.do(InboundOp([single("after")]))
    assert [event["text"] for event in desk.told("inbound")] == ["before"]
