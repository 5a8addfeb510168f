"""The methods of the local socket apart from `submit` and `ack`, which are handled a burst at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from gateway.model import STATE_WORDS, State
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import App, Refusal, Submit
from gateway.outbox import Outbox
from gateway.sms.address import AddressError, normalise
from gateway.sms.preview import described
from gateway.store import queries
from gateway.store.ends import End, EndOp, rfc3339
from gateway.store.messages import Search, View, message_events, search_ids
from gateway.store.resolve import ResendOp
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

MAX_IDS: Final = 500
MAX_PAGE: Final = 500


class MessageParams(msgspec.Struct, forbid_unknown_fields=True):
    """``message``: one id or up to 500."""

    id: str | None = None
    ids: list[str] | None = None
    text: bool = False


class IdParams(msgspec.Struct, forbid_unknown_fields=True):
    """``cancel``."""

    id: str


class HistoryParams(msgspec.Struct, forbid_unknown_fields=True):
    """``history``: all that is known of a message."""

    id: str
    text: bool = False


class SearchParams(msgspec.Struct, forbid_unknown_fields=True):
    """``messages``."""

    peer: str | None = None
    number: str | None = None
    app: str | None = None
    state: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    before: str | None = None
    limit: int = 50
    text: bool = False


class ResolveParams(msgspec.Struct, forbid_unknown_fields=True):
    """``resolve``: messages in doubt, by id or all of a carrier."""

    action: Literal["resend", "fail"]
    ids: list[str] | None = None
    carrier: str | None = None


class SubscribeParams(msgspec.Struct, forbid_unknown_fields=True):
    """``subscribe``."""

    name: str = "default"
    numbers: list[str] | None = None
    events: list[Literal["inbound", "receipt"]] = msgspec.field(default_factory=lambda: ["inbound", "receipt"])
    max_unacked: int = 2000


class NameParams(msgspec.Struct, forbid_unknown_fields=True):
    """``unsubscribe``."""

    name: str = "default"


class NoParams(msgspec.Struct, forbid_unknown_fields=True):
    """``status`` and ``reload``."""


Method = Callable[["Connection", Any], Awaitable[object]]


class Methods:
    """What the methods do; one for all connections."""

    def __init__(
        self,
        store: Store,
        outbound: Outbound,
        outbox: Outbox,
        *,
        status: Callable[[App], Awaitable[dict[str, Any]]],
        reload: Callable[[], Awaitable[dict[str, Any]]],
        no_receipt_after: Callable[[], float],
        region: Callable[[], str | None],
    ) -> None:
        self.store = store
        self.outbound = outbound
        self.outbox = outbox
        self._status = status
        self._reload = reload
        self._no_receipt_after = no_receipt_after
        self._region = region
        self.table: dict[str, tuple[type[msgspec.Struct], Method]] = {
            "message": (MessageParams, self.message),
            "messages": (SearchParams, self.messages),
            "history": (HistoryParams, self.history),
            "preview": (Submit, self.preview),
            "cancel": (IdParams, self.cancel),
            "status": (NoParams, self.status),
            "subscribe": (SubscribeParams, self.subscribe),
            "unsubscribe": (NameParams, self.unsubscribe),
            "resolve": (ResolveParams, self.resolve),
            "reload": (NoParams, self.reload),
        }

    # --- messages -----------------------------------------------------------------------------------------------------

    def _view(self) -> View:
        return View(self.store.id_text, int(self._no_receipt_after() * 1000))

    def _stored(self, text: str) -> int:
        stored = self.store.id_text.parse(text)
        if stored is None:
            raise Refusal("not_found", field="id")
        return stored

    async def _look_up(self, app: App, ids: list[int], *, text: bool) -> dict[int, dict[str, Any]]:
        return await self.store.reader.read(
            partial(
                self._view().messages,
                ids=ids,
                now=self.store.clock.now_ms(),
                app=None if app.admin else app.name,
                with_text=text,
            )
        )

    async def message(self, connection: Connection, params: MessageParams) -> object:
        """One message, or several; what is not the app's own is as if it were not there."""
        if (params.id is None) == (params.ids is None):
            raise Refusal("invalid_params", "id or ids", field="id")
        if params.id is not None:
            stored = self._stored(params.id)
            found = await self._look_up(connection.app, [stored], text=params.text)
            if stored not in found:
                raise Refusal("not_found", field="id")
            return found[stored]
        assert params.ids is not None
        if len(params.ids) > MAX_IDS:
            raise Refusal("invalid_params", f"at most {MAX_IDS} ids", field="ids")
        wanted = [self.store.id_text.parse(text) for text in params.ids]
        found = await self._look_up(connection.app, [i for i in wanted if i is not None], text=params.text)
        return {"messages": [found[i] for i in wanted if i is not None and i in found]}

    async def messages(self, connection: Connection, params: SearchParams) -> object:
        """A page of a search, newest first."""
        app = connection.app
        if params.state is not None and params.state not in STATE_WORDS:
            raise Refusal("invalid_params", f"state is one of {', '.join(STATE_WORDS)}", field="state")
        if not 1 <= params.limit <= MAX_PAGE:
            raise Refusal("invalid_params", f"limit is 1 to {MAX_PAGE}", field="limit")
        search = Search(
            peer=self._address(params.peer, "peer"),
            number=self._address(params.number, "number"),
            app=params.app if app.admin else app.name,
            state=params.state,
            reason=params.reason,
            overdue_before=self.store.clock.now_ms() - int(self._no_receipt_after() * 1000),
            since=_moment(params.since, "since"),
            until=_moment(params.until, "until"),
            before=self._stored(params.before) if params.before is not None else None,
            limit=params.limit,
        )
        ids, following = await self.store.reader.read(partial(search_ids, search=search))
        found = await self._look_up(app, ids, text=params.text) if ids else {}
        return {
            "messages": [found[i] for i in ids if i in found],
            "next": self.store.id_text.format(following) if following is not None else None,
        }

    def _address(self, text: str | None, field: str) -> str | None:
        if text is None:
            return None
        try:
            return normalise(text, self._region()).value
        except AddressError:
            return text  # an alphanumeric sender, or what a carrier once wrote: looked for as it is

    async def history(self, connection: Connection, params: HistoryParams) -> object:
        """A message with the events that told of it."""
        stored = self._stored(params.id)
        found = await self._look_up(connection.app, [stored], text=params.text)
        if stored not in found:
            raise Refusal("not_found", field="id")
        rows = await self.store.reader.read(partial(message_events, message_id=stored))
        events = []
        for stream, seq, at, kind, payload in rows:
            info = self.store.streams.by_id.get(stream)
            events.append(
                {
                    "stream": info.kind if info is not None else "gone",
                    "name": info.name if info is not None else None,
                    "seq": seq,
                    "at": rfc3339(at),
                    "kind": kind,
                    "payload": msgspec.Raw(payload),
                }
            )
        return {"message": found[stored], "events": events}

    async def preview(self, connection: Connection, params: Submit) -> object:
        """What would be sent, and why so. Takes what ``submit`` takes, and stores nothing."""
        now_ms = self.store.clock.now_ms()
        prepared, shown = self.outbound.intake.preparer.preview(connection.app, params, now_ms)
        return {
            **described(prepared.plan, prepared.outgoing.bodies[0].data_coding, shown),
            "from": prepared.row.number,
            "to": prepared.row.peer,
            "carrier": prepared.row.carrier,
            "warnings": prepared.warnings,
        }

    async def cancel(self, connection: Connection, params: IdParams) -> object:
        """Cancels a message of which nothing was sent."""
        stored = self._stored(params.id)
        found = await self._look_up(connection.app, [stored], text=False)
        if stored not in found:
            raise Refusal("not_found", field="id")
        if any(p["state"] not in ("scheduled", "queued") or p["in_doubt"] for p in found[stored]["parts"]):
            raise Refusal("too_late")
        op = await self.store.writer.do(
            EndOp([End(stored, 0, State.CANCELLED, "cancelled", low=0, high=1, whole=True)])
        )
        if stored not in op.changed:
            raise Refusal("too_late")
        return {"id": params.id, "state": State.CANCELLED.word}

    async def resolve(self, connection: Connection, params: ResolveParams) -> object:
        """An operator settles messages in doubt: sent once more, or failed."""
        _operator(connection.app)
        if (params.ids is None) == (params.carrier is None):
            raise Refusal("invalid_params", "ids or carrier", field="ids")
        if params.ids is not None:
            ids = [self._stored(text) for text in params.ids]
            return {"resolved": await self._resolve(ids, params.action)}
        total = 0
        carrier = params.carrier
        assert carrier is not None
        while True:
            keys = await self.store.reader.read(partial(queries.doubtful, carrier=carrier))
            done = await self._resolve(list(dict.fromkeys(mid for mid, _ in keys)), params.action) if keys else 0
            total += done
            if not done:
                return {"resolved": total}

    async def _resolve(self, ids: list[int], action: str) -> int:
        if action == "fail":
            ends = [End(i, 0, State.FAILED, "resolved", low=4, high=4) for i in ids]
            return len((await self.store.writer.do(EndOp(ends))).changed)
        op = await self.store.writer.do(ResendOp(ids))
        found = await self.store.reader.read(partial(queries.queued_by_id, ids=sorted(op.changed)))
        self.outbound.loader.admit(self.outbound.loader.restore(found))
        return len(op.changed)

    # --- events -------------------------------------------------------------------------------------------------------

    async def subscribe(self, connection: Connection, params: SubscribeParams) -> object:
        """Makes a subscription, or takes it over."""
        if not 1 <= len(params.name) <= 64:
            raise Refusal("invalid_params", "name has 1 to 64 characters", field="name")
        if not 1 <= params.max_unacked <= 20_000 - 1:
            raise Refusal("invalid_params", "max_unacked is 1 to 19999", field="max_unacked")
        app = connection.app
        numbers: frozenset[str] | None = None
        if params.numbers is not None:
            numbers = frozenset(self._address(n, "numbers") or n for n in params.numbers)
            if app.numbers is not None and not numbers <= app.numbers:
                raise Refusal("not_allowed", "not one of your numbers", field="numbers")
        feed = await self.outbox.open(
            "subscription", app.name, params.name, numbers=numbers, events=frozenset(params.events)
        )
        connection.subscribed(feed, params.max_unacked)
        return {"name": params.name, "backlog": feed.backlog}

    async def unsubscribe(self, connection: Connection, params: NameParams) -> object:
        """Ends a subscription; what waited in it is gone."""
        feed = self.outbox.find(connection.app.name, params.name)
        if feed is None:
            raise Refusal("not_found", "no such subscription", field="name")
        dropped = feed.backlog
        connection.server.subscriptions.end(feed.info.id)
        await self.outbox.close(feed)
        return {"name": params.name, "dropped": dropped}

    # --- the daemon ---------------------------------------------------------------------------------------------------

    async def status(self, connection: Connection, params: NoParams) -> object:
        """Binds, queues, rates; an app without the operator's right sees its own part."""
        return await self._status(connection.app)

    async def reload(self, connection: Connection, params: NoParams) -> object:
        """Reads the configuration again."""
        _operator(connection.app)
        return await self._reload()


def _operator(app: App) -> None:
    if not app.admin:
        raise Refusal("not_allowed", "for operators")


def _moment(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal("invalid_params", f"{field} is a time as in RFC 3339", field=field) from None
    if moment.tzinfo is None:
        raise Refusal("invalid_params", f"{field} needs a zone, such as Z", field=field)
    return int(moment.timestamp() * 1000)
