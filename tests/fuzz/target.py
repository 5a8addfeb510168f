"""What is fuzzed: a maker of inputs and a check of one input."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple


class Target(NamedTuple):
    """`make` gives one input for a source of randomness; `check` raises when anything is wrong with it.

    `check` takes any octets whatever, also those that `make` never gives. `share` is the part of all inputs that
    goes here, in relation to the other targets.
    """

    name: str
    make: Callable[[random.Random], bytes]
    check: Callable[[bytes], None]
    share: int


class Reader:
    """Takes values from octets; where they have ended there are zeros, so that any octets are an input."""

    __slots__ = ("_at", "_octets")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def octet(self) -> int:
        at = self._at
        self._at = at + 1
        return self._octets[at] if at < len(self._octets) else 0

    def take(self, count: int) -> bytes:
        """So many octets, or as many as are left."""
        at = self._at
        self._at = at + count
        return self._octets[at : at + count]

    def counted(self) -> bytes:
        """Octets behind their number in two octets."""
        return self.take(self.octet() << 8 | self.octet())

    def rest(self) -> bytes:
        return self.take(len(self._octets))

    @property
    def more(self) -> bool:
        return self._at < len(self._octets)


def counted(octets: bytes) -> bytes:
    """As `Reader.counted` takes them; of more than 65535 the first."""
    return min(len(octets), 0xFFFF).to_bytes(2, "big") + octets[:0xFFFF]
