"""The queue of one carrier in memory: a bounded look-ahead over what the database holds.

Two lanes; within a lane apps take turns (deficit round robin, counted in segments); within an app by priority, then in
order of arrival. Of each app and priority at most ``look_ahead`` messages are held here; the others are on disk only,
and are loaded as these go out. Between a number and a peer one message at a time is on its way, so that texts arrive
in the order in which they were written; but one of lane 1 of which nothing is on the wire steps back for one of lane 0.
What has to wait does so beside all that, where it takes no place of others: for its pair in ``pairs``, for the time of
its next attempt in ``retries``, for the rate of its number in ``slow``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import trio

from gateway.carrier.gate import Gate
from gateway.carrier.outgoing import Outgoing, Taken
from gateway.outbound.pairs import PairLeft, Pairs
from gateway.outbound.retries import MOST_DUE, Absent, Retries
from gateway.outbound.slow import Left, SlowNumbers
from gateway.outbound.units import Turns, Unit, UnitKey
from gateway.store.pages import Queued
from gateway.store.queries import QueueUnit
from gateway.store.reroute import Moved
from gateway.store.tx import Ended

QUANTUM: Final = 8
"""Segments that an app may send in its turn."""


def _without_done(items: deque[Outgoing]) -> None:
    if not all(item.waiting for item in items):
        left = [item for item in items if item.waiting]
        items.clear()
        items.extend(left)


class CarrierQueue:
    """What waits for one carrier. ``known`` holds every message of this carrier that is in memory, by id."""

    def __init__(
        self, carrier: str, look_ahead: int, *, ordered: bool, gates: Mapping[str, Gate] | None = None
    ) -> None:
        self.carrier = carrier
        self.look_ahead = look_ahead
        self.ordered = ordered
        self.known: dict[int, Outgoing] = {}
        self.reserved = 0  # segments whose claim is being stored
        self.stored: dict[str, int] = {}  # unsent segments by app, on disk and in memory
        self.coming = [0, 0]  # messages by lane that are being stored as queued
        self.expected = 0  # moves under way by which messages may come that are before new ones
        self._urgent: tuple[deque[Outgoing], ...] = (deque(), deque())  # by lane; they hold their pair already
        self._units: dict[UnitKey, Unit] = {}
        self._lanes = (Turns(), Turns())
        self._crowded = (False, False)  # by lane: so many wait for another attempt that others wait for them
        self.pairs = Pairs(self._back)
        self.retries = Retries()
        self.slow = SlowNumbers(gates if gates is not None else {})
        self._busy = self.pairs.busy  # asked for each message

    # --- coming in ----------------------------------------------------------------------------------------------------

    def unit(self, lane: int, app: str, rank: int) -> Unit:
        """The unit of an app, lane and rank, made when it is new."""
        key = (lane, app, rank)
        unit = self._units.get(key)
        if unit is None:
            unit = self._units[key] = Unit(key)
            self._lanes[lane].add(unit)
        return unit

    def add(self, item: Outgoing) -> None:
        """A message that was just stored as queued, later than all before it in its unit unless it had to wait."""
        if not self.stays_on_disk(item.id, item.lane, item.app, item.rank):
            self.take_in(item)

    def stays_on_disk(self, id: int, lane: int, app: str, rank: int) -> bool:
        """Whether one that was just stored as queued is left on disk, to be found there; else it is to be taken in."""
        if id in self.known or id in self.retries.left:
            return True  # a page that was read just now had it already
        unit = self._units.get((lane, app, rank)) or self.unit(lane, app, rank)
        if unit.complete and len(unit.items) < self.look_ahead and not self.expected:
            return False
        # From `last` on it is found on disk. After a start that is the beginning, whatever comes in before the
        # first page is read. So are those that are expected, with which it is read in their order.
        unit.spill(id)
        return True

    def take_in(self, item: Outgoing) -> None:
        """One of which it was asked whether it stays on disk, and it does not."""
        unit = self._units[item.lane, item.app, item.rank]
        if item.id > unit.last:
            unit.last = item.id
        self._append(unit, item)

    def _append(self, unit: Unit, item: Outgoing) -> None:
        self.known[item.id] = item
        item.placed = True
        unit.items.append(item)
        turns = self._lanes[item.lane]
        if item.app not in turns.deficit:
            turns.join(item.app)

    def on_disk(self, unit_key: QueueUnit) -> None:
        """There are stored messages of a unit that are not in memory, for instance after a start."""
        unit = self.unit(unit_key.lane, unit_key.app, unit_key.rank)
        unit.complete = False
        unit.last = 0

    def taken_of(self, unit: Unit, page: list[Queued]) -> list[Queued]:
        """Those of a page that are to wait in their unit: the others are in memory already, or stay on disk."""
        return [row for row in page if not self._passed_over(unit, row)]

    def _passed_over(self, unit: Unit, one: Queued | Outgoing) -> bool:
        if one.id in self.known or one.id in self.retries.left:
            return True
        pair = (one.number, one.peer)
        return pair in self._busy and self.pairs.leaves(*pair, unit.key, one.id)

    def loaded(self, unit: Unit, items: list[Outgoing], *, last: int | None) -> None:
        """Takes a page read from the database; ``last`` is the id it went to, None if it was the last page."""
        for item in unit.page_read(items, last):
            if self._passed_over(unit, item):
                continue
            if item.due_at:
                self.hold_pair(item)
                self.later(item)
            else:
                self._append(unit, item)

    def wants_page(self) -> list[Unit]:
        """Units of which the next page should be read now."""
        half = self.look_ahead // 2
        return [
            u
            for u in self._units.values()
            if not u.complete and not u.loading and len(u.items) <= half and not self._crowded[u.key[0]]
        ]

    def loaded_slow(self, left: Left, items: list[Outgoing], last: int | None) -> None:
        """Takes a page of what `slow` left on disk, as `loaded` does."""
        waiting: list[Outgoing] = []
        for item in self.slow.page_read(left, items):
            if item.id in self.known or item.id in self.retries.left:
                continue
            if item.due_at:
                self.hold_pair(item)
                self.later(item)
            else:
                self.known[item.id] = item
                item.placed = True
                waiting.append(item)
        self.slow.loaded(left, waiting, last)

    def loaded_pair(self, left: PairLeft, items: list[Outgoing], last: int | None) -> None:
        """Takes what `pairs` left on disk, as `loaded` does; what was to wait for its time goes in its turn."""
        if not self.pairs.reads(left):
            return
        waiting = [item for item in items if item.id not in self.known and item.id not in self.retries.left]
        for item in waiting:
            self.known[item.id] = item
            item.placed = True
        self.pairs.loaded(left, waiting, last)

    # --- another attempt ----------------------------------------------------------------------------------------------

    def later(self, item: Outgoing) -> None:
        """A message of which nothing is under way waits for its ``due_at``, and its pair with it."""
        absent = self.retries.put(item, sum(map(len, self._urgent)))
        item.placed = absent is None
        if absent is not None:
            self.pairs.swap(item, absent)
            del self.known[item.id]
            self._crowd()
        self.pairs.rests(absent or item)

    def due(self, now_ms: int) -> bool:
        """Takes those in memory whose time has come; returns whether there were any."""
        items = self.retries.due(now_ms)
        for item in items:
            item.placed = False
            if item.waiting:
                self.again(item)
        return bool(items)

    def wants_due(self, now_ms: int) -> list[Absent]:
        """Those on disk whose time has come and for which there is room: they are read now."""
        if not self.retries.left:
            return []
        return [
            absent
            for lane, urgent in enumerate(self._urgent)
            for absent in self.retries.begin(lane, MOST_DUE - len(urgent), now_ms)
        ]

    def loaded_due(self, absents: list[Absent], items: list[Outgoing]) -> None:
        """Takes what was read of them. What was not found has ended, and frees its pair."""
        found = {item.id: item for item in items if item.carrier == self.carrier}
        for absent in absents:
            if self.retries.remove(absent.id) is None:
                continue  # it went elsewhere meanwhile
            item = found.get(absent.id)
            if item is None or item.id in self.known:
                self.pairs.release(absent)
            else:
                self.pairs.swap(absent, item)
                self.again(item)
        self._crowd()

    def _crowd(self) -> None:
        """Has others wait, or no longer: nothing new goes out past them either."""
        crowded = self.retries.crowded
        for lane in (0, 1):
            self.coming[lane] += crowded[lane] - self._crowded[lane]
        self._crowded = crowded

    # --- to and from other carriers -----------------------------------------------------------------------------------

    def unit_keys(self) -> list[UnitKey]:
        """All units that there are, the lane and rank that go first, first."""
        return sorted(self._units, key=lambda key: (key[0], key[2], key[1]))

    def expect(self, by: int) -> None:
        """Messages are to come from another carrier, which new ones may not go past (1), or have come (-1)."""
        self.expected += by
        self.coming[0] += by
        self.coming[1] += by

    def spill(self, lane: int, app: str, rank: int, id: int, number: str = "") -> None:
        """A message of this carrier is on disk, and not in memory."""
        self.unit(lane, app, rank).spill(id)
        if self.slow:
            self.slow.spill(number, (lane, app, rank), id)

    def pull(self, item: Outgoing) -> None:
        """What waits of a message under way is not claimed any more; it keeps its pair."""
        if item.placed and item in self._urgent[item.lane]:
            self._urgent[item.lane].remove(item)
            item.placed = False

    def leave(self, gone: Iterable[Moved], held: Outgoing | None = None) -> None:
        """Messages are with another carrier now. Only ``held`` of them goes on holding its pair."""
        items: list[Outgoing] = []
        for m in gone:
            item = self.known.get(m.id)
            if item is None:
                self.count(m.app, -m.before)
                absent = self.retries.remove(m.id) if self.retries.left else None
                if absent is not None:
                    self.pairs.release(absent)
                    self._crowd()
                continue
            # Segments whose claim is being stored are taken off when it fails, as it will.
            self.count(m.app, item.open - m.before)
            item.waiting = []
            items.append(item)
        if items:
            self._without(items, held)

    def drop(self, ended: Iterable[Ended]) -> None:
        """Messages ended while they waited, otherwise than by their time."""
        items: list[Outgoing] = []
        for m in ended:
            item = self.known.get(m.id)
            if item is None:
                self.count(m.app, -m.queued)
                absent = self.retries.remove(m.id) if self.retries.left else None
                if absent is not None:
                    self.pairs.release(absent)
                    self._crowd()
                continue
            # Segments whose claim is being stored are taken off when it fails, as it will.
            self.count(m.app, -len(item.waiting))
            item.waiting = []
            items.append(item)
        if items:
            self._without(items)

    def _without(self, items: list[Outgoing], held: Outgoing | None = None) -> None:
        """Forgets messages of which nothing waits any more."""
        for urgent in self._urgent:
            _without_done(urgent)
        self.slow.without_done()
        for unit in self._units.values():
            _without_done(unit.items)
        self.pairs.without_done({(item.number, item.peer) for item in items})
        for item in items:
            if not item.open and item is not held:
                self.finished(item)

    def again(self, item: Outgoing, *, first: bool = False) -> None:
        """A message whose claim came back: it keeps its pair and goes before all that waits."""
        self.hold_pair(item)
        item.placed = True
        if self.ordered and not item.holds:
            # Read from disk while another had its pair already, as after a start: it waits as others do, in front.
            self._waits(item, first=True)
            return
        if first:
            self._urgent[item.lane].appendleft(item)
        else:
            self._urgent[item.lane].append(item)

    # --- going out ----------------------------------------------------------------------------------------------------

    def passes(self, lane: int, number: str, peer: str) -> bool:
        """Whether a new message may go past the queue: nothing waits before it, and its pair is free."""
        # Asked for each message, and most often answered by the first line: plain tests, no generators.
        if self._lanes[0].order or self._urgent[0] or self.coming[0]:
            return False
        if lane and (self._lanes[1].order or self._urgent[1] or self.coming[1]):
            return False
        if self.ordered and (number, peer) in self._busy:
            return False
        if number in self.slow.gates:
            return False
        for unit in self._units.values():  # noqa: SIM110
            if not unit.complete and unit.key[0] <= lane:
                return False
        return True

    def hold_pair(self, item: Outgoing) -> None:
        """A message is in memory, and has its pair if that is free."""
        self.known[item.id] = item
        if self.ordered:
            self.pairs.hold(item)

    def take(self, budget: int, kept_free: int = 0) -> list[Taken]:
        """Messages to claim next with the parts of each, at most ``budget`` segments in all.

        ``kept_free`` of them are not for lane 1. A message larger than what is left of the budget goes in pieces; its
        rest stays in front.
        """
        out: list[Taken] = []
        now = trio.current_time() if self.slow.gates or self.slow else 0.0
        for lane, turns in enumerate(self._lanes):
            if lane:
                budget -= kept_free
            urgent = self._urgent[lane]
            while budget > 0 and urgent:
                item = urgent.popleft()
                if not item.waiting:  # it ended meanwhile
                    continue
                if not self._slowed(item, now, first=True) and self._gets_pair(item, first=True):
                    budget -= self._claim(item, budget, out)
            if self._crowded[lane]:
                continue
            if self.slow and budget > 0:
                for item in self.slow.due(lane, now):
                    if self._gets_pair(item):
                        budget -= self._claim(item, budget, out)
                    if budget <= 0:
                        break
            while budget > 0 and turns.order:
                budget = self._turn(turns, budget, out, now)
        return out

    def _turn(self, turns: Turns, budget: int, out: list[Taken], now: float) -> int:
        """One app's turn."""
        app = turns.order[0]
        if not turns.begun:
            turns.begun = True
            turns.deficit[app] += QUANTUM
        units, deficit = turns.units[app], turns.deficit
        slow = bool(self.slow.gates or self.slow)
        while budget > 0:
            for unit in units:
                if unit.items:
                    break
            else:
                turns.leave()
                return budget
            item = unit.items[0]
            waiting = len(item.waiting)
            if waiting > deficit[app]:
                turns.pass_on()
                return budget
            unit.items.popleft()
            if not waiting or (slow and self._slowed(item, now)) or not self._gets_pair(item):
                continue
            deficit[app] -= waiting
            budget -= self._claim(item, budget, out)
        return budget

    def _gets_pair(self, item: Outgoing, *, first: bool = False) -> bool:
        """Has a message hold its pair; while another does it waits for that, ``first`` of its lane or last."""
        if not self.ordered or item.holds or self.pairs.hold(item) or self.pairs.gets(item, first=first):
            return True
        self._waits(item, first=first)
        return False

    def _waits(self, item: Outgoing, *, first: bool) -> None:
        """A message waits for its pair, or is left on disk."""
        if not self.pairs.wait(item, first=first):
            item.placed = False
            self.known.pop(item.id, None)

    def _slowed(self, item: Outgoing, now: float, *, first: bool = False) -> bool:
        """Whether the rate of its number holds a message back: it waits aside then, or is left on disk."""
        slow = self.slow
        if not (slow.gates or slow) or item.holds or not slow.stops(item, now):
            return False
        if not slow.put(item, first=first):
            item.placed = False
            self.known.pop(item.id, None)
        return True

    def _claim(self, item: Outgoing, budget: int, out: list[Taken]) -> int:
        parts = item.waiting
        if len(parts) <= budget:
            item.waiting = ()
            item.placed = False
        else:
            parts, item.waiting = parts[:budget], parts[budget:]
            item.placed = True
            self._urgent[item.lane].appendleft(item)
        if parts:
            out.append((item, parts))
        return len(parts)

    def finished(self, item: Outgoing) -> None:
        """Nothing of this message is open or waiting: its pair is free for the next, which goes first in its unit."""
        self.known.pop(item.id, None)
        self.pairs.release(item)

    def _back(self, item: Outgoing) -> None:
        """A message that was aside is in its unit again, before all that came later."""
        unit = self.unit(item.lane, item.app, item.rank)
        unit.items.appendleft(item)
        self._lanes[item.lane].join(item.app)

    def set_ordered(self, ordered: bool) -> None:
        """Whether a pair has one message at a time on its way; without order, nothing waits for its pair any more."""
        self.ordered = ordered
        if not ordered:
            aside, left = self.pairs.disband()
            for item in self.known.values():
                item.holds = False
            for absent in self.retries.left.values():
                absent.holds = False
            for item in aside:
                self._back(item)
            for unit in self._units.values():
                unit.items = deque(sorted(unit.items, key=lambda i: i.id))
            for (lane, app, rank), low in left.items():
                self.spill(lane, app, rank, low)

    @property
    def waiting(self) -> bool:
        """Whether anything in memory could be claimed."""
        if self._urgent[0] or self._urgent[1]:
            return True
        if self._crowded[0]:
            return False
        return bool(self._lanes[0].order or self.slow or (self._lanes[1].order and not self._crowded[1]))

    @property
    def queued(self) -> int:
        """Unsent segments, on disk and in memory."""
        return sum(self.stored.values())

    def count(self, app: str, segments: int) -> None:
        """Counts segments that came to wait (or, negative, no longer do)."""
        stored = self.stored.get(app, 0) + segments
        self.stored[app] = stored if stored > 0 else 0
