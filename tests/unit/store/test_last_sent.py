"""The last message of ours on a pair, as rules and events look at it."""

from __future__ import annotations

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
