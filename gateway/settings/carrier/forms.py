"""Forms of a carrier's settings that the usual types do not say: TON/NPI, TLVs, zones, codes, words of receipts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from pydantic import AfterValidator, BeforeValidator

from gateway.settings.errors import nearest, show
from gateway.settings.types import Form, fail
from gateway.smpp.constants import CommandStatus, MessageState, Tag
from gateway.smpp.pdu import Tlv
from gateway.smpp.receipttext import ReceiptText
from gateway.smpp.tlv import C_STRING, KINDS, TLVS, tag_name, write_tlvs

KINDS_OF_ADDRESS: Final = ("international", "national", "short_code", "alphanumeric")
MAX_TLVS: Final = 1024
"""Octets of the TLVs of every submit."""
LONGEST_TEXT: Final = 64
"""Characters of a text that a TLV carries by its tag alone."""
_OURS: Final = frozenset({Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM})
"""What ties segments together is set for each of them."""
_TAGS: Final[dict[str, int]] = {kind.name: int(tag) for tag, kind in TLVS.items()}
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})").fullmatch


def _table(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise fail("table", f"a table of {what}")
    return value


def _named(key: Any, known: Any) -> str:
    near = nearest(str(key), known)
    return f"{show(str(key))}" + (f"; did you mean {near}?" if near else "")


# --- TON and NPI ------------------------------------------------------------------------------------------------------


def ton_npi_of(text: str) -> tuple[int, int]:
    """TON and NPI of ``"5/0"``. Raises ValueError."""
    ton, slash, npi = text.partition("/")
    if not (slash and ton.isascii() and ton.isdigit() and npi.isascii() and npi.isdigit()):
        raise ValueError(text)
    pair = int(ton), int(npi)
    if max(pair) > 255:
        raise ValueError(text)
    return pair


def _ton_npis(value: Any) -> dict[str, str]:
    table = _table(value, 'kinds of address, such as { alphanumeric = "5/0" }')
    for kind, pair in table.items():
        if kind not in KINDS_OF_ADDRESS:
            kinds = ", ".join(KINDS_OF_ADDRESS)
            raise fail("in_table", f"kinds of address ({kinds}), not {_named(kind, KINDS_OF_ADDRESS)}")
        try:
            ton_npi_of(pair if isinstance(pair, str) else "")
        except ValueError:
            raise fail("in_table", f'TON and NPI of {kind} as "5/0", each 0 to 255, not {show(pair)}') from None
    return dict(table)


TonNpis = Annotated[dict[str, str], BeforeValidator(_ton_npis)]


# --- TLVs -------------------------------------------------------------------------------------------------------------


def tag_of(name: str) -> int:
    """A tag by its number, hexadecimal or decimal, or by its name in SMPP. Raises ValueError."""
    tag = _TAGS.get(name)
    if tag is None:
        tag = int(name, 0)
    if not 0 < tag <= 0xFFFF:
        raise ValueError(name)
    return tag


def tlvs_of(table: Mapping[str, str | int]) -> tuple[Tlv, ...]:
    """The TLVs of a table that was checked, in its order."""
    return tuple(Tlv(tag_of(name), _octets(tag_of(name), value)) for name, value in table.items())


def _octets(tag: int, value: str | int) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(KINDS[tag])
    if value.startswith("hex:"):
        return bytes.fromhex(value[4:])
    octets = value.encode()
    return octets + b"\0" if KINDS.get(tag) == C_STRING else octets


def _tlvs(value: Any) -> dict[str, str | int]:
    table = _table(value, 'TLVs, such as { "0x1400" = "1101123456789" }')
    seen: dict[int, str] = {}
    for name, given in table.items():
        try:
            tag = tag_of(name)
        except ValueError:
            raise fail(
                "in_table", f"tags from 0x0001 to 0xFFFF or names of SMPP's, not {_named(name, _TAGS)}"
            ) from None
        said = tag_name(tag)
        if tag in _OURS:
            raise fail("in_table", f"no TLV that ties segments together, as {said} does: the gateway sets it")
        if tag in seen:
            raise fail("in_table", f"each tag once; {show(seen[tag])} and {show(name)} are the same")
        seen[tag] = name
        _check_value(tag, said, given)
    try:
        written = write_tlvs(tlvs_of(table))
    except ValueError as error:
        raise fail("in_table", f"TLVs that can be sent ({error})") from None
    if len(written) > MAX_TLVS:
        raise fail("in_table", f"at most {MAX_TLVS} octets of TLVs in all")
    return dict(table)


def _text_tag(value: Any) -> str:
    try:
        tag = tag_of(value if isinstance(value, str) else "")
        if tag in _OURS or KINDS.get(tag, C_STRING) != C_STRING:
            raise ValueError(value)
        for text in ("x", "x" * LONGEST_TEXT):
            write_tlvs((text_tlv(value, text),))
    except ValueError:
        raise fail("tag", 'the tag of a TLV that takes text, such as "0x1400"') from None
    return str(value)


TextTag = Annotated[str, BeforeValidator(_text_tag)]


def text_tlv(name: str, text: str) -> Tlv:
    """The TLV of a tag that was checked, with a text."""
    return tlvs_of({name: text})[0]


def _check_value(tag: int, said: str, given: Any) -> None:
    kind = KINDS.get(tag)
    size = 0 if kind is None or kind == C_STRING else kind
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise fail("in_table", f"text, hex: with octets, or a number as {said}, not {show(given)}")
    if isinstance(given, int):
        if not size:
            raise fail(
                "in_table", f'text or "hex:" with octets as {said}: its width is not known for the number {given}'
            )
        if not 0 <= given < 1 << 8 * size:
            raise fail("in_table", f"0 to {(1 << 8 * size) - 1} as {said}, not {given}")
        return
    try:
        octets = _octets(tag, given)
    except ValueError:
        raise fail("in_table", f'octets in hexadecimal behind "hex:" as {said}, not {show(given)}') from None
    if size and len(octets) not in TLVS[tag].sizes:
        sizes = " or ".join(map(str, TLVS[tag].sizes))
        raise fail("in_table", f"{sizes} octets as {said}, not {len(octets)}")


Tlvs = Annotated[dict[str, str | int], BeforeValidator(_tlvs)]


# --- places and times -------------------------------------------------------------------------------------------------


def zone_of(name: str) -> tzinfo:
    """The zone of an IANA name or of a difference such as ``+05:30``. Raises ValueError."""
    if name == "UTC":
        return UTC
    if (match := _OFFSET(name)) is not None:
        hours, minutes = int(match[2]), int(match[3])
        if hours > 14 or minutes > 59:
            raise ValueError(name)
        away = timedelta(hours=hours, minutes=minutes)
        return timezone(away if match[1] == "+" else -away)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(name) from None


def _zone(value: str) -> str:
    try:
        zone_of(value)
    except ValueError:
        raise fail("zone", 'a zone such as "Europe/Paris", or a difference from UTC such as "+05:30"') from None
    return value


Zone = Annotated[str, AfterValidator(_zone), Form("zone")]


def _region(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise fail("region", 'a region of ISO 3166 in two capital letters, such as "US"')
    return value


Region = Annotated[str, AfterValidator(_region), Form("region")]


# --- receipts and codes -----------------------------------------------------------------------------------------------

STATES: Final[dict[str, MessageState]] = {
    "delivered": MessageState.DELIVERED,
    "expired": MessageState.EXPIRED,
    "deleted": MessageState.DELETED,
    "undeliverable": MessageState.UNDELIVERABLE,
    "rejected": MessageState.REJECTED,
    "accepted": MessageState.ACCEPTED,
    "enroute": MessageState.ENROUTE,
    "unknown": MessageState.UNKNOWN,
}
REASONS_AT_THE_END: Final = (
    "absent",
    "barred",
    "carrier_refused",
    "deleted",
    "expired_at_carrier",
    "handset_full",
    "invalid_destination",
    "landline",
    "network_failure",
    "no_credit",
    "no_sms_capability",
    "not_registered",
    "opted_out_at_carrier",
    "rejected_by_carrier",
    "sender_refused",
    "spam",
    "undelivered",
    "unknown_subscriber",
)
"""Reasons that a carrier's code may stand for."""
_STATUSES: Final = {status.name: int(status) for status in CommandStatus}


def _template(value: str) -> str:
    try:
        ReceiptText(value)
    except ValueError as error:
        raise fail("receipt_text", f'a form such as "Message {{id}} is {{stat}}" ({error})') from None
    return value


ReceiptTemplate = Annotated[str, AfterValidator(_template)]


def _words(value: Any) -> dict[str, str]:
    table = _table(value, 'words, such as { KO = "undeliverable" }')
    for word, state in table.items():
        if state not in STATES:
            raise fail("in_table", f"a state for {show(word)} of {', '.join(STATES)}, not {_named(state, STATES)}")
    return dict(table)


ReceiptWords = Annotated[dict[str, str], BeforeValidator(_words)]


def status_of(code: str) -> int | None:
    """The command_status that a key of `reasons` names, None where it names an `err`. Raises ValueError."""
    if code.startswith("err:"):
        if not code[4:].strip():
            raise ValueError(code)
        return None
    text = code.removeprefix("status:")
    status = _STATUSES.get(text)
    if status is None:
        status = int(text, 0)
    if not 0 < status <= 0xFFFFFFFF:
        raise ValueError(code)
    return status


def fold_error(code: str) -> str:
    """A code of a receipt without what carriers write in more than one way: case, and zeros in front."""
    return code.strip().lower().lstrip("0") or "0"


def _reasons(value: Any) -> dict[str, str]:
    table = _table(value, 'codes, such as { "err:045" = "absent" }')
    seen: dict[int | str, str] = {}
    for code, reason in table.items():
        try:
            status = status_of(code)
        except ValueError:
            said = f'codes as "0x45", "ESME_RSUBMITFAIL" or "err:045", not {_named(code, _STATUSES)}'
            raise fail("in_table", said) from None
        if reason not in REASONS_AT_THE_END:
            known = ", ".join(REASONS_AT_THE_END)
            raise fail("in_table", f"a reason for {show(code)} of {known}, not {_named(reason, REASONS_AT_THE_END)}")
        key = fold_error(code[4:]) if status is None else status
        if key in seen:
            raise fail("in_table", f"each code once; {show(seen[key])} and {show(code)} are the same")
        seen[key] = code
    return dict(table)


ReasonCodes = Annotated[dict[str, str], BeforeValidator(_reasons)]
