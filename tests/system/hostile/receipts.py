"""Message ids and receipts as carriers write them, each in its own way (SMPP 3.4 §5.3.2.12, Appendix B)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from bench import wire
from tests.system.hostile.conduct import CROSSED, FORMS, WAYS, Conduct
from tests.system.hostile.records import Submitted

_FIRST_ID = 3_000_000
STATES = {"DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "REJECTD": 8}
NETWORK_ERROR_CODE = 0x0423


class Fate(NamedTuple):
    """What becomes of a segment at the phone: the same for all copies, which are one text to one phone."""

    state: str
    error: int


def fate(submit: Submitted, undelivered: int) -> Fate:
    """One in ``undelivered`` is not delivered; the error code tells the segment, as well as three digits can."""
    hashed = crc32(f"{submit.peer} {submit.label} {submit.part}".encode())
    lost = undelivered and hashed // 1000 % undelivered == 0
    return Fate("UNDELIV" if lost else "DELIVRD", hashed % 1000)


class Ids:
    """Gives ids, and says how response and receipt write them."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._next = _FIRST_ID
        self._half: int | None = None

    def next(self, form: str) -> tuple[str, str]:
        """The id of a new message as the response has it and as the receipt has it."""
        if form == CROSSED:
            if self._half is None:
                number = self._half = self._number()
            else:
                # Its hexadecimal form is the decimal one of the message before.
                number, self._half = int(str(self._half), 16), None
            return str(number), f"{number:x}"
        number = self._number()
        response, receipt = FORMS[form]
        return response.format(number), receipt.format(number)

    def never_given(self) -> str:
        """An id in the form of those that are given."""
        return str(self._number())

    def _number(self) -> int:
        self._next += self._rng.randint(1, 9)
        return self._next


@dataclass
class Owed:
    """A receipt that the carrier keeps until it is acknowledged. ``body`` is of its deliver_sm."""

    body: bytes
    smsc_id: str
    fate: Fate
    submit: Submitted | None
    account: int = 0
    contradicts: bool = False


def owed(conduct: Conduct, submit: Submitted, account: int, place: int, of: Fate, *, contradicts: bool = False) -> Owed:
    """The receipt for a submit that was taken; it goes to a bind of that account; ``place`` counts."""
    way = WAYS[place % len(WAYS)] if conduct.way == "each" else conduct.way
    body = _body(submit.receipt_id, submit.peer, submit.number, of, way)
    return Owed(body, submit.receipt_id, of, submit, account, contradicts)


def orphan(smsc_id: str, peer: str, number: str) -> Owed:
    """A receipt for an id that was never given."""
    of = Fate("DELIVRD", 999)
    return Owed(_body(smsc_id, peer, number, of, "both"), smsc_id, of, None)


def contradiction(of: Fate) -> Fate:
    """Another end, as carriers tell of one message."""
    return Fate("DELIVRD" if of.state == "UNDELIV" else "UNDELIV", (of.error + 1) % 1000)


def _body(smsc_id: str, peer: str, number: str, of: Fate, way: str) -> bytes:
    text = (
        f"id:{smsc_id} sub:001 dlvrd:{int(of.state == 'DELIVRD'):03} submit date:2611220500 done date:2611220501 "
        f"stat:{of.state} err:{of.error:03} text:"
    )
    tlvs = (
        wire.tlv(wire.RECEIPTED_MESSAGE_ID, smsc_id.encode() + b"\0")
        + wire.tlv(wire.MESSAGE_STATE, bytes((STATES[of.state],)))
        + wire.tlv(NETWORK_ERROR_CODE, b"\x03" + of.error.to_bytes(2, "big"))
    )
    return wire.short_message_body(
        wire.address(peer),
        wire.address(number),
        b"" if way.startswith("tlv") else text.encode(),
        esm_class=0 if way.endswith("alone") else wire.TYPE_RECEIPT,
        tlvs=b"" if way.startswith("text") else tlvs,
    )
