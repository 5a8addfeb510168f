"""What is on the air: segments as they pass, and the messages that they make, for people and tests to look
at.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, TypeAlias

import msgspec

from gateway.smpp.pdu import Address, DataSm, DeliverSm, SubmitSm
from gateway.sms.reassembly import InboundPart, assemble, read_part
from gateway.sms.segment import Alphabet

Kind: TypeAlias = Literal[
    "bind", "bind_refused", "closed", "segment", "refused", "message", "receipt", "inbound", "rejected",
    "query", "cancel", "replace", "broadcast", "alert",
]  # fmt: skip
"""A bind taken or refused, or over; a segment taken or refused; a message complete; a receipt or a part of
an inbound message sent; a PDU that could not be read; a message asked about, cancelled or replaced; a
broadcast; an alert_notification sent.
"""


class OnAir(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. What does not apply to its kind is empty.

    `at` is wall clock time (seconds since 1970), `bind` the number of the bind. `part` of `total`, both
    from 1; `text` is None for binary; `octets` are without user data header. `status` is the command_status
    that is given, or for "closed" 0; `state` is the word of a receipt, or the name of the state that was asked for;
    `attempt` counts the sendings of one receipt or inbound part.
    """

    kind: Kind
    at: float
    bind: int = 0
    system_id: str = ""
    source: str = ""
    destination: str = ""
    part: int = 1
    total: int = 1
    encoding: str = ""
    text: str | None = None
    octets: bytes = b""
    message_id: str = ""
    status: int = 0
    state: str = ""
    attempt: int = 1
    detail: str = ""

    @property
    def hex(self) -> str:
        """The octets in hexadecimal."""
        return self.octets.hex()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message of which every part was taken. `at` is when the last one came, in seconds of the wall
    clock.
    """

    at: float
    source: str
    destination: str
    parts: int
    encoding: str
    text: str | None
    octets: bytes
    flags: tuple[str, ...] = ()


def show_address(address: Address) -> str:
    """An address for people: "+" before an international number (TON 1), any other as it is."""
    addr = address.addr
    return f"+{addr}" if address.ton == 1 and addr[:1] != "+" else addr


def part_of(pdu: SubmitSm | DeliverSm | DataSm) -> InboundPart:
    """The part that a message PDU carries, of either direction. Never raises."""
    short_message = b"" if isinstance(pdu, DataSm) else pdu.short_message
    tlvs = [(tlv.tag, tlv.value) for tlv in pdu.tlvs] if pdu.tlvs else ()
    return read_part(short_message, pdu.esm_class, pdu.data_coding, tlvs)


_Key: TypeAlias = tuple[str, Address, Address, str, int, int]


class Assembly:
    """Parts that wait for the rest of their message, up to `most` messages; then the one waiting longest
    goes.
    """

    def __init__(self, alphabet: Alphabet, most: int = 10_000) -> None:
        self.alphabet: Alphabet = alphabet
        self._most = most
        self._waiting: OrderedDict[_Key, dict[int, InboundPart]] = OrderedDict()
        self.evicted = 0
        """Messages given up incomplete."""

    @property
    def waiting(self) -> int:
        """Messages of which parts are missing."""
        return len(self._waiting)

    def add(
        self, system_id: str, source: Address, destination: Address, part: InboundPart, at: float
    ) -> Message | None:
        """The message that is complete with this part, if it is. A repeated part replaces the one before."""
        if part.total == 1:
            return self._message(source, destination, {1: part}, 1, at)
        key = (system_id, source, destination, part.scheme, part.ref, part.total)
        parts = self._waiting.setdefault(key, {})
        parts[part.seq] = part
        if len(parts) == part.total:
            del self._waiting[key]
            return self._message(source, destination, parts, part.total, at)
        if len(self._waiting) > self._most:
            self._waiting.popitem(last=False)
            self.evicted += 1
        return None

    def _message(
        self, source: Address, destination: Address, parts: dict[int, InboundPart], total: int, at: float
    ) -> Message:
        whole = assemble(parts, total, self.alphabet)
        return Message(
            at=at,
            source=show_address(source),
            destination=show_address(destination),
            parts=total,
            encoding=whole.encoding,
            text=whole.text,
            octets=whole.data,
            flags=whole.flags,
        )
