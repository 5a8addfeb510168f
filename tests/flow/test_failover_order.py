"""Order of a pair while it goes to another carrier, in the moments between what is stored and what memory knows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.store.reroute import RerouteOp
from tests.support.carriers import Stage, stage
from tests.support.daemons import Commits
from tests.support.smsc import peers, withhold

PEER, OTHER, STAYS = peers(3)


class Telling(Commits):
    """Transactions whose commit is told of late: they are stored by then."""

    def __init__(self) -> None:
        super().__init__()
        self._told = trio.Event()
        self._told.set()

    async def __call__(self, function: Callable[[], object]) -> object:
        result = await super().__call__(function)
        await self._told.wait()
        return result

    def keep_silent(self) -> None:
        """Nothing is told of until `tell`."""
        self._told = trio.Event()

    def tell(self) -> None:
        self._told.set()


def at_move_of(s: Stage, rank: int, then: Callable[[], None]) -> None:
    """Does something when a page of this rank is about to go to another carrier, once."""
    writer = s.running.daemon.outbound.writer
    before = writer.put

    def put(op: Any, *callbacks: Any) -> None:
        if isinstance(op, RerouteOp) and op.unit is not None and op.unit.rank == rank:
            writer.put = before  # type: ignore[method-assign]
            then()
        before(op, *callbacks)

    writer.put = put  # type: ignore[method-assign]


async def test_what_is_read_while_it_comes_is_taken_with_what_is_before_it(autojump_clock: MockClock) -> None:
    """A page of the new carrier's queue that begins between two messages of a pair, which have just come there."""
    commits = Telling()
    async with stage(run_sync=commits) as s:
        beta = s.smsc["beta"]
        app = await s.running.connect()
        await s.break_off("acme")
        await trio.sleep(32)
        await app.submit("stays at beta", to=STAYS)
        await s.back("acme")
        await trio.sleep(2)
        await s.break_off("acme")
        await app.submit("1", to=PEER)
        await app.submit("other", to=OTHER)  # goes first, with the one after it: the page begins here
        await app.submit("2", to=PEER)
        await app.submit("other, urgent", to=OTHER, priority=9)
        # The queue there is known to later than all of these.
        beta.answer = withhold
        await app.submit("under way", to=STAYS)
        await app.submit("waits behind it", to=STAYS)
        beta.answer = lambda _: 0
        beta.respond(beta.submits[-1])
        await s.running.settled()
        beta.submits.clear()
        reader, stored = s.running.daemon.store.reader, trio.Event()
        before = reader.read

        async def read(query: Any) -> Any:
            await stored.wait()
            return await before(query)

        reader.read = read  # type: ignore[method-assign]
        at_move_of(s, 9, commits.keep_silent)
        await trio.sleep(32)
        assert s.rows("SELECT DISTINCT carrier FROM segment WHERE state = 1") == [("beta",)]
        assert s.texts("beta") == []
        stored.set()
        await wait_all_tasks_blocked()
        assert s.texts("beta") == []
        commits.tell()
        await s.running.settled()
        texts = s.texts("beta")
        assert sorted(texts) == ["1", "2", "other", "other, urgent"]
        assert texts.index("1") < texts.index("2")
        assert s.waiting() == {}


async def test_what_is_being_stored_when_its_pair_goes_is_not_left_behind(autojump_clock: MockClock) -> None:
    """Its pair went with a page; what was stored for the old carrier after that goes before other pages do."""
    commits = Commits()
    async with stage(run_sync=commits) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await app.submit("1", to=PEER)
        await app.submit("marketing", to=OTHER, **{"class": "marketing"})
        writer = s.running.daemon.outbound.writer
        before = writer.put
        kept: list[tuple[Any, ...]] = []

        def put(op: Any, *callbacks: Any) -> None:
            if isinstance(op, RerouteOp) and op.unit is not None and op.unit.lane == 1:
                kept.append((op, *callbacks))  # as if very many pages were to come before it
                writer.put = before  # type: ignore[method-assign]
            else:
                before(op, *callbacks)

        async with trio.open_nursery() as nursery:
            writer.put = put  # type: ignore[method-assign]
            at_move_of(s, 9, commits.hold)
            await trio.sleep(32)
            # The page of the first is under way; this one's unit was read already.
            nursery.start_soon(partial(app.submit, "2", to=PEER, priority=9))
            await wait_all_tasks_blocked()
            writer.put = put  # type: ignore[method-assign]
            commits.release()
            await s.smsc["beta"].came(1)
            await s.running.settled()
        assert len(kept) == 1
        await app.submit("3", to=PEER)
        await s.running.settled()
        assert s.texts("beta") == ["1", "2", "3"]
        before(*kept[0])
        await s.running.settled()
        assert s.texts("beta") == ["1", "2", "3", "marketing"]
        assert s.waiting() == {}
        assert all(not queue.expected for queue in s.running.daemon.outbound.queues.values())
