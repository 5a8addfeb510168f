"""One carrier: its binds, the claimed segments that wait for a slot, and its pace."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Collection, Mapping
from typing import Protocol

import trio

from gateway.carrier.answer import Answer
from gateway.carrier.bind import Bind
from gateway.carrier.connection import Connector, connect_tcp
from gateway.carrier.distance import RoundTrip
from gateway.carrier.gate import Gate
from gateway.carrier.life import BIND_INTERVAL, Life
from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.carrier.pace import Pace
from gateway.carrier.status import Statuses
from gateway.carrier.wire import Wire
from gateway.log import logger
from gateway.model import Clock
from gateway.settings import Carrier as CarrierSettings
from gateway.smpp.pdu import DataSm, DeliverSm
from gateway.smpp.session import Session

__all__ = ["BIND_INTERVAL", "Carrier", "Hooks"]

_log = logger(component="carrier")

EVERYTHING = 1 << 30
"""More segments than there ever is room for."""
AHEAD = 1.0
"""Seconds of its rate that are claimed ahead: a claim is stored in less, also on a slow disk."""


class Hooks(Protocol):
    """What a carrier calls, all in Trio's thread, none of it blocking."""

    def answered(self, bind: Bind, answers: list[Answer]) -> None:
        """Responses to submits; each slot is given back with `Carrier.settled` once the outcome is stored."""

    def unanswered(self, bind: Bind, segments: list[SegmentOut]) -> None:
        """Submits whose response did not come in time: in doubt."""

    def lost(self, bind: Bind, written: list[SegmentOut], unwritten: list[SegmentOut]) -> None:
        """The session ended: what was perhaps written is in doubt, the rest certainly not sent."""

    def late(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed segments whose message may not go any more: its validity ended, or its quiet hours began."""

    def unsendable(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed segments that cannot be written as a PDU."""

    def arrived(self, bind: Bind, session: Session, pdus: list[tuple[int, DeliverSm | DataSm]]) -> None:
        """deliver_sm and data_sm, to be answered with `Bind.respond`."""

    def ready(self, carrier: Carrier) -> None:
        """There is room to claim more, or a bind came up."""

    def stalled(self, carrier: Carrier) -> None:
        """No bind can send any more: claims that are not written go back."""

    def waiting(self, carrier: Carrier) -> bool:
        """Whether there is anything that could be claimed now, were there room."""

    def rejected(self, bind: Bind) -> None:
        """A PDU of the other end was answered with an error."""

    def state(self, bind: Bind) -> None:
        """A bind changed its state."""

    def written(self, carrier: Carrier, segments: int) -> None:
        """So many submits were handed to sessions."""


class Carrier(Life):
    """The binds of one carrier and what is claimed for them (see `Bind.in_use` for when a slot is free)."""

    def __init__(
        self,
        settings: CarrierSettings,
        hooks: Hooks,
        *,
        clock: Clock,
        connector: Connector = connect_tcp,
        rng: random.Random | None = None,
    ) -> None:
        self.hooks = hooks
        self._rng = rng or random.Random()
        super().__init__(settings, connector, self._rng)
        self.written_total = 0  # segments handed to sessions
        self._clock = clock
        self.pace = Pace(settings)
        self.round_trip = RoundTrip()
        self.statuses = Statuses(settings.statuses)
        self._ready: tuple[deque[SegmentOut], ...] = (deque(), deque())  # by lane
        self._gated: tuple[deque[SegmentOut], ...] = (deque(), deque())  # the same, and their number has to wait
        self.gates: Mapping[str, Gate] = {}  # the rates of numbers, shared by all carriers
        # A one-time code must find room to be claimed, however much of a bulk job is claimed already.
        self._kept_free = max(1, settings.window * max(1, settings.binds) // 8)
        self.wire = Wire(settings)
        self._due = float("inf")
        self._timer: trio.CancelScope | None = None
        self._rotation = 0

    @property
    def _me(self) -> Carrier:
        return self

    # --- room ---------------------------------------------------------------------------------------------------------

    @property
    def can_send(self) -> bool:
        """Whether a bind is up that takes submits."""
        return any(b.can_send for b in self._senders)

    @property
    def in_use(self) -> int:
        """Segments written, whose outcome is not stored yet."""
        return sum(b.in_use for b in self.binds)

    @property
    def claims_waiting(self) -> int:
        """Claimed segments that wait for a slot or their pace."""
        gated = self._gated
        return len(self._ready[0]) + len(self._ready[1]) + len(gated[0]) + len(gated[1])

    @property
    def kept_free(self) -> int:
        """How much of the room is not for lane 1: some of it always, and all of it during a pause."""
        return EVERYTHING if trio.current_time() < self.pace.paused_until else self._kept_free

    def room(self) -> int:
        """How many more segments may be claimed: claimed and unanswered stay within twice the window of the binds.

        What waits here for the pace counts as in doubt after a crash, so it is no more than the rate takes in
        `AHEAD`; but lane 0 has what is kept free for it. During a pause it has that alone, so that one of lane 0 is
        the first after it.
        """
        if self.held or self.stopping:
            return 0
        total = used = 0
        for b in self._senders:
            used += b.in_use
            if b.can_send:
                total += self.settings.window
        waiting = self.claims_waiting
        room = 2 * total - used - waiting
        rate = self.pace.rate.now
        paused = trio.current_time() < self.pace.paused_until
        if rate or paused:
            urgent = self._kept_free - len(self._ready[0])
            ahead = 0 if paused else math.ceil(rate * AHEAD) + self._kept_free - waiting
            room = min(room, max(urgent, ahead))
        return max(0, room)

    # --- what status shows --------------------------------------------------------------------------------------------

    @property
    def rate_now(self) -> float | None:
        """Segments a second that it is given just now; None: no limit."""
        return self.pace.rate.now or None

    @property
    def congestion(self) -> int | None:
        """How busy the carrier last said it is on any bind, 0 to 100 (5.0 §4.8.4.18); None: it never said."""
        return max((b.congestion for b in self.binds if b.congestion is not None), default=None)

    @property
    def waiting_reason(self) -> str:
        """Why segments wait: `paused`, `down`, `throttled`, `full`, `congested`, `pace`, `window`, `blocked`;
        empty: nothing."""
        now = trio.current_time()
        if self.held or self.stopping:
            return "paused"
        if not self.can_send:
            return "down"
        if now < self.pace.paused_until:
            return self.pace.why
        if all(b.in_use >= self.settings.window for b in self._senders if b.can_send):
            return "window"
        if not any(b.takes for b in self._senders):
            return "blocked"
        return "pace" if self.claims_waiting and now < self.pace.pacer.next_at else ""

    # --- sending ------------------------------------------------------------------------------------------------------

    def could_write(self, now: float) -> bool:
        """Whether nothing keeps it from writing: no pause, no pace, and a bind with a free slot."""
        if self.held or self.stopping or now < self.pace.paused_until or self.pace.pacer.next_at > now:
            return False
        return any(b.takes for b in self._senders)

    def something_waits(self) -> bool:
        """Whether there is something to write."""
        return self.claims_waiting > 0 or self.hooks.waiting(self)

    def follow(self, other: Carrier) -> None:
        """Takes the place of another of the same name, as after a reload: the rate agreed is of the two together."""
        self._next_bind = other._next_bind
        self.pace.follow(other.pace)

    def push(self, segments: list[SegmentOut]) -> None:
        """Takes claimed segments; they are written in this order as slots come free, lane 0 before lane 1."""
        urgent, rest = self._ready
        for s in segments:
            (rest if s.message.lane else urgent).append(s)
        self.pump()

    def pump(self) -> None:
        """Writes what there is a slot and a pace for, in one write per bind."""
        if not self.claims_waiting or self.held or self.stopping:
            return
        now = trio.current_time()
        if now < self.pace.paused_until:
            self._pump_at(self.pace.paused_until)
            return
        senders = [b for b in self._senders if b.takes]
        if not senders:
            if not self.can_send:
                self.hooks.stalled(self)
            return
        now_ms = self._clock.now_ms()
        pacer = self.pace.pacer
        written = 0
        late: list[SegmentOut] = []
        unsendable: list[SegmentOut] = []
        turn = self._rotation
        urgent, rest = self._ready
        gates, window = self.gates, self.settings.window
        written_of = self.wire.written
        gated_until = float("inf")
        self._ungate()
        while senders:
            ready = urgent or rest
            if not ready:
                break
            if ready[0].message.until <= now_ms:
                late.append(ready.popleft())
                continue
            gate = gates.get(ready[0].message.number) if gates else None
            if gate is not None and not gate.pacer.may(now):
                gated_until = min(gated_until, gate.pacer.next_at)
                segment = ready.popleft()
                self._gated[segment.message.lane and 1].append(segment)
                continue
            if pacer.rate and not pacer.allow(now):
                self.pace.held_back = True
                self._pump_at(pacer.next_at)
                break
            turn += 1
            bind = senders[turn % len(senders)]
            segment = ready.popleft()
            try:
                bind.send(segment, written_of(segment, now_ms), now)
            except ValueError as error:  # it fits no PDU; others shall not suffer for it
                _log.error("segment_unsendable", bind=bind.name, error=str(error))
                unsendable.append(segment)
                continue
            written += 1
            if gate is not None:
                gate.pacer.count(now)
            if bind.in_use >= window:
                senders.remove(bind)
        if gated_until < float("inf"):
            self._pump_at(gated_until)
        self._rotation = turn
        for b in self._senders:
            b.flush()
        if written:
            self.written_total += written
            self.hooks.written(self, written)
        if late:
            self.hooks.late(self, late)
        if unsendable:
            self.hooks.unsendable(self, unsendable)

    def _ungate(self) -> None:
        """What waited for the rate of its number is looked at again, in its place."""
        for ready, gated in zip(self._ready, self._gated, strict=True):
            if gated:
                ready.extendleft(reversed(gated))
                gated.clear()

    def settled(self, bind: Bind, segments: int) -> None:
        """The outcome of so many segments of a bind is stored: their slots are free."""
        bind.in_use -= segments

    def take_back(self) -> list[SegmentOut]:
        """Takes the claimed segments that are not written out of its hands."""
        self._ungate()
        out = [s for ready in self._ready for s in ready]
        for ready in self._ready:
            ready.clear()
        return out

    def claims_of(self, message: Outgoing) -> list[SegmentOut]:
        """The claimed segments of a message that are not written."""
        return [s for waiting in (*self._ready, *self._gated) for s in waiting if s.message is message]

    def claims_to(self, peers: Collection[str]) -> list[SegmentOut]:
        """The claimed segments to these peers that are not written."""
        return [s for waiting in (*self._ready, *self._gated) for s in waiting if s.message.peer in peers]

    def withdraw(self, message: Outgoing, part: int) -> bool:
        """Takes one claimed segment that is not written out of its hands; returns whether it was there."""
        for ready in (*self._ready, *self._gated):
            for s in ready:
                if s.message is message and s.part == part:
                    ready.remove(s)
                    return True
        return False

    def judged(self, bind: Bind, accepted: int, throttled_at: float | None, *, full: bool) -> float:
        """What the answers of one read mean for the pace, see `Pace.answers`; returns the seconds of pause they add."""
        now = trio.current_time()
        added = self.pace.answers(now, accepted, throttled_at, full=full)
        session = bind.session
        if session is not None and session.congestion_told:
            session.congestion_told = False
            added += self.pace.congested(now, session.congestion_state or 0)
        if added:
            self._pump_at(self.pace.paused_until)
        return added

    def pause(self, seconds: float, why: str = "throttled") -> float:
        """Nothing is written for so long; returns the seconds that this adds to a pause there is."""
        added = self.pace.pause(trio.current_time(), seconds, why)
        self._pump_at(self.pace.paused_until)
        return added

    def retry_soon(self, seconds: float) -> None:
        """Looks for something to claim again after so long."""
        self._pump_at(trio.current_time() + seconds)

    def _pump_at(self, when: float) -> None:
        if when < self._due:
            self._due = when
            if self._timer is not None:
                self._timer.deadline = when

    # --- the timer ----------------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._due) as self._timer:
                await trio.sleep_forever()
            self._timer = None
            self._due = float("inf")
            if trio.current_time() < self.pace.paused_until:
                # It was due before a pause was made longer: with nothing claimed, nobody else would come back then.
                self._pump_at(self.pace.paused_until)
            self.pump()
            self.hooks.ready(self)
