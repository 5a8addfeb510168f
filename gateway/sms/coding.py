"""Octets that came in, to text, by their data_coding.

data_coding is read by groups of bits, not by its low nibble (3GPP TS 23.038 §4): 0x00 to 0x0F as SMPP lists
them (SMPP 3.4 §5.2.19), 0x10 to 0x1F and 0xF0 to 0xFF with a message class, 0xC0 to 0xEF message waiting.
Nothing here raises on any octets.
"""

from __future__ import annotations

from typing import Final

import msgspec

from . import gsm0338
from .cutting import SEGMENT_OCTETS
from .encoding import Alphabet

__all__ = ["Decoded", "decode_septets", "decode_text", "is_default_alphabet", "unpack_septets"]


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """Text and the encoding it was read by, or None for 8-bit data.

    `encoding` is "gsm7", "ucs2", "latin1", "ascii", "binary", or the name of a Python codec. Flags:

    - "flash": message class 0, to be shown at once;
    - "message_waiting": the message is an indication, or comes with one;
    - "replaced": octets that mean nothing in this encoding are U+FFFD in the text;
    - "odd_octets": UCS-2 with half a unit at its end, which is U+FFFD in the text;
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


def _coding(value: int) -> tuple[str, tuple[str, ...]]:
    """The encoding that a data_coding means, and its flags."""
    if value <= 0x0F:
        return (_SMPP[value], ()) if value in _SMPP else (_DEFAULT, ("unknown_coding",))
    if value <= 0x7F:
        # General data coding, 01xx with deletion by the phone: bit 5 compression, bit 4 a class in bits 1
        # and 0, bits 3 and 2 the alphabet.
        flags = ("flash",) if value & 0x13 == 0x10 else ()
        if value & 0x20:
            return "binary", (*flags, "compressed")
        alphabet = value >> 2 & 0x03
        if alphabet == 0x03:
            return _DEFAULT, (*flags, "unknown_coding")
        return (_DEFAULT, "binary", "ucs2")[alphabet], flags
    if value <= 0xBF:
        return _DEFAULT, ("unknown_coding",)
    if value <= 0xEF:
        return ("ucs2" if value >= 0xE0 else _DEFAULT), ("message_waiting",)
    return ("binary" if value & 0x04 else _DEFAULT), (("flash",) if value & 0x03 == 0 else ())


_CODINGS: Final = tuple(_coding(value) for value in range(256))


def is_default_alphabet(data_coding: int) -> bool:
    """Whether a data_coding means the carrier's default alphabet, whatever flags come with it."""
    return _CODINGS[data_coding & 0xFF][0] == _DEFAULT


def decode_text(data: bytes, data_coding: int, alphabet: Alphabet = "gsm7") -> Decoded:
    """The text of `data`; `alphabet` is what the carrier means by its default alphabet. Never raises."""
    encoding, flags = _CODINGS[data_coding & 0xFF]
    if encoding == _DEFAULT:
        if alphabet == "gsm7":
            return decode_septets(data, data_coding)
        if alphabet == "gsm7_packed":
            septets, padded = unpack_septets(data, 0)
            decoded = decode_septets(septets, data_coding)
            return Decoded(decoded.text, "gsm7", (*decoded.flags, "padding")) if padded else decoded
        encoding = alphabet
    if encoding == "ucs2":
        try:
            return Decoded(data.decode("utf-16-be"), "ucs2", flags)
        except UnicodeDecodeError:
            flags = (*flags, "odd_octets") if len(data) % 2 else (*flags, "replaced")
            return Decoded(data.decode("utf-16-be", "replace"), "ucs2", flags)
    if encoding == "latin1":
        return Decoded(data.decode("latin-1"), "latin1", flags)
    if encoding == "binary":
        return Decoded(None, "binary", flags)
    try:
        return Decoded(data.decode(encoding), encoding, flags)
    except UnicodeDecodeError:
        return Decoded(data.decode(encoding, "replace"), encoding, (*flags, "replaced"))


def decode_septets(septets: bytes, data_coding: int = 0) -> Decoded:
    """The text of septets, one to an octet, with the flags of `data_coding`. Never raises."""
    flags = _CODINGS[data_coding & 0xFF][1]
    if not septets.isascii():
        flags = (*flags, "replaced")
    return Decoded(gsm0338.decode(septets), "gsm7", flags)


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
