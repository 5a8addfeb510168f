"""From which of our numbers peers were told how to stop marketing, and their language: asked before planning."""

from __future__ import annotations

import pytest

from gateway.model import BAD_ENDS, CLASSES, State
from gateway.store.known import TOLD_OF, Need, ask
from gateway.store.submits import SubmitOp
from tests.support.stores import NUMBER, PEER, Desk

OTHER_NUMBER, OTHER_PEER = "+15551230002", "+12125550199"
MARKETING = CLASSES.index("marketing")


async def tell(desk: Desk, number: str = NUMBER, **given: object) -> int:
    message = desk.new(klass=MARKETING, number=number, **given)
    message.tells = True
    await desk.do(SubmitOp([message]))
    return message.id


def told(desk: Desk, peer: str = PEER) -> set[str]:
    return ask(desk.con, [(peer, Need.TOLD)])[peer].told


async def test_it_is_known_by_number(desk: Desk) -> None:
    await desk.submit(klass=MARKETING)
    assert told(desk) == set()
    await tell(desk, OTHER_NUMBER)
    assert told(desk) == {OTHER_NUMBER}
    await tell(desk)
    assert told(desk) == {NUMBER, OTHER_NUMBER}
    assert told(desk, OTHER_PEER) == set()


@pytest.mark.parametrize("state", State)
async def test_what_did_not_reach_the_phone_told_nobody(desk: Desk, state: State) -> None:
    mid = await tell(desk)
    desk.con.execute("UPDATE segment SET state = ? WHERE message_id = ?", (state, mid))
    assert told(desk) == (set() if state in BAD_ENDS else {NUMBER})
    await tell(desk)
    assert told(desk) == {NUMBER}


async def test_who_was_told_knows_it_when_the_message_is_gone(desk: Desk) -> None:
    mid = await tell(desk)
    for table, column in (("message", "id"), ("segment", "message_id")):
        desk.con.execute(f"DELETE FROM {table} WHERE {column} = ?", (mid,))
    assert told(desk) == {NUMBER}


async def test_what_is_not_stored_tells_nobody(desk: Desk) -> None:
    await desk.submit(ref="r", digest=b"1")
    await tell(desk, ref="r", digest=b"1")
    assert told(desk) == set()


async def test_it_is_found_by_keys(desk: Desk) -> None:
    plan = desk.con.execute(f"EXPLAIN QUERY PLAN {TOLD_OF.sql()}", (PEER,)).fetchall()
    assert any("PRIMARY KEY (peer=?)" in row[3] for row in plan), plan
    assert not any("SCAN t" in row[3] or "SCAN s" in row[3] for row in plan), plan


async def test_each_kind_of_fact_is_one_statement_for_a_burst(desk: Desk) -> None:
    desk.con.execute(
        "INSERT INTO peer (address, fields, created_at) VALUES (?, ?, 0)", (OTHER_PEER, '{"language": "de"}')
    )
    await tell(desk)
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    peers = [PEER, OTHER_PEER, *(f"+1212555{i:04}" for i in range(62))]
    known = ask(desk.con, [(peer, Need.TOLD | Need.FIELDS) for peer in peers])
    desk.con.set_trace_callback(None)
    assert len(executed) == 2
    assert (known[PEER].told, known[PEER].language) == ({NUMBER}, None)
    assert (known[OTHER_PEER].told, known[OTHER_PEER].language) == (set(), "de")
