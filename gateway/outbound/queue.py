"""The queue of one carrier in memory: a bounded look-ahead over what the database holds.

Two lanes; within a lane apps take turns (deficit round robin, counted in segments); within an app by priority, then in
order of arrival. Of each app and priority at most ``look_ahead`` messages are held here; the others are on disk only,
and are loaded as these go out. Between a number and a peer one message at a time is on its way, so that texts arrive
in the order in which they were written; but one of lane 1 of which nothing is on the wire steps back for one of lane 0.
Messages of a number with a rate of its own wait beside all that, in ``slow``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import trio

from gateway.carrier.gate import Gate
from gateway.carrier.outgoing import Outgoing
from gateway.outbound.slow import Left, SlowNumbers
from gateway.store.queries import QueueUnit
from gateway.store.reroute import Moved

QUANTUM: Final = 8
"""Segments that an app may send in its turn."""

UnitKey = tuple[int, str, int]
Pair = tuple[str, str]


class Unit:
    """Messages of one app and priority in one lane. ``complete``: everything stored of it is in memory."""

    __slots__ = ("aside", "complete", "items", "key", "last", "loading", "spilled")

    def __init__(self, key: UnitKey) -> None:
        self.key = key
        self.items: deque[Outgoing] = deque()
        self.aside = 0  # popped, and waiting for their pair
        self.complete = True
        self.last = 0  # up to this id the database was read
        self.loading = False
        self.spilled = 0  # the lowest id that was left on disk since a page was last asked for; 0: none


class _Turns:
    """The apps of a lane that have something to send, in turn."""

    __slots__ = ("begun", "deficit", "order", "units")

    def __init__(self) -> None:
        self.order: deque[str] = deque()
        self.begun = False  # the first has been given its quantum, and goes on with it
        self.deficit: dict[str, int] = {}
        self.units: dict[str, list[Unit]] = {}  # by app, best rank first


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
        self._urgent: tuple[deque[Outgoing], ...] = (deque(), deque())  # by lane; they hold their pair already
        self._units: dict[UnitKey, Unit] = {}
        self._lanes = (_Turns(), _Turns())
        self._busy: dict[Pair, deque[Outgoing] | None] = {}
        self._low: dict[Pair, Outgoing] = {}  # the messages of lane 1 that hold their pair
        self._stepped: dict[Pair, Outgoing] = {}  # those that stepped back: before all others of lane 1
        self.slow = SlowNumbers(gates if gates is not None else {})
        self.take_back: Callable[[Outgoing], bool] = _nothing_claimed
        """Takes back the claims of a message that are not written; returns whether that was all that is open of it."""

    # --- coming in ----------------------------------------------------------------------------------------------------

    def unit(self, lane: int, app: str, rank: int) -> Unit:
        """The unit of an app, lane and rank, made when it is new."""
        key = (lane, app, rank)
        unit = self._units.get(key)
        if unit is None:
            unit = self._units[key] = Unit(key)
            units = self._lanes[lane].units.setdefault(app, [])
            units.append(unit)
            units.sort(key=lambda u: u.key[2])
        return unit

    def add(self, item: Outgoing) -> None:
        """A message that was just stored as queued, later than all before it in its unit unless it had to wait."""
        if item.id in self.known:
            return  # a page that was read just now had it already
        unit = self.unit(item.lane, item.app, item.rank)
        if not unit.complete or len(unit.items) + unit.aside >= self.look_ahead:
            # From `last` on it is found on disk. After a start that is the beginning, whatever comes in before the
            # first page is read.
            unit.complete = False
            unit.spilled = min(unit.spilled or item.id, item.id)
            return
        unit.last = max(unit.last, item.id)
        self._append(unit, item)

    def _append(self, unit: Unit, item: Outgoing) -> None:
        self.known[item.id] = item
        item.placed = True
        unit.items.append(item)
        self._has_something(unit)

    def _has_something(self, unit: Unit) -> None:
        lane, app, _ = unit.key
        turns = self._lanes[lane]
        if app not in turns.deficit:
            turns.deficit[app] = 0
            turns.order.append(app)

    def on_disk(self, unit_key: QueueUnit) -> None:
        """There are stored messages of a unit that are not in memory, for instance after a start."""
        unit = self.unit(unit_key.lane, unit_key.app, unit_key.rank)
        unit.complete = False
        unit.last = 0

    def begin_page(self, unit: Unit) -> int:
        """A page of this unit is read now; returns the id after which."""
        unit.loading = True
        if unit.spilled:
            # What was scheduled, or in doubt, has a lower id than what was read long ago.
            unit.last = min(unit.last, unit.spilled - 1)
            unit.spilled = 0
        return unit.last

    def loaded(self, unit: Unit, items: list[Outgoing], *, last: int | None) -> list[Outgoing]:
        """Takes a page read from the database; ``last`` is the id it went to, None if it was the last page.

        Returns the messages whose time has not come (they wait elsewhere); what is in memory already is passed over.
        """
        unit.loading = False
        if unit.spilled:
            # It came to be on disk while this was read, from another carrier say: what is behind it is read again.
            items = [item for item in items if item.id <= unit.spilled]
        later: list[Outgoing] = []
        for item in items:
            if item.id in self.known:
                continue
            if item.due_at:
                self.known[item.id] = item
                self._hold(item)
                later.append(item)
            else:
                self._append(unit, item)
        if last is not None:
            unit.last = last
        elif not unit.spilled:
            unit.complete = True
            if items:
                unit.last = items[-1].id
        elif items:
            unit.last = items[-1].id
        return later

    def wants_page(self) -> list[Unit]:
        """Units of which the next page should be read now."""
        half = self.look_ahead // 2
        return [u for u in self._units.values() if not u.complete and not u.loading and len(u.items) + u.aside <= half]

    def loaded_slow(self, left: Left, items: list[Outgoing], last: int | None) -> list[Outgoing]:
        """Takes a page of what `slow` left on disk, as `loaded` does."""
        later: list[Outgoing] = []
        waiting: list[Outgoing] = []
        for item in items:
            if item.id in self.known:
                continue
            self.known[item.id] = item
            if item.due_at:
                self._hold(item)
                later.append(item)
            else:
                item.placed = True
                waiting.append(item)
        self.slow.loaded(left, waiting, last)
        return later

    # --- to and from other carriers -----------------------------------------------------------------------------------

    def unit_keys(self) -> list[UnitKey]:
        """All units that there are, the lane and rank that go first, first."""
        return sorted(self._units, key=lambda key: (key[0], key[2], key[1]))

    def expect(self, by: int) -> None:
        """Messages are to come from another carrier, which new ones may not go past (1), or have come (-1)."""
        self.coming[0] += by
        self.coming[1] += by

    def spill(self, lane: int, app: str, rank: int, id: int) -> None:
        """A message of this carrier is on disk, and not in memory."""
        unit = self.unit(lane, app, rank)
        unit.complete = False
        unit.spilled = min(unit.spilled or id, id)

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
                continue
            # Segments whose claim is being stored are taken off when it fails, as it will.
            self.count(m.app, item.open - m.before)
            item.waiting = []
            items.append(item)
        if not items:
            return
        for urgent in self._urgent:
            _without_done(urgent)
        self.slow.without_done()
        for unit in self._units.values():
            _without_done(unit.items)
        for pair in {(item.number, item.peer) for item in items}:
            others = self._busy.get(pair)
            for item in others or ():
                if not item.waiting:
                    self._units[item.lane, item.app, item.rank].aside -= 1
            if others:
                _without_done(others)
        for item in items:
            if not item.open and item is not held:
                self.finished(item)

    def again(self, item: Outgoing, *, first: bool = False) -> None:
        """A message whose claim came back: it keeps its pair and goes before all that waits."""
        self.known[item.id] = item
        self._hold(item)
        item.placed = True
        if self.ordered and not item.holds:
            # Read from disk while another had its pair already, as after a start: it waits as others do, in front.
            self._wait_for_pair(item, first=True)
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
        """Marks the pair of a message that goes out directly."""
        self.known[item.id] = item
        self._hold(item)

    def _hold(self, item: Outgoing) -> None:
        pair = (item.number, item.peer)
        if self.ordered and pair not in self._busy:
            self._busy[pair] = None
            item.holds = True
            if item.lane:
                self._low[pair] = item

    def take(self, budget: int, kept_free: int = 0) -> list[tuple[Outgoing, list[int]]]:
        """Messages to claim next with the parts of each, at most ``budget`` segments in all.

        ``kept_free`` of them are not for lane 1. A message larger than what is left of the budget goes in pieces; its
        rest stays in front.
        """
        out: list[tuple[Outgoing, list[int]]] = []
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
            if self.slow and budget > 0:
                for item in self.slow.due(lane, now):
                    if self._gets_pair(item):
                        budget -= self._claim(item, budget, out)
                    if budget <= 0:
                        break
            while budget > 0 and turns.order:
                budget = self._turn(turns, budget, out, now)
        return out

    def _turn(self, turns: _Turns, budget: int, out: list[tuple[Outgoing, list[int]]], now: float) -> int:
        """One app's turn."""
        app = turns.order[0]
        if not turns.begun:
            turns.begun = True
            turns.deficit[app] += QUANTUM
        while budget > 0:
            unit = next((u for u in turns.units[app] if u.items), None)
            if unit is None:
                # Nothing in memory: an app without anything keeps no credit.
                turns.order.popleft()
                turns.begun = False
                del turns.deficit[app]
                return budget
            item = unit.items[0]
            if len(item.waiting) > turns.deficit[app]:
                turns.order.rotate(-1)
                turns.begun = False
                return budget
            unit.items.popleft()
            if not item.waiting or self._slowed(item, now) or not self._gets_pair(item):
                continue
            turns.deficit[app] -= len(item.waiting)
            budget -= self._claim(item, budget, out)
        return budget

    def _gets_pair(self, item: Outgoing, *, first: bool = False) -> bool:
        """Has a message hold its pair; while another does it waits for that, ``first`` of its lane or last."""
        if not self.ordered or item.holds:
            return True
        pair = (item.number, item.peer)
        if pair not in self._busy:
            self._hold(item)
            return True
        if not item.lane and self._low and self._steps_back(pair):
            others = self._busy[pair]
            if first or not others or others[0].lane:
                item.holds = True
                return True
            # One of its lane was here before it, when nothing could step back yet.
            following = others.popleft()
            following.holds = True
            self._back(following)
        self._wait_for_pair(item, first=first)
        return False

    def _steps_back(self, pair: Pair) -> bool:
        """Has a message of lane 1 give its pair to one of lane 0, where nothing of it is on the wire."""
        holder = self._low.get(pair)
        if holder is None or not (self.take_back(holder) if holder.open else holder.placed):
            return False
        # It waits where it is, or comes back as its claims do, and gets its pair again before others of its lane.
        self._stepped[pair] = self._low.pop(pair)
        holder.holds = False
        return True

    def _slowed(self, item: Outgoing, now: float, *, first: bool = False) -> bool:
        """Whether the rate of its number holds a message back: it waits aside then, or is left on disk."""
        slow = self.slow
        if not (slow.gates or slow) or item.holds or not slow.stops(item, now):
            return False
        if not slow.put(item, first=first):
            item.placed = False
            self.known.pop(item.id, None)
        return True

    def _wait_for_pair(self, item: Outgoing, *, first: bool = False) -> None:
        pair = (item.number, item.peer)
        if self._stepped.get(pair) is item:
            del self._stepped[pair]
        others = self._busy[pair]
        if others is None:
            others = self._busy[pair] = deque()
        if others and others[-1].lane and (first or not item.lane):
            # Those of lane 0 come before those of lane 1.
            place = next(i for i, other in enumerate(others) if other.lane)
            others.insert(0 if first and not item.lane else place, item)
        elif first and not item.lane:
            others.appendleft(item)
        else:
            others.append(item)
        self.unit(item.lane, item.app, item.rank).aside += 1

    def _claim(self, item: Outgoing, budget: int, out: list[tuple[Outgoing, list[int]]]) -> int:
        parts = item.waiting[:budget]
        item.waiting = item.waiting[budget:]
        item.placed = bool(item.waiting)
        if item.waiting:
            self._urgent[item.lane].appendleft(item)
        if parts:
            out.append((item, parts))
        return len(parts)

    def finished(self, item: Outgoing) -> None:
        """Nothing of this message is open or waiting: its pair is free for the next, which goes first in its unit."""
        self.known.pop(item.id, None)
        pair = (item.number, item.peer)
        stepped = self._stepped.get(pair) if self._stepped else None
        if not item.holds:
            if stepped is item:
                del self._stepped[pair]
            # A late answer may end one that waits for its pair: handed to it, the pair would never be free again.
            others = self._busy.get(pair)
            if others and item in others:
                others.remove(item)
                self._units[item.lane, item.app, item.rank].aside -= 1
            return
        item.holds = False
        if item.lane:
            self._low.pop(pair, None)
        others = self._busy.get(pair)
        if stepped is not None and not (others and not others[0].lane):
            self._low[pair] = self._stepped.pop(pair)
            stepped.holds = True
        elif others:
            following = others.popleft()
            following.holds = True
            if following.lane:
                self._low[pair] = following
            self._back(following)
        else:
            self._busy.pop(pair, None)

    def _back(self, item: Outgoing) -> None:
        """A message that was aside is in its unit again, before all that came later."""
        unit = self._units[item.lane, item.app, item.rank]
        unit.aside -= 1
        unit.items.appendleft(item)
        self._has_something(unit)

    def set_ordered(self, ordered: bool) -> None:
        """Whether a pair has one message at a time on its way; without order, nothing waits for its pair any more."""
        self.ordered = ordered
        if not ordered:
            aside = [item for others in self._busy.values() for item in others or ()]
            self._busy.clear()
            self._low.clear()
            self._stepped.clear()
            for item in aside:
                self._back(item)
            for unit in self._units.values():
                unit.items = deque(sorted(unit.items, key=lambda i: i.id))

    @property
    def waiting(self) -> bool:
        """Whether anything in memory could be claimed."""
        return any(self._urgent) or any(turns.order for turns in self._lanes) or bool(self.slow)

    @property
    def queued(self) -> int:
        """Unsent segments, on disk and in memory."""
        return sum(self.stored.values())

    def count(self, app: str, segments: int) -> None:
        """Counts segments that came to wait (or, negative, no longer do)."""
        self.stored[app] = max(0, self.stored.get(app, 0) + segments)


def _nothing_claimed(item: Outgoing) -> bool:
    return False
