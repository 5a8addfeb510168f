"""The carriers that run: started, swapped when their settings change, and stopped without losing an answer."""

from __future__ import annotations

import random
from typing import Final

import trio

from gateway.carrier.carrier import Carrier
from gateway.carrier.connection import Connector
from gateway.outbound.outbound import Outbound
from gateway.settings import Carrier as CarrierSettings
from gateway.settings import Settings

ANSWERS_WAIT: Final = 5.0
"""Seconds in which what a carrier that stops was sent may still be answered."""


class Carriers:
    """Starts and ends the carriers of an `Outbound`, which knows those that run."""

    def __init__(self, outbound: Outbound, connector: Connector, rng: random.Random) -> None:
        self._outbound = outbound
        self._connector = connector
        self._rng = rng
        self._nursery: trio.Nursery | None = None

    async def start(self, settings: Settings, nursery: trio.Nursery) -> None:
        """Starts them all, at the start of a run."""
        self._nursery = nursery
        for one in settings.carriers:
            await self._start(one)

    async def _start(self, settings: CarrierSettings, before: Carrier | None = None) -> None:
        assert self._nursery is not None
        outbound = self._outbound
        carrier = Carrier(settings, outbound, clock=outbound.clock, connector=self._connector, rng=self._rng)
        if before is not None:
            carrier.follow(before)
        outbound.add_carrier(carrier)
        await self._nursery.start(carrier.run)

    async def swap(self, old: Settings, new: Settings, stop: trio.Event) -> list[str]:
        """Ends those that changed and starts those that are new, until ``stop``; returns the names of both."""
        changed = [c.name for c in old.carriers if new.carriers_by_name.get(c.name) != c]
        before = dict(self._outbound.carriers)
        async with trio.open_nursery() as nursery:
            for name in changed:
                nursery.start_soon(self._end, before[name])
        for settings in new.carriers:
            if stop.is_set():
                break
            if settings.name not in self._outbound.carriers:
                await self._start(settings, before.get(settings.name))
                self._outbound.loader.wake(settings.name)
                if settings.name not in changed:
                    changed.append(settings.name)
        return changed

    async def _end(self, carrier: Carrier) -> None:
        carrier.wind_down()
        with trio.move_on_after(ANSWERS_WAIT):
            await self._answered([carrier])
        await carrier.stop()
        self._outbound.remove_carrier(carrier.name)

    def wind_down(self) -> list[Carrier]:
        """Claims nothing any more; returns those that are to be stopped."""
        self._outbound.stopping = True
        carriers = list(self._outbound.carriers.values())
        for carrier in carriers:
            carrier.wind_down()
        return carriers

    async def stop(self, carriers: list[Carrier]) -> None:
        """Unbinds them when what they were sent is answered, or after a while."""
        with trio.move_on_after(ANSWERS_WAIT):
            await self._answered(carriers)
        async with trio.open_nursery() as nursery:
            for carrier in carriers:
                nursery.start_soon(carrier.stop)

    async def _answered(self, carriers: list[Carrier]) -> None:
        """Waits until nothing of these carriers is without a stored outcome."""
        writer = self._outbound.writer
        while writer.healthy and any(c.in_use or c.claims_waiting for c in carriers):
            await writer.stored()
            await writer.flush()
