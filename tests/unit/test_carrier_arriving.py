"""How what a carrier sends is read: numbers, receipts of its own form, dates, reasons."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.carrier.arriving import Arriving
from gateway.carrier.reasons import OF_GSM, OF_STATE, OF_STATUS, Reasons
from gateway.model import REASONS
from gateway.settings import Carrier
from gateway.settings.carrier.forms import REASONS_AT_THE_END
from gateway.smpp.constants import CommandStatus as S
from gateway.smpp.constants import EsmClass, MessageState, Tag
from gateway.smpp.pdu import Address, DeliverSm, Tlv
from gateway.smpp.receipt import Receipt

Given = dict[str, Any]


def arriving(**given: Any) -> Arriving:
    settings = {"name": "acme", "host": "h", "system_id": "u", "password": "p", "region": "FR", **given}
    return Arriving(Carrier.model_validate(settings))


# --- numbers ----------------------------------------------------------------------------------------------------------

KEPT = "+33612345678"
RULES: Given = {
    "peer_rules": [
        {"prefix": "0033", "put": "+33"},
        {"prefix": "0", "digits": 10, "put": "+33"},
        {"prefix": "99", "put": ""},
        {"prefix": "", "digits": 9, "put": "+33"},
    ]
}
PEERS: list[tuple[Given, int, str, str]] = [
    # As it is: by the TON, else whichever is likelier.
    ({}, 1, "33612345678", KEPT),
    ({}, 1, "+33612345678", KEPT),
    ({}, 2, "0612345678", KEPT),
    ({}, 2, "612345678", KEPT),
    ({}, 0, "+33612345678", KEPT),
    ({}, 0, "0612345678", KEPT),
    ({"region": "US"}, 0, "2015550123", "+12015550123"),
    ({}, 3, "38008", "38008"),
    ({}, 5, "Amazon", "Amazon"),
    # A carrier that always has the country code, and says another TON.
    ({"peer_numbers": "international"}, 2, "33612345678", KEPT),
    ({"peer_numbers": "international"}, 0, "33612345678", KEPT),
    ({"peer_numbers": "international", "region": "US"}, 0, "3361234567", "+3361234567"),
    ({"peer_numbers": "international"}, 0, "0033612345678", KEPT),
    ({"peer_numbers": "international"}, 0, "38008", "38008"),
    ({"peer_numbers": "international"}, 5, "33612345678", "33612345678"),
    # A carrier that never has it, and says international.
    ({"peer_numbers": "national"}, 1, "0612345678", KEPT),
    ({"peer_numbers": "national"}, 1, "612345678", KEPT),
    ({"peer_numbers": "national", "region": "US"}, 1, "2015550123", "+12015550123"),
    ({"peer_numbers": "national"}, 1, "+4915112345678", "+4915112345678"),
    ({"peer_numbers": "national"}, 0, "38008", "38008"),
    # Rules: the first that fits.
    (RULES, 0, "0033612345678", KEPT),
    (RULES, 0, "0612345678", KEPT),
    (RULES, 0, "612345678", KEPT),
    (RULES, 0, "9933612345678", KEPT),
    (RULES, 1, "33612345678", KEPT),
    (RULES, 5, "0612345678", "0612345678"),
    ({**RULES, "peer_numbers": "international"}, 0, "9933612345678", KEPT),
]


@pytest.mark.parametrize(("given", "ton", "written", "kept"), PEERS)
def test_a_phone_is_the_same_however_it_is_written(given: Given, ton: int, written: str, kept: str) -> None:
    assert arriving(**given).peer(Address(ton, 1 if ton < 3 else 0, written)) == kept


def test_rules_are_for_phones_and_not_for_our_numbers() -> None:
    read = arriving(peer_rules=[{"prefix": "0", "put": "+44"}])
    address = Address(2, 1, "0612345678")
    assert (read.peer(address), read.number(address)) == ("+44612345678", KEPT)


def test_without_a_region_of_its_own_the_gateways_is_taken() -> None:
    assert arriving(region=None).peer(Address(2, 1, "0612345678"), "FR") == KEPT


# --- receipts ---------------------------------------------------------------------------------------------------------


def told(text: str, *, esm_class: int = EsmClass.RECEIPT, tlvs: tuple[Tlv, ...] = (), **given: Any) -> Receipt | None:
    pdu = DeliverSm(Address(1, 1, "33612345678"), Address(1, 1, "33700000001"), text.encode(), esm_class, tlvs=tlvs)
    return arriving(**given).receipt(pdu)


OWN = "Message {id} to {} is {stat}, {done}"


def test_a_text_of_the_carriers_own_form() -> None:
    said = told("message  7F3A to 33612345678 is Delivered, 2026-11-22 06:17:05", receipt_text=OWN)
    assert said is not None
    assert (said.id, said.state, said.done_date) == ("7F3A", MessageState.DELIVERED, "20261122061705")


def test_the_usual_form_is_read_beside_the_carriers_own() -> None:
    text = "id:12 sub:001 dlvrd:001 submit date:2611220500 done date:2611220501 stat:DELIVRD err:000 text:"
    said = told(text, receipt_text=OWN)
    assert said is not None
    assert (said.id, said.state) == ("12", MessageState.DELIVERED)


def test_a_form_makes_a_receipt_of_a_plain_message_only_where_text_receipts_says_so() -> None:
    text = "Message 7F3A to 33612345678 is KO, 2026-11-22 06:17"
    given: Given = {"receipt_text": OWN, "receipt_states": {"ko": "undeliverable"}}
    assert told(text, esm_class=0, **given) is None
    said = told(text, esm_class=0, text_receipts=True, **given)
    assert said is not None
    assert (said.id, said.state) == ("7F3A", MessageState.UNDELIVERABLE)
    assert told("Message for you: call me", esm_class=0, text_receipts=True, **given) is None


def test_words_of_the_carrier_go_before_the_usual_ones() -> None:
    text = "id:12 sub:001 dlvrd:000 submit date:2611220500 done date:2611220501 stat:UNKNOWN err:000 text:"
    assert told(text).state is MessageState.UNKNOWN  # type: ignore[union-attr]
    assert told(text, receipt_states={"UNKNOWN": "rejected"}).state is MessageState.REJECTED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "2026-11-22T06:17:00+00:00"),
        ({"time_zone": "+05:30"}, "2026-11-22T00:47:00+00:00"),
        ({"time_zone": "+05:30", "receipt_time_zone": "Europe/Paris"}, "2026-11-22T05:17:00+00:00"),
        ({"receipt_time_zone": "America/New_York"}, "2026-11-22T11:17:00+00:00"),
    ],
)
def test_dates_are_in_the_zone_of_the_carrier(given: Given, expected: str) -> None:
    from datetime import datetime

    receipt = Receipt(id="1", state=MessageState.DELIVERED, done_date="2611220617")
    assert arriving(**given).done_at(receipt) == int(datetime.fromisoformat(expected).timestamp() * 1000)


def test_no_date_is_no_time() -> None:
    for digits in (None, "", "0", "9913450000"):
        assert arriving().done_at(Receipt(id="1", state=None, done_date=digits)) is None


# --- reasons ----------------------------------------------------------------------------------------------------------


def reasons(**given: Any) -> Reasons:
    return arriving(**given).reasons


OWN_CODES: Given = {
    "reasons": {"err:045": "spam", "err:A1": "landline", "0x45": "barred", "ESME_RINVDSTADR": "unknown_subscriber"}
}
U, R, E, D = MessageState.UNDELIVERABLE, MessageState.REJECTED, MessageState.EXPIRED, MessageState.DELIVERED
RECEIPTS: list[tuple[Given, MessageState | None, str | None, bytes | None, str | None]] = [
    ({}, D, "000", None, "delivered"),
    ({}, U, "045", None, "undelivered"),
    ({}, U, None, None, "undelivered"),
    ({}, R, "1", None, "rejected_by_carrier"),
    ({}, None, "1", None, None),
    ({}, MessageState.ENROUTE, "1", None, None),
    (OWN_CODES, U, "045", None, "spam"),
    (OWN_CODES, U, "45", None, "spam"),
    (OWN_CODES, E, "0045", None, "spam"),
    (OWN_CODES, U, "a1", None, "landline"),
    (OWN_CODES, U, "046", None, "undelivered"),
    (OWN_CODES, D, "045", None, "delivered"),
    # network_error_code: of a GSM network by MAP, of another not; the carrier's own codes before both.
    ({}, U, "6", b"\3\0\6", "absent"),
    ({}, U, "1", b"\3\0\1", "unknown_subscriber"),
    ({}, U, "1", b"\1\0\1", "undelivered"),
    ({}, E, "6", b"\3\0\6", "expired_at_carrier"),
    ({}, U, "32", b"\3\0\x20", "undelivered"),
    ({}, U, "1", b"\3\0", "undelivered"),
    (OWN_CODES, U, "000", b"\1\0\x2d", "spam"),
    # err as a code of GSM where the carrier says so.
    ({"error_codes": "gsm"}, U, "013", None, "barred"),
    ({"error_codes": "gsm"}, U, "999", None, "undelivered"),
    ({"error_codes": "gsm"}, U, "x13", None, "undelivered"),
    ({"error_codes": "gsm"}, U, "1" * 5000, None, "undelivered"),
    ({**OWN_CODES, "error_codes": "gsm"}, U, "045", None, "spam"),
]


@pytest.mark.parametrize(("given", "state", "error", "network", "expected"), RECEIPTS)
def test_the_reason_of_a_receipt(
    given: Given, state: MessageState | None, error: str | None, network: bytes | None, expected: str | None
) -> None:
    assert reasons(**given).of_receipt(Receipt(id="1", state=state, error=error, network_error=network)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (S.ESME_RINVDSTADR, "invalid_destination"),
        (S.ESME_RINVDSTTON, "invalid_destination"),
        (S.ESME_RINVDSTNPI, "invalid_destination"),
        (S.ESME_RINVSRCADR, "sender_refused"),
        (S.ESME_RINVSRCTON, "sender_refused"),
        (S.ESME_RINVSRCNPI, "sender_refused"),
        (S.ESME_RSUBMITFAIL, "carrier_refused"),
        (S.ESME_RINVESMCLASS, "carrier_refused"),
    ],
)
def test_usual_reasons(status: S, expected: str) -> None:
    assert reasons().of_status(status) == expected


@pytest.mark.parametrize("status", list(S))
def test_every_refusal_has_a_documented_reason(status: S) -> None:
    assert reasons().of_status(status) in REASONS


def test_a_status_of_nobody_is_refused_by_the_carrier() -> None:
    for status in (0x17, 0x3FF, 0x400, 0x4FF, 0x500, 0xFFFFFFFF):
        assert reasons().of_status(status) == "carrier_refused"


def test_the_reason_of_a_refusal() -> None:
    usual, own = reasons(), reasons(**OWN_CODES)
    assert [usual.of_status(s) for s in (0x0B, 0x0A, 0x45, 0x401)] == [
        "invalid_destination",
        "sender_refused",
        "carrier_refused",
        "carrier_refused",
    ]
    assert [own.of_status(s) for s in (0x0B, 0x0A, 0x45)] == ["unknown_subscriber", "sender_refused", "barred"]


def test_every_reason_is_documented() -> None:
    known = {*OF_GSM.values(), *OF_STATE.values(), *OF_STATUS.values(), *REASONS_AT_THE_END}
    assert known <= REASONS.keys()
    assert list(REASONS_AT_THE_END) == sorted(REASONS_AT_THE_END)


def test_a_code_of_the_tlv_alone_is_read() -> None:
    tlvs = (
        Tlv(Tag.RECEIPTED_MESSAGE_ID, "9"),
        Tlv(Tag.MESSAGE_STATE, int(U)),
        Tlv(Tag.NETWORK_ERROR_CODE, b"\3\0\x1b"),
    )
    said = told("", tlvs=tlvs)
    assert said is not None
    assert reasons().of_receipt(said) == "absent"
