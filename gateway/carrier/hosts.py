"""Which host of a carrier a bind goes to: in the order of the settings, and back to the first once that is there."""

from __future__ import annotations

import math
from typing import Final

Endpoint = tuple[str, int]

MOST_SPANS: Final = 16
"""A first host that takes a connection and then no bind is tried ever more rarely, to so many times the span."""


class Hosts:
    """Host and port to try next. ``return_after`` in seconds; 0: a session is sought again where it was."""

    def __init__(self, endpoints: tuple[Endpoint, ...], return_after: float) -> None:
        self._endpoints = endpoints
        self._return_after = return_after if len(endpoints) > 1 else 0.0
        self._at = 0
        self._spans = 1
        self._look_at = math.inf

    @property
    def current(self) -> Endpoint:
        """Where to connect."""
        return self._endpoints[self._at]

    @property
    def first(self) -> Endpoint:
        """The one that is preferred."""
        return self._endpoints[0]

    def failed(self) -> None:
        """It took no bind: the next one, and after the last the first."""
        self._at = (self._at + 1) % len(self._endpoints)

    def bound(self, now: float) -> None:
        """The current one took the bind."""
        if self._at == 0:
            self._spans = 1
            self._look_at = math.inf
        elif self._return_after and self._look_at == math.inf:
            self._look_at = now + self._return_after

    def return_due(self, now: float) -> bool:
        """Whether the first should be looked at now; asked while bound to another."""
        return self._at != 0 and now >= self._look_at

    def tried_first(self, now: float) -> None:
        """The first is being looked at; if it takes no bind the next time is later."""
        self._look_at = now + self._return_after * self._spans
        self._spans = min(self._spans * 2, MOST_SPANS)

    def use_first(self) -> None:
        """The next attempt goes to the first."""
        self._at = 0
