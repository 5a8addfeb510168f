"""Methods that act on messages that are stored already: cancel, and the settling of those in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from gateway.carrier.carrier import Carrier
from gateway.doors import rpc
from gateway.doors.lookup import Lookup
from gateway.model import State
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import App, Refusal
from gateway.store.ends import End, EndOp
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
    """What is done to messages."""

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
        doubts, resend = self._outbound.doubts, params.action == "resend"
        if params.carrier is not None:
            done = await doubts.resolve_all(params.carrier, resend=resend)
            if not done.done and not done.left and params.carrier not in self._outbound.carriers:
                raise Refusal("not_found", f"no carrier {rpc.short(params.carrier)}", field="carrier")
        else:
            ids = dict.fromkeys([self._lookup.stored(text) for text in params.ids or ()])
            done = await doubts.resolve(list(ids), resend=resend)
        result: dict[str, object] = {"resolved": done.done}
        if done.left:
            text = self._store.id_text.format
            result["left"] = done.left
            result["skipped"] = [{"id": text(mid), "reason": why} for mid, why in done.reasons.items()]
        return result


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
