"""Streams of events: one for each subscription of an app and for each handler, numbered without gaps.

An event is written to the stream of each one that it is for, so that a slow reader is behind on its own stream alone,
its backlog is a subtraction, and nobody scans what is for others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

from gateway.store.about import NONE, Numbers

Kind = Literal["subscription", "handler"]
SUBSCRIPTION: Final[Kind] = "subscription"
HANDLER: Final[Kind] = "handler"


AUDIENCES: Final = 10_000
"""Numbers whose audience is remembered; there are not many more than that in a configuration."""


class StreamInfo(msgspec.Struct, frozen=True):
    """A row of ``stream``: whose it is and which events it takes (``numbers`` None: all)."""

    id: int
    kind: Kind
    app: str
    name: str
    numbers: frozenset[str] | None
    events: frozenset[str]


class Streams:
    """All streams of this database and who gets what. Changed in the writer's thread, between transactions.

    ``app_numbers``: the numbers that an app may see (None: all); ``handlers_of``: the handlers named by a number;
    ``numbers``: what else is known of them. They come from the settings and are replaced as a whole.
    """

    def __init__(self) -> None:
        self.by_id: dict[int, StreamInfo] = {}
        self.last_seq: dict[int, int] = {}
        self.app_numbers: Mapping[str, frozenset[str] | None] = {}
        self.handlers_of: Mapping[str, tuple[str, ...]] = {}
        self.numbers: Numbers = NONE
        self.told_last: frozenset[str] = frozenset()
        self._handler_ids: dict[str, int] = {}
        self._by_app: dict[str, list[StreamInfo]] = {}
        self._inbound_cache: dict[str | tuple[str, tuple[str, ...]], tuple[int, ...]] = {}
        self._created_cache: dict[str, tuple[int, ...]] = {}
        self._receipt_cache: dict[tuple[str, str], tuple[int, ...]] = {}
        self._optout_cache: dict[tuple[str, str | None, tuple[str, ...]], tuple[int, ...]] = {}

    def load(self, con: sqlite3.Connection) -> None:
        """Reads all streams and where each of them ended; what was known before is forgotten."""
        self.by_id.clear()
        self.last_seq.clear()
        self._handler_ids.clear()
        self._by_app.clear()
        self._forget()
        rows = con.execute("SELECT id, kind, app, name, numbers, events FROM stream").fetchall()
        for row in rows:
            info = StreamInfo(
                row[0],
                row[1],
                row[2],
                row[3],
                frozenset(msgspec.json.decode(row[4])) if row[4] is not None else None,
                frozenset(msgspec.json.decode(row[5])),
            )
            self.put(info)
            last = con.execute(
                "SELECT max(coalesce((SELECT max(seq) FROM event WHERE stream = ?), 0),"
                " coalesce((SELECT acked FROM cursor WHERE stream = ?), 0))",
                (info.id, info.id),
            ).fetchone()[0]
            self.last_seq[info.id] = last

    def put(self, info: StreamInfo) -> None:
        """Adds or replaces a stream."""
        self.by_id[info.id] = info
        if info.kind == HANDLER:
            self._handler_ids[info.name] = info.id
        else:
            rest = [s for s in self._by_app.get(info.app, ()) if s.id != info.id]
            self._by_app[info.app] = [*rest, info]
        self._forget()

    def drop(self, stream: int) -> None:
        """Forgets a stream."""
        info = self.by_id.pop(stream, None)
        self.last_seq.pop(stream, None)
        if info is None:
            return
        if info.kind == HANDLER:
            self._handler_ids.pop(info.name, None)
        else:
            self._by_app[info.app] = [s for s in self._by_app[info.app] if s.id != stream]
        self._forget()

    def configure(
        self,
        app_numbers: Mapping[str, frozenset[str] | None],
        handlers_of: Mapping[str, tuple[str, ...]],
        numbers: Numbers = NONE,
        told_last: frozenset[str] = frozenset(),
    ) -> None:
        """Takes over what the settings say; ``told_last`` are the handlers whose events have our last message."""
        self.app_numbers = app_numbers
        self.handlers_of = handlers_of
        self.numbers = numbers
        self.told_last = told_last
        self._forget()

    def _forget(self) -> None:
        # Anew, not emptied: settings are replaced in another thread, and what is being found by the old ones there
        # goes into the old cache.
        self._inbound_cache = {}
        self._created_cache = {}
        self._receipt_cache = {}
        self._optout_cache = {}

    def find(self, kind: Kind, app: str, name: str) -> StreamInfo | None:
        """The stream of a subscription or handler."""
        if kind == HANDLER:
            stream = self._handler_ids.get(name)
            return self.by_id[stream] if stream is not None else None
        return next((s for s in self._by_app.get(app, ()) if s.name == name), None)

    def handlers(self) -> Iterable[StreamInfo]:
        """The streams of all handlers, configured today or before."""
        return [self.by_id[i] for i in self._handler_ids.values()]

    def for_receipt(self, app: str, number: str) -> tuple[int, ...]:
        """Who is told of the end of a message of ``app`` from ``number``: its subscriptions, the number's handlers."""
        key = (app, number)
        cache = self._receipt_cache
        known = cache.get(key)
        if known is not None:
            return known
        ids = [
            s.id
            for s in self._by_app.get(app, ())
            if "receipt" in s.events and (s.numbers is None or number in s.numbers)
        ]
        ids += self._handling("receipt", self.handlers_of.get(number, ()))
        found = tuple(ids)
        if len(cache) < AUDIENCES:
            cache[key] = found
        return found

    def for_inbound(self, number: str, handlers: tuple[str, ...] | None = None) -> tuple[int, ...]:
        """Who is told of a message to ``number``: its handlers, and each subscription of an app that may see it.

        ``handlers`` are those that rules name instead of its own.
        """
        cache = self._inbound_cache
        key = number if handlers is None else (number, handlers)
        known = cache.get(key)
        if known is not None:
            return known
        names = self.handlers_of.get(number, ()) if handlers is None else handlers
        ids = [*self._handling("inbound", names), *self._subscribed("inbound", number)]
        found = tuple(ids)
        if len(cache) < AUDIENCES:
            cache[key] = found
        return found

    def with_last(self, streams: tuple[int, ...]) -> tuple[int, ...]:
        """Of these those who are told what our last message to the sender was."""
        names, by_id = self.told_last, self.by_id
        return tuple([s for s in streams if by_id[s].kind == HANDLER and by_id[s].name in names])

    def for_created(self, number: str) -> tuple[int, ...]:
        """Who is told that a stranger wrote to ``number``: its handlers and subscriptions that ask for it."""
        cache = self._created_cache
        known = cache.get(number)
        if known is None:
            handlers = self._handling("peer.created", self.handlers_of.get(number, ()))
            known = (*handlers, *self._subscribed("peer.created", number))
            if len(cache) < AUDIENCES:
                cache[number] = known
        return known

    def for_optout(
        self, kind: str, number: str | None, scopes: tuple[str, ...], numbers_in: Callable[[str], tuple[str, ...]]
    ) -> tuple[int, ...]:
        """Who is told of a change of these scopes that came by ``number``: whoever hears of one of their numbers."""
        cache = self._optout_cache
        key = (kind, number, scopes)
        known = cache.get(key)
        if known is None:
            numbers = dict.fromkeys([] if number is None else [number])
            for scope in scopes:
                numbers |= dict.fromkeys(numbers_in(scope))
            found: dict[int, None] = {}
            for one in numbers:
                found |= dict.fromkeys(self._handling(kind, self.handlers_of.get(one, ())))
            # Where no number is configured, whoever hears of all hears of this.
            found |= dict.fromkeys(self._subscribed(kind, *(numbers or ("",))))
            known = tuple(found)
            if len(cache) < AUDIENCES:
                cache[key] = known
        return known

    def _handling(self, kind: str, names: tuple[str, ...]) -> list[int]:
        """Of these handlers the streams of those that take events of this kind."""
        found = [self._handler_ids[name] for name in names if name in self._handler_ids]
        return [stream for stream in found if kind in self.by_id[stream].events]

    def _subscribed(self, kind: str, *numbers: str) -> list[int]:
        """The subscriptions of apps that may see one of these, as far as they take events of this kind of it."""
        ids: list[int] = []
        for app, streams in self._by_app.items():
            # An app that is no longer configured keeps what it has, and gets nothing new.
            allowed = self.app_numbers.get(app, frozenset())
            seen = numbers if allowed is None else [number for number in numbers if number in allowed]
            if seen:
                ids += [s.id for s in streams if kind in s.events and _of(s, seen)]
        return ids


def _of(stream: StreamInfo, numbers: Iterable[str]) -> bool:
    return stream.numbers is None or not stream.numbers.isdisjoint(numbers)
