"""What pushes the events of a feed to a receiver, one by one, until each is taken or set aside for its age.

A fixed number of tasks deliver; one more hands them what is next (`gateway.handlers.lineup`).
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import Final

import trio

from gateway.handlers.lineup import Job, Lineup
from gateway.handlers.outcome import Outcome
from gateway.handlers.pace import LONGEST_PAUSE, PAUSED_PROBE, Rate
from gateway.handlers.terms import Terms
from gateway.metrics import Metrics
from gateway.model import Clock
from gateway.outbox import Delivery, Feed, Outbox

CLOSE_WAIT: Final = 2.0


class Pusher(Lineup, ABC):
    """Serves one feed. ``failures``: deliveries that failed since the last that came through; ``last_error``: why.

    What kind of handler it is says how an event is delivered (`deliver`). ``rng`` is for tests.
    """

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
        super().__init__(handler, feed, outbox, clock, rng=rng)
        self.handler = handler
        self.failures = 0
        self.last_error: str | None = None
        self._rate = Rate(handler.rate)
        self._slots = trio.Semaphore(handler.at_once)
        self._delivered = metrics.deliveries.labels(handler.name)
        self._failed = metrics.delivery_failures.labels(handler.name)

    @abstractmethod
    async def deliver(self, delivery: Delivery, attempt: int) -> Outcome:
        """Delivers an event, for the ``attempt``-th time. Never raises for what the receiver or the network does."""

    @abstractmethod
    async def aclose(self) -> None:
        """Closes what connections there are."""

    @property
    def target(self) -> str:
        """What a pause is of: one of another receiver says nothing of this one. Nothing of a secret is in it."""
        return ""

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

    @property
    def paused_since(self) -> int | None:
        """When that began, in ms since 1970."""
        pause = self._outbox.pauses.get(self.feed.info.id)
        return pause.at if pause is not None and self.paused else None

    def probe(self) -> bool:
        """A receiver that is down or paused, or asked for time, is tried again at once; returns whether it is so."""
        now = trio.current_time()
        if not self._circuit.open and self._quiet_until <= now:
            return False
        self._circuit.probe(now)
        self._at_once = True
        self._nap.cancel()
        return True

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Delivers events until it is cancelled. What was not answered then is delivered again by the next run."""
        self._begin()
        self._still_paused()
        self.feed.on_resume = self.probe
        send, receive = trio.open_memory_channel[Job](self.handler.at_once)
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
                self.feed.on_replay = self.feed.on_resume = None
            with trio.move_on_after(CLOSE_WAIT, shield=True):
                await self.aclose()

    def _still_paused(self) -> None:
        """An earlier run was told to stop: the next probe is due when it would have been."""
        pause = self._outbox.pauses.get(self.feed.info.id)
        if pause is None:
            return
        if pause.target != self.target:
            self._outbox.resume(self.feed)
            return
        since = (self._clock.now_ms() - pause.tried) / 1000
        self._circuit.hold(trio.current_time() + min(max(PAUSED_PROBE - since, 0.0), PAUSED_PROBE))
        self.last_error = pause.error
        self._log.warning(f"{self.kind}_still_paused", handler=self.handler.name, error=pause.error)

    # --- delivering --------------------------------------------------------------------------------------------------

    async def _work(self, jobs: trio.MemoryReceiveChannel[Job]) -> None:
        async for job in jobs:
            delivery = job.delivery
            try:
                outcome = await self.deliver(delivery, job.attempt)
            except Exception as error:
                # A fault of ours or of a library: this event is tried again, and the others go on.
                self._log.exception(f"{self.kind}_broke", handler=self.handler.name, event_id=delivery.id)
                outcome = Outcome(None, f"internal error: {type(error).__name__}")
            self._settle(job, outcome)

    def _settle(self, job: Job, outcome: Outcome) -> None:
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

    def _succeeded(self, job: Job, outcome: Outcome) -> None:
        seq = job.delivery.seq
        self._delivered.inc()
        self.failures = 0
        self.last_error = None
        self._outbox.recovered(self.feed, seq)
        self.feed.finish((seq,))
        self._through(seq, job.key, success=True)
        self._up()
        self._log.debug(
            "delivered",
            handler=self.handler.name,
            event_id=job.delivery.id,
            attempt=job.attempt,
            status=outcome.status,
        )

    def _fail(self, job: Job, outcome: Outcome, error: str) -> None:
        delivery, feed = job.delivery, self.feed
        self._failed.inc()
        self.failures += 1
        self.last_error = error
        if outcome.final:
            self._refused(job, outcome, error)
            return
        asked = min(outcome.retry_after, self.handler.retry_max)
        if asked and outcome.status is not None and job.attempt == 1:
            # It is said to whoever posts, not of this event; what comes again and again is not heard out for all.
            self._quiet_until = trio.current_time() + min(asked, LONGEST_PAUSE)
        # An event that fails again and again says nothing of the receiver when no others are there to succeed.
        if (outcome.down or job.attempt == 1) and self._circuit.failed(trio.current_time(), asked):
            self._log.warning(f"{self.kind}_down", handler=self.handler.name, error=error)
        if (outcome.gone or (outcome.refused and job.attempt == 1)) and self._circuit.refused(
            trio.current_time(), gone=outcome.gone
        ):
            self._log.error(f"{self.kind}_paused", handler=self.handler.name, error=error)
        if self._circuit.paused:
            self._outbox.pause(feed, error, self.target)
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

    def _up(self) -> None:
        if self._circuit.succeeded():
            self._quiet_until = 0.0
            self._outbox.resume(self.feed)
            self._log.info(f"{self.kind}_up", handler=self.handler.name)

    def _refused(self, job: Job, outcome: Outcome, error: str) -> None:
        """This event is not wanted, by a receiver that is there to say so."""
        self._log.warning(
            "delivery_refused",
            handler=self.handler.name,
            event_id=job.delivery.id,
            attempt=job.attempt,
            status=outcome.status,
            error=error,
        )
        self._up()
        self._outbox.set_aside(self.feed, (job.delivery.seq,), job.attempt, error)
        self._through(job.delivery.seq, job.key, success=True)
