"""One frozen, slotted class for each PDU (SMPP 3.4 §4, SMPP 5.0 §4), with Address and Tlv.

A PDU here is its body: sequence_number and command_status belong to the exchange and go beside it. Text
fields are `str`, one character for each octet (latin-1), so any octets of a peer have a value;
`short_message` and TLVs that are not known are `bytes`. The classes do not check their values:
`codec.encode` does.
"""

from __future__ import annotations

from typing import TypeAlias

from gateway.smpp.pdu.base import Address, Pdu, Tlv, TlvValue
from gateway.smpp.pdu.broadcast import (
    BroadcastSm,
    BroadcastSmResp,
    CancelBroadcastSm,
    CancelBroadcastSmResp,
    QueryBroadcastSm,
    QueryBroadcastSmResp,
)
from gateway.smpp.pdu.link import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Unbind,
    UnbindResp,
)
from gateway.smpp.pdu.manage import CancelSm, CancelSmResp, QuerySm, QuerySmResp, ReplaceSm, ReplaceSmResp
from gateway.smpp.pdu.message import (
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    Destination,
    DistributionList,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    Unsuccessful,
)

__all__ = [
    "Address",
    "AlertNotification",
    "BindReceiver",
    "BindReceiverResp",
    "BindRequest",
    "BindResponse",
    "BindTransceiver",
    "BindTransceiverResp",
    "BindTransmitter",
    "BindTransmitterResp",
    "BroadcastSm",
    "BroadcastSmResp",
    "CancelBroadcastSm",
    "CancelBroadcastSmResp",
    "CancelSm",
    "CancelSmResp",
    "DataSm",
    "DataSmResp",
    "DeliverSm",
    "DeliverSmResp",
    "Destination",
    "DistributionList",
    "EnquireLink",
    "EnquireLinkResp",
    "GenericNack",
    "Outbind",
    "Pdu",
    "QueryBroadcastSm",
    "QueryBroadcastSmResp",
    "QuerySm",
    "QuerySmResp",
    "ReplaceSm",
    "ReplaceSmResp",
    "Request",
    "Response",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSm",
    "SubmitSmResp",
    "Tlv",
    "TlvValue",
    "Unbind",
    "UnbindResp",
    "Unsuccessful",
]

BindRequest: TypeAlias = BindTransmitter | BindReceiver | BindTransceiver
BindResponse: TypeAlias = BindTransmitterResp | BindReceiverResp | BindTransceiverResp
Request: TypeAlias = (
    BindRequest
    | Outbind
    | Unbind
    | SubmitSm
    | SubmitMulti
    | DeliverSm
    | DataSm
    | QuerySm
    | CancelSm
    | ReplaceSm
    | BroadcastSm
    | QueryBroadcastSm
    | CancelBroadcastSm
    | EnquireLink
    | AlertNotification
)
Response: TypeAlias = (
    BindResponse
    | UnbindResp
    | SubmitSmResp
    | SubmitMultiResp
    | DeliverSmResp
    | DataSmResp
    | QuerySmResp
    | CancelSmResp
    | ReplaceSmResp
    | BroadcastSmResp
    | QueryBroadcastSmResp
    | CancelBroadcastSmResp
    | EnquireLinkResp
    | GenericNack
)
