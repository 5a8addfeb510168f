"""HTTP/1.1 from the client's side: a request and its answer on a connection, and the few connections that are kept.

h11 reads the answers (RFC 9112). Requests are made by who asks, of parts that do not change; h11 is told of one
without a body in place of each, for all that it needs to know of a request is that it is a POST.
"""

from __future__ import annotations

from typing import Final

import h11
import trio

from gateway.handlers.wire import Wire

HEAD_OCTETS: Final = 32 << 10
"""Octets of an answer's head at most."""
INTERIM: Final = 8
"""Answers 1xx in front of the one that counts at most."""
ANSWER_OCTETS: Final = 64 << 10
"""Octets of an answer's body that are read, so that the connection can serve the next post."""
ANSWER_WAIT: Final = 1.0
"""Seconds for the body of an answer whose status is known; after it the connection is closed instead."""
KEEP_ALIVE: Final = 15.0
"""Seconds for which a connection without posts is kept."""
LOOK_UP_AFTER: Final = 30.0
"""Seconds of a connection's life after which it is not used again, so that a name that moves is followed."""
SWEEP: Final = 5.0
"""Seconds between two looks at the connections that lie idle."""

_ASKED: Final = h11.Request(method="POST", target="/", headers=[("Host", "-"), ("Content-Length", "0")])
_ALL: Final = h11.EndOfMessage()


class Connection:
    """Serves one exchange at a time. ``heard``: whether any octet of an answer to the last request came.

    ``served``: requests that it had an answer to.
    """

    __slots__ = ("_done", "_http", "_idle_since", "_made", "_sent", "_wire", "heard", "served")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_OCTETS)
        self._sent = self._done = False
        self.heard = False
        self.served = 0
        self._made = self._idle_since = trio.current_time()

    async def ask(self, request: bytes) -> h11.Response:
        """Sends a request; returns the head of its answer, after which `finish` is to be called.

        Raises OSError and h11.RemoteProtocolError; then, and when it is cancelled, the connection is closed.
        """
        http = self._http
        if self.served:
            http.start_next_cycle()
        http.send(_ASKED)
        http.send(_ALL)
        self.heard = self._done = False
        try:
            broken: OSError | None = None
            try:
                self._sent = self._wire.put(request)
            except OSError as error:
                # It may have been answered before it was read whole, and the connection ended then (RFC 9112 §9.5).
                self._sent, broken = False, error
            try:
                response = await (self._head() if self._sent or broken else self._head_meanwhile())
            except (OSError, h11.RemoteProtocolError):
                if broken is not None and not self.heard:
                    raise broken from None
                raise
        except BaseException:
            self.close()
            raise
        self.served += 1
        return response

    async def _head_meanwhile(self) -> h11.Response:
        """The head of an answer, which may come while the request is still being sent."""
        found: list[h11.Response | OSError | h11.RemoteProtocolError] = []

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
        if isinstance(found[0], h11.Response):
            return found[0]
        raise found[0]

    async def _head(self) -> h11.Response:
        interim = 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._more()
            elif isinstance(event, h11.Response):
                return event
            else:
                interim += 1
                if interim > INTERIM or not isinstance(event, h11.InformationalResponse):
                    raise h11.RemoteProtocolError("no end of answers 1xx")

    async def _more(self) -> None:
        data = await self._wire.receive()
        self.heard = self.heard or bool(data)
        self._http.receive_data(data)

    async def finish(self) -> bool:
        """Reads the rest of an answer within its bounds; returns whether the connection can serve another request.

        If not, it is closed. Never raises for what the other end does.
        """
        http = self._http
        try:
            left = self._body(ANSWER_OCTETS + 1)
            if left > 0 and not self._done:
                with trio.move_on_after(ANSWER_WAIT):
                    while left > 0 and not self._done:
                        await self._more()
                        left = self._body(left)
            # What came behind an answer would be taken for the answer to the next request.
            over = http.our_state is http.their_state is h11.DONE and http.trailing_data == (b"", False)
            if over and self._sent:
                self._idle_since = trio.current_time()
                return True
        except (OSError, h11.RemoteProtocolError):
            pass
        except BaseException:
            self.close()
            raise
        self.close()
        return False

    def _body(self, left: int) -> int:
        """Takes what is there of a body; returns how many octets of it may still come."""
        while left > 0:
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                left -= len(event.data)
                continue
            self._done = event is not h11.NEED_DATA
            break
        return left

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
