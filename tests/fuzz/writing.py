"""Target `write`: PDUs of any values to octets. Strict: a value that its field cannot hold is a ValueError."""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec

from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.constants import RESPONSE_BIT
from gateway.smpp.writers import WRITERS

from .codec import check_written, names_a_field
from .octets import TAGS, VALUES
from .target import Reader, Target

_NUMBERS: Final = (
    0,
    1,
    2,
    3,
    4,
    8,
    0x34,
    0x40,
    0x7F,
    0x80,
    0xFE,
    0xFF,
    0x100,
    0xFFFF,
    0x10000,
    0xFFFFFFFF,
    1 << 32,
    -1,
)
_PIECES: Final = (
    "",
    "1",
    "4477009",
    "ACME",
    "a" * 8,
    "z" * 20,
    "é",
    "\xff",
    "\0",
    "\u0100",
    "€",
    "\ud800",
    "000003000000000R",
    "+",
)
_FIELDS: Final = {cls: msgspec.structs.fields(cls) for cls in WRITERS}
_CLASSES: Final = tuple(_FIELDS)
_SEQUENCES: Final = (1, 0, 0x7FFFFFFF, 0xFFFFFFFF)
_STATUSES: Final = (0, 0, 0, 0x58, 0xFFFFFFFF)


def check_write(octets: bytes) -> None:
    """The octets choose a class, and a value for each of its fields."""
    reader = Reader(octets)
    cls = _CLASSES[reader.octet() % len(_CLASSES)]
    numbers = reader.octet()
    values = {field.name: _VALUES[field.type](reader) for field in _FIELDS[cls]}
    pdu = cls(**values)
    repr(pdu)
    sequence, status = _SEQUENCES[numbers & 3], _STATUSES[(numbers >> 2) % len(_STATUSES)]
    try:
        frame = encode(pdu, sequence, status)
    except ValueError as error:
        if not names_a_field(pdu, str(error)):
            raise AssertionError(f"no field of {pdu!r} is named: {error}") from error
        return
    read_sequence, read_status, read = decode(frame)
    assert (read_sequence, read_status) == (sequence, status)
    if status and cls.command_id & RESPONSE_BIT and read == cls():
        return  # §4.4.2: no body in an error response
    if hasattr(pdu, "tlvs"):
        # Octets go out as they are, and are read by the type of their tag.
        assert [tlv.tag for tlv in pdu.tlvs] == [tlv.tag for tlv in read.tlvs]
        assert msgspec.structs.replace(pdu, tlvs=()) == msgspec.structs.replace(read, tlvs=())
    else:
        assert pdu == read
    assert check_written(read, sequence, status), "what was written and read cannot be written"


def _number(reader: Reader) -> int:
    choice = reader.octet()
    return _NUMBERS[choice % len(_NUMBERS)] if choice < 24 else choice


def _text(reader: Reader) -> str:
    return "".join([_PIECES[reader.octet() % len(_PIECES)] for _ in range(reader.octet() & 3)])


def _octets(reader: Reader) -> bytes:
    choice = reader.octet()
    return VALUES[choice % len(VALUES)] * (1 + (choice >> 6))


def _address(reader: Reader) -> p.Address:
    return p.Address(_number(reader), _number(reader), _text(reader))


def _destinations(reader: Reader) -> tuple[p.Destination, ...]:
    count = _count(reader)
    return tuple([_address(reader) if reader.octet() & 1 else p.DistributionList(_text(reader)) for _ in range(count)])


def _unsuccessful(reader: Reader) -> tuple[p.Unsuccessful, ...]:
    return tuple([p.Unsuccessful(_address(reader), _number(reader)) for _ in range(_count(reader))])


def _count(reader: Reader) -> int:
    choice = reader.octet()
    return (254, 255, 256, 300)[choice & 3] if choice > 0xFC else choice & 3


def _tlvs(reader: Reader) -> tuple[p.Tlv, ...]:
    return tuple([_tlv(reader) for _ in range(reader.octet() & 3)])


def _tlv(reader: Reader) -> p.Tlv:
    tag = int.from_bytes(TAGS[reader.octet() % len(TAGS)], "big")
    kind = reader.octet()
    value: p.TlvValue
    match kind & 3:
        case 0:
            value = _number(reader)
        case 1:
            value = _text(reader)
        case 2:
            value = _octets(reader)
        case _:
            value = b"x" * (0x10000 if kind == 0xFF else kind)
    return p.Tlv(tag, value)


_VALUES: Final[dict[Any, Any]] = {
    int: _number,
    str: _text,
    bytes: _octets,
    p.Address: _address,
    tuple[p.Tlv, ...]: _tlvs,
    tuple[p.Address | p.DistributionList, ...]: _destinations,
    tuple[p.Unsuccessful, ...]: _unsuccessful,
}


def _pdu(rng: random.Random) -> bytes:
    return rng.randbytes(8 + int(rng.random() * 80))


TARGETS: Final = (Target("write", _pdu, check_write, 14),)
