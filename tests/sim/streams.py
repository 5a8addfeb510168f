"""Connections in memory that split, delay, stall and break as the seed says; nothing is reordered within one.

A `Pipe` is one direction. What it carries arrives in pieces at times of its own; at a number of octets that the seed
draws, the connection stalls, goes deaf, or breaks, in the middle of a PDU as well.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final

import trio

CAPACITY: Final = 65_536
"""Octets that a direction holds before its writer waits."""


class Weather:
    """What befalls a connection. Probabilities are for each connection; `calm` leaves only the delays."""

    def __init__(
        self,
        *,
        delay: tuple[float, float] = (0.001, 0.03),
        split: float = 0.3,
        breaks: float = 0.0,
        stalls: float = 0.0,
        deaf: float = 0.0,
        reach: int = 6000,
        capacity: int = CAPACITY,
    ) -> None:
        self.delay = delay
        self.split = split
        self.breaks = breaks
        self.stalls = stalls
        self.deaf = deaf  # half-open: nothing arrives any more, and nobody is told
        self.reach = reach  # octets within which something befalls it
        self.capacity = capacity

    @property
    def steady(self) -> bool:
        """Whether a connection takes what is written as long as it stands."""
        return not (self.stalls or self.deaf) and self.capacity >= CAPACITY

    def calm(self) -> Weather:
        """The same delays without accidents."""
        return Weather(delay=self.delay, split=self.split, capacity=self.capacity)


class Pipe:
    """One direction of a connection."""

    def __init__(self, rng: Random, weather: Weather) -> None:
        self._rng = rng
        self._weather = weather
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._held = 0  # octets in it
        self._last = 0.0  # when its last chunk arrives
        self._total = 0
        self.ended = False  # the writer has closed; what is in it still arrives
        self.broken = False  # nothing arrives any more, and who waits is told
        self.deaf = False
        self._changed = trio.Event()
        self._breaks = self._draw(weather.breaks)
        self._stalls = self._draw(weather.stalls)
        self._deafens = self._draw(weather.deaf)
        self.on_break: Callable[[], None] = lambda: None
        self.on_deaf: Callable[[], None] = lambda: None

    def _draw(self, chance: float) -> float:
        """The number of octets after which it happens."""
        return self._rng.randrange(1, self._weather.reach) if self._rng.random() < chance else math.inf

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def close(self) -> None:
        """The writer's end is closed."""
        self.ended = True
        self._tell()

    def snap(self, *, lose: bool) -> None:
        """It breaks: nothing can be written any more; what is in it may be lost."""
        self.broken = True
        if lose:
            self._chunks.clear()
            self._held = 0
        self._tell()

    async def put(self, data: bytes) -> None:
        """Writes; cancelled while it is full, it has taken an unknown part."""
        await trio.lowlevel.checkpoint()
        view = memoryview(data)
        while view:
            while self._held >= self._weather.capacity and not self.broken and not self.ended:
                await self._changed.wait()
            if self.broken or self.ended:
                raise trio.BrokenResourceError("connection reset by the simulation")
            room = self._weather.capacity - self._held
            size = min(len(view), room)
            if size > 1 and self._rng.random() < self._weather.split:
                size = self._rng.randrange(1, size)
            self._add(bytes(view[:size]))
            view = view[size:]

    def _add(self, data: bytes) -> None:
        rng = self._rng
        if self._total + len(data) >= self._breaks:
            data = data[: int(self._breaks) - self._total]
        self._total += len(data)
        now = trio.current_time()
        at = max(self._last, now + rng.uniform(*self._weather.delay))
        if self._total >= self._stalls:
            self._stalls = math.inf
            at += rng.uniform(0.5, 25)
        if self._total >= self._deafens:
            self.on_deaf()
        self._last = at
        self._held += len(data)
        if not self.deaf:
            self._chunks.append((at, data))
        if self._total >= self._breaks:
            self.on_break()
        self._tell()

    async def get(self, limit: int) -> bytes:
        """What has arrived; b"" at the end."""
        await trio.lowlevel.checkpoint()
        while True:
            now = trio.current_time()
            chunks = self._chunks
            if chunks and chunks[0][0] <= now:
                return self._arrived(now, limit)
            if not chunks and not self.deaf:
                if self.broken:
                    raise trio.BrokenResourceError("connection reset by the simulation")
                if self.ended:
                    return b""
            elif self.deaf and self.broken:
                raise trio.BrokenResourceError("connection reset by the simulation")
            with trio.move_on_at(chunks[0][0] if chunks else math.inf):
                await self._changed.wait()

    def _arrived(self, now: float, limit: int) -> bytes:
        out = b""
        chunks = self._chunks
        while chunks and chunks[0][0] <= now and len(out) < limit:
            at, data = chunks.popleft()
            room = limit - len(out)
            if len(data) > room:
                chunks.appendleft((at, data[room:]))
                data = data[:room]
            out += data
        self._held -= len(out)
        self._tell()
        return out


class _Credentials:
    """What the local socket asks of its stream: whose process is at the other end (SO_PEERCRED)."""

    def __init__(self, uid: int) -> None:
        self._uid = uid

    def getsockopt(self, *_: int) -> bytes:
        return struct.pack("3i", 1000 + self._uid, self._uid, self._uid)

    def close(self) -> None:
        return None


class SimStream(trio.abc.Stream):
    """One end. ``on_write`` sees what is handed over, before anything of it leaves."""

    def __init__(self, incoming: Pipe, outgoing: Pipe, uid: int = 0) -> None:
        self._in = incoming
        self._out = outgoing
        self._closed = False
        self._sending = False
        self.socket = _Credentials(uid)
        self.on_write: Callable[[bytes], None] = lambda _: None
        self.written: dict[int, int] = {}  # of submits put into it by number: of which message each is

    @property
    def deaf(self) -> bool:
        """Whether nothing arrives any more, in either direction."""
        return self._in.deaf

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._sending:
            raise trio.BusyResourceError("two writers on one stream")
        if self._closed:
            raise trio.ClosedResourceError
        self._sending = True
        try:
            self.on_write(bytes(data))
            await self._out.put(bytes(data))
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError
        data = await self._in.get(max_bytes or CAPACITY)
        if self._closed:
            raise trio.ClosedResourceError
        return data

    async def aclose(self) -> None:
        self.shut()
        await trio.lowlevel.checkpoint()

    def shut(self) -> None:
        """Closes at once; what was written still arrives, what is written to it is in vain."""
        if not self._closed:
            self._closed = True
            self._out.close()
            self._in.snap(lose=True)


def connection(rng: Random, weather: Weather, uid: int = 0) -> tuple[SimStream, SimStream]:
    """Both ends of a new connection; the second one says that ``uid`` is at the first."""
    there, back = Pipe(rng, weather), Pipe(rng, weather)

    def broken() -> None:
        there.snap(lose=False)
        back.snap(lose=rng.random() < 0.5)

    def silent() -> None:
        there.deaf = back.deaf = True

    there.on_break = back.on_break = broken
    there.on_deaf = back.on_deaf = silent
    return SimStream(back, there), SimStream(there, back, uid)
