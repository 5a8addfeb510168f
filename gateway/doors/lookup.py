"""Methods that look messages up: one, several, a search, a whole history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.model import STATE_WORDS, id_ms
from gateway.outbound.request import App, Refusal, no_app
from gateway.policy.optout import OptOuts
from gateway.settings.own import OWN_APP
from gateway.sms.address import AddressError, normalise
from gateway.store.ends import rfc3339
from gateway.store.history import History
from gateway.store.messages import Search, View, message_events, search_ids
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

MAX_IDS: Final = 500
MAX_PAGE: Final = 500
LAST_MS: Final = id_ms((1 << 63) - 1)


class MessageParams(msgspec.Struct, forbid_unknown_fields=True):
    """``message``: one id or up to 500."""

    id: str | None = None
    ids: list[str] | None = None
    text: bool = False


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


class Lookup:
    """Reads messages for those who may see them."""

    def __init__(
        self, store: Store, *, no_receipt_after: Callable[[], float], region: Callable[[], str | None]
    ) -> None:
        self._store = store
        self._no_receipt_after = no_receipt_after
        self._region = region

    def _view(self) -> View:
        return View(self._store.id_text, int(self._no_receipt_after() * 1000))

    def stored(self, text: str, field: str = "id") -> int:
        """The stored id of a message's id. Raises Refusal `not_found`."""
        stored = self._store.id_text.parse(text)
        if stored is None:
            raise Refusal("not_found", field=field)
        return stored

    def shown(self, stored: int | None) -> str | None:
        """The id of a message whose stored one this is, for those who look at it; None for None."""
        return self._store.id_text.format(stored) if stored is not None else None

    async def look_up(self, app: App, ids: list[int], *, text: bool) -> dict[int, dict[str, Any]]:
        """Messages by stored id, as far as the app may see them."""
        return await self._store.reader.read(
            partial(
                self._view().messages,
                ids=ids,
                now=self._store.clock.now_ms(),
                app=None if app.admin else app.name,
                with_text=text,
            )
        )

    async def message(self, connection: Connection, params: MessageParams) -> object:
        """One message, or several; what is not the app's own is as if it were not there."""
        if (params.id is None) == (params.ids is None):
            raise Refusal("invalid_params", "id or ids", field="id")
        if params.id is not None:
            stored = self.stored(params.id)
            found = await self.look_up(connection.app, [stored], text=params.text)
            if stored not in found:
                raise Refusal("not_found", field="id")
            return found[stored]
        assert params.ids is not None
        if len(params.ids) > MAX_IDS:
            raise Refusal("invalid_params", f"at most {MAX_IDS} ids", field="ids")
        wanted = [self._store.id_text.parse(text) for text in params.ids]
        found = await self.look_up(connection.app, [i for i in wanted if i is not None], text=params.text)
        return {"messages": [found[i] for i in wanted if i is not None and i in found]}

    async def messages(self, connection: Connection, params: SearchParams) -> object:
        """A page of a search, newest first."""
        app = connection.app
        if params.state is not None and params.state not in STATE_WORDS:
            raise Refusal("invalid_params", f"state is one of {', '.join(STATE_WORDS)}", field="state")
        page_limit(params.limit)
        search = Search(
            peer=self.address(params.peer),
            number=self.address(params.number),
            app=params.app if app.admin else app.name,
            state=params.state,
            reason=params.reason,
            overdue_before=self._store.clock.now_ms() - int(self._no_receipt_after() * 1000),
            now=self._store.clock.now_ms(),
            since=moment(params.since, "since"),
            until=moment(params.until, "until"),
            before=self.stored(params.before) if params.before is not None else None,
            limit=params.limit,
        )
        ids, following = await self._store.reader.read(partial(search_ids, search=search))
        if search.app is not None and not ids and following is None and params.before is None:
            # One that was configured once still has its messages.
            known_app(self._store.writer.base.optouts, search.app)
        found = await self.look_up(app, ids, text=params.text) if ids else {}
        return {
            "messages": [found[i] for i in ids if i in found],
            "next": self.shown(following),
        }

    def address(self, text: str | None) -> str | None:
        """An address as messages are stored with it; None for None."""
        # An alphanumeric sender, or what a carrier once wrote, is looked for as it is.
        return None if text is None else self.phone(text) or text

    def phone(self, text: str) -> str | None:
        """A phone number or a short code as it is stored; None where it is neither."""
        try:
            return normalise(text, self._region()).value
        except AddressError:
            return None

    def reachable(self, text: str) -> str:
        """A phone number or a short code as it is stored. Raises Refusal where it is neither."""
        phone = self.phone(text)
        if phone is None:
            raise Refusal("invalid_params", "not a phone number or short code", field="peer")
        return phone

    def number(self, app: App, text: str) -> str:
        """A number of ours as it is stored. Raises Refusal `not_found` where the app may not see it."""
        number = self.address(text) or text
        if not app.admin and app.numbers is not None and number not in app.numbers:
            raise Refusal("not_found", "no such number, or not one of yours", field="number")
        return number

    def numbers(self, app: App, one: str | None) -> frozenset[str] | None:
        """The numbers that an app asks for: the one that it names, or all that it may see (None: all there are)."""
        if one is not None:
            return frozenset({self.number(app, one)})
        return None if app.admin else app.numbers

    async def history(self, connection: Connection, params: HistoryParams) -> object:
        """A message with all that happened to it, in order, and the events that told of it."""
        stored = self.stored(params.id)
        found = await self.look_up(connection.app, [stored], text=params.text)
        if stored not in found:
            raise Refusal("not_found", field="id")
        rows = await self._store.reader.read(partial(message_events, message_id=stored))
        whole = History(self._store.streams)
        history = await self._store.reader.read(partial(whole.read, message_id=stored))
        events = []
        for stream, seq, at, kind, payload in rows:
            info = self._store.streams.by_id.get(stream)
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
        return {"message": found[stored], "history": history, "events": events}


def known_app(optouts: OptOuts, name: str) -> None:
    """Raises Refusal where messages of an app are asked for that there is not."""
    if name not in optouts.apps and name not in ("operator", OWN_APP):
        raise no_app(name, optouts.apps)


def page_limit(limit: int) -> None:
    """Raises Refusal where a page cannot have so many rows."""
    if not 1 <= limit <= MAX_PAGE:
        raise Refusal("invalid_params", f"limit is 1 to {MAX_PAGE}", field="limit")


def moment(text: str | None, field: str) -> int | None:
    """A time of a parameter in ms since 1970; None for None. Raises Refusal.

    What is before 1970 or after the ids' last time is as good as that.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal("invalid_params", f"{field} is a time as in RFC 3339", field=field) from None
    if moment.tzinfo is None:
        raise Refusal("invalid_params", f"{field} needs a zone, such as Z", field=field)
    return min(max(0, int(moment.timestamp() * 1000)), LAST_MS)
