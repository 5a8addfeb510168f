"""What time does to messages: retries and schedules that come due, validity that ends, receipts that do not come."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Final

import trio

from gateway.log import logger
from gateway.model import State, id_floor
from gateway.outbound.outbound import Outbound
from gateway.outbound.overdue import Queries
from gateway.outbound.rescoped import Rescoped
from gateway.outbound.stopped import StoppedNumbers
from gateway.settings import Settings
from gateway.settings.own import OWN_APP
from gateway.store import pages, queries
from gateway.store.ends import End, EndOp
from gateway.store.inbound import GiveUpPartsOp
from gateway.store.matching import UNDECIDED_MS
from gateway.store.receipts import KeepFormsOp, RetryParkedOp
from gateway.store.resolve import DueOp
from gateway.store.tx import Op, Tx

_log = logger(component="outbound")

PAGE: Final = 500
DUE_PAGES: Final = 10
"""Pages of scheduled messages that are due, between which all else has its turn: quiet hours end for a million at once.
"""
EXPIRY_EVERY: Final = 5.0
SLOW_EVERY: Final = 60.0
SOON_PAGES: Final = 10
"""Pages of parked receipts that are tried again each second while the form of a carrier's ids is to be learnt."""
TOLD_KEPT_MS: Final = 3_600_000
"""How long the mark of a long message that was told of stays, for late copies of its parts."""


class AgeParkedOp(Op):
    """Parked receipts older than ``before`` (ms) go, counted."""

    __slots__ = ("before",)
    order: ClassVar[int] = 90
    name: ClassVar[str] = "age_parked"

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before = before

    @property
    def weight(self) -> tuple[int, int]:
        return PAGE, 0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            gone = tx.con.execute(
                "DELETE FROM parked_receipt WHERE id IN (SELECT id FROM parked_receipt WHERE id < ? LIMIT ?)",
                (id_floor(op.before), PAGE),
            ).rowcount
            tx.parked -= gone
            tx.count("receipt_parked_evicted", gone)


class Sweeper:
    """Looks at what is due every second, at validity every five, at the rest every minute."""

    def __init__(self, outbound: Outbound, settings: Settings) -> None:
        self._outbound = outbound
        self._store = outbound.store
        self._settings = settings
        self._swept = self._store.clock.now_ms() - int(settings.limits.no_receipt_after * 1000)
        self._tried = 0  # undecided parked receipts that came before were tried again when they had waited enough
        self._more_due = False  # more scheduled messages are due than were looked at
        self._queries = Queries(outbound)
        self._stopped = StoppedNumbers(outbound.store)
        self._rescoped = Rescoped(outbound.store)

    def configure(self, settings: Settings) -> None:
        """Takes over new settings."""
        self._settings = settings

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """A task of the daemon."""
        task_status.started()
        now = trio.current_time()
        next_expiry, next_slow = now + EXPIRY_EVERY, now
        first = True
        while True:
            try:
                self._retries()
                await self._outbound.resting.turn()
                await self._stopped.turn(self._outbound.intake.preparer.sending)
                await self._rescoped.turn()
                await self._scheduled()
                await self._outbound.doubts.bring_back()
                now = trio.current_time()
                if now >= next_expiry:
                    next_expiry = now + EXPIRY_EVERY
                    await self._validity()
                if now >= next_slow:
                    next_slow = now + SLOW_EVERY
                    await self._slow(parts=not first)
                    first = False
                await self._undecided()
                await self._queries.turn()
            except Exception as error:
                # The database's trouble, most of all: it is reported by the writer, and passes.
                _log.warning("sweep_failed", error=repr(error))
            await trio.sleep(self._pause())

    def _pause(self) -> float:
        if self._more_due:
            return 0.0
        times = [at for queue in self._outbound.queues.values() if (at := queue.retries.next_at) is not None]
        if not times:
            return 1.0
        return min(1.0, max(0.01, (min(times) - self._store.clock.now_ms()) / 1000))

    def _retries(self) -> None:
        now = self._store.clock.now_ms()
        for name, queue in self._outbound.queues.items():
            if queue.due(now):
                self._outbound.claims.refill(name)
            if queue.retries.waits(now):
                self._outbound.loader.nudge()

    async def _scheduled(self) -> None:
        store = self._store
        self._more_due = False
        for _ in range(DUE_PAGES):
            ids = await store.reader.read(partial(queries.due_scheduled, now=store.clock.now_ms(), limit=PAGE))
            if not ids:
                return
            going = await self._not_stopped(ids)
            if going:
                await store.writer.do(DueOp(going))
                found = await store.reader.read(partial(pages.by_id, ids=going))
                self._outbound.loader.admit(self._outbound.loader.restore(found))
            if len(ids) < PAGE:
                return
        self._more_due = True

    async def _not_stopped(self, ids: list[int]) -> list[int]:
        """Scheduled messages without those whose number sends nothing any more: these end (as in `StoppedNumbers`)."""
        store, sending = self._store, self._outbound.intake.preparer.sending
        if not sending.limited:
            return ids
        now = store.clock.now_ms()
        stopped = {}
        for mid, app, number in await store.reader.read(partial(queries.senders_of, ids=ids)):
            if (reason := sending.stopped(number, now, reply=app == OWN_APP)) is not None:
                stopped[mid] = reason
        if stopped:
            ends = [End(mid, 0, State.REJECTED, reason, low=0, high=1, whole=True) for mid, reason in stopped.items()]
            await store.writer.do(EndOp(ends))
        return [mid for mid in ids if mid not in stopped]

    async def _undecided(self) -> None:
        """Tries parked receipts again of carriers whose form of ids was learnt, given up or set, or is to be learnt."""
        forms = self._store.writer.base.forms
        if forms.retry:
            carriers = frozenset(forms.retry)
            forms.retry -= carriers
            try:
                await self._try_parked(0, carriers=carriers)
            except Exception:
                forms.retry |= carriers
                raise
        if forms.soon:
            carriers = frozenset(forms.soon)
            forms.soon -= carriers
            recent = id_floor(self._store.clock.now_ms() - UNDECIDED_MS)
            await self._try_parked(recent, carriers=carriers, pages=SOON_PAGES)

    async def _try_parked(self, after: int, *, pages: int | None = None, **which: Any) -> None:
        last: int | None = after
        while last is not None and pages != 0:
            last = (await self._store.writer.do(RetryParkedOp(last, **which))).last
            pages = pages - 1 if pages is not None else None

    async def _validity(self) -> None:
        store = self._store
        while True:
            found = await store.reader.read(partial(queries.expired_unsent, now=store.clock.now_ms(), limit=PAGE))
            if not found:
                return
            ends = [End(mid, part, State.EXPIRED, "expired_unsent", low=0, high=1) for mid, part in found]
            await store.writer.do(EndOp(ends))
            if len(found) < PAGE:
                return

    async def _slow(self, *, parts: bool) -> None:
        store, limits = self._store, self._settings.limits
        now = store.clock.now_ms()
        high = now - int(limits.no_receipt_after * 1000)
        overdue = await store.reader.read(partial(queries.sent_without_receipt, low=self._swept, high=high))
        self._swept = high
        if overdue:
            self._outbound.metrics.overdue.inc(overdue)
            _log.warning("receipts_overdue", messages=overdue)
        aged = now - UNDECIDED_MS
        await self._try_parked(id_floor(self._tried), before=aged)
        self._tried = aged
        if store.writer.base.forms.dirty:
            await store.writer.do(KeepFormsOp())
        await store.writer.do(AgeParkedOp(now - int(limits.parked_age * 1000)))
        # Not at the start: after a long stop, carriers first bring what they kept for us, and with it what is missing.
        while parts:
            op = GiveUpPartsOp(now - int(limits.reassembly_age * 1000), now - TOLD_KEPT_MS)
            await store.writer.do(op)
            if not op.more:
                break
        units = await store.reader.read(queries.queue_units)
        counted: dict[str, dict[str, int]] = {}
        for unit, segments in units:
            of_carrier = counted.setdefault(unit.carrier, {})
            of_carrier[unit.app] = of_carrier.get(unit.app, 0) + segments
        for name, queue in self._outbound.queues.items():
            # What was ended on disk alone is not seen by the queue: the count is set right now and then.
            queue.stored = counted.get(name, {})
