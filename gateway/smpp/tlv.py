"""Optional parameters (TLVs) to and from octets: tag, length and value (SMPP 3.4 §5.3)."""

from __future__ import annotations

import struct
from typing import Final

from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Tlv, TlvValue

C_STRING: Final = 0

KINDS: Final[dict[int, int]] = {
    # 1, 2 or 4: an integer of so many octets (§5.3.2). Tags that are not here hold octets.
    Tag.DEST_ADDR_SUBUNIT: 1,
    Tag.DEST_NETWORK_TYPE: 1,
    Tag.DEST_BEARER_TYPE: 1,
    Tag.DEST_TELEMATICS_ID: 2,
    Tag.SOURCE_ADDR_SUBUNIT: 1,
    Tag.SOURCE_NETWORK_TYPE: 1,
    Tag.SOURCE_BEARER_TYPE: 1,
    Tag.SOURCE_TELEMATICS_ID: 1,
    Tag.QOS_TIME_TO_LIVE: 4,
    Tag.PAYLOAD_TYPE: 1,
    Tag.ADDITIONAL_STATUS_INFO_TEXT: C_STRING,
    Tag.RECEIPTED_MESSAGE_ID: C_STRING,
    Tag.MS_MSG_WAIT_FACILITIES: 1,
    Tag.PRIVACY_INDICATOR: 1,
    Tag.USER_MESSAGE_REFERENCE: 2,
    Tag.USER_RESPONSE_CODE: 1,
    Tag.SOURCE_PORT: 2,
    Tag.DESTINATION_PORT: 2,
    Tag.SAR_MSG_REF_NUM: 2,
    Tag.LANGUAGE_INDICATOR: 1,
    Tag.SAR_TOTAL_SEGMENTS: 1,
    Tag.SAR_SEGMENT_SEQNUM: 1,
    Tag.SC_INTERFACE_VERSION: 1,
    Tag.CALLBACK_NUM_PRES_IND: 1,
    Tag.NUMBER_OF_MESSAGES: 1,
    Tag.DPF_RESULT: 1,
    Tag.SET_DPF: 1,
    Tag.MS_AVAILABILITY_STATUS: 1,
    Tag.DELIVERY_FAILURE_REASON: 1,
    Tag.MORE_MESSAGES_TO_SEND: 1,
    Tag.MESSAGE_STATE: 1,
    Tag.DISPLAY_TIME: 1,
    Tag.SMS_SIGNAL: 2,
    Tag.MS_VALIDITY: 1,
    Tag.ITS_REPLY_TYPE: 1,
    Tag.CONGESTION_STATE: 1,
    Tag.DEST_ADDR_NP_RESOLUTION: 1,
}

_LONGEST: Final[dict[int, int]] = {
    # Octets, with the terminator of a C-octet string (§5.3.2).
    Tag.ADDITIONAL_STATUS_INFO_TEXT: 256,
    Tag.RECEIPTED_MESSAGE_ID: 65,
    Tag.SOURCE_SUBADDRESS: 23,
    Tag.DEST_SUBADDRESS: 23,
    Tag.CALLBACK_NUM: 19,
    Tag.CALLBACK_NUM_ATAG: 65,
    Tag.NETWORK_ERROR_CODE: 3,
    Tag.USSD_SERVICE_OP: 1,
    Tag.ITS_SESSION_INFO: 2,
}
_LONGEST_OF_ALL: Final = 0xFFFF

_HEAD: Final = struct.Struct(">HH").pack
_INTEGERS: Final = {
    tag: (struct.Struct({1: ">HHB", 2: ">HHH", 4: ">HHI"}[kind]).pack, kind)
    for tag, kind in KINDS.items()
    if kind != C_STRING
}
_read_head: Final = struct.Struct(">HH").unpack_from


class TlvError(ValueError):
    """The octets where optional parameters should be are none."""


def write_tlvs(tlvs: tuple[Tlv, ...]) -> bytes:
    """Octets of optional parameters, in the order given.

    A `bytes` value goes as it is, an `int` as the tag's size says, a `str` with its terminator. Raises
    ValueError naming the tag where the value is not of the tag's type or does not fit.
    """
    parts: list[bytes] = []
    for tlv in tlvs:
        tag = tlv.tag
        if isinstance(tlv.value, int) and tag in _INTEGERS:
            pack, size = _INTEGERS[tag]
            try:
                parts.append(pack(tag, size, tlv.value))
            except struct.error:
                raise ValueError(f"{tag_name(tag)}: {tlv.value} does not fit in {size} octets") from None
            continue
        octets = _value_octets(tag, tlv.value)
        if len(octets) > _LONGEST.get(tag, _LONGEST_OF_ALL):
            raise ValueError(f"{tag_name(tag)}: {len(octets)} octets, at most {_LONGEST.get(tag, 0xFFFF)} fit")
        try:
            parts.append(_HEAD(tag, len(octets)))
        except struct.error:
            raise ValueError(f"TLV tag {tag!r} does not fit in two octets") from None
        parts.append(octets)
    return b"".join(parts)


def _value_octets(tag: int, value: TlvValue) -> bytes:
    if isinstance(value, bytes):
        return value
    kind = KINDS.get(tag)
    if isinstance(value, str) and kind == C_STRING:
        if "\0" in value:
            raise ValueError(f"{tag_name(tag)}: a NUL within the text")
        try:
            return value.encode("latin-1") + b"\0"
        except UnicodeEncodeError:
            raise ValueError(f"{tag_name(tag)}: characters beyond latin-1") from None
    raise ValueError(f"{tag_name(tag)}: takes {_TAKES.get(kind, 'bytes')}, not {type(value).__name__}")


_TAKES: Final[dict[int | None, str]] = {
    C_STRING: "str or bytes",
    1: "int or bytes",
    2: "int or bytes",
    4: "int or bytes",
}


def read_tlvs(frame: bytes, position: int, *, lenient: bool = False) -> tuple[Tlv, ...]:
    """Optional parameters from `position` to the end of the frame, those that are not known too.

    Raises TlvError where fewer octets are left than a tag and its length say; when lenient, what came
    before that is the result.
    """
    end = len(frame)
    tlvs: list[Tlv] = []
    while position < end:
        if position + 4 > end:
            if lenient:
                break
            raise TlvError(f"{end - position} octets left over after the last optional parameter")
        tag, length = _read_head(frame, position)
        position += 4
        following = position + length
        if following > end:
            if lenient:
                break
            raise TlvError(f"{tag_name(tag)}: {length} octets announced, {following - end} are missing")
        octets = frame[position:following]
        position = following
        kind = KINDS.get(tag)
        if kind is None:
            tlvs.append(Tlv(tag, octets))
        elif kind == C_STRING:
            tlvs.append(Tlv(tag, str(octets, "latin-1").partition("\0")[0]))
        elif length == kind:
            tlvs.append(Tlv(tag, octets[0] if kind == 1 else int.from_bytes(octets, "big")))
        else:
            tlvs.append(Tlv(tag, octets))
    return tuple(tlvs)


_NAMES: Final[dict[int, str]] = {int(tag): tag.name.lower() for tag in Tag}


def tag_name(tag: int) -> str:
    """Name of a tag as in the specification, or `TLV 0x1400` for one that is not in it."""
    return _NAMES.get(tag) or f"TLV 0x{tag:04X}"
