"""Stacks as py-spy writes them, each with the CPU time that it stands for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
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


def read(folded: str) -> list[tuple[int, tuple[Frame, ...], int]]:
    """Folded stacks, `thread (TID): name;outer;...;inner count` a line, as thread id, frames and samples.

    Raises ValueError for a line that is none.
    """
    out = []
    for number, line in enumerate(folded.splitlines(), 1):
        stack, _, count = line.rpartition(" ")
        first, *rest = stack.split(";")
        thread = _THREAD.match(first)
        if thread is None or not count.isdigit():
            raise ValueError(f"line {number} is no stack of a thread: {line[:80]!r}")
        frames = []
        for text in rest:
            found = _FRAME.fullmatch(text)
            frames.append(
                Frame(found["function"], found["path"], int(found["line"] or 0)) if found else Frame(text, "", 0)
            )
        out.append((int(thread[1], 0), tuple(frames), int(count)))
    return out


def weigh(
    samples: list[tuple[int, tuple[Frame, ...], int]], first_thread: int, seconds: Mapping[int, float]
) -> list[Stack]:
    """The stacks of each thread share the CPU seconds of that thread by their samples.

    A sampler sees a thread that waits for a core as one that runs, and so sees more of them the busier the machine
    is: only their shares within a thread are used. seconds: by thread id; a thread that is not in it used none.
    """
    total: Counter[int] = Counter()
    for thread, _, count in samples:
        total[thread] += count
    return [
        Stack(
            LOOP if thread == first_thread else _at_work(frames),
            frames,
            seconds.get(thread, 0.0) * count / total[thread],
        )
        for thread, frames, count in samples
    ]


def _at_work(frames: tuple[Frame, ...]) -> str:
    paths = {frame.path for frame in frames}
    return next((name for path, name in _AT_WORK if path in paths), OTHERS)
