"""Delivery receipts of a carrier: whether they are asked for, and how they are known and matched."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.base import Section


class Receipts(Section):
    """Receipts."""

    receipts: bool = Field(True, description="Ask the carrier for delivery receipts.")
    text_receipts: bool = Field(
        False,
        description="Take an inbound message for a receipt by its text alone, for carriers that mark "
        "receipts neither in esm_class nor by a TLV.",
    )
