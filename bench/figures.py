"""Percentiles, and what the machine and the processes on it say about themselves."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Percentiles:
    """Of a set of times, in milliseconds; count 0 means that there were none and the rest is 0."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Percentiles:
        """By nearest rank, so that each figure is a time that was measured."""
        ordered = sorted(seconds)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0, 0.0)

        def rank(share: float) -> float:
            return ordered[max(ceil(len(ordered) * share) - 1, 0)] * 1000

        return cls(len(ordered), rank(0.50), rank(0.95), rank(0.99), ordered[-1] * 1000)

    def __str__(self) -> str:
        return f"p50 {self.p50:.2f}  p95 {self.p95:.2f}  p99 {self.p99:.2f}  max {self.max:.2f} ms"


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used, all threads. Raises OSError when it is gone."""
    # The name may hold spaces and brackets; utime and stime are the 14th and 15th field, proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def thread_seconds(pid: int) -> dict[int, float]:
    """As cpu_seconds, for each thread by its id; the first thread's id is the process's."""
    return {thread: user + system for thread, (user, system) in thread_times(pid).items()}


def thread_times(pid: int) -> dict[int, tuple[float, float]]:
    """User and system time of each thread, in seconds. Raises OSError when the process is gone."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
        found[int(task.name)] = (int(fields[11]) / _TICK, int(fields[12]) / _TICK)
    return found


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and at its highest, in MiB. Raises OSError when it is gone."""
    values = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        values[name] = value
    return int(values["VmRSS"].split()[0]) / 1024, int(values["VmHWM"].split()[0]) / 1024


def filesystem(path: Path) -> str:
    """Type and device of the file system that holds a path."""
    path = path.resolve()
    best, found = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, mount, kind, *_ = line.split()
        inside = mount == "/" or path == Path(mount) or Path(mount) in path.parents
        if inside and len(mount) >= len(best):
            best, found = mount, f"{kind} on {device}"
    return found


def machine(directory: Path) -> dict[str, str]:
    """What a figure has to be read with: processor, cores, kernel, Python, SQLite, where the store lies."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "filesystem": filesystem(directory),
    }
