"""Other sets of numbers, or other numbers of apps: what waits for who opted out of where it now comes from ends."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.log import logger
from gateway.policy.optout import OptOuts
from gateway.store import queries
from gateway.store.optouts import RescopeOp
from gateway.store.setmoves import CarryOp, Sets, carry_all, known_sets, moves
from gateway.store.store import Store

_log = logger(component="outbound")

AT_ONCE: Final = 100
"""People whose messages are ended in one transaction."""


def carried(store: Store, sets: Sets) -> None:
    """At the start, before anything is sent: opt-outs are where the numbers of their set are now."""
    _said(store.read_now(partial(carry_all, sets=sets)))


async def carry(store: Store, sets: Sets, *, since: int = 0) -> None:
    """The same before new settings are taken over, a page at a time; no more than came ``since`` (ms).

    Raises StoreUnavailableError.
    """
    wanted = moves(await store.reader.read(known_sets), sets)
    copied, after = 0, "" if wanted else None
    while after is not None:
        op = CarryOp(wanted, after, since)
        await store.writer.do(op)
        copied, after = copied + op.copied, op.next
    _said(copied)


async def remember(store: Store, sets: Sets, since: int) -> None:
    """After they were: what people wrote while the pages were copied goes along too, and the sets are remembered."""
    await carry(store, sets, since=since)
    await store.writer.do(CarryOp((), None, sets=sets))


def _said(copied: int) -> None:
    if copied:
        _log.info("optouts_go_along", rows=copied)


class Rescoped:
    """Looks through the queues at the start, and when scopes reach elsewhere by new settings.

    What is scheduled is looked at when it is due (`gateway.store.resolve.DueOp`), and what a carrier gives back as it
    comes back, so that nothing has to be read for them here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OptOuts | None = None

    async def turn(self) -> None:
        """Called every second."""
        optouts = self._store.writer.base.optouts
        if optouts is self._known:
            return
        if self._known is None or not optouts.reaches_as(self._known):
            await self._look(optouts)
        self._known = optouts

    async def _look(self, optouts: OptOuts) -> None:
        read, ended = self._store.reader.read, 0
        for unit, _ in await read(queries.queue_units):
            after: int | None = 0
            while after is not None:
                found, after = await read(partial(queries.queued_opted_out, unit=unit, after=after))
                peers = list({peer: None for app, number, peer, scope in found if scope in optouts.scopes(app, number)})
                for at in range(0, len(peers), AT_ONCE):
                    op = RescopeOp(peers[at : at + AT_ONCE])
                    await self._store.writer.do(op)
                    ended += op.ended
        if ended:
            _log.warning("queued_for_opted_out", messages=ended)
