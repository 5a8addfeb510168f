"""In doubt: written, perhaps, and not answered. Sent at most once more, or held; settled late, never lost."""

from __future__ import annotations

from functools import partial

import pytest

from gateway.model import State, id_ms
from gateway.store import queries
from gateway.store.ends import End, EndOp
from gateway.store.resolve import ResendOp
from gateway.store.sends import DoubtOp, ResponseOp, Sent
from gateway.store.trace import read
from tests.support.stores import Desk

S = State


async def doubt(desk: Desk, mid: int, *, resend: bool = True, part: int = 1) -> State:
    op = DoubtOp([(mid, part)], resend)
    await desk.do(op)
    return State(op.states[mid, part])


def late(desk: Desk, mid: int, *, raw: str | None = None, part: int = 1) -> ResponseOp:
    """A response after its time: positive with ``raw``, else a refusal for good, put as the flow puts it."""
    if raw is not None:
        return ResponseOp("acme", [Sent(mid, part, raw, desk.now, True, late=True)], [], [], None)
    ends = [End(mid, part, S.FAILED, "carrier_refused", status=0x45, low=s, high=s) for s in (1, 4)]
    return ResponseOp("acme", [], ends, [], None)


async def test_resend_once_then_hold(desk: Desk) -> None:
    mid = await desk.submit(state=S.SUBMITTING)
    assert await doubt(desk, mid) is S.QUEUED
    assert desk.segments(mid)[0]["in_doubt"] == 1
    await desk.claim((mid, 1))
    assert await doubt(desk, mid) is S.IN_DOUBT
    (segment,) = desk.segments(mid)
    assert (segment["in_doubt"], segment["attempts"]) == (2, 2)
    assert await desk.claim((mid, 1)) == set()
    assert desk.counts["in_doubt"] == 2


async def test_each_segment_has_its_own_resend(desk: Desk) -> None:
    mid = await desk.submit(parts=2, state=S.SUBMITTING)
    assert await doubt(desk, mid, part=1) is S.QUEUED
    await desk.claim((mid, 1))
    op = DoubtOp([(mid, 1), (mid, 2)], True)
    await desk.do(op)
    assert op.states == {(mid, 1): S.IN_DOUBT, (mid, 2): S.QUEUED}


async def test_hold_never_sends_again(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    assert await doubt(desk, mid, resend=False) is S.IN_DOUBT
    assert desk.told() == []
    assert desk.store.read_now(lambda con: queries.states(con, [mid])) == {mid: "in_doubt"}
    assert desk.store.read_now(lambda con: queries.doubtful(con, "acme")) == [mid]
    assert desk.store.read_now(lambda con: queries.doubtful(con, "other")) == []


async def test_only_what_is_unanswered_comes_into_doubt(desk: Desk) -> None:
    mid = await desk.sent("a")
    op = DoubtOp([(mid, 1)], True)
    await desk.do(op)
    assert op.states == {(mid, 1): S.SENT}
    assert desk.counts["in_doubt"] == 0


# --- settled late -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resend", [True, False])
async def test_a_late_response_settles_it(desk: Desk, resend: bool) -> None:
    mid = await desk.submit(state=S.SUBMITTING)
    await doubt(desk, mid, resend=resend)
    await desk.do(late(desk, mid, raw="a"))
    assert desk.states(mid) == [S.SENT]
    assert await desk.claim((mid, 1)) == set(), "what is settled is not sent again"
    await desk.receive(desk.receipt("a"))
    assert desk.states(mid) == [S.DELIVERED]


@pytest.mark.parametrize("resend", [True, False])
@pytest.mark.parametrize("raw", ["a", None])
async def test_a_late_response_settles_it_in_the_same_burst(desk: Desk, resend: bool, raw: str | None) -> None:
    """The answer comes a moment after the wait for it ended: both are in one burst."""
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.do(DoubtOp([(mid, 1)], resend), late(desk, mid, raw=raw))
    assert desk.states(mid) == [S.SENT if raw else S.FAILED]
    assert desk.segments(mid)[0]["in_doubt"] == 1
    assert [e["state"] for e in desk.told()] == ([] if raw else ["failed"])


@pytest.mark.parametrize("resend", [True, False])
async def test_a_late_refusal_settles_it(desk: Desk, resend: bool) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await doubt(desk, mid, resend=resend)
    await desk.do(late(desk, mid))
    assert desk.states(mid) == [S.FAILED]
    assert [(e["state"], e["reason"]) for e in desk.told()] == [("failed", "carrier_refused")]


async def test_a_late_refusal_says_nothing_of_the_second_attempt(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await doubt(desk, mid)
    await desk.claim((mid, 1))
    await desk.do(late(desk, mid))
    assert desk.states(mid) == [S.SUBMITTING]
    assert desk.told() == []


async def test_either_attempt_s_receipt_ends_it(desk: Desk) -> None:
    for raw in ("first", "second"):
        mid = await desk.submit(state=S.SUBMITTING)
        await doubt(desk, mid)
        await desk.claim((mid, 1))
        await desk.do(late(desk, mid, raw="first" + str(mid)))
        await desk.respond(mid, "second" + str(mid))
        await desk.receive(desk.receipt(raw + str(mid)))
        assert desk.states(mid) == [S.DELIVERED]


async def test_a_receipt_settles_what_is_in_doubt(desk: Desk) -> None:
    """Its response is lost, an earlier attempt of it gave the id."""
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await doubt(desk, mid)
    await desk.claim((mid, 1))
    await desk.do(late(desk, mid, raw="a"))
    desk.put_in(mid, S.IN_DOUBT)
    await desk.receive(desk.receipt("a"))
    assert desk.states(mid) == [S.DELIVERED]
    assert [e["state"] for e in desk.told()] == ["delivered"]


async def test_an_operator_settles_it(desk: Desk) -> None:
    await desk.open()
    again, given_up, other = [await desk.submit(parts=2, state=S.SUBMITTING) for _ in range(3)]
    for mid in (again, given_up):
        await desk.respond(mid, f"sent {mid}")
        await doubt(desk, mid, resend=False, part=2)
    resend = ResendOp([again, other, 999])
    fail = EndOp([End(i, 0, S.FAILED, "resolved", low=4, high=4) for i in (given_up, other)])
    await desk.do(resend, fail)
    assert (resend.changed, fail.changed) == ({again}, {given_up})
    assert desk.states(again) == [S.SENT, S.QUEUED]
    assert desk.states(given_up) == [S.SENT, S.FAILED]
    assert desk.states(other) == [S.SUBMITTING, S.SUBMITTING]
    assert [(e["state"], e["reason"]) for e in desk.told()] == [("failed", "resolved")]
    # sent again by hand, and in doubt again: held
    await desk.claim((again, 2))
    assert await doubt(desk, again, part=2) is S.IN_DOUBT


# --- at a start -------------------------------------------------------------------------------------------------------


async def test_recovery_goes_by_the_policy_of_each_carrier(filed: Desk) -> None:
    mids = {name: await filed.submit(carrier=name, state=S.SUBMITTING, parts=2) for name in ("a", "b", "gone")}
    queued = await filed.submit(carrier="a")
    await filed.restart()
    assert filed.store.recover({"a": True, "b": False}) == {"a": 2, "b": 2, "gone": 2}
    assert filed.states(mids["a"]) == [S.QUEUED, S.QUEUED]
    assert filed.states(mids["b"]) == [S.IN_DOUBT, S.IN_DOUBT]
    assert filed.states(mids["gone"]) == [S.IN_DOUBT, S.IN_DOUBT], "a carrier that is not configured: held"
    assert {s["in_doubt"] for mid in mids.values() for s in filed.segments(mid)} == {1}
    assert filed.segments(queued)[0]["in_doubt"] == 0
    assert filed.store.recover({"a": True, "b": False}) == {}


async def test_recovery_notes_since_when_it_was_perhaps_written(filed: Desk) -> None:
    at_once = await filed.submit(carrier="a", state=S.SUBMITTING)
    later = await filed.submit(carrier="a")
    filed.now += 5000
    claimed = filed.now
    await filed.claim((later, 1))
    filed.now += 5000
    await filed.restart()
    filed.store.recover({"a": True})
    noted = {mid: [t.detail for t in filed.store.read_now(partial(read, message_id=mid))] for mid in (at_once, later)}
    assert noted == {
        at_once: [{"cause": "restart", "resent": True, "claimed": id_ms(at_once)}],
        later: [{"cause": "restart", "resent": True, "claimed": claimed}],
    }
    await filed.claim((later, 1))
    await filed.restart()
    filed.store.recover({"a": True})
    last = filed.store.read_now(partial(read, message_id=later))[-1].detail
    assert last == {"cause": "restart", "resent": False, "claimed": claimed + 5000}


async def test_the_second_crash_holds(filed: Desk) -> None:
    mid = await filed.submit(state=S.SUBMITTING)
    await filed.restart()
    filed.store.recover({"acme": True})
    await filed.claim((mid, 1))
    await filed.restart()
    assert filed.store.recover({"acme": True}) == {"acme": 1}
    assert filed.states(mid) == [S.IN_DOUBT]


async def test_what_this_epoch_claimed_is_not_recovered(filed: Desk) -> None:
    old = await filed.submit(state=S.SUBMITTING)
    epoch = filed.store.epoch
    await filed.restart()
    assert filed.store.epoch == epoch + 1
    new = await filed.submit(state=S.SUBMITTING)
    assert filed.store.recover({"acme": True}) == {"acme": 1}
    assert filed.states(old) == [S.QUEUED]
    assert filed.states(new) == [S.SUBMITTING]


async def test_recovery_sends_no_rest_of_a_refused_message(filed: Desk) -> None:
    mid = await filed.submit(parts=2, state=S.SUBMITTING)
    refused = End(mid, 1, S.FAILED, "carrier_refused", status=8, low=2, high=2)
    await filed.do(ResponseOp("acme", [], [refused], [], None))
    await filed.restart()
    filed.store.recover({"acme": True})
    assert filed.states(mid) == [S.FAILED, S.FAILED]
    assert await filed.claim((mid, 2)) == set()


async def test_what_was_answered_before_the_crash_is_not_in_doubt(filed: Desk) -> None:
    sent = await filed.sent("a")
    await filed.restart()
    assert filed.store.recover({"acme": True}) == {}
    assert filed.states(sent) == [S.SENT]
    await filed.receive(filed.receipt("a"))
    assert filed.states(sent) == [S.DELIVERED]
