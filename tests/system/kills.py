"""Ends the real daemon again and again under load, starts it on the same files, and compares with the carrier's log.

    python -m tests.system.kills --rounds 200 --seed 7
    python -m tests.system.kills --rounds 50 --in-doubt hold
    python -m tests.system.kills --rounds 50 --sigterm
    python -m tests.system.kills --rounds 50 --faults 0x58:0.02,0x14:0.01,silent:0.002,cut:0.0005

An application submits at a steady rate and submits again, under the same ref, what it got no reply for; a subscription
takes receipts and inbound messages; the carrier answers late enough for its windows to be full. The status is 0 when
nothing was lost, copied without need or changed. A kill of the process is not a power cut: what it wrote is in the
kernel, so --normal-sync passes as well (tests/system/test_sync_before_ack.py shows the difference).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import keys, trace
from bench.daemon import DaemonError, DaemonProcess, config
from bench.load import Load, LoadOptions
from bench.reconcile import Reconciliation
from bench.sinklog import SinkLog
from bench.sinkprocess import SinkProcess
from gateway.client import Client
from gateway.model import IdText, message_state
from tests.support import balances
from tests.system.lives import Say, killed_early, program, segments, settled, store, unacknowledged
from tests.system.told import STOPPING, Told
from tests.system.verdict import FINAL, WAITING, Bounds, inbound, outbound

STOP_LIMIT = 10.0
"""Seconds in which a daemon that is told to stop has to end."""
ASK = 500
"""Messages that one `message` request may name."""
_PREPAID = """
[[apps]]
name = "load"
uid = [{uid}]
admin = true
countries = ["*"]
prepaid = true
quota = {{ day = 1000000000, year = 1000000000 }}
"""


@dataclass(frozen=True)
class Plan:
    """What is done to the daemon, and how the carrier behaves. Times in seconds, rates a second.

    rounds: how many lives are ended. life: their shortest and longest. early: share of them that end before the socket
    takes connections. `rate` should be a little more than binds * window / latency, so that the windows are full.
    prepaid: what is sent is taken from a balance, and counts for quotas.
    """

    rounds: int = 20
    seed: int = 0
    killed: bool = True
    in_doubt: str = "resend"
    synchronous: str = "full"
    binds: int = 2
    window: int = 20
    latency: float = 0.025
    rate: float = 1000.0
    inbound_rate: float = 400.0
    inbound_window: int = 50
    faults: str = ""
    life: tuple[float, float] = (0.02, 1.6)
    early: float = 0.1
    response_timeout: float = 10.0
    settle: float = 30.0
    prepaid: bool = False

    def config(self, directory: Path, port: int) -> str:
        """The daemon's configuration."""
        text = config(
            directory,
            port,
            binds=self.binds,
            window=self.window,
            carrier={"in_doubt": self.in_doubt, "response_timeout": self.response_timeout, "retry_delay": 0.5},
            sections={"store": {"synchronous": self.synchronous}},
        )
        return text + _PREPAID.format(uid=os.getuid()) if self.prepaid else text


@dataclass
class Outcome:
    """What came of it. ``stored``: messages in the store by state word, counted at the end."""

    outbound: Reconciliation
    inbound: Reconciliation
    stored: Counter[str]
    stops: list[float]
    starts: list[float]
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clean(self) -> bool:
        return self.outbound.clean and self.inbound.clean and not any(self.wrong.values())

    def __str__(self) -> str:
        lines = [f"outbound: {self.outbound}", f"inbound: {self.inbound}"]
        final = sum(count for state, count in self.stored.items() if state in FINAL)
        waiting = sum(count for state, count in self.stored.items() if state in WAITING)
        lines.append(f"stored: {sum(self.stored.values())} = {final} final + {waiting} waiting {dict(self.stored)}")
        lines.append(f"ready after at most {max(self.starts):.2f} s")
        if self.stops:
            lines.append(f"stopped in at most {max(self.stops):.2f} s")
        lines += [f"{name}: {', '.join(found[:5])} ({len(found)})" for name, found in self.wrong.items() if found]
        return "\n".join(lines)


def run(plan: Plan, directory: Path, say: Say = lambda _: None) -> Outcome:
    """Carries out a plan in an empty directory. Raises DaemonError when the daemon ends by itself or does not start."""
    return _Run(plan, directory, say).run()


class _Run:
    def __init__(self, plan: Plan, directory: Path, say: Say) -> None:
        self.plan = plan
        self.directory = directory
        self.say = say
        self.rng = random.Random(plan.seed)
        # One text in five is long: half of a message that was cut off has to be completed.
        short, long = trace.load("otp"), trace.load("unicode")
        self.lines = [line for i, one in enumerate(short[:500]) for line in ([one] if i % 4 else [one, long[i // 4]])]
        self.told = Told()
        self.ends: list[float] = []
        self.stops: list[float] = []
        self.starts: list[float] = []
        self.wrong: dict[str, list[str]] = defaultdict(list)

    def run(self) -> Outcome:
        plan, log_path = self.plan, self.directory / "sink.log"
        with SinkProcess(
            log=log_path,
            latency_ms=plan.latency * 1000,
            inbound_window=plan.inbound_window,
            retry_ms=200,
            seed=plan.seed,
            **({"faults": plan.faults} if plan.faults else {}),
        ) as sink:
            daemon = DaemonProcess(self.directory, plan.config(self.directory, sink.port))
            try:
                for number in range(plan.rounds):
                    self._life(number, daemon, sink)
                shown, arrived = self._settle(daemon, sink)
                self.stops.append(daemon.stop())
            finally:
                if daemon.running:
                    daemon.kill()
        log = SinkLog.load(log_path)
        bounds = Bounds(
            plan.window,
            plan.binds,
            plan.inbound_window,
            plan.response_timeout,
            self.ends,
            plan.killed,
            plan.in_doubt == "resend",
        )
        mt = outbound(self.told, self.lines, log, shown, bounds)
        mo = inbound(self.told, trace.load("inbound"), arrived, log, bounds)
        self.wrong.update(self.told.wrong)
        if not plan.killed and max(self.stops) >= STOP_LIMIT:
            self.wrong["slow stop"].append(f"{max(self.stops):.1f} s")
        return Outcome(mt, mo, self._recount(), self.stops, self.starts, self.wrong)

    # --- one life -----------------------------------------------------------------------------------------------------

    def _life(self, number: int, daemon: DaemonProcess, sink: SinkProcess) -> None:
        """From a start to an end at a random instant."""
        plan, rng = self.plan, self.rng
        early = rng.random() < plan.early
        seconds = rng.uniform(0.05, 0.8) if early else rng.uniform(*plan.life)
        if early and plan.killed:
            self.ends += killed_early(daemon, seconds)
            self.say(f"{number + 1}: killed {seconds:.2f} s after its start")
            return
        self.starts.append(daemon.start())
        if plan.prepaid and len(self.starts) == 1:
            with closing(Client(daemon.socket)) as client:
                client.call("balance_add", app="load", segments=10**9)
        with self._load(daemon, int(plan.rate * plan.life[1]) + 1000, plan.rate) as load:
            sink.command("inbound", count=10**6, rate=plan.inbound_rate)
            end = time.monotonic() + seconds
            while time.monotonic() < end and load.broken is None:
                load.step(0.01)
            if load.broken is not None:
                raise DaemonError(f"the daemon hung up: {load.broken}\n{daemon.log_end()}")
            if plan.killed:
                self.ends.append(time.monotonic())
                daemon.kill()
            else:
                self._stop(daemon, load)
            load.drain()
            self.told.take(load, refusals=frozenset() if plan.killed else STOPPING)
        self.say(f"{number + 1}: ended {seconds:.2f} s after it was ready; {len(self.told.ids)} acknowledged")

    def _stop(self, daemon: DaemonProcess, load: Load) -> None:
        """SIGTERM, while the applications go on."""
        began = time.monotonic()
        os.kill(daemon.pid, signal.SIGTERM)
        while daemon.running:
            if load.broken is None:
                load.step(0.01)
            else:
                time.sleep(0.01)
            if time.monotonic() - began > 2 * STOP_LIMIT:
                raise DaemonError(f"the daemon does not stop\n{daemon.log_end()}")
        self.ends.append(time.monotonic())
        # The exit code has to be 0, or this raises.
        daemon.stop()
        self.stops.append(self.ends[-1] - began)

    def _load(self, daemon: DaemonProcess, messages: int, rate: float) -> Load:
        return Load(
            LoadOptions(
                str(daemon.socket),
                self.lines,
                messages,
                rate=rate,
                first=self.told.first_open,
                ref=True,
                outstanding=200,
            )
        )

    # --- the end ------------------------------------------------------------------------------------------------------

    def _settle(self, daemon: DaemonProcess, sink: SinkProcess) -> tuple[dict[str, Any], int]:
        """The last life: nothing ends it until everything came to rest. Returns what is shown, and how much came in."""
        self.starts.append(daemon.start())
        sink.command("inbound", count=0)
        arrived: int = sink.stats()["mo_messages"]
        left = max(self.told.ids, default=-1) + 1 - self.told.first_open
        with self._load(daemon, left + 100, 0.0) as load:
            load.submit_all()
            left_over = settled(load, lambda: (sink.stats()["owed"], *self._at_work()), self.plan.settle)
            if left_over is not None:
                self.wrong["unsettled"].append(f"owed, at work, untold: {left_over}\n{daemon.log_end()}")
            self.told.take(load)
        copied = {message.key for message in sink.read_log().messages().values() if message.copies}
        ids = [
            message_id
            for number, message_id in sorted(self.told.ids.items())
            if message_id not in self.told.ends or keys.key(keys.MT, number) in copied
        ]
        return _shown(daemon, ids), arrived

    def _at_work(self) -> tuple[int, int]:
        """Segments that are neither at their end nor held in doubt, and events that are not acknowledged."""
        with store(self.directory) as con:
            return segments(con, 0, 1, 2, 3), unacknowledged(con)

    def _recount(self) -> Counter[str]:
        """Every count rebuilt from the store: handed over = final + waiting, and each as it was told."""
        counts: Counter[str] = Counter()
        told = set(self.told.ids.values())
        parts: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
        with store(self.directory) as con:
            text = IdText(int(con.execute("SELECT value FROM store_info WHERE key = 'install'").fetchone()[0])).format
            for message, state, done_at in con.execute(
                "SELECT message_id, state, done_at FROM segment ORDER BY message_id, part"
            ):
                parts[message].append((state, done_at))
            stored = {message for (message,) in con.execute("SELECT id FROM message")}
            arrived = con.execute("SELECT count(*) FROM inbound").fetchone()[0]
            self.wrong["balances"] += balances.wrong(con)
            if self.plan.prepaid and not con.execute("SELECT EXISTS (SELECT 1 FROM balance_entry)").fetchone()[0]:
                self.wrong["balances"].append("nothing was counted")
        for message in stored:
            state = message_state(parts[message]).word
            counts[state] += 1
            end = self.told.ends.get(text(message))
            if end != (state if state in FINAL else None):
                self.wrong["told otherwise than stored"].append(f"{text(message)}: {end}, stored {state}")
        self.wrong["acknowledged and not stored"] += told - {text(message) for message in stored}
        self.wrong["stored and never acknowledged"] += {text(message) for message in stored} - told
        if arrived != len(self.told.inbound):
            self.wrong["inbound"].append(f"{arrived} stored, {len(self.told.inbound)} told")
        if parts.keys() != stored:
            self.wrong["segments"].append("messages without segments, or the other way round")
        return counts


def _shown(daemon: DaemonProcess, ids: Sequence[str]) -> dict[str, Any]:
    """What the `message` method shows of these messages."""
    shown: dict[str, Any] = {}
    with Client(daemon.socket) as client:
        for at in range(0, len(ids), ASK):
            for message in client.call("message", ids=ids[at : at + ASK])["messages"]:
                shown[message["id"]] = message
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m tests.system.kills`: 0 when everything held."""
    parser = argparse.ArgumentParser(prog="tests.system.kills", description="End the daemon under load, and compare.")
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="how many times it is ended (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the instants and the faults; printed")
    parser.add_argument("--in-doubt", choices=("resend", "hold"), default=Plan.in_doubt, help="the carrier's policy")
    parser.add_argument("--normal-sync", action="store_true", help='store.synchronous = "normal"')
    parser.add_argument("--sigterm", action="store_true", help="SIGTERM in place of kill -9")
    parser.add_argument("--faults", default="", help="of the carrier, as in bench/README.md")
    parser.add_argument("--binds", type=int, default=Plan.binds)
    parser.add_argument("--window", type=int, default=Plan.window)
    parser.add_argument("--latency-ms", type=float, default=Plan.latency * 1000, help="of the carrier's answers")
    parser.add_argument("--rate", type=float, default=Plan.rate, help="messages a second from the application")
    parser.add_argument("--prepaid", action="store_true", help="what is sent is taken from a balance")
    return program(parser, arguments, _played)


def _played(chosen: argparse.Namespace, directory: Path, say: Say) -> Outcome:
    plan = Plan(
        rounds=chosen.rounds,
        seed=chosen.seed,
        killed=not chosen.sigterm,
        in_doubt=chosen.in_doubt,
        synchronous="normal" if chosen.normal_sync else "full",
        binds=chosen.binds,
        window=chosen.window,
        latency=chosen.latency_ms / 1000,
        rate=chosen.rate,
        faults=chosen.faults,
        prepaid=chosen.prepaid,
        # A carrier that does not answer has its submits given up within a life.
        response_timeout=1.0 if "silent" in chosen.faults else Plan.response_timeout,
    )
    return run(plan, directory, say)


if __name__ == "__main__":
    sys.exit(main())
