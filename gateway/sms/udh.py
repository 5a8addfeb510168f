"""The user data header: information elements in front of the text (3GPP TS 23.040 §9.2.3.24).

On SMPP it opens short_message or message_payload when esm_class has the UDHI bit 0x40 (SMPP 3.4 §5.2.12): one
octet UDHL, then UDHL octets of elements, each an identifier, a length and that many octets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

__all__ = [
    "CONCAT_8",
    "CONCAT_16",
    "LOCKING_SHIFT",
    "PORT_8",
    "PORT_16",
    "SINGLE_SHIFT",
    "Concat",
    "InformationElement",
    "Ports",
    "UdhError",
    "build_udh",
    "concat_of",
    "has_bad_port",
    "parse_udh",
    "port_element",
    "ports_of",
]

# Identifiers, TS 23.040 §9.2.3.24.
CONCAT_8: Final = 0x00
PORT_8: Final = 0x04
PORT_16: Final = 0x05
CONCAT_16: Final = 0x08
SINGLE_SHIFT: Final = 0x24
LOCKING_SHIFT: Final = 0x25


class UdhError(ValueError):
    """A user data header that is cut short, too long, or does not add up."""


class InformationElement(msgspec.Struct, frozen=True, gc=False):
    """One information element: `id` 0 to 255 and its octets."""

    id: int
    data: bytes


class Concat(msgspec.Struct, frozen=True, gc=False):
    """Concatenation as an element states it: part `seq` of `total`, both from 1; `wide` is a 16-bit
    reference."""

    ref: int
    total: int
    seq: int
    wide: bool


class Ports(msgspec.Struct, frozen=True, gc=False):
    """Application ports as an element states them; `wide` are 16-bit ones."""

    destination: int
    source: int
    wide: bool = True


def parse_udh(short_message: bytes) -> tuple[tuple[InformationElement, ...], bytes]:
    """The elements in their order, and what follows the UDHL + 1 octets of the header.

    Raises UdhError when there is no octet at all, when the header is longer than the message, or when an
    element runs past the header's end.
    """
    if not short_message:
        raise UdhError("no octet for the header's length")
    end = short_message[0] + 1
    if end > len(short_message):
        raise UdhError(f"header of {end} octets in a message of {len(short_message)}")
    elements: list[InformationElement] = []
    at = 1
    while at < end:
        if at + 2 > end:
            raise UdhError(f"element at octet {at} is cut short")
        start = at + 2
        at = start + short_message[at + 1]
        if at > end:
            raise UdhError(f"element 0x{short_message[start - 2]:02X} runs past the header's end")
        elements.append(InformationElement(short_message[start - 2], short_message[start:at]))
    return tuple(elements), short_message[end:]


def build_udh(ies: Iterable[InformationElement]) -> bytes:
    """The whole header, UDHL first; no octets at all for no elements.

    Raises UdhError when an identifier is no octet or the header would pass 140 octets, a whole short message.
    """
    body = bytearray()
    for ie in ies:
        if not 0 <= ie.id <= 0xFF or len(ie.data) > 0xFF:
            raise UdhError(f"element {ie.id} of {len(ie.data)} octets does not fit its octets")
        body += bytes((ie.id, len(ie.data)))
        body += ie.data
    if not body:
        return b""
    if len(body) > 139:
        raise UdhError(f"header of {len(body) + 1} octets: a short message holds 140")
    return bytes((len(body),)) + body


def concat_of(ies: Iterable[InformationElement]) -> Concat | None:
    """What the concatenation element says, 8-bit (§9.2.3.24.1) or 16-bit (§9.2.3.24.8).

    An element of the wrong length, with total 0, seq 0 or seq above total is ignored, as the sections ask; of
    several good ones the last counts (§9.2.3.24: a repeated element's last occurrence is used).
    """
    found: Concat | None = None
    for ie in ies:
        data = ie.data
        if ie.id == CONCAT_8 and len(data) == 3:
            ref, total, seq, wide = data[0], data[1], data[2], False
        elif ie.id == CONCAT_16 and len(data) == 4:
            ref, total, seq, wide = data[0] << 8 | data[1], data[2], data[3], True
        else:
            continue
        if 0 < seq <= total:
            found = Concat(ref, total, seq, wide)
    return found


_PORT_OCTETS: Final = {PORT_8: 2, PORT_16: 4}


def ports_of(ies: Iterable[InformationElement]) -> Ports | None:
    """What the application port element says, with 8-bit (§9.2.3.24.3) or 16-bit ports (§9.2.3.24.4).

    An element of the wrong length is ignored; of several good ones the last counts. Ports that the sections reserve
    are given as they are.
    """
    found: Ports | None = None
    for ie in ies:
        if len(ie.data) == _PORT_OCTETS.get(ie.id):
            half = len(ie.data) // 2
            found = Ports(int.from_bytes(ie.data[:half], "big"), int.from_bytes(ie.data[half:], "big"), half == 2)
    return found


def has_bad_port(ies: Iterable[InformationElement]) -> bool:
    """Whether an application port element has the wrong length, and so says nothing."""
    return any(ie.id in _PORT_OCTETS and len(ie.data) != _PORT_OCTETS[ie.id] for ie in ies)


def port_element(destination: int, source: int = 0) -> InformationElement:
    """The element for application ports with 16 bits each, the destination first (§9.2.3.24.4).

    Raises UdhError for a port that is not 0 to 65535.
    """
    for port in (destination, source):
        if not 0 <= port <= 0xFFFF:
            raise UdhError(f"port {port} is not 0 to 65535")
    return InformationElement(PORT_16, destination.to_bytes(2, "big") + source.to_bytes(2, "big"))
