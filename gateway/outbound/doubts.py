"""Segments that were written, perhaps, and not answered: sent again or held, as the carrier's policy says.

What settles a held one: a late answer, a receipt, or an operator.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from gateway.carrier.bind import Bind
from gateway.carrier.carrier import BIND_INTERVAL
from gateway.carrier.outgoing import SegmentOut
from gateway.log import logger
from gateway.model import State
from gateway.store import pages, queries
from gateway.store.ends import End, EndOp
from gateway.store.resolve import ResendOp, Untaken, UntakenOp
from gateway.store.sends import DoubtOp

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

_log = logger(component="outbound")

COPY_EVERY: Final = 0.1
COPIES_WITHIN: Final = 5.0
"""Seconds between the copies after a session was lost, and for all of them."""
PAGE: Final = 500
MOST_SKIPPED: Final = 100
"""Messages that an operator could not settle, of which the reasons are told one by one."""


class Resolved(NamedTuple):
    """What an operator's word did: how many messages it settled and how many not, and of the first of these why."""

    done: int
    left: int
    reasons: dict[int, str]


class Doubts:
    """Has doubt recorded, and does what follows from it."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._back: set[int] = set()  # messages that are to be brought back from disk

    def doubt(self, bind: Bind, segments: list[SegmentOut], *, lost: bool = False) -> None:
        """``lost``: the session ended with them unanswered, and one of them may be why."""
        carrier = bind.carrier
        silent = not lost and not bind.heard_since(max(s.written_at for s in segments))
        if silent:
            # They may have met a dead link: it is found out now, not when an enquire_link would have been due.
            bind.probe()
        self._outbound.metrics.carrier(carrier.name).in_doubt.inc(len(segments))
        _log.warning("in_doubt", bind=bind.name, segments=len(segments), policy=carrier.settings.in_doubt)
        keys = [(s.message.id, s.part) for s in segments]
        started = self._outbound.clock.now_ms() - trio.current_time() * 1000
        op = DoubtOp(
            keys,
            carrier.settings.in_doubt == "resend",
            (bind, segments, lost, silent),
            carrier=carrier.name,
            bind=bind.name,
            cause="lost" if lost else "timeout",
            written={(s.message.id, s.part): int(started + s.written_at * 1000) for s in segments},
        )
        self._outbound.writer.put(op, self._doubted)

    def _doubted(self, op: DoubtOp) -> None:
        bind: Bind
        segments: list[SegmentOut]
        lost: bool
        silent: bool
        bind, segments, lost, silent = op.context
        carrier = bind.carrier
        queue = self._outbound.queues[carrier.name]
        carrier.settled(bind, len(segments))
        now_ms = self._outbound.clock.now_ms()
        waits = None
        if lost or silent:
            # In silence, not before the link is either found alive or given up.
            waits = self._waits(bind, len(segments), carrier.settings.response_timeout if silent else 0.0)
        for s in segments:
            item = s.message
            item.open -= 1
            if not lost:
                # An answer may come late, to this very one: it stays in memory while it waits.
                item.settled = item.settled or set()
            again = op.states.get((item.id, s.part)) == State.QUEUED
            if again:
                item.waiting = sorted({s.part, *item.waiting})
                queue.count(item.app, 1)
                if waits is not None:
                    item.due_at = min(max(item.due_at, now_ms + int(next(waits) * 1000)), item.expires_at)
            self._outbound.place(queue, item)
        carrier.pump()
        self._outbound.claims.refill(carrier.name)

    @staticmethod
    def _waits(bind: Bind, count: int, probing: float) -> Iterator[float]:
        """Seconds that each copy waits after a session was lost, so that the bind is back first.

        What ended one session may end the next: it shall not find the bind beside while this one is down, and not meet
        all those again that it met before, for these would be held with it. New messages do not wait.
        """
        first = probing + bind.carrier.settings.reconnect_min * 1.5 + BIND_INTERVAL
        apart = min(COPY_EVERY, COPIES_WITHIN / count)
        return (first + place * apart for place in range(count))

    # --- late refusals ------------------------------------------------------------------------------------------------

    def untaken(self, bind: Bind, refused: list[tuple[SegmentOut, int]]) -> None:
        """Late refusals for now (segment, command_status): what was held goes again, without that doubt."""
        carrier = bind.carrier
        allowed = int(carrier.settings.in_doubt == "resend")
        op = UntakenOp(
            carrier.name, [Untaken(s.message.id, s.part, status) for s, status in refused], allowed, bind.name
        )
        self._outbound.writer.put(op, self._untaken)

    def _untaken(self, op: UntakenOp) -> None:
        self._back |= op.back

    async def bring_back(self) -> None:
        """Takes messages that came back to the queue on disk into the queues in memory; called every second."""
        while self._back:
            ids = sorted(self._back)[:PAGE]
            self._back -= set(ids)
            try:
                await self._admit(ids)
            except Exception:
                self._back |= set(ids)
                raise

    async def _admit(self, ids: list[int]) -> None:
        loader = self._outbound.loader
        found = await self._outbound.store.reader.read(partial(pages.by_id, ids=ids))
        loader.admit(loader.restore(found))

    # --- operators ----------------------------------------------------------------------------------------------------

    async def resolve(self, ids: list[int], *, resend: bool) -> Resolved:
        """An operator settles messages: what of them is in doubt is sent once more, or failed.

        Skipped are those that are `not_found`, not in doubt (`too_late`), and of what is to be sent those whose
        validity is over (`validity_over`), whose carrier is there no longer (`no_route`), whose peer opted out
        (`opted_out`), or agreed no more (`no_consent`).
        """
        done = 0
        skipped: dict[int, str] = {}
        for at in range(0, len(ids), PAGE):
            page = ids[at : at + PAGE]
            known = await self._outbound.store.reader.read(partial(queries.in_doubt, ids=page))
            chosen: list[int] = []
            for mid in page:
                doubt, expires_at, carrier = known.get(mid, (False, 0, ""))
                if not doubt:
                    skipped[mid] = "too_late" if mid in known else "not_found"
                elif resend and expires_at <= self._outbound.clock.now_ms():
                    skipped[mid] = "validity_over"
                elif resend and carrier not in self._outbound.carriers:
                    skipped[mid] = "no_route"
                else:
                    chosen.append(mid)
            if chosen:
                changed, stopped = await self._settle(chosen, resend=resend)
                done += len(changed)
                left = [mid for mid in chosen if mid not in changed]
                skipped.update({mid: stopped.get(mid, "too_late") for mid in left})
        return Resolved(done, len(skipped), dict(islice(skipped.items(), MOST_SKIPPED)))

    async def resolve_all(self, carrier: str, *, resend: bool) -> Resolved:
        """The same for all messages in doubt of a carrier, which need not be configured any more."""
        done, left, after = 0, 0, 0
        reasons: dict[int, str] = {}
        while True:
            ids = await self._outbound.store.reader.read(
                partial(queries.doubtful, carrier=carrier, after=after, limit=PAGE)
            )
            if not ids:
                return Resolved(done, left, reasons)
            page = await self.resolve(ids, resend=resend)
            done += page.done
            left += page.left
            reasons.update(islice(page.reasons.items(), MOST_SKIPPED - len(reasons)))
            after = ids[-1]

    async def _settle(self, ids: list[int], *, resend: bool) -> tuple[set[int], dict[int, str]]:
        """Returns the messages that it changed, and by reason those that it did not since they may not be sent."""
        writer = self._outbound.writer
        if not resend:
            ends = [End(i, 0, State.FAILED, "resolved", low=State.IN_DOUBT, high=State.IN_DOUBT) for i in ids]
            return (await writer.do(EndOp(ends))).changed, {}
        op = await writer.do(ResendOp(ids))
        await self._admit(sorted(op.changed))
        return op.changed, op.stopped
