"""An ESME in memory, for tests: one of our sessions over a memory stream, and what it received."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio
from trio.testing import memory_stream_pair

from gateway.link import Link
from gateway.simulator import Simulator
from gateway.smpp.events import (
    BindRefused,
    Bound,
    Closed,
    Event,
    RequestReceived,
    ResponseReceived,
    UnbindReceived,
)
from gateway.smpp.pdu import (
    Address,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    Pdu,
    SubmitSm,
    Tlv,
    Unbind,
)
from gateway.smpp.session import Session, SessionConfig
from gateway.smpp.states import Role

NUMBER, PEER = Address(1, 1, "15551230001"), Address(1, 1, "12125550101")
_BINDS = {"transmitter": BindTransmitter, "receiver": BindReceiver, "transceiver": BindTransceiver}


def message(
    octets: bytes = b"Hello",
    *,
    receipt: int = 1,
    esm_class: int = 0,
    data_coding: int = 0,
    tlvs: Iterable[tuple[int, int | bytes]] = (),
    destination: Address = PEER,
) -> SubmitSm:
    """A submit_sm from NUMBER to PEER."""
    return SubmitSm(
        NUMBER,
        destination,
        octets,
        esm_class=esm_class,
        data_coding=data_coding,
        registered_delivery=receipt,
        tlvs=tuple(Tlv(tag, value) for tag, value in tlvs),
    )


class Esme:
    """What it got, in order: `events`, with `times` of Trio's clock beside them.

    `answer` gives the command_status for each deliver_sm, None to leave it unanswered.
    """

    def __init__(self, stream: trio.abc.Stream, answer: Callable[[DeliverSm], int | None]) -> None:
        config = SessionConfig(window=10_000, response_timeout=1e6, enquire_link=0)
        self.session = Session(Role.ESME, config, trio.current_time())
        self.link = Link(stream, self.session, self._events)
        self.answer = answer
        self.events: list[Event] = []
        self.times: list[float] = []
        self._changed = trio.Event()

    def _events(self, events: list[Event]) -> None:
        now = trio.current_time()
        for event in events:
            self.events.append(event)
            self.times.append(now)
            if isinstance(event, RequestReceived) and isinstance(event.pdu, DeliverSm):
                self.reply(event, self.answer(event.pdu))
        self._changed.set()
        self._changed = trio.Event()

    def reply(self, event: RequestReceived, status: int | None) -> None:
        """Answer a deliver_sm."""
        if status is not None:
            self.session.send_response(event.sequence, DeliverSmResp(), status)
            self.link.flush()

    def send(self, *pdus: Pdu) -> None:
        """Send requests in one write; their token is their place."""
        for place, pdu in enumerate(pdus):
            self.session.send_request(pdu, trio.current_time(), place)
        self.link.flush()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on what it got."""
        while not condition():
            await self._changed.wait()

    @property
    def requests(self) -> list[RequestReceived]:
        """The deliver_sm that came."""
        return [event for event in self.events if isinstance(event, RequestReceived)]

    @property
    def delivered(self) -> list[DeliverSm]:
        """The same as PDUs."""
        return [event.pdu for event in self.requests if isinstance(event.pdu, DeliverSm)]

    @property
    def responses(self) -> list[ResponseReceived]:
        """The responses to submits."""
        return [event for event in self.events if isinstance(event, ResponseReceived)]

    @property
    def statuses(self) -> list[int]:
        """Their command_status."""
        return [event.status for event in self.responses]

    @property
    def ids(self) -> list[str]:
        """Their message_id."""
        return [event.pdu.message_id for event in self.responses]  # type: ignore[attr-defined]

    async def delivers(self, count: int) -> list[DeliverSm]:
        """The deliver_sm, once there are so many."""
        await self.until(lambda: len(self.delivered) >= count)
        assert len(self.delivered) == count
        return self.delivered

    async def responds(self, count: int) -> list[ResponseReceived]:
        """The responses, once there are so many."""
        await self.until(lambda: len(self.responses) >= count)
        assert len(self.responses) == count
        return self.responses

    async def bound(self) -> Bound:
        """The answer to a bind, which must be taken."""
        await self.until(lambda: any(isinstance(event, Bound | BindRefused) for event in self.events))
        event = next(event for event in self.events if isinstance(event, Bound | BindRefused))
        assert isinstance(event, Bound)
        return event

    async def closed(self) -> Closed:
        """How it ended."""
        await self.until(lambda: bool(self.events) and isinstance(self.events[-1], Closed))
        event = self.events[-1]
        assert isinstance(event, Closed)
        return event

    async def unbind(self) -> None:
        """Unbind and wait for the end."""
        self.send(Unbind())
        await self.closed()

    @property
    def was_unbound(self) -> bool:
        """Whether the SMSC asked to unbind."""
        return any(isinstance(event, UnbindReceived) for event in self.events)


__all__ = ["NUMBER", "PEER", "DataSm", "DataSmResp", "Esme", "connect", "message"]


async def connect(
    nursery: trio.Nursery,
    simulator: Simulator,
    kind: str = "transceiver",
    *,
    system_id: str = "esme",
    password: str = "secret",
    version: int = 0x34,
    answer: Callable[[DeliverSm], int | None] = lambda _: 0,
    wait: bool = True,
) -> Esme:
    """An ESME that has bound (or, without `wait`, asked to)."""
    ours, theirs = memory_stream_pair()
    esme = Esme(ours, answer)
    nursery.start_soon(_watchdog)
    nursery.start_soon(simulator.serve_stream, theirs)
    nursery.start_soon(esme.link.run)
    esme.send(_BINDS[kind](system_id, password, interface_version=version))
    if wait:
        await esme.bound()
    return esme


async def _watchdog() -> None:
    # The clock jumps when nothing happens, so a test that waits in vain ends at once.
    await trio.sleep(10_000)
    raise AssertionError("what the test waits for does not come")
