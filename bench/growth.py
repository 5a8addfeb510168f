"""Does something grow? The rule by which a long run is judged, as numbers in and a finding out.

Of what was sampled over the stretch that is judged, the median of its last sixth is compared with that of its second
one: in the first it warms up. It may be more by a share of what it was, and by a fixed amount beside that.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Point = tuple[float, float]


@dataclass(frozen=True)
class Bound:
    """How much more is none: ``share`` of the early value and ``slack``, in ``unit``."""

    what: str
    unit: str
    share: float
    slack: float
    why: str


BOUNDS: Final = (
    Bound("resident", "MiB", 0.05, 4.0, "an allocator keeps some of what it had"),
    Bound("files", "", 0.0, 16.0, "connections of the moment, to the webhook most of all"),
    Bound("tasks", "", 0.0, 16.0, "connections and deliveries of the moment"),
    Bound("wal", "MiB", 0.25, 16.0, "its file is reused, and cut at its limit"),
    Bound("queued", "segments", 0.5, 1000.0, "what waits for a carrier that was just cut off"),
    Bound("accept p50", "ms", 0.5, 2.0, "the machine's own pace"),
    Bound("accept p99", "ms", 0.5, 10.0, "the machine's own pace"),
)


@dataclass(frozen=True)
class Finding:
    """``early`` and ``late``: medians of the second and the last sixth; ``allowed``: the most that ``late`` may be."""

    bound: Bound
    early: float
    late: float
    allowed: float

    @property
    def passed(self) -> bool:
        return self.late <= self.allowed

    def __str__(self) -> str:
        unit = f" {self.bound.unit}" if self.bound.unit else ""
        held = "" if self.passed else "  FAILED"
        return f"{self.bound.what:12} {self.early:10,.1f} {self.late:10,.1f} {self.allowed:10,.1f}{unit}{held}"


def sixth(points: Sequence[Point], begin: float, end: float, which: int) -> list[float]:
    """The values of one sixth of the time from ``begin`` to ``end``, the first being 0."""
    step = (end - begin) / 6
    low = begin + which * step
    return [value for at, value in points if low <= at < low + step or (which == 5 and at == end)]


def judge(series: Mapping[str, Sequence[Point]], begin: float, end: float) -> list[Finding]:
    """A finding for each of `BOUNDS`. Raises ValueError where one was not sampled in both sixths."""
    found = []
    for bound in BOUNDS:
        early, late = (sixth(series.get(bound.what, ()), begin, end, which) for which in (1, 5))
        if not early or not late:
            raise ValueError(f"{bound.what} was not sampled in the second and the last sixth of the run")
        before = statistics.median(early)
        found.append(Finding(bound, before, statistics.median(late), before * (1 + bound.share) + bound.slack))
    return found
