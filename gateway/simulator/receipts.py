"""Receipts as the simulated SMSC writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from gateway.smpp.constants import EsmClass, MessageState
from gateway.smpp.pdu import DataSm, DeliverSm, SubmitSm
from gateway.smpp.receipt import write_receipt

from .config import RECEIPT_STATES, ReceiptForm

_ERRORS: Final[dict[str, int]] = {"UNDELIV": 1, "EXPIRED": 27, "REJECTD": 69, "DELETED": 78, "UNKNOWN": 99}
"""Error codes of the SMSC's own, by the word of the state; 0 for the others."""
_WORDS: Final = {state: word for word, state in RECEIPT_STATES.items()}
_GSM_NETWORK: Final = 3
"""network_type in network_error_code (SMPP 3.4 §5.3.2.31)."""


def error_of(state: MessageState) -> int:
    """The error code that goes with a state, 0 where nothing failed."""
    return _ERRORS.get(_WORDS.get(state, ""), 0)


def receipt_for(
    pdu: SubmitSm | DataSm,
    message_id: str,
    word: str,
    *,
    text: str,
    form: ReceiptForm,
    submitted: float,
    done: float,
) -> DeliverSm:
    """The receipt for a segment, with the state of this word of Appendix B and the beginning of the
    segment's text.

    Times are seconds of the wall clock, written in UTC.
    """
    error = _ERRORS.get(word, 0)
    short_message, tlvs = write_receipt(
        message_id,
        RECEIPT_STATES[word],
        submit_date=datetime.fromtimestamp(submitted, UTC),
        done_date=datetime.fromtimestamp(done, UTC),
        error=f"{error:03}",
        text=text[:20].encode("latin-1", "replace").decode("latin-1"),
        network_error=bytes((_GSM_NETWORK, 0, error)) if error else None,
        with_tlvs=form != "text",
    )
    return DeliverSm(
        source=pdu.destination,
        destination=pdu.source,
        short_message=b"" if form == "tlv" else short_message,
        esm_class=EsmClass.RECEIPT,
        tlvs=tlvs,
    )
