"""What a session tells who uses it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Pdu, Tlv
from gateway.smpp.states import SessionState


class CloseReason(StrEnum):
    """Why a session ended."""

    UNBOUND = "unbound"
    EOF = "eof"
    PROTOCOL_ERROR = "protocol_error"
    SESSION_INIT = "session_init_timeout"
    BIND_TIMEOUT = "bind_timeout"
    UNBIND_TIMEOUT = "unbind_timeout"
    ENQUIRE_LINK_TIMEOUT = "enquire_link_timeout"
    INACTIVITY = "inactivity_timeout"
    PARTIAL_FRAME = "partial_frame_timeout"


def congestion_state(response: Pdu) -> int | None:
    """How busy the peer says in a response that it is (5.0 §2.9, §4.8.4.18): from 0, idle, over 80 to 90, the best of
    its speed, to 100, congested. None when it says nothing, or a value that is reserved."""
    tlvs: tuple[Tlv, ...] = getattr(response, "tlvs", ())
    for tlv in tlvs:
        value = tlv.value
        if tlv.tag == Tag.CONGESTION_STATE and isinstance(value, int) and value <= 100:
            return value
    return None


class RequestReceived(msgspec.Struct, frozen=True, gc=False):
    """A request of the peer, for the user of the session to answer.

    A bind with `accept_bind` or `refuse_bind`, what is `WINDOWED` with `send_response`. An outbind or
    alert_notification has no answer.
    """

    sequence: int
    pdu: Pdu


class ResponseReceived(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request of ours that is `WINDOWED`.

    `status` is its command_status, never 0 for a generic_nack; `token` is what was given to `send_request`.
    `late`: the request had been told as expired before.
    """

    sequence: int
    status: int
    pdu: Pdu
    token: Any = None
    late: bool = False

    @property
    def congestion_state(self) -> int | None:
        """How busy the peer says that it is; see `congestion_state`."""
        return congestion_state(self.pdu)


class RequestExpired(msgspec.Struct, frozen=True, gc=False):
    """A request of ours that is `WINDOWED` was not answered in time. Its slot of the window is free."""

    sequence: int
    token: Any = None


class Bound(msgspec.Struct, frozen=True, gc=False):
    """Our bind was accepted. `interface_version` is the SMSC's, None when it did not say."""

    state: SessionState
    system_id: str
    interface_version: int | None = None


class BindRefused(msgspec.Struct, frozen=True, gc=False):
    """Our bind was refused with this command_status; the session is open and may bind again."""

    status: int


class UnbindReceived(msgspec.Struct, frozen=True, gc=False):
    """The peer wants to go. Nothing new can be sent; `Closed` follows."""


class PduRejected(msgspec.Struct, frozen=True, gc=False):
    """A PDU that could not be read, or not be taken in this state; a request has been answered `status`."""

    error: str
    sequence: int
    status: int
    command_id: int = 0


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The session is over: the last event.

    What `data_to_send` still holds is to be written, then the connection closed.
    """

    reason: CloseReason
    detail: str = ""


Event: TypeAlias = (
    RequestReceived | ResponseReceived | RequestExpired | Bound | BindRefused | UnbindReceived | PduRejected | Closed
)
