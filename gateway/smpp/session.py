"""The state machine of one SMPP connection, either end of it, without clock and without socket.

Octets that were read go into `receive_data` and events come out; requests and responses go into
`send_request` and `send_response` and their octets come out of `data_to_send`. Time is a float of seconds
from any monotonic clock, passed in; `next_deadline` says when `on_deadline` is to be called.

The session answers by itself enquire_link and unbind, and everything that it cannot take; it sends
enquire_link when nothing came in for a while. All the rest is left to who uses it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from gateway.smpp import pdu as p
from gateway.smpp.codec import UNREADABLE, command_name, decode, encode, read_header, reader_of
from gateway.smpp.config import SessionConfig
from gateway.smpp.constants import RESPONSE_BIT, CommandStatus, Tag
from gateway.smpp.errors import LocalProtocolError, RecoverablePduError, UnrecoverablePduError, WindowFull
from gateway.smpp.events import (
    BindRefused,
    Bound,
    Closed,
    CloseReason,
    Event,
    PduRejected,
    RequestExpired,
    RequestReceived,
    ResponseReceived,
    UnbindReceived,
    congestion_state,
)
from gateway.smpp.framing import FrameBuffer
from gateway.smpp.pdu import Pdu
from gateway.smpp.sender import Sender
from gateway.smpp.states import (
    BOUND_BY,
    BOUND_STATES,
    RESPONSE_TO,
    WINDOWED,
    WINDOWED_RESPONSES,
    Role,
    SessionState,
)

__all__ = [
    "BindRefused",
    "Bound",
    "CloseReason",
    "Closed",
    "Event",
    "LocalProtocolError",
    "PduRejected",
    "RequestExpired",
    "RequestReceived",
    "ResponseReceived",
    "Role",
    "Session",
    "SessionConfig",
    "SessionState",
    "UnbindReceived",
    "WindowFull",
]

_BINDS: Final = (p.BindTransmitter, p.BindReceiver, p.BindTransceiver)
_BIND_RESPONSES: Final = (p.BindTransmitterResp, p.BindReceiverResp, p.BindTransceiverResp)
_ANSWER_TO: Final = {request.command_id: response() for request, response in RESPONSE_TO.items()}


class Session(Sender):
    """One end of one connection, which is taken to be made at the `now` that it is created with."""

    def __init__(self, role: Role, config: SessionConfig, now: float) -> None:
        super().__init__(role, config, now)
        self._frames = FrameBuffer(config.max_pdu)
        # The peer's unbind, and until when it can wait for its answer.
        self._unbind: tuple[int, float] | None = None
        self._partial_since = math.inf
        self._deaf = False
        self._init_deadline = now + (config.session_init or math.inf)
        self.unmatched_responses = 0
        """Responses to no request of ours, or to one that had been answered."""

    def _over(self) -> bool:
        return self._state is SessionState.CLOSED

    def _close(self, reason: CloseReason, detail: str, events: list[Event]) -> None:
        self._enter(SessionState.CLOSED)
        self._bind = None
        self._unbind = None
        events.append(Closed(reason, detail))

    # --- receiving ---

    @property
    def partial(self) -> bytes:
        """What came in of a PDU that is not complete."""
        return self._frames.partial

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take what was read; the events of all PDUs that are complete with it. Raises nothing."""
        events: list[Event] = []
        if self._state is SessionState.CLOSED or not data:
            return events
        fault = ""
        frames: Sequence[bytes]
        try:
            frames = self._frames.feed(data)
        except UnrecoverablePduError as error:
            frames = error.frames
            fault = error.detail
        self._received_at = now
        if frames:
            self._receive_frames(frames, now, events)
        if self._over():
            return events
        if fault:
            # §4.3.1: the sequence_number of what could not be read is not known.
            self._send(encode(p.GenericNack(), 0, CommandStatus.ESME_RINVCMDLEN))
            self._close(CloseReason.PROTOCOL_ERROR, fault, events)
        elif not self._frames.waiting:
            self._partial_since = math.inf
        elif frames or self._partial_since == math.inf:
            self._partial_since = now
        return events

    def receive_eof(self, now: float) -> list[Event]:
        """The peer has closed the connection, or it broke."""
        events: list[Event] = []
        if self._state is not SessionState.CLOSED:
            waiting = self._frames.waiting
            self._close(CloseReason.EOF, f"with {waiting} octets of a PDU" if waiting else "", events)
        return events

    def _receive_frames(self, frames: Sequence[bytes], now: float, events: list[Event]) -> None:
        # Every PDU comes through here.
        windowed = self._windowed
        append = events.append
        active = False
        answer = None
        for frame in frames:
            _, command_id, status, sequence = read_header(frame)
            try:
                pdu = reader_of(command_id)(frame)
            except UNREADABLE:
                self._unreadable(frame, events)
                continue
            cls = type(pdu)
            if cls in WINDOWED_RESPONSES:
                active = True
                entry = windowed.get(sequence)
                if entry is not None and entry[2] is cls:
                    del windowed[sequence]
                    append(ResponseReceived(sequence, status, pdu, entry[1]))
                    answer = pdu
                else:
                    self._odd_response(sequence, status, pdu, events)
            elif cls in WINDOWED and cls in self._peer_may:
                active = True
                self._unanswered += 1
                append(RequestReceived(sequence, pdu))
            elif pdu.command_id & RESPONSE_BIT:
                self._control_response(sequence, status, pdu, now, events)
                if self._over():
                    return
            else:
                active = True
                self._control_request(sequence, pdu, now, events)
                if self._over():
                    return
        if active:
            self._active_at = now
        if answer is not None:
            # Of those of one read the last says enough.
            self._congestion(answer)
        self._finish_unbind(now, events)

    def _unreadable(self, frame: bytes, events: list[Event]) -> None:
        try:
            decode(frame)
        except RecoverablePduError as error:
            self._reject(error.sequence, error.command_id, error.status, error.detail, events)

    def _control_request(self, sequence: int, pdu: Pdu, now: float, events: list[Event]) -> None:
        cls = type(pdu)
        if cls not in self._peer_may:
            status = CommandStatus.ESME_RINVBNDSTS
            if cls in BOUND_BY and (self._state in BOUND_STATES or self._bind is not None):
                status = CommandStatus.ESME_RALYBND
            name = command_name(pdu.command_id)
            detail = f"{name} from the {self._role.peer.value} when {self._state.value}"
            self._reject(sequence, pdu.command_id, status, detail, events)
        elif cls is p.EnquireLink:
            self._send(encode(p.EnquireLinkResp(), sequence))
        elif cls is p.Unbind:
            events.append(UnbindReceived())
            self._unbinding()
            self._unbind = (sequence, now + self._config.unbind_grace)
            self._finish_unbind(now, events)
        else:
            if cls in BOUND_BY:
                self._enter(SessionState.BINDING)
                self._bind = (sequence, pdu)
            elif cls is p.Outbind:
                self._enter(SessionState.OUTBOUND)
            events.append(RequestReceived(sequence, pdu))

    def _control_response(self, sequence: int, status: int, pdu: Pdu, now: float, events: list[Event]) -> None:
        entry = self._ledger.control.get(sequence)
        nack = isinstance(pdu, p.GenericNack)
        if entry is None or not (nack or RESPONSE_TO[type(entry[2])] is type(pdu)):
            self._odd_response(sequence, status, pdu, events)
            return
        del self._ledger.control[sequence]
        self._congestion(pdu)
        request = entry[2]
        if isinstance(request, _BINDS):
            if nack or status != CommandStatus.ESME_ROK:
                self._enter(SessionState.OPEN)
                events.append(BindRefused(_refusal(status)))
            elif isinstance(pdu, _BIND_RESPONSES):
                self._active_at = now
                self._enter(BOUND_BY[type(request)])
                version = pdu.tlv(Tag.SC_INTERFACE_VERSION)
                self.peer_version = version if isinstance(version, int) else None
                events.append(Bound(self._state, pdu.system_id, self.peer_version))
        elif isinstance(request, p.Unbind):
            self._close(CloseReason.UNBOUND, "", events)

    def _odd_response(self, sequence: int, status: int, pdu: Pdu, events: list[Event]) -> None:
        # Responses that are not simply the answer to a request that waits.
        nack = isinstance(pdu, p.GenericNack)
        entry = self._windowed.get(sequence)
        if entry is not None and nack:
            del self._windowed[sequence]
            events.append(ResponseReceived(sequence, _refusal(status), pdu, entry[1]))
        elif entry is not None or sequence in self._ledger.control:
            # A response of another command is no answer (§3.2): the request goes on waiting, and may
            # expire. It is told, and not answered, for a response never is.
            detail = f"{command_name(pdu.command_id)} in answer to another command"
            events.append(PduRejected(detail, sequence, int(CommandStatus.ESME_RINVCMDID), pdu.command_id))
        elif late := self._ledger.take_late(sequence, None if nack else type(pdu)):
            status = _refusal(status) if nack else status
            events.append(ResponseReceived(sequence, status, pdu, late[0], late=True))
        else:
            self.unmatched_responses += 1

    def _congestion(self, pdu: Pdu) -> None:
        said = congestion_state(pdu)
        if said is not None:
            self.congestion_state = said
            self.congestion_told = True

    def _reject(self, sequence: int, command_id: int, status: int, detail: str, events: list[Event]) -> None:
        # §4.3.1: generic_nack where the command is not known; else the response of the command. Not to a
        # response: two ends could go on refusing each other's refusals.
        if not command_id & RESPONSE_BIT:
            self._send(encode(_ANSWER_TO.get(command_id, p.GenericNack()), sequence, status))
        events.append(PduRejected(detail, sequence, int(status), command_id))

    def _finish_unbind(self, now: float, events: list[Event]) -> None:
        # unbind_resp goes out last: the answers that either end owes come before it, for a short while.
        if self._unbind is not None:
            sequence, until = self._unbind
            if now >= until or not (self._windowed or self._unanswered):
                self._send(encode(p.UnbindResp(), sequence))
                self._close(CloseReason.UNBOUND, "by the peer", events)

    # --- time ---

    def deaf(self, deaf: bool, now: float) -> None:
        """Whether reading is stopped at our own will: silence then says nothing of the peer, until it is read again."""
        self._deaf = deaf
        self._received_at = now
        if self._partial_since != math.inf:
            self._partial_since = now

    @property
    def enquiring(self) -> bool:
        """Whether a request of the session's own, an enquire_link say, waits for its answer."""
        return bool(self._ledger.control)

    def next_deadline(self) -> float:
        """When `on_deadline` is to be called, if nothing else comes before; inf: never.

        Every call that sends or receives may change it. It can be in the past: then at once.
        """
        if self._state is SessionState.CLOSED:
            return math.inf
        deadline = min(self._ledger.next_deadline(), self._partial_at())
        if self._unbind is not None:
            if not (self._windowed or self._unanswered):
                return -math.inf
            return min(deadline, self._unbind[1])
        if self._state in BOUND_STATES:
            return min(deadline, self._enquire_at(), self._inactive_at())
        if self._state is SessionState.UNBINDING:
            return deadline
        return min(deadline, self._init_deadline)

    def on_deadline(self, now: float) -> list[Event]:
        """Do what is due at `now`; nothing when called too early."""
        events: list[Event] = []
        if self._state is SessionState.CLOSED:
            return events
        for sequence, token in self._ledger.expire(now):
            events.append(RequestExpired(sequence, token))
        for sequence, sent_at, request in self._ledger.expired_control(now):
            self._control_expired(sequence, sent_at, request, events)
            if self._over():
                return events
        config = self._config
        self._finish_unbind(now, events)
        if self._over():
            return events
        if self._partial_at() <= now:
            detail = f"{self._frames.waiting} octets of a PDU and no more in {config.partial_frame:g} s"
            self._close(CloseReason.PARTIAL_FRAME, detail, events)
        elif self._state in BOUND_STATES:
            if self._inactive_at() <= now:
                self._send(encode(p.Unbind(), self._ledger.sequence()))
                self._close(CloseReason.INACTIVITY, f"nothing for {config.inactivity:g} s", events)
            elif self._enquire_at() <= now:
                self.send_request(p.EnquireLink(), now)
        elif self._state is not SessionState.UNBINDING and self._init_deadline <= now:
            self._close(CloseReason.SESSION_INIT, f"not bound in {config.session_init:g} s", events)
        return events

    def _enquire_at(self) -> float:
        # While one is under way its own deadline counts.
        if self._deaf or not self._config.enquire_link or self._ledger.control:
            return math.inf
        return self._received_at + self._config.enquire_link

    def _inactive_at(self) -> float:
        return self._active_at + (self._config.inactivity or math.inf)

    def _partial_at(self) -> float:
        if self._deaf:
            return math.inf
        return self._partial_since + (self._config.partial_frame or math.inf)

    def _control_expired(self, sequence: int, sent_at: float, request: Pdu, events: list[Event]) -> None:
        detail = f"no answer in {self._patience(type(request)):g} s"
        if isinstance(request, _BINDS):
            self._close(CloseReason.BIND_TIMEOUT, detail, events)
        elif isinstance(request, p.Unbind):
            self._close(CloseReason.UNBIND_TIMEOUT, detail, events)
        elif self._deaf or self._received_at > sent_at:
            # The answer to an enquire_link may wait behind much else; what came since shows that the link
            # lives. What is not read shows nothing.
            del self._ledger.control[sequence]
        else:
            self._close(CloseReason.ENQUIRE_LINK_TIMEOUT, detail, events)


def _refusal(status: int) -> int:
    # A generic_nack, or a response to a bind that is none, is a refusal even when it says ESME_ROK.
    return status or int(CommandStatus.ESME_RUNKNOWNERR)
