"""What the feeds over one connection share: they write as much as is taken, and are handed what came in."""

from __future__ import annotations

import select
import socket

from bench.load import LoadOptions
from bench.peers.children import PeerError
from bench.peers.feed import Feed


class WiredFeed(Feed):
    """Base of the feeds over one socket, `window` messages unanswered at most.

    A subclass hands its socket to _use() once it is connected, writes with _write(), and takes whole messages in
    _received(). `lost` and `closed` are what is raised, as PeerError, when the connection breaks and when the other end
    closes it.
    """

    lost = closed = "the connection was closed"

    _sock: socket.socket

    def __init__(self, options: LoadOptions, window: int) -> None:
        super().__init__(options)
        self._window = window
        self._out = b""
        self._tail = b""

    def _use(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setblocking(False)
        self._watch(sock.fileno(), self._ready)

    def close(self) -> None:
        self._sock.close()
        super().close()

    def _received(self, data: bytes) -> tuple[int, list[bytes]]:
        """Take the whole messages at the beginning of data; returns where they end, and what is to be answered."""
        raise NotImplementedError

    def _write(self, data: bytes) -> None:
        self._out += data
        try:
            while self._out:
                self._out = self._out[self._sock.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError as error:
            raise PeerError(f"{self.lost}: {error}") from error
        self._epoll.modify(self._sock.fileno(), select.EPOLLIN | (select.EPOLLOUT if self._out else 0))

    def _ready(self, event: int) -> None:
        if event & select.EPOLLOUT:
            self._write(b"")
        if not event & ~select.EPOLLOUT:
            return
        try:
            data = self._sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerError(f"{self.lost}: {error}") from error
        if not data:
            raise PeerError(self.closed)
        data = self._tail + data
        end, answers = self._received(data)
        self._tail = data[end:]
        if answers:
            self._write(b"".join(answers))
