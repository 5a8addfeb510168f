"""One connection to the local socket: JSON lines, pipelined.

It reads what there is, hands all submits on as one burst, and goes on reading; replies leave together after the
commit. Nothing is spawned for a message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from gateway.doors import rpc
from gateway.doors.burst import AckLine, AckParams, SubmitLine, read_burst
from gateway.doors.rpc import Request, RpcFault
from gateway.doors.subscriptions import Subscription
from gateway.log import logger
from gateway.outbound.intake import Outcome
from gateway.outbound.request import Accepted, App, Refusal, Submit
from gateway.outbox import Feed
from gateway.store.company import MostOpen

if TYPE_CHECKING:
    from gateway.doors.socket import SocketServer

_log = logger(component="socket")

RECEIVE: Final = 262_144
BURST: Final = 1000
"""Requests that are handled before other tasks get their turn."""
SLOW_METHODS: Final = 100
"""Requests other than submit and ack that a connection may have waiting."""
AUTH_DELAY: Final = 1.0
FAREWELL: Final = 2.0


class AuthParams(msgspec.Struct, forbid_unknown_fields=True):
    """``auth``."""

    app: str
    token: str


class Connection:
    """One application's connection."""

    def __init__(self, server: SocketServer, stream: trio.SocketStream, app: App | None, peer: str) -> None:
        self.server = server
        self.stream = stream
        self._app = app
        self.peer = peer
        self.subscriptions: dict[int, Subscription] = {}
        self._out: list[bytes] = []
        self._out_octets = 0
        self._unanswered = 0
        self._most_unanswered = MostOpen()
        self._wake = trio.Event()
        self._room = trio.Event()
        self._ended = False
        self._slow_send, self._slow_receive = trio.open_memory_channel[Request](SLOW_METHODS)
        self._nursery: trio.Nursery | None = None
        self._limits = server.limits

    @property
    def app(self) -> App:
        """Whose connection it is; known once it is authenticated."""
        assert self._app is not None
        return self._app

    # --- output -------------------------------------------------------------------------------------------------------

    def send(self, line: bytes) -> None:
        """Adds a line to the output."""
        if self._ended:
            return
        self._out.append(line)
        self._out_octets += len(line)
        if not self._wake.is_set():
            self._wake.set()

    def tell(self, method: str, params: object) -> None:
        """Adds a notification to the output."""
        self.send(rpc.notification(method, msgspec.json.encode(params)))

    @property
    def _crowded(self) -> bool:
        return self._unanswered >= self._limits.max_unanswered or self._out_octets >= self._limits.max_output

    async def output_room(self) -> None:
        """Waits while the application does not read what it is sent."""
        while self._out_octets >= self._limits.max_output // 2:
            await self._more_room()

    async def _write(self) -> None:
        while True:
            if not self._out:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            data = b"".join(self._out)
            self._out.clear()
            self.server.turns.writes += 1
            await self.stream.send_all(data)
            self._out_octets -= len(data)
            self._make_room()

    async def _more_room(self) -> None:
        """Waits for something to be answered or written; several may wait for the same moment."""
        if self._room.is_set():
            self._room = trio.Event()
        await self._room.wait()

    async def drained(self) -> None:
        """Waits until every request that was read has its reply, and the replies are written."""
        while self._unanswered or self._out_octets:
            await self._more_room()

    def _make_room(self) -> None:
        if not self._room.is_set():
            self._room.set()

    # --- input --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves the connection until either end closes it."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._slowly)
                nursery.start_soon(self._write_until_closed)
                await self._read()
                # Replies to what was read are still given, as long as the application listens.
                with trio.move_on_after(FAREWELL):
                    await self.drained()
                nursery.cancel_scope.cancel()
        finally:
            self._ended = True
            for subscription in self.subscriptions.values():
                self.server.subscriptions.gone(subscription)
            await trio.aclose_forcefully(self.stream)

    async def _write_until_closed(self) -> None:
        try:
            await self._write()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            assert self._nursery is not None
            self._nursery.cancel_scope.cancel()

    async def _read(self) -> None:
        buffer = bytearray()
        max_line = self._limits.max_line
        while True:
            if self._crowded:
                self.server.reading_stopped["connection"] += 1
                while self._crowded:
                    await self._more_room()
            if self.server.methods.store.writer.full:
                self.server.reading_stopped["store"] += 1
                await self.server.methods.store.writer.room()
            try:
                data = await self.stream.receive_some(RECEIVE)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
            self.server.turns.reads += 1
            start = len(buffer)
            buffer += data
            end = buffer.rfind(b"\n", start)
            if end < 0:
                if len(buffer) > max_line:
                    self._too_long()
                    return
                continue
            octets = bytes(memoryview(buffer)[:end])
            del buffer[: end + 1]
            if len(buffer) > max_line:
                self._too_long()
                return
            burst = read_burst(octets) if self._app is not None and len(octets) <= max_line else None
            if burst is not None:
                for i in range(0, len(burst), BURST):
                    if i:
                        await trio.lowlevel.checkpoint()
                    self._handle_burst(burst[i : i + BURST])
                continue
            lines = octets.split(b"\n")
            for i in range(0, len(lines), BURST):
                if i:
                    await trio.lowlevel.checkpoint()
                if not await self._handle(lines[i : i + BURST], max_line):
                    return

    def _too_long(self) -> None:
        limit = self._limits.max_line
        self.send(rpc.fault(None, RpcFault(rpc.PARSE_ERROR, f"a line has at most {limit} octets", fatal=True)))

    def _handle_burst(self, burst: list[SubmitLine | AckLine]) -> None:
        """Handles requests that were read in one go."""
        submits: list[Submit] = []
        ids: list[rpc.Id] = []
        for line in burst:
            if isinstance(line, SubmitLine):
                submits.append(line.params)
                ids.append(line.id)
                continue
            try:
                self._ack(line.params, line.id)
            except Refusal as error:
                if line.id is not None:
                    self.send(rpc.refusal(line.id, error))
        self._submit(submits, ids)

    async def _handle(self, lines: list[bytes], max_line: int) -> bool:
        """Handles lines one by one; returns False when the connection is to end."""
        submits: list[Submit] = []
        ids: list[rpc.Id] = []
        for line in lines:
            if not line.strip():
                continue
            if len(line) > max_line:
                self._submit(submits, ids)
                self._too_long()
                return False
            request: Request | None = None
            try:
                request = rpc.read_request(line)
                method = request.method
                if method == "submit" and self._app is not None:
                    submits.append(rpc.read_params(request.params, Submit))
                    ids.append(request.id)
                elif method == "ack" and self._app is not None:
                    self._ack(rpc.read_params(request.params, AckParams), request.id)
                elif self._app is None or method == "auth":
                    self._submit(submits, ids)
                    submits, ids = [], []
                    await self._authenticate(request)
                else:
                    # What an app submitted before it asks is there when it is answered.
                    self._submit(submits, ids)
                    submits, ids = [], []
                    await self._pass_on(request)
            except RpcFault as error:
                self._submit(submits, ids)
                submits, ids = [], []
                if request is None:
                    self.send(rpc.fault(error.id, error))
                elif request.id is not None:
                    self.send(rpc.fault(request.id, error))
                if error.fatal:
                    return False
            except Refusal as error:
                if request is not None and request.id is not None:
                    self.send(rpc.refusal(request.id, error))
        self._submit(submits, ids)
        return True

    def _submit(self, submits: list[Submit], ids: list[rpc.Id]) -> None:
        if not submits:
            return
        self._unanswered += len(submits)

        def done(outcomes: list[Outcome]) -> None:
            self._unanswered -= len(outcomes)
            replies = [
                rpc.Result(id, outcome) if isinstance(outcome, Accepted) else rpc.refused(id, outcome)
                for id, outcome in zip(ids, outcomes, strict=True)
                if id is not None
            ]
            if replies:
                self.send(rpc.lines(replies))
            self._make_room()

        shared = not self._most_unanswered.reached(self._unanswered, trio.current_time())
        self.server.methods.outbound.intake.submit(self.app, submits, done, shared=shared)

    def _ack(self, params: AckParams, id: rpc.Id) -> None:
        if (params.event_ids is None) == (params.up_to is None):
            raise Refusal("invalid_params", "event_ids or up_to", field="event_ids")
        if params.up_to is not None:
            feed, seq = self._event(params.up_to, "up_to")
            feed.finish_up_to(seq)
            self.subscriptions[feed.info.id].acked()
        else:
            by_feed: dict[int, list[int]] = {}
            for event_id in params.event_ids or ():
                feed, seq = self._event(event_id, "event_ids")
                by_feed.setdefault(feed.info.id, []).append(seq)
            for stream, seqs in by_feed.items():
                subscription = self.subscriptions[stream]
                subscription.feed.finish(seq for seq in seqs if seq <= subscription.feed.position)
                subscription.acked()
        if id is not None:
            self._unanswered += 1
            self.server.methods.outbox.when_stored(partial(self._acked, id))

    def _acked(self, id: rpc.Id, error: Exception | None) -> None:
        self._unanswered -= 1
        if error is None:
            self.send(rpc.result(id, {}))
        else:
            self.send(rpc.refusal(id, Refusal("store_unavailable", retry_after=1)))
        self._make_room()

    def _event(self, event_id: str, field: str) -> tuple[Feed, int]:
        stream, _, seq = event_id.partition("-")
        subscription = self.subscriptions.get(int(stream)) if stream.isdecimal() and len(stream) < 19 else None
        if subscription is None or not seq.isdecimal() or len(seq) > 18:
            raise Refusal("not_found", "no event of a subscription of this connection", field=field)
        return subscription.feed, int(seq)

    async def _authenticate(self, request: Request) -> None:
        if request.method != "auth":
            raise Refusal("not_authenticated")
        params = rpc.read_params(request.params, AuthParams)
        app = self.server.by_token(params.app, params.token)
        if app is None:
            # Slow for who guesses, and the same for a wrong name and a wrong token.
            await trio.sleep(AUTH_DELAY)
            _log.warning("auth_failed", peer=self.peer)
            raise Refusal("auth_failed")
        self._app = app
        if request.id is not None:
            self.send(rpc.result(request.id, {"app": app.name}))

    # --- the other methods --------------------------------------------------------------------------------------------

    async def _pass_on(self, request: Request) -> None:
        if request.method not in self.server.methods.table:
            near = rpc.nearest(request.method, [*self.server.methods.table, "submit", "ack", "auth"])
            raise RpcFault(rpc.METHOD_NOT_FOUND, f"no method {rpc.short(request.method)}{near}", field="method")
        self._unanswered += 1
        await self._slow_send.send(request)

    async def _slowly(self) -> None:
        table = self.server.methods.table
        async for request in self._slow_receive:
            kind, method = table[request.method]
            line: bytes | None = None
            try:
                value = await method(self, rpc.read_params(request.params, kind))
                line = rpc.result(request.id, value) if request.id is not None else None
            except RpcFault as error:
                line = rpc.fault(request.id, error)
            except Refusal as error:
                line = rpc.refusal(request.id, error)
            except Exception as error:
                _log.error("method_failed", method=request.method, error=repr(error), exc_info=True)
                line = rpc.refusal(request.id, Refusal("store_unavailable", retry_after=1))
            self._unanswered -= 1
            if line is not None and request.id is not None:
                self.send(line)
            self._make_room()

    def subscribed(self, feed: Feed, max_unacked: int) -> None:
        """Starts to pump a feed to this connection; its reply leaves first."""
        subscription = Subscription(self, feed, max_unacked)
        self.server.subscriptions.take_over(subscription)
        self.subscriptions[feed.info.id] = subscription
        self.pump(subscription.run)

    def pump(self, run: Callable[[], Awaitable[None]]) -> None:
        """Starts a task that sends to this connection, and ends with it."""
        assert self._nursery is not None
        self._nursery.start_soon(run)
