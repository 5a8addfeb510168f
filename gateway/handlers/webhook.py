"""The webhook handler: each event of a feed is posted as JSON, signed, by the terms of `Pusher`."""

from __future__ import annotations

import hashlib
import random
from typing import ClassVar

import trio

from gateway.handlers.addresses import Resolver
from gateway.handlers.outcome import Outcome
from gateway.handlers.post import Poster
from gateway.handlers.pusher import Pusher
from gateway.handlers.wire import Connect
from gateway.metrics import Metrics
from gateway.model import Clock
from gateway.outbox import Delivery, Feed, Outbox
from gateway.settings import Handler


def body(delivery: Delivery) -> bytes:
    """What is posted: the event's parameters with its ``type`` in front, as one JSON object in UTF-8."""
    return b'{"type":"' + delivery.kind.encode() + b'",' + delivery.body()[1:]


class Webhook(Pusher):
    """Posts the events of one feed. ``resolver``, ``connect`` and ``rng`` are for tests."""

    kind: ClassVar[str] = "webhook"

    def __init__(
        self,
        handler: Handler,
        feed: Feed,
        outbox: Outbox,
        metrics: Metrics,
        clock: Clock,
        *,
        resolver: Resolver | None = None,
        connect: Connect | None = None,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(handler, feed, outbox, metrics, clock, rng=rng)
        self._url = handler.webhook or ""
        self._poster = Poster(handler, clock, resolver=resolver, connect=connect)

    @property
    def target(self) -> str:
        """The address, of which nothing is told."""
        return hashlib.sha256(self._url.encode()).hexdigest()[:16]

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """As `Pusher`; beside it connections that lie idle are closed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._poster.tend)
            await super().run(task_status)

    async def deliver(self, delivery: Delivery, attempt: int) -> Outcome:
        """Posts an event."""
        return await self._poster.post(delivery.id, attempt, body(delivery))

    async def aclose(self) -> None:
        """Closes the connections that are kept."""
        self._poster.close()
