"""Segments that were written, perhaps, and not answered: sent again or held, as the carrier's policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.carrier.bind import Bind
from gateway.carrier.outgoing import SegmentOut
from gateway.log import logger
from gateway.model import State
from gateway.store.sends import DoubtOp

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

_log = logger(component="outbound")


class Doubts:
    """Has doubt recorded, and does what follows from it."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def doubt(self, bind: Bind, segments: list[SegmentOut]) -> None:
        carrier = bind.carrier
        self._outbound.metrics.carrier(carrier.name).in_doubt.inc(len(segments))
        _log.warning("in_doubt", bind=bind.name, segments=len(segments), policy=carrier.settings.in_doubt)
        keys = [(s.message.id, s.part) for s in segments]
        op = DoubtOp(keys, carrier.settings.in_doubt == "resend", (bind, segments))
        self._outbound.writer.put(op, self._doubted)

    def _doubted(self, op: DoubtOp) -> None:
        bind: Bind
        segments: list[SegmentOut]
        bind, segments = op.context
        carrier = bind.carrier
        queue = self._outbound.queues[carrier.name]
        carrier.settled(bind, len(segments))
        for s in segments:
            item = s.message
            item.open -= 1
            again = op.states.get((item.id, s.part)) == State.QUEUED
            if again:
                item.waiting = sorted({s.part, *item.waiting})
                queue.count(item.app, 1)
            self._outbound.place(queue, item)
        carrier.pump()
        self._outbound.refill(carrier.name)
