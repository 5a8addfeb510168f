"""Inbound messages and parts as the reading of a deliver_sm makes them."""

from __future__ import annotations

import struct
from typing import Any

from gateway.sms.reassembly import InboundPart, read_part
from gateway.store.inbound import Arrival
from tests.support.stores import NUMBER, PEER, START

UCS2 = 0x08
UDHI = 0x40


def single(text: str | None, **given: Any) -> Arrival:
    """A message in one part."""
    fields: dict[str, Any] = {
        "carrier": "acme", "number": NUMBER, "peer": PEER, "at": START, "text": text, "data": None,
        "encoding": "ucs2", "extra": None,
    }  # fmt: skip
    return Arrival(**(fields | given))


def part(
    data: bytes,
    *,
    ref: int,
    total: int,
    seq: int,
    scheme: str = "udh8",
    coding: int = 0,
    elements: bytes = b"",
    **given: Any,
) -> Arrival:
    """A part of a long message, read from the octets that a phone sends; ``elements`` are more of its header."""
    read: InboundPart
    if scheme == "sar":
        read = read_part(data, 0, coding, [(0x020C, ref), (0x020E, total), (0x020F, seq)])
    else:
        wide = scheme == "udh16"
        header = struct.pack(">BBHBB" if wide else ">BBBBB", *((8, 4) if wide else (0, 3)), ref, total, seq) + elements
        read = read_part(bytes([len(header)]) + header + data, UDHI, coding)
    assert (read.scheme, read.ref, read.total, read.seq, read.data) == (scheme, ref, total, seq, data)
    return single(None, data=data, encoding="", part=read, **given)


def parts(text: str, *, ref: int, size: int = 67, **given: Any) -> list[Arrival]:
    """A long text as UCS-2 parts, cut as phones cut: every ``size`` 16-bit units."""
    octets = text.encode("utf-16-be")
    pieces = [octets[i : i + 2 * size] for i in range(0, len(octets), 2 * size)]
    return [
        part(piece, ref=ref, total=len(pieces), seq=seq, coding=UCS2, **given) for seq, piece in enumerate(pieces, 1)
    ]
