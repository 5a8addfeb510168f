"""CPU of the daemon by stage, beside its budget: which code is which stage is data, bench/stages.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from bench.stacks import LOOP, WRITER, Frame, Stack

ROOT: Final = Path(__file__).parent.parent
REST: Final = "not attributed"


@dataclass(frozen=True)
class Stage:
    """A part of what is done for a message. budget, aim: µs of CPU, all threads; why says where they come from."""

    name: str
    about: str
    code: tuple[str, ...]
    budget: float
    aim: float
    why: str
    lines: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    syncs: bool = False


@dataclass(frozen=True)
class Flow:
    """The stages of one way through the daemon. runs: those that go it; budget_for: those that the budget is meant for.

    lines_of: the code in which the line that is running may say whose it is.
    """

    name: str
    about: str
    runs: tuple[str, ...]
    budget_for: tuple[str, ...]
    lines_of: str
    stages: tuple[Stage, ...]

    @property
    def budget(self) -> float:
        """µs a message, all stages."""
        return sum(stage.budget for stage in self.stages)

    @property
    def aim(self) -> float:
        """Likewise."""
        return sum(stage.aim for stage in self.stages)


@dataclass(frozen=True)
class Stages:
    """All flows. absent: code of the gateway that no daemon runs. waits: functions in which threads wait."""

    flows: tuple[Flow, ...]
    absent: tuple[str, ...]
    waits: frozenset[str]

    def of(self, run: str) -> Flow | None:
        """The flow that a run goes."""
        return next((flow for flow in self.flows if run in flow.runs), None)


def load(text: str | None = None) -> Stages:
    """The stages of bench/stages.toml, or of a text like it. Raises KeyError or TypeError for what is no stage."""
    data = tomllib.loads(text if text is not None else (ROOT / "bench" / "stages.toml").read_text())
    absent, waits = tuple(data.pop("absent")), frozenset(data.pop("waits"))
    flows = []
    for name, table in data.items():
        stages = tuple(
            Stage(**{key: tuple(value) if isinstance(value, list) else value for key, value in stage.items()})
            for stage in table["stages"]
        )
        about = " ".join(table["about"].split())
        flows.append(Flow(name, about, tuple(table["runs"]), tuple(table["budget_for"]), table["lines_of"], stages))
    return Stages(tuple(flows), absent, waits)


@cache
def _source(path: str) -> tuple[str, ...]:
    file = ROOT / path
    return tuple(file.read_text().splitlines()) if file.is_file() else ()


def source_line(path: str, line: int) -> str:
    """A line of a file of this repository, "" where there is none."""
    lines = _source(path)
    return lines[line - 1] if 0 < line <= len(lines) else ""


class Sorter:
    """Says of a stack which stage it belongs to."""

    def __init__(self, flow: Flow, text: Callable[[str, int], str] = source_line) -> None:
        self._text = text
        self._under = flow.lines_of
        self._claims = {claim: stage.name for stage in flow.stages for claim in stage.code}
        self._whole = {claim: stage.name for stage in flow.stages for claim in stage.whole}
        self._lines = [(re.compile(line), stage.name) for stage in flow.stages for line in stage.lines]
        self._syncing = frozenset(stage.name for stage in flow.stages if stage.syncs)
        self._known: dict[Frame, str | None] = {}

    def claimed(self, frame: Frame) -> str | None:
        """The stage that claims a frame; None: whoever called it has to say."""
        if frame not in self._known:
            self._known[frame] = self._by_line(frame) or self._by_name(frame)
        return self._known[frame]

    def _by_line(self, frame: Frame) -> str | None:
        if not frame.path.startswith(self._under):
            return None
        text = self._text(frame.path, frame.line)
        # Those that are more exact come later in the table, and hold.
        return next((name for line, name in reversed(self._lines) if line.search(text)), None)

    def _by_name(self, frame: Frame) -> str | None:
        claim = f"{frame.path}:{frame.function}"
        found = self._claims.get(claim) or self._claims.get(frame.path)
        folder = frame.path
        while found is None and "/" in folder:
            folder = folder.rpartition("/")[0]
            found = self._claims.get(folder + "/")
        return found

    def syncs(self, frames: tuple[Frame, ...]) -> bool:
        """Whether a stack belongs to a stage that syncs to disk."""
        return self.stage(frames) in self._syncing

    def stage(self, frames: tuple[Frame, ...]) -> str:
        """The stage of a stack: that of a function which claims all it calls, the outermost; else of the first frame,
        from the inside out, that one claims.
        """
        for frame in frames:
            name = self._whole.get(f"{frame.path}:{frame.function}")
            if name is not None:
                return name
        return next((name for frame in reversed(frames) if (name := self.claimed(frame)) is not None), REST)


@dataclass(frozen=True)
class Row:
    """A stage as measured: µs a message, by kind of thread. stage None: what no stage claims."""

    name: str
    stage: Stage | None
    by_thread: Mapping[str, float]

    @property
    def us(self) -> float:
        """µs a message, all threads."""
        return sum(self.by_thread.values())


def rows(flow: Flow, sorter: Sorter, stacks: Iterable[Stack], cpu: float, messages: int) -> list[Row]:
    """The stages in their order, and what is left of `cpu` seconds, which all rows together are."""
    found: dict[str, dict[str, float]] = {stage.name: {} for stage in flow.stages} | {REST: {}}
    for stack in stacks:
        by_thread = found[sorter.stage(stack.frames)]
        by_thread[stack.thread] = by_thread.get(stack.thread, 0.0) + stack.seconds * 1e6 / messages
    unseen = cpu * 1e6 / messages - sum(sum(by_thread.values()) for by_thread in found.values())
    found[REST]["unseen"] = unseen
    known = {stage.name: stage for stage in flow.stages}
    return [Row(name, known.get(name), by_thread) for name, by_thread in found.items()]


def table(flow: Flow, measured: list[Row], *, budget: bool) -> str:
    """Stage, share, µs a message by thread; beside them, where it is meant, the budget and what it is made of."""
    total = sum(row.us for row in measured)
    head = f"  {'stage':27} {'share':>6} {'µs':>7} {'loop':>7} {'writer':>7} {'rest':>6}"
    out = [head + (f" {'budget':>7} {'aim':>5}  because" if budget else "  of it")]
    for row in measured:
        loop, writer = row.by_thread.get(LOOP, 0.0), row.by_thread.get(WRITER, 0.0)
        line = _line(row.name, total, row.us, loop, writer)
        if row.stage is not None:
            line += (
                f" {row.stage.budget:7.0f} {row.stage.aim:5.0f}  {row.stage.why}" if budget else f"  {row.stage.about}"
            )
        out.append(line.rstrip())
    loop = sum(row.by_thread.get(LOOP, 0.0) for row in measured)
    writer = sum(row.by_thread.get(WRITER, 0.0) for row in measured)
    last = _line("all", total, total, loop, writer)
    out.append((last + (f" {flow.budget:7.0f} {flow.aim:5.0f}" if budget else "")).rstrip())
    if budget:
        out += ["", f"  {flow.about}"]
    return "\n".join(out)


def _line(name: str, total: float, us: float, loop: float, writer: float) -> str:
    share = 100 * us / total if total else 0.0
    rest = max(us - loop - writer, 0.0)  # of floats: never less, but for the last digits
    return f"  {name:27} {share:5.1f}% {us:7.2f} {loop:7.2f} {writer:7.2f} {rest:6.2f}"
