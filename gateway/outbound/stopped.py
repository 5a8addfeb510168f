"""Numbers that send nothing any more: what was queued from them before ends, and is not sent."""

from __future__ import annotations

from functools import partial
from typing import Final

import trio

from gateway.log import logger
from gateway.model import Clock, State
from gateway.policy.numbers import Reason, Sending
from gateway.settings.own import OWN_APP
from gateway.store import queries
from gateway.store.ends import End, EndOp
from gateway.store.store import Store

_log = logger(component="outbound")

LOOK_EVERY: Final = 5.0
"""Seconds between two looks at whether the last day of a number is over."""
AGAIN: Final = 60.0
"""Seconds after which the queues are looked through once more: for what was with a carrier meanwhile, and came back."""


class StoppedNumbers:
    """Looks through the queues when a number is found to send nothing any more, and once more a while later.

    What the gateway itself forwards or answers for a number that is held goes on (`Sending.origin`), be it the
    confirmation of a STOP, and so does what a carrier has a part of, or perhaps has.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Reason] = {}
        self._again: float | None = None
        self._sending: Sending | None = None
        self._next = 0.0

    async def turn(self, sending: Sending) -> None:
        """Called every second. ``sending`` is another one once the settings changed."""
        now = trio.current_time()
        if sending is self._sending and now < self._next:
            return
        clock = self._store.clock
        at = clock.now_ms()
        stopped = {one: reason for one in sending.limited if (reason := sending.stopped(one, at)) is not None}
        if not stopped.items() <= self._known.items():
            again: float | None = now + AGAIN
        elif self._again is None or now < self._again:
            again = self._again
        else:
            again = None
        if again != self._again:
            await self._end(sending, frozenset(stopped), clock)
        self._sending, self._next, self._known, self._again = sending, now + LOOK_EVERY, stopped, again

    async def _end(self, sending: Sending, numbers: frozenset[str], clock: Clock) -> None:
        read, ended = self._store.reader.read, 0
        for unit, _ in await read(queries.queue_units):
            after: int | None = 0
            while after is not None:
                found, after = await read(partial(queries.queued_from, unit=unit, after=after, numbers=numbers))
                now = clock.now_ms()
                ends = []
                for mid, number in found:
                    reason = sending.stopped(number, now, reply=unit.app == OWN_APP)
                    if reason is not None:
                        ends.append(End(mid, 0, State.REJECTED, reason, low=0, high=1, whole=True))
                if ends:
                    op = EndOp(ends)
                    await self._store.writer.do(op)
                    ended += len(op.changed)
        if ended:
            _log.warning("queued_from_stopped_numbers", messages=ended)
