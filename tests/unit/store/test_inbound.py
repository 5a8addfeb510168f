"""Inbound messages: stored whole, in the order in which they came, told to those whom they are for."""

from __future__ import annotations

import pytest

from gateway.store.ends import rfc3339
from gateway.store.inbound import Arrival, Extra, InboundOp
from tests.support.inbound import part, parts, single
from tests.support.stores import NUMBER, PEER, START, Desk

OTHER_NUMBER, OTHER_PEER = "+15551230002", "+12125550199"


async def receive(desk: Desk, *arrivals: Arrival) -> None:
    await desk.do(InboundOp(list(arrivals)))


def stored(desk: Desk) -> list[tuple[object, ...]]:
    return desk.rows("SELECT text, parts, complete FROM inbound ORDER BY id")


async def test_a_message_is_stored_and_told(desk: Desk) -> None:
    await desk.open()
    await receive(desk, single("Yes 👍", extra=Extra(tlvs={"0x1400": "31"})))
    ((mid, *row),) = desk.rows("SELECT * FROM inbound")
    assert row == ["acme", NUMBER, PEER, "Yes 👍", None, "ucs2", 1, 1, '{"tlvs":{"0x1400":"31"}}']
    assert desk.told("inbound") == [
        {
            "at": rfc3339(START),
            "id": desk.store.id_text.format(mid),
            "number": NUMBER,
            "peer": PEER,
            "text": "Yes 👍",
            "data": None,
            "encoding": "ucs2",
            "parts": 1,
            "complete": True,
            "carrier": "acme",
            "tlvs": {"0x1400": "31"},
        }
    ]


async def test_octets_without_text_are_told_in_hexadecimal(desk: Desk) -> None:
    await desk.open()
    await receive(desk, single(None, data=b"\x00\xff\x10", encoding="binary"))
    (event,) = desk.told("inbound")
    assert (event["text"], event["data"], event["encoding"]) == (None, "00ff10", "binary")


async def test_the_order_of_a_burst_is_the_order_of_arrival(desk: Desk) -> None:
    """Single messages and long ones, over several operations; a long one stands where its last part came."""
    await desk.open()
    long, longer = parts("first " * 30, ref=1), parts("second " * 30, ref=2, peer=OTHER_PEER)
    ops = [
        InboundOp([single("a"), long[0], longer[0], single("b")]),
        InboundOp([longer[1], single("c"), long[1], single("d"), *long[2:], *longer[2:]]),
        InboundOp([single("e")]),
    ]
    await desk.do(*ops)
    expected = ["a", "b", "c", "d", "first " * 30, "second " * 30, "e"]
    assert [e["text"] for e in desk.told("inbound")] == expected
    assert [e.seq for e in desk.events] == list(range(1, len(expected) + 1))
    assert [row[0] for row in stored(desk)] == expected


@pytest.mark.parametrize("copy_of", [0, 1])
async def test_a_copy_behind_it_does_not_move_a_long_message(desk: Desk, copy_of: int) -> None:
    await desk.open()
    first, second = parts("long " * 20, ref=9)
    await receive(desk, first)
    again = parts("long " * 20, ref=9)[copy_of]
    await receive(desk, second, single("after"), again)
    assert [e["text"] for e in desk.told("inbound")] == ["long " * 20, "after"]


# --- whom it is for ---------------------------------------------------------------------------------------------------


async def test_who_is_told(desk: Desk) -> None:
    desk.store.streams.configure(
        {"all": None, "one": frozenset({NUMBER}), "none": frozenset()}, {NUMBER: ("crm", "unknown"), OTHER_NUMBER: ()}
    )
    crm = await desk.open("crm", kind="handler", app="")
    everything = await desk.open(app="all")
    receipts = await desk.open("receipts", app="all", events=frozenset({"receipt"}))
    chosen = await desk.open("chosen", app="all", numbers=frozenset({OTHER_NUMBER}))
    own = await desk.open(app="one")
    nothing = await desk.open(app="none")
    gone = await desk.open(app="gone")
    await receive(desk, single("1"), single("2", number=OTHER_NUMBER), single("3", number="+15550000000"))

    def got(stream: int) -> list[str]:
        told = zip(desk.events, desk.told("inbound"), strict=True)
        return [payload["text"] for event, payload in told if event.stream == stream]

    assert got(crm) == ["1"]
    assert got(everything) == ["1", "2", "3"]
    assert got(receipts) == []
    assert got(chosen) == ["2"]
    assert got(own) == ["1"]
    assert got(nothing) == got(gone) == []


async def test_a_message_for_nobody_is_stored_and_counted(desk: Desk) -> None:
    """The carrier is told that it is here, so it has to be (field note 10)."""
    await receive(desk, single("hello"))
    assert stored(desk) == [("hello", 1, 1)]
    assert desk.counts["inbound_unrouted"] == 1
    assert desk.events == []


async def test_new_settings_count_from_the_next_message_on(desk: Desk) -> None:
    stream = await desk.open(app="one")
    await receive(desk, single("1"))
    desk.store.streams.configure({"one": frozenset({NUMBER})}, {})
    await receive(desk, single("2"))
    desk.store.streams.configure({"one": frozenset()}, {})
    await receive(desk, single("3"))
    assert [(e.stream, e.seq) for e in desk.events] == [(stream, 1)]
    assert [e["text"] for e in desk.told("inbound")] == ["2"]


async def test_messages_are_there_after_a_start(filed: Desk) -> None:
    stream = await filed.open()
    await receive(filed, *[single(f"{i}") for i in range(5)])
    await filed.restart()
    assert [row[0] for row in stored(filed)] == list("01234")
    assert [row[0] for row in filed.rows("SELECT seq FROM event WHERE stream = ? ORDER BY seq", stream)] == [
        1, 2, 3, 4, 5,
    ]  # fmt: skip
    await receive(filed, single("5"))
    assert filed.events[0].seq == 6


async def test_every_octet_and_every_character_survives(desk: Desk) -> None:
    await desk.open()
    texts = [
        "\0",
        "a\0b",
        "'; DROP TABLE inbound; --",
        "\u2028\u2029",
        "\U0010ffff",
        "é" * 500,
        "🏴‍☠️",
        "\ufeff",
        "\r\n",
    ]
    await receive(desk, *[single(text) for text in texts], single(None, data=bytes(range(256)), encoding="binary"))
    assert [row[0] for row in stored(desk)] == [*texts, None]
    assert desk.rows("SELECT data FROM inbound WHERE text IS NULL") == [(bytes(range(256)),)]
    assert [e["text"] for e in desk.told("inbound")] == [*texts, None]


async def test_a_part_stands_alone_where_the_total_is_one(desk: Desk) -> None:
    """Some phones number every message, all with one reference: none of them waits, or is taken for a copy."""
    await desk.open()
    for _ in range(3):
        await receive(desk, part(b"ok", ref=0, total=1, seq=1), part(b"ok", ref=0, total=1, seq=1))
    assert [e["text"] for e in desk.told("inbound")] == ["ok"] * 6
    assert desk.rows("SELECT count(*) FROM mo_message") == [(0,)]
