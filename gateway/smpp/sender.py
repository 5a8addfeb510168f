"""The half of a session that is told what to send: its requests, its answers, its output."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.config import SessionConfig
from gateway.smpp.constants import INTERFACE_VERSION_34, CommandStatus, Tag
from gateway.smpp.errors import LocalProtocolError, WindowFull
from gateway.smpp.framing import HEADER_LENGTH
from gateway.smpp.ledger import Ledger
from gateway.smpp.pdu import Pdu, Tlv
from gateway.smpp.states import (
    BOUND_BY,
    MAY_REQUEST,
    RESPONSE_TO,
    WINDOWED,
    WINDOWED_RESPONSES,
    Role,
    SessionState,
)

_header: Final = struct.Struct(">IIII").pack


class Sender:
    """What `Session` does when it is told to send. The other half of it is what comes in, and time."""

    def __init__(self, role: Role, config: SessionConfig, now: float) -> None:
        self._role = role
        self._config = config
        self._output: list[bytes] = []
        self._pending_output = 0
        self._ledger = Ledger(config.first_sequence, config.late_responses)
        self._windowed = self._ledger.windowed
        # A peer's bind that is neither accepted nor refused.
        self._bind: tuple[int, Pdu] | None = None
        self._unanswered = 0
        self._received_at = now
        self._active_at = now
        self._encode: Callable[..., bytes] = encode
        self.peer_version: int | None = None
        """interface_version that the peer said when it bound, or when it accepted our bind. None: not yet, or not."""
        self.congestion_state: int | None = None
        """What the last response that had one said: 0, idle, to 100 (5.0 §4.8.4.18). None: none had."""
        self.congestion_told = False
        """Whether a response said so since who heeds it set this to False."""
        self._enter(SessionState.OPEN)

    @property
    def role(self) -> Role:
        """Which end we are."""
        return self._role

    @property
    def config(self) -> SessionConfig:
        """The limits it was made with."""
        return self._config

    @property
    def state(self) -> SessionState:
        """Where the session is."""
        return self._state

    @property
    def outstanding(self) -> int:
        """Unanswered requests of ours: used slots of the window. Those of the session itself take none."""
        return len(self._windowed)

    @property
    def window_free(self) -> int:
        """Free slots of the window. It says nothing about the state."""
        return self._config.window - len(self._windowed)

    @property
    def received_at(self) -> float:
        """When octets last came in; when it was made, if none have."""
        return self._received_at

    def outstanding_tokens(self) -> list[Any]:
        """Tokens of the requests that may have reached the peer and have no answer, oldest first.

        Also when the session is closed: these are in doubt. Those that were told as expired are not among
        them.
        """
        return [token for _, token, _ in self._windowed.values()]

    def outstanding_requests(self) -> list[tuple[int, Any]]:
        """The same with their sequence numbers: (sequence_number, token)."""
        return [(sequence, token) for sequence, (_, token, _) in self._windowed.items()]

    @property
    def unanswered(self) -> int:
        """Requests of the peer that `send_response` has not answered."""
        return self._unanswered

    @property
    def pending_output(self) -> int:
        """Octets that `data_to_send` would give."""
        return self._pending_output

    def waiting_output(self) -> bytes:
        """What `data_to_send` would give, left where it is: whole PDUs."""
        return b"".join(self._output)

    def data_to_send(self) -> bytes:
        """Take the octets to be written, all that there are; b"" if none."""
        output = self._output
        if not output:
            return b""
        data = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        self._pending_output = 0
        return data

    def send_request(self, pdu: Pdu, now: float, token: Any = None) -> int:
        """Send a request and return its sequence_number.

        `token` comes back with the response. What is not `WINDOWED` is followed here: a bind ends in `Bound`,
        `BindRefused` or `Closed`, an unbind in `Closed`.

        Raises LocalProtocolError when the state does not allow it, WindowFull when the window is full,
        ValueError when the PDU cannot be written; then nothing has changed.
        """
        cls = type(pdu)
        if cls not in self._we_may:
            raise LocalProtocolError(f"{cls.__name__} from the {self._role.value} when {self._state.value}")
        ledger = self._ledger
        sequence = ledger.sequence()
        if cls in WINDOWED:
            if len(self._windowed) >= self._config.window:
                raise WindowFull(f"{len(self._windowed)} requests are unanswered")
            self._send(self._encode(pdu, sequence))
            self._windowed[sequence] = (now + self._config.response_timeout, token, RESPONSE_TO[cls])
        else:
            self._send(self._encode(pdu, sequence))
            if cls in RESPONSE_TO:
                ledger.control[sequence] = (now + self._patience(cls), now, pdu)
            if cls in BOUND_BY:
                self._enter(SessionState.BINDING)
            elif cls is p.Unbind:
                self._unbinding()
            elif cls is p.Outbind:
                self._enter(SessionState.OUTBOUND)
        ledger.used()
        return sequence

    def send_written(self, cls: type[Pdu], body: bytes, now: float, token: Any = None) -> int:
        """As `send_request`, of a PDU that is `WINDOWED` and whose body, without TLVs, is written already."""
        if cls not in self._we_may:
            raise LocalProtocolError(f"{cls.__name__} from the {self._role.value} when {self._state.value}")
        config = self._config
        windowed = self._windowed
        if len(windowed) >= config.window:
            raise WindowFull(f"{len(windowed)} requests are unanswered")
        sequence = self._ledger.take()
        length = HEADER_LENGTH + len(body)
        self._output.append(_header(length, cls.command_id, 0, sequence) + body)
        self._pending_output += length
        windowed[sequence] = (now + config.response_timeout, token, RESPONSE_TO[cls])
        return sequence

    def send_response(self, sequence: int, pdu: Pdu, status: int = 0) -> None:
        """Answer a request of the peer that is `WINDOWED`.

        When the session has been closed the answer has nowhere to go and is dropped. Raises
        LocalProtocolError when nothing waits for an answer or the PDU is no such response, ValueError when
        it cannot be written.
        """
        if self._state is SessionState.CLOSED:
            return
        if type(pdu) not in WINDOWED_RESPONSES:
            raise LocalProtocolError(f"{type(pdu).__name__} is not for send_response")
        if self._unanswered <= 0:
            raise LocalProtocolError("every request has been answered")
        self._send(self._encode(pdu, sequence, status))
        self._unanswered -= 1

    def send_responses(self, answers: Collection[tuple[int, Pdu]], status: int = 0) -> None:
        """Answer several requests alike, by sequence_number and response: as `send_response`, all of them or none."""
        if self._state is SessionState.CLOSED or not answers:
            return
        if len(answers) > self._unanswered:
            raise LocalProtocolError(f"{len(answers)} answers, and {self._unanswered} requests wait for one")
        encode = self._encode
        frames: list[bytes] = []
        for sequence, pdu in answers:
            if type(pdu) not in WINDOWED_RESPONSES:
                raise LocalProtocolError(f"{type(pdu).__name__} is not for send_responses")
            frames.append(encode(pdu, sequence, status))
        self._send(b"".join(frames))
        self._unanswered -= len(frames)

    def accept_bind(self, sequence: int, system_id: str, now: float, tlvs: tuple[Tlv, ...] = ()) -> None:
        """Accept a peer's bind under our system_id; the session is bound.

        A peer of version 3.4 or later is told ours (sc_interface_version, §5.3.2.25), an older one gets no TLVs, in
        this answer and later (§3.4, 5.0 §2.11.2). Dropped when the session has been closed.

        Raises LocalProtocolError when no such bind waits, ValueError when the response cannot be written.
        """
        if self._state is SessionState.CLOSED:
            return
        bind = self._waiting_bind(sequence)
        version = getattr(bind, "interface_version", 0)
        if version < INTERFACE_VERSION_34:
            tlvs = ()
        elif all(tlv.tag != Tag.SC_INTERFACE_VERSION for tlv in tlvs):
            tlvs = (Tlv(int(Tag.SC_INTERFACE_VERSION), self._config.interface_version), *tlvs)
        response: Any = RESPONSE_TO[type(bind)]
        self._send(encode(response(system_id, tlvs), sequence))
        self.peer_version = version
        if version < INTERFACE_VERSION_34:
            self._encode = _encode_without_tlvs
        self._bind = None
        self._received_at = self._active_at = now
        self._enter(BOUND_BY[type(bind)])

    def refuse_bind(self, sequence: int, status: int) -> None:
        """Refuse a peer's bind with this command_status; it may try again until session_init is over.

        Dropped when the session has been closed. Raises LocalProtocolError when no such bind waits,
        ValueError when the status is ESME_ROK or cannot be written.
        """
        if self._state is SessionState.CLOSED:
            return
        bind = self._waiting_bind(sequence)
        if status == CommandStatus.ESME_ROK:
            raise ValueError("command_status: ESME_ROK is no refusal")
        self._send(encode(RESPONSE_TO[type(bind)](), sequence, status))
        self._bind = None
        self._enter(SessionState.OPEN)

    def _patience(self, cls: type[Pdu]) -> float:
        """Seconds that a request of the session's own may take. An enquire_link has no more than its interval, so
        that a dead link is noticed within two of them."""
        config = self._config
        if cls is p.EnquireLink and config.enquire_link:
            return min(config.response_timeout, config.enquire_link)
        if cls in BOUND_BY and config.bind_timeout:
            return config.bind_timeout
        return config.response_timeout

    def _waiting_bind(self, sequence: int) -> Pdu:
        if self._bind is None or self._bind[0] != sequence:
            raise LocalProtocolError(f"no bind {sequence} waits for an answer")
        return self._bind[1]

    def _send(self, frame: bytes) -> None:
        self._output.append(frame)
        self._pending_output += len(frame)

    def _enter(self, state: SessionState) -> None:
        self._state = state
        self._we_may = MAY_REQUEST[state][self._role]
        self._peer_may = MAY_REQUEST[state][self._role.peer]

    def _unbinding(self) -> None:
        # We send nothing new, but what the peer had under way when it was told is still taken.
        peer_may = self._peer_may
        self._enter(SessionState.UNBINDING)
        self._peer_may = peer_may


def _encode_without_tlvs(pdu: Pdu, sequence: int, status: int = 0) -> bytes:
    # For a peer that does not know of them. Text is not left out without a word.
    tlvs: tuple[Tlv, ...] = getattr(pdu, "tlvs", ())
    if any(tlv.tag == Tag.MESSAGE_PAYLOAD for tlv in tlvs):
        raise ValueError("message_payload: the peer is of a version before 3.4, which has no optional parameters")
    return encode(msgspec.structs.replace(pdu, tlvs=()) if tlvs else pdu, sequence, status)
