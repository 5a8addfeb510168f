"""A fake daemon: answers lines on a unix socket with what a test says, in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

Request = dict[str, Any]
Answer = Callable[[Request], list[Any]]


def result(request: Request, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": value}


def error(request: Request, code: int, message: str, **data: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message, "data": data}}


class FakeDaemon:
    """Each request goes to ``answer``, whose list is written: objects as lines, bytes raw, None hangs up."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path = path
        self.answer = answer
        self.requests: list[Request] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> FakeDaemon:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive(), "the test left a connection open"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(BrokenPipeError, ConnectionResetError):  # the command went away first
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        tail = b""
        while data := connection.recv(65536):
            *lines, tail = (tail + data).split(b"\n")
            for line in lines:
                request = msgspec.json.decode(line)
                self.requests.append(request)
                for item in self.answer(request):
                    if item is None:
                        return
                    connection.sendall(item if isinstance(item, bytes) else msgspec.json.encode(item) + b"\n")
