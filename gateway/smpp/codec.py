"""PDUs to octets and back (SMPP 3.4 §3.2, §4, §5.2).

What goes out is strict: a value that its field cannot hold is a ValueError, before anything is sent. What
comes in is read leniently: fields longer than the specification allows, terminators missing at the end of a
response, bodies left out and unknown TLVs are all in the field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandId, CommandStatus, Tag
from gateway.smpp.errors import PduError, RecoverablePduError, UnrecoverablePduError
from gateway.smpp.fields import LAYOUTS, check_fields, write_fields
from gateway.smpp.framing import HEADER_LENGTH, MAX_PDU, FrameBuffer
from gateway.smpp.pdu import Address, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from gateway.smpp.tlv import TlvError, read_tlvs, write_tlvs

__all__ = [
    "HEADER_LENGTH",
    "MAX_PDU",
    "FrameBuffer",
    "PduError",
    "RecoverablePduError",
    "UnrecoverablePduError",
    "command_name",
    "decode",
    "encode",
]

_header: Final = struct.Struct(">IIII").pack
_read_header: Final = struct.Struct(">IIII").unpack_from
# esm_class, protocol_id, priority_flag, first octets of schedule_delivery_time and validity_period,
# registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length
_read_ten: Final = struct.Struct("10B").unpack_from
_read_five: Final = struct.Struct("5B").unpack_from

_CHARACTER: Final[dict[int, str]] = {octet: chr(octet) for octet in range(256)}


def encode(pdu: Pdu, sequence: int, status: int = 0) -> bytes:
    """Octets of one PDU.

    A response to a bind or to submit_sm goes without its body when the status is not ESME_ROK (§4.1.2,
    §4.4.2). Raises ValueError naming the field that cannot hold its value.
    """
    try:
        writer = _WRITERS[type(pdu)]
    except KeyError:
        raise ValueError(f"{type(pdu).__name__} is not a PDU") from None
    return writer(pdu, sequence, status)


def decode(frame: bytes) -> tuple[int, int, Pdu]:
    """Sequence number, command_status and PDU of one frame, as `FrameBuffer` gives it.

    Raises RecoverablePduError when the command is not known or its body cannot be read,
    UnrecoverablePduError when the frame is not as long as it says. Nothing else, whatever the octets.
    """
    if len(frame) < HEADER_LENGTH:
        raise UnrecoverablePduError(f"{len(frame)} octets are no PDU")
    length, command_id, status, sequence = _read_header(frame)
    if length != len(frame):
        raise UnrecoverablePduError(f"command_length {length} in a frame of {len(frame)} octets")
    reader = _READERS.get(command_id)
    if reader is None:
        raise RecoverablePduError(
            CommandStatus.ESME_RINVCMDID, sequence, command_id, f"unknown command_id 0x{command_id:08X}"
        )
    try:
        return sequence, status, reader(frame)
    except TlvError as error:
        fault, detail = CommandStatus.ESME_RINVOPTPARSTREAM, str(error)
    except _MessageLengthError as error:
        fault, detail = CommandStatus.ESME_RINVMSGLEN, str(error)
    except (ValueError, IndexError, struct.error):
        # No terminator where one must be, or no octet at all.
        fault = CommandStatus.ESME_RINVCMDLEN
        detail = f"{length - HEADER_LENGTH} octets of body end within the mandatory fields"
    raise RecoverablePduError(fault, sequence, command_id, f"{command_name(command_id)}: {detail}")


def command_name(command_id: int) -> str:
    """Name of a command as in the specification, `submit_sm`, or its value."""
    return _NAMES.get(command_id) or f"0x{command_id:08X}"


_NAMES: Final[dict[int, str]] = {int(command): command.name.lower() for command in CommandId}


class _MessageLengthError(Exception):
    """sm_length is more than what is left."""


# --- writing ---


def _message_writer(command_id: int) -> Callable[[Any, int, int], bytes]:
    # submit_sm and deliver_sm (§4.4.1, §4.6.1), one for every message there is: the fields go into one text
    # of a character for each octet, which costs a third of writing them one by one. What is refused here or
    # cannot be written is written again by the table, which names the field.
    character = _CHARACTER

    def write(pdu: SubmitSm | DeliverSm, sequence: int, status: int) -> bytes:
        source = pdu.source
        destination = pdu.destination
        service_type = pdu.service_type
        scheduled = pdu.schedule_delivery_time
        validity = pdu.validity_period
        text = pdu.short_message
        tlvs = pdu.tlvs
        try:
            source_addr = source.addr
            destination_addr = destination.addr
            if (
                len(source_addr) > 20
                or "\0" in source_addr
                or len(destination_addr) > 20
                or "\0" in destination_addr
                or (service_type and (len(service_type) > 5 or "\0" in service_type))
                or (scheduled and (len(scheduled) != 16 or "\0" in scheduled))
                or (validity and (len(validity) != 16 or "\0" in validity))
                or len(text) > 254
            ):
                _refuse(pdu)
            fields = (
                f"{service_type}\0"
                f"{character[source.ton]}{character[source.npi]}{source_addr}\0"
                f"{character[destination.ton]}{character[destination.npi]}{destination_addr}\0"
                f"{character[pdu.esm_class]}{character[pdu.protocol_id]}{character[pdu.priority_flag]}"
                f"{scheduled}\0{validity}\0"
                f"{character[pdu.registered_delivery]}{character[pdu.replace_if_present_flag]}"
                f"{character[pdu.data_coding]}{character[pdu.sm_default_msg_id]}{character[len(text)]}"
            ).encode("latin-1")
            if tlvs:
                text += _message_tlvs(pdu)
            return _header(16 + len(fields) + len(text), command_id, status, sequence) + fields + text
        except (AttributeError, KeyError, TypeError, UnicodeEncodeError, struct.error):
            _refuse(pdu, sequence, status)

    return write


def _message_tlvs(pdu: SubmitSm | DeliverSm) -> bytes:
    # §5.2.21, §5.3.2.32: the text is in short_message or in message_payload, never in both.
    if pdu.short_message and pdu.tlv(Tag.MESSAGE_PAYLOAD) is not None:
        raise ValueError("message_payload: short_message holds text already")
    return write_tlvs(pdu.tlvs)


def _refuse(pdu: Pdu, sequence: int = 1, status: int = 0) -> NoReturn:
    check_fields(pdu)
    _write_header(0, 0, status, sequence)
    raise ValueError(f"{type(pdu).__name__}: a value of the wrong type")


def _write_header(body: int, command_id: int, status: int, sequence: int) -> bytes:
    try:
        return _header(HEADER_LENGTH + body, command_id, status, sequence)
    except struct.error:
        raise ValueError(
            f"sequence_number {sequence!r} or command_status {status!r} does not fit in four octets"
        ) from None


def _write_submit_sm_resp(pdu: SubmitSmResp, sequence: int, status: int) -> bytes:
    if status:
        return _write_header(0, SubmitSmResp.command_id, status, sequence)
    message_id = pdu.message_id
    if pdu.tlvs or len(message_id) > 64 or "\0" in message_id or not message_id.isascii():
        return _write_by_table(pdu, sequence, status)
    return _write_header(len(message_id) + 1, SubmitSmResp.command_id, 0, sequence) + message_id.encode() + b"\0"


def _write_deliver_sm_resp(pdu: DeliverSmResp, sequence: int, status: int) -> bytes:
    if pdu.message_id or pdu.tlvs:
        return _write_by_table(pdu, sequence, status)
    return _write_header(1, DeliverSmResp.command_id, status, sequence) + b"\0"


def _write_by_table(pdu: Any, sequence: int, status: int) -> bytes:
    body = write_fields(pdu)
    tlvs = getattr(pdu, "tlvs", ())
    if tlvs:
        body += write_tlvs(tlvs)
    return _write_header(len(body), pdu.command_id, status, sequence) + body


def _write_bind_resp(pdu: Any, sequence: int, status: int) -> bytes:
    if status:
        return _write_header(0, pdu.command_id, status, sequence)
    return _write_by_table(pdu, sequence, status)


_Writer: TypeAlias = Callable[[Any, int, int], bytes]

_WRITERS: Final[dict[type[Pdu], _Writer]] = {
    **dict.fromkeys(LAYOUTS, _write_by_table),
    p.BindTransmitterResp: _write_bind_resp,
    p.BindReceiverResp: _write_bind_resp,
    p.BindTransceiverResp: _write_bind_resp,
    SubmitSm: _message_writer(SubmitSm.command_id),
    DeliverSm: _message_writer(DeliverSm.command_id),
    SubmitSmResp: _write_submit_sm_resp,
    DeliverSmResp: _write_deliver_sm_resp,
}


# --- reading ---


def _message_reader(cls: type[SubmitSm] | type[DeliverSm]) -> Callable[[bytes], Pdu]:
    def read(frame: bytes) -> Pdu:
        # One character for each octet: the positions are the same in both.
        characters = str(frame, "latin-1")
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
            raise _MessageLengthError(f"sm_length {sm_length}, and {len(frame) - position} octets are left")
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


def _read_c_string(frame: bytes, position: int) -> tuple[str, int]:
    end = frame.index(0, position)
    return str(frame[position:end], "latin-1"), end + 1


def _read_address(frame: bytes, position: int) -> tuple[Address, int]:
    addr, following = _read_c_string(frame, position + 2)
    return Address(frame[position], frame[position + 1], addr), following


def _text_response_reader(cls: Callable[..., Pdu]) -> Callable[[bytes], Pdu]:
    # Responses of one C-octet string and TLVs. A response that cannot be read would leave its request
    # without an answer, so nothing in it is an error: no body, no terminator, broken TLVs.
    empty = cls()

    def read(frame: bytes) -> Pdu:
        length = len(frame)
        if length <= 17:
            return empty if length == 16 or not frame[16] else cls(str(frame[16:], "latin-1"))
        end = frame.find(0, 16)
        if end == length - 1:
            return cls(str(frame[16:end], "latin-1"))
        if end < 0:
            return cls(str(frame[16:], "latin-1"))
        return cls(str(frame[16:end], "latin-1"), read_tlvs(frame, end + 1, lenient=True))

    return read


def _bind_reader(cls: Callable[..., Pdu]) -> Callable[[bytes], Pdu]:
    def read(frame: bytes) -> Pdu:
        system_id, position = _read_c_string(frame, 16)
        password, position = _read_c_string(frame, position)
        system_type, position = _read_c_string(frame, position)
        interface_version = frame[position]
        address_range, _ = _read_address(frame, position + 1)
        return cls(system_id, password, system_type, interface_version, address_range)

    return read


def _read_outbind(frame: bytes) -> Pdu:
    system_id, position = _read_c_string(frame, 16)
    password, _ = _read_c_string(frame, position)
    return p.Outbind(system_id, password)


def _read_data_sm(frame: bytes) -> Pdu:
    service_type, position = _read_c_string(frame, 16)
    source, position = _read_address(frame, position)
    destination, position = _read_address(frame, position)
    esm_class, registered_delivery, data_coding = struct.unpack_from("3B", frame, position)
    tlvs = read_tlvs(frame, position + 3)
    return p.DataSm(source, destination, esm_class, registered_delivery, data_coding, service_type, tlvs)


def _read_alert_notification(frame: bytes) -> Pdu:
    source, position = _read_address(frame, 16)
    esme_addr, position = _read_address(frame, position)
    return p.AlertNotification(source, esme_addr, read_tlvs(frame, position))


def _bodiless_reader(pdu: Pdu) -> Callable[[bytes], Pdu]:
    # A body where none belongs is ignored.
    return lambda _frame: pdu


_READERS: Final[dict[int, Callable[[bytes], Pdu]]] = {
    SubmitSm.command_id: _message_reader(SubmitSm),
    DeliverSm.command_id: _message_reader(DeliverSm),
    p.DataSm.command_id: _read_data_sm,
    p.AlertNotification.command_id: _read_alert_notification,
    p.Outbind.command_id: _read_outbind,
    **{cls.command_id: _bind_reader(cls) for cls in (p.BindTransmitter, p.BindReceiver, p.BindTransceiver)},
    **{
        cls.command_id: _text_response_reader(cls)
        for cls in (
            p.BindTransmitterResp,
            p.BindReceiverResp,
            p.BindTransceiverResp,
            SubmitSmResp,
            DeliverSmResp,
            p.DataSmResp,
        )
    },
    **{
        pdu.command_id: _bodiless_reader(pdu)
        for pdu in (p.Unbind(), p.UnbindResp(), p.EnquireLink(), p.EnquireLinkResp(), p.GenericNack())
    },
}
