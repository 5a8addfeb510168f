"""Stacks as py-spy writes them, each with the CPU time that it stands for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from math import sqrt
from typing import Final, NamedTuple

LOOP: Final = "loop"
WRITER: Final = "writer"
READERS: Final = "readers"
OTHERS: Final = "others"
THREADS: Final = (LOOP, WRITER, READERS, OTHERS)
"""What a thread does: Trio's own; and of the others what they are at, for Trio hands out its threads in turn."""

_THREAD = re.compile(r"thread \((0x[0-9A-Fa-f]+|\d+)\)")
_FRAME = re.compile(r"(?P<function>.*) \((?P<path>.*?)(?::(?P<line>\d+))?\)")
_AT_WORK: Final = (("gateway/store/writer.py", WRITER), ("gateway/store/reader.py", READERS))


class Frame(NamedTuple):
    """A function and where in it the stack was; the file as seen from its package. line 0: not known."""

    function: str
    path: str
    line: int


class Stack(NamedTuple):
    """One stack, from the outside in, by which kind of thread, and how much CPU it stands for."""

    thread: str
    frames: tuple[Frame, ...]
    seconds: float


class Used(NamedTuple):
    """CPU seconds that a thread used, and those of them in the kernel."""

    cpu: float
    system: float


Samples = list[tuple[int, tuple[Frame, ...], int]]
"""Thread id, frames from the outside in, and how often they were seen."""


def read(folded: str) -> Samples:
    """Folded stacks, `thread (TID): name;outer;...;inner count` a line. Raises ValueError for a line that is none."""
    out = []
    for number, line in enumerate(folded.splitlines(), 1):
        stack, _, count = line.rpartition(" ")
        first, *rest = stack.split(";")
        thread = _THREAD.match(first)
        if thread is None or not count.isdigit():
            raise ValueError(f"line {number} is no stack of a thread: {line[:80]!r}")
        out.append((int(thread[1], 0), tuple(map(_frame, rest)), int(count)))
    return out


def _frame(text: str) -> Frame:
    found = _FRAME.fullmatch(text)
    return Frame(found["function"], found["path"], int(found["line"] or 0)) if found else Frame(text, "", 0)


def at_work(samples: Samples, waits: Collection[str]) -> Samples:
    """Those whose innermost function is none of `waits` (`file.py:name`); without a stack they say nothing."""
    return [one for one in samples if one[1] and f"{one[1][-1].path}:{one[1][-1].function}" not in waits]


def weigh(
    held: Samples,
    seen: Samples,
    first_thread: int,
    used: Mapping[int, Used],
    syncs: Callable[[tuple[Frame, ...]], bool] = lambda _: False,
) -> list[Stack]:
    """Both kinds of samples share the CPU of their threads, so that together they stand for all of it.

    A thread that waits for a core is `seen` as one that runs, above all where it has just slept, and more often the
    busier the machine is. One that was `held` had the interpreter lock: it may have waited as well, but at any place
    alike. So Python's share is taken from these. What one of them stands for is told by the first thread, Trio's,
    which but for its system calls has the lock whenever it runs. What is left of a thread's CPU it used without the
    lock, in SQLite say: that is shared by the lines that were seen more often than held. Who waited for a disk waits
    for a core next, so of what syncs to disk, if anything does, only the kernel's time is believed.
    """
    held_by, seen_by = _by_thread(held), _by_thread(seen)
    of_first = sum(held_by.get(first_thread, {}).values())
    first = used.get(first_thread, Used(0.0, 0.0))
    each = max(first.cpu - first.system, 0.0) / of_first if of_first else 0.0
    out = []
    for thread, (cpu, system) in used.items():
        python, all_of_it = held_by.get(thread, {}), seen_by.get(thread, {})
        with_lock = min(each * sum(python.values()), cpu)
        without = _without_lock(python, all_of_it) or python or all_of_it
        synced = {frames: count for frames, count in without.items() if syncs(frames)}
        others = {frames: count for frames, count in without.items() if frames not in synced}
        in_kernel = min(system, cpu - with_lock) if synced and others else (cpu - with_lock) * bool(synced)
        shares = ((python, with_lock), (synced, in_kernel), (others, cpu - with_lock - in_kernel))
        for stacks, seconds in shares:
            total = sum(stacks.values())
            out += [
                Stack(LOOP if thread == first_thread else _at_work(frames), frames, seconds * count / total)
                for frames, count in stacks.items()
            ]
    return out


def _by_thread(samples: Samples) -> dict[int, Counter[tuple[Frame, ...]]]:
    out: dict[int, Counter[tuple[Frame, ...]]] = {}
    for thread, frames, count in samples:
        out.setdefault(thread, Counter())[frames] += count
    return out


def _without_lock(
    held: Mapping[tuple[Frame, ...], int], seen: Mapping[tuple[Frame, ...], int]
) -> dict[tuple[Frame, ...], float]:
    """Of what was seen, that beyond what was held, by the innermost line, where it is more than chance (2 sigma)."""
    lines: dict[tuple[Frame, ...], list[int]] = {}
    for which, stacks in enumerate((held, seen)):
        for frames, count in stacks.items():
            lines.setdefault(frames[-1:], [0, 0])[which] += count
    beyond = {
        line: (often - lock) / often for line, (lock, often) in lines.items() if often - lock > 2 * sqrt(often + lock)
    }
    return {frames: count * beyond[frames[-1:]] for frames, count in seen.items() if frames[-1:] in beyond}


def _at_work(frames: tuple[Frame, ...]) -> str:
    paths = {frame.path for frame in frames}
    return next((name for path, name in _AT_WORK if path in paths), OTHERS)
