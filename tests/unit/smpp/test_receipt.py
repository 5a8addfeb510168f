"""Receipts from TLVs and text, and messages that only look like them."""

from __future__ import annotations

import random
import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.smpp.codec import decode, encode
from gateway.smpp.constants import MessageState
from gateway.smpp.pdu import DataSm, DeliverSm, Tlv
from gateway.smpp.receipt import Receipt, read_receipt, receipt_time, write_receipt

from .golden import MEANINGS
from .talk import A, B

USUAL = (
    "id:0123456789 sub:001 dlvrd:001 submit date:1005232039 done date:1005242339 stat:DELIVRD err:012 "
    "text:This is a sample mes"
)
ID = Tlv(0x001E, "0123456789")
STATE = Tlv(0x0427, 2)


def deliver(text: str | bytes, esm_class: int = 0x04, *tlvs: Tlv, data_coding: int = 0) -> DeliverSm:
    octets = text.encode("latin-1") if isinstance(text, str) else text
    return DeliverSm(A, B, octets, esm_class, data_coding, tlvs=tlvs)


def read(text: str | bytes, esm_class: int = 0x04, *tlvs: Tlv, data_coding: int = 0) -> Receipt:
    receipt = read_receipt(deliver(text, esm_class, *tlvs, data_coding=data_coding))
    assert receipt is not None
    return receipt


def test_the_form_of_appendix_b() -> None:
    assert read(USUAL) == Receipt(
        id="0123456789",
        state=MessageState.DELIVERED,
        stat="DELIVRD",
        error="012",
        submit_date="1005232039",
        done_date="1005242339",
        text="This is a sample mes",
        source="text",
    )


def test_tlvs_come_first() -> None:
    receipt = read(USUAL, 0x04, Tlv(0x001E, "75BCD15"), Tlv(0x0427, 5), Tlv(0x0423, b"\x03\x00\x0b"))
    assert (receipt.id, receipt.other_id) == ("75BCD15", "0123456789")
    assert (receipt.state, receipt.stat) == (MessageState.UNDELIVERABLE, "DELIVRD")
    assert (receipt.error, receipt.network_error) == ("012", b"\x03\x00\x0b")
    assert receipt.source == "both"


def test_tlvs_alone() -> None:
    assert read("", 0x04, ID, STATE, Tlv(0x0423, b"\x03\x00\x0b")) == Receipt(
        id="0123456789",
        state=MessageState.DELIVERED,
        error="11",
        network_error=b"\x03\x00\x0b",
        source="tlv",
    )


def test_one_from_the_tlvs_the_other_from_the_text() -> None:
    receipt = read("stat:EXPIRED err:1", 0x04, ID)
    assert (receipt.id, receipt.state, receipt.source) == ("0123456789", MessageState.EXPIRED, "both")
    receipt = read("id:77", 0x04, STATE)
    assert (receipt.id, receipt.state, receipt.source) == ("77", MessageState.DELIVERED, "both")


# esm_class, TLVs, text -> is it a receipt: None no, else intermediate or not
CLASSES = [
    (0x04, (), USUAL, False),
    (0x04, (), "", False),
    (0x04, (), "any text at all", False),
    (0x20, (), USUAL, True),
    (0x20, (ID, STATE), "", True),
    (0x47, (), USUAL, False),  # UDHI and a mode beside it
    (0x84, (), USUAL, False),
    (0x00, (ID,), USUAL, False),  # some carriers: esm_class 0 and the TLV
    (0x00, (ID,), "", False),
    (0x40, (ID,), "", False),
    (0x08, (ID,), "", False),
    (0x00, (), USUAL, None),  # looks like one, and is a message
    (0x00, (STATE,), USUAL, None),
    (0x40, (), USUAL, None),
    (0x08, (), USUAL, None),  # SME acknowledgements are the peer's words
    (0x10, (), USUAL, None),
    (0x18, (), USUAL, None),
    (0x00, (Tlv(0x020C, 1),), "stat:FAILED", None),
    (0x00, (), "", None),
]


@pytest.mark.parametrize(("esm_class", "tlvs", "text", "intermediate"), CLASSES)
def test_what_is_a_receipt(esm_class: int, tlvs: tuple[Tlv, ...], text: str, intermediate: bool | None) -> None:
    receipt = read_receipt(deliver(text, esm_class, *tlvs))
    assert (receipt and receipt.intermediate) == intermediate
    payload = DataSm(A, B, esm_class, tlvs=(*tlvs, Tlv(0x0424, text.encode())))
    receipt = read_receipt(payload)
    assert (receipt and receipt.intermediate) == intermediate


TEXT_ONLY = [
    (USUAL, True),
    ("id:1 stat:DELIVRD done date:1005232039", True),
    ("id:1 sub:001 stat:FAILED", True),
    ("stat:FAILED", False),
    ("id:1 stat:DELIVRD", False),
    ("id:1 sub:001 stat:MAYBE", False),
    ("sub:001 dlvrd:001 stat:DELIVRD", False),
    ("My id: is 7, call me", False),
    ("hello", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "is_receipt"), TEXT_ONLY)
def test_by_the_text_alone_only_where_that_is_said(text: str, is_receipt: bool) -> None:
    message = deliver(text, 0)
    assert read_receipt(message) is None
    assert (read_receipt(message, text_only=True) is not None) == is_receipt


# text -> id, state, stat, error, submit date, done date, text
FORMS = {
    "case": (
        "ID:ab SUB:001 DLVRD:001 SUBMIT DATE:1005232039 DONE DATE:1005242339 STAT:delivrd ERR:000 TEXT:Hi",
        ("ab", MessageState.DELIVERED, "delivrd", "000", "1005232039", "1005242339", "Hi"),
    ),
    "Text with a capital and a space": (
        "id:4 sub:001 dlvrd:001 submit date:1006020051 done date:1006020051 stat:DELIVRD err:000 Text: Hi you",
        ("4", MessageState.DELIVERED, "DELIVRD", "000", "1006020051", "1006020051", "Hi you"),
    ),
    "no spaces in the keys": (
        "id:5 sub:001 dlvrd:001 submitdate:1005232039 donedate:1005242339 stat:UNDELIV err:27 text:",
        ("5", MessageState.UNDELIVERABLE, "UNDELIV", "27", "1005232039", "1005242339", ""),
    ),
    "underscores in the keys": (
        "id:5 submit_date:1005232039 done_date:1005242339 stat:UNDELIV",
        ("5", MessageState.UNDELIVERABLE, "UNDELIV", None, "1005232039", "1005242339", ""),
    ),
    "another order, text in the middle": (
        "sub:001 id:74e02ee1-4e2f err:000 dlvrd:001 done date:110206193110 submit date:110206193041 text: stat:DELIVRD",
        ("74e02ee1-4e2f", MessageState.DELIVERED, "DELIVRD", "000", "110206193041", "110206193110", ""),
    ),
    "an id of letters, digits and dashes": (
        "id:74e02ee1-4e2f-4a6e-a78b-4b247d756a22 sub:001 dlvrd:001 submit date:110206193041 "
        "done date:110206193110 stat:DELIVRD err:000 text:",
        (
            "74e02ee1-4e2f-4a6e-a78b-4b247d756a22",
            MessageState.DELIVERED,
            "DELIVRD",
            "000",
            "110206193041",
            "110206193110",
            "",
        ),
    ),
    "fields left out": (
        "id:2E179B31 submit date:20110314181534 done date:20110314181741 stat:DELIVRD err:0",
        ("2E179B31", MessageState.DELIVERED, "DELIVRD", "0", "20110314181534", "20110314181741", ""),
    ),
    "empty fields": (
        "id: sub: dlvrd: submit date: done date: stat: err: text:",
        ("", None, "", None, None, None, ""),
    ),
    "an id in quotes": (
        'id:"12 34" stat:DELIVRD',
        ("12 34", MessageState.DELIVERED, "DELIVRD", None, None, None, ""),
    ),
    "spaces round the id": (
        "id:  99   stat:DELIVRD",
        ("99", MessageState.DELIVERED, "DELIVRD", None, None, None, ""),
    ),
    "commas": (
        "id:99,sub:001,stat:REJECTD,err:5",
        ("99", MessageState.REJECTED, "REJECTD", "5", None, None, ""),
    ),
    "lines": (
        "id:99\r\nstat:EXPIRED\r\nerr:5\r\n",
        ("99", MessageState.EXPIRED, "EXPIRED", "5", None, None, ""),
    ),
    "keys of the SMSC's own": (
        "id:99 mccmnc:26201 stat:DELIVRD x:7 err:0x12 y:8 text:a b",
        ("99", MessageState.DELIVERED, "DELIVRD", "0x12", None, None, "a b"),
    ),
    "a NUL at the end": (
        "id:99 stat:DELIVRD\0",
        ("99", MessageState.DELIVERED, "DELIVRD", None, None, None, ""),
    ),
    "status and error": (
        "id:99 status:DELIVRD error:7",
        ("99", MessageState.DELIVERED, "DELIVRD", "7", None, None, ""),
    ),
    "the repeated text looks like a receipt": (
        "id:1 sub:001 dlvrd:000 submit date:1005232039 done date:1005242339 stat:UNDELIV err:009 "
        "text:id:2 stat:DELIVRD er",
        (
            "1",
            MessageState.UNDELIVERABLE,
            "UNDELIV",
            "009",
            "1005232039",
            "1005242339",
            "id:2 stat:DELIVRD er",
        ),
    ),
    "the same in another order": (
        "stat:UNDELIV id:1 text:id:2 stat:DELIVRD err:1",
        ("1", MessageState.UNDELIVERABLE, "UNDELIV", None, None, None, "id:2 stat:DELIVRD err:1"),
    ),
    "a state that is in no list": ("id:1 stat:WHATEVR", ("1", None, "WHATEVR", None, None, None, "")),
    "no receipt in it": ("thank you", ("", None, "", None, None, None, "")),
    "words that end like keys": ("Avoid: paid:1 void:2", ("", None, "", None, None, None, "")),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_forms_that_smscs_write(name: str) -> None:
    text, expected = FORMS[name]
    receipt = read(text)
    assert (
        receipt.id,
        receipt.state,
        receipt.stat,
        receipt.error,
        receipt.submit_date,
        receipt.done_date,
        receipt.text,
    ) == expected
    assert receipt.source == ("text" if receipt.id or receipt.stat else "none")


STATES = {
    MessageState.SCHEDULED: ("SCHEDLD", "SCHEDULED"),
    MessageState.ENROUTE: ("ENROUTE", "EN_ROUTE", "BUFFERED", "PENDING"),
    MessageState.DELIVERED: ("DELIVRD", "DELIVERED", "delivrd", "Delivered"),
    MessageState.EXPIRED: ("EXPIRED",),
    MessageState.DELETED: ("DELETED", "CANCELLED"),
    MessageState.UNDELIVERABLE: ("UNDELIV", "UNDELIVERED", "UNDELIVERABLE", "FAILED", "Failed"),
    MessageState.ACCEPTED: ("ACCEPTD", "ACCEPTED"),
    MessageState.UNKNOWN: ("UNKNOWN",),
    MessageState.REJECTED: ("REJECTD", "REJECTED", "Rejected"),
    MessageState.SKIPPED: ("SKIPPED",),
}


def test_states_in_the_list_and_outside_it() -> None:
    assert set(STATES) == set(MessageState)
    for state, names in STATES.items():
        for name in (*names, str(int(state))):
            assert read(f"id:1 sub:001 dlvrd:001 submit date:1 done date:1 stat:{name} err:0").state is state
            assert read(f"stat: {name}, id:1").state is state


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (2, MessageState.DELIVERED),
        (b"\0\0\0\x02", MessageState.DELIVERED),
        (b"", MessageState.EXPIRED),
        (99, MessageState.EXPIRED),
        ("2", MessageState.EXPIRED),
        (b"\xff" * 40, MessageState.EXPIRED),
    ],
)
def test_a_state_that_is_none_leaves_it_to_the_text(value: int | bytes | str, state: MessageState) -> None:
    assert read("id:1 stat:EXPIRED", 0x04, Tlv(0x0427, value)).state is state


@pytest.mark.parametrize("value", ["12 ", "12\0", b"12", b"12\0", 12, '"12"'])
def test_an_id_of_any_type(value: int | bytes | str) -> None:
    assert read("", 0, Tlv(0x001E, value)).id == "12"


@pytest.mark.parametrize("value", [b"", b"\x03", b"\x03\0\0\0", 3, "x"])
def test_a_network_error_code_that_is_none(value: int | bytes | str) -> None:
    assert read("id:1 stat:DELIVRD", 0x04, Tlv(0x0423, value)).error is None


def test_the_text_is_found_where_it_is() -> None:
    assert read("", 0x04, Tlv(0x0424, USUAL.encode())).id == "0123456789"
    assert read(b"\x05\0\x03\x07\x02\x01" + USUAL.encode(), 0x44).id == "0123456789"
    assert read(USUAL.encode("utf-16-be"), 0x04, data_coding=8).id == "0123456789"
    data = DataSm(A, B, 0x04, tlvs=(Tlv(0x0424, USUAL.encode()),))
    receipt = read_receipt(data)
    assert receipt is not None
    assert receipt.id == "0123456789"


def test_a_receipt_as_a_carrier_sends_it() -> None:
    pdu = MEANINGS["deliver_sm_receipt"][2]
    assert isinstance(pdu, DeliverSm)
    receipt = read_receipt(pdu)
    assert receipt is not None
    assert (receipt.id, receipt.other_id) == ("38601fa", "0059113978")
    assert int(receipt.id, 16) == int(receipt.other_id)
    assert receipt.state is MessageState.DELIVERED
    assert receipt.source == "both"


@pytest.mark.parametrize(
    ("digits", "time"),
    [
        ("2401312359", datetime(2024, 1, 31, 23, 59)),
        ("240131235958", datetime(2024, 1, 31, 23, 59, 58)),
        ("20240131235958", datetime(2024, 1, 31, 23, 59, 58)),
        ("2402302359", None),
        ("0000000000", None),
        ("240131", None),
        ("24013123595", None),
        ("24-01-31 2", None),
        ("२४०१३१२३५९", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(digits: str | None, time: datetime | None) -> None:
    assert receipt_time(digits) == time


SENT = datetime(2024, 1, 31, 23, 59, 58)
DONE = datetime(2024, 2, 1, 0, 5)


def test_what_is_written() -> None:
    text, tlvs = write_receipt(
        "0a1b",
        MessageState.UNDELIVERABLE,
        submit_date=SENT,
        done_date=DONE,
        error="027",
        text="This is a sample message",
        network_error=b"\x03\0\x1b",
    )
    assert text == (
        b"id:0a1b sub:001 dlvrd:000 submit date:2401312359 done date:2402010005 stat:UNDELIV err:027 "
        b"text:This is a sample mes"
    )
    assert tlvs == (Tlv(0x001E, "0a1b"), Tlv(0x0427, 5), Tlv(0x0423, b"\x03\0\x1b"))
    with pytest.raises(ValueError, match="latin-1"):
        write_receipt("0a1b", MessageState.DELIVERED, submit_date=SENT, done_date=DONE, text="☃")


@pytest.mark.parametrize("with_tlvs", [True, False])
@pytest.mark.parametrize("state", MessageState)
def test_what_is_written_is_read(state: MessageState, with_tlvs: bool) -> None:
    text, tlvs = write_receipt(
        "0a1b-2", state, submit_date=SENT, done_date=DONE, text="id:9 stat:x", with_tlvs=with_tlvs
    )
    pdu = decode(encode(deliver(text, 0x04, *tlvs), 1))[2]
    assert isinstance(pdu, DeliverSm)
    receipt = read_receipt(pdu)
    assert receipt is not None
    assert (receipt.id, receipt.state, receipt.text, receipt.other_id) == ("0a1b-2", state, "id:9 stat:x", "")
    assert receipt.source == ("both" if with_tlvs else "text")
    assert receipt_time(receipt.done_date) == DONE
    assert receipt_time(receipt.submit_date) == SENT.replace(second=0)


@settings(max_examples=300, deadline=None)
@given(
    octets=st.one_of(
        st.binary(max_size=160),
        st.lists(
            st.sampled_from(
                [
                    "id:",
                    "stat:",
                    "text:",
                    "sub:",
                    "err:",
                    "done date:",
                    "submit",
                    " ",
                    "\0",
                    "1",
                    "DELIVRD",
                    '"',
                    ":",
                    "é",
                ]
            ),
            max_size=20,
        ).map(lambda words: "".join(words).encode("latin-1")),
    ),
    esm_class=st.integers(0, 255),
    data_coding=st.sampled_from([0, 3, 8, 255]),
    tlvs=st.lists(
        st.builds(
            Tlv,
            st.sampled_from([0x001E, 0x0427, 0x0423, 0x0424, 0x1400]),
            st.one_of(st.binary(max_size=5), st.integers(0, 2**32 - 1), st.text(max_size=5)),
        ),
        max_size=4,
    ).map(tuple),
)
def test_no_octets_make_it_fail(octets: bytes, esm_class: int, data_coding: int, tlvs: tuple[Tlv, ...]) -> None:
    pdu = DeliverSm(A, B, octets, esm_class, data_coding, tlvs=tlvs)
    receipt = read_receipt(pdu, text_only=True)
    if receipt is not None:
        receipt_time(receipt.done_date)
        repr(receipt)
    if esm_class & 0x3C in (0x04, 0x20):
        assert receipt is not None


def test_a_long_text_of_keys_takes_no_time() -> None:
    # No pattern here may take more than time in proportion: 64 KiB of what looks like keys.
    rng = random.Random(5)
    words = [b"id:", b"stat", b"submit", b" date", b":", b" ", b"done ", b"\n"]
    for _ in range(5):
        payload = b"".join(rng.choice(words) for _ in range(20_000))[:65535]
        pdu = DeliverSm(A, B, b"", 0x04, tlvs=(Tlv(0x0424, payload),))
        assert read_receipt(pdu) is not None


@pytest.mark.parametrize("separator", [b" ", b",", b";", b"\n", b" ;", b"\t,"])
def test_a_long_row_of_separators_takes_no_time(separator: bytes) -> None:
    # When each separator was tried as the first, half a minute of the one thread that serves all sessions.
    payload = b"id:" + separator * (60_000 // len(separator)) + b"! stat:DELIVRD err:" + separator * 2000
    pdu = DeliverSm(A, B, b"", 0x04, tlvs=(Tlv(0x0424, payload),))
    before = time.process_time()
    assert read_receipt(pdu) is not None
    assert time.process_time() - before < 1
