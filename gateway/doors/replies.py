"""The method for the report of replies: what was answered, by app, class, number, campaign or a member of `meta`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.doors.lookup import Lookup, moment
from gateway.outbound.request import Refusal
from gateway.store.replies import Asked, Count, key_of, replies
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

DAY_MS = 86_400_000


class RepliesParams(msgspec.Struct, forbid_unknown_fields=True):
    """``replies``."""

    by: str = "app"
    since: str | None = None
    until: str | None = None
    number: str | None = None
    within: float | None = None  # seconds
    after: str | None = None


class ReplyReport:
    """Reads who answered what."""

    def __init__(
        self,
        store: Store,
        lookup: Lookup,
        within: Callable[[], float],
        campaign_of: Callable[[str], str | None],
    ) -> None:
        self._campaign_of = campaign_of
        self._store = store
        self._lookup = lookup
        self._within = within

    async def replies(self, connection: Connection, params: RepliesParams) -> object:
        """A page of the report; an app sees the replies to its own messages."""
        app = connection.app
        try:
            key = key_of(params.by, self._campaign_of)
        except ValueError as error:
            raise Refusal("invalid_params", str(error), field="by") from None
        within = self._within() if params.within is None else params.within
        if not 1 <= within <= 7_776_000:
            raise Refusal("invalid_params", "within is 1 to 7776000 seconds", field="within")
        numbers = self._lookup.numbers(app, params.number)
        now = self._store.clock.now_ms()
        until = moment(params.until, "until")
        since = moment(params.since, "since")
        asked = Asked(
            since=since if since is not None else now - 7 * DAY_MS,
            until=until if until is not None else now + 1,
            within=int(within * 1000),
            after=self._lookup.stored(params.after, "after") if params.after is not None else 0,
            numbers=numbers,
            app=None if app.admin else app.name,
        )
        found = await self._store.reader.read(partial(replies, asked=asked, key=key))
        return {
            "rows": [{"value": value, **_shown(count)} for value, count in found.counts.items()],
            "others": _shown(found.others),
            "unasked": found.unasked,
            "next": self._lookup.shown(found.next),
        }


def _shown(count: Count) -> dict[str, Any]:
    return {"sent": count.sent, "replies": count.replies, "seconds": count.waited / 1000}
