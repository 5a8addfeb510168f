"""Methods for opt-outs: who gets no more messages, since when and why; changed in a person's place, imported."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.doors.acts import operator
from gateway.doors.imports import Import
from gateway.doors.lookup import Lookup, known_app, moment, page_limit
from gateway.doors.scopes import note, record_window, scope_of
from gateway.model import id_ms
from gateway.outbound.request import App, Refusal
from gateway.policy.optout import ALL
from gateway.store.ends import rfc3339
from gateway.store.forgotten import SIGN, erased_of
from gateway.store.optouts import Change, Held, OptOutChange, OptOutOp, held_by, listed, record
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

_ERASED_ELSEWHERE: Final = "the name of somebody who was erased: only the database that has it knows whom it means"


class OptOutsParams(msgspec.Struct, forbid_unknown_fields=True):
    """``optouts``: a page of all."""

    after: str = ""
    limit: int = 50


class OptOutParams(msgspec.Struct, forbid_unknown_fields=True):
    """``optout``: what holds for a phone, and whether a message from ``number`` by ``app`` would be refused."""

    peer: str
    number: str | None = None
    app: str | None = None


class OptOutSetParams(msgspec.Struct, forbid_unknown_fields=True):
    """``optout_set``: a phone is out of a scope, or in again; ``scope`` null: all, of an app its own."""

    peer: str
    out: bool
    scope: str | None = None
    note: str | None = None


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One of ``optouts_import``."""

    peer: str
    scope: str = ALL
    at: str | None = None
    note: str | None = None


class OptOutsImportParams(msgspec.Struct, forbid_unknown_fields=True):
    """``optouts_import``: up to 500 at a time."""

    optouts: list[Entry]


class OptOutChangesParams(msgspec.Struct, forbid_unknown_fields=True):
    """``optout_changes``: the record, of a phone or of all, the newest first."""

    peer: str | None = None
    since: str | None = None
    until: str | None = None
    before: str | None = None
    limit: int = 50


class OptOuts:
    """Reads and changes who opted out."""

    def __init__(self, store: Store, lookup: Lookup) -> None:
        self._store = store
        self._lookup = lookup

    async def optouts(self, connection: Connection, params: OptOutsParams) -> object:
        """A page of all, in the order of phones and scopes."""
        operator(connection.app)
        page_limit(params.limit)
        peer, _, scope = params.after.partition(" ")
        found = await self._store.reader.read(partial(listed, after=(peer, scope), limit=params.limit))
        following = f"{found[-1].peer} {found[-1].scope}" if len(found) == params.limit else None
        return {"optouts": [{"peer": one.peer, **self._shown(one)} for one in found], "next": following}

    async def optout(self, connection: Connection, params: OptOutParams) -> object:
        """What a phone opted out of; an app sees what concerns its own numbers."""
        app = connection.app
        if params.app is not None and params.app != app.name:
            operator(app)
            known_app(self._store.writer.base.optouts, params.app)
        peer = self._lookup.address(params.peer) or params.peer
        held = await self._store.reader.read(partial(held_by, peer=peer))
        optouts = self._store.writer.base.optouts
        asked: frozenset[str] | None = None  # scopes; None: whatever there is
        if params.number is not None:
            asked = optouts.scopes(params.app or app.name, self._lookup.number(app, params.number))
        elif params.app is not None or not app.admin:
            asked = optouts.scopes_of(params.app or app.name)
        held = [one for one in held if asked is None or one.scope in asked]
        return {"peer": peer, "opted_out": bool(held), "scopes": [self._shown(one) for one in held]}

    async def optout_set(self, connection: Connection, params: OptOutSetParams) -> object:
        """Somebody says in a person's place that they are out, or in again."""
        app = connection.app
        scope = params.scope if params.scope is not None else ALL if app.admin else f"app:{app.name}"
        peer = self._lookup.phone(params.peer)
        known = await self._store.reader.read(partial(held_by, peer=peer or params.peer))
        if peer is None:
            # One that a carrier wrote so is known by that.
            peer = params.peer if known else self._lookup.reachable(params.peer)
        if params.out or not app.admin or all(one.scope != scope for one in known):
            # What is listed is taken back also where there is no such app or set any more.
            scope = self._scope(app, scope)
        change = OptOutChange(peer, scope, params.out, note(params.note), entered=not app.admin)
        op = await self._store.writer.do(OptOutOp([change], how="operator", who=app.name))
        held = await self._store.reader.read(partial(held_by, peer=peer))
        return {
            "peer": peer,
            "changed": op.changed[0],
            "scopes": [self._shown(one) for one in held if app.admin or one.scope == scope],
        }

    async def optouts_import(self, connection: Connection, params: OptOutsImportParams) -> object:
        """Many at once, of which no events are told; what cannot be taken is named by its place, and the others are."""
        operator(connection.app)
        entries = Import(params.optouts, "optouts", "opt-outs")
        names = [one.peer for one in params.optouts if one.peer.startswith(SIGN)]
        erased = await self._store.reader.read(partial(erased_of, names=names)) if names else frozenset()
        changes = entries.changes(partial(self._entry, connection.app, erased))
        new = 0
        if changes:
            op = await self._store.writer.do(OptOutOp(changes, how="import", who=connection.app.name, tell=False))
            new = sum(op.changed)
        return entries.answer(new=new)

    async def optout_changes(self, connection: Connection, params: OptOutChangesParams) -> object:
        """The record of what changed, when, how and by which message."""
        operator(connection.app)
        page_limit(params.limit)
        low, high = record_window(self._lookup, params.since, params.until, params.before)
        peer = self._lookup.address(params.peer)
        found = await self._store.reader.read(partial(record, peer=peer, low=low, high=high, limit=params.limit))
        following = self._lookup.shown(found[-1].id) if len(found) == params.limit else None
        return {"changes": [self._change(one) for one in found], "next": following}

    # --- reading of parameters ----------------------------------------------------------------------------------------

    def _scope(self, app: App, scope: str) -> str:
        return scope_of(self._store.writer.base.optouts, self._lookup, app, scope)

    def _entry(self, app: App, erased: Collection[str], one: Entry) -> OptOutChange:
        if one.peer.startswith(SIGN):
            if one.peer not in erased:
                raise Refusal("invalid_params", _ERASED_ELSEWHERE, field="peer")
            peer = one.peer
        else:
            peer = self._lookup.reachable(one.peer)
        return OptOutChange(peer, self._scope(app, one.scope or ALL), True, note(one.note), moment(one.at, "at"))

    # --- how they are shown -------------------------------------------------------------------------------------------

    def _shown(self, one: Held) -> dict[str, Any]:
        return {
            "scope": one.scope,
            "at": rfc3339(one.at),
            "how": one.how,
            "id": self._lookup.shown(one.message_id),
            "keyword": one.keyword,
        }

    def _change(self, one: Change) -> dict[str, Any]:
        return {
            "id": self._lookup.shown(one.id),
            "at": rfc3339(id_ms(one.id)),
            "peer": one.peer,
            "change": one.change,
            "scope": one.scope,
            "how": one.how,
            "who": one.who,
            "number": one.number,
            "message": self._lookup.shown(one.message_id),
            "keyword": one.keyword,
            "text": one.text,
        }
