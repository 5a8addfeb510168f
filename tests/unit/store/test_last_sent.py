"""The last message of ours on a pair, as rules and events look at it."""

from __future__ import annotations

import msgspec

from gateway.store.ends import rfc3339
from gateway.store.inbound import Arrival, InboundOp
from gateway.store.last import LOOKED_THROUGH, SELECT_LAST, last_sent
from gateway.store.submits import SubmitOp
from tests.support.stores import NUMBER, PEER, Desk

OTHER_NUMBER, OTHER_PEER = "+15551230002", "+12125550199"


async def test_the_newest_of_the_pair_counts(desk: Desk) -> None:
    await desk.submit(meta='{"campaign":"old"}')
    desk.now += 60_000
    newest = await desk.submit(app="shop", klass=2, meta='{"campaign":"spring"}', ref="r-1")
    at = desk.now
    desk.now += 60_000
    await desk.submit(number=OTHER_NUMBER)
    await desk.submit(peer=OTHER_PEER, meta=None)
    found = last_sent(desk.con, [(NUMBER, PEER), (NUMBER, OTHER_PEER), (OTHER_NUMBER, OTHER_PEER), (NUMBER, PEER)])
    assert found[NUMBER, PEER] == (newest, "shop", "marketing", {"campaign": "spring"}, "r-1", at)
    assert found[NUMBER, OTHER_PEER].meta == {}
    assert (OTHER_NUMBER, OTHER_PEER) not in found


async def test_forwards_and_automatic_replies_do_not_hide_it(desk: Desk) -> None:
    asked = await desk.submit()
    for door in ("forward", "reply"):
        message = desk.new(door=door)
        await desk.do(SubmitOp([message]))
    assert last_sent(desk.con, [(NUMBER, PEER)])[NUMBER, PEER].id == asked


async def test_a_row_that_is_damaged_says_nothing(desk: Desk) -> None:
    await desk.submit(meta="{")
    assert last_sent(desk.con, [(NUMBER, PEER)])[NUMBER, PEER].meta == {}


async def test_it_reads_a_bounded_number_of_rows(desk: Desk) -> None:
    """A phone that hundreds of messages from other numbers went to is looked at as far as the bound."""
    await desk.submit()
    await desk.do(SubmitOp([desk.new(number=OTHER_NUMBER) for _ in range(LOOKED_THROUGH - 1)]))
    assert (NUMBER, PEER) in last_sent(desk.con, [(NUMBER, PEER)])
    await desk.submit(number=OTHER_NUMBER)
    assert (NUMBER, PEER) not in last_sent(desk.con, [(NUMBER, PEER)])
    plan = desk.con.execute(f"EXPLAIN QUERY PLAN {SELECT_LAST.sql()}", (0, NUMBER, PEER)).fetchall()
    assert any("message_peer (peer=?)" in row[3] for row in plan), plan
    assert not any("SCAN message" in row[3] for row in plan), plan


async def test_one_statement_for_a_burst(desk: Desk) -> None:
    await desk.submit()
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    last_sent(desk.con, [(NUMBER, f"+1212555{i:04}") for i in range(256)])
    desk.con.set_trace_callback(None)
    assert len(executed) == 1


# --- in events --------------------------------------------------------------------------------------------------------


def arrival(desk: Desk, text: str, *, peer: str = PEER, number: str = NUMBER) -> Arrival:
    return Arrival(
        carrier="acme", number=number, peer=peer, at=desk.now, text=text, data=None, encoding="gsm7", extra=None
    )


async def test_a_handler_that_asks_for_it_is_told_and_nobody_else(desk: Desk) -> None:
    """One statement for the burst; a subscription of another app is not told what this one sent."""
    for_handlers = {NUMBER: ("crm", "plain"), OTHER_NUMBER: ("plain",)}
    desk.store.streams.configure({"app": None}, for_handlers, told_last=frozenset({"crm"}))
    crm = await desk.open("crm", kind="handler", app="")
    plain = await desk.open("plain", kind="handler", app="")
    own = await desk.open(app="app")
    sent = await desk.submit(app="shop", klass=2, meta='{"campaign":"spring"}', ref="r-1")
    at = desk.now
    desk.now += 90_500
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await desk.do(
        InboundOp(
            [
                arrival(desk, "yes"),
                arrival(desk, "who?", peer=OTHER_PEER),
                arrival(desk, "other", number=OTHER_NUMBER),
                arrival(desk, "again"),
            ]
        )
    )
    desk.con.set_trace_callback(None)
    assert len([sql for sql in executed if "JOIN message" in sql]) == 1
    told: dict[int, list[dict]] = {crm: [], plain: [], own: []}
    for event in desk.events:
        told[event.stream].append(msgspec.json.decode(event.payload))
    assert [e["text"] for e in told[crm]] == ["yes", "who?", "again"]
    assert (
        told[crm][0]["last"]
        == told[crm][2]["last"]
        == {
            "id": desk.store.id_text.format(sent),
            "ref": "r-1",
            "app": "shop",
            "class": "marketing",
            "meta": {"campaign": "spring"},
            "at": rfc3339(at),
            "age": 90.5,
        }
    )
    assert told[crm][1]["last"] is None
    assert [e["text"] for e in told[plain]] == [e["text"] for e in told[own]] == ["yes", "who?", "other", "again"]
    assert not any("last" in e for e in told[plain] + told[own])
    assert [e.seq for e in desk.events if e.stream == crm] == [1, 2, 3]


async def test_without_such_a_handler_nothing_is_asked(desk: Desk) -> None:
    desk.store.streams.configure(
        {"app": None}, {NUMBER: ("plain",), OTHER_NUMBER: ("crm",)}, told_last=frozenset({"crm"})
    )
    await desk.open("plain", kind="handler", app="")
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await desk.do(InboundOp([arrival(desk, "yes")]))
    desk.con.set_trace_callback(None)
    assert not any("JOIN message" in sql for sql in executed)
