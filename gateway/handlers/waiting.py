"""Failed deliveries of a feed that wait for their time: sequence numbers only, the payload stays in the database."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

Retries = Mapping[int, tuple[int, int | None, str]]
"""By sequence number: attempts made, when the next is due (ms; None: a dead letter), the last error."""


class Waiting:
    """An order by time over the outbox's failed deliveries, which are the truth: what left them is passed over."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._heap: list[tuple[int, int]] = []
        self._out: set[int] = set()  # taken, and not settled yet

    def __len__(self) -> int:
        return len(self._heap) + len(self._out)

    def load(self) -> None:
        """Takes up what the outbox holds, of earlier runs too."""
        self._heap = [
            (due, seq) for seq, (_, due, _) in self._retries.items() if due is not None and seq not in self._out
        ]
        heapq.heapify(self._heap)

    def add(self, due: int, seq: int) -> None:
        """A delivery that failed, and that the outbox knows of."""
        heapq.heappush(self._heap, (due, seq))

    def next_due(self) -> int | None:
        """When the first one is due, in ms; None: nothing waits."""
        heap, retries = self._heap, self._retries
        while heap:
            due, seq = heap[0]
            known = retries.get(seq)
            if known is not None and known[1] == due:
                return due
            heapq.heappop(heap)
        return None

    def take(self) -> int:
        """Takes out the first one; `settled` ends that. IndexError if nothing waits (see `next_due`)."""
        _, seq = heapq.heappop(self._heap)
        self._out.add(seq)
        return seq

    def settled(self, seq: int) -> None:
        """It came through, was set aside, or is added again."""
        self._out.discard(seq)
