"""The daemon: assembles store, flows, carriers and doors in one nursery tree; readiness, reload and stop.

Order of stop: doors, claims, up to five seconds for answers, unbind, flush, and the writer last.
"""

from __future__ import annotations

import gc
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from gateway import log
from gateway.carrier.connection import Connector, connect_tcp
from gateway.doors.methods import Methods
from gateway.doors.metrics_page import MetricsPage
from gateway.doors.socket import Listening, SocketServer, listen, remove
from gateway.handlers.roster import Roster
from gateway.inbound import Inbound
from gateway.metrics import Metrics
from gateway.model import Clock
from gateway.outbound.carriers import Carriers
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import Refusal
from gateway.outbound.rescoped import carried, carry, remember
from gateway.outbound.retention import Retention
from gateway.outbound.sweeper import Sweeper
from gateway.outbox import Outbox
from gateway.policy.optout import OptOuts
from gateway.sdnotify import Notifier
from gateway.settings import ConfigError, Settings, load
from gateway.settings.own import OWN_APP
from gateway.status import Status
from gateway.store.about import numbers_of
from gateway.store.database import FileLock, StoreError
from gateway.store.setmoves import Sets, known_sets
from gateway.store.store import Store
from gateway.store.tx import Tuning
from gateway.store.wishes import wishes
from gateway.store.writer import StoreUnavailableError

_log = log.logger(component="daemon")

SECTIONS: Final = (
    "default_region",
    "country_zones",
    "store",
    "socket",
    "limits",
    "retention",
    "numbers",
    "number_sets",
    "optout",
    "consent",
    "opt_ins",
    "routes",
    "content",
    "pools",
    "destinations",
    "caps",
    "quotas",
    "quiet_hours",
    "apps",
    "handlers",
    "smtp",
)
RULES: Final = ("rules", "schedules", "groups", "urgency_words")
"""Sections that a reload takes over, as it names them."""
DISK_LOOK: Final = 15
"""Seconds between two readings of what only the database knows, for the gauges."""


class Daemon:
    """Everything between the start and the end of one run."""

    def __init__(
        self,
        settings: Settings,
        *,
        path: Path | None = None,
        store: Store | None = None,
        connector: Connector = connect_tcp,
        rng: random.Random | None = None,
        listening: Listening = listen,
    ) -> None:
        self.settings = settings
        self.path = path
        self.metrics = Metrics()
        limits = settings.limits
        self.store = store or Store(
            settings.store.url,
            clock=Clock(),
            node=settings.store.node,
            synchronous=settings.store.synchronous,
            max_rows=limits.burst_rows,
            max_octets=limits.burst_bytes,
            min_free_disk=settings.store.min_free_disk << 20,
            wal_limit=settings.store.wal_limit << 20,
        )
        self._listening = listening
        rng = rng or random.Random()
        self.store.writer.on_counts = self.metrics.counts
        self.store.writer.on_receipt_times = self.metrics.receipt_times
        self.store.writer.stats.on_burst = self._burst
        self.outbound = Outbound(settings, self.store, self.metrics, rng)
        self.inbound = Inbound(settings, self.store, self.metrics)
        self.outbound.on_arrived = self.inbound.arrived
        self.sweeper = Sweeper(self.outbound, settings)
        self.outbox = Outbox(self.store, self.metrics, settings)
        self.retention = Retention(self.store, self.outbox, settings)
        self.retention.on_turn = lambda seconds: self.metrics.purge.labels().observe((seconds,))
        self._roster = Roster(self.store, self.outbox, self.metrics, self.outbound.intake, rng)
        self.handlers = self._roster.pushers
        self._carriers = Carriers(self.outbound, connector, rng)
        self.status = Status(self.store, self.outbound, self.outbox, self.metrics, self.handlers)
        self.methods = Methods(
            self.store,
            self.outbound,
            self.outbox,
            status=self.status.read,
            reload=self.reload,
            no_receipt_after=lambda: self.settings.limits.no_receipt_after,
            region=lambda: self.settings.default_region,
            owner_of=self._owner_of,
            settings=lambda: self.settings,
            replies_within=lambda: self.settings.limits.replies_within,
        )
        self.server = SocketServer(self.methods, settings)
        self.status.server = self.server
        self._notifier = Notifier()
        self._socket_path = Path(settings.socket.path)
        self._socket_lock = FileLock(Path(f"{settings.socket.path}.lock"))
        self._stop = trio.Event()
        self._started = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._reloading = trio.Lock()
        self._configure(settings, self.store.writer.base.optouts)

    def _burst(self, seconds: float, rows: int) -> None:
        self.metrics.transaction.labels().observe((seconds,))
        self.metrics.burst.labels().observe((float(rows),))

    def _owner_of(self, number: str) -> str | None:
        known = self.settings.numbers_by_value.get(number)
        return (known.owner or known.group) if known is not None else None

    def _configure(self, settings: Settings, optouts: OptOuts) -> None:
        """What can change while running, apart from carriers and handlers. ``optouts`` are of the same settings."""
        self.settings = settings
        limits = settings.limits
        writer = self.store.writer
        writer.pending.max_rows, writer.pending.max_octets = limits.burst_rows, limits.burst_bytes
        writer.min_free_disk = settings.store.min_free_disk << 20
        writer.wal_limit = settings.store.wal_limit << 20
        writer.base.tuning = Tuning(
            limits.parked_receipts,
            int(limits.receipt_age * 1000),
            limits.reassembly_total,
            limits.reassembly_per_peer,
            limits.reassembly_marks,
        )
        writer.base.forms.configure({c.name: c.message_id for c in settings.carriers if c.message_id != "auto"})
        self.outbound.configure(settings)
        self.inbound.configure(settings, optouts)
        self.sweeper.configure(settings)
        self.retention.configure(settings)
        self.outbox.configure(settings)
        self.server.configure(settings)
        self.status.prepaid = tuple([app.name for app in settings.apps if app.prepaid])
        app_numbers: dict[str, frozenset[str] | None] = {
            app.name: frozenset(app.numbers) if app.numbers is not None else None for app in settings.apps
        }
        app_numbers.setdefault("operator", None)
        if not settings.apps:
            app_numbers["local"] = None
        self.store.streams.configure(
            app_numbers,
            {value: number.handlers for value, number in settings.numbers_by_value.items()},
            numbers_of(settings),
            frozenset(handler.name for handler in settings.handlers if handler.last),
        )
        for value in settings.numbers_by_value:
            self.metrics.inbound.labels(value)
        self.metrics.inbound.labels("other")
        for name in app_numbers:
            self.metrics.app(name)
        self.metrics.app(OWN_APP)

    # --- running ------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Asks the daemon to stop; `serve` returns when it has."""
        self._stop.set()

    async def serve(self, task_status: trio.TaskStatus[Daemon] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until `stop` or a signal. Raises StoreError when socket or metrics cannot listen."""
        found = self.store.recover({c.name: c.in_doubt == "resend" for c in self.settings.carriers})
        for carrier, segments in found.items():
            self.metrics.carrier(carrier).in_doubt.inc(segments)
            _log.warning("in_doubt_after_restart", carrier=carrier, segments=segments)
        self.outbound.wishes = self.store.read_now(wishes)
        self.outbound.loader.recover()
        self.outbound.rerouter.recover()
        carried(self.store, self.store.writer.base.optouts.sets())
        try:
            listener = self._listening(self.settings.socket, self._socket_lock)
            try:
                await self._run(listener, task_status)
            finally:
                listener.socket.close()
                remove(self._socket_path)
        finally:
            self._socket_lock.release()
            self.store.close()

    async def _run(self, listener: trio.SocketListener, task_status: trio.TaskStatus[Daemon]) -> None:
        async with trio.open_nursery() as outer:
            await outer.start(self.store.run)
            with suppress(StoreUnavailableError):
                # Before the doors open, so that who asks then is soon shown all carriers; if not, before these start.
                await self._roster.open(self.settings)
            async with trio.open_nursery() as nursery, self._metrics_page(nursery):
                self._nursery = nursery
                doors = trio.CancelScope()
                nursery.start_soon(self._doors, doors, listener)
                for task in (self.outbound.loader.run, self.outbound.rerouter.run, self.sweeper.run, self.outbox.sweep):
                    await nursery.start(task)
                nursery.start_soon(self.outbound.intake.repeats.run)
                nursery.start_soon(self._second)
                nursery.start_soon(self.retention.run)
                await self._roster.start(self.settings, nursery, self._stop)
                await self._carriers.start(self.settings, nursery)
                gc.collect()
                gc.freeze()
                self._notifier.ready(f"{len(self.settings.carriers)} carriers")
                _log.info("ready", socket=str(self.settings.socket.path), epoch=self.store.epoch)
                self._started.set()
                task_status.started(self)
                await self._stop.wait()
                await self._wind_down(doors)
                nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await self.store.writer.flush()
            self.store.stop()
        _log.info("stopped")
        log.flush()

    async def _doors(self, scope: trio.CancelScope, listener: trio.SocketListener) -> None:
        with scope:
            await self.server.serve(listener)

    @asynccontextmanager
    async def _metrics_page(self, nursery: trio.Nursery) -> AsyncIterator[None]:
        address = self.settings.metrics.address
        if address is None:
            yield
            return
        host, port = address
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise StoreError(f"metrics.bind: cannot listen on {host}:{port}: {error.strerror or error}") from None
        nursery.start_soon(MetricsPage(self.metrics.registry).serve, listeners)
        yield

    async def _second(self) -> None:
        """Once a second: the watchdog of systemd, rates; now and then what only the database knows."""
        ticks = 0
        while True:
            self._notifier.watchdog()
            self.status.sample()
            if ticks % DISK_LOOK == 0:
                try:
                    await self.status.look_at_disk()
                except Exception as error:
                    _log.warning("status_not_read", error=repr(error))
            ticks += 1
            await trio.sleep(1)

    # --- stopping -----------------------------------------------------------------------------------------------------

    async def _wind_down(self, doors: trio.CancelScope) -> None:
        self._notifier.stopping()
        _log.info("stopping")
        carriers = self._carriers.wind_down()
        # What was taken in is stored and answered before the doors close.
        await self.store.writer.flush()
        await self.server.drain()
        doors.cancel()
        await self._carriers.stop(carriers)
        await self.store.writer.flush()

    # --- reloading ----------------------------------------------------------------------------------------------------

    async def reload(self) -> dict[str, Any]:
        """Reads the configuration again; a bad file leaves the old one running. Raises Refusal.

        It goes on when who asked is cancelled: half a new configuration is none.
        """
        await self._started.wait()
        if self._stop.is_set():
            raise Refusal("stopping", retry_after=5)
        assert self._nursery is not None
        outcome: list[dict[str, Any] | Refusal] = []
        done = trio.Event()

        async def run() -> None:
            try:
                outcome.append(await self._reload_alone())
            except Refusal as refusal:
                outcome.append(refusal)
            finally:
                done.set()

        self._nursery.start_soon(run)
        await done.wait()
        result = outcome[0] if outcome else Refusal("stopping", retry_after=5)
        if isinstance(result, Refusal):
            raise result
        return result

    async def _reload_alone(self) -> dict[str, Any]:
        async with self._reloading:
            if self._stop.is_set():
                raise Refusal("stopping", retry_after=5)
            self._notifier.reloading()
            try:
                return await self._reload()
            finally:
                if not self._stop.is_set():
                    self._notifier.ready()

    async def _reload(self) -> dict[str, Any]:
        try:
            new = await trio.to_thread.run_sync(partial(load, self.path))
        except ConfigError as error:
            _log.error("reload_failed", error=str(error))
            raise Refusal("invalid_config", str(error)) from None
        try:
            # Before anything names them, so that no event passes them by.
            await self._roster.open(new)
            since = self.store.clock.now_ms()
            optouts = OptOuts(new, await self.store.reader.read(known_sets))
            sets = optouts.sets()
            await carry(self.store, sets)
        except (StoreUnavailableError, sqlite3.Error) as error:  # by the writer, or what is read
            _log.error("reload_failed", error=str(error))
            reason = error.reason if isinstance(error, StoreUnavailableError) else "store_unavailable"
            raise Refusal(reason, "nothing is changed", retry_after=5) from None
        old = self.settings
        changed: list[str] = []
        warnings = await trio.to_thread.run_sync(new.warnings)  # thousands of numbers are looked up in their plans
        for name in ("url", "synchronous", "node"):
            if getattr(old.store, name) != getattr(new.store, name):
                warnings.append(f"store.{name} takes effect at the next start")
        for name in ("path", "mode", "group"):
            if getattr(old.socket, name) != getattr(new.socket, name):
                warnings.append(f"socket.{name} takes effect at the next start")
        warnings += self.store.writer.base.optouts.left_behind(optouts)
        if old.metrics != new.metrics:
            warnings.append("metrics.bind takes effect at the next start")
        if old.log != new.log:
            log.configure(new.log)
            changed.append("log")
        for section in (*SECTIONS, *RULES):
            if getattr(old, section) != getattr(new, section):
                changed.append(section)
        self._configure(new, optouts)
        await self._sets_changed(sets, since)
        await self._roster.swap(old, new)
        for name in await self._carriers.swap(old, new, self._stop):
            changed.append(f"carriers.{name}")
        _log.info("reloaded", changed=changed)
        return {"changed": changed, "warnings": warnings}

    async def _sets_changed(self, sets: Sets, since: int) -> None:
        try:
            await remember(self.store, sets, since)
        except (StoreUnavailableError, sqlite3.Error) as error:
            _log.error("sets_not_remembered", error=str(error))  # the next start, or reload, does it


async def serve(
    settings: Settings,
    *,
    config_path: Path | None = None,
    task_status: trio.TaskStatus[Daemon] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs a daemon in the caller's nursery, without signals; `Daemon.stop` ends it."""
    await Daemon(settings, path=config_path).serve(task_status)
