"""One connection as a carrier has it: PDUs in and out, and what of ours is not acknowledged on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import trio

from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.errors import PduError
from tests.sim.streams import SimStream

if TYPE_CHECKING:
    from tests.sim.carrier import SimCarrier

IDLE: Final = 45.0
"""Seconds of silence after which a carrier takes a connection for dead."""
BINDS: Final[dict[type, type]] = {
    p.BindTransceiver: p.BindTransceiverResp,
    p.BindTransmitter: p.BindTransmitterResp,
    p.BindReceiver: p.BindReceiverResp,
}


class Delivery:
    """Something for the gateway: a receipt, or an inbound part. Kept until it is acknowledged.

    ``stamp`` makes the PDU of each try, where one shall be told from the others.
    """

    def __init__(
        self,
        pdu: p.DeliverSm,
        told: str,
        acknowledged: Callable[[], None],
        stamp: Callable[[int], p.DeliverSm] | None = None,
    ) -> None:
        self.pdu = pdu
        self.stamp = stamp
        self.told = told
        self.acknowledged = acknowledged
        self.done = False
        self.tries = 0


class Line:
    """One connection, as the carrier has it."""

    def __init__(self, carrier: SimCarrier, stream: SimStream, number: int) -> None:
        self.carrier = carrier
        self.stream = stream
        self.number = number
        self.kind: type | None = None
        self.open = True
        self.written: dict[int, float] = {}  # when the gateway wrote a submit, by sequence number
        self.named: dict[int, int] = {}  # the labels of those whose texts have none
        self.unanswered: dict[int, float] = {}  # the same, of those that came and have no answer
        self._sequence = itertools.count(1)
        self._asked: dict[int, Delivery] = {}
        self._out = b""
        self._wake = trio.Event()

    @property
    def bound(self) -> bool:
        return self.open and self.kind is not None

    @property
    def receives(self) -> bool:
        """Whether deliver_sm may be sent on it."""
        return self.bound and self.kind is not p.BindTransmitter

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            await self._read()
            nursery.cancel_scope.cancel()
        self.ended()

    def ended(self) -> None:
        """What was not acknowledged on it is tried again elsewhere."""
        self.open = False
        self.stream.shut()
        self.carrier.lines.discard_line(self)
        for delivery in self._asked.values():
            self.carrier.again(delivery)
        self._asked.clear()

    def send(self, octets: bytes) -> None:
        if self.open:
            self._out += octets
            self._wake.set()

    def hang_up(self) -> None:
        """Closes without a word."""
        if self.open:
            self.ended()

    async def _write(self) -> None:
        while True:
            if not self._out:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            data, self._out = self._out, b""
            try:
                await self.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _read(self) -> None:
        octets = b""
        while self.open:
            data = b""
            with trio.move_on_after(IDLE):
                try:
                    data = await self.stream.receive_some()
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
            if not data:
                return
            octets += data
            while len(octets) >= 4 and len(octets) >= (length := int.from_bytes(octets[:4])):
                frame, octets = octets[:length], octets[length:]
                try:
                    sequence, status, pdu = decode(frame)
                except PduError as error:
                    self.carrier.world.ledger.broken("clean", f"the gateway sent what cannot be read: {error}")
                    return
                self._take(sequence, status, pdu)
                if not self.open:
                    return

    def _take(self, sequence: int, status: int, pdu: Any) -> None:
        carrier = self.carrier
        if isinstance(pdu, p.SubmitSm):
            carrier.submitted(self, sequence, pdu)
        elif isinstance(pdu, p.DeliverSmResp | p.GenericNack):
            delivery = self._asked.pop(sequence, None)
            if delivery is None:
                return
            if status == 0 and isinstance(pdu, p.DeliverSmResp):
                carrier.acknowledged(delivery)
            else:
                carrier.again(delivery)
        elif isinstance(pdu, p.QuerySm):
            carrier.asked(self, sequence, pdu)
        elif isinstance(pdu, p.EnquireLink):
            if not carrier.chance("deaf_to_enquiries"):
                self.send(encode(p.EnquireLinkResp(), sequence))
        elif isinstance(pdu, p.Unbind):
            self.send(encode(p.UnbindResp(), sequence))
            carrier.later(0.05, self.hang_up)
        elif type(pdu) in BINDS:
            carrier.binding(self, sequence, pdu)

    def deliver(self, delivery: Delivery) -> None:
        sequence = next(self._sequence)
        self._asked[sequence] = delivery
        delivery.tries += 1
        self.send(encode(delivery.pdu if delivery.stamp is None else delivery.stamp(delivery.tries), sequence))

    def asked(self, sequence: int) -> Delivery | None:
        """What the gateway answers with this number."""
        return self._asked.get(sequence)

    def unbind(self) -> None:
        self.send(encode(p.Unbind(), next(self._sequence)))

    def enquire(self) -> None:
        self.send(encode(p.EnquireLink(), next(self._sequence)))


class Lines(list[Line]):
    """The connections of a carrier, in the order in which they came."""

    def discard_line(self, line: Line) -> None:
        if line in self:
            self.remove(line)
