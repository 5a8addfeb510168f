"""Writes pcapng files of SMPP connections, which Wireshark and tshark read (draft-ietf-opsawg-pcapng).

What is captured is the octets that went into and came out of a connection, not the packets that carried them. Packets
are made up around them: IP and TCP with the real addresses and ports where these are known, sequence numbers and
checksums that hold, a handshake where the connection began and an end where it ended. Each PDU is a packet.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Final

LINKTYPE_RAW: Final = 101
"""Packets begin with the IP header, version 4 or 6 (tcpdump.org, link-layer header types)."""
MAX_SEGMENT: Final = 32_000
"""Octets of one packet; a PDU that is longer goes in several."""
UNKNOWN_LOCAL: Final = ("192.0.2.1", 40_000)
UNKNOWN_REMOTE: Final = ("192.0.2.2", 2775)
"""Stand for what is not known: addresses for documentation (RFC 5737), the registered port of SMPP."""

_SECTION, _INTERFACE, _PACKET, _STATISTICS = 0x0A0D0D0A, 1, 6, 5  # block types
_COMMENT, _END = 1, 0  # options of every block
_APPLICATION = 4  # of the section
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9  # of the interface
_FLAGS, _DROPPED = 2, 4  # of the packet
_IF_RECEIVED, _IF_DROPPED = 4, 5  # of the statistics
_INBOUND, _OUTBOUND = 1, 2
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_TCP: Final = struct.Struct(">HHIIBBHHH")
_IPV4: Final = struct.Struct(">BBHHHBBH4s4s")

Address = tuple[str, int]
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def section(application: str) -> bytes:
    """The block that a file begins with."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(_SECTION, body + _options([(_APPLICATION, application.encode())]))


def interface(name: str, description: str) -> bytes:
    """An interface; the first is number 0. Times are in microseconds."""
    options = [(_NAME, name.encode()), (_DESCRIPTION, description.encode()), (_RESOLUTION, b"\x06")]
    return _block(_INTERFACE, struct.pack("<HHI", LINKTYPE_RAW, 0, 0) + _options(options))


def packet(number: int, at: int, octets: bytes, *, sent: bool, comment: str | None = None, dropped: int = 0) -> bytes:
    """A packet of an interface; ``at`` in microseconds since 1970, ``dropped`` are packets missing before it."""
    options = [(_FLAGS, struct.pack("<I", _OUTBOUND if sent else _INBOUND))]
    if dropped:
        options.append((_DROPPED, struct.pack("<Q", dropped)))
    if comment:
        options.append((_COMMENT, comment.encode()))
    body = struct.pack("<IIIII", number, at >> 32, at & 0xFFFF_FFFF, len(octets), len(octets)) + _padded(octets)
    return _block(_PACKET, body + _options(options))


def statistics(number: int, at: int, received: int, dropped: int) -> bytes:
    """What an interface counted, at the end of a file."""
    options = [(_IF_RECEIVED, struct.pack("<Q", received)), (_IF_DROPPED, struct.pack("<Q", dropped))]
    return _block(_STATISTICS, struct.pack("<III", number, at >> 32, at & 0xFFFF_FFFF) + _options(options))


def _block(kind: int, body: bytes) -> bytes:
    total = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + total + body + total


def _options(options: list[tuple[int, bytes]]) -> bytes:
    out = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return out + struct.pack("<HH", _END, 0)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


class Conversation:
    """One TCP connection as packets of an interface. We are the local end; ``ours``: we made the connection."""

    def __init__(self, number: int, local: Address | None, remote: Address | None, *, ours: bool = True) -> None:
        self.number = number
        self.known = local is not None and remote is not None
        here, there = (local, remote) if local and remote else (UNKNOWN_LOCAL, UNKNOWN_REMOTE)
        self._here, self._there = _ip(here[0]), _ip(there[0])
        if self._here.version != self._there.version:  # no connection has both
            self._here, self._there = _ip(UNKNOWN_LOCAL[0]), _ip(UNKNOWN_REMOTE[0])
        self._ports = here[1], there[1]
        self._next = {True: 0, False: 0}  # sequence numbers, by whether it is ours
        self._ours = ours
        self._identification = 0

    def begun(self, at: int, comment: str | None = None) -> bytes:
        """The handshake."""
        first = self._segment(at, self._ours, _SYN, comment=comment)
        second = self._segment(at, not self._ours, _SYN | _ACK)
        return first + second + self._segment(at, self._ours, _ACK)

    def joined(self) -> None:
        """The connection was there before: no handshake is shown, and numbers begin after one."""
        self._next = {True: 1, False: 1}

    def data(
        self, at: int, octets: bytes, *, sent: bool, comment: str | None = None, lost: int = 0, dropped: int = 0
    ) -> bytes:
        """Octets of one direction; ``lost`` ones, in ``dropped`` PDUs, are missing before them."""
        self._advance(sent, lost)
        out = []
        for start in range(0, len(octets), MAX_SEGMENT):
            piece = octets[start : start + MAX_SEGMENT]
            last = start + len(piece) == len(octets)
            flags = _ACK | (_PSH if last else 0)
            out.append(
                self._segment(at, sent, flags, piece, comment if not start else None, dropped if not start else 0)
            )
        return b"".join(out)

    def ended(self, at: int, by: str, comment: str | None = None) -> bytes:
        """The end: closed by the ``carrier`` or by ``us``, or ``broken``."""
        if by == "broken":
            return self._segment(at, False, _RST | _ACK, comment=comment)
        ours = by == "us"
        first = self._segment(at, ours, _FIN | _ACK, comment=comment)
        second = self._segment(at, not ours, _FIN | _ACK)
        return first + second + self._segment(at, ours, _ACK)

    def _advance(self, sent: bool, octets: int) -> None:
        self._next[sent] = (self._next[sent] + octets) & 0xFFFF_FFFF

    def _segment(
        self, at: int, sent: bool, flags: int, octets: bytes = b"", comment: str | None = None, dropped: int = 0
    ) -> bytes:
        source, destination = (self._here, self._there) if sent else (self._there, self._here)
        from_port, to_port = self._ports if sent else self._ports[::-1]
        acknowledged = self._next[not sent] if flags & _ACK else 0
        tcp = _TCP.pack(from_port, to_port, self._next[sent], acknowledged, 5 << 4, flags, 65_535, 0, 0)
        length = len(tcp) + len(octets)
        if source.version == 4:
            pseudo = source.packed + destination.packed + struct.pack(">BBH", 0, 6, length)
        else:  # RFC 8200 §8.1
            pseudo = source.packed + destination.packed + struct.pack(">IxxxB", length, 6)
        tcp = tcp[:16] + struct.pack(">H", _checksum(pseudo + tcp + octets)) + tcp[18:]
        self._advance(sent, len(octets) + bool(flags & (_SYN | _FIN)))
        ip = self._header(source, destination, length)
        return packet(self.number, at, ip + tcp + octets, sent=sent, comment=comment, dropped=dropped)

    def _header(self, source: _IP, destination: _IP, length: int) -> bytes:
        if source.version == 6:
            return struct.pack(">IHBB", 6 << 28, length, 6, 64) + source.packed + destination.packed
        self._identification = self._identification + 1 & 0xFFFF
        ip = _IPV4.pack(
            0x45, 0, 20 + length, self._identification, 0x4000, 64, 6, 0, source.packed, destination.packed
        )  # fmt: skip
        return ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:]


def _ip(text: str) -> _IP:
    """An address as a socket has it; IPv4 mapped into IPv6 as what it is. One that is none is as if not known."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ipaddress.IPv4Address(UNKNOWN_REMOTE[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _checksum(octets: bytes) -> int:
    """The sum of RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
