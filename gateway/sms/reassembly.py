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
from .encoding import Alphabet, has_septets
from .national import NO_SHIFT, Shift, shift_of
from .segment import MESSAGE_PAYLOAD, SAR_MSG_REF_NUM, SAR_SEGMENT_SEQNUM, SAR_TOTAL_SEGMENTS, UDHI
from .udh import CONCAT_8, CONCAT_16, InformationElement, UdhError, concat_of, has_bad_port, parse_udh

__all__ = ["Assembled", "Decoded", "InboundPart", "InboundScheme", "assemble", "decode_text", "read_part"]

InboundScheme = Literal["single", "udh8", "udh16", "sar"]

_SAR_TAGS: Final = frozenset((SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM))


class InboundPart(msgspec.Struct, frozen=True, gc=False):
    """One part as it arrived.

    `ref`, `total` and `seq` are 0, 1 and 1 for a message that stands alone. `data` is without the header,
    whose length in octets (UDHL included) is `udh_octets`; `udh_other` are its elements apart from the
    concatenation.

    Flags: "bad_udh" (esm_class said that there is a header, but the octets are none: `data` is all of them),
    "bad_concat" (a concatenation that the specification has ignored: total or seq 0, seq above total, TLVs
    missing), "bad_port" (an application port element of the wrong length, which says nothing).
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
    numbers of absent parts, whose place in `text` is not marked. `shift` are the national tables that the text was
    read by, those of the first part that had any. Flags are those of the parts and of decoding, and
    "mixed_coding" where parts differ in data_coding, "unknown_language" where a national table was asked for that
    there is not, so that the default alphabet was read, and "national_shift" where one was asked for and the
    carrier's alphabet is of no septets, so that none can be applied.

    With "bad_udh" `encoding` is "binary" and `data` is all there is; `text` is beside it where the octets read as
    printable text by their data_coding, because some carriers leave the bit when they have taken the header off.
    """

    text: str | None
    data: bytes
    encoding: str
    complete: bool
    missing: tuple[int, ...]
    flags: tuple[str, ...]
    shift: Shift = NO_SHIFT

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
    flags: tuple[str, ...] = ("bad_port",) if has_bad_port(other) else ()
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


def assemble(
    parts: Mapping[int, InboundPart],
    total: int | None = None,
    alphabet: Alphabet | Mapping[int, Alphabet] = "gsm7",
) -> Assembled:
    """The message of `parts`, keyed by their numbers from 1 to `total` (by default, what the parts say).

    `alphabet` is the default alphabet of the carrier, or that of each part where they came by several.

    Where neighbours agree in data_coding and national tables their octets are joined before they are read, so that a
    pair which the sender cut in two survives; a missing part is never joined over. Parts with numbers outside 1 to
    `total` are left out. Never raises.
    """
    if total is None:
        total = max((part.total for part in parts.values()), default=1)
    if total == 1 and 1 in parts:
        return _assemble_one(parts[1], alphabet if isinstance(alphabet, str) else alphabet[1])
    present = [seq for seq in range(1, total + 1) if seq in parts]
    flags: dict[str, None] = {}
    texts: list[str] = []
    encodings: dict[str, None] = {}
    binary = False
    shift = NO_SHIFT
    for run in _runs(parts, present, {} if isinstance(alphabet, str) else alphabet):
        part_flags = dict.fromkeys(flag for part in run for flag in part.flags)
        decoded, own = _decode_run(run, alphabet if isinstance(alphabet, str) else alphabet[run[0].seq])
        if "bad_udh" in part_flags:
            decoded = _beside_octets(decoded)
        flags.update(part_flags)
        flags.update(dict.fromkeys(decoded.flags))
        encodings[decoded.encoding] = None
        shift = own if shift is NO_SHIFT else shift
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
        encoding="binary" if binary or "bad_udh" in flags else next(iter(encodings), "binary"),
        complete=not missing,
        missing=missing,
        flags=tuple(flags),
        shift=shift,
    )


def _assemble_one(part: InboundPart, alphabet: Alphabet) -> Assembled:
    if not part.udh_other and not part.flags and alphabet != "gsm7_packed":  # by far the most frequent
        decoded = decode_text(part.data, part.data_coding, alphabet)
        return Assembled(decoded.text, part.data, decoded.encoding, True, (), decoded.flags)
    decoded, shift = _decode_run((part,), alphabet)
    if "bad_udh" in part.flags:
        decoded = _beside_octets(decoded)
    return Assembled(decoded.text, part.data, decoded.encoding, True, (), part.flags + decoded.flags, shift)


def _runs(
    parts: Mapping[int, InboundPart], present: Iterable[int], alphabets: Mapping[int, Alphabet]
) -> list[list[InboundPart]]:
    """Parts in order, those together that follow each other and are read alike."""
    runs: list[list[InboundPart]] = []
    before = -1
    for seq in present:
        part = parts[seq]
        same = alphabets.get(before) == alphabets.get(seq)
        if seq == before + 1 and same and _read_alike(runs[-1][0], part):
            runs[-1].append(part)
        else:
            runs.append([part])
        before = seq
    return runs


def _read_alike(one: InboundPart, other: InboundPart) -> bool:
    if one.data_coding != other.data_coding:
        return False
    # The locking shift of a part ends with it (TS 23.038 §6.2.1.2.3), and so does its single shift.
    if one.udh_other == other.udh_other or not is_default_alphabet(one.data_coding):
        return True
    return shift_of(one.udh_other) == shift_of(other.udh_other)


def _decode_run(run: Sequence[InboundPart], alphabet: Alphabet) -> tuple[Decoded, Shift]:
    first = run[0]
    shift = NO_SHIFT
    flag = ""
    if first.udh_other and is_default_alphabet(first.data_coding):
        shift, unknown = shift_of(first.udh_other)
        if unknown:
            flag = "unknown_language"
        if shift is not NO_SHIFT and not has_septets(alphabet):
            shift, flag = NO_SHIFT, "national_shift"
    if alphabet == "gsm7_packed" and is_default_alphabet(first.data_coding):
        unpacked = [unpack_septets(part.data, part.udh_octets) for part in run]
        decoded = decode_septets(b"".join([septets for septets, _ in unpacked]), first.data_coding, shift)
        if any(padded for _, padded in unpacked):
            decoded = _flagged(decoded, "padding")
    else:
        data = first.data if len(run) == 1 else b"".join([part.data for part in run])
        decoded = decode_text(data, first.data_coding, alphabet, shift)
    return (_flagged(decoded, flag) if flag else decoded), shift


def _flagged(decoded: Decoded, flag: str) -> Decoded:
    return Decoded(decoded.text, decoded.encoding, (*decoded.flags, flag))


_MISREAD: Final = frozenset(("replaced", "odd_octets", "cut_escape"))


def _beside_octets(decoded: Decoded) -> Decoded:
    """The octets of a header that is none are binary; their text stays where every one of them reads as print."""
    text = decoded.text
    if text is not None and _MISREAD.isdisjoint(decoded.flags) and _is_print(text):
        return Decoded(text, "binary", decoded.flags)
    return Decoded(
        None, "binary", tuple([flag for flag in decoded.flags if flag not in _MISREAD and flag != "padding"])
    )


def _is_print(text: str) -> bool:
    return all(char.isprintable() or char in "\n\r\t" for char in text)


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
    if "bad_concat" not in flags:  # which the header's own may have said
        flags += ("bad_concat",)
    return InboundPart("single", 0, 1, 1, data, data_coding, other, flags, octets)


def _number(value: int | str | bytes) -> int:
    """A TLV's number, also as octets; 0, which no total or seq may be, for what is none."""
    if isinstance(value, int):
        return value
    return int.from_bytes(value, "big") if isinstance(value, bytes) and len(value) <= 2 else 0
