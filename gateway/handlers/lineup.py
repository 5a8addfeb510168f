"""What of a feed is delivered next: a failed event whose time has come, one whose thread goes on, or a new one.

What failed takes turns with what is new, and half of the deliveries at most. A failed event leaves the feed for the
store's table of retries, which keeps it over a restart: an event that fails for days does not hold up the cursor, and
so nobody behind it but its own thread (`gateway.handlers.turns`).
"""

from __future__ import annotations

import random
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar, Final

import trio

from gateway.handlers.pace import Backoff, Circuit
from gateway.handlers.terms import Terms
from gateway.handlers.turns import Key, Turns, key_of
from gateway.handlers.waiting import Waiting
from gateway.log import logger
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
GIVE_WAY: Final = 1.0
"""Seconds for which a retry that is due waits for a page of new events."""
STORE_PAUSE: Final = 1.0
"""Seconds between two tries to read from a database that cannot be read."""
BEHIND: Final = "an earlier event of its thread is not through"
"""What stands in place of an error for an event that was not tried for that reason."""
LEARNT: Final = 500
"""Waiting events whose threads are read at once."""


class Job:
    """One delivery of an event."""

    __slots__ = ("again", "attempt", "delivery", "key")

    def __init__(self, delivery: Delivery, attempt: int, key: Key | None, *, again: bool = False) -> None:
        self.delivery = delivery
        self.attempt = attempt  # 1 is the first, of what is replayed too
        self.key = key  # its thread, where the order matters
        self.again = again  # whether it came from the retries


class Lineup:
    """The order of one feed's deliveries."""

    kind: ClassVar[str]
    """The kind of handler, as the log names it."""

    def __init__(
        self, handler: Terms, feed: Feed, outbox: Outbox, clock: Clock, *, rng: random.Random | None = None
    ) -> None:
        self.feed = feed
        self._name = handler.name
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
        self._next_up: deque[Job] = deque()  # was held behind others of its thread, and has its turn
        self._unknown: list[int] = []  # waits among the retries, of which thread is to be read
        self._busy = 0
        # Events that failed before take half of the deliveries at most: those that hang do not hold up the new ones.
        self._retry_slots = max(1, handler.at_once // 2)
        self._retrying = 0
        self._turn_of_retries = True
        self._nap = trio.CancelScope()
        self._loaded_at = 0.0
        self._quiet_until = 0.0  # by Trio's clock: the receiver asked for it
        self._at_once = False  # whether the next one does not wait for its time: it tries a receiver that is down

    def _begin(self) -> None:
        """Starts with what an earlier run left."""
        self.feed.rewind()
        self._waiting.load()
        self._loaded_at = trio.current_time()
        self.feed.on_replay = self._replayed
        self._unknown = sorted(self._retries)

    async def _choose(self) -> Job:
        while True:
            try:
                job = await self._look()
            except (sqlite3.Error, StoreError) as error:
                self._log.warning(f"{self.kind}_store_unreadable", handler=self._name, error=str(error))
                await trio.sleep(STORE_PAUSE)
            else:
                if job is not None:
                    self._at_once = False
                    return job

    async def _look(self) -> Job | None:
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
        if self._quiet_until > now and not self._at_once:
            await self._sleep(self._quiet_until - now)
            return None
        due = self._waiting.next_due() if self._retrying < self._retry_slots else None
        due_in = (due - self._clock.now_ms()) / 1000 if due is not None else LOOK_AGAIN
        if self._at_once and due is not None:
            due_in = 0.0
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

    def _first(self, delivery: Delivery) -> Job | None:
        feed, seq = self.feed, delivery.seq
        if seq <= feed.acked or seq in feed.done:
            return None  # set aside meanwhile
        if seq in self._retries:
            # It failed before a crash that came between that record and the cursor: it waits for its own time.
            feed.finish((seq,))
            return None
        if self._turns is None:
            return Job(delivery, 1, None)
        key = key_of(delivery.payload)
        if self._turns.may_start(key):
            return Job(delivery, 1, key)
        if not self._turns.hold(key, delivery):
            self._turns.wait(seq, key)
            self._behind((delivery,))
        return None

    def _second(self, job: Job) -> Job | None:
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
                self._next_up.append(Job(held, 1, key))
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

    async def _again(self) -> Job | None:
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
        return Job(again, attempts + 1, key, again=True)
