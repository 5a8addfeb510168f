"""What smpplib does otherwise, and what we do: a test for each row of `smpplib_differences`."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from smpplib import consts, gsm
from smpplib.exceptions import UnknownCommandError
from smpplib.smpp import make_pdu, parse_pdu

from gateway.smpp import pdu as p
from gateway.smpp.codec import RecoverablePduError, UnrecoverablePduError, decode, encode
from gateway.smpp.constants import CommandStatus, Tag, status_text
from gateway.smpp.pdu import Address, Tlv
from gateway.sms.segment import plan

from .golden import OCTETS
from .smpplib_differences import DIFFERENCES

A = Address(1, 1, "447")
ADDRESS = b"\x01\x01447\0"
MESSAGE = b"\0" + ADDRESS + ADDRESS + b"\0" * 10
"""A submit_sm or deliver_sm from A to A of no text."""


def test_every_row_is_shown() -> None:
    shown = {difference.shown_by for difference in DIFFERENCES}
    tests = {name for name in globals() if name.startswith("test_")} - {"test_every_row_is_shown"}
    assert shown == tests
    assert len({difference.what for difference in DIFFERENCES}) == len(DIFFERENCES)


def frame(command_id: int, body: bytes, status: int = 0) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, status, 1) + body


def theirs(command: str, status: int = 0, **fields: Any) -> bytes:
    pdu = make_pdu(command, sequence=1, **fields)
    pdu.sequence = 1
    pdu.status = status
    octets: bytes = pdu.generate()
    return octets


def read_by_them(octets: bytes) -> Any:
    return parse_pdu(octets, sequence=1)


def submit(*tlvs: Tlv) -> bytes:
    return encode(p.SubmitSm(A, A, tlvs=tlvs), 1)


MISSING = (
    "outbind submit_multi cancel_sm cancel_sm_resp replace_sm replace_sm_resp broadcast_sm broadcast_sm_resp "
    "query_broadcast_sm query_broadcast_sm_resp cancel_broadcast_sm cancel_broadcast_sm_resp"
)


@pytest.mark.parametrize("name", MISSING.split())
def test_pdus_that_it_has_not(name: str) -> None:
    with pytest.raises(UnknownCommandError):
        make_pdu(name, sequence=1)
    with pytest.raises(UnknownCommandError):
        read_by_them(OCTETS[name])
    assert encode(decode(OCTETS[name])[2], decode(OCTETS[name])[0]) == OCTETS[name]


def test_an_unknown_command() -> None:
    octets = struct.pack(">IIII", 16, 0x777, 0, 99)
    with pytest.raises(UnknownCommandError):
        read_by_them(octets)
    with pytest.raises(RecoverablePduError) as caught:
        decode(octets)
    assert (caught.value.status, caught.value.sequence) == (CommandStatus.ESME_RINVCMDID, 99)


def test_an_unknown_tlv() -> None:
    octets = frame(5, MESSAGE + b"\x14\0\0\x01a")
    with pytest.raises(UnknownCommandError, match="0x1400"):
        read_by_them(octets)
    assert decode(octets)[2].tlvs == (Tlv(0x1400, b"a"),)


@pytest.mark.parametrize(
    ("octets", "tlv"),
    [
        (frame(5, MESSAGE + b"\x03\x02\0\x01\x05"), Tlv(Tag.CALLBACK_NUM_PRES_IND, 5)),
        (frame(0x80000004, b"1\0\0\x1e\0\x02a\0"), Tlv(Tag.RECEIPTED_MESSAGE_ID, "a")),
    ],
)
def test_a_known_tlv_in_another_pdu(octets: bytes, tlv: Tlv) -> None:
    with pytest.raises(KeyError):
        read_by_them(octets)
    assert decode(octets)[2].tlvs == (tlv,)


def test_order_and_repeats() -> None:
    tlvs = (
        Tlv(Tag.CALLBACK_NUM, b"\0\1\x011"),
        Tlv(Tag.USER_MESSAGE_REFERENCE, 7),
        Tlv(Tag.CALLBACK_NUM, b"\0\1\x012"),
    )
    assert decode(submit(*tlvs))[2].tlvs == tlvs
    read = read_by_them(submit(*tlvs))
    assert read.callback_num == b"\0\1\x012"  # the last one
    written = theirs("submit_sm", callback_num=b"\0\1\x011", user_message_reference=7)
    assert [tlv.tag for tlv in decode(written)[2].tlvs] == [Tag.USER_MESSAGE_REFERENCE, Tag.CALLBACK_NUM]


def test_a_tlv_of_another_length() -> None:
    octets = frame(5, MESSAGE + b"\x04\x27\0\x02\0\x02" + b"\x04\x23\0\x03\x03\0\x01")
    with pytest.raises((struct.error, UnknownCommandError, KeyError)):
        read_by_them(octets)
    assert decode(octets)[2].tlvs == (Tlv(Tag.MESSAGE_STATE, b"\0\x02"), Tlv(Tag.NETWORK_ERROR_CODE, b"\x03\0\x01"))


def test_source_addr_subunit() -> None:
    assert theirs("submit_sm", source_addr_subunit=1).endswith(b"\0\x0d\0\x02\0\x01")
    assert submit(Tlv(Tag.SOURCE_ADDR_SUBUNIT, 1)).endswith(b"\0\x0d\0\x01\x01")


def test_source_telematics_id() -> None:
    assert theirs("data_sm", source_telematics_id=1).endswith(b"\0\x10\0\x02\0\x01")
    assert submit(Tlv(Tag.SOURCE_TELEMATICS_ID, 1)).endswith(b"\0\x10\0\x01\x01")
    # Of two octets it can be had too.
    assert submit(Tlv(Tag.SOURCE_TELEMATICS_ID, b"\0\x01")).endswith(b"\0\x10\0\x02\0\x01")


@pytest.mark.parametrize(
    ("command", "tag", "value"),
    [
        ("submit_sm", Tag.SOURCE_SUBADDRESS, b"P123"),
        ("submit_sm", Tag.DEST_SUBADDRESS, b"P123"),
        ("data_sm", Tag.CALLBACK_NUM_ATAG, b"\x03ACME"),
        ("data_sm_resp", Tag.NETWORK_ERROR_CODE, b"\x03\0\x01"),
    ],
)
def test_octet_strings_with_a_terminator(command: str, tag: Tag, value: bytes) -> None:
    head = struct.pack(">H", tag)
    written = theirs(command, **{tag.name.lower(): value.decode("latin-1")})
    assert written.endswith(head + struct.pack(">H", len(value) + 1) + value + b"\0")
    ours: p.Pdu = {
        "submit_sm": p.SubmitSm(A, A, tlvs=(Tlv(tag, value),)),
        "data_sm": p.DataSm(A, A, tlvs=(Tlv(tag, value),)),
        "data_sm_resp": p.DataSmResp("", (Tlv(tag, value),)),
    }[command]
    octets = encode(ours, 1)
    assert octets.endswith(head + struct.pack(">H", len(value)) + value)
    assert getattr(read_by_them(octets), tag.name.lower()) == value[:-1]


def test_delivery_failure_reason() -> None:
    octets = encode(p.DataSmResp("1", (Tlv(Tag.DELIVERY_FAILURE_REASON, 2),)), 1, 0xFE)
    assert octets.endswith(b"\x04\x25\0\x01\x02")
    assert read_by_them(octets).delivery_failure_reason == b""
    assert decode(octets)[2].tlvs == (Tlv(Tag.DELIVERY_FAILURE_REASON, 2),)


def test_a_tlv_without_a_value() -> None:
    assert theirs("submit_sm", alert_on_message_delivery=True) == theirs("submit_sm")
    octets = submit(Tlv(Tag.ALERT_ON_MESSAGE_DELIVERY, b""))
    assert octets.endswith(b"\x13\x0c\0\0")
    assert read_by_them(octets).alert_on_message_delivery is None
    assert decode(octets)[2].tlv(Tag.ALERT_ON_MESSAGE_DELIVERY) == b""


def test_text_beyond_ascii() -> None:
    written = theirs("deliver_sm", receipted_message_id="é", service_type="é")
    assert written.endswith(b"\0\x1e\0\x02\xc3\xa9\0")
    assert written[16:18] == b"\xe9\0"
    with pytest.raises(RecoverablePduError, match="1 octets left over"):
        decode(written)
    ours = encode(p.DeliverSm(A, A, service_type="é", tlvs=(Tlv(Tag.RECEIPTED_MESSAGE_ID, "é"),)), 1)
    assert ours.endswith(b"\0\x1e\0\x02\xe9\0")
    assert ours[16:18] == b"\xe9\0"


def test_the_longest_text() -> None:
    assert theirs("deliver_sm", receipted_message_id="x" * 65).endswith(b"\0\x1e\0\x42" + b"x" * 65 + b"\0")
    with pytest.raises(ValueError, match="receipted_message_id: 66 octets"):
        encode(p.DeliverSm(A, A, tlvs=(Tlv(Tag.RECEIPTED_MESSAGE_ID, "x" * 65),)), 1)


def test_text_that_is_too_long() -> None:
    bind = decode(theirs("bind_transceiver", system_id="x" * 20, password="y" * 12))[2]
    assert (bind.system_id, bind.password) == ("x" * 15, "y" * 8)
    assert decode(theirs("data_sm", source_addr="1" * 30))[2].source.addr == "1" * 20
    assert decode(theirs("alert_notification", source_addr="1" * 30))[2].source.addr == "1" * 20
    with pytest.raises(ValueError, match="system_id: 20 characters, at most 15 fit"):
        encode(p.BindTransceiver("x" * 20, "y"), 1)
    for pdu in (p.DataSm(Address(0, 0, "1" * 64), A), p.AlertNotification(Address(0, 0, "1" * 64), A)):
        assert decode(encode(pdu, 1))[2] == pdu


def test_255_octets_of_text() -> None:
    assert len(decode(theirs("submit_sm", short_message=b"x" * 255))[2].short_message) == 255
    with pytest.raises(ValueError, match="short_message: bytes, at most 254 of them"):
        encode(p.SubmitSm(A, A, b"x" * 255), 1)


def test_interface_version() -> None:
    bind = decode(theirs("bind_transceiver", system_id="x", password="y", interface_version=0x50))[2]
    assert bind.interface_version == 0x34
    assert decode(encode(p.BindTransceiver("x", "y", interface_version=0x50), 1))[2].interface_version == 0x50


def test_the_body_of_an_error_response() -> None:
    assert theirs("submit_sm_resp", 0x58) == frame(0x80000004, b"\0", 0x58)
    assert theirs("bind_transceiver_resp", 0x0D, system_id="S") == frame(0x80000009, b"S\0", 0x0D)
    assert encode(p.SubmitSmResp(), 1, 0x58) == frame(0x80000004, b"", 0x58)
    assert encode(p.BindTransceiverResp("S"), 1, 0x0D) == frame(0x80000009, b"", 0x0D)


def test_a_body_that_ends_early() -> None:
    octets = frame(4, b"\0\x01")
    assert read_by_them(octets).source_addr_npi is None
    with pytest.raises(RecoverablePduError) as caught:
        decode(octets)
    assert caught.value.status == CommandStatus.ESME_RINVCMDLEN


def test_sm_length_past_the_end() -> None:
    octets = frame(4, MESSAGE[:-1] + b"\x50ab")
    assert read_by_them(octets).short_message == b"ab"
    with pytest.raises(RecoverablePduError) as caught:
        decode(octets)
    assert caught.value.status == CommandStatus.ESME_RINVMSGLEN


def test_a_wrong_command_length() -> None:
    octets = b"\0\0\0\x99" + frame(0x15, b"")[4:]
    assert read_by_them(octets).command == "enquire_link"
    with pytest.raises(UnrecoverablePduError):
        decode(octets)


def test_octets_left_over() -> None:
    body = frame(0x15, b"abc")
    half = frame(4, MESSAGE + b"\x04")
    for octets in (body, half):
        with pytest.raises(struct.error):
            read_by_them(octets)
    assert decode(body)[2] == p.EnquireLink()
    with pytest.raises(RecoverablePduError) as caught:
        decode(half)
    assert caught.value.status == CommandStatus.ESME_RINVOPTPARSTREAM


def test_its_splitter_divides_characters() -> None:
    escape = "a" * 152 + "€" + "b" * 60
    assert gsm.make_parts(escape)[0][0].endswith(b"\x1b")
    pair = "я" * 66 + "😀" + "я" * 20
    assert gsm.make_parts(pair)[0][0].endswith(b"\xd8\x3d")
    assert [len(piece) for piece in plan(escape).pieces] == [152, 62]
    assert [piece.decode("utf-16-be") for piece in plan(pair).pieces] == ["я" * 66, "😀" + "я" * 20]


def test_a_status_without_words() -> None:
    assert consts.DESCRIPTIONS[consts.SMPP_ESME_RINVREGDLVFLG] == "<Desc Not Set>"
    assert "<" not in status_text(CommandStatus.ESME_RINVREGDLVFLG)
