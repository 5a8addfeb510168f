"""What waits for the writer, and what of it goes into the next burst.

Most operations go first come, first served. What a carrier sends of its own accord, its receipts, waits in a line of
that carrier: of these lines, which take turns, a burst takes no more than a small share, so that a carrier with
thousands of receipts holds up neither submits and responses nor the receipts of others. It takes something of them each
time, whatever else there is.

What frees the full window of a carrier that is far waits apart too, since each ms that it waits is lost there
(`gateway.carrier.distance`). It goes before all else, in groups and alone, every other burst. Those between take what
else there is, within a share; behind a large one of them, all that came meanwhile goes at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from gateway.store.tx import Op

SHARE: Final = 256
"""Rows of operations in lines that a burst takes, or as many as it has of others: it is at most doubled by them."""
LITTLE: Final = 64
"""Rows that take about as long as what a transaction costs by itself. A burst of more is a large one."""
BESIDE: Final = 512
"""Rows of others at which a burst is full, when something waits for it that frees a window, or is to come."""
COMING: Final = 16
"""Bursts after one with something that frees a window, in which more of that is expected."""


class Pending:
    """Operations that wait, their bounds in rows and octets. The bounds are for what can be kept out at a door.

    What waits in lines is bounded by the connections it came by (`gateway.carrier.traffic.MAX_UNANSWERED`), what frees
    windows by these; neither must close the doors of others.
    """

    __slots__ = (
        "_coming",
        "_first",
        "_freed",
        "_freeing",
        "_large",
        "_lines",
        "_put",
        "max_octets",
        "max_rows",
        "octets",
        "patient",
        "rows",
        "size",
    )

    def __init__(self, max_rows: int, max_octets: int) -> None:
        self.max_rows = max_rows
        self.max_octets = max_octets
        self.rows = 0  # of those that are in no line and free no window
        self.octets = 0
        self.size = 0  # operations
        self._first: deque[Op] = deque()
        self._freeing: deque[Op] = deque()
        self._coming = 0  # bursts in which something more of that is expected
        self._freed = False  # whether the last burst was of that
        self._large = False  # whether the last burst was; what waits now came while it was stored
        self._lines: dict[str, deque[Op]] = {}  # by carrier, none empty; the next whose turn it is is the first
        self.patient = 0  # operations that wait for company, a little while or longer
        self._put = 0

    def __len__(self) -> int:
        return self.size

    @property
    def pressing(self) -> bool:
        """Whether something waits that has no time for company."""
        return self.size > self.patient

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
            [line[0].number for line in (self._freeing, self._first, *self._lines.values()) if line]
            + [op.number for op in taken],
            default=self._put + 1,
        )

    def rest(self) -> None:
        """Nothing is being stored, nor waits but for company: what comes next has waited for no large burst."""
        self._large = False

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
        self.patient += op.patient or op.shared
        if op.group:
            return self._freeing
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
        self._coming = COMING if self._freeing else max(0, self._coming - 1)
        self._freed = bool(self._freeing) and not whole and not self._freed
        if self._freed:
            burst = self._take_freeing()
        else:
            burst = self._take_others(whole)
            if whole or not burst:  # there is nothing but what came behind answers
                burst = self._take_freeing(whole) + burst
        self.size -= len(burst)
        if self.patient:
            self.patient -= sum(op.patient or op.shared for op in burst)
        return burst

    def _take_others(self, whole: bool) -> list[Op]:
        """What frees no window."""
        most = self.max_rows
        if self._coming and not whole:
            most = min(BESIDE, most)
        burst: list[Op] = []
        rows = octets = 0
        first = self._first
        while first and (not burst or (rows < most and octets < self.max_octets)):
            op = first.popleft()
            burst.append(op)
            r, o = op.weight
            rows += r
            octets += o
        if self._coming and first:
            r, o = self._take_passing(burst)
            rows += r
            octets += o
        self.rows = max(0, self.rows - rows) if first else 0
        self.octets = max(0, self.octets - octets) if first else 0
        if self._lines:
            rows += self._take_turns(burst, self.max_rows if whole else min(max(SHARE, rows), self.max_rows))
        self._large = rows > LITTLE
        return burst

    def _take_passing(self, burst: list[Op]) -> tuple[int, int]:
        """Adds claims that wait behind submits alone: a window has use of so many. Returns their rows and octets."""
        first = self._first
        passed: list[Op] = []
        rows = octets = 0
        while first:
            op = first[0]
            if op.passes:
                burst.append(op)
                r, o = op.weight
                rows += r
                octets += o
            elif op.passed:
                passed.append(op)
            else:
                break
            first.popleft()
        first.extendleft(reversed(passed))
        return rows, octets

    def _take_freeing(self, whole: bool = False) -> list[Op]:
        """What frees windows: all of it behind a large burst, or of each carrier a group."""
        whole = whole or self._large
        self._large = False
        burst: list[Op] = []
        left: deque[Op] = deque()
        taken: dict[str | None, float] = {}  # rows by carrier; infinite: what follows comes behind what is left
        for op in self._freeing:
            before = taken.get(op.line, 0)
            rows = before + op.weight[0]
            if whole or not before or rows <= op.group:
                burst.append(op)
            else:
                left.append(op)
                rows = math.inf
            taken[op.line] = rows
        self._freeing = left
        return burst

    def _take_turns(self, burst: list[Op], most: int) -> int:
        """Adds those in lines, in turns, and returns their rows. None goes past an answer that came before it."""
        lines = self._lines
        before = self._freeing[0].number if self._freeing else self._put + 1
        rows = 0
        turns = deque(lines)
        while turns and rows < most:
            carrier = turns.popleft()
            line = lines[carrier]
            if line[0].number > before:
                continue
            op = line.popleft()
            burst.append(op)
            rows += op.weight[0]
            del lines[carrier]
            if line:
                lines[carrier] = line  # the last one now
                turns.append(carrier)
        return rows
