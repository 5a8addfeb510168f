"""Opt-outs in the store: what is refused, what ends, what passes, and in which order of things."""

from __future__ import annotations

import pytest
import trio

from gateway.model import State
from gateway.policy.optout import OptOuts
from gateway.settings import Settings
from gateway.store.erase import ForgetOp
from gateway.store.inbound import InboundOp
from gateway.store.optedout import PASSES, out_after
from gateway.store.optouts import OptOutChange, OptOutOp, held_by
from gateway.store.sends import ClaimOp, DoubtOp, ResponseOp, UnclaimOp
from gateway.store.submits import SubmitOp
from gateway.store.verdicts import Verdict
from tests.support.inbound import single
from tests.support.stores import NUMBER, PEER, Desk

OTHER = "+12125550102"
OUT = Verdict("opted_out", field="to")


@pytest.fixture
async def desk(nursery: trio.Nursery) -> Desk:
    return Desk(nursery)


async def out(desk: Desk, *peers: str, scope: str = "all") -> None:
    await desk.do(OptOutOp([OptOutChange(peer, scope, True) for peer in peers], how="operator", who="ops"))


def states(desk: Desk, mid: int) -> list[tuple[int, str | None]]:
    query = "SELECT state, reason FROM segment WHERE message_id = ? ORDER BY part"
    return [tuple(row) for row in desk.con.execute(query, (mid,))]


REJECTED = (State.REJECTED, "opted_out")


async def test_what_is_refused_leaves_no_row_and_no_ref(desk: Desk) -> None:
    await out(desk, PEER)
    fine, bad = desk.new(peer=OTHER, ref="a"), desk.new(ref="b")
    await desk.do(SubmitOp([fine, bad]))
    assert (fine.refused, bad.refused) == (None, OUT)
    assert desk.con.execute("SELECT peer FROM message").fetchall() == [(OTHER,)]
    assert desk.con.execute("SELECT ref FROM ref").fetchall() == [("a",)]
    # Once the person is back the same ref is a new message.
    await desk.do(OptOutOp([OptOutChange(PEER, "all", False)], how="operator", who="ops"))
    again = desk.new(ref="b")
    await desk.do(SubmitOp([again]))
    assert (again.refused, again.duplicate_of) == (None, None)


async def test_a_duplicate_is_a_duplicate_whoever_opted_out(desk: Desk) -> None:
    first = await desk.submit(ref="a")
    await out(desk, PEER)
    again = desk.new(ref="a")
    await desk.do(SubmitOp([again]))
    assert (again.duplicate_of, again.refused) == (first, None)


async def test_two_of_one_ref_in_a_burst_are_refused_together(desk: Desk) -> None:
    await out(desk, PEER)
    first, same, other = desk.new(ref="a"), desk.new(ref="a"), desk.new(ref="a", digest=b"other")
    await desk.do(SubmitOp([first, same, other]))
    # What is refused holds no ref, so that the other one is no conflict with it.
    assert [(m.refused, m.duplicate_of, m.conflict) for m in (first, same, other)] == [(OUT, None, False)] * 3


async def test_what_was_refused_once_is_judged_anew(desk: Desk) -> None:
    """An operation that could not be stored is put again."""
    await out(desk, PEER)
    op = SubmitOp([desk.new()])
    await desk.do(op)
    await desk.do(OptOutOp([OptOutChange(PEER, "all", False)], how="operator", who="ops"))
    await desk.do(op)
    assert op.messages[0].refused is None


async def test_what_passes(desk: Desk) -> None:
    await out(desk, PEER)
    message = desk.new(door="optout")
    await desk.do(SubmitOp([message]))
    assert message.refused is None
    await out(desk, PEER, scope="set:default")
    assert states(desk, message.id) == [(State.QUEUED, None)]
    assert desk.counts["optout_ended"] == 0


async def test_what_waits_ends_in_the_scope_alone(desk: Desk) -> None:
    here = await desk.submit()
    there = await desk.submit(number="+15551230009")
    other = await desk.submit(peer=OTHER)
    later = await desk.submit(state=State.SCHEDULED, due_at=desk.now + 1000)
    await out(desk, PEER, scope=f"number:{NUMBER}")
    assert [states(desk, mid) for mid in (here, later)] == [[REJECTED]] * 2
    assert [states(desk, mid) for mid in (there, other)] == [[(State.QUEUED, None)]] * 2
    assert desk.counts["optout_ended"] == 2


async def test_of_a_long_message_no_further_part_goes(desk: Desk) -> None:
    mid = await desk.submit(parts=3)
    await desk.do(ClaimOp([(mid, 1)]))
    await out(desk, PEER)
    assert states(desk, mid) == [(State.SUBMITTING, None), REJECTED, REJECTED]


@pytest.mark.parametrize("how", ["unclaimed", "retry", "doubt"])
async def test_what_comes_back_to_the_queue_ends(desk: Desk, how: str) -> None:
    mid = await desk.submit(state=State.SUBMITTING)
    await out(desk, PEER)
    assert states(desk, mid) == [(State.SUBMITTING, None)]
    if how == "unclaimed":
        op = UnclaimOp([(mid, 1)])
        await desk.do(op)
        assert op.gone == {mid}
    elif how == "retry":
        answer = ResponseOp("acme", [], [], [(mid, 1, 0x14, desk.now + 1000)], None)
        await desk.do(answer)
        assert answer.gone == {mid}
    else:
        doubt = DoubtOp([(mid, 1)], resend=True)
        await desk.do(doubt)
        assert doubt.states == {(mid, 1): State.IN_DOUBT}
    assert states(desk, mid) == [(State.IN_DOUBT, None) if how == "doubt" else REJECTED]


async def test_what_passes_goes_once_also_where_they_are_back(desk: Desk) -> None:
    """START came while nobody knew whether the answer to the STOP had gone out."""
    mid = await desk.submit(state=State.SUBMITTING, door=PASSES)
    doubt = DoubtOp([(mid, 1)], resend=True)
    await desk.do(doubt)
    assert doubt.states == {(mid, 1): State.IN_DOUBT}


async def test_what_a_crash_leaves_in_doubt_is_not_resent(desk: Desk, tmp_path: object, nursery: trio.Nursery) -> None:
    filed = Desk(nursery, f"sqlite:///{tmp_path}/x.db", synchronous="normal")
    kept, gone = await filed.submit(state=State.SUBMITTING, peer=OTHER), await filed.submit(state=State.SUBMITTING)
    await out(filed, PEER)
    await filed.restart()
    filed.store.recover({"acme": True})
    assert (states(filed, kept), states(filed, gone)) == ([(State.QUEUED, None)], [(State.IN_DOUBT, None)])
    await filed.close()


async def test_stop_and_start_of_one_burst_count_in_their_order(desk: Desk) -> None:
    mid = await desk.submit()
    await desk.do(InboundOp([single("STOP", peer=PEER), single("START", peer=PEER), single("Stop", peer=OTHER)]))
    assert held_by(desk.con, PEER) == []
    assert [one.scope for one in held_by(desk.con, OTHER)] == ["set:default"]
    assert states(desk, mid) == [REJECTED]
    changes = desk.con.execute("SELECT peer, change, how, text FROM optout_change ORDER BY id").fetchall()
    assert changes == [
        (PEER, "optout", "keyword", "STOP"),
        (PEER, "optin", "keyword", "START"),
        (OTHER, "optout", "keyword", "Stop"),
    ]
    assert desk.counts["optout:keyword"] == 2


SAID, BOTH, ENTERED = "keyword", "operator+keyword", "operator"
SET = "set:default"


def how(desk: Desk, peer: str = PEER) -> list[str]:
    return [one.how for one in held_by(desk.con, peer)]


async def say(desk: Desk, *texts: str, peer: str = PEER) -> None:
    await desk.do(InboundOp([single(text, peer=peer) for text in texts]))


async def back(desk: Desk, *, entered: bool) -> bool:
    """By an app, which takes back what was entered, or by an operator."""
    op = OptOutOp([OptOutChange(PEER, SET, False, entered=entered)], how="operator", who="crm")
    await desk.do(op)
    return op.changed[0]


async def test_a_stop_and_what_an_operator_entered_are_undone_apart(desk: Desk) -> None:
    await out(desk, PEER, scope=SET)
    await say(desk, "START")
    assert how(desk) == [ENTERED]
    await say(desk, "STOP", "START")
    assert how(desk) == [ENTERED]
    # And an operator's word on top of a keyword's: which of them it was stays known.
    await say(desk, "STOP", peer=OTHER)
    await out(desk, OTHER, scope=SET)
    assert [(one.how, one.keyword) for one in held_by(desk.con, OTHER)] == [(BOTH, "STOP")]
    await say(desk, "START", peer=OTHER)
    assert how(desk, OTHER) == [ENTERED]
    asked = "SELECT change, how FROM optout_change WHERE peer = ? ORDER BY id"
    assert desk.con.execute(asked, (OTHER,)).fetchall() == [("optout", SAID), ("optout", ENTERED)]


@pytest.mark.parametrize("first", ["person", "app"])
async def test_an_app_that_takes_back_what_it_entered_leaves_the_stop(desk: Desk, first: str) -> None:
    """Whichever came first, and as often as it does so."""
    if first == "person":
        await say(desk, "STOP")
    for _ in range(2):
        await out(desk, PEER, scope=SET)
        if first == "app":
            await say(desk, "STOP")
        assert how(desk) == [BOTH]
        assert await back(desk, entered=True)
        assert [(one.how, one.keyword) for one in held_by(desk.con, PEER)] == [(SAID, "STOP")]
        assert not await back(desk, entered=True)
    refused = desk.new()
    await desk.do(SubmitOp([refused]))
    assert refused.refused == OUT
    assert await back(desk, entered=False)  # an operator undoes all of it
    assert how(desk) == []


async def test_what_is_entered_of_who_was_erased_no_start_undoes(desk: Desk) -> None:
    """The STOP is under a name by then, the entry under the phone: one opt-out, of which START ends half."""
    await say(desk, "STOP")
    await desk.do(ForgetOp(PEER))
    assert how(desk) == [SAID]
    await out(desk, PEER, scope=SET)
    assert how(desk) == [BOTH]
    await desk.do(ForgetOp(PEER))
    assert how(desk) == [BOTH]
    assert desk.con.execute("SELECT count(*) FROM optout WHERE peer = ?", (PEER,)).fetchone() == (0,)
    await say(desk, "START")
    assert how(desk) == [ENTERED]
    assert out_after(desk.con, OptOuts(Settings()), NUMBER, PEER, "START")
    await desk.do(ForgetOp(PEER))
    assert out_after(desk.con, OptOuts(Settings()), NUMBER, PEER, "hello")
    assert await back(desk, entered=False)
    assert not out_after(desk.con, OptOuts(Settings()), NUMBER, PEER, "hello")


async def test_a_message_without_a_sender_stops_nobody(desk: Desk) -> None:
    await desk.do(InboundOp([single("STOP", peer="")]))
    assert desk.con.execute("SELECT count(*) FROM optout").fetchone() == (0,)


async def test_who_is_told(desk: Desk) -> None:
    """Whoever hears of a number that the scope is about; once, and of kinds that were asked for."""
    kinds = frozenset({"optout", "optin", "optout_suspected"})
    desk.store.streams.configure({"one": frozenset({NUMBER}), "other": frozenset({"+15559"}), "all": None}, {})
    one = await desk.open("s", app="one", events=kinds)
    other = await desk.open("s", app="other", events=kinds)
    every = await desk.open("s", app="all", events=kinds)
    await desk.open("inbound alone", app="one")
    await desk.open("of another number", app="all", events=kinds, numbers=frozenset({"+15559"}))

    def told() -> list[tuple[int, str]]:
        found = [(e.stream, e.kind) for e in desk.events if e.kind in kinds]
        desk.events.clear()
        return sorted(found)

    await desk.do(InboundOp([single("STOP", peer=PEER)]))
    assert told() == [(one, "optout"), (every, "optout")]
    await desk.do(InboundOp([single("STOP", peer=PEER)]))
    assert told() == [], "a second one is no news"
    await desk.do(InboundOp([single("stop it", peer=PEER)]))
    assert told() == [(one, "optout_suspected"), (every, "optout_suspected")]
    await out(desk, OTHER, scope="number:+15559")
    assert (other, "optout") in told()
    await desk.do(InboundOp([single("START", peer=PEER)]))
    assert told() == [(one, "optin"), (every, "optin")]
    await desk.do(OptOutOp([OptOutChange(PEER, "all", True)], how="import", who="ops", tell=False))
    assert told() == []
