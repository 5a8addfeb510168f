"""The run of `bench.soak`: lives of a daemon under load, what is sampled meanwhile, and what came of it."""

from __future__ import annotations

import gc
import json
import os
import signal
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench import keys, trace
from bench.bursts import free_port
from bench.daemon import DaemonError, DaemonProcess, config
from bench.figures import Percentiles
from bench.grow import grow
from bench.grown import Plan as Old
from bench.growth import Finding, judge
from bench.hook import SECRET, Hook
from bench.ledger import Ledger, Wrong
from bench.load import Load, LoadOptions
from bench.plot import Span
from bench.reconcile import told_rightly
from bench.sinkprocess import SinkProcess
from bench.tally import Tally
from bench.trace import NUMBERS
from bench.vitals import Sample, Watch, read_metrics

SLOW: Final = "+15551230009"
"""The number whose webhook is slow."""
SLOW_A_SECOND: Final = 20.0
DELAY: Final = 0.3
"""Seconds that the webhook takes for an answer; one in a hundred is an error."""
STALLED: Final = 60.0
"""Seconds without any reply, after which it is given up."""
STOPPING: Final = frozenset({"stopping"})
LONG_ENOUGH: Final = 10.0
"""Minutes from which on growth is judged: before that the caches of the store are not full."""
PAUSE: Final = 0.05
"""Seconds that a turn of the retention may take."""
_PURGE: Final = "smsgw_purge_seconds"
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class Plan:
    """Rates are messages a second. ``old``: messages that the retention finds."""

    minutes: float
    rate: float
    inbound: float
    old: int
    window: int = 200
    binds: int = 2

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def lives(self) -> list[float]:
        """Seconds of each life of the daemon; the last one is the long one."""
        return [self.seconds / 24] * 3 + [self.seconds * 7 / 8]

    @property
    def spell(self) -> float:
        """Seconds for which one connection of the application lasts."""
        return min(30.0, self.seconds / 24)

    @property
    def cut_every(self) -> float:
        """Seconds between two cuts of all connections by the carrier."""
        return min(60.0, self.seconds / 8)

    @property
    def sample_every(self) -> float:
        return min(10.0, self.seconds / 120)


@dataclass
class Window:
    """Accepting in one stretch of time, by when the messages were to be sent."""

    at: float
    count: int
    p50: float
    p99: float
    most: float


@dataclass
class Result:
    """What a soak showed."""

    samples: list[Sample]
    windows: list[Window]
    spans: list[Span]
    findings: list[Finding]
    counts: dict[str, int]
    figures: dict[str, float]
    wrong: Wrong
    judged: bool
    """Whether it was long enough to say that something grows."""
    failed: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        grew = self.judged and not all(finding.passed for finding in self.findings)
        return not (self.failed or self.wrong.counts or grew)


class Soak:
    """One soak, in an empty directory: `run` raises DaemonError, SinkError, GrowError, OSError or TimeoutError."""

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.directory = directory
        self.say = say
        short, long = trace.load("otp"), trace.load("unicode")
        self.out = [
            line for i, one in enumerate(short) for line in ([one] if i % 19 else [one, long[i // 19 % len(long)]])
        ]
        every = max(round(plan.inbound / SLOW_A_SECOND), 1)
        self.into = [
            replace(line, to=NUMBERS[i % len(NUMBERS)] if i % every else SLOW, vary=False)
            for i, line in enumerate(trace.load("inbound:20000:5"))
        ]
        self.ledger = Ledger(self.into)
        self.latency: dict[int, array[float]] = {}
        self.spans: list[Span] = []
        self.starts: list[float] = []
        self.stops: list[float] = []
        self.posted: set[int] = set()
        self.cuts = 0
        self.judged = (0.0, 0.0)
        self.failed: list[str] = []

    def run(self) -> Result:
        plan, log = self.plan, self.directory / "sink.log"
        source = self.directory / "inbound.ndjson"
        trace.write(source, self.into)
        if plan.old:
            self.say(f"{plan.old:,} messages of days ago are put into the store")
            grow(self.directory / "smsgw.db", Old(plan.old, int(time.time() * 1000) - 4 * _DAY_MS, 2.0, 1000))
        metrics = free_port()
        with (
            Hook(failing=0.01, seed=1, delay=DELAY) as hook,
            SinkProcess(log=log, inbound_window=100, latency_ms=20) as sink,
        ):
            daemon = DaemonProcess(self.directory, self._config(sink.port, metrics, hook.url), timeout=60.0)
            try:
                with Watch(lambda: daemon.pid, every=plan.sample_every, also=lambda: _read(metrics)) as watch:
                    for number, seconds in enumerate(plan.lives, start=1):
                        self._life(watch, daemon, sink, hook, str(source), number, seconds)
                    self._settle(watch, daemon, sink, hook)
                    watch.sample()
                    self.stops.append(daemon.stop())
            finally:
                if daemon.running:
                    daemon.kill()
            self.failed += hook.errors
        grown = self._grown(watch.samples)
        for finding in grown[1]:
            self.say(str(finding))
        # Minutes, after an hour: whoever breaks it off here has seen what grew.
        self.say("the carrier's log is read")
        return self._result(watch.samples, *grown, Tally.read(log, self.out, self.into))

    def _config(self, sink: int, metrics: int, hook: str) -> str:
        handler = {"name": "slow", "webhook": hook, "secret": SECRET, "allow_private": True, "concurrency": 32}
        slow = {"number": SLOW, "carrier": "sink", "handlers": ["slow"]}
        text = config(
            self.directory,
            sink,
            binds=self.plan.binds,
            window=self.plan.window,
            carrier={"reconnect_max": 2, "in_doubt": "resend"},
            sections={
                "metrics": {"bind": f"127.0.0.1:{metrics}"},
                "retention": {"records": 3, "events": 1},
                "limits": {"receipt_age": 3 * 86_400},
            },
        )
        for name, table in (("handlers", handler), ("numbers", slow)):
            text += "\n".join(
                ["", f"[[{name}]]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()), ""]
            )
        return text

    # --- lives --------------------------------------------------------------------------------------------------------

    def _life(
        self, watch: Watch, daemon: DaemonProcess, sink: SinkProcess, hook: Hook, source: str, number: int, lasts: float
    ) -> None:
        plan = self.plan
        judged = number == len(plan.lives)
        name = watch.phase = "judged" if judged else f"life {number}"  # what is sampled from now on is of this one
        self.starts.append(daemon.start())
        began = watch.now
        end, cut_at = time.monotonic() + lasts, time.monotonic() + plan.cut_every
        sink.command("inbound", trace_name=source, count=10**9, rate=plan.inbound)
        while (left := end - time.monotonic()) > 0:
            with self._load(daemon, plan.rate, max(int(plan.rate * min(plan.spell, left)), 1)) as load:
                # The collector's pauses in this process would be measured as the daemon's.
                gc.disable()
                since, mark = time.monotonic(), 0
                while load.replies < load.options.messages and load.broken is None:
                    load.step(0.05)
                    if load.replies != mark:
                        since, mark = time.monotonic(), load.replies
                    elif time.monotonic() - since > STALLED:
                        raise TimeoutError(f"{mark} of {load.next} were answered, then nothing for {STALLED:.0f} s")
                    if judged and time.monotonic() > cut_at:
                        self.cuts += sink.command("drop")["dropped"]
                        cut_at += plan.cut_every
                gc.enable()
                if load.broken is not None:
                    raise DaemonError(f"the daemon hung up: {load.broken}\n{daemon.log_end()}")
                self._time(load, watch.began)
                self._take(load, hook)
                self.ledger.turn()
        self.spans.append(Span(name, began, watch.now))
        if judged:
            self.judged = (began, watch.now)
        sink.command("inbound", trace_name=source, count=0)
        watch.sample()
        self._stop(daemon, hook)
        self.say(
            f"{name} ends after {watch.now:.0f} s: {self.ledger.accepted.count():,} messages accepted,"
            f" {self.ledger.told.count():,} came in"
        )

    def _stop(self, daemon: DaemonProcess, hook: Hook) -> None:
        """SIGTERM, while the application goes on."""
        with self._load(daemon, self.plan.rate, int(self.plan.rate * 30)) as load:
            while load.replies < self.plan.rate * 0.5 and load.broken is None:
                load.step(0.05)
            began = time.monotonic()
            os.kill(daemon.pid, signal.SIGTERM)
            while daemon.running and time.monotonic() - began < 30.0:
                if load.broken is None:
                    load.step(0.02)
                else:
                    time.sleep(0.01)
            daemon.stop()  # its status has to be 0, or this raises
            self.stops.append(time.monotonic() - began)
            load.drain()
            self._take(load, hook, refusals=STOPPING)

    def _settle(self, watch: Watch, daemon: DaemonProcess, sink: SinkProcess, hook: Hook) -> None:
        """The last start: nothing more goes in but what had no reply, and everything comes to its end."""
        watch.phase = "settling"
        self.starts.append(daemon.start())
        ledger, began = self.ledger, watch.now
        sent: int = sink.stats()["mo_messages"]
        slow = {number for number in range(sent) if self.into[number % len(self.into)].to == SLOW}
        since, before, now = time.monotonic(), (-1, -1, -1, -1), (-1, -1, -1, -1)
        while any(now) and time.monotonic() - since < 60.0:
            with self._load(daemon, 0.0, ledger.handed - ledger.first_open) as load:
                load.submit_all()
                end = time.monotonic() + 1.0
                while load.broken is None and (left := end - time.monotonic()) > 0:
                    load.step(left)
                self._take(load, hook)
            now = (sink.stats()["owed"], len(ledger.open), sent - ledger.told.count(), len(slow - self.posted))
            if now != before:
                since, before = time.monotonic(), now
        if any(now):
            names = ("owed by the carrier", "messages open", "inbound messages not told", "posts not made")
            left = ", ".join(f"{count} {name}" for count, name in zip(now, names, strict=True) if count)
            self.failed.append(f"it does not come to rest: {left}")
        self.spans.append(Span("settling", began, watch.now))

    def _load(self, daemon: DaemonProcess, rate: float, messages: int) -> Load:
        options = LoadOptions(str(daemon.socket), self.out, messages, rate=rate, first=self.ledger.first_open, ref=True)
        return Load(options)

    # --- what is taken in ---------------------------------------------------------------------------------------------

    def _take(self, load: Load, hook: Hook, *, refusals: frozenset[str] = frozenset()) -> None:
        self.ledger.take(load, refusals=refusals)
        count = len(hook.posts)
        for post in hook.posts[:count]:
            key = keys.find(post.event.text or "")
            number = keys.number(key) if key is not None else -1
            if number < 0 or not told_rightly(post.event, self.into[number % len(self.into)], number):
                self.ledger.wrong.note("posts garbled", post.event.event_id)
            elif post.status == 200:
                self.posted.add(number)
        del hook.posts[:count]

    def _time(self, load: Load, began: float) -> None:
        """Latencies, by the stretch of time in which the messages were to be sent."""
        every = self.plan.sample_every
        for intended, accepted in zip(load.intended, load.accepted_at, strict=True):
            if accepted:
                place = int((intended - began) / every)
                self.latency.setdefault(place, array("d")).append(accepted - intended)

    # --- the outcome --------------------------------------------------------------------------------------------------

    def _grown(self, samples: list[Sample]) -> tuple[list[Window], list[Finding]]:
        """Accepting over the time, and what is judged of all that may grow."""
        every = self.plan.sample_every
        windows = []
        for place, times in sorted(self.latency.items()):
            seen = Percentiles.of(times)
            windows.append(Window(place * every, seen.count, seen.p50, seen.p99, seen.max))
        series = {
            "resident": [(sample.at, sample.resident) for sample in samples],
            "files": [(sample.at, float(sample.files)) for sample in samples],
            **{
                name: [(sample.at, sample.more[name]) for sample in samples if name in sample.more]
                for name in ("tasks", "wal", "queued")
            },
            "accept p50": [(window.at, window.p50) for window in windows],
            "accept p99": [(window.at, window.p99) for window in windows],
        }
        try:
            findings = judge(series, *self.judged)
        except ValueError as error:
            findings = []
            self.failed.append(str(error))
        return windows, findings

    def _result(self, samples: list[Sample], windows: list[Window], findings: list[Finding], tally: Tally) -> Result:
        ledger, plan = self.ledger, self.plan
        reconcile(ledger, tally)
        wrong = Wrong()
        for one in (ledger.wrong, tally.wrong):
            wrong.counts.update(one.counts)
            wrong.examples |= one.examples
        begin, end = self.judged
        within = [window for window in windows if begin <= window.at <= end - plan.sample_every]
        figures = {
            "longest accept ms": max((window.most for window in within), default=0.0),
            "longest start s": max(self.starts),
            "longest stop s": max(self.stops),
            **_over_lives(samples),
        }
        if figures["purge turns over 50 ms"]:
            self.failed.append(f"{figures['purge turns over 50 ms']:.0f} turns of the retention took over 50 ms")
        if plan.old and not figures["old messages removed"]:
            self.failed.append("the retention removed nothing")
        counts = {
            "accepted": ledger.accepted.count(),
            "ended": ledger.ended.count(),
            "at the carrier": tally.arrived.count(),
            "segments": tally.segments,
            "receipts": tally.receipts,
            "copies of what was cut off": tally.copies,
            "connections cut": self.cuts,
            "came in": tally.acknowledged.count(),
            "told": ledger.told.count(),
            "posted": len(self.posted),
            "told twice, as sent twice": sum(tally.resent[number] for number in ledger.twice),
            "events told again": ledger.again,
        }
        judged = plan.minutes >= LONG_ENOUGH
        return Result(samples, windows, self.spans, findings, counts, figures, wrong, judged, self.failed)


def reconcile(ledger: Ledger, tally: Tally) -> None:
    """Notes in the ledger's wrongs what one side knows and the other does not."""
    note = ledger.wrong.note
    for number in ledger.accepted.numbers():
        if not tally.arrived[number]:
            note("lost: not with the carrier", keys.key(keys.MT, number))
        if not ledger.ended[number]:
            note("lost: no end was told", keys.key(keys.MT, number))
    for number in tally.arrived.numbers():
        if not ledger.accepted[number]:
            note("sent without a reply", keys.key(keys.MT, number))
    for number in tally.acknowledged.numbers():
        if not ledger.told[number]:
            note("inbound lost", keys.key(keys.MO, number))
    for number in ledger.twice:
        if not tally.resent[number]:
            note("inbound told twice", keys.key(keys.MO, number))
    for message_id in ledger.early:
        note("ends of what nobody handed over", message_id)


def _read(port: int) -> dict[str, float]:
    """What is sampled of the metrics page."""
    page = read_metrics(port)
    turns, within = page.get(f"{_PURGE}_count", 0.0), page.get(f'{_PURGE}_bucket{{le="{PAUSE}"}}', 0.0)
    stored = page["smsgw_store_transaction_seconds_count"]
    return {
        "tasks": page["smsgw_tasks"],
        "wal": page["smsgw_store_wal_bytes"] / (1 << 20),
        "queued": sum(value for name, value in page.items() if name.startswith("smsgw_queue_segments{")),
        "old messages removed": page['smsgw_purged_total{what="messages"}'],
        "purge turns": turns,
        "purge turns over 50 ms": turns - within,
        "transactions": stored,
        "transactions over 50 ms": stored - page[f'smsgw_store_transaction_seconds_bucket{{le="{PAUSE}"}}'],
    }


_COUNTERS: Final = (
    "old messages removed",
    "purge turns",
    "purge turns over 50 ms",
    "transactions",
    "transactions over 50 ms",
)
"""They begin at 0 with each life."""


def _over_lives(samples: Sequence[Sample]) -> dict[str, float]:
    """The counters, summed over the lives of the daemon."""
    last: dict[str, Mapping[str, float]] = {}
    for sample in samples:
        if sample.more:
            last[sample.phase] = sample.more
    return {name: sum(more[name] for more in last.values()) for name in _COUNTERS}
