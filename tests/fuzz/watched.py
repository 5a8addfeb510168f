"""A session of which everything that is true of any session is asserted after each step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from gateway.smpp import pdu as p
from gateway.smpp.codec import FrameBuffer, decode, encode
from gateway.smpp.constants import RESPONSE_BIT
from gateway.smpp.events import Bound, Closed, Event, RequestExpired, RequestReceived, ResponseReceived
from gateway.smpp.session import LocalProtocolError, Role, Session, SessionConfig, SessionState
from gateway.smpp.states import BOUND_BY, BOUND_STATES, RESPONSE_TO, WINDOWED

S = SessionState

_FOLLOWERS: Final[dict[SessionState, frozenset[SessionState]]] = {
    # What may follow at once, whoever did it (3.4 §2.2, 5.0 §2.3): nothing leads back from being bound.
    S.OPEN: frozenset({S.OUTBOUND, S.BINDING, S.CLOSED}),
    S.OUTBOUND: frozenset({S.BINDING, S.CLOSED}),
    S.BINDING: frozenset({S.OPEN, *BOUND_STATES, S.CLOSED}),
    **dict.fromkeys(BOUND_STATES, frozenset({S.UNBINDING, S.CLOSED})),
    S.UNBINDING: frozenset({S.CLOSED}),
    S.CLOSED: frozenset(),
}


def _reachable(state: SessionState) -> frozenset[SessionState]:
    found = {state}
    todo = [state]
    while todo:
        for follower in _FOLLOWERS[todo.pop()] - found:
            found.add(follower)
            todo.append(follower)
    return frozenset(found)


_REACHABLE: Final = {state: _reachable(state) for state in SessionState}

_ANSWER_MOST: Final = 40
"""Octets of the longest PDU that a session sends by itself."""
_SMSC: Final = b"SMSC\0\x02\x10\0\x01\x34"


def _answer(command: int, sequence: int, body: bytes) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (16 + len(body), command, 0, sequence)) + body


class Watched:
    """One end of a connection in a state; `feed`, `pass_time` and what sends assert and return nothing."""

    def __init__(self, role: Role, state: SessionState, config: SessionConfig) -> None:
        self.now = 0.0
        self.session = Session(role, config, 0.0)
        self.log: list[Event] | None = None
        """All events, if a list is put here."""
        self.output = bytearray()
        """All that it sent."""
        self._live: dict[object, tuple[int, type[p.Pdu]]] = {}
        self._expired: set[object] = set()
        self._owed: list[tuple[int, type[p.Pdu]]] = []
        self._owed_count = 0
        self._binds: list[int] = []
        self._closed = False
        self._enter(role, state)

    def _enter(self, role: Role, state: SessionState) -> None:
        if state is S.OPEN:
            return
        if state is S.CLOSED:
            self.end()
            return
        if state is S.OUTBOUND:
            if role is Role.SMSC:
                self.request(p.Outbind("SMSC", "pw"))
            else:
                self.feed(_answer(0x0B, 900, b"SMSC\0pw\0"))
            return
        bind = {S.BOUND_TX: p.BindTransmitter, S.BOUND_RX: p.BindReceiver}.get(state, p.BindTransceiver)
        if role is Role.ESME:
            self.request(bind("user", "pw"))
            if state is not S.BINDING:
                self.feed(_answer(bind.command_id | RESPONSE_BIT, self.session.config.first_sequence, _SMSC))
        else:
            self.feed(_answer(bind.command_id, 901, b"user\0pw\0\0\x34\0\0\0"))
            if state is not S.BINDING:
                self.accept_bind()
        if state is S.UNBINDING:
            self.request(p.Unbind())
        assert self.session.state is state

    # --- what the peer and the clock do ---

    def feed(self, octets: bytes, size: int = 0) -> None:
        """Octets of the peer, in pieces of `size`, or at once."""
        for at in range(0, len(octets), size or len(octets) or 1):
            piece = octets[at : at + size] if size else octets
            before = self.session.state
            events = self.session.receive_data(piece, self.now)
            self._check(events, before, len(piece) // 16 + 2)

    def pass_time(self, seconds: float) -> None:
        """The clock goes on, and deadlines are met until there are none."""
        self.now += seconds
        for _ in range(20):
            before = self.session.state
            self._check(self.session.on_deadline(self.now), before, 2)
            if self.session.next_deadline() > self.now:
                return
        raise AssertionError("a deadline that cannot be met: the session would be called for ever")

    def end(self) -> None:
        """The connection ends."""
        before = self.session.state
        self._check(self.session.receive_eof(self.now), before, 0)
        assert self.session.state is S.CLOSED

    # --- what its user does: any of it may be refused, then nothing has changed ---

    def request(self, pdu: p.Pdu) -> None:
        """A request of ours."""
        token = object()

        def send() -> None:
            sequence = self.session.send_request(pdu, self.now, token)
            if type(pdu) in WINDOWED:
                self._live[token] = sequence, RESPONSE_TO[type(pdu)]

        self._try(send)

    def respond(self, status: int, *, wrong: bool = False) -> None:
        """An answer to the oldest request of the peer, or one to none."""
        sequence, response = self._owed[0] if self._owed and not wrong else (12345, p.SubmitSmResp)

        def send() -> None:
            self.session.send_response(sequence, response(), status)
            if not self._closed:
                self._owed_count -= 1
                del self._owed[:1]

        self._try(send)

    def accept_bind(self) -> None:
        """The peer's bind is taken."""
        self._try(lambda: self.session.accept_bind(self._binds[-1] if self._binds else 7, "SMSC", self.now))

    def refuse_bind(self, status: int) -> None:
        """The peer's bind is refused."""
        self._try(lambda: self.session.refuse_bind(self._binds[-1] if self._binds else 7, status))

    def answered(self, status: int) -> None:
        """The peer answers the oldest of our requests."""
        for sequence, response in self._live.values():
            self.feed(encode(response(), sequence, status))
            return

    def _try(self, action: Callable[[], Any]) -> None:
        before = self.session.state
        seen = (before, self.session.outstanding, self.session.unanswered, self.session.pending_output)
        try:
            action()
        except (LocalProtocolError, ValueError):
            after = (
                self.session.state,
                self.session.outstanding,
                self.session.unanswered,
                self.session.pending_output,
            )
            assert after == seen, "a refused call has changed the session"
        self._check([], before, 4)

    # --- what is always true ---

    def _check(self, events: list[Event], before: SessionState, answers: int) -> None:
        it = self.session
        for event in events:
            self._event(event)
        if self.log is not None:
            self.log += events
        state = it.state
        assert state in _REACHABLE[before], f"from {before} to {state}"
        assert (state is S.CLOSED) == self._closed, "closed without an event, or an event without being closed"
        live = self._live
        assert it.outstanding_tokens() == list(live), "not the requests that are unanswered"
        assert it.outstanding == len(live) == it.config.window - it.window_free <= it.config.window
        if not self._closed:
            assert it.unanswered == self._owed_count >= 0
        deadline = it.next_deadline()
        assert not math.isnan(deadline)
        assert deadline == math.inf or not self._closed
        pending = it.pending_output
        assert pending <= answers * _ANSWER_MOST + 300, f"{pending} octets in answer to {answers} PDUs"
        output = it.data_to_send()
        assert len(output) == pending
        self.output += output

    def _event(self, event: Event) -> None:
        assert not self._closed, f"{event!r} after the end"
        repr(event)
        if isinstance(event, RequestReceived):
            cls = type(event.pdu)
            if cls in WINDOWED:
                self._owed.append((event.sequence, RESPONSE_TO[cls]))
                self._owed_count += 1
            elif cls in BOUND_BY:
                self._binds.append(event.sequence)
        elif isinstance(event, ResponseReceived):
            if event.late:
                assert event.token in self._expired, "a late answer to no request, or the second to one"
                self._expired.discard(event.token)
            else:
                assert event.token in self._live, "an answer to no request, or the second to one"
                del self._live[event.token]
            assert event.status or not isinstance(event.pdu, p.GenericNack), "a generic_nack that says ESME_ROK"
        elif isinstance(event, RequestExpired):
            assert event.token in self._live
            del self._live[event.token]
            self._expired.add(event.token)
        elif isinstance(event, Bound):
            assert event.state.is_bound
        elif isinstance(event, Closed):
            self._closed = True

    def check_output(self) -> None:
        """All that was sent is PDUs that read, and after the end there is nothing more."""
        frames = FrameBuffer().feed(bytes(self.output))
        assert sum(map(len, frames)) == len(self.output)
        for frame in frames:
            decode(frame)
        assert self.session.data_to_send() == b""
