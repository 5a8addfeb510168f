"""Quiet hours in a simulation, and the law of them.

By the clock of the phone nothing of their classes is written to a carrier within them, but for the rest of a message
that was under way; what is held goes when they end, in the order of its pair. When they are is told here in UTC, for
some days and zones, and not asked of the gateway. Among the days are both on which the clock of New York is changed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.model import CLASSES, State
from gateway.settings.own import OWN_APP
from tests.sim.ledger import Passed

if TYPE_CHECKING:
    from tests.sim.ledger import Ledger, Message, Segment
    from tests.sim.plan import Plan

SHARE: Final = 0.3
"""The share of seeds that have quiet hours."""
FINISH_MS: Final = 60_000
"""For so long the rest of a message goes on of which a segment is out."""
LATE_MS: Final = 5
"""Between what was judged and the write."""
SLOW_MS: Final = 20_000
"""Within which what was held goes on, once nothing is in its way."""
HERE: Final = "America/New_York"
"""Where the peers of a simulation are, by their numbers."""
THERE: Final = "Europe/Paris"
ELSEWHERE: Final = "America/Los_Angeles"
"""Where those are who get forwards."""


class Span(NamedTuple):
    """Quiet hours as they are written, on the clock of a zone, and when (UTC) that is on one day."""

    zone: str
    times: str
    begin: str
    end: str


SPANS: Final = (
    Span("UTC", "08:54-08:55", "2025-10-09T08:54Z", "2025-10-09T08:55Z"),
    Span(HERE, "04:54-04:56", "2025-10-09T08:54Z", "2025-10-09T08:56Z"),
    Span(THERE, "10:54-10:55", "2025-10-09T08:54Z", "2025-10-09T08:55Z"),
    # Put back at 06:00 UTC: it is two o'clock an hour later than on other days.
    Span(HERE, "00:30-02:00", "2025-11-02T04:30Z", "2025-11-02T07:00Z"),
    # Put forward at 07:00 UTC: it is half past two and three at once.
    Span(HERE, "02:30-03:01", "2026-03-08T07:00Z", "2026-03-08T07:01Z"),
)
_RULES: Final = (
    {"hold": ("marketing", "direct")},
    {"hold": ("marketing",), "refuse": ("direct",)},
    {"refuse": ("marketing", "direct")},
)


class QuietPlan:
    """Quiet hours that begin or end within the ``seconds`` of a run; ``start`` is its wall clock, in ms."""

    def __init__(self, rng: Random, seconds: float, peers: list[str]) -> None:
        span = rng.choice(SPANS)
        self.span = span
        self.by_peer = rng.random() < 0.7 and span.zone != "UTC"
        self.rules: dict[str, tuple[str, ...]] = rng.choice(_RULES)
        self.begin, self.end = (int(datetime.fromisoformat(at).timestamp() * 1000) for at in (span.begin, span.end))
        from_begin = rng.uniform(-20, seconds) if self.end - self.begin <= 120_000 else 0.0
        self.start = (
            self.begin - int(from_begin * 1000) if from_begin else self.end - int(rng.uniform(5, seconds) * 1000)
        )
        self.noted = {peer: rng.choice((HERE, THERE)) for peer in peers if rng.random() < 0.3}
        """Where a phone is, as the record of its owner says."""
        self.clock_steps = [
            (rng.uniform(1, seconds), rng.choice((-8000, -3000, 4000, 15_000))) for _ in range(rng.choice((0, 0, 1, 2)))
        ]
        self._rng = rng
        self.given: dict[int, Mapping[str, Any]] = {}  # by label, what was asked for

    def dress(self, plan: Plan) -> None:
        """Has more of what is submitted be of the classes that it is quiet for, say where phones are, and wait."""
        plan.clock_steps += self.clock_steps
        if self._rng.random() < 0.6:
            for carrier in plan.carriers:
                carrier.settings["throughput"] = self._rng.choice((1, 2.5, 3))
        begins = (self.begin - self.start) / 1000
        for place, (at, app, burst) in enumerate(plan.wishes):
            if begins > 1 and self._rng.random() < 0.5:
                at = max(0.5, begins - self._rng.uniform(0, 4))
            plan.wishes[place] = (at, app, burst)
            for label, params in burst:
                if self._rng.random() < 0.6:
                    params["class"] = self._rng.choice(("marketing", "marketing", "direct"))
                if self._rng.random() < 0.15:
                    params["zone"] = self._rng.choice((HERE, THERE))
                self.given[label] = params
        plan.wishes.sort(key=lambda burst: burst[0])
        if self._rng.random() < 0.25:
            action, classes = next(iter(self.rules.items()))
            self.rules = self.rules | {action: (*classes, "transactional")}

    def toml(self) -> list[str]:
        """Its sections."""
        zone = "peer" if self.by_peer else self.span.zone
        return [
            f'[[quiet_hours]]\ntimes = ["{self.span.times}"]\nzone = "{zone}"\naction = "{action}"\n'
            f"classes = {json.dumps(classes)}"
            for action, classes in self.rules.items()
        ]

    def note(self, con: sqlite3.Connection) -> None:
        """Before anything is sent: where phones are as far as that is known."""
        for peer, zone in self.noted.items():
            con.execute(
                "INSERT INTO peer (address, created_at, fields) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (peer, self.start, json.dumps({"zone": zone})),
            )

    # --- what holds ---------------------------------------------------------------------------------------------------

    def action(self, message: Message) -> str | None:
        """What becomes of a message while it is quiet; None: it goes, as answers of our own do."""
        klass = CLASSES[message.klass]
        if message.app == OWN_APP and klass == "transactional":
            return None
        return self._action(klass, self._zone(self.given.get(message.label, {}), message.peer))

    def asked(self, params: Mapping[str, Any]) -> str | None:
        """The same of what is submitted."""
        return self._action(params.get("class", "transactional"), self._zone(params, params["to"]))

    def _zone(self, params: Mapping[str, Any], peer: str) -> str:
        return params.get("zone") or self.noted.get(peer) or (HERE if peer.startswith("+1212") else ELSEWHERE)

    def _action(self, klass: str, zone: str) -> str | None:
        if self.by_peer and zone != self.span.zone:
            return None
        return next((action for action, classes in self.rules.items() if klass in classes), None)

    def within(self, at: int) -> bool:
        """Whether it is quiet then (ms), where it is at all."""
        return self.begin <= at < self.end


def planned(seed: int, seconds: float, peers: list[str]) -> QuietPlan | None:
    """The quiet hours of a seed, if it has some."""
    rng = Random(f"{seed}/quiet")
    return QuietPlan(rng, seconds, peers) if rng.random() < SHARE else None


class Quiet:
    """Looks at what is written. ``latest``: the latest moment that the wall clock has shown."""

    def __init__(self, plan: QuietPlan | None, ledger: Ledger, now_ms: Callable[[], int]) -> None:
        self._plan = plan
        self._ledger = ledger
        self._now_ms = now_ms
        self._latest = 0
        self._order = Passed(ledger, "quiet")

    def seen(self) -> None:
        """Notes the wall clock: what was let go when they were over is, whatever a clock shows that is put back."""
        self._latest = max(self._latest, self._now_ms())

    def written(self, segment: Segment) -> None:
        """A submit_sm is handed to a connection."""
        plan, now = self._plan, self._now_ms()
        self.seen()
        if plan is None or not all(plan.within(at - late) for at in (now, self._latest) for late in (0, LATE_MS)):
            return
        action = plan.action(segment.message)
        if action is None:
            return
        others = [s for s in (*segment.message.segments.values(), *segment.message.gone) if s.part != segment.part]
        if any(s.written for s in others) and now < plan.begin + FINISH_MS + LATE_MS:
            return
        self._ledger.broken("quiet", f"{segment.place} is written in quiet hours ({action})")

    def arrived(self, carrier: str, segment: Segment) -> None:
        """The first copy of a segment is read by a carrier that has the messages of a pair in their order."""
        message = segment.message
        if self._plan is None or not self.held(message):
            return
        self._order.arrived(carrier, segment, ", which was held as well")

    def held(self, message: Message) -> bool:
        """Whether a message was put off until they end."""
        plan = self._plan
        if plan is None or plan.action(message) != "hold":
            return False
        at = self._send_at(message)
        return any(new == State.SCHEDULED for s in message.segments.values() for _, _, new, _ in s.history) and (
            at is None or plan.within(at)
        )

    def look(self) -> None:
        """All is well for a while: what was held is not scheduled any more."""
        plan = self._plan
        if plan is None or self._now_ms() < plan.end + SLOW_MS:
            return
        for message in self._ledger.messages.values():
            waits = [s.place for s in message.segments.values() if s.state == State.SCHEDULED]
            if waits and (self._send_at(message) or 0) < self._now_ms() - SLOW_MS:
                self._ledger.broken("quiet", f"{waits} still wait")

    def refused(self, params: Mapping[str, Any]) -> None:
        """An application is told that it is quiet."""
        plan, now = self._plan, self._now_ms()
        at = _ms(params["send_at"]) if "send_at" in params else now
        # A reply takes its time, and clocks are put forward and back.
        around = 30_000 if plan is not None and plan.clock_steps else 3000
        if plan is None or plan.asked(params) != "refuse" or not plan.begin <= max(at, now) < plan.end + around:
            self._ledger.broken("quiet", f"refused, and it is not quiet: {params}")

    def _send_at(self, message: Message) -> int | None:
        params = self._plan.given.get(message.label, {}) if self._plan is not None else {}
        return _ms(params["send_at"]) if "send_at" in params else None


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
