"""Methods for threads: the conversations of our numbers with those who write to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.doors.lookup import Lookup, page_limit
from gateway.model import id_ms
from gateway.outbound.request import App, Refusal
from gateway.store.arrivals import Extra
from gateway.store.conversation import (
    Thread,
    Wanted,
    inbound_messages,
    thread_of,
    thread_page,
    turns,
)
from gateway.store.ends import rfc3339
from gateway.store.hot import Row
from gateway.store.store import Store
from gateway.store.threads import ThreadOp

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

LONGEST_NAME: Final = 64
OwnerOf = Callable[[str], str | None]
"""Whose one of our numbers is, if it is somebody's: a person's or a group's."""


class ThreadsParams(msgspec.Struct, forbid_unknown_fields=True):
    """``threads``: which of them."""

    number: str | None = None
    peer: str | None = None
    unread: bool = False
    attention: bool = False
    assigned: str | None = None
    before: str | None = None
    limit: int = 50
    text: bool = False


class ThreadParams(msgspec.Struct, forbid_unknown_fields=True):
    """``thread``: the messages of one."""

    number: str
    peer: str
    before: str | None = None
    limit: int = 50
    text: bool = False


class ThreadSetParams(msgspec.Struct, forbid_unknown_fields=True):
    """``thread_set``: what is to be noted of one; what is absent stays."""

    number: str
    peer: str
    read_up_to: str | None = None  # id of the last message that was seen
    attention: bool | None = None
    assigned: str | msgspec.UnsetType | None = msgspec.UNSET  # null: back to the number's owner


class Threads:
    """Reads threads for those who may see their numbers, and notes what they say of them."""

    def __init__(self, store: Store, lookup: Lookup, owner_of: OwnerOf) -> None:
        self._store = store
        self._lookup = lookup
        self._owner_of = owner_of

    async def threads(self, connection: Connection, params: ThreadsParams) -> object:
        """A page of threads, the one with the newest inbound message first."""
        page_limit(params.limit)
        wanted = Wanted(
            numbers=self._lookup.numbers(connection.app, params.number),
            peer=self._lookup.address(params.peer),
            unread=params.unread,
            attention=params.attention,
            whose=partial(self._is_of, params.assigned) if params.assigned is not None else None,
            before=self._stored(params.before, "before"),
        )
        page = await self._store.reader.read(partial(thread_page, wanted=wanted, limit=params.limit))
        shown = [self._shown(thread, text=params.text) for thread in page.threads]
        return {"threads": shown, "next": self._lookup.shown(page.next)}

    async def thread(self, connection: Connection, params: ThreadParams) -> object:
        """The messages of a thread in and out, newest first; of what was sent an app sees its own."""
        app = connection.app
        page_limit(params.limit)
        number, peer = self._pair(app, params.number, params.peer)
        found, following = await self._store.reader.read(
            partial(
                turns,
                number=number,
                peer=peer,
                app=None if app.admin else app.name,
                before=self._stored(params.before, "before"),
                limit=params.limit,
            )
        )
        thread = await self._store.reader.read(partial(thread_of, number=number, peer=peer))
        if thread is None and not found:
            raise Refusal("not_found", "no message of this number and peer", field="peer")
        came, sent = [t.id for t in found if t.inbound], [t.id for t in found if not t.inbound]
        inbound = await self._store.reader.read(partial(inbound_messages, ids=came)) if came else {}
        messages = await self._lookup.look_up(app, sent, text=params.text) if sent else {}
        shown: list[dict[str, Any]] = []
        for turn in found:
            if turn.inbound and turn.id in inbound:
                shown.append(self._came(turn.id, inbound[turn.id], text=params.text))
            elif turn.id in messages:
                shown.append(_sent(messages[turn.id]))
        known = self._shown(thread, text=False) if thread is not None else None
        return {"thread": known, "messages": shown, "next": self._lookup.shown(following)}

    async def thread_set(self, connection: Connection, params: ThreadSetParams) -> object:
        """Notes that a thread was read, needs attention or does not, or is somebody's."""
        number, peer = self._pair(connection.app, params.number, params.peer)
        read_up_to = self._stored(params.read_up_to, "read_up_to")
        given = params.assigned
        if read_up_to is None and params.attention is None and given is msgspec.UNSET:
            raise Refusal("invalid_params", "read_up_to, attention or assigned", field="read_up_to")
        if isinstance(given, str) and (not 1 <= len(given) <= LONGEST_NAME or not given.isprintable()):
            detail = f"assigned is a name of 1 to {LONGEST_NAME} printable characters, or null"
            raise Refusal("invalid_params", detail, field="assigned")
        assigned = None if given is msgspec.UNSET else given or ""
        op = await self._store.writer.do(
            ThreadOp(number, peer, read_up_to=read_up_to, attention=params.attention, assigned=assigned)
        )
        thread = await self._store.reader.read(partial(thread_of, number=number, peer=peer)) if op.found else None
        if thread is None:
            raise Refusal("not_found", "this peer never wrote to this number", field="peer")
        return self._shown(thread, text=False)

    # --- how they are shown -------------------------------------------------------------------------------------------

    def _is_of(self, who: str, number: str, assigned: str | None) -> bool:
        """Whether a thread of ``number`` is this one's, where ``assigned`` is noted of it."""
        return (assigned if assigned is not None else self._owner_of(number)) == who

    def _shown(self, thread: Thread, *, text: bool) -> dict[str, Any]:
        owner = self._owner_of(thread.number)
        shown: dict[str, Any] = {
            "number": thread.number,
            "peer": thread.peer,
            "name": thread.name,
            "unread": thread.unread,
            "needs_attention": thread.attention,
            "assigned": thread.assigned if thread.assigned is not None else owner,
            "first_at": rfc3339(thread.first_at),
            "last_at": rfc3339(id_ms(thread.last_in)),
            "last_id": self._lookup.shown(thread.last_in),
        }
        if text:
            shown["text"] = thread.text
        return shown

    def _came(self, mid: int, row: Row, *, text: bool) -> dict[str, Any]:
        carrier, body, data, encoding, parts, complete, extra = row
        shown: dict[str, Any] = {
            "direction": "in",
            "id": self._lookup.shown(mid),
            "at": rfc3339(id_ms(mid)),
            "carrier": carrier,
            "encoding": encoding,
            "segments": parts,
            "complete": bool(complete),
        }
        if text:
            shown["text"] = body
            if data is not None:
                shown["data"] = data.hex()
        if extra is not None:
            try:
                more = msgspec.json.decode(extra, type=Extra)
            except msgspec.DecodeError:
                more = Extra(flags=("damaged",))
            shown |= {name: value for name in _BESIDE if (value := getattr(more, name))}
        return shown

    # --- reading of parameters ----------------------------------------------------------------------------------------

    def _pair(self, app: App, number: str, peer: str) -> tuple[str, str]:
        """Number and peer as they are stored. Raises Refusal `not_found` where the number is not the app's."""
        return self._lookup.number(app, number), self._lookup.address(peer) or peer

    def _stored(self, text: str | None, field: str) -> int | None:
        return self._lookup.stored(text, field) if text is not None else None


_BESIDE: Final = ("flags", "missing", "rules", "tags", "unheard", "urgent")
"""Of what a message has beside its text, that which a reader of a conversation wants to know."""
_OF_SENT: Final = ("id", "app", "ref", "class", "encoding", "state", "reason", "carrier", "segments", "meta")


def _sent(message: dict[str, Any]) -> dict[str, Any]:
    shown = {"direction": "out", "at": message["created_at"], **{name: message[name] for name in _OF_SENT}}
    return shown | {name: message[name] for name in ("text", "data") if name in message}
