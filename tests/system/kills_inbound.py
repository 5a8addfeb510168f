"""Kills the real daemon again and again while messages come in, and compares what was acknowledged with what was told.

    python -m tests.system.kills_inbound --rounds 100 --seed 7

The carrier sends at a steady rate over two binds; each number has a webhook, which answers a share of the posts with
500, and an application has a subscription. The status is 0 when every message that the carrier was acknowledged came to
both, whole, and the events of a thread in their order.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bench import trace
from bench.daemon import DaemonError, DaemonProcess, config
from bench.hook import SECRET, Hook
from bench.load import Load, LoadOptions
from bench.reconcile import Reconciliation
from bench.sinklog import SinkLog
from bench.sinkprocess import SinkProcess
from tests.system.lives import Say, killed_early, program, settled, store, unacknowledged
from tests.system.told import Told
from tests.system.verdict import Bounds, inbound

SHORT_PEERS = 200
"""Peers that write again and again, so that threads have an order; the long messages are of others."""


@dataclass(frozen=True)
class Plan:
    """Times in seconds, rates a second.

    rounds: how many lives are ended. life: their shortest and longest. early: share of them that end before the socket
    takes connections. window: unacknowledged messages of each bind. failing: share of the posts that fail.
    """

    rounds: int = 50
    seed: int = 0
    rate: float = 2000.0
    binds: int = 2
    window: int = 100
    failing: float = 0.01
    life: tuple[float, float] = (0.1, 1.6)
    early: float = 0.1
    settle: float = 30.0

    def config(self, directory: Path, port: int, url: str) -> str:
        """The daemon's configuration."""
        handler = {
            "name": "hook", "webhook": url, "secret": SECRET, "allow_private": True, "concurrency": 8,
            "retry_min": 0.2, "retry_max": 1.0, "max_backlog": 10_000_000,
        }  # fmt: skip
        text = config(
            directory,
            port,
            binds=self.binds,
            number={"handlers": ["hook"]},
            sections={"limits": {"subscription_backlog": 10_000_000}},
        )
        lines = [f"{name} = {json.dumps(value)}" for name, value in handler.items()]
        return "\n".join([text, "[[handlers]]", *lines, ""])


@dataclass
class Outcome:
    """What came of it. ``rate``: segments acknowledged in a second of the lives."""

    inbound: Reconciliation
    kills: int
    rate: float
    posts: Counter[str]
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clean(self) -> bool:
        return self.inbound.clean and not any(self.wrong.values())

    def __str__(self) -> str:
        lines = [
            f"inbound: {self.inbound}",
            f"killed {self.kills} times; {self.rate:,.0f} segments a second were acknowledged while it ran",
            f"posts: {', '.join(f'{name} {count}' for name, count in self.posts.items())}",
        ]
        lines += [f"{name}: {', '.join(found[:5])} ({len(found)})" for name, found in self.wrong.items() if found]
        return "\n".join(lines)


def run(plan: Plan, directory: Path, say: Say = lambda _: None) -> Outcome:
    """Carries out a plan in an empty directory. Raises DaemonError when the daemon ends by itself or does not start."""
    return _Run(plan, directory, say).run()


def lines() -> list[trace.Line]:
    """What is sent: one in ten is long, of another phone each time; the others are short, of a few phones."""
    short: list[trace.Line] = []
    long: list[trace.Line] = []
    for line in trace.load("inbound:2000:5"):
        if len(line.text) >= 70:
            long.append(line)
        elif len(short) < SHORT_PEERS:
            short.append(trace.Line("mo", line.to, line.sender, line.text, vary=False))
    return [one for i, line in enumerate(short) for one in ([line, long[i // 9]] if i % 9 == 0 else [line])]


class _Run:
    def __init__(self, plan: Plan, directory: Path, say: Say) -> None:
        self.plan = plan
        self.directory = directory
        self.say = say
        self.rng = random.Random(plan.seed)
        self.lines = lines()
        self.trace = directory / "inbound.ndjson"
        trace.write(self.trace, self.lines)
        self.told = Told()
        self.ends: list[float] = []
        self.alive = 0.0
        self.acknowledged = 0
        self.wrong: dict[str, list[str]] = defaultdict(list)

    def run(self) -> Outcome:
        plan, log_path = self.plan, self.directory / "sink.log"
        with (
            Hook(plan.failing, plan.seed) as hook,
            SinkProcess(log=log_path, inbound_window=plan.window, retry_ms=200, seed=plan.seed) as sink,
        ):
            daemon = DaemonProcess(self.directory, plan.config(self.directory, sink.port, hook.url))
            try:
                for number in range(plan.rounds):
                    self._life(number, daemon, sink)
                arrived = self._settle(daemon, sink)
                daemon.stop()
            finally:
                if daemon.running:
                    daemon.kill()
        log = SinkLog.load(log_path)
        bounds = Bounds(plan.window, plan.binds, plan.window, 0.0, self.ends, True, True)
        found = inbound(self.told, self.lines, arrived, log, bounds)
        self.wrong.update(self.told.wrong)
        self.wrong["receiver"] = hook.errors
        posts = self._posts(hook)
        return Outcome(found, len(self.ends), self.acknowledged / self.alive, posts, self.wrong)

    def _life(self, number: int, daemon: DaemonProcess, sink: SinkProcess) -> None:
        """From a start to a kill at a random instant."""
        plan, rng = self.plan, self.rng
        if rng.random() < plan.early:
            seconds = rng.uniform(0.05, 0.8)
            self.ends += killed_early(daemon, seconds)
            self.say(f"{number + 1}: killed {seconds:.2f} s after its start")
            return
        seconds = rng.uniform(*plan.life)
        daemon.start()
        with self._subscriber(daemon) as load:
            sink.wait_for(lambda stats: stats["binds"] >= plan.binds)
            sink.command("inbound", trace_name=str(self.trace), count=10**6, rate=plan.rate)
            before, began = sink.stats()["mo_acked"], time.monotonic()
            while time.monotonic() < began + seconds and load.broken is None:
                load.step(0.01)
            if load.broken is not None:
                raise DaemonError(f"the daemon hung up: {load.broken}\n{daemon.log_end()}")
            self.ends.append(time.monotonic())
            daemon.kill()
            self.alive += self.ends[-1] - began
            sink.command("inbound", trace_name=str(self.trace), count=0)
            self.acknowledged += sink.stats()["mo_acked"] - before
            load.drain()
            self.told.take(load)
        self.say(f"{number + 1}: killed {seconds:.2f} s after it was ready; {self.acknowledged} segments acknowledged")

    def _subscriber(self, daemon: DaemonProcess) -> Load:
        return Load(LoadOptions(str(daemon.socket), self.lines, 0))

    def _settle(self, daemon: DaemonProcess, sink: SinkProcess) -> int:
        """The last life: nothing ends it until everything came to rest. Returns how many messages the carrier had."""
        daemon.start()
        with self._subscriber(daemon) as load:
            left_over = settled(load, lambda: (sink.stats()["owed"], *self._at_work()), self.plan.settle)
            if left_over is not None:
                self.wrong["unsettled"].append(f"owed, events, retries: {left_over}\n{daemon.log_end()}")
            self.told.take(load)
        arrived: int = sink.stats()["mo_messages"]
        return arrived

    def _at_work(self) -> tuple[int, int]:
        """Events that are not acknowledged, and those that failed and are tried again."""
        with store(self.directory) as con:
            retries = con.execute("SELECT count(*) FROM retry WHERE due_at IS NOT NULL").fetchone()[0]
            return unacknowledged(con), retries

    def _posts(self, hook: Hook) -> Counter[str]:
        """Every stored message was posted and told, with the same text; the events of a thread came in their order."""
        wrong = self.wrong
        with store(self.directory) as con:
            stored = dict(con.execute("SELECT id, text FROM inbound"))
            dead = con.execute("SELECT count(*) FROM retry").fetchone()[0]
        if dead:
            wrong["dead letters"].append(str(dead))
        told = {event.id: event.text for event in self.told.inbound.values()}
        texts: dict[str, str | None] = {}
        first: dict[tuple[str, str], list[int]] = defaultdict(list)
        seen: set[int | str] = set()
        counts = Counter({"taken": 0, "taken again": 0, "refused": 0})
        for post in hook.posts:
            event = post.event
            if post.status != 200:
                counts["refused"] += 1
                continue
            counts["taken"] += 1
            if event.event_id in seen:
                counts["taken again"] += 1
                if not event.redelivered:
                    wrong["posted again and not marked"].append(str(event.event_id))
                continue
            seen.add(event.event_id)
            if texts.setdefault(event.id, event.text) != event.text:
                wrong["posted with two texts"].append(event.id)
            first[event.number, event.peer].append(int(str(event.event_id).partition("-")[2]))
        wrong["told and not posted"] += told.keys() - texts.keys()
        wrong["posted and not told"] += texts.keys() - told.keys()
        wrong["posted otherwise than told"] += [mid for mid, text in texts.items() if told.get(mid, text) != text]
        if Counter(stored.values()) != Counter(told.values()):
            wrong["stored and told"].append(f"{len(stored)} stored, {len(told)} told")
        wrong["order of a thread"] += [
            f"{number} {peer}: {before} before {after}"
            for (number, peer), seqs in first.items()
            for before, after in pairwise(seqs)
            if before > after
        ]
        counts["threads"] = len(first)
        counts["longest thread"] = max(map(len, first.values()), default=0)
        return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m tests.system.kills_inbound`: 0 when everything held."""
    parser = argparse.ArgumentParser(
        prog="tests.system.kills_inbound", description="Kill the daemon under inbound load."
    )
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="how many times it is killed (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the instants and the failures; printed")
    parser.add_argument("--rate", type=float, default=Plan.rate, help="messages a second (%(default)s)")
    parser.add_argument("--failing", type=float, default=Plan.failing, help="share of posts that fail (%(default)s)")
    return program(parser, arguments, _played)


def _played(chosen: argparse.Namespace, directory: Path, say: Say) -> Outcome:
    return run(Plan(rounds=chosen.rounds, seed=chosen.seed, rate=chosen.rate, failing=chosen.failing), directory, say)


if __name__ == "__main__":
    sys.exit(main())
