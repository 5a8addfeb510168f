"""What a carrier's settings make of a segment: addresses, TLVs, times, what is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.carrier.wire import Wire
from gateway.model import Receipts
from gateway.settings import Carrier
from gateway.smpp.codec import encode
from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Address, SubmitSm, Tlv
from gateway.sms.segment import UDHI, SegmentBody

NOW = 1_795_323_600_000  # 2026-11-22T05:00:00Z


def settings(**given: Any) -> Carrier:
    return Carrier.model_validate(
        {"name": "acme", "host": "h", "system_id": "u", "password": "p", "region": "FR", **given}
    )


def segment(part: int = 1, **given: Any) -> SegmentOut:
    usual: dict[str, Any] = {
        "id": 1,
        "app": "crm",
        "number": "+33700000001",
        "peer": "+33612345678",
        "carrier": "acme",
        "lane": 0,
        "rank": 5,
        "parts": 1,
        "receipt": 1,
        "expires_at": NOW + 90_000,
        "until": NOW + 90_000,
        "validity": False,
        "tlvs": (),
        "bodies": (SegmentBody(b"hello", 0, 0),),
        "waiting": [1],
    }
    return SegmentOut(Outgoing(**{**usual, **given}), part)


def submit(part: int = 1, *, message: dict[str, Any] | None = None, **given: Any) -> SubmitSm:
    return Wire(settings(**given)).submit(segment(part, **(message or {})), NOW)


# --- addresses --------------------------------------------------------------------------------------------------------

ADDRESSES: list[tuple[dict[str, Any], str, Address]] = [
    ({}, "+33612345678", Address(1, 1, "33612345678")),
    ({}, "12345", Address(3, 0, "12345")),
    ({}, "Acme", Address(5, 0, "Acme")),
    ({"source_plus": True}, "+33612345678", Address(1, 1, "+33612345678")),
    ({"source_ton": 0, "source_npi": 0}, "+33612345678", Address(0, 0, "33612345678")),
    ({"source_ton": 0}, "Acme", Address(0, 0, "Acme")),
    ({"source_types": {"short_code": "0/1"}}, "12345", Address(0, 1, "12345")),
    ({"source_types": {"short_code": "0/1"}}, "+33612345678", Address(1, 1, "33612345678")),
    ({"source_types": {"international": "2/8"}}, "+33612345678", Address(2, 8, "33612345678")),
    ({"source_types": {"alphanumeric": "5/1"}, "source_ton": 9}, "Acme", Address(9, 1, "Acme")),
    ({"source_national": True}, "+33612345678", Address(2, 1, "612345678")),
    ({"source_national": True, "national_prefix": "0"}, "+33612345678", Address(2, 1, "0612345678")),
    ({"source_national": True, "source_types": {"national": "0/1"}}, "+33612345678", Address(0, 1, "612345678")),
    ({"source_national": True, "source_plus": True}, "+4915112345678", Address(1, 1, "+4915112345678")),
    ({"source_national": True, "region": "US"}, "+16135550100", Address(2, 1, "6135550100")),
]


@pytest.mark.parametrize(("given", "value", "expected"), ADDRESSES)
def test_an_address_each_way(given: dict[str, Any], value: str, expected: Address) -> None:
    assert submit(message={"number": value}, **given).source == expected
    as_dest = {key.replace("source_", "dest_"): one for key, one in given.items()}
    assert submit(message={"peer": value}, **as_dest).destination == expected
    # And what is said of one direction leaves the other alone.
    if given:
        assert submit(message={"peer": "+33612345678"}, **given).destination == Address(1, 1, "33612345678")


def test_nine_digits_are_no_short_code() -> None:
    assert submit(message={"number": "123456789"}).source == Address(0, 1, "123456789")


# --- TLVs and lengths -------------------------------------------------------------------------------------------------


def test_the_tlvs_of_a_carrier_go_with_every_submit() -> None:
    pdu = submit(tlvs={"0x1400": "1701158019811140068", "0x1402": "hex:0102", "user_message_reference": 5})
    assert pdu.tlvs == (Tlv(0x1400, b"1701158019811140068"), Tlv(0x1402, b"\1\2"), Tlv(0x0204, b"\0\5"))
    # As kneodev/ksmppd#135 has it on the wire: tag, 19 octets, digits without a NUL.
    assert bytes.fromhex("1400001331373031313538303139383131313430303638") in encode(pdu, 1)


def test_a_tlv_of_the_message_goes_before_that_of_the_carrier() -> None:
    pdu = submit(message={"tlvs": (Tlv(0x1400, b"other"),)}, tlvs={"0x1400": "entity", "0x1401": "text"})
    assert pdu.tlvs == (Tlv(0x1400, b"other"), Tlv(0x1401, b"text"))


def test_what_is_longer_than_the_carrier_takes_goes_in_message_payload() -> None:
    body = SegmentBody(b"x" * 100, UDHI, 0)
    pdu = submit(message={"bodies": (body,)}, longest_short_message=99)
    assert pdu.short_message == b""
    assert pdu.tlvs == (Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 100),)
    assert pdu.esm_class == UDHI
    assert submit(message={"bodies": (body,)}, longest_short_message=100).short_message == b"x" * 100
    assert submit(message={"bodies": (SegmentBody(b"x" * 160, 0, 0),)}).short_message == b"x" * 160


@pytest.mark.parametrize(("octets", "inside"), [(254, True), (255, False)])
def test_a_whole_text_goes_in_short_message_where_the_carrier_takes_it(octets: int, inside: bool) -> None:
    body = SegmentBody(b"", 0, 0, ((Tag.MESSAGE_PAYLOAD, b"x" * octets),))
    message = {"bodies": (body,), "tlvs": (Tlv(0x1400, b"a"),)}
    pdu = submit(message=message, long_messages="payload", longest_short_message=254)
    assert (len(pdu.short_message), pdu.tlv(Tag.MESSAGE_PAYLOAD) is None) == ((254, True) if inside else (0, False))
    assert pdu.tlv(0x1400) == b"a"


# --- times ------------------------------------------------------------------------------------------------------------

VALIDITIES: list[tuple[dict[str, Any], bool, str]] = [
    ({}, True, "000000000130000R"),
    ({}, False, ""),
    ({"validity_sent": "always"}, False, "000000000130000R"),
    ({"validity_format": "none", "validity_sent": "always"}, True, ""),
    ({"validity_format": "absolute"}, True, "261122050130000+"),
    ({"validity_format": "absolute"}, False, ""),
    ({"validity_format": "absolute", "time_zone": "+05:30"}, True, "261122103130022+"),
    ({"validity_format": "absolute", "time_zone": "-03:00"}, True, "261122020130012-"),
    ({"validity_format": "absolute", "time_zone": "Europe/Paris"}, True, "261122060130004+"),
]


@pytest.mark.parametrize(("given", "asked", "expected"), VALIDITIES)
def test_what_is_left_of_the_validity(given: dict[str, Any], asked: bool, expected: str) -> None:
    assert submit(message={"validity": asked}, **given).validity_period == expected


def test_the_validity_that_is_left_goes_on_every_segment() -> None:
    wire = Wire(settings())
    bodies = (SegmentBody(b"1", UDHI, 0), SegmentBody(b"2", UDHI, 0))
    message = {"validity": True, "parts": 2, "bodies": bodies}
    assert wire.submit(segment(1, **message), NOW).validity_period == "000000000130000R"
    assert wire.submit(segment(2, **message), NOW + 60_000).validity_period == "000000000030000R"


def test_an_absolute_time_is_ahead_also_when_nothing_is_left() -> None:
    wire = Wire(settings(validity_format="absolute"))
    assert wire.submit(segment(validity=True), NOW + 90_000).validity_period == "261122050131000+"


# --- what is asked for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        (Receipts.NONE, (0, 0, 0)),
        (Receipts.EACH, (1, 1, 1)),
        (Receipts.FIRST, (1, 0, 0)),
        (Receipts.LAST, (0, 0, 1)),
        (Receipts.ANY, (1, 1, 1)),
    ],
)
def test_which_segments_are_asked_for_a_receipt(mode: int, asked: tuple[int, ...]) -> None:
    bodies = tuple(SegmentBody(b"x", UDHI, 0) for _ in asked)
    message = {"receipt": int(mode), "parts": 3, "bodies": bodies}
    assert tuple(submit(part, message=message).registered_delivery for part in (1, 2, 3)) == asked


@pytest.mark.parametrize(
    "given",
    [
        {"long_messages": "sar"},
        {"long_messages": "payload"},
        {"longest_short_message": 140},
        {"flash": "dest_addr_subunit"},
        {"ports": "tlv"},
        {"tlvs": {"0x1400": "a"}},
    ],
)
def test_smpp_3_3_has_no_tlvs(given: dict[str, Any]) -> None:
    assert settings(**given)
    assert settings(interface_version="3.3")
    with pytest.raises(ValueError, match=r'interface_version = "3.4" beside .*: SMPP 3.3 has no TLVs'):
        settings(interface_version="3.3", **given)


# --- whole frames, field by field as SMPP 3.4 §4.4.1 has them ---------------------------------------------------------

HEADER = "00000004 00000000 00000001"  # command_id, command_status, sequence_number; the length goes before it
NOTHING = "00 00"  # schedule_delivery_time, validity_period
FRAMES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {},
        {},
        f"""{HEADER} 00  01 01 333337303030303030303100  01 01 333336313233343536373800
        00 00 00  {NOTHING}  01 00 00 00  05 68656c6c6f""",
    ),
    (  # an absolute time: 10:31:30 on a clock 22 quarter hours ahead (§7.1.1)
        {"validity_format": "absolute", "time_zone": "+05:30"},
        {"validity": True},
        f"""{HEADER} 00  01 01 333337303030303030303100  01 01 333336313233343536373800
        00 00 00  00 3236313132323130333133303032322b00  01 00 00 00  05 68656c6c6f""",
    ),
    (  # message_payload 0x0424 in place of short_message (§5.3.2.32), a vendor's TLV behind it
        {"longest_short_message": 4, "tlvs": {"0x1400": "1701158019811140068"}},
        {"number": "ACME"},
        f"""{HEADER} 00  05 00 41434d4500  01 01 333336313233343536373800
        00 00 00  {NOTHING}  01 00 00 00  00
        0424 0005 68656c6c6f  1400 0013 31373031313538303139383131313430303638""",
    ),
    (  # a short code as TON 0, NPI 1; a national destination (TON 2, §5.2.5); a service_type
        {
            "dest_national": True,
            "national_prefix": "0",
            "source_types": {"short_code": "0/1"},
            "service_type": "VMA",
        },
        {"number": "38008"},
        f"""{HEADER} 564d4100  00 01 333830303800  02 01 3036313233343536373800
        00 00 00  {NOTHING}  01 00 00 00  05 68656c6c6f""",
    ),
    (  # + on both sides
        {"source_plus": True, "dest_plus": True},
        {},
        f"""{HEADER} 00  01 01 2b333337303030303030303100  01 01 2b333336313233343536373800
        00 00 00  {NOTHING}  01 00 00 00  05 68656c6c6f""",
    ),
]


@pytest.mark.parametrize(("given", "message", "octets"), FRAMES)
def test_whole_frames(given: dict[str, Any], message: dict[str, Any], octets: str) -> None:
    frame = bytes.fromhex("".join(octets.split()))
    assert encode(submit(message=message, **given), 1) == (len(frame) + 4).to_bytes(4) + frame
