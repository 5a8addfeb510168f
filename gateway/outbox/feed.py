"""One stream as its reader sees it: what it is handed, what it has done, and what is kept in memory on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

import trio

from gateway.store import queries
from gateway.store.replay import events_at
from gateway.store.streams import HANDLER, StreamInfo
from gateway.store.tx import Live

if TYPE_CHECKING:
    from gateway.outbox.outbox import Outbox

TAIL: Final = 2000
"""Events of a feed that are kept in memory for a reader that keeps up."""
TAIL_OCTETS: Final = 4 << 20
PAGE: Final = 500
SPARSE: Final = 20_000
"""Events done beyond the first that is not; past this a feed hands out nothing new until that one is done."""


class Delivery(Live, eq=False, gc=False):
    """An event to deliver. ``id`` is its stable name; ``redelivered``: it may have been delivered before."""

    redelivered: bool

    @property
    def id(self) -> str:
        """The event's id, the same in every delivery."""
        return f"{self.stream}-{self.seq}"

    def body(self) -> bytes:
        """Its parameters as JSON, with ``event_id`` and ``redelivered`` in front."""
        flag = b"true" if self.redelivered else b"false"
        return b'{"event_id":"%d-%d","redelivered":%b,%b' % (self.stream, self.seq, flag, self.payload[1:])


class Feed:
    """One stream as its reader sees it. Sequence numbers have no gaps.

    ``acked``: everything up to here is done; ``done``: what is done beyond; ``position``: handed out up to here.
    Events that were put back to be delivered once more are behind all that: who serves a handler tries them as what
    failed before (``on_replay`` is told of them), a subscription is handed them before what is new.
    ``on_resume`` has a receiver that is down or paused tried at once, and returns whether it is.
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
        self._again: dict[int, None] = {}  # put back, in their order
        self._handed: set[int] = set()  # of these what was handed out, and is not done
        self.on_replay: Callable[[Sequence[int]], None] | None = None
        self.on_resume: Callable[[], bool] | None = None
        self.dead = 0

    @property
    def backlog(self) -> int:
        """Events that are not done."""
        return self.fresh + len(self._again) + len(self._handed)

    @property
    def fresh(self) -> int:
        """Those of them that were not put back."""
        return self.last - self.acked - len(self.done)

    @property
    def unacked(self) -> int:
        """Events handed out and not done."""
        return self.position - self.acked - len(self.done) + len(self._handed)

    def append(self, live: Live) -> None:
        """An event that was just committed."""
        self.last = live.seq
        tail = self._tail
        tail.append(live)
        octets = self._tail_octets + len(live.payload)
        while octets > TAIL_OCTETS or len(tail) > TAIL:
            octets -= len(tail.popleft().payload)
        self._tail_octets = octets
        if not self._news.is_set():
            self._news.set()

    async def take(self, limit: int) -> list[Delivery]:
        """The next events, at least one: waits for it."""
        while True:
            while not self._again and (self.position >= self.last or len(self.done) >= SPARSE):
                self._news = trio.Event()
                await self._news.wait()
            if self._again:
                found = await self._once_more(limit)
            else:
                memory = self._from_memory(limit)
                found = memory if memory is not None else await self._from_disk(limit)
            if found:
                return found

    def _from_memory(self, limit: int) -> list[Delivery] | None:
        tail = self._tail
        while tail and tail[0].seq <= self.position:
            self._tail_octets -= len(tail.popleft().payload)
        if not tail or tail[0].seq != self.position + 1:
            return None
        out: list[Delivery] = []
        done, seen = self.done, self._seen
        seq, octets = self.position, 0
        while tail and len(out) < limit:
            e = tail.popleft()
            seq, payload = e.seq, e.payload
            octets += len(payload)
            if seq not in done:
                out.append(Delivery(e.stream, seq, e.at, e.kind, e.subject, payload, seq <= seen))
        self._tail_octets -= octets
        self.position = seq
        self._seen = max(seen, seq)
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
        self._again = dict.fromkeys(sorted({*self._again, *self._handed}))
        self._handed.clear()
        self._news.set()

    def waits(self, seq: int) -> bool:
        """Whether an event is still to be delivered for the first time."""
        return seq > self.acked and seq not in self.done

    def replay(self, seqs: Sequence[int]) -> None:
        """These events, which the outbox has among the retries, are to be delivered once more."""
        if self.info.kind == HANDLER:
            if self.on_replay is not None:
                self.on_replay(seqs)
            return
        for seq in seqs:
            self._handed.discard(seq)
            self._again[seq] = None
        self._news.set()

    def drop(self, seqs: Iterable[int]) -> None:
        """These events are not delivered once more after all."""
        for seq in seqs:
            self._again.pop(seq, None)
            self._handed.discard(seq)

    async def _once_more(self, limit: int) -> list[Delivery]:
        reader = self._reader
        seqs = list(islice(self._again, min(limit, PAGE)))
        rows = await self._outbox.store.reader.read(partial(events_at, stream=self.info.id, seqs=seqs))
        if self._reader != reader:
            await trio.lowlevel.checkpoint()
            return []
        out: list[Delivery] = []
        for seq in seqs:
            if seq not in self._again:
                continue  # dropped meanwhile
            del self._again[seq]
            row = rows.get(seq)
            if row is None:
                self._outbox.recovered(self, seq)  # taken out of the table by hand: nothing to deliver
                continue
            self._handed.add(seq)
            _, at, kind, subject, payload = row
            out.append(Delivery(self.info.id, seq, at, kind, subject, payload, True))
        return out

    def finish(self, seqs: Iterable[int]) -> None:
        """These events are done: delivered, acknowledged or set aside."""
        done, handed = self.done, self._handed
        for seq in seqs:
            if self.acked < seq <= self.last:
                done.add(seq)
            if seq in handed:
                handed.remove(seq)
                self._outbox.recovered(self, seq)
        self._advance()

    def finish_up_to(self, seq: int) -> None:
        """Every event up to this one that was handed out is done."""
        seq = min(seq, self.position)
        for again in [s for s in self._handed if s <= seq]:
            self._handed.remove(again)
            self._outbox.recovered(self, again)
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
