"""Connections to a receiver in memory, for tests on a mock clock: no socket, so that no time passes on the wire.

What goes over them is HTTP as it is on any other.
"""

from __future__ import annotations

import collections
from collections.abc import Awaitable, Callable

import trio

from gateway.handlers.wire import NotConnectedError
from tests.support.httpd import Request

Answer = int | tuple[int, dict[str, str]] | Exception | Callable[[], Awaitable[int]]
"""A status, a status with headers, an error (NotConnectedError: of making the connection), or what to wait for."""


class Posts:
    """Answers with ``answers`` one by one, then with ``default``; an event in ``by_event`` always with that.

    ``log`` has (seconds since the start, event id, attempt) of each post, ``hosts`` whom it was connected to;
    ``open`` are the connections that there are, each under way unless it is kept. ``keep``: whether one serves more
    than one post.
    """

    def __init__(self, default: Answer = 200, answers: list[Answer] | None = None, *, keep: bool = False) -> None:
        self.default = default
        self.answers = answers or []
        self.by_event: dict[str, Answer] = {}
        self.log: list[tuple[float, str, int]] = []
        self.requests: list[Request] = []
        self.hosts: list[str] = []
        self.open: set[Wire] = set()
        self.keep = keep
        self.most_under_way = 0
        self._start = trio.current_time()
        self._changed = trio.Event()

    async def __call__(self, address: str, seconds: float) -> Wire:
        self.hosts.append(address)
        wire = Wire(self)
        self.open.add(wire)
        self.most_under_way = max(self.most_under_way, self.under_way)
        await trio.lowlevel.checkpoint()
        return wire

    @property
    def under_way(self) -> int:
        return len(self.open)

    def take(self, request: Request) -> Answer:
        """A request that came; returns what to answer it with."""
        at = round(trio.current_time() - self._start, 3)
        self.log.append((at, request.event_id, int(request.headers["smsgw-attempt"])))
        self.requests.append(request)
        self._changed.set()
        self._changed = trio.Event()
        answer = self.by_event.get(request.event_id)
        if answer is None:
            answer = self.answers.pop(0) if self.answers else self.default
        return answer

    def answered(self, request: Request, status: int) -> bytes:
        """It gets its answer; returns what the body of that goes on with for ever, if anything."""
        return b""

    async def got(self, count: int) -> list[tuple[float, str, int]]:
        """Waits for this many posts in all."""
        while len(self.log) < count:
            await self._changed.wait()
        return self.log

    def times(self, event_id: str) -> list[float]:
        """When an event was posted."""
        return [at for at, posted, _ in self.log if posted == event_id]


class Wire:
    """A connection: a request that was put is answered to who receives."""

    def __init__(self, posts: Posts) -> None:
        self._posts = posts
        self._asked: collections.deque[tuple[Request, Answer]] = collections.deque()
        self._endless = b""

    def put(self, data: bytes) -> bool:
        head, _, body = data.partition(b"\r\n\r\n")
        line, *fields = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields)}
        assert len(body) == int(headers["content-length"])
        request = Request(line, headers, body, len(self._posts.hosts))
        answer = self._posts.take(request)
        if isinstance(answer, NotConnectedError):
            raise answer
        self._asked.append((request, answer))
        return True

    async def flush(self) -> None:
        raise AssertionError("all of it is gone")

    async def receive(self) -> bytes:
        if self._endless:
            await trio.sleep(0.01)
            return self._endless
        posts = self._posts
        request, answer = self._asked.popleft()
        await trio.lowlevel.checkpoint()
        if callable(answer):
            answer = await answer()
        if isinstance(answer, Exception):
            raise answer
        status, headers = (answer, {}) if isinstance(answer, int) else answer
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        fields += "" if posts.keep else "Connection: close\r\n"
        self._endless = posts.answered(request, status)
        if self._endless:
            return f"HTTP/1.1 {status} X\r\nContent-Length: {1 << 40}\r\n{fields}\r\n".encode()
        return f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n{fields}\r\nok".encode()

    def quiet(self) -> bool:
        return True

    def close(self) -> None:
        self._posts.open.discard(self)


async def public(host: str, port: int) -> list[str]:
    """A resolver for which every host is one public address."""
    return ["93.184.216.34"]


async def forever() -> int:
    """An answer that never comes."""
    await trio.sleep_forever()
    raise AssertionError
