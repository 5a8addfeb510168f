"""The rows of a database as a daemon would have left it after so many messages: pure, and in the order of their keys.

Messages over some weeks, from the numbers of the traces to phones that are written to about ten times each: texts of
the traces, one in twenty of several segments, one in 33 undelivered. For every ten of them somebody writes back; each
of these phones has a peer and a thread, and half of the threads were read. What happened last is still told of by
events of the subscription of the load generator, all acknowledged.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from bench import keys, trace
from bench.trace import NUMBERS
from gateway.model import IdText, State, id_floor
from gateway.sms.segment import plan
from gateway.store.arrivals import InboundEvent
from gateway.store.ends import ReceiptEvent, rfc3339
from gateway.store.forms import fold
from gateway.store.matching import smsc_bucket

Row = tuple[Any, ...]
APP: Final = "local"
CARRIER: Final = "sink"
"""As `bench.daemon.config` has them."""
STREAM: Final = 2
"""Of the subscription `bench`; the first stream is the one of replies."""
CHUNK: Final = 20_000
"""Messages between two writes."""
PER_PHONE: Final = 10
PER_INBOUND: Final = 10
UNDELIVERED: Final = 33
VALIDITY_MS: Final = 172_800_000
_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000
_STRIDE: Final = 15_485_863
"""A prime, so that one phone after the other is not the one beside it."""
_INBOUND_BIT: Final = 0x4000
"""Of the counter in an id: what comes in has other ids than what goes out in the same millisecond."""
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Plan:
    """So many messages over so many days, the last at ``end`` (ms since 1970). ``events``: of the last ones."""

    messages: int
    end: int
    days: float = 30.0
    events: int = 200_000

    def at(self, number: int) -> int:
        """When a message was taken in, in ms since 1970."""
        return self.end - int((self.messages - 1 - number) * self.days * _DAY_MS / self.messages)

    @property
    def phones(self) -> int:
        """Phones that were written to."""
        return max(self.messages // PER_PHONE, 1)

    @property
    def writers(self) -> int:
        """Phones that wrote, each about twice."""
        return max(self.phones // 2, 1)


def phone(number: int) -> str:
    """A phone by its number; they rise together."""
    return f"+3706{number:07d}"


class _Text(NamedTuple):
    """A line of a trace, cut where its key goes in."""

    sender: str
    before: bytes
    after: bytes
    encoding: str
    parts: int


def _texts() -> list[_Text]:
    short, long = trace.load("otp"), trace.load("unicode")
    found = []
    for index, line in enumerate(short):
        for one in (line,) if index % 19 else (line, long[index // 19 % len(long)]):
            before, _, after = one.keyed().partition(keys.PLACEHOLDER)
            planned = plan(before + keys.key(keys.MT, 0) + after)
            sender = one.sender or NUMBERS[0]
            found.append(_Text(sender, before.encode(), after.encode(), planned.encoding, planned.parts))
    return found


class Chunk(NamedTuple):
    """Rows that go in together, as the statements of `bench.grow` have their columns."""

    messages: list[Row]
    segments: list[Row]
    smsc_ids: list[Row]
    inbound: list[Row]
    events: list[Row]


class Grown:
    """All rows of a plan. ``chunks`` has to be at its end before ``threads`` and ``peers``."""

    def __init__(self, wanted: Plan, ids: IdText) -> None:
        self.plan = wanted
        self._ids = ids
        self._texts = _texts()
        self._replies = [line for line in trace.load("inbound") if line.kind == "mo"]
        # By writer: the ids of the first and the last that it wrote; 0: none.
        self._first = array("q", bytes(8 * wanted.writers))
        self._last = array("q", bytes(8 * wanted.writers))
        self.seq = 0
        """Events that there ever were."""

    def chunks(self) -> Iterator[Chunk]:
        """Messages with their segments, ids of the carrier, what came in, and events, in the order of time."""
        wanted, texts, phones = self.plan, self._texts, self.plan.phones
        chunk = Chunk([], [], [], [], [])
        before, counter = -1, 0
        told_from = wanted.messages - wanted.events
        for number in range(wanted.messages):
            at = wanted.at(number)
            counter = counter + 1 if at == before else 0
            before = at
            if counter >= _INBOUND_BIT:
                raise ValueError("too many messages for these days: more than 16 a microsecond")
            mid = id_floor(at) | counter
            text = texts[number % len(texts)]
            peer = phone(number * _STRIDE % phones)
            self._out(chunk, mid, at, number, text, peer, told=number >= told_from)
            if not number % PER_INBOUND:
                self._in(chunk, mid | _INBOUND_BIT, at, number // PER_INBOUND, told=number >= told_from)
            if len(chunk.messages) >= CHUNK:
                yield chunk
                chunk = Chunk([], [], [], [], [])
        yield chunk

    def _out(self, chunk: Chunk, mid: int, at: int, number: int, text: _Text, peer: str, *, told: bool) -> None:
        body = text.before + keys.key(keys.MT, number).encode() + text.after
        expires, written = at + VALIDITY_MS, at + 3
        sent = written + 20
        done = sent + 1500
        delivered = number % UNDELIVERED != 0
        state, reason, error, receipt_state = (
            (int(State.DELIVERED), "delivered", "000", 2)
            if delivered
            else (int(State.UNDELIVERED), "undelivered", "001", 5)
        )
        parts = text.parts
        ref = number & 0xFFFF if parts > 1 else 0
        chunk.messages.append((mid, text.sender, peer, body, text.encoding, ref, parts, expires))
        shard = zlib.crc32(f"{text.sender} {peer}".encode()) & 63
        carrier_done = done - done % _MINUTE_MS
        bucket = smsc_bucket(sent)
        for part in range(1, parts + 1):
            # Rising and all over their range, as one another's: no id comes twice.
            raw = f"{(number * 8 + part) * 2_654_435_761 % (1 << 40):010x}"
            chunk.segments.append(
                (mid, part, shard, state, expires, reason, error, receipt_state, raw, sent, done, written, carrier_done)
            )
            chunk.smsc_ids.append((bucket, fold(raw), mid, part, raw))
        self.seq += 1
        if told:
            event = ReceiptEvent(
                at=rfc3339(done),
                id=self._ids.format(mid),
                ref=None,
                state=State(state).word,
                reason=reason,
                error_code=error,
                from_=text.sender,
                to=peer,
                segments=parts,
                meta=msgspec.Raw(b"null"),
            )
            chunk.events.append((self.seq, done, "receipt", mid, _encoder.encode(event)))

    def _in(self, chunk: Chunk, mid: int, at: int, number: int, *, told: bool) -> None:
        wanted = self.plan
        writer = number * _STRIDE % wanted.writers
        sender, peer = NUMBERS[writer % len(NUMBERS)], phone(2 * writer)
        self._first[writer] = self._first[writer] or mid
        self._last[writer] = mid
        line = self._replies[number % len(self._replies)]
        text = line.keyed().replace(keys.PLACEHOLDER, keys.key(keys.MO, number), 1)
        planned = plan(text)
        chunk.inbound.append((mid, sender, peer, text, planned.encoding, planned.parts))
        self.seq += 1
        if told:
            event = InboundEvent(
                at=rfc3339(at),
                id=self._ids.format(mid),
                number=sender,
                peer=peer,
                text=text,
                data=None,
                encoding=planned.encoding,
                parts=planned.parts,
                complete=True,
                carrier=CARRIER,
            )
            chunk.events.append((self.seq, at, "inbound", mid, _encoder.encode(event)))

    def threads(self) -> Iterator[Row]:
        """Of who wrote: (number, peer, first_at, read_up_to)."""
        for place, number in sorted(enumerate(NUMBERS), key=lambda pair: pair[1]):
            for writer in range(place, self.plan.writers, len(NUMBERS)):
                if self._first[writer]:
                    read = self._last[writer] if writer % 2 else 0
                    yield number, phone(2 * writer), self._first[writer] >> 21, read

    def peers(self) -> Iterator[Row]:
        """Of who wrote: (address, created_at)."""
        for writer in range(self.plan.writers):
            if self._first[writer]:
                yield phone(2 * writer), self._first[writer] >> 21
