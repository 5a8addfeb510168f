"""`Outbound`: messages in, segments to carriers, answers recorded.

The database is the truth. In memory are the look-ahead of each carrier's queue, what is claimed, and what is on the
wire. Every step is a burst: the requests of one read of a socket, the claims that ride beside the answers of one read
of a bind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from gateway.carrier.bind import Answer, Bind
from gateway.carrier.carrier import Carrier
from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.carrier.status import Verdict, reason, verdict
from gateway.log import logger
from gateway.metrics import Metrics
from gateway.model import State
from gateway.outbound.prepare import Prepared, Preparer, restore
from gateway.outbound.queue import CarrierQueue, Unit
from gateway.outbound.request import Accepted, App, Refusal, Submit
from gateway.settings import Settings
from gateway.smpp.session import Session
from gateway.store import queries
from gateway.store.ends import End, EndOp
from gateway.store.hot import Row
from gateway.store.sends import ClaimOp, DoubtOp, Key, ResponseOp, Sent, UnclaimOp
from gateway.store.store import Store
from gateway.store.submits import SubmitOp
from gateway.store.writer import StoreUnavailableError

_log = logger(component="outbound")

LONGEST_RETRY: Final = 300.0
PAGE: Final = 500

Outcome = Accepted | Refusal
Done = Callable[[list[Outcome]], None]


class Batch:
    """Requests that came together, and who is told of their outcome, in their order."""

    __slots__ = ("app", "done", "outcomes", "prepared")

    def __init__(self, app: App, done: Done) -> None:
        self.app = app
        self.done = done
        self.outcomes: list[Outcome | None] = []
        self.prepared: list[tuple[int, Prepared]] = []


class Outbound:
    """The MT flow of all carriers. Implements what carriers call (`gateway.carrier.carrier.Hooks`) for segments."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics) -> None:
        self.store = store
        self.writer = store.writer
        self.metrics = metrics
        self.clock = store.clock
        self.carriers: dict[str, Carrier] = {}
        self.queues: dict[str, CarrierQueue] = {}
        self.stopping = False
        self.preparer = Preparer(settings, store.ids)
        self._settings = settings
        self._load = trio.Event()
        self._repeated: deque[Batch] = deque()
        self._repeats = trio.Event()
        self.later: Callable[[Outgoing], None] = _ignore
        self.on_arrived: Callable[[Bind, Session, list], None] = _ignore_arrived  # type: ignore[type-arg]

    def configure(self, settings: Settings) -> None:
        """Takes over new settings."""
        self._settings = settings
        self.preparer.configure(settings)
        for queue in self.queues.values():
            queue.look_ahead = settings.limits.look_ahead

    def add_carrier(self, carrier: Carrier) -> None:
        """A carrier that was set up; its queue outlives it."""
        self.carriers[carrier.name] = carrier
        queue = self.queue(carrier.name)
        queue.set_ordered(carrier.settings.order == "peer")
        self.metrics.carrier(carrier.name)
        self._nudge_loader()

    def remove_carrier(self, name: str) -> None:
        """A carrier that is no longer there; what is queued for it waits."""
        self.carriers.pop(name, None)

    def queue(self, name: str) -> CarrierQueue:
        """The queue of a carrier."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = CarrierQueue(name, self._settings.limits.look_ahead, ordered=True)
        return queue

    # --- in -----------------------------------------------------------------------------------------------------------

    def submit(self, app: App, requests: list[Submit], done: Done) -> None:
        """Takes a burst of requests; ``done`` gets an outcome for each, in order, after the commit."""
        batch = Batch(app, done)
        try:
            self._ready_to_take()
        except Refusal as refusal:
            done([refusal] * len(requests))
            return
        now_ms = self.clock.now_ms()
        prepare = self.preparer.prepare
        limit = self._settings.limits.queued
        for i, request in enumerate(requests):
            try:
                prepared = prepare(app, request, now_ms)
                queue = self.queue(prepared.row.carrier)
                if queue.stored.get(app.name, 0) >= limit:
                    raise Refusal("queue_full", retry_after=10)
            except Refusal as refusal:
                batch.outcomes.append(refusal)
                continue
            if prepared.row.state == State.QUEUED:
                self._try_direct(prepared, queue)
                if prepared.row.state == State.QUEUED:
                    queue.count(app.name, prepared.outgoing.parts)
            batch.outcomes.append(None)
            batch.prepared.append((i, prepared))
        if not batch.prepared:
            self._tell(batch)
            return
        self.writer.put(SubmitOp([p.row for _, p in batch.prepared], batch), self._submitted, self._not_submitted)

    def _ready_to_take(self) -> None:
        if self.stopping:
            raise Refusal("stopping", retry_after=5)
        if self.writer.disk_full:
            raise Refusal("disk_full", retry_after=10)

    def _try_direct(self, prepared: Prepared, queue: CarrierQueue) -> None:
        """Where a slot is free and nothing waits before it, the message is claimed by the insert itself."""
        outgoing = prepared.outgoing
        carrier = self.carriers.get(outgoing.carrier)
        if carrier is None or not queue.passes(outgoing.lane, outgoing.number, outgoing.peer):
            return
        kept_free = carrier.kept_free if outgoing.lane else 0
        if carrier.room() - queue.reserved - kept_free < len(outgoing.waiting):
            return
        prepared.row.state = State.SUBMITTING
        queue.reserved += len(outgoing.waiting)
        queue.hold_pair(outgoing)

    def _submitted(self, op: SubmitOp) -> None:
        batch: Batch = op.context
        text = self.store.id_text.format
        direct: dict[str, list[SegmentOut]] = {}
        duplicates = False
        for i, p in batch.prepared:
            row, outgoing = p.row, p.outgoing
            queue = self.queues[row.carrier]
            if row.duplicate_of is not None:
                self._taken_back(p)
                if row.conflict:
                    batch.outcomes[i] = Refusal("ref_conflict", field="ref")
                else:
                    duplicates = True
                continue
            if row.state == State.SUBMITTING:
                parts = outgoing.waiting
                queue.reserved -= len(parts)
                outgoing.waiting = []
                outgoing.open = len(parts)
                outs = [SegmentOut(outgoing, part) for part in parts]
                known = direct.get(row.carrier)
                if known is None:
                    direct[row.carrier] = outs
                else:
                    known += outs
            elif row.state == State.QUEUED:
                queue.add(outgoing)
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
        for name, segments in direct.items():
            self._push(name, segments)
        for name in {p.row.carrier for _, p in batch.prepared if p.row.state == State.QUEUED or p.row.duplicate_of}:
            self.refill(name)
        self._nudge_loader()
        if duplicates:
            self._repeated.append(batch)
            self._repeats.set()
        else:
            self._tell(batch)

    def _not_submitted(self, op: SubmitOp, error: Exception) -> None:
        batch: Batch = op.context
        reason_ = error.reason if isinstance(error, StoreUnavailableError) else "store_unavailable"
        for i, p in batch.prepared:
            self._taken_back(p)
            batch.outcomes[i] = Refusal(reason_, retry_after=1)
        for name in {p.row.carrier for _, p in batch.prepared}:
            self.refill(name)
        self._tell(batch)

    def _taken_back(self, prepared: Prepared) -> None:
        """A message that was not stored leaves no trace in its queue."""
        queue, outgoing = self.queues[prepared.row.carrier], prepared.outgoing
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
            self.metrics.app_accepted.labels(app).inc(accepted)
        if accepted != len(outcomes):
            for o in outcomes:
                if isinstance(o, Refusal):
                    self.metrics.app_refused.labels(app, o.reason).inc()
        batch.done(outcomes)

    async def answer_duplicates(self) -> None:
        """Answers batches with repeated refs by what is stored under them; a task of the daemon, for its reads."""
        text = self.store.id_text.format
        while True:
            if not self._repeated:
                self._repeats = trio.Event()
                await self._repeats.wait()
            batch = self._repeated.popleft()
            wanted = [(i, p) for i, p in batch.prepared if p.row.duplicate_of is not None and not p.row.conflict]
            ids = [p.row.duplicate_of for _, p in wanted if p.row.duplicate_of is not None]
            try:
                states = await self.store.reader.read(partial(queries.states, ids=ids))
            except Exception as error:
                _log.error("duplicates_not_read", error=repr(error))
                states = {}
            for i, p in wanted:
                original = p.row.duplicate_of
                state = states.get(original) if original is not None else None
                if original is None or state is None:
                    batch.outcomes[i] = Refusal("store_unavailable", retry_after=1)
                    continue
                row = p.row
                batch.outcomes[i] = Accepted(
                    text(original), row.ref, state, p.plan.parts, row.encoding, row.number, row.peer, True, []
                )
            self._tell(batch)

    # --- out ----------------------------------------------------------------------------------------------------------

    def refill(self, name: str) -> None:
        """Claims what there is room for; the claims ride in the burst that gathers just now."""
        carrier = self.carriers.get(name)
        queue = self.queues[name]
        if carrier is None or not queue.waiting or self.stopping:
            return
        keys: list[Key] = []
        while not keys:
            budget = carrier.room() - queue.reserved
            taken = queue.take(budget, carrier.kept_free) if budget > 0 else None
            if not taken:
                return
            keys = self._claim(queue, taken)

    def _claim(self, queue: CarrierQueue, taken: list[tuple[Outgoing, list[int]]]) -> list[Key]:
        """Has them claimed, without those whose validity is over; returns what is being claimed."""
        now_ms = self.clock.now_ms()
        keys: list[Key] = []
        kept: list[tuple[Outgoing, list[int]]] = []
        expired: list[End] = []
        for item, parts in taken:
            if item.expires_at <= now_ms:
                expired += [End(item.id, p, State.EXPIRED, "expired_unsent", low=0, high=1) for p in parts]
                queue.count(item.app, -len(parts))
                if not item.waiting and not item.open:
                    queue.finished(item)
                continue
            # Open from here on: an answer to another part that comes first must not end the message.
            item.open += len(parts)
            kept.append((item, parts))
            keys += [(item.id, part) for part in parts]
        if expired:
            self.writer.put(EndOp(expired))
        if keys:
            queue.reserved += len(keys)
            self.writer.put(ClaimOp(keys, (queue.carrier, kept)), self._claimed, self._not_claimed)
        return keys

    def _claimed(self, op: ClaimOp) -> None:
        name: str
        kept: list[tuple[Outgoing, list[int]]]
        name, kept = op.context
        queue = self.queues[name]
        queue.reserved -= len(op.keys)
        claimed = None if op.claimed is op.keys else set(op.claimed)
        out: list[SegmentOut] = []
        for item, parts in kept:
            queue.count(item.app, -len(parts))
            mine = parts if claimed is None else [p for p in parts if (item.id, p) in claimed]
            if item.settled:
                mine = [p for p in mine if p not in item.settled]
            out += [SegmentOut(item, part) for part in mine]
            if len(mine) != len(parts):
                # Cancelled, expired or settled while it waited.
                item.open -= len(parts) - len(mine)
                self._place(queue, item)
        self._push(name, out)
        if len(out) != len(op.keys):
            self.refill(name)
        self._nudge_loader()

    def _not_claimed(self, op: ClaimOp, error: Exception) -> None:
        name: str
        kept: list[tuple[Outgoing, list[int]]]
        name, kept = op.context
        queue = self.queues[name]
        queue.reserved -= len(op.keys)
        for item, parts in reversed(kept):
            item.open -= len(parts)
            item.waiting = sorted({*parts, *item.waiting})
            if not item.placed:
                queue.again(item, first=True)
        carrier = self.carriers.get(name)
        if carrier is not None:
            carrier.retry_soon(0.5)

    def _push(self, name: str, segments: list[SegmentOut]) -> None:
        if not segments:
            return
        carrier = self.carriers.get(name)
        if carrier is None or carrier.stopping or carrier.held or not carrier.can_send:
            self._unclaim(name, segments)
        else:
            carrier.push(segments)

    def _unclaim(self, name: str, segments: list[SegmentOut], bind: Bind | None = None) -> None:
        """Claims that were certainly not written go back to the queue, in their order."""
        keys = [(s.message.id, s.part) for s in segments]
        self.writer.put(UnclaimOp(keys, (name, segments, bind)), self._unclaimed)

    def _unclaimed(self, op: UnclaimOp) -> None:
        name: str
        segments: list[SegmentOut]
        bind: Bind | None
        name, segments, bind = op.context
        queue = self.queues[name]
        for s in reversed(segments):
            item = s.message
            item.open -= 1
            item.waiting = sorted({s.part, *item.waiting})
            queue.count(item.app, 1)
            if not item.placed:
                queue.again(item, first=True)
        if bind is not None:
            bind.carrier.settled(bind, len(segments))
        self.refill(name)

    # --- what carriers call -------------------------------------------------------------------------------------------

    def ready(self, carrier: Carrier) -> None:
        """There is room to claim more, or a bind came up."""
        self.refill(carrier.name)

    def stalled(self, carrier: Carrier) -> None:
        """No bind can send: unwritten claims go back."""
        segments = carrier.take_back()
        if segments:
            self._unclaim(carrier.name, segments)

    def expired(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed, not written, and past the validity."""
        self._give_up(carrier, segments, State.EXPIRED, "expired_unsent")

    def unsendable(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed, and refused by our own encoder: set aside, so that they stop nobody."""
        self.metrics.unsendable.inc(len({s.message.id for s in segments}))
        self._give_up(carrier, segments, State.FAILED, "unsendable")

    def _give_up(self, carrier: Carrier, segments: list[SegmentOut], state: State, reason_: str) -> None:
        ends = [End(s.message.id, s.part, state, reason_, low=2, high=2) for s in segments]
        queue = self.queues[carrier.name]
        for s in segments:
            item = s.message
            item.open -= 1
            if item.waiting:
                queue.count(item.app, -len(item.waiting))
                item.waiting = []
            if not item.open:
                queue.finished(item)
        self.writer.put(EndOp(ends))
        self.refill(carrier.name)

    def written(self, carrier: Carrier, segments: int) -> None:
        """Counts."""
        self.metrics.carrier(carrier.name).submitted.inc(segments)

    def rejected(self, bind: Bind) -> None:
        """Counts."""
        self.metrics.carrier(bind.carrier.name).rejected_pdus.inc()

    def state(self, bind: Bind) -> None:
        """A bind that connects again is counted."""
        if bind.state == "connecting" and bind.reconnects:
            self.metrics.carrier(bind.carrier.name).reconnects.inc()

    def arrived(self, bind: Bind, session: Session, pdus: list) -> None:  # type: ignore[type-arg]
        """Inbound PDUs go to the inbound flow."""
        self.on_arrived(bind, session, pdus)

    def answered(self, bind: Bind, answers: list[Answer]) -> None:
        """Responses of one read: recorded in one operation, whose commit frees their slots."""
        carrier = bind.carrier
        counts = self.metrics.carrier(carrier.name)
        now_ms = self.clock.now_ms()
        now = trio.current_time()
        sent: list[Sent] = []
        refused: list[End] = []
        retries: list[Row] = []
        mine: list[tuple[SegmentOut, Verdict, int]] = []
        throttled = False
        for a in answers:
            segment = a.segment
            item = segment.message
            judged = verdict(a.status)
            if judged is Verdict.SENT:
                sent.append(Sent(item.id, segment.part, a.message_id, now_ms, item.receipt, a.late))
                if a.late:
                    self._withdraw(item, segment.part)
            else:
                counts.failed(a.status)
                if judged is Verdict.REFUSED:
                    states = ((1, 1), (4, 4)) if a.late else ((2, 2),)
                    refused += [
                        End(
                            item.id,
                            segment.part,
                            State.FAILED,
                            reason(a.status),
                            status=a.status,
                            low=low,
                            high=high,
                        )
                        for low, high in states
                    ]
                elif not a.late:
                    throttled = throttled or judged is Verdict.THROTTLED
                    due = self._retry_at(carrier, segment, judged, now_ms)
                    retries.append((item.id, segment.part, a.status, due))
                    item.due_at = max(item.due_at, due)
            if a.late:
                counts.late.inc()
            else:
                mine.append((segment, judged, a.status))
        if sent:
            counts.accepted.inc(len(sent))
        counts.submit_latency.observe([now - a.segment.written_at for a in answers])
        if throttled:
            pause = carrier.settings.throttle_pause
            counts.throttled.inc(carrier.pause(pause))
        op = ResponseOp(carrier.name, sent, refused, retries, (bind, mine))
        self.writer.put(op, self._recorded, self._not_recorded)

    def _withdraw(self, item: Outgoing, part: int) -> None:
        """A late answer says that the carrier has it: a copy that is not written yet is not sent."""
        queue = self.queues[item.carrier]
        carrier = self.carriers.get(item.carrier)
        item.settled = {part, *(item.settled or ())}
        if part in item.waiting:
            item.waiting.remove(part)
            queue.count(item.app, -1)
        elif carrier is not None and carrier.withdraw(item, part):
            item.open -= 1
        else:
            return
        self._place(queue, item)

    @staticmethod
    def _retry_at(carrier: Carrier, segment: SegmentOut, judged: Verdict, now_ms: int) -> int:
        item = segment.message
        if judged is Verdict.THROTTLED:
            wait = carrier.settings.throttle_pause
        else:
            item.attempts += 1
            wait = min(carrier.settings.retry_delay * 2 ** min(item.attempts - 1, 16), LONGEST_RETRY)
        # Not later than its validity, so that others to the same peer do not wait for what has expired.
        return min(now_ms + int(wait * 1000), item.expires_at)

    def _recorded(self, op: ResponseOp) -> None:
        bind: Bind
        mine: list[tuple[SegmentOut, Verdict, int]]
        bind, mine = op.context
        carrier = bind.carrier
        queue = self.queues[carrier.name]
        carrier.settled(bind, len(mine))
        for segment, judged, _ in mine:
            item = segment.message
            item.open -= 1
            if judged is Verdict.SENT:
                pass
            elif judged is Verdict.REFUSED:
                # Its unsent parts ended with it in the same transaction.
                queue.count(item.app, -len(item.waiting))
                item.waiting = []
            else:
                item.waiting = sorted({segment.part, *item.waiting})
                queue.count(item.app, 1)
            self._place(queue, item)
        carrier.pump()
        self.refill(carrier.name)

    def _place(self, queue: CarrierQueue, item: Outgoing) -> None:
        """After an outcome: the pair is freed when all is done; what has to go again waits until it is due."""
        if item.open:
            return
        if not item.waiting:
            queue.finished(item)
        elif not item.placed:
            if item.due_at > self.clock.now_ms():
                item.placed = True
                self.later(item)
            else:
                queue.again(item)

    def _not_recorded(self, op: ResponseOp, error: Exception) -> None:
        # Only a defect gets here. The segments stay `submitting` in the database and are in doubt at the next start.
        bind: Bind
        bind, mine = op.context
        bind.carrier.settled(bind, len(mine))
        for segment, _, _ in mine:
            segment.message.open -= 1
            if not segment.message.open and not segment.message.waiting:
                self.queues[bind.carrier.name].finished(segment.message)

    def unanswered(self, bind: Bind, segments: list[SegmentOut]) -> None:
        """No response in time: in doubt."""
        self._doubt(bind, segments)

    def lost(self, bind: Bind, written: list[SegmentOut], unwritten: list[SegmentOut]) -> None:
        """The session ended."""
        if unwritten:
            self._unclaim(bind.carrier.name, unwritten, bind)
        if written:
            self._doubt(bind, written)

    def _doubt(self, bind: Bind, segments: list[SegmentOut]) -> None:
        carrier = bind.carrier
        self.metrics.carrier(carrier.name).in_doubt.inc(len(segments))
        _log.warning("in_doubt", bind=bind.name, segments=len(segments), policy=carrier.settings.in_doubt)
        keys = [(s.message.id, s.part) for s in segments]
        op = DoubtOp(keys, carrier.settings.in_doubt == "resend", (bind, segments))
        self.writer.put(op, self._doubted)

    def _doubted(self, op: DoubtOp) -> None:
        bind: Bind
        segments: list[SegmentOut]
        bind, segments = op.context
        carrier = bind.carrier
        queue = self.queues[carrier.name]
        carrier.settled(bind, len(segments))
        for s in segments:
            item = s.message
            item.open -= 1
            again = op.states.get((item.id, s.part)) == State.QUEUED
            if again:
                item.waiting = sorted({s.part, *item.waiting})
                queue.count(item.app, 1)
            self._place(queue, item)
        carrier.pump()
        self.refill(carrier.name)

    # --- from disk ----------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Finds what waits in the database after a start."""
        for unit, segments in self.store.read_now(queries.queue_units):
            queue = self.queue(unit.carrier)
            queue.on_disk(unit)
            queue.count(unit.app, segments)
        self._nudge_loader()

    def _nudge_loader(self) -> None:
        if not self._load.is_set():
            self._load.set()

    def wake(self, name: str) -> None:
        """A carrier came (back): what waits for it is looked at."""
        self._nudge_loader()
        self.refill(name)

    async def load(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Reads pages of queued messages as the queues run low; a task of the daemon."""
        task_status.started()
        while True:
            self._load = trio.Event()
            for queue in list(self.queues.values()):
                if queue.carrier not in self.carriers:
                    continue
                for unit in queue.wants_page():
                    await self._load_page(queue, unit)
            await self._load.wait()

    async def _load_page(self, queue: CarrierQueue, unit: Unit) -> None:
        after = queue.begin_page(unit)
        lane, app, rank = unit.key
        where = queries.QueueUnit(queue.carrier, lane, app, rank)
        limit = min(PAGE, queue.look_ahead)
        try:
            found, last = await self.store.reader.read(lambda con: queries.queued(con, where, after, limit))
        except Exception as error:
            unit.loading = False
            _log.error("queue_not_read", carrier=queue.carrier, error=repr(error))
            await trio.sleep(1)
            self._nudge_loader()
            return
        items = self.restore(found)
        for item in queue.loaded(unit, items, last=last):
            self.later(item)
        self.refill(queue.carrier)
        if not unit.complete:
            self._nudge_loader()

    def restore(self, found: list[tuple[Row, list[Row]]]) -> list[Outgoing]:
        """Stored rows as messages. One that cannot be put on the air any more is set aside, with its reason."""
        items: list[Outgoing] = []
        for row, segments in found:
            try:
                items.append(restore(row, segments))
            except Exception as error:
                self.metrics.unsendable.inc()
                _log.error("message_set_aside", id=self.store.id_text.format(row[0]), error=repr(error))
                ends = [End(row[0], s[0], State.FAILED, "unsendable", low=0, high=1) for s in segments]
                self.writer.put(EndOp(ends))
        return items

    def admit(self, items: list[Outgoing]) -> None:
        """Messages that came to be queued otherwise than by a submit: due, or resolved by an operator."""
        names: set[str] = set()
        for item in items:
            queue = self.queue(item.carrier)
            queue.count(item.app, len(item.waiting))
            names.add(item.carrier)
            present = queue.known.get(item.id)
            if present is None:
                queue.add(item)
                continue
            # Some of its parts are under way or wait still: these come to them.
            present.waiting = sorted({*present.waiting, *item.waiting})
            self._place(queue, present)
        for name in names:
            self.refill(name)
        self._nudge_loader()


def _ignore(item: Outgoing) -> None:
    raise RuntimeError("no sweeper")


def _ignore_arrived(bind: Bind, session: Session, pdus: object) -> None:
    raise RuntimeError("no inbound flow")
