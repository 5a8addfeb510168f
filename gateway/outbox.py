"""Events out: a feed for each stream, what has been acknowledged, failed deliveries, dead letters.

A feed hands events to whoever serves it, in order: from memory while it keeps up, from the database when it is behind.
Acknowledgements are gathered and stored at most one operation at a time for all feeds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Final

import trio

from gateway.log import logger
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.store import queries
from gateway.store.events import AckOp, CloseStreamOp, OpenStreamOp, RetryOp
from gateway.store.hot import Row
from gateway.store.store import Store
from gateway.store.streams import HANDLER, SUBSCRIPTION, Kind, StreamInfo
from gateway.store.tx import Live

_log = logger(component="outbox")

TAIL: Final = 2000
"""Events of a feed that are kept in memory for a reader that keeps up."""
TAIL_OCTETS: Final = 4 << 20
PAGE: Final = 500
SPARSE: Final = 20_000
"""Events done beyond the first that is not; past this a feed hands out nothing new until that one is done."""
SWEEP_EVERY: Final = 15.0


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


class Outbox:
    """All feeds, made as streams are; the writer hands it every event that was committed."""

    def __init__(self, store: Store, metrics: Metrics, settings: Settings) -> None:
        self.store = store
        self.metrics = metrics
        self.feeds: dict[int, Feed] = {}
        self._dirty: set[int] = set()
        self._acking = False
        self._settings = settings
        self.retries: dict[int, dict[int, tuple[int, int | None, str]]] = {}
        cursors = store.read_now(queries.cursors)
        for info in store.streams.by_id.values():
            acked, done = cursors.get(info.id, (0, []))
            self._add(info, acked, done)
        store.writer.on_events = self._committed

    def _add(self, info: StreamInfo, acked: int = 0, done: Iterable[int] = ()) -> Feed:
        last = max(self.store.streams.last_seq.get(info.id, 0), acked)
        feed = self.feeds[info.id] = Feed(self, info, acked, done, last)
        self.retries[info.id] = {}
        if last:
            self.retries[info.id] = self.store.read_now(partial(queries.retries, stream=info.id))
            feed.dead = self.store.read_now(partial(queries.dead_letters, stream=info.id))
            feed.finish(self.store.read_now(partial(queries.dead_beyond, stream=info.id, acked=acked)))
        self.metrics.dead_letters.labels(_label(info))
        return feed

    def configure(self, settings: Settings) -> None:
        """Takes over new settings."""
        self._settings = settings

    def _committed(self, events: list[Live]) -> None:
        feeds = self.feeds
        for event in events:
            feed = feeds.get(event.stream)
            if feed is not None:
                feed.append(event)

    async def open(
        self,
        kind: Kind,
        app: str,
        name: str,
        *,
        numbers: frozenset[str] | None = None,
        events: frozenset[str] = frozenset({"inbound", "receipt"}),
    ) -> Feed:
        """The feed of a subscription or handler, made when it is new; durable from here on."""
        known = self.store.streams.find(kind, app, name)
        if known is not None and known.numbers == numbers and known.events == events:
            return self.feeds[known.id]
        op = OpenStreamOp(kind, app, name, numbers=numbers, events=events)
        # The feed is made by the commit's callback, before the events of the same burst are handed out.
        await self.store.writer.do(op, self._opened)
        assert op.info is not None
        return self.feeds[op.info.id]

    def _opened(self, op: OpenStreamOp) -> None:
        assert op.info is not None
        feed = self.feeds.get(op.info.id)
        if feed is None:
            self._add(op.info)
        else:
            feed.info = op.info

    async def close(self, feed: Feed) -> None:
        """Ends a subscription: its events go with it."""
        await self.store.writer.do(CloseStreamOp(feed.info.id))
        self.feeds.pop(feed.info.id, None)
        self.retries.pop(feed.info.id, None)
        self._dirty.discard(feed.info.id)

    # --- acknowledgements ---------------------------------------------------------------------------------------------

    def moved(self, feed: Feed) -> None:
        """A feed's cursor moved; it is stored with the next burst."""
        self._dirty.add(feed.info.id)
        if not self._acking:
            self._store_cursors()

    def _store_cursors(self) -> None:
        rows: list[tuple[int, int, list[int]]] = []
        for stream in self._dirty:
            feed = self.feeds.get(stream)
            if feed is not None:
                rows.append((stream, feed.acked, sorted(feed.done)))
        self._dirty.clear()
        if rows:
            self._acking = True
            self.store.writer.put(AckOp(rows), self._stored, lambda op, _: self._stored(op))

    def _stored(self, op: AckOp) -> None:
        self._acking = False
        if self._dirty:
            self._store_cursors()

    # --- failures -----------------------------------------------------------------------------------------------------

    def failed(self, feed: Feed, seq: int, attempts: int, due_at: int, error: str) -> None:
        """A delivery failed and is tried again at ``due_at`` (ms)."""
        self.retries[feed.info.id][seq] = (attempts, due_at, error)
        self._put_retries([(feed.info.id, seq, attempts, due_at, error)], [])

    def recovered(self, feed: Feed, seq: int) -> None:
        """A delivery that had failed came through."""
        if self.retries[feed.info.id].pop(seq, None) is not None:
            self._put_retries([], [(feed.info.id, seq)])

    def set_aside(self, feed: Feed, seqs: Iterable[int], attempts: int, error: str) -> None:
        """Dead letters: kept with their event, counted, no longer waited for."""
        rows: list[Row] = [(feed.info.id, seq, attempts, None, error) for seq in seqs]
        if not rows:
            return
        _log.warning("dead_letters", stream=_label(feed.info), events=len(rows), error=error)
        self.metrics.dead_letters.labels(_label(feed.info)).inc(len(rows))
        feed.dead += len(rows)
        for row in rows:
            self.retries[feed.info.id].pop(row[1], None)
        self._put_retries(rows, [])
        feed.finish([row[1] for row in rows])

    def _put_retries(self, put: list[Row], done: list[tuple[int, int]]) -> None:
        self.store.writer.put(RetryOp(put, done))

    async def sweep(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sets aside what waited too long or is too much; a task of the daemon."""
        task_status.started()
        while True:
            await trio.sleep(SWEEP_EVERY)
            for feed in list(self.feeds.values()):
                try:
                    await self._sweep(feed)
                except Exception as error:
                    _log.warning("sweep_failed", stream=_label(feed.info), error=repr(error))

    def _bounds(self, info: StreamInfo) -> tuple[int, float]:
        """Most events, and their greatest age in seconds."""
        if info.kind == HANDLER:
            handler = self._settings.handlers_by_name.get(info.name)
            if handler is not None:
                return handler.max_backlog, handler.dead_letter_after
        return self._settings.limits.subscription_backlog, self._settings.limits.subscription_age

    async def _sweep(self, feed: Feed) -> None:
        most, age = self._bounds(feed.info)
        oldest_kept = self.store.clock.now_ms() - int(age * 1000)
        if feed.info.kind == HANDLER and feed.info.name not in self._settings.handlers_by_name:
            # Nobody tries them again; a handler that comes back in time still finds the others.
            tried = self.retries[feed.info.id].items()
            self.set_aside(feed, [seq for seq, (_, due, _) in tried if due and due < oldest_kept], 0, "no such handler")
        while True:
            rows = await self.store.reader.read(
                partial(queries.stream_page, stream=feed.info.id, after=feed.acked, limit=PAGE)
            )
            over = max(0, feed.backlog - most)
            waiting = [(row[0], row[1]) for row in rows if row[0] not in feed.done]
            late = [seq for i, (seq, at) in enumerate(waiting) if at < oldest_kept or i < over]
            if not late:
                return
            self.set_aside(feed, late, 0, "waited too long" if not over else "too many events wait")
            await self.store.writer.flush()
            if len(late) < PAGE:
                return

    def find(self, app: str, name: str) -> Feed | None:
        """The feed of a subscription, if there is one."""
        info = self.store.streams.find(SUBSCRIPTION, app, name)
        return self.feeds.get(info.id) if info is not None else None


def _label(info: StreamInfo) -> str:
    return f"handler:{info.name}" if info.kind == HANDLER else f"app:{info.app}"
