"""Target `receipt`: read_receipt over texts and TLVs, the dates in it, and what we write read again."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Final

import msgspec

from gateway.smpp.codec import RecoverablePduError, decode
from gateway.smpp.constants import EsmClass, MessageState, Tag
from gateway.smpp.pdu import Address, DataSm, DeliverSm, Tlv
from gateway.smpp.receipt import Receipt, read_receipt, receipt_time, write_receipt

from .octets import LONG, framed, mutated, text, tlvs
from .target import Reader, Target, counted

_A: Final = Address(1, 1, "447700900123")
_ESM_CLASSES: Final = (0x04, 0x04, 0x00, 0x44, 0x20, 0x3C, 0x08, 0xFF)
_CODINGS: Final = (0, 0, 3, 8, 0x18, 0xF4, 4, 0xFF)
_KEYS: Final = (
    b"id:", b"sub:", b"dlvrd:", b"submit date:", b"done date:", b"stat:", b"err:", b"text:", b"Text:", b"ID=",
    b"status:",
    b"submitdate:", b"done_date:", b"error:", b"foo:", b"smsc-id:", b" id :",
)  # fmt: skip
_VALUES: Final = (
    b"0123456789", b"38601fa", b"a-b.c_d", b"001", b"0", b"1005232039", b"100523203912", b"20100523203912",
    b"9913322561",
    b"DELIVRD", b"delivered", b"UNDELIV", b"EXPIRED", b"REJECTD", b"ACCEPTD", b"UNKNOWN", b"ENROUTE", b"FAILED", b"2",
    b"000",
    b"\xe9\xff", b"", b"\0", b"\"quoted\"", b"text:id:1", b"hello id:7 stat:DELIVRD", b"\x05\x00\x03\x01\x02\x01",
)  # fmt: skip
_SEPARATORS: Final = (b" ", b" ", b" ", b"", b"  ", b"\r\n", b",", b";", b"\t", b"\0", b" ,; ")
_USUAL: Final = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:1005232039 done date:1005242339 stat:DELIVRD err:012 text:This is a",
    b"id:7f3a sub:001 dlvrd:000 submit date:1005232039 done date:1005242339 stat:UNDELIV err:069",
)  # fmt: skip


def check_receipt(octets: bytes) -> None:
    """A deliver_sm or data_sm of these octets is a receipt or none; what it says is of the kinds that it may be."""
    reader = Reader(octets)
    esm_class, data_coding, form = reader.octet(), reader.octet(), reader.octet()
    body = reader.counted()
    parameters = _tlvs_of(reader.rest())
    if form & 1 or len(body) > 254:
        parameters = (*parameters, Tlv(int(Tag.MESSAGE_PAYLOAD), body))
        body = b""
    pdu = (
        DataSm(_A, _A, esm_class, 0, data_coding, tlvs=parameters)
        if form & 2
        else DeliverSm(_A, _A, body, esm_class, data_coding, tlvs=parameters)
    )
    receipt = read_receipt(pdu, text_only=bool(form & 4))
    flagged = esm_class & EsmClass.TYPE_MASK in (EsmClass.RECEIPT, EsmClass.INTERMEDIATE)
    named = any(tlv.tag == Tag.RECEIPTED_MESSAGE_ID for tlv in parameters)
    if receipt is None:
        assert not flagged
        assert not named
        return
    assert flagged or named or form & 4, "a message was taken for a receipt"
    _check_values(receipt, flagged=flagged)
    if receipt.state is not None and form & 8:
        _check_written(receipt)


def _check_values(receipt: Receipt, *, flagged: bool) -> None:
    assert receipt.state is None or type(receipt.state) is MessageState
    assert flagged or not receipt.intermediate
    assert isinstance(receipt.id, str)
    assert isinstance(receipt.stat, str)
    assert receipt.error is None or isinstance(receipt.error, str)
    assert receipt.network_error is None or isinstance(receipt.network_error, bytes)
    assert receipt.source in ("tlv", "text", "both", "none")
    for value in (
        receipt.id,
        receipt.other_id,
        receipt.stat,
        receipt.text,
        receipt.error or "",
        receipt.done_date or "",
    ):
        value.encode()  # the store takes no lone surrogate
    for date in (receipt.submit_date, receipt.done_date):
        time = receipt_time(date)
        assert time is None or 2000 <= time.year < 2100
    hidden = msgspec.structs.replace(receipt, text="?" * len(receipt.text))
    assert repr(hidden) == repr(receipt), "the text is in what logs show"


def _check_written(receipt: Receipt) -> None:
    # Ours, with the id of theirs, is read as we meant it.
    assert receipt.state is not None
    at = receipt_time(receipt.done_date) or datetime(2026, 1, 2, 3, 4)
    try:
        said, parameters = write_receipt(receipt.id, receipt.state, submit_date=at, done_date=at, text=receipt.text)
    except ValueError:
        assert max(receipt.id + receipt.text) > "\xff"
        return
    again = read_receipt(DeliverSm(_A, _A, said, EsmClass.RECEIPT, tlvs=parameters))
    assert again is not None
    assert again.state is receipt.state
    assert again.id == receipt.id or not receipt.id


def _tlvs_of(octets: bytes) -> tuple[Tlv, ...]:
    # As a frame brings them, through the codec.
    frame = framed(bytes(4) + b"\0\0\1\3" + bytes(8) + b"\0\1\1001\0\1\1002\0\0\0\0" + octets)
    try:
        pdu = decode(frame)[2]
    except RecoverablePduError:
        return ()
    assert isinstance(pdu, DataSm)
    return pdu.tlvs


def _receipt(rng: random.Random) -> bytes:
    random = rng.random
    chance = random()
    if chance < 0.3:
        body = _USUAL[int(random() * len(_USUAL))]
    elif chance < 0.9:
        parts: list[bytes] = []
        for _ in range(1 + int(random() * 9)):
            parts.append(_KEYS[int(random() * len(_KEYS))])
            parts.append(_VALUES[int(random() * len(_VALUES))])
            parts.append(_SEPARATORS[int(random() * len(_SEPARATORS))])
        body = b"".join(parts)
    else:
        body = text(rng)
    if random() < 0.5:
        body = mutated(body, rng)
    if random() < 0.002:
        unit = LONG[int(random() * len(LONG))]
        at = int(random() * (len(body) + 1))
        body = body[:at] + (unit * (0xFF00 // len(unit)))[: int(random() * 0xFF00)] + body[at:]
    elif random() < 0.1:
        body = body.decode("latin-1").encode("utf-16-be")
    head = bytes(
        (
            _ESM_CLASSES[int(random() * len(_ESM_CLASSES))],
            _CODINGS[int(random() * len(_CODINGS))],
            int(random() * 16),
        )
    )
    return head + counted(body) + tlvs(rng)


TARGETS: Final = (Target("receipt", _receipt, check_receipt, 14),)
