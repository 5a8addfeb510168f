"""Delivery receipts out of deliver_sm and data_sm, and into them (SMPP 3.4 §5.2.12, §5.3.2.12, Appendix B).

TLVs say it in a defined form, the text in the form of Appendix B, which each SMSC writes in its own way:
other order, other case, other names of states, dates with seconds, fields left out. All of it is read, none
of it is trusted: no octets make these functions fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from gateway.smpp.constants import EsmClass, MessageState, Tag
from gateway.smpp.pdu import DataSm, DeliverSm, Tlv, TlvValue
from gateway.smpp.receipttext import ReceiptText


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a receipt says. Dates are the digits that the SMSC wrote, on its own clock: see `receipt_time`."""

    id: str
    """The SMSC's message id, as written; "" when it names none."""
    other_id: str = ""
    """The id in the text where the TLV has another (often one is hexadecimal, the other decimal)."""
    state: MessageState | None
    """None: the receipt has no state, or one that is not known."""
    stat: str = ""
    """The state as the text has it."""
    error: str | None = None
    """`err` of the text, else the code of network_error_code in decimal."""
    submit_date: str | None = None
    done_date: str | None = None
    text: str = ""
    """The beginning of the message, where the SMSC repeats it; one character for each octet."""
    network_error: bytes | None = None
    """network_error_code: a type octet and two octets (§5.3.2.31)."""
    intermediate: bool = False
    """An intermediate notification: not the end of the message."""
    source: Literal["tlv", "text", "both", "none"] = "none"
    """Where the id and the state were found."""

    def __repr__(self) -> str:
        # Logs must not show the text.
        return (
            f"Receipt(id={self.id!r}, state={self.state and self.state.name}, stat={self.stat!r}, "
            f"error={self.error!r}, intermediate={self.intermediate}, source={self.source!r}, "
            f"text=<{len(self.text)} octets>)"
        )


_STATES: Final[dict[str, MessageState]] = {
    # Appendix B
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "ACCEPTD": MessageState.ACCEPTED,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
    # 5.0 §4.7.15, in the manner of Appendix B
    "ENROUTE": MessageState.ENROUTE,
    "SCHEDLD": MessageState.SCHEDULED,
    "SKIPPED": MessageState.SKIPPED,
    # What SMSCs write as well
    "DELIVERED": MessageState.DELIVERED,
    "DELIVERD": MessageState.DELIVERED,
    "DELIVRED": MessageState.DELIVERED,
    "DELIVER": MessageState.DELIVERED,
    "DELIV": MessageState.DELIVERED,
    "EXPIRE": MessageState.EXPIRED,
    "DELETE": MessageState.DELETED,
    "CANCELED": MessageState.DELETED,
    "CANCELLED": MessageState.DELETED,
    "UNDELIVRD": MessageState.UNDELIVERABLE,
    "UNDELIVERD": MessageState.UNDELIVERABLE,
    "UNDELIVERED": MessageState.UNDELIVERABLE,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "UNDELVRD": MessageState.UNDELIVERABLE,
    "FAILED": MessageState.UNDELIVERABLE,
    "FAIL": MessageState.UNDELIVERABLE,
    "FAILURE": MessageState.UNDELIVERABLE,
    "ERROR": MessageState.UNDELIVERABLE,
    "ACCEPTED": MessageState.ACCEPTED,
    "ACCEPT": MessageState.ACCEPTED,
    "ACKED": MessageState.ACCEPTED,
    "REJECTED": MessageState.REJECTED,
    "REJECT": MessageState.REJECTED,
    "BLOCKED": MessageState.REJECTED,
    "EN_ROUTE": MessageState.ENROUTE,
    "BUFFERED": MessageState.ENROUTE,
    "BUFFERD": MessageState.ENROUTE,
    "BUFFRED": MessageState.ENROUTE,
    "PENDING": MessageState.ENROUTE,
    "SENT": MessageState.ENROUTE,
    "SCHEDULED": MessageState.SCHEDULED,
    **{str(state.value): state for state in MessageState},
}

_STATS: Final[dict[MessageState, str]] = {
    MessageState.SCHEDULED: "SCHEDLD",
    MessageState.ENROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
    MessageState.SKIPPED: "SKIPPED",
}

# The form of Appendix B to the letter, which most are.
_usual_form: Final = re.compile(
    r"id:([\w.-]+) sub:\d* dlvrd:\d* submit date:(\d*) done date:(\d*) "
    r"stat:(\w+) err:(\w*)(?: [Tt]ext:(.*))?",
    re.DOTALL | re.ASCII,
).fullmatch

_next_key: Final = re.compile(
    r"(?<![A-Za-z0-9])(id|sub|dlvrd|submit[ _-]?date|done[ _-]?date|stat(?:us)?|err(?:or)?|text)\s?[:=]",
    re.IGNORECASE | re.ASCII,
).finditer
# A key that is not one of these ends the value before it. Looked for only where separators begin: from each of a
# long row of spaces it would take the square of their number.
_other_key: Final = re.compile(r"(?<![\s,;])[\s,;]++\w+[:=]", re.ASCII).split
_first_word: Final = re.compile(r"[^\s,;\"'\0]+").search

TRIMMED: Final = " \t\r\n\0\"',;"
"""What may stand around an id and is no part of it."""

_RECEIPTED_MESSAGE_ID: Final = int(Tag.RECEIPTED_MESSAGE_ID)
_MESSAGE_STATE: Final = int(Tag.MESSAGE_STATE)
_NETWORK_ERROR_CODE: Final = int(Tag.NETWORK_ERROR_CODE)
_MESSAGE_PAYLOAD: Final = int(Tag.MESSAGE_PAYLOAD)

_MESSAGE_STATES: Final = {int(state): state for state in MessageState}


def read_receipt(
    pdu: DeliverSm | DataSm,
    *,
    text_only: bool = False,
    form: ReceiptText | None = None,
    words: Mapping[str, MessageState] | None = None,
) -> Receipt | None:
    """The receipt that this PDU is, None when it is a message.

    esm_class decides; where it says nothing, a receipted_message_id TLV makes a receipt of it. With
    `text_only` (for SMSCs that send neither) so does a text of the form of Appendix B, or of the SMSC's own `form`.
    `words`, in small letters, are those of the SMSC for states; they go before the usual ones. Raises nothing.
    """
    kind = pdu.esm_class & EsmClass.TYPE_MASK
    flagged = kind in (EsmClass.RECEIPT, EsmClass.INTERMEDIATE)
    tlvs = pdu.tlvs
    if not (flagged or tlvs or text_only):
        return None

    tlv_id = ""
    tlv_state: MessageState | None = None
    network_error: bytes | None = None
    has_id = False
    body = pdu.short_message if isinstance(pdu, DeliverSm) else b""
    for tlv in tlvs:
        tag = tlv.tag
        if tag == _RECEIPTED_MESSAGE_ID:
            has_id = True
            tlv_id = _text_of(tlv.value).strip(TRIMMED)
        elif tag == _MESSAGE_STATE:
            tlv_state = _MESSAGE_STATES.get(_number_of(tlv.value))
        elif tag == _NETWORK_ERROR_CODE:
            network_error = tlv.value if isinstance(tlv.value, bytes) else None
        elif tag == _MESSAGE_PAYLOAD and not body and isinstance(tlv.value, bytes):
            body = tlv.value
    if not (flagged or has_id or text_only):
        return None

    text = _text_of_body(pdu, body)
    own = form.read(text) if form is not None else None
    said = _read_text(text) if own is None else _said_in(own)
    if not (flagged or has_id) and own is None and not said.is_receipt:
        return None
    state = tlv_state
    if words is not None and (of_word := words.get(said.stat.lower())) is not None:
        state = of_word
    elif state is None:
        state = _STATES.get(said.stat.upper())

    in_tlvs = bool(tlv_id) or tlv_state is not None
    in_text = bool(said.id) or bool(said.stat)
    error = said.err
    if error is None and network_error is not None and len(network_error) == 3:
        error = str(int.from_bytes(network_error[1:], "big"))
    return Receipt(
        id=tlv_id or said.id,
        other_id=said.id if tlv_id and said.id != tlv_id else "",
        state=state,
        stat=said.stat,
        error=error,
        submit_date=said.submit,
        done_date=said.done,
        text=said.text,
        network_error=network_error,
        intermediate=kind == EsmClass.INTERMEDIATE,
        source=("both" if in_text else "tlv") if in_tlvs else ("text" if in_text else "none"),
    )


class _Said(msgspec.Struct, frozen=True, gc=False):
    """The fields of a receipt's text."""

    id: str = ""
    submit: str | None = None
    done: str | None = None
    stat: str = ""
    err: str | None = None
    text: str = ""
    counted: bool = False
    """It has sub or dlvrd too."""

    @property
    def is_receipt(self) -> bool:
        """Whether so much is there that no person wrote it: an id, a known state, and a date or a count."""
        return bool(
            self.id
            and self.stat.upper() in _STATES
            and (self.submit is not None or self.done is not None or self.counted)
        )


_NOTHING_SAID: Final = _Said()
_no_digits: Final = re.compile(r"[^0-9]+", re.ASCII)


def _said_in(fields: Mapping[str, str]) -> _Said:
    """What a text of an SMSC's own form says. Its dates may have anything between their digits, year first."""
    submit, done = (_no_digits.sub("", fields.get(name, "")) or None for name in ("submit", "done"))
    message_id = fields["id"].strip(TRIMMED)
    return _Said(message_id, submit, done, fields["stat"], fields.get("err") or None, fields.get("text", ""), True)


def _read_text(text: str) -> _Said:
    usual = _usual_form(text)
    if usual is not None:
        message_id, submit, done, stat, err, rest = usual.groups()
        return _Said(message_id, submit or None, done or None, stat, err or None, (rest or "").removeprefix(" "), True)
    return _read_unusual(text)


def _read_unusual(text: str) -> _Said:
    # Any order, any case. What follows `text` is what a person wrote, and may look like anything: keys in
    # it count only where they have not been seen before it.
    keys = list(_next_key(text))
    if not keys:
        return _NOTHING_SAID
    found: dict[str, str] = {}
    for index, key in enumerate(keys):
        name = key[1].lower()[:4].rstrip(" _-")
        name = {"subm": "submit", "dlvr": "dlvrd", "erro": "err"}.get(name, name)
        if name in found:
            continue
        if name == "text" and "id" in found and "stat" in found:
            found["text"] = text[key.end() :]
            break
        end = keys[index + 1].start() if index + 1 < len(keys) else len(text)
        found[name] = text[key.end() : end]
    return _Said(
        _other_key(found.get("id", ""))[0].strip(TRIMMED),
        _word(found.get("submit")),
        _word(found.get("done")),
        _word(found.get("stat")) or "",
        _word(found.get("err")),
        found.get("text", "").strip("\0").removeprefix(" "),
        "sub" in found or "dlvrd" in found,
    )


def _word(value: str | None) -> str | None:
    word = _first_word(value) if value else None
    return word[0] if word else None


def _text_of_body(pdu: DeliverSm | DataSm, body: bytes) -> str:
    if pdu.esm_class & EsmClass.UDHI and body:
        body = body[body[0] + 1 :]
    if pdu.data_coding == 8 and b"\0" in body:
        # UCS-2: the keys and ids are ASCII, so octet after octet is enough.
        body = body.replace(b"\0", b"")
    return str(body, "latin-1")


def _text_of(value: TlvValue) -> str:
    return str(value, "latin-1") if isinstance(value, bytes) else str(value)


def _number_of(value: TlvValue) -> int:
    if isinstance(value, int):
        return value
    return int.from_bytes(value, "big") if isinstance(value, bytes) and value else -1


def receipt_time(digits: str | None) -> datetime | None:
    """The time that a date of a receipt says, `YYMMDDhhmm` or with seconds; without a zone: it is the SMSC's.

    None where it says none, or no time that there is. Years are of this century. Four-digit years are read
    too.
    """
    if digits is None or not digits.isascii() or not digits.isdigit():
        return None
    if len(digits) == 14:
        digits = digits[2:]
    if len(digits) not in (10, 12):
        return None
    year, month, day, hour, minute, second = (int(digits[at : at + 2] or "0") for at in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second)
    except ValueError:
        return None


def write_receipt(
    message_id: str,
    state: MessageState,
    *,
    submit_date: datetime,
    done_date: datetime,
    error: str = "000",
    text: str = "",
    network_error: bytes | None = None,
    with_tlvs: bool = True,
) -> tuple[bytes, tuple[Tlv, ...]]:
    """short_message and TLVs of a receipt, for a deliver_sm with esm_class `RECEIPT` (or `INTERMEDIATE`).

    Of the text the first 20 characters go in, as in Appendix B. Raises ValueError when the id or text is not
    latin-1.
    """
    delivered = "001" if state is MessageState.DELIVERED else "000"
    said = (
        f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{_digits(submit_date)} "
        f"done date:{_digits(done_date)} stat:{_STATS[state]} err:{error} text:{text[:20]}"
    )
    tlvs: tuple[Tlv, ...] = ()
    if with_tlvs:
        tlvs = (Tlv(_RECEIPTED_MESSAGE_ID, message_id), Tlv(_MESSAGE_STATE, int(state)))
        if network_error is not None:
            tlvs += (Tlv(_NETWORK_ERROR_CODE, network_error),)
    return said.encode("latin-1"), tlvs


def _digits(time: datetime) -> str:
    return f"{time.year % 100:02}{time.month:02}{time.day:02}{time.hour:02}{time.minute:02}"
