"""One seed, played in this process: everything random, every clock and Trio's own scheduling come from it."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import perf_counter
from types import SimpleNamespace
from typing import Any
from unittest import mock

import trio
import trio._core._run as scheduler
from trio.testing import MockClock

from gateway.carrier.bind import Bind
from gateway.log import Logger
from tests.sim import ends
from tests.sim.ledger import Ledger
from tests.sim.plan import Plan
from tests.sim.world import World

DEFECTS = frozenset(
    {
        "bind_error",
        "burst_failed",
        "connection_failed",
        "message_set_aside",
        "method_failed",
        "operation_failed",
        "row_damaged",
        "segment_unsendable",
        "webhook_broke",
    }
)
"""What the daemon logs when its own code has failed: never, however bad the day."""
TROUBLES = ("disk I/O error", "database is locked", "database or disk is full")
"""Except where the disk was at fault."""


class Outcome:
    """What came of a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.failures: list[str] = []
        self.lines: list[str] = []
        self.digest = ""
        self.virtual = 0.0  # seconds of the simulation
        self.real = 0.0
        self.counts: Counter[str] = Counter()


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Trio schedules by the seed; nothing runs in another thread, and nothing waits for garbage to be collected."""

    async def inline(function: Any, *args: Any, **_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return function(*args)

    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    state = scheduler._r.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    scheduler._r.seed(seed)
    idle = SimpleNamespace(collect=lambda: 0, freeze=lambda: None)
    try:
        with mock.patch.object(trio.to_thread, "run_sync", inline), mock.patch("gateway.daemon.gc", idle):
            yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before
        scheduler._r.setstate(state)


def play(seed: int, *, trace: bool = False) -> Outcome:
    """Plays a seed to its end; a law that is broken is in `failures`, nothing is raised."""
    outcome = Outcome(seed)
    began = perf_counter()
    ledger = Ledger(trace=trace)

    def logged(self: Logger, level: str, event: str, values: dict[str, Any]) -> None:
        ledger.note("log", f"{level} {event} {_plain(values)}")
        if event in DEFECTS and not any(trouble in str(values) for trouble in TROUBLES):
            error = sys.exc_info()[1]
            where = "".join(traceback.format_exception(error)[-2:]) if error is not None else ""
            ledger.broken("defect", f"{event} {_plain(values)} {where}")

    send = Bind.send

    def noted(self: Bind, segment: Any, *rest: Any) -> None:
        send(self, segment, *rest)
        assert self.link is not None
        assert self.session is not None
        stream: Any = self.link._outlet._stream
        stream.written[self.session.outstanding_requests()[-1][0]] = segment.message.id

    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            world = World(Plan(seed), Path(directory) / "smsgw.toml", ledger)
            await world.run()
            outcome.counts["crashes"] = world.crashes
            outcome.counts["disk faults"] = world.disk.faults
            outcome.counts["lives"] = ledger.life
        outcome.virtual = trio.current_time() - ledger.start

    patched = mock.patch.object(Logger, "_log", logged), mock.patch.object(Bind, "send", noted)
    with deterministic(seed), patched[0], patched[1]:
        try:
            trio.run(main, clock=MockClock(autojump_threshold=0))
        except Exception as error:
            ledger.failures.append("simulation: " + "".join(traceback.format_exception(error)))
    outcome.real = perf_counter() - began
    outcome.failures = ledger.failures
    outcome.digest = ledger.digest
    outcome.counts.update(ledger.counts)
    outcome.counts["messages"] = len(ledger.messages)
    outcome.counts["segments"] = sum(len(m.segments) for m in ledger.messages.values())
    if trace:
        outcome.lines = ledger.lines + [ends.summary(m) for m in ledger.messages.values()]
    return outcome


def _plain(values: dict[str, Any]) -> str:
    return " ".join(f"{k}={v}" for k, v in values.items() if k != "exc_info")


__all__ = ["Outcome", "Random", "deterministic", "play"]
