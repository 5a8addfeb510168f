"""Segments that were written, perhaps, and not answered: sent again or held, as the carrier's policy says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import trio

from gateway.carrier.bind import Bind
from gateway.carrier.carrier import BIND_INTERVAL
from gateway.carrier.outgoing import SegmentOut
from gateway.log import logger
from gateway.model import State
from gateway.store.sends import DoubtOp

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

_log = logger(component="outbound")

COPY_EVERY: Final = 0.1
COPIES_WITHIN: Final = 5.0
"""Seconds between the copies after a session was lost, and for all of them."""


class Doubts:
    """Has doubt recorded, and does what follows from it."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def doubt(self, bind: Bind, segments: list[SegmentOut], *, lost: bool = False) -> None:
        """``lost``: the session ended with them unanswered, and one of them may be why."""
        carrier = bind.carrier
        self._outbound.metrics.carrier(carrier.name).in_doubt.inc(len(segments))
        _log.warning("in_doubt", bind=bind.name, segments=len(segments), policy=carrier.settings.in_doubt)
        keys = [(s.message.id, s.part) for s in segments]
        started = self._outbound.clock.now_ms() - trio.current_time() * 1000
        op = DoubtOp(
            keys,
            carrier.settings.in_doubt == "resend",
            (bind, segments, lost),
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
        bind, segments, lost = op.context
        carrier = bind.carrier
        queue = self._outbound.queues[carrier.name]
        carrier.settled(bind, len(segments))
        now_ms = self._outbound.clock.now_ms()
        waits = self._waits(bind, len(segments)) if lost else None
        for s in segments:
            item = s.message
            item.open -= 1
            again = op.states.get((item.id, s.part)) == State.QUEUED
            if again:
                item.waiting = sorted({s.part, *item.waiting})
                queue.count(item.app, 1)
                if waits is not None:
                    item.due_at = min(max(item.due_at, now_ms + int(next(waits) * 1000)), item.expires_at)
            self._outbound.place(queue, item)
        carrier.pump()
        self._outbound.refill(carrier.name)

    @staticmethod
    def _waits(bind: Bind, count: int) -> Iterator[float]:
        """Seconds that each copy waits after a session was lost, so that the bind is back first.

        What ended one session may end the next: it shall not find the bind beside while this one is down, and not meet
        all those again that it met before, for these would be held with it. New messages do not wait.
        """
        first = bind.carrier.settings.reconnect_min * 1.5 + BIND_INTERVAL
        apart = min(COPY_EVERY, COPIES_WITHIN / count)
        return (first + place * apart for place in range(count))
