"""One long inbound message as the store has it: what waits, what was told of, and the message that its parts make."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec

from gateway.sms.encoding import Alphabet
from gateway.sms.reassembly import InboundPart, InboundScheme, assemble
from gateway.sms.udh import InformationElement
from gateway.store.arrivals import Arrival, Message, Ports, Tlvs, extra_of, hex_elements, ports_by
from gateway.store.hot import DELETE_MO_PARTS, PUT_MO_MESSAGE, PUT_MO_PART, SELECT_MO_MESSAGE, SELECT_MO_PART, Row
from gateway.store.tx import Tx
from gateway.store.waiting import units_of

DIGEST: Final = 8
TOLD: Final = 1 + DIGEST

Key = tuple[str, str, int, int]
"""Peer, number, reference, total."""


class Kept(msgspec.Struct, omit_defaults=True):
    """What is kept of a part beside its octets, as JSON."""

    alphabet: Alphabet = "gsm7"
    elements: tuple[tuple[int, bytes], ...] = ()
    flags: tuple[str, ...] = ()
    udh_octets: int = 0
    ports: Ports | None = None  # as the TLVs say
    tlvs: Tlvs | None = None


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Kept)


class Part(msgspec.Struct, gc=False):
    """A part that waits, or has just come."""

    data: bytes
    data_coding: int
    scheme: InboundScheme
    carrier: str
    at: int  # when it came, ms
    kept: str | None

    @property
    def digest(self) -> bytes:
        return blake2b(self.data, digest_size=DIGEST, key=bytes((self.data_coding & 0xFF,))).digest()

    @property
    def units(self) -> int:
        return units_of(len(self.data) + len(self.kept or ""))


class Long:
    """One long message in a transaction: the parts that wait, and which were told of already.

    ``told`` is its mark: of each part that was told of, its number in one octet and its digest in eight. Late copies
    are known by it, and parts that come after the rest of their message was told of as partial.
    """

    __slots__ = ("changed", "cleared", "fresh", "id", "key", "parts", "stored", "told")

    def __init__(self, key: Key, id: int | None = None, units: int = 0, told: bytes = b"") -> None:
        self.key = key
        self.id = id  # None: no row yet
        self.stored = units  # what its row says
        self.told = told
        self.parts: dict[int, Part] = {}
        self.fresh: set[int] = set()  # of them, those without a row
        self.cleared = False  # rows of parts that do not wait any more are to go
        self.changed = False  # more than copies came

    def marks(self) -> dict[int, bytes]:
        """Digests of the parts that were told of, by number."""
        told = self.told
        return {told[at]: told[at + 1 : at + TOLD] for at in range(0, len(told), TOLD)}

    def mark(self, digests: dict[int, bytes]) -> None:
        """These parts were told of; nothing waits."""
        self.told = b"".join([bytes((seq,)) + digest for seq, digest in sorted(digests.items())])
        self.clear()

    def put(self, seq: int, part: Part) -> None:
        """A part waits."""
        self.parts[seq] = part
        self.fresh.add(seq)
        self.changed = True

    def clear(self) -> None:
        """Nothing waits."""
        self.cleared = self.cleared or self.stored > 0
        self.parts = {}
        self.fresh = set()
        self.changed = True


def part_of(tx: Tx, a: Arrival, part: InboundPart) -> Part:
    """A part that has just come, as it is kept."""
    extra = a.extra
    kept = Kept(
        a.alphabet,
        tuple([(e.id, e.data) for e in part.udh_other]),
        part.flags,
        part.udh_octets,
        extra.ports if extra is not None else None,
        extra.tlvs if extra is not None else None,
    )
    return Part(part.data, part.data_coding, part.scheme, a.carrier, tx.now, _encoder.encode(kept).decode())


# --- rows -------------------------------------------------------------------------------------------------------------


def load(tx: Tx, keys: list[Key]) -> list[Long]:
    """The messages under these keys as they are stored, in this order."""
    longs = [Long(key) for key in keys]
    for i, id, units, told in SELECT_MO_MESSAGE.fetch(tx.con, [(i, *key) for i, key in enumerate(keys)]):
        long = longs[i]
        long.id, long.stored, long.told = id, units, told
    load_parts(tx, longs)
    return longs


def load_parts(tx: Tx, longs: list[Long]) -> None:
    """Reads the parts that wait."""
    wanted = [(i, long.id) for i, long in enumerate(longs) if long.stored]
    for i, seq, *columns in SELECT_MO_PART.fetch(tx.con, wanted):
        longs[i].parts[seq] = Part(*columns)


def save(tx: Tx, longs: Iterable[Long]) -> None:
    """Writes what was changed."""
    gone: list[Row] = []
    rows: list[Row] = []
    parts: list[Row] = []
    waiting = tx.waiting
    for long in longs:
        if not long.changed:
            continue
        units = sum([p.units for p in long.parts.values()])
        if long.cleared:
            gone.append((long.id,))
        if long.id is None:
            long.id = tx.ids.next()
            waiting.marks += not units
        else:
            waiting.marks += (not units) - (not long.stored)
        rows.append((long.id, *long.key, units, tx.now, long.told))
        for seq in long.fresh:
            p = long.parts[seq]
            parts.append((long.id, seq, p.data, p.data_coding, p.scheme, p.carrier, p.at, p.kept))
        waiting.add(long.key[0], units - long.stored)
        long.stored, long.fresh = units, set()
        long.cleared = long.changed = False
    DELETE_MO_PARTS.run(tx.con, gone)
    PUT_MO_MESSAGE.run(tx.con, rows)
    PUT_MO_PART.run(tx.con, parts)


# --- the message ------------------------------------------------------------------------------------------------------


def _kept(part: Part) -> Kept:
    if not part.kept:
        return Kept()
    try:
        return _decoder.decode(part.kept)
    except msgspec.DecodeError:
        # A damaged row shall not hold up its message, nor those behind it: its octets are still there to see.
        return Kept(flags=("damaged",))


def message_of(key: Key, parts: dict[int, Part], carrier: str, flags: tuple[str, ...] = ()) -> Message:
    """The message that parts make, whole or with what there is, with ``flags`` before those of the parts."""
    peer, number, ref, total = key
    read: dict[int, InboundPart] = {}
    alphabets: dict[int, Alphabet] = {}
    udh: dict[tuple[int, str], None] = {}
    tlvs: Tlvs = {}
    ports: Ports | None = None
    for seq, p in sorted(parts.items()):
        kept = _kept(p)
        elements = tuple([InformationElement(i, d) for i, d in kept.elements])
        read[seq] = InboundPart(
            scheme=p.scheme,
            ref=ref,
            total=total,
            seq=seq,
            data=p.data,
            data_coding=p.data_coding,
            udh_other=elements,
            flags=kept.flags,
            udh_octets=kept.udh_octets,
        )
        alphabets[seq] = kept.alphabet
        # All parts should say the same beside their text: the first that says something counts.
        udh.update(dict.fromkeys(hex_elements(elements)))
        if kept.tlvs:
            tlvs = kept.tlvs | tlvs
        if ports is None:
            ports = ports_by(elements, kept.ports)
    joined = assemble(read, total, alphabets)
    return Message(
        carrier,
        number,
        peer,
        joined.text,
        joined.data if joined.text is None or joined.encoding == "binary" else None,
        joined.encoding,
        total,
        joined.complete,
        extra_of(flags=flags + joined.flags, udh=tuple(udh), ports=ports, tlvs=tlvs or None, missing=joined.missing),
    )
