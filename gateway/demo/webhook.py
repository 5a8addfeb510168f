"""The webhook of the demo: a small HTTP server that takes posts with a right signature, and only those."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any, Final

import msgspec
import trio

_MAX_HEAD: Final = 16_384
_MAX_BODY: Final = 1_048_576
_OLDEST: Final = 300
"""Seconds of age at which a signed post may be a replay."""


class Receiver:
    """Serves HTTP/1.1 on a free port of this machine. ``secret`` is the key of the signatures."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.posts: list[dict[str, Any]] = []
        self.refused: list[str] = []
        """Why posts were refused."""
        self._changed = trio.Event()

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until cancelled; reports its port."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listener.socket.getsockname()[1])
        await trio.serve_listeners(self._converse, [listener])

    async def event(self, kind: str, **members: Any) -> dict[str, Any]:
        """The first event of this type with these members; waits for it."""
        wanted = members | {"type": kind}
        while True:
            for post in self.posts:
                if wanted.items() <= post.items():
                    return post
            await self._changed.wait()

    async def _converse(self, stream: trio.SocketStream) -> None:
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = await stream.receive_some()
                    if not data or len(buffer) > _MAX_HEAD:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                headers = _headers(head)
                size = int(headers.get("content-length", "0"))
                if size > _MAX_BODY:
                    return
                while len(buffer) < size:
                    data = await stream.receive_some()
                    if not data:
                        return
                    buffer += data
                body, buffer = buffer[:size], buffer[size:]
                status = self._take(headers, body)
                await stream.send_all(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        except (trio.BrokenResourceError, ValueError):
            return

    def _take(self, headers: dict[str, str], body: bytes) -> str:
        why = self._fault(headers, body)
        if why is not None:
            self.refused.append(why)
            status = "401 Unauthorized"
        else:
            self.posts.append(msgspec.json.decode(body))
            status = "204 No Content"
        self._changed.set()
        self._changed = trio.Event()
        return status

    def _fault(self, headers: dict[str, str], body: bytes) -> str | None:
        """What is wrong with a signature, computed here as the documentation of webhooks tells receivers to."""
        event_id, stamp = headers.get("smsgw-event-id", ""), headers.get("smsgw-timestamp", "")
        signed = f"{event_id}.{stamp}.".encode() + body
        expected = "v1=" + hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), headers.get("smsgw-signature", "").encode()):
            return "the signature is wrong"
        if abs(time.time() - int(stamp)) > _OLDEST:
            return "the signature is old"
        if msgspec.json.decode(body)["event_id"] != event_id:
            return "the event's id is another than the signed one"
        return None


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
