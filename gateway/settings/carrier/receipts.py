"""Delivery receipts of a carrier: whether they are asked for, and how they are known and matched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.types import Seconds


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
    query: bool = Field(
        False,
        description="Ask with query_sm for segments whose receipt is overdue, where the carrier answers that; what "
        "it says counts as a receipt does.",
    )
    query_after: Seconds = Field(
        3600, ge=10, le=2_592_000, description="Time after a segment was sent at which it is asked for first."
    )
    query_interval: Seconds = Field(
        21_600, ge=10, le=2_592_000, description="Time until it is asked for again, where no end of it was told."
    )
    query_times: int = Field(3, ge=1, le=10, description="How many times a segment is asked for.")
    query_rate: float = Field(
        1, ge=0.01, le=1000, description="Questions in a second at most; they go beside `window` and `throughput`."
    )
