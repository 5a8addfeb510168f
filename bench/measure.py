"""What the runs of `bench.run` share: what the command line chose, a daemon to measure, what it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import profiler
from bench.daemon import DaemonProcess, Usage, config
from bench.trace import NUMBERS


@dataclass(frozen=True)
class Settings:
    """What the command line chose."""

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


def profiling(settings: Settings, daemon: DaemonProcess, name: str) -> profiler.Profiler | None:
    """A profiler at work, where one is wanted and installed."""
    if not settings.profile or profiler.find() is None:
        return None
    return profiler.Profiler(daemon.pid, settings.directory / f"{name}.folded")


def started(
    settings: Settings,
    directory: Path,
    port: int,
    numbers: Sequence[str] = NUMBERS,
    number: Mapping[str, Any] | None = None,
    more: str = "",
) -> DaemonProcess:
    """A daemon that is to be started, with an empty store. number: further keys of each of the numbers.

    more: TOML behind the rest of its configuration.
    """
    directory.mkdir()
    text = config(
        directory,
        port,
        binds=settings.binds,
        window=settings.window,
        numbers=numbers,
        number=number,
        sections={"store": {"synchronous": settings.synchronous}},
    )
    return DaemonProcess(directory, text + more)
