"""What holds at every moment: looked at when something is committed, written, read or answered.

A law that is broken goes to the ledger with its name; the run goes on, so that one seed tells all that it found.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable

import trio

from gateway.model import STATE_WORDS, TRANSITIONS, State
from gateway.settings import Carrier as CarrierSettings
from tests.sim.ledger import Change, Ledger, Passed, Segment
from tests.sim.quiet import Quiet

WITHDRAWN = frozenset({State.CANCELLED, State.REJECTED, State.EXPIRED, State.FAILED})
"""What the gateway itself ended: nothing of it is written after that commit."""
SLOWEST = 0.2
"""Seconds that a commit may take to be told of, and a little more."""
LATE_MS = 5
"""Between what was judged and the write."""


class Laws:
    """The laws of the moment."""

    def __init__(
        self,
        ledger: Ledger,
        carriers: dict[str, CarrierSettings],
        now_ms: Callable[[], int],
        steady: frozenset[str],
        quiet: Quiet,
    ) -> None:
        self._ledger = ledger
        self._quiet = quiet
        self._now_ms = now_ms
        self.steady = steady  # carriers whose connections never stand still
        self.carriers = carriers
        self._claimed: Counter[str] = Counter()
        self._on_its_way: dict[tuple[str, str, str], Counter[int]] = defaultdict(Counter)
        self._paced: dict[str, deque[float]] = defaultdict(deque)
        self._order = Passed(ledger, "order")
        self._unsettled: dict[str, set[Segment]] = defaultdict(set)  # by bind: written, with no outcome stored
        self.sticky = True
        self.numbers: dict[str, float] = {}  # their own throughput, where they have one
        self.held: set[str] = set()  # carriers that an operator has paused or drained, and was told so
        self._urgent: dict[str, dict[Segment, float]] = defaultdict(dict)  # claimed of lane 0, when; not written
        self._passed: list[tuple[float, str, dict[Segment, float]]] = []  # what marketing was written before
        ledger.on_commit = self.committed

    # --- commits ------------------------------------------------------------------------------------------------------

    def committed(self, changes: list[Change]) -> None:
        """A transaction was committed."""
        touched: set[tuple[str, str, str]] = set()
        moved: set[int] = set()
        for segment, old, new in changes:
            message = segment.message
            if new < 0:
                moved.add(message.id)
                if old == State.SUBMITTING:
                    self._ledger.broken("route", f"{segment.place} is taken from {segment.carrier} while on its way")
            elif old >= 0 and new != old and State(new) not in TRANSITIONS[State(old)]:
                self._ledger.broken("monotone", f"{segment.place} {STATE_WORDS[old]} -> {STATE_WORDS[new]}")
            if old == new:
                continue
            if old == State.SUBMITTING:
                for of_bind in self._unsettled.values():
                    of_bind.discard(segment)
                self._urgent[segment.carrier].pop(segment, None)
            if new == State.SUBMITTING and not segment.lane:
                self._urgent[segment.carrier][segment] = trio.current_time()
            step = (new == State.SUBMITTING) - (old == State.SUBMITTING)
            if step:
                pair = (segment.carrier, message.number, message.peer)
                self._claimed[segment.carrier] += step
                self._on_its_way[pair][message.id] += step
                touched.add(pair)
        for mid in sorted(moved):
            self._moved(mid)
        for pair in touched:
            way = self._on_its_way[pair]
            for mid in [mid for mid, n in way.items() if n <= 0]:
                del way[mid]
            settings = self.carriers.get(pair[0])
            if len(way) > 1 and settings is not None and settings.order == "peer":
                labels = sorted(self._ledger.messages[mid].label for mid in way)
                self._ledger.broken("pair", f"{labels} are on their way to one peer together")
            if not way:
                del self._on_its_way[pair]
        for name in {pair[0] for pair in touched}:
            self._claims(name)

    def _moved(self, mid: int) -> None:
        """Another carrier gets a message whole, and only if no carrier has any of it, or one said that it failed."""
        message = self._ledger.messages[mid]
        if len({s.carrier for s in message.segments.values()}) != 1:
            self._ledger.broken("route", f"<{message.label}> is on several carriers")
        accepted = [s.place for s in message.gone if s.accepted]
        failed = any(state != State.DELIVERED for s in message.gone for state, _ in s.receipts)
        if accepted and not failed:
            self._ledger.broken("route", f"{accepted} went to another carrier and had been accepted")

    def _claims(self, name: str) -> None:
        claimed = self._claimed[name]
        settings = self.carriers.get(name)
        if settings is not None and claimed > 2 * settings.window * settings.binds:
            self._ledger.broken("claims", f"{claimed} claimed of {name}, window {settings.window} x {settings.binds}")

    # --- the wire -----------------------------------------------------------------------------------------------------

    def written(self, carrier: str, bind: str, segment: Segment | None, label: int, part: int) -> None:
        """A submit_sm was handed to a connection."""
        now = trio.current_time()
        if segment is None:
            self._ledger.broken("durable", f"<{label}>/{part} is written and not stored")
            return
        self._ledger.note("write", f"{segment.place} on {carrier}")
        segment.written.append(now)
        self._state(segment)
        if carrier != segment.carrier:
            self._ledger.broken("route", f"{segment.place} is {segment.carrier}'s and written to {carrier}")
        self._urgent[carrier].pop(segment, None)
        self._lanes(carrier, segment, now)
        if carrier in self.held:
            self._ledger.broken("held", f"{segment.place} is written on {carrier}, which is held")
        if self._now_ms() > segment.message.expires_at + LATE_MS:
            self._ledger.broken("validity", f"{segment.place} is written after its validity")
        self._doubtful(carrier, bind, segment)
        self._quiet.written(segment)
        self._pace(carrier, now)
        self._pace_of_number(segment.message.number, now)

    def _state(self, segment: Segment) -> None:
        if segment.state < 0:
            self._ledger.broken("route", f"{segment.place} is written on {segment.carrier}, and is another's by now")
            return
        if segment.state == State.SUBMITTING:
            return
        if segment.state in WITHDRAWN and not segment.receipts:
            self._ledger.broken("withdrawn", f"{segment.place} is written and was {STATE_WORDS[segment.state]}")
        elif segment.state in (State.SCHEDULED, State.QUEUED) or not segment.in_doubt:
            # A copy of what was in doubt may be settled by a receipt in the moment in which it leaves.
            self._ledger.broken("claimed", f"{segment.place} is written and {STATE_WORDS[segment.state]}")

    def _lanes(self, carrier: str, segment: Segment, now: float) -> None:
        """What is claimed of the urgent lane goes first, where all connections take what is written."""
        passed = self._passed
        if passed and passed[0][0] < now:
            # Writes of one moment, on several binds, are in no order.
            for _, place, urgent in passed:
                if urgent:
                    self._ledger.broken("lanes", f"{place} is marketing, written before {[s.place for s in urgent]}")
            passed.clear()
        for _, _, urgent in passed:
            urgent.pop(segment, None)
        if segment.lane and carrier in self.steady:
            waited = {
                s: at
                for s, at in self._urgent[carrier].items()
                # Those of a number with a rate of its own wait for that, and hold up nobody else; no more does what is
                # past its validity.
                if at < now - SLOWEST
                and not self.numbers.get(s.message.number)
                and s.message.expires_at > self._now_ms()
            }
            passed.append((now, segment.place, waited))

    def _doubtful(self, carrier: str, bind: str, segment: Segment) -> None:
        """What a kill at this moment would leave in doubt: at most a window of each bind."""
        if segment.state != State.SUBMITTING:
            return
        of_bind = self._unsettled[bind]
        of_bind.add(segment)
        settings = self.carriers.get(carrier)
        if settings is not None and len(of_bind) > settings.window:
            said = f"{len(of_bind)} written on a bind of {carrier} without a stored outcome, window {settings.window}"
            self._ledger.broken("doubts", said)

    def _pace(self, carrier: str, now: float) -> None:
        settings = self.carriers.get(carrier)
        if settings is None or not settings.throughput:
            return
        sent = self._paced[carrier]
        sent.append(now)
        while sent[0] <= now - 1:
            sent.popleft()
        if len(sent) > max(1, int(settings.throughput)) + settings.burst:
            self._ledger.broken(
                "throughput", f"{len(sent)} within a second on {carrier}, {settings.throughput:g} agreed"
            )

    def begins(self) -> None:
        """Another life of the daemon: in real life a second passes before it has a bind."""
        self._paced.clear()
        self._urgent.clear()
        self._passed.clear()
        self._unsettled.clear()

    def _pace_of_number(self, number: str, now: float) -> None:
        agreed = self.numbers.get(number, 0)
        if not agreed:
            return
        sent = self._paced[number]
        sent.append(now)
        while sent[0] <= now - 1:
            sent.popleft()
        if len(sent) > max(1, int(agreed)):
            self._ledger.broken("throughput", f"{len(sent)} within a second from {number}, not {agreed:g}")

    def arrived(self, carrier: str, segment: Segment, *, unanswered: int) -> None:
        """A carrier has read a submit_sm; so many of its bind have no answer yet, and are not given up by us."""
        settings = self.carriers[carrier]
        if unanswered > settings.window:
            self._ledger.broken("window", f"{unanswered} unanswered on a bind of {carrier}, window {settings.window}")
        message = segment.message
        if len(segment.arrivals) > 1:
            return
        # First copies of a pair, in the order of their ids; what was scheduled, refused for now or in doubt is let pass
        # by others as the design has it.
        if any(s.arrivals for s in message.gone) or (message.gone and not self.sticky):
            # Refused, or failed by its receipt, on another carrier: later messages may have gone meanwhile. Without
            # stickiness later messages go to any carrier of the route.
            return
        if any(self.carriers[s.carrier].order != "peer" for s in message.gone if s.carrier in self.carriers):
            # Several of its pair were on their way there together: what of them came back unwritten, while one before
            # it was refused and went elsewhere with its pair, comes after the others.
            return
        if settings.order != "peer":
            return
        if any(new == State.SCHEDULED for s in (*message.gone, segment) for _, _, new, _ in s.history):
            self._quiet.arrived(carrier, segment)
            return
        self._order.arrived(carrier, segment, " to the same peer")
