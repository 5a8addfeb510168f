"""PDUs to octets (SMPP 3.4 §4, §5.2): a function for each class, in `WRITERS`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

from gateway.smpp import pdu as p
from gateway.smpp.constants import Tag
from gateway.smpp.fields import LAYOUTS, check_fields, write_fields
from gateway.smpp.framing import HEADER_LENGTH
from gateway.smpp.pdu import DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from gateway.smpp.tlv import write_tlvs

_header: Final = struct.Struct(">IIII").pack
_empty_text: Final = struct.Struct(">IIIIx").pack

_CHARACTER: Final[dict[int, str]] = {octet: chr(octet) for octet in range(256)}


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


def _message_tlvs(pdu: SubmitSm | DeliverSm | p.SubmitMulti | p.ReplaceSm) -> bytes:
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
    if status and not pdu.tlvs:
        # §4.4.2: no body with an error, unless it says more of it (5.0 §4.2.5, §4.8.4.18).
        return _write_header(0, SubmitSmResp.command_id, status, sequence)
    message_id = pdu.message_id
    if pdu.tlvs or len(message_id) > 64 or "\0" in message_id or not message_id.isascii():
        return _write_by_table(pdu, sequence, status)
    return _write_header(len(message_id) + 1, SubmitSmResp.command_id, 0, sequence) + message_id.encode() + b"\0"


def _write_deliver_sm_resp(pdu: DeliverSmResp, sequence: int, status: int) -> bytes:
    if pdu.message_id or pdu.tlvs:
        return _write_by_table(pdu, sequence, status)
    try:
        return _empty_text(HEADER_LENGTH + 1, DeliverSmResp.command_id, status, sequence)
    except struct.error:
        return _write_header(1, DeliverSmResp.command_id, status, sequence) + b"\0"  # says why not


def _write_by_table(pdu: Any, sequence: int, status: int) -> bytes:
    body = write_fields(pdu)
    tlvs = getattr(pdu, "tlvs", ())
    if tlvs:
        body += write_tlvs(tlvs)
    return _write_header(len(body), pdu.command_id, status, sequence) + body


def _write_text_by_table(pdu: p.SubmitMulti | p.ReplaceSm, sequence: int, status: int) -> bytes:
    body = write_fields(pdu)
    if pdu.tlvs:
        body += _message_tlvs(pdu)
    return _write_header(len(body), pdu.command_id, status, sequence) + body


def _write_if_it_says_more(pdu: Any, sequence: int, status: int) -> bytes:
    # §4.1.2, 5.0 §3.2.1.3: no body with an error, but for what tells more of it: the destinations of submit_multi that
    # failed (§4.5.2.1), the areas of broadcast_sm (5.0 §4.4.3), how busy this end is (5.0 §4.8.4.18).
    if status and not pdu.tlvs and not getattr(pdu, "unsuccessful", ()):
        return _write_header(0, pdu.command_id, status, sequence)
    return _write_by_table(pdu, sequence, status)


_Writer: TypeAlias = Callable[[Any, int, int], bytes]

WRITERS: Final[dict[type[Pdu], _Writer]] = {
    **dict.fromkeys(LAYOUTS, _write_by_table),
    p.BindTransmitterResp: _write_if_it_says_more,
    p.BindReceiverResp: _write_if_it_says_more,
    p.BindTransceiverResp: _write_if_it_says_more,
    SubmitSm: _message_writer(SubmitSm.command_id),
    DeliverSm: _message_writer(DeliverSm.command_id),
    SubmitSmResp: _write_submit_sm_resp,
    DeliverSmResp: _write_deliver_sm_resp,
    p.SubmitMulti: _write_text_by_table,
    p.SubmitMultiResp: _write_if_it_says_more,
    p.QuerySmResp: _write_if_it_says_more,
    p.ReplaceSm: _write_text_by_table,
    p.BroadcastSmResp: _write_if_it_says_more,
    p.QueryBroadcastSmResp: _write_if_it_says_more,
}
"""What writes a class: (PDU, sequence_number, command_status) to octets. Raises ValueError naming the field that
cannot hold its value."""
