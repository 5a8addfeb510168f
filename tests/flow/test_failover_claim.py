"""A refusal for another carrier comes while more of the message is just being claimed: none of that is sent."""

from __future__ import annotations

from typing import Any

from trio.testing import MockClock

from gateway.store.sends import ClaimOp
from tests.support.carriers import Stage, stage
from tests.support.daemons import Commits
from tests.support.smsc import labelled, peers, withhold

PEER, OTHER = peers(2)
SENDER = 0x0A  # ESME_RINVSRCADR: of the account, not of the phone


def hold_the_claim(s: Stage, commits: Commits) -> list[ClaimOp]:
    """From the next claim on nothing is committed; returns that claim, once it is made."""
    writer = s.running.daemon.outbound.writer
    before = writer.put
    held: list[ClaimOp] = []

    def put(op: Any, *callbacks: Any) -> None:
        before(op, *callbacks)
        if isinstance(op, ClaimOp):
            writer.put = before  # type: ignore[method-assign]
            held.append(op)
            commits.hold()

    writer.put = put  # type: ignore[method-assign]
    return held


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
        claims = hold_the_claim(s, commits)
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
