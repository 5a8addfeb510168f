"""PDUs that carry a message: submit_sm, submit_multi, deliver_sm, data_sm, and their responses."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

from gateway.smpp.constants import CommandId
from gateway.smpp.pdu.base import Address, Tlv, WithTlvs, octet_count


class _Message(WithTlvs, frozen=True, gc=False):
    """submit_sm and deliver_sm have the same fields (§4.4.1, §4.6.1)."""

    source: Address
    destination: Address
    short_message: bytes = b""
    esm_class: int = 0
    data_coding: int = 0
    registered_delivery: int = 0
    service_type: str = ""
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present_flag: int = 0
    sm_default_msg_id: int = 0
    tlvs: tuple[Tlv, ...] = ()

    def __repr__(self) -> str:
        # Logs must not show the text; the other fields when they say something.
        said = "".join(
            f", {name}={value!r}"
            for name in self.__struct_fields__[3:]
            if (value := getattr(self, name)) not in (0, "", ())
        )
        return (
            f"{type(self).__name__}(source={self.source!r}, destination={self.destination!r}, "
            f"short_message=<{octet_count(self.short_message)}>{said})"
        )


class SubmitSm(_Message, frozen=True, gc=False):
    """submit_sm (§4.4.1)."""

    command_id: ClassVar[int] = int(CommandId.SUBMIT_SM)


class DeliverSm(_Message, frozen=True, gc=False):
    """deliver_sm (§4.6.1)."""

    command_id: ClassVar[int] = int(CommandId.DELIVER_SM)


class _MessageResp(WithTlvs, frozen=True, gc=False):
    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class SubmitSmResp(_MessageResp, frozen=True, gc=False):
    """submit_sm_resp (§4.4.2). TLVs are 5.0 (§4.2.1.2)."""

    command_id: ClassVar[int] = int(CommandId.SUBMIT_SM_RESP)


class DeliverSmResp(_MessageResp, frozen=True, gc=False):
    """deliver_sm_resp (§4.6.2); its message_id is unused and empty."""

    command_id: ClassVar[int] = int(CommandId.DELIVER_SM_RESP)


class DataSm(WithTlvs, frozen=True, gc=False):
    """data_sm: a message in either direction, its text in message_payload (§4.7.1)."""

    command_id: ClassVar[int] = int(CommandId.DATA_SM)
    source: Address
    destination: Address
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    service_type: str = ""
    tlvs: tuple[Tlv, ...] = ()


class DataSmResp(_MessageResp, frozen=True, gc=False):
    """data_sm_resp (§4.7.2)."""

    command_id: ClassVar[int] = int(CommandId.DATA_SM_RESP)


class DistributionList(msgspec.Struct, frozen=True, gc=False):
    """A distribution list that is kept at the SMSC, as a destination of a submit_multi (§4.5.1, dl_name §5.2.27)."""

    name: str


class Unsuccessful(msgspec.Struct, frozen=True, gc=False):
    """One destination of a submit_multi that was not taken, with its command_status (§4.5.2.1)."""

    address: Address
    status: int


Destination: TypeAlias = Address | DistributionList


class SubmitMulti(WithTlvs, frozen=True, gc=False):
    """submit_multi: one message to at most 254 addresses or distribution lists (§4.5.1)."""

    command_id: ClassVar[int] = int(CommandId.SUBMIT_MULTI)
    source: Address
    destinations: tuple[Destination, ...]
    short_message: bytes = b""
    esm_class: int = 0
    data_coding: int = 0
    registered_delivery: int = 0
    service_type: str = ""
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present_flag: int = 0
    sm_default_msg_id: int = 0
    tlvs: tuple[Tlv, ...] = ()

    def __repr__(self) -> str:
        return (
            f"SubmitMulti(source={self.source!r}, <{len(self.destinations)} destinations>, "
            f"short_message=<{octet_count(self.short_message)}>)"
        )


class SubmitMultiResp(WithTlvs, frozen=True, gc=False):
    """submit_multi_resp (§4.5.2): `unsuccessful` are the destinations that were not taken."""

    command_id: ClassVar[int] = int(CommandId.SUBMIT_MULTI_RESP)
    message_id: str = ""
    unsuccessful: tuple[Unsuccessful, ...] = ()
    tlvs: tuple[Tlv, ...] = ()
