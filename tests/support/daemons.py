"""A whole daemon in the test's own thread, between a scripted SMSC and applications at its socket."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
import trio.testing

from gateway.daemon import Daemon
from gateway.model import Clock
from gateway.settings import load
from gateway.smpp.pdu import DeliverSm
from gateway.store.begun import Awaited
from gateway.store.store import Store

from .apps import AppClient
from .smsc import Answer, Smsc, address

EPOCH_MS = 1_760_000_000_000
PATIENCE = 3000.0
"""Seconds of Trio's clock in which a test has to end; with a jumping clock a wait in vain ends at once."""


class Gateway:
    """A daemon with one carrier, ``acme``, and the files that it runs with."""

    def __init__(self, directory: Path, nursery: trio.Nursery, smsc: Smsc) -> None:
        self.directory = directory
        self.nursery = nursery
        self.smsc = smsc
        self.daemon: Daemon

    @property
    def config(self) -> Path:
        return self.directory / "smsgw.toml"

    async def connect(self) -> AppClient:
        """An application at the socket."""
        return await AppClient.connect(self.nursery, self.daemon.settings.socket.path)

    async def tell(self, *texts: str, peer: str = "+12125550000", number: str = "+15551230001") -> None:
        """Inbound messages by the last bind, that are stored and acknowledged when this returns."""
        bind = self.smsc.binds[-1]
        done = len(bind.answers) + len(texts)
        for text in texts:
            bind.deliver(DeliverSm(address(peer), address(number), text.encode()))
        await self.smsc.until(lambda: len(bind.answers) == done)
        assert {status for _, status in bind.answers} == {0}

    async def settled(self) -> None:
        """Waits until nothing moves any more without something from outside or time passing.

        What waits but for company in a transaction is stored too.
        """
        await trio.testing.wait_all_tasks_blocked()
        writer = self.daemon.store.writer
        for _ in range(20):  # it may be waiting for a transaction that a test holds back
            if not writer.pending.patient:
                break
            writer.press()
            await trio.testing.wait_all_tasks_blocked()

    async def until(self, condition: Callable[[], object]) -> None:
        """Looks at a condition until it holds."""
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.005)

    def segments(self, what: str = "state", where: str = "1") -> list[Any]:
        """A column of all segments, in the order of messages and parts."""
        rows = self.daemon.store.read_now(
            lambda con: con.execute(f"SELECT {what} FROM segment WHERE {where} ORDER BY message_id, part").fetchall()
        )
        return [row[0] for row in rows]


def write_config(
    directory: Path, carrier: str = "", extra: str = "", *, apps: str = "", numbers: int = 1, socket: str = ""
) -> Path:
    """A config file in ``directory``; ``carrier`` and ``socket`` are settings of these, ``extra`` other sections."""
    owned = "\n".join(f'[[numbers]]\nnumber = "+1555123{i + 1:04}"\ncarrier = "acme"' for i in range(numbers))
    path = directory / "smsgw.toml"
    path.write_text(
        f"""
[store]
url = "sqlite:///{directory}/smsgw.db"
synchronous = "normal"
min_free_disk = 0
[socket]
path = "{directory}/s"
{socket}
[metrics]
bind = ""
{extra}
[[carriers]]
name = "acme"
host = "smsc.example"
system_id = "user"
password = "secret"
enquire_link = 0
{carrier}
{owned}
{apps}
"""
    )
    return path


Run = Callable[[Callable[[], object]], Awaitable[object]]


class Commits:
    """The store's executor as the test wants it: transactions wait, or fail as on a full disk."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.done = 0
        self._gate = trio.Event()
        self._gate.set()

    async def __call__(self, function: Callable[[], object]) -> object:
        await self._gate.wait()
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        result = function()
        self.done += 1
        return result

    def hold(self) -> None:
        """Nothing is committed until `release`."""
        self._gate = trio.Event()

    def release(self) -> None:
        self._gate.set()

    def fill_disk(self) -> None:
        """Every transaction fails until `heal`."""
        self.error = sqlite3.OperationalError("database or disk is full")
        self.error.sqlite_errorcode = sqlite3.SQLITE_FULL  # type: ignore[attr-defined]

    def heal(self) -> None:
        self.error = None


@asynccontextmanager
async def gateway(
    directory: Path | None = None,
    *,
    carrier: str = "",
    extra: str = "",
    apps: str = "",
    numbers: int = 1,
    socket: str = "",
    answer: Answer = lambda _: 0,
    smsc: Smsc | None = None,
    run_sync: Run | None = None,
    stop: bool = True,
    bound: bool = True,
    patience: float = PATIENCE,
) -> AsyncIterator[Gateway]:
    """Runs a daemon. With a ``directory`` the database stays there, for another run; without, it is in memory.

    The wall clock goes with Trio's. ``stop`` False: it ends as by a kill, with nothing finished or given back.
    """
    with tempfile.TemporaryDirectory(prefix="smsgw-") as temporary:
        where = directory or Path(temporary)
        async with trio.open_nursery() as nursery:
            with trio.fail_after(patience):
                smsc = smsc or Smsc(nursery, answer)
                running = Gateway(where, nursery, smsc)
                settings = load(write_config(where, carrier, extra, apps=apps, numbers=numbers, socket=socket))
                store = Store(
                    settings.store.url if directory is not None else "sqlite://",
                    clock=Clock(lambda: EPOCH_MS + int(trio.current_time() * 1000)),
                    synchronous="normal",
                    begin=partial(Awaited, run_sync) if run_sync is not None else None,
                    inline=True,
                )
                running.daemon = Daemon(
                    settings, path=running.config, store=store, connector=smsc.connect, rng=random.Random(1)
                )
                async with trio.open_nursery() as inner:
                    await inner.start(running.daemon.serve)
                    if bound:
                        binds = len(running.daemon.outbound.carriers["acme"].binds)
                        await smsc.until(lambda: sum(b.open for b in smsc.binds) >= binds)
                        await running.settled()
                    yield running
                    if stop:
                        running.daemon.stop()
                    else:
                        inner.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
