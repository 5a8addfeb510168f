"""Messages that wait, and may not go out for now: quiet hours began while they were queued. They are put off.

What was claimed and not written comes by here as well, and what waited for another attempt: it is asked at the claim,
of those alone whose time (`Outgoing.until`) is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.carrier.outgoing import Outgoing
from gateway.model import CLASSES, State
from gateway.outbound.options import restored
from gateway.outbound.queue import CarrierQueue
from gateway.store.ends import End, EndOp
from gateway.store.known import AskOp
from gateway.store.quiet import PutOffOp, kinds_of

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

FINISH_MS: Final = 60_000
"""How long after quiet hours began a message goes on of which a segment is out: half of it would help nobody."""
AGAIN_MS: Final = 86_400_000
"""Where quiet hours have no end in sight: when it is looked again."""
PAGE: Final = 500


class Resting:
    """Puts messages off. What is found for a queue is stored together (`put`)."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._quiet = outbound.intake.preparer.quiet
        self._off: list[tuple[int, int]] = []
        self._ends: list[End] = []

    def rests(self, queue: CarrierQueue, item: Outgoing, parts: Sequence[int], now_ms: int) -> bool:
        """Whether a message of a queue that had until now does not go on; the queue has let go of it then.

        ``parts`` are those that were to be claimed.
        """
        if item.rest is None:
            item.until = item.expires_at
            return False
        standing = item.rest.at(now_ms)
        if standing.action is None:
            item.until = min(item.rest.goes_until(now_ms), item.expires_at)
            return False
        # What is claimed and not written is not out yet: it is put off as well.
        begun = (item.begun and item.open) or len(parts) + len(item.waiting) + item.open < item.parts
        if begun and now_ms < standing.since + FINISH_MS:
            item.until = min(item.expires_at, standing.since + FINISH_MS)
            return False
        waiting = sorted({*parts, *item.waiting})
        if standing.action == "refuse":
            # By now it cannot be refused: it ends.
            self._ends += [End(item.id, p, State.REJECTED, "quiet_hours", low=0, high=1) for p in waiting]
        else:
            self._off.append((item.id, standing.until or now_ms + AGAIN_MS))
        queue.pull(item)
        queue.count(item.app, -len(waiting))
        item.waiting = []
        if not item.open:
            queue.finished(item)
        return True

    def put(self, carrier: str) -> None:
        """Has what was found stored; in memory nothing is left of it."""
        if self._off:
            self._outbound.metrics.quiet_held.labels("queue").inc(len(self._off))
            self._outbound.writer.put(PutOffOp(self._off, carrier))
            self._off = []
        if self._ends:
            self._outbound.writer.put(EndOp(self._ends))
            self._ends = []

    async def turn(self) -> None:
        """Called every second: after other quiet hours were set, what is in memory is told of them."""
        quiet = self._outbound.intake.preparer.quiet
        if quiet is self._quiet:
            return
        # What was planned by the others is stored, and in the queues, when this is done.
        await self._outbound.writer.do(AskOp([], 0))
        items = [item for queue in self._outbound.queues.values() for item in list(queue.known.values())]
        for at in range(0, len(items), PAGE):
            page = items[at : at + PAGE]
            ids = [item.id for item in page]
            kinds = await self._outbound.store.reader.read(partial(kinds_of, ids=ids))
            now_ms = self._outbound.clock.now_ms()
            for item in page:
                if item.id in kinds:
                    klass, packed = kinds[item.id]
                    rest = quiet.of(CLASSES[klass], item.peer, restored(packed).zone or None, item.app)
                    item.rest = rest
                    item.until = item.expires_at if rest is None else min(rest.goes_until(now_ms), item.expires_at)
        self._quiet = quiet
