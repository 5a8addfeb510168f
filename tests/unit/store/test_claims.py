"""Claims take only what still waits, each segment once; what was not written goes back."""

from __future__ import annotations

import pytest

from gateway.model import FINAL, State
from gateway.store.ends import End, EndOp
from gateway.store.hot import ALIKE
from gateway.store.sends import ClaimOp, UnclaimOp
from tests.support.stores import Desk


async def test_a_claim_is_stored_with_its_epoch_and_counted_as_an_attempt(desk: Desk) -> None:
    mid = await desk.submit(parts=2, due_at=desk.now)
    assert await desk.claim((mid, 1), (mid, 2)) == {(mid, 1), (mid, 2)}
    for segment in desk.segments(mid):
        assert segment["state"] == State.SUBMITTING
        assert segment["epoch"] == desk.store.epoch
        assert segment["attempts"] == 1
        assert segment["due_at"] is None


async def test_a_message_that_finds_a_free_slot_is_claimed_by_its_insert(desk: Desk) -> None:
    mid = await desk.submit(parts=2, state=State.SUBMITTING)
    assert [(s["state"], s["epoch"], s["attempts"]) for s in desk.segments(mid)] == [(2, desk.store.epoch, 1)] * 2
    assert desk.rows("SELECT count(*) FROM segment WHERE state = 1") == [(0,)]


@pytest.mark.parametrize("state", sorted({*FINAL, State.SCHEDULED, State.SUBMITTING, State.SENT, State.IN_DOUBT}))
async def test_what_waits_no_more_is_not_claimed(desk: Desk, state: State) -> None:
    gone, waits = await desk.submit(), await desk.submit()
    desk.put_in(gone, state)
    assert await desk.claim((gone, 1), (waits, 1)) == {(waits, 1)}
    assert desk.states(gone) == [state]
    assert desk.segments(gone)[0]["attempts"] == 0
    assert await desk.claim((gone, 1)) == set()


async def test_a_claim_is_given_to_the_carrier_that_has_the_segment(desk: Desk) -> None:
    """Both may ask in one burst, where a message has just gone from one to the other."""
    mid = await desk.submit(carrier="other")
    left, has = ClaimOp([(mid, 1)], carrier="acme"), ClaimOp([(mid, 1)], carrier="other")
    await desk.do(left, has)
    assert (set(left.claimed), set(has.claimed)) == (set(), {(mid, 1)})


async def test_what_is_not_stored_is_not_claimed(desk: Desk) -> None:
    assert await desk.claim((12345, 1)) == set()


async def test_a_message_cancelled_while_its_claim_gathers_is_not_claimed(desk: Desk) -> None:
    cancelled, other = await desk.submit(), await desk.submit()
    claim = ClaimOp([(cancelled, 1), (other, 1)])
    cancel = EndOp([End(cancelled, 0, State.CANCELLED, "cancelled", low=0, high=1)])
    await desk.do(claim, cancel)
    assert set(claim.claimed) == {(other, 1)}
    assert cancel.changed == {cancelled}
    assert desk.states(cancelled) == [State.CANCELLED]


async def test_a_claim_before_the_cancel_wins(desk: Desk) -> None:
    mid = await desk.submit()
    assert await desk.claim((mid, 1)) == {(mid, 1)}
    cancel = EndOp([End(mid, 0, State.CANCELLED, "cancelled", low=0, high=1)])
    await desk.do(cancel)
    assert cancel.changed == set()
    assert desk.states(mid) == [State.SUBMITTING]


async def test_two_who_claim_the_same_segment_do_not_both_get_it(desk: Desk) -> None:
    mid, other = await desk.submit(), await desk.submit()
    first, second = ClaimOp([(mid, 1)]), ClaimOp([(mid, 1), (other, 1)])
    await desk.do(first, second)
    assert (set(first.claimed), set(second.claimed)) == ({(mid, 1)}, {(other, 1)})
    assert desk.segments(mid)[0]["attempts"] == 1
    assert await desk.claim((mid, 1)) == set()


async def test_claims_of_a_large_burst_are_given_to_those_who_asked(desk: Desk) -> None:
    ids = [await desk.submit() for _ in range(300)]
    gone = set(ids[::7])
    for mid in gone:
        desk.put_in(mid, State.EXPIRED)
    ops = [ClaimOp([(mid, 1) for mid in ids[i : i + 60]]) for i in range(0, 300, 60)]
    await desk.do(*ops)
    for i, op in enumerate(ops):
        assert set(op.claimed) == {(mid, 1) for mid in ids[i * 60 : i * 60 + 60] if mid not in gone}


@pytest.mark.parametrize("lost", [False, True])
async def test_claims_of_a_burst_are_written_as_those_of_each(desk: Desk, lost: bool) -> None:
    """Of several parts and carriers, of each so many that they go together, or fewer; one of them is gone or none."""
    long = [await desk.submit(parts=3) for _ in range(ALIKE)]
    few = [await desk.submit(parts=2, carrier="other") for _ in range(ALIKE - 1)]
    any_carrier = [await desk.submit(carrier="third") for _ in range(2 * ALIKE)]
    ops = [
        ClaimOp([(mid, part) for mid in long for part in (1, 2, 3)], carrier="acme"),
        ClaimOp([(mid, part) for mid in few for part in (1, 2)], carrier="other"),
        ClaimOp([(mid, 1) for mid in any_carrier]),
    ]
    gone = {(long[3], 1)} if lost else set()
    for mid, part in gone:
        desk.put_in(mid, State.CANCELLED, part)
    await desk.do(*ops)
    for op in ops:
        assert set(op.claimed) == set(op.keys) - gone
    for mid in (*long, *few, *any_carrier):
        for s in desk.segments(mid):
            taken = (State.SUBMITTING, 1, desk.store.epoch, desk.now)
            expected = (State.CANCELLED, 0, 0, None) if (mid, s["part"]) in gone else taken
            assert (s["state"], s["attempts"], s["epoch"], s["written_at"]) == expected


async def test_an_unwritten_claim_goes_back_as_if_it_had_not_been(desk: Desk) -> None:
    mid = await desk.submit(parts=3)
    before = desk.segments(mid)
    await desk.claim((mid, 1), (mid, 2))
    await desk.do(UnclaimOp([(mid, 1), (mid, 2)]))
    after = desk.segments(mid)
    assert [s["state"] for s in after] == [State.QUEUED] * 3
    assert [s["attempts"] for s in after] == [0, 0, 0]
    assert [s["in_doubt"] for s in after] == [0, 0, 0]
    for segment in (*before, *after):
        del segment["epoch"]
    assert after == before


@pytest.mark.parametrize("state", sorted(set(State) - {State.SUBMITTING}))
async def test_only_a_claim_can_be_given_back(desk: Desk, state: State) -> None:
    mid = await desk.submit()
    desk.put_in(mid, state)
    await desk.do(UnclaimOp([(mid, 1)]))
    assert desk.states(mid) == [state]


async def test_what_goes_back_can_be_claimed_again(desk: Desk) -> None:
    mid = await desk.submit()
    for attempt in range(3):
        assert await desk.claim((mid, 1)) == {(mid, 1)}
        assert desk.segments(mid)[0]["attempts"] == 1, attempt
        await desk.do(UnclaimOp([(mid, 1)]))
