"""Text to segments: the encoding chosen, the parts counted, and the octets of each part.

A segment carries 140 octets on the air (3GPP TS 23.040 §9.2.3.16), the user data header included: 160
septets, 70 UCS-2 units or 140 octets alone; 153, 67 or 134 beside an 8-bit concatenation element; 152, 66 or
133 beside a 16-bit one (§9.2.3.24.1, §9.2.3.24.8). One element of a national language leaves 155 septets, two 152;
beside an 8-bit concatenation 149 and 146, beside a 16-bit one 148 and 145. A pair of ESC and its code, and a
surrogate pair, stay in one part.

`plan` decides and counts, `SegmentPlan.render` writes the octets of a plan, and `render` does both for a
stored message: the same arguments always give the same octets, so that a copy made after a restart is the
same message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from . import gsm0338
from . import national as tables
from .cutting import SEPTETS_ALONE, carrier_octets, cut, fill_bits_after, room_for
from .encoding import (
    Alphabet,
    AskedEncoding,
    Encoding,
    forcing,
    has_septets,
    is_latin1,
    to_latin1,
    to_septets,
    to_ucs2,
    unencodable,
    unencodable_by,
)
from .gsm0338 import UnencodableError
from .national import NO_SHIFT, Language, Shift
from .udh import UdhError, build_udh, concat_of, parse_udh

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
    "plan_alone",
    "render",
]

Scheme = Literal["udh8", "udh16", "sar", "payload"]
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

MAX_PARTS: Final = 255
"""Totals and part numbers are one octet in every scheme."""
MAX_PAYLOAD: Final = 0xFFFF
"""Octets that the length field of a TLV can state (SMPP 3.4 §3.2.4)."""
LONGEST: Final = MAX_PARTS * 160
"""Characters past which no text is encoded by national tables: it takes too many parts by any of them."""
FORCING_CHARS_NAMED: Final = 5

_Tlvs = tuple[tuple[int, int | bytes], ...]

_DATA_CODING: Final[dict[Encoding, int]] = {"gsm7": 0x00, "ucs2": 0x08, "latin1": 0x03, "binary": 0x04}
_GSM7: Final = _DATA_CODING["gsm7"]
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


# Ways of flash by which Latin-1 stays a text.
_LATIN1_FLASH: Final[tuple[FlashWay | None, ...]] = (None, "dest_addr_subunit")


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


_NO_TLVS: Final[_Tlvs] = ()


class SegmentPlan(msgspec.Struct, frozen=True, gc=False):
    """How a message goes on the air.

    Units are septets for gsm7 (an extension character is two), 16-bit units for ucs2, octets for latin1 and
    binary. `units_used` counts the whole message without headers, `units_left` the room in the last part, and
    `units_per_part` what one part of this message holds. `shift` are the national tables that gsm7 takes, and
    `udh` the header of the caller's own with the elements for them. `pieces` are the parts without header, gsm7
    as septets one to an octet. `unforced` is the text where `auto` chose ucs2, and `national` the languages that
    it had the choice of.
    """

    encoding: Encoding
    parts: int
    units_used: int
    units_left: int
    units_per_part: int
    scheme: Scheme
    alphabet: Alphabet
    flash: FlashWay | None
    udh: bytes
    pieces: tuple[bytes, ...]
    shift: Shift = NO_SHIFT
    unforced: str = ""
    national: tuple[Language, ...] = ()

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"SegmentPlan({self.encoding}, parts={self.parts}, scheme={self.scheme}, units={self.units_used})"

    @property
    def forced_by(self) -> tuple[tuple[str, int], ...]:
        """The first few different characters that made `auto` choose ucs2, with their positions in code points.

        Where national tables have them all, and would only take as many segments, they are those that the default
        alphabet lacks. `forcing` gives every one.
        """
        text = self.unforced
        found: dict[str, int] = {}
        for char, at in forcing(text, self.alphabet, self.national) or forcing(text, self.alphabet):
            found.setdefault(char, at)
            if len(found) == FORCING_CHARS_NAMED:
                break
        return tuple(found.items())

    @property
    def has_header(self) -> bool:
        """Whether its segments have a user data header, so that esm_class says UDHI."""
        return bool(self.udh) or (self.parts > 1 and self.scheme in ("udh8", "udh16"))

    @property
    def bodies(self) -> int:
        """How many segments `render` writes: where the carrier does the cutting, one."""
        return 1 if self.scheme == "payload" else self.parts

    def render(self, ref: int) -> tuple[SegmentBody, ...]:
        """The segments, for concatenation reference `ref`, of which a scheme takes its low 8 or 16 bits."""
        flash = self.flash
        if flash is None:
            coding = _DATA_CODING[self.encoding]
            tlvs = _NO_TLVS
        else:
            coding = _FLASH_CODING[flash][self.encoding]
            tlvs = _FLASH_TLVS[flash]
        udh = self.udh
        pieces = self.pieces
        plain = self.encoding != "gsm7" or self.alphabet == "gsm7"
        if len(pieces) == 1:
            piece = pieces[0] if plain else carrier_octets(pieces[0], self.alphabet, len(udh))
            if udh:
                return (SegmentBody(udh + piece, UDHI, coding, tlvs),)
            return (SegmentBody(piece, 0, coding, tlvs),)
        total = len(pieces)
        own = udh[1:]
        bodies: list[SegmentBody] = []
        if self.scheme == "udh8" or (self.scheme == "sar" and udh):
            # The TLVs of SAR cannot go where UDHI is set (SMPP 3.4 §5.2.12, 5.0 §4.7.12): a header of its own has the
            # concatenation too. The room is the same.
            start = bytes((5 + len(own), 0x00, 0x03, ref & 0xFF, total))
        elif self.scheme == "udh16":
            start = bytes((6 + len(own), 0x08, 0x04, ref >> 8 & 0xFF, ref & 0xFF, total))
        elif self.scheme == "sar":
            for seq, piece in enumerate(pieces, 1):
                octets = piece if plain else carrier_octets(piece, self.alphabet, 0)
                sar = (
                    (SAR_MSG_REF_NUM, ref & 0xFFFF),
                    (SAR_TOTAL_SEGMENTS, total),
                    (SAR_SEGMENT_SEQNUM, seq),
                )
                bodies.append(SegmentBody(octets, 0, coding, sar + tlvs))
            return tuple(bodies)
        else:
            whole = b"".join(pieces)
            octets = udh + (whole if plain else carrier_octets(whole, self.alphabet, len(udh)))
            return (SegmentBody(b"", UDHI if udh else 0, coding, ((MESSAGE_PAYLOAD, octets), *tlvs)),)
        header_octets = len(start) + 1 + len(own)
        for seq, piece in enumerate(pieces, 1):
            octets = piece if plain else carrier_octets(piece, self.alphabet, header_octets)
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
    added: int = 0,
    max_parts: int = MAX_PARTS,
    latin1: bool = False,
) -> SegmentPlan:
    """Choose the encoding of `text` and cut it into parts.

    `encoding` "auto" is gsm7 when the alphabet that the carrier takes for data_coding 0 (`alphabet`) has
    every character, else ucs2; for bytes it is binary, and bytes take no other. `udh` is a header of the
    caller's own, UDHL first, that goes into each part. `scheme` says how several parts are tied together; one
    part goes alone in short_message whatever the scheme. Empty text is one part of no units. `flash` is the
    way in which the carrier takes class 0, None for a message that is not to be shown at once.

    `national` are the languages whose tables may be used where the default alphabet lacks a character: the pair with
    the fewest segments, then septets, then elements, then the language named first. Asked for gsm7 it is taken
    whatever it costs, with auto only if it takes fewer segments than ucs2. `shift` is such a pair that is
    settled already, for a message that was planned before. A `udh` that asks for tables has settled them too.
    A carrier that takes latin1 or ascii for data_coding 0 gets none. `latin1`: auto takes Latin-1 rather than ucs2
    where it has every character, unless national tables need fewer segments, or a message class would make octets of
    it (flash by a coding group). `added` are octets of elements that the carrier
    makes of TLVs, as it does of ports: they take room on the air as any.

    Raises UnencodableError with the first character that the asked encoding cannot carry, TooLongError past
    `max_parts` (255 at most, but for `payload` the octets of a TLV too), UdhError for a header that is
    malformed, leaves no room, or brings its own concatenation where several parts need ours, and ValueError
    for text as binary, bytes as text, or a shift that there is not.
    """
    resolved: Encoding
    settled = NO_SHIFT
    unforced = ""
    if udh:
        shift = _stated(udh) or shift
    if isinstance(text, str):
        if encoding == "auto" or encoding == "gsm7":
            septets: bytes | None
            if shift is not None and shift != NO_SHIFT and has_septets(alphabet):
                septets = tables.try_encode(text, shift)
                if septets is not None:
                    settled, udh = shift, _with_elements(udh, shift)
                elif encoding == "gsm7":
                    raise unencodable_by(text, shift)
            else:
                septets = to_septets(text, alphabet)
                if septets is None:
                    if national and shift is None and has_septets(alphabet):
                        found = _by_languages(
                            text, encoding, scheme, alphabet, udh, flash, national, added, max_parts, latin1
                        )
                        if found is not None:
                            return found
                elif not udh and not added and len(septets) <= SEPTETS_ALONE:
                    return _alone(septets, scheme, alphabet, flash)
            if septets is not None:
                resolved, data = "gsm7", septets
            elif encoding == "gsm7":
                raise unencodable(text, alphabet, national)
            elif latin1 and flash in _LATIN1_FLASH and is_latin1(text):
                resolved, data = "latin1", to_latin1(text)
            else:
                resolved, data, unforced = "ucs2", to_ucs2(text), text
        elif encoding == "ucs2":
            resolved, data = "ucs2", to_ucs2(text)
        elif encoding == "latin1":
            resolved, data = "latin1", to_latin1(text)
        else:
            raise ValueError("binary is for octets, not for text")
    elif encoding == "auto" or encoding == "binary":
        resolved, data = "binary", bytes(text)
    else:
        raise ValueError(f"octets go as binary, not as {encoding}")

    unit = 2 if resolved == "ucs2" else 1
    used = len(data) // unit
    room = room_for(resolved, (len(udh) or 1) + added if added else len(udh))
    parts, left = 1, room - used
    pieces: tuple[bytes, ...] = (data,)
    if left < 0:
        if udh and concat_of(parse_udh(udh)[0]) is not None:
            raise UdhError("several parts are needed, but the header has a concatenation element of its own")
        header_octets = (len(udh) or 1) + _CONCAT_OCTETS[scheme]
        room = room_for(resolved, header_octets + added)
        limit = min(max_parts, MAX_PARTS)
        if used > MAX_PARTS * room:  # too long by any cut: say so before cutting megabytes
            raise TooLongError(-(-used // room), limit)
        fill_bits = None
        if alphabet == "gsm7_packed":
            fill_bits = fill_bits_after(0 if scheme == "sar" and not udh else header_octets)
        pieces = tuple(cut(data, resolved, room, fill_bits))
        parts = len(pieces)
        if parts > limit:
            raise TooLongError(parts, limit)
        if scheme == "payload" and len(udh) + len(data) > MAX_PAYLOAD:
            raise TooLongError(parts, MAX_PAYLOAD // (room * unit))
        left = room - len(pieces[-1]) // unit
    return SegmentPlan(
        resolved, parts, used, left, room, scheme, alphabet, flash, udh, pieces, settled, unforced, tuple(national)
    )


def plan_alone(text: str, scheme: Scheme, alphabet: Alphabet) -> SegmentPlan | None:
    """What `plan` makes of a text that goes as gsm7 in one segment, as by far the most do; None of any other."""
    if len(text) > SEPTETS_ALONE:
        return None
    septets = to_septets(text, alphabet)
    return None if septets is None or len(septets) > SEPTETS_ALONE else _alone(septets, scheme, alphabet, None)


def _alone(septets: bytes, scheme: Scheme, alphabet: Alphabet, flash: FlashWay | None) -> SegmentPlan:
    used = len(septets)
    return SegmentPlan("gsm7", 1, used, SEPTETS_ALONE - used, SEPTETS_ALONE, scheme, alphabet, flash, b"", (septets,))


def _by_languages(
    text: str,
    encoding: AskedEncoding,
    scheme: Scheme,
    alphabet: Alphabet,
    udh: bytes,
    flash: FlashWay | None,
    languages: Sequence[Language],
    added: int,
    max_parts: int,
    latin1: bool,
) -> SegmentPlan | None:
    """The best plan with national tables, None where none has every character or, for auto, none saves a segment."""
    best: SegmentPlan | None = None
    fault: ValueError | None = None
    shifts = tables.shifts_for(text, languages)
    if shifts and len(text) > LONGEST:
        fault = TooLongError(-(-len(text) // 160), min(max_parts, MAX_PARTS))
        shifts = []
    for shift in shifts:
        try:
            found = plan(
                text, encoding="gsm7", scheme=scheme, alphabet=alphabet, udh=udh, flash=flash, shift=shift,
                added=added, max_parts=max_parts,
            )  # fmt: skip
        except (TooLongError, UdhError) as error:
            fault = fault or error
        else:
            if best is None or _cost(found) < _cost(best):
                best = found
    if encoding == "gsm7":
        if best is None and fault is not None:
            raise fault
        return best
    if best is None:
        return None
    other: Encoding = "latin1" if latin1 and flash in _LATIN1_FLASH and is_latin1(text) else "ucs2"
    try:
        wide = plan(
            text, encoding=other, scheme=scheme, alphabet=alphabet, udh=udh, flash=flash, added=added,
            max_parts=max_parts,
        )  # fmt: skip
    except (TooLongError, UdhError):
        return best
    return best if best.parts < wide.parts else None


def _cost(found: SegmentPlan) -> tuple[int, int, int]:
    return found.parts, found.units_used, len(found.udh)


def render(
    text: str | bytes,
    *,
    encoding: AskedEncoding,
    scheme: Scheme,
    alphabet: Alphabet = "gsm7",
    udh: bytes = b"",
    flash: FlashWay | None = None,
    shift: Shift | None = None,
    added: int = 0,
    ref: int = 0,
) -> tuple[SegmentBody, ...]:
    """The segments of a message whose encoding is settled; the errors of `plan`."""
    plain = shift is None and flash is None and not udh and not added
    if plain and encoding == alphabet == "gsm7" and isinstance(text, str):
        septets = gsm0338.try_encode(text)
        if septets is not None and len(septets) <= SEPTETS_ALONE:  # by far the most frequent: one part needs no plan
            return (SegmentBody(septets, 0, _GSM7),)
    return plan(
        text, encoding=encoding, scheme=scheme, alphabet=alphabet, udh=udh, flash=flash, shift=shift, added=added
    ).render(ref)


def _stated(udh: bytes) -> Shift | None:
    """The national tables that a header of the caller's own asks for, None for none. Raises UdhError."""
    elements, rest = parse_udh(udh)
    if rest:
        raise UdhError(f"{len(rest)} octets follow the header's end")
    shift = tables.shift_of(elements)[0]
    return None if shift == NO_SHIFT else shift


def _with_elements(udh: bytes, shift: Shift) -> bytes:
    """A header with the elements for a shift behind the caller's own, unless it has them."""
    own = parse_udh(udh)[0] if udh else ()
    return udh if tables.shift_of(own)[0] == shift else build_udh((*own, *tables.elements_of(shift)))
