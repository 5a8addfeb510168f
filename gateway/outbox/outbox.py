"""Events out: a feed for each stream, what has been acknowledged, failed deliveries, dead letters.

A feed hands events to whoever serves it, in order: from memory while it keeps up, from the database when it is behind.
Acknowledgements are gathered and stored at most one operation at a time for all feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

import trio

from gateway.log import logger
from gateway.metrics import Metrics
from gateway.outbox.feed import PAGE, Feed
from gateway.settings import Settings
from gateway.store import queries
from gateway.store.events import AckOp, CloseStreamOp, OpenStreamOp, RetryOp
from gateway.store.hot import Row
from gateway.store.pauses import Pause, PauseOp, pauses
from gateway.store.replay import REPLAYED, ReplayOp, replayed
from gateway.store.store import Store
from gateway.store.streams import HANDLER, SUBSCRIPTION, Kind, StreamInfo
from gateway.store.tx import Live

_log = logger(component="outbox")

WhenStored = Callable[[Exception | None], None]
"""Is told that something is stored, or why not."""

SWEEP_EVERY: Final = 15.0
REPLAYS: Final = 20_000
"""Events of a stream that wait to be delivered again; what would be beyond is not put back."""


class Outbox:
    """All feeds, made as streams are; the writer hands it every event that was committed."""

    def __init__(self, store: Store, metrics: Metrics, settings: Settings) -> None:
        self.store = store
        self.metrics = metrics
        self.feeds: dict[int, Feed] = {}
        self._dirty: set[int] = set()
        self._acking = False
        self._waiting: list[WhenStored] = []  # for what is being stored
        self._waiting_next: list[WhenStored] = []  # for what is dirty
        self._settings = settings
        self.retries: dict[int, dict[int, tuple[int, int | None, str]]] = {}
        self._replayed: dict[int, dict[int, int]] = {}  # of the retries: when they were put back (ms)
        self.pauses: dict[int, Pause] = store.read_now(pauses)
        cursors = store.read_now(queries.cursors)
        for info in store.streams.by_id.values():
            acked, done = cursors.get(info.id, (0, []))
            self._add(info, acked, done)
        store.writer.on_events = self._committed

    def _add(self, info: StreamInfo, acked: int = 0, done: Iterable[int] = ()) -> Feed:
        last = max(self.store.streams.last_seq.get(info.id, 0), acked)
        feed = self.feeds[info.id] = Feed(self, info, acked, done, last)
        self.retries[info.id] = {}
        self._replayed[info.id] = {}
        if last:
            retries = self.retries[info.id] = self.store.read_now(partial(queries.retries, stream=info.id))
            self._replayed[info.id] = self.store.read_now(partial(replayed, stream=info.id))
            feed.replay(sorted(retries))
            feed.dead = self.store.read_now(partial(queries.dead_letters, stream=info.id))
            feed.finish(self.store.read_now(partial(queries.dead_beyond, stream=info.id, acked=acked)))
        self.metrics.dead_letters.labels(_label(info))
        self.metrics.replayed.labels(_label(info))
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
        self._replayed.pop(feed.info.id, None)
        self._dirty.discard(feed.info.id)

    # --- acknowledgements ---------------------------------------------------------------------------------------------

    def moved(self, feed: Feed) -> None:
        """A feed's cursor moved; it is stored with what else there is to be stored soon."""
        self._dirty.add(feed.info.id)
        if not self._acking:
            self._store_cursors()

    def when_stored(self, done: WhenStored) -> None:
        """Has cursors as they are now stored at once, and ``done`` called then."""
        if self._acking:
            (self._waiting_next if self._dirty else self._waiting).append(done)
            self.store.writer.press()
        elif self._dirty:  # what could not be stored is tried again when it is asked for again
            self._waiting_next.append(done)
            self._store_cursors()
        else:
            done(None)

    def _store_cursors(self) -> None:
        rows = [
            (stream, feed.acked, sorted(feed.done))
            for stream in self._dirty
            if (feed := self.feeds.get(stream)) is not None
        ]
        self._dirty.clear()
        self._waiting, self._waiting_next = self._waiting_next, []
        self._acking = True
        self.store.writer.put(AckOp(rows), self._stored, self._stored)
        if self._waiting:
            self.store.writer.press()

    def _stored(self, op: AckOp, error: Exception | None = None) -> None:
        self._acking = False
        waiting, self._waiting = self._waiting, []
        if self._dirty or self._waiting_next:
            self._store_cursors()
        if error is not None:
            self._dirty.update(stream for stream, _, _ in op.rows)
        for done in waiting:
            done(error)

    # --- failures -----------------------------------------------------------------------------------------------------

    def failed(self, feed: Feed, seq: int, attempts: int, due_at: int, error: str) -> None:
        """A delivery failed and is tried again at ``due_at`` (ms)."""
        self.retries[feed.info.id][seq] = (attempts, due_at, error)
        self._put_retries([(feed.info.id, seq, attempts, due_at, error)], [])

    def recovered(self, feed: Feed, seq: int) -> None:
        """A delivery that had failed came through."""
        if self.retries[feed.info.id].pop(seq, None) is not None:
            self._replayed[feed.info.id].pop(seq, None)
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
            self._replayed[feed.info.id].pop(row[1], None)
        self._put_retries(rows, [])
        feed.drop([row[1] for row in rows])
        feed.finish([row[1] for row in rows])

    def _put_retries(self, put: list[Row], done: list[tuple[int, int]]) -> None:
        self.store.writer.put(RetryOp(put, done))

    def pause(self, feed: Feed, error: str, target: str) -> None:
        """The receiver of a handler wants no more, or still wants none: a restart will know."""
        now, before = self.store.clock.now_ms(), self.pauses.get(feed.info.id)
        pause = self.pauses[feed.info.id] = Pause(before.at if before is not None else now, now, error, target)
        self.store.writer.put(PauseOp(feed.info.id, pause))

    def resume(self, feed: Feed) -> None:
        """It takes events again, or is another one."""
        if self.pauses.pop(feed.info.id, None) is not None:
            self.store.writer.put(PauseOp(feed.info.id, None))

    # --- replay -------------------------------------------------------------------------------------------------------

    def room(self, feed: Feed) -> int:
        """How many events may be put back just now."""
        return max(0, REPLAYS - len(self.retries[feed.info.id]))

    def since(self, feed: Feed, seq: int, at: int) -> int:
        """When an event that was told at ``at`` began to wait (ms): then, or when it was put back."""
        return self._replayed[feed.info.id].get(seq, at)

    async def replay(self, feed: Feed, seqs: Sequence[int]) -> ReplayOp:
        """Puts events back to be delivered once more; `Feed.waits` is not true of any, `room` bounds them."""
        return await self.store.writer.do(ReplayOp(feed.info.id, seqs), self._put_back)

    def _put_back(self, op: ReplayOp) -> None:
        feed = self.feeds.get(op.stream)
        if feed is None or not op.done:
            return
        for seq in op.done:
            self.retries[op.stream][seq] = (0, op.at, REPLAYED)
            self._replayed[op.stream][seq] = op.at
        feed.dead -= op.dead
        self.metrics.replayed.labels(_label(feed.info)).inc(len(op.done))
        _log.info("replayed", stream=_label(feed.info), events=len(op.done))
        feed.replay(op.done)

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
            handler = self._settings.handlers_by_name.get(info.name) or self._settings.own_handlers.get(info.name)
            if handler is not None:
                return handler.max_backlog, handler.dead_letter_after
        return self._settings.limits.subscription_backlog, self._settings.limits.subscription_age

    def _served(self, handler: str) -> bool:
        return handler in self._settings.handlers_by_name or handler in self._settings.own_handlers

    async def _sweep(self, feed: Feed) -> None:
        most, age = self._bounds(feed.info)
        oldest_kept = self.store.clock.now_ms() - int(age * 1000)
        if feed.info.kind == HANDLER and not self._served(feed.info.name):
            # Nobody tries them again; a handler that comes back in time still finds the others.
            tried = self.retries[feed.info.id].items()
            self.set_aside(feed, [seq for seq, (_, due, _) in tried if due and due < oldest_kept], 0, "no such handler")
        elif feed.info.kind == SUBSCRIPTION:
            again = self._replayed[feed.info.id].items()
            self.set_aside(feed, [seq for seq, at in again if at < oldest_kept], 0, "waited too long")
        while True:
            rows = await self.store.reader.read(
                partial(queries.stream_page, stream=feed.info.id, after=feed.acked, limit=PAGE)
            )
            over = max(0, feed.fresh - most)
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
