"""Which segments of a message get receipts: each, the first, the last, or any; and what is its end then."""

from __future__ import annotations

import itertools

import pytest

from gateway.model import Receipts, State, message_state, receipt_awaited
from gateway.store import queries
from gateway.store.ends import End, EndOp
from gateway.store.sends import ResponseOp, Sent
from tests.support.stores import Desk

S = State
PARTS = 3


async def _submit(desk: Desk, mode: Receipts) -> int:
    return await desk.submit(parts=PARTS, receipt=int(mode), state=S.SUBMITTING)


async def _answer(desk: Desk, mid: int, mode: Receipts, *parts: int) -> None:
    sent = [Sent(mid, p, f"id{p}", desk.now, receipt_awaited(mode, p, PARTS)) for p in parts]
    await desk.do(ResponseOp("acme", sent, [], [], None))


async def _receive(desk: Desk, part: int, state: State = S.DELIVERED) -> None:
    desk.now += 1000
    await desk.receive(desk.receipt(f"id{part}", state))


def _ends(desk: Desk) -> list[tuple[str, str | None]]:
    return [(one["state"], one["reason"]) for one in desk.told()]


@pytest.mark.parametrize(("mode", "told"), [(Receipts.FIRST, 1), (Receipts.LAST, 3)])
@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3, 0))))
async def test_the_one_receipt_that_is_asked_for_is_the_end(
    desk: Desk, mode: Receipts, told: int, order: tuple[int, ...]
) -> None:
    """In any order of the three responses and the receipt (0), which may be here before its response."""
    await desk.open()
    mid = await _submit(desk, mode)
    for step, part in enumerate(order):
        if part:
            await _answer(desk, mid, mode, part)
        else:
            await _receive(desk, told)
        assert _ends(desk) == ([("delivered", "delivered")] if step == 3 else [])
    assert desk.states(mid) == [S.DELIVERED if part == told else S.SENT for part in (1, 2, 3)]
    assert desk.store.read_now(lambda con: queries.states(con, [mid])) == {mid: "delivered"}


@pytest.mark.parametrize("told", [1, 2, 3])
@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3, 0))))
async def test_any_receipt_is_the_end_where_one_is_enough(desk: Desk, told: int, order: tuple[int, ...]) -> None:
    await desk.open()
    mid = await _submit(desk, Receipts.ANY)
    for step, part in enumerate(order):
        if part:
            await _answer(desk, mid, Receipts.ANY, part)
        else:
            await _receive(desk, told)
        assert _ends(desk) == ([("delivered", "delivered")] if step == 3 else [])


async def test_a_late_refusal_by_receipt_does_not_change_what_has_ended(desk: Desk) -> None:
    await desk.open()
    mid = await _submit(desk, Receipts.ANY)
    await _answer(desk, mid, Receipts.ANY, 1, 2, 3)
    await _receive(desk, 2)
    before = desk.segments(mid)
    await _receive(desk, 3, S.UNDELIVERED)
    assert desk.segments(mid) == before
    # One that says the same is recorded, and told no second time.
    await _receive(desk, 1)
    assert desk.states(mid) == [S.DELIVERED, S.DELIVERED, S.SENT]
    assert _ends(desk) == [("delivered", "delivered")]


@pytest.mark.parametrize("mode", [Receipts.FIRST, Receipts.LAST, Receipts.ANY, Receipts.EACH])
async def test_a_bad_receipt_is_the_end_in_every_mode(desk: Desk, mode: Receipts) -> None:
    await desk.open()
    mid = await _submit(desk, mode)
    await _answer(desk, mid, mode, 1, 2, 3)
    await _receive(desk, 3 if mode == Receipts.LAST else 1, S.UNDELIVERED)
    assert [state for state, _ in _ends(desk)] == ["undelivered"]


@pytest.mark.parametrize("mode", [Receipts.FIRST, Receipts.LAST, Receipts.ANY, Receipts.EACH])
async def test_a_refused_segment_is_the_end_in_every_mode(desk: Desk, mode: Receipts) -> None:
    await desk.open()
    mid = await _submit(desk, mode)
    await _answer(desk, mid, mode, 1, 2)
    await desk.do(EndOp([End(mid, 3, S.FAILED, "carrier_refused", low=2, high=2)]))
    assert [state for state, _ in _ends(desk)] == ["failed"]
    if mode == Receipts.ANY:
        await _receive(desk, 1)
    assert [state for state, _ in _ends(desk)] == ["failed"]


async def test_where_each_is_told_of_all_are_waited_for(desk: Desk) -> None:
    await desk.open()
    mid = await _submit(desk, Receipts.EACH)
    await _answer(desk, mid, Receipts.EACH, 1, 2, 3)
    await _receive(desk, 1)
    await _receive(desk, 3)
    assert _ends(desk) == []
    await _receive(desk, 2)
    assert _ends(desk) == [("delivered", "delivered")]


async def test_segments_that_wait_for_nothing_are_not_overdue(desk: Desk) -> None:
    first = await _submit(desk, Receipts.FIRST)
    await _answer(desk, first, Receipts.FIRST, 1, 2, 3)

    def overdue() -> int:
        return desk.store.read_now(lambda con: queries.sent_without_receipt(con, 0, desk.now + 1000))

    assert overdue() == 1
    await _receive(desk, 1)
    assert overdue() == 0


def test_a_settled_segment_lets_the_others_decide() -> None:
    assert message_state([(3, 5), (5, 6)]) is S.DELIVERED
    assert message_state([(3, 5), (3, None)]) is S.SENT
    assert message_state([(3, 5), (1, None)]) is S.QUEUED
    assert message_state([(3, 5), (6, 9)]) is S.UNDELIVERED
    assert message_state([(3, 5), (3, 6)]) is S.SENT
