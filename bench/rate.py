"""The rate that the real daemon reaches against a carrier that takes so many segments in any second, and no more.

    python -m bench.rate [--cap 200] [--seconds 60] [--window 50] [--latency-ms 20] [--runs told,found] [--json]

Each run queues more than goes out in its time, then lets the daemon send, and counts by the sink's log from the first
submit_sm on: what was accepted a second, the share that was throttled, and the most that was written in any second.
`told`: the daemon has the cap as `throughput`. `found`: it has `throughput = 0`. Ends with 1 when told reaches less
than 95% of the cap, or 0.5% of its submits are throttled, or more than the cap is written in any second; or when found
reaches less than 90%, or 5% are throttled.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import trace
from bench.daemon import DaemonError, DaemonProcess, config
from bench.figures import machine
from bench.load import Load, LoadOptions
from bench.sinkprocess import SinkError, SinkProcess

RTHROTTLED = 0x58
RUNS = {"told": (0.95, 0.005), "found": (0.90, 0.05)}
"""The least share of the cap, and the share of throttled submits that is too much."""


@dataclass(frozen=True)
class Result:
    """What one run showed. Rates are segments a second."""

    name: str
    cap: int
    seconds: float
    submits: int
    accepted: float
    throttled: int
    most: int
    """Most submits in any second, as they came in."""

    @property
    def reached(self) -> float:
        """Share of the cap that was accepted."""
        return self.accepted / self.cap

    @property
    def throttled_share(self) -> float:
        return self.throttled / self.submits if self.submits else 0.0

    @property
    def passed(self) -> bool:
        least, too_much = RUNS[self.name]
        kept = self.name != "told" or self.most <= self.cap
        return self.reached >= least and self.throttled_share < too_much and kept


def most_in_a_second(times: Iterable[float]) -> int:
    """The most of these times, which rise, that lie within one second."""
    second: deque[float] = deque()
    most = 0
    for at in times:
        second.append(at)
        while second[0] <= at - 1.0:
            second.popleft()
        most = max(most, len(second))
    return most


def run(name: str, cap: int, seconds: float, window: int, latency_ms: float, directory: Path) -> Result:
    """One run in a new directory. Raises DaemonError, SinkError or OSError."""
    directory.mkdir()
    carrier = {"throughput": cap if name == "told" else 0, "reconnect_max": 2}
    with SinkProcess() as first:
        port = first.port
    # All is queued before the carrier is there, so that nothing else keeps the machine busy.
    with DaemonProcess(directory, config(directory, port, window=window, carrier=carrier)) as daemon:
        messages = int(cap * seconds * 1.2) + window
        options = LoadOptions(str(daemon.socket), trace.load("otp"), messages=messages, subscribe=None)
        with Load(options) as load:
            load.submit_all()
        with SinkProcess(directory / "log", port, cap=cap, latency_ms=latency_ms, receipts=0) as sink:
            began = sink.wait_for(lambda stats: stats["first_submit"] > 0, 120)["first_submit"]
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            submits = [s for s in sink.read_log().submits if s.t <= began + seconds]
    return Result(
        name,
        cap,
        seconds,
        len(submits),
        sum(s.status == 0 for s in submits) / seconds,
        sum(s.status == RTHROTTLED for s in submits),
        most_in_a_second(s.t for s in submits),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when a run did not pass, 2 on wrong usage."""
    parser = argparse.ArgumentParser("bench.rate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cap", type=int, default=200, help="segments in any second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a run (%(default)s)")
    parser.add_argument("--window", type=int, default=50, help="unanswered submits (%(default)s)")
    parser.add_argument("--latency-ms", type=float, default=20.0, help="from a submit to its answer (%(default)s)")
    parser.add_argument("--runs", default=",".join(RUNS), help="which, with commas (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one object")
    chosen = parser.parse_args(arguments)
    names = chosen.runs.split(",")
    if unknown := [name for name in names if name not in RUNS]:
        print(f"bench.rate: no run {unknown[0]!r}; there are {', '.join(RUNS)}", file=sys.stderr)
        return 2
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="smsgw-rate-") as temporary:
        about = machine(Path(temporary))
        if not chosen.json:
            print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()))
        for name in names:
            try:
                result = run(name, chosen.cap, chosen.seconds, chosen.window, chosen.latency_ms, Path(temporary) / name)
            except (DaemonError, SinkError, OSError) as error:
                print(f"bench.rate: {name}: {error}", file=sys.stderr)
                return 1
            results.append(result)
            if not chosen.json:
                print(
                    f"{name}: {result.accepted:.1f} accepted a second, {result.reached:.1%} of {result.cap}; "
                    f"{result.throttled} of {result.submits} throttled, {result.throttled_share:.2%}; "
                    f"at most {result.most} in a second{'' if result.passed else ': FAILED'}"
                )
    if chosen.json:
        shown = {r.name: asdict(r) | {"reached": r.reached, "passed": r.passed} for r in results}
        print(json.dumps({"machine": about} | shown, indent=1))
    return int(not all(result.passed for result in results))


if __name__ == "__main__":
    sys.exit(main())
