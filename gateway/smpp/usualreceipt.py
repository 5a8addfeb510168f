"""Receipts in the form of Appendix B to the letter, taken apart without being read.

Of such a text all between its id and what it repeats of the message says how it ended, and is the same in the receipts
of many messages: who has read it once knows it. All other receipts are for `receipt.read_receipt` alone.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from gateway.smpp.constants import EsmClass, Tag
from gateway.smpp.pdu import DataSm, DeliverSm, TlvValue
from gateway.smpp.receipt import TRIMMED

_KIND: Final = int(EsmClass.TYPE_MASK | EsmClass.UDHI)
_RECEIPT: Final = int(EsmClass.RECEIPT)

_RECEIPTED_MESSAGE_ID: Final = int(Tag.RECEIPTED_MESSAGE_ID)
_MESSAGE_STATE: Final = int(Tag.MESSAGE_STATE)
_NETWORK_ERROR_CODE: Final = int(Tag.NETWORK_ERROR_CODE)

_usual_head: Final = re.compile(rb"id:([\w.-]+) ").match
_usual_tail: Final = re.compile(
    rb"sub:\d* dlvrd:\d* submit date:\d* done date:\d* stat:\w+ err:\w*(?: [Tt]ext:)?"
).fullmatch


Ending: TypeAlias = tuple[bytes, TlvValue | None, TlvValue | None]
"""All that tells how a message ended: the text from `sub` to `text:` or to its end, message_state, and
network_error_code. Receipts whose endings are equal say the same of their messages."""


def is_usual(ending: Ending) -> bool:
    """Whether the text is of the form of Appendix B; else the ending tells nothing by itself."""
    return _usual_tail(ending[0]) is not None


def take_apart(pdu: DeliverSm | DataSm) -> tuple[str, Ending] | None:
    """The id of a receipt as `read_receipt` reads it, and its ending; None where it can only be read.

    It is no more than a guess until the ending `is_usual`. Raises nothing.
    """
    if pdu.esm_class & _KIND != _RECEIPT or not isinstance(pdu, DeliverSm):
        return None
    text = pdu.short_message
    head = _usual_head(text)
    if head is None:
        return None
    start = head.end()
    end = text.find(b"ext:", start)  # of text and Text
    message_id = ""
    state: TlvValue | None = None
    network_error: TlvValue | None = None
    for tlv in pdu.tlvs:
        tag = tlv.tag
        if tag == _RECEIPTED_MESSAGE_ID:
            if not isinstance(tlv.value, str):
                return None
            message_id = tlv.value.strip(TRIMMED)
        elif tag == _MESSAGE_STATE:
            state = tlv.value
        elif tag == _NETWORK_ERROR_CODE:
            network_error = tlv.value
    tail = text[start : end + 4] if end >= 0 else text[start:]
    return message_id or head[1].decode("latin-1"), (tail, state, network_error)
