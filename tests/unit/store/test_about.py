"""What the settings say of numbers, as the store tells it with events; and numbers that nobody hears."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from gateway.settings import Settings
from gateway.store.about import About, Numbers, numbers_of
from gateway.store.arrivals import Arrival
from gateway.store.inbound import InboundOp
from tests.support.rulings import always, rule
from tests.support.stores import NUMBER, PEER, Desk

OTHER = "+15551230009"


def single(text: str, number: str = NUMBER, peer: str = PEER) -> Arrival:
    return Arrival(
        carrier="acme", number=number, peer=peer, at=0, text=text, data=None, encoding="gsm7", extra=None
    )  # fmt: skip


def configure(
    desk: Desk,
    about: Mapping[str, About] | None = None,
    unheard: Mapping[str, int] | None = None,
    answers: Mapping[str, tuple[str, int | None]] | None = None,
) -> None:
    desk.store.streams.configure({"app": None}, {}, Numbers(about or {}, unheard or {}, answers or {}))


def test_what_is_taken_from_the_settings() -> None:
    numbers: list[dict[str, Any]] = [
        {"number": "+12025550101"},
        {"number": "+12025550102", "owner": "Anna"},
        {"number": "+12025550103", "meta": {"team": "north"}, "state": "released"},
        {"number": "12345", "state": "held", "held_until": "1970-01-01"},
        {"number": "54321", "state": "held", "held_until": "1970-01-01", "inbound_when_held": "reply"},
        {"number": "6789", "state": "held", "inbound_when_held": "reply", "reply_when_held": "No."},
        {"number": "9876", "state": "active", "inbound_when_held": "reply"},
    ]
    found = numbers_of(Settings.model_validate({"numbers": numbers}))
    assert found.about == {
        "+12025550102": About(UNSET, "Anna"),
        "+12025550103": About({"team": "north"}, UNSET),
    }
    assert found.unheard == {"+12025550103": 0, "12345": 86_400_000, "54321": 0, "6789": 0}
    assert found.answers == {"54321": ("This number is not monitored.", 86_400_000), "6789": ("No.", None)}
    assert [found.answer("54321", now) is None for now in (0, 86_399_999, 86_400_000)] == [False, False, True]
    assert (found.answer("6789", 86_400_000), found.answer("9876", 0)) == ("No.", None)
    assert [found.hears("12345", now) for now in (0, 86_399_999, 86_400_000)] == [True, True, False]


async def test_events_say_what_is_known_of_their_number(desk: Desk) -> None:
    await desk.open()
    configure(desk, {NUMBER: About({"team": "north"}, "Anna"), OTHER: About(UNSET, UNSET, "sales")})
    await desk.do(InboundOp([single("1"), single("2", OTHER), single("3", "+15550000000")]))
    first, second, third = desk.told("inbound")
    assert (first["number_meta"], first["owner"]) == ({"team": "north"}, "Anna")
    assert ({"number_meta", "owner"} & second.keys(), second["group"]) == (set(), "sales")
    assert not {"number_meta", "owner", "group"} & third.keys()


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
    assert desk.rows("SELECT number, peer FROM thread") == [(NUMBER, PEER)]
    assert (desk.counts["inbound_unmonitored"], desk.counts.get("inbound_unrouted", 0)) == (2, 0)


async def test_the_moment_counts(desk: Desk) -> None:
    await desk.open()
    configure(desk, unheard={NUMBER: desk.now + 1000})
    await desk.do(InboundOp([single("before")]))
    configure(desk, unheard={NUMBER: desk.now})
    await desk.do(InboundOp([single("after")]))
    assert [event["text"] for event in desk.told("inbound")] == ["before"]


async def test_who_writes_to_a_held_number_is_answered_now_and_then(desk: Desk) -> None:
    """Within the guards of automatic replies, and nobody is told of the message; no rule is asked."""
    book = await rule(desk, always())
    await desk.open()
    configure(desk, unheard={NUMBER: 0}, answers={NUMBER: ("Not monitored.", None)})
    await desk.do(InboundOp([single("1"), single("2"), single("3", peer="12345"), single("4", peer="+12125550177")]))
    assert [(e["to"], e["number"], e["text"]) for e in desk.told("reply")] == [
        (PEER, NUMBER, "Not monitored."),
        ("+12125550177", NUMBER, "Not monitored."),
    ]
    assert (desk.told("inbound"), book.asked) == ([], [])
    desk.now += 60_000
    await desk.do(InboundOp([single("5")]))
    assert len(desk.told("reply")) == 2
    desk.now += 600_000
    await desk.do(InboundOp([single("6")]))
    assert len(desk.told("reply")) == 3
    assert desk.counts["inbound_unmonitored"] == 6
    kept = [json.loads(extra) for (extra,) in desk.rows("SELECT extra FROM inbound ORDER BY id")]
    assert [one.get("replied", False) for one in kept] == [True, False, False, True, False, True]
    assert "a short while ago" in kept[1]["held_back"][0]
    assert "short code" in kept[2]["held_back"][0]


async def test_no_answer_once_it_is_released(desk: Desk) -> None:
    await rule(desk, always())
    configure(desk, unheard={NUMBER: 0}, answers={NUMBER: ("Not monitored.", desk.now)})
    await desk.do(InboundOp([single("1")]))
    assert desk.events == []
    assert desk.rows("SELECT text, extra FROM inbound") == [("1", '{"unheard":true}')]
