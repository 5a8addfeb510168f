"""An HTTP transport in memory, for tests on a mock clock: no socket, so that no time passes on the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import trio

Answer = int | tuple[int, dict[str, str]] | Exception | Callable[[], Awaitable[int]]
"""A status, a status with headers, an error of the transport, or what to wait for."""


class Posts(httpx.AsyncBaseTransport):
    """Answers with ``answers`` one by one, then with ``default``; an event in ``by_event`` always with that.

    ``log`` has (seconds since the start, event id, attempt) of each post, ``hosts`` whom it was connected to.
    """

    def __init__(self, default: Answer = 200, answers: list[Answer] | None = None) -> None:
        self.default = default
        self.answers = answers or []
        self.by_event: dict[str, Answer] = {}
        self.log: list[tuple[float, str, int]] = []
        self.requests: list[httpx.Request] = []
        self.under_way = 0
        self.most_under_way = 0
        self.closed = False
        self._start = trio.current_time()
        self._changed = trio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        event_id = request.headers["smsgw-event-id"]
        at = round(trio.current_time() - self._start, 3)
        self.log.append((at, event_id, int(request.headers["smsgw-attempt"])))
        self.requests.append(request)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self._changed.set()
        self._changed = trio.Event()
        try:
            await trio.lowlevel.checkpoint()
            answer = self.by_event.get(event_id)
            if answer is None:
                answer = self.answers.pop(0) if self.answers else self.default
            if callable(answer):
                answer = await answer()
            if isinstance(answer, Exception):
                raise answer
            status, headers = (answer, {}) if isinstance(answer, int) else answer
            return httpx.Response(status, headers=headers, stream=httpx.ByteStream(b"ok"))
        finally:
            self.under_way -= 1

    async def aclose(self) -> None:
        self.closed = True

    async def got(self, count: int) -> list[tuple[float, str, int]]:
        """Waits for this many posts in all."""
        while len(self.log) < count:
            await self._changed.wait()
        return self.log

    def times(self, event_id: str) -> list[float]:
        """When an event was posted."""
        return [at for at, posted, _ in self.log if posted == event_id]

    @property
    def hosts(self) -> list[str]:
        return [request.url.host for request in self.requests]


async def public(host: str, port: int) -> list[str]:
    """A resolver for which every host is one public address."""
    return ["93.184.216.34"]


async def forever() -> int:
    """An answer that never comes."""
    await trio.sleep_forever()
    raise AssertionError
