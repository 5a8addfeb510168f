"""Every golden PDU, every TLV and the times, read by Wireshark: no remark, and the fields that we read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Address, DataSm, Pdu, SubmitSm, Tlv
from gateway.smpp.times import read_absolute, read_relative
from gateway.smpp.tlv import TLVS, TlvType
from tests.foreign.dissected import (
    FIELDS,
    LENGTHS,
    SIZES_MISREAD,
    TAGS,
    differences,
    expected,
    misread,
    readable,
    tlv_octets,
)  # fmt: skip
from tests.foreign.wireshark_differences import UNREAD
from tests.support import pcap
from tests.support.foreign import needs_tshark
from tests.support.tshark import NOTES, SMPP, Fields, notes, read, read_pdus
from tests.unit.smpp.golden import OCTETS

pytestmark = needs_tshark

NO_HEADER = frozenset({"submit_sm_every_field", "data_sm_every_tlv"})
"""Golden PDUs whose esm_class announces a user data header that is not there, to show every bit of it.

Wireshark remarks on that in GSM SMS UD, the second only from 4.2 on; their fields are compared as all others are.
"""
MARK = Tlv(0x1401, b"\xfe")
SOURCE, DESTINATION = Address(1, 1, "15551230001"), Address(1, 1, "12125550101")


def test_the_golden_pdus(tmp_path: Path) -> None:
    names = list(OCTETS)
    given = [readable(OCTETS[name]) for name in names]
    frames = read_pdus(tmp_path, [octets for octets, _, _ in given], FIELDS)
    found = {
        name: differences(frame, wanted) + ([] if name in NO_HEADER else notes(frame))
        for name, frame, (_, wanted, _) in zip(names, frames, given, strict=True)
    }
    assert {name: what for name, what in found.items() if what} == {}
    whole = sum(not left_out for _, _, left_out in given)
    assert whole >= len(names) * 4 // 5, "too much is left out to prove anything"


def test_a_header_that_is_not_there_is_remarked(tmp_path: Path) -> None:
    """Each of NO_HEADER is there for its reason, and for no other."""
    remarked = []
    for name, frame in zip(NO_HEADER, read_pdus(tmp_path, [OCTETS[n] for n in NO_HEADER], FIELDS), strict=True):
        assert decode(OCTETS[name])[2].esm_class & 0x40  # type: ignore[attr-defined]
        if found := notes(frame):
            assert "[Malformed Packet: GSM SMS UD]" in found
            remarked.append(name)
    assert "submit_sm_every_field" in remarked


def _with(tlv: Tlv) -> Pdu:
    return DataSm(SOURCE, DESTINATION, tlvs=(tlv, MARK))


def _values(tag: Tag) -> list[Tlv]:
    """A TLV in each of its sizes; of a range of them the first and the last."""
    kind = TLVS[tag]
    sizes = kind.sizes if isinstance(kind.sizes, tuple) else (kind.sizes[0], min(kind.sizes[-1], 300))
    made = []
    for size in dict.fromkeys(sizes):
        value = bytes(1 + i % 7 for i in range(size))
        if kind.type is TlvType.C_STRING:
            value = b"x" * (size - 1) + b"\0"
        elif tag == Tag.BROADCAST_END_TIME:
            value = b"261122011500000+"
        made.append(Tlv(tag, value))
    return made


def test_every_tlv(tmp_path: Path) -> None:
    """Each in each size, with a vendor's behind it: what follows one that is read rightly is found."""
    given = [tlv for tag in TLVS for tlv in _values(tag)]
    octets = [encode(_with(tlv), 1) for tlv in given]
    lost = set()
    wrong = []
    for tlv, frame, sent in zip(given, read_pdus(tmp_path, octets, FIELDS), octets, strict=True):
        if misread(tlv):
            if frame.get(TAGS, [])[1:] != [f"0x{MARK.tag:04x}"] and frame.get(TAGS, [])[1:] != [str(MARK.tag)]:
                lost.add((tlv.tag, len(tlv_octets(tlv))))
            continue
        found = notes(frame) + differences(frame, expected(sent, 1, 0, decode(sent)[2]))
        if found:
            wrong.append((TLVS[Tag(tlv.tag)].name, len(tlv_octets(tlv)), found))
    assert wrong == []
    assert lost == SIZES_MISREAD, "a row of MISREAD is not needed any more, or one is missing"


def test_tlvs_of_these_responses_are_not_shown(tmp_path: Path) -> None:
    given = [encode(response(tlvs=(Tlv(Tag.CONGESTION_STATE, 50),)), 1) for response in UNREAD]
    for frame in read_pdus(tmp_path, given, (TAGS, LENGTHS)):
        assert TAGS not in frame
        assert not notes(frame)


TIMES = (
    "261122011500000+", "261122011500300+", "240229235959948-", "991231235959000+", "370101000000001+",
    "380119031407000+", "000100000000000R", "000000013000000R", "000003020100000R", "010203040506000R",
)  # fmt: skip


def test_times(tmp_path: Path) -> None:
    """Absolute ones are the same instants (§7.1.1.1), relative ones the same, but for years and months (§7.1.1.2).

    Wireshark takes years from 38 on for 19xx, by Appendix C; we take the century that is nearest to now.
    """
    now = datetime(2026, 11, 22, tzinfo=UTC)
    octets = [encode(SubmitSm(SOURCE, DESTINATION, b"x", validity_period=text), 1) for text in TIMES]
    fields = ("smpp.validity_period", "smpp.validity_period_r")
    for text, frame in zip(TIMES, read_pdus(tmp_path, octets, fields), strict=True):
        assert not notes(frame)
        if text.endswith("R"):
            ours = read_relative(text)
            (seconds,) = frame[fields[1]]
            rest = timedelta(days=ours.days, hours=ours.hours, minutes=ours.minutes, seconds=ours.seconds)
            assert float(seconds) == rest.total_seconds(), text
        else:
            ours_at = read_absolute(text, now)
            if 38 <= int(text[:2]) <= 76:  # nearer to now in this century
                ours_at = ours_at.replace(year=ours_at.year - 100)
            assert _instant(frame) == ours_at, text


def _instant(frame: Fields) -> datetime:
    """'Nov 22, 2026 01:15:00.000000000 UTC'"""
    text = frame["smpp.validity_period"][0].removesuffix(" UTC")
    head, _, fraction = text.partition(".")
    return datetime.strptime(head, "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC, microsecond=int(fraction[:6]))


@pytest.mark.parametrize(
    ("what", "octets"),
    [
        ("both texts", "0000003b00000004000000000000000100000061000000620000000000000000000000017804240001790000"),
        ("a body that ends early", "0000001a0000000400000000000000010000010061000000000000"),
        ("a TLV that ends early", "0000001d800000040000000000000001313200001e0009616263"),
    ],
)
def test_what_is_wrong_is_remarked(tmp_path: Path, what: str, octets: str) -> None:
    """The proof can fail: Wireshark says so of a message in two places (§5.3.2.32) and of truncated PDUs."""
    body = bytes.fromhex(octets)[4:]
    if what == "both texts":
        sent = encode(SubmitSm(SOURCE, DESTINATION, b"x"), 1)
        body = sent[4:] + bytes.fromhex("0424000179")
    (frame,) = read_pdus(tmp_path, [(len(body) + 4).to_bytes(4) + body], FIELDS)
    assert notes(frame), what


def test_a_wrong_field_is_a_difference(tmp_path: Path) -> None:
    """The comparison can fail: for each field of a PDU that Wireshark shows, another value is found."""
    octets = OCTETS["submit_sm"]
    (frame,) = read_pdus(tmp_path, [octets], FIELDS)
    wanted = expected(octets, *decode(octets))
    assert differences(frame, wanted) == []
    for field, values in wanted.items():
        other = [value + 1 if isinstance(value, int) else value + "0" for value in values]
        assert [d.split(":")[0] for d in differences(frame, wanted | {field: other})] == [field]


def test_a_header_in_two_segments_is_not_recognised(tmp_path: Path) -> None:
    octets = OCTETS["submit_sm"]
    for cut, recognised in ((15, False), (16, True)):
        pcap.write(tmp_path / "cut", pcap.Connection().frames([(True, octets[:cut]), (True, octets[cut:])]))
        found = [frame for frame in read(tmp_path / "cut", ("smpp.command_id",)) if frame]
        assert bool(found) is recognised


def test_the_capture_is_sound(tmp_path: Path) -> None:
    """What carries the PDUs is not remarked upon either: long PDUs over several segments, both ways, checksums."""
    long = encode(SubmitSm(SOURCE, DESTINATION, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 60_000),)), 1)
    answer = encode(p.SubmitSmResp("1"), 1)
    path = tmp_path / "long.pcap"
    pieces = [(True, long), (False, answer), (True, long[:16]), (True, long[16:] + long), (False, answer * 3)]
    pcap.write(path, pcap.Connection(7).frames(pieces))
    frames = read(path, ("smpp.command_id", "tcp.checksum.status", "ip.checksum.status", *NOTES), SMPP)
    assert [note for frame in frames for note in notes(frame)] == []
    assert sum(len(frame.get("smpp.command_id", [])) for frame in frames) == 7
    assert {value for frame in frames for value in frame["tcp.checksum.status"]} == {"1"}
