"""The campaign of a number on its submits (10DLC)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.carrier.wire import Wire
from gateway.smpp.codec import encode
from gateway.smpp.pdu import Tlv
from tests.unit.test_carrier_wire import NOW, segment, settings

NUMBER = "+33700000001"


def tlvs(campaigns: dict[str, str], message: tuple[Tlv, ...] = (), **given: Any) -> list[tuple[int, object]]:
    wire = Wire(settings(**given))
    wire.campaigns = campaigns
    pdu = wire.submit(segment(tlvs=message), NOW)
    encode(pdu, 1)
    return [(t.tag, t.value) for t in pdu.tlvs]


@pytest.mark.parametrize(
    ("campaigns", "given", "message", "expected"),
    [
        ({NUMBER: "C1"}, {"campaign_tlv": "0x1400"}, (), [(0x1400, b"C1")]),
        ({NUMBER: "C1"}, {"campaign_tlv": "5120"}, (), [(0x1400, b"C1")]),
        ({NUMBER: "C1"}, {}, (), []),
        ({"+33700000002": "C1"}, {"campaign_tlv": "0x1400"}, (), []),
        # before the carrier's own of that tag, and beside its others
        ({NUMBER: "C1"}, {"campaign_tlv": "0x1400", "tlvs": {"0x1400": "all", "0x1401": "z"}}, (),
         [(0x1400, b"C1"), (0x1401, b"z")]),
        ({}, {"campaign_tlv": "0x1400", "tlvs": {"0x1400": "all"}}, (), [(0x1400, b"all")]),
        # what the app gave goes before both
        ({NUMBER: "C1"}, {"campaign_tlv": "0x1400", "tlvs": {"0x1400": "all"}}, (Tlv(0x1400, b"mine"),),
         [(0x1400, b"mine")]),
    ],
)  # fmt: skip
def test_where_it_goes(
    campaigns: dict[str, str], given: dict[str, Any], message: tuple[Tlv, ...], expected: list[tuple[int, object]]
) -> None:
    assert tlvs(campaigns, message, **given) == expected


def test_text_with_its_nul_where_the_tag_is_of_such() -> None:
    wire = Wire(settings(campaign_tlv="receipted_message_id"))
    wire.campaigns = {NUMBER: "C1"}
    assert encode(wire.submit(segment(), NOW), 1).endswith(b"\x00\x1e\x00\x03C1\x00")


@pytest.mark.parametrize("tag", ["message_payload", "display_time", "sar_msg_ref_num", "0x0", "0x10000", "campaign", 5])
def test_tags_that_take_no_text(tag: object) -> None:
    with pytest.raises(ValidationError, match="the tag of a TLV that takes text"):
        settings(campaign_tlv=tag)
