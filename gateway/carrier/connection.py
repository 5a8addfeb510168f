"""Connections to a carrier: TCP, TLS over it, and why there is none, in words."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable

import trio

from gateway.settings import Carrier as CarrierSettings

Connector = Callable[[str, int, str | None], Awaitable[trio.abc.Stream]]
"""Opens a stream to (host, port) from a local address; TLS is put over it here."""


async def connect_tcp(host: str, port: int, local_address: str | None) -> trio.abc.Stream:
    """The connector of real life. Trio's SocketStream sets TCP_NODELAY."""
    stream = await trio.open_tcp_stream(host, port, local_address=local_address)
    keep_alive(stream)
    return stream


def keep_alive(stream: trio.SocketStream) -> None:
    """Has the system look whether the other end of a silent connection is there, which with `enquire_link = 0` nobody
    else does: two minutes until it is given up."""
    with contextlib.suppress(OSError):  # gone already, which its reader will find
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            option = getattr(socket, name, None)  # not on every system
            if option is not None:
                stream.setsockopt(socket.IPPROTO_TCP, option, value)


async def secured(stream: trio.abc.Stream, context: ssl.SSLContext, name: str) -> trio.abc.Stream:
    """TLS over a stream, once the other end has shown that it is `name`; the stream is closed when it has not."""
    over = trio.SSLStream(stream, context, server_hostname=name, https_compatible=True)
    try:
        await over.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return over


class TlsContext:
    """The TLS settings of a carrier as a context, made anew when a file has changed, as renewed certificates do."""

    def __init__(self, settings: CarrierSettings) -> None:
        self._settings = settings
        self._context: ssl.SSLContext | None = None
        self._of: tuple[int, ...] = ()

    def get(self) -> ssl.SSLContext | None:
        """None without TLS. Raises OSError or ssl.SSLError on bad files."""
        settings = self._settings
        if not settings.tls:
            return None
        files = [file for file in (settings.tls_ca, settings.tls_cert, settings.tls_key) if file is not None]
        version = tuple(file.stat().st_mtime_ns for file in files)
        if self._context is None or version != self._of:
            context = ssl.create_default_context(cafile=str(settings.tls_ca) if settings.tls_ca else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if not settings.tls_verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if settings.tls_cert:
                context.load_cert_chain(str(settings.tls_cert), str(settings.tls_key) if settings.tls_key else None)
            self._context, self._of = context, version
        return self._context


def plain(error: BaseException) -> str:
    """An error of a connection in a few words: the first cause that says something."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BaseExceptionGroup) and seen.exceptions:
            seen = seen.exceptions[0]
            continue
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"TLS: certificate refused: {seen.verify_message}"
        if isinstance(seen, ssl.SSLError):
            return f"TLS: {seen.reason or seen}"
        if isinstance(seen, OSError) and seen.errno is not None:
            # Trio's text has the address as a tuple in it. What is no errno, as of names that are not found, says all.
            return os.strerror(seen.errno) if seen.errno in errno.errorcode else seen.strerror or str(seen)
        seen = seen.__cause__
    return str(error) or type(error).__name__
