"""Erases a person: what waits for them is cancelled, then all that is stored of them goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from gateway.log import logger
from gateway.model import State
from gateway.outbound.request import Refusal
from gateway.outbox import Outbox
from gateway.settings.own import FORWARDS
from gateway.store.ends import End, EndOp
from gateway.store.erase import (
    EraseEventsOp,
    EraseOp,
    ForgetOp,
    events_naming,
    forwards_naming,
    inbound_of,
    live,
    messages_of,
    parked_naming,
)
from gateway.store.retention import PAGE
from gateway.store.store import Store
from gateway.store.streams import HANDLER

_log = logger(component="store")

ANSWERS_WAIT: Final = 10.0
"""Seconds in which what is on the wire to that phone may be answered."""
LOOK_EVERY: Final = 0.1


class Erasure:
    """Erases one person at a time."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox
        self._alone = trio.Lock()

    async def erase(self, peer: str, *, force: bool) -> dict[str, int]:
        """Erases the phone ``peer`` as it is stored; what went, by kind. It can be repeated at any time.

        Raises Refusal `too_late` while something is on the wire to it, and `in_doubt` while it is not known whether it
        got a message, unless ``force``.
        """
        async with self._alone:
            cancelled = await self._let_go(peer, force=force)
            forgotten = await self._store.writer.do(ForgetOp(peer))
            counts = {"cancelled": cancelled, "messages": 0, "inbound": 0, "events": 0, "forwards": 0, "receipts": 0}
            counts["events"] = await self._events(peer)
            counts["messages"] = await self._messages(peer)
            while ids := await self._store.reader.read(partial(inbound_of, peer=peer)):
                counts["inbound"] += (await self._store.writer.do(EraseOp("inbound", ids))).gone
            if self._store.streams.find(HANDLER, "", FORWARDS) is not None:
                counts["forwards"] = await self._scan("forwards", partial(forwards_naming, peer=peer))
            counts["receipts"] = await self._scan("receipts", partial(parked_naming, peer=peer))
            # A second time: what came in meanwhile, and threads that were still needed.
            again = await self._store.writer.do(ForgetOp(peer))
            counts |= {"optouts": forgotten.optouts + again.optouts, "rows": forgotten.rows + again.rows}
            counts["left"] = len(await self._store.reader.read(partial(messages_of, peer=peer, after=0)))
            counts["log_cut"] = int(await self._store.cut_log())
        _log.info("erased", **counts)
        return counts

    async def _let_go(self, peer: str, *, force: bool) -> int:
        """Cancels what waits for the phone, and waits for what is on the wire."""
        cancelled = 0
        with trio.move_on_after(ANSWERS_WAIT):
            while True:
                found = await self._store.reader.read(partial(live, peer=peer))
                waiting = [mid for mid, states in found.items() if states & {State.SCHEDULED, State.QUEUED}]
                if waiting:
                    ends = [End(mid, 0, State.CANCELLED, "cancelled", low=0, high=1) for mid in waiting]
                    cancelled += len((await self._store.writer.do(EndOp(ends))).changed)
                elif not any(State.SUBMITTING in states for states in found.values()):
                    doubts = len(found)
                    if doubts and not force:
                        raise Refusal("in_doubt", f"{doubts} messages to it are in doubt: settle them, or force it")
                    return cancelled
                await trio.sleep(LOOK_EVERY)
        raise Refusal("too_late", "a message to it is on the wire; once it is answered, try again")

    async def _events(self, peer: str) -> int:
        gone = 0
        for feed in list(self._outbox.feeds.values()):
            stream, after = feed.info.id, 0
            while True:
                seqs, following = await self._store.reader.read(
                    partial(events_naming, stream=stream, peer=peer, after=after)
                )
                for at in range(0, len(seqs), PAGE):
                    page = seqs[at : at + PAGE]
                    tried = self._outbox.retries.get(stream, {})
                    self._outbox.set_aside(feed, [seq for seq in page if feed.waits(seq) or seq in tried], 0, "erased")
                    await self._store.writer.flush()
                    op = await self._store.writer.do(EraseEventsOp(stream, page))
                    feed.dead -= op.dead
                    gone += op.gone
                if following is None or self._outbox.feeds.get(stream) is not feed:
                    break
                after = following
        return gone

    async def _messages(self, peer: str) -> int:
        gone = after = 0
        while ids := await self._store.reader.read(partial(messages_of, peer=peer, after=after)):
            gone += (await self._store.writer.do(EraseOp("messages", ids))).gone
            after = ids[-1]
        return gone

    async def _scan(self, what: str, pages: Callable[..., tuple[list[int], int | None]]) -> int:
        gone, after = 0, 0
        while True:
            ids, following = await self._store.reader.read(partial(pages, after=after))
            for at in range(0, len(ids), PAGE):
                gone += (await self._store.writer.do(EraseOp(what, ids[at : at + PAGE]))).gone
            if following is None:
                return gone
            after = following
