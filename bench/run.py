"""Measure the real daemon: `python -m bench.run`. bench/README.md says what is measured and how."""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import keys, profiler, trace
from bench.arriving import WAYS, run_away, run_inbound
from bench.blast import blast, soak
from bench.both import run_both
from bench.daemon import DaemonError
from bench.figures import Percentiles, machine
from bench.inbound import segments
from bench.load import Load, LoadOptions
from bench.measure import Settings, catch_up, cost, first_key, per_second, started, watching
from bench.reconcile import Reconciliation, outbound
from bench.sinklog import SinkLog
from bench.sinkprocess import SinkError, SinkProcess
from bench.watch import Seen

_FLOWS = ("outbound", "latency", "unicode", *WAYS)
STAGES = "-stages"
"""What the watched runs have behind the name of the run that they repeat."""
RUNS = ("sink", *_FLOWS, "both", "backlog", "away", *(name + STAGES for name in _FLOWS))
_DEFAULT = (
    "sink", "outbound", "outbound" + STAGES, "latency", "unicode", "inbound", "subscribed", "subscribed" + STAGES,
)  # fmt: skip


def run_sink(settings: Settings) -> dict[str, Any]:
    """The sink without a daemon: what it takes from a flood, and sends to one who only acknowledges."""
    with SinkProcess(log=settings.directory / "alone.log") as sink:
        cpu = sink.stats()["cpu"]
        flood = blast(sink.host, sink.port, settings.messages, window=1000)
        used = sink.stats()["cpu"] - cpu
        sink.command("inbound", trace_name="inbound", count=settings.messages)
        soaked = soak(sink.host, sink.port, segments(trace.load("inbound"), settings.messages))
    return {
        "submits_with_receipts_per_second": flood.rate,
        "sink_cpu_us_per_message": used * 1e6 / settings.messages,
        "inbound_segments_per_second": soaked,
    }


def run_outbound(settings: Settings, name: str, trace_name: str, messages: int, rate: float) -> dict[str, Any]:
    """Messages in at the socket, out at the sink, receipts back in, ends told to a subscription."""
    directory = settings.directory / name
    with (
        SinkProcess(log=settings.directory / f"{name}.log", latency_ms=settings.latency_ms) as sink,
        started(settings, directory, sink.port) as daemon,
    ):
        sink.wait_for(lambda stats: stats["binds"] >= settings.binds)
        options = LoadOptions(
            socket=str(daemon.socket),
            lines=trace.load(trace_name),
            messages=messages,
            outstanding=settings.outstanding,
            rate=rate,
            connections=settings.connections,
            first=first_key(settings),
        )
        catch_up(settings, daemon)
        with Load(options) as load, watching(settings, daemon, name) as watch:
            before = daemon.usage()
            load.submit_all()
            load.wait_ended()
            if load.broken is not None:
                raise DaemonError(f"a connection was lost: {load.broken}\n{daemon.log_end()}")
            stats = sink.wait_for(lambda stats: stats["owed"] == 0, timeout=30.0)
            after = daemon.usage()
            seen = watch.stop(messages) if watch is not None else None
        stopped = daemon.stop()
    log = SinkLog.load(settings.directory / f"{name}.log")
    began, accepted = load.span()
    late = sum(submit.t > accepted for submit in log.submits)
    arrivals = {key: message.first_seen for key, message in log.messages().items()}
    delays: list[tuple[float, float]] = []
    for index, message_id in enumerate(load.ids):
        arrived = arrivals.get(keys.key(keys.MT, options.first + index)) if message_id else None
        if arrived is not None:
            delays.append((arrived - load.intended[index], arrived - load.accepted_at[index]))
    return {
        "messages": messages,
        "segments": load.segments,
        "offered_per_second": rate or None,
        "accepted_per_second": per_second(load.accepted, began, accepted),
        "submitted_segments_per_second": per_second(stats["submits"], began, stats["last_submit"]),
        # A far carrier takes what its window allows, but for the time in which the daemon takes in all at once.
        "once_accepted_segments_per_second": per_second(late, accepted, stats["last_submit"]) if late else None,
        "finished_per_second": per_second(len(load.ended), began, load.last_end),
        "accept_ms": load.accept_latency(),
        # Claims of free window slots ride in the transaction of the submit: a segment may be on the wire
        # before its reply was read, and counts as 0 in the second of these.
        "request_to_wire_ms": Percentiles.of(total for total, _ in delays),
        "accept_to_wire_ms": Percentiles.of(max(after_accept, 0.0) for _, after_accept in delays),
        **cost(before, after, messages),
        "stop_seconds": stopped,
        "reconciliation": outbound(load, log),
        "profile": seen,
    }


def run_backlog(settings: Settings, name: str = "backlog") -> dict[str, Any]:
    """Messages accepted while no carrier is there: memory after ten thousand and after all of them."""
    with SinkProcess() as sink:
        port = sink.port
    result: dict[str, Any] = {"messages": settings.backlog}
    with started(settings, settings.directory / name, port) as daemon:
        first = min(10_000, settings.backlog)
        lines, began, before = trace.load(settings.trace), time.monotonic(), daemon.usage()
        accepted = 0
        for start, count in ((0, first), (first, settings.backlog - first)):
            options = LoadOptions(str(daemon.socket), lines, count, settings.outstanding, first=start, subscribe=None)
            with Load(options) as load:
                load.submit_all()
            accepted += load.accepted
            if not start:
                result["resident_mib_at_first"] = daemon.usage().resident
        result["accepted_per_second"] = per_second(accepted, began, time.monotonic())
        result |= cost(before, daemon.usage(), settings.backlog)
        daemon.kill()
        result["restart_seconds"] = daemon.start()
        result["stop_seconds"] = daemon.stop()
    return result


def run_stages(settings: Settings, name: str) -> dict[str, Any]:
    """A run once more, sampled: which stage takes how much of the daemon's time. `missing` says why it cannot."""
    if profiler.find() is None:
        return {"missing": profiler.MISSING}
    directory = settings.directory / f"{name}{STAGES}"
    directory.mkdir()
    try:
        result = _flows(replace(settings, directory=directory, profile=True))[name]()
    except profiler.ProfileError as error:
        return {"missing": f"no profile: {error}"}
    seen: Seen = result["profile"]
    return {
        "about": f"{name} once more, sampled by py-spy",
        "messages": seen.messages,
        "cpu_us_per_message": result["cpu_us_per_message"],
        "bursts": seen.counted,
        "reconciliation": result["reconciliation"],
        "profile": seen,
    }


def _print(name: str, result: dict[str, Any]) -> None:
    print(f"\n{name}")
    for key, value in result.items():
        if value is None:
            continue
        if isinstance(value, float):
            value = f"{value:,.1f}"
        elif isinstance(value, int):
            value = f"{value:,}"
        elif isinstance(value, Seen):
            print(f"  {key:34} {value}\n\n{value.table()}", flush=True)
            continue
        print(f"  {key.replace('_', ' '):34} {value}", flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Seen):
        return {row.name: row.us for row in value.rows()}
    if isinstance(value, Percentiles):
        return asdict(value)
    if isinstance(value, Reconciliation):
        return {**value.counts, **{name: len(found) for name, found in value.wrong.items()}}
    return str(value)


def parser() -> argparse.ArgumentParser:
    """The options of `python -m bench.run`."""
    out = argparse.ArgumentParser(prog="bench.run", description="Measure the daemon against a fast sink.")
    add = out.add_argument
    add("--runs", default=",".join(_DEFAULT), help=f"which, of {', '.join(RUNS)} (%(default)s)")
    add("--messages", type=int, default=100_000, help="in each run but latency, both and unicode (%(default)s)")
    add("--trace", default="otp", help="of the outbound and latency runs (%(default)s)")
    add("--rate", type=float, default=0.0, help="of the outbound run, a second; 0: as fast as accepted")
    add("--latency-rate", type=float, default=1000.0, help="of latency, and of both each way, a second (%(default)s)")
    add("--latency-seconds", type=float, default=10.0, help="how long these last (%(default)s)")
    add("--outstanding", type=int, default=2000, help="unanswered requests at most (%(default)s)")
    add("--connections", type=int, default=1, help="to the socket, beside the subscriber's")
    add("--window", type=int, default=200, help="of each bind, both ways (%(default)s)")
    add("--binds", type=int, default=1)
    add("--latency-ms", type=float, default=0.0, help="of the sink's answers")
    add("--backlog", type=int, default=1_000_000, help="messages of the backlog and away runs")
    add("--synchronous", choices=("full", "normal"), default="full", help="of the store")
    add("--profile", action="store_true", help="each run once more, sampled by py-spy: by stage and function")
    add("--store", type=Path, help="a database that they all go on with, as of bench.grow; default: an empty one each")
    add("--directory", type=Path, help="where stores and logs go, and stay; default: a temporary one")
    add("--json", action="store_true", help="print one JSON object instead of tables")
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when anything was lost, doubled or changed or a process failed, 2 on wrong usage."""
    chosen = vars(parser().parse_args(arguments))
    runs, as_json = chosen.pop("runs").split(","), chosen.pop("json")
    functions = chosen.pop("profile")
    if functions:
        runs = [one for name in runs for one in ((name, name + STAGES) if name in _FLOWS else (name,))]
    unknown = [name for name in runs if name not in RUNS]
    if unknown:
        print(f"bench.run: no run {unknown[0]!r}; there are {', '.join(RUNS)}", file=sys.stderr)
        return 2
    if chosen["store"] is not None and not chosen["store"].is_file():
        print(f"bench.run: --store: there is no file {chosen['store']}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="smsgw-bench-") as temporary:
        directory = chosen.pop("directory") or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        settings = Settings(directory=directory, profile=False, **chosen)
        return _main(settings, list(dict.fromkeys(runs)), as_json, functions)


def _flows(settings: Settings) -> dict[str, Callable[[], dict[str, Any]]]:
    return {
        "sink": lambda: run_sink(settings),
        "outbound": lambda: run_outbound(settings, "outbound", settings.trace, settings.messages, settings.rate),
        "latency": lambda: run_outbound(
            settings,
            "latency",
            settings.trace,
            max(int(settings.latency_rate * settings.latency_seconds), 1),
            settings.latency_rate,
        ),
        "unicode": lambda: run_outbound(settings, "unicode", "unicode", max(settings.messages // 5, 1), settings.rate),
        **{name: partial(run_inbound, settings, name) for name in WAYS},
        "both": lambda: run_both(settings),
        "backlog": lambda: run_backlog(settings),
        "away": lambda: run_away(settings, "away"),
        **{name + STAGES: partial(run_stages, settings, name) for name in _FLOWS},
    }


def _main(settings: Settings, runs: Sequence[str], as_json: bool, functions: bool) -> int:
    flows = _flows(settings)
    about = machine(settings.store.parent if settings.store is not None else settings.directory)
    results: dict[str, Any] = {"machine": about}
    if not as_json:
        print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()))
    failed = False
    for name in runs:
        # The collector's pauses in this process would be measured as the daemon's.
        gc.collect()
        gc.disable()
        try:
            result = flows[name]()
        except (DaemonError, SinkError, OSError, TimeoutError, trace.TraceError) as error:
            result, failed = {"error": f"{type(error).__name__}: {error}"}, True
        finally:
            gc.enable()
        reconciliation = result.get("reconciliation")
        failed = failed or (isinstance(reconciliation, Reconciliation) and not reconciliation.clean)
        results[name] = result
        if not as_json:
            _print(name, result)
            seen = result.get("profile")
            if functions and isinstance(seen, Seen):
                print(seen.functions(), flush=True)
    if as_json:
        print(json.dumps(results, default=_plain, indent=1))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
