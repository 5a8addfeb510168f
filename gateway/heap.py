"""Memory that was freed goes back to the system, and does not stay with the process.

The C library keeps what the busiest moment took. After half an hour under load, with a carrier that was away for a few
seconds each minute, 61 MiB of the daemon's 182 were of no use to anybody. They are given back when it is told to do so.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Final

EVERY: Final = 10.0
"""Seconds between two times. It takes 4 ms for 80 MiB that are given back and 0.1 for none, in a thread of its own."""


def trimmer() -> Callable[[int], object] | None:
    """What gives back all but so many octets at the heap's end (malloc_trim(3)); None where there is no such thing.

    That is a function of the GNU C library; others, as musl's, give back by themselves.
    """
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim


class Trimming:
    """While it is entered, freed memory is given back every `EVERY` seconds."""

    def __init__(self, trim: Callable[[int], object] | None = None, every: float = EVERY) -> None:
        self._trim = trim or trimmer()
        self._every = every
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        if self._trim is not None:
            # As a daemon's: nothing is lost when it ends in the middle, and a process that dies shall not wait for it.
            self._thread = threading.Thread(target=self._run, args=(self._trim,), name="heap", daemon=True)
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, trim: Callable[[int], object]) -> None:
        while not self._over.wait(self._every):
            trim(0)
