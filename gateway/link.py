"""Pumps one SMPP Session over one Trio stream: a reader, a writer and a timer.

Used by the carriers' binds, by the simulator and by the SMPP door alike. All output of a turn leaves in one write: who
handles events puts its answers into the session, and the link writes when the turn is over.

What was not handed to the system is certainly not written, and it is known which PDUs that are: so a connection that
takes nothing any more can be given up without doubt about what still waited for it.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import trio

from gateway.smpp.session import Closed, CloseReason, Event, Session

RECEIVE_SIZE: Final = 65536
LAST_WORDS: Final = 1.0
"""Seconds for reading what is left on a stream that takes no more."""
FAREWELL: Final = 2.0
"""Seconds for the last output (an unbind_resp, say) to leave after the session is closed."""
PIECE: Final = 16384
"""Octets, and the rest of a PDU, that a stream is given at once when it does not tell how far it has come: a TLS
record holds no more, so TLS loses nothing by it."""


class Tap(Protocol):
    """Who is shown the octets of a connection; none of it may block or raise."""

    def received(self, data: bytes) -> None:
        """Octets that were read."""

    def sent(self, data: bytes) -> None:
        """Octets that are about to be written."""

    def ended(self) -> None:
        """The connection is closed."""


class Turns:
    """How often connections were read and written: what went over them, by these, is how much is done at once."""

    __slots__ = ("reads", "writes")

    def __init__(self) -> None:
        self.reads = 0
        self.writes = 0


class Outlet:
    """Hands the output of a connection to its stream, and knows how far it has come with it.

    ``on_free`` is called when the stream takes octets again. ``blocked_at``: since when it takes none, by Trio's clock;
    inf: it does. Of TCP this is exact. Of other streams each write counts, also a short one, and what is being written
    counts as written.
    """

    def __init__(self, stream: trio.abc.Stream, on_free: Callable[[], None] | None) -> None:
        self.tap: Tap | None = None
        self.blocked_at = math.inf
        self.stopped = False
        self._stream = stream
        self._socket = stream.socket if isinstance(stream, trio.SocketStream) else None
        self._on_free = on_free
        self._batch = b""
        self._handed = 0  # octets of it

    async def send(self, data: bytes) -> None:
        """Hands over whole PDUs; returns before its time only when stopped.

        Raises OSError, BrokenResourceError or ClosedResourceError when the stream is broken.
        """
        self._batch, self._handed = data, 0
        if self._socket is None:
            await self._in_pieces()
        else:
            await self._as_it_fits(self._socket)

    async def _as_it_fits(self, sock: trio.socket.SocketType) -> None:
        view = memoryview(self._batch)
        while not self.stopped:
            # Trio's send would wait by itself, and tell nobody that it does.
            try:
                sent = os.write(sock.fileno(), view[self._handed :])
            except BlockingIOError:
                sent = 0
            if sent:
                self._show(self._handed, self._handed + sent)
                self._handed += sent
                if self._handed == len(view):
                    break
            if sent or self.blocked_at == math.inf:
                self.blocked_at = trio.current_time()
            await trio.lowlevel.wait_writable(sock)
        if self.blocked_at != math.inf:
            self._free()

    async def _in_pieces(self) -> None:
        batch = self._batch
        while self._handed < len(batch) and not self.stopped:
            start = end = self._handed
            for end in _ends(batch, start):
                if end - start >= PIECE:
                    break
            self._show(start, end)
            self._handed = end
            self.blocked_at = trio.current_time()
            await self._stream.send_all(batch if end - start == len(batch) else batch[start:end])
        self._free()

    def _show(self, start: int, end: int) -> None:
        if self.tap is not None:
            self.tap.sent(self._batch[start:end])

    def _free(self) -> None:
        if not self.stopped:
            self.blocked_at = math.inf
            if self._on_free is not None:
                self._on_free()

    def stop(self) -> None:
        """Nothing more is handed over."""
        self.stopped = True
        self.blocked_at = min(self.blocked_at, trio.current_time())

    @property
    def unsent(self) -> bool:
        """Whether something is left that was not handed over."""
        return self._handed < len(self._batch)

    def rest(self) -> bytes:
        """The PDUs that were not begun to be handed over."""
        start = 0
        if self._handed:
            start = next(end for end in _ends(self._batch, 0) if end >= self._handed)
        return self._batch[start:]


def _ends(octets: bytes, start: int) -> Iterator[int]:
    """Where the PDUs end that begin at ``start``, one after the other."""
    while start < len(octets):
        start += int.from_bytes(octets[start : start + 4])
        yield start


class Link:
    """One connection. ``on_events`` is called with each turn's events and must not block.

    ``on_free`` is called when the connection takes octets after it had not; it must not block either. ``turns`` counts
    what this connection does beside what others did.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        session: Session,
        on_events: Callable[[list[Event]], None],
        *,
        on_free: Callable[[], None] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.turns = Turns() if turns is None else turns
        self.stream = stream
        self.session = session
        self._on_events = on_events
        self._outlet = Outlet(stream, on_free)
        self._wake = trio.Event()
        self._gate: trio.Event | None = None
        self._timer: trio.CancelScope | None = None
        self.closed: Closed | None = None
        self.broken: Exception | None = None  # what broke the stream, if it did not simply end
        self._ended = trio.Event()
        self._written = trio.Event()

    @property
    def tap(self) -> Tap | None:
        """Who is shown the octets, if anybody is."""
        return self._outlet.tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self._outlet.tap = tap

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

    @property
    def blocked(self) -> bool:
        """Whether the connection takes no octets just now: what is put into the session would wait."""
        return self._outlet.blocked_at != math.inf

    def blocked_for(self, now: float) -> float:
        """Seconds for which it has taken none; 0 when it does."""
        return max(0.0, now - self._outlet.blocked_at)

    @property
    def aborted(self) -> bool:
        """Whether nothing more is written on it."""
        return self._outlet.stopped

    def unwritten(self) -> set[int]:
        """The sequence numbers of our requests of which no octet was handed to the system: certainly not written.

        Final once the link is closed or aborted.
        """
        found: set[int] = set()
        for octets in (self._outlet.rest(), self.session.waiting_output()):
            start = 0
            for end in _ends(octets, 0):
                if not octets[start + 4] & 0x80:  # no response (§5.1.2.1), which has a number of the peer's
                    found.add(int.from_bytes(octets[start + 12 : start + 16]))
                start = end
        return found

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
            dead = self.closed is not None and self.closed.reason is CloseReason.ENQUIRE_LINK_TIMEOUT
            if self._outlet.stopped or self._outlet.unsent or dead:
                _throw_away(self.stream)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self.stream)
            if self.tap is not None:
                self.tap.ended()
        return self.closed

    def close(self) -> None:
        """Ends `run` without a word to the other end."""
        self._ended.set()

    def abort(self) -> None:
        """Ends `run` at once, without a word. Nothing more is written, and what the system still holds of our output
        is thrown away: on a connection that takes nothing it would arrive late, after what replaced it."""
        self._outlet.stop()
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
            self.turns.reads += 1
            if self.tap is not None:
                self.tap.received(data)
            now = trio.current_time()
            self._turn(session.receive_data(data, now) if data else session.receive_eof(now))

    async def _write(self) -> None:
        session, outlet = self.session, self._outlet
        while not outlet.stopped:
            data = session.data_to_send()
            if not data:
                if self.closed is not None:
                    self._written.set()
                    return
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            self.turns.writes += 1
            try:
                await outlet.send(data)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.broken = self.broken or error
                outlet.stop()
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


def _throw_away(stream: trio.abc.Stream) -> None:
    """Has the system drop what it has not sent yet when the stream is closed, and reset the connection."""
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if isinstance(stream, trio.SocketStream):
        with contextlib.suppress(OSError):  # gone already
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
