"""Failover: messages go to the next carrier of their route when theirs is down, drained, refuses, or says they failed.

A carrier that has been down for a route's ``failover_after`` is passed over: what waits for it goes in pages, lane by
lane and oldest first, and then new messages go elsewhere. A message that it refused goes once all its segments are
answered; one whose receipt was negative went in the transaction that stored it. What waits behind a message between
the same number and peer goes with it, and what was just being stored goes after it, so that the order is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import trio

from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.carrier.status import Action
from gateway.log import logger
from gateway.outbound.queue import CarrierQueue
from gateway.outbound.replan import Replanner
from gateway.outbound.units import UnitKey
from gateway.settings import Settings
from gateway.store.pages import Queued
from gateway.store.reroute import CAUSES, Cause, Moved, Refused, RerouteOp, Unit
from gateway.store.sticky import AGED, AgeStickyOp, sticky_pairs
from gateway.store.undelivered import PAGE as DECIDED
from gateway.store.undelivered import DecideOp

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

_log = logger(component="outbound")

Left = frozenset[tuple[str, str]]
"""(route, carrier)"""
DRAINED: Final = ("draining", "drained")
LOOK_EVERY: Final = 1.0
"""Seconds between two looks at which carriers are down."""
PAGE: Final = 200
"""Messages that are taken from a carrier in one transaction: others wait for it."""
DECIDE_EVERY: Final = 30.0
"""Seconds between two looks for messages whose negative receipts were held for too long."""
AGE_EVERY: Final = 600.0
"""Seconds between two looks for pairs that were not used for long."""


class Rerouter:
    """Watches the carriers of routes, and has messages moved. ``down`` is since when (Trio's clock) each is."""

    def __init__(self, outbound: Outbound, settings: Settings) -> None:
        self._outbound = outbound
        self._choice = outbound.choice
        self.planner = Replanner(settings, outbound.choice, outbound.intake.preparer)
        outbound.writer.base.planner = self.planner
        outbound.writer.on_moved = self._arrived
        metrics, choice = outbound.metrics, outbound.choice
        metrics.passed_over.read = lambda: [(key, float(key in choice.away)) for key in self._after]
        metrics.sticky_pairs.read = lambda: [((), len(choice.moved))]
        metrics.sticky_evicted.read = lambda: [((), choice.evicted)]
        self.down: dict[str, float] = {}
        self._ready: frozenset[str] = frozenset()  # when it was last looked
        self._next_age = self._next_decision = 0.0
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Takes over new settings; the choice and the preparer have them already."""
        self.planner.configure(settings)
        routes = settings.routes
        self._names = tuple(dict.fromkeys(carrier.name for route in routes for carrier in route.carriers))
        self._after: dict[tuple[str, str], float] = {
            (route.name, carrier.name): route.failover_after for route in routes for carrier in route.carriers
        }
        # Carriers that a refusal may be taken from: whether this message's route is one of them is seen when it is.
        self._refusals = frozenset(
            carrier.name
            for route in routes
            if route.failover_on_refusal and len(route.carriers) > 1
            for carrier in route.carriers
        )
        self._carriers_of = {route.name: frozenset(carrier.name for carrier in route.carriers) for route in routes}
        self._most = settings.limits.sticky_pairs
        for name in self._names:
            for cause in CAUSES:
                self._outbound.metrics.rerouted.labels(name, cause)

    def recover(self) -> None:
        """Reads at the start which pairs were moved."""
        self._choice.load(self._outbound.store.read_now(lambda con: sticky_pairs(con, self._most)))

    # --- a carrier is down --------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Looks at the carriers of routes once a second; a task of the daemon."""
        task_status.started()
        while True:
            try:
                await self._look()
            except Exception as error:
                # The database's trouble, most of all: it is reported by the writer, and passes.
                _log.warning("reroute_failed", error=repr(error))
            await trio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        now = trio.current_time()
        if now >= self._next_decision:
            # Also where no route asks for it any more: what is held shall end.
            self._next_decision = now + DECIDE_EVERY
            while (await self._outbound.writer.do(DecideOp())).found >= DECIDED:
                pass
        if self._outbound.stopping or not self._names:
            return
        self.judge(now)
        come, self._ready = self.planner.ready - self._ready, self.planner.ready
        left = self._leavable()
        # Left just now, or what waits there could go nowhere before, and can now.
        new = {one for one in left if one not in self._choice.away or self._carriers_of[one[0]] & come}
        for name in sorted({carrier for _, carrier in new}):
            await self._leave(name, frozenset(one for one in left if one[1] == name))
        if now >= self._next_age:
            self._next_age = now + AGE_EVERY
            op = AgeStickyOp(self._choice.age(self._outbound.clock.now_ms()))
            while (await self._outbound.writer.do(op)).gone >= AGED:
                op = AgeStickyOp(op.before)

    def judge(self, now: float) -> None:
        """Which carriers can take messages, and (route, carrier) that are to be left; those that are back are not."""
        ready: list[str] = []
        drained: set[str] = set()
        for name in self._names:
            carrier = self._outbound.carriers.get(name)
            if carrier is not None and carrier.state in DRAINED:
                drained.add(name)
                self.down.setdefault(name, now)
            elif carrier is not None and carrier.can_send:
                self.down.pop(name, None)
                if not carrier.held:
                    ready.append(name)
            elif carrier is not None and carrier.held:
                # Somebody paused it, and wants what waits for it to wait.
                self.down.pop(name, None)
            else:
                self.down.setdefault(name, now)
        left = frozenset(
            (route, name)
            for (route, name), after in self._after.items()
            if name in drained or (name in self.down and now - self.down[name] >= after)
        )
        self.planner.ready = frozenset(ready)
        self.planner.left = left
        back = self._choice.away - left
        if back:
            self._choice.away -= back
            _log.info("carrier_back_on_routes", routes=sorted(f"{route}: {name}" for route, name in back))

    def _leavable(self) -> Left:
        """Of what is to be left, where another carrier of the route is up.

        Where none is, a carrier is not passed over: what waits there stays, and what comes after it waits behind it.
        """
        return frozenset(one for one in self.planner.left if self._carriers_of[one[0]] & self.planner.ready)

    async def _leave(self, name: str, left: Left) -> None:
        """Takes what waits for a carrier elsewhere, and then has new messages pass it over."""
        cause = self._cause(name)
        if not left <= self._choice.away:
            _log.warning("carrier_left", carrier=name, cause=cause, routes=sorted(route for route, _ in left))
        queue = self._outbound.queue(name)
        read: dict[UnitKey, int] = {}
        moved = 0
        for key in queue.unit_keys():
            moved += await self._take(name, cause, key, read, left)
        if left <= self._leavable() and not self._outbound.stopping:
            # From here on new messages pass it over. What was being stored for it meanwhile goes after those before
            # it: it is asked for now, before any new one, and until it is there nothing new goes out directly.
            self._choice.away |= left
            targets = [self._outbound.queue(other) for other in self._names if other != name]
            for target in targets:
                target.expect(1)
            try:
                for more in await self._take_rest(name, cause, queue.unit_keys(), read):
                    moved += await self._take(name, cause, more, read, left)
            finally:
                for target in targets:
                    target.expect(-1)
                    self._outbound.claims.refill(target.carrier)
        if moved:
            _log.info("carrier_queue_moved", carrier=name, messages=moved)

    async def _take(self, name: str, cause: Cause, key: UnitKey, read: dict[UnitKey, int], left: Left) -> int:
        """Takes a unit's messages page by page, from where ``read`` says, while the carrier is left."""
        moved = 0
        while left <= self._leavable() and not self._outbound.stopping:
            op = RerouteOp(name, cause, unit=Unit(*key, read.get(key, 0), PAGE))
            await self._outbound.writer.do(op, self._taken_waiting)
            moved += len(op.moved)
            read[key] = max(read.get(key, 0), op.last)
            if not op.more:
                break
            self.judge(trio.current_time())
        return moved

    async def _take_rest(
        self, name: str, cause: Cause, keys: Iterable[UnitKey], read: dict[UnitKey, int]
    ) -> list[UnitKey]:
        """Takes one more page of each unit, asked for at once; returns the units that have still more."""
        ops = {key: RerouteOp(name, cause, unit=Unit(*key, read.get(key, 0), PAGE)) for key in keys}
        left = len(ops)
        done = trio.Event()

        def stored(op: RerouteOp, error: Exception | None = None) -> None:
            nonlocal left
            if error is None:
                self._taken(op)
            left -= 1
            if not left:
                done.set()

        for op in ops.values():
            self._outbound.writer.put(op, stored, stored)
        if ops:
            await done.wait()
        for key, op in ops.items():
            read[key] = max(read.get(key, 0), op.last)
        return [key for key, op in ops.items() if op.more]

    def due(self, name: str, ids: Iterable[int]) -> None:
        """Messages came (back) to a carrier's queue, otherwise than by a submit: where it is left they go on at once.

        Also while it is being left, when they may be before the page that is read.
        """
        if any(carrier == name for _, carrier in self.planner.left):
            self._outbound.writer.put(RerouteOp(name, self._cause(name), ids=ids), self._taken_waiting)

    def _cause(self, name: str) -> Cause:
        carrier = self._outbound.carriers.get(name)
        return "drained" if carrier is not None and carrier.state in DRAINED else "down"

    # --- a carrier refuses --------------------------------------------------------------------------------------------

    def refused(self, item: Outgoing, part: int, status: int, why: str) -> bool:
        """Whether a refusal of a segment is not the end: the message is then taken once nothing of it is open.

        Until then, and after a crash, the segment is queued where it was.
        """
        if item.carrier not in self._refusals or self._choice.routing is None:
            return False
        if item.refusal is None:
            item.refusal = (part, status, why)
            self._outbound.queues[item.carrier].pull(item)
            # What is claimed of it and not written shall not be accepted now.
            carrier = self._outbound.carriers[item.carrier]
            others = [other for other in range(1, item.parts + 1) if item.parts > 1 and carrier.withdraw(item, other)]
            if others:
                self._outbound.claims.unclaim(item.carrier, [SegmentOut(item, other) for other in others])
        return True

    def recall(self, item: Outgoing, row: Queued) -> None:
        """A message from disk: where its carrier refused a segment and a kill came before it went, it goes now.

        The refusal is stored with the segment, which is queued.
        """
        if item.carrier not in self._refusals or self._choice.routing is None:
            return
        carrier = self._outbound.carriers.get(item.carrier)
        for part in row.segments or ():
            # One in doubt was written again after that.
            status = part.status
            if status and not part.in_doubt and carrier and carrier.statuses.action(status) is Action.REROUTE:
                item.refusal = (part.part, status, carrier.wire.reasons.of_status(status))
                return

    def take(self, queue: CarrierQueue, item: Outgoing) -> None:
        """Takes a refused message of which nothing is open any more; its pair is held until all that is behind it went.

        Where it may not go it ends with the refusal.
        """
        assert item.refusal is not None
        item.placed = True
        refused = {item.id: Refused(*item.refusal)}
        op = RerouteOp(queue.carrier, "refused", ids=[item.id], refused=refused, context=item)
        self._outbound.writer.put(op, self._taken_refused, self._not_taken)

    def _taken_refused(self, op: RerouteOp) -> None:
        item: Outgoing = op.context
        queue = self._outbound.queues[op.carrier]
        item.refusal = None
        went = next((m for m in op.moved if m.id == item.id), None)
        if went is None:
            queue.count(item.app, -len(item.waiting))
            item.waiting = []
            queue.finished(item)
            self._outbound.claims.refill(op.carrier)
            return
        if not went.sticky:
            self._taken(op)
            return
        # Its pair stays held here, so that nothing behind it goes out here while it may be on its way there.
        self._arrived(op.moved, held=item)
        self._behind(op.carrier, went, item)

    def _behind(self, source: str, went: Moved, item: Outgoing) -> None:
        """What was being stored for the old carrier when the pair went; until none is found, its pair is held there."""
        self._outbound.queue(went.target).expect(1)
        op = RerouteOp(source, "order", pairs=[(went.number, went.peer, went.id, went.target)], context=(went, item))
        self._outbound.writer.put(op, self._all_behind, self._none_behind)

    def _all_behind(self, op: RerouteOp) -> None:
        went: Moved
        item: Outgoing
        went, item = op.context
        self._taken(op)
        self._outbound.queue(went.target).expect(-1)
        if op.moved:
            self._behind(op.carrier, went, item)
            return
        self._outbound.queues[op.carrier].finished(item)
        self._outbound.claims.refill(op.carrier)
        self._outbound.claims.refill(went.target)

    def _none_behind(self, op: RerouteOp, error: Exception) -> None:
        went, item = op.context
        self._outbound.queue(went.target).expect(-1)
        self._outbound.queues[op.carrier].finished(item)

    def _not_taken(self, op: RerouteOp, error: Exception) -> None:
        # Only a defect gets here: it is queued where it was, and is refused again.
        item: Outgoing = op.context
        item.refusal = None
        self._outbound.queues[op.carrier].again(item)

    # --- messages went ------------------------------------------------------------------------------------------------

    def _taken(self, op: RerouteOp) -> None:
        if op.moved:
            self._arrived(op.moved)

    def _taken_waiting(self, op: RerouteOp) -> None:
        """What waited went. What was being stored for the old carrier meanwhile goes at once after its pair.

        Until then new messages of the pair, which are stored after that, wait for it on disk, and go after it.
        """
        self._taken(op)
        coming = self._outbound.queue(op.carrier).coming
        last = {(m.number, m.peer): m for m in sorted(op.moved) if m.sticky} if coming[0] or coming[1] else None
        if not last:
            return
        targets = {m.target for m in last.values()}
        for target in targets:
            self._outbound.queue(target).expect(1)

        def stored(more: RerouteOp, error: Exception | None = None) -> None:
            if error is None:
                self._taken(more)
            for target in targets:
                self._outbound.queue(target).expect(-1)
                self._outbound.claims.refill(target)

        pairs = [(m.number, m.peer, m.id, m.target) for m in last.values()]
        self._outbound.writer.put(RerouteOp(op.carrier, "order", pairs=pairs), stored, stored)

    def _arrived(self, moved: list[Moved], held: Outgoing | None = None) -> None:
        """Messages are with another carrier: out of the one queue in memory, and found on disk by the other.

        ``held`` goes on holding its pair where it was.
        """
        outbound = self._outbound
        now_ms = outbound.clock.now_ms()
        gone: dict[str, list[Moved]] = {}
        for m in moved:
            gone.setdefault(m.source, []).append(m)
            outbound.metrics.rerouted.labels(m.source, m.cause).inc()
            if m.sticky:
                self._choice.hold((m.number, m.peer), m.target, now_ms)
        for source, those in gone.items():
            outbound.queue(source).leave(those, held)
        for m in moved:
            queue = outbound.queue(m.target)
            queue.count(m.app, m.after)
            queue.spill(m.lane, m.app, m.rank, m.id, m.number)
        for name in gone:
            outbound.claims.refill(name)
        outbound.loader.nudge()
