"""PDUs of cell broadcast: broadcast_sm, query_broadcast_sm, cancel_broadcast_sm and responses (SMPP 5.0 §4.4, §4.6)."""

from __future__ import annotations

from typing import ClassVar

from gateway.smpp.constants import CommandId
from gateway.smpp.pdu.base import Address, Tlv, WithTlvs


class BroadcastSm(WithTlvs, frozen=True, gc=False):
    """broadcast_sm (5.0 §4.4.1.1). The text is in message_payload; the area, content type, repetitions and interval
    are TLVs that must be there."""

    command_id: ClassVar[int] = int(CommandId.BROADCAST_SM)
    source: Address
    message_id: str = ""
    service_type: str = ""
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    tlvs: tuple[Tlv, ...] = ()


class BroadcastSmResp(WithTlvs, frozen=True, gc=False):
    """broadcast_sm_resp (5.0 §4.4.1.2)."""

    command_id: ClassVar[int] = int(CommandId.BROADCAST_SM_RESP)
    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class QueryBroadcastSm(WithTlvs, frozen=True, gc=False):
    """query_broadcast_sm (5.0 §4.6.1.1)."""

    command_id: ClassVar[int] = int(CommandId.QUERY_BROADCAST_SM)
    message_id: str
    source: Address = Address()
    tlvs: tuple[Tlv, ...] = ()


class QueryBroadcastSmResp(WithTlvs, frozen=True, gc=False):
    """query_broadcast_sm_resp (5.0 §4.6.1.3): state, areas and their success are TLVs."""

    command_id: ClassVar[int] = int(CommandId.QUERY_BROADCAST_SM_RESP)
    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class CancelBroadcastSm(WithTlvs, frozen=True, gc=False):
    """cancel_broadcast_sm (5.0 §4.6.2.1)."""

    command_id: ClassVar[int] = int(CommandId.CANCEL_BROADCAST_SM)
    message_id: str
    source: Address = Address()
    service_type: str = ""
    tlvs: tuple[Tlv, ...] = ()


class CancelBroadcastSmResp(WithTlvs, frozen=True, gc=False):
    """cancel_broadcast_sm_resp (5.0 §4.6.2.3)."""

    command_id: ClassVar[int] = int(CommandId.CANCEL_BROADCAST_SM_RESP)
    tlvs: tuple[Tlv, ...] = ()
