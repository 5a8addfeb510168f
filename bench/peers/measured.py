"""One run of one gateway: the sink, the gateway, the feed; rates, CPU a message, and what became of each message."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import trace
from bench.load import LoadOptions
from bench.peers.cases import Case, Gateway, Running, Setup
from bench.reconcile import Reconciliation, inbound, outbound
from bench.sinkprocess import SinkProcess

_BOUND = 60.0
"""Seconds for a gateway to bind once it has started: Kannel waits for ten after an attempt that failed."""


@dataclass(frozen=True)
class Run:
    """Figures of one run. Rates are a second; None where the case has no such thing.

    rate is what is compared: ends told with receipts, segments at the sink without, segments acknowledged inbound.
    cpu: µs of user and system time a message, by process; feed: the same of what hands the messages over and takes
    receipts, which is not the gateway's. resident: MiB of all processes at the end.
    wrong: how many messages, by what is wrong with them (lost, doubled, garbled ...), by the sink's log.
    """

    gateway: str
    case: str
    messages: int
    rate: float
    accepted: float | None
    sent: float | None
    cpu: dict[str, float]
    feed: float | None
    resident: float
    refused: int = 0
    wrong: dict[str, int] = field(default_factory=dict)

    @property
    def cpu_total(self) -> float:
        return sum(self.cpu.values())


def measure(gateway: Gateway, name: str, case: Case, setup: Setup, messages: int, source: str, directory: Path) -> Run:
    """One run in a new directory. Raises PeerError, DaemonError, SinkError, TimeoutError when it does not end."""
    directory.mkdir()
    log_path = directory / "sink.log"
    options: dict[str, Any] = {
        "latency_ms": case.latency_ms,
        "receipt_delay_ms": setup.receipt_delay_ms,
        "inbound_window": case.window or setup.window,
    }
    options["no_quickack" if case.delayed else "quickack"] = True
    with (
        SinkProcess(log=log_path, **options) as sink,
        gateway.started(directory, sink.port, case) as running,
    ):
        sink.wait_for(lambda stats: stats["binds"] >= setup.binds, timeout=_BOUND)
        quiet(running)
        flow = _in if case.inbound else _out
        return flow(gateway.name, name, case, messages, source, sink, running)


def _out(gateway: str, name: str, case: Case, messages: int, source: str, sink: SinkProcess, running: Running) -> Run:
    options = LoadOptions(
        socket="",
        lines=trace.load(source),
        messages=messages,
        receipts=case.receipts,
        subscribe="bench" if case.receipts else None,
    )
    with running.feed(options) as feed:
        before, own = running.cpu(), time.process_time()
        feed.submit_all()
        if case.receipts:
            feed.wait_ended()
        own = time.process_time() - own
        stats = settled(sink, feed.accepted)
        used = spent(before, running.cpu(), messages)
        resident = running.resident()
        began, accepted = feed.span()
    log = sink.read_log()
    found = outbound(feed, log)
    sent = per_second(stats["submits"], began, stats["last_submit"])
    return Run(
        gateway, name, messages,
        per_second(len(feed.ended), began, feed.last_end) if case.receipts else sent,
        per_second(feed.accepted, began, accepted), sent,
        used, own * 1e6 / messages, resident, len(feed.refused), counts(found),
    )  # fmt: skip


def _in(gateway: str, name: str, case: Case, messages: int, source: str, sink: SinkProcess, running: Running) -> Run:
    lines = trace.load("inbound")
    before, began = running.cpu(), time.monotonic()
    sink.command("inbound", trace_name="inbound", count=messages)
    settled(sink, 0)
    used = spent(before, running.cpu(), messages)
    resident = running.resident()
    log = sink.read_log()
    acknowledged = [delivery.acked for delivery in log.deliveries if delivery.acked is not None]
    return Run(
        gateway, name, messages,
        per_second(len(acknowledged), began, max(acknowledged, default=began)),
        None, None, used, None, resident, 0, counts(inbound(lines, messages, log, None)),
    )  # fmt: skip


def settled(sink: SinkProcess, submits: int, stall: float = 30.0) -> dict[str, Any]:
    """The sink's counts once it has so many submits and owes nothing, or nothing has changed for `stall` s."""
    mark: tuple[Any, ...] = ()
    since = time.monotonic()
    while True:
        stats = sink.stats()
        if stats["submits"] >= submits and stats["owed"] == 0 and stats["mo_remaining"] == 0:
            return stats
        now = (stats["submits"], stats["owed"], stats["mo_acked"], stats["receipts_acked"])
        if now != mark:
            mark, since = now, time.monotonic()
        elif time.monotonic() - since > stall:
            return stats
        time.sleep(0.02)


def quiet(running: Running, within: float = 15.0) -> None:
    """Wait until what it does at its start is done: under a twentieth of a processor for half a second."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        before = sum(running.cpu().values())
        time.sleep(0.5)
        if sum(running.cpu().values()) - before < 0.025:
            return


def spent(before: dict[str, float], after: dict[str, float], messages: int) -> dict[str, float]:
    """µs a message, by process; one that came meanwhile began at nothing."""
    return {name: (seconds - before.get(name, 0.0)) * 1e6 / messages for name, seconds in after.items()}


def per_second(count: int, began: float, ended: float) -> float:
    return count / (ended - began) if ended > began else 0.0


def counts(found: Reconciliation) -> dict[str, int]:
    """How many of each kind of wrong, those that are none left out."""
    return {kind: len(keys) for kind, keys in found.wrong.items() if keys}
