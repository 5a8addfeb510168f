"""The real daemon between a hostile carrier and an honest one, each behind its number, under steady traffic."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Self

from bench.daemon import DaemonProcess
from bench.figures import Percentiles, memory_mib
from tests.system.hostile.apps import FINAL, Applications, Message, Stream
from tests.system.hostile.cases import Case
from tests.system.hostile.conduct import HONEST, Conduct
from tests.system.hostile.process import CarrierProcess
from tests.system.hostile.records import Report
from tests.system.hostile.verdict import Judgement, judge

HONEST_NUMBER = "+15551239999"
CARRIER = {
    "binds": 2,
    "window": 50,
    "enquire_link": 1,
    "response_timeout": 0.5,
    "connect_timeout": 2,
    "bind_timeout": 2,
    "reconnect_max": 1,
    "refused_delay": 1,
    "already_bound_delay": 1,
    "retry_delay": 0.1,
    "throttle_pause": 0.05,
    "adapt": False,
    "text_receipts": True,
}
"""Settings of the hostile carrier, so short that a case takes seconds; a case may have others."""
_SETTLE = 20.0
_LOOKED_AT = 20
_NO_RECEIPT_AFTER = 60
_GROWTH_MOST = 64.0
_SEEN_LATE = 0.6
"""Seconds by which a connection may be accepted late, so that the next one seems to come in less than a second."""
_BAD_WORDS = ("Traceback", "bind_error", "internal error")


def config(directory: Path, hostile: int, honest: int, carrier: Mapping[str, Any], numbers: Sequence[str]) -> str:
    """TOML for a daemon with both carriers at these ports; an account at the hostile one for each of its numbers."""
    account = {"host": "127.0.0.1", "password": "secret"}
    accounts = [
        {"name": f"hostile{i}", "system_id": f"user{i}", "port": hostile, **account, **CARRIER, **carrier}
        for i in range(len(numbers))
    ]
    accounts.append({"name": "honest", "system_id": "user", "port": honest, **account})
    text = [
        'default_region = "US"',
        f'[store]\nurl = "sqlite:///{directory}/smsgw.db"',
        f'[socket]\npath = "{directory}/s"',
        '[metrics]\nbind = ""',
        f"[limits]\nno_receipt_after = {_NO_RECEIPT_AFTER}",
    ]
    for one in accounts:
        text.append("[[carriers]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in one.items()))
    for number, one in zip((*numbers, HONEST_NUMBER), accounts, strict=True):
        text.append(f'[[numbers]]\nnumber = "{number}"\ncarrier = "{one["name"]}"')
    return "\n".join(text) + "\n"


@dataclass
class Outcome:
    """What came of a case. Percentiles are of the other carrier's messages, from when each was due."""

    case: Case
    judgement: Judgement
    report: Report
    messages: list[Message]
    shown: dict[str, dict[str, Any]]
    """By message_id, as the `message` method shows it."""
    began: float
    honest_again: float
    settled_in: float
    alone: list[float]
    beside: list[float]
    memory: float
    status: dict[str, Any] = field(default_factory=dict)

    def arrivals(self, *, but: str = "") -> list[float]:
        """From when a message was due until the hostile carrier had its first segment; none to ``but``."""
        first: dict[str, float] = {}
        for submit in self.report.submits:
            first.setdefault(submit.label, submit.at)
        return [first[m.label] - m.due for m in self.messages if m.label in first and m.peer != but]

    @property
    def p99_alone(self) -> float:
        """Seconds."""
        return Percentiles.of(self.alone).p99 / 1000

    @property
    def p99_beside(self) -> float:
        """Seconds."""
        return Percentiles.of(self.beside).p99 / 1000


class Stage:
    """Context manager: both carriers, a daemon and its applications. `play` carries out a case."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: str = "1",
        carrier: Mapping[str, Any] | None = None,
        accounts: int = 0,
        honest_rate: float = 100.0,
        alone: float = 0.2,
    ) -> None:
        self._directory = directory
        self.settings = dict(carrier or {})
        self.accounts = accounts
        self._numbers = [f"+1555123{i:04}" for i in range(1, 1 + max(1, accounts))]
        self._seed = seed
        self._honest_rate, self._alone = honest_rate, alone
        self._stack = ExitStack()
        self._played = 0
        self._memory = 0.0
        self.alone: list[float] = []
        """Of all cases so far: the other carrier's times when it had the daemon to itself."""
        self.slowest_status = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.hostile = stack.enter_context(CarrierProcess(f"hostile {self._seed}"))
            self.honest = stack.enter_context(CarrierProcess(f"honest {self._seed}"))
            text = config(self._directory, self.hostile.port, self.honest.port, self.settings, self._numbers)
            self.daemon = stack.enter_context(DaemonProcess(self._directory, text))
            self.apps = Applications(self.daemon.socket)
            stack.callback(lambda: self.apps.close())
            self._bound()
            self._honest = Stream("h", [HONEST_NUMBER], self._honest_rate, area="646555")
            self.apps.streams.append(self._honest)
            self.apps.run(0.3)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    # --- a case -------------------------------------------------------------------------------------------------------

    def play(self, case: Case, *, scale: float = 1.0) -> Outcome:
        """Carries it out, ``scale`` times as long. Raises AssertionError when it does not come to rest."""
        apps = self.apps
        self.honest.begin(HONEST)
        alone_from = len(self._honest.messages)
        apps.run(self._alone)
        beside_from = len(self._honest.messages)
        self.hostile.begin(case.conduct)
        # "h" is the honest one's.
        letter = "abcdefgijklmnopqrstuvwxyz"[self._played % 25]
        self._played += 1
        doubts = _doubts(self._status())
        began = time.monotonic()
        stream = Stream(
            letter,
            self._numbers,
            case.rate,
            first=self._played * 10_000,
            peers=case.peers,
            long_every=case.long_every,
            validity=case.validity,
            count=int(case.rate * case.seconds * scale),
        )
        apps.streams.append(stream)
        # A carrier does not change how it writes its ids.
        honest = replace(HONEST, form=case.conduct.form)
        try:
            shown, honest_again = self._act(case, honest, stream, scale)
        finally:
            self.hostile.behave(honest)
            apps.streams.remove(stream)
        beside_to = self._rested
        settled = time.monotonic()
        report = self.hostile.report()
        judgement = judge(
            stream.messages,
            shown,
            report,
            case.conduct,
            response_timeout=self._setting("response_timeout"),
            resend=self._setting("in_doubt", "resend") == "resend",
        )
        alone, beside = self._latencies(alone_from, beside_from, beside_to, judgement)
        self.alone += alone
        if self._played == 1:
            self._memory = self._memory_now()  # its caches have filled
        memory = self._memory_now() - self._memory
        status = self._status()
        if not case.restart and _doubts(status) - doubts < judgement.counts["copies"]:
            judgement.wrong["uncounted"].append(f"{_doubts(status) - doubts} counted in doubt, fewer than copies")
        self._holds_in_all(judgement, report, memory)
        return Outcome(
            case,
            judgement,
            report,
            stream.messages,
            shown,
            began,
            honest_again,
            settled - honest_again,
            alone,
            beside,
            memory,
            status,
        )

    def _act(
        self, case: Case, honest: Conduct, stream: Stream, scale: float
    ) -> tuple[dict[str, dict[str, Any]], float]:
        """The conduct, then an honest one until all is at rest; what is shown then, and when it was honest again."""
        apps = self.apps
        apps.run(case.seconds * scale)
        for conduct, seconds in case.then:
            self.hostile.behave(conduct)
            apps.run(seconds * scale)
        if case.restart:
            self._restart()
        apps.until(lambda: stream.done and all(m.id or m.refused for m in stream.messages), 10, "replies")
        if case.waiting is not None:
            case.waiting(apps.shown([m.id for m in stream.messages if m.id]))
        self.hostile.behave(honest)
        honest_again = time.monotonic()
        return self._settled(stream, _SETTLE * max(1.0, scale)), honest_again

    def _settled(self, stream: Stream, seconds: float) -> dict[str, dict[str, Any]]:
        """Waits until all of it is final, or held in doubt with nothing more to come; what is shown of it then."""
        apps, ids = self.apps, [m.id for m in stream.messages if m.id]
        end = time.monotonic() + seconds
        while True:
            apps.run(0.1)
            waiting = [m.id for m in stream.messages if m.id and not m.ends]
            stats = self.hostile.stats()
            # A look at a few: the others' times are measured, and asking is work for the daemon and for this thread.
            shown = apps.shown(waiting[-_LOOKED_AT:])
            rests = all(one["state"] == "in_doubt" or one["state"] in FINAL for one in shown.values())
            if rests and not stats["owed"] and not stats["timers"] and self._up():
                shown = apps.shown(waiting)
                if all(one["state"] == "in_doubt" or one["state"] in FINAL for one in shown.values()):
                    break
            if time.monotonic() > end:
                states = {one["state"] for one in shown.values()}
                raise AssertionError(
                    f"not at rest after {seconds:g} s: {len(waiting)} {states} {stats}\n{self.daemon.log_end()}"
                )
        apps.run(0.1)
        self._rested = len(self._honest.messages)
        return apps.shown(ids)

    def _restart(self) -> None:
        apps = self.apps
        streams, apps.streams = apps.streams, []
        apps.disconnect()
        self.daemon.stop()
        self.daemon.start()
        apps.connect()
        self._bound()
        apps.streams = streams

    # --- what holds in all of them ------------------------------------------------------------------------------------

    def _holds_in_all(self, judgement: Judgement, report: Report, memory: float) -> None:
        wrong = judgement.wrong
        wrong["told wrongly"] += self.apps.wrong
        self.apps.wrong.clear()
        if memory > _GROWTH_MOST:
            wrong["memory"].append(f"grown by {memory:.0f} MiB")
        log = (self.daemon.directory / "daemon.log").read_text(errors="replace")
        for account in range(len(self._numbers)):
            at = [c.opened for c in report.connections if c.account == account]
            wrong["hammered"] += [
                f"{later - first} binds in {at[later] - at[first]:.2f} s"
                for first, later in combinations(range(len(at)), 2)
                if at[later] - at[first] < later - first - _SEEN_LATE
            ]
        wrong["log"] += [log[at : at + 2000] for bad in _BAD_WORDS if (at := log.find(bad)) >= 0]

    def _latencies(self, alone: int, beside: int, end: int, judgement: Judgement) -> tuple[list[float], list[float]]:
        """Of the other carrier's messages, from when each was due until its first segment was at its carrier."""
        messages = self._honest.messages[alone:end]
        self.apps.until(lambda: all(m.ends or m.refused for m in messages), _SETTLE, "ends at the other carrier")
        arrived: dict[str, float] = {}
        for submit in self.honest.report().submits:
            if submit.key in arrived:
                judgement.wrong["honest copy"].append(str(submit.key))
            arrived[submit.key] = submit.at
        for m in messages:
            if m.refused or [e["state"] for e in m.ends] not in (["delivered"], ["undelivered"]):
                judgement.wrong["honest"].append(f"{m.label}: {m.refused} {[e['state'] for e in m.ends]}")
        times = [arrived[m.label, 1] - m.due for m in messages if (m.label, 1) in arrived]
        return times[: beside - alone], times[beside - alone :]

    def _setting(self, name: str, default: Any = None) -> Any:
        return (CARRIER | self.settings).get(name, default)

    def _memory_now(self) -> float:
        return memory_mib(self.daemon.pid)[0]

    def _status(self) -> dict[str, Any]:
        began = time.monotonic()
        status: dict[str, Any] = self.apps.call("status")
        self.slowest_status = max(self.slowest_status, time.monotonic() - began)
        return status

    def _up(self) -> bool:
        return all(c["state"] == "up" for c in self._status()["carriers"])

    def _bound(self) -> None:
        self.apps.until(self._up, 20, "all binds up")


def _doubts(status: Mapping[str, Any]) -> int:
    """Segments of hostile carriers that came into doubt so far, by the daemon's account."""
    return sum(c["in_doubt"] for c in status["carriers"] if c["name"] != "honest")
