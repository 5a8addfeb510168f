"""What the runs of `bench.run` share: what the command line chose, a daemon to measure, what it used."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bursts import free_port
from bench.daemon import DaemonError, DaemonProcess, Usage, config
from bench.load import Load, LoadOptions
from bench.trace import NUMBERS
from bench.watch import Watch


@dataclass(frozen=True)
class Settings:
    """What the command line chose. profile: the run is watched (bench/watch.py), its figures are not the daemon's."""

    directory: Path
    messages: int
    trace: str
    rate: float
    latency_rate: float
    latency_seconds: float
    outstanding: int
    connections: int
    window: int
    binds: int
    latency_ms: float
    backlog: int
    profile: bool
    synchronous: str
    store: Path | None = None
    """A database that all of them go on with, in place of an empty one for each."""


_A_SECOND = 20_000
"""Keys that are set aside for each second: more than a run uses."""


def first_key(settings: Settings) -> int:
    """The number of a run's first message. In a chosen database its keys are those of no run before, nor its peers if
    that was not eight minutes ago (they repeat after ten million)."""
    return 0 if settings.store is None else int(time.time() * _A_SECOND) % 1_500_000_000


def catch_up(settings: Settings, daemon: DaemonProcess) -> None:
    """Takes what waits in a chosen database for the subscription, as an earlier run left it. Raises DaemonError."""
    if settings.store is None:
        return
    with Load(LoadOptions(str(daemon.socket), [], 0)) as load:
        until = time.monotonic() + 120
        while len(load.inbound) + len(load.ended) < load.backlog:
            load.step(0.2)
            if load.broken is not None or time.monotonic() > until:
                raise DaemonError(f"events of earlier runs are not taken: {load.broken}")


def cost(before: Usage, after: Usage, messages: int) -> dict[str, float]:
    """CPU and memory figures of a run, under the names that they are printed with."""
    cpu = after.cpu - before.cpu
    return {
        "cpu_us_per_message": cpu * 1e6 / messages,
        "cpu_us_first_thread": (after.first_thread - before.first_thread) * 1e6 / messages,
        "resident_mib": after.resident,
        "highest_mib": after.highest,
    }


def per_second(count: int, began: float, ended: float) -> float:
    """How many a second."""
    return count / (ended - began) if ended > began else 0.0


@contextlib.contextmanager
def watching(settings: Settings, daemon: DaemonProcess, name: str) -> Iterator[Watch | None]:
    """A watch over the run, where one is wanted; the sampler ends with it."""
    if not settings.profile:
        yield None
        return
    watch = Watch(daemon, name, settings.directory / f"{name}.folded")
    try:
        yield watch
    finally:
        watch.end()


def started(
    settings: Settings,
    directory: Path,
    port: int,
    numbers: Sequence[str] = NUMBERS,
    number: Mapping[str, Any] | None = None,
    more: str = "",
) -> DaemonProcess:
    """A daemon that is to be started, with an empty store unless one is chosen. number: further keys of each number.

    more: TOML behind the rest of its configuration.
    """
    directory.mkdir()
    store = {"synchronous": settings.synchronous}
    if settings.store is not None:
        store["url"] = f"sqlite:///{settings.store.resolve()}"
    metrics = f"127.0.0.1:{free_port()}" if settings.profile else ""
    text = config(
        directory,
        port,
        binds=settings.binds,
        window=settings.window,
        numbers=numbers,
        number=number,
        sections={"store": store, "metrics": {"bind": metrics}},
    )
    return DaemonProcess(directory, text + more, metrics=metrics)
