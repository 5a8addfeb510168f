"""Captures written from octets that two ends exchanged, for programs that read what a network card saw.

A capture file is a header and records (pcap, version 2.4). Octets of a connection go into made-up Ethernet, IPv4
and TCP with sequence numbers and checksums that hold, so that a reader has nothing to remark but on the octets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ETHERNET: Final = 1
USER0: Final = 147
"""Link type of frames that hold whatever was agreed on (DLT_USER0)."""
PORT: Final = 2775
"""Of the end that listens, as registered for SMPP."""
MAX_SEGMENT: Final = 16_000

_START: Final = 1_760_000_000
_FILE: Final = struct.Struct("<IHHiIII")
_RECORD: Final = struct.Struct("<IIII")
_IPV4: Final = struct.Struct(">BBHHHBBH4s4s")
_TCP: Final = struct.Struct(">HHIIBBHHH")
_CLIENT: Final = bytes((192, 0, 2, 1))  # RFC 5737: for documentation
_SERVER: Final = bytes((192, 0, 2, 2))
_ETHERTYPE_IPV4: Final = b"\x08\x00"
_MACS: Final = (bytes.fromhex("020000000001"), bytes.fromhex("020000000002"))  # locally administered


def _checksum(octets: bytes) -> int:
    """The sum of RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Connection:
    """One TCP connection as frames. `frame` gives the next; a client has the port 40000 + number."""

    def __init__(self, number: int = 0) -> None:
        self._port = 40_000 + number
        self._sent = [1, 1]  # octets from the client, from the server
        self._identification = 0

    def frame(self, from_client: bool, octets: bytes) -> bytes:
        """An Ethernet frame with these octets, at most MAX_SEGMENT."""
        if len(octets) > MAX_SEGMENT:
            raise ValueError(f"{len(octets)} octets do not go into one segment")
        here, there = (0, 1) if from_client else (1, 0)
        addresses = (_CLIENT, _SERVER)
        ports = (self._port, PORT)
        psh_ack = 0x18
        tcp = _TCP.pack(
            ports[here], ports[there], self._sent[here], self._sent[there], 5 << 4, psh_ack, 65_535, 0, 0
        )  # fmt: skip
        pseudo = addresses[here] + addresses[there] + struct.pack(">BBH", 0, 6, len(tcp) + len(octets))
        tcp = tcp[:16] + struct.pack(">H", _checksum(pseudo + tcp + octets)) + tcp[18:]
        self._identification = self._identification + 1 & 0xFFFF
        total = 20 + len(tcp) + len(octets)
        ip = _IPV4.pack(
            0x45, 0, total, self._identification, 0x4000, 64, 6, 0, addresses[here], addresses[there]
        )  # fmt: skip
        ip = ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:]
        self._sent[here] = self._sent[here] + len(octets) & 0xFFFF_FFFF
        return _MACS[there] + _MACS[here] + _ETHERTYPE_IPV4 + ip + tcp + octets

    def frames(self, pieces: Iterable[tuple[bool, bytes]]) -> Iterable[bytes]:
        """Frames of (from the client, octets) in their order; long ones in several."""
        for from_client, octets in pieces:
            for at in range(0, len(octets), MAX_SEGMENT):
                yield self.frame(from_client, octets[at : at + MAX_SEGMENT])


def write(path: Path, frames: Iterable[bytes], link: int = ETHERNET) -> int:
    """Writes a capture; the number of frames, a millisecond apart."""
    count = 0
    with path.open("wb") as file:
        file.write(_FILE.pack(0xA1B2C3D4, 2, 4, 0, 0, 262_144, link))
        for count, frame in enumerate(frames, 1):
            seconds, milliseconds = divmod(count, 1000)
            file.write(_RECORD.pack(_START + seconds, milliseconds * 1000, len(frame), len(frame)) + frame)
    return count
