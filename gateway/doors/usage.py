"""The method that an invoice is written from: messages and segments, told apart as it is asked."""

from __future__ import annotations

import re
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.doors.acts import operator
from gateway.outbound.request import Refusal
from gateway.store.store import Store
from gateway.store.usage import FIRST, By, page

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

_PLACE: Final = re.compile(r"(kept|out|in):[0-9]{1,19}")
_EPOCH: Final = date(1970, 1, 1).toordinal()


class UsageParams(msgspec.Struct, forbid_unknown_fields=True):
    """``usage``: of days (UTC), both included."""

    from_: str = msgspec.field(name="from")
    to: str
    by: list[By]
    after: str = FIRST


class Usage:
    """Reads it, a page at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def usage(self, connection: Connection, params: UsageParams) -> object:
        """A part of the sums, to be added to the other parts; see `gateway.store.usage`."""
        operator(connection.app)
        days = _day(params.from_, "from"), _day(params.to, "to")
        if days[0] > days[1]:
            raise Refusal("invalid_params", "to is not before from", field="to")
        by = tuple(dict.fromkeys(params.by))
        if _PLACE.fullmatch(params.after) is None or int(params.after.partition(":")[2]) >= 1 << 63:
            raise Refusal("invalid_params", "not one that `next` gave", field="after")
        found = await self._store.reader.read(partial(page, days=days, by=by, after=params.after))
        rows: list[dict[str, object]] = []
        for one in found.lines:
            sums = {"messages": one.messages, "segments": one.segments, "accepted": one.accepted}
            rows.append({"direction": one.direction, **dict(zip(by, one.of, strict=True)), **sums})
        return {"rows": rows, "next": found.following, "kept": found.kept}


def _day(text: str, field: str) -> int:
    try:
        if len(text) != 10:
            raise ValueError(text)
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        raise Refusal("invalid_params", f"{field} is a day such as 2026-11-22", field=field) from None
