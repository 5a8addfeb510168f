"""What fits a segment, and the cut between two: in units of the encoding, none of them ending inside a pair.

Septets are cut one to an octet, as they were encoded; `carrier_octets` packs them for a carrier that wants them so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from . import gsm0338
from .encoding import Alphabet, Encoding, to_carrier
from .udh import UdhError

__all__ = ["SEGMENT_OCTETS", "SEPTETS_ALONE", "carrier_octets", "cut", "fill_bits_after", "room_for"]

SEGMENT_OCTETS: Final = 140
"""Of user data, header included (TS 23.040 §9.2.3.16)."""
SEPTETS_ALONE: Final = SEGMENT_OCTETS * 8 // 7


def room_for(encoding: Encoding, header_octets: int) -> int:
    """Units that fit a part beside a header of so many octets, UDHL included."""
    octets = SEGMENT_OCTETS - header_octets
    if encoding == "gsm7":
        room = octets * 8 // 7
        least = 2
    elif encoding == "ucs2":
        room = octets // 2
        least = 2
    else:
        room = octets
        least = 1
    if room < least:
        raise UdhError(f"a header of {header_octets} octets leaves no room for text")
    return room


def cut(data: bytes, encoding: Encoding, room: int, fill_bits: int | None) -> Iterator[bytes]:
    """Pieces of at most `room` units, none ending inside a pair; `fill_bits` where septets get packed."""
    size = len(data)
    step = room * 2 if encoding == "ucs2" else room
    at = 0
    while at < size:
        end = at + step
        if end < size:
            if encoding == "gsm7":
                # In what we encoded each ESC has its code behind it, which is never an ESC.
                if data[end - 1] == gsm0338.ESC:
                    end -= 1
                # Where the octets end, CR or a commercial at would read as padding, see _carrier_octets.
                if fill_bits is not None and data[end - 1] in b"\r\0" and (fill_bits + (end - at) * 7) % 8 == 0:
                    end -= 1
            elif encoding == "ucs2" and 0xD8 <= data[end - 2] <= 0xDB:
                end -= 2
        yield data[at:end]
        at = end


def fill_bits_after(header_octets: int) -> int:
    """Bits between a header and the first septet, which starts at a septet's place (TS 23.040 §9.2.3.24)."""
    return -header_octets * 8 % 7


def carrier_octets(septets: bytes, alphabet: Alphabet, header_octets: int) -> bytes:
    """Septets as a carrier whose data_coding 0 is not unpacked GSM takes them."""
    if alphabet != "gsm7_packed":
        return to_carrier(septets, alphabet)
    fill_bits = fill_bits_after(header_octets)
    bits = fill_bits + len(septets) * 7
    # SMPP states octets, not septets, so seven spare bits would read as a commercial at. TS 23.038 §6.1.2.3.1
    # fills them with CR, and the reader drops a CR that ends with the last octet; one that was meant gets a
    # second behind it, where there is room.
    if bits % 8 == 1 or (bits % 8 == 0 and septets.endswith(b"\r") and header_octets + bits // 8 < SEGMENT_OCTETS):
        septets += b"\r"
    return gsm0338.pack(septets, fill_bits)
