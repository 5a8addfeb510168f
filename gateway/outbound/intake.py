"""Messages in: requests are prepared, stored in one operation for a burst, and answered after its commit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, repeat
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

# Plain numbers: the members of an enumeration are dearer to look up, and to store (see `NewMessage`).
_SCHEDULED: Final = int(State.SCHEDULED)
_QUEUED: Final = int(State.QUEUED)
_SUBMITTING: Final = int(State.SUBMITTING)
MOST_IDS: Final = 10_000
"""Ids that are drawn at once."""

Room = tuple[int, int]
"""The segments that a carrier has room for, and how many of those are not for lane 1."""
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

    def submit(
        self, app: App, requests: list[Submit], done: Done, door: str = "socket", *, shared: bool = False
    ) -> None:
        """Takes a burst of requests; ``done`` gets an outcome for each, in order, after the commit.

        ``door`` says which way they came in, for the history of the messages; ``shared``, that nobody waits for their
        outcomes before more comes (`gateway.store.company`).
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
            self._plan(batch, list(zip(range(len(requests)), requests, repeat(None))), shared=shared)
        else:
            straight, waiting = self.ahead.split(app, requests)
            if waiting:
                batch.open += 1
                known, not_known = partial(self._facts_known, batch), partial(self._facts_not_known, batch)
                self.ahead.ask(waiting, known, not_known, shared=shared)
            self._plan(batch, straight, shared=shared)
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

    def _plan(self, batch: Batch, requests: list[tuple[int, Submit, Known | None]], *, shared: bool = False) -> None:
        """Makes messages of requests, and has them stored in one operation."""
        now_ms = self._store.clock.now_ms()
        app, door = batch.app, batch.door
        name, limit = app.name, self._limit
        prepare, queues = self.preparer.prepare, self._outbound.queues
        moved: list[StickyRow] = []
        planned: list[Prepared] = []
        refused: list[Refused] = []
        rooms: dict[str, Room | None] = {}
        for (i, request, known), message_id in zip(requests, self._ids(len(requests)), strict=True):
            try:
                prepared = prepare(app, request, now_ms, known, 1, message_id)
                row = prepared.row
                queue = queues.get(row.carrier) or self._outbound.queue(row.carrier)
                stored = queue.stored.get(name, 0)
                if stored >= limit:
                    raise Refusal("queue_full", retry_after=10)
            except Refusal as refusal:
                refused.append((i, request, refusal))
                continue
            if row.state == _QUEUED and (queue.coming[0] or not self._goes_straight(prepared, queue, rooms)):
                queue.stored[name] = stored + row.parts
                # Until it is in the queue, what comes after it must not go past.
                queue.coming[row.lane] += 1
            if known is not None and known.used is not None and known.used.room is not None:
                # For the next of the same burst; what counts is what is stored.
                known.used.room.take(row.number, row.air)
            row.door = door
            if prepared.moved:
                moved.append((row.number, row.peer, row.carrier, now_ms))
            prepared.place = i
            planned.append(prepared)
        if refused:
            self.repeats.refuse(batch, refused)
        if not planned:
            return
        if moved:
            hold = self._outbound.choice.hold_all(moved)
            hold.shared = shared
            self._writer.put(hold)
        batch.open += 1
        op = SubmitOp([p.row for p in planned], (batch, planned))
        op.shared = shared
        self._writer.put(op, self._submitted, self._not_submitted)

    def _ids(self, count: int) -> Iterable[int]:
        """New ids for so many messages, rising; not all need be used."""
        ids = self._store.ids
        return chain.from_iterable(ids.some(min(MOST_IDS, count - at)) for at in range(0, count, MOST_IDS))

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

    def _goes_straight(self, prepared: Prepared, queue: CarrierQueue, rooms: dict[str, Room | None]) -> bool:
        """Where a slot is free and nothing waits before it, the message is claimed by the insert itself.

        ``rooms`` are those of the carriers as they were at the begin of the burst.
        """
        row = prepared.row
        if not queue.passes(row.lane, row.number, row.peer):
            return False
        if row.carrier in rooms:
            room = rooms[row.carrier]
        else:
            carrier = self._outbound.carriers.get(row.carrier)
            room = rooms[row.carrier] = None if carrier is None else (carrier.room(), carrier.kept_free)
        if room is None or room[0] - queue.reserved - (room[1] if row.lane else 0) < row.parts:
            return False
        row.state = _SUBMITTING
        queue.reserved += row.parts
        queue.hold_pair(prepared.outgoing)
        return True

    def _submitted(self, op: SubmitOp) -> None:
        batch: Batch
        planned: list[Prepared]
        batch, planned = op.context
        batch.open -= 1
        text = self._store.id_text.format
        direct, behind, queues, outcomes = self._direct, self._behind, self._outbound.queues, batch.outcomes
        for p in planned:
            row = p.row
            queue = queues[row.carrier]
            if row.state == _QUEUED:
                queue.coming[row.lane] -= 1
            if row.refused is not None:
                behind.add(row.carrier)
                self._taken_back(p)
                if row.refused.cap is not None:
                    self._alarm(row.app, row.refused.cap, row.refused.detail)
                outcomes[p.place] = _refused(p, row.refused)
                continue
            if row.duplicate_of is not None:
                behind.add(row.carrier)
                self._taken_back(p)
                if row.conflict:
                    outcomes[p.place] = Refusal("ref_conflict", field="ref")
                else:
                    batch.repeated.append((p.place, row.ref, row.duplicate_of))
                continue
            if row.noted is not None:
                p.warnings.append(row.noted)
            if row.state == _SUBMITTING:
                outgoing = p.outgoing
                parts = outgoing.waiting
                outgoing.waiting = []
                outgoing.open = len(parts)
                outs = [SegmentOut(outgoing, part) for part in parts]
                known = direct.get(row.carrier)
                if known is None:
                    direct[row.carrier] = outs
                else:
                    known += outs
            elif row.state == _QUEUED:
                behind.add(row.carrier)
                if not queue.stays_on_disk(row.id, row.lane, row.app, row.rank):
                    queue.take_in(p.outgoing)
            if p.held:
                self._outbound.metrics.quiet_held.labels("door").inc()
            outcomes[p.place] = Accepted(
                text(row.id),
                row.ref,
                "scheduled" if row.state == _SCHEDULED else "queued",
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
        planned: list[Prepared]
        batch, planned = op.context
        batch.open -= 1
        for p in planned:
            if p.row.state == _QUEUED:
                self._outbound.queues[p.row.carrier].coming[p.row.lane] -= 1
            self._taken_back(p)
            batch.outcomes[p.place] = _not_stored(error)
        for name in {p.row.carrier for p in planned}:
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
        row = prepared.row
        queue = self._outbound.queues[row.carrier]
        if row.state == _SUBMITTING:
            queue.reserved -= len(prepared.outgoing.waiting)
            queue.finished(prepared.outgoing)
        elif row.state == _QUEUED:
            queue.count(row.app, -row.parts)

    def _tell(self, batch: Batch) -> None:
        outcomes = [o for o in batch.outcomes if o is not None]
        app = batch.app.name
        refused = [o for o in outcomes if isinstance(o, Refusal)]
        accepted = len(outcomes) - len(refused)
        if accepted:
            self._outbound.metrics.app_accepted.labels(app).inc(accepted)
        for refusal in refused:
            self._outbound.metrics.app_refused.labels(app, refusal.reason).inc()
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
