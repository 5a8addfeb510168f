"""Octets as a hostile or broken peer sends them: golden PDUs mutated, cut and spliced, PDUs built from the tables of
the specification with odd values in their fields, lengths that lie, and noise.

All of it comes from a `random.Random`, so a seed gives the same inputs again. It is cheap on purpose: a few
microseconds each, so that the time goes into what is tested.
"""

from __future__ import annotations

import random
from typing import Final

from tests.unit.smpp.golden import OCTETS

GOLDEN: Final = tuple(OCTETS.values())
"""The golden PDUs, whole frames."""

# The mandatory fields of every command, written out from the specification (SMPP 3.4 §4, 5.0 §4) apart from the
# gateway's own tables. s: C-octet string; a: TON, NPI and address; b: one octet; t: a time; m: length and octets;
# d: number of destinations and these (§4.5.1.1); u: number of unsuccessful ones and these (§4.5.2.1); o: TLVs.
_LAYOUTS: Final[dict[int, str]] = {
    0x00000001: "sssba",
    0x00000002: "sssba",
    0x00000009: "sssba",
    0x80000001: "so",
    0x80000002: "so",
    0x80000009: "so",
    0x0000000B: "ss",
    0x00000006: "",
    0x80000006: "",
    0x80000000: "",
    0x00000015: "",
    0x80000015: "",
    0x00000004: "saabbbttbbbbmo",
    0x80000004: "so",
    0x00000005: "saabbbttbbbbmo",
    0x80000005: "so",
    0x00000021: "sadbbbttbbbbmo",
    0x80000021: "suo",
    0x00000103: "saabbbo",
    0x80000103: "so",
    0x00000003: "sa",
    0x80000003: "stbb",
    0x00000008: "ssaa",
    0x80000008: "",
    0x00000007: "sattbbmo",
    0x80000007: "",
    0x00000102: "aao",
    0x00000111: "sasbttbbbo",
    0x80000111: "so",
    0x00000112: "sao",
    0x80000112: "so",
    0x00000113: "ssao",
    0x80000113: "",
}
COMMANDS: Final = tuple(_LAYOUTS)
"""command_id of every PDU of 3.4 and 5.0."""

_C_STRINGS: Final = (
    b"\0", b"\0", b"\0", b"", b"1\0", b"447700900123\0", b"15551230001\0", b"ACME\0", b"CMT\0", b"id-0001\0",
    b"38601fa\0", b"a" * 20 + b"\0", b"a" * 21 + b"\0", b"b" * 64 + b"\0", b"c" * 65 + b"\0", b"d" * 300 + b"\0",
    b"\xff\0", b"\x80\x9f\xe9\0", b"+1 (555) 123\0", b"\r\n\0", b"no end", b"\x01\0", b"%s{}\0", b"000000000000000R\0",
)  # fmt: skip
_TIMES: Final = (
    b"\0", b"\0", b"\0", b"\0", b"250101120000000+\0", b"000003000000000R\0", b"991231235959948-\0", b"2501011200\0",
    b"2501011200000000000000000\0", b"xxxxxxxxxxxxxxxx\0", b"250101120000000", b"000000000000000R\0",
    b"250230120000000+\0",
)  # fmt: skip
_OCTETS: Final = tuple(
    bytes((value,)) for value in (0, 0, 0, 0, 1, 2, 3, 4, 8, 0x20, 0x34, 0x40, 0x7F, 0x80, 0xC0, 0xF0, 0xFF)
)
_TEXTS: Final = (
    b"", b"", b"hello", b"hello world", b"\0h\0i", b"\xd8\x00", b"\xd8\x3d\xde\x00", b"\x1b", b"\x1b\x65\x1b", b"h\xe9",
    b"\x05\x00\x03\x42\x02\x01part", b"\x06\x08\x04\x12\x34\x02\x02part", b"\x05\x00\x03\x42\x00\x00bad",
    b"\x06\x24\x01\x01\x25\x01\x01x",
    b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x07\x02\x01push", b"\xff" * 10, b"\x00" * 140, b"a" * 160, b"a" * 254,
    b"\x28" + b"z" * 20,
    b"id:0059113978 sub:001 dlvrd:001 submit date:1002101730 done date:1002101731 stat:DELIVRD err:000 text:hi",
    b"STOP", b"START", b"stop all",
)  # fmt: skip
TAGS: Final = tuple(
    tag.to_bytes(2, "big")
    for tag in (
        0x0005, 0x0006, 0x000D, 0x0010, 0x0017, 0x0019, 0x001D, 0x001E, 0x0030, 0x0201, 0x0202, 0x0203, 0x0204, 0x0205,
        0x020A, 0x020B, 0x020C, 0x020D, 0x020E, 0x020F, 0x0210, 0x0302, 0x0303, 0x0304, 0x0381, 0x0420, 0x0421, 0x0422,
        0x0423, 0x0424, 0x0425, 0x0426, 0x0427, 0x0428, 0x0501, 0x0600, 0x0601, 0x0602, 0x0603, 0x0604, 0x0605, 0x0606,
        0x0607, 0x0608, 0x0609, 0x060A, 0x060B, 0x060D, 0x060E, 0x060F, 0x0610, 0x0611, 0x0612, 0x0613, 0x1201, 0x1203,
        0x1204, 0x130C, 0x1380, 0x1383, 0x1400, 0x1401, 0x3FFF, 0x0000, 0xFFFF, 0x1234,
    )
)  # fmt: skip
"""Tags of optional parameters, those of the specifications and others."""
VALUES: Final = (
    b"", b"\0", b"\1", b"\2", b"\x34", b"\xff", b"\0\0", b"\0\1", b"\x12\x34", b"\xff\xff", b"\3\0\0", b"\0\0\0\x3c",
    b"1\0",
    b"38601fa\0", b"no end", b"a\0b\0", b"\xe9\0", b"q" * 64 + b"\0", b"r" * 65 + b"\0", b"hello",
    b"\x05\x00\x03\x42\x02\x01x",
    b"id:1 sub:001 dlvrd:001 submit date:1002101730 done date:1002101731 stat:DELIVRD err:000 text:", b"w" * 300,
)  # fmt: skip
"""Values of optional parameters."""
_EXTREMES: Final = (b"\0", b"\1", b"\x7f", b"\x80", b"\xfe", b"\xff")
_PAIRS: Final = (b"\0\0", b"\xff\xff", b"\x04\x24", b"\0\x1e", b"\x02\x0c", b"\x7f\xff", b"\x80\0", b"\0\1")
_LENGTHS: Final = (
    0, 1, 15, 16, 17, 18, 33, 0x100, 0xFFFF, 0x10000, 0x20000, 0x20001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x47455420,
)  # fmt: skip
_SEQUENCES: Final = tuple(
    number.to_bytes(4, "big") for number in (0, 1, 2, 3, 4, 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
)
_STATUSES: Final = tuple(
    status.to_bytes(4, "big")
    for status in (0, 0, 0, 0, 0, 1, 0x08, 0x0D, 0x14, 0x58, 0x64, 0xFF, 0x100, 0x400, 0xFFFFFFFF)
)  # fmt: skip
LONG: Final = (
    b" ", b",", b"a", b"0", b"\0", b"\xff", b"\x1b", b"id:", b" id:", b"a:", b" a", b"\xd8\x00", b"text:", b"\r\n",
    b"\x00\x01a", b"\t:",
)  # fmt: skip
"""What a long input repeats."""


def framed(octets: bytes) -> bytes:
    """As a frame whose command_length is right; a header is filled up where it is short."""
    body = octets[4:].ljust(12, b"\0")
    return (len(body) + 4).to_bytes(4, "big") + body


def mutated(octets: bytes, rng: random.Random) -> bytes:
    """With one to four things wrong: bits and octets changed, cut out, put in, doubled, cut off."""
    random = rng.random
    it = bytearray(octets)
    for _ in range(1 + int(random() * 4)):
        size = len(it)
        if not size:
            return rng.randbytes(8)
        at = int(random() * size)
        kind = int(random() * 10)
        if kind == 0:
            it[at] = int(random() * 256)
        elif kind <= 2:
            it[at] ^= 1 << int(random() * 8)
        elif kind == 3:
            del it[at : at + 1 + int(random() * 20)]
        elif kind == 4:
            it[at:at] = rng.randbytes(1 + int(random() * 20))
        elif kind == 5:
            it[at : at + 1] = _EXTREMES[int(random() * len(_EXTREMES))]
        elif kind == 6:
            it[at : at + 2] = _PAIRS[int(random() * len(_PAIRS))]
        elif kind == 7:
            del it[at:]
        elif kind == 8:
            it = it.replace(b"\0", b"", 1)
        else:
            it += it[at:]
    return bytes(it)


def built(rng: random.Random, commands: tuple[int, ...] = COMMANDS) -> bytes:
    """A frame of any of these commands by the tables, with odd values in its fields."""
    random = rng.random
    command = commands[int(random() * len(commands))]
    parts = [_FIELDS[kind](rng) for kind in _LAYOUTS[command]]
    body = b"".join(parts)
    return b"".join(
        (
            (16 + len(body)).to_bytes(4, "big"),
            command.to_bytes(4, "big"),
            _STATUSES[int(random() * len(_STATUSES))],
            _SEQUENCES[int(random() * len(_SEQUENCES))],
            body,
        )
    )


def _c_string(rng: random.Random) -> bytes:
    return _C_STRINGS[int(rng.random() * len(_C_STRINGS))]


def _octet(rng: random.Random) -> bytes:
    return _OCTETS[int(rng.random() * len(_OCTETS))]


def _address(rng: random.Random) -> bytes:
    return _octet(rng) + _octet(rng) + _c_string(rng)


def _time(rng: random.Random) -> bytes:
    return _TIMES[int(rng.random() * len(_TIMES))]


def text(rng: random.Random) -> bytes:
    """What a message may hold."""
    return _TEXTS[int(rng.random() * len(_TEXTS))]


def _message(rng: random.Random) -> bytes:
    octets = text(rng)
    lie = rng.random()
    length = len(octets) if lie < 0.9 else int(rng.random() * 256)
    return bytes((length & 0xFF,)) + octets


def _destinations(rng: random.Random) -> bytes:
    count = _number(rng)
    parts = [
        b"\1" + _address(rng) if rng.random() < 0.6 else (b"\2" + _c_string(rng) if rng.random() < 0.8 else _octet(rng))
        for _ in range(count)
    ]
    return _announced(count, rng) + b"".join(parts)


def _unsuccessful(rng: random.Random) -> bytes:
    count = _number(rng)
    parts = [_address(rng) + _STATUSES[int(rng.random() * len(_STATUSES))] for _ in range(count)]
    return _announced(count, rng) + b"".join(parts)


def _number(rng: random.Random) -> int:
    chance = rng.random()
    return int(chance * 5) if chance < 0.98 else int(rng.random() * 256)


def _announced(count: int, rng: random.Random) -> bytes:
    return bytes((count & 0xFF,)) if rng.random() < 0.9 else _octet(rng)


def tlvs(rng: random.Random) -> bytes:
    """Optional parameters, some of which lie about their length."""
    random = rng.random
    parts = []
    for _ in range(int(random() * 4)):
        tag = TAGS[int(random() * len(TAGS))]
        if random() < 1 / 300:
            unit = LONG[int(random() * len(LONG))]
            value = (unit * (0xFFFF // len(unit)))[: int(random() * 0x10000)]
        else:
            value = VALUES[int(random() * len(VALUES))]
        length = len(value) if random() < 0.95 else int(random() * 20)
        parts.append(tag + length.to_bytes(2, "big") + value)
    return b"".join(parts)


_FIELDS: Final = {
    "s": _c_string, "a": _address, "b": _octet, "t": _time, "m": _message, "d": _destinations, "u": _unsuccessful,
    "o": tlvs,
}  # fmt: skip


def frame(rng: random.Random) -> bytes:
    """A frame, most with a command_length that is right, so that the body is read."""
    random = rng.random
    chance = random()
    if chance < 0.40:
        octets = mutated(GOLDEN[int(random() * len(GOLDEN))], rng)
    elif chance < 0.60:
        return built(rng)
    elif chance < 0.80:
        octets = mutated(built(rng), rng)
    elif chance < 0.92:
        # Two PDUs spliced: the beginning of one and the end of another.
        one, other = _any(rng), _any(rng)
        octets = one[: int(random() * (len(one) + 1))] + other[int(random() * (len(other) + 1)) :]
    elif chance < 0.97:
        command = COMMANDS[int(random() * len(COMMANDS))]
        octets = bytes(4) + command.to_bytes(4, "big") + rng.randbytes(8 + int(random() * 60))
    else:
        octets = rng.randbytes(int(random() * 80))
    return framed(octets) if random() < 0.95 else octets


def _any(rng: random.Random) -> bytes:
    return GOLDEN[int(rng.random() * len(GOLDEN))] if rng.random() < 0.5 else built(rng)


def stream(rng: random.Random) -> bytes:
    """Some PDUs behind each other, in one of four streams with a command_length that lies."""
    random = rng.random
    octets = b"".join([frame(rng) for _ in range(1 + int(random() * 5))])
    if random() < 0.25:
        octets += _LENGTHS[int(random() * len(_LENGTHS))].to_bytes(4, "big") + frame(rng)[4:]
    return octets
