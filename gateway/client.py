"""A small blocking client of the daemon's local socket: JSON-RPC 2.0, one object a line.

    from gateway.client import Client

    with Client("/run/smsgw/smsgw.sock") as client:
        sent = client.call("submit", to="+15551230001", text="Hello 👋", ref="order-17")
        print(client.call("message", id=sent["id"])["state"])

Only the standard library and msgspec are needed. A client is for one thread: it has no lock, and a reply is
given to whoever reads at that moment. Use a client for each thread; connections are cheap.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

import msgspec

__all__ = ["Client", "ConnectError", "NoAnswerError", "Notification", "RpcError"]

OUTSTANDING: Final = 500
"""Requests of a pipeline that wait for an answer at the same time; the daemon stops reading at 5000."""

_RECEIVE: Final = 262_144
_ENCODER: Final = msgspec.json.Encoder()


class ConnectError(ConnectionError):
    """The daemon cannot be reached, or hung up. The text says what to do about it."""


class NoAnswerError(ConnectError, TimeoutError):
    """No answer within the time allowed.

    The request may have been carried out: send it again with the same ``ref``.
    """


class RpcError(Exception):
    """The daemon's answer is an error.

    ``code`` is of JSON-RPC (-32000: refused, do not retry; -32001: try later; -32602: a bad parameter),
    ``reason`` one of the documented reasons, ``field`` the parameter at fault, ``retry_after`` seconds,
    ``detail`` a sentence.
    """

    def __init__(
        self,
        code: int,
        message: str,
        reason: str | None = None,
        field: str | None = None,
        retry_after: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(code, message, reason, field, retry_after, detail)
        self.code = code
        self.message = message
        self.reason = reason
        self.field = field
        self.retry_after = retry_after
        self.detail = detail

    @property
    def try_later(self) -> bool:
        """Whether the same request can succeed later."""
        return self.code == -32001

    def __str__(self) -> str:
        text = self.message.partition("; `detail`")[0]  # that follows here
        if self.detail and self.detail != self.message:
            # Of a bad parameter the detail says all; of a refusal the message says what it means.
            text = self.detail if self.code == -32602 else f"{text}: {self.detail}"
        named = ", ".join(word for word in (self.reason, self.field) if word and word not in text)
        return f"{text} ({named})" if named else text


class Notification(msgspec.Struct, frozen=True):
    """What the daemon said unasked: ``inbound``, ``receipt``, ``replaced``, with its params."""

    method: str
    params: dict[str, Any]


class _Fault(msgspec.Struct):
    code: int
    message: str = ""
    data: Any = None

    def error(self) -> RpcError:
        data = self.data if isinstance(self.data, dict) else {}
        return RpcError(
            self.code,
            self.message,
            data.get("reason"),
            data.get("field"),
            data.get("retry_after"),
            data.get("detail"),
        )


class _Line(msgspec.Struct):
    id: int | str | None = None
    result: Any = None
    error: _Fault | None = None
    method: str | None = None
    params: dict[str, Any] = {}


_DECODER: Final = msgspec.json.Decoder(_Line)


class Client:
    """One connection to the daemon at the unix socket ``path``.

    ``timeout`` is the longest wait for an answer, in seconds. Raises ConnectError when nobody answers there.
    """

    def __init__(self, path: str | Path, timeout: float = 10) -> None:
        self.path = str(path)
        self.timeout = timeout
        self._tail = b""
        self._next_id = 0
        self._answers: dict[int | str, _Line] = {}
        self._wanted: set[int | str] = set()
        self._notifications: deque[Notification] = deque()
        self._broken: str | None = None
        self._socket = _connect(self.path, timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up. Durable subscriptions stay; their events wait for the next connection."""
        self._broken = self._broken or "this client is closed"
        self._socket.close()

    def fileno(self) -> int:
        """The socket, for select() and the like."""
        return self._socket.fileno()

    def call(self, method: str, /, **params: Any) -> Any:
        """One request; returns its result.

        An underscore at the end of a name is left out, so that ``from_`` and ``class_`` can be written.
        Raises RpcError, NoAnswerError, ConnectError.
        """
        (answer,) = self.pipeline([(method, {name.removesuffix("_"): params[name] for name in params})])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    def pipeline(self, requests: Iterable[tuple[str, dict[str, Any]]], *, outstanding: int = OUTSTANDING) -> list[Any]:
        """Many requests, at most ``outstanding`` of them unanswered; their results in the same order.

        A request that failed has its RpcError in the list instead of a result. ``timeout`` is for each wait
        in which nothing comes, not for the whole. Raises NoAnswerError and ConnectError.
        """
        if outstanding < 1:
            raise ValueError("outstanding is at least 1")
        order: list[int] = []
        source = iter(requests)
        output = bytearray()
        exhausted = False
        try:
            while True:
                while not exhausted and len(self._wanted) < outstanding:
                    request = next(source, None)
                    if request is None:
                        exhausted = True
                        break
                    self._next_id += 1
                    output += _request(self._next_id, *request)
                    self._wanted.add(self._next_id)
                    order.append(self._next_id)
                if not output and not self._wanted:
                    break
                self._turn(output, time.monotonic() + self.timeout)
            return [_outcome(self._answers.pop(number)) for number in order]
        finally:
            # What was given up is not waited for by a later call; a late answer to it is dropped.
            self._wanted.clear()
            self._answers.clear()

    def notify(self, method: str, /, **params: Any) -> None:
        """A request without an answer, such as ``notify("ack", up_to=event_id)``. Raises as `call`."""
        names = {name.removesuffix("_"): params[name] for name in params}
        output = bytearray(_request(None, method, names))
        while output:
            self._turn(output, time.monotonic() + self.timeout)

    def auth(self, app: str, token: str) -> None:
        """Says who we are, where the daemon tells apps apart by a token. Raises as `call`."""
        self.call("auth", app=app, token=token)

    def notifications(self, timeout: float | None = None) -> Iterator[Notification]:
        """What the daemon says unasked, as it comes; after ``subscribe``, its events.

        Ends when nothing came for ``timeout`` seconds; None waits for ever. `call` and `notify` may be used
        between two of them. Events are held here until they are read; ``max_unacked`` of the subscription
        bounds them. Raises ConnectError when the daemon hangs up.
        """
        while True:
            deadline = None if timeout is None else time.monotonic() + timeout
            while not self._notifications:
                try:
                    self._turn(bytearray(), deadline)
                except NoAnswerError:
                    return
            yield self._notifications.popleft()

    def _turn(self, output: bytearray, deadline: float | None) -> None:
        """Writes and reads what can be at once, waiting for one of both until ``deadline``."""
        if self._broken is not None:
            raise ConnectError(self._broken)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if output else 0))
        wait = None if deadline is None else max(deadline - time.monotonic(), 0) * 1000
        ready = poll.poll(wait)
        if not ready:
            raise NoAnswerError(
                f"no answer from the daemon at {self.path} within {self.timeout:g} s; is it stopped or overloaded?"
            )
        (_, events) = ready[0]
        # Reading comes first: the daemon may have said why it hangs up.
        if events & ~select.POLLOUT:
            self._receive()
        if events & select.POLLOUT and output:
            self._send(output)

    def _send(self, output: bytearray) -> None:
        try:
            sent = self._socket.send(output)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            # Nothing can be written any more, but an error that names the fault may still wait to be read.
            output.clear()
            return
        del output[:sent]

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._hang_up(f"the daemon at {self.path} closed the connection; see journalctl -u smsgw")
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._tail += tail
            return
        whole = self._tail + head
        self._tail = tail
        try:
            lines = [_DECODER.decode(line) for line in whole.split(b"\n") if line]
        except msgspec.DecodeError as error:
            self._hang_up(f"what answers at {self.path} is not an smsgw daemon: {error}")
        for line in lines:
            self._take(line)

    def _take(self, line: _Line) -> None:
        if line.method is not None:
            self._notifications.append(Notification(line.method, line.params))
        elif line.id in self._wanted:
            assert line.id is not None
            self._wanted.discard(line.id)
            self._answers[line.id] = line
        elif line.id is None and line.error is not None:
            raise line.error.error()  # the daemon could not read a line, so it cannot say which it was

    def _hang_up(self, why: str) -> NoReturn:
        self._broken = why
        self._socket.close()
        raise ConnectError(why)


def _request(number: int | None, method: str, params: dict[str, Any]) -> bytes:
    line: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        line["id"] = number
    return _ENCODER.encode(line) + b"\n"


def _outcome(line: _Line) -> Any:
    return line.result if line.error is None else line.error.error()


def _connect(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A listener whose queue is full makes connect() wait for the timeout.
        sock.settimeout(timeout)
        sock.connect(path)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ConnectError(_advice(path, error)) from None
    return sock


def _advice(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no socket at {path}: the daemon is not running (systemctl start smsgw) or listens elsewhere"
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens at {path}: the daemon is not running (systemctl start smsgw)"
    if isinstance(error, PermissionError):
        return f"no permission to use {path}: join the group that owns it (socket.mode, socket.group)"
    if isinstance(error, TimeoutError | BlockingIOError):
        return f"the daemon at {path} does not accept connections; is it stopped or overloaded?"
    what = error.strerror or str(error)
    return f"cannot connect to {path}: {what}"
