"""PDUs of the session itself: bind, outbind, unbind, enquire_link, alert_notification, generic_nack."""

from __future__ import annotations

from typing import ClassVar

from gateway.smpp.constants import CommandId
from gateway.smpp.pdu.base import Address, Pdu, Tlv, WithTlvs


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


class _BindResp(WithTlvs, frozen=True, gc=False):
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


class UnbindResp(WithTlvs, frozen=True, gc=False):
    """unbind_resp (§4.2.2)."""

    command_id: ClassVar[int] = int(CommandId.UNBIND_RESP)
    tlvs: tuple[Tlv, ...] = ()


class EnquireLink(Pdu, frozen=True, gc=False):
    """enquire_link (§4.11.1)."""

    command_id: ClassVar[int] = int(CommandId.ENQUIRE_LINK)


class EnquireLinkResp(WithTlvs, frozen=True, gc=False):
    """enquire_link_resp (§4.11.2). Any response may have congestion_state in 5.0 (§4.8.4.18)."""

    command_id: ClassVar[int] = int(CommandId.ENQUIRE_LINK_RESP)
    tlvs: tuple[Tlv, ...] = ()


class AlertNotification(WithTlvs, frozen=True, gc=False):
    """alert_notification: a phone can be reached again (§4.12.1). Has no response."""

    command_id: ClassVar[int] = int(CommandId.ALERT_NOTIFICATION)
    source: Address
    esme_addr: Address
    tlvs: tuple[Tlv, ...] = ()


class GenericNack(Pdu, frozen=True, gc=False):
    """generic_nack: the answer to what could not be read (§4.3.1)."""

    command_id: ClassVar[int] = int(CommandId.GENERIC_NACK)
