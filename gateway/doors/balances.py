"""Methods for the balances of apps that pay in advance: what they have left, what it comes of, and changes by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateway.doors.acts import operator
from gateway.doors.lookup import known_app, page_limit
from gateway.doors.scopes import note
from gateway.outbound.request import Refusal, no_app
from gateway.settings import Settings
from gateway.store.balance import LAST, MOST, BalanceOp, entries, standings
from gateway.store.ends import rfc3339
from gateway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.doors.connection import Connection


class BalancesParams(msgspec.Struct, forbid_unknown_fields=True):
    """``balances``: of all, of an app its own."""


class BalanceEntriesParams(msgspec.Struct, forbid_unknown_fields=True):
    """``balance_entries``: of one app, the newest first."""

    app: str
    before: str | None = None
    limit: int = 50


class BalanceAddParams(msgspec.Struct, forbid_unknown_fields=True):
    """``balance_add``: less than nothing takes segments off."""

    app: str
    segments: int
    note: str | None = None


class Balances:
    """Reads and changes them."""

    def __init__(self, store: Store, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._settings = settings

    async def balances(self, connection: Connection, params: BalancesParams) -> object:
        """What each app has left, with the sums that it is of; apps that pay in advance and got nothing yet too."""
        app = connection.app
        found = await self._store.reader.read(partial(standings, app=None if app.admin else app.name))
        prepaid = {one.name for one in self._settings().apps if one.prepaid and (app.admin or one.name == app.name)}
        shown = {one.app: one._asdict() | {"prepaid": one.app in prepaid} for one in found}
        for name in prepaid - shown.keys():
            shown[name] = {"app": name, "left": 0, "added": 0, "taken": 0, "refunded": 0, "prepaid": True}
        return {"balances": [shown[name] for name in sorted(shown)]}

    async def balance_entries(self, connection: Connection, params: BalanceEntriesParams) -> object:
        """What a balance comes of. What messages took and were given back is one entry each for an hour."""
        if params.app != connection.app.name:
            operator(connection.app)
        page_limit(params.limit)
        before = LAST
        if params.before is not None:
            at, _, kind = params.before.partition(":")
            if not at.isascii() or not at.isdigit() or len(at) > 15:
                raise Refusal("invalid_params", "not one that `next` gave", field="before")
            before = (int(at), kind)
        read = partial(entries, app=params.app, before=before, limit=params.limit)
        found = await self._store.reader.read(read)
        if not found and params.before is None:
            known_app(self._store.writer.base.optouts, params.app)
        following = f"{found[-1].at}:{found[-1].kind}" if len(found) == params.limit else None
        return {"entries": [one._asdict() | {"at": rfc3339(one.at)} for one in found], "next": following}

    async def balance_add(self, connection: Connection, params: BalanceAddParams) -> object:
        """Adds segments to a balance, or takes some off."""
        operator(connection.app)
        apps = [one.name for one in self._settings().apps]
        if params.app not in apps:
            raise no_app(params.app, apps)
        if not params.segments or abs(params.segments) > MOST:
            raise Refusal("invalid_params", f"1 to {MOST} segments, or as many less than nothing", field="segments")
        op = BalanceOp(params.app, params.segments, connection.app.name, note(params.note))
        await self._store.writer.do(op)
        return {"app": params.app, "left": op.left}
