"""Forgets what is old enough, as `[retention]` says: a little at a time, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import trio

from gateway.log import logger
from gateway.outbox import Outbox
from gateway.settings import Settings
from gateway.store.retention import (
    PAGE,
    BlankOp,
    DeleteEventsOp,
    DeleteInboundOp,
    DeleteKeysOp,
    DeleteMessagesOp,
    Found,
    PurgeIdsOp,
    PurgeOp,
    TextsUntilOp,
    Until,
    events_below,
    inbound_before,
    messages_before,
    texts_until,
)
from gateway.store.store import Store
from gateway.store.tx import Op

_log = logger(component="store")
_OpT = TypeVar("_OpT", bound=Op)

DAY_MS: Final = 86_400_000
FIRST: Final = 60.0
"""Seconds after the start at which the first round begins: what waits to be sent comes first."""
EVERY: Final = 3600.0
ANEW: Final = 24
"""Rounds after which texts are looked for from the beginning: messages that were not at their end may be by now."""
SHARE: Final = 0.2
"""Of the time, at most, that turns of the writer take."""
KEYS_KEPT_MS: Final = 3 * DAY_MS
"""Idempotency keys hold for at least 48 hours, in buckets of a day."""

Pages = Callable[..., Found]


def _nobody(_: float) -> None:
    return


class Retention:
    """A task of the daemon. ``on_turn`` is told the seconds that each turn of the writer took."""

    def __init__(self, store: Store, outbox: Outbox, settings: Settings) -> None:
        self.on_turn: Callable[[float], None] = _nobody
        self._store = store
        self._outbox = outbox
        self._settings = settings
        self._rounds = 0
        self._texts_from = 0
        self._changed = trio.Event()

    def configure(self, settings: Settings) -> None:
        """Takes over new settings; where they say something new of this a round begins."""
        if settings.retention != self._settings.retention:
            self._rounds = 0
            self._changed.set()
        self._settings = settings

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until it is cancelled; a round that fails is tried again at its time."""
        task_status.started()
        pause = FIRST
        while True:
            self._changed = trio.Event()
            with trio.move_on_after(pause):
                await self._changed.wait()
            pause = EVERY
            if not self._settings.retention.on:
                continue
            try:
                await self.round()
            except Exception as error:
                # The database's trouble, most of all: it is reported by the writer, and passes.
                _log.warning("retention_failed", error=repr(error))

    async def round(self) -> None:
        """Removes all that is old enough now."""
        retention, now = self._settings.retention, self._store.clock.now_ms()
        receipts = now - int(self._settings.limits.receipt_age * 1000)
        if retention.records:
            until = Until(min(now - retention.records * DAY_MS, receipts, now - KEYS_KEPT_MS), receipts)
            ours, theirs = partial(messages_before, until=until), partial(inbound_before, until=until)
            await self._pages(partial(ours, texts=False), partial(DeleteMessagesOp, until=until))
            await self._pages(partial(theirs, texts=False), DeleteInboundOp)
            while (await self._turn(DeleteKeysOp(until.since))).more:
                pass
        if retention.texts:
            await self._texts(Until(now - retention.texts * DAY_MS, receipts))
        if retention.event_days:
            await self._events(now - retention.event_days * DAY_MS)
        self._rounds += 1

    async def _texts(self, until: Until) -> None:
        if self._rounds % ANEW == 0:
            self._texts_from = await self._store.reader.read(texts_until)
        begun = self._texts_from
        last, waits = await self._pages(
            partial(messages_before, until=until, texts=True), partial(BlankOp, until=until, ours=True), begun
        )
        inbound, _ = await self._pages(
            partial(inbound_before, until=until, texts=True), partial(BlankOp, until=until, ours=False), begun
        )
        self._texts_from = max(begun, last, inbound)
        if self._rounds % ANEW == 0 and (below := min(waits, self._texts_from)) > begun:
            # From the first that is not at its end; those behind it are looked at again.
            await self._turn(TextsUntilOp(below))

    async def _pages(self, pages: Pages, remove: Callable[[list[int]], PurgeIdsOp], after: int = 0) -> tuple[int, int]:
        """Removes what ``pages`` finds; returns the highest id looked at, and one below the first that is open."""
        waits = 1 << 62
        while True:
            found = await self._store.reader.read(partial(pages, after=after))
            ids = found.ids
            while ids:
                op = await self._turn(remove(ids[:PAGE]))
                ids = op.left + ids[PAGE:]
            if found.open is not None:
                waits = min(waits, found.open - 1)
            if found.last is not None:
                after = found.last
            if not found.more:
                return after, waits

    async def _events(self, since: int) -> None:
        for feed in list(self._outbox.feeds.values()):
            stream = feed.info.id
            below = await self._store.reader.read(partial(events_below, stream=stream, ms=since))
            more = True
            while more and self._outbox.feeds.get(stream) is feed:
                op = await self._turn(DeleteEventsOp(stream, below))
                feed.dead -= op.dead
                more = op.more

    async def _turn(self, op: _OpT) -> _OpT:
        """One turn of the writer, and a rest that is longer than it took."""
        began = trio.current_time()
        await self._store.writer.do(op)
        if isinstance(op, PurgeOp):
            self.on_turn(op.seconds)
        await trio.sleep((trio.current_time() - began) * (1 / SHARE - 1))
        return op
