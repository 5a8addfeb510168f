"""Text to segments: the encoding chosen, the parts counted, and the octets of each part.

A segment carries 140 octets on the air (3GPP TS 23.040 §9.2.3.16), the user data header included: 160
septets, 70 UCS-2 units or 140 octets alone; 153, 67 or 134 beside an 8-bit concatenation element; 152, 66 or
133 beside a 16-bit one (§9.2.3.24.1, §9.2.3.24.8). A pair of ESC and its code, and a surrogate pair, stay in
one part.

`plan` decides and counts, `SegmentPlan.render` writes the octets of a plan, and `render` does both for a
stored message: the same arguments always give the same octets, so that a copy made after a restart is the
same message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from . import gsm0338
from .gsm0338 import UnencodableError
from .national import Language, Shift
from .udh import UdhError, concat_of, parse_udh

__all__ = [
    "DEST_ADDR_SUBUNIT",
    "MESSAGE_PAYLOAD",
    "SAR_MSG_REF_NUM",
    "SAR_SEGMENT_SEQNUM",
    "SAR_TOTAL_SEGMENTS",
    "UDHI",
    "Alphabet",
    "AskedEncoding",
    "Encoding",
    "FlashWay",
    "Scheme",
    "SegmentBody",
    "SegmentPlan",
    "TooLongError",
    "UnencodableError",
    "forcing",
    "plan",
    "render",
]

Encoding = Literal["gsm7", "ucs2", "latin1", "binary"]
AskedEncoding = Literal["auto", "gsm7", "ucs2", "latin1", "binary"]
Scheme = Literal["udh8", "udh16", "sar", "payload"]
Alphabet = Literal["gsm7", "gsm7_packed", "latin1", "ascii"]
FlashWay = Literal["0x10", "0xf0", "dest_addr_subunit"]
"""How a carrier takes a flash message: by the coding group 0001 or 1111 of data_coding, or by a TLV."""

# TLV tags, SMPP 3.4 §5.3.2.1, §5.3.2.22 to §5.3.2.24 and §5.3.2.32.
DEST_ADDR_SUBUNIT: Final = 0x0005
SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F
MESSAGE_PAYLOAD: Final = 0x0424

UDHI: Final = 0x40
"""esm_class: a user data header opens the message (SMPP 3.4 §5.2.12)."""

SEGMENT_OCTETS: Final = 140
MAX_PARTS: Final = 255
"""Totals and part numbers are one octet in every scheme."""
MAX_PAYLOAD: Final = 0xFFFF
"""Octets that the length field of a TLV can state (SMPP 3.4 §3.2.4)."""
FORCING_CHARS_NAMED: Final = 5

_Tlvs = tuple[tuple[int, int | bytes], ...]

_DATA_CODING: Final[dict[Encoding, int]] = {"gsm7": 0x00, "ucs2": 0x08, "latin1": 0x03, "binary": 0x04}
# Flash is message class 0. With a class the coding groups of TS 23.038 §4 have only their own alphabets: Latin-1
# goes as 8-bit data, and group 1111 has no UCS-2, which goes by group 0001 there too.
_FLASH_CODING: Final[dict[FlashWay, dict[Encoding, int]]] = {
    "0x10": {"gsm7": 0x10, "ucs2": 0x18, "latin1": 0x14, "binary": 0x14},
    "0xf0": {"gsm7": 0xF0, "ucs2": 0x18, "latin1": 0xF4, "binary": 0xF4},
    "dest_addr_subunit": _DATA_CODING,
}
# SMPP 3.4 §5.3.2.1: 1 is the phone's display.
_FLASH_TLVS: Final[dict[FlashWay, _Tlvs]] = {"0x10": (), "0xf0": (), "dest_addr_subunit": ((DEST_ADDR_SUBUNIT, 1),)}

# Octets of the concatenation element. The carrier makes an 8-bit header of SAR TLVs and of message_payload.
_CONCAT_OCTETS: Final[dict[Scheme, int]] = {"udh8": 5, "udh16": 6, "sar": 5, "payload": 5}


class TooLongError(ValueError):
    """More parts than allowed: `parts` were needed, `max` is the limit."""

    def __init__(self, parts: int, max: int) -> None:
        super().__init__(f"{parts} segments, at most {max} are allowed")
        self.parts = parts
        self.max = max


class SegmentBody(msgspec.Struct, frozen=True, gc=False):
    """What of a submit_sm differs between segments; every other field is the same in all of them.

    `esm_class` is UDHI or 0, to be joined with the bits of the request; `tlvs` are (tag, value).
    """

    short_message: bytes
    esm_class: int
    data_coding: int
    tlvs: _Tlvs = ()

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        tags = [f"0x{tag:04X}" for tag, _ in self.tlvs]
        return (
            f"SegmentBody(<{len(self.short_message)} octets>, esm_class=0x{self.esm_class:02X}, "
            f"data_coding=0x{self.data_coding:02X}, tlvs={tags})"
        )


_NO_SHIFT: Final = Shift()
_NO_TLVS: Final[_Tlvs] = ()


class SegmentPlan(msgspec.Struct, frozen=True, gc=False):
    """How a message goes on the air.

    Units are septets for gsm7 (an extension character is two), 16-bit units for ucs2, octets for latin1 and
    binary. `units_used` counts the whole message without headers, `units_left` the room in the last part, and
    `units_per_part` what one part of this message holds. `forced_by` has the first few different characters,
    with their positions in code points, that made `auto` choose ucs2. `pieces` are the parts without header,
    gsm7 as septets one to an octet.
    """

    encoding: Encoding
    parts: int
    units_used: int
    units_left: int
    units_per_part: int
    forced_by: tuple[tuple[str, int], ...]
    scheme: Scheme
    alphabet: Alphabet
    flash: FlashWay | None
    udh: bytes
    pieces: tuple[bytes, ...]
    shift: Shift = _NO_SHIFT

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"SegmentPlan({self.encoding}, parts={self.parts}, scheme={self.scheme}, units={self.units_used})"

    def render(self, ref: int) -> tuple[SegmentBody, ...]:
        """The segments, for concatenation reference `ref`, of which a scheme takes its low 8 or 16 bits."""
        flash = self.flash
        if flash is None:
            coding, tlvs = _DATA_CODING[self.encoding], _NO_TLVS
        else:
            coding, tlvs = _FLASH_CODING[flash][self.encoding], _FLASH_TLVS[flash]
        udh = self.udh
        pieces = self.pieces
        plain = self.encoding != "gsm7" or self.alphabet == "gsm7"
        if len(pieces) == 1:
            piece = pieces[0] if plain else _carrier_octets(pieces[0], self.alphabet, len(udh))
            if udh:
                return (SegmentBody(udh + piece, UDHI, coding, tlvs),)
            return (SegmentBody(piece, 0, coding, tlvs),)
        total = len(pieces)
        own = udh[1:]
        bodies: list[SegmentBody] = []
        if self.scheme == "udh8":
            start = bytes((5 + len(own), 0x00, 0x03, ref & 0xFF, total))
        elif self.scheme == "udh16":
            start = bytes((6 + len(own), 0x08, 0x04, ref >> 8 & 0xFF, ref & 0xFF, total))
        elif self.scheme == "sar":
            esm_class = UDHI if udh else 0
            for seq, piece in enumerate(pieces, 1):
                octets = piece if plain else _carrier_octets(piece, self.alphabet, len(udh))
                sar = (
                    (SAR_MSG_REF_NUM, ref & 0xFFFF),
                    (SAR_TOTAL_SEGMENTS, total),
                    (SAR_SEGMENT_SEQNUM, seq),
                )
                bodies.append(SegmentBody(udh + octets, esm_class, coding, sar + tlvs))
            return tuple(bodies)
        else:
            whole = b"".join(pieces)
            octets = udh + (whole if plain else _carrier_octets(whole, self.alphabet, len(udh)))
            return (SegmentBody(b"", UDHI if udh else 0, coding, ((MESSAGE_PAYLOAD, octets), *tlvs)),)
        header_octets = len(start) + 1 + len(own)
        for seq, piece in enumerate(pieces, 1):
            octets = piece if plain else _carrier_octets(piece, self.alphabet, header_octets)
            bodies.append(SegmentBody(start + bytes((seq,)) + own + octets, UDHI, coding, tlvs))
        return tuple(bodies)


def plan(
    text: str | bytes,
    *,
    encoding: AskedEncoding = "auto",
    scheme: Scheme = "udh8",
    alphabet: Alphabet = "gsm7",
    udh: bytes = b"",
    flash: FlashWay | None = None,
    national: Sequence[Language] = (),
    shift: Shift | None = None,
    max_parts: int = MAX_PARTS,
) -> SegmentPlan:
    """Choose the encoding of `text` and cut it into parts.

    `encoding` "auto" is gsm7 when the alphabet that the carrier takes for data_coding 0 (`alphabet`) has
    every character, else ucs2; for bytes it is binary, and bytes take no other. `udh` is a header of the
    caller's own, UDHL first, that goes into each part. `scheme` says how several parts are tied together; one
    part goes alone in short_message whatever the scheme. Empty text is one part of no units.

    Raises UnencodableError with the first character that the asked encoding cannot carry, TooLongError past
    `max_parts` (255 at most, but for `payload` the octets of a TLV too), UdhError for a header that is
    malformed, leaves no room, or brings its own concatenation where several parts need ours, and ValueError
    for text as binary or bytes as text.
    """
    forced_by: tuple[tuple[str, int], ...] = ()
    resolved: Encoding
    if isinstance(text, str):
        if encoding == "auto" or encoding == "gsm7":
            septets = _to_septets(text, alphabet)
            if septets is not None:
                resolved, data = "gsm7", septets
            elif encoding == "gsm7":
                raise _unencodable(text, alphabet)
            else:
                resolved, data = "ucs2", _to_ucs2(text)
                forced_by = _forcing_chars(text, alphabet)
        elif encoding == "ucs2":
            resolved, data = "ucs2", _to_ucs2(text)
        elif encoding == "latin1":
            resolved, data = "latin1", _to_latin1(text)
        else:
            raise ValueError("binary is for octets, not for text")
    elif encoding == "auto" or encoding == "binary":
        resolved, data = "binary", bytes(text)
    else:
        raise ValueError(f"octets go as binary, not as {encoding}")

    if udh:
        _check_udh(udh)
    unit = 2 if resolved == "ucs2" else 1
    used = len(data) // unit
    room = _room(resolved, len(udh))
    if used <= room:
        return SegmentPlan(resolved, 1, used, room - used, room, forced_by, scheme, alphabet, flash, udh, (data,))

    if udh and concat_of(parse_udh(udh)[0]) is not None:
        raise UdhError("several parts are needed, but the header has a concatenation element of its own")
    header_octets = (len(udh) or 1) + _CONCAT_OCTETS[scheme]
    room = _room(resolved, header_octets)
    limit = min(max_parts, MAX_PARTS)
    if used > MAX_PARTS * room:  # too long by any cut: say so before cutting megabytes
        raise TooLongError(-(-used // room), limit)
    fill_bits = None
    if alphabet == "gsm7_packed":
        fill_bits = _fill_bits(len(udh) if scheme == "sar" else header_octets)
    pieces = tuple(_cut(data, resolved, room, fill_bits))
    parts = len(pieces)
    if parts > limit:
        raise TooLongError(parts, limit)
    if scheme == "payload" and len(udh) + len(data) > MAX_PAYLOAD:
        raise TooLongError(parts, MAX_PAYLOAD // (room * unit))
    left = room - len(pieces[-1]) // unit
    return SegmentPlan(resolved, parts, used, left, room, forced_by, scheme, alphabet, flash, udh, pieces)


def render(
    text: str | bytes,
    *,
    encoding: AskedEncoding,
    scheme: Scheme,
    alphabet: Alphabet = "gsm7",
    udh: bytes = b"",
    flash: FlashWay | None = None,
    shift: Shift | None = None,
    ref: int = 0,
) -> tuple[SegmentBody, ...]:
    """The segments of a message whose encoding is settled; the errors of `plan`."""
    return plan(text, encoding=encoding, scheme=scheme, alphabet=alphabet, udh=udh, flash=flash, shift=shift).render(
        ref
    )


def forcing(text: str, alphabet: Alphabet = "gsm7", national: Sequence[Language] = ()) -> tuple[tuple[str, int], ...]:
    """Every character that keeps `text` from going as gsm7, with its position in code points, in their order."""
    return tuple([(char, i) for i, char in enumerate(text) if not _takes(char, alphabet)])


def _room(encoding: Encoding, header_octets: int) -> int:
    """Units that fit a part beside a header of so many octets, UDHL included."""
    octets = SEGMENT_OCTETS - header_octets
    if encoding == "gsm7":
        room = octets * 8 // 7
        least = 2
    elif encoding == "ucs2":
        room = octets // 2
        least = 2
    else:
        room = octets
        least = 1
    if room < least:
        raise UdhError(f"a header of {header_octets} octets leaves no room for text")
    return room


def _check_udh(udh: bytes) -> None:
    rest = parse_udh(udh)[1]
    if rest:
        raise UdhError(f"{len(rest)} octets follow the header's end")


def _cut(data: bytes, encoding: Encoding, room: int, fill_bits: int | None) -> Iterator[bytes]:
    """Pieces of at most `room` units, none ending inside a pair; `fill_bits` where septets get packed."""
    size = len(data)
    step = room * 2 if encoding == "ucs2" else room
    at = 0
    while at < size:
        end = at + step
        if end < size:
            if encoding == "gsm7":
                # In what we encoded each ESC has its code behind it, which is never an ESC.
                if data[end - 1] == gsm0338.ESC:
                    end -= 1
                # Where the octets end, CR or a commercial at would read as padding, see _carrier_octets.
                if fill_bits is not None and data[end - 1] in b"\r\0" and (fill_bits + (end - at) * 7) % 8 == 0:
                    end -= 1
            elif encoding == "ucs2" and 0xD8 <= data[end - 2] <= 0xDB:
                end -= 2
        yield data[at:end]
        at = end


def _fill_bits(header_octets: int) -> int:
    """Bits between a header and the first septet, which starts at a septet's place (TS 23.040 §9.2.3.24)."""
    return -header_octets * 8 % 7


def _carrier_octets(septets: bytes, alphabet: Alphabet, header_octets: int) -> bytes:
    """Septets as a carrier whose data_coding 0 is not unpacked GSM takes them."""
    if alphabet != "gsm7_packed":
        return gsm0338.decode(septets).encode(_CODEC[alphabet])
    fill_bits = _fill_bits(header_octets)
    bits = fill_bits + len(septets) * 7
    # SMPP states octets, not septets, so seven spare bits would read as a commercial at. TS 23.038 §6.1.2.3.1
    # fills them with CR, and the reader drops a CR that ends with the last octet; one that was meant gets a
    # second behind it, where there is room.
    if bits % 8 == 1 or (bits % 8 == 0 and septets.endswith(b"\r") and header_octets + bits // 8 < SEGMENT_OCTETS):
        septets += b"\r"
    return gsm0338.pack(septets, fill_bits)


_CODEC: Final[dict[Alphabet, str]] = {"latin1": "latin-1", "ascii": "ascii"}


def _to_septets(text: str, alphabet: Alphabet) -> bytes | None:
    codec = _CODEC.get(alphabet)
    if codec is not None:
        try:
            text.encode(codec)
        except UnicodeEncodeError:
            return None
    return gsm0338.try_encode(text)


def _to_ucs2(text: str) -> bytes:
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise UnencodableError(text[error.start], error.start, "ucs2") from None


def _to_latin1(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise UnencodableError(text[error.start], error.start, "latin1") from None


def _takes(char: str, alphabet: Alphabet) -> bool:
    """Whether a character can go as gsm7 to a carrier with this alphabet for data_coding 0."""
    if alphabet == "latin1" and char > "\xff":
        return False
    if alphabet == "ascii" and char > "\x7f":
        return False
    return gsm0338.is_encodable(char)


def _unencodable(text: str, alphabet: Alphabet) -> UnencodableError:
    position = next(i for i, char in enumerate(text) if not _takes(char, alphabet))
    char = text[position]
    named = alphabet if gsm0338.is_encodable(char) else "gsm7"
    return UnencodableError(char, position, named)


def _forcing_chars(text: str, alphabet: Alphabet) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for i, char in enumerate(text):
        if char not in found and not _takes(char, alphabet):
            found[char] = i
            if len(found) == FORCING_CHARS_NAMED:
                break
    return tuple(found.items())
