"""What waits for a receipt is found in pages along the key; what query_sm says settles the attempt asked for."""

from __future__ import annotations

import pytest

from gateway.model import State, id_floor
from gateway.store.overdue import STATE_KEY, Overdue, QueriedOp, RoundsOp, overdue, rounds
from gateway.store.trace import read
from tests.support.stores import NUMBER, START, Desk

S = State
TOP = id_floor(START + 1_000_000)


def found(desk: Desk, after: int = 0, before: int = TOP, limit: int = 1000) -> tuple[list[Overdue], int | None]:
    return desk.store.read_now(lambda con: overdue(con, "acme", after, before, limit))


async def test_what_is_found(desk: Desk) -> None:
    whole = await desk.sent("a", "b")
    await desk.submit()
    await desk.submit(state=S.SUBMITTING, peer="+12125550199")
    await desk.sent("c", carrier="other")
    await desk.sent("d", receipt=False)
    ended = await desk.sent("e", "f")
    await desk.receive(desk.receipt("e"))
    await desk.sent("")  # without an id there is nothing to ask with
    held = await desk.sent("g")
    desk.put_in(held, S.IN_DOUBT)
    assert found(desk) == (
        [
            Overdue(whole, 1, "a", NUMBER, desk.now),
            Overdue(whole, 2, "b", NUMBER, desk.now),
            Overdue(ended, 2, "f", NUMBER, desk.now),
        ],
        None,
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_pages_hold_each_segment_once(desk: Desk, limit: int) -> None:
    """Also where a page ends within a message, or holds nothing that is wanted."""
    mids = []
    for i in range(6):
        mids.append(await desk.sent(f"{i}x", f"{i}y", f"{i}z"))
        await desk.submit()
    seen: list[tuple[int, int]] = []
    after: int | None = 0
    pages = 0
    while after is not None:
        page, after = found(desk, after, limit=limit)
        seen += [(o.message_id, o.part) for o in page]
        pages += 1
        assert pages < 100
    assert seen == [(mid, part) for mid in mids for part in (1, 2, 3)]


async def test_from_and_up_to_an_id(desk: Desk) -> None:
    first = await desk.sent("a")
    second = await desk.sent("b")
    third = await desk.sent("c")
    assert [o.message_id for o in found(desk, first, third)[0]] == [second]


async def test_an_end_settles_once_and_leaves_a_trace(desk: Desk) -> None:
    await desk.open()
    mid = await desk.sent("a")
    ((asked,), _) = found(desk)
    await desk.do(QueriedOp("acme", asked, 0, desk.receipt("a", None, receipt_state=1, reason=None)))
    assert desk.states(mid) == [S.SENT]
    await desk.do(QueriedOp("acme", asked, 0x67, None))
    assert desk.states(mid) == [S.SENT]
    await desk.do(QueriedOp("acme", asked, 0, desk.receipt("a", S.UNDELIVERED)))
    assert desk.states(mid) == [S.UNDELIVERED]
    assert [(e["state"], e["error_code"]) for e in desk.told()] == [("undelivered", "069")]
    # the first final state stays, whichever way it came
    await desk.do(QueriedOp("acme", asked, 0, desk.receipt("a", S.DELIVERED)))
    await desk.receive(desk.receipt("a", S.DELIVERED))
    assert desk.states(mid) == [S.UNDELIVERED]
    assert desk.counts["receipt_contradiction"] == 2
    assert len(desk.told()) == 1
    traces = desk.store.read_now(lambda con: read(con, mid))
    assert [t.detail["status"] for t in traces if t.kind == "query" and t.detail] == [0, 0x67, 0, 0]


async def test_the_receipt_may_be_faster(desk: Desk) -> None:
    mid = await desk.sent("a")
    ((asked,), _) = found(desk)
    await desk.receive(desk.receipt("a"))
    await desk.do(QueriedOp("acme", asked, 0, desk.receipt("a", S.UNDELIVERED)))
    assert desk.states(mid) == [S.DELIVERED]


async def test_an_attempt_that_is_no_longer_the_one_is_not_settled(desk: Desk) -> None:
    """A late response gave the segment another id, or it went to another carrier, since it was asked for."""
    for column, value in (("smsc_message_id", "other"), ("carrier", "other")):
        mid = await desk.sent("a")
        asked = found(desk)[0][-1]
        desk.con.execute(f"UPDATE segment SET {column} = ? WHERE message_id = ?", (value, mid))
        await desk.do(QueriedOp("acme", asked, 0, desk.receipt("a")))
        assert desk.states(mid) == [S.SENT]
    assert desk.counts["receipt_stale"] == 1


async def test_where_rounds_stand_is_kept(filed: Desk) -> None:
    assert filed.store.read_now(lambda con: rounds(con, "acme")) == []
    await filed.do(RoundsOp("acme", [3, 2, 1]))
    await filed.do(RoundsOp("acme", [5, 2, 1]))
    await filed.restart()
    assert filed.store.read_now(lambda con: rounds(con, "acme")) == [5, 2, 1]
    filed.con.execute("UPDATE carrier_state SET value = 'broken' WHERE key = ?", (STATE_KEY,))
    assert filed.store.read_now(lambda con: rounds(con, "acme")) == []
