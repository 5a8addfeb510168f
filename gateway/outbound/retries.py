"""Messages of one carrier that wait for the time of their next attempt, with a bound on what of them is in memory.

What comes beyond the bound is left on disk, where its time is stored: here stays who it is, for it holds its pair. It
is read when it is due and the carrier has taken most of what was due before. When very many wait in that way, others of
their lane wait for them: nothing new is taken that might come to wait as well.
"""

from __future__ import annotations

import heapq
from typing import Final

from gateway.carrier.outgoing import Outgoing

IN_MEMORY: Final = 2000
"""Messages of a carrier that wait for another attempt in memory, those that are due included."""
MOST_DUE: Final = 500
"""Messages of a lane that are due and in memory, when others are read from disk."""
MOST: Final = 25_000
"""Messages of a lane that wait for another attempt on disk, when others of the lane wait for them."""


class Absent:
    """A message that waits for its time on disk. It may hold its pair, as an `Outgoing` does."""

    __slots__ = ("due_at", "holds", "id", "lane", "number", "peer")

    def __init__(self, item: Outgoing) -> None:
        self.id = item.id
        self.due_at = item.due_at  # ms since 1970
        self.lane = item.lane
        self.number = item.number
        self.peer = item.peer
        self.holds = False


class Retries:
    """Of one carrier's queue. ``left`` are those on disk only, by id."""

    def __init__(self) -> None:
        self.left: dict[int, Absent] = {}
        self._items: list[tuple[int, int, Outgoing]] = []  # a heap, by due_at
        self._order: tuple[list[tuple[int, int]], ...] = ([], [])  # heaps of (due_at, id) on disk, by lane
        self._counts = [0, 0]

    def put(self, item: Outgoing, due: int) -> Absent | None:
        """A message that waits until its ``due_at``; ``due`` others are due and in memory.

        Returns what stands for it when it is left on disk, and None when it waits in memory. What may still be answered
        late is not forgotten.
        """
        if len(self._items) + due < IN_MEMORY or item.open or item.settled is not None:
            heapq.heappush(self._items, (item.due_at, item.id, item))
            return None
        absent = self.left[item.id] = Absent(item)
        self._counts[item.lane] += 1
        heapq.heappush(self._order[item.lane], (item.due_at, item.id))
        return absent

    def due(self, now_ms: int) -> list[Outgoing]:
        """Those in memory whose time has come; they wait here no longer."""
        items: list[Outgoing] = []
        while self._items and self._items[0][0] <= now_ms:
            items.append(heapq.heappop(self._items)[2])
        return items

    @property
    def next_at(self) -> int | None:
        """When the next of those in memory is due (ms), None without any."""
        return self._items[0][0] if self._items else None

    def begin(self, lane: int, most: int, now_ms: int) -> list[Absent]:
        """Those on disk whose time has come, at most so many: they are being read from now on."""
        order = self._order[lane]
        found: list[Absent] = []
        while order and order[0][0] <= now_ms and len(found) < most:
            due_at, id = heapq.heappop(order)
            absent = self.left.get(id)
            if absent is not None and absent.due_at == due_at:
                found.append(absent)
        return found

    def gave_up(self, absents: list[Absent]) -> None:
        """They could not be read."""
        for absent in absents:
            if self.left.get(absent.id) is absent:
                heapq.heappush(self._order[absent.lane], (absent.due_at, absent.id))

    def remove(self, id: int) -> Absent | None:
        """One on disk came back, or is gone."""
        absent = self.left.pop(id, None)
        if absent is not None:
            self._counts[absent.lane] -= 1
        return absent

    def waits(self, now_ms: int) -> bool:
        """Whether one on disk is due."""
        return any(order and order[0][0] <= now_ms for order in self._order)

    @property
    def crowded(self) -> tuple[bool, bool]:
        """By lane whether so many wait on disk that others wait for them."""
        return self._counts[0] >= MOST, sum(self._counts) >= MOST

    @property
    def in_memory(self) -> int:
        """How many wait in memory."""
        return len(self._items)
