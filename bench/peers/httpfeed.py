"""The feed over HTTP, as both Kannel and Jasmin have it: a GET for a message, a GET back for its receipt.

Requests go over connections that stay, one unanswered on each. Only what these two say is read: a status, and a
body by its length or in chunks.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, quote_plus

from bench import keys
from bench.load import LoadOptions
from bench.peers.children import PeerError
from bench.peers.feed import Feed
from bench.trace import Line

_END = b"\r\n\r\n"
_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: text/plain\r\n\r\nACK/Jasmin"
"""The body is what Jasmin waits for; Kannel looks at the status alone."""

Target = Callable[[Line, int], str]
"""(line, port where receipts are taken) -> path and query with `{to}` or `{digits}`, `{key}` and `{number}`."""
ReadReply = Callable[[int, int, str], str | None]
"""(number, HTTP status, body) -> message_id, or None for a refusal."""
ReadReceipt = Callable[[dict[str, str]], tuple[str, str]]
"""The query of a receipt -> message_id and state."""


class HttpFeed(Feed):
    """Hands messages over by HTTP at 127.0.0.1:port, and takes their receipts on a port of its own."""

    def __init__(
        self,
        options: LoadOptions,
        port: int,
        connections: int,
        target: Target,
        read_reply: ReadReply,
        read_receipt: ReadReceipt,
    ) -> None:
        super().__init__(options)
        self._port, self._connections = port, connections
        self._read_reply, self._read_receipt = read_reply, read_receipt
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self._watch(self._listener.fileno(), self._called)
        self._callers: dict[int, tuple[socket.socket, bytes]] = {}
        own = self._listener.getsockname()[1]
        self._templates = [_template(target(line, own)) for line in self.lines]
        self._idle: list[_Client] = []
        self._clients: dict[int, _Client] = {}

    def __enter__(self) -> HttpFeed:
        for _ in range(min(self._connections, self.options.messages)):
            self._connect(_Client())
        return self

    def close(self) -> None:
        for client in self._clients.values():
            client.sock.close()
        for sock, _ in self._callers.values():
            sock.close()
        self._listener.close()
        super().close()

    def _connect(self, client: _Client) -> None:
        try:
            client.sock = socket.create_connection(("127.0.0.1", self._port), timeout=10.0)
        except OSError as error:
            raise PeerError(f"HTTP at port {self._port}: {error}") from error
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sock.setblocking(False)
        client.rest = b""
        fd = client.sock.fileno()
        self._clients[fd] = client
        self._watch(fd, lambda _event, client=client: self._answered(client))  # type: ignore[misc]
        self._idle.append(client)

    def _send(self) -> None:
        while self._idle and (taken := self._take()) is not None:
            number, _, peer = taken
            client = self._idle.pop()
            client.number = number
            place = number % len(self._templates)
            request = self._templates[place].format(
                to=quote_plus(peer),
                digits=peer.removeprefix("+"),
                key=quote_plus(keys.key(keys.MT, number)),
                number=number,
            )
            # One request of a few hundred octets on an idle connection fits the kernel's buffer.
            client.sock.send(request.encode("ascii"))

    def _answered(self, client: _Client) -> None:
        try:
            data = client.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(client)
            return
        client.rest += data
        head, found, rest = client.rest.partition(_END)
        body = content(head, rest) if found else None
        if body is None:
            return
        client.rest = b""
        status, number = int(head[9:12]), client.number
        message_id = self._read_reply(number, status, body.decode("latin-1"))
        if message_id is None:
            self._refuse(number, f"HTTP {status}: {body[:80].decode('latin-1')}")
        else:
            self._accept(number, message_id)
        client.number = -1
        if b"connection: close" in head.lower():
            self._lost(client)
        else:
            self._idle.append(client)

    def _lost(self, client: _Client) -> None:
        """The server closed a connection: open another. A request on it was perhaps taken: not accepted."""
        fd = client.sock.fileno()
        self._unwatch(fd)
        del self._clients[fd]
        client.sock.close()
        if client in self._idle:
            self._idle.remove(client)
        if client.number >= 0:
            self._refuse(client.number, "the connection was closed without an answer")
        client.number = -1
        self._connect(client)

    # -- receipts

    def _called(self, _event: int) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            fd = sock.fileno()
            self._callers[fd] = sock, b""
            self._watch(fd, lambda _event, fd=fd: self._told(fd))  # type: ignore[misc]

    def _told(self, fd: int) -> None:
        sock, rest = self._callers[fd]
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._unwatch(fd)
            del self._callers[fd]
            sock.close()
            return
        *requests, rest = (rest + data).split(_END)
        self._callers[fd] = sock, rest
        for request in requests:
            _, _, query = request.split(b" ", 2)[1].decode("ascii").partition("?")
            self._end(*self._read_receipt(dict(parse_qsl(query))))
        if requests:
            _send_all(sock, _TAKEN * len(requests))


class _Client:
    """A connection to the gateway; number is of the message that waits for its answer, -1: none does."""

    __slots__ = ("number", "rest", "sock")

    def __init__(self) -> None:
        self.number = -1
        self.rest = b""
        self.sock: socket.socket


def text_of(line: Line) -> str:
    """The text of a line for a query, with the place for its key left open."""
    before, _, after = line.keyed().partition(keys.PLACEHOLDER)
    return quote_plus(before) + "{key}" + quote_plus(after)


def _template(target: str) -> str:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def content(head: bytes, rest: bytes) -> bytes | None:
    """The body of a reply from what followed its head, by Content-Length or in chunks; None: there is more to come."""
    lines = (line.lower().partition(b":") for line in head.split(b"\r\n")[1:])
    fields = {name.strip(): value.strip() for name, _, value in lines}
    if fields.get(b"transfer-encoding") != b"chunked":
        return rest if len(rest) >= int(fields.get(b"content-length", 0)) else None
    body = b""
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return None
        length = int(size, 16)
        if len(rest) < length + 2:
            return None
        if not length:
            return body
        body, rest = body + rest[:length], rest[length + 2 :]


def _send_all(sock: socket.socket, data: bytes) -> None:
    end = time.monotonic() + 5.0
    while data and time.monotonic() < end:
        try:
            data = data[sock.send(data) :]
        except BlockingIOError:
            select.select([], [sock], [], 1.0)
        except OSError:
            # Who closes without reading the answer will call again, and is counted twice then.
            return
