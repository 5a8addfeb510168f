"""The metrics over HTTP: GET /metrics and nothing else, small and bounded (h11 for the protocol)."""

from __future__ import annotations

from typing import Final

import h11
import trio
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

REQUEST_TIME: Final = 10.0
MAX_CONNECTIONS: Final = 16
_TEXT: Final = "text/plain; charset=utf-8"


class MetricsPage:
    """Serves one registry. Collecting runs in Trio's thread, so that gauges see a consistent state."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._slots = trio.CapacityLimiter(MAX_CONNECTIONS)

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Answers until cancelled."""
        await trio.serve_listeners(self._one, listeners)

    async def _one(self, stream: trio.SocketStream) -> None:
        with trio.move_on_after(REQUEST_TIME):
            try:
                async with self._slots, stream:
                    await self._answer(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
                return

    async def _answer(self, stream: trio.SocketStream) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=16_384)
        request: h11.Request | None = None
        while True:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError as error:
                await stream.send_all(_response(http, None, error.error_status_hint, _TEXT, b"bad request\n"))
                return
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(16_384))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                return
        assert request is not None
        path = request.target.split(b"?")[0]
        if path != b"/metrics":
            out = _response(http, request, 404, _TEXT, b"metrics are at /metrics\n")
        elif request.method not in (b"GET", b"HEAD"):
            out = _response(http, request, 405, _TEXT, b"GET only\n", ("Allow", "GET, HEAD"))
        else:
            out = _response(http, request, 200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
        await stream.send_all(out)


def _response(
    http: h11.Connection, request: h11.Request | None, status: int, kind: str, body: bytes, *more: tuple[str, str]
) -> bytes:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close"), *more]
    out = http.send(h11.Response(status_code=status, headers=headers)) or b""
    if request is None or request.method != b"HEAD":
        out += http.send(h11.Data(data=body)) or b""
    return out + (http.send(h11.EndOfMessage()) or b"")
