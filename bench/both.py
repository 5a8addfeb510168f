"""The run `both`: messages go out and come in at steady rates, as through most of a gateway's day."""

from __future__ import annotations

import time
from typing import Any

from bench import trace, wire
from bench.arriving import idle, listen
from bench.daemon import DaemonError
from bench.figures import Percentiles
from bench.load import Load, LoadOptions
from bench.measure import Settings, catch_up, cost, first_key, started
from bench.reconcile import inbound, outbound, together
from bench.sinklog import SinkLog
from bench.sinkprocess import SinkProcess


def run_both(settings: Settings, name: str = "both") -> dict[str, Any]:
    """`--latency-rate` messages a second out, with receipts, and as many in by strangers; an app is told of both."""
    rate = settings.latency_rate
    count = max(int(rate * settings.latency_seconds), 1)
    log_path = settings.directory / f"{name}.log"
    first, arriving = first_key(settings), trace.load("inbound")
    with (
        SinkProcess(log=log_path, latency_ms=settings.latency_ms, inbound_window=settings.window) as sink,
        started(settings, settings.directory / name, sink.port) as daemon,
    ):
        sink.wait_for(lambda stats: stats["binds"] >= settings.binds)
        catch_up(settings, daemon)
        options = LoadOptions(
            socket=str(daemon.socket),
            lines=trace.load(settings.trace),
            messages=count,
            rate=rate,
            connections=settings.connections,
            first=first,
        )
        with Load(options) as load:
            before, began = daemon.usage(), time.monotonic()
            sink.command("inbound", trace_name="inbound", count=count, rate=rate, first=first)
            load.submit_all()
            during, steady = daemon.usage(), time.monotonic() - began
            load.wait_ended()
            listen(load, count)
            if load.broken is not None:
                raise DaemonError(f"a connection was lost: {load.broken}\n{daemon.log_end()}")
            sink.wait_for(idle, timeout=30.0)
            after = daemon.usage()
        stopped = daemon.stop()
    log = SinkLog.load(log_path)
    taken = [(d.t, d.acked) for d in log.deliveries if d.kind == "mo" and d.acked is not None and d.status == wire.ROK]
    return {
        "about": "as many messages out as in by strangers, at a steady rate, and an app is told of both",
        "messages": 2 * count,
        "offered_per_second": 2 * rate,
        "cores_of_the_daemon": (during.cpu - before.cpu) / steady,
        "accept_ms": load.accept_latency(),
        "acknowledge_ms": Percentiles.of(acked - sent for sent, acked in taken),
        **cost(before, after, 2 * count),
        "stop_seconds": stopped,
        "reconciliation": together(
            out=outbound(load, log),
            into=inbound(arriving, count, log, [event for _, event in load.inbound], first=first),
        ),
    }
