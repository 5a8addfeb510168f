"""What happened beyond the usual: kept for each message, in order, within a bound, and nothing for the usual."""

from __future__ import annotations

from typing import Any

from gateway.model import State, id_ms
from gateway.store.ends import End, EndOp
from gateway.store.resolve import ResendOp
from gateway.store.sends import DoubtOp, ResponseOp, Sent
from gateway.store.trace import MOST, read
from tests.support.stores import DAY, Desk


def traces(desk: Desk, mid: int) -> list[tuple[str, int, dict[str, Any] | None]]:
    """(kind, part, detail) of a message's traces."""
    return [(t.kind, t.part, t.detail) for t in desk.store.read_now(lambda con: read(con, mid))]


async def refuse_for_now(desk: Desk, mid: int, status: int = 0x58) -> None:
    await desk.claim((mid, 1))
    row = (mid, 1, status, desk.now + 1000)
    await desk.do(ResponseOp("acme", [], [], [row], None, bind="acme/1", written={(mid, 1): desk.now - 7}))


async def test_a_usual_message_leaves_none(desk: Desk) -> None:
    await desk.open()
    mid = await desk.sent("A1", "A2")
    await desk.receive(desk.receipt("A1"), desk.receipt("A2"))
    assert desk.states(mid) == [State.DELIVERED] * 2
    assert len(desk.told()) == 1
    assert desk.rows("SELECT count(*) FROM trace") == [(0,)]


async def test_the_attempt_that_was_accepted_is_kept_with_its_segment(desk: Desk) -> None:
    mid = await desk.submit(state=State.SUBMITTING)
    sent = Sent(mid, 1, "A1", desk.now, True, written=desk.now - 12)
    await desk.do(ResponseOp("acme", [sent], [], [], None, bind="acme/2"))
    (segment,) = desk.segments(mid)
    assert (segment["bind"], segment["written_at"], segment["sent_at"]) == ("acme/2", desk.now - 12, desk.now)


async def test_refusals_are_noted_with_bind_and_times(desk: Desk) -> None:
    mid = await desk.submit()
    await refuse_for_now(desk, mid)
    await desk.claim((mid, 1))
    ends = [End(mid, 1, State.FAILED, "invalid_destination", status=11, low=low, high=low) for low in (2, 4)]
    await desk.do(ResponseOp("acme", [], ends, [], None, bind="acme/2", written={(mid, 1): desk.now - 3}))
    assert traces(desk, mid) == [
        ("retry", 1, {"status": 0x58, "due": desk.now + 1000, "bind": "acme/1", "written": desk.now - 7}),
        ("refused", 1, {"status": 11, "bind": "acme/2", "written": desk.now - 3}),
    ]
    assert desk.states(mid) == [State.FAILED]


async def test_doubt_what_followed_and_a_late_answer_are_noted(desk: Desk) -> None:
    mid = await desk.submit(state=State.SUBMITTING)
    doubt = {"carrier": "acme", "bind": "acme/1", "written": {(mid, 1): desk.now}}
    await desk.do(DoubtOp([(mid, 1)], True, **doubt))
    await desk.claim((mid, 1))
    await desk.do(DoubtOp([(mid, 1)], True, cause="lost", **doubt))
    await desk.do(ResendOp([mid]))
    await desk.do(ResponseOp("acme", [Sent(mid, 1, "A1", desk.now, True, late=True)], [], [], None, bind="acme/1"))
    known = {"bind": "acme/1", "written": desk.now}
    assert traces(desk, mid) == [
        ("doubt", 1, {"cause": "timeout", "resent": True, **known}),
        ("doubt", 1, {"cause": "lost", "resent": False, **known}),
        ("resend", 0, None),
        ("late", 1, {"status": 0, "id": "A1", "bind": "acme/1"}),
    ]


async def test_doubt_after_a_restart_is_noted(filed: Desk) -> None:
    mid = await filed.submit(state=State.SUBMITTING)
    await filed.restart()
    assert filed.store.recover({"acme": False}) == {"acme": 1}
    assert traces(filed, mid) == [("doubt", 1, {"cause": "restart", "resent": False, "claimed": id_ms(mid)})]


async def test_receipts_that_change_nothing_are_noted(desk: Desk) -> None:
    mid = await desk.sent("A1")
    await desk.receive(desk.receipt("A1", None, receipt_state=1, error=None))
    await desk.receive(desk.receipt("A1"), desk.receipt("A1"))
    await desk.receive(desk.receipt("A1", State.UNDELIVERED))
    assert [
        (kind, detail and (detail["outcome"], detail["receipt_state"])) for kind, _, detail in traces(desk, mid)
    ] == [
        ("receipt", ("no_change", 1)),
        ("receipt", ("duplicate", 2)),
        ("receipt", ("contradiction", 5)),
    ]
    assert desk.states(mid) == [State.DELIVERED]


async def test_there_is_a_bound_and_what_is_beyond_is_counted(desk: Desk) -> None:
    mid, other = await desk.submit(expires_at=desk.now + 30 * DAY), await desk.submit()
    for _ in range(MOST + 7):
        desk.now += 1000
        await refuse_for_now(desk, mid)
    await refuse_for_now(desk, other)
    found = desk.store.read_now(lambda con: read(con, mid))
    assert [t.kind for t in found] == ["retry"] * MOST + ["more"]
    assert found[-1].detail == {"count": 7}
    assert found[-1].at == desk.now
    assert desk.counts["traces_dropped"] == 7
    assert [kind for kind, _, _ in traces(desk, other)] == ["retry"]


async def test_the_bound_holds_within_one_burst(desk: Desk) -> None:
    mid = await desk.sent("A1")
    await desk.receive(*[desk.receipt("A1")] * (MOST + 4))
    assert [kind for kind, _, _ in traces(desk, mid)] == ["receipt"] * MOST + ["more"]
    assert traces(desk, mid)[-1][2] == {"count": 3}


async def test_one_statement_to_look_and_one_to_write_for_a_burst(desk: Desk) -> None:
    mids = [await desk.submit(state=State.SUBMITTING) for _ in range(16)]
    rows = [(mid, 1, 0x58, desk.now + 1000) for mid in mids]
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await desk.do(ResponseOp("acme", [], [], rows, None))
    desk.con.set_trace_callback(None)
    assert sum("trace" in sql for sql in executed) == 2
    assert all(len(traces(desk, mid)) == 1 for mid in mids)


async def test_an_end_of_another_cause_needs_none(desk: Desk) -> None:
    mid = await desk.submit()
    await desk.do(EndOp([End(mid, 0, State.CANCELLED, "cancelled", low=0, high=1)]))
    assert traces(desk, mid) == []
