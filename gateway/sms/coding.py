"""Octets that came in, to text, by their data_coding.

data_coding is read by groups of bits, not by its low nibble (3GPP TS 23.038 §4): 0x00 to 0x0F as SMPP lists
them (SMPP 3.4 §5.2.19), 0x10 to 0x1F and 0xF0 to 0xFF with a message class, 0x40 to 0x7F the same to be deleted
once read, 0xC0 to 0xEF message waiting. Nothing here raises on any octets.
"""

from __future__ import annotations

from codecs import charmap_decode
from typing import Final, Literal

import msgspec

from . import gsm0338, national
from .cutting import SEGMENT_OCTETS
from .encoding import Alphabet
from .gsm0338 import DECODING, ESC, ends_in_escape, resolve_escapes
from .national import NO_SHIFT, Shift

__all__ = [
    "Decoded",
    "MessageWaiting",
    "decode_septets",
    "decode_text",
    "is_default_alphabet",
    "unpack_septets",
    "waiting_of",
]


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """Text and the encoding it was read by, or None for 8-bit data.

    `encoding` is "gsm7", "ucs2", "latin1", "ascii", "binary", or the name of a Python codec. Flags:

    - "flash": message class 0, to be shown at once; "class1", "class2", "class3": for the phone, the SIM card, and what
      is attached to the phone;
    - "message_waiting": the message is an indication, with "voicemail", "fax", "email" or "other" for what waits,
      "none_waiting" where it takes the indication back, "discard" where the text may be thrown away;
    - "auto_delete": the phone is to delete it once it was read;
    - "replaced": octets that mean nothing in this encoding are U+FFFD in the text;
    - "odd_octets": UCS-2 with half a unit at its end, which is U+FFFD in the text;
    - "cut_escape": septets that end with an escape and no code, which is a space in the text;
    - "padding": seven spare bits of packed septets were left out, see `unpack_septets`;
    - "compressed": TS 23.042 compression, which is not undone;
    - "unknown_coding": a reserved data_coding, read as the default alphabet (TS 23.038 §4).
    """

    text: str | None
    encoding: str
    flags: tuple[str, ...] = ()

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        length = None if self.text is None else len(self.text)
        return f"Decoded({self.encoding}, <{length} characters>, flags={self.flags})"


_DEFAULT: Final = "default"

# SMPP 3.4 §5.2.19. The Japanese and Korean codecs are those that carriers mean by these values.
_SMPP: Final[dict[int, str]] = {
    0x00: _DEFAULT,
    0x01: "ascii",
    0x02: "binary",
    0x03: "latin1",
    0x04: "binary",
    0x05: "shift_jis",
    0x06: "iso8859_5",
    0x07: "iso8859_8",
    0x08: "ucs2",
    0x09: "binary",
    0x0A: "iso2022_jp",
    0x0D: "euc_jp",
    0x0E: "cp949",
}


Waits = Literal["voicemail", "fax", "email", "other"]

_WAITS: Final[tuple[Waits, ...]] = ("voicemail", "fax", "email", "other")
_CLASSES: Final = ("flash", "class1", "class2", "class3")


class MessageWaiting(msgspec.Struct, frozen=True, gc=False):
    """What a message waiting group says (TS 23.038 §4): what waits, whether any does, and whether the text is kept."""

    kind: Waits
    active: bool
    kept: bool


def waiting_of(data_coding: int) -> MessageWaiting | None:
    """The indication that a data_coding of 0xC0 to 0xEF carries, None for any other."""
    value = data_coding & 0xFF
    if not 0xC0 <= value <= 0xEF:
        return None
    return MessageWaiting(kind=_WAITS[value & 0x03], active=bool(value & 0x08), kept=value >= 0xD0)


def _coding(value: int) -> tuple[str, tuple[str, ...]]:
    """The encoding that a data_coding means, and its flags."""
    if value <= 0x0F:
        return (_SMPP[value], ()) if value in _SMPP else (_DEFAULT, ("unknown_coding",))
    if value <= 0x7F:
        # General data coding, 01xx with deletion by the phone: bit 5 compression, bit 4 a class in bits 1
        # and 0, bits 3 and 2 the alphabet.
        flags: tuple[str, ...] = (_CLASSES[value & 0x03],) if value & 0x10 else ()
        if value & 0x40:
            flags += ("auto_delete",)
        if value & 0x20:
            return "binary", (*flags, "compressed")
        alphabet = value >> 2 & 0x03
        if alphabet == 0x03:
            return _DEFAULT, (*flags, "unknown_coding")
        return (_DEFAULT, "binary", "ucs2")[alphabet], flags
    if value <= 0xBF:
        return _DEFAULT, ("unknown_coding",)
    waiting = waiting_of(value)
    if waiting is not None:
        flags = ("message_waiting", waiting.kind)
        if not waiting.active:
            flags += ("none_waiting",)
        if not waiting.kept:
            flags += ("discard",)
        return ("ucs2" if value >= 0xE0 else _DEFAULT), flags
    return ("binary" if value & 0x04 else _DEFAULT), (_CLASSES[value & 0x03],)


_CODINGS: Final = tuple(_coding(value) for value in range(256))


def is_default_alphabet(data_coding: int) -> bool:
    """Whether a data_coding means the carrier's default alphabet, whatever flags come with it."""
    return _CODINGS[data_coding & 0xFF][0] == _DEFAULT


def decode_text(data: bytes, data_coding: int, alphabet: Alphabet = "gsm7", shift: Shift = NO_SHIFT) -> Decoded:
    """The text of `data`; `alphabet` is what the carrier means by its default alphabet. Never raises.

    `shift` are the national tables that septets are read by; other encodings know none.
    """
    encoding, flags = _CODINGS[data_coding & 0xFF]
    if encoding == _DEFAULT:
        if alphabet == "gsm7":
            return decode_septets(data, data_coding, shift)
        if alphabet == "gsm7_packed":
            septets, padded = unpack_septets(data, 0)
            decoded = decode_septets(septets, data_coding, shift)
            return Decoded(decoded.text, "gsm7", (*decoded.flags, "padding")) if padded else decoded
        encoding = alphabet
    if encoding == "ucs2":
        try:
            return Decoded(data.decode("utf-16-be"), "ucs2", flags)
        except UnicodeDecodeError:
            return _decode_bad_ucs2(data, flags)
    if encoding == "latin1":
        return Decoded(data.decode("latin-1"), "latin1", flags)
    if encoding == "binary":
        return Decoded(None, "binary", flags)
    try:
        return Decoded(data.decode(encoding), encoding, flags)
    except UnicodeDecodeError:
        return Decoded(data.decode(encoding, "replace"), encoding, (*flags, "replaced"))


def decode_septets(septets: bytes, data_coding: int = 0, shift: Shift = NO_SHIFT) -> Decoded:
    """The text of septets, one to an octet, with the flags of `data_coding`. Never raises."""
    flags = _CODINGS[data_coding & 0xFF][1]
    if shift is NO_SHIFT:
        text = charmap_decode(septets, "strict", DECODING)[0]
        if "\x1b" in text:
            text = resolve_escapes(text)
            if septets[-1] == ESC and ends_in_escape(septets):
                flags = (*flags, "cut_escape")
        if not septets.isascii():
            flags = (*flags, "replaced")
    else:
        text = national.decode(septets, shift)
        if ends_in_escape(septets):
            flags = (*flags, "cut_escape")
        if "\ufffd" in text:
            flags = (*flags, "replaced")
    return Decoded(text, "gsm7", flags)


def _decode_bad_ucs2(data: bytes, flags: tuple[str, ...]) -> Decoded:
    """UCS-2 that is no good UTF-16: U+FFFD for each lone surrogate, and for half a unit at the end."""
    text = data.decode("utf-16-be", "replace")
    if len(data) % 2:
        flags = (*flags, "odd_octets")
    if len(data) % 2 == 0 or "\ufffd" in text[:-1]:
        flags = (*flags, "replaced")
    return Decoded(text, "ucs2", flags)


def unpack_septets(data: bytes, header_octets: int) -> tuple[bytes, bool]:
    """The septets packed behind a header of so many octets (UDHL included), and whether padding was left out.

    Octets do not say whether their last seven bits are a septet. Where the septets end with the last octet,
    a CR there is padding by TS 23.038 §6.1.2.3.1. A 0x00 there is taken for padding too, that of a sender
    who filled with zeros, unless the message is full (140 octets): a commercial at is rarer there than such
    a sender.
    """
    fill_bits = -header_octets * 8 % 7
    septets = gsm0338.unpack(data, None, fill_bits)
    if septets and (len(data) * 8 - fill_bits) % 7 == 0:
        last = septets[-1]
        if last == 0x0D or (last == 0x00 and header_octets + len(data) < SEGMENT_OCTETS):
            return septets[:-1], True
    return septets, False
