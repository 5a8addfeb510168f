"""A store with one handler's stream, and events put into it the way they come in life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from gateway.metrics import Metrics
from gateway.model import Clock
from gateway.outbox import Feed, Outbox
from gateway.settings import Handler, Settings
from gateway.store import queries
from gateway.store.inbound import Arrival, InboundOp
from gateway.store.store import Store
from gateway.store.streams import HANDLER

NUMBER = "+15551230001"
PEER = "+4915123456789"
SECRET = "marked-secret-of-the-handler"


def trio_clock(epoch_ms: int = 1_750_000_000_000) -> Clock:
    """A wall clock that goes with Trio's own, so that a MockClock moves both."""
    start = trio.current_time()
    return Clock(lambda: epoch_ms + int((trio.current_time() - start) * 1000))


def handler(url: str = "http://receiver.example/sms", name: str = "crm", **values: Any) -> Handler:
    """A handler as the configuration makes it."""
    values.setdefault("retry_min", 5)
    values.setdefault("order", "none")  # events of one peer at the same time
    return Handler(name=name, webhook=url, secret=SECRET, **values)


OPEN: list[Store] = []
"""Stores of the test that is running; its fixture closes them."""


class Events:
    """A running store and outbox, and the feed of each handler that is asked for."""

    def __init__(self, clock: Clock | None = None, url: str = "sqlite://") -> None:
        self.clock = clock or Clock()
        self.store = Store(url, clock=self.clock, inline=True)
        OPEN.append(self.store)
        self.metrics = Metrics()
        self.outbox = Outbox(self.store, self.metrics, Settings())
        self._settled = trio.Event()
        self.names: tuple[str, ...] = ()

    async def start(self, nursery: trio.Nursery) -> Events:
        """Runs the store's writer in the test's nursery."""
        await nursery.start(self.store.writer.run)
        return self

    def restart(self) -> Outbox:
        """The outbox of a next run, made from what is stored."""
        self.outbox = Outbox(self.store, self.metrics, Settings())
        return self.outbox

    async def feed(self, name: str = "crm") -> Feed:
        """The feed of a handler; the number belongs to every handler that was asked for."""
        feed = await self.outbox.open(HANDLER, "", name)
        for owner, method in ((feed, "finish"), (self.outbox, "recovered"), (self.outbox, "failed")):
            self._tell_after(owner, method)
        self.names = (*self.names, name)
        self.store.streams.configure({}, {NUMBER: self.names})
        return feed

    def _tell_after(self, owner: object, method: str) -> None:
        original = getattr(owner, method)

        def told(*args: Any) -> None:
            original(*args)
            self._settled.set()
            self._settled = trio.Event()

        setattr(owner, method, told)

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Waits until a delivery that was settled makes the condition true, and all is stored."""
        with trio.fail_after(seconds):
            while not condition():
                await self._settled.wait()
            await self.store.writer.flush()

    async def arrive(self, *texts: str, peer: str = PEER) -> None:
        """Inbound messages, one event each."""
        now = self.clock.now_ms()
        arrivals = [
            Arrival(carrier="acme", number=NUMBER, peer=peer, at=now, text=text, data=None, encoding="gsm7", extra=None)
            for text in texts
        ]
        await self.store.writer.do(InboundOp(arrivals))

    def stored_retries(self, feed: Feed) -> dict[int, tuple[int, int | None, str]]:
        """The table of retries as a restart would find it."""
        rows = self.store.read_now(
            lambda con: con.execute(
                "SELECT seq, attempts, due_at, error FROM retry WHERE stream = ?", (feed.info.id,)
            ).fetchall()
        )
        return {seq: (attempts, due_at, error) for seq, attempts, due_at, error in rows}

    def stored_cursor(self, feed: Feed) -> tuple[int, list[int]]:
        """The cursor as a restart would find it."""
        return self.store.read_now(queries.cursors).get(feed.info.id, (0, []))

    def count(self, metric: str, **labels: str) -> float:
        """The value of a counter."""
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0
