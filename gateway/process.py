"""`smsgw run`: the daemon as a process, with its signals and its exit code."""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import trio

from gateway import log
from gateway.daemon import Daemon
from gateway.heap import Trimming
from gateway.outbound.request import Refusal
from gateway.policy.consent import consent_warnings
from gateway.policy.content import content_warnings
from gateway.policy.optout import optout_warnings
from gateway.settings import Settings
from gateway.store.database import StoreError

_log = log.logger(component="daemon")

SWITCH_INTERVAL: Final = 1e-4
"""Seconds after which a thread gives way: the writer's thread and Trio's would else wait 5 ms for one another."""
COLLECTED: Final = (10_000, 20, 20)
"""After how many new objects the garbage collector looks at them (`gc.set_threshold`). What a message is made of is
gone before: at Python's 700 the collector took 8 us a message to find that out, and at 20,000 a look takes 4 ms."""


def run(settings: Settings, path: Path | None) -> int:
    """`smsgw run`: the daemon as a process. Returns the exit code."""
    log.configure(settings.log)
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*COLLECTED)
    started = time.monotonic()
    for warning in (
        *settings.warnings(),
        *content_warnings(settings),
        *optout_warnings(settings),
        *consent_warnings(settings),
    ):
        _log.warning("config", warning=warning)
    try:
        daemon = Daemon(settings, path=path)
        with Trimming():
            trio.run(_with_signals, daemon)
    except StoreError as error:
        _log.error("cannot_start", error=str(error))
        print(f"smsgw: {error}", file=sys.stderr)
        return 1
    except BaseExceptionGroup as group:
        store_errors, others = group.split(StoreError)
        if others is None and store_errors is not None:
            first = _first(store_errors)
            _log.error("cannot_start", error=str(first))
            print(f"smsgw: {first}", file=sys.stderr)
            return 1
        _log.critical("died", seconds=round(time.monotonic() - started), exc_info=True)
        return 1
    return 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _with_signals(daemon: Daemon) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, daemon, signals, nursery)
            await daemon.serve()
            nursery.cancel_scope.cancel()


async def _obey(daemon: Daemon, signals: AsyncIterator[int], nursery: trio.Nursery) -> None:
    async for number in signals:
        if number == signal.SIGHUP:
            nursery.start_soon(_reload, daemon)  # a stop does not wait for it
        else:
            daemon.stop()


async def _reload(daemon: Daemon) -> None:
    try:
        await daemon.reload()
    except Refusal:
        pass  # logged; the old configuration goes on
