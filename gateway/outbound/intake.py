"""Messages in: requests are prepared, stored in one operation for a burst, and answered after its commit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Final

from gateway.carrier.outgoing import SegmentOut
from gateway.log import logger
from gateway.model import State
from gateway.outbound.ahead import Ahead
from gateway.outbound.prepare import Prepared, Preparer
from gateway.outbound.queue import CarrierQueue
from gateway.outbound.repeats import Refused, Repeats
from gateway.outbound.request import Accepted, App, Refusal, Submit
from gateway.settings import Settings
from gateway.sms.address import AddressError, normalise
from gateway.store.caps import STEP_MS
from gateway.store.checks import checks
from gateway.store.known import Known, Need, ask
from gateway.store.quotas import QUOTA_EXCEEDED, quotas
from gateway.store.sticky import StickyRow
from gateway.store.submits import SubmitOp, weigh
from gateway.store.verdicts import Verdict
from gateway.store.writer import StoreUnavailableError

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

_log = logger(component="outbound")

Outcome = Accepted | Refusal
Done = Callable[[list[Outcome]], None]


class Batch:
    """Requests that came together, and who is told of their outcome, in their order."""

    __slots__ = ("app", "done", "door", "open", "outcomes", "repeated")

    def __init__(self, app: App, requests: int, done: Done, door: str) -> None:
        self.app = app
        self.done = done
        self.door = door
        self.open = 0  # operations of its requests that are not done yet
        self.outcomes: list[Outcome | None] = [None] * requests
        self.repeated: list[tuple[int, str | None, int]] = []  # place, ref, and the message that is stored under it


class Intake:
    """`submit`, the one way in for messages, whatever door they came through."""

    def __init__(self, outbound: Outbound, settings: Settings, rng: random.Random | None = None) -> None:
        self._outbound = outbound
        self._store = outbound.store
        self._writer = outbound.writer
        self.preparer = Preparer(settings, outbound.store.ids, rng, outbound.choice)
        self.ahead = Ahead(outbound.writer, self.preparer)
        self._settings = settings
        self._limit = settings.limits.queued
        self._warned: dict[tuple[str, str], int] = {}  # apps and prefixes of caps that were reached, and when (ms)
        self.repeats = Repeats(outbound.store, self._settle, self._tell)
        self._direct: dict[str, list[SegmentOut]] = {}  # by carrier, what was claimed as it was stored in a burst
        self._behind: set[str] = set()  # carriers of which a burst stored something else
        outbound.writer.on_first = self._all_submitted

    def configure(self, settings: Settings) -> None:
        """Takes over new settings."""
        self.preparer.configure(settings)
        self._settings = settings
        self._limit = settings.limits.queued
        self._writer.base.checks = checks(settings)
        self._writer.base.charges |= any(app.prepaid for app in settings.apps)
        self._warned.clear()
        for cap in settings.caps:
            self._outbound.metrics.prefix_capped.labels(cap.prefix)
        for of, quota in quotas(settings):
            self._outbound.metrics.quota_refused.labels(of, quota)

    def submit(self, app: App, requests: list[Submit], done: Done, door: str = "socket") -> None:
        """Takes a burst of requests; ``done`` gets an outcome for each, in order, after the commit.

        ``door`` says which way they came in, for the history of the messages.
        """
        try:
            self._ready_to_take()
        except Refusal as refusal:
            batch = Batch(app, len(requests), done, door)
            self.repeats.refuse(batch, [(i, request, refusal) for i, request in enumerate(requests)])
            self._settle(batch)
            return
        batch = Batch(app, len(requests), done, door)
        if self.ahead.idle:
            self._plan(batch, zip(range(len(requests)), requests, repeat(None)))
        else:
            straight, waiting = self.ahead.split(app, requests)
            if waiting:
                batch.open += 1
                self.ahead.ask(waiting, partial(self._facts_known, batch), partial(self._facts_not_known, batch))
            self._plan(batch, straight)
        self._settle(batch)

    async def known(self, app: App, request: Submit) -> Known | None:
        """What is to be known before a request is prepared that is not to be stored: a preview say."""
        if not self.preparer.asks or not self.preparer.may_need(request):
            return None
        try:
            peer = normalise(request.to, self.preparer.region).value
        except AddressError:  # said by whoever prepares it
            return None
        need = self.preparer.need(app, request, peer)
        if not need:
            return None
        numbers = self.preparer.metered(app, request, peer) if need & Need.ROOM else frozenset()
        return (await self._store.reader.read(partial(ask, wanted=[(peer, need)], numbers=numbers)))[peer]

    async def weigh(self, prepared: Prepared) -> None:
        """Asks of one that is not to be stored what storing it would: a preview say. Raises Refusal, and adds warnings.

        Bounds of the moment (a full queue or disk) are not asked.
        """
        row, now_ms = prepared.row, self._store.clock.now_ms()
        dry = checks(self._settings, dry=True)
        await self._store.reader.read(partial(weigh, message=row, now=now_ms, base=self._writer.base, checks=dry))
        if row.refused is not None:
            raise _refused(prepared, row.refused)
        if row.conflict:
            raise Refusal("ref_conflict", field="ref")
        if row.duplicate_of is not None:
            prepared.warnings.append("submitted before with this ref: it is not sent again")
        if row.noted is not None:
            prepared.warnings.append(row.noted)

    def _facts_known(self, batch: Batch, requests: list[tuple[int, Submit, Known | None]]) -> None:
        batch.open -= 1
        self._plan(batch, requests)
        self._settle(batch)

    def _facts_not_known(self, batch: Batch, indexes: list[int], error: Exception) -> None:
        batch.open -= 1
        for i in indexes:
            batch.outcomes[i] = _not_stored(error)
        self._settle(batch)

    def _plan(self, batch: Batch, requests: Iterable[tuple[int, Submit, Known | None]]) -> None:
        """Makes messages of requests, and has them stored in one operation."""
        now_ms = self._store.clock.now_ms()
        app, door = batch.app, batch.door
        prepare = self.preparer.prepare
        moved: list[StickyRow] = []
        planned: list[tuple[int, Prepared]] = []
        refused: list[Refused] = []
        for i, request, known in requests:
            try:
                prepared = prepare(app, request, now_ms, known)
                queue = self._outbound.queue(prepared.row.carrier)
                if queue.stored.get(app.name, 0) >= self._limit:
                    raise Refusal("queue_full", retry_after=10)
            except Refusal as refusal:
                refused.append((i, request, refusal))
                continue
            if prepared.row.state == State.QUEUED:
                self._try_direct(prepared, queue)
                if prepared.row.state == State.QUEUED:
                    queue.count(app.name, prepared.outgoing.parts)
                    # Until it is in the queue, what comes after it must not go past.
                    queue.coming[prepared.row.lane] += 1
            if known is not None and known.used is not None and known.used.room is not None:
                # For the next of the same burst; what counts is what is stored.
                known.used.room.take(prepared.row.number, prepared.row.air)
            prepared.row.door = door
            if prepared.moved:
                moved.append((prepared.row.number, prepared.row.peer, prepared.row.carrier, now_ms))
            planned.append((i, prepared))
        if refused:
            self.repeats.refuse(batch, refused)
        if not planned:
            return
        if moved:
            self._writer.put(self._outbound.choice.hold_all(moved))
        batch.open += 1
        op = SubmitOp([p.row for _, p in planned], (batch, planned))
        self._writer.put(op, self._submitted, self._not_submitted)

    def _settle(self, batch: Batch) -> None:
        """Has a batch answered when all of it is done; in the order of its requests, whenever each was done."""
        if batch.open:
            return
        if batch.repeated:
            self.repeats.answer(batch)
        else:
            self._tell(batch)

    def _ready_to_take(self) -> None:
        if self._outbound.stopping:
            raise Refusal("stopping", retry_after=5)
        if self._writer.disk_full:
            raise Refusal("disk_full", retry_after=10)

    def _try_direct(self, prepared: Prepared, queue: CarrierQueue) -> None:
        """Where a slot is free and nothing waits before it, the message is claimed by the insert itself."""
        outgoing = prepared.outgoing
        carrier = self._outbound.carriers.get(outgoing.carrier)
        if carrier is None or not queue.passes(outgoing.lane, outgoing.number, outgoing.peer):
            return
        kept_free = carrier.kept_free if outgoing.lane else 0
        if carrier.room() - queue.reserved - kept_free < len(outgoing.waiting):
            return
        prepared.row.state = State.SUBMITTING
        queue.reserved += len(outgoing.waiting)
        queue.hold_pair(outgoing)

    def _submitted(self, op: SubmitOp) -> None:
        batch: Batch
        planned: list[tuple[int, Prepared]]
        batch, planned = op.context
        batch.open -= 1
        text = self._store.id_text.format
        direct, behind = self._direct, self._behind
        for i, p in planned:
            row, outgoing = p.row, p.outgoing
            queue = self._outbound.queues[row.carrier]
            if row.state == State.QUEUED:
                queue.coming[row.lane] -= 1
            if row.refused is not None:
                behind.add(row.carrier)
                self._taken_back(p)
                if row.refused.cap is not None:
                    self._alarm(row.app, row.refused.cap, row.refused.detail)
                batch.outcomes[i] = _refused(p, row.refused)
                continue
            if row.duplicate_of is not None:
                behind.add(row.carrier)
                self._taken_back(p)
                if row.conflict:
                    batch.outcomes[i] = Refusal("ref_conflict", field="ref")
                else:
                    batch.repeated.append((i, row.ref, row.duplicate_of))
                continue
            if row.noted is not None:
                p.warnings.append(row.noted)
            if row.state == State.SUBMITTING:
                parts = outgoing.waiting
                outgoing.waiting = []
                outgoing.open = len(parts)
                outs = [SegmentOut(outgoing, part) for part in parts]
                known = direct.get(row.carrier)
                if known is None:
                    direct[row.carrier] = outs
                else:
                    known += outs
            elif row.state == State.QUEUED:
                behind.add(row.carrier)
                queue.add(outgoing)
            if p.held:
                self._outbound.metrics.quiet_held.labels("door").inc()
            state = "scheduled" if row.state == State.SCHEDULED else "queued"
            batch.outcomes[i] = Accepted(
                text(row.id),
                row.ref,
                state,
                p.plan.parts,
                row.encoding,
                row.number,
                row.peer,
                False,
                p.warnings,
            )
        self._settle(batch)

    def _all_submitted(self) -> None:
        """What a burst stored goes on to its carriers together: however many connections it came by."""
        if self._direct:
            direct, self._direct = self._direct, {}
            for name, segments in direct.items():
                self._outbound.queues[name].reserved -= len(segments)
                self._outbound.claims.push(name, segments)
        if self._behind:
            behind, self._behind = self._behind, set()
            for name in behind:
                self._outbound.claims.refill(name)
            self._outbound.loader.nudge()

    def _not_submitted(self, op: SubmitOp, error: Exception) -> None:
        batch: Batch
        planned: list[tuple[int, Prepared]]
        batch, planned = op.context
        batch.open -= 1
        for i, p in planned:
            if p.row.state == State.QUEUED:
                self._outbound.queues[p.row.carrier].coming[p.row.lane] -= 1
            self._taken_back(p)
            batch.outcomes[i] = _not_stored(error)
        for name in {p.row.carrier for _, p in planned}:
            self._outbound.claims.refill(name)
        self._settle(batch)

    def _alarm(self, app: str, prefix: str, detail: str | None) -> None:
        """A cap was reached: told once in a step of its for each app, however much is refused, and of what length."""
        now_ms = self._store.clock.now_ms()
        if now_ms - self._warned.get((app, prefix), -STEP_MS) >= STEP_MS:
            self._warned[app, prefix] = now_ms
            _log.error("prefix_cap", app=app, detail=detail)

    def _taken_back(self, prepared: Prepared) -> None:
        """A message that was not stored leaves no trace in its queue."""
        queue, outgoing = self._outbound.queues[prepared.row.carrier], prepared.outgoing
        if prepared.row.state == State.SUBMITTING:
            queue.reserved -= len(outgoing.waiting)
            queue.finished(outgoing)
        elif prepared.row.state == State.QUEUED:
            queue.count(outgoing.app, -outgoing.parts)

    def _tell(self, batch: Batch) -> None:
        outcomes = [o for o in batch.outcomes if o is not None]
        app = batch.app.name
        accepted = sum(isinstance(o, Accepted) for o in outcomes)
        if accepted:
            self._outbound.metrics.app_accepted.labels(app).inc(accepted)
        if accepted != len(outcomes):
            for o in outcomes:
                if isinstance(o, Refusal):
                    self._outbound.metrics.app_refused.labels(app, o.reason).inc()
        batch.done(outcomes)


_ALSO: Final[dict[str, str]] = {
    "full": "nor has another of those that fit",
    "thread": "the phone wrote to this one, and hears from no other unless it is named",
}
"""Said of a number that was chosen although it is over its quota."""


def _refused(prepared: Prepared, verdict: Verdict) -> Refusal:
    reason, detail, field, retry_after, _ = verdict
    if reason == QUOTA_EXCEEDED and field == "from" and prepared.why in _ALSO:
        detail = f"{detail}; {_ALSO[prepared.why]}"
    return Refusal(reason, detail, field=field, retry_after=retry_after)


def _not_stored(error: Exception) -> Refusal:
    return Refusal(error.reason if isinstance(error, StoreUnavailableError) else "store_unavailable", retry_after=1)
