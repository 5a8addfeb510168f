"""Inbound messages out of the ordinary, from deliver_sm to the events: what is beside the text, and floods of parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.smpp.codec import encode
from gateway.smpp.pdu import Address, DataSm, DeliverSm, Tlv
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import Smsc, address, peers

NUMBER, PEER = "+15551230001", peers(1)[0]
OPTIONAL = ("flags", "udh", "ports", "tlvs", "missing")


def deliver(g: Gateway, text: bytes, *, by: str = PEER, bind: int = 0, **fields: Any) -> None:
    g.smsc.binds[bind].deliver(DeliverSm(address(by), address(NUMBER), text, **fields))


def part(ref: int, total: int, seq: int, text: bytes) -> bytes:
    """A part with an 8-bit reference (TS 23.040 §9.2.3.24.1)."""
    return bytes((5, 0, 3, ref, total, seq)) + text


async def one(g: Gateway, text: bytes, **fields: Any) -> dict[str, Any]:
    """The event of a message."""
    app = await g.connect()
    await app.call("subscribe")
    deliver(g, text, **fields)
    (event,) = await app.notified(1)
    await g.settled()
    assert [status for _, status in g.smsc.binds[0].answers] == [0]
    assert isinstance(event, dict)
    return event


def optional(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in OPTIONAL if name in event}


# --- user data headers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x3fHello there", "?Hello there"),  # a header longer than the message
        (b"", ""),
        (b"Dinner at 8?", "Dinner at 8?"),  # the bit was left when the header was taken off
        (b"\x05\x00\x09\x01\x02\x03abc", "é@Ç£$¥abc"),  # an element that runs past the header
        (b"\xff\xfe\xfd", None),
    ],
)
async def test_a_header_that_is_none(autojump_clock: MockClock, octets: bytes, text: str | None) -> None:
    """All octets as data, flagged; text beside it where they read as text (promise 26: nothing is hidden)."""
    async with gateway() as g:
        event = await one(g, octets, esm_class=0x40)
        assert event["data"] == octets.hex()
        assert event["encoding"] == "binary"
        assert event["flags"][0] == "bad_udh"
        assert event["text"] == text
        assert (event["number"], event["peer"], event["parts"], event["complete"]) == (NUMBER, PEER, 1, True)
        ((row_text, data, encoding, extra),) = g.daemon.store.read_now(
            lambda con: con.execute("SELECT text, data, encoding, extra FROM inbound").fetchall()
        )
        assert (row_text, data, encoding) == (text, octets, "binary")
        assert json.loads(extra)["flags"] == event["flags"]


async def test_a_header_that_is_none_with_sar_parts(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        for seq, text in ((2, b"two"), (1, b"\x3fone ")):
            tlvs = (Tlv(0x020C, 5), Tlv(0x020E, 2), Tlv(0x020F, seq))
            deliver(g, text, esm_class=0x40 if seq == 1 else 0, tlvs=tlvs)
        (event,) = await app.notified(1)
        assert (event["text"], event["data"], event["complete"]) == ("?one two", b"\x3fone two".hex(), True)
        assert "bad_udh" in event["flags"]


async def test_what_is_addressed_to_a_port_comes_as_it_is(autojump_clock: MockClock) -> None:
    """A WAP push: ports 2948 and 9200 in the header (TS 23.040 §9.2.3.24.4), data_coding 0xF5."""
    push = bytes.fromhex("0106246170706c69636174696f6e2f766e642e7761702e6d6d732d6d657373616765")
    async with gateway() as g:
        event = await one(g, b"\x06\x05\x04\x0b\x84\x23\xf0" + push, esm_class=0x40, data_coding=0xF5)
        assert (event["text"], event["data"], event["encoding"]) == (None, push.hex(), "binary")
        assert event["ports"] == {"source": 9200, "destination": 2948}
        assert event["udh"] == [[5, "0b8423f0"]]
        assert event["flags"] == ["class1"]


async def test_a_card_in_parts(autojump_clock: MockClock) -> None:
    """A vCard to port 0x23F4 (9204), each part with the ports beside the concatenation."""
    card = b"BEGIN:VCARD\r\nVERSION:2.1\r\nN:Doe;Jane\r\nTEL:+15557654321\r\nEND:VCARD\r\n"
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        for seq, piece in ((2, card[40:]), (1, card[:40])):
            header = b"\x0b\x05\x04\x23\xf4\x00\x00\x00\x03\x51\x02" + bytes((seq,))
            deliver(g, header + piece, esm_class=0x40, data_coding=4)
        (event,) = await app.notified(1)
        assert (event["data"], event["parts"]) == (card.hex(), 2)
        assert optional(event) == {"udh": [[5, "23f40000"]], "ports": {"source": 0, "destination": 9204}}


async def test_other_elements_are_kept(autojump_clock: MockClock) -> None:
    """A special message indication, two voice mails (TS 23.040 §9.2.3.24.2)."""
    async with gateway() as g:
        event = await one(g, b"\x04\x01\x02\x80\x02Call 123", esm_class=0x40)
        assert event["text"] == "Call 123"
        assert optional(event) == {"udh": [[1, "8002"]]}


@pytest.mark.parametrize(
    ("data_coding", "flags"),
    [(0x10, ["flash"]), (0xF0, ["flash"]), (0xC8, ["message_waiting", "voicemail", "discard"]), (0x00, None)],
)
async def test_what_data_coding_says_beside_the_alphabet(
    autojump_clock: MockClock, data_coding: int, flags: list[str] | None
) -> None:
    async with gateway() as g:
        event = await one(g, b"Now!", data_coding=data_coding)
        assert event["text"] == "Now!"
        assert event.get("flags") == flags


# --- TLVs -------------------------------------------------------------------------------------------------------------


async def test_tlvs_that_are_not_used_are_kept(autojump_clock: MockClock) -> None:
    """A vendor's, one that is known but not used here, and one that comes twice (field notes, fine print 10)."""
    tlvs = (
        Tlv(0x1400, b"\x01\xff"),
        Tlv(0x0204, 77),
        Tlv(0x0381, b"\x01\x01\x01123"),
        Tlv(0x1400, b"\x02"),
        Tlv(0x1400, b"\x03"),
    )
    async with gateway() as g:
        event = await one(g, b"x", tlvs=tlvs)
        assert event["text"] == "x"
        assert optional(event) == {"tlvs": {"0x1400": ["01ff", "02", "03"], "0x0204": 77, "0x0381": "010101313233"}}


async def test_ports_by_tlv(autojump_clock: MockClock) -> None:
    """source_port and destination_port (SMPP 3.4 §5.3.2.20, §5.3.2.21)."""
    async with gateway() as g:
        event = await one(g, b"x", tlvs=(Tlv(0x020A, 5505), Tlv(0x020B, 5506)))
        assert optional(event) == {"ports": {"source": 5505, "destination": 5506}}


@pytest.mark.parametrize("wrong", [b"\x01", b"\x01\x02\x03", b""])
async def test_a_port_of_the_wrong_length_is_none(autojump_clock: MockClock, wrong: bytes) -> None:
    async with gateway() as g:
        event = await one(g, b"x", tlvs=(Tlv(0x020A, wrong), Tlv(0x020B, 5506)))
        assert event["text"] == "x"
        assert event["ports"] == {"source": None, "destination": 5506}
        assert event["tlvs"] == {"0x020A": wrong.hex()}


async def test_a_payload_beside_a_short_message_is_kept(autojump_clock: MockClock) -> None:
    """Only one of the two may be there (SMPP 3.4 §5.3.2.32); what is acknowledged is not thrown away."""
    pdu = DeliverSm(address(PEER), address(NUMBER), b"short", tlvs=(Tlv(0x1424, b"long"),))
    octets = encode(pdu, 77, 0).replace(b"\x14\x24\x00\x04", b"\x04\x24\x00\x04")  # ours writes no such thing
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        await g.smsc.binds[0].link.stream.send_all(octets)
        (event,) = await app.notified(1)
        assert event["text"] == "short"
        assert optional(event) == {"tlvs": {"0x0424": b"long".hex()}}


# --- long messages ----------------------------------------------------------------------------------------------------


async def test_parts_by_three_schemes_two_binds_and_a_start(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        for run in (0, 1):
            smsc = Smsc(nursery)
            async with gateway(tmp_path, smsc=smsc, carrier="binds = 2", stop=False) as g:
                app = await g.connect()
                await app.call("subscribe")
                if not run:
                    deliver(g, bytes((6, 8, 4, 0, 77, 4, 4)) + b"four", esm_class=0x40)
                    deliver(g, part(77, 4, 2, b"two "), esm_class=0x40, bind=1)
                else:
                    tlvs = (Tlv(0x020C, 77), Tlv(0x020E, 4), Tlv(0x020F, 3))
                    pdu = DataSm(address(PEER), address(NUMBER), tlvs=(*tlvs, Tlv(0x0424, b"three ")))
                    smsc.binds[1].session.send_request(pdu, trio.current_time())
                    smsc.binds[1].link.flush()
                    deliver(g, part(77, 4, 1, b"one "), esm_class=0x40)
                    (event,) = await app.notified(1)
                    assert (event["text"], event["parts"], event["complete"]) == ("one two three four", 4, True)
                    assert optional(event) == {}
                await g.settled()
        nursery.cancel_scope.cancel()


async def test_a_partial_message_says_what_is_missing_and_what_comes_late(autojump_clock: MockClock) -> None:
    async with gateway(extra="[limits]\nreassembly_age = 60") as g:
        app = await g.connect()
        await app.call("subscribe")
        deliver(g, part(9, 4, 2, b"two "), esm_class=0x40)
        deliver(g, part(9, 4, 4, b"four"), esm_class=0x40)
        (event,) = await app.notified(1)
        assert (event["text"], event["complete"], event["parts"]) == ("two four", False, 4)
        assert optional(event) == {"flags": ["partial"], "missing": [1, 3]}
        deliver(g, part(9, 4, 3, b"three "), esm_class=0x40)
        _, event = await app.notified(2)
        assert (event["text"], event["complete"]) == ("three ", False)
        assert optional(event) == {"flags": ["partial", "late"], "missing": [1, 2, 4]}


async def test_a_flood_of_first_parts_from_one_peer(autojump_clock: MockClock) -> None:
    """Its oldest are told of, nothing is refused, and another's long message goes through (promise 25)."""
    flooder, honest = peers(2)
    async with gateway(extra="[limits]\nreassembly_per_peer = 255") as g:
        app = await g.connect()
        await app.call("subscribe", max_unacked=19_999)
        for i in range(600):
            if i in (100, 500):
                deliver(g, part(1, 2, 1 if i == 100 else 2, b"%d " % i), by=honest, esm_class=0x40)
                await g.settled()
            deliver(g, bytes((6, 8, 4, i >> 8, i & 0xFF, 2, 1)) + b"%d" % i, by=flooder, esm_class=0x40)
        events = await app.notified(346)
        await g.settled()
        assert [status for _, status in g.smsc.binds[0].answers] == [0] * 602
        (whole,) = [e for e in events if e["complete"]]
        assert (whole["text"], whole["peer"]) == ("100 500 ", honest)
        evicted = [e for e in events if not e["complete"]]
        assert [e["text"] for e in evicted] == [str(i) for i in range(345)]
        assert {tuple(e["flags"]) for e in evicted} == {("partial", "evicted")}
        metrics = g.daemon.metrics
        assert metrics.partial.labels("peer_limit")._value.get() == 345
        assert metrics.inbound_other.labels("partial")._value.get() == 345
        assert metrics.waiting_parts.read() == [((), 255)]


async def test_a_new_bound_counts_from_the_next_part_on(autojump_clock: MockClock) -> None:
    async with gateway(extra="[limits]\nreassembly_total = 1000") as g:
        app = await g.connect()
        await app.call("subscribe", max_unacked=19_999)
        for i, by in enumerate(peers(300)):
            deliver(g, part(1, 2, 1, b"%d" % i), by=by, esm_class=0x40)
        await g.settled()
        assert app.of("inbound") == []
        g.config.write_text(g.config.read_text().replace("reassembly_total = 1000", "reassembly_total = 255"))
        await g.daemon.reload()
        deliver(g, part(2, 2, 1, b"last"), esm_class=0x40)
        events = await app.notified(46)
        assert [e["text"] for e in events] == [str(i) for i in range(46)]


async def test_headers_and_tlvs_never_change_who_gets_it(autojump_clock: MockClock) -> None:
    """Promise 26: broken or unusual headers never change routing."""
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", numbers=[NUMBER])
        odd: list[tuple[bytes, dict[str, Any]]] = [
            (b"\x7fx", {"esm_class": 0x40}),
            (b"\x06\x05\x04\x00\x50\x00\x50x", {"esm_class": 0x40}),
            (b"x", {"tlvs": (Tlv(0x020B, 1), Tlv(0x1400, b"\0" * 300))}),
            (b"\xd8\x00", {"data_coding": 8}),
            (b"\x05\x00\x03\x01\x00\x00x", {"esm_class": 0x40}),
            (b"\x05\x00\x03\x01\x02\x03x", {"esm_class": 0x40}),
            (b"x", {"data_coding": 0xFF, "protocol_id": 0x7F}),
        ]
        for octets, fields in odd:
            g.smsc.binds[0].deliver(DeliverSm(address(PEER), Address(1, 1, NUMBER[1:]), octets, **fields))
        events = await app.notified(len(odd))
        assert {(e["number"], e["peer"]) for e in events} == {(NUMBER, PEER)}
        assert all(e["text"] is not None or e["data"] is not None for e in events)
