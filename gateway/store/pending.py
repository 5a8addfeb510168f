"""What waits for the writer, and what of it goes into the next burst.

Most operations go first come, first served. What a carrier sends of its own accord, its receipts, waits in a line of
that carrier: of these lines, which take turns, a burst takes no more than a small share, so that a carrier with
thousands of receipts holds up neither submits and responses nor the receipts of others. It takes something of them each
time, whatever else there is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from gateway.store.tx import Op

SHARE: Final = 256
"""Rows of operations in lines that a burst takes, or as many as it has of others: it is at most doubled by them."""


class Pending:
    """Operations that wait, their bounds in rows and octets. The bounds are for what can be kept out at a door.

    What waits in lines is bounded by the connections it came by (`gateway.carrier.traffic.MAX_UNANSWERED`), and must
    not close the doors of others.
    """

    __slots__ = ("_first", "_lines", "_put", "max_octets", "max_rows", "octets", "rows", "size")

    def __init__(self, max_rows: int, max_octets: int) -> None:
        self.max_rows = max_rows
        self.max_octets = max_octets
        self.rows = 0  # of those that are in no line
        self.octets = 0
        self.size = 0  # operations
        self._first: deque[Op] = deque()
        self._lines: dict[str, deque[Op]] = {}  # by carrier, none empty; the next whose turn it is is the first
        self._put = 0

    def __len__(self) -> int:
        return self.size

    @property
    def full(self) -> bool:
        """Whether what waits is at its bound."""
        return self.rows >= self.max_rows or self.octets >= self.max_octets

    @property
    def last(self) -> int:
        """The number of the last operation that was put."""
        return self._put

    def oldest(self, taken: Iterable[Op] = ()) -> int:
        """The number of the oldest operation that waits or is among ``taken``; one more than the last, when none is."""
        return min(
            [line[0].number for line in (self._first, *self._lines.values()) if line] + [op.number for op in taken],
            default=self._put + 1,
        )

    def put(self, op: Op) -> None:
        """Adds an operation to the end."""
        self._put += 1
        op.number = self._put
        self._wait(op).append(op)

    def put_back(self, op: Op) -> None:
        """Puts an operation that was taken at the head again; several of them the last one first."""
        self._wait(op).appendleft(op)

    def _wait(self, op: Op) -> deque[Op]:
        self.size += 1
        if op.line is not None:
            return self._lines.setdefault(op.line, deque())
        rows, octets = op.weight
        self.rows += rows
        self.octets += octets
        return self._first

    def take(self, *, whole: bool = False) -> list[Op]:
        """The next burst, at least one operation unless none waits; those in lines are its last ones.

        ``whole``: it may be of lines alone, as when nothing can be stored and each shall be told soon.
        """
        burst: list[Op] = []
        rows = octets = 0
        first = self._first
        while first and (not burst or (rows < self.max_rows and octets < self.max_octets)):
            op = first.popleft()
            burst.append(op)
            r, o = op.weight
            rows += r
            octets += o
        self.rows = max(0, self.rows - rows) if first else 0
        self.octets = max(0, self.octets - octets) if first else 0
        if self._lines:
            self._take_turns(burst, self.max_rows if whole else min(max(SHARE, rows), self.max_rows))
        self.size -= len(burst)
        return burst

    def _take_turns(self, burst: list[Op], most: int) -> None:
        lines = self._lines
        rows = 0
        while lines and rows < most:
            carrier = next(iter(lines))
            line = lines.pop(carrier)
            op = line.popleft()
            burst.append(op)
            rows += op.weight[0]
            if line:
                lines[carrier] = line  # the last one now
