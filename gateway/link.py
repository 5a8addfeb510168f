"""Pumps one SMPP Session over one Trio stream: a reader, a writer and a timer.

Used by the carriers' binds, by the simulator and by the SMPP door alike. All output of a turn leaves in one write: who
handles events puts its answers into the session, and the link writes when the turn is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import trio

from gateway.smpp.session import Closed, Event, Session

RECEIVE_SIZE: Final = 65536
LAST_WORDS: Final = 1.0
"""Seconds for reading what is left on a stream that takes no more."""
FAREWELL: Final = 2.0
"""Seconds for the last output (an unbind_resp, say) to leave after the session is closed."""


class Tap(Protocol):
    """Who is shown the octets of a connection; none of it may block or raise."""

    def received(self, data: bytes) -> None:
        """Octets that were read."""

    def sent(self, data: bytes) -> None:
        """Octets that are about to be written."""

    def ended(self) -> None:
        """The connection is closed."""


class Link:
    """One connection. ``on_events`` is called with each turn's events and must not block.

    ``on_taken`` is called when output leaves the session for the stream: what was put into the session before is
    written, perhaps; what is put in after is certainly not, until the next call.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        session: Session,
        on_events: Callable[[list[Event]], None],
        *,
        on_taken: Callable[[], None] | None = None,
    ) -> None:
        self.stream = stream
        self.session = session
        self._on_events = on_events
        self._on_taken = on_taken
        self._wake = trio.Event()
        self._gate: trio.Event | None = None
        self._timer: trio.CancelScope | None = None
        self.closed: Closed | None = None
        self.tap: Tap | None = None
        self.broken: Exception | None = None  # what broke the stream, if it did not simply end
        self._ended = trio.Event()
        self._written = trio.Event()

    def flush(self) -> None:
        """Has the writer send what the session holds, and the timer look at its deadline."""
        if not self._wake.is_set():
            self._wake.set()
        timer = self._timer
        if timer is not None:
            deadline = self.session.next_deadline()
            if deadline < timer.deadline:
                timer.deadline = deadline

    def hold(self) -> None:
        """Stops reading: the other end is held back by TCP until `release`."""
        if self._gate is None:
            self._gate = trio.Event()
            self.session.deaf(True, trio.current_time())

    @property
    def held(self) -> bool:
        """Whether reading is stopped."""
        return self._gate is not None

    def release(self) -> None:
        """Goes on reading."""
        if self._gate is not None:
            self._gate.set()
            self._gate = None
            self.session.deaf(False, trio.current_time())
            self.flush()

    async def run(self) -> Closed | None:
        """Pumps until the session is closed, the stream ends or the caller cancels; the stream is closed then.

        Returns how the session closed (None when cancelled before).
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._time)
                nursery.start_soon(self._read)
                await self._ended.wait()
                if self.closed is not None:
                    # The writer may hold the last octets already: cancelled, it would leave an unknown part of them.
                    with trio.move_on_after(FAREWELL):
                        await self._written.wait()
                nursery.cancel_scope.cancel()
        finally:
            # A connection that is given up is closed at once: waiting for TLS to say goodbye helps nobody.
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self.stream)
            if self.tap is not None:
                self.tap.ended()
        return self.closed

    def close(self) -> None:
        """Ends `run` without a word to the other end."""
        self._ended.set()

    def _turn(self, events: list[Event]) -> None:
        if events:
            self._on_events(events)
            last = events[-1]
            if isinstance(last, Closed):
                self.closed = last
                self._ended.set()
        self.flush()

    async def _read(self) -> None:
        stream, session = self.stream, self.session
        while self.closed is None:
            if self._gate is not None:
                await self._gate.wait()
                continue
            try:
                data = bytes(await stream.receive_some(RECEIVE_SIZE))
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.broken = error
                data = b""
            if self.tap is not None:
                self.tap.received(data)
            now = trio.current_time()
            self._turn(session.receive_data(data, now) if data else session.receive_eof(now))

    async def _write(self) -> None:
        stream, session = self.stream, self.session
        while True:
            data = session.data_to_send()
            if not data:
                if self.closed is not None:
                    self._written.set()
                    return
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            if self._on_taken is not None:
                self._on_taken()
            if self.tap is not None:
                self.tap.sent(data)
            try:
                await stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.broken = self.broken or error
                self._written.set()
                # What the other end had sent before may still be read, answers above all; if not, the reader finds
                # the end by itself.
                with trio.move_on_after(LAST_WORDS):
                    await self._ended.wait()
                self._turn(session.receive_eof(trio.current_time()))
                return

    async def _time(self) -> None:
        session = self.session
        while True:
            with trio.CancelScope(deadline=session.next_deadline()) as self._timer:
                await trio.sleep_forever()
            self._turn(session.on_deadline(trio.current_time()))
