"""What a receipt does, read the quick way: the same as when all of it is read, whatever was read before."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.carrier.arriving import MOST_ENDINGS, Arriving
from gateway.model import RECEIPT_STATES
from gateway.settings import Carrier
from gateway.smpp.constants import MessageState, Tag
from gateway.smpp.pdu import Address, DataSm, DeliverSm, Tlv
from gateway.smpp.receipt import write_receipt
from gateway.smpp.usualreceipt import is_usual, take_apart

US, PEER = Address(1, 1, "15551230001"), Address(1, 1, "447700900123")
USUAL = "id:59113978 sub:001 dlvrd:001 submit date:2611220130 done date:2611220131 stat:DELIVRD err:000 text:Your code"
OF_TLVS = (Tlv(int(Tag.RECEIPTED_MESSAGE_ID), "38B9FFA"), Tlv(int(Tag.MESSAGE_STATE), 2))


def arriving(**given: Any) -> Arriving:
    return Arriving(Carrier.model_validate({"name": "acme", "host": "h", "system_id": "u", "password": "p", **given}))


def deliver(text: str, *tlvs: Tlv, esm_class: int = 4, data_coding: int = 0) -> DeliverSm:
    return DeliverSm(PEER, US, text.encode("latin-1"), esm_class, data_coding, tlvs=tlvs)


def wholly(carrier: Arriving, pdu: DeliverSm | DataSm) -> tuple[Any, ...] | None:
    """The same from the receipt itself."""
    receipt = carrier.receipt(pdu)
    if receipt is None:
        return None
    state = None
    if receipt.state is not None and not receipt.intermediate:
        state = RECEIPT_STATES.get(receipt.state)
    reason = carrier.reasons.of_receipt(receipt)
    return receipt.id, (state, receipt.state, reason, receipt.error, carrier.done_at(receipt))


CARRIERS: dict[str, dict[str, Any]] = {
    "as most are": {},
    "with words and codes of its own": {
        "receipt_states": {"delivrd": "undeliverable", "Lost": "expired"},
        "reasons": {"err:000": "absent", "err:011": "barred"},
        "error_codes": "gsm",
        "receipt_time_zone": "Europe/Berlin",
    },
    "with a text of its own": {"receipt_text": "id:{id} sub:001 {} stat:{stat} err:{err}"},
    "that flags no receipt": {"text_receipts": True},
}

ids = st.sampled_from(["59113978", "A-1_b.2", "", "a b", "id:1", "\xe9", "'7'", "0x7\0", "ext:5"])
keys = st.sampled_from(
    [" sub:001", " dlvrd:001", " submit date:2611220130", " done date:2611220131", " done date:26112201310",
     " stat:DELIVRD", " stat:UNDELIV", " stat:lost", " stat:\xfc", " stat:", " err:000", " err:011", " err:", " text:",
     " Text:", " TEXT:", " text:id:9 sub:001 stat:EXPIRED", "ext:", " ", "\0", "hello"]
)  # fmt: skip
usual = st.sampled_from(
    [[" sub:001", " dlvrd:001", " submit date:2611220130", f" done date:{done}", f" stat:{stat}", f" err:{err}"]
     for done in ("2611220131", "") for stat in ("DELIVRD", "UNDELIV", "ENROUTE", "odd") for err in ("000", "011", "")]
)  # fmt: skip
texts = st.builds(
    lambda head, message_id, parts, rest: head + message_id + "".join([*parts, *rest]),
    st.sampled_from(["id:", "id:", "id:", "ID:", " id:", ""]),
    ids,
    st.one_of(usual, usual, st.lists(keys, max_size=8)),
    st.lists(keys, max_size=3),
)
tlvs = st.lists(
    st.sampled_from(
        [
            *OF_TLVS,
            Tlv(int(Tag.RECEIPTED_MESSAGE_ID), ""),
            Tlv(int(Tag.RECEIPTED_MESSAGE_ID), " 7 "),
            Tlv(int(Tag.RECEIPTED_MESSAGE_ID), b"8\0"),
            Tlv(int(Tag.MESSAGE_STATE), 5),
            Tlv(int(Tag.MESSAGE_STATE), 77),
            Tlv(int(Tag.MESSAGE_STATE), b"\0\x02"),
            Tlv(int(Tag.NETWORK_ERROR_CODE), b"\x03\x00\x0b"),
            Tlv(int(Tag.NETWORK_ERROR_CODE), b"\x03"),
            Tlv(int(Tag.MESSAGE_PAYLOAD), USUAL.encode()),
            Tlv(0x1400, b"x"),
        ]
    ),
    max_size=4,
).map(tuple)
pdus = st.builds(
    lambda text, tlvs, esm_class, data_coding: deliver(text, *tlvs, esm_class=esm_class, data_coding=data_coding),
    texts,
    tlvs,
    st.sampled_from([4, 4, 4, 0, 0x20, 0x44, 0x07, 0x84, 8]),
    st.sampled_from([0, 0, 8, 3]),
)


@pytest.mark.parametrize("given_", CARRIERS.values(), ids=CARRIERS)
def test_it_says_what_the_whole_receipt_says(given_: dict[str, Any]) -> None:
    carrier = arriving(**given_)

    @given(pdus)
    @settings(max_examples=300, deadline=None)
    def same(pdu: DeliverSm) -> None:
        expected = wholly(carrier, pdu)
        assert carrier.told(pdu) == expected
        assert carrier.told(pdu) == expected  # also where it is remembered

    same()


def test_a_receipt_of_the_usual_form_is_read_once() -> None:
    carrier = arriving()
    first = carrier.told(deliver(USUAL, *OF_TLVS))
    assert first is not None
    assert first[0] == "38B9FFA"
    again = carrier.told(deliver(USUAL.replace("59113978", "A-1_b.2").replace("Your code", "My ext: is \x00")))
    assert again is not None
    assert again[0] == "A-1_b.2"
    once_more = carrier.told(deliver(USUAL.replace("Your code", "Another"), *OF_TLVS))
    assert once_more is not None
    assert once_more[1] is first[1]


@pytest.mark.parametrize(
    "pdu",
    [
        deliver(USUAL, esm_class=0x20),  # intermediate
        deliver("\x03\x05\x00\x01" + USUAL, esm_class=0x44),
        deliver(USUAL.replace("id:", "ID:")),
        deliver("", *OF_TLVS),
        DataSm(PEER, US, 4, tlvs=OF_TLVS),
        deliver(USUAL, Tlv(int(Tag.RECEIPTED_MESSAGE_ID), b"\0" * 70)),  # longer than such an id can be
    ],
)
def test_another_form_is_not_guessed(pdu: DeliverSm | DataSm) -> None:
    assert take_apart(pdu) is None


def test_what_simulated_carriers_write_is_usual() -> None:
    at = datetime(2026, 11, 22, 1, 30)
    for state in MessageState:
        text, tlvs = write_receipt("7F", state, submit_date=at, done_date=at, text="Hello, text: here")
        apart = take_apart(DeliverSm(PEER, US, text, 4, tlvs=tlvs))
        assert apart is not None
        assert apart[0] == "7F"
        assert is_usual(apart[1])


def test_what_is_remembered_has_a_bound() -> None:
    carrier = arriving()
    rng = random.Random(1)
    for _ in range(3 * MOST_ENDINGS):
        carrier.told(deliver(USUAL.replace("2611220131", f"{rng.randrange(10**10):010}")))
    assert len(carrier._endings) <= MOST_ENDINGS
    for i in range(50):
        carrier.told(deliver(f"{USUAL} {i}"))
    before = len(carrier._endings)
    carrier.told(deliver("id:1 sub:odd stat:DELIVRD err:000 text:x"))
    assert len(carrier._endings) == before  # what is not of the form is not kept
