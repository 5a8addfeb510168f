"""Plots of what was sampled over a run: as SVG for a page, as blocks for a terminal. Points go in, text comes out.

A plot has panels below one another over one axis of time, and spans of it that have names (the phases of a run).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

Point = tuple[float, float]
"""(seconds, value)"""

_WIDTH, _HEIGHT = 960, 200
"""Of a panel with its margins, in pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 34, 24
_COLOURS = ("#1f5fa8", "#c0392b", "#2e7d32", "#8e44ad")
_BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Line:
    """One curve; its points rise in time. A gap of `gap` seconds or more between two is left open."""

    name: str
    points: Sequence[Point]
    gap: float = float("inf")


@dataclass(frozen=True)
class Panel:
    """One scale of values, from 0. limit: a value that is marked, since nothing is to be over it."""

    title: str
    lines: Sequence[Line]
    limit: float | None = None

    @property
    def highest(self) -> float:
        values = [value for line in self.lines for _, value in line.points]
        return max([*values, self.limit or 0.0]) or 1.0


@dataclass(frozen=True)
class Span:
    """A phase of the run, from and to in seconds."""

    name: str
    begin: float
    end: float


def ticks(highest: float, most: int = 5) -> list[float]:
    """Round values from 0 on, the last not below `highest`: at most `most` steps of 1, 2 or 5 times a power of ten."""
    rough = highest / most
    power = 10.0 ** floor(log10(rough))
    step = next((s * power for s in (1, 2, 5) if s * power >= rough * (1 - 1e-9)), 10 * power)
    count = -(-highest * (1 - 1e-9) // step)
    return [round(i * step, 9) for i in range(int(count) + 1)]


def svg(panels: Sequence[Panel], spans: Sequence[Span] = ()) -> str:
    """The whole file."""
    times = [at for panel in panels for line in panel.lines for at, _ in line.points] + [span.end for span in spans]
    last = max(times, default=1.0) or 1.0
    height = _HEIGHT * len(panels)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        out += _panel(panel, spans, last, number * _HEIGHT)
    return "\n".join([*out, "</svg>", ""])


def _panel(panel: Panel, spans: Sequence[Span], last: float, top: int) -> Iterator[str]:
    scale = ticks(panel.highest)
    wide, high, bottom = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM, top + _HEIGHT - _BOTTOM

    def x(at: float) -> float:
        return round(_LEFT + wide * at / last, 1)

    def y(value: float) -> float:
        return round(bottom - high * value / scale[-1], 1)

    for number, span in enumerate(spans):
        shade = "#f2f5f9" if number % 2 else "#fafafa"
        width = round(x(span.end) - x(span.begin), 1)
        yield f'<rect x="{x(span.begin)}" y="{top + _TOP}" width="{width}" height="{high}" fill="{shade}"/>'
    for number, span in enumerate(spans):
        # Below one another, and to the left of the right border: a short phase is narrower than its name.
        place = top + _TOP + 11 + 12 * (number % 3)
        last_one = x(span.begin) > _WIDTH - _RIGHT - 60
        left, anchor = (_WIDTH - _RIGHT, "end") if last_one else (x(span.begin) + 2, "start")
        yield f'<text x="{left}" y="{place}" text-anchor="{anchor}" fill="#667">{escape(span.name)}</text>'
    yield f'<text x="{_LEFT}" y="{top + 14}" font-size="13">{escape(panel.title)}</text>'
    for value in scale:
        yield f'<path d="M{_LEFT} {y(value)}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:,g}</text>'
    for at in ticks(last, 8):
        if at <= last:
            yield f'<text x="{x(at)}" y="{bottom + 14}" text-anchor="middle">{at:,g} s</text>'
    if panel.limit is not None:
        yield f'<path d="M{_LEFT} {y(panel.limit)}H{_WIDTH - _RIGHT}" stroke="#c0392b" stroke-dasharray="6 4"/>'
    for number, line in enumerate(panel.lines):
        colour = _COLOURS[number % len(_COLOURS)]
        steps, before = [], float("-inf")
        for at, value in line.points:
            steps.append(f"{'L' if at - before < line.gap and steps else 'M'}{x(at)} {y(value)}")
            before = at
        yield f'<path d="{"".join(steps)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        if len(panel.lines) > 1:
            left = _WIDTH - _RIGHT - 130 * (len(panel.lines) - number)
            yield f'<text x="{left}" y="{top + 14}" fill="{colour}">{escape(line.name)}</text>'


def blocks(panel: Panel, *, width: int = 100, height: int = 12) -> list[str]:
    """Lines for a terminal, of the first curve: in each column the highest value of its time."""
    points = panel.lines[0].points
    if not points:
        return [panel.title, "(nothing was sampled)"]
    scale = ticks(panel.highest)
    first, last = points[0][0], points[-1][0]
    seen: dict[int, float] = {}
    for at, value in points:
        place = int((at - first) / (last - first) * (width - 1)) if last > first else 0
        seen[place] = max(seen.get(place, value), value)
    columns: list[float] = []
    for place in range(width):
        columns.append(seen[place] if place in seen else columns[-1])  # fewer points than columns
    unit = scale[-1] / height
    out = [panel.title]
    labels = {round(value / unit) - 1: f"{value:,g}" for value in scale}
    for row in reversed(range(height)):
        label = labels.get(row, "")
        cells = "".join(_BLOCKS[min(max(round((value / unit - row) * 8), 0), 8)] for value in columns)
        out.append(f"{label:>9} |{cells}".rstrip())
    begin, end = f"{first:,.0f} s", f"{last:,.0f} s"
    return [*out, f"{'0':>9} +{'-' * width}", f"{'':11}{begin}{end.rjust(width - len(begin))}"]
