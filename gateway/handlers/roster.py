"""The handlers that run, the operator's and our own: their streams opened, started, stopped and swapped."""

from __future__ import annotations

import random
from typing import Final

import trio

from gateway.handlers.own import Own
from gateway.handlers.pusher import Pusher
from gateway.metrics import Metrics
from gateway.outbound.intake import Intake
from gateway.outbox import Outbox
from gateway.settings import Settings
from gateway.settings.own import MAILS, REPLIES
from gateway.store.store import Store
from gateway.store.streams import HANDLER
from gateway.store.writer import StoreUnavailableError

OPEN_AGAIN: Final = 1.0
"""Seconds between two tries to open our own streams while the store takes nothing."""


class Roster:
    """Who serves which stream. ``pushers`` are those that run, by the name of their stream."""

    def __init__(self, store: Store, outbox: Outbox, metrics: Metrics, intake: Intake, rng: random.Random) -> None:
        self.pushers: dict[str, Pusher] = {}
        self._scopes: dict[str, trio.CancelScope] = {}
        self._store = store
        self._outbox = outbox
        self._metrics = metrics
        self._intake = intake
        self._rng = rng
        self._nursery: trio.Nursery | None = None

    async def open(self, settings: Settings) -> None:
        """Has the streams of these settings, so that no event passes by who is to get it.

        Raises StoreUnavailableError.
        """
        for handler in settings.handlers:
            await self._outbox.open(HANDLER, "", handler.name, events=handler.takes)
        await self._open_own(settings)

    async def start(self, settings: Settings, nursery: trio.Nursery, stop: trio.Event) -> None:
        """Starts them all, at the start of a run that ``stop`` ends."""
        self._nursery = nursery
        for handler in settings.handlers:
            await self._start(settings, handler.name)
        await self._own_streams(settings, stop)
        await self._start_own(settings)

    async def swap(self, old: Settings, new: Settings) -> None:
        """Takes over new settings, of which `open` has the streams: who changed ends, and starts anew."""
        for handler in old.handlers:
            if new.handlers_by_name.get(handler.name) != handler or (handler.email and new.smtp != old.smtp):
                self._scopes.pop(handler.name).cancel()
                self.pushers.pop(handler.name, None)
        for name, terms in old.own_handlers.items():
            by_mail = name == MAILS and new.smtp != old.smtp
            if (new.own_handlers.get(name) != terms or by_mail) and name in self.pushers:
                self._scopes.pop(name).cancel()
                self.pushers.pop(name)
        for handler in new.handlers:
            if handler.name not in self.pushers:
                await self._start(new, handler.name)
            self.pushers[handler.name].probe()  # what was wrong with its receiver may have been mended
        await self._start_own(new)

    async def _start(self, settings: Settings, name: str) -> None:
        handler = settings.handlers_by_name[name]
        feed = await self._outbox.open(HANDLER, "", name, events=handler.takes)
        pusher: Pusher
        if handler.email:
            from gateway.handlers.email import Email  # slow to import, for those who mail

            assert settings.smtp is not None  # the settings see to that
            smtp, clock = settings.smtp, self._store.clock
            pusher = Email(handler, smtp, feed, self._outbox, self._metrics, clock, rng=self._rng)
        else:
            from gateway.handlers.webhook import Webhook  # with an HTTP client, for those who have webhooks

            pusher = Webhook(handler, feed, self._outbox, self._metrics, self._store.clock, rng=self._rng)
        await self._serve(pusher)

    async def _serve(self, pusher: Pusher) -> None:
        assert self._nursery is not None
        name = pusher.feed.info.name
        self.pushers[name] = pusher
        scope = self._scopes[name] = trio.CancelScope()

        async def run(task_status: trio.TaskStatus[None]) -> None:
            with scope:
                await pusher.run(task_status)

        await self._nursery.start(run)

    # --- our own ------------------------------------------------------------------------------------------------------

    async def _own_streams(self, settings: Settings, stop: trio.Event) -> None:
        """Has them at the start, before a carrier brings what they are for: also when the disk is full just then."""
        while not stop.is_set():
            try:
                await self._open_own(settings)
            except StoreUnavailableError:
                with trio.move_on_after(OPEN_AGAIN):
                    await stop.wait()
            else:
                return

    async def _open_own(self, settings: Settings) -> None:
        """Streams for what we send of our own accord, before anything is decided: a STOP is always answered."""
        await self._outbox.open(HANDLER, "", REPLIES)
        if settings.sends_own:
            for name in settings.own_handlers:
                await self._outbox.open(HANDLER, "", name)

    async def _start_own(self, settings: Settings) -> None:
        """What sends it; also what was left when there are no rules any more."""
        for name, terms in settings.own_handlers.items():
            info = self._store.streams.find(HANDLER, "", name)
            if info is None or name in self.pushers:
                continue
            feed, clock = self._outbox.feeds[info.id], self._store.clock
            own: Pusher
            if name == MAILS:
                from gateway.handlers.email import RuleMail  # slow to import, for those who mail

                assert settings.smtp is not None  # the settings see to that
                own = RuleMail(terms, settings.smtp, feed, self._outbox, self._metrics, clock, rng=self._rng)
            else:
                own = Own(terms, feed, self._outbox, self._metrics, clock, self._intake, rng=self._rng)
            await self._serve(own)
