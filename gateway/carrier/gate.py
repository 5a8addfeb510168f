"""The rate of one of our numbers, over all carriers that it is sent by."""

from __future__ import annotations

from typing import Final

from gateway.carrier.pacer import Pacer

AHEAD: Final = 0.1
"""Seconds that a segment may be claimed before it may be written: the claim has to be stored first."""


class Gate:
    """``throughput`` in segments a second. Claims are kept to it roughly, so that a slow number takes no room of
    others; what is written is kept to it exactly, by `pacer`. Times are Trio's seconds."""

    __slots__ = ("_due", "pacer", "throughput")

    def __init__(self, throughput: float) -> None:
        self.throughput = throughput
        self.pacer = Pacer(throughput)
        self._due = 0.0

    @property
    def opens_at(self) -> float:
        """When the next may be claimed."""
        return self._due - AHEAD

    def claim(self, segments: int, now: float) -> bool:
        """Whether a message of so many segments may be claimed now; if so it is counted."""
        if now < self._due - AHEAD:
            return False
        self._due = max(self._due, now) + segments / self.throughput
        return True

    def unused(self, segments: int) -> None:
        """So many that were counted are not written after all: the next need not wait for them."""
        self._due -= segments / self.throughput
