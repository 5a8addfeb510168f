"""What once left messages waiting until something else happened; found by simulation."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import trio
from trio.testing import MockClock

from tests.support.daemons import Commits, gateway
from tests.support.smsc import labelled, peers, withhold

THROTTLED = 0x58


async def test_a_pause_made_longer_ends_all_the_same(autojump_clock: MockClock) -> None:
    """The second refusal comes within the pause of the first, and both retries are due just before it ends."""
    async with gateway(carrier="window = 1\nbinds = 2\nthrottle_pause = 1.0005", answer=withhold) as g:
        app = await g.connect()
        await g.smsc.bound(2)
        await app.submits([{"to": peer, "text": labelled(i)} for i, peer in enumerate(peers(2))])
        first, second = await g.smsc.came(2)
        g.smsc.respond(first, THROTTLED)
        await trio.sleep(0.5)
        g.smsc.respond(second, THROTTLED)
        with trio.fail_after(30):
            await g.smsc.came(4)
        assert sorted(s.label for s in g.smsc.submits[2:]) == ["0000", "0001"]


class _OneFails(Commits):
    """Fails the transaction after so many."""

    after = -1

    async def __call__(self, function: Callable[[], object]) -> object:
        if self.done == self.after:
            self.after = -1
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL  # type: ignore[attr-defined]
            raise error
        return await super().__call__(function)


async def test_what_expires_while_claimed_ends_although_the_disk_is_full_just_then(autojump_clock: MockClock) -> None:
    """It has a claim and no slot; its end is stored once the database takes it, not at the next start."""
    commits = _OneFails()
    async with gateway(carrier="window = 1\nresponse_timeout = 60", answer=withhold, run_sync=commits) as g:
        app = await g.connect()
        short = {"to": peers(2)[1], "text": labelled(1), "validity": 3}
        await app.submits([{"to": peers(2)[0], "text": labelled(0)}, short])
        (first,) = await g.smsc.came(1)
        await g.settled()
        assert g.segments("state", "state = 2") == [2, 2], "the second is claimed, and waits for the slot"
        await trio.sleep(3.5)
        commits.after = commits.done + 1  # what follows from the answer, not the answer itself
        g.smsc.respond(first)
        await trio.sleep(5)
        assert commits.after == -1
        assert sorted(g.segments()) == [3, 7]
