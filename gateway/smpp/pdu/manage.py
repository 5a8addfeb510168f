"""PDUs about a message that was submitted before: query_sm, cancel_sm, replace_sm, and their responses."""

from __future__ import annotations

from typing import ClassVar

from gateway.smpp.constants import CommandId, MessageState
from gateway.smpp.pdu.base import Address, Pdu, Tlv, WithTlvs, octet_count


class QuerySm(Pdu, frozen=True, gc=False):
    """query_sm (§4.8.1): `source` is that of the message."""

    command_id: ClassVar[int] = int(CommandId.QUERY_SM)
    message_id: str
    source: Address = Address()


class QuerySmResp(WithTlvs, frozen=True, gc=False):
    """query_sm_resp (§4.8.2). `final_date` is an absolute time, empty while there is no final state.

    A response that says no state has UNKNOWN.
    """

    command_id: ClassVar[int] = int(CommandId.QUERY_SM_RESP)
    message_id: str = ""
    final_date: str = ""
    message_state: int = int(MessageState.UNKNOWN)
    error_code: int = 0
    tlvs: tuple[Tlv, ...] = ()


class CancelSm(Pdu, frozen=True, gc=False):
    """cancel_sm (§4.9.1): one message by its id, or with an empty id all of a source, destination and service_type."""

    command_id: ClassVar[int] = int(CommandId.CANCEL_SM)
    message_id: str
    source: Address = Address()
    destination: Address = Address()
    service_type: str = ""


class CancelSmResp(WithTlvs, frozen=True, gc=False):
    """cancel_sm_resp (§4.9.2)."""

    command_id: ClassVar[int] = int(CommandId.CANCEL_SM_RESP)
    tlvs: tuple[Tlv, ...] = ()


class ReplaceSm(WithTlvs, frozen=True, gc=False):
    """replace_sm (§4.10.1): a new text and new times for a message that is not delivered. TLVs are 5.0 (§4.5.3.1)."""

    command_id: ClassVar[int] = int(CommandId.REPLACE_SM)
    message_id: str
    source: Address = Address()
    short_message: bytes = b""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    tlvs: tuple[Tlv, ...] = ()

    def __repr__(self) -> str:
        return (
            f"ReplaceSm(message_id={self.message_id!r}, source={self.source!r}, "
            f"short_message=<{octet_count(self.short_message)}>)"
        )


class ReplaceSmResp(WithTlvs, frozen=True, gc=False):
    """replace_sm_resp (§4.10.2)."""

    command_id: ClassVar[int] = int(CommandId.REPLACE_SM_RESP)
    tlvs: tuple[Tlv, ...] = ()
