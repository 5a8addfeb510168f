"""Who is on its way between a number and a peer, and who waits for that.

One message of a pair at a time is on its way: it holds the pair. Of each pair and lane a bounded count waits in memory,
and of all pairs together too. What comes beyond is left on disk, and read from where it was left as the pair's own come
through: a peer whose queue is full is in nobody's way. How many pairs there can be follows from what may hold one: what
is under way, and what `retries` lets wait for another attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from gateway.carrier.outgoing import Outgoing
from gateway.outbound.retries import Absent
from gateway.outbound.units import UnitKey

MOST: Final = 20
"""Messages of a pair and lane that wait in memory."""
IN_ALL: Final = 2000
"""Messages of a carrier that wait in memory for their pairs."""

Pair = tuple[str, str]
Span = tuple[int, int]
Holder = Outgoing | Absent


class PairLeft(NamedTuple):
    """What of a pair is left on disk: in which unit (lane, app, rank), from which id to which; ``limit`` to be read."""

    pair: Pair
    unit: UnitKey
    low: int
    high: int
    limit: int


class _Waiters:
    """What waits for one pair. ``left``: by unit the lowest and highest id that are on disk only."""

    __slots__ = ("free", "items", "left", "meanwhile", "reading")

    def __init__(self) -> None:
        self.items: tuple[list[Outgoing], list[Outgoing]] = ([], [])  # by lane
        self.left: dict[UnitKey, Span] = {}
        self.free = False  # nobody holds the pair: the next is read from disk
        self.reading: UnitKey | None = None
        self.meanwhile: Span | None = None  # what was left of the unit that is being read, since that began

    def leaves(self, lane: int) -> bool:
        """Whether something of this lane is on disk, which what comes later may not pass."""
        for key in self.left:  # noqa: SIM110
            if key[0] == lane:
                return True
        return False

    def leave(self, unit: UnitKey, id: int) -> None:
        """A message is on disk only."""
        self.left[unit] = _with(self.left.get(unit), (id, id))
        if unit == self.reading:
            self.meanwhile = _with(self.meanwhile, (id, id))

    @property
    def idle(self) -> bool:
        return not (self.items[0] or self.items[1] or self.left or self.free or self.reading)


def _with(one: Span | None, other: Span) -> Span:
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))


class Pairs:
    """Of one carrier's queue. ``hand`` is given a message that got its pair while it waited here."""

    def __init__(self, hand: Callable[[Outgoing], None]) -> None:
        self.busy: dict[Pair, _Waiters | None] = {}
        self.waiting = 0  # messages that wait here, in memory
        self.hungry: dict[Pair, None] = {}  # pairs of which something should be read from disk now
        self.on_hungry: Callable[[], None] = _nobody_reads
        self.take_back: Callable[[Outgoing], bool] = _nothing_claimed
        """Takes back the claims of a message that are not written; returns whether that was all that is open of it."""
        self._hand = hand
        self._low: dict[Pair, Holder] = {}  # the messages of lane 1 that hold their pair
        self._stepped: dict[Pair, Holder] = {}  # those that stepped back: before all others of lane 1

    # --- who holds a pair ---------------------------------------------------------------------------------------------

    def hold(self, item: Outgoing) -> bool:
        """A message holds its pair from now on, if nobody does; returns whether nobody did."""
        pair = (item.number, item.peer)
        if pair in self.busy:
            return False
        self.busy[pair] = None
        item.holds = True
        if item.lane:
            self._low[pair] = item
        return True

    def gets(self, item: Outgoing, *, first: bool = False) -> bool:
        """Has a message hold its pair if it is its turn, ``first`` of its lane or last."""
        if self.hold(item):
            return True
        if item.lane:
            return False
        pair = (item.number, item.peer)
        waiters = self.busy[pair]
        if not (waiters is not None and waiters.free) and not (self._low and self._steps_back(pair)):
            return False
        if waiters is None or first or not (waiters.items[0] or waiters.leaves(0)):
            item.holds = True
            if waiters is not None:
                waiters.free = False
            return True
        # One of its lane was here before it, when nothing could step back yet.
        self._next(pair, waiters)
        return False

    def _steps_back(self, pair: Pair) -> bool:
        """Has a message of lane 1 give its pair to one of lane 0, where nothing of it is on the wire."""
        holder = self._low.get(pair)
        if holder is None:
            return False
        if isinstance(holder, Outgoing) and not (self.take_back(holder) if holder.open else holder.placed):
            return False
        # It waits where it is, or comes back as its claims do, and gets its pair again before others of its lane.
        self._stepped[pair] = self._low.pop(pair)
        holder.holds = False
        return True

    def rests(self, holder: Holder) -> None:
        """A message that holds its pair waits for its time: in lane 1 it steps back for those of lane 0 that wait."""
        pair = (holder.number, holder.peer)
        if not self._low or self._low.get(pair) is not holder:
            return
        waiters = self.busy[pair]
        if waiters is not None and (waiters.items[0] or waiters.leaves(0)) and self._steps_back(pair):
            self._next(pair, waiters)

    def swap(self, old: Holder, new: Holder) -> None:
        """A message that waits for its time went to disk, or is back: the one stands for the other."""
        pair = (old.number, old.peer)
        new.holds, old.holds = old.holds, False
        for places in (self._low, self._stepped):
            if places.get(pair) is old:
                places[pair] = new

    def release(self, item: Holder) -> None:
        """Nothing of this message is open or waiting: its pair is free for the next."""
        pair = (item.number, item.peer)
        if not item.holds:
            if self._stepped and self._stepped.get(pair) is item:
                del self._stepped[pair]
            # A late answer may end one that waits for its pair: handed to it, the pair would never be free again.
            waiters = self.busy.get(pair)
            if waiters is not None and item in waiters.items[item.lane]:
                waiters.items[item.lane].remove(item)
                self.waiting -= 1
                self._look(pair, waiters)
            return
        item.holds = False
        if item.lane:
            self._low.pop(pair, None)
        waiters = self.busy.get(pair)
        if waiters is not None or self._stepped:
            self._next(pair, waiters)
        else:
            self.busy.pop(pair, None)

    def _next(self, pair: Pair, waiters: _Waiters | None) -> None:
        """Nobody holds the pair: the next does, which is before all others of its unit. Lane 0 goes before lane 1."""
        if waiters is not None:
            waiters.free = False
            if waiters.items[0]:
                self._hand_on(pair, waiters, 0)
                return
            if waiters.leaves(0):
                waiters.free = True
                self._look(pair, waiters)
                return
        stepped = self._stepped.pop(pair, None)
        if stepped is not None:
            stepped.holds = True
            self._low[pair] = stepped
        elif waiters is None:
            self.busy.pop(pair, None)
            return
        elif waiters.items[1]:
            self._hand_on(pair, waiters, 1)
            return
        elif waiters.left:
            waiters.free = True
        else:
            del self.busy[pair]
            return
        if waiters is not None:
            self._look(pair, waiters)

    def _hand_on(self, pair: Pair, waiters: _Waiters, lane: int) -> None:
        following = waiters.items[lane].pop(0)
        self.waiting -= 1
        following.holds = True
        if lane:
            self._low[pair] = following
        self._look(pair, waiters)
        self._hand(following)

    # --- who waits ----------------------------------------------------------------------------------------------------

    def wait(self, item: Outgoing, *, first: bool = False) -> bool:
        """A message waits for its pair, ``first`` of its lane or last. Returns False when it is left on disk."""
        pair = (item.number, item.peer)
        if self._stepped and self._stepped.get(pair) is item:
            del self._stepped[pair]
            first = True
        waiters = self.busy[pair]
        if waiters is None:
            waiters = self.busy[pair] = _Waiters()
        items = waiters.items[item.lane]
        if item.open or item.settled is not None:
            room = True  # what is on the wire, or may still be answered, is not forgotten
        elif first:
            room = len(items) < 2 * MOST
        else:
            room = len(items) < MOST and self.waiting < IN_ALL and not waiters.leaves(item.lane)
        if not room:
            waiters.leave((item.lane, item.app, item.rank), item.id)
            return False
        if first:
            items.insert(0, item)
        else:
            items.append(item)
        self.waiting += 1
        return True

    def leaves(self, number: str, peer: str, unit: UnitKey, id: int) -> bool:
        """Whether a message that was read from disk stays there, for others of its pair and lane that did."""
        waiters = self.busy.get((number, peer))
        if waiters is None or not waiters.leaves(unit[0]):
            return False
        waiters.leave(unit, id)
        return True

    def without_done(self, pairs: Iterable[Pair]) -> None:
        """Messages of these that have nothing left to send here are forgotten."""
        for pair in pairs:
            waiters = self.busy.get(pair)
            if waiters is None:
                continue
            for items in waiters.items:
                kept = [item for item in items if item.waiting]
                self.waiting -= len(items) - len(kept)
                items[:] = kept
            self._look(pair, waiters)

    def disband(self) -> tuple[list[Outgoing], dict[UnitKey, int]]:
        """Nothing waits for its pair any more: what waited in memory, and by unit the lowest id that was left."""
        items: list[Outgoing] = []
        left: dict[UnitKey, int] = {}
        for waiters in self.busy.values():
            if waiters is None:
                continue
            items += waiters.items[0] + waiters.items[1]
            for unit, (low, _) in waiters.left.items():
                left[unit] = min(left.get(unit, low), low)
        self.busy.clear()
        self.hungry.clear()
        self._low.clear()
        self._stepped.clear()
        self.waiting = 0
        return items, left

    # --- from disk ----------------------------------------------------------------------------------------------------

    def _look(self, pair: Pair, waiters: _Waiters) -> None:
        """Has more of a pair read where little of it is in memory, and forgets that anybody waited when nobody does."""
        if waiters.left:
            if waiters.reading is None and (waiters.free or len(waiters.items[_first(waiters)[0]]) <= MOST // 2):
                self.hungry[pair] = None
                self.on_hungry()
        elif waiters.idle:
            self.busy[pair] = None

    def begin(self) -> PairLeft | None:
        """What is to be read next: it is being read from now on."""
        while self.hungry:
            pair = next(iter(self.hungry))
            del self.hungry[pair]
            waiters = self.busy.get(pair)
            if waiters is None or waiters.reading is not None or not waiters.left:
                continue
            limit = min(MOST // 2, IN_ALL - self.waiting)
            if limit > 0 or waiters.free:
                unit = waiters.reading = _first(waiters)
                waiters.meanwhile = None
                return PairLeft(pair, unit, *waiters.left[unit], max(1, limit))
            # There is no room: it is looked at again when one of the pair came through.
        return None

    def reads(self, left: PairLeft) -> bool:
        """Whether what was begun is still asked for: a reload may have lifted the order meanwhile."""
        waiters = self.busy.get(left.pair)
        return waiters is not None and waiters.reading == left.unit

    def gave_up(self, left: PairLeft) -> None:
        """It could not be read, and is asked for again."""
        waiters = self.busy.get(left.pair)
        if waiters is not None and waiters.reading == left.unit:
            waiters.reading = None
            self._look(left.pair, waiters)

    def loaded(self, left: PairLeft, items: list[Outgoing], last: int | None) -> None:
        """Takes what was read, when `reads`; ``last`` is the id that it went to, None if nothing came after."""
        waiters = self.busy[left.pair]
        assert waiters is not None
        waiters.items[left.unit[0]].extend(items)
        self.waiting += len(items)
        rest = waiters.meanwhile
        if last is not None and last < left.high:
            rest = _with(rest, (last + 1, left.high))
        if rest is not None:
            waiters.left[left.unit] = rest
        else:
            del waiters.left[left.unit]
        waiters.reading = None
        waiters.meanwhile = None
        if waiters.free:
            self._next(left.pair, waiters)
        else:
            self._look(left.pair, waiters)

    @property
    def on_disk(self) -> int:
        """Pairs of which something is left on disk; counted now."""
        return sum(waiters is not None and bool(waiters.left) for waiters in self.busy.values())


def _first(waiters: _Waiters) -> UnitKey:
    """The unit that is read first: of lane 0, and of those the one whose message waits longest."""
    return min(waiters.left, key=lambda unit: (unit[0], waiters.left[unit]))


def _nothing_claimed(item: Outgoing) -> bool:
    return False


def _nobody_reads() -> None:
    pass
