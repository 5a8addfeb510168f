"""The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038 §6.2.1, §6.2.1.1), and septet
packing.

Unpacked septets travel one to an octet (values 0x00 to 0x7F), as SMPP carries them with data_coding 0 (SMPP
3.4 §5.2.19). A character of the extension table is two septets: ESC (0x1B) and its code. `pack` and `unpack`
put septets into octets as on the air (§6.1.2.1), with fill bits after a user data header (TS 23.040
§9.2.3.24).

The tables are those of the specification: the grave accent (U+0060) is in neither of them, 0x09 is the
capital Ç, and 0x0C is no character of the default table (form feed is ESC 0x0A).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

__all__ = [
    "DECODING",
    "DEFAULT_ALPHABET",
    "ESC",
    "EXTENSION",
    "UnencodableError",
    "decode",
    "encode",
    "ends_in_escape",
    "is_encodable",
    "pack",
    "resolve_escapes",
    "septet_count",
    "try_encode",
    "unpack",
]

ESC: Final = 0x1B

DEFAULT_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
"""TS 23.038 §6.2.1, 16 codes a row; the place of ESC holds U+001B, which is not a character one can send."""

EXTENSION: Final[dict[int, str]] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
"""TS 23.038 §6.2.1.1: the code after ESC."""


class UnencodableError(ValueError):
    """A character that the asked alphabet does not have.

    `position` counts code points from 0; `alphabet` is the name of the alphabet or encoding that lacks it.
    """

    def __init__(self, char: str, position: int, alphabet: str) -> None:
        super().__init__(f"{char!r} (U+{ord(char):04X}) at position {position} is not in {alphabet}")
        self.char = char
        self.position = position
        self.alphabet = alphabet


def _encoding_map() -> Any:
    # The C codec maps one character to one octet, five times faster than a dictionary. So the first step goes
    # to a code page of our own: septets of the default table as they are, those of the extension with the
    # high bit set, and the commercial at, whose septet 0x00 the codec wants for NUL, at 0x80.
    page = ["\ufffe"] * 256  # U+FFFE: nothing here
    page[: len(DEFAULT_ALPHABET)] = DEFAULT_ALPHABET
    page[0x00], page[0x80], page[ESC] = "\0", "@", "\ufffe"
    for code, char in EXTENSION.items():
        page[0x80 | code] = char
    return codecs.charmap_build("".join(page))


_ENCODING: Final = _encoding_map()
_AT_TO_ZERO: Final = bytes(0 if octet == 0x80 else octet for octet in range(256))
_THE_SAME: Final = bytes(code for code, char in enumerate(DEFAULT_ALPHABET) if ord(char) == code != ESC)
"""Septets that are the ASCII of their characters: letters, digits, and most signs."""
_HIGH: Final = re.compile(rb"[\x81-\xff]")
_ESC_PAIR_OF: Final = {bytes((0x80 | code,)): bytes((ESC, code)) for code in EXTENSION}
_ENCODABLE: Final = (frozenset(DEFAULT_ALPHABET) | frozenset(EXTENSION.values())) - {"\x1b"}


def _pair_of_high(match: re.Match[bytes]) -> bytes:
    return _ESC_PAIR_OF[match[0]]


DECODING: Final = DEFAULT_ALPHABET + "\ufffd" * 128
"""A character for each octet, for codecs.charmap_decode; ESC is U+001B, see `resolve_escapes`."""


def _escaped(match: re.Match[str]) -> str:
    return _AFTER_ESC[match[0]]


# What ESC and the following character, both read by the default table, stand for. Where the extension table
# has nothing, a receiver shows the character of the default table (§6.2.1.1); ESC ESC is reserved for a further
# table and is a space until there is one (note 1), and so is an ESC with nothing after it, as it is to a receiver
# without the mechanism.
_AFTER_ESC: Final[dict[str, str]] = (
    {"\x1b" + char: char for char in DECODING}
    | {"\x1b" + DEFAULT_ALPHABET[code]: char for code, char in EXTENSION.items()}
    | {"\x1b\x1b": " ", "\x1b": " "}
)
resolve_escapes: Final[Callable[[str], str]] = partial(re.compile("\x1b.?", re.DOTALL).sub, _escaped)
"""What each ESC with the character behind it stands for, in a text read by `DECODING`."""


def try_encode(text: str) -> bytes | None:
    """As `encode`, but None when a character is in neither table."""
    if text.isascii():
        octets = text.encode()
        if not octets.translate(None, _THE_SAME):  # as most texts are that have no accents
            return octets
    try:
        octets = codecs.charmap_encode(text, "strict", _ENCODING)[0]
    except UnicodeEncodeError:
        return None
    if b"\0" in octets:
        return None
    if octets.isascii():
        return octets
    octets = octets.translate(_AT_TO_ZERO)
    return octets if octets.isascii() else _HIGH.sub(_pair_of_high, octets)


def encode(text: str) -> bytes:
    """`text` as septets, one to an octet, an extension character as ESC and its code.

    Raises UnencodableError with the first character that is in neither table.
    """
    septets = try_encode(text)
    if septets is None:
        position = next(i for i, char in enumerate(text) if char not in _ENCODABLE)
        raise UnencodableError(text[position], position, "gsm7")
    return septets


def is_encodable(char: str) -> bool:
    """Whether one character is in the default table or its extension."""
    return char in _ENCODABLE


def septet_count(text: str) -> int | None:
    """How many septets `text` takes, or None when it cannot be encoded."""
    septets = try_encode(text)
    return None if septets is None else len(septets)


def decode(data: bytes) -> str:
    """The text of septets that lie one to an octet. Never raises.

    - ESC and a code that the extension table does not have: the character of the default table.
    - ESC ESC, and an ESC at the very end: a space.
    - An octet above 0x7F, which no septet can be: U+FFFD.
    """
    text = codecs.charmap_decode(data, "strict", DECODING)[0]
    return resolve_escapes(text) if "\x1b" in text else text


def ends_in_escape(septets: bytes) -> bool:
    """Whether the last septet is an ESC that has no code behind it, and is none itself."""
    return septets.endswith(b"\x1b") and (len(septets) - len(septets.rstrip(b"\x1b"))) % 2 == 1


# Packing halves the gaps three times: 7 of 8 bits become 14 of 16, 28 of 32, 56 of 64, over all lanes of one
# long integer at once; then each eighth octet is empty and goes. Masks are for 64 bit lanes repeated, made
# once per length.
_LANE_MASKS: Final = (
    (0x007F007F007F007F, 0x7F007F007F007F00, 1),
    (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
    (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
)


def _lane_masks(lanes: int) -> tuple[tuple[int, int, int], ...]:
    masks = _masks_by_lanes.get(lanes)
    if masks is None:
        ones = int.from_bytes(b"\1\0\0\0\0\0\0\0" * lanes, "little")
        masks = tuple((low * ones, high * ones, shift) for low, high, shift in _LANE_MASKS)
        if lanes <= 32:  # enough for any one short message; longer ones are rare and must not fill memory
            _masks_by_lanes[lanes] = masks
    return masks


_masks_by_lanes: dict[int, tuple[tuple[int, int, int], ...]] = {}


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Septets into octets, the first one in the low bits (TS 23.038 §6.1.2.1.1), after `fill_bits` zero bits
    (0 to 6).

    Spare bits at the end are zero. Raises ValueError for a value above 0x7F.
    """
    if not septets.isascii():
        raise ValueError("a septet is above 0x7F")
    lanes = (len(septets) + 7) // 8
    value = int.from_bytes(septets, "little")
    for low, high, shift in _lane_masks(lanes):
        value = (value & low) | ((value & high) >> shift)
    spaced = bytearray(value.to_bytes(lanes * 8, "little"))
    del spaced[7::8]
    size = (len(septets) * 7 + fill_bits + 7) // 8
    if fill_bits:
        return (int.from_bytes(spaced, "little") << fill_bits).to_bytes(size, "little")
    return bytes(spaced[:size])


def unpack(data: bytes, count: int | None = None, fill_bits: int = 0) -> bytes:
    """Octets into septets, one to an octet, skipping `fill_bits` bits first (TS 23.038 §6.1.2.1.1).

    Without `count` every whole septet is given, so that seven spare zero bits at the end show as one more
    septet 0x00. Never more septets than the octets hold, whatever `count` says.
    """
    held = max(0, (len(data) * 8 - fill_bits) // 7)
    wanted = held if count is None else max(0, min(count, held))
    if fill_bits:
        data = (int.from_bytes(data, "little") >> fill_bits).to_bytes(len(data), "little")
    lanes = (len(data) + 6) // 7
    data = data.ljust(lanes * 7, b"\0")
    spaced = bytearray(lanes * 8)
    for i in range(7):
        spaced[i::8] = data[i::7]
    value = int.from_bytes(spaced, "little")
    for low, high, shift in reversed(_lane_masks(lanes)):
        value = (value & low) | ((value << shift) & high)
    return value.to_bytes(lanes * 8, "little")[:wanted]
