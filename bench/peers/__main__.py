"""`python -m bench.peers`: smsgw, Kannel and Jasmin in turn, on the same trace and against the same sink."""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench import trace
from bench.daemon import DaemonError
from bench.figures import machine
from bench.peers.bars import svg
from bench.peers.cases import CASES, Case, Gateway, Setup
from bench.peers.children import PeerError
from bench.peers.jasmin import Jasmin
from bench.peers.kannel import STORES, Kannel
from bench.peers.measured import Run, measure
from bench.peers.smsgw import Smsgw
from bench.peers.table import HEAD, Summary, markdown, rows
from bench.sinkprocess import SinkError

GATEWAYS: Mapping[str, Callable[[Setup], Gateway]] = {"smsgw": Smsgw, "kannel": Kannel, "jasmin": Jasmin}
JASMIN = Path.home() / ".cache" / "smsgw" / "jasmin"
"""Where bench/peers/install.sh puts it."""


def parser() -> argparse.ArgumentParser:
    """The options of `python -m bench.peers`."""
    out = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    add = out.add_argument
    add("--gateways", default=",".join(GATEWAYS), help="which, in the order of their turns (%(default)s)")
    add("--cases", default=",".join(CASES), help="which (%(default)s)")
    add("--rounds", type=int, default=3, help="of every case, all gateways in each (%(default)s)")
    add("--messages", type=int, default=20_000, help="in each run (%(default)s)")
    add("--jasmin-messages", type=int, default=1000, help="in each run of Jasmin, which is far slower (%(default)s)")
    add("--trace", default="otp", help="what goes out, texts of one GSM segment (%(default)s)")
    add("--window", type=int, default=200, help="unanswered submits of a bind, where a case says nothing (%(default)s)")
    add("--binds", type=int, default=1, help="to the sink (%(default)s)")
    add("--connections", type=int, default=64, help="of the HTTP feeds, one request unanswered on each (%(default)s)")
    add("--receipt-delay-ms", type=float, default=0.0, help="from the sink's answer to its receipt (%(default)s)")
    add("--synchronous", choices=("full", "normal"), default="full", help="of smsgw's store (%(default)s)")
    add("--kannel-store", choices=STORES, default="file", help="store-type of Kannel (%(default)s)")
    add("--kannel-by", choices=("box", "http"), default="box", help="how messages get into Kannel (%(default)s)")
    add("--jasmin", type=Path, default=JASMIN, metavar="DIRECTORY", help="its virtual environment (%(default)s)")
    add("--jasmin-by", choices=("smpp", "http"), default="smpp", help="how messages get into Jasmin (%(default)s)")
    add("--directory", type=Path, help="where stores and logs go, and stay; default: a temporary one")
    add("--svg", type=Path, metavar="FILE", help="draw the medians there")
    add("--json", type=Path, metavar="FILE", help="write every run there, as JSON")
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when a run failed, 2 on wrong usage. A gateway that is not installed is named and left out."""
    chosen = parser().parse_args(arguments)
    names, cases = chosen.gateways.split(","), chosen.cases.split(",")
    for kind, wanted, known in (("gateway", names, GATEWAYS), ("case", cases, CASES)):
        unknown = [name for name in wanted if name not in known]
        if unknown:
            print(f"bench.peers: no {kind} {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr)
            return 2
    setup = Setup(
        window=chosen.window,
        binds=chosen.binds,
        receipt_delay_ms=chosen.receipt_delay_ms,
        synchronous=chosen.synchronous,
        connections=chosen.connections,
        kannel_store=chosen.kannel_store,
        kannel_by=chosen.kannel_by,
        jasmin=chosen.jasmin,
        jasmin_by=chosen.jasmin_by,
    )
    # Whoever ends this ends what it started: the processes of the others are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="smsgw-peers-") as temporary:
        directory = (chosen.directory or Path(temporary)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        about = machine(directory)
        print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()))
        gateways = present([GATEWAYS[name](setup) for name in names])
        runs, failed = compare(gateways, cases, setup, chosen, directory)
    found = {}
    for case in cases:
        by_gateway = [[run for run in runs if run.case == case and run.gateway == name] for name in names]
        summaries = [Summary.of(group) for group in by_gateway if group]
        if summaries:
            found[case] = summaries
            print(f"\n{case}: {CASES[case].about}{most(CASES[case], setup)}\n{markdown(HEAD, rows(summaries))}")
    if chosen.svg is not None and found:
        chosen.svg.write_text(svg(found, ", ".join(f"{name} {value}" for name, value in about.items())))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"machine": about, "runs": [asdict(run) for run in runs]}, indent=1) + "\n")
    return int(failed)


def most(case: Case, setup: Setup) -> str:
    """What the windows allow for where answers take their time, to be put behind what the case is about."""
    if not case.latency_ms:
        return ""
    return f"; at most {(case.window or setup.window) * setup.binds * 1000 / case.latency_ms:,.0f} a second"


def present(gateways: Sequence[Gateway]) -> list[Gateway]:
    """Those that can run; says of each how it is used, or what it lacks."""
    found = []
    for gateway in gateways:
        missing = gateway.missing()
        if missing:
            print(f"{gateway.name}: left out, for it needs what is not here:")
            for what in missing:
                print(f"  {what}")
        else:
            print(f"{gateway.name}: in by {gateway.feeds}; {gateway.stores}")
            found.append(gateway)
    return found


def compare(
    gateways: Sequence[Gateway], cases: Sequence[str], setup: Setup, chosen: argparse.Namespace, directory: Path
) -> tuple[list[Run], bool]:
    """Every case, in rounds, the gateways in turn: what the machine does meanwhile falls on all of them."""
    runs: list[Run] = []
    failed = False
    for case in cases:
        for number in range(1, chosen.rounds + 1):
            for gateway in gateways:
                messages = chosen.jasmin_messages if gateway.name == "jasmin" else chosen.messages
                where = directory / f"{case}-{number}-{gateway.name}"
                # The collector's pauses in this process would be measured as the gateway's.
                gc.collect()
                gc.disable()
                try:
                    run = measure(gateway, case, CASES[case], setup, messages, chosen.trace, where)
                except (PeerError, DaemonError, SinkError, OSError, TimeoutError, trace.TraceError) as error:
                    failed = True
                    print(f"{case} {number} {gateway.name}: {type(error).__name__}: {error}", flush=True)
                    continue
                finally:
                    gc.enable()
                runs.append(run)
                wrong = {**run.wrong, **({"refused": run.refused} if run.refused else {})}
                print(
                    f"{case} {number} {gateway.name}: {run.rate:,.1f} a second, {run.cpu_total:,.0f} us"
                    f" (load {os.getloadavg()[0]:.1f}){f', wrong: {wrong}' if wrong else ''}",
                    flush=True,
                )
    return runs, failed


if __name__ == "__main__":
    raise SystemExit(main())
