"""Inbound messages: single ones, parts of long ones, and their assembly in the transaction of the last part."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, ClassVar, Final

import msgspec

from gateway.sms.reassembly import Assembled, InboundPart, assemble
from gateway.sms.udh import InformationElement
from gateway.store.ends import rfc3339
from gateway.store.hot import INSERT_INBOUND, INSERT_MO_PART, Row
from gateway.store.tx import Op, Tx

COMPLETE_PART: Final = 0
"""The part number of the row that stays when a message is complete, so that late copies of parts are known."""


class InboundEvent(msgspec.Struct):
    """Payload of an ``inbound`` event. ``data`` is hex, where there is no text."""

    at: str
    id: str
    number: str
    peer: str
    text: str | None
    data: str | None
    encoding: str
    parts: int
    complete: bool
    carrier: str


class Arrival:
    """One deliver_sm that is a message or a part of one, as read from the PDU.

    ``text``, ``data`` and ``encoding`` are those of a message in one part; ``part`` is set for the others, and
    ``alphabet`` is what data_coding 0 means where it came from. ``extra`` is JSON of flags, other header elements and
    TLVs, kept for handlers.
    """

    __slots__ = ("alphabet", "at", "carrier", "data", "encoding", "extra", "number", "part", "peer", "text")

    def __init__(
        self,
        *,
        carrier: str,
        number: str,
        peer: str,
        at: int,
        text: str | None,
        data: bytes | None,
        encoding: str,
        extra: str | None,
        part: InboundPart | None = None,
        alphabet: str = "gsm7",
    ) -> None:
        self.carrier = carrier
        self.number = number
        self.peer = peer
        self.at = at
        self.text = text
        self.data = data
        self.encoding = encoding
        self.extra = extra
        self.part = part
        self.alphabet = alphabet


class Message:
    """An inbound message as it is stored: whole, or partial when its time was up."""

    __slots__ = ("carrier", "complete", "data", "encoding", "extra", "id", "number", "parts", "peer", "text")

    def __init__(
        self,
        id: int,
        carrier: str,
        number: str,
        peer: str,
        text: str | None,
        data: bytes | None,
        encoding: str,
        parts: int,
        complete: bool,
        extra: str | None,
    ) -> None:
        self.id = id
        self.carrier = carrier
        self.number = number
        self.peer = peer
        self.text = text
        self.data = data
        self.encoding = encoding
        self.parts = parts
        self.complete = complete
        self.extra = extra


_encoder = msgspec.json.Encoder()


def keep(tx: Tx, messages: list[Message]) -> None:
    """Stores inbound messages and tells those whom they are for, in the same transaction."""
    rows: list[Row] = []
    for m in messages:
        rows.append((m.id, m.carrier, m.number, m.peer, m.text, m.data, m.encoding, m.parts, int(m.complete), m.extra))
        streams = tx.streams.for_inbound(m.number)
        if not streams:
            tx.count("inbound_unrouted")
            continue
        event = InboundEvent(
            at=rfc3339(tx.now),
            id=tx.id_text.format(m.id),
            number=m.number,
            peer=m.peer,
            text=m.text,
            data=m.data.hex() if m.data is not None else None,
            encoding=m.encoding,
            parts=m.parts,
            complete=m.complete,
            carrier=m.carrier,
        )
        tx.emit(streams, "inbound", m.id, _encoder.encode(event))
    INSERT_INBOUND.run(tx.con, rows)


class InboundOp(Op):
    """The inbound messages and parts of one burst; the carrier gets its answers after the commit."""

    __slots__ = ("arrivals", "context")
    order: ClassVar[int] = 70
    name: ClassVar[str] = "inbound"

    def __init__(self, arrivals: list[Arrival], context: Any = None) -> None:
        super().__init__()
        self.arrivals = arrivals
        self.context = context

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.arrivals), sum(600 + len(a.data or b"") for a in self.arrivals)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        arrivals = [a for op in ops for a in op.arrivals]
        ended = _add_parts(tx, arrivals)
        # In the order of arrival: a long message stands where the part came that completed it.
        whole: list[Message] = []
        for position, a in enumerate(arrivals):
            if a.part is None:
                whole.append(
                    Message(tx.ids.next(), a.carrier, a.number, a.peer, a.text, a.data, a.encoding, 1, True, a.extra)
                )
            else:
                for message in ended.get(position, ()):
                    message.id = tx.ids.next()
                    whole.append(message)
        keep(tx, whole)


class _PartExtra(msgspec.Struct, omit_defaults=True):
    alphabet: str = "gsm7"
    elements: tuple[tuple[int, bytes], ...] = ()
    flags: tuple[str, ...] = ()
    extra: str | None = None
    udh_octets: int = 0


_extra_decoder = msgspec.json.Decoder(_PartExtra)
_GroupKey = tuple[str, str, str, int, int]
_Part = tuple[bytes, int, str | None, str]
"""data, data_coding, what `_PartExtra` holds as JSON, carrier."""


def _add_parts(tx: Tx, arrivals: list[Arrival]) -> dict[int, list[Message]]:
    """Stores parts; returns the messages that they brought to an end, without ids, by the place of the arrival."""
    groups: dict[_GroupKey, list[tuple[int, Arrival, InboundPart]]] = {}
    for position, a in enumerate(arrivals):
        part = a.part
        if part is not None:
            key: _GroupKey = (a.number, a.peer, part.scheme, part.ref, part.total)
            groups.setdefault(key, []).append((position, a, part))
    ended: dict[int, list[Message]] = {}
    rows: list[Row] = []
    for key, of_group in groups.items():
        rows += _add_to_group(tx, key, of_group, ended)
    INSERT_MO_PART.run(tx.con, rows)
    return ended


def _add_to_group(
    tx: Tx, key: _GroupKey, arrivals: list[tuple[int, Arrival, InboundPart]], ended: dict[int, list[Message]]
) -> list[Row]:
    """Takes the parts under one reference as they came; returns the rows that wait for others.

    A part that is there already is a copy. One with the same number and other octets opens another message, since
    references are used again (an 8-bit one soon): what there was is told of as partial. Copies that come when their
    message is whole wait like parts, and are dropped where the message that they make is the one that was told of.
    """
    waiting = _stored_parts(tx, key)
    mark = waiting.pop(COMPLETE_PART, None)
    told = mark[0] if mark is not None else b""
    on_disk = bool(waiting)
    fresh: dict[int, Row] = {}
    for position, a, part in arrivals:
        extra = _PartExtra(
            a.alphabet,
            tuple((e.id, e.data) for e in part.udh_other),
            part.flags,
            a.extra,
            part.udh_octets,
        )
        arrived: _Part = (part.data, part.data_coding, _encoder.encode(extra).decode(), a.carrier)
        known = waiting.get(part.seq)
        if known is not None and known[:2] == arrived[:2]:
            tx.count("inbound_part_duplicate")
            continue
        over = known is not None
        if not over:
            waiting[part.seq] = arrived
            fresh[part.seq] = (*key, part.seq, a.carrier, tx.now, part.data, part.data_coding, arrived[2])
            if len(waiting) < key[4]:
                continue
        if _is_copy(waiting, told):
            tx.count("inbound_part_duplicate", len(waiting))
        else:
            ended.setdefault(position, []).append(_assemble(key, waiting, a.carrier))
            if over:
                tx.count("inbound_partial")
            elif key[4] > 1:  # one part alone needs no mark: it comes again as any short message may
                told = _digests(waiting)
                tx.con.execute(_PUT_MARK, (*key, COMPLETE_PART, a.carrier, tx.now, told, 0))
        if on_disk:
            tx.con.execute(_DELETE_PARTS, (*key, COMPLETE_PART))
            on_disk = False
        waiting, fresh = {}, {}
        if over:
            waiting[part.seq] = arrived
            fresh[part.seq] = (*key, part.seq, a.carrier, tx.now, part.data, part.data_coding, arrived[2])
    return list(fresh.values())


_DELETE_PARTS: Final = (
    "DELETE FROM mo_part WHERE number = ? AND peer = ? AND scheme = ? AND ref = ? AND total = ? AND part > ?"
)
_PUT_MARK: Final = (
    "INSERT INTO mo_part (number, peer, scheme, ref, total, part, carrier, received_at, data, data_coding)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number, peer, scheme, ref, total, part)"
    " DO UPDATE SET carrier = excluded.carrier, received_at = excluded.received_at, data = excluded.data"
)


def _stored_parts(tx: Tx, key: _GroupKey) -> dict[int, _Part]:
    rows = tx.con.execute(
        "SELECT part, data, data_coding, extra, carrier FROM mo_part"
        " WHERE number = ? AND peer = ? AND scheme = ? AND ref = ? AND total = ?",
        key,
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


DIGEST: Final = 8


def _digest(part: _Part) -> bytes:
    return blake2b(part[0], digest_size=DIGEST, key=bytes([part[1] & 0xFF])).digest()


def _digests(parts: dict[int, _Part]) -> bytes:
    """What the mark of a complete message keeps of its parts, in their order."""
    return b"".join([_digest(part) for _, part in sorted(parts.items())])


def _is_copy(parts: dict[int, _Part], told: bytes) -> bool:
    """Whether all these parts are of the message with this mark."""
    return bool(told) and all(told[(seq - 1) * DIGEST : seq * DIGEST] == _digest(p) for seq, p in parts.items())


def _assemble(key: _GroupKey, stored: dict[int, _Part], carrier: str) -> Message:
    number, peer, scheme, ref, total = key
    parts: dict[int, InboundPart] = {}
    alphabet = "gsm7"
    extra: dict[str, Any] = {}
    for seq, (data, data_coding, packed, _) in sorted(stored.items()):
        more = _extra_decoder.decode(packed) if packed else _PartExtra()
        alphabet = more.alphabet
        if more.extra is not None:
            extra = msgspec.json.decode(more.extra) | extra
        if more.elements:
            extra.setdefault("udh", [[i, d.hex()] for i, d in more.elements])
        parts[seq] = InboundPart(
            scheme=scheme,  # type: ignore[arg-type]
            ref=ref,
            total=total,
            seq=seq,
            data=data,
            data_coding=data_coding,
            udh_other=tuple(InformationElement(i, d) for i, d in more.elements),
            flags=more.flags,
            udh_octets=more.udh_octets,
        )
    joined: Assembled = assemble(parts, total, alphabet)  # type: ignore[arg-type]
    if joined.flags:
        extra["flags"] = joined.flags
    return Message(
        0,
        carrier,
        number,
        peer,
        joined.text,
        None if joined.text is not None else joined.data,
        joined.encoding,
        total,
        joined.complete,
        _encoder.encode(extra).decode() if extra else None,
    )


class GiveUpPartsOp(Op):
    """Messages whose missing parts did not come by ``before`` (ms) are kept as partial and told of, once.

    ``complete_before`` (ms) is when the marks of complete messages are no longer needed. ``given_up`` is the number of
    parts that were found, at most ``at_once``: then there may be more.
    """

    __slots__ = ("before", "complete_before", "given_up")
    order: ClassVar[int] = 71
    name: ClassVar[str] = "give_up_parts"
    at_once: ClassVar[int] = 200

    def __init__(self, before: int, complete_before: int) -> None:
        super().__init__()
        self.before = before
        self.complete_before = complete_before
        self.given_up = 0

    @property
    def weight(self) -> tuple[int, int]:
        return self.at_once, 600 * self.at_once

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            rows = tx.con.execute(
                "SELECT number, peer, scheme, ref, total FROM mo_part p WHERE received_at < ? AND part > 0"
                " AND NOT EXISTS (SELECT 1 FROM mo_part q WHERE q.number = p.number AND q.peer = p.peer"
                "  AND q.scheme = p.scheme AND q.ref = p.ref AND q.total = p.total"
                "  AND q.part > 0 AND q.received_at >= ?) LIMIT ?",
                (op.before, op.before, cls.at_once),
            ).fetchall()
            partial: list[Message] = []
            for key in dict.fromkeys(rows):
                stored = _stored_parts(tx, key)
                mark = stored.pop(COMPLETE_PART, None)
                if mark is not None and _is_copy(stored, mark[0]):
                    tx.count("inbound_part_duplicate", len(stored))
                else:
                    message = _assemble(key, stored, next(iter(stored.values()))[3])
                    message.id = tx.ids.next()
                    partial.append(message)
                tx.con.execute(_DELETE_PARTS, (*key, COMPLETE_PART))
            keep(tx, partial)
            tx.count("inbound_partial", len(partial))
            op.given_up = len(rows)
            tx.con.execute(
                "DELETE FROM mo_part AS p WHERE part = 0 AND received_at < ?"
                " AND NOT EXISTS (SELECT 1 FROM mo_part q WHERE q.number = p.number AND q.peer = p.peer"
                "  AND q.scheme = p.scheme AND q.ref = p.ref AND q.total = p.total AND q.part > 0)",
                (op.complete_before,),
            )
