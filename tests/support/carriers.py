"""Several scripted SMSCs behind one daemon: each carrier reaches its own by the name of its host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.support.daemons import Gateway, gateway
from tests.support.smsc import Answer, Smsc

NAMES = ("acme", "beta", "gamma")


class Several(Smsc):
    """The SMSC of ``acme``, and those of other carriers, which are reached at HOST."""

    def __init__(self, nursery: trio.Nursery, answer: Answer = lambda _: 0) -> None:
        super().__init__(nursery, answer)
        self.others = {name: Smsc(nursery) for name in NAMES[1:]}

    async def connect(self, host: str, port: int, local_address: str | None) -> trio.abc.Stream:
        other = self.others.get(host.partition(".")[0])
        if other is not None:
            return await other.connect(host, port, local_address)
        return await super().connect(host, port, local_address)


def routes(*, carriers: str = "", extra: str = "", given: str = "", beta: str = "", gamma: str = "") -> str:
    """Sections for `gateway`: the carriers beta and gamma, and a route ``all`` over the carriers of ``carriers``."""
    carriers = carriers or '{ name = "acme" }, { name = "beta", preference = 2 }'
    return f"""
[[carriers]]
name = "beta"
host = "beta.example"
system_id = "user"
password = "secret"
enquire_link = 0
{beta}
[[carriers]]
name = "gamma"
host = "gamma.example"
system_id = "user"
password = "secret"
enquire_link = 0
{gamma}
[[routes]]
name = "all"
carriers = [{carriers}]
{given}
{extra}
"""


class Stage:
    """A daemon with the carriers acme, beta and gamma; `smsc` gives each one's SMSC."""

    def __init__(self, running: Gateway, several: Several) -> None:
        self.running = running
        self.smsc: dict[str, Smsc] = {"acme": several, **several.others}

    async def break_off(self, name: str) -> None:
        """The carrier is gone: its connections break, which has been noticed, and there are no new ones."""
        smsc = self.smsc[name]
        smsc.up = False
        for bind in smsc.binds:
            if bind.open:
                bind.disconnect()
        await self.running.settled()

    async def back(self, name: str) -> None:
        """It is there again, and bound."""
        smsc = self.smsc[name]
        smsc.up = True
        count = len(smsc.binds)
        await smsc.until(lambda: len(smsc.binds) > count and smsc.binds[-1].open)
        await self.running.settled()

    def texts(self, name: str) -> list[str]:
        """What came to a carrier, in its order."""
        return self.smsc[name].texts

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Rows of the database."""
        return self.running.daemon.store.read_now(lambda con: con.execute(sql, values).fetchall())

    def left(self, name: str) -> set[str]:
        """The routes on which a carrier is passed over."""
        return {route for route, carrier in self.running.daemon.outbound.choice.away if carrier == name}

    def waiting(self) -> dict[str, int]:
        """The counters of unsent segments that are not 0, by carrier."""
        return {name: queue.queued for name, queue in self.running.daemon.outbound.queues.items() if queue.queued}

    def counted_right(self) -> bool:
        """Whether these counters are what the database says."""
        stored = dict(self.rows("SELECT carrier, count(*) FROM segment WHERE state = 1 GROUP BY carrier"))
        return stored == self.waiting()


@asynccontextmanager
async def stage(
    directory: Path | None = None, *, extra: str | None = None, bound: bool = True, **given: Any
) -> AsyncIterator[Stage]:
    """Runs a daemon with several carriers; ``given`` as for `gateway`."""
    async with trio.open_nursery() as nursery:
        several = given.pop("smsc", None) or Several(nursery)
        async with gateway(directory, extra=routes() if extra is None else extra, smsc=several, **given) as running:
            one = Stage(running, several)
            if bound:
                for smsc in several.others.values():
                    await smsc.bound()
                await running.settled()
            yield one
        nursery.cancel_scope.cancel()
