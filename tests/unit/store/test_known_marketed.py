"""From which of our numbers peers got marketing, and their language: asked before a message is planned."""

from __future__ import annotations

import pytest

from gateway.model import BAD_ENDS, CLASSES, State
from gateway.store.known import MARKETED_OF, MOST_MESSAGES, Need, ask
from gateway.store.submits import SubmitOp
from tests.support.stores import NUMBER, PEER, Desk

OTHER_NUMBER, OTHER_PEER = "+15551230002", "+12125550199"
MARKETING = CLASSES.index("marketing")


def marketed(desk: Desk, peer: str = PEER) -> set[str]:
    return ask(desk.con, [(peer, Need.MARKETED)])[peer].marketed


async def test_texts_of_that_class_count_by_number(desk: Desk) -> None:
    await desk.submit(klass=CLASSES.index("transactional"))
    await desk.submit(klass=CLASSES.index("direct"))
    await desk.submit(klass=MARKETING, encoding="binary")
    assert marketed(desk) == set()
    await desk.submit(klass=MARKETING, number=OTHER_NUMBER)
    assert marketed(desk) == {OTHER_NUMBER}
    await desk.submit(klass=MARKETING)
    assert marketed(desk) == {NUMBER, OTHER_NUMBER}
    assert marketed(desk, OTHER_PEER) == set()


@pytest.mark.parametrize("state", State)
async def test_what_did_not_reach_the_phone_does_not_count(desk: Desk, state: State) -> None:
    mid = await desk.submit(klass=MARKETING)
    desk.con.execute("UPDATE segment SET state = ? WHERE message_id = ?", (state, mid))
    assert marketed(desk) == (set() if state in BAD_ENDS else {NUMBER})


async def test_it_reads_a_bounded_number_of_rows(desk: Desk) -> None:
    await desk.submit(klass=MARKETING)
    await desk.do(SubmitOp([desk.new(number=OTHER_NUMBER) for _ in range(MOST_MESSAGES - 1)]))
    assert marketed(desk) == {NUMBER}
    await desk.submit(number=OTHER_NUMBER)
    assert marketed(desk) == set()
    plan = desk.con.execute(f"EXPLAIN QUERY PLAN {MARKETED_OF.sql()}", (PEER,)).fetchall()
    assert any("message_peer (peer=? AND id>?)" in row[3] for row in plan), plan
    assert not any("SCAN m" in row[3] or "SCAN s" in row[3] for row in plan), plan


async def test_each_kind_of_fact_is_one_statement_for_a_burst(desk: Desk) -> None:
    desk.con.execute(
        "INSERT INTO peer (address, fields, created_at) VALUES (?, ?, 0)", (OTHER_PEER, '{"language": "de"}')
    )
    await desk.submit(klass=MARKETING)
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    peers = [PEER, OTHER_PEER, *(f"+1212555{i:04}" for i in range(62))]
    known = ask(desk.con, [(peer, Need.MARKETED | Need.FIELDS) for peer in peers])
    desk.con.set_trace_callback(None)
    assert len(executed) == 2
    assert (known[PEER].marketed, known[PEER].language) == ({NUMBER}, None)
    assert (known[OTHER_PEER].marketed, known[OTHER_PEER].language) == (set(), "de")
