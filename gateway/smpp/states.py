"""Who may send which request in which state, as a table (SMPP 3.4 §2.2, §2.3; 5.0 §2.3, §2.4)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from gateway.smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    BroadcastSm,
    BroadcastSmResp,
    CancelBroadcastSm,
    CancelBroadcastSmResp,
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Outbind,
    Pdu,
    QueryBroadcastSm,
    QueryBroadcastSmResp,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)


class Role(Enum):
    """Which end of the session we are."""

    ESME = "esme"
    SMSC = "smsc"

    @property
    def peer(self) -> Role:
        """The other end."""
        return Role.SMSC if self is Role.ESME else Role.ESME


class SessionState(Enum):
    """State of a session. The specifications have no names for BINDING (bind sent, no answer yet) and UNBINDING."""

    OPEN = "open"
    OUTBOUND = "outbound"
    BINDING = "binding"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBINDING = "unbinding"
    CLOSED = "closed"

    @property
    def is_bound(self) -> bool:
        """Whether messages can flow."""
        return self in BOUND_STATES


BOUND_STATES: Final = frozenset({SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX})

# 3.4 has enquire_link in the bound states alone; 5.0 in every state with a connection. The session of itself
# sends it when bound, and answers it always.
_ALIVE: Final[frozenset[type[Pdu]]] = frozenset({EnquireLink})
_LINK: Final[frozenset[type[Pdu]]] = frozenset({EnquireLink, Unbind})
_BINDS: Final[frozenset[type[Pdu]]] = frozenset({BindTransmitter, BindReceiver, BindTransceiver})
# Table 2-1 of 3.4 has replace_sm for a transmitter only; 5.0 for a transceiver too, as all the others.
_SUBMISSION: Final[frozenset[type[Pdu]]] = frozenset(
    {
        SubmitSm,
        SubmitMulti,
        DataSm,
        QuerySm,
        CancelSm,
        ReplaceSm,
        BroadcastSm,
        QueryBroadcastSm,
        CancelBroadcastSm,
    }
)
_DELIVERY: Final[frozenset[type[Pdu]]] = frozenset({DeliverSm, DataSm, AlertNotification})
_NONE: Final[frozenset[type[Pdu]]] = frozenset()

MAY_REQUEST: Final[dict[SessionState, dict[Role, frozenset[type[Pdu]]]]] = {
    SessionState.OPEN: {Role.ESME: _ALIVE | _BINDS, Role.SMSC: _ALIVE | {Outbind}},
    # An outbind asks for a receiver or transceiver (5.0 §1.4.5.1); table 2-1 has all three binds after it.
    SessionState.OUTBOUND: {Role.ESME: _ALIVE | _BINDS, Role.SMSC: _ALIVE},
    SessionState.BINDING: {Role.ESME: _ALIVE, Role.SMSC: _ALIVE},
    SessionState.BOUND_TX: {Role.ESME: _LINK | _SUBMISSION, Role.SMSC: _LINK},
    SessionState.BOUND_RX: {Role.ESME: _LINK, Role.SMSC: _LINK | _DELIVERY},
    SessionState.BOUND_TRX: {Role.ESME: _LINK | _SUBMISSION, Role.SMSC: _LINK | _DELIVERY},
    # Only as far as who asked to unbind is concerned: what the other end had under way still comes.
    SessionState.UNBINDING: {Role.ESME: _ALIVE, Role.SMSC: _ALIVE},
    SessionState.CLOSED: {Role.ESME: _NONE, Role.SMSC: _NONE},
}
"""Requests that each end may send. Responses go with their requests, generic_nack goes at any time."""

RESPONSE_TO: Final[dict[type[Pdu], type[Pdu]]] = {
    BindTransmitter: BindTransmitterResp,
    BindReceiver: BindReceiverResp,
    BindTransceiver: BindTransceiverResp,
    Unbind: UnbindResp,
    SubmitSm: SubmitSmResp,
    SubmitMulti: SubmitMultiResp,
    DeliverSm: DeliverSmResp,
    DataSm: DataSmResp,
    QuerySm: QuerySmResp,
    CancelSm: CancelSmResp,
    ReplaceSm: ReplaceSmResp,
    BroadcastSm: BroadcastSmResp,
    QueryBroadcastSm: QueryBroadcastSmResp,
    CancelBroadcastSm: CancelBroadcastSmResp,
    EnquireLink: EnquireLinkResp,
}
"""The response that answers each request; outbind and alert_notification have none."""

WINDOWED: Final[frozenset[type[Pdu]]] = _SUBMISSION | {DeliverSm}
"""Requests that take a slot of the window and are the business of who uses the session."""

WINDOWED_RESPONSES: Final[frozenset[type[Pdu]]] = frozenset(RESPONSE_TO[request] for request in WINDOWED)
"""The responses to those: what `Session.send_response` takes."""

BOUND_BY: Final[dict[type[Pdu], SessionState]] = {
    BindTransmitter: SessionState.BOUND_TX,
    BindReceiver: SessionState.BOUND_RX,
    BindTransceiver: SessionState.BOUND_TRX,
}
"""The state that each bind leads to."""
