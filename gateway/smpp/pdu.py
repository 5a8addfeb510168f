"""One frozen, slotted class for each PDU (SMPP 3.4 §4), with Address and Tlv.

A PDU here is its body: sequence_number and command_status belong to the exchange and go beside it. Text
fields are `str`, one character for each octet (latin-1), so any octets of a peer have a value;
`short_message` and TLVs that are not known are `bytes`. The classes do not check their values:
`codec.encode` does.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, TypeAlias

import msgspec

from gateway.smpp.constants import CommandId, Tag

TlvValue: TypeAlias = int | str | bytes
"""An integer, a C-octet string without its terminator, or octets: which one is in `tlv.KINDS`."""


class Address(msgspec.Struct, frozen=True, gc=False):
    """An address with its type of number and numbering plan (§5.2.5, §5.2.6, §5.2.8)."""

    ton: int = 0
    npi: int = 0
    addr: str = ""


class Tlv(msgspec.Struct, frozen=True, gc=False):
    """An optional parameter (§5.3). One that is not known, or whose length is not its type's, has bytes."""

    tag: int
    value: TlvValue

    def __repr__(self) -> str:
        # Payloads are message text: logs show their size only.
        if self.tag == Tag.MESSAGE_PAYLOAD:
            return f"Tlv(tag=0x{self.tag:04X}, value=<{_octets(self.value)}>)"
        return f"Tlv(tag=0x{self.tag:04X}, value={self.value!r})"


class Pdu(msgspec.Struct, frozen=True, gc=False):
    """Base of all PDUs."""

    command_id: ClassVar[int]


class _HasTlvs(Protocol):
    @property
    def tlvs(self) -> tuple[Tlv, ...]: ...


class _WithTlvs(Pdu, frozen=True, gc=False):
    def tlv(self: _HasTlvs, tag: int) -> TlvValue | None:
        """Value of the first optional parameter with this tag, None when there is none."""
        for tlv in self.tlvs:
            if tlv.tag == tag:
                return tlv.value
        return None


class _Bind(Pdu, frozen=True, gc=False):
    """bind_transmitter, bind_receiver and bind_transceiver have the same fields (§4.1)."""

    system_id: str
    password: str
    system_type: str = ""
    interface_version: int = 0x34
    address_range: Address = Address()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(system_id={self.system_id!r}, password=<hidden>, "
            f"system_type={self.system_type!r}, interface_version=0x{self.interface_version:02X}, "
            f"address_range={self.address_range!r})"
        )


class BindTransmitter(_Bind, frozen=True, gc=False):
    """bind_transmitter (§4.1.1)."""

    command_id: ClassVar[int] = int(CommandId.BIND_TRANSMITTER)


class BindReceiver(_Bind, frozen=True, gc=False):
    """bind_receiver (§4.1.3)."""

    command_id: ClassVar[int] = int(CommandId.BIND_RECEIVER)


class BindTransceiver(_Bind, frozen=True, gc=False):
    """bind_transceiver (§4.1.5)."""

    command_id: ClassVar[int] = int(CommandId.BIND_TRANSCEIVER)


class _BindResp(_WithTlvs, frozen=True, gc=False):
    system_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class BindTransmitterResp(_BindResp, frozen=True, gc=False):
    """bind_transmitter_resp (§4.1.2)."""

    command_id: ClassVar[int] = int(CommandId.BIND_TRANSMITTER_RESP)


class BindReceiverResp(_BindResp, frozen=True, gc=False):
    """bind_receiver_resp (§4.1.4)."""

    command_id: ClassVar[int] = int(CommandId.BIND_RECEIVER_RESP)


class BindTransceiverResp(_BindResp, frozen=True, gc=False):
    """bind_transceiver_resp (§4.1.6)."""

    command_id: ClassVar[int] = int(CommandId.BIND_TRANSCEIVER_RESP)


class Outbind(Pdu, frozen=True, gc=False):
    """outbind: the SMSC asks an ESME to bind as a receiver (§4.1.7). Has no response."""

    command_id: ClassVar[int] = int(CommandId.OUTBIND)
    system_id: str
    password: str

    def __repr__(self) -> str:
        return f"Outbind(system_id={self.system_id!r}, password=<hidden>)"


class Unbind(Pdu, frozen=True, gc=False):
    """unbind (§4.2.1)."""

    command_id: ClassVar[int] = int(CommandId.UNBIND)


class UnbindResp(Pdu, frozen=True, gc=False):
    """unbind_resp (§4.2.2)."""

    command_id: ClassVar[int] = int(CommandId.UNBIND_RESP)


class _Message(_WithTlvs, frozen=True, gc=False):
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
            f"short_message=<{_octets(self.short_message)}>{said})"
        )


class SubmitSm(_Message, frozen=True, gc=False):
    """submit_sm (§4.4.1)."""

    command_id: ClassVar[int] = int(CommandId.SUBMIT_SM)


class DeliverSm(_Message, frozen=True, gc=False):
    """deliver_sm (§4.6.1)."""

    command_id: ClassVar[int] = int(CommandId.DELIVER_SM)


class _MessageResp(_WithTlvs, frozen=True, gc=False):
    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class SubmitSmResp(_MessageResp, frozen=True, gc=False):
    """submit_sm_resp (§4.4.2). TLVs are 5.0 (§4.2.1.2)."""

    command_id: ClassVar[int] = int(CommandId.SUBMIT_SM_RESP)


class DeliverSmResp(_MessageResp, frozen=True, gc=False):
    """deliver_sm_resp (§4.6.2); its message_id is unused and empty."""

    command_id: ClassVar[int] = int(CommandId.DELIVER_SM_RESP)


class DataSm(_WithTlvs, frozen=True, gc=False):
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


class EnquireLink(Pdu, frozen=True, gc=False):
    """enquire_link (§4.11.1)."""

    command_id: ClassVar[int] = int(CommandId.ENQUIRE_LINK)


class EnquireLinkResp(Pdu, frozen=True, gc=False):
    """enquire_link_resp (§4.11.2)."""

    command_id: ClassVar[int] = int(CommandId.ENQUIRE_LINK_RESP)


class AlertNotification(_WithTlvs, frozen=True, gc=False):
    """alert_notification: a phone can be reached again (§4.12.1). Has no response."""

    command_id: ClassVar[int] = int(CommandId.ALERT_NOTIFICATION)
    source: Address
    esme_addr: Address
    tlvs: tuple[Tlv, ...] = ()


class GenericNack(Pdu, frozen=True, gc=False):
    """generic_nack: the answer to what could not be read (§4.3.1)."""

    command_id: ClassVar[int] = int(CommandId.GENERIC_NACK)


def _octets(value: object) -> str:
    return f"{len(value)} octets" if isinstance(value, bytes | str) else type(value).__name__


BindRequest: TypeAlias = BindTransmitter | BindReceiver | BindTransceiver
BindResponse: TypeAlias = BindTransmitterResp | BindReceiverResp | BindTransceiverResp
Request: TypeAlias = BindRequest | Outbind | Unbind | SubmitSm | DeliverSm | DataSm | EnquireLink | AlertNotification
Response: TypeAlias = (
    BindResponse | UnbindResp | SubmitSmResp | DeliverSmResp | DataSmResp | EnquireLinkResp | GenericNack
)
