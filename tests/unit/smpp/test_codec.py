"""PDUs to octets and back."""

from __future__ import annotations

import struct

import pytest

from gateway.smpp import codec
from gateway.smpp import pdu as p
from gateway.smpp.codec import RecoverablePduError, UnrecoverablePduError, decode, encode
from gateway.smpp.constants import CommandStatus, EsmClass, MessageState, Npi, Tag, Ton
from gateway.smpp.pdu import Address, DeliverSm, SubmitSm, SubmitSmResp, Tlv

from .golden import EIGHT, SEVEN


def frame(command_id: int, body: bytes, status: int = 0, sequence: int = 1) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, status, sequence) + body


REFUSED = [
    (SubmitSm(Address(0, 0, "1" * 21), EIGHT), "source addr: 21 characters, at most 20 fit"),
    (SubmitSm(SEVEN, Address(0, 0, "1" * 21)), "destination addr: 21"),
    (SubmitSm(Address(0, 0, "1\x002"), EIGHT), "source addr: a NUL"),
    (SubmitSm(SEVEN, Address(0, 0, "1\x002")), "destination addr: a NUL"),
    (SubmitSm(SEVEN, Address(0, 0, "naïve ☃")), "destination addr: characters beyond latin-1"),
    (SubmitSm(Address(256, 0, "1"), EIGHT), "source ton: 256"),
    (SubmitSm(Address(-1, 0, "1"), EIGHT), "source ton: -1"),
    (SubmitSm(SEVEN, Address(0, 300, "1")), "destination npi: 300"),
    (SubmitSm(SEVEN, EIGHT, service_type="123456"), "service_type: 6"),
    (SubmitSm(SEVEN, EIGHT, service_type="1\0"), "service_type: a NUL"),
    (SubmitSm(SEVEN, EIGHT, esm_class=256), "esm_class: 256"),
    (SubmitSm(SEVEN, EIGHT, data_coding=-1), "data_coding: -1"),
    (SubmitSm(SEVEN, EIGHT, data_coding=None), "data_coding: None"),
    (SubmitSm(SEVEN, EIGHT, protocol_id=256), "protocol_id"),
    (SubmitSm(SEVEN, EIGHT, priority_flag=256), "priority_flag"),
    (SubmitSm(SEVEN, EIGHT, registered_delivery=256), "registered_delivery"),
    (SubmitSm(SEVEN, EIGHT, replace_if_present_flag=256), "replace_if_present_flag"),
    (SubmitSm(SEVEN, EIGHT, sm_default_msg_id=256), "sm_default_msg_id"),
    (SubmitSm(SEVEN, EIGHT, validity_period="0000030000000R"), "validity_period: .* nor of 16"),
    (SubmitSm(SEVEN, EIGHT, schedule_delivery_time="0" * 17), "schedule_delivery_time"),
    (SubmitSm(SEVEN, EIGHT, b"x" * 255), "short_message: .*at most 254"),
    (SubmitSm(SEVEN, EIGHT, "text"), "short_message: bytes"),
    (SubmitSm(SEVEN, "447700900123"), "destination: str is not an Address"),
    (SubmitSm(SEVEN, EIGHT, b"x", tlvs=(Tlv(0x0424, b"y"),)), "message_payload: short_message holds"),
    (SubmitSm(SEVEN, EIGHT, tlvs=(Tlv(0x020E, 256),)), "sar_total_segments: 256"),
    (SubmitSm(SEVEN, EIGHT, tlvs=(Tlv(0x020E, -1),)), "sar_total_segments: -1"),
    (SubmitSm(SEVEN, EIGHT, tlvs=(Tlv(0x020E, "2"),)), "sar_total_segments: takes int or bytes, not str"),
    (SubmitSm(SEVEN, EIGHT, tlvs=(Tlv(0x1400, "2"),)), "TLV 0x1400: takes bytes, not str"),
    (SubmitSm(SEVEN, EIGHT, tlvs=(Tlv(0x10000, b""),)), "TLV tag 65536"),
    (SubmitSm(SEVEN, EIGHT, tlvs=(Tlv(0x1400, b"x" * 65536),)), "TLV 0x1400: 65536 octets"),
    (DeliverSm(SEVEN, EIGHT, tlvs=(Tlv(0x001E, "x" * 65),)), "receipted_message_id: 66 octets, 1 to 65"),
    (DeliverSm(SEVEN, EIGHT, tlvs=(Tlv(0x001E, "x\0"),)), "receipted_message_id: a NUL"),
    (DeliverSm(SEVEN, EIGHT, tlvs=(Tlv(0x001E, "☃"),)), "receipted_message_id: characters"),
    (DeliverSm(SEVEN, EIGHT, tlvs=(Tlv(0x0423, b"\x03\0\0\0"),)), "network_error_code: 4 octets"),
    (SubmitSmResp("x" * 65), "message_id: 65 characters, at most 64 fit"),
    (SubmitSmResp("x\0"), "message_id: a NUL"),
    (SubmitSmResp("☃"), "message_id: characters"),
    (p.DeliverSmResp("x" * 65), "message_id: 65"),
    (p.DataSmResp("x" * 65), "message_id: 65"),
    (p.BindTransceiver("x" * 16, "p"), "system_id: 16 characters, at most 15 fit"),
    (p.BindTransceiver("u", "topsecret" * 8), "password: 72 characters, at most 64 fit"),
    (p.BindTransceiver("u", "p", "x" * 13), "system_type: 13"),
    (p.BindTransceiver("u", "p", "", 256), "interface_version: 256"),
    (p.BindTransceiver("u", "p", address_range=Address(0, 0, "x" * 41)), "address_range addr: 41"),
    (p.BindTransmitterResp("x" * 16), "system_id: 16"),
    (p.Outbind("u", None), "password: NoneType is not text"),
    (p.DataSm(Address(0, 0, "x" * 65), EIGHT), "source addr: 65 characters, at most 64 fit"),
    (p.AlertNotification(SEVEN, Address(0, 0, "x" * 65)), "esme_addr addr: 65"),
    (p.SubmitMulti(SEVEN, ()), "destinations: a tuple of 1 to 254 destinations"),
    (p.SubmitMulti(SEVEN, (EIGHT,) * 255), "destinations: a tuple of 1 to 254 destinations"),
    (p.SubmitMulti(SEVEN, [EIGHT]), "destinations: a tuple of 1 to 254 destinations"),
    (p.SubmitMulti(SEVEN, (EIGHT, p.DistributionList("x" * 21))), r"destinations\[1\]: 21 characters, at most 20 fit"),
    (p.SubmitMulti(SEVEN, (EIGHT, "447700900123")), r"destinations\[1\]: str is not an Address"),
    (p.SubmitMulti(SEVEN, (Address(1, 256, "1"),)), r"destinations\[0\] npi: 256"),
    (p.SubmitMulti(SEVEN, (EIGHT,), b"x" * 255), "short_message: .*at most 254"),
    (p.SubmitMulti(SEVEN, (EIGHT,), b"x", tlvs=(Tlv(0x0424, b"y"),)), "message_payload: short_message holds"),
    (p.SubmitMulti(SEVEN, (EIGHT,), validity_period="1"), "validity_period: .* nor of 16"),
    (p.SubmitMultiResp("id", (SEVEN,)), r"unsuccessful\[0\]: Address is not an Unsuccessful"),
    (p.SubmitMultiResp("id", (p.Unsuccessful(SEVEN, 2**32),)), r"unsuccessful\[0\] status: 4294967296"),
    (p.SubmitMultiResp("id", (p.Unsuccessful(Address(0, 0, "1" * 21), 1),)), r"unsuccessful\[0\] addr: 21"),
    (p.SubmitMultiResp("id", (p.Unsuccessful(SEVEN, 1),) * 256), "unsuccessful: a tuple of at most 255"),
    (p.QuerySm("x" * 65, SEVEN), "message_id: 65"),
    (p.QuerySm("x", Address(0, 0, "1" * 21)), "source addr: 21"),
    (p.QuerySmResp("x", "2611"), "final_date: .* nor of 16"),
    (p.QuerySmResp("x", "", 256), "message_state: 256"),
    (p.CancelSm("x", SEVEN, EIGHT, "123456"), "service_type: 6"),
    (p.ReplaceSm("x", SEVEN, b"x" * 255), "short_message: .*at most 254"),
    (p.ReplaceSm("x", SEVEN, b"x", tlvs=(Tlv(0x0424, b"y"),)), "message_payload: short_message holds"),
    (p.ReplaceSm("x", SEVEN, schedule_delivery_time="now"), "schedule_delivery_time"),
    (p.BroadcastSm(SEVEN, "x" * 65), "message_id: 65"),
    (p.BroadcastSm(SEVEN, tlvs=(Tlv(0x0605, b"\x09"),)), "broadcast_frequency_interval: 1 octets, 3 fit"),
    (p.QueryBroadcastSm(None), "message_id: NoneType is not text"),
    (p.CancelBroadcastSm("x", service_type="☃"), "service_type: characters beyond latin-1"),
    (p.EnquireLinkResp((Tlv(0x0428, 256),)), "congestion_state: 256"),
    ("not a PDU", "str is not a PDU"),
]


@pytest.mark.parametrize(("pdu", "message"), REFUSED)
def test_a_value_that_does_not_fit_is_refused_by_name(pdu: p.Pdu, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(pdu, 1)


@pytest.mark.parametrize(
    "pdu", [SubmitSm(SEVEN, EIGHT), SubmitSmResp(), SubmitSmResp("é"), p.DeliverSmResp(), p.EnquireLink()]
)
@pytest.mark.parametrize(("sequence", "status"), [(-1, 0), (2**32, 0), (1, 2**32)])
def test_a_header_that_does_not_fit_is_refused(pdu: p.Pdu, sequence: int, status: int) -> None:
    with pytest.raises(ValueError, match=r"sequence_number .* command_status"):
        encode(pdu, sequence, status)


def test_no_secret_in_what_a_refused_bind_says() -> None:
    with pytest.raises(ValueError) as caught:
        encode(p.BindTransceiver("user", "marked-secret" * 6), 1)
    assert "marked" not in str(caught.value)


def test_an_error_response_has_no_body() -> None:
    # §4.1.2, §4.4.2
    assert encode(SubmitSmResp("id"), 1, 0x45) == frame(0x80000004, b"", 0x45)
    assert encode(p.BindTransceiverResp("SMSC"), 1, 0x0D) == frame(0x80000009, b"", 0x0D)
    assert encode(p.SubmitMultiResp("id"), 1, 0x33) == frame(0x80000021, b"", 0x33)
    assert encode(p.QuerySmResp("id", "", 1), 1, 0x67) == frame(0x80000003, b"", 0x67)
    assert encode(p.QueryBroadcastSmResp("id"), 1, 0x10E) == frame(0x80000112, b"", 0x10E)
    # §4.6.2 and §4.7.2 say nothing of the kind.
    assert encode(p.DeliverSmResp(), 1, 0x64) == frame(0x80000005, b"\0", 0x64)


def test_an_error_response_that_says_more_has_one() -> None:
    """§4.5.2.1, 5.0 §4.4.3: which destinations and areas failed, and why."""
    failed = p.SubmitMultiResp("", (p.Unsuccessful(Address(0, 1, "5"), 0x0B),))
    assert encode(failed, 1, 0x45) == frame(0x80000021, b"\0\x01\0\x015\0\0\0\0\x0b", 0x45)
    assert encode(p.BroadcastSmResp("", (Tlv(0x0607, 0x109),)), 1, 0x10D) == frame(
        0x80000111, b"\0\x06\x07\0\x04\0\0\x01\x09", 0x10D
    )
    # 5.0 §4.2.5 with §4.2.10.4, and §4.8.4.18: why it was not delivered, and how busy who throttles is.
    assert encode(SubmitSmResp("", (Tlv(0x0425, 1),)), 1, 0xFE) == frame(0x80000004, b"\0\x04\x25\0\x01\x01", 0xFE)
    busy = (Tlv(0x0428, 100),)
    for response in (SubmitSmResp("", busy), p.BindTransceiverResp("", busy), p.DataSmResp("", busy)):
        octets = encode(response, 1, 0x58)
        assert octets == frame(response.command_id, b"\0\x04\x28\0\x01\x64", 0x58)
        assert decode(octets) == (1, 0x58, response)


DEST = b"\x01\x01" + b"447700900123\0"
HEAD = b"\0" + DEST + DEST + b"\0" * 9  # all of a message but sm_length

LENIENT = [
    ("error response with a body", frame(0x80000004, b"123\0", 0x45), SubmitSmResp("123")),
    ("error response without", frame(0x80000004, b"", 0x45), SubmitSmResp()),
    ("message_id without terminator", frame(0x80000004, b"123"), SubmitSmResp("123")),
    ("one octet of message_id without terminator", frame(0x80000004, b"9"), SubmitSmResp("9")),
    ("over-long message_id", frame(0x80000004, b"x" * 100 + b"\0"), SubmitSmResp("x" * 100)),
    ("message_id that is not ASCII", frame(0x80000004, b"\xe9\xff\0"), SubmitSmResp("éÿ")),
    ("half a TLV in a response", frame(0x80000004, b"123\0\x04\x27\0"), SubmitSmResp("123")),
    ("short TLV in a response", frame(0x80000004, b"123\0\x04\x27\0\x05\x01"), SubmitSmResp("123")),
    (
        "good TLV before a short one",
        frame(0x80000004, b"1\0\x14\0\0\x01a\x14\x01\0\x05b"),
        SubmitSmResp("1", (Tlv(0x1400, b"a"),)),
    ),
    ("deliver_sm_resp without a body", frame(0x80000005, b""), p.DeliverSmResp()),
    ("bind response without a body", frame(0x80000009, b""), p.BindTransceiverResp()),
    ("body where none belongs", frame(0x15, b"abc"), p.EnquireLink()),
    ("body of a response where none belongs", frame(0x80000015, b"abc"), p.EnquireLinkResp()),
    ("octets after the last field", frame(3, b"id\0\0\0\0abc"), p.QuerySm("id")),
    ("submit_multi_resp without a body", frame(0x80000021, b""), p.SubmitMultiResp()),
    ("submit_multi_resp without no_unsuccess", frame(0x80000021, b"id\0"), p.SubmitMultiResp("id")),
    ("submit_multi_resp of a message_id alone", frame(0x80000021, b"id"), p.SubmitMultiResp("id")),
    (
        "no_unsuccess more than there are",
        frame(0x80000021, b"id\0\x03\0\x015\0\0\0\0\x0b\0\x016\0\0\0"),
        p.SubmitMultiResp("id", (p.Unsuccessful(Address(0, 1, "5"), 0x0B),)),
    ),
    ("query_sm_resp of a message_id alone", frame(0x80000003, b"id\0"), p.QuerySmResp("id")),
    ("query_sm_resp without error_code", frame(0x80000003, b"id\0\0\x02"), p.QuerySmResp("id", "", 2)),
    ("final_date without terminator", frame(0x80000003, b"id\x00261122"), p.QuerySmResp("id", "261122")),
    ("final_date of another length", frame(0x80000003, b"id\x00261122\0\x02\0"), p.QuerySmResp("id", "261122", 2)),
    ("half a TLV after query_sm_resp", frame(0x80000003, b"id\0\0\x02\x05\x04\x28"), p.QuerySmResp("id", "", 2, 5)),
    ("an empty message_id", frame(3, b"\0\0\0\0"), p.QuerySm("")),
    (
        "255 destinations",
        frame(0x21, b"\0" + DEST + b"\xff" + b"\x02l\0" * 255 + b"\0" * 10),
        p.SubmitMulti(SEVEN, (p.DistributionList("l"),) * 255),
    ),
    (
        "an over-long dl_name",
        frame(0x21, b"\0" + DEST + b"\x01\x02" + b"l" * 30 + b"\0" + b"\0" * 10),
        p.SubmitMulti(SEVEN, (p.DistributionList("l" * 30),)),
    ),
    (
        "text in both places",
        frame(7, b"id\0" + DEST + b"\0\0\0\0\x01x\x04\x24\0\x01y"),
        p.ReplaceSm("id", SEVEN, b"x", tlvs=(Tlv(0x0424, b"y"),)),
    ),
    ("broadcast_sm without its TLVs", frame(0x111, b"\0" + DEST + b"\0" * 7), p.BroadcastSm(SEVEN)),
    ("generic_nack with a body", frame(0x80000000, b"abc", 3), p.GenericNack()),
    (
        "over-long addr and service_type",
        frame(4, b"longer\0" + b"\0\0" + b"7" * 40 + b"\0" + DEST + b"\0" * 10),
        SubmitSm(Address(0, 0, "7" * 40), SEVEN, service_type="longer"),
    ),
    ("255 octets of text", frame(5, HEAD + b"\xff" + b"x" * 255), DeliverSm(SEVEN, SEVEN, b"x" * 255)),
    (
        "wrong length of a known TLV",
        frame(5, HEAD + b"\0" + b"\x04\x27\0\x02\0\x02"),
        DeliverSm(SEVEN, SEVEN, tlvs=(Tlv(0x0427, b"\0\x02"),)),
    ),
    (
        "receipted_message_id without terminator",
        frame(5, HEAD + b"\0" + b"\0\x1e\0\x03abc"),
        DeliverSm(SEVEN, SEVEN, tlvs=(Tlv(0x001E, "abc"),)),
    ),
    (
        "receipted_message_id with two",
        frame(5, HEAD + b"\0" + b"\0\x1e\0\x05abc\0\0"),
        DeliverSm(SEVEN, SEVEN, tlvs=(Tlv(0x001E, "abc"),)),
    ),
    (
        "empty TLV",
        frame(5, HEAD + b"\0" + b"\x13\x0c\0\0"),
        DeliverSm(SEVEN, SEVEN, tlvs=(Tlv(0x130C, b""),)),
    ),
    (
        "times of any length",
        frame(4, b"\0" + DEST + DEST + b"\0\0\0" + b"abc\0" + b"\0" + b"\x01\0\0\0\x01x"),
        SubmitSm(SEVEN, SEVEN, b"x", registered_delivery=1, schedule_delivery_time="abc"),
    ),
    (
        "only a validity_period",
        frame(4, b"\0" + DEST + DEST + b"\0\0\0" + b"\0" + b"abc\0" + b"\0\0\x08\0\x01x"),
        SubmitSm(SEVEN, SEVEN, b"x", data_coding=8, validity_period="abc"),
    ),
    (
        "a payload of 64 KiB",
        frame(5, HEAD + b"\0" + b"\x04\x24\xff\xff" + b"x" * 65535),
        DeliverSm(SEVEN, SEVEN, tlvs=(Tlv(0x0424, b"x" * 65535),)),
    ),
]


@pytest.mark.parametrize(("octets", "pdu"), [case[1:] for case in LENIENT], ids=[case[0] for case in LENIENT])
def test_what_peers_do_wrong_is_read(octets: bytes, pdu: p.Pdu) -> None:
    assert decode(octets)[2] == pdu


BROKEN = [
    ("unknown command", frame(0x00010000, b""), 0x03, "unknown command_id 0x00010000"),
    ("unknown response", frame(0x80000099, b""), 0x03, "unknown command_id 0x80000099"),
    ("message without a body", frame(4, b""), 0x02, "submit_sm: 0 octets of body"),
    ("ends in source", frame(4, b"\0\x01\x01447"), 0x02, "submit_sm: 6 octets"),
    ("ends before ton", frame(5, b"\0"), 0x02, "deliver_sm: 1 octets"),
    ("ends before sm_length", frame(5, HEAD), 0x02, "end within the mandatory fields"),
    ("ends in a time", frame(5, HEAD[:-6] + b"2501"), 0x02, "end within the mandatory fields"),
    ("sm_length past the end", frame(4, HEAD + b"\x05abcd"), 0x01, "sm_length 5, and 4 octets are left"),
    ("sm_length with nothing", frame(5, HEAD + b"\xff"), 0x01, "sm_length 255, and 0 octets are left"),
    ("octets left over", frame(5, HEAD + b"\0" + b"abc"), 0xC0, "3 octets left over"),
    (
        "short TLV",
        frame(5, HEAD + b"\0" + b"\x04\x27\0\x02\x01"),
        0xC0,
        "message_state: 2 octets announced, 1",
    ),
    ("bind without a body", frame(9, b""), 0x02, "bind_transceiver: 0 octets"),
    ("bind without password", frame(1, b"user\0pass"), 0x02, "bind_receiver: 9 octets"),
    ("bind without version", frame(2, b"user\0pass\0\0"), 0x02, "bind_transmitter"),
    ("outbind without password", frame(0x0B, b"user\0"), 0x02, "outbind"),
    ("data_sm cut off", frame(0x103, b"\0" + DEST + DEST + b"\0"), 0x02, "data_sm"),
    (
        "data_sm with a short TLV",
        frame(0x103, b"\0" + DEST + DEST + b"\0\0\0\x04\x24\0\x09x"),
        0xC0,
        "8 are missing",
    ),
    ("submit_multi without a body", frame(0x21, b""), 0x02, "submit_multi: 0 octets"),
    ("no destinations", frame(0x21, b"\0" + DEST + b"\0" * 11), 0x33, "submit_multi: number_of_dests is 0"),
    (
        "an unknown dest_flag",
        frame(0x21, b"\0" + DEST + b"\x02\x01" + DEST + b"\x03" + DEST + b"\0" * 10),
        0x40,
        "submit_multi: dest_flag 3 of destination 2 of 2",
    ),
    ("dest_flag 0", frame(0x21, b"\0" + DEST + b"\x01\0" + DEST + b"\0" * 10), 0x40, "dest_flag 0 of destination 1"),
    ("fewer destinations than said", frame(0x21, b"\0" + DEST + b"\x02\x01" + DEST), 0x02, "within the mandatory"),
    (
        "submit_multi with sm_length past the end",
        frame(0x21, b"\0" + DEST + b"\x01\x02l\0" + b"\0" * 9 + b"\x05abc"),
        0x01,
        "sm_length 5, and 3 octets are left",
    ),
    ("query_sm without source", frame(3, b"id\0"), 0x02, "query_sm: 3 octets"),
    ("query_sm without terminator", frame(3, b"id"), 0x02, "query_sm: 2 octets"),
    ("cancel_sm without destination", frame(8, b"\0id\0" + DEST), 0x02, "cancel_sm"),
    ("replace_sm with sm_length past the end", frame(7, b"id\0" + DEST + b"\0\0\0\0\x02x"), 0x01, "sm_length 2"),
    ("replace_sm with a short TLV", frame(7, b"id\0" + DEST + b"\0\0\0\0\0\x04\x24\0\x02x"), 0xC0, "replace_sm"),
    ("broadcast_sm cut off", frame(0x111, b"\0" + DEST + b"\0\0\0\0\0\0"), 0x02, "broadcast_sm"),
    ("query_broadcast_sm cut off", frame(0x112, b"id\0\0"), 0x02, "query_broadcast_sm"),
    ("cancel_broadcast_sm with half a TLV", frame(0x113, b"\0id\0" + DEST + b"\x06"), 0xC0, "1 octets left over"),
    ("alert_notification cut off", frame(0x102, DEST + b"\0"), 0x02, "alert_notification"),
]


@pytest.mark.parametrize(
    ("octets", "status", "detail"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_what_cannot_be_read_says_why(octets: bytes, status: int, detail: str) -> None:
    with pytest.raises(RecoverablePduError, match=detail) as caught:
        decode(octets)
    assert caught.value.status == status
    assert caught.value.sequence == 1
    assert caught.value.command_id == int.from_bytes(octets[4:8], "big")


@pytest.mark.parametrize("octets", [b"", b"\0" * 15, frame(0x15, b"") + b"x", b"\0\0\0\x20" + b"\0" * 12])
def test_a_frame_that_is_not_as_long_as_it_says(octets: bytes) -> None:
    with pytest.raises(UnrecoverablePduError):
        decode(octets)


def test_a_password_is_not_in_an_error() -> None:
    with pytest.raises(RecoverablePduError) as caught:
        decode(frame(9, b"user\0marked-secret"))
    assert "marked" not in str(caught.value)


def test_the_names_of_numbers_are_numbers() -> None:
    named = SubmitSm(
        Address(Ton.ALPHANUMERIC, Npi.UNKNOWN, "ACME"),
        SEVEN,
        esm_class=EsmClass.UDHI,
        tlvs=(Tlv(Tag.MESSAGE_STATE, MessageState.DELIVERED), Tlv(Tag.SAR_TOTAL_SEGMENTS, 2)),
    )
    plain = SubmitSm(Address(5, 0, "ACME"), SEVEN, esm_class=0x40, tlvs=(Tlv(0x0427, 2), Tlv(0x020E, 2)))
    assert encode(named, 1, CommandStatus.ESME_ROK) == encode(plain, 1)
    assert decode(encode(named, 1))[2] == plain == named


def test_command_names() -> None:
    assert codec.command_name(0x103) == "data_sm"
    assert codec.command_name(0x80000015) == "enquire_link_resp"
    assert codec.command_name(0x99) == "0x00000099"
