"""Receipts of the sink for ids that nobody was given: read as receipts, each of another id."""

from __future__ import annotations

from bench import wire
from bench.behaviour import Behaviour, orphan_body


def test_an_orphan_is_a_receipt_of_an_id_of_its_own() -> None:
    frame = wire.pdu(wire.DELIVER_SM, 1, orphan_body(7, Behaviour()))
    fields = wire.parse_short_message(frame)
    assert fields.esm_class & wire.TYPE_MASK == wire.TYPE_RECEIPT
    assert fields.short_message.startswith(b"id:orphan7 sub:001 dlvrd:001 submit date:")
