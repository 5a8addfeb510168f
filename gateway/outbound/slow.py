"""Messages of numbers with a rate of their own: they wait beside the queue, where they are in nobody's way.

Of each number and lane a bounded count waits in memory. What comes beyond is left on disk, and read from where it was
left as these go out; messages of other numbers are read on meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from gateway.carrier.gate import Gate
from gateway.carrier.outgoing import Outgoing

MOST: Final = 100
"""Messages of a number and lane that wait in memory."""

UnitKey = tuple[int, str, int]


class Left(NamedTuple):
    """What of a number is left on disk: in which unit (lane, app, rank), after which id."""

    number: str
    unit: UnitKey
    after: int


class _Aside:
    """Messages of one number. ``left``: by unit the lowest id that is on disk only."""

    __slots__ = ("items", "left", "reading")

    def __init__(self) -> None:
        self.items: tuple[deque[Outgoing], deque[Outgoing]] = (deque(), deque())
        self.left: dict[UnitKey, int] = {}
        self.reading: dict[UnitKey, int] = {}  # what is left meanwhile; 0: nothing

    def waits(self, lane: int) -> bool:
        """Whether something waits that a message of this lane may not pass."""
        items = self.items
        return bool(items[0] or (lane and items[1]) or any(key[0] <= lane for key in self.left))

    def leave(self, unit: UnitKey, id: int) -> None:
        """A message is on disk only."""
        self.left[unit] = min(self.left.get(unit, id), id)
        if unit in self.reading:
            self.reading[unit] = min(self.reading[unit] or id, id)


class SlowNumbers:
    """Of one carrier's queue. ``gates`` are by number, shared by all carriers; a number without one does not wait."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self.gates = gates
        self._aside: dict[str, _Aside] = {}

    def __bool__(self) -> bool:
        """Whether anything waits here."""
        return bool(self._aside)

    def stops(self, item: Outgoing, now: float) -> bool:
        """Whether a message has to wait here; if not, it is counted as claimed."""
        gate = self.gates.get(item.number)
        if gate is None and item.number not in self._aside:
            return False
        aside = self._aside.get(item.number)
        if aside is not None and aside.waits(item.lane):
            return True
        return gate is not None and not gate.claim(len(item.waiting), now)

    def put(self, item: Outgoing, *, first: bool = False) -> bool:
        """A message that has to wait. Returns False when it is left on disk.

        ``first``: before the others, and in memory, as what was claimed already or holds its pair.
        """
        aside = self._aside.get(item.number)
        if aside is None:
            aside = self._aside[item.number] = _Aside()
        items = aside.items[item.lane]
        if first:
            items.appendleft(item)
            return True
        key = (item.lane, item.app, item.rank)
        if key not in aside.left and len(items) < MOST:
            items.append(item)
            return True
        aside.leave(key, item.id)
        return False

    def spill(self, number: str, unit: UnitKey, id: int) -> None:
        """A message came to be on disk, from another carrier say: where others of its unit are left it is with them."""
        aside = self._aside.get(number)
        if aside is not None and unit in aside.left:
            aside.leave(unit, id)

    def page_read(self, left: Left, items: list[Outgoing]) -> list[Outgoing]:
        """What can be taken of a page that was read: without what is behind a message that was left meanwhile."""
        meanwhile = self._aside[left.number].reading.get(left.unit, 0)
        return [item for item in items if item.id <= meanwhile] if meanwhile else items

    def due(self, lane: int, now: float) -> Iterator[Outgoing]:
        """Messages of a lane that may be claimed now, counted as they are taken."""
        for number in list(self._aside):
            aside = self._aside[number]
            items = aside.items[lane]
            gate = self.gates.get(number)
            while items and not (lane and aside.items[0]):
                if not items[0].waiting:  # it went elsewhere, or ended
                    items.popleft()
                elif gate is None or gate.claim(len(items[0].waiting), now):
                    yield items.popleft()
                else:
                    break
            if not (aside.items[0] or aside.items[1] or aside.left):
                del self._aside[number]

    def next_at(self) -> float:
        """When the next of what is in memory may be claimed; infinity: nothing waits."""
        opens = [
            gate.opens_at if (gate := self.gates.get(number)) is not None else 0.0
            for number, aside in self._aside.items()
            if aside.items[0] or aside.items[1]
        ]
        return min(opens, default=float("inf"))

    def wants(self) -> list[Left]:
        """What should be read from disk now."""
        return [
            Left(number, key, low - 1)
            for number, aside in self._aside.items()
            for key, low in aside.left.items()
            if key not in aside.reading and len(aside.items[key[0]]) <= MOST // 2
        ]

    def begin(self, left: Left) -> None:
        """A page of this is read now."""
        self._aside[left.number].reading[left.unit] = 0

    def gave_up(self, left: Left) -> None:
        """It could not be read."""
        self._aside[left.number].reading.pop(left.unit, None)

    def loaded(self, left: Left, items: list[Outgoing], last: int | None) -> None:
        """Takes what `page_read` gave; ``last`` is the id that the page went to, None if nothing came after."""
        aside = self._aside[left.number]
        meanwhile = aside.reading.pop(left.unit, 0)
        aside.items[left.unit[0]].extend(items)
        low = min(filter(None, (last and last + 1, meanwhile)), default=0)
        if low:
            aside.left[left.unit] = low
        else:
            aside.left.pop(left.unit, None)

    @property
    def numbers(self) -> int:
        """Numbers of which something waits for their rate."""
        return len(self._aside)

    def without_done(self) -> None:
        """Messages that have nothing left to send here are forgotten."""
        for aside in self._aside.values():
            for items in aside.items:
                if not all(item.waiting for item in items):
                    left = [item for item in items if item.waiting]
                    items.clear()
                    items.extend(left)
