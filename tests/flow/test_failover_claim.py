"""A refusal for another carrier, and what is on its way to the disk then: a claim, or the move when a kill comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.store.reroute import RerouteOp
from gateway.store.sends import ClaimOp
from gateway.store.tx import Op
from tests.support.carriers import Stage, routes, stage
from tests.support.daemons import Commits
from tests.support.smsc import labelled, peers, withhold

PEER, OTHER = peers(2)
SENDER = 0x0A  # ESME_RINVSRCADR: of the account, not of the phone


def hold_at(kind: type[Op], s: Stage, commits: Commits) -> list[Any]:
    """From the next operation of this kind on nothing is committed; returns that operation, once it is made."""
    writer = s.running.daemon.outbound.writer
    before = writer.put
    held: list[Any] = []

    def put(op: Any, *callbacks: Any) -> None:
        before(op, *callbacks)
        if isinstance(op, kind):
            writer.put = before  # type: ignore[method-assign]
            held.append(op)
            commits.hold()

    writer.put = put  # type: ignore[method-assign]
    return held


def lose(kind: type[Op], s: Stage) -> list[Any]:
    """Operations of this kind never come to the disk, as when a kill comes before; returns them, once they are made."""
    writer = s.running.daemon.outbound.writer
    before = writer.put
    lost: list[Any] = []

    def put(op: Any, *callbacks: Any) -> None:
        if isinstance(op, kind):
            lost.append(op)
        else:
            before(op, *callbacks)

    writer.put = put  # type: ignore[method-assign]
    return lost


async def test_what_is_being_claimed_is_not_sent_after_the_refusal(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with stage(carrier="window = 2", run_sync=commits) as s:
        acme, beta = s.smsc["acme"], s.smsc["beta"]
        acme.answer = withhold
        app = await s.running.connect()
        await app.submit("other", to=OTHER)
        (other,) = await acme.came(1)
        # Five segments, of which three are claimed and one is written: there is no room for more.
        id = await app.submit(labelled(1, 700), to=PEER)
        await acme.came(2)
        await s.running.settled()
        claims = hold_at(ClaimOp, s, commits)
        acme.respond(other)
        await acme.came(3)
        await s.running.settled()
        assert [part for op in claims for _, part in op.keys] == [4]
        # Its claim is on its way to the disk when the carrier says that it takes nothing of this sender.
        acme.answer = lambda _: 0
        for submit in acme.submits[1:]:
            acme.respond(submit, SENDER)
        await s.running.settled()
        commits.release()
        message = await app.until_state(id, "sent")
        assert message["carrier"] == "beta"
        assert [m.concat[2] for m in acme.submits[1:]] == [1, 2]
        assert [m.concat[1:] for m in beta.submits] == [(5, part) for part in range(1, 6)]
        # The pair is free again.
        await app.submit("next", to=PEER)
        await s.running.settled()
        assert s.texts("beta")[-1] == "next"
        assert s.waiting() == {}


@pytest.mark.parametrize("length", [10, 400])
async def test_a_refusal_is_not_forgotten_by_a_kill(autojump_clock: MockClock, tmp_path: Path, length: int) -> None:
    """Its answer is stored and the move is not: after the start the next carrier has it, and the pair's order holds."""
    async with stage(tmp_path, stop=False) as s:
        acme = s.smsc["acme"]
        acme.answer = withhold
        app = await s.running.connect()
        await app.submit(labelled(1, length), to=PEER)
        await s.running.settled()
        await app.submit(labelled(2), to=PEER)
        moves = lose(RerouteOp, s)
        for submit in list(acme.submits):
            acme.respond(submit, SENDER)
        await s.running.settled()
        assert [op.cause for op in moves] == ["refused"]
        parts = len(acme.submits)
        assert s.rows("SELECT DISTINCT carrier, state, status FROM segment WHERE status = ?", SENDER) == [
            ("acme", 1, SENDER)
        ]
    async with stage(tmp_path) as s:
        await trio.sleep(5)
        assert s.texts("acme") == []
        assert [m.label for m in s.smsc["beta"].submits] == ["0001"] * parts + ["0002"]
        assert s.rows("SELECT DISTINCT tried FROM message WHERE tried IS NOT NULL") == [('["acme"]',)]
        assert s.waiting() == {}


async def test_a_refusal_before_a_kill_ends_what_no_other_takes(autojump_clock: MockClock, tmp_path: Path) -> None:
    """As it would have without the kill."""
    only = routes(given='classes = ["marketing"]')
    async with stage(tmp_path, stop=False) as s:
        s.smsc["acme"].answer = withhold
        app = await s.running.connect()
        id = await app.submit("x", to=PEER)
        (submit,) = await s.smsc["acme"].came(1)
        lose(RerouteOp, s)
        s.smsc["acme"].respond(submit, SENDER)
        await s.running.settled()
    async with stage(tmp_path, extra=only) as s:
        app = await s.running.connect()
        message = await app.until_state(id, "failed")
        assert message["reason"] == "sender_refused"
        assert s.texts("acme") == s.texts("beta") == []
        assert s.waiting() == {}
