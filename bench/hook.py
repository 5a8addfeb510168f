"""A receiver of webhooks, in a thread: takes posts on kept connections, answers them, and notes each."""

from __future__ import annotations

import random
import re
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple

import msgspec

from bench.client import Event

SECRET = "bench"
"""Key of the signatures, which are not looked at here."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ATTEMPT = re.compile(rb"\r\nsmsgw-attempt: *(\d+)", re.IGNORECASE)
_ANSWERS = {
    200: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    500: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
}
_DECODER = msgspec.json.Decoder(Event)


class Post(NamedTuple):
    """A post as it was answered: when (CLOCK_MONOTONIC), which attempt, with which status, of which event."""

    at: float
    attempt: int
    status: int
    event: Event


class Hook:
    """Context manager: listens at `url` while it lasts. failing: share of the posts that are answered 500.

    delay: seconds from a post to its answer. What the thread could not make sense of is in `errors`.
    """

    def __init__(self, failing: float = 0.0, seed: int = 0, delay: float = 0.0) -> None:
        self.posts: list[Post] = []
        self.errors: list[str] = []
        self._failing = failing
        self._delay = delay
        self._later: deque[tuple[float, socket.socket, bytes]] = deque()
        self._rng = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[socket.socket, bytearray] = {}
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="hook", daemon=True)

    def __enter__(self) -> Hook:
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._thread.join()
        for connection in self._buffers:
            connection.close()
        self._selector.close()
        self._listener.close()

    def taken(self) -> list[Post]:
        """The posts that were answered 200, as they came."""
        return [post for post in self.posts if post.status == 200]

    def _run(self) -> None:
        while not self._ending:
            for key, _ in self._selector.select(self._wait()):
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    connection.setblocking(False)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._buffers[connection] = bytearray()
                    self._selector.register(connection, selectors.EVENT_READ)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._read(key.fileobj)

    def _wait(self) -> float:
        """Sends the answers whose time has come; returns the seconds until the next look."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, connection, answer = self._later.popleft()
            with suppress(OSError):  # the daemon is gone, or gave up on it
                connection.sendall(answer)
        return min(0.1, self._later[0][0] - now) if self._later else 0.1

    def _read(self, connection: socket.socket) -> None:
        buffer = self._buffers[connection]
        try:
            data = connection.recv(1 << 16)
            buffer += data
            if data:
                while answer := self._answer(buffer):
                    if self._delay:
                        self._later.append((time.monotonic() + self._delay, connection, answer))
                    else:
                        connection.sendall(answer)
                return
        except OSError:
            pass  # the daemon was killed
        except (ValueError, msgspec.DecodeError) as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        self._selector.unregister(connection)
        connection.close()
        del self._buffers[connection]

    def _answer(self, buffer: bytearray) -> bytes:
        """Takes one whole request off the buffer; empty when there is none."""
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return b""
        length, attempt = _LENGTH.search(buffer, 0, end), _ATTEMPT.search(buffer, 0, end)
        if length is None or attempt is None:
            raise ValueError(f"a request without its headers: {bytes(buffer[:end])!r}")
        body = end + 4
        whole = body + int(length[1])
        if len(buffer) < whole:
            return b""
        event = _DECODER.decode(bytes(buffer[body:whole]))
        status = 500 if self._failing and self._rng.random() < self._failing else 200
        self.posts.append(Post(time.monotonic(), int(attempt[1]), status, event))
        del buffer[:whole]
        return _ANSWERS[status]
