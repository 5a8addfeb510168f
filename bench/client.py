"""One connection to the daemon's socket (JSON-RPC 2.0, an object a line), cheap for the one who calls."""

from __future__ import annotations

import json
import select
import socket
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec


class Result(msgspec.Struct, gc=False):
    """What the generator reads of a result; other members are skipped."""

    id: str = ""
    segments: int = 0
    backlog: int = 0


class Fault(msgspec.Struct, gc=False):
    """An error object of a reply."""

    code: int
    message: str = ""
    data: dict[str, Any] | None = None

    @property
    def reason(self) -> str:
        """`data.reason`, else the code."""
        return str((self.data or {}).get("reason", self.code))


class Event(msgspec.Struct, gc=False):
    """Params of a `receipt` or `inbound` notification."""

    event_id: int | str = 0
    redelivered: bool = False
    id: str = ""
    state: str = ""
    number: str = ""
    peer: str = ""
    text: str | None = None
    complete: bool = True
    name: str = ""


class Incoming(msgspec.Struct, gc=False):
    """A line from the daemon: a reply (id and result or error) or a notification (method and params)."""

    id: int | None = None
    result: Result | None = None
    error: Fault | None = None
    method: str = ""
    params: Event | None = None


_DECODER = msgspec.json.Decoder(Incoming)


class Disconnected(ConnectionError):
    """The daemon closed the connection, or was killed."""


class Connection:
    """A non-blocking connection with output gathered for one write. Raises OSError when it cannot connect."""

    def __init__(self, path: str | Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(str(path))
        except OSError:
            self.sock.close()
            raise
        self.sock.setblocking(False)
        self.out = bytearray()
        self._tail = b""
        self._unread: deque[Incoming] = deque()

    def fileno(self) -> int:
        return self.sock.fileno()

    def queue(self, data: bytes) -> None:
        """Add lines to the output; flush() writes them."""
        self.out += data

    def flush(self) -> None:
        """Write as much of the output as the kernel takes. Raises Disconnected."""
        if self.out:
            try:
                del self.out[: self.sock.send(self.out)]
            except BlockingIOError:
                return
            except OSError as error:
                raise Disconnected(str(error)) from error

    def receive(self) -> list[Incoming]:
        """The whole lines that have come, decoded. Raises Disconnected, msgspec.DecodeError."""
        lines = list(self._unread)
        self._unread.clear()
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return lines
        except OSError as error:
            raise Disconnected(str(error)) from error
        if not data:
            raise Disconnected("the daemon closed the connection")
        end = data.rfind(b"\n") + 1
        if not end:
            self._tail += data
            return lines
        whole = self._tail + data[:end] if self._tail else data[:end]
        self._tail = data[end:]
        return lines + _DECODER.decode_lines(whole)

    def call(self, method: str, timeout: float = 10.0, **params: Any) -> Result:
        """One request and its reply; notifications that come before it are kept for receive().

        Raises RuntimeError when the daemon answers with an error, TimeoutError, Disconnected.
        """
        self.queue(request(-1, method, params))
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.flush()
            select.select([self], [self] if self.out else [], [], max(end - time.monotonic(), 0))
            answer = None
            for incoming in self.receive():
                if incoming.id == -1:
                    answer = incoming
                else:
                    self._unread.append(incoming)
            if answer is not None and answer.error is not None:
                raise RuntimeError(f"{method}: {answer.error.reason} ({answer.error.message})")
            if answer is not None:
                return answer.result or Result()
        raise TimeoutError(f"no answer to {method} in {timeout} s")

    def close(self) -> None:
        with suppress(OSError):
            self.sock.close()


def request(number: int | None, method: str, params: dict[str, Any]) -> bytes:
    """A request line; a notification when number is None."""
    head = {"jsonrpc": "2.0"} if number is None else {"jsonrpc": "2.0", "id": number}
    return json.dumps(head | {"method": method, "params": params}, ensure_ascii=False).encode() + b"\n"


def acknowledge(event_id: int | str) -> bytes:
    """The notification that acknowledges all events of the subscription up to this one."""
    return b'{"jsonrpc":"2.0","method":"ack","params":{"up_to":%b}}\n' % json.dumps(event_id).encode()
