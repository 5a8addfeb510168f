"""Messages taken from a carrier: which may go, what becomes of their rows, and that nobody claims them there."""

from __future__ import annotations

import pytest

from gateway.model import State
from gateway.store.reroute import Candidate, Cause, Plan, Refused, RerouteOp, Unit
from gateway.store.sends import ClaimOp
from tests.support.stores import NUMBER, PEER, Desk

S = State


class ToBeta:
    """A planner that sends all to beta as they are, but for those that stay."""

    receipts = True

    def __init__(self, *, sticky: bool = True, stays: frozenset[int] = frozenset()) -> None:
        self.sticky = sticky
        self.stays = stays
        self.asked: list[tuple[int, Cause, str | None]] = []

    def plan(self, message: Candidate, cause: Cause, now: int, target: str | None = None) -> Plan | None:
        self.asked.append((message.id, cause, target))
        if message.id in self.stays:
            return None
        m = message
        return Plan(
            "beta", "all", self.sticky, m.body, m.encoding, m.options, m.scheme, m.concat_ref, m.parts, m.receipt
        )


def planned(desk: Desk, **given: object) -> ToBeta:
    planner = ToBeta(**given)  # type: ignore[arg-type]
    desk.writer.base.planner = planner
    return planner


async def test_segments_are_made_anew(desk: Desk) -> None:
    planned(desk)
    mid = await desk.submit(parts=2, lane=1, rank=3, shard=5)
    desk.con.execute("UPDATE segment SET attempts = 4, status = 88, due_at = 7 WHERE part = 1")
    op = RerouteOp("acme", "down", ids=[mid])
    await desk.do(op)
    (m,) = op.moved
    assert (m.id, m.source, m.target, m.before, m.after, m.sticky) == (mid, "acme", "beta", 2, 2, True)
    for segment in desk.segments(mid):
        known = {
            key: segment[key] for key in ("carrier", "state", "lane", "rank", "shard", "attempts", "status", "due_at")
        }
        assert known == {
            "carrier": "beta", "state": S.QUEUED, "lane": 1, "rank": 3, "shard": 5, "attempts": 0, "status": None,
            "due_at": None,
        }  # fmt: skip
    assert desk.rows("SELECT number, peer, carrier FROM sticky") == [(NUMBER, PEER, "beta")]
    assert desk.rows("SELECT route, tried FROM message") == [("all", None)]


@pytest.mark.parametrize("state", [s for s in State if s != S.QUEUED])
async def test_only_what_is_unsent_as_a_whole_goes(desk: Desk, state: State) -> None:
    planner = planned(desk)
    mid = await desk.submit(parts=2)
    desk.put_in(mid, state, 2)
    op = RerouteOp("acme", "down", ids=[mid])
    await desk.do(op)
    assert op.moved == []
    assert planner.asked == []
    assert desk.states(mid) == [S.QUEUED, state]


async def test_what_was_in_doubt_stays(desk: Desk) -> None:
    planned(desk)
    mid = await desk.submit()
    desk.con.execute("UPDATE segment SET in_doubt = 1")
    op = RerouteOp("acme", "down", ids=[mid])
    await desk.do(op)
    assert op.moved == []


async def test_what_is_with_another_carrier_already_stays_there(desk: Desk) -> None:
    planned(desk)
    mid = await desk.submit(carrier="gamma")
    op = RerouteOp("acme", "down", ids=[mid])
    await desk.do(op)
    assert op.moved == []
    assert [s["carrier"] for s in desk.segments(mid)] == ["gamma"]


async def test_a_claim_for_the_carrier_that_it_left_fails(desk: Desk) -> None:
    """In the same burst, whichever was put first, and later."""
    planned(desk)
    mid = await desk.submit()
    claim = ClaimOp([(mid, 1)], carrier="acme")
    await desk.do(claim, RerouteOp("acme", "down", ids=[mid]))
    assert list(claim.claimed) == []
    late = ClaimOp([(mid, 1)], carrier="acme")
    await desk.do(late)
    assert list(late.claimed) == []
    assert desk.states(mid) == [S.QUEUED]
    right = ClaimOp([(mid, 1)], carrier="beta")
    await desk.do(right)
    assert list(right.claimed) == [(mid, 1)]


@pytest.mark.parametrize("refused", [False, True])
async def test_nothing_goes_past_the_look_through_the_queues_by_other_rules(desk: Desk, refused: bool) -> None:
    """Where it goes to may have been looked through already: who opted out gets none of it."""
    planned(desk)
    mid, other = await desk.submit(), await desk.submit(peer="+447700900999")
    desk.con.execute("INSERT INTO optout (peer, scope, at, how) VALUES (?, 'all', 1, 'keyword')", (PEER,))
    desk.writer.base.looked = None
    given = dict.fromkeys([mid, other] if refused else [], Refused(1, 0x0B, "invalid_destination"))
    op = RerouteOp("acme", "refused" if refused else "down", ids=[mid, other], refused=given)
    await desk.do(op)
    assert [m.id for m in op.moved] == [other]
    assert (desk.states(mid), desk.segments(mid)[0]["reason"]) == ([S.REJECTED], "opted_out")


async def test_a_page_is_of_one_unit_and_says_where_it_ended(desk: Desk) -> None:
    planned(desk, sticky=False)
    ids = [await desk.submit(peer=f"+4477009{i:05}", lane=i % 2) for i in range(10)]
    first = RerouteOp("acme", "down", unit=Unit(0, "app", 9, 0, 3))
    await desk.do(first)
    assert ([m.id for m in first.moved], first.last, first.more) == (ids[0:6:2], ids[4], True)
    rest = RerouteOp("acme", "down", unit=Unit(0, "app", 9, first.last, 3))
    await desk.do(rest)
    assert ([m.id for m in rest.moved], rest.last, rest.more) == (ids[6::2], ids[8], False)
    assert desk.rows("SELECT DISTINCT lane FROM segment WHERE carrier = 'acme'") == [(1,)]


async def test_what_waits_of_a_pair_goes_along(desk: Desk) -> None:
    planner = planned(desk)
    first = await desk.submit()
    other = await desk.submit(peer="+12125550102")
    second = await desk.submit(lane=1)
    sent = await desk.sent("1")
    elsewhere = await desk.submit(number="+15551230002")
    op = RerouteOp("acme", "refused", ids=[first])
    await desk.do(op)
    assert {m.id: m.cause for m in op.moved} == {first: "refused", second: "order"}
    assert planner.asked == [(first, "refused", None), (second, "order", "beta")]
    carriers = {mid: desk.segments(mid)[0]["carrier"] for mid in (first, other, second, sent, elsewhere)}
    assert carriers == {first: "beta", other: "acme", second: "beta", sent: "acme", elsewhere: "acme"}
    assert desk.rows("SELECT tried FROM message WHERE id = ?", first) == [('["acme"]',)]
    # What is behind was not tried.
    assert desk.rows("SELECT tried FROM message WHERE id = ?", second) == [(None,)]


async def test_what_cannot_go_ends_with_its_refusal(desk: Desk) -> None:
    mid, ended = await desk.submit(parts=2), await desk.submit(peer="+12125550102")
    planned(desk, stays=frozenset({mid}))
    desk.put_in(ended, S.CANCELLED)
    await desk.open()
    refused = {i: Refused(1, 10, "sender_refused") for i in (mid, ended)}
    await desk.do(RerouteOp("acme", "refused", ids=[mid, ended], refused=refused))
    assert desk.states(mid) == [S.FAILED, S.FAILED]
    assert desk.states(ended) == [S.CANCELLED]
    (event,) = desk.told()
    assert (event["state"], event["reason"]) == ("failed", "sender_refused")


async def test_all_or_nothing(desk: Desk) -> None:
    """A burst that fails leaves a message where it was; tried again, it goes."""
    mid = await desk.submit()
    planner = planned(desk)

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    whole, planner.plan = planner.plan, broken  # type: ignore[method-assign,assignment]
    (error,) = await desk.burst(RerouteOp("acme", "down", ids=[mid]))
    assert isinstance(error, RuntimeError)
    assert [s["carrier"] for s in desk.segments(mid)] == ["acme"]
    planner.plan = whole  # type: ignore[method-assign]
    await desk.do(RerouteOp("acme", "down", ids=[mid]))
    assert [s["carrier"] for s in desk.segments(mid)] == ["beta"]
