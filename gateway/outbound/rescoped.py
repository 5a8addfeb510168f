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
    store.writer.base.looked = None
    _said(store.read_now(partial(carry_all, sets=sets)))


async def carry(store: Store, sets: Sets) -> None:
    """The same before new settings are taken over: page by page, and then what people wrote meanwhile.

    Raises StoreUnavailableError.
    """
    wanted = moves(await store.reader.read(known_sets), sets)
    if not wanted:
        return
    since = store.clock.now_ms()
    copied, after = 0, ""
    while True:
        page = CarryOp(wanted, behind=after)
        await store.writer.do(page)
        copied += page.copied
        if page.next is None:
            break
        after = page.next
    rest = CarryOp(wanted, since=since)
    await store.writer.do(rest)
    _said(copied + rest.copied)


async def remember(store: Store, sets: Sets, since: int) -> None:
    """After they were: what people wrote at that very moment goes along too, and the sets are remembered.

    What is claimed and not written comes back where it may not be sent any more. Raises StoreUnavailableError.
    """
    op = CarryOp(moves(await store.reader.read(known_sets), sets), since=since, sets=sets)
    await store.writer.do(op)
    _said(op.copied)
    optouts, looked = store.writer.base.optouts, store.writer.base.looked
    if looked is None or not optouts.reaches_as(looked):
        # What was claimed by the rules before is stored, since that was done.
        await _end(store, optouts, await store.reader.read(queries.claimed_opted_out))


async def _end(store: Store, optouts: OptOuts, found: list[tuple[str, str, str, str]]) -> int:
    """Ends what waits of these messages (app, number, peer, scope); what is claimed and not written comes back."""
    peers = list({peer: None for app, number, peer, scope in found if scope in optouts.scopes(app, number)})
    ended = 0
    for at in range(0, len(peers), AT_ONCE):
        op = RescopeOp(peers[at : at + AT_ONCE])
        await store.writer.do(op)
        ended += op.ended
    return ended


def _said(copied: int) -> None:
    if copied:
        _log.info("optouts_go_along", rows=copied)


class Rescoped:
    """Looks through the queues at the start, and when scopes reach elsewhere by new settings.

    Until that is done every claim is asked (`gateway.store.tx.Tx.asks`), and what was claimed before came back at once
    (`remember`). What is scheduled is looked at when it is due (`gateway.store.resolve.DueOp`), and what a carrier
    gives back as it comes back, so that nothing has to be read for them here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OptOuts | None = None

    async def turn(self) -> None:
        """Called every second."""
        base = self._store.writer.base
        optouts = base.optouts
        if optouts is self._known:
            return
        if self._known is None or not optouts.reaches_as(self._known):
            await self._look(optouts)
        self._known = base.looked = optouts

    async def _look(self, optouts: OptOuts) -> None:
        read, ended = self._store.reader.read, 0
        for unit, _ in await read(queries.queue_units):
            after: int | None = 0
            while after is not None:
                found, after = await read(partial(queries.queued_opted_out, unit=unit, after=after))
                ended += await _end(self._store, optouts, found)
        if ended:
            _log.warning("queued_for_opted_out", messages=ended)
