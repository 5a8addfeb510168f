"""The inbound runs: who writes, what rules there are, and who is told."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bench import trace, wire
from bench.figures import Percentiles
from bench.hook import SECRET, Hook
from bench.load import Load, LoadOptions
from bench.measure import Settings, catch_up, cost, first_key, per_second, started, watching
from bench.reconcile import inbound
from bench.sinklog import SinkLog
from bench.sinkprocess import SinkProcess
from bench.trace import Line

KNOWN: Final = 20_000
"""Phones of the runs in which everybody has written before."""
TEN: Final = tuple(f"+155512300{i:02}" for i in range(1, 11))
"""Numbers of these runs."""

BOOK: Final = """
[schedules.office]
zone = "America/New_York"
times = ["mon-fri 09:00-12:00, 13:00-17:00"]
holidays = ["US", "US-NY"]
[schedules.night]
zone = "America/New_York"
times = ["22:00-06:00"]

[[rules]]
name = "join"
keywords = ["JOIN", "START5"]
tags = ["join"]
[[rules]]
name = "vote"
keywords = ["VOTE"]
keyword_match = "prefix"
tags = ["vote"]
[[rules]]
name = "order"
matches = '(?i)\\border (no\\.? ?)?\\d{5,}\\b'
tags = ["order"]
then = "continue"
[[rules]]
name = "abroad"
countries = ["JP", "AU"]
tags = ["abroad"]
then = "continue"
[[rules]]
name = "urgent"
urgency = true
urgent = true
[[rules]]
name = "complaint"
contains = ["complaint", "refund", "lawyer"]
tags = ["complaint"]
[[rules]]
name = "long"
length_min = 150
tags = ["long"]
then = "continue"
[[rules]]
name = "night"
schedules = ["night"]
tags = ["night"]
then = "continue"
[[rules]]
name = "closed"
not_schedules = ["office"]
scripts = ["Han", "Cyrillic"]
tags = ["closed"]
[[rules]]
name = "rest"
tags = ["rest"]
"""
"""Ten rules for every number, of all the kinds that look at the message and the clock alone."""

ASKING: Final = """
[[rules]]
name = "new"
known = false
tags = ["new"]
[[rules]]
name = "answer"
last_within = 86400
last_classes = ["marketing"]
tags = ["answer"]
[[rules]]
name = "flood"
count_min = 100
count_within = 3600
tags = ["flood"]
"""
"""Rules that look at what the database knows: the peer, our last message to it, how many came before."""


@dataclass(frozen=True)
class Way:
    """How messages come in, and to whom they go. known: by phones that wrote before. share: of the messages."""

    about: str
    subscribed: bool = False
    known: bool = False
    rules: str = ""
    hook: bool = False
    share: float = 1.0


WAYS: Final = {
    "inbound": Way("strangers write, nobody subscribes"),
    "subscribed": Way("strangers write, an app takes it over the socket", subscribed=True),
    "known": Way("known phones write to ten numbers, nobody subscribes", known=True),
    "told": Way("known phones write to ten numbers, an app takes it over the socket", known=True, subscribed=True),
    "ruled": Way("as `known`, with ten rules", known=True, rules=BOOK),
    "asking": Way("as `known`, with rules that ask the database", known=True, rules=ASKING),
    "webhook": Way("strangers write, each number has a webhook", hook=True, share=0.1),
}


def run_inbound(settings: Settings, name: str) -> dict[str, Any]:
    """Messages as fast as they are acknowledged; who is told has to keep up, or takes the rest afterwards."""
    way = WAYS[name]
    count = max(int(settings.messages * way.share), 1)
    log_path = settings.directory / f"{name}.log"
    lines, source = trace.load("inbound"), "inbound"
    if way.known:
        lines, source = _known(), str(settings.directory / f"{name}.ndjson")
        trace.write(source, lines)
    first = first_key(settings)
    known = len(lines) if way.known else 0
    with (
        Hook() as hook,
        SinkProcess(log=log_path, inbound_window=settings.window) as sink,
        started(settings, settings.directory / name, sink.port, *_told(way, hook)) as daemon,
    ):
        sink.wait_for(lambda stats: stats["binds"] >= settings.binds)
        if known:
            sink.command("inbound", trace_name=source, count=known, first=first)
            sink.wait_for(idle, timeout=120.0)
        catch_up(settings, daemon)
        options = LoadOptions(str(daemon.socket), lines, 0, subscribe="bench" if way.subscribed else None)
        with Load(options) as load, watching(settings, daemon, name) as watch:
            before, acked = daemon.usage(), sink.stats()["mo_acked"]
            began = time.monotonic()
            sink.command("inbound", trace_name=source, count=count, first=first + known)
            if way.subscribed:
                listen(load, count)
            stats = sink.wait_for(idle, timeout=120.0)
            if way.hook:
                _wait(hook, count)
            after = daemon.usage()
            seen = watch.stop(count) if watch is not None else None
        stopped = daemon.stop()
    log = SinkLog.load(log_path)
    taken = [(d.t, d.acked) for d in log.deliveries if d.t >= began and d.acked is not None and d.status == wire.ROK]
    result: dict[str, Any] = {
        "about": way.about,
        "messages": count,
        "segments": stats["mo_acked"] - acked,
        "acknowledged_segments_per_second": per_second(
            len(taken), began, max((acked for _, acked in taken), default=0.0)
        ),
        "acknowledge_ms": Percentiles.of(acked - sent for sent, acked in taken),
    }
    events = None
    if way.subscribed:
        when = [at for at, _ in load.inbound]
        result["told_per_second"] = per_second(len(when), began, max(when, default=0.0))
        events = [event for _, event in load.inbound]
    if way.hook:
        posted = [post.at for post in hook.taken()]
        result["posted_per_second"] = per_second(len(posted), began, max(posted, default=0.0))
        events = [post.event for post in hook.taken()]
    return {
        **result,
        **cost(before, after, count),
        "stop_seconds": stopped,
        "reconciliation": inbound(lines, count, log, events, first=first + known),
        "profile": seen,
    }


def run_away(settings: Settings, name: str) -> dict[str, Any]:
    """`--backlog` messages for an app that is away: memory after ten thousand and after all; then it comes back.

    Between the two the daemon is killed and starts again.
    """
    count, first = settings.backlog, min(10_000, settings.backlog)
    log_path = settings.directory / f"{name}.log"
    lines = trace.load("inbound")
    more = f"\n[limits]\nsubscription_backlog = {count + 1}\n"
    result: dict[str, Any] = {"about": "strangers write, and an app that subscribed is away", "messages": count}
    with (
        SinkProcess(log=log_path, inbound_window=settings.window) as sink,
        started(settings, settings.directory / name, sink.port, more=more) as daemon,
    ):
        sink.wait_for(lambda stats: stats["binds"] >= settings.binds)
        options = LoadOptions(str(daemon.socket), lines, 0)
        with Load(options):
            pass  # it subscribes, and goes away
        before, began = daemon.usage(), time.monotonic()
        for part in (first, count - first):
            sink.command("inbound", count=part)
            stats = sink.wait_for(idle, timeout=60.0 + part / 1000)
            result.setdefault("resident_mib_at_first", daemon.usage().resident)
        result["acknowledged_segments_per_second"] = per_second(stats["mo_acked"], began, time.monotonic())
        result |= cost(before, daemon.usage(), count)
        daemon.kill()
        result["restart_seconds"] = daemon.start()
        with Load(options) as load:
            began = time.monotonic()
            listen(load, count)
            result["told_per_second"] = per_second(
                len(load.inbound), began, load.inbound[-1][0] if load.inbound else began
            )
        result["highest_mib_when_it_was_back"] = daemon.usage().highest
        result["stop_seconds"] = daemon.stop()
    events = [event for _, event in load.inbound]
    return {**result, "reconciliation": inbound(lines, count, SinkLog.load(log_path), events)}


def _known() -> list[Line]:
    """Lines by `KNOWN` phones, each always the same, to ten numbers."""
    return [replace(line, to=TEN[i % len(TEN)], vary=False) for i, line in enumerate(trace.load(f"inbound:{KNOWN}:5"))]


def _told(way: Way, hook: Hook) -> tuple[Sequence[str], dict[str, Any], str]:
    """The numbers, further keys of each, and the rest of the configuration."""
    more, keys = way.rules, {}
    if way.hook:
        handler = {"name": "hook", "webhook": hook.url, "secret": SECRET, "allow_private": True, "concurrency": 16}
        more += "\n".join(["", "[[handlers]]", *[f"{key} = {json.dumps(value)}" for key, value in handler.items()], ""])
        keys = {"handlers": ["hook"]}
    return TEN if way.known else trace.NUMBERS, keys, more


def idle(stats: dict[str, Any]) -> bool:
    """Whether a sink has sent all that it was to send, and everything was acknowledged."""
    return not (stats["owed"] or stats["mo_remaining"])


def listen(load: Load, count: int, stall: float = 30.0) -> None:
    """Take inbound events until `count` came, or none for `stall` seconds."""
    since, mark = time.monotonic(), 0
    while len(load.inbound) < count and load.broken is None:
        load.step(0.2)
        if len(load.inbound) != mark:
            since, mark = time.monotonic(), len(load.inbound)
        elif time.monotonic() - since > stall:
            return


def _wait(hook: Hook, count: int, stall: float = 30.0) -> None:
    """Wait until `count` events were posted, or none was for `stall` seconds."""
    since, mark = time.monotonic(), 0
    while len(hook.posts) < count:
        time.sleep(0.01)
        if len(hook.posts) != mark:
            since, mark = time.monotonic(), len(hook.posts)
        elif time.monotonic() - since > stall:
            return
