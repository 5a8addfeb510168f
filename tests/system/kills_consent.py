"""Kills the real daemon again and again while people opt in and out and an application sends marketing to all of them.

    python -m tests.system.kills_consent --rounds 200 --seed 7

The application goes on submitting to everybody until its connection breaks; people write a keyword, YES and STOP in
every order. The status is 0 when nothing was taken in for who had not agreed, nothing went out after a STOP, each
acknowledged word is stored and did what it has to, once, and no question went out twice but what was in doubt.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bench import wire
from bench.daemon import DaemonProcess, config, socket_path
from bench.sinklog import SinkLog
from bench.sinkprocess import SinkProcess
from gateway.client import Client, RpcError
from tests.support.processes import bound

NUMBER = "+15551230001"
ASK, STOPPED, AGREED, OFFER = "Offers? Reply YES.", "No more.", "Subscribed.", "Offer"
OPT_IN = f"""
[[opt_ins]]
name = "offers"
ask = "{ASK}"
welcome = "{AGREED}"
keywords = ["JOIN"]
"""
SPEECHES = (
    ("JOIN", "YES"),
    ("JOIN", "YES"),
    ("JOIN", "YES", "STOP"),
    ("JOIN", "JOIN", "YES"),
    ("JOIN", "STOP", "YES"),
    ("JOIN",),
    ("YES",),
)


@dataclass(frozen=True)
class Plan:
    """What is done: how many lives are ended, how many people begin to speak in each; seconds of a life."""

    rounds: int = 20
    seed: int = 0
    people: int = 8
    life: tuple[float, float] = (0.15, 0.9)
    settle: float = 60.0


@dataclass
class Outcome:
    """What came of it."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clean(self) -> bool:
        return not any(self.wrong.values())

    def __str__(self) -> str:
        lines = [", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))]
        lines += [f"{name}: {', '.join(found[:5])} ({len(found)})" for name, found in self.wrong.items() if found]
        return "\n".join(lines)


def run(plan: Plan, directory: Path, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Carries out a plan in an empty directory. Raises DaemonError when the daemon ends by itself or does not start."""
    return _Run(plan, directory, say).run()


class _Run:
    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.directory = directory
        self.say = say
        self.rng = random.Random(plan.seed)
        self.outcome = Outcome()
        self.people: list[str] = []
        self.agreeing: set[str] = set()  # who may have said YES by now
        self.left: dict[str, list[str]] = {}  # what they have not said yet
        self.back: set[str] = set()  # who agreed again after a STOP: what a kill met comes again in any order
        self.taken: list[str] = []  # to whom marketing was taken in, by the daemon's reply

    def run(self) -> Outcome:
        plan = self.plan
        with SinkProcess(log=self.directory / "sink.log", latency_ms=20, retry_ms=100, seed=plan.seed) as sink:
            sections = {
                "optout": {"stop_reply": STOPPED},
                "consent": {"marketing": "required"},
                "limits": {"default_validity": 600},
            }
            text = config(self.directory, sink.port, window=4, numbers=[NUMBER], sections=sections)
            daemon = DaemonProcess(self.directory, text + OPT_IN)
            try:
                for number in range(plan.rounds):
                    self._life(daemon, sink, self.rng.uniform(*plan.life))
                    self.say(f"{number + 1}: {len(self.people)} people, {len(self.taken)} taken in")
                daemon.start()
                bound(daemon)
                while self.left:
                    self._speak(sink)
                self._settle(daemon, sink)
                daemon.stop()
            finally:
                if daemon.running:
                    daemon.kill()
            log = sink.read_log()
        self._judge(log)
        return self.outcome

    # --- lives --------------------------------------------------------------------------------------------------------

    def _life(self, daemon: DaemonProcess, sink: SinkProcess, seconds: float) -> None:
        """From a start to a kill in the middle of whatever there is."""
        for _ in range(self.plan.people):
            peer = f"+1212555{len(self.people):04}"
            self.people.append(peer)
            self.left[peer] = list(self.rng.choice(SPEECHES))
        daemon.start()
        bound(daemon)
        killer = threading.Timer(seconds, os.kill, (daemon.pid, signal.SIGKILL))
        killer.start()
        try:
            with Client(socket_path(self.directory)) as client:
                while True:
                    self._submit(client, time.monotonic() + self.rng.uniform(0.0, 0.03))
                    if self.left:
                        self._speak(sink)
        except (OSError, EOFError):
            pass  # it is gone
        killer.join()
        daemon.kill()

    def _submit(self, client: Client, until: float) -> None:
        """Submits to those who spoke last and to somebody of the others, in a row."""
        recent = self.people[-2 * self.plan.people :]
        while time.monotonic() < until:
            peer = self.rng.choice(recent if self.rng.random() < 0.9 else self.people)
            try:
                client.call("submit", to=peer, text=OFFER, class_="marketing")
            except RpcError as error:
                if error.reason not in ("no_consent", "opted_out"):
                    raise
                self.outcome.counts["refused"] += 1
                continue
            self.taken.append(peer)
            if peer not in self.agreeing:
                self.outcome.wrong["taken in without a YES"].append(peer)

    def _speak(self, sink: SinkProcess) -> None:
        """Somebody says the next word."""
        peer = self.rng.choice(list(self.left))
        word = self.left[peer].pop(0)
        if not self.left[peer]:
            del self.left[peer]
        if word == "YES":
            self.agreeing.add(peer)
        sink.command("mo", to=NUMBER, text=word, **{"from": peer})

    def _settle(self, daemon: DaemonProcess, sink: SinkProcess) -> None:
        end = time.monotonic() + self.plan.settle
        while sink.stats()["owed"] or self._at_work():
            if time.monotonic() > end:
                self.outcome.wrong["unsettled"].append(f"{sink.stats()['owed']} owed\n{daemon.log_end()}")
                return
            time.sleep(0.1)

    def _at_work(self) -> bool:
        with self._store() as con:
            segments = con.execute("SELECT count(*) FROM segment WHERE state IN (0, 1, 2)").fetchone()[0]
            events = con.execute(
                "SELECT coalesce(sum((SELECT coalesce(max(seq), 0) FROM event WHERE stream = stream.id)"
                " - coalesce((SELECT acked FROM cursor WHERE stream = stream.id), 0)), 0) FROM stream"
            ).fetchone()[0]
        return bool(segments or events)

    def _store(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(f"file:{self.directory / 'smsgw.db'}?mode=ro", uri=True))

    # --- the end ------------------------------------------------------------------------------------------------------

    def _judge(self, log: SinkLog) -> None:
        with self._store() as con:
            self._words(con, log)
            self._questions(con, log)
        self._marketing(log)

    def _words(self, con: sqlite3.Connection, log: SinkLog) -> None:
        """What was acknowledged is stored, and each word did what it has to do where it stands, once."""
        wrong, counts = self.outcome.wrong, self.outcome.counts
        acked = Counter(
            ("+" + d.source.lstrip("+"), d.text) for d in log.deliveries if d.kind == "mo" and d.status == wire.ROK
        )
        came = con.execute("SELECT id, peer, text FROM inbound ORDER BY id").fetchall()
        stored = Counter((peer, text) for _, peer, text in came)
        wrong["acknowledged and not stored"] += [f"{key}" for key, n in acked.items() if stored[key] < n]
        made: dict[int, list[str]] = defaultdict(list)
        for mid, change in con.execute("SELECT message_id, change FROM consent_change ORDER BY id"):
            made[mid].append(change)
        asked: set[str] = set()
        agreed: set[str] = set()
        stopped: set[str] = set()
        for mid, peer, text in came:
            wanted: list[str] = []
            if text == "JOIN" and peer not in asked | agreed:
                asked.add(peer)
                wanted = ["asked"]
            elif text == "YES" and peer in asked:
                agreed.add(peer)
                self.back |= {peer} & stopped
                wanted = ["granted"]
            elif text == "STOP" and peer in agreed:
                wanted = ["withdrawn"]
            if text == "STOP":
                agreed.discard(peer)
                stopped.add(peer)
            if text in ("YES", "STOP"):
                asked.discard(peer)
            if made.pop(mid, []) != wanted:
                wrong["recorded otherwise"].append(f"{text} of {peer}: not {wanted}")
            counts[f"{text} stored"] += 1
            counts.update(wanted)
        wrong["recorded from nothing"] += [str(mid) for mid in made]
        held = {row[0] for row in con.execute("SELECT peer FROM consent")}
        wrong["consent"] += sorted(held ^ agreed)
        counts["agreed at the end"] = len(agreed)

    def _questions(self, con: sqlite3.Connection, log: SinkLog) -> None:
        """Each question is one message, and came twice only where nobody knew whether it had come."""
        wrong = self.outcome.wrong
        asked = {row[0] for row in con.execute("SELECT message_id FROM consent_change WHERE change = 'asked'")}
        found: Counter[str] = Counter()
        doubtful: Counter[str] = Counter()
        questions = 0
        for peer, in_doubt in con.execute(
            "SELECT m.peer, s.in_doubt FROM message m JOIN segment s ON s.message_id = m.id WHERE m.body = ?",
            (ASK.encode(),),
        ):
            questions += 1
            found[peer] += 1
            doubtful[peer] += in_doubt
        refused = con.execute(
            "SELECT e.payload FROM retry r JOIN event e USING (stream, seq) WHERE r.due_at IS NULL"
            " AND r.error LIKE 'opted_out%'"
        ).fetchall()
        unasked = sum(json.loads(payload)["text"] == ASK for (payload,) in refused)  # a STOP came first
        if questions + unasked != len(asked):
            wrong["questions"].append(f"{questions} and {unasked} refused, {len(asked)} asked")
        copies = Counter("+" + s.destination.lstrip("+") for s in log.submits if s.accepted and s.text == ASK)
        wrong["asked too often"] += [peer for peer, n in copies.items() if n > found[peer] + doubtful[peer]]
        self.outcome.counts["questions on the air"] = copies.total()
        self.outcome.counts["questions in doubt"] = doubtful.total()

    def _marketing(self, log: SinkLog) -> None:
        """Nothing reaches who never said YES, or wrote STOP: of one connection what came later was written later."""
        wrong, counts = self.outcome.wrong, self.outcome.counts
        stopped: dict[str, float] = {}
        for d in log.deliveries:
            if d.kind == "mo" and d.text == "STOP" and d.status == wire.ROK and d.acked is not None:
                peer = "+" + d.source.lstrip("+")
                stopped[peer] = min(stopped.get(peer, d.acked), d.acked)
        for s in log.submits:
            peer = "+" + s.destination.lstrip("+")
            if s.text != OFFER:
                continue
            counts["marketing on the air"] += 1
            if peer not in self.agreeing:
                wrong["sent without a YES"].append(peer)
            elif peer not in self.back and s.t > stopped.get(peer, float("inf")):
                wrong["sent after a STOP"].append(peer)
        counts["taken in"] = len(self.taken)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m tests.system.kills_consent`: 0 when everything held."""
    parser = argparse.ArgumentParser(prog="tests.system.kills_consent", description="Kill while people opt in.")
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="how many times it is killed (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the instants and the words; printed")
    parser.add_argument("--directory", type=Path, help="an empty directory that is kept; default: a temporary one")
    parser.add_argument("--quiet", action="store_true", help="only the outcome")
    chosen = parser.parse_args(arguments)
    seed = random.randrange(10**6) if chosen.seed is None else chosen.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="smsgw-kills-") as temporary:
        directory = chosen.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        plan = Plan(rounds=chosen.rounds, seed=seed)
        outcome = run(plan, directory, (lambda _: None) if chosen.quiet else print)
    print(outcome)
    print("everything held" if outcome.clean else "NOT EVERYTHING HELD")
    return 0 if outcome.clean else 1


if __name__ == "__main__":
    sys.exit(main())
