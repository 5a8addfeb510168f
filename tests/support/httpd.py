"""A receiver of webhooks on loopback, written on bare sockets: it can answer, and misbehave in every way we know."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import trio

LIMIT = 1 << 20


@dataclass
class Request:
    """A request as it was on the wire; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def event_id(self) -> str:
        return self.headers["smsgw-event-id"]


Behaviour = Callable[["Server", Request, trio.SocketStream], Awaitable[bool]]
"""Answers a request; returns whether the connection stays."""


def answer(status: int = 200, headers: str = "", body: bytes = b"ok") -> Behaviour:
    """A proper answer."""

    async def behave(server: Server, request: Request, stream: trio.SocketStream) -> bool:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        await stream.send_all(head.encode() + body)
        return True

    return behave


async def answer_twice(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """An answer, and one more that nobody asked for."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2)
    return True


async def hang(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """Never answers; ends when the other end goes."""
    while await stream.receive_some():
        pass
    return False


async def close(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """Closes the connection in place of an answer."""
    return False


async def garbage(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """Something that is not HTTP."""
    await stream.send_all(b"\x00\x00\x00\x10\x80\x00\x00\x00\r\n\r\n")
    return False


async def reset(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """Part of a head, and a reset of the connection."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nX: y")
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


async def half_a_head(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """A status line, and then nothing."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nX: y")
    return await hang(server, request, stream)


async def endless_head(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """Header fields without end."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\n")
    return await _pour(server, stream, b"X-Pad: " + b"a" * 4000 + b"\r\n")


async def endless_body(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """200, and a body without end; ``server.poured`` counts its octets."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    return await _pour(server, stream, b"1000\r\n" + b"a" * 4096 + b"\r\n")


async def drip(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """200, and a body of which one octet came."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na")
    return await hang(server, request, stream)


async def _pour(server: Server, stream: trio.SocketStream, piece: bytes) -> bool:
    while True:
        await stream.send_all(piece)
        server.poured += len(piece)


@dataclass
class Server:
    """``behaviours`` are used up one by one, after them ``default``; ``by_event`` comes before both."""

    default: Behaviour = field(default_factory=answer)
    behaviours: list[Behaviour] = field(default_factory=list)
    by_event: dict[str, Behaviour] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    poured: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    names: list[str | None] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/sms?key=marked-query"

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Waits until something that a request or connection changed makes the condition true."""
        with trio.fail_after(seconds):
            while not condition():
                await self._changed.wait()

    async def got(self, count: int, seconds: float = 10) -> list[Request]:
        """Waits for this many requests in all."""
        await self.until(lambda: len(self.requests) >= count, seconds)
        return self.requests

    async def run(self, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED) -> None:
        """Listens on a free port of 127.0.0.1."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        await trio.serve_listeners(self._serve, listeners, task_status=_Started(self, task_status))

    async def run_tls(
        self, context: ssl.SSLContext, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """The same behind TLS; ``names`` are those that were asked for (SNI)."""
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1", https_compatible=True)
        self.port = listeners[0].transport_listener.socket.getsockname()[1]
        await trio.serve_listeners(self._serve, listeners, task_status=_Started(self, task_status))

    async def _serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        number = self.connections
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._tell()
        try:
            async with stream:
                await self._requests(stream, number)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1
            self._tell()

    async def _requests(self, stream: trio.SocketStream, number: int) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                more = await stream.receive_some()
                if not more or len(buffer) > LIMIT:
                    return
                buffer += more
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = dict(_fields(fields))
            length = int(headers.get("content-length", "0"))
            while len(buffer) < length:
                more = await stream.receive_some()
                if not more:
                    return
                buffer += more
            request = Request(line, headers, buffer[:length], number)
            buffer = buffer[length:]
            self.requests.append(request)
            behave = self.by_event.get(headers.get("smsgw-event-id", ""))
            if behave is None:
                behave = self.behaviours.pop(0) if self.behaviours else self.default
            self._tell()
            if not await behave(self, request, stream):
                return


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, value = line.partition(":")
        yield name.strip().lower(), value.strip()


class _Started(trio.TaskStatus[Any]):
    """Hands out the server itself once it listens."""

    def __init__(self, server: Server, outer: trio.TaskStatus[Server]) -> None:
        self._server = server
        self._outer = outer

    def started(self, value: Any = None) -> None:
        self._outer.started(self._server)
