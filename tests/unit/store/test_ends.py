"""The end of a message: of its parts together, told once, and never another afterwards."""

from __future__ import annotations

import itertools

import pytest

from gateway.model import FINAL, State
from gateway.store import queries
from gateway.store.ends import End, EndOp, rfc3339
from gateway.store.receipts import ReceiptOp
from gateway.store.sends import ResponseOp
from tests.support.stores import NUMBER, PEER, START, Desk

S = State


def end(mid: int, part: int = 0, state: State = S.FAILED, reason: str = "resolved", **given: object) -> EndOp:
    return EndOp([End(mid, part, state, reason, **given)])  # type: ignore[arg-type]


def refusal(mid: int, part: int, status: int = 0x0B) -> ResponseOp:
    refused = [End(mid, part, S.FAILED, "invalid_destination", status=status, low=2, high=2)]
    return ResponseOp("acme", [], refused, [], None)


def shown(desk: Desk, mid: int) -> str:
    return desk.store.read_now(lambda con: queries.states(con, [mid]))[mid]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (START + 7, "2025-10-09T08:53:20.007Z"),
        (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
        (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
    ],
)
def test_rfc3339(ms: int, text: str) -> None:
    assert rfc3339(ms) == text
    assert rfc3339(ms) == text  # the second is kept, the milliseconds are not


async def test_the_end_of_a_message_is_told_with_what_the_app_needs(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(ref="order-7", meta='{"a":[1,"é"]}', parts=1)
    desk.now += 1500
    await desk.do(end(mid, state=S.CANCELLED, reason="cancelled", high=1))
    assert desk.told() == [
        {
            "at": rfc3339(START + 1500),
            "id": desk.store.id_text.format(mid),
            "ref": "order-7",
            "state": "cancelled",
            "reason": "cancelled",
            "error_code": None,
            "from": NUMBER,
            "to": PEER,
            "segments": 1,
            "meta": {"a": [1, "é"]},
        }
    ]
    assert desk.counts["ended:cancelled"] == 1
    (segment,) = desk.segments(mid)
    assert (segment["done_at"], segment["reason"], segment["due_at"]) == (START + 1500, "cancelled", None)


async def test_an_end_is_told_once_whatever_comes_later(desk: Desk) -> None:
    await desk.open()
    mid = await desk.sent("a", "b")
    await desk.receive(desk.receipt("a", S.UNDELIVERED, error="042"))
    desk.now += 1
    await desk.receive(desk.receipt("b", S.EXPIRED), desk.receipt("a", S.DELIVERED))
    await desk.do(end(mid))
    assert [(e["state"], e["reason"], e["error_code"]) for e in desk.told()] == [("undelivered", "undelivered", "042")]
    assert sum(desk.counts["ended:" + s.word] for s in FINAL) == 1
    assert shown(desk, mid) == "undelivered"


async def test_what_is_unsent_of_a_refused_message_ends_with_it(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(parts=4)
    await desk.claim((mid, 1), (mid, 2))
    await desk.respond(mid, "a")
    await desk.do(refusal(mid, 2))
    assert desk.states(mid) == [S.SENT, S.FAILED, S.FAILED, S.FAILED]
    assert [s["reason"] for s in desk.segments(mid)] == [None] + ["invalid_destination"] * 3
    assert [s["status"] for s in desk.segments(mid)] == [0, 0x0B, None, None]
    assert await desk.claim((mid, 3), (mid, 4)) == set()
    assert [(e["state"], e["reason"]) for e in desk.told()] == [("failed", "invalid_destination")]


async def test_what_is_on_the_wire_of_a_refused_message_waits_for_its_own_answer(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(parts=2, state=S.SUBMITTING)
    await desk.do(refusal(mid, 1))
    assert desk.states(mid) == [S.FAILED, S.SUBMITTING]
    await desk.respond(mid, "b", first=2)
    await desk.receive(desk.receipt("b"))
    assert desk.states(mid) == [S.FAILED, S.DELIVERED]
    assert shown(desk, mid) == "failed"
    assert len(desk.told()) == 1


@pytest.mark.parametrize("ended", [1, 2, 3])
async def test_the_code_of_the_deciding_part_is_told(desk: Desk, ended: int) -> None:
    """Parts that end with it have no code of their own, wherever they stand."""
    await desk.open()
    mid = await desk.submit(parts=3)
    await desk.claim((mid, ended))
    await desk.respond(mid, "x", first=ended)
    await desk.receive(desk.receipt("x", S.UNDELIVERED, error="069"))
    assert [s["state"] for s in desk.segments(mid)] == [S.UNDELIVERED] * 3
    assert [(e["state"], e["error_code"]) for e in desk.told()] == [("undelivered", "069")]


async def test_a_delivered_part_ends_nothing_else(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(parts=2)
    await desk.claim((mid, 1))
    await desk.respond(mid, "a")
    await desk.receive(desk.receipt("a"))
    assert desk.states(mid) == [S.DELIVERED, S.QUEUED]
    assert desk.told() == []


async def test_all_segments_end_together_where_no_part_is_named(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(parts=3)
    op = end(mid, state=S.CANCELLED, reason="cancelled", high=1)
    await desk.do(op)
    assert op.changed == {mid}
    assert desk.states(mid) == [S.CANCELLED] * 3
    assert len(desk.told()) == 1


async def test_a_message_is_cancelled_whole_or_not_at_all(desk: Desk) -> None:
    """Between the look at it and the end, a part may have been claimed."""
    await desk.open()
    mid, free = await desk.submit(parts=3), await desk.submit(parts=3)
    await desk.claim((mid, 1))
    ops = [end(m, state=S.CANCELLED, reason="cancelled", high=1, whole=True) for m in (mid, free)]
    await desk.do(*ops)
    assert [op.changed for op in ops] == [set(), {free}]
    assert desk.states(mid) == [S.SUBMITTING, S.QUEUED, S.QUEUED]
    assert desk.states(free) == [S.CANCELLED] * 3
    assert len(desk.told()) == 1


async def test_an_end_that_does_not_hold_changes_nothing(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    cancel, unknown = end(mid, state=S.CANCELLED, reason="cancelled", high=1), end(999)
    await desk.do(cancel, unknown)
    assert (cancel.changed, unknown.changed) == (set(), set())
    assert desk.states(mid) == [S.SUBMITTING]
    assert desk.told() == []
    assert desk.counts["ends_ignored"] == 1


async def test_two_ends_of_one_message_in_one_burst_are_one(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit()
    first, second = end(mid, state=S.CANCELLED, reason="cancelled", high=1), end(mid, state=S.EXPIRED, high=1)
    await desk.do(first, second)
    assert (first.changed, second.changed) == ({mid}, set())
    assert [e["state"] for e in desk.told()] == ["cancelled"]


@pytest.mark.parametrize("step", [-3_600_000, -1, 0, 1])
@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
async def test_a_final_state_stays_when_the_clock_does_not_move_on(
    desk: Desk, step: int, first: int, then: int
) -> None:
    """The first bad end is the message's, also when a later one bears an earlier or the same time."""
    await desk.open()
    mid = await desk.sent("id1", "id2")
    await desk.receive(desk.receipt(f"id{first}", S.UNDELIVERED))
    desk.now += step
    await desk.receive(desk.receipt(f"id{then}", S.EXPIRED))
    assert shown(desk, mid) == "undelivered"
    assert [e["state"] for e in desk.told()] == ["undelivered"]


@pytest.mark.parametrize(("refused", "gone"), [(1, 2), (2, 1)])
async def test_what_is_told_is_what_is_shown_when_two_ends_share_a_burst(desk: Desk, refused: int, gone: int) -> None:
    await desk.open()
    mid = await desk.submit(parts=2, state=S.SUBMITTING)
    await desk.respond(mid, "x", first=gone)
    await desk.do(refusal(mid, refused), ReceiptOp([desk.receipt("x", S.UNDELIVERED)]))
    assert [e["state"] for e in desk.told()] == [shown(desk, mid)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_an_end_in_any_order_is_told_once_and_is_what_is_shown(desk: Desk, order: tuple[int, ...]) -> None:
    await desk.open()
    mid = await desk.sent("a", "b", "c", "d")
    receipts = [
        desk.receipt("a", S.DELIVERED),
        desk.receipt("b", S.UNDELIVERED, error="1"),
        desk.receipt("c", S.EXPIRED, error="2"),
        desk.receipt("d", S.DELIVERED),
    ]
    bad = [i for i in order if i in (1, 2)]
    for i in order:
        desk.now += 1
        await desk.receive(receipts[i])
    told = desk.told()
    assert len(told) == 1
    assert told[0]["state"] == shown(desk, mid) == ("undelivered" if bad[0] == 1 else "expired")
    assert told[0]["error_code"] == str(bad[0])


async def test_every_end_at_every_part_is_told_once(desk: Desk) -> None:
    await desk.open()
    for state, parts in itertools.product(sorted(FINAL - {S.DELIVERED}), (1, 2, 3)):
        for part in range(1, parts + 1):
            desk.events.clear()
            mid = await desk.submit(parts=parts)
            await desk.do(end(mid, part, state, "resolved", high=1))
            assert [e["state"] for e in desk.told()] == [state.word] == [shown(desk, mid)]
            assert desk.states(mid) == [state] * parts


DAMAGE = {
    "octets that are no text": ("peer = CAST(x'2b31ff' AS TEXT)", "+1\ufffd"),
    "a blob in the place of a text": ("peer = x'2b31'", None),
    "a text in that of a number": ("receipt = 'yes'", None),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_what_is_damaged_ends_with_the_others(desk: Desk, damage: str) -> None:
    """It is told of as far as it can be read, and holds up no other."""
    change, peer = DAMAGE[damage]
    await desk.open()
    mids = [await desk.submit() for _ in range(5)]
    desk.con.execute(f"UPDATE message SET {change} WHERE id = ?", (mids[2],))
    await desk.do(EndOp([End(mid, 0, S.FAILED, "unsendable", high=1) for mid in mids]))
    assert [desk.states(mid) for mid in mids] == [[S.FAILED]] * 5
    told = [event["to"] for event in desk.told()]
    assert told == [PEER, PEER, *([] if peer is None else [peer]), PEER, PEER]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_receipts_for_others_come_in_beside_one_for_what_is_damaged(desk: Desk, damage: str) -> None:
    change, peer = DAMAGE[damage]
    await desk.open()
    mids = [await desk.sent(f"G{i}") for i in range(5)]
    desk.con.execute(f"UPDATE message SET {change} WHERE id = ?", (mids[2],))
    await desk.receive(*[desk.receipt(f"G{i}") for i in range(5)])
    assert [desk.states(mid) for i, mid in enumerate(mids) if i != 2] == [[S.DELIVERED]] * 4
    # By its id alone, where the message can be read; else the receipt is kept.
    assert desk.states(mids[2]) == [S.SENT if peer is None else S.DELIVERED]
    assert desk.rows("SELECT count(*) FROM parked_receipt") == [(int(peer is None),)]
