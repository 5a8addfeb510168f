"""Octets to PDUs (SMPP 3.4 §4, §5.2): a function for each command, in `READERS`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from gateway.smpp.fields import LAYOUTS, FieldFault, read_address, read_c_string, read_fields
from gateway.smpp.framing import HEADER_LENGTH
from gateway.smpp.pdu import Address, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from gateway.smpp.tlv import read_tlvs

# esm_class, protocol_id, priority_flag, first octets of schedule_delivery_time and validity_period,
# registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length
_read_ten: Final = struct.Struct("10B").unpack_from
_read_five: Final = struct.Struct("5B").unpack_from


def _message_reader(cls: type[SubmitSm] | type[DeliverSm]) -> Callable[[bytes], Pdu]:
    def read(frame: bytes) -> Pdu:
        # One character for each octet: the positions are the same in both.
        characters = frame.decode("latin-1")
        find = characters.index
        if frame[16]:
            end = find("\0", 16)
            service_type = characters[16:end]
            position = end + 1
        else:
            service_type = ""
            position = 17
        end = find("\0", position + 2)
        source = Address(frame[position], frame[position + 1], characters[position + 2 : end])
        position = end + 1
        end = find("\0", position + 2)
        destination = Address(frame[position], frame[position + 1], characters[position + 2 : end])
        position = end + 1
        (
            esm_class,
            protocol_id,
            priority_flag,
            scheduled,
            validity,
            registered_delivery,
            replace_if_present_flag,
            data_coding,
            sm_default_msg_id,
            sm_length,
        ) = _read_ten(frame, position)
        if scheduled or validity:
            end = find("\0", position + 3)
            schedule_delivery_time = characters[position + 3 : end]
            position = end + 1
            end = find("\0", position)
            validity_period = characters[position:end]
            position = end + 1
            (
                registered_delivery,
                replace_if_present_flag,
                data_coding,
                sm_default_msg_id,
                sm_length,
            ) = _read_five(frame, position)
            position += 5
        else:
            schedule_delivery_time = validity_period = ""
            position += 10
        end = position + sm_length
        if end == len(frame):
            tlvs: tuple[p.Tlv, ...] = ()
        elif end < len(frame):
            tlvs = read_tlvs(frame, end)
        else:
            raise FieldFault(
                CommandStatus.ESME_RINVMSGLEN, f"sm_length {sm_length}, and {len(frame) - position} octets are left"
            )
        return cls(
            source,
            destination,
            frame[position:end],
            esm_class,
            data_coding,
            registered_delivery,
            service_type,
            protocol_id,
            priority_flag,
            schedule_delivery_time,
            validity_period,
            replace_if_present_flag,
            sm_default_msg_id,
            tlvs,
        )

    return read


def _text_response_reader(cls: Callable[..., Pdu]) -> Callable[[bytes], Pdu]:
    # Responses of one C-octet string and TLVs. A response that cannot be read would leave its request
    # without an answer, so nothing in it is an error: no body, no terminator, broken TLVs.
    empty = cls()

    def read(frame: bytes) -> Pdu:
        text, _, rest = frame[16:].partition(b"\0")
        if rest:
            return cls(text.decode("latin-1"), read_tlvs(frame, len(frame) - len(rest), lenient=True))
        return cls(text.decode("latin-1")) if text else empty

    return read


def _bind_reader(cls: Callable[..., Pdu]) -> Callable[[bytes], Pdu]:
    def read(frame: bytes) -> Pdu:
        system_id, position = read_c_string(frame, 16)
        password, position = read_c_string(frame, position)
        system_type, position = read_c_string(frame, position)
        interface_version = frame[position]
        address_range, _ = read_address(frame, position + 1)
        return cls(system_id, password, system_type, interface_version, address_range)

    return read


def _read_outbind(frame: bytes) -> Pdu:
    system_id, position = read_c_string(frame, 16)
    password, _ = read_c_string(frame, position)
    return p.Outbind(system_id, password)


def _read_data_sm(frame: bytes) -> Pdu:
    service_type, position = read_c_string(frame, 16)
    source, position = read_address(frame, position)
    destination, position = read_address(frame, position)
    esm_class, registered_delivery, data_coding = struct.unpack_from("3B", frame, position)
    tlvs = read_tlvs(frame, position + 3)
    return p.DataSm(source, destination, esm_class, registered_delivery, data_coding, service_type, tlvs)


def _read_alert_notification(frame: bytes) -> Pdu:
    source, position = read_address(frame, 16)
    esme_addr, position = read_address(frame, position)
    return p.AlertNotification(source, esme_addr, read_tlvs(frame, position))


def _table_reader(cls: type[Pdu]) -> Callable[[bytes], Pdu]:
    # Requests by the table, and their TLVs where the class has any.
    layout = LAYOUTS[cls]
    has_tlvs = "tlvs" in cls.__struct_fields__

    def read(frame: bytes) -> Pdu:
        values: dict[str, Any] = {}
        position = read_fields(layout, frame, HEADER_LENGTH, values)
        if has_tlvs and position < len(frame):
            values["tlvs"] = read_tlvs(frame, position)
        return cls(**values)

    return read


def _table_response_reader(cls: Callable[..., Pdu], layout: dict[str, Any]) -> Callable[[bytes], Pdu]:
    # As `_text_response_reader`: nothing in a response is an error.
    empty = cls()

    def read(frame: bytes) -> Pdu:
        if len(frame) == HEADER_LENGTH:
            return empty
        values: dict[str, Any] = {}
        position = read_fields(layout, frame, HEADER_LENGTH, values, lenient=True)
        return cls(**values, tlvs=read_tlvs(frame, position, lenient=True))

    return read


def _bodiless_reader(pdu: Pdu) -> Callable[[bytes], Pdu]:
    # A body where none belongs is ignored.
    return lambda _frame: pdu


READERS: Final[dict[int, Callable[[bytes], Pdu]]] = {
    SubmitSm.command_id: _message_reader(SubmitSm),
    DeliverSm.command_id: _message_reader(DeliverSm),
    p.DataSm.command_id: _read_data_sm,
    p.AlertNotification.command_id: _read_alert_notification,
    p.Outbind.command_id: _read_outbind,
    **{cls.command_id: _bind_reader(cls) for cls in (p.BindTransmitter, p.BindReceiver, p.BindTransceiver)},
    **{
        cls.command_id: _table_reader(cls)
        for cls in (
            p.SubmitMulti,
            p.QuerySm,
            p.CancelSm,
            p.ReplaceSm,
            p.BroadcastSm,
            p.QueryBroadcastSm,
            p.CancelBroadcastSm,
        )
    },
    **{
        cls.command_id: _text_response_reader(cls)
        for cls in (
            p.BindTransmitterResp,
            p.BindReceiverResp,
            p.BindTransceiverResp,
            SubmitSmResp,
            DeliverSmResp,
            p.DataSmResp,
            p.BroadcastSmResp,
            p.QueryBroadcastSmResp,
        )
    },
    **{
        cls.command_id: _table_response_reader(cls, LAYOUTS[cls])
        for cls in (
            p.SubmitMultiResp,
            p.QuerySmResp,
            p.CancelSmResp,
            p.ReplaceSmResp,
            p.CancelBroadcastSmResp,
            p.UnbindResp,
            p.EnquireLinkResp,
        )
    },
    **{pdu.command_id: _bodiless_reader(pdu) for pdu in (p.Unbind(), p.EnquireLink(), p.GenericNack())},
}
"""What reads a command_id: octets of the whole frame to the PDU. Raises TlvError, FieldFault, or what reading past
the end raises: ValueError, IndexError, struct.error."""
