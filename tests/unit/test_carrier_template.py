"""Submits that are written from the octets of one before: the same octets as those made one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

messages = st.fixed_dictionaries(
    {
        "number": st.sampled_from(["+33700000001", "+4915112345678", "38008", "Acme", "\xc4cme", "A\u20ac", "x" * 30]),
        "peer": st.one_of(
            st.from_regex(r"\+33[0-9]{9}", fullmatch=True),
            st.sampled_from(["+1", "+", "", "38008", "+33 6", "+\u0663\u0663", "+" + "1" * 19, "+" + "1" * 20, "Acme"]),
        ),
        "receipt": st.sampled_from([0, 1, 1, 2, 3]),
        "protocol_id": st.sampled_from([0, 0, 65]),
        "validity": st.sampled_from([False, False, True]),
        "tlvs": st.sampled_from([(), (), (Tlv(0x1400, b"x"),)]),
        "bodies": st.builds(
            lambda text, esm_class, data_coding, tlvs: (SegmentBody(text, esm_class, data_coding, tlvs),),
            st.one_of(st.binary(max_size=9), st.sampled_from([b"x" * 160, b"x" * 254, b"\0"])),
            st.sampled_from([0, 0, UDHI]),
            st.sampled_from([0, 0, 8, 0xF0]),
            st.sampled_from([(), (), ((0x0424, b"text"),)]),
        ),
    }
)


def octets(wire: Wire, message: dict[str, Any], way: str) -> bytes | str:
    """The body, or the error. With campaigns, as they are set for our numbers."""
    wire.campaigns = {"+33700000001": "C12345"}
    try:
        made = getattr(wire, way)(segment(**message), NOW)
        return made if isinstance(made, bytes) else encode(made, 1)[16:]
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("given_", CARRIERS.values(), ids=CARRIERS)
def test_the_octets_are_the_same(given_: dict[str, Any]) -> None:
    wire = Wire(carrier(**given_))

    @given(messages)
    @settings(max_examples=150, deadline=None)
    def same(message: dict[str, Any]) -> None:
        expected = octets(wire, message, "submit")
        assert octets(wire, message, "written") == expected
        assert octets(wire, message, "written") == expected  # from its own template, where it has one

    same()


def test_only_the_first_of_a_kind_is_made() -> None:
    wire = Wire(carrier())
    assert isinstance(wire.written(segment(), NOW), SubmitSm)
    for i in range(3):
        body = SegmentBody(b"text %d" % i, 0, 0)
        assert isinstance(wire.written(segment(peer=f"+3361234567{i}", bodies=(body,)), NOW), bytes)
    assert isinstance(wire.written(segment(number="+33700000002"), NOW), SubmitSm)


def test_templates_have_a_bound() -> None:
    wire = Wire(carrier())
    for i in range(MOST_TEMPLATES + 10):
        wire.written(segment(number=f"+337{i:08}"), NOW)
    assert len(wire._templates) == 10
