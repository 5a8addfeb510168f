"""Runs inputs of one target, keeps those that fail as small as they get, and measures what is left in memory."""

from __future__ import annotations

import gc
import os
import random
import signal
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

from .target import Target

SECONDS_MOST: Final = 1.0
"""CPU time that one input may take; between this and twice as much it is a failure."""
_SHRINKING_STEPS: Final = 3000
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class TooSlow(Exception):
    """One input takes longer than any may."""


class Failure(NamedTuple):
    """An input that must not do what it did: `error` is the exception, `place` the line that raised it."""

    target: str
    octets: bytes
    error: str
    place: str

    @classmethod
    def of(cls, target: Target, octets: bytes, error: BaseException) -> Failure:
        # Of what took too long, the line at which it was stopped.
        where = [at for at in traceback.extract_tb(error.__traceback__) if at.name != _Watch.tick.__name__][-1]
        said = f"{type(error).__name__}: {error}"
        return cls(target.name, octets, said[:400], f"{Path(where.filename).name}:{where.lineno}")

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.error}\n  at {self.place}\n"
            f"  python -m tests.fuzz --repeat {self.target} {self.octets.hex() or '00'}"
        )


class Chunk(NamedTuple):
    """What a run of inputs came to: `seconds` of CPU, and `resident`, the process's memory after it, in octets."""

    target: str
    inputs: int
    seconds: float
    octets: int
    failures: tuple[Failure, ...]
    failed: int
    process: int
    resident: int


def inputs(target: Target, seed: str, count: int) -> Iterator[bytes]:
    """The inputs of a seed, the same ones each time."""
    rng = random.Random(f"{target.name} {seed}")
    for _ in range(count):
        yield target.make(rng)


def run_chunk(target: Target, seed: str, count: int) -> Chunk:
    """Checks so many inputs of a seed. Of failures at one place the first is kept, made smaller."""
    began = time.process_time()
    found: dict[tuple[str, str], Failure] = {}
    failed = octets = 0
    with _watch() as watch:
        for number, one in enumerate(inputs(target, seed, count)):
            octets += len(one)
            watch.now = number
            failure = _failure(target, one)
            if failure is not None:
                failed += 1
                key = failure.error.partition(":")[0], failure.place
                if key not in found:
                    found[key] = _smaller(target, failure, watch)
    seconds = time.process_time() - began
    gc.collect()
    return Chunk(target.name, count, seconds, octets, tuple(found.values()), failed, os.getpid(), resident())


def _failure(target: Target, octets: bytes) -> Failure | None:
    try:
        target.check(octets)
    except Exception as error:
        return Failure.of(target, octets, error)
    return None


def _smaller(target: Target, failure: Failure, watch: _Watch) -> Failure:
    # Takes pieces out, the large ones first, as long as it fails at the same place.
    if failure.error.startswith("TooSlow"):
        return failure
    steps = 0
    size = len(failure.octets) // 2
    while size:
        at = 0
        while at < len(failure.octets):
            steps += 1
            if steps > _SHRINKING_STEPS:
                return failure
            watch.now = -steps
            again = _failure(target, failure.octets[:at] + failure.octets[at + size :])
            if again is not None and again.place == failure.place:
                failure = again
            else:
                at += size
        size //= 2
    return failure


class _Watch:
    """`now` is the number of the input that is being checked."""

    def __init__(self) -> None:
        self.now = 0
        self._before: int | None = None

    def tick(self, _number: int, _frame: FrameType | None) -> None:
        if self._before == self.now:
            self._before = None
            raise TooSlow(f"more than {SECONDS_MOST:g} s of CPU for one input")
        self._before = self.now


@contextmanager
def _watch() -> Iterator[_Watch]:
    # By the time that this process used, so that a busy machine fails nothing.
    watch = _Watch()
    before = signal.signal(signal.SIGVTALRM, watch.tick)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_MOST, SECONDS_MOST)
    try:
        yield watch
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def resident() -> int:
    """Octets of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def left_behind(target: Target, seed: str, count: int) -> int:
    """Octets that are allocated after so many inputs and were not before, when they had all been seen once already."""
    given = [one for one in inputs(target, seed, count) if _failure(target, one) is None]

    def run() -> None:
        for one in given:
            target.check(one)

    return allocated_by(run)


def allocated_by(run: Callable[[], Any]) -> int:
    """Octets that the second of two runs leaves allocated: what fills a cache does so in the first."""
    tracemalloc.start()
    try:
        run()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
