"""The carrier's end of a connection octet by octet, and a carrier whose hooks write down what they are told."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import memory_stream_pair

from gateway.carrier.bind import Answer, Bind
from gateway.carrier.carrier import Carrier
from gateway.carrier.connection import Connector
from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.model import Clock
from gateway.settings import Carrier as CarrierSettings
from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.session import Session
from gateway.smpp.states import RESPONSE_TO
from gateway.sms.segment import SegmentBody, render

Behaviour = Callable[["Wire"], Awaitable[None]]
PATIENCE = 50_000.0
"""Seconds of Trio's clock in which a test has to end; with a jumping clock a wait in vain ends at once."""
_BINDS = (p.BindTransceiver, p.BindTransmitter, p.BindReceiver)


class Wire:
    """One connection that the gateway made; ``received`` are its PDUs as (time, sequence, status, PDU)."""

    def __init__(self, stream: trio.abc.Stream, host: str, port: int, local_address: str | None) -> None:
        self.stream = stream
        self.address = (host, port)
        self.local_address = local_address
        self.at = trio.current_time()
        self.received: list[tuple[float, int, int, p.Pdu]] = []
        self.octets = b""
        self.ended_at: float | None = None
        self.submits = 0
        self._writing = trio.Lock()

    async def read(self) -> tuple[int, p.Pdu] | None:
        """The next PDU and its sequence number; None at the end of the stream."""
        while len(self.octets) < 4 or len(self.octets) < int.from_bytes(self.octets[:4]):
            try:
                data = bytes(await self.stream.receive_some(65536))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                self.ended_at = trio.current_time()
                return None
            self.octets += data
        length = int.from_bytes(self.octets[:4])
        sequence, status, pdu = decode(self.octets[:length])
        self.octets = self.octets[length:]
        self.received.append((trio.current_time(), sequence, status, pdu))
        return sequence, pdu

    async def next(self) -> tuple[int, Any]:
        """The next PDU and its sequence number. Raises BrokenResourceError when the gateway has gone."""
        found = await self.read()
        if found is None:
            raise trio.BrokenResourceError("the gateway has gone")
        return found

    async def expect(self, kind: type[p.Pdu]) -> tuple[int, Any]:
        """The next PDU, which has to be of this kind."""
        found = await self.next()
        assert isinstance(found[1], kind), found[1]
        return found

    async def end(self) -> None:
        """Reads what comes until the gateway closes."""
        while await self.read() is not None:
            pass

    async def send(self, pdu: p.Pdu, sequence: int, status: int = 0) -> None:
        async with self._writing:
            await self.stream.send_all(encode(pdu, sequence, status))

    async def accept(self) -> Any:
        """Takes the bind; returns its PDU."""
        sequence, pdu = await self.next()
        assert isinstance(pdu, _BINDS), pdu
        await self.send(RESPONSE_TO[type(pdu)]("carrier"), sequence)
        return pdu

    async def refuse(self, status: int) -> None:
        """Refuses the bind."""
        sequence, pdu = await self.next()
        await self.send(RESPONSE_TO[type(pdu)](), sequence, status)

    async def serve(self, *, answer: bool = True, after: float = 0, status: int = 0) -> None:
        """Answers whatever comes until the gateway closes or unbinds; submits only with ``answer``.

        These one by one, each ``after`` so many seconds, and with this command_status.
        """
        while (found := await self.read()) is not None:
            sequence, pdu = found
            if isinstance(pdu, p.SubmitSm):
                self.submits += 1
                if after:
                    await trio.sleep(after)
                if answer:
                    await self.send(p.SubmitSmResp("" if status else f"{self.submits}"), sequence, status)
            elif isinstance(pdu, p.EnquireLink | p.Unbind):
                await self.send(RESPONSE_TO[type(pdu)](), sequence)

    async def close(self) -> None:
        await self.stream.aclose()

    def kinds(self) -> list[str]:
        """The names of the PDUs that came."""
        return [type(pdu).__name__ for _, _, _, pdu in self.received]

    def times(self, kind: type[p.Pdu]) -> list[float]:
        """When the PDUs of a kind came."""
        return [at for at, _, _, pdu in self.received if isinstance(pdu, kind)]


async def hold(wire: Wire) -> None:
    """A carrier as it should be."""
    await wire.accept()
    await wire.serve()


class Line:
    """What binds connect to in place of TCP: each attempt is written down and meets what ``behave`` says then."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.behave: Behaviour | Exception = hold
        self.by_host: dict[str, Behaviour | Exception] = {}
        self.attempts: list[tuple[float, str, int]] = []
        self.wires: list[Wire] = []

    async def connect(self, host: str, port: int, local_address: str | None) -> trio.abc.Stream:
        """A `Connector`."""
        self.attempts.append((trio.current_time(), host, port))
        behave = self.by_host.get(host, self.behave)
        await trio.lowlevel.checkpoint()
        if isinstance(behave, Exception):
            raise behave
        ours, theirs = memory_stream_pair()
        wire = Wire(theirs, host, port, local_address)
        self.wires.append(wire)
        self._nursery.start_soon(_behave, behave, wire)
        return ours

    @property
    def times(self) -> list[float]:
        """When it was tried."""
        return [at for at, _, _ in self.attempts]

    @property
    def waits(self) -> list[float]:
        """Seconds between the attempts."""
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]


async def _behave(behave: Behaviour, wire: Wire) -> None:
    try:
        await behave(wire)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # the gateway has gone


class Notes:
    """Hooks of a carrier. An outcome frees its slot at once, as a store without delay does."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.in_doubt: list[SegmentOut] = []
        self.unwritten: list[SegmentOut] = []
        self.came: list[tuple[Bind, Session, int, p.Pdu]] = []
        self.given_back: list[SegmentOut] = []
        self.ended: list[tuple[str, SegmentOut]] = []
        self.states: list[tuple[float, str, str]] = []
        self.rejections = 0
        self.fails: str | None = None
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a condition on the notes, or on the state of a bind."""
        while not condition():
            await self._changed.wait()

    def _note(self, hook: str) -> None:
        self._changed.set()
        self._changed = trio.Event()
        if self.fails == hook:
            self.fails = None
            raise RuntimeError(f"a defect in {hook}")

    def answered(self, bind: Bind, answers: list[Answer]) -> None:
        self._note("answered")
        self.answers += answers
        bind.carrier.settled(bind, sum(not a.late for a in answers))
        bind.carrier.pump()

    def unanswered(self, bind: Bind, segments: list[SegmentOut]) -> None:
        self._note("unanswered")
        self.in_doubt += segments
        bind.carrier.settled(bind, len(segments))

    def lost(self, bind: Bind, written: list[SegmentOut], unwritten: list[SegmentOut]) -> None:
        self._note("lost")
        self.in_doubt += written
        self.unwritten += unwritten
        bind.carrier.settled(bind, len(written) + len(unwritten))

    def late(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        self.ended += [("late", s) for s in segments]
        self._note("late")

    def unsendable(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        self.ended += [("unsendable", s) for s in segments]
        self._note("unsendable")

    def arrived(self, bind: Bind, session: Session, pdus: list[tuple[int, p.DeliverSm | p.DataSm]]) -> None:
        self._note("arrived")
        self.came += [(bind, session, sequence, pdu) for sequence, pdu in pdus]

    def ready(self, carrier: Carrier) -> None:
        self._note("ready")

    def waiting(self, carrier: Carrier) -> bool:
        return False

    def stalled(self, carrier: Carrier) -> None:
        self.given_back += carrier.take_back()
        self._note("stalled")

    def rejected(self, bind: Bind) -> None:
        self.rejections += 1
        self._note("rejected")

    def state(self, bind: Bind) -> None:
        self.states.append((trio.current_time(), bind.name, bind.state))
        self._note("state")

    def written(self, carrier: Carrier, segments: int) -> None:
        self._note("written")


class Held:
    """A carrier that is held in a nursery, what it connects to, and what it told."""

    def __init__(self, carrier: Carrier, line: Line, notes: Notes) -> None:
        self.carrier = carrier
        self.line = line
        self.notes = notes

    @property
    def bind(self) -> Bind:
        return self.carrier.binds[0]

    async def bound(self, count: int = 1) -> None:
        """Waits until so many binds are up."""
        await self.notes.until(lambda: sum(b.state == "bound" for b in self.carrier.binds) >= count)

    async def over(self, count: int = 1) -> None:
        """Waits until so many attempts of the only bind have come to their end."""
        await self.notes.until(
            lambda: len(self.line.attempts) >= count and self.bind.state in ("down", "refused", "stopped")
        )

    async def state(self, state: str) -> None:
        """Waits for a state of the first bind."""
        await self.notes.until(lambda: self.bind.state == state)

    async def attempts_made(self, count: int) -> None:
        """Waits until the first bind has connected again so often."""
        await self.notes.until(lambda: self.bind.reconnects >= count)

    async def attempts(self, count: int) -> list[float]:
        """Waits for so many attempts; when each was."""
        await self.notes.until(lambda: len(self.line.attempts) >= count)
        return self.line.times


def settings(**given: Any) -> CarrierSettings:
    """Settings of a carrier as the configuration makes them."""
    values = {"name": "acme", "host": "smsc.example", "system_id": "user", "password": "secret", **given}
    if "hosts" in values:
        del values["host"]
    return CarrierSettings.model_validate(values)


@asynccontextmanager
async def carrier(
    *,
    seed: int = 1,
    behave: Behaviour | Exception = hold,
    connector: Connector | None = None,
    patience: float = PATIENCE,
    **given: Any,
) -> AsyncIterator[Held]:
    """Runs a carrier in this thread; it is dropped at the end. ``connector``: of its own, in place of a `Line`."""
    with trio.fail_after(patience):
        async with trio.open_nursery() as nursery:
            line, notes = Line(nursery), Notes()
            line.behave = behave
            clock = Clock(lambda: 1_760_000_000_000 + int(trio.current_time() * 1000))
            made = Carrier(
                settings(**given), notes, clock=clock, connector=connector or line.connect, rng=random.Random(seed)
            )
            async with trio.open_nursery() as inner:
                await inner.start(made.run)
                yield Held(made, line, notes)
                inner.cancel_scope.cancel()
            nursery.cancel_scope.cancel()


def segments(count: int, *, lane: int = 0, text: str = "Hello", **given: Any) -> list[SegmentOut]:
    """Claimed segments of as many messages."""
    bodies: tuple[SegmentBody, ...] = render(
        text, encoding="gsm7", scheme="udh8", alphabet="gsm7", udh=b"", flash=None, ref=1
    )
    made = []
    for i in range(count):
        values: dict[str, Any] = {
            "id": i + 1, "app": "app", "number": "+15551230001", "peer": f"+1212555{i:04}", "carrier": "acme",
            "lane": lane, "rank": 5, "parts": 1, "receipt": True, "expires_at": 1 << 62, "validity": False,
            "tlvs": (), "bodies": bodies, "waiting": [], **given,
        }  # fmt: skip
        values.setdefault("until", values["expires_at"])
        made.append(SegmentOut(Outgoing(**values), 1))
    return made
