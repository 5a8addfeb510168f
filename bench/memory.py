"""The daemon's memory over a day's troubles, in one run: does it follow what waits, or not?

    python -m bench.memory [--messages 1000000] [--threads 10000] [--directory D] [--svg memory.svg] [--json]

Phases: ten thousand messages queued for a carrier that cannot be reached, then a million; receipts of another carrier
for ids that nobody knows, until as many are parked as may be; strangers who write, each thread unread and in need of
attention; then the first carrier is back and takes everything, receipts come, and an app is told of each end. VmRSS is
sampled each second. Ends with 1 when it was ever over 200 MB, or a phase did not come to what it is named for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench import trace
from bench.bursts import free_port
from bench.daemon import DaemonError, DaemonProcess, config
from bench.figures import machine
from bench.load import Load, LoadOptions
from bench.plot import Line, Panel, Span, blocks, svg
from bench.sinkprocess import SinkError, SinkProcess
from bench.vitals import Sample, Watch, read_metrics

LIMIT_MIB: Final = 200e6 / (1 << 20)
"""Never more than this, resident."""
FIRST: Final = 10_000
PARKED: Final = 100_000
"""`limits.parked_receipts`, as it is by default."""
REST: Final = 5.0
"""Seconds that each phase goes on after what it is for was done."""
_MORE: Final = """
[[carriers]]
name = "other"
host = "127.0.0.1"
port = {port}
system_id = "other"
password = "bench"

[[rules]]
name = "look"
urgent = true
"""


@dataclass(frozen=True)
class Phase:
    """Memory in MiB, and how large the store is then, with its log."""

    name: str
    begin: float
    end: float
    least: float
    median: float
    most: float
    last: float
    peak: float
    """VmHWM at its end: the highest so far, between two samples too."""
    store_mib: float


@dataclass
class Result:
    """What the run showed. ``wrong``: what did not come to be."""

    phases: list[Phase]
    samples: list[Sample]
    highest: float
    wrong: list[str]

    @property
    def passed(self) -> bool:
        return self.highest <= LIMIT_MIB and not self.wrong


class _Run:
    def __init__(self, directory: Path, messages: int, threads: int) -> None:
        self.directory = directory
        self.messages = messages
        self.threads = threads
        self.wrong: list[str] = []
        self.sizes: dict[str, float] = {}

    def run(self) -> Result:
        with SinkProcess() as away:
            port = away.port
        metrics = free_port()
        with SinkProcess(inbound_window=100) as other:
            text = config(
                self.directory,
                port,
                carrier={"reconnect_max": 2},
                sections={
                    "metrics": {"bind": f"127.0.0.1:{metrics}"},
                    "limits": {"queued": 2 * self.messages, "parked_receipts": PARKED},
                },
            )
            with (
                DaemonProcess(self.directory, text + _MORE.format(port=other.port)) as daemon,
                Watch(lambda: daemon.pid, phase="started") as watch,
            ):
                other.wait_for(lambda stats: stats["binds"] == 1)
                self._rest(watch)
                self._queued(watch, daemon)
                self._parked(watch, other, lambda: read_metrics(metrics))
                self._threads(watch, other)
                self._drained(watch, daemon, port)
                highest = daemon.usage().highest
        phases = [self._phase(name, watch.samples) for name in self.sizes]
        return Result(phases, watch.samples, highest, self.wrong)

    # --- phases -------------------------------------------------------------------------------------------------------

    def _queued(self, watch: Watch, daemon: DaemonProcess) -> None:
        lines = trace.load("otp")
        for first, count in ((0, min(FIRST, self.messages)), (FIRST, self.messages - FIRST)):
            if count <= 0:
                return
            watch.enter(f"{first + count:,} queued")
            options = LoadOptions(str(daemon.socket), lines, count, first=first, subscribe=None)
            with Load(options) as load:
                load.submit_all()
                refused = set(load.refused.values())
                self._expect(load.accepted == count, f"{load.accepted} of {count} accepted: {refused}")
            self._rest(watch)

    def _parked(self, watch: Watch, other: SinkProcess, metrics: Callable[[], dict[str, float]]) -> None:
        watch.enter(f"{PARKED:,} receipts parked")
        other.command("orphans", count=PARKED + PARKED // 10)
        other.wait_for(lambda stats: stats["owed"] == 0, timeout=120.0)
        parked = metrics()["smsgw_parked_receipts"]
        self._expect(parked == PARKED, f"{parked:.0f} receipts are parked")
        self._rest(watch)

    def _threads(self, watch: Watch, other: SinkProcess) -> None:
        watch.enter(f"{self.threads:,} threads open")
        other.command("inbound", count=self.threads)
        other.wait_for(lambda stats: not (stats["owed"] or stats["mo_remaining"]), timeout=120.0)
        refused = other.stats()["deliver_refused"]
        self._expect(not refused, f"{refused} inbound segments were refused")
        self._rest(watch)

    def _drained(self, watch: Watch, daemon: DaemonProcess, port: int) -> None:
        watch.enter("drained")
        with (
            Load(LoadOptions(str(daemon.socket), [], 0)) as load,
            SinkProcess(port=port) as sink,
        ):
            since, mark = time.monotonic(), 0
            while len(load.ended) < self.messages and load.broken is None and time.monotonic() - since < 60.0:
                load.step(0.2)
                if len(load.ended) != mark:
                    since, mark = time.monotonic(), len(load.ended)
            stats = sink.wait_for(lambda stats: stats["owed"] == 0, timeout=30.0)
            self._expect(len(load.ended) == self.messages, f"{len(load.ended)} ends were told: {load.broken}")
            self._expect(stats["submits"] >= self.messages, f"{stats['submits']} segments came to the carrier")
            self._rest(watch)

    # --- what they share ----------------------------------------------------------------------------------------------

    def _rest(self, watch: Watch) -> None:
        time.sleep(REST)
        watch.sample()
        files = (self.directory / name for name in ("smsgw.db", "smsgw.db-wal"))
        self.sizes[watch.phase] = sum(file.stat().st_size for file in files if file.exists()) / (1 << 20)

    def _expect(self, held: bool, otherwise: str) -> None:
        if not held:
            self.wrong.append(otherwise)

    def _phase(self, name: str, samples: Sequence[Sample]) -> Phase:
        own = [sample for sample in samples if sample.phase == name]
        memory = [sample.resident for sample in own]
        median = statistics.median(memory)
        first, last = own[0], own[-1]
        size = self.sizes[name]
        return Phase(name, first.at, last.at, min(memory), median, max(memory), last.resident, last.highest, size)


def run(directory: Path, messages: int, threads: int) -> Result:
    """One run in an empty directory. Raises DaemonError, SinkError, OSError or TimeoutError."""
    return _Run(directory, messages, threads).run()


def panel(result: Result) -> tuple[Panel, list[Span]]:
    """What is drawn of it."""
    curve = Line("resident", [(sample.at, sample.resident) for sample in result.samples])
    spans = [Span(phase.name, phase.begin, phase.end) for phase in result.phases]
    return Panel("resident memory of the daemon, MiB", [curve], LIMIT_MIB), spans


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when it was over the limit or something did not come to be."""
    parser = argparse.ArgumentParser("bench.memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000, help="queued at the most (%(default)s)")
    parser.add_argument("--threads", type=int, default=10_000, help="strangers who write (%(default)s)")
    parser.add_argument("--directory", type=Path, help="for the store, an empty one; default: a temporary one")
    parser.add_argument("--svg", type=Path, help="where to put the plot; default: nowhere")
    parser.add_argument("--json", action="store_true", help="print one object")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="smsgw-memory-") as temporary:
        directory = chosen.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        about = machine(directory)
        try:
            result = run(directory, chosen.messages, chosen.threads)
        except (DaemonError, SinkError, OSError, TimeoutError) as error:
            print(f"bench.memory: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    drawn, spans = panel(result)
    if chosen.svg is not None:
        chosen.svg.write_text(svg([drawn], spans), encoding="utf-8")
    if chosen.json:
        found = {"machine": about, "phases": [asdict(phase) for phase in result.phases], "highest": result.highest}
        samples = [(round(sample.at, 1), round(sample.resident, 1)) for sample in result.samples]
        print(json.dumps(found | {"wrong": result.wrong, "passed": result.passed, "resident": samples}, indent=1))
        return int(not result.passed)
    print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()))
    names = ("seconds", "least", "median", "most", "at end", "VmHWM", "store")
    print(f"\n{'phase':28}{''.join(f'{name:>8}' for name in names)}   MiB")
    for phase in result.phases:
        print(
            f"{phase.name:28}{phase.end - phase.begin:8.0f}{phase.least:8.1f}{phase.median:8.1f}{phase.most:8.1f}"
            f"{phase.last:8.1f}{phase.peak:8.1f}{phase.store_mib:8.0f}"
        )
    print()
    print("\n".join(blocks(drawn)))
    print(f"\nat most {result.highest:.1f} MiB (VmHWM); {LIMIT_MIB:.1f} (200 MB) are allowed")
    for one in result.wrong:
        print(f"FAILED: {one}")
    if result.highest > LIMIT_MIB:
        print("FAILED: over the limit")
    return int(not result.passed)


if __name__ == "__main__":
    sys.exit(main())
