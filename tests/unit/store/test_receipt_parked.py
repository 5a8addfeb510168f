"""Receipts that are here before their response wait for it: bounded, counted, over a start (field notes 1, 7)."""

from __future__ import annotations

import pytest
import trio

from gateway.model import State
from gateway.outbound.sweeper import AgeParkedOp
from gateway.store.ends import rfc3339
from gateway.store.matching import UNDECIDED_MS
from gateway.store.receipts import ReceiptOp, RetryParkedOp
from gateway.store.sends import ResponseOp, Sent
from gateway.store.tx import Tuning
from tests.support.stores import START, Desk

S = State


def parked(desk: Desk) -> int:
    """The number of parked receipts; the count that the writer keeps is the same."""
    stored = int(desk.rows("SELECT count(*) FROM parked_receipt")[0][0])
    assert desk.writer.base.parked == stored
    return stored


async def test_parked_then_matched_with_all_that_it_says(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.receive(desk.receipt("a", S.UNDELIVERED, error="0x0423", receipt_state=5, reason="undelivered"))
    assert parked(desk) == 1
    assert desk.told() == []
    desk.now += 2000
    await desk.respond(mid, "A")
    (segment,) = desk.segments(mid)
    assert segment["state"] == S.UNDELIVERED
    assert (segment["error"], segment["receipt_state"], segment["reason"]) == ("0x0423", 5, "undelivered")
    assert (segment["smsc_message_id"], segment["sent_at"], segment["done_at"]) == ("A", desk.now, desk.now)
    assert [(e["state"], e["error_code"], e["at"]) for e in desk.told()] == [
        ("undelivered", "0x0423", rfc3339(START + 2000))
    ]
    assert parked(desk) == 0
    assert (desk.counts["receipt_parked"], desk.counts["receipt_unparked"]) == (1, 1)


async def test_a_receipt_in_the_burst_of_its_response_is_matched(desk: Desk) -> None:
    """Put before it or after it."""
    await desk.open()
    for first in (True, False):
        mid = await desk.submit(state=S.SUBMITTING)
        response = ResponseOp("acme", [Sent(mid, 1, f"id{first}", desk.now, True)], [], [], None)
        receipt = ReceiptOp([desk.receipt(f"id{first}")])
        await desk.do(*((receipt, response) if first else (response, receipt)))
        assert desk.states(mid) == [S.DELIVERED]
    assert len(desk.told()) == 2
    assert parked(desk) == 0


async def test_parked_over_a_start(filed: Desk) -> None:
    mid = await filed.submit(state=S.SUBMITTING, parts=2)
    await filed.receive(filed.receipt("a"), filed.receipt("0B"))
    await filed.restart()
    await filed.open()
    assert parked(filed) == 2
    filed.store.recover({"acme": False})
    await filed.respond(mid, "a", "11")  # a late response, in another form
    assert filed.states(mid) == [S.DELIVERED, S.DELIVERED]
    assert parked(filed) == 0
    assert [e["state"] for e in filed.told()] == ["delivered"]


async def test_copies_of_a_parked_receipt_are_one_end(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.receive(desk.receipt("a"), desk.receipt("a"))
    await desk.receive(desk.receipt("A"))
    await desk.respond(mid, "a")
    assert [e["state"] for e in desk.told()] == ["delivered"]
    assert desk.counts["receipt_duplicate"] == 2
    assert parked(desk) == 0


@pytest.mark.parametrize("pad", [0, 300])
async def test_of_two_parked_receipts_the_first_wins(desk: Desk, pad: int) -> None:
    """Also where many are matched at once and the statements go in pieces."""
    mids = [await desk.submit(state=S.SUBMITTING) for _ in range(pad + 1)]
    await desk.receive(*[desk.receipt(f"{i:x}f") for i in range(pad)], desk.receipt("e7", S.UNDELIVERED))
    await desk.receive(desk.receipt("231", S.DELIVERED))  # 0xe7
    sent = [Sent(mid, 1, f"{i:x}f", desk.now, True) for i, mid in enumerate(mids[:-1])]
    await desk.do(ResponseOp("acme", [*sent, Sent(mids[-1], 1, "e7", desk.now, True)], [], [], None))
    assert desk.states(mids[-1]) == [S.UNDELIVERED]
    assert {desk.states(mid)[0] for mid in mids[:-1]} <= {S.DELIVERED}
    # From three hundred the form is learnt, and the second is in another one: it waits a minute first.
    assert parked(desk) == bool(pad)
    desk.now += UNDECIDED_MS
    await desk.do(RetryParkedOp(0, before=desk.now))
    assert desk.states(mids[-1]) == [S.UNDELIVERED]
    assert desk.counts["receipt_contradiction"] == 1
    assert parked(desk) == 0


async def test_a_parked_receipt_for_another_phone_stays_parked(desk: Desk) -> None:
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.receive(desk.receipt("17", peer="+12125550199"))
    await desk.respond(mid, "23")  # 0x17
    assert desk.states(mid) == [S.SENT]
    assert parked(desk) == 1
    other = await desk.submit(state=S.SUBMITTING, peer="+12125550199")
    await desk.respond(other, "23")
    assert (desk.states(mid), desk.states(other)) == ([S.SENT], [S.DELIVERED])
    assert parked(desk) == 0


@pytest.mark.parametrize("state", [None])
async def test_what_changes_nothing_is_not_parked(desk: Desk, state: State | None) -> None:
    await desk.receive(desk.receipt("a", state, receipt_state=1))
    assert parked(desk) == 0
    assert desk.counts["receipt_no_change"] == 1


async def test_the_oldest_go_past_the_bound(nursery: trio.Nursery) -> None:
    desk = Desk(nursery, tuning=Tuning(parked_max=10))
    await desk.receive(*[desk.receipt(f"id{i}") for i in range(8)])
    assert (parked(desk), desk.counts["receipt_parked_evicted"]) == (8, 0)
    await desk.receive(*[desk.receipt(f"id{i}") for i in range(8, 30)])
    assert (parked(desk), desk.counts["receipt_parked_evicted"]) == (10, 20)
    kept = await desk.submit(state=S.SUBMITTING)
    await desk.respond(kept, "id29")
    gone = await desk.submit(state=S.SUBMITTING)
    await desk.respond(gone, "id19")
    assert (desk.states(kept), desk.states(gone)) == ([S.DELIVERED], [S.SENT])
    assert parked(desk) == 9
    await desk.close()


async def test_they_go_after_their_age(desk: Desk) -> None:
    await desk.receive(desk.receipt("old"))
    desk.now += 60_000
    await desk.receive(desk.receipt("new"))
    await desk.do(AgeParkedOp(START + 30_000))
    assert desk.rows("SELECT key FROM parked_receipt") == [("new",)]
    assert parked(desk) == 1
    assert desk.counts["receipt_parked_evicted"] == 1


async def test_the_count_survives_a_burst_that_failed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.receive(desk.receipt("a"))
    mid = await desk.submit(state=S.SUBMITTING)
    poison = ResponseOp("acme", [Sent(1 << 70, 1, "x", 0, True)], [], [], None)
    good = ResponseOp("acme", [Sent(mid, 1, "a", 0, True)], [], [], None)
    errors = await desk.burst(good, poison, ReceiptOp([desk.receipt("b")]))
    assert [type(e) for e in errors] == [type(None), OverflowError, type(None)]
    assert desk.states(mid) == [S.DELIVERED]
    assert parked(desk) == 1


async def test_a_hundred_parked_and_matched_leave_nothing(desk: Desk) -> None:
    await desk.open()
    mids = [await desk.submit(state=S.SUBMITTING, peer=f"+1212555{i:04d}") for i in range(100)]
    await desk.receive(*[desk.receipt(f"{i + 0x100:08X}", peer=f"+1212555{i:04d}") for i in range(100)])
    assert parked(desk) == 100
    sent = [Sent(mid, 1, str(i + 0x100), desk.now, True) for i, mid in enumerate(mids)]
    await desk.do(ResponseOp("acme", sent, [], [], None))
    assert {desk.states(mid)[0] for mid in mids} == {S.DELIVERED}
    assert len(desk.told()) == 100
    assert parked(desk) == 0
