"""What all feeds of other gateways share: which messages they handed over, and what came back for each.

A feed has the attributes of `bench.load.Load` that the reconciliation looks at, so that every gateway is judged
by the same code. One thread and one epoll, as Load has one select: the generator must not be the limit.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from bench import alphabet, keys, trace
from bench.load import LoadOptions
from bench.trace import Line

DELIVERED = "delivered"
_GATHER = 0.001
"""Seconds between two looks at what came: with a window of 64 that holds nobody up below 64,000 a second."""
_STATES = {"DELIVRD": DELIVERED, "1": DELIVERED}
"""Of SMPP 3.4 Appendix B, and Kannel's %d."""


class Feed:
    """Base of the feeds: `with feed:`, then submit_all() and wait_ended().

    A subclass writes requests in _send(), and calls _accept() or _refuse() for every answer, _end() for every
    receipt. options.outstanding bounds what is unanswered.
    """

    def __init__(self, options: LoadOptions) -> None:
        self.options = options
        self.lines = single_segments(options.lines)
        self.ids: list[str] = [""] * options.messages
        self.refused: dict[int, str] = {}
        self.ended: dict[str, str] = {}
        self.contradicted: list[str] = []
        self.accepted = 0
        self.next = 0
        self.last_end = 0.0
        self._began = self._last_accepted = 0.0
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._epoll.close()

    @property
    def replies(self) -> int:
        return self.accepted + len(self.refused)

    def span(self) -> tuple[float, float]:
        """When the first message was sent and the last one accepted, seconds of CLOCK_MONOTONIC."""
        return self._began, self._last_accepted

    def submit_all(self, stall: float = 30.0) -> None:
        """Send everything and wait for all answers. Raises TimeoutError when none came for `stall` seconds."""
        self._began = since = time.monotonic()
        mark = -1
        while self.replies < self.options.messages:
            self._send()
            self._step(0.2)
            if self.replies != mark:
                mark, since = self.replies, time.monotonic()
            elif time.monotonic() - since > stall:
                raise TimeoutError(f"{self.replies} of {self.next} answered, then nothing for {stall:.0f} s")

    def wait_ended(self, stall: float = 30.0) -> None:
        """Take receipts until every accepted message has one, or nothing came for `stall` seconds."""
        mark, since = len(self.ended), time.monotonic()
        while len(self.ended) < self.accepted:
            self._step(0.2)
            if len(self.ended) != mark:
                mark, since = len(self.ended), time.monotonic()
            elif time.monotonic() - since > stall:
                return

    # -- for subclasses

    def _send(self) -> None:
        raise NotImplementedError

    def _watch(self, fd: int, handler: Callable[[int], None]) -> None:
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def _unwatch(self, fd: int) -> None:
        self._epoll.unregister(fd)
        del self._handlers[fd]

    def _step(self, timeout: float) -> None:
        # Gateways write every answer and receipt by itself. Taken some at a time they cost the generator, which
        # shares the cores with them, half as much.
        time.sleep(_GATHER)
        for fd, event in self._epoll.poll(timeout):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(event)

    def _take(self) -> tuple[int, Line, str] | None:
        """The next message to hand over: its number, its line and its peer; None when all were."""
        if self.next == self.options.messages:
            return None
        number = self.options.first + self.next
        self.next += 1
        line = self.lines[number % len(self.lines)]
        peer = keys.vary(line.to, number) if line.vary and line.to.startswith("+") else line.to
        return number, line, peer

    def _accept(self, number: int, message_id: str) -> None:
        self.ids[number - self.options.first] = message_id
        self.accepted += 1
        self._last_accepted = time.monotonic()

    def _refuse(self, number: int, reason: str) -> None:
        self.refused[number] = reason

    def _end(self, message_id: str, state: str) -> None:
        state = _STATES.get(state, state)
        if message_id in self.ended:
            self.contradicted.append(message_id)
        else:
            self.last_end = time.monotonic()
        self.ended[message_id] = state


def single_segments(lines: Sequence[Line]) -> list[Line]:
    """The outbound lines of a trace, all of one GSM segment: the one way that every gateway takes alike.

    Raises TraceError when a line is longer, or not in the GSM alphabet, or has no sender.
    """
    found = [line for line in lines if line.kind == "mt"]
    for line in found:
        octets = alphabet.encode_gsm(line.keyed().replace(keys.PLACEHOLDER, keys.key(keys.MT, 0), 1))
        if octets is None or len(octets) > 160 or line.sender is None:
            raise trace.TraceError(
                f"not one GSM segment with a sender, which this comparison needs: {line.text[:40]!r}"
            )
    if not found:
        raise trace.TraceError("no outbound line in the trace")
    return found
