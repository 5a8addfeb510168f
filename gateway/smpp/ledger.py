"""Our requests that wait for an answer: their sequence numbers and deadlines, and the expired ones."""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

from gateway.smpp.config import MAX_SEQUENCE
from gateway.smpp.pdu import Pdu

Waiting: TypeAlias = tuple[float, Any, type[Pdu]]
"""Deadline, token, and the class of the response that answers the request."""


class Ledger:
    """Requests of one session. The dicts are in the order of sending, so the first of each expires first.

    `windowed` holds what takes a slot of the window; `control` what the session sends for itself
    (deadline, when it was sent, request). The session takes entries out of both as responses come.
    """

    __slots__ = ("_late", "_late_most", "_next", "_wrapped", "control", "windowed")

    def __init__(self, first_sequence: int, late_most: int) -> None:
        self.windowed: Final[dict[int, Waiting]] = {}
        self.control: Final[dict[int, tuple[float, float, Pdu]]] = {}
        self._late: dict[int, tuple[Any, type[Pdu]]] = {}
        self._late_most = late_most
        self._next = first_sequence
        self._wrapped = False

    def sequence(self) -> int:
        """The sequence_number for the next request: from 1 to 0x7FFFFFFF and again, without those in use."""
        if self._wrapped:
            while self._next in self.windowed or self._next in self.control or self._next in self._late:
                self._advance()
        return self._next

    def used(self) -> None:
        """The number that `sequence` gave has been sent."""
        self._advance()

    def take(self) -> int:
        """The sequence_number of a request that is sent for certain: `sequence` and `used` at once."""
        sequence = self._next
        if self._wrapped or sequence == MAX_SEQUENCE:
            sequence = self.sequence()
            self._advance()
        else:
            self._next = sequence + 1
        return sequence

    def _advance(self) -> None:
        if self._next < MAX_SEQUENCE:
            self._next += 1
        else:
            self._next = 1
            self._wrapped = True

    def next_deadline(self) -> float:
        """When the first request expires; inf: none waits."""
        # A dict finds its first entry at once while it is small, and these are of the window's size.
        deadline = math.inf
        if self.windowed:
            deadline = next(iter(self.windowed.values()))[0]
        if self.control:
            deadline = min(deadline, next(iter(self.control.values()))[0])
        return deadline

    def expire(self, now: float) -> list[tuple[int, Any]]:
        """Take out the windowed requests whose time is over: (sequence_number, token), oldest first."""
        expired: list[tuple[int, Any]] = []
        for sequence, (deadline, token, response) in self.windowed.items():
            if deadline > now:
                break
            expired.append((sequence, token))
            self._remember(sequence, token, response)
        for sequence, _ in expired:
            del self.windowed[sequence]
        return expired

    def expired_control(self, now: float) -> list[tuple[int, float, Pdu]]:
        """Sequence_number, time of sending and request of the control requests whose time is over."""
        return [
            (sequence, sent_at, request)
            for sequence, (deadline, sent_at, request) in self.control.items()
            if deadline <= now
        ]

    def _remember(self, sequence: int, token: Any, response: type[Pdu]) -> None:
        if self._late_most:
            if len(self._late) >= self._late_most:
                del self._late[next(iter(self._late))]
            self._late[sequence] = (token, response)

    def take_late(self, sequence: int, response: type[Pdu] | None) -> tuple[Any] | None:
        """The token of an expired request, in a tuple, when this class of response answers it.

        With None any class does. Only once for each request. None when there is none, or when it has been
        forgotten.
        """
        late = self._late.get(sequence)
        if late is None or (response is not None and late[1] is not response):
            return None
        del self._late[sequence]
        return (late[0],)
