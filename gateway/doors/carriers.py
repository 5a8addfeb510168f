"""The method `carrier`: what an operator has a carrier do, and has it go on doing over restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from gateway.carrier.carrier import Carrier
from gateway.doors.acts import carrier_named, operator
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import Refusal
from gateway.outbound.shown import why
from gateway.store.store import Store
from gateway.store.wishes import Wish, WishOp
from gateway.store.writer import StoreUnavailableError

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

LONGEST_REASON = 200


class CarrierParams(msgspec.Struct, forbid_unknown_fields=True):
    """``carrier``: an action on one; ``reason`` is shown in `status` while it is held."""

    name: str
    action: Literal["pause", "drain", "resume", "rebind"]
    reason: str | None = None


class CarrierActs:
    """Has carriers paused, drained, resumed and bound anew."""

    def __init__(self, store: Store, outbound: Outbound) -> None:
        self._store = store
        self._outbound = outbound

    async def carrier(self, connection: Connection, params: CarrierParams) -> object:
        """Does it at once, and keeps it; what could not be kept is in ``warnings``."""
        operator(connection.app)
        carrier = carrier_named(self._outbound, params.name, "name")
        if params.reason is not None and len(params.reason) > LONGEST_REASON:
            raise Refusal("invalid_params", f"reason has at most {LONGEST_REASON} characters", field="reason")
        if params.action == "rebind":
            return await self._rebind(carrier)
        wish = None if params.action == "resume" else Wish(params.action, self._store.clock.now_ms(), params.reason)
        # First what is urgent, then that it lasts: a full disk must not keep a carrier from being held.
        self._outbound.want(params.name, wish)
        warnings: list[str] = []
        try:
            await self._store.writer.do(WishOp(params.name, wish))
        except StoreUnavailableError as error:
            warnings.append(f"a restart undoes it, since it could not be stored: {error}")
        return self._shown(carrier, warnings)

    async def _rebind(self, carrier: Carrier) -> object:
        if carrier.parked:
            raise Refusal("invalid_params", f"{carrier.name} is drained; resume binds it", field="action")
        binds = await carrier.rebind()
        return {**self._shown(carrier, []), "binds": binds}

    def _shown(self, carrier: Carrier, warnings: list[str]) -> dict[str, object]:
        queue = self._outbound.queue(carrier.name)
        return {
            "name": carrier.name,
            "state": carrier.state,
            "why": why(carrier, self._outbound.wishes.get(carrier.name)),
            "queued": queue.queued,
            "in_flight": carrier.in_use,
            "warnings": warnings,
        }
