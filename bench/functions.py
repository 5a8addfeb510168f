"""A profile by function, of each kind of thread: for who makes it faster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from bench.stacks import THREADS, Frame, Stack

_BELOW: Final = frozenset({"unrolled_run", "WorkerThread._handle_job"})
"""Trio's, in which the tasks and the jobs of threads run: what calls these is the same for all."""


def table(stacks: Iterable[Stack], messages: int, most: int = 30) -> str:
    """Of each kind of thread the functions with most of their own, µs a message: own, and with what they call."""
    own: dict[str, dict[str, float]] = {thread: defaultdict(float) for thread in THREADS}
    whole: dict[str, dict[str, float]] = {thread: defaultdict(float) for thread in THREADS}
    for stack in stacks:
        us = stack.seconds * 1e6 / messages
        names = [_name(frame) for frame in _above(stack.frames)]
        own[stack.thread][names[-1]] += us
        for name in set(names):
            whole[stack.thread][name] += us
    out = []
    for thread in THREADS:
        total = sum(own[thread].values())
        if not total:
            continue
        for title, by in (("their own time", own[thread]), ("the time with what they call", whole[thread])):
            out += ["", f"  {thread}: {total:.2f} µs a message; functions by {title}", "       own    whole"]
            for name in sorted(by, key=lambda name: -by[name])[:most]:
                out.append(f"  {own[thread].get(name, 0.0):8.2f} {whole[thread][name]:8.2f}  {name}")
    return "\n".join(out)


def _above(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    at = max((i for i, frame in enumerate(frames) if frame.function in _BELOW), default=-1)
    return frames[at + 1 :] or frames[-1:] or (Frame("?", "", 0),)


def _name(frame: Frame) -> str:
    return f"{frame.function} ({frame.path})" if frame.path else frame.function
