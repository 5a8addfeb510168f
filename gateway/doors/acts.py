"""Methods that act on what is stored already, or on carriers: cancel, and what only operators may."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from gateway.carrier.carrier import Carrier
from gateway.doors import rpc
from gateway.doors.lookup import Lookup
from gateway.model import State
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import App, Refusal
from gateway.store import queries
from gateway.store.ends import End, EndOp
from gateway.store.resolve import ResendOp
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection


class IdParams(msgspec.Struct, forbid_unknown_fields=True):
    """``cancel``."""

    id: str


class ResolveParams(msgspec.Struct, forbid_unknown_fields=True):
    """``resolve``: messages in doubt, by id or all of a carrier."""

    action: Literal["resend", "fail"]
    ids: list[str] | None = None
    carrier: str | None = None


class Acts:
    """What is done to messages and carriers."""

    def __init__(self, store: Store, outbound: Outbound, lookup: Lookup) -> None:
        self._store = store
        self._outbound = outbound
        self._lookup = lookup

    async def cancel(self, connection: Connection, params: IdParams) -> object:
        """Cancels a message of which nothing was sent."""
        stored = self._lookup.stored(params.id)
        found = await self._lookup.look_up(connection.app, [stored], text=False)
        if stored not in found:
            raise Refusal("not_found", field="id")
        if any(p["state"] not in ("scheduled", "queued") or p["in_doubt"] for p in found[stored]["parts"]):
            raise Refusal("too_late")
        op = await self._store.writer.do(
            EndOp([End(stored, 0, State.CANCELLED, "cancelled", low=0, high=1, whole=True)])
        )
        if stored not in op.changed:
            raise Refusal("too_late")
        return {"id": params.id, "state": State.CANCELLED.word}

    async def resolve(self, connection: Connection, params: ResolveParams) -> object:
        """An operator settles messages in doubt: sent once more, or failed."""
        operator(connection.app)
        if (params.ids is None) == (params.carrier is None):
            raise Refusal("invalid_params", "ids or carrier", field="ids")
        if params.ids is not None:
            ids = [self._lookup.stored(text) for text in params.ids]
            return {"resolved": await self._resolve(ids, params.action)}
        total = 0
        carrier = params.carrier
        assert carrier is not None
        while True:
            keys = await self._store.reader.read(partial(queries.doubtful, carrier=carrier))
            done = await self._resolve(list(dict.fromkeys(mid for mid, _ in keys)), params.action) if keys else 0
            total += done
            if not done:
                return {"resolved": total}

    async def _resolve(self, ids: list[int], action: str) -> int:
        if action == "fail":
            ends = [End(i, 0, State.FAILED, "resolved", low=4, high=4) for i in ids]
            return len((await self._store.writer.do(EndOp(ends))).changed)
        op = await self._store.writer.do(ResendOp(ids))
        found = await self._store.reader.read(partial(queries.queued_by_id, ids=sorted(op.changed)))
        self._outbound.loader.admit(self._outbound.loader.restore(found))
        return len(op.changed)


def carrier_named(outbound: Outbound, name: str, field: str) -> Carrier:
    """A carrier by its name. Raises Refusal naming the nearest."""
    carrier = outbound.carriers.get(name)
    if carrier is None:
        known = outbound.carriers
        near = rpc.nearest(name, known) or (f"; there is {', '.join(sorted(known))}" if known else "")
        raise Refusal("invalid_params", f"no carrier {rpc.short(name)}{near}", field=field)
    return carrier


def operator(app: App) -> None:
    """Raises Refusal unless the app is an operator."""
    if not app.admin:
        raise Refusal("not_allowed", "for operators")
