"""One stream as its reader sees it: what it is handed, what it has done, and what is kept in memory on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from gateway.store import queries
from gateway.store.streams import StreamInfo
from gateway.store.tx import Live

if TYPE_CHECKING:
    from gateway.outbox.outbox import Outbox

TAIL: Final = 2000
"""Events of a feed that are kept in memory for a reader that keeps up."""
TAIL_OCTETS: Final = 4 << 20
PAGE: Final = 500
SPARSE: Final = 20_000
"""Events done beyond the first that is not; past this a feed hands out nothing new until that one is done."""


class Delivery:
    """An event to deliver. ``id`` is its stable name; ``redelivered``: it may have been delivered before."""

    __slots__ = ("at", "kind", "payload", "redelivered", "seq", "stream", "subject")

    def __init__(
        self, stream: int, seq: int, at: int, kind: str, subject: int, payload: bytes, redelivered: bool
    ) -> None:
        self.stream = stream
        self.seq = seq
        self.at = at
        self.kind = kind
        self.subject = subject
        self.payload = payload
        self.redelivered = redelivered

    @property
    def id(self) -> str:
        """The event's id, the same in every delivery."""
        return f"{self.stream}-{self.seq}"

    def body(self) -> bytes:
        """Its parameters as JSON, with ``event_id`` and ``redelivered`` in front."""
        flag = "true" if self.redelivered else "false"
        return f'{{"event_id":"{self.stream}-{self.seq}","redelivered":{flag},'.encode() + self.payload[1:]


class Feed:
    """One stream as its reader sees it. Sequence numbers have no gaps.

    ``acked``: everything up to here is done; ``done``: what is done beyond; ``position``: handed out up to here.
    """

    def __init__(self, outbox: Outbox, info: StreamInfo, acked: int, done: Iterable[int], last: int) -> None:
        self._outbox = outbox
        self.info = info
        self.acked = acked
        self.done: set[int] = set(done)
        self.last = last
        self.position = acked
        self._seen = last  # up to here it may have been handed out before the start
        self._tail: deque[Live] = deque()
        self._tail_octets = 0
        self._news = trio.Event()
        self._reader = 0  # counts who reads, one after another
        self.dead = 0

    @property
    def backlog(self) -> int:
        """Events that are not done."""
        return self.last - self.acked - len(self.done)

    @property
    def unacked(self) -> int:
        """Events handed out and not done."""
        return self.position - self.acked - len(self.done)

    def append(self, live: Live) -> None:
        """An event that was just committed."""
        self.last = live.seq
        tail = self._tail
        tail.append(live)
        self._tail_octets += len(live.payload)
        while len(tail) > TAIL or self._tail_octets > TAIL_OCTETS:
            self._tail_octets -= len(tail.popleft().payload)
        if not self._news.is_set():
            self._news.set()

    async def take(self, limit: int) -> list[Delivery]:
        """The next events, at least one: waits for it."""
        while True:
            while self.position >= self.last or len(self.done) >= SPARSE:
                self._news = trio.Event()
                await self._news.wait()
            found = self._from_memory(limit)
            if found is None:
                found = await self._from_disk(limit)
            if found:
                return found

    def _from_memory(self, limit: int) -> list[Delivery] | None:
        tail = self._tail
        while tail and tail[0].seq <= self.position:
            self._tail_octets -= len(tail.popleft().payload)
        if not tail or tail[0].seq != self.position + 1:
            return None
        out: list[Delivery] = []
        while tail and len(out) < limit:
            e = tail.popleft()
            self._tail_octets -= len(e.payload)
            self.position = e.seq
            if e.seq not in self.done:
                out.append(Delivery(e.stream, e.seq, e.at, e.kind, e.subject, e.payload, e.seq <= self._seen))
        self._seen = max(self._seen, self.position)
        return out

    async def _from_disk(self, limit: int) -> list[Delivery]:
        after, reader = self.position, self._reader
        rows = await self._outbox.store.reader.read(
            partial(queries.stream_page, stream=self.info.id, after=after, limit=min(limit, PAGE))
        )
        if self._reader != reader:
            # Another took over while this was read, a thing that cannot be cancelled: the events are for that one.
            await trio.lowlevel.checkpoint()
            return []
        if self.position != after:
            return []  # acknowledged meanwhile
        if not rows:
            # What is missing was taken out of the table by hand or by retention: nothing to wait for.
            self.position = self._tail[0].seq - 1 if self._tail else self.last
            self._skip(after, self.position)
            return []
        out: list[Delivery] = []
        for seq, at, kind, subject, payload in rows:
            self._skip(self.position, seq - 1)
            self.position = seq
            if seq not in self.done:
                out.append(Delivery(self.info.id, seq, at, kind, subject, payload, seq <= self._seen))
        self._seen = max(self._seen, self.position)
        return out

    def _skip(self, after: int, until: int) -> None:
        if until > after:
            self.finish(range(after + 1, until + 1))

    def rewind(self) -> None:
        """A new reader starts with the first event that is not done."""
        self._reader += 1
        self.position = self.acked
        self._news.set()

    def finish(self, seqs: Iterable[int]) -> None:
        """These events are done: delivered, acknowledged or set aside."""
        done = self.done
        for seq in seqs:
            if self.acked < seq <= self.last:
                done.add(seq)
        self._advance()

    def finish_up_to(self, seq: int) -> None:
        """Every event up to this one that was handed out is done."""
        seq = min(seq, self.position)
        if seq > self.acked:
            self.acked = seq
            if self.done:
                self.done = {s for s in self.done if s > seq}
            self._advance()

    def _advance(self) -> None:
        done, acked = self.done, self.acked
        while done and acked + 1 in done:
            acked += 1
            done.remove(acked)
        self.acked = acked
        self.position = max(self.position, acked)
        if len(done) >= SPARSE - 1:
            return
        if not self._news.is_set() and self.position < self.last:
            self._news.set()
        self._outbox.moved(self)
