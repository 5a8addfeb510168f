"""One-time codes behind a bulk job: how many segments are written before each of them, and how long it takes.

    python -m bench.overtake [--backlog 1000000] [--codes 50] [--throughput 100,0] [--window 50] [--latency-ms 20]

A backlog of marketing is accepted while no carrier is there; then the carrier comes, and one after the other codes are
submitted. By the sink's log: how many segments of the backlog came in between the reply to a code and its submit_sm,
and in how many pieces (what the sink read at once). `throughput`: of the carrier, in segments a second; 0 is as fast as
the window goes. Ends with 1 when there was more than one piece: one may have been handed to the socket just before the
code was stored, and is read just after its reply was.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import keys, trace
from bench.daemon import DaemonError, DaemonProcess, config
from bench.figures import Percentiles, machine
from bench.load import Load, LoadOptions
from bench.sinklog import Submit
from bench.sinkprocess import SinkError, SinkProcess

CODE = trace.Line("mt", "+12125550000", "+15551230001", "Your code is 424242 {key}")


@dataclass(frozen=True)
class Result:
    """``segments`` and ``pieces``: for each code what of the backlog came after its reply and before it."""

    throughput: int
    backlog: int
    segments: list[int]
    pieces: list[int]
    p50_ms: float
    most_ms: float
    """From when a code was to be sent to its submit_sm at the sink."""
    a_second: float
    """Segments of the backlog, meanwhile."""

    @property
    def passed(self) -> bool:
        return max(self.pieces) <= 1


def run(throughput: int, backlog: int, codes: int, window: int, latency_ms: float, directory: Path) -> Result:
    """One run in a new directory. Raises DaemonError, SinkError or OSError."""
    directory.mkdir()
    with SinkProcess() as first:
        port = first.port
    bulk = [replace(line, message_class="marketing") for line in trace.load("otp") if line.kind == "mt"]
    text = config(
        directory,
        port,
        window=window,
        carrier={"throughput": throughput, "reconnect_max": 2},
        sections={"limits": {"queued": 2 * backlog + codes}},
    )
    with DaemonProcess(directory, text) as daemon:
        with Load(LoadOptions(str(daemon.socket), bulk, backlog, subscribe=None, receipts=False)) as load:
            load.submit_all()
            if load.accepted < backlog:
                raise DaemonError(f"{load.accepted} of {backlog} accepted; refused: {set(load.refused.values())}")
        with SinkProcess(directory / "log", port, latency_ms=latency_ms, receipts=0) as sink:
            sink.wait_for(lambda stats: stats["first_submit"] > 0, 120)
            time.sleep(2.0)
            options = LoadOptions(str(daemon.socket), [CODE], codes, rate=10.0, first=backlog, subscribe=None)
            with Load(options) as load:
                load.submit_all()
                time.sleep(2.0)
                submits = sink.read_log().submits
    return _judge(load, submits, throughput, backlog)


def between(replied: Mapping[str, float], came: Iterable[tuple[float, str | None]]) -> dict[str, tuple[int, int]]:
    """For each key how many others came after its reply and before it, and at how many times.

    ``came`` is (time, key) in the order of time.
    """
    first: dict[str, float] = {}
    others: list[float] = []
    for at, key in came:
        if key not in replied:
            others.append(at)
        else:
            first.setdefault(key, at)
    found = {key: others[bisect_left(others, replied[key]) : bisect_left(others, at)] for key, at in first.items()}
    return {key: (len(times), len(set(times))) for key, times in found.items()}


def _judge(load: Load, submits: Sequence[Submit], throughput: int, backlog: int) -> Result:
    numbers = {keys.key(keys.MT, backlog + i): i for i in range(load.options.messages)}
    came = [(s.t, keys.find(s.text)) for s in submits]
    passed_by = between({key: load.accepted_at[i] for key, i in numbers.items()}, came)
    if len(passed_by) < len(numbers):
        raise DaemonError(f"{len(passed_by)} of {len(numbers)} codes came to the carrier; refused: {load.refused}")
    codes = {numbers[key]: at for at, key in reversed(came) if key in numbers}
    waits = Percentiles.of(at - load.intended[i] for i, at in codes.items())
    began, end = load.intended[0], max(codes.values())
    meanwhile = sum(began <= at <= end and key not in numbers for at, key in came)
    segments, pieces = ([pair[i] for pair in passed_by.values()] for i in (0, 1))
    return Result(throughput, backlog, segments, pieces, waits.p50, waits.max, meanwhile / (end - began))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when a run did not pass."""
    parser = argparse.ArgumentParser("bench.overtake", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backlog", type=int, default=1_000_000, help="messages of the bulk job (%(default)s)")
    parser.add_argument("--codes", type=int, default=50, help="one-time codes, ten a second (%(default)s)")
    parser.add_argument("--throughput", default="100,0", help="of the carrier, with commas (%(default)s)")
    parser.add_argument("--window", type=int, default=50, help="unanswered submits (%(default)s)")
    parser.add_argument("--latency-ms", type=float, default=20.0, help="from a submit to its answer (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one object")
    chosen = parser.parse_args(arguments)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="smsgw-overtake-") as temporary:
        about = machine(Path(temporary))
        if not chosen.json:
            print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()))
        for throughput in map(int, chosen.throughput.split(",")):
            try:
                result = run(
                    throughput,
                    chosen.backlog,
                    chosen.codes,
                    chosen.window,
                    chosen.latency_ms,
                    Path(temporary) / str(throughput),
                )
            except (DaemonError, SinkError, OSError) as error:
                print(f"bench.overtake: throughput {throughput}: {error}", file=sys.stderr)
                return 1
            results.append(result)
            if not chosen.json:
                seen = sorted(zip(result.segments, result.pieces, strict=True))
                counts = ", ".join(f"{n} in {p} before {seen.count((n, p))}" for n, p in sorted(set(seen)))
                print(
                    f"throughput {throughput}: behind {result.backlog} of marketing at {result.a_second:.0f} a second: "
                    f"{counts} codes; p50 {result.p50_ms:.1f} ms, at most {result.most_ms:.1f} ms"
                    f"{'' if result.passed else ': FAILED'}"
                )
    if chosen.json:
        print(json.dumps({"machine": about, "runs": [asdict(r) | {"passed": r.passed} for r in results]}, indent=1))
    return int(not all(result.passed for result in results))


if __name__ == "__main__":
    sys.exit(main())
