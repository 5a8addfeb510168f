"""What comes in: parts read out of deliver_sm fields, octets to text, parts to a message.

Three schemes tie parts together: a concatenation element with an 8-bit or a 16-bit reference (3GPP TS
23.040 §9.2.3.24.1, §9.2.3.24.8) and the SAR TLVs (SMPP 3.4 §5.3.2.22 to §5.3.2.24). Which parts belong
together is the caller's to keep: by source, destination, scheme, reference and total.

Nothing here raises on any octets: what is wrong is flagged, and the text or the octets are still there to
see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from .coding import Decoded, decode_septets, decode_text, is_default_alphabet, unpack_septets
from .segment import (
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    UDHI,
    Alphabet,
)
from .udh import (
    CONCAT_8,
    CONCAT_16,
    LOCKING_SHIFT,
    SINGLE_SHIFT,
    InformationElement,
    UdhError,
    concat_of,
    parse_udh,
)

__all__ = ["Assembled", "Decoded", "InboundPart", "InboundScheme", "assemble", "decode_text", "read_part"]

InboundScheme = Literal["single", "udh8", "udh16", "sar"]

_SAR_TAGS: Final = frozenset((SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM))


class InboundPart(msgspec.Struct, frozen=True, gc=False):
    """One part as it arrived.

    `ref`, `total` and `seq` are 0, 1 and 1 for a message that stands alone. `data` is without the header,
    whose length in octets (UDHL included) is `udh_octets`; `udh_other` are its elements apart from the
    concatenation.

    Flags: "bad_udh" (esm_class said that there is a header, but the octets are none: `data` is all of them,
    and is read as text, because some carriers leave the bit when they have taken the header off),
    "bad_concat" (a concatenation that the specification has ignored: total or seq 0, seq above total, TLVs
    missing), "national_shift" (a national language table was asked for, which is not applied).
    """

    scheme: InboundScheme
    ref: int
    total: int
    seq: int
    data: bytes
    data_coding: int
    udh_other: tuple[InformationElement, ...] = ()
    flags: tuple[str, ...] = ()
    udh_octets: int = 0

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return (
            f"InboundPart({self.scheme}, ref={self.ref}, part {self.seq} of {self.total}, "
            f"<{len(self.data)} octets>, data_coding=0x{self.data_coding:02X}, flags={self.flags})"
        )


class Assembled(msgspec.Struct, frozen=True, gc=False):
    """A message put together, whole or with the parts there are.

    `text` is None for binary; `data` are the octets of all parts joined, without headers; `missing` are the
    numbers of absent parts, whose place in `text` is not marked. Flags are those of the parts and of
    decoding, and "mixed_coding" where parts differ in data_coding.
    """

    text: str | None
    data: bytes
    encoding: str
    complete: bool
    missing: tuple[int, ...]
    flags: tuple[str, ...]

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return (
            f"Assembled({self.encoding}, <{len(self.data)} octets>, complete={self.complete}, "
            f"missing={self.missing}, flags={self.flags})"
        )


def read_part(
    short_message: bytes,
    esm_class: int,
    data_coding: int,
    tlvs: Sequence[tuple[int, int | str | bytes]] = (),
) -> InboundPart:
    """The part that the fields of a deliver_sm or data_sm carry. Never raises.

    message_payload counts where short_message is empty (SMPP 3.4 §5.3.2.32), and may itself open with a
    header. A header's concatenation wins over SAR TLVs.
    """
    payload = short_message
    sar: dict[int, int] | None = None
    for tag, value in tlvs:
        if tag == MESSAGE_PAYLOAD:
            if not short_message and isinstance(value, bytes):
                payload = value
        elif tag in _SAR_TAGS:
            sar = {} if sar is None else sar
            sar[tag] = _number(value)

    if not esm_class & UDHI:
        if sar is None:
            return InboundPart("single", 0, 1, 1, payload, data_coding)
        return _by_sar(sar, payload, data_coding, (), (), 0)

    # By far the most frequent header: an 8-bit concatenation alone.
    if payload[:3] == b"\x05\x00\x03" and len(payload) >= 6 and 0 < payload[5] <= payload[4]:
        return InboundPart("udh8", payload[3], payload[4], payload[5], payload[6:], data_coding, (), (), 6)

    try:
        elements, rest = parse_udh(payload)
    except UdhError:
        if sar is None:
            return InboundPart("single", 0, 1, 1, payload, data_coding, (), ("bad_udh",))
        return _by_sar(sar, payload, data_coding, (), ("bad_udh",), 0)
    other = tuple(ie for ie in elements if ie.id != CONCAT_8 and ie.id != CONCAT_16)
    flags: tuple[str, ...] = ()
    if any(ie.id == SINGLE_SHIFT or ie.id == LOCKING_SHIFT for ie in other):
        flags = ("national_shift",)
    octets = len(payload) - len(rest)
    concat = concat_of(elements)
    if concat is not None:
        scheme: InboundScheme = "udh16" if concat.wide else "udh8"
        return InboundPart(scheme, concat.ref, concat.total, concat.seq, rest, data_coding, other, flags, octets)
    if len(other) != len(elements):
        flags += ("bad_concat",)
    if sar is not None:
        return _by_sar(sar, rest, data_coding, other, flags, octets)
    return InboundPart("single", 0, 1, 1, rest, data_coding, other, flags, octets)


def assemble(parts: Mapping[int, InboundPart], total: int | None = None, alphabet: Alphabet = "gsm7") -> Assembled:
    """The message of `parts`, keyed by their numbers from 1 to `total` (by default, what the parts say).

    Where neighbours agree in data_coding their octets are joined before they are read, so that a pair which
    the sender cut in two survives; a missing part is never joined over. Parts with numbers outside 1 to
    `total` are left out. Never raises.
    """
    if total is None:
        total = max((part.total for part in parts.values()), default=1)
    if total == 1 and 1 in parts:
        return _assemble_one(parts[1], alphabet)
    present = [seq for seq in range(1, total + 1) if seq in parts]
    flags: dict[str, None] = {}
    texts: list[str] = []
    encodings: dict[str, None] = {}
    binary = False
    for run in _runs(parts, present):
        flags.update(dict.fromkeys(flag for part in run for flag in part.flags))
        decoded = _decode_run(run, alphabet)
        flags.update(dict.fromkeys(decoded.flags))
        encodings[decoded.encoding] = None
        if decoded.text is None:
            binary = True
        else:
            texts.append(decoded.text)
    if len({parts[seq].data_coding for seq in present}) > 1:
        flags["mixed_coding"] = None
    missing = tuple(seq for seq in range(1, total + 1) if seq not in parts) if len(present) < total else ()
    return Assembled(
        text=None if binary else "".join(texts),
        data=b"".join([parts[seq].data for seq in present]),
        encoding="binary" if binary else next(iter(encodings), "binary"),
        complete=not missing,
        missing=missing,
        flags=tuple(flags),
    )


def _assemble_one(part: InboundPart, alphabet: Alphabet) -> Assembled:
    decoded = _decode_run((part,), alphabet)
    return Assembled(decoded.text, part.data, decoded.encoding, True, (), part.flags + decoded.flags)


def _runs(parts: Mapping[int, InboundPart], present: Iterable[int]) -> list[list[InboundPart]]:
    """Parts in order, those together that follow each other and have one data_coding."""
    runs: list[list[InboundPart]] = []
    before = -1
    for seq in present:
        part = parts[seq]
        if seq == before + 1 and runs[-1][0].data_coding == part.data_coding:
            runs[-1].append(part)
        else:
            runs.append([part])
        before = seq
    return runs


def _decode_run(run: Sequence[InboundPart], alphabet: Alphabet) -> Decoded:
    first = run[0]
    if alphabet == "gsm7_packed" and is_default_alphabet(first.data_coding):
        unpacked = [unpack_septets(part.data, part.udh_octets) for part in run]
        decoded = decode_septets(b"".join([septets for septets, _ in unpacked]), first.data_coding)
        if any(padded for _, padded in unpacked):
            return Decoded(decoded.text, decoded.encoding, (*decoded.flags, "padding"))
        return decoded
    data = first.data if len(run) == 1 else b"".join([part.data for part in run])
    return decode_text(data, first.data_coding, alphabet)


def _by_sar(
    sar: Mapping[int, int],
    data: bytes,
    data_coding: int,
    other: tuple[InformationElement, ...],
    flags: tuple[str, ...],
    octets: int,
) -> InboundPart:
    """A part whose concatenation the SAR TLVs tell, or a single one where they do not add up."""
    total = sar.get(SAR_TOTAL_SEGMENTS, 0)
    seq = sar.get(SAR_SEGMENT_SEQNUM, 0)
    if SAR_MSG_REF_NUM in sar and 0 < seq <= total <= 0xFF:
        return InboundPart("sar", sar[SAR_MSG_REF_NUM], total, seq, data, data_coding, other, flags, octets)
    return InboundPart("single", 0, 1, 1, data, data_coding, other, (*flags, "bad_concat"), octets)


def _number(value: int | str | bytes) -> int:
    """A TLV's number, also as octets; 0, which no total or seq may be, for what is none."""
    if isinstance(value, int):
        return value
    return int.from_bytes(value, "big") if isinstance(value, bytes) and len(value) <= 2 else 0
