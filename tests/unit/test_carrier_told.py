"""What a receipt does, read the quick way: the same as when all of it is read, whatever was read before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

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

IDS = ("59113978", "A-1_b.2", "", "a b", "id:1", "\xe9", "'7'", "0x7\0", "ext:5")
USUAL_ENDINGS = [
    f" sub:001 dlvrd:001 submit date:2611220130 done date:{done} stat:{stat} err:{err}"
    for done in ("2611220131", "")
    for stat in ("DELIVRD", "UNDELIV", "ENROUTE", "odd")
    for err in ("000", "011", "")
]
KEYS = (
    *(" sub:001", " dlvrd:001", " submit date:2611220130", " done date:2611220131", " done date:26112201310"),
    *(" stat:DELIVRD", " stat:UNDELIV", " stat:lost", " stat:\xfc", " stat:", " err:000", " err:011", " err:"),
    *(" text:", " Text:", " TEXT:", " text:id:9 sub:001 stat:EXPIRED", "ext:", " ", "\0", "hello"),
)
RESTS = ("", " text:", " Text:", " text:Your code", " Text:ext: \0 text:", " TEXT:x", "\0", " stat:EXPIRED")
GLUED = ("text:", "text:b", "ext:", "ext:stat:FAILED", " text", "xt:")
OTHER_TLVS = (
    *(Tlv(int(Tag.RECEIPTED_MESSAGE_ID), value) for value in ("", " 7 ", b"8\0")),
    *(Tlv(int(Tag.MESSAGE_STATE), value) for value in (5, 77, b"\0\x02")),
    *(Tlv(int(Tag.NETWORK_ERROR_CODE), value) for value in (b"\x03\x00\x0b", b"\x03")),
    Tlv(int(Tag.MESSAGE_PAYLOAD), USUAL.encode()),
    Tlv(0x1400, b"x"),
)


def receipts(rng: random.Random, count: int) -> Iterator[DeliverSm]:
    """Receipts of the usual form, and others that differ from them in one thing or in several."""
    for _ in range(count):
        message_id = rng.choice(IDS) if rng.random() < 0.3 else IDS[0]
        ending = rng.choice(USUAL_ENDINGS)
        if rng.random() < 0.3:
            ending = "".join(rng.choices(KEYS, k=rng.randrange(8)))
        tlvs = OF_TLVS if rng.random() < 0.5 else tuple(rng.sample(OTHER_TLVS + OF_TLVS, rng.randrange(4)))
        yield deliver(
            ("id:" if rng.random() < 0.9 else rng.choice(("ID:", " id:", "")))
            + message_id
            + ending
            + rng.choice(RESTS if rng.random() < 0.8 else GLUED),
            *tlvs,
            esm_class=4 if rng.random() < 0.8 else rng.choice([0, 0x20, 0x44, 0x07, 0x84, 8]),
            data_coding=rng.choice([0, 0, 8, 3]),
        )


@pytest.mark.parametrize("given", CARRIERS.values(), ids=CARRIERS)
def test_it_says_what_the_whole_receipt_says(given: dict[str, Any]) -> None:
    carrier = arriving(**given)
    for pdu in receipts(random.Random(7), 4000):
        assert carrier.told(pdu) == wholly(carrier, pdu), pdu.short_message


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
