"""An SMSC that does what the test says: it withholds, reorders and refuses answers, and goes away in between."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import trio
from trio.testing import memory_stream_pair

from gateway.link import Link
from gateway.smpp.events import Event, RequestReceived, ResponseReceived, UnbindReceived
from gateway.smpp.pdu import (
    Address,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    QuerySm,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
    Tlv,
    Unbind,
)
from gateway.smpp.session import Session, SessionConfig
from gateway.smpp.states import Role

NUMBER, PEER = "+15551230001", "+12125550101"
STATES = {
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
    "ENROUTE": 1,
}


def address(text: str) -> Address:
    """An address as carriers write it: international without +, with TON and NPI 1; else as it is."""
    return Address(1, 1, text[1:]) if text.startswith("+") else Address(0, 1, text)


def labelled(number: int, length: int = 10) -> str:
    """A text of at least ``length`` characters, each part of which tells its number."""
    return f"{number:04} " * (1 + (length - 1) // 5)


def withhold(_: Submitted) -> None:
    """An SMSC that answers when it is told to."""


def peers(count: int) -> list[str]:
    """That many phones."""
    return [f"+1212555{i:04}" for i in range(count)]


class Submitted:
    """A submit_sm as it came: ``status`` and ``message_id`` are of the answer, None while there is none."""

    def __init__(self, bind: Bound, sequence: int, pdu: SubmitSm, place: int) -> None:
        self.bind = bind
        self.sequence = sequence
        self.pdu = pdu
        self.place = place
        self.at = trio.current_time()
        self.status: int | None = None
        self.message_id = ""

    @property
    def concat(self) -> tuple[int, int, int]:
        """Reference, total and number of a part by its 8-bit header; (0, 1, 1) without one."""
        octets = self.pdu.short_message
        return (octets[3], octets[4], octets[5]) if self.pdu.esm_class & 0x40 else (0, 1, 1)

    @property
    def text(self) -> str:
        """The text of a part in ASCII."""
        octets = self.pdu.short_message
        return (octets[6:] if self.pdu.esm_class & 0x40 else octets).decode("latin-1")

    @property
    def label(self) -> str:
        """The number that `labelled` put into every part of a text."""
        found = re.search(r"(\d{4}) ", self.text)
        assert found is not None, self.text
        return found[1]

    @property
    def peer(self) -> str:
        """The destination."""
        return f"+{self.pdu.destination.addr}"

    def __repr__(self) -> str:
        return f"<{self.place}: {self.text[:20]!r} {self.concat} to {self.peer} on bind {self.bind.number}>"


class Bound:
    """One connection of the gateway, bound or about to be."""

    def __init__(self, smsc: Smsc, stream: trio.abc.Stream, number: int, host: str) -> None:
        self.smsc = smsc
        self.host = host
        self.number = number
        self.kind = ""
        self.unbound = False
        self.open = True
        self.answers: list[tuple[Any, int]] = []  # (token, command_status) of what was delivered
        config = SessionConfig(window=10_000, response_timeout=1e6, enquire_link=0)
        self.session = Session(Role.SMSC, config, trio.current_time())
        self.link = Link(stream, self.session, self._events)

    async def run(self) -> None:
        await self.link.run()
        self.open = False
        self.smsc.changed()

    def _events(self, events: list[Event]) -> None:
        smsc = self.smsc
        for event in events:
            if isinstance(event, RequestReceived):
                if isinstance(event.pdu, SubmitSm):
                    smsc.submitted(self, event.sequence, event.pdu)
                elif isinstance(event.pdu, QuerySm):
                    smsc.asked(self, event.sequence, event.pdu)
                elif isinstance(event.pdu, BindTransceiver | BindTransmitter | BindReceiver):
                    self._bind(event.sequence, event.pdu)
            elif isinstance(event, ResponseReceived):
                self.answers.append((event.token, event.status))
            elif isinstance(event, UnbindReceived):
                self.unbound = True
        smsc.changed()

    def _bind(self, sequence: int, pdu: BindTransceiver | BindTransmitter | BindReceiver) -> None:
        self.kind = type(pdu).__name__.removeprefix("Bind").lower()
        if self.smsc.bind_status:
            self.session.refuse_bind(sequence, self.smsc.bind_status)
        else:
            self.session.accept_bind(sequence, "scripted", trio.current_time())
            self.smsc.binds.append(self)

    def disconnect(self) -> None:
        """Drops the connection without a word."""
        self.link.close()

    def unbind(self) -> None:
        """Asks the gateway to go."""
        self.session.send_request(Unbind(), trio.current_time())
        self.link.flush()

    def deliver(self, pdu: DeliverSm, token: Any = None) -> None:
        """Sends a deliver_sm; its answer comes to `answers`."""
        self.session.send_request(pdu, trio.current_time(), token)
        self.link.flush()


Answer = Callable[[Submitted], int | None]


class Smsc:
    """``answer`` says the command_status for each submit_sm as it comes, or None to withhold it for now."""

    def __init__(self, nursery: trio.Nursery, answer: Answer = lambda _: 0) -> None:
        self._nursery = nursery
        self.answer = answer
        self.up = True
        self.bind_status = 0
        self.attempts: list[float] = []
        self.binds: list[Bound] = []
        self.submits: list[Submitted] = []
        self.next_id: Callable[[Submitted], str] = lambda s: f"{s.place + 1000}"
        self.queries: list[tuple[float, QuerySm]] = []
        self.answer_query: Callable[[QuerySm], tuple[int, int] | None] = lambda _: (STATES["ENROUTE"], 0)
        """The message_state and command_status for a query_sm, or None to leave it unanswered."""
        self.hung: trio.Event | None = None
        self._changed = trio.Event()

    async def connect(self, host: str, port: int, local_address: str | None) -> trio.abc.Stream:
        """What the daemon is given in place of TCP."""
        self.attempts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if not self.up:
            raise ConnectionRefusedError(111, "Connection refused")
        theirs, ours = memory_stream_pair()
        pump = theirs.send_stream.send_all_hook
        assert pump is not None

        async def sent() -> None:
            await pump()
            if self.hung is not None:
                await self.hung.wait()

        theirs.send_stream.send_all_hook = sent
        bound = Bound(self, ours, len(self.attempts) - 1, host)
        self._nursery.start_soon(bound.run)
        return theirs

    def hang(self) -> None:
        """From the next write on, the gateway's writes come through, but do not return: its socket is full."""
        self.hung = trio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a condition on what came here."""
        while not condition():
            await self._changed.wait()

    async def bound(self, count: int = 1) -> Bound:
        """The last bind, once there have been so many."""
        await self.until(lambda: len(self.binds) >= count)
        return self.binds[-1]

    async def came(self, count: int) -> list[Submitted]:
        """All submits, once there have been so many."""
        await self.until(lambda: len(self.submits) >= count)
        return self.submits

    @property
    def texts(self) -> list[str]:
        """The texts of all submits in their order."""
        return [s.text for s in self.submits]

    @property
    def unanswered(self) -> list[Submitted]:
        """What waits for an answer on a connection that stands."""
        return [s for s in self.submits if s.status is None and s.bind.open]

    def submitted(self, bind: Bound, sequence: int, pdu: SubmitSm) -> None:
        submit = Submitted(bind, sequence, pdu, len(self.submits))
        self.submits.append(submit)
        status = self.answer(submit)
        if status is not None:
            self.respond(submit, status)

    def asked(self, bind: Bound, sequence: int, pdu: QuerySm) -> None:
        self.queries.append((trio.current_time(), pdu))
        answer = self.answer_query(pdu)
        if answer is not None:
            state, status = answer
            bind.session.send_response(
                sequence, QuerySmResp(pdu.message_id, "", state, 69 if state == 5 else 0), status
            )
            bind.link.flush()

    def respond(self, submit: Submitted, status: int = 0, message_id: str | None = None) -> None:
        """Answers a submit_sm."""
        submit.status = status
        if not status:
            submit.message_id = self.next_id(submit) if message_id is None else message_id
        submit.bind.session.send_response(submit.sequence, SubmitSmResp(submit.message_id), status)
        submit.bind.link.flush()

    def receipt(
        self,
        submit: Submitted,
        stat: str = "DELIVRD",
        *,
        message_id: str | None = None,
        bind: Bound | None = None,
        form: str = "both",
        esm_class: int = 0x04,
        peer: str | None = None,
        error: str = "000",
    ) -> None:
        """Sends a receipt for a submit; ``form`` is tlv, text or both (SMPP 3.4 Appendix B)."""
        id = submit.message_id if message_id is None else message_id
        text = (
            f"id:{id} sub:001 dlvrd:001 submit date:2511212200 done date:2511212201 stat:{stat} err:{error} text:Hello"
        )
        tlvs = (Tlv(0x001E, id), Tlv(0x0427, STATES[stat])) if form != "text" else ()
        pdu = DeliverSm(
            address(peer) if peer is not None else submit.pdu.destination,
            submit.pdu.source,
            b"" if form == "tlv" else text.encode(),
            esm_class=esm_class,
            tlvs=tlvs,
        )
        (bind or submit.bind).deliver(pdu, ("receipt", id))
