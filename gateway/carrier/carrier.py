"""One carrier: its binds, the claimed segments that wait for a slot, and its pace."""

from __future__ import annotations

import random
import ssl
from collections import deque
from typing import Protocol

import trio

from gateway.carrier.bind import Answer, Bind, Kind
from gateway.carrier.connection import Connector, connect_tcp
from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.carrier.pacer import Pacer
from gateway.carrier.status import FullQueues
from gateway.carrier.wire import Wire
from gateway.log import logger
from gateway.model import Clock
from gateway.settings import Carrier as CarrierSettings
from gateway.smpp.pdu import DataSm, DeliverSm
from gateway.smpp.session import Session

_log = logger(component="carrier")

BIND_INTERVAL = 1.0
"""Seconds between two bind attempts of a carrier, over all its binds: reconnects never hammer."""


class Hooks(Protocol):
    """What a carrier calls, all in Trio's thread, none of it blocking."""

    def answered(self, bind: Bind, answers: list[Answer]) -> None:
        """Responses to submits; each slot is given back with `Carrier.settled` once the outcome is stored."""

    def unanswered(self, bind: Bind, segments: list[SegmentOut]) -> None:
        """Submits whose response did not come in time: in doubt."""

    def lost(self, bind: Bind, written: list[SegmentOut], unwritten: list[SegmentOut]) -> None:
        """The session ended: what was perhaps written is in doubt, the rest certainly not sent."""

    def expired(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed segments whose message's validity ended before a slot was free."""

    def unsendable(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed segments that cannot be written as a PDU."""

    def arrived(self, bind: Bind, session: Session, pdus: list[tuple[int, DeliverSm | DataSm]]) -> None:
        """deliver_sm and data_sm, to be answered with `Bind.respond`."""

    def ready(self, carrier: Carrier) -> None:
        """There is room to claim more, or a bind came up."""

    def stalled(self, carrier: Carrier) -> None:
        """No bind can send any more: claims that are not written go back."""

    def rejected(self, bind: Bind) -> None:
        """A PDU of the other end was answered with an error."""

    def state(self, bind: Bind) -> None:
        """A bind changed its state."""

    def written(self, carrier: Carrier, segments: int) -> None:
        """So many submits were handed to sessions."""


class Carrier:
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
        self.settings = settings
        self.name = settings.name
        self.hooks = hooks
        self.stopping = False
        self.paused_until = 0.0
        self.held = False  # by an operator or while stopping: nothing new is written
        self._clock = clock
        self._rng = rng or random.Random()
        self._pacer = Pacer(settings.throughput)
        self._ready: tuple[deque[SegmentOut], ...] = (deque(), deque())  # by lane
        # A one-time code must find room to be claimed, however much of a bulk job is claimed already.
        self.kept_free = max(1, settings.window * max(1, settings.binds) // 8)
        self.full_queues = FullQueues()
        self.wire = Wire(settings)
        self._changed = trio.Event()
        self._next_bind = 0.0
        self._due = float("inf")
        self._turns: set[trio.CancelScope] = set()
        self._timer: trio.CancelScope | None = None
        self._rotation = 0
        self._context: ssl.SSLContext | None = None
        self._context_of: tuple[int, ...] = ()
        self.binds: list[Bind] = []
        for i in range(1, settings.binds + 1):
            kinds: list[tuple[Kind, str]]
            if settings.bind == "pair":
                kinds = [("transmitter", f"{i}t"), ("receiver", f"{i}r")]
            else:
                kinds = [(settings.bind, str(i))]
            for kind, suffix in kinds:
                self.binds.append(Bind(self, f"{self.name}/{suffix}", kind, connector, self._rng))
        self._senders = [b for b in self.binds if b.kind != "receiver"]

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
        return len(self._ready[0]) + len(self._ready[1])

    def room(self) -> int:
        """How many more segments may be claimed: claimed and unanswered stay within twice the window of the binds."""
        if self.held or self.stopping or trio.current_time() < self.paused_until:
            return 0
        total = used = 0
        for b in self._senders:
            used += b.in_use
            if b.can_send:
                total += self.settings.window
        return max(0, 2 * total - used - self.claims_waiting)

    # --- sending ------------------------------------------------------------------------------------------------------

    def follow(self, other: Carrier) -> None:
        """Takes the place of another of the same name, as after a reload: the rate agreed is of the two together."""
        self._pacer.follow(other._pacer)

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
        if now < self.paused_until:
            self._pump_at(self.paused_until)
            return
        senders = [b for b in self._senders if b.can_send and b.in_use < self.settings.window]
        if not senders:
            if not self.can_send:
                self.hooks.stalled(self)
            return
        now_ms = self._clock.now_ms()
        pacer = self._pacer
        written = 0
        expired: list[SegmentOut] = []
        unsendable: list[SegmentOut] = []
        turn = self._rotation
        urgent, rest = self._ready
        while senders:
            ready = urgent or rest
            if not ready:
                break
            if ready[0].message.expires_at <= now_ms:
                expired.append(ready.popleft())
                continue
            if not pacer.allow(now):
                self._pump_at(pacer.next_at)
                break
            turn += 1
            bind = senders[turn % len(senders)]
            segment = ready.popleft()
            try:
                bind.send(segment, self.wire.submit(segment, now_ms), now)
            except ValueError as error:  # it fits no PDU; others shall not suffer for it
                _log.error("segment_unsendable", bind=bind.name, error=str(error))
                unsendable.append(segment)
                continue
            written += 1
            if bind.in_use >= self.settings.window:
                senders.remove(bind)
        self._rotation = turn
        for b in self._senders:
            b.flush()
        if written:
            self.hooks.written(self, written)
        if expired:
            self.hooks.expired(self, expired)
        if unsendable:
            self.hooks.unsendable(self, unsendable)

    def settled(self, bind: Bind, segments: int) -> None:
        """The outcome of so many segments of a bind is stored: their slots are free."""
        bind.in_use -= segments

    def take_back(self) -> list[SegmentOut]:
        """Takes the claimed segments that are not written out of its hands."""
        out = [s for ready in self._ready for s in ready]
        for ready in self._ready:
            ready.clear()
        return out

    def withdraw(self, message: Outgoing, part: int) -> bool:
        """Takes one claimed segment that is not written out of its hands; returns whether it was there."""
        for ready in self._ready:
            for s in ready:
                if s.message is message and s.part == part:
                    ready.remove(s)
                    return True
        return False

    def pause(self, seconds: float) -> float:
        """Nothing is written for so long, for instance after ESME_RTHROTTLED; returns the seconds this adds."""
        now = trio.current_time()
        until = max(self.paused_until, now + seconds)
        added = until - max(self.paused_until, now)
        self.paused_until = until
        self._pump_at(until)
        return added

    def retry_soon(self, seconds: float) -> None:
        """Looks for something to claim again after so long."""
        self._pump_at(trio.current_time() + seconds)

    def _pump_at(self, when: float) -> None:
        if when < self._due:
            self._due = when
            if self._timer is not None:
                self._timer.deadline = when

    # --- life ---------------------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the binds until `stop`; binds share the time between attempts."""
        async with trio.open_nursery() as nursery:
            for bind in self.binds:
                nursery.start_soon(bind.run)
            nursery.start_soon(self._tick)
            task_status.started()
            while not (self.stopping and all(b.state == "stopped" for b in self.binds)):
                await self.changed()
            nursery.cancel_scope.cancel()

    async def _tick(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._due) as self._timer:
                await trio.sleep_forever()
            self._timer = None
            self._due = float("inf")
            if trio.current_time() < self.paused_until:
                # It was due before a pause was made longer: with nothing claimed, nobody else would come back then.
                self._pump_at(self.paused_until)
            self.pump()
            self.hooks.ready(self)

    def stopped(self) -> bool:
        """Whether `stop` was called; a call, since it changes while others wait."""
        return self.stopping

    async def bind_turn(self) -> None:
        """Waits for this carrier's turn to try a bind."""
        if self.stopping:
            return
        now = trio.current_time()
        at = max(now, self._next_bind)
        self._next_bind = at + BIND_INTERVAL
        with trio.CancelScope() as scope:
            self._turns.add(scope)
            try:
                await trio.sleep_until(at)
            finally:
                self._turns.discard(scope)

    def bound(self, bind: Bind) -> None:
        """A bind came up."""
        self._notify()
        self.pump()
        self.hooks.ready(self)

    async def changed(self) -> None:
        """Waits for the next change of state of a bind."""
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def state_changed(self, bind: Bind) -> None:
        """Called by a bind whenever its state changes."""
        self._notify()
        self.hooks.state(bind)
        if bind.state == "down" and not self.can_send and self.claims_waiting:
            self.hooks.stalled(self)

    def all_answered(self) -> None:
        """A bind has answered all that came in, which `stop` may wait for."""
        self._notify()

    async def stop(self) -> None:
        """Unbinds everywhere and ends `run`; the caller has waited for answers before."""
        self.stopping = True
        async with trio.open_nursery() as nursery:
            for bind in self.binds:
                nursery.start_soon(bind.stop)
            for scope in list(self._turns):
                scope.cancel()
        self._notify()

    @property
    def state(self) -> str:
        """``up`` (all binds), ``degraded`` (some), ``paused`` or ``down``, as status shows it."""
        up = sum(b.state == "bound" for b in self.binds)
        if up == 0:
            return "down"
        if self.held:
            return "paused"
        return "up" if up == len(self.binds) else "degraded"

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS settings as a context, made anew when a file has changed, as renewed certificates do.

        None without TLS. Raises OSError or ssl.SSLError on bad files.
        """
        settings = self.settings
        if not settings.tls:
            return None
        files = [file for file in (settings.tls_ca, settings.tls_cert, settings.tls_key) if file is not None]
        version = tuple(file.stat().st_mtime_ns for file in files)
        if self._context is None or version != self._context_of:
            context = ssl.create_default_context(cafile=str(settings.tls_ca) if settings.tls_ca else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if not settings.tls_verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if settings.tls_cert:
                context.load_cert_chain(str(settings.tls_cert), str(settings.tls_key) if settings.tls_key else None)
            self._context, self._context_of = context, version
        return self._context
