"""Submits that are written from the octets of one before: the same octets as those made one by one."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from gateway.carrier.wire import MOST_TEMPLATES, Wire
from gateway.smpp.codec import encode
from gateway.smpp.pdu import SubmitSm, Tlv
from gateway.sms.segment import UDHI, SegmentBody

from .test_carrier_wire import NOW, segment
from .test_carrier_wire import settings as carrier

CARRIERS: dict[str, dict[str, Any]] = {
    "as most are": {},
    "with plus": {"source_plus": True, "dest_plus": True, "service_type": "VMA"},
    "other types": {"dest_types": {"international": "2/8"}, "source_types": {"alphanumeric": "5/1"}, "source_ton": 0},
    "national": {"dest_national": True, "source_national": True, "national_prefix": "0"},
    "short": {"longest_short_message": 5},
    "long": {"longest_short_message": 254, "long_messages": "payload"},
    "with TLVs": {"tlvs": {"0x1400": "entity"}},
    "with validity": {"validity_sent": "always"},
    "with campaigns": {"campaign_tlv": "0x1401"},
}


def body(text: bytes, esm_class: int = 0, data_coding: int = 0, tlvs: Any = ()) -> dict[str, Any]:
    return {"bodies": (SegmentBody(text, esm_class, data_coding, tlvs),) * 3}


PLAIN = [
    {"part": part, "parts": 3, "number": number, "receipt": receipt, "protocol_id": protocol_id, **of_body}
    for part, number, receipt, protocol_id, of_body in product(
        (1, 2, 3),
        ("+33700000001", "Acme"),
        (0, 1),
        (0, 65),
        [body(b"hello", esm_class, data_coding) for esm_class in (0, UDHI) for data_coding in (0, 8)],
    )
]
ODD: list[dict[str, Any]] = [
    *({"peer": peer} for peer in ("+33612345679", "+4915112345678", "+1", "+", "", "38008", "Acme", "+33 6")),
    *({"peer": peer} for peer in ("+\u0663\u0663", "+" + "1" * 19, "+" + "1" * 20, "+" + "1" * 21)),
    *({"number": number} for number in ("38008", "\xc4cme", "A\u20ac", "x" * 30)),
    *({"receipt": receipt} for receipt in (2, 3, 4)),
    *(body(text) for text in (b"", b"\0", b"hello!", b"x" * 160, b"x" * 161, b"x" * 254, b"x" * 255)),
    body(b"hello", tlvs=((0x0424, b"text"),)),
    body(b"", tlvs=((0x0424, b"text"),)),
    {"validity": True},
    {"tlvs": (Tlv(0x1400, b"x"),)},
]


def octets(wire: Wire, message: dict[str, Any], way: str, now_ms: int) -> bytes | str:
    """The body, or the error. With campaigns, as they are set for our numbers."""
    wire.campaigns = {"+33700000001": "C12345"}
    try:
        made = getattr(wire, way)(segment(**message), now_ms)
        return made if isinstance(made, bytes) else encode(made, 1)[16:]
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("given_", CARRIERS.values(), ids=CARRIERS)
def test_the_octets_are_the_same(given_: dict[str, Any]) -> None:
    wire = Wire(carrier(**given_))
    # Each message after all that a template may come from.
    messages = (*PLAIN, *PLAIN, *({**plain, **odd} for odd in ODD for plain in PLAIN[::5]))
    for now_ms, message in zip(range(NOW, NOW + 90_000, 60), messages, strict=False):
        assert octets(wire, message, "written", now_ms) == octets(wire, message, "submit", now_ms), message


def test_only_the_first_of_a_kind_is_made() -> None:
    wire = Wire(carrier())
    assert isinstance(wire.written(segment(), NOW), SubmitSm)
    for i in range(3):
        assert isinstance(wire.written(segment(peer=f"+3361234567{i}", **body(b"text %d" % i)), NOW), bytes)
    assert isinstance(wire.written(segment(number="+33700000002"), NOW), SubmitSm)


def test_templates_have_a_bound() -> None:
    wire = Wire(carrier())
    for i in range(MOST_TEMPLATES + 10):
        wire.written(segment(number=f"+337{i:08}"), NOW)
    assert len(wire._templates) == 10
