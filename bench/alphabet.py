"""Texts and octets on the air, written apart from the gateway: GSM 03.38 (TS 23.038 §6.2.1) and UCS-2.

The gateway's own tables are not used, so that a text that comes back equal was encoded rightly by both.
"""

from __future__ import annotations

from bench import wire

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\",
    0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
_ENCODE = {char: bytes((code,)) for code, char in enumerate(_BASIC) if code != 0x1B}
_ENCODE |= {char: bytes((0x1B, code)) for code, char in _EXTENSION.items()}

GSM, LATIN1, BINARY, UCS2 = 0x00, 0x03, 0x04, 0x08
"""data_coding values, SMPP 3.4 §5.2.19."""


def encode_gsm(text: str) -> bytes | None:
    """GSM 03.38, one septet to an octet; None when a character is not in it."""
    try:
        return b"".join([_ENCODE[char] for char in text])
    except KeyError:
        return None


def decode_gsm(data: bytes) -> str:
    """The text of unpacked GSM octets; what the extension table lacks is read in the default table."""
    out: list[str] = []
    escaped = False
    for octet in data:
        if escaped:
            out.append(_EXTENSION.get(octet) or _BASIC[octet & 0x7F])
            escaped = False
        elif octet == 0x1B:
            escaped = True
        else:
            out.append(_BASIC[octet & 0x7F])
    return "".join(out)


def decode(data: bytes, data_coding: int) -> str:
    """The text of octets by data_coding (TS 23.038 §4): UCS-2, Latin-1 (8-bit data too), otherwise GSM."""
    kind = data_coding & 0x0C if data_coding < 0xF0 else (data_coding & 0x04)
    if kind == 0x08:
        return data.decode("utf-16-be", "replace")
    if data_coding == LATIN1 or kind == BINARY:
        return data.decode("latin-1")
    return decode_gsm(data)


def segments(text: str, ref: int) -> list[tuple[int, int, bytes]]:
    """(esm_class, data_coding, short_message) of each segment: 160 or 153 septets, 70 or 67 UCS-2 units.

    Cut between characters as §9.2.3.24.1 asks; an 8-bit reference (ref modulo 256) where there are several.
    """
    gsm = encode_gsm(text)
    coding, units = (GSM, gsm) if gsm is not None else (UCS2, text.encode("utf-16-be"))
    single, several = (160, 153) if coding == GSM else (140, 134)
    if len(units) <= single:
        return [(0, coding, units)]
    parts: list[bytearray] = [bytearray()]
    for char in text:
        octets = _ENCODE[char] if coding == GSM else char.encode("utf-16-be")
        if len(parts[-1]) + len(octets) > several:
            parts.append(bytearray())
        parts[-1] += octets
    head = b"\x05\x00\x03" + bytes((ref & 0xFF, len(parts)))
    return [(wire.UDHI, coding, head + bytes((index,)) + bytes(part)) for index, part in enumerate(parts, start=1)]
