"""A connection to a receiver, in octets: a socket, with TLS or without.

The socket is asked directly, not through a stream: what is sent nearly always fits into the kernel's buffer at once,
and an answer is waited for once. TLS runs in memory between the two, so that it can be seen whether anything lies
there that nobody asked for.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final, Protocol

import trio

OCTETS: Final = 1 << 16
"""Octets that are taken from a socket at once."""


class NotConnectedError(Exception):
    """There is no connection; nothing of a request was sent. Its text is fit for logs."""


class Wire(Protocol):
    """What requests and answers go over. Each method that is not said to wait returns at once."""

    def put(self, data: bytes) -> bool:
        """Sends; returns whether all of it is gone. If not, `flush` waits for the rest. Raises OSError."""

    async def flush(self) -> None:
        """Waits until all is sent. Raises OSError."""

    async def receive(self) -> bytes:
        """Waits for octets; none: the other end has ended it. Raises OSError (of which an error of TLS is one)."""

    def quiet(self) -> bool:
        """Whether nothing came that was not received, nor an end."""

    def close(self) -> None:
        """Ends it, whatever is under way."""


class Connect(Protocol):
    """Makes a connection to a numeric address. ``seconds``: for the connection, and again for TLS on it.

    Raises NotConnectedError.
    """

    async def __call__(self, address: str, seconds: float) -> Wire:
        """As above."""


class Dialer:
    """Connects to a port; with a ``context`` by TLS, where the certificate has to be that of ``host``."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._context = context

    async def __call__(self, address: str, seconds: float) -> SocketWire:
        """As `Connect`."""
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            raise NotConnectedError(_why(error)) from None  # such as no IPv6 here: the next address may do
        try:
            sock.setblocking(False)
            with trio.fail_after(seconds):
                await _connect(sock, address, self._port)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return SocketWire(sock)
            wire = SocketWire(sock, Tls(self._context, self._host))
            with trio.fail_after(seconds):
                await wire.handshake()
        except BaseException as error:
            sock.close()
            if isinstance(error, (trio.TooSlowError, OSError)):
                raise NotConnectedError(_why(error)) from None
            raise
        return wire


async def _connect(sock: socket.socket, address: str, port: int) -> None:
    try:
        sock.connect((address, port))
    except BlockingIOError:  # EINPROGRESS
        await trio.lowlevel.wait_writable(sock)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number)) from None


def _why(error: BaseException) -> str:
    if isinstance(error, trio.TooSlowError):
        return "connecting took too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    number = error.errno if isinstance(error, OSError) else None
    return f"cannot connect: {os.strerror(number)}" if number else "cannot connect"


class Tls:
    """The client's side of TLS in memory: octets of the wire in and out, and what is inside of them."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=host)

    def shake(self) -> bool:
        """Goes on with the handshake; returns whether it is through. Raises ssl.SSLError."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def seal(self, data: bytes) -> bytes:
        """What goes onto the wire for ``data``, and whatever else TLS has to say."""
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        return self._out.read()

    def feed(self, data: bytes) -> None:
        """Octets from the wire; none: it has ended."""
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def open(self) -> bytes | None:
        """What came inside; None: nothing yet; empty: it has ended. Raises ssl.SSLError."""
        try:
            return self._object.read(OCTETS)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    @property
    def empty(self) -> bool:
        """Whether nothing lies here that was not taken out."""
        return not self._in.pending and not self._object.pending()


class SocketWire:
    """`Wire` over a connected socket that does not block."""

    __slots__ = ("_rest", "_socket", "_tls")

    def __init__(self, sock: socket.socket, tls: Tls | None = None) -> None:
        self._socket = sock
        self._tls = tls
        self._rest = b""

    async def handshake(self) -> None:
        """Agrees on TLS. Raises OSError, of which ssl.SSLError is one."""
        tls = self._tls
        assert tls is not None
        while True:
            through = tls.shake()
            if not self.put(b""):
                await self.flush()
            if through:
                return
            tls.feed(await self._receive())

    def put(self, data: bytes) -> bool:
        """As `Wire`."""
        self._rest += data if self._tls is None else self._tls.seal(data)
        return self._push()

    async def flush(self) -> None:
        """As `Wire`."""
        while not self._push():
            await trio.lowlevel.wait_writable(self._socket)

    def _push(self) -> bool:
        if self._rest:
            try:
                self._rest = self._rest[self._socket.send(self._rest) :]
            except BlockingIOError:
                pass
        return not self._rest

    async def receive(self) -> bytes:
        """As `Wire`."""
        tls = self._tls
        if tls is None:
            return await self._receive()
        while (data := tls.open()) is None:
            self.put(b"")  # TLS may have had to answer
            tls.feed(await self._receive())
        return data

    async def _receive(self) -> bytes:
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(OCTETS)
            except BlockingIOError:
                continue

    def quiet(self) -> bool:
        """As `Wire`."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return self._tls is None or self._tls.empty
        except OSError:
            pass
        return False

    def close(self) -> None:
        """As `Wire`."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
