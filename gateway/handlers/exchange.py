"""HTTP/1.1 from the client's side: a request and its answer on a connection, and the few connections that are kept.

h11 reads the answers (RFC 9112) that are not of the plainest kind. Requests are made by who asks, of parts that do not
change; h11 is told of one without a body in place of each, for all that it needs to know of it is that it is a POST.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import h11
import trio

from gateway.handlers.wire import Wire

HEAD_OCTETS: Final = 32 << 10
"""Octets of an answer's head at most."""
INTERIM: Final = 8
"""Answers 1xx in front of the one that counts at most."""
ANSWER_OCTETS: Final = 64 << 10
"""Octets of an answer's body that are read, so that the connection can serve the next post."""
LEAST_CHUNK: Final = 64
"""Octets that each piece of it counts at least, for a chunk of one octet takes as long as that."""
ANSWER_WAIT: Final = 1.0
"""Seconds for the body of an answer whose status is known; after it the connection is closed instead."""
KEEP_ALIVE: Final = 15.0
"""Seconds for which a connection without posts is kept."""
LOOK_UP_AFTER: Final = 30.0
"""Seconds of a connection's life after which it is not used again, so that a name that moves is followed."""
SWEEP: Final = 5.0
"""Seconds between two looks at the connections that lie idle."""

PLAIN_OCTETS: Final = 4 << 10
"""Octets of an answer at most that is looked at without h11."""

_ASKED: Final = h11.Request(method="POST", target="/", headers=[("Host", "-"), ("Content-Length", "0")])
_ALL: Final = h11.EndOfMessage()

# RFC 9112 §4 and §5, without what is obsolete in them; a name is a token (RFC 9110 §5.6.2).
_PLAIN: Final = re.compile(rb"HTTP/1\.1 (2[0-9][0-9]) [\t -~]*\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)*)\r\n")
_FRAMING: Final = re.compile(rb"^(content-length|connection|transfer-encoding):[\t ]*(.*?)[\t ]*\r$", re.I | re.M)


class Answer(NamedTuple):
    """The head of an answer, as far as it matters: ``retry_after`` is the value of that field, empty without one."""

    status: int
    retry_after: str = ""


def plain(data: bytes) -> Answer | None:
    """The answer, if these octets are exactly one of 2xx, after which the connection goes on. None: ask h11.

    Nearly every answer is such a one, and h11 takes longer for it than all the rest of a post.
    """
    found = _PLAIN.match(data) if len(data) <= PLAIN_OCTETS else None
    if found is None:
        return None
    length = None
    for name, value in _FRAMING.findall(found[2]):
        if name.lower() == b"content-length" and value.isdigit() and length is None:
            length = int(value)
        elif name.lower() != b"connection" or value.lower() != b"keep-alive":
            return None
    status = int(found[1])
    if status == 204:  # has no body (RFC 9110 §15.3.5)
        return Answer(status) if length is None and found.end() == len(data) else None
    return Answer(status) if length is not None and found.end() + length == len(data) else None


class Connection:
    """Serves one exchange at a time. ``heard``: whether any octet of an answer to the last request came."""

    __slots__ = ("_http", "_idle_since", "_made", "_sent", "_wire", "heard")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._http: h11.Connection | None = None
        self._sent = self.heard = False
        self._made = self._idle_since = trio.current_time()

    async def ask(self, request: bytes) -> Answer:
        """Sends a request; returns the head of its answer, after which `finish` is to be called.

        Raises OSError and h11.RemoteProtocolError; then, and when it is cancelled, the connection is closed.
        """
        self.heard = False
        try:
            broken: OSError | None = None
            try:
                self._sent = self._wire.put(request)
            except OSError as error:
                # It may have been answered before it was read whole, and the connection ended then (RFC 9112 §9.5).
                self._sent, broken = False, error
            try:
                return await (self._head() if self._sent or broken else self._head_meanwhile())
            except (OSError, h11.RemoteProtocolError):
                if broken is not None and not self.heard:
                    raise broken from None
                raise
        except BaseException:
            self.close()
            raise

    async def _head_meanwhile(self) -> Answer:
        """The head of an answer, which may come while the request is still being sent."""
        found: list[Answer | OSError | h11.RemoteProtocolError] = []

        async def send() -> None:
            try:
                await self._wire.flush()
                self._sent = True
            except OSError:
                pass  # what is read will tell

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            try:
                found.append(await self._head())
            except (OSError, h11.RemoteProtocolError) as error:
                found.append(error)
            nursery.cancel_scope.cancel()
        if isinstance(found[0], Answer):
            return found[0]
        raise found[0]

    async def _head(self) -> Answer:
        data = await self._wire.receive()
        self.heard = bool(data)
        answer = plain(data)
        if answer is not None:
            self._http = None
            return answer
        http = self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_OCTETS)
        http.send(_ASKED)
        http.send(_ALL)
        http.receive_data(data)
        interim = 0
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await self._wire.receive())
            elif isinstance(event, h11.Response):
                after = next((value for name, value in event.headers if name == b"retry-after"), b"")
                return Answer(event.status_code, after.decode("latin-1"))
            else:
                interim += 1
                if interim > INTERIM or not isinstance(event, h11.InformationalResponse):
                    raise h11.RemoteProtocolError("no end of answers 1xx")

    async def finish(self) -> bool:
        """Reads the rest of an answer within its bounds; returns whether the connection can serve another request.

        If not, it is closed. Never raises for what the other end does.
        """
        try:
            over = self._http is None or await self._body(self._http)
        except (OSError, h11.RemoteProtocolError):
            over = False
        except BaseException:
            self.close()
            raise
        if not (over and self._sent):
            self.close()
            return False
        self._idle_since = trio.current_time()
        return True

    async def _body(self, http: h11.Connection) -> bool:
        """Reads a body; returns whether it is over, and nothing came behind it.

        That would be taken for the answer to the next request.
        """
        octets = 0
        with trio.move_on_after(ANSWER_WAIT):
            while octets <= ANSWER_OCTETS:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    http.receive_data(await self._wire.receive())
                elif isinstance(event, h11.Data):
                    octets += max(len(event.data), LEAST_CHUNK)
                else:
                    break
        return http.our_state is http.their_state is h11.DONE and http.trailing_data == (b"", False)

    def fresh(self, now: float) -> bool:
        """Whether it can serve another request: not too old, and nothing came meanwhile."""
        return now - self._idle_since < KEEP_ALIVE and now - self._made < LOOK_UP_AFTER and self._wire.quiet()

    def close(self) -> None:
        """Ends it, whatever is under way."""
        self._wire.close()


class Kept:
    """Connections between two requests, ``most`` of them; the one used last goes first, so that few stay in use."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle: list[Connection] = []
        self._any = trio.Event()

    def __len__(self) -> int:
        return len(self._idle)

    def take(self) -> Connection | None:
        """One that can serve a request, if there is any."""
        now = trio.current_time()
        while self._idle:
            connection = self._idle.pop()
            if connection.fresh(now):
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """Keeps one, whose last exchange is over."""
        if len(self._idle) >= self._most:
            connection.close()
            return
        self._idle.append(connection)
        if not self._any.is_set():
            self._any.set()

    async def tend(self) -> None:
        """Closes those that the other end has closed, and those that are idle for too long, until it is cancelled."""
        while True:
            await self._any.wait()
            await trio.sleep(SWEEP)
            now, idle = trio.current_time(), self._idle
            self._idle = []
            for connection in idle:
                if connection.fresh(now):
                    self._idle.append(connection)
                else:
                    connection.close()
            if not self._idle:
                self._any = trio.Event()

    def close(self) -> None:
        """Closes them all."""
        while self._idle:
            self._idle.pop().close()
