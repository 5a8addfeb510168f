"""What receipts make of a segment and of a message of several: monotone, one end, one event (field notes 4, 5)."""

from __future__ import annotations

import itertools

import pytest

from gateway.model import State
from tests.support.stores import Desk

S = State


async def test_a_receipt_ends_a_message(desk: Desk) -> None:
    await desk.open()
    mid = await desk.sent("a", ref="r")
    sent_at = desk.now
    desk.now += 3000
    await desk.receive(desk.receipt("a", error="000"))
    (segment,) = desk.segments(mid)
    assert (segment["state"], segment["reason"], segment["error"]) == (S.DELIVERED, "delivered", "000")
    assert (segment["sent_at"], segment["done_at"], segment["receipt_state"]) == (sent_at, desk.now, 2)
    assert segment["status"] == 0
    assert [(e["state"], e["ref"], e["reason"]) for e in desk.told()] == [("delivered", "r", "delivered")]
    assert desk.counts["ended:delivered"] == 1


@pytest.mark.parametrize("receipt_state", [0, 1, 6, 7])
async def test_intermediate_receipts_change_nothing(desk: Desk, receipt_state: int) -> None:
    await desk.open()
    mid = await desk.sent("a")
    before = desk.segments(mid)
    await desk.receive(desk.receipt("a", None, receipt_state=receipt_state))
    assert desk.segments(mid) == before
    assert desk.counts["receipt_no_change"] == 1
    await desk.receive(desk.receipt("a"))
    assert desk.states(mid) == [S.DELIVERED]


@pytest.mark.parametrize("one_burst", [True, False])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(
    ("first", "second", "counted"),
    [
        (S.DELIVERED, S.DELIVERED, "receipt_duplicate"),
        (S.DELIVERED, S.UNDELIVERED, "receipt_contradiction"),
        (S.UNDELIVERED, S.DELIVERED, "receipt_contradiction"),
        (S.UNDELIVERED, S.UNDELIVERED, "receipt_duplicate"),
        (S.EXPIRED, S.DELIVERED, "receipt_contradiction"),
        (S.DELIVERED, S.EXPIRED, "receipt_contradiction"),
    ],
)
async def test_the_first_final_receipt_wins(
    desk: Desk, first: State, second: State, counted: str, parts: int, one_burst: bool
) -> None:
    await desk.open()
    mid = await desk.sent(*"ab"[:parts])
    if parts == 2:
        await desk.receive(desk.receipt("b"))
    receipts = desk.receipt("a", first, error="1"), desk.receipt("a", second, error="2")
    if one_burst:
        await desk.receive(*receipts)
        before = desk.segments(mid)
    else:
        await desk.receive(receipts[0])
        before = desk.segments(mid)
        desk.now += 1000
        await desk.receive(receipts[1])
    assert desk.segments(mid) == before
    assert (before[0]["state"], before[0]["error"]) == (first, "1")
    assert [(e["state"]) for e in desk.told()] == [first.word]
    other = {"receipt_duplicate", "receipt_contradiction"} - {counted}
    assert (desk.counts[counted], desk.counts[other.pop()]) == (1, 0)


async def test_an_intermediate_one_after_the_end_is_no_contradiction(desk: Desk) -> None:
    mid = await desk.sent("a")
    await desk.receive(desk.receipt("a"))
    await desk.receive(desk.receipt("a", None, receipt_state=1))
    assert desk.states(mid) == [S.DELIVERED]
    assert desk.counts["receipt_contradiction"] == desk.counts["receipt_duplicate"] == 0


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
async def test_delivered_when_all_parts_are(desk: Desk, order: tuple[str, ...]) -> None:
    await desk.open()
    mid = await desk.sent("a", "b", "c")
    for i, raw in enumerate(order):
        assert desk.told() == [], i
        desk.now += 1
        await desk.receive(desk.receipt(raw))
        await desk.receive(desk.receipt(raw))
    assert [(e["state"], e["segments"]) for e in desk.told()] == [("delivered", 3)]
    assert desk.states(mid) == [S.DELIVERED] * 3
    assert desk.counts["receipt_duplicate"] == 3


async def test_all_parts_in_one_burst_are_one_event(desk: Desk) -> None:
    await desk.open()
    mids = [await desk.sent(f"{i}a", f"{i}b", f"{i}c") for i in range(40)]
    await desk.receive(*[desk.receipt(f"{i}{part}") for part in "abc" for i in range(40)])
    assert [e["id"] for e in desk.told()] == [desk.store.id_text.format(mid) for mid in mids]
    assert {e["state"] for e in desk.told()} == {"delivered"}


@pytest.mark.parametrize("bad", "abc")
async def test_undelivered_when_any_part_is(desk: Desk, bad: str) -> None:
    await desk.open()
    await desk.sent("a", "b", "c")
    for raw in "abc":
        await desk.receive(desk.receipt(raw, S.UNDELIVERED if raw == bad else S.DELIVERED, error=raw))
        desk.now += 1
    assert [(e["state"], e["error_code"]) for e in desk.told()] == [("undelivered", bad)]


async def test_a_receipt_before_the_response_of_another_part(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(parts=2, state=S.SUBMITTING)
    await desk.receive(desk.receipt("b"), desk.receipt("a"))
    await desk.respond(mid, "b", first=2)
    assert desk.states(mid) == [S.SUBMITTING, S.DELIVERED]
    assert desk.told() == []
    await desk.respond(mid, "a")
    assert desk.states(mid) == [S.DELIVERED, S.DELIVERED]
    assert [e["state"] for e in desk.told()] == ["delivered"]


async def test_a_receipt_nobody_asked_for_is_no_second_end(desk: Desk) -> None:
    await desk.open()
    for parts in (1, 2):
        mid = await desk.sent(*[f"x{parts}{part}" for part in range(parts)], receipt=False)
        assert desk.states(mid) == [S.SENT] * parts
        await desk.receive(*[desk.receipt(f"x{parts}{part}") for part in range(parts)])
    assert [e["state"] for e in desk.told()] == ["sent", "sent"]


async def test_receipts_over_a_start(filed: Desk) -> None:
    stream = await filed.open()
    mid = await filed.sent("a", "b")
    await filed.receive(filed.receipt("a"))
    await filed.restart()
    await filed.receive(filed.receipt("b"), filed.receipt("a"))
    assert filed.states(mid) == [S.DELIVERED, S.DELIVERED]
    assert [e["state"] for e in filed.told()] == ["delivered"]
    assert [e.stream for e in filed.events] == [stream]


async def test_a_receipt_is_recorded_also_where_nobody_listens(desk: Desk) -> None:
    mid = await desk.sent("a")
    await desk.receive(desk.receipt("a"))
    assert desk.states(mid) == [S.DELIVERED]
    assert desk.rows("SELECT count(*) FROM event") == [(0,)]
    assert desk.counts["ended:delivered"] == 1
