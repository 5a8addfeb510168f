"""From disk: pages of queued messages as the queues run low, and messages that come back to be queued."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from gateway.carrier.outgoing import Outgoing
from gateway.log import logger
from gateway.model import State
from gateway.outbound.pairs import PairLeft
from gateway.outbound.queue import CarrierQueue
from gateway.outbound.restoring import restore
from gateway.outbound.retries import Absent
from gateway.outbound.slow import MOST, Left
from gateway.outbound.units import Unit
from gateway.store import pages, queries
from gateway.store.ends import End, EndOp
from gateway.store.pages import Page, Queued

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

_log = logger(component="outbound")
_T = TypeVar("_T")

PAGE: Final = 500
RESTORED: Final = 100
"""Messages that are restored without a pause: what is being written shall not wait longer, or it comes in a heap."""
PAIRS: Final = 20
"""Pairs of which what they left on disk is read at once."""


class Loader:
    """Fills the queues from the database, which holds all that waits."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._store = outbound.store
        self._load = trio.Event()

    def recover(self) -> None:
        """Finds what waits in the database after a start."""
        for unit, segments in self._store.read_now(queries.queue_units):
            queue = self._outbound.queue(unit.carrier)
            queue.on_disk(unit)
            queue.count(unit.app, segments)
        self.nudge()

    def nudge(self) -> None:
        """Has the queues looked at: one of them may have room for a page."""
        if not self._load.is_set():
            self._load.set()

    def wake(self, name: str) -> None:
        """A carrier came (back): what waits for it is looked at."""
        self.nudge()
        self._outbound.claims.refill(name)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Reads pages of queued messages as the queues run low; a task of the daemon."""
        task_status.started()
        while True:
            self._load = trio.Event()
            for queue in list(self._outbound.queues.values()):
                if queue.carrier not in self._outbound.carriers:
                    continue
                for unit in queue.wants_page():
                    await self._load_page(queue, unit)
                for left in queue.slow.wants():
                    await self._load_slow(queue, left)
                if queue.pairs.hungry:
                    await self._load_pairs(queue)
                if absents := queue.wants_due(self._outbound.clock.now_ms()):
                    await self._load_due(queue, absents)
            await self._load.wait()

    async def _load_page(self, queue: CarrierQueue, unit: Unit) -> None:
        after = unit.begin_page()
        lane, app, rank = unit.key
        where = queries.QueueUnit(queue.carrier, lane, app, rank)
        limit = min(PAGE, queue.look_ahead)
        try:
            found, last = await self._read(lambda con: pages.of_unit(con, where, after, limit))
        except Exception as error:
            unit.loading = False
            await self._not_read(queue, error)
            return
        # What waits for its pair on disk anyway is not put together first.
        found = queue.taken_of(unit, found)
        queue.loaded(unit, await self._restore_slowly(found), last=last)
        self._outbound.claims.refill(queue.carrier)
        if not unit.complete:
            self.nudge()

    async def _load_slow(self, queue: CarrierQueue, left: Left) -> None:
        """A page of what a number with a rate of its own has left on disk."""
        queue.slow.begin(left)
        where = queries.QueueUnit(queue.carrier, *left.unit)
        try:
            found, last = await self._read(lambda con: pages.of_number(con, where, left.after, MOST // 2, left.number))
        except Exception as error:
            queue.slow.gave_up(left)
            await self._not_read(queue, error)
            return
        queue.loaded_slow(left, self.restore(found), last)
        self._outbound.claims.refill(queue.carrier)

    async def _load_pairs(self, queue: CarrierQueue) -> None:
        """What pairs have left on disk, a few pairs at once; the others in the next round."""
        lefts: list[PairLeft] = []
        while len(lefts) < PAIRS and (left := queue.pairs.begin()) is not None:
            lefts.append(left)
        if queue.pairs.hungry:
            self.nudge()
        if not lefts:
            return

        def read(con: sqlite3.Connection) -> list[Page]:
            return [
                pages.of_pair(
                    con, queries.QueueUnit(queue.carrier, *left.unit), left.pair, left.low, left.high, left.limit
                )
                for left in lefts
            ]

        try:
            found_of = await self._read(read)
        except Exception as error:
            for left in lefts:
                queue.pairs.gave_up(left)
            await self._not_read(queue, error)
            return
        for left, (found, last) in zip(lefts, found_of, strict=True):
            queue.loaded_pair(left, await self._restore_slowly(found), last)
        self._outbound.claims.refill(queue.carrier)

    async def _load_due(self, queue: CarrierQueue, absents: list[Absent]) -> None:
        """Messages whose next attempt is due, which waited for it on disk."""
        try:
            found: list[Queued] = []
            for at in range(0, len(absents), PAGE):
                ids = [absent.id for absent in absents[at : at + PAGE]]
                found += await self._store.reader.read(partial(pages.by_id, ids=ids))
        except Exception as error:
            queue.retries.gave_up(absents)
            await self._not_read(queue, error)
            return
        queue.loaded_due(absents, await self._restore_slowly(found))
        self._outbound.claims.refill(queue.carrier)
        self.nudge()

    async def _read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """Reads what waits in a row; of what came from other carriers until then the queues know before it is taken.

        Later ones of a pair would else be taken without those before them, where the page begins between them.
        """
        found = await self._store.reader.read(query)
        await self._outbound.writer.told()
        return found

    async def _not_read(self, queue: CarrierQueue, error: Exception) -> None:
        _log.error("queue_not_read", carrier=queue.carrier, error=repr(error))
        await trio.sleep(1)
        self.nudge()

    async def _restore_slowly(self, found: list[Queued]) -> list[Outgoing]:
        items: list[Outgoing] = []
        for at in range(0, len(found), RESTORED):
            items += self.restore(found[at : at + RESTORED])
            await trio.lowlevel.checkpoint()
        return items

    def restore(self, found: list[Queued]) -> list[Outgoing]:
        """Stored rows as messages. One that cannot be put on the air any more is set aside, with its reason."""
        items: list[Outgoing] = []
        quiet, now_ms = self._outbound.intake.preparer.quiet, self._outbound.clock.now_ms()
        for row in found:
            try:
                item = restore(row, quiet, now_ms)
            except Exception as error:
                self._outbound.metrics.unsendable.inc()
                _log.error("message_set_aside", id=self._store.id_text.format(row.id), error=repr(error))
                ends = [End(row.id, part, State.FAILED, "unsendable", low=0, high=1) for part in row.waiting]
                self._outbound.writer.put(EndOp(ends))
                continue
            if row.segments is not None:
                self._outbound.rerouter.recall(item, row)
            items.append(item)
        return items

    def admit(self, items: list[Outgoing]) -> None:
        """Messages that came to be queued otherwise than by a submit: due, or resolved by an operator."""
        names: dict[str, list[int]] = {}
        for item in items:
            queue = self._outbound.queue(item.carrier)
            queue.count(item.app, len(item.waiting))
            names.setdefault(item.carrier, []).append(item.id)
            present = queue.known.get(item.id)
            if present is None:
                queue.add(item)  # unless it waits for its time on disk, where it is found then with all of its parts
                continue
            # Some of its parts are under way or wait still: these come to them.
            present.waiting = sorted({*present.waiting, *item.waiting})
            self._outbound.place(queue, present)
        for name, ids in names.items():
            self._outbound.claims.refill(name)
            self._outbound.rerouter.due(name, ids)
        self.nudge()
