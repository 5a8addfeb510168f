"""Rounds into a table: the least, the median and the most of each gateway, and its ratio to smsgw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.peers.measured import Run

FIRST = "smsgw"
"""The gateway that the others are compared with."""
HEAD = (
    "gateway", "runs", "messages", "a second: least", "median", "most", "smsgw has", "accepted a second", "sent",
    "cpu us: least", "median", "smsgw uses", "by process", "feed us", "MiB", "wrong",
)  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """The rounds of one gateway in one case. wrong: messages, all rounds together, refusals among them."""

    gateway: str
    runs: int
    messages: int
    rates: tuple[float, float, float]
    accepted: float | None
    sent: float | None
    cpu: tuple[float, float]
    parts: dict[str, float]
    feed: float | None
    resident: float
    wrong: dict[str, int]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Summary:
        """Of at least one run, all of one gateway and case."""
        rates = [run.rate for run in runs]
        used = [run.cpu_total for run in runs]
        accepted = [run.accepted for run in runs if run.accepted is not None]
        sent = [run.sent for run in runs if run.sent is not None]
        feeds = [run.feed for run in runs if run.feed is not None]
        wrong: dict[str, int] = {}
        for run in runs:
            for kind, count in {**run.wrong, "refused": run.refused}.items():
                if count:
                    wrong[kind] = wrong.get(kind, 0) + count
        names = sorted({name for run in runs for name in run.cpu})
        return cls(
            runs[0].gateway, len(runs), runs[0].messages,
            (min(rates), median(rates), max(rates)),
            median(accepted) if accepted else None,
            median(sent) if sent else None,
            (min(used), median(used)),
            {name: median(run.cpu.get(name, 0.0) for run in runs) for name in names},
            median(feeds) if feeds else None,
            max(run.resident for run in runs),
            wrong,
        )  # fmt: skip


def ratio(one: float, other: float) -> str:
    """`3.2x`: how many times the other one is, by two figures; `-` where there is nothing to divide by."""
    return f"{one / other:.2g}x" if other and one / other < 10 else f"{one / other:,.0f}x" if other else "-"


def rows(summaries: Sequence[Summary]) -> list[tuple[str, ...]]:
    """Cells under HEAD for one case; the ratios compare medians and are left out where smsgw did not run."""
    first = next((found for found in summaries if found.gateway == FIRST), None)
    out = []
    for found in summaries:
        against = first if first is not None and first is not found else None
        out.append(
            (
                found.gateway, str(found.runs), f"{found.messages:,}",
                *(figure(rate) for rate in found.rates),
                ratio(against.rates[1], found.rates[1]) if against else "",
                figure(found.accepted) if found.accepted is not None else "",
                figure(found.sent) if found.sent is not None else "",
                *(figure(value) for value in found.cpu),
                ratio(against.cpu[1], found.cpu[1]) if against else "",
                ", ".join(f"{name} {figure(value)}" for name, value in found.parts.items() if value),
                figure(found.feed) if found.feed is not None else "",
                f"{found.resident:.0f}",
                ", ".join(f"{kind} {count:,}" for kind, count in found.wrong.items()) or "none",
            )
        )  # fmt: skip
    return out


def figure(value: float) -> str:
    """A figure with three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table that reads well in a terminal and in a document."""
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
