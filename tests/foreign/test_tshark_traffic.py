"""What passes between the daemon and a carrier, and between an ESME and the simulated SMSC, read by Wireshark.

No remark on any frame, in any protocol; every field as we read it; and the texts as they were submitted, put
together from what Wireshark shows of each part.
"""

from __future__ import annotations

import random
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from gateway.simulator import Simulator, SimulatorConfig
from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.constants import CommandId, Tag
from gateway.smpp.pdu import Address, DeliverSm, SubmitSm, Tlv
from gateway.sms import gsm0338
from gateway.sms.segment import Scheme, plan
from tests.flow.esme import NUMBER, PEER, Esme, message
from tests.foreign.dissected import FIELDS, differences, readable
from tests.foreign.texts import texts
from tests.support import pcap
from tests.support.daemons import gateway
from tests.support.foreign import LONG, needs_tshark
from tests.support.smsc import Smsc, address
from tests.support.tap import Piece, Tap, pdus
from tests.support.tshark import NOTES, SMPP_PACKED, Fields, joined, notes, read, read_pdus

pytestmark = needs_tshark

SCHEMES: tuple[Scheme, ...] = ("udh8", "udh16", "sar", "payload")
COUNT = 600 if LONG else 60
LEAST = {"payload": COUNT * 5}
"""PDUs of a test: of the others 1,000 in the suite, 10,000 in the long form."""
TEXT, PART = "smpp.message_text", "gsm_sms.udh.mm.msg_part"
BODY, WHOLE = "gsm_sms_ud.short_msg", "gsm_sms_ud.reassembled.length"


class TappedSmsc(Smsc):
    """The scripted SMSC with what passed on its connections."""

    def __init__(self, nursery: trio.Nursery) -> None:
        super().__init__(nursery)
        self.traffic: list[Piece] = []

    async def connect(self, host: str, port: int, local_address: str | None) -> trio.abc.Stream:
        return Tap(await super().connect(host, port, local_address), self.traffic, len(self.attempts))


async def daemon_traffic(scheme: Scheme, given: list[str]) -> list[Piece]:
    """Messages out with their receipts, and the same texts in, over two binds."""
    async with trio.open_nursery() as nursery:
        smsc = TappedSmsc(nursery)
        async with gateway(carrier=f'long_messages = "{scheme}"\nbinds = 2', smsc=smsc) as running:
            app = await running.connect()
            await app.call("subscribe", max_unacked=2000)
            people = [f"+1212555{number:04}" for number in range(len(given))]
            ids = await app.submits([{"to": to, "text": text} for to, text in zip(people, given, strict=True)])
            done = 0
            while len(app.of("receipt")) < len(ids):
                submits = await smsc.came(done + 1)
                for submit in submits[done:]:
                    smsc.receipt(submit, form=("both", "tlv", "text")[submit.place % 3])
                done = len(submits)
                await running.settled()
            for place, text in enumerate(given):
                for body in plan(text, scheme=scheme).render(place):
                    tlvs = tuple(Tlv(tag, value) for tag, value in body.tlvs)
                    smsc.binds[place % 2].deliver(
                        DeliverSm(
                            address(people[place]), address("+15551230001"), body.short_message, body.esm_class,
                            body.data_coding, tlvs=tlvs,
                        )
                    )  # fmt: skip
            events = await app.notified(len(given), "inbound")
            assert sorted(event["text"] for event in events) == sorted(given)
        nursery.cancel_scope.cancel()
    return smsc.traffic


def check(path: Path, traffic: list[Piece]) -> list[tuple[bytes, Fields]]:
    """Reads traffic as it went, for remarks, and each PDU by itself, for its fields; the PDUs and these."""
    connections = {number: pcap.Connection(number) for number, _, _ in traffic}
    frames = (
        frame
        for number, from_esme, burst in traffic
        for frame in connections[number].frames(
            [(from_esme, b"".join(readable(octets)[0] for octets in pdus(burst)))]
        )
    )  # fmt: skip
    pcap.write(path / "bursts.pcap", frames)
    seen = read(path / "bursts.pcap", ("smpp.command_id", *NOTES))
    assert [note for frame in seen for note in notes(frame)] == []
    each = [octets for _, _, burst in traffic for octets in pdus(burst)]
    assert sum(len(frame.get("smpp.command_id", [])) for frame in seen) == len(each)

    given = [readable(octets) for octets in each]
    shown = read_pdus(path, [octets for octets, _, _ in given], (*FIELDS, PART, BODY, WHOLE))
    found = []
    for frame, (octets, wanted, _) in zip(shown, given, strict=True):
        found += [(octets.hex(), what) for what in notes(frame) + differences(frame, wanted)]
    assert found == []
    return list(zip(each, shown, strict=True))


def told(pairs: list[tuple[bytes, Fields]], kind: type[p.Pdu]) -> dict[str, str]:
    """The texts that Wireshark shows of messages, by the phone; parts by their numbers, for they go over two binds."""
    found: defaultdict[str, dict[int, str]] = defaultdict(dict)
    person = "smpp.destination_addr" if kind is SubmitSm else "smpp.source_addr"
    for octets, frame in pairs:
        # Receipts are deliver_sm as well (§5.2.12).
        if int.from_bytes(octets[4:8]) == kind.command_id and frame["smpp.esm.submit.msg_type"] == ["0x00"]:
            number = int((frame.get(PART) or frame.get("smpp.sar_segment_seqnum") or ["1"])[0], 0)
            parts = found[frame[person][0]]
            assert number not in parts, f"part {number} twice"
            parts[number] = frame.get(TEXT, [""])[0]
    return {phone: joined("".join(text for _, text in sorted(parts.items()))) for phone, parts in found.items()}


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_texts_by_smpp(autojump_clock: MockClock, tmp_path: Path, scheme: Scheme) -> None:
    """Both ways, all four ways to send a long message; a capture of the whole and each PDU by itself."""
    given = [text for text in texts(7, COUNT) if text]
    traffic = await daemon_traffic(scheme, given)
    assert {number for number, _, _ in traffic} == {1, 2}
    pairs = check(tmp_path, traffic)
    assert len(pairs) >= LEAST.get(scheme, 10_000 if LONG else 1_000)
    pairs_are_shown = surrogates_are_shown(tmp_path)
    wanted = {f"1212555{number:04}": text if pairs_are_shown else by_units(text) for number, text in enumerate(given)}
    assert told(pairs, SubmitSm) == wanted
    assert told(pairs, DeliverSm) == wanted
    if scheme != "payload":
        _reassembled(pairs, given)


def surrogates_are_shown(path: Path) -> bool:
    """Whether this Wireshark shows both halves of a pair, as 4.0 does; later ones put U+FFFD for each."""
    (frame,) = read_pdus(path, [encode(SubmitSm(NUMBER, PEER, "😀".encode("utf-16-be"), data_coding=8), 1)], (TEXT,))
    assert frame[TEXT] in (["\ud83d\ude00"], ["\ufffd\ufffd"])
    return frame[TEXT] != ["\ufffd\ufffd"]


def by_units(text: str) -> str:
    """Text with U+FFFD for each half of a surrogate pair; the octets of the message are compared beside it."""
    return "".join("\ufffd\ufffd" if char > "\uffff" else char for char in text)


def _reassembled(pairs: list[tuple[bytes, Fields]], given: list[str]) -> None:
    """Wireshark's own reassembly, by reference, total and number, has the octets of all parts in its last one."""
    whole = [
        (bytes.fromhex(frame[BODY][0].replace(":", "")), int(frame["smpp.data_coding"][0], 0))
        for _, frame in pairs
        if WHOLE in frame
    ]
    long = sorted(text for text in given if plan(text).parts > 1)
    read_back = sorted(
        gsm0338.decode(octets) if coding == 0 else octets.decode("utf-16-be") for octets, coding in whole
    )
    assert read_back == sorted(long * 2)  # out and in


async def every_operation() -> list[Piece]:
    """An ESME that asks all it can of the simulated SMSC, on binds of each kind."""
    traffic: list[Piece] = []
    simulator = Simulator(SimulatorConfig(receipt_delay=5), rng=random.Random(7), wall=partial(float, 1_764_000_000))
    async with trio.open_nursery() as nursery:
        esmes = {}
        for kind, bind in (
            ("transmitter", p.BindTransmitter), ("receiver", p.BindReceiver), ("transceiver", p.BindTransceiver),
        ):  # fmt: skip
            ours, theirs = memory_stream_pair()
            esme = esmes[kind] = Esme(Tap(ours, traffic, len(esmes)), lambda _: 0)
            nursery.start_soon(simulator.serve_stream, theirs)
            nursery.start_soon(esme.link.run)
            esme.send(bind("esme", "secret", interface_version=0x50 if kind == "transceiver" else 0x34))
            await esme.bound()
        both = esmes["transceiver"]
        lists = (PEER, p.DistributionList("staff"), Address(1, 1, "12125550102"))
        broadcast = p.BroadcastSm(
            NUMBER,
            tlvs=(
                Tlv(Tag.BROADCAST_AREA_IDENTIFIER, b"\x00North"), Tlv(Tag.BROADCAST_CONTENT_TYPE, b"\x01\x00\x20"),
                Tlv(Tag.BROADCAST_REP_NUM, 3), Tlv(Tag.BROADCAST_FREQUENCY_INTERVAL, b"\x09\x00\x02"),
                Tlv(Tag.MESSAGE_PAYLOAD, b"storm"),
            ),
        )  # fmt: skip
        asked: list[p.Pdu] = [
            message(b"one"), message(b"two"), message(b"", tlvs=[(Tag.MESSAGE_PAYLOAD, b"three")]),
            p.SubmitMulti(NUMBER, (PEER, Address(1, 1, "12125550102")), b"many"), p.SubmitMulti(NUMBER, lists, b"some"),
            p.DataSm(NUMBER, PEER, registered_delivery=1, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"data"),)), broadcast,
            p.EnquireLink(),
        ]  # fmt: skip
        both.send(*asked)
        await both.responds(len(asked) - 1)  # the session keeps its own enquire_link to itself
        first, second, *_ = both.ids
        cast = both.ids[6]
        both.send(
            p.QuerySm(first, NUMBER), p.QuerySm("none", NUMBER), p.ReplaceSm(first, NUMBER, b"other"),
            p.ReplaceSm("none", NUMBER, b"other"), p.CancelSm(second, NUMBER, PEER), p.CancelSm("none", NUMBER, PEER),
            p.QueryBroadcastSm(cast, NUMBER), p.CancelBroadcastSm(cast, NUMBER), p.CancelBroadcastSm("none", NUMBER),
        )  # fmt: skip
        await both.responds(len(asked) - 1 + 9)
        assert simulator.inbound(f"+{PEER.addr}", f"+{NUMBER.addr}", "Да, буду вовремя 👍 " * 5) == 2
        simulator.alert(f"+{PEER.addr}", f"+{NUMBER.addr}")
        await trio.sleep(30)
        for esme in esmes.values():
            await esme.unbind()
        nursery.cancel_scope.cancel()
    return traffic


NOT_IN_TRAFFIC = {
    # Only a peer that we have a quarrel with gets one, and the other is for an SMSC that calls an ESME: golden PDUs.
    CommandId.GENERIC_NACK, CommandId.OUTBIND,
}  # fmt: skip


async def test_every_operation(autojump_clock: MockClock, tmp_path: Path) -> None:
    pairs = check(tmp_path, await every_operation())
    seen = {CommandId(int.from_bytes(octets[4:8])) for octets, _ in pairs}
    assert set(CommandId) - seen == NOT_IN_TRAFFIC


def test_flash_is_not_decoded_over_smpp(tmp_path: Path) -> None:
    """The octets are right all the same; test_tshark_air has the dissector of GSM SMS read such a message."""
    octets = []
    for coding in (0x10, 0x18, 0xF0):
        body = b"\x00H" if coding == 0x18 else b"H"
        octets.append(encode(SubmitSm(NUMBER, PEER, body, data_coding=coding), 1))
    frames = read_pdus(tmp_path, octets, FIELDS)
    assert [frame.get(TEXT) for frame in frames] == [None, None, ["H"]]
    for frame, sent in zip(frames, octets, strict=True):
        assert notes(frame) + differences(frame, readable(sent)[1]) == []


def test_packed_septets_over_smpp(tmp_path: Path) -> None:
    """Wireshark unpacks behind any header; of seven spare bits it makes the CR that they are (§6.1.2.3.1)."""
    given = list(texts(8, COUNT * 3, "gsm", "extension", "extension_at_cut"))
    expected, octets = [], []
    for ref, text in enumerate(given):
        planned = plan(text, encoding="gsm7", alphabet="gsm7_packed")
        for piece, body in zip(planned.pieces, planned.render(ref), strict=True):
            header = body.short_message[0] + 1 if body.esm_class & 0x40 else 0
            bits = (len(body.short_message) - header) * 8 - (-header * 8 % 7)
            expected.append((gsm0338.decode(piece), bits - len(piece) * 7 >= 7))
            octets.append(encode(SubmitSm(NUMBER, PEER, body.short_message, body.esm_class, body.data_coding), ref + 1))
    frames = read_pdus(tmp_path, octets, FIELDS, SMPP_PACKED)
    for frame, (text, padded) in zip(frames, expected, strict=True):
        assert notes(frame) == []
        assert frame.get(TEXT, [""])[0] == text + "\r" * padded
    assert {padded for _, padded in expected} == {False, True}


def test_a_text_that_is_changed_on_the_way_is_found(tmp_path: Path) -> None:
    """The comparison of texts can fail."""
    octets = encode(SubmitSm(NUMBER, PEER, b"Hello"), 1)
    (frame,) = read_pdus(tmp_path, [octets.replace(b"Hello", b"Jello")], FIELDS)
    assert told([(octets, frame)], SubmitSm) == {PEER.addr: "Jello"}
    assert differences(frame, readable(octets)[1])
