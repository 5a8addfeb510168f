"""The metrics over HTTP: GET /metrics and nothing else, small and bounded (h11 for the protocol)."""

from __future__ import annotations

from typing import Final

import h11
import trio
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

REQUEST_TIME: Final = 10.0
MAX_CONNECTIONS: Final = 16


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
            event = http.next_event()
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
            status, kind, body = 404, "text/plain; charset=utf-8", b"metrics are at /metrics\n"
        elif request.method not in (b"GET", b"HEAD"):
            status, kind, body = 405, "text/plain; charset=utf-8", b"GET only\n"
        else:
            status, kind, body = 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")]
        out = http.send(h11.Response(status_code=status, headers=headers)) or b""
        if request.method != b"HEAD":
            out += http.send(h11.Data(data=body)) or b""
        out += http.send(h11.EndOfMessage()) or b""
        await stream.send_all(out)
