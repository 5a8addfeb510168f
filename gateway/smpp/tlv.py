"""Optional parameters (TLVs) to and from octets: tag, length and value (SMPP 3.4 §5.3, 5.0 §4.8).

What each of them is stands in `tlvtable`. Those in no specification, a vendor's 0x1400 to 0x3FFF and any other,
hold octets; order and repeats are kept both ways.
"""

from __future__ import annotations

import struct
from typing import Final

from gateway.smpp.pdu import Tlv, TlvValue
from gateway.smpp.tlvtable import CARRIED_34, CARRIED_50, REQUIRED, TLVS, TlvKind, TlvType

__all__ = [
    "CARRIED_34",
    "CARRIED_50",
    "C_STRING",
    "KINDS",
    "REQUIRED",
    "TLVS",
    "TlvError",
    "TlvKind",
    "TlvType",
    "read_tlvs",
    "tag_name",
    "write_tlvs",
]

C_STRING: Final = 0

KINDS: Final[dict[int, int]] = {
    tag: 0 if kind.type is TlvType.C_STRING else kind.sizes[0]
    for tag, kind in TLVS.items()
    if kind.type is not TlvType.OCTETS
}
"""1, 2 or 4: an integer of so many octets; C_STRING. Tags that are not here hold octets. For the hot path."""

_ANY: Final = (0, 0xFFFF)  # what fits at all: a length has two octets

_HEAD: Final = struct.Struct(">HH").pack
_INTEGERS: Final = {
    tag: (struct.Struct({1: ">HHB", 2: ">HHH", 4: ">HHI"}[kind]).pack, kind)
    for tag, kind in KINDS.items()
    if kind != C_STRING
}
# Fewest and most octets of the others, whose sizes have no gaps.
_LIMITS: Final = {
    tag: (kind.sizes[0], kind.sizes[-1]) for tag, kind in TLVS.items() if kind.type is not TlvType.INTEGER
}
_read_head: Final = struct.Struct(">HH").unpack_from


class TlvError(ValueError):
    """The octets where optional parameters should be are none."""


def write_tlvs(tlvs: tuple[Tlv, ...]) -> bytes:
    """Octets of optional parameters, in the order given.

    An `int` goes as the tag's size says, a `str` with its terminator, `bytes` as they are: where the tag is an
    integer's of any length, for an SMSC that wants another one than the specification. Raises ValueError naming
    the tag where the value is not of the tag's type or size.
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
        least, most = _LIMITS.get(tag, _ANY)
        if not least <= len(octets) <= most:
            raise ValueError(f"{tag_name(tag)}: {len(octets)} octets, {_said(least, most)} fit")
        try:
            parts.append(_HEAD(tag, len(octets)))
        except struct.error:
            raise ValueError(f"TLV tag {tag!r} does not fit in two octets") from None
        parts.append(octets)
    return b"".join(parts)


def _said(least: int, most: int) -> str:
    if least == most:
        return f"{most}"
    return f"{least} to {most}" if least else f"at most {most}"


def _value_octets(tag: int, value: TlvValue) -> bytes:
    kind = KINDS.get(tag)
    if isinstance(value, bytes):
        if kind == C_STRING and 0 in value[:-1]:
            raise ValueError(f"{tag_name(tag)}: a NUL within the text")
        return value
    if isinstance(value, str) and kind == C_STRING:
        if "\0" in value:
            raise ValueError(f"{tag_name(tag)}: a NUL within the text")
        try:
            return value.encode("latin-1") + b"\0"
        except UnicodeEncodeError:
            raise ValueError(f"{tag_name(tag)}: characters beyond latin-1") from None
    takes = "bytes" if kind is None else "str or bytes" if kind == C_STRING else "int or bytes"
    raise ValueError(f"{tag_name(tag)}: takes {takes}, not {type(value).__name__}")


def read_tlvs(frame: bytes, position: int, *, lenient: bool = False) -> tuple[Tlv, ...]:
    """Optional parameters from `position` to the end of the frame, those that are not known too.

    Raises TlvError where fewer octets are left than a tag and its length say; when lenient, what came
    before that is the result.
    """
    end = len(frame)
    tlvs: list[Tlv] = []
    kinds = KINDS
    try:
        while position < end:
            tag, length = _read_head(frame, position)
            start = position + 4
            following = start + length
            if following > end:
                if lenient:
                    break
                raise TlvError(f"{tag_name(tag)}: {length} octets announced, {following - end} are missing")
            kind = kinds.get(tag)
            if kind is None:
                tlvs.append(Tlv(tag, frame[start:following]))
            elif kind == 1 == length:
                tlvs.append(Tlv(tag, frame[start]))
            elif kind == C_STRING:
                tlvs.append(Tlv(tag, frame[start:following].partition(b"\0")[0].decode("latin-1")))
            elif kind == length:
                tlvs.append(Tlv(tag, int.from_bytes(frame[start:following], "big")))
            else:
                tlvs.append(Tlv(tag, frame[start:following]))
            position = following
    except struct.error:
        if not lenient:
            raise TlvError(f"{end - position} octets left over after the last optional parameter") from None
    return tuple(tlvs)


_NAMES: Final[dict[int, str]] = {tag: kind.name for tag, kind in TLVS.items()}


def tag_name(tag: int) -> str:
    """Name of a tag as in the specification, or `TLV 0x1400` for one that is not in it."""
    return _NAMES.get(tag) or f"TLV 0x{tag:04X}"
