"""The application of the demo: JSON-RPC 2.0 over the daemon's unix socket, with Trio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

_RECEIVE: Final = 65_536


class App:
    """One connection. ``run`` reads it; `call` and `event` may be used by other tasks meanwhile."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._count = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        """Params of the notifications so far, with the name of the notification as ``method``."""
        self._changed = trio.Event()
        self.over = trio.Event()
        """Set when the daemon has hung up."""

    @classmethod
    async def connect(cls, path: Path) -> App:
        """Raises OSError."""
        return cls(await trio.open_unix_socket(str(path)))

    async def run(self) -> None:
        """Takes what the daemon says, until it hangs up."""
        tail = b""
        try:
            while data := await self._stream.receive_some(_RECEIVE):
                *lines, tail = (tail + data).split(b"\n")
                for line in lines:
                    self._take(msgspec.json.decode(line))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self.over.set()
        self._news()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One request. Raises RuntimeError with the daemon's error, ConnectionError when it hung up."""
        self._count += 1
        number = self._count
        await self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        await self._until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def acknowledge(self, event: dict[str, Any]) -> None:
        """Says that an event need not come again."""
        params = {"event_ids": [event["event_id"]]}
        await self._write({"jsonrpc": "2.0", "method": "ack", "params": params})

    async def event(self, method: str, **members: Any) -> dict[str, Any]:
        """The first notification of this name with these members; waits for it."""

        def matching() -> list[dict[str, Any]]:
            wanted = members | {"method": method}
            return [event for event in self.events if wanted.items() <= event.items()]

        await self._until(lambda: bool(matching()))
        return matching()[0]

    async def _write(self, line: dict[str, Any]) -> None:
        await self._stream.send_all(msgspec.json.encode(line) + b"\n")

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self.over.is_set():
                raise ConnectionError("the daemon closed the connection")
            await self._changed.wait()

    def _take(self, line: dict[str, Any]) -> None:
        if "method" in line:
            self.events.append(line["params"] | {"method": line["method"]})
        else:
            self._answers[line["id"]] = line
        self._news()

    def _news(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
