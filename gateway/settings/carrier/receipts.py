"""Delivery receipts of a carrier: whether they are asked for, and how they are known and matched."""

from __future__ import annotations

from typing import Literal

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
    message_id: Literal["auto", "same", "hex_to_decimal", "decimal_to_hex"] = Field(
        "auto",
        description="How receipts write the message id of a response: `same` (case and leading zeros do not matter), "
        "`hex_to_decimal` (hexadecimal in the response, decimal in the receipt) or `decimal_to_hex`; `auto` learns "
        "which from receipts, and `smsgw status` shows it.",
    )
