"""Subscriptions of connected apps: each pumps the events of its feed to its connection, within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from gateway.doors import rpc
from gateway.outbox import Feed

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

PAGE: Final = 100
"""Events that are sent before the output's bound is looked at again."""


class Subscription:
    """One subscription while an app is connected for it."""

    def __init__(self, connection: Connection, feed: Feed, max_unacked: int) -> None:
        self.connection = connection
        self.feed = feed
        self.max_unacked = max_unacked
        self._scope = trio.CancelScope()
        self._room = trio.Event()

    async def run(self) -> None:
        """Pumps until the connection ends or another takes over."""
        feed = self.feed
        feed.rewind()
        with self._scope:
            while True:
                room = self.max_unacked - feed.unacked
                if room <= 0:
                    self._room = trio.Event()
                    await self._room.wait()
                    continue
                await self.connection.output_room()
                deliveries = await feed.take(min(room, PAGE))
                self.connection.send(b"".join([rpc.notification(d.kind, d.body()) for d in deliveries]))

    def acked(self) -> None:
        """There may be room again."""
        if not self._room.is_set():
            self._room.set()

    def replaced(self) -> None:
        """Another connection takes over; this one is told."""
        self._scope.cancel()
        self.connection.tell("replaced", {"name": self.feed.info.name})

    def end(self) -> None:
        """Stops pumping."""
        self._scope.cancel()


class Subscriptions:
    """Who is connected for which subscription: one at a time for each (app, name)."""

    def __init__(self) -> None:
        self._by_stream: dict[int, Subscription] = {}

    def take_over(self, subscription: Subscription) -> None:
        """Makes this the one that gets the events."""
        stream = subscription.feed.info.id
        before = self._by_stream.get(stream)
        if before is not None:
            if before.connection is subscription.connection:
                before.end()
            else:
                before.replaced()
                before.connection.subscriptions.pop(stream, None)
        self._by_stream[stream] = subscription

    def gone(self, subscription: Subscription) -> None:
        """Its connection ended."""
        stream = subscription.feed.info.id
        if self._by_stream.get(stream) is subscription:
            del self._by_stream[stream]

    def end(self, stream: int) -> None:
        """The subscription itself ends."""
        subscription = self._by_stream.pop(stream, None)
        if subscription is not None:
            subscription.end()
            subscription.connection.subscriptions.pop(stream, None)

    def connected(self, stream: int) -> bool:
        """Whether somebody gets these events now."""
        return stream in self._by_stream
