"""What a run must not depend on, set otherwise: plays of one seed that differ under it depend on chance.

Where an object lies in memory is the order of a set of such objects, and which of two deadlines at one instant Trio
takes first. When the collector comes, and what the machine's clocks say, is chance as well.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
import weakref
from collections.abc import Callable
from random import Random
from typing import Any, Final

import trio._core._run as scheduler

_OURS: Final = frozenset({"gateway", "tests", "trio"})
_BY_ADDRESS: Final[Any] = object.__hash__
_JUMP: Final = 50.0
"""Seconds that a clock of the machine may be ahead of itself."""


def shake(salt: int) -> None:
    """Sets it all as ``salt`` says, from now on to the end of the process; before anything is played.

    With an odd one things are in the order in which they came, with an even one the other way round.
    """
    rng = Random(salt)
    way = 1 if salt % 2 else -1
    count = itertools.count(2)
    places: dict[int, int] = {}  # by address; what cannot be watched has the place of what lay there before it
    watched: dict[int, weakref.ref[object]] = {}

    def place(thing: object) -> int:
        at = id(thing)
        if at not in places:
            places[at] = next(count)
            with contextlib.suppress(TypeError):
                watched[at] = weakref.ref(thing, lambda _: (watched.pop(at), places.pop(at)))
        return way * places[at]

    for one in _by_address(object):
        one.__hash__ = place
    vars(scheduler)["id"] = place  # what breaks its ties
    for name in ("time", "monotonic", "perf_counter"):
        setattr(time, name, _jumping(getattr(time, name), rng))
    gc.set_threshold(*rng.choice(((100, 3, 3), (2000, 5, 5), (100_000, 50, 50))))


def _by_address(base: type) -> list[Any]:
    """Our classes, and Trio's, whose objects are in a set by where they lie."""
    out: list[Any] = []
    todo: list[Any] = [base]
    seen = {base, type}  # what is a class stays as it is: dicts have them already
    while todo:
        for one in type.__subclasses__(todo.pop()):
            if one not in seen:
                seen.add(one)
                todo.append(one)
                if one.__module__.partition(".")[0] in _OURS and one.__hash__ is _BY_ADDRESS:
                    out.append(one)
    return out


def _jumping(clock: Callable[[], float], rng: Random) -> Callable[[], float]:
    return lambda: clock() + rng.random() * _JUMP
