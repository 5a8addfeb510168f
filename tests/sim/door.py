"""The door of a daemon without a socket: applications connect to it in memory."""

from __future__ import annotations

from random import Random

import trio

from gateway.settings import Socket
from gateway.store.database import FileLock
from tests.sim.streams import SimStream, Weather, connection

_WEATHER = Weather(delay=(0.0, 0.005), split=0.2)


class _Listener(trio.abc.Listener[SimStream]):
    """What `trio.serve_listeners` accepts connections from."""

    def __init__(self) -> None:
        self.send, self._receive = trio.open_memory_channel[SimStream](16)
        self.open = True
        self.socket = self

    async def accept(self) -> SimStream:
        return await self._receive.receive()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self.open = False


class Door:
    """Where the listener of the moment is."""

    def __init__(self) -> None:
        self._listener: _Listener | None = None
        self._streams: list[SimStream] = []

    def listen(self, settings: Socket, lock: FileLock | None = None) -> _Listener:
        """In place of `gateway.doors.socket.listen`."""
        self._listener = _Listener()
        self._streams = []
        return self._listener

    async def connect(self, rng: Random, uid: int) -> SimStream | None:
        """A connection as the user ``uid``, None while nobody listens."""
        await trio.lowlevel.checkpoint()
        listener = self._listener
        if listener is None or not listener.open:
            return None
        ours, theirs = connection(rng, _WEATHER, uid)
        try:
            listener.send.send_nowait(theirs)
        except (trio.WouldBlock, trio.BrokenResourceError):
            return None
        self._streams.append(theirs)
        return ours

    def close(self) -> None:
        """The process is gone, and its end of each connection with it."""
        if self._listener is not None:
            self._listener.open = False
        self._listener = None
        for stream in self._streams:
            stream.shut()
        self._streams = []
