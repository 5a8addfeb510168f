"""A pcapng file: its blocks, and packets whose numbers and sums hold."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any, NamedTuple

import pytest

from gateway import pcapng
from gateway.pcapng import Conversation

V4 = (("10.0.0.5", 41_822), ("192.0.2.7", 2775))
V6 = (("2001:db8::5", 41_822), ("2001:db8::7", 2775))


class Block(NamedTuple):
    kind: int
    body: bytes


def blocks(octets: bytes) -> list[Block]:
    """Blocks as the format has them: the length before and after, whole words."""
    out = []
    while octets:
        kind, length = struct.unpack_from("<II", octets)
        assert length % 4 == 0
        assert struct.unpack_from("<I", octets, length - 4) == (length,)
        out.append(Block(kind, octets[8 : length - 4]))
        octets = octets[length:]
    return out


def options(octets: bytes) -> dict[int, bytes]:
    out = {}
    while True:
        code, length = struct.unpack_from("<HH", octets)
        if code == 0:
            assert len(octets) == 4
            return out
        out[code] = octets[4 : 4 + length]
        octets = octets[4 + length + -length % 4 :]


class Packet(NamedTuple):
    at: int
    source: str
    destination: str
    ports: tuple[int, int]
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes
    options: dict[int, bytes]


def total(octets: bytes) -> int:
    """What a receiver sums up: 0xFFFF where all is well (RFC 1071)."""
    octets += bytes(len(octets) % 2)
    value: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def packets(octets: bytes) -> list[Packet]:
    out = []
    for kind, body in blocks(octets):
        assert kind == 6
        _, high, low, length, original = struct.unpack_from("<IIIII", body)
        assert length == original
        ip, rest = body[20 : 20 + length], body[20 + length + -length % 4 :]
        if ip[0] >> 4 == 4:
            assert total(ip[:20]) == 0xFFFF
            assert struct.unpack_from(">H", ip, 2) == (length,)
            source, destination, tcp = ip[12:16], ip[16:20], ip[20:]
            pseudo = source + destination + struct.pack(">BBH", 0, 6, len(tcp))
        else:
            assert struct.unpack_from(">H", ip, 4) == (length - 40,)
            source, destination, tcp = ip[8:24], ip[24:40], ip[40:]
            pseudo = source + destination + struct.pack(">II", len(tcp), 6)
        assert total(pseudo + tcp) == 0xFFFF
        from_port, to_port, sequence, acknowledged, offset, flags = struct.unpack_from(">HHIIBB", tcp)
        assert offset >> 4 == 5
        ends = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination))
        at = high << 32 | low
        out.append(Packet(at, *ends, (from_port, to_port), sequence, acknowledged, flags, tcp[20:], options(rest)))
    return out


def test_the_blocks_of_a_file() -> None:
    made = (
        pcapng.section("smsgw 1")
        + pcapng.interface("acme/1", "a bind")
        + pcapng.packet(0, 5_000_000_000_123, b"abcde", sent=True, comment="cömment", dropped=3)
        + pcapng.statistics(0, 5_000_000_000_123, 17, 3)
    )
    section, interface, packet, statistics = blocks(made)
    assert section.kind == 0x0A0D0D0A
    assert struct.unpack_from("<IHHq", section.body) == (0x1A2B3C4D, 1, 0, -1)
    assert options(section.body[16:]) == {4: b"smsgw 1"}
    assert (interface.kind, struct.unpack_from("<HHI", interface.body)) == (1, (101, 0, 0))
    assert options(interface.body[8:]) == {2: b"acme/1", 3: b"a bind", 9: b"\x06"}
    assert packet.body[20:28] == b"abcde\0\0\0"
    assert options(packet.body[28:]) == {
        2: (2).to_bytes(4, "little"),
        4: (3).to_bytes(8, "little"),
        1: "cömment".encode(),
    }
    assert options(statistics.body[12:]) == {4: (17).to_bytes(8, "little"), 5: (3).to_bytes(8, "little")}


@pytest.mark.parametrize("ends", [V4, V6])
def test_a_connection_from_its_beginning_to_its_end(ends: Any) -> None:
    (here, there), c = ends, Conversation(0, *ends)
    made = packets(
        c.begun(1, "begun")
        + c.data(2, b"bind", sent=True)
        + c.data(3, b"bind_resp", sent=False)
        + c.data(4, b"more", sent=True)
        + c.ended(5, "carrier")
    )
    ours, theirs = (here[0], there[0]), (there[0], here[0])
    assert [(p.at, (p.source, p.destination), p.flags, p.sequence, p.acknowledged, p.payload) for p in made] == [
        (1, ours, 0x02, 0, 0, b""),
        (1, theirs, 0x12, 0, 1, b""),
        (1, ours, 0x10, 1, 1, b""),
        (2, ours, 0x18, 1, 1, b"bind"),
        (3, theirs, 0x18, 1, 5, b"bind_resp"),
        (4, ours, 0x18, 5, 10, b"more"),
        (5, theirs, 0x11, 10, 9, b""),
        (5, ours, 0x11, 9, 11, b""),
        (5, theirs, 0x10, 11, 10, b""),
    ]
    assert made[0].ports == (here[1], there[1])
    assert made[0].options[1] == b"begun"
    assert [p.options[2][0] for p in made] == [2, 1, 2, 2, 1, 2, 1, 2, 1]


def test_a_connection_that_the_carrier_made_and_we_closed() -> None:
    c = Conversation(0, *V4, ours=False)
    first, *_, fin, _, _ = packets(c.begun(1) + c.ended(2, "us"))
    assert (first.source, first.ports) == ("192.0.2.7", (2775, 41_822))
    assert (fin.source, fin.flags) == ("10.0.0.5", 0x11)


def test_one_that_broke() -> None:
    (reset,) = packets(Conversation(0, *V4).ended(2, "broken"))
    assert (reset.source, reset.flags) == ("192.0.2.7", 0x14)


def test_one_that_was_up_before_begins_after_a_handshake() -> None:
    c = Conversation(0, *V4)
    c.joined()
    (packet,) = packets(c.data(1, b"x", sent=False))
    assert (packet.sequence, packet.acknowledged) == (1, 1)


def test_octets_that_were_dropped_are_a_gap() -> None:
    c = Conversation(0, *V4)
    c.joined()
    before, after = packets(c.data(1, b"abc", sent=True) + c.data(2, b"def", sent=True, lost=100, dropped=4))
    assert (before.sequence, after.sequence) == (1, 104)
    assert after.options[4] == (4).to_bytes(8, "little")


def test_a_long_pdu_goes_in_several_packets() -> None:
    c = Conversation(0, *V6)
    octets = bytes(range(256)) * 300
    made = packets(c.data(1, octets, sent=True, comment="long"))
    assert b"".join(p.payload for p in made) == octets
    assert [p.flags for p in made] == [0x10, 0x10, 0x18]
    assert [1 in p.options for p in made] == [True, False, False]
    assert made[1].sequence == made[0].sequence + len(made[0].payload)


def test_sequence_numbers_wrap() -> None:
    c = Conversation(0, *V4)
    c._next = {True: 0xFFFFFFFE, False: 0}
    first, second = packets(c.data(1, b"abcd", sent=True) + c.data(2, b"x", sent=True))
    assert (first.sequence, second.sequence) == (0xFFFFFFFE, 2)


@pytest.mark.parametrize(
    ("local", "remote", "source", "known"),
    [
        (None, None, "192.0.2.1", False),
        (("::ffff:10.0.0.5", 1), ("::ffff:10.0.0.6", 2), "10.0.0.5", True),
        (("fe80::1%eth0", 1), ("fe80::2%eth0", 2), "fe80::1", True),
        (("10.0.0.5", 1), ("2001:db8::7", 2), "192.0.2.1", True),
        (("nowhere", 1), ("10.0.0.6", 2), "192.0.2.2", True),
    ],
)
def test_addresses_as_sockets_have_them(local: Any, remote: Any, source: str, known: bool) -> None:
    c = Conversation(0, local, remote)
    assert packets(c.data(1, b"x", sent=True))[0].source == source
    assert c.known is known
