"""An application at the local socket, for tests: requests, replies by id, notifications in their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio


class RpcError(Exception):
    """The daemon's error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(json.dumps(error))
        self.code: int = error["code"]
        self.data: dict[str, Any] = error.get("data") or {}
        self.reason: str | None = self.data.get("reason")
        self.field: str | None = self.data.get("field")


class AppClient:
    """One connection. ``lines`` is all that came, ``events`` the notifications."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.lines: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.ended = False
        self._replies: dict[Any, dict[str, Any]] = {}
        self._count = 0
        self._changed = trio.Event()

    @classmethod
    async def connect(cls, nursery: trio.Nursery, path: Path) -> AppClient:
        client = cls(await trio.open_unix_socket(str(path)))
        nursery.start_soon(client.read)
        return client

    async def read(self) -> None:
        """Reads until the end; a task."""
        try:
            await self._read()
        finally:
            self.stream.socket.close()

    async def _read(self) -> None:
        rest = b""
        while not self.ended:
            try:
                data = await self.stream.receive_some(262_144)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))
            self.ended = not data
            self._changed.set()
            self._changed = trio.Event()

    def _take(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        if "method" in line:
            self.events.append(line)
        else:
            self._replies[line["id"]] = line

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a condition on what came."""
        while not condition():
            assert not self.ended, "the daemon closed the connection"
            await self._changed.wait()

    async def end(self) -> None:
        """Waits for the daemon to close."""
        while not self.ended:
            await self._changed.wait()

    async def write(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def close(self) -> None:
        """Hangs up."""
        self.ended = True
        await self.stream.aclose()

    def request(self, method: str, params: dict[str, Any]) -> tuple[int, bytes]:
        """A request as a line, and its id."""
        self._count += 1
        line = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": params}
        return self._count, json.dumps(line).encode() + b"\n"

    async def reply(self, id: Any) -> dict[str, Any]:
        """The line that answers a request; it may be the last before the end."""
        while id not in self._replies:
            assert not self.ended, "the daemon closed the connection"
            await self._changed.wait()
        return self._replies.pop(id)

    async def call(self, method: str, /, **params: Any) -> Any:
        """One request; its result. Raises RpcError."""
        (outcome,) = await self.calls([(method, {name.removesuffix("_"): v for name, v in params.items()})])
        if isinstance(outcome, RpcError):
            raise outcome
        return outcome

    async def calls(self, requests: list[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Requests in one write; their results or RpcErrors in the same order."""
        made = [self.request(method, params) for method, params in requests]
        await self.write(b"".join(line for _, line in made))
        outcomes: list[Any] = []
        for id, _ in made:
            line = await self.reply(id)
            outcomes.append(line["result"] if "result" in line else RpcError(line["error"]))
        return outcomes

    async def refused(self, method: str, /, **params: Any) -> RpcError:
        """One request that has to fail; its error."""
        try:
            result = await self.call(method, **params)
        except RpcError as error:
            return error
        raise AssertionError(f"not refused: {result}")

    async def submit(self, text: str, to: str = "+12125550101", **params: Any) -> str:
        """Submits a message; its id."""
        return str((await self.call("submit", to=to, text=text, **params))["id"])

    async def submits(self, messages: list[dict[str, Any]]) -> list[str]:
        """Submits many in one write; all have to be accepted. Their ids."""
        outcomes = await self.calls([("submit", m) for m in messages])
        failed = [o for o in outcomes if isinstance(o, RpcError)]
        assert not failed, failed[0]
        return [o["id"] for o in outcomes]

    async def message(self, id: str) -> dict[str, Any]:
        result: dict[str, Any] = await self.call("message", id=id)
        return result

    async def state(self, id: str) -> str:
        return str((await self.message(id))["state"])

    async def until_state(self, id: str, state: str) -> dict[str, Any]:
        """Looks at a message until it is in this state; the message."""
        for _ in range(4000):
            message = await self.message(id)
            if message["state"] == state:
                return message
            await trio.sleep(0.05)
        raise AssertionError(f"the message is {message['state']}, not {state}")

    async def notified(self, count: int, method: str | None = None) -> list[dict[str, Any]]:
        """The params of the notifications, once there are so many."""
        await self.until(lambda: len(self.of(method)) >= count)
        return self.of(method)

    def of(self, method: str | None = None) -> list[dict[str, Any]]:
        """The params of the notifications of a method that came so far."""
        return [e["params"] for e in self.events if method is None or e["method"] == method]
