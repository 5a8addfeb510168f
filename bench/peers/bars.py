"""The comparison as a picture: for every case a bar of each gateway, rates and CPU beside one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, floor, log10

from bench.peers.table import Summary, figure

_WIDTH, _LEFT, _GAP, _ROW, _TOP = 960, 190, 60, 16, 58
_COLOURS = {"smsgw": "#1f5fa8", "kannel": "#c0392b", "jasmin": "#8e44ad"}
_OTHER = "#667"


def svg(found: Mapping[str, Sequence[Summary]], machine: str) -> str:
    """A file from the summaries by case. Bars are the medians; both scales are of powers of ten, as they have to be."""
    rows = [(case, number, summary) for case, group in found.items() for number, summary in enumerate(group)]
    height = _TOP + _ROW * (len(rows) + len(found)) + 24
    wide = (_WIDTH - _LEFT - 2 * _GAP) / 2
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        '<text x="10" y="16" font-size="13">Gateways in turn, medians; each line is ten times the one before</text>',
        f'<text x="10" y="32" fill="#667">{escape(machine)}</text>',
    ]
    for title, values, left in (
        ("messages a second", [summary.rates[1] for _, _, summary in rows], float(_LEFT)),
        ("CPU of the gateway, µs a message", [summary.cpu[1] for _, _, summary in rows], _LEFT + wide + _GAP),
    ):
        out.append(f'<text x="{left:.0f}" y="{_TOP - 10}">{escape(title)}</text>')
        out += _bars(rows, values, left, wide, height - 24)
    at = _TOP
    for case, number, summary in rows:
        at += _ROW * (2 if number == 0 and at > _TOP else 1)
        if number == 0:
            out.append(f'<text x="10" y="{at - 4}">{escape(case)}</text>')
        out.append(f'<text x="{_LEFT - 8}" y="{at - 4}" text-anchor="end">{escape(summary.gateway)}</text>')
    return "\n".join([*out, "</svg>", ""])


def _bars(
    rows: Sequence[tuple[str, int, Summary]], values: Sequence[float], left: float, wide: float, bottom: float
) -> Iterator[str]:
    first, last = decades(values)
    for power in range(first, last + 1):
        x = left + wide * (power - first) / (last - first)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{10.0**power:,g}</text>'
    at = _TOP
    for (_, number, summary), value in zip(rows, values, strict=True):
        at += _ROW * (2 if number == 0 and at > _TOP else 1)
        length = wide * (log10(value) - first) / (last - first) if value > 0 else 0.0
        colour = _COLOURS.get(summary.gateway, _OTHER)
        yield f'<rect x="{left:.1f}" y="{at - _ROW + 3}" width="{length:.1f}" height="{_ROW - 4}" fill="{colour}"/>'
        yield f'<text x="{left + length + 4:.1f}" y="{at - 4}">{figure(value)}</text>'


def decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that a scale of these begins and ends with, one apart at least; nothing counts as no value."""
    some = [value for value in values if value > 0] or [1.0]
    first = floor(log10(min(some)))
    # The least bar has a length too.
    first -= log10(min(some)) == first
    return first, max(ceil(log10(max(some))), first + 1)
