"""Methods that look at events that were told, dead letters above all, and have them delivered once more.

An app has the events of its own subscriptions; what handlers and other apps are told is for operators.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.doors.lookup import MAX_PAGE, known_app, moment, page_limit
from gateway.outbound.request import App, Refusal
from gateway.outbox import REPLAYS, Feed, Outbox
from gateway.store import replay
from gateway.store.replay import Told, Wanted
from gateway.store.streams import HANDLER, SUBSCRIPTION

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

TEXT_MEMBERS: Final = frozenset({"text", "data"})
"""Members of a payload that are shown only when they are asked for."""


class EventsParams(msgspec.Struct, forbid_unknown_fields=True):
    """``events``: whose, and which of them."""

    handler: str | None = None
    subscription: str | None = None
    app: str | None = None
    dead: bool = False
    since: str | None = None
    until: str | None = None
    before: str | None = None
    limit: int = 50


class EventParams(msgspec.Struct, forbid_unknown_fields=True):
    """``event``: one with its payload."""

    id: str
    text: bool = False


class ReplayParams(msgspec.Struct, forbid_unknown_fields=True):
    """``replay``: these events, or those of one handler or subscription."""

    ids: list[str] | None = None
    handler: str | None = None
    subscription: str | None = None
    app: str | None = None
    dead: bool = False
    since: str | None = None
    until: str | None = None
    after: str | None = None


class ResumeParams(msgspec.Struct, forbid_unknown_fields=True):
    """``resume``: a handler."""

    handler: str


class _Whom(msgspec.Struct):
    """What of a payload says whom the event is about."""

    id: str | None = None
    number: str | None = None
    peer: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None


class Events:
    """Reads events, and puts them back."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._store = outbox.store

    # --- looking ------------------------------------------------------------------------------------------------------

    async def events(self, connection: Connection, params: EventsParams) -> object:
        """A page of events of all that the app may see, the newest first."""
        page_limit(params.limit)
        feeds = self._feeds(connection.app, params.handler, params.subscription, params.app)
        wanted = Wanted(
            streams=tuple(feeds),
            dead=params.dead,
            since=moment(params.since, "since"),
            until=moment(params.until, "until"),
            start=self._key(params.before, feeds, "before") if params.before is not None else None,
            limit=params.limit,
        )
        found = await self._store.reader.read(partial(replay.find, wanted=wanted))
        return {
            "events": [_shown(feeds[told.stream], told) for told in found],
            "next": _id(found[-1]) if len(found) == params.limit else None,
        }

    async def event(self, connection: Connection, params: EventParams) -> object:
        """One event with what was or will be delivered; its text only when asked for."""
        feeds = self._feeds(connection.app, None, None, None)
        key = self._key(params.id, feeds, "id")
        told = await self._store.reader.read(partial(replay.event, stream=key[0], seq=key[1]))
        if told is None:
            raise Refusal("not_found", "no such event", field="id")
        payload: dict[str, Any] = msgspec.json.decode(told.payload)
        if not params.text:
            payload = {name: value for name, value in payload.items() if name not in TEXT_MEMBERS}
        return {**_shown(feeds[told.stream], told), "payload": payload}

    # --- putting back -------------------------------------------------------------------------------------------------

    async def replay(self, connection: Connection, params: ReplayParams) -> object:
        """Has events delivered once more, under the same ids; as many as there is room for."""
        if params.ids is not None:
            if params != ReplayParams(ids=params.ids):
                raise Refusal("invalid_params", "ids, or which ones of a handler or subscription", field="ids")
            return await self._replay_these(connection.app, params.ids)
        if (params.handler is None) == (params.subscription is None):
            raise Refusal("invalid_params", "ids, handler or subscription", field="ids")
        if not params.dead and params.since is None:
            raise Refusal("invalid_params", "since when, or dead letters alone", field="since")
        feeds = self._feeds(connection.app, params.handler, params.subscription, params.app)
        if len(feeds) > 1:
            raise Refusal("invalid_params", "several apps have a subscription of this name: say which", field="app")
        (feed,) = feeds.values()
        _served(feed)
        after = self._key(params.after, feeds, "after") if params.after is not None else None
        wanted = Wanted(
            streams=tuple(feeds),
            dead=params.dead,
            since=moment(params.since, "since"),
            until=moment(params.until, "until"),
            start=after,
            limit=MAX_PAGE,
        )
        return await self._replay_all(feed, wanted)

    async def _replay_these(self, app: App, ids: list[str]) -> object:
        if not 1 <= len(ids) <= MAX_PAGE:
            raise Refusal("invalid_params", f"1 to {MAX_PAGE} ids", field="ids")
        feeds = self._feeds(app, None, None, None)
        by_stream: dict[int, list[int]] = {}
        for text in dict.fromkeys(ids):
            stream, seq = self._key(text, feeds, "ids")
            by_stream.setdefault(stream, []).append(seq)
        for stream in by_stream:
            _served(feeds[stream])
        replayed = 0
        skipped: list[dict[str, str]] = []
        for stream, seqs in by_stream.items():
            feed = feeds[stream]
            why = {seq: "waiting" for seq in seqs if seq <= feed.last and feed.waits(seq)}
            told = [seq for seq in seqs if seq not in why]
            why |= dict.fromkeys(told[self._outbox.room(feed) :], "no_room")
            done = await self._put_back(feed, [seq for seq in told if seq not in why])
            replayed += len(done)
            skipped += [
                {"event_id": f"{stream}-{seq}", "reason": why.get(seq, "not_found")} for seq in seqs if seq not in done
            ]
        return {"replayed": replayed, "skipped": skipped}

    async def _replay_all(self, feed: Feed, wanted: Wanted) -> object:
        replayed = waiting = looked = 0
        while True:
            room = self._outbox.room(feed) if looked < REPLAYS else 0
            page = await self._store.reader.read(partial(replay.find, wanted=wanted, oldest_first=True))
            seqs = [told.seq for told in page][:room]
            looked += len(seqs)
            waiting += sum(feed.waits(seq) for seq in seqs)
            replayed += len(await self._put_back(feed, seqs))
            if seqs:
                wanted = wanted._replace(start=(feed.info.id, seqs[-1]))
            more = len(seqs) < len(page)
            if more or len(page) < MAX_PAGE:
                following = f"{wanted.start[0]}-{wanted.start[1]}" if more and wanted.start is not None else None
                return {"replayed": replayed, "waiting": waiting, "more": more, "next": following}

    async def _put_back(self, feed: Feed, seqs: list[int]) -> set[int]:
        """Those that were put back; what is still to come anyhow is not."""
        told = [seq for seq in seqs if not feed.waits(seq)]
        return set((await self._outbox.replay(feed, told)).done) if told else set()

    async def resume(self, connection: Connection, params: ResumeParams) -> object:
        """Has a handler whose receiver is down or paused tried at once; ``tried`` is false where it is neither."""
        (feed,) = self._feeds(connection.app, params.handler, None, None).values()
        _served(feed)
        return {"handler": params.handler, "tried": feed.on_resume is not None and feed.on_resume()}

    # --- who may see what ---------------------------------------------------------------------------------------------

    def _feeds(self, app: App, handler: str | None, subscription: str | None, of: str | None) -> dict[int, Feed]:
        """The feeds that are asked for, as far as the app may see them, in a fixed order."""
        if handler is not None and subscription is not None:
            raise Refusal("invalid_params", "handler or subscription", field="handler")
        if handler is not None and not app.admin:
            raise Refusal("not_allowed", "events of handlers are for operators", field="handler")
        if of is not None and of != app.name and not app.admin:
            raise Refusal("not_allowed", "another app's events are for operators", field="app")
        found: dict[int, Feed] = {}
        for stream, feed in sorted(self._outbox.feeds.items()):
            info = feed.info
            if info.kind == HANDLER:
                seen = app.admin and of is None and subscription is None and handler in (None, info.name)
            else:
                seen = app.admin or info.app == app.name
                seen = seen and of in (None, info.app) and handler is None and subscription in (None, info.name)
            if seen:
                found[stream] = feed
        if of is not None and all(feed.info.app != of for feed in self._outbox.feeds.values()):
            known_app(self._store.writer.base.optouts, of)
        if not found and handler is not None:
            raise Refusal("not_found", "no such handler", field="handler")
        if not found and subscription is not None:
            raise Refusal("not_found", "no such subscription", field="subscription")
        return found

    @staticmethod
    def _key(text: str, feeds: dict[int, Feed], field: str) -> tuple[int, int]:
        """Stream and sequence number of an event's id, of one of these feeds. Raises Refusal `not_found`."""
        stream, _, seq = text.partition("-")
        numeric = stream.isascii() and stream.isdecimal() and seq.isascii() and seq.isdecimal()
        if not numeric or len(stream) > 18 or len(seq) > 18 or int(stream) not in feeds:
            raise Refusal("not_found", "no such event", field=field)
        return int(stream), int(seq)


def _served(feed: Feed) -> None:
    """Raises Refusal where nobody would deliver what is put back."""
    if feed.info.kind != SUBSCRIPTION and feed.on_replay is None:
        raise Refusal("not_found", "this handler is not in the configuration any more", field="handler")


def _id(told: Told) -> str:
    return f"{told.stream}-{told.seq}"


def _shown(feed: Feed, told: Told) -> dict[str, Any]:
    info = feed.info
    try:
        whom = msgspec.json.decode(told.payload, type=_Whom)
    except msgspec.DecodeError:
        whom = _Whom()  # damaged: shown without
    return {
        **told.shown(),
        "to": info.kind,
        "name": info.name,
        "app": info.app if info.kind == SUBSCRIPTION else None,
        "id": whom.id,
        "number": whom.number if whom.number is not None else whom.from_,
        "peer": whom.peer if whom.peer is not None else whom.to,
    }
