"""How exact the samples are: `python -m bench.exact` samples a program that knows what its parts used.

Two threads, as the daemon has: one mostly Python, one that also works without the interpreter lock, for long and for
short. Each measures what it does by its own clock of CPU time; beside that is what bench.profiler makes of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.profiler import MISSING, ProfileError, Profiler, find

_OCTETS = os.urandom(60_000)
_WAITS = frozenset({"bench/exact.py:rest", "bench/exact.py:_work"})
"""Where it sleeps; and where it reads its clocks, by system calls: at their end a thread may lose its core."""


def _sum(steps: int) -> int:
    return sum(i * i for i in range(steps))


def much_python() -> None:
    _sum(16_000)


def some_python() -> None:
    _sum(8_000)


def python_beside() -> None:
    _sum(12_000)


def long_without_lock() -> None:
    zlib.compress(_OCTETS, 1)


def short_without_lock() -> None:
    zlib.crc32(_OCTETS * 20)


def rest(seconds: float) -> None:
    time.sleep(seconds)


def _work(parts: Sequence[Callable[[], object]], pause: float, until: float, used: dict[str, float]) -> None:
    while time.monotonic() < until:
        for part in parts:
            began = time.thread_time()
            part()
            used[part.__name__] = used.get(part.__name__, 0.0) + time.thread_time() - began
        rest(pause)


def known(seconds: float) -> dict[str, float]:
    """Work so long; CPU seconds of each part, by the clocks of their threads."""
    until = time.monotonic() + seconds
    used: dict[str, float] = {}
    beside: dict[str, float] = {}
    parts = (python_beside, long_without_lock, long_without_lock, short_without_lock)
    thread = threading.Thread(target=_work, args=(parts, 0.001, until, beside))
    thread.start()
    _work((much_python, some_python), 0.0005, until, used)
    thread.join()
    return {**used, **beside}


def compare(seconds: float) -> list[tuple[str, float, float]]:
    """The parts, and the share of each in percent: as measured by itself, and as sampled."""
    with tempfile.TemporaryDirectory(prefix="smsgw-bench-") as directory:
        child = subprocess.Popen(
            [sys.executable, "-m", "bench.exact", "--known", "--seconds", str(seconds + 2)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            time.sleep(1)
            profiler = Profiler(child.pid, Path(directory) / "exact", _WAITS)
            time.sleep(seconds)
            profile = profiler.stop()
            measured: dict[str, float] = json.loads(child.communicate()[0])
        finally:
            child.kill()
            child.wait()
    sampled: dict[str, float] = dict.fromkeys(measured, 0.0)
    for stack in profile.stacks:
        for frame in stack.frames:
            if frame.function in sampled:
                sampled[frame.function] += stack.seconds
    return [
        (part, 100 * used / sum(measured.values()), 100 * sampled[part] / sum(sampled.values()))
        for part, used in measured.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both; 1 where nothing can be sampled."""
    parser = argparse.ArgumentParser(prog="bench.exact", description="Compare what is sampled with what is known.")
    parser.add_argument("--seconds", type=float, default=10.0, help="to sample (%(default)s)")
    parser.add_argument("--known", action="store_true", help="only work, and say what the parts used")
    chosen = parser.parse_args(arguments)
    if chosen.known:
        sys.setswitchinterval(1e-4)  # as the daemon has it
        print(json.dumps(known(chosen.seconds)))
        return 0
    if find() is None:
        print(MISSING)
        return 1
    try:
        found = compare(chosen.seconds)
    except ProfileError as error:
        print(f"no profile: {error}")
        return 1
    print(f"{'':22} {'known':>7} {'sampled':>8}")
    for part, known_share, sampled in found:
        print(f"{part:22} {known_share:6.1f}% {sampled:7.1f}%")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
