"""What a carrier says of the end of a segment: words and dates in receipts, codes, and which segments are told of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.carrier.forms import ReasonCodes, ReceiptTemplate, ReceiptWords, Zone
from gateway.settings.types import Form

ReceiptSegments = Literal["each", "first", "last", "any"]


class Ends(Section):
    """How receipts and refusals are to be read."""

    receipt_segments: ReceiptSegments = Field(
        "each",
        description="Which segments of a long message get a receipt: `each`; `first` or `last` (only that one is asked "
        "for, the others are at their end once they are sent); `any` (all are asked for, one that says delivered is "
        "enough, for carriers that send one for the whole message).",
    )
    receipt_text: Annotated[ReceiptTemplate, Form("text")] | None = Field(
        None,
        description="Form of a receipt's text that is not of Appendix B, with `{id}`, `{stat}`, `{err}`, `{submit}`, "
        '`{done}`, `{text}`, and `{}` for what does not matter: `"Message {id} to {} is {stat}, {done}"`.',
    )
    receipt_states: Annotated[ReceiptWords, Form("table: word = state")] = Field(
        {},
        description="Words and numbers for states in receipts beside the usual ones, such as "
        '`{ KO = "undeliverable" }`: `delivered`, `expired`, `deleted`, `undeliverable`, `rejected`, `accepted`, '
        "`enroute`, `unknown`.",
    )
    receipt_time_zone: Zone | None = Field(None, description="Zone of the dates in receipts; without it `time_zone`.")
    error_codes: Literal["own", "gsm"] = Field(
        "own",
        description="What `err` in a receipt's text is: a code of the carrier's `own` (see `reasons`), or one of `gsm` "
        "(TS 29.002 §17.6.6), which has reasons by itself.",
    )
    reasons: Annotated[ReasonCodes, Form("table: code = reason")] = Field(
        {},
        description="Reasons for this carrier's codes (docs/socket.md has all reasons): a command_status as `0x45`, "
        "`status:0x45` or `ESME_RSUBMITFAIL`, an `err` of receipts as `err:045`.",
    )
