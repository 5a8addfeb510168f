"""One post of an event to a webhook: signed, to a checked address, within its time, with a bounded answer."""

from __future__ import annotations

import hmac
import os
import re
import socket
import ssl
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.parse import urlsplit

import h11
import trio

from gateway.handlers.addresses import AddressRefusedError, Resolver, SystemResolver, allowed_addresses
from gateway.handlers.exchange import Answer, Connection, Kept
from gateway.handlers.outcome import Outcome
from gateway.handlers.trust import trusted
from gateway.handlers.wire import Connect, Dialer, NotConnectedError
from gateway.model import Clock
from gateway.settings import Handler

ADDRESSES: Final = 3
"""Addresses of a host that are tried in one post, in turn, while none can be connected to."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_DOWN: Final = frozenset({429, 502, 503, 504})
_SAYS_WHEN: Final = frozenset({429, 503})
_LATER: Final = frozenset({408, 425, 429})
"""Of the 4xx those that say no more than: not now (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""
_GONE: Final = 410
_NOT_IN_A_TARGET: Final = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})")
"""What RFC 3986 §2 has encoded."""


def sign(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``Smsgw-Signature``: HMAC-SHA256 (RFC 2104) over id, ``.``, Unix seconds, ``.`` and the body."""
    return "v1=" + hmac.digest(secret, f"{event_id}.{timestamp}.".encode() + body, "sha256").hex()


class Poster:
    """Posts to the webhook of one handler. Connections are kept, and nothing else: no cookies, redirects or proxies.

    ``resolver`` and ``connect`` are for tests.
    """

    def __init__(
        self,
        handler: Handler,
        clock: Clock,
        *,
        resolver: Resolver | None = None,
        connect: Connect | None = None,
    ) -> None:
        assert handler.webhook is not None
        assert handler.secret is not None  # the settings see to both
        parts = urlsplit(handler.webhook)
        self._clock = clock
        self._timeout = handler.timeout
        self._allow_private = handler.allow_private
        self._secret = handler.secret.reveal().encode()
        self._host = handler.host.rstrip(".")
        self._port = parts.port or _DEFAULT_PORTS[parts.scheme]
        name = f"[{self._host}]" if ":" in self._host else self._host
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {_NOT_IN_A_TARGET.sub(_encoded, target)} HTTP/1.1\r\n"
            f"Host: {name if self._port == _DEFAULT_PORTS[parts.scheme] else f'{name}:{self._port}'}\r\n"
            f"User-Agent: {_user_agent()}\r\n"
            "Accept: */*\r\n"
            "Content-Type: application/json\r\n"
        )
        self._resolver = resolver or SystemResolver()
        self._connect = connect or Dialer(self._host, self._port, _context() if parts.scheme == "https" else None)
        self._kept = Kept(handler.concurrency)

    async def tend(self) -> None:
        """Closes connections that lie idle, until it is cancelled."""
        await self._kept.tend()

    def close(self) -> None:
        """Closes what connections lie idle."""
        self._kept.close()

    async def post(self, event_id: str, attempt: int, body: bytes) -> Outcome:
        """Posts an event, for the ``attempt``-th time. Never raises for what the receiver or the network does."""
        outcome = Outcome(None, f"no answer within {self._timeout:g} s", down=True)
        with trio.move_on_after(self._timeout):
            try:
                connection, answer = await self._ask(self._request(event_id, attempt, body))
            except (AddressRefusedError, NotConnectedError) as error:
                return Outcome(None, str(error), down=True)
            except (h11.RemoteProtocolError, OSError) as error:
                return Outcome(None, _explain(error), down=True)
            # From here on the answer is known, whatever becomes of its body.
            outcome = self._judge(answer)
            if await connection.finish():
                self._kept.put(connection)
        return outcome

    def _request(self, event_id: str, attempt: int, body: bytes) -> bytes:
        timestamp = self._clock.now_ms() // 1000
        head = (
            f"{self._head}"
            f"Content-Length: {len(body)}\r\n"
            f"Smsgw-Event-Id: {event_id}\r\n"
            f"Smsgw-Attempt: {attempt}\r\n"
            f"Smsgw-Timestamp: {timestamp}\r\n"
            f"Smsgw-Signature: {sign(self._secret, event_id, timestamp, body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _ask(self, request: bytes) -> tuple[Connection, Answer]:
        connection = self._kept.take()
        if connection is not None:
            try:
                return connection, await connection.ask(request)
            except (h11.RemoteProtocolError, OSError):
                if connection.heard:
                    raise
                # The other end closed it as we sent: as a rule it did not see the request (RFC 9112 §9.3.1).
        addresses = (await self._look_up())[:ADDRESSES]
        # For the connection and again for TLS on it: nine tenths in all, so that it is said which took too long.
        seconds = 0.9 * self._timeout / (2 * len(addresses))
        last: NotConnectedError | None = None
        for address in addresses:
            try:
                connection = Connection(await self._connect(address, seconds))
                return connection, await connection.ask(request)
            except NotConnectedError as error:
                last = error  # nothing was sent yet
        assert last is not None
        raise last

    async def _look_up(self) -> list[str]:
        try:
            addresses = await allowed_addresses(
                self._resolver, self._host, self._port, allow_private=self._allow_private
            )
        except OSError as error:
            again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise NotConnectedError("host lookup failed" if again else "host not found") from None
        if not addresses:
            raise NotConnectedError("host not found")
        return addresses

    def _judge(self, answer: Answer) -> Outcome:
        status = answer.status
        if 200 <= status < 300:
            return Outcome(status, None)
        if 300 <= status < 400:
            return Outcome(status, f"status {status}: redirects are not followed")
        after = self._retry_after(answer.retry_after) if status in _SAYS_WHEN else 0.0
        refused = 400 <= status < 500 and status not in _LATER
        return Outcome(status, f"status {status}", status in _DOWN, after, refused=refused, gone=status == _GONE)

    def _retry_after(self, value: str) -> float:
        """Seconds of a Retry-After header, given as seconds or as a date (RFC 9110 §10.2.3); 0 if it says nothing."""
        value = value.strip()
        if value.isascii() and value.isdigit():
            return float(value[:12])
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - self._clock.now_ms() / 1000)
        except (ValueError, OverflowError):
            return 0.0


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{octet:02X}" for octet in found[0].encode())


def _context() -> ssl.SSLContext:
    context = trusted()
    context.set_alpn_protocols(["http/1.1"])
    return context


@lru_cache(maxsize=1)
def _user_agent() -> str:
    try:
        return f"smsgw/{version('smsgw')}"
    except PackageNotFoundError:
        return "smsgw"


def _explain(error: h11.RemoteProtocolError | OSError) -> str:
    """An error in fixed words: what the receiver sent or chose is not put into logs and the store."""
    if isinstance(error, h11.RemoteProtocolError):
        return "no proper HTTP answer"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    return f"the connection broke: {os.strerror(error.errno)}" if error.errno else "the connection broke"
