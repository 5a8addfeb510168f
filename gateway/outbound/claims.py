"""What of a queue is claimed for its carrier, and what comes back of it: unwritten, withdrawn or stopped.

A claim rides in the burst that gathers just now; it is pushed to the carrier when that is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from gateway.carrier.bind import Bind
from gateway.carrier.outgoing import Outgoing, SegmentOut, Taken
from gateway.model import State
from gateway.outbound.queue import CarrierQueue
from gateway.store.ends import End, EndOp
from gateway.store.sends import ClaimOp, Key, UnclaimOp
from gateway.store.tx import Ended, Stopped

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound


class Claims:
    """The claims of all carriers."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._writer = outbound.writer
        self._stopped: dict[str, frozenset[str]] = {}  # who opted out in the burst that is being told of, and of what

    def refill(self, name: str) -> None:
        """Claims what there is room for; the claims ride in the burst that gathers just now."""
        carrier = self._outbound.carriers.get(name)
        queue = self._outbound.queues[name]
        if carrier is None or not queue.waiting or self._outbound.stopping:
            return
        keys: list[Key] = []
        while not keys:
            budget = carrier.room() - queue.reserved
            if budget <= 0:
                break
            taken = queue.take(budget, carrier.kept_free)
            if not taken:
                # All of it went aside, which made room for others, which are on disk.
                self._outbound.loader.nudge()
                break
            keys = self._claim(queue, taken)
        if queue.slow:
            wait = queue.slow.next_at() - trio.current_time()
            if 0 < wait < float("inf"):
                carrier.retry_soon(wait)
            # What was put aside made room for others, which are on disk.
            self._outbound.loader.nudge()

    def take_back(self, item: Outgoing) -> bool:
        """Takes back what of a message is claimed and not written, when that is all that is open of it."""
        carrier = self._outbound.carriers.get(item.carrier)
        segments = carrier.claims_of(item) if carrier is not None else []
        if carrier is None or len(segments) != item.open:
            return False
        for s in segments:
            carrier.withdraw(item, s.part)
        self.unclaim(item.carrier, segments)
        return True

    def _claim(self, queue: CarrierQueue, taken: list[Taken]) -> list[Key]:
        """Has them claimed, without those whose validity is over or that are quiet; returns what is being claimed."""
        now_ms = self._outbound.clock.now_ms()
        keys: list[Key] = []
        kept: list[Taken] = []
        expired: list[End] = []
        for one in taken:
            item, parts = one
            late = item.until <= now_ms
            if late and item.expires_at <= now_ms:
                expired += [End(item.id, p, State.EXPIRED, "expired_unsent", low=0, high=1) for p in parts]
                queue.count(item.app, -len(parts))
                self._unused(item, len(parts))
                if not item.waiting and not item.open:
                    queue.finished(item)
                continue
            if item.refusal is not None:
                # From disk, where a kill left it before another carrier took it: it has its pair now, and goes there.
                item.waiting = sorted({*parts, *item.waiting})
                queue.pull(item)
                self._outbound.rerouter.take(queue, item)
                continue
            if late and self._outbound.resting.rests(queue, item, parts, now_ms):
                self._unused(item, len(parts))
                continue
            # Open from here on: an answer to another part that comes first must not end the message.
            item.open += len(parts)
            kept.append(one)
            for part in parts:
                keys.append((item.id, part))
        if expired:
            self._writer.put(EndOp(expired))
        self._outbound.resting.put(queue.carrier)
        if keys:
            queue.reserved += len(keys)
            self._writer.put(ClaimOp(keys, (queue.carrier, kept), queue.carrier), self._claimed, self._not_claimed)
        return keys

    def _unused(self, item: Outgoing, segments: int) -> None:
        """What ended before it was written takes nothing of its number's rate; another attempt was not counted."""
        gate = self._outbound.gates.get(item.number) if self._outbound.gates else None
        if gate is not None and not item.due_at:
            gate.unused(segments)

    def _claimed(self, op: ClaimOp) -> None:
        name: str
        kept: list[Taken]
        name, kept = op.context
        queue = self._outbound.queues[name]
        queue.reserved -= len(op.keys)
        claimed = None if op.claimed is op.keys else set(op.claimed)
        out: list[SegmentOut] = []
        back: list[SegmentOut] = []
        counts: dict[str, int] = {}
        for item, parts in kept:
            counts[item.app] = counts.get(item.app, 0) + len(parts)
            mine = parts if claimed is None else [p for p in parts if (item.id, p) in claimed]
            if item.settled:
                mine = [p for p in mine if p not in item.settled]
            # Refused meanwhile: another carrier is to take it, so that nothing more of it shall be accepted here.
            where = out if item.refusal is None else back
            for part in mine:
                where.append(SegmentOut(item, part))
            if len(mine) != len(parts):
                # Cancelled, expired or settled while it waited.
                item.open -= len(parts) - len(mine)
                self._unused(item, len(parts) - len(mine))
                self._outbound.place(queue, item)
        for app, segments in counts.items():
            queue.count(app, -segments)
        self.push(name, out)
        if back:
            self.unclaim(name, back)
        if len(out) != len(op.keys):
            self.refill(name)
        self._outbound.loader.nudge()

    def _not_claimed(self, op: ClaimOp, error: Exception) -> None:
        name: str
        kept: list[Taken]
        name, kept = op.context
        queue = self._outbound.queues[name]
        queue.reserved -= len(op.keys)
        for item, parts in reversed(kept):
            item.open -= len(parts)
            item.waiting = sorted({*parts, *item.waiting})
            self._back(queue, item)
        carrier = self._outbound.carriers.get(name)
        if carrier is not None:
            carrier.retry_soon(0.5)

    def push(self, name: str, segments: list[SegmentOut]) -> None:
        """Claimed segments go to their carrier, or back when it cannot send just now."""
        if self._stopped and segments:
            # Claimed in the burst in which their peer opted out.
            stopped = [s for s in segments if self._is_stopped(s.message)]
            if stopped:
                self.unclaim(name, stopped)
                segments = [s for s in segments if s not in stopped]
        if not segments:
            return
        carrier = self._outbound.carriers.get(name)
        if carrier is None or carrier.stopping or carrier.held or not carrier.can_send:
            self.unclaim(name, segments)
        else:
            carrier.push(segments)

    def stop_peers(self, stopped: list[Stopped], ended: list[Ended]) -> None:
        """Lets go of what goes to who opted out, before anything else of that burst is told of.

        What waited ended with it. What is claimed and not written goes back, and ends as it does. Both lists are empty
        when all of the burst is told of.
        """
        self._stopped = {}
        for one in stopped:
            self._stopped[one.peer] = self._stopped.get(one.peer, frozenset()) | one.scopes
        gone: dict[str, list[Ended]] = {}
        for m in ended:
            gone.setdefault(m.carrier, []).append(m)
        for name, messages in gone.items():
            self._outbound.queue(name).drop(messages)
        for name, carrier in self._outbound.carriers.items() if self._stopped else ():
            segments = [s for s in carrier.claims_to(self._stopped) if self._is_stopped(s.message)]
            for s in segments:
                carrier.withdraw(s.message, s.part)
            if segments:
                self.unclaim(name, segments)
            for bind in carrier.binds:
                bind.let_go(self._is_stopped)
        for name in gone:
            self.refill(name)

    def _is_stopped(self, message: Outgoing) -> bool:
        scopes = self._stopped.get(message.peer)
        if scopes is None:
            return False
        # A confirmation that waits here comes back to the queue and goes: it is the one thing that passes.
        return not scopes.isdisjoint(self._writer.base.optouts.scopes(message.app, message.number))

    def unclaim(self, name: str, segments: list[SegmentOut], bind: Bind | None = None) -> None:
        """Claims that were certainly not written go back to the queue, in their order."""
        keys = [(s.message.id, s.part) for s in segments]
        self._writer.put(UnclaimOp(keys, (name, segments, bind)), self._unclaimed)

    def _unclaimed(self, op: UnclaimOp) -> None:
        name: str
        segments: list[SegmentOut]
        bind: Bind | None
        name, segments, bind = op.context
        queue = self._outbound.queues[name]
        for s in reversed(segments):
            item = s.message
            item.open -= 1
            if item.id in op.gone:
                queue.count(item.app, -len(item.waiting))
                item.waiting = []
                self._outbound.place(queue, item)
                continue
            item.waiting = sorted({s.part, *item.waiting})
            queue.count(item.app, 1)
            self._back(queue, item)
        if bind is not None:
            bind.carrier.settled(bind, len(segments))
        self.refill(name)

    def _back(self, queue: CarrierQueue, item: Outgoing) -> None:
        """Claims came back unwritten: they go first, unless the message waits for another carrier to take it."""
        if item.refusal is not None:
            self._outbound.place(queue, item)
        else:
            if not item.placed:
                queue.again(item, first=True)
            self._outbound.goes_on(item)
