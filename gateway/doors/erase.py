"""The method `erase`: all that is stored of a person goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.doors.acts import operator
from gateway.doors.lookup import Lookup
from gateway.outbound.erase import Erasure
from gateway.outbound.request import Refusal

if TYPE_CHECKING:
    from gateway.doors.connection import Connection


class EraseParams(msgspec.Struct, forbid_unknown_fields=True):
    """``erase``: a phone; ``force`` also while it is not known whether it got a message."""

    peer: str
    force: bool = False


class Erases:
    """Erases people."""

    def __init__(self, erasure: Erasure, lookup: Lookup) -> None:
        self._erasure = erasure
        self._lookup = lookup

    async def erase(self, connection: Connection, params: EraseParams) -> object:
        """Erases one; replies when nothing is left, with what went."""
        operator(connection.app)
        peer = self._lookup.address(params.peer)
        if not peer:
            raise Refusal("invalid_params", "a phone", field="peer")
        return {"peer": peer, **await self._erasure.erase(peer, force=params.force)}
