"""SMPP 3.4 octets by hand: just what an SMSC sink and a flood of submits need, as cheap as Python can do it.

Apart from the gateway's codec on purpose: a fault in that codec cannot hide itself here.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

# Command ids, SMPP 3.4 §5.1.2.1. A response has the top bit set.
GENERIC_NACK = 0x80000000
BIND_RECEIVER = 0x00000001
BIND_TRANSMITTER = 0x00000002
SUBMIT_SM = 0x00000004
DELIVER_SM = 0x00000005
UNBIND = 0x00000006
BIND_TRANSCEIVER = 0x00000009
ENQUIRE_LINK = 0x00000015
RESPONSE = 0x80000000
SUBMIT_SM_RESP = SUBMIT_SM | RESPONSE
DELIVER_SM_RESP = DELIVER_SM | RESPONSE

# Statuses, §5.1.3.
ROK = 0x00
RINVCMDLEN = 0x02
RINVCMDID = 0x03
RINVBNDSTS = 0x04
RALYBND = 0x05
RMSGQFUL = 0x14
RSUBMITFAIL = 0x45
RTHROTTLED = 0x58
RX_T_APPN = 0x64
TEMPORARY = frozenset({0x04, 0x08, RMSGQFUL, RTHROTTLED, RX_T_APPN})

# esm_class, §5.2.12.
UDHI = 0x40
TYPE_MASK = 0x3C
TYPE_RECEIPT = 0x04

# TLV tags, §5.3.2.
RECEIPTED_MESSAGE_ID = 0x001E
SAR_MSG_REF_NUM = 0x020C
SAR_TOTAL_SEGMENTS = 0x020E
SAR_SEGMENT_SEQNUM = 0x020F
SC_INTERFACE_VERSION = 0x0210
MESSAGE_PAYLOAD = 0x0424
MESSAGE_STATE = 0x0427

MAX_PDU = 131072
HEADER = Struct(">IIII")
"""command_length, command_id, command_status, sequence_number (§3.2)."""
TLV_HEADER = Struct(">HH")


class BadFrame(ValueError):
    """Octets that cannot be an SMPP stream, or a PDU that ends too early."""


class Concat(NamedTuple):
    """Place of a segment in its message; total and part are 1 for a message of one segment (ref 0)."""

    ref: int
    total: int
    part: int


class ShortMessage(NamedTuple):
    """The fields of a submit_sm or deliver_sm (§4.4.1, §4.6.1) that the lab looks at."""

    source: str
    destination: str
    esm_class: int
    registered_delivery: int
    data_coding: int
    short_message: bytes
    """short_message, or message_payload where that is what was sent; a user data header is still in it."""
    tlvs: dict[int, bytes]

    def content(self) -> tuple[Concat, bytes]:
        """Where this segment belongs, and its octets without the user data header (TS 23.040 §9.2.3.24)."""
        body = self.short_message
        if self.esm_class & UDHI and body:
            end = body[0] + 1
            return _concat_of(body[1:end]), body[end:]
        if SAR_MSG_REF_NUM in self.tlvs:
            ref = int.from_bytes(self.tlvs[SAR_MSG_REF_NUM], "big")
            total = int.from_bytes(self.tlvs.get(SAR_TOTAL_SEGMENTS, b"\x01"), "big")
            part = int.from_bytes(self.tlvs.get(SAR_SEGMENT_SEQNUM, b"\x01"), "big")
            return Concat(ref, total, part), body
        return SINGLE, body


SINGLE = Concat(0, 1, 1)


def _concat_of(header: bytes) -> Concat:
    """The concatenation among information elements: 0x00 with an 8-bit, 0x08 with a 16-bit reference."""
    at = 0
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if element == 0x00 and len(value) == 3:
            return Concat(value[0], value[1], value[2])
        if element == 0x08 and len(value) == 4:
            return Concat(value[0] << 8 | value[1], value[2], value[3])
        at += 2 + length
    return SINGLE


def parse_short_message(frame: bytes) -> ShortMessage:
    """Read a whole submit_sm or deliver_sm, header included. Raises BadFrame when it ends too early."""
    try:
        at = frame.index(0, 16) + 3
        end = frame.index(0, at)
        source = frame[at:end].decode("latin-1")
        at = end + 3
        end = frame.index(0, at)
        destination = frame[at:end].decode("latin-1")
        esm_class = frame[end + 1]
        end = frame.index(0, frame.index(0, end + 4) + 1)
        registered, data_coding, length = frame[end + 1], frame[end + 3], frame[end + 5]
        at = end + 6
        body = frame[at : at + length]
        if len(body) < length:
            raise BadFrame("sm_length is longer than the PDU")
    except (ValueError, IndexError) as error:
        raise BadFrame(f"a short message PDU of {len(frame)} octets ends too early") from error
    tlvs = parse_tlvs(frame, at + length)
    return ShortMessage(source, destination, esm_class, registered, data_coding, tlvs.get(MESSAGE_PAYLOAD, body), tlvs)


def parse_tlvs(frame: bytes, at: int) -> dict[int, bytes]:
    """Optional parameters from an offset on; the first of a repeated tag counts. BadFrame when cut short."""
    tlvs: dict[int, bytes] = {}
    while at < len(frame):
        if at + 4 > len(frame):
            raise BadFrame("half a TLV header at the end of a PDU")
        tag, length = TLV_HEADER.unpack_from(frame, at)
        value = frame[at + 4 : at + 4 + length]
        if len(value) < length:
            raise BadFrame(f"TLV 0x{tag:04X} is longer than the PDU")
        tlvs.setdefault(tag, value)
        at += 4 + length
    return tlvs


def c_octets(frame: bytes, at: int = 16) -> str:
    """The C-octet string at an offset, such as the message_id of a submit_sm_resp; "" without a body."""
    end = frame.find(0, at)
    return frame[at : end if end >= 0 else len(frame)].decode("latin-1")


def frames(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """(offset, end, command_id, command_status, sequence_number) of each whole PDU in data, in order.

    What follows the last whole PDU is left to the caller. Raises BadFrame on a length outside 16 to 128 KiB.
    """
    at, size = 0, len(data)
    while size - at >= 16:
        length, command, status, sequence = HEADER.unpack_from(data, at)
        if not 16 <= length <= MAX_PDU:
            raise BadFrame(f"command_length {length}")
        end = at + length
        if end > size:
            return
        yield at, end, command, status, sequence
        at = end


def pdu(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """A PDU from its header fields and its body."""
    return HEADER.pack(16 + len(body), command, status, sequence) + body


def tlv(tag: int, value: bytes) -> bytes:
    """One optional parameter (§3.2.4.1)."""
    return TLV_HEADER.pack(tag, len(value)) + value


def address(value: str) -> bytes:
    """TON, NPI and address as C-octet string: + means international 1/1, letters 5/0, short digits 3/0."""
    if value.startswith("+"):
        return b"\x01\x01" + value[1:].encode("ascii") + b"\0"
    if not value.isdigit():
        return b"\x05\x00" + value.encode("latin-1") + b"\0"
    return (b"\x03\x00" if len(value) <= 8 else b"\x01\x01") + value.encode("ascii") + b"\0"


def short_message_body(
    source: bytes,
    destination: bytes,
    short_message: bytes,
    *,
    esm_class: int = 0,
    data_coding: int = 0,
    registered_delivery: int = 0,
    tlvs: bytes = b"",
) -> bytes:
    """The body of a submit_sm or deliver_sm; addresses are of `address`, short_message to 254 octets."""
    return b"".join(
        (
            b"\0",
            source,
            destination,
            bytes((esm_class, 0, 0, 0, 0, registered_delivery, 0, data_coding, 0, len(short_message))),
            short_message,
            tlvs,
        )
    )


def bind_body(system_id: str, password: str = "", system_type: str = "", version: int = 0x34) -> bytes:
    """The body of any of the three binds (§4.1)."""
    strings = b"".join(field.encode("latin-1") + b"\0" for field in (system_id, password, system_type))
    return strings + bytes((version, 0, 0, 0))


def esm_class_at(body: bytes) -> int:
    """Offset of esm_class in a submit_sm or deliver_sm body (§4.4.1)."""
    source = body.index(0) + 1
    destination = body.index(0, source + 2) + 1
    return body.index(0, destination + 2) + 1
