"""What pushes the events of a feed to a receiver, one by one, until each is taken or set aside for its age.

A fixed number of tasks deliver; one more hands them what is next: a failed event whose time has come, or a new one from
the feed. A failed event leaves the feed for the store's table of retries, which keeps it over a restart: an event that
fails for days does not hold up the cursor, and so nobody behind it but
its own thread (`gateway.handlers.turns`).
"""

from __future__ import annotations

import random
import sqlite3
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar, Final

import trio

from gateway.handlers.outcome import Outcome
from gateway.handlers.pace import LONGEST_PAUSE, Backoff, Circuit, Rate
from gateway.handlers.terms import Terms
from gateway.handlers.turns import Key, Turns, key_of
from gateway.handlers.waiting import Waiting
from gateway.log import logger
from gateway.metrics import Metrics
from gateway.model import Clock
from gateway.outbox import Delivery, Feed, Outbox
from gateway.store import queries
from gateway.store.database import StoreError
from gateway.store.replay import events_at

AHEAD: Final = 32
"""New events read at once: a feed that is behind is read in pages, not row by row."""
MOST_WAITING: Final = 20_000
"""Failed events of a handler that wait for another try; at this bound it takes up no new ones."""
LOOK_AGAIN: Final = 60.0
"""Seconds after which the order of waiting events is made anew from what the outbox knows."""
CLOSE_WAIT: Final = 2.0
GIVE_WAY: Final = 1.0
"""Seconds for which a retry that is due waits for a page of new events."""
STORE_PAUSE: Final = 1.0
"""Seconds between two tries to read from a database that cannot be read."""
BEHIND: Final = "an earlier event of its thread is not through"
"""What stands in place of an error for an event that was not tried for that reason."""
LEARNT: Final = 500
"""Waiting events whose threads are read at once."""


class _Job:
    __slots__ = ("again", "attempt", "delivery", "key")

    def __init__(self, delivery: Delivery, attempt: int, key: Key | None, *, again: bool = False) -> None:
        self.delivery = delivery
        self.attempt = attempt  # 1 is the first, of what is replayed too
        self.key = key  # its thread, where the order matters
        self.again = again  # whether it came from the retries


class Pusher(ABC):
    """Serves one feed. ``failures``: deliveries that failed since the last that came through; ``last_error``: why.

    What kind of handler it is says how an event is delivered (`deliver`). ``rng`` is for tests.
    """

    kind: ClassVar[str]
    """The kind of handler, as the log names it."""

    def __init__(
        self,
        handler: Terms,
        feed: Feed,
        outbox: Outbox,
        metrics: Metrics,
        clock: Clock,
        *,
        rng: random.Random | None = None,
    ) -> None:
        self.handler = handler
        self.feed = feed
        self.failures = 0
        self.last_error: str | None = None
        self._outbox = outbox
        self._clock = clock
        self._log = logger(component=self.kind)
        self._backoff = Backoff(handler.retry_min, handler.retry_max, rng or random.Random())
        self._circuit = Circuit(self._backoff)
        self._retries = outbox.retries[feed.info.id]
        self._waiting = Waiting(self._retries)
        self._age = int(handler.dead_letter_after * 1000)
        self._ready: deque[Delivery] = deque()
        self._turns = Turns() if handler.order == "thread" else None
        self._next_up: deque[_Job] = deque()  # was held behind others of its thread, and has its turn
        self._unknown: list[int] = []  # waits among the retries, of which thread is to be read
        self._rate = Rate(handler.rate)
        self._slots = trio.Semaphore(handler.at_once)
        self._busy = 0
        # Events that failed before take half of the deliveries at most: those that hang do not hold up the new ones.
        self._retry_slots = max(1, handler.at_once // 2)
        self._retrying = 0
        self._turn_of_retries = True
        self._nap = trio.CancelScope()
        self._loaded_at = 0.0
        self._delivered = metrics.deliveries.labels(handler.name)
        self._failed = metrics.delivery_failures.labels(handler.name)

    @abstractmethod
    async def deliver(self, delivery: Delivery, attempt: int) -> Outcome:
        """Delivers an event, for the ``attempt``-th time. Never raises for what the receiver or the network does."""

    @abstractmethod
    async def aclose(self) -> None:
        """Closes what connections there are."""

    @property
    def waiting(self) -> int:
        """Events that failed and wait for another try; they are not in the feed's backlog."""
        return len(self._retries)

    @property
    def down(self) -> bool:
        """Whether so many deliveries failed in a row that only one at a time is tried."""
        return self._circuit.open

    @property
    def paused(self) -> bool:
        """Whether the receiver refuses what it is sent, so that it is tried now and then only."""
        return self._circuit.paused

    def probe(self) -> None:
        """A receiver that is down or paused is tried again at once."""
        self._circuit.probe(trio.current_time())
        self._nap.cancel()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Delivers events until it is cancelled. What was not answered then is delivered again by the next run."""
        self.feed.rewind()
        self._waiting.load()
        self._loaded_at = trio.current_time()
        self.feed.on_replay = self._replayed
        self._unknown = sorted(self._retries)
        send, receive = trio.open_memory_channel[_Job](self.handler.at_once)
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(self.handler.at_once):
                    nursery.start_soon(self._work, receive)
                task_status.started()
                while True:
                    await self._slots.acquire()
                    job = await self._choose()
                    await self._rate.turn()
                    self._busy += 1
                    send.send_nowait(job)
        finally:
            if self.feed.on_replay == self._replayed:
                self.feed.on_replay = None
            with trio.move_on_after(CLOSE_WAIT, shield=True):
                await self.aclose()

    # --- what is next -------------------------------------------------------------------------------------------------

    async def _choose(self) -> _Job:
        while True:
            try:
                job = await self._look()
            except (sqlite3.Error, StoreError) as error:
                self._log.warning(f"{self.kind}_store_unreadable", handler=self.handler.name, error=str(error))
                await trio.sleep(STORE_PAUSE)
            else:
                if job is not None:
                    return job

    async def _look(self) -> _Job | None:
        """One look at what could be delivered; waits for a change when there is nothing. None: look again."""
        if self._turns is not None and self._unknown:
            await self._learn(self._turns)
        now = trio.current_time()
        if now - self._loaded_at >= LOOK_AGAIN:
            self._loaded_at = now
            self._waiting.load()
        circuit = self._circuit
        if circuit.open:
            pause = LOOK_AGAIN if self._busy else circuit.probe_at - now
            if pause > 0:
                await self._sleep(pause)
                return None
        due = self._waiting.next_due() if self._retrying < self._retry_slots else None
        due_in = (due - self._clock.now_ms()) / 1000 if due is not None else LOOK_AGAIN
        news = bool(self._next_up or self._ready) or self.feed.position < self.feed.last
        room = len(self._retries) < MOST_WAITING
        if due_in <= 0 and (self._turn_of_retries or not (news and room)):
            self._turn_of_retries = False
            return await self._again()
        if self._next_up:
            self._turn_of_retries = True
            return self._second(self._next_up.popleft())
        if self._ready and room:
            self._turn_of_retries = True
            if self._turns is None or not self._turns.full:
                return self._first(self._ready.popleft())
            await self._sleep(due_in)  # until one is through whose thread goes on
            return None
        if not room:
            await self._sleep(due_in)
            return None
        # A retry that is due gave way to news, which are read at once.
        patience = min(due_in, LOOK_AGAIN) if due_in > 0 else GIVE_WAY
        with trio.CancelScope(deadline=now + patience) as self._nap:
            self._take_up(await self.feed.take(AHEAD))
            await trio.lowlevel.checkpoint()
        return None

    async def _sleep(self, seconds: float) -> None:
        with trio.CancelScope(deadline=trio.current_time() + min(seconds, LOOK_AGAIN)) as self._nap:
            await trio.sleep_forever()

    def _replayed(self, seqs: Sequence[int]) -> None:
        for seq in seqs:
            due = self._retries[seq][1]
            assert due is not None  # it is due at once
            self._waiting.add(due, seq)
        self._unknown += seqs
        self._nap.cancel()

    async def _learn(self, turns: Turns) -> None:
        """Reads of which threads waiting events are, so that the order holds for what an earlier run left, too."""
        while page := self._unknown[:LEARNT]:
            rows = await self._outbox.store.reader.read(partial(events_at, stream=self.feed.info.id, seqs=page))
            for seq in page:
                if seq in rows and seq in self._retries:
                    turns.wait(seq, key_of(rows[seq][4]))
            del self._unknown[:LEARNT]

    def _take_up(self, batch: list[Delivery]) -> None:
        oldest = self._clock.now_ms() - self._age
        late = [d.seq for d in batch if d.at < oldest and d.seq not in self._retries]
        if late:
            self._outbox.set_aside(self.feed, late, 0, "waited too long")
        self._ready.extend(d for d in batch if d.at >= oldest or d.seq in self._retries)

    def _first(self, delivery: Delivery) -> _Job | None:
        feed, seq = self.feed, delivery.seq
        if seq <= feed.acked or seq in feed.done:
            return None  # set aside meanwhile
        if seq in self._retries:
            # It failed before a crash that came between that record and the cursor: it waits for its own time.
            feed.finish((seq,))
            return None
        if self._turns is None:
            return _Job(delivery, 1, None)
        key = key_of(delivery.payload)
        if self._turns.may_start(key):
            return _Job(delivery, 1, key)
        if not self._turns.hold(key, delivery):
            self._turns.wait(seq, key)
            self._behind((delivery,))
        return None

    def _second(self, job: _Job) -> _Job | None:
        """One that was held until its turn."""
        seq = job.delivery.seq
        if seq <= self.feed.acked or seq in self.feed.done:
            self._through(seq, job.key, success=False)  # set aside meanwhile
            return None
        return job

    def _behind(self, deliveries: Iterable[Delivery]) -> None:
        """They wait among the retries for one that failed, so as not to hold up the cursor."""
        now = self._clock.now_ms()
        for delivery in deliveries:
            if self.feed.waits(delivery.seq):
                self._outbox.failed(self.feed, delivery.seq, 0, now, BEHIND)
                self.feed.finish((delivery.seq,))

    def _through(self, seq: int, key: Key | None, *, success: bool) -> None:
        """An event came through or was set aside: the next of its thread has its turn."""
        while self._turns is not None and key is not None:
            held, following = self._turns.done(seq, key, success=success)
            if held is not None:
                self._next_up.append(_Job(held, 1, key))
                self._nap.cancel()
            if following is None or self._make_due(following):
                return
            seq, success = following, False  # it does not wait any more

    def _make_due(self, seq: int) -> bool:
        known = self._retries.get(seq)
        if known is None or known[1] is None:
            return False
        self._waiting.add(known[1], seq)
        self._nap.cancel()
        return True

    async def _again(self) -> _Job | None:
        seq, turns = self._waiting.take(), self._turns
        if turns is not None and turns.knows(seq) and not turns.is_next(seq):
            self._waiting.settled(seq)  # due again when it is its turn
            return None
        attempts, due, error = self._retries[seq]
        try:
            rows = await self._outbox.store.reader.read(
                partial(queries.stream_page, stream=self.feed.info.id, after=seq - 1, limit=1)
            )
        except BaseException:
            self._waiting.settled(seq)
            self._waiting.add(due or 0, seq)
            raise
        found = bool(rows) and rows[0][0] == seq
        key = None
        if turns is not None:
            if found and not turns.knows(seq):
                turns.wait(seq, key_of(rows[0][4]))
            if turns.knows(seq):
                key = turns.key(seq)
                if not turns.is_next(seq):
                    self._waiting.settled(seq)
                    return None
        if not found:
            self._waiting.settled(seq)
            self._outbox.recovered(self.feed, seq)  # taken out of the table by hand: nothing to deliver
            self._through(seq, key, success=False)
            return None
        _, at, kind, subject, payload = rows[0]
        if self._outbox.since(self.feed, seq, at) < self._clock.now_ms() - self._age:
            self._waiting.settled(seq)
            self._outbox.set_aside(self.feed, (seq,), attempts, error)
            self._through(seq, key, success=False)
            return None
        if turns is not None:
            turns.may_retry(seq)
        self._retrying += 1
        again = Delivery(self.feed.info.id, seq, at, kind, subject, payload, True)
        return _Job(again, attempts + 1, key, again=True)

    # --- delivering --------------------------------------------------------------------------------------------------

    async def _work(self, jobs: trio.MemoryReceiveChannel[_Job]) -> None:
        async for job in jobs:
            delivery = job.delivery
            try:
                outcome = await self.deliver(delivery, job.attempt)
            except Exception as error:
                # A fault of ours or of a library: this event is tried again, and the others go on.
                self._log.exception(f"{self.kind}_broke", handler=self.handler.name, event_id=delivery.id)
                outcome = Outcome(None, f"internal error: {type(error).__name__}")
            self._settle(job, outcome)

    def _settle(self, job: _Job, outcome: Outcome) -> None:
        self._busy -= 1
        self._slots.release()
        was_open = self._circuit.open
        if job.again:
            self._retrying -= 1
            self._waiting.settled(job.delivery.seq)
        if outcome.error is None:
            self._succeeded(job, outcome)
        else:
            self._fail(job, outcome, outcome.error)
        if outcome.error is not None or was_open or job.again:
            self._nap.cancel()  # what is next may have changed

    def _succeeded(self, job: _Job, outcome: Outcome) -> None:
        seq = job.delivery.seq
        self._delivered.inc()
        self.failures = 0
        self.last_error = None
        self._outbox.recovered(self.feed, seq)
        self.feed.finish((seq,))
        self._through(seq, job.key, success=True)
        if self._circuit.succeeded():
            self._log.info(f"{self.kind}_up", handler=self.handler.name)
        self._log.debug(
            "delivered",
            handler=self.handler.name,
            event_id=job.delivery.id,
            attempt=job.attempt,
            status=outcome.status,
        )

    def _fail(self, job: _Job, outcome: Outcome, error: str) -> None:
        delivery, feed = job.delivery, self.feed
        self._failed.inc()
        self.failures += 1
        self.last_error = error
        if outcome.final:
            self._refused(job, outcome, error)
            return
        asked = min(outcome.retry_after, self.handler.retry_max)
        # An event that fails again and again says nothing of the receiver when no others are there to succeed.
        if (outcome.down or job.attempt == 1) and self._circuit.failed(trio.current_time(), asked):
            self._log.warning(f"{self.kind}_down", handler=self.handler.name, error=error)
        if (outcome.gone or (outcome.refused and job.attempt == 1)) and self._circuit.refused(
            trio.current_time(), gone=outcome.gone
        ):
            self._log.error(f"{self.kind}_paused", handler=self.handler.name, error=error)
        wait = self._backoff.wait(job.attempt)
        if self._circuit.open:
            wait = min(wait, LONGEST_PAUSE)  # the circuit sets the pace
        wait = max(wait, asked)
        due = self._clock.now_ms() + int(wait * 1000)
        self._log.warning(
            "delivery_failed",
            handler=self.handler.name,
            event_id=delivery.id,
            attempt=job.attempt,
            status=outcome.status,
            error=error,
            retry_in=round(wait, 1),
        )
        if due > self._outbox.since(feed, delivery.seq, delivery.at) + self._age:
            self._outbox.set_aside(feed, (delivery.seq,), job.attempt, error)
            self._through(delivery.seq, job.key, success=False)
            return
        self._outbox.failed(feed, delivery.seq, job.attempt, due, error)
        # The record of the failure is put before the cursor's, so that no crash can come between them the other way.
        feed.finish((delivery.seq,))
        if self._turns is None or job.key is None:
            self._waiting.add(due, delivery.seq)
            return
        held, following = self._turns.failed(delivery.seq, job.key)
        self._behind(held)
        for seq in following:
            if not self._make_due(seq):
                self._through(seq, job.key, success=False)

    def _refused(self, job: _Job, outcome: Outcome, error: str) -> None:
        """This event is not wanted, by a receiver that is there to say so."""
        self._log.warning(
            "delivery_refused",
            handler=self.handler.name,
            event_id=job.delivery.id,
            attempt=job.attempt,
            status=outcome.status,
            error=error,
        )
        if self._circuit.succeeded():
            self._log.info(f"{self.kind}_up", handler=self.handler.name)
        self._outbox.set_aside(self.feed, (job.delivery.seq,), job.attempt, error)
        self._through(job.delivery.seq, job.key, success=True)
