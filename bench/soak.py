"""An hour under load with everything that happens in a week: does anything grow, stall or get lost?

    python -m bench.soak [--minutes 60] [--rate 2500] [--inbound 2500] [--old N] [--directory D] [--svg soak.svg]

Messages go out and come in at these rates, the whole time. At first the daemon is told to stop and started again three
times (SIGTERM); then comes the long life that is judged, in which the carrier cuts all connections every minute, a
webhook answers slowly and fails now and then, and `[retention]` removes a store full of messages of days ago (`--old`);
then it is started once more, and everything comes to its end. Every ten seconds a sample is taken. Ends with 0 when
nothing grew (bench/growth.py has the rule), no turn of the retention took 50 ms, and every message, receipt and inbound
message is where it has to be by the carrier's log. With `--minutes 2` all of it happens too, in less.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.daemon import DaemonError
from bench.figures import machine
from bench.grow import GrowError
from bench.plot import Line, Panel, svg
from bench.sinkprocess import SinkError
from bench.soakrun import LONG_ENOUGH, Plan, Result, Soak


def panels(result: Result) -> list[Panel]:
    """What is drawn of it."""

    def sampled(name: str) -> list[tuple[float, float]]:
        return [(sample.at, sample.more[name]) for sample in result.samples if name in sample.more]

    windows = result.windows
    return [
        Panel("resident memory, MiB", [Line("", [(sample.at, sample.resident) for sample in result.samples])]),
        Panel(
            "open files, tasks",
            [
                Line("files", [(sample.at, sample.files) for sample in result.samples]),
                Line("tasks", sampled("tasks")),
            ],
        ),
        Panel("write-ahead log, MiB", [Line("", sampled("wal"))]),
        Panel("queued segments", [Line("", sampled("queued"))]),
        Panel(
            "from request to reply, ms",
            [Line("p99", [(w.at, w.p99) for w in windows]), Line("p50", [(w.at, w.p50) for w in windows])],
        ),
        Panel("longest in a window, ms", [Line("", [(w.at, w.most) for w in windows])]),
    ]


def _print(result: Result) -> None:
    print(f"\n{'':12} {'2nd sixth':>10} {'last sixth':>10} {'allowed':>10}")
    for finding in result.findings:
        print(finding)
    if not result.judged:
        print(f"(not judged: it was shorter than {LONG_ENOUGH:.0f} minutes)")
    print()
    for name, count in result.counts.items():
        print(f"{name:28} {count:12,}")
    for name, figure in result.figures.items():
        print(f"{name:28} {figure:12,.1f}")
    print(result.wrong if result.wrong.counts else "nothing was lost, doubled or changed")
    for one in result.failed:
        print(f"FAILED: {one}")
    print("everything held" if result.passed else "NOT EVERYTHING HELD")


def _shown(result: Result) -> dict[str, Any]:
    return {
        "samples": [sample._asdict() for sample in result.samples],
        "windows": [asdict(window) for window in result.windows],
        "growth": [asdict(finding) | {"passed": finding.passed} for finding in result.findings],
        "counts": result.counts,
        "figures": result.figures,
        "wrong": result.wrong.examples,
        "failed": result.failed,
        "judged": result.judged,
        "passed": result.passed,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when something grew, stalled or got lost."""
    parser = argparse.ArgumentParser("bench.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it lasts, without its end (%(default)s)")
    parser.add_argument("--rate", type=float, default=2500.0, help="messages out, a second (%(default)s)")
    parser.add_argument("--inbound", type=float, default=2500.0, help="messages in, a second (%(default)s)")
    parser.add_argument("--old", type=int, help="messages that the retention finds; default: 50,000 a minute")
    parser.add_argument("--directory", type=Path, help="for store and log, an empty one; default: a temporary one")
    parser.add_argument("--svg", type=Path, help="where to put the plot; default: nowhere")
    parser.add_argument("--json", type=Path, help="where to put all samples and figures; default: nowhere")
    chosen = parser.parse_args(arguments)
    if min(chosen.minutes, chosen.rate, chosen.inbound) <= 0:
        parser.error("--minutes, --rate and --inbound: more than 0")
    old = int(chosen.minutes * 50_000) if chosen.old is None else chosen.old
    plan = Plan(chosen.minutes, chosen.rate, chosen.inbound, old)
    with tempfile.TemporaryDirectory(prefix="smsgw-soak-") as temporary:
        directory = chosen.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        about = machine(directory)
        print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
        try:
            result = Soak(plan, directory, lambda text: print(text, flush=True)).run()
        except (DaemonError, SinkError, GrowError, OSError, TimeoutError) as error:
            print(f"bench.soak: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    if chosen.svg is not None:
        chosen.svg.write_text(svg(panels(result), result.spans), encoding="utf-8")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"machine": about} | _shown(result), default=asdict), encoding="utf-8")
    _print(result)
    return int(not result.passed)


if __name__ == "__main__":
    sys.exit(main())
