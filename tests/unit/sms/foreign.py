"""A reader of segments written apart from gateway.sms: from the specification, by Python's own codecs.

It shares no table and no function with the code under test; it is slow, and strict where that is lenient.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

# TS 23.038 §6.2.1 as code points, in the order of the Unicode mapping GSM0338.TXT. 0x1B, ESC, is None.
_GSM_ROWS = """
0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5
0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E ---- 00C6 00E6 00DF 00C9
0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F
0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F
00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F
0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7
00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F
0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0
"""
GSM: list[int | None] = [None if point == "----" else int(point, 16) for point in _GSM_ROWS.split()]

GSM_EXTENSION: dict[int, int] = {
    0x0A: 0x000C, 0x14: 0x005E, 0x28: 0x007B, 0x29: 0x007D, 0x2F: 0x005C,
    0x3C: 0x005B, 0x3D: 0x007E, 0x3E: 0x005D, 0x40: 0x007C, 0x65: 0x20AC,
}  # fmt: skip

GSM_CHARS = "".join(chr(point) for point in GSM if point is not None)
EXTENSION_CHARS = "".join(map(chr, GSM_EXTENSION.values()))


def _national(kind: str) -> dict[int, dict[int, str]]:
    """The tables of Annex A by the number of the language, which is that of the section, and the code."""
    tables = {}
    for table in GOLDEN[kind].values():
        cells = [row.split() for row in table["rows"].splitlines()]
        assert [len(row) for row in cells] == [8] * 16
        tables[int(table["section"].rpartition(".")[2])] = {
            column * 16 + row: chr(int(cells[row][column], 16))
            for column in range(8)
            for row in range(16)
            if cells[row][column] not in ("..", "ESC")
        }
    return tables


GOLDEN = tomllib.loads((Path(__file__).parents[2] / "golden" / "national_tables.toml").read_text("utf-8"))
LOCKING = _national("locking") | {0: {code: chr(point) for code, point in enumerate(GSM) if point is not None}}
SINGLE = _national("single") | {0: {code: chr(point) for code, point in GSM_EXTENSION.items()}}


def gsm_text(septets: Iterable[int], locking: int = 0, single: int = 0) -> str:
    """Strict: a code that has no character, and an ESC that is not followed by one that has, is an error."""
    out = []
    codes = iter(septets)
    for code in codes:
        out.append(SINGLE[single][next(codes)] if code == 0x1B else LOCKING[locking][code])
    return "".join(out)


def bits_to_septets(octets: bytes, skipped_bits: int) -> list[int]:
    """Each bit by itself, low bit of the first octet first; a CR that ends with the last octet is padding."""
    bits = [octet >> i & 1 for octet in octets for i in range(8)][skipped_bits:]
    septets = [sum(bit << i for i, bit in enumerate(bits[at : at + 7])) for at in range(0, len(bits) - 6, 7)]
    if septets and len(bits) % 7 == 0 and septets[-1] == 13:
        septets.pop()
    return septets


def read_header(octets: bytes) -> tuple[dict[int, bytes], bytes]:
    size = octets[0]
    header, rest = octets[1 : 1 + size], octets[1 + size :]
    assert len(header) == size
    elements = {}
    while header:
        elements[header[0]] = header[2 : 2 + header[1]]
        assert len(elements[header[0]]) == header[1]
        header = header[2 + header[1] :]
    return elements, rest


def part_text(octets: bytes, coding: int, alphabet: str, header_octets: int, locking: int, single: int) -> str:
    if coding in (0x08, 0x18):
        return octets.decode("utf-16-be")
    if coding in (0x03, 0x14, 0xF4):
        return octets.decode("latin-1")
    assert coding in (0x00, 0x10, 0xF0)
    if alphabet == "gsm7":
        return gsm_text(octets, locking, single)
    if alphabet == "gsm7_packed":
        return gsm_text(bits_to_septets(octets, (7 - header_octets * 8 % 7) % 7), locking, single)
    return octets.decode(alphabet)


def read_message(segments: Iterable, alphabet: str) -> str:
    """The text of segments in any order, each perhaps more than once. Each must be readable alone."""
    texts: dict[int, str] = {}
    totals = set()
    refs = set()
    for segment in segments:
        tlvs = dict(segment.tlvs)
        octets = tlvs.get(0x0424, segment.short_message)
        assert not (0x0424 in tlvs and segment.short_message)
        header_octets, total, seq, ref = 0, 1, 1, 0
        locking = single = 0
        if segment.esm_class & 0x40:
            elements, rest = read_header(octets)
            header_octets = len(octets) - len(rest)
            octets = rest
            if 0x00 in elements:
                ref, total, seq = elements[0x00]
            elif 0x08 in elements:
                high, low, total, seq = elements[0x08]
                ref = high * 256 + low
            (single,) = elements.get(0x24, b"\0")
            (locking,) = elements.get(0x25, b"\0")
        if 0x020C in tlvs:
            ref, total, seq = tlvs[0x020C], tlvs[0x020E], tlvs[0x020F]
        text = part_text(octets, segment.data_coding, alphabet, header_octets, locking, single)
        assert texts.setdefault(seq, text) == text
        totals.add(total)
        refs.add(ref)
    assert len(totals) == len(refs) == 1
    assert sorted(texts) == list(range(1, totals.pop() + 1))
    return "".join(texts[seq] for seq in sorted(texts))
