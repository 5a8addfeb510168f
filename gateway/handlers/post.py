"""One post of an event to a webhook: signed, to a checked address, within its time, with a bounded answer."""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import trio

from gateway.handlers.addresses import AddressRefusedError, Resolver, SystemResolver, allowed_addresses
from gateway.handlers.outcome import Outcome
from gateway.handlers.trust import trusted
from gateway.model import Clock
from gateway.settings import Handler

ANSWER_OCTETS: Final = 64 << 10
"""Octets of an answer's body that are read, so that the connection can serve the next post."""
ANSWER_WAIT: Final = 1.0
"""Seconds for the body of an answer whose status is known; after it the connection is closed instead."""
ADDRESSES: Final = 3
"""Addresses of a host that are tried in one post, in turn, while none can be connected to."""
URLS: Final = 64
KEEP_ALIVE: Final = 15.0
"""Seconds for which a connection without posts is kept."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_DOWN: Final = frozenset({429, 502, 503, 504})
_SAYS_WHEN: Final = frozenset({429, 503})
_LATER: Final = frozenset({408, 425, 429})
"""Of the 4xx those that say no more than: not now (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""
_GONE: Final = 410


def sign(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``Smsgw-Signature``: HMAC-SHA256 (RFC 2104) over id, ``.``, Unix seconds, ``.`` and the body."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()


class Poster:
    """Posts to the webhook of one handler. Connections are kept, and nothing else: no cookies, redirects or proxies."""

    def __init__(
        self,
        handler: Handler,
        clock: Clock,
        *,
        resolver: Resolver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        assert handler.webhook is not None
        assert handler.secret is not None  # the settings see to both
        parts = urlsplit(handler.webhook)
        self._clock = clock
        self._timeout = handler.timeout
        self._allow_private = handler.allow_private
        self._secret = handler.secret.reveal().encode()
        self._url = httpx.URL(handler.webhook)
        self._urls: dict[str, httpx.URL] = {}  # by address: parsing one takes 0.1 ms
        self._host = handler.host.rstrip(".")
        self._port = parts.port or _DEFAULT_PORTS[parts.scheme]
        name = f"[{self._host}]" if ":" in self._host else self._host
        self._host_header = name if self._port == _DEFAULT_PORTS[parts.scheme] else f"{name}:{self._port}"
        self._resolver = resolver or SystemResolver()
        self._transport = transport or httpx.AsyncHTTPTransport(
            verify=trusted(),
            trust_env=False,
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=handler.concurrency, keepalive_expiry=KEEP_ALIVE
            ),
        )

    async def aclose(self) -> None:
        """Closes what connections there are."""
        await self._transport.aclose()

    async def post(self, event_id: str, attempt: int, body: bytes) -> Outcome:
        """Posts an event, for the ``attempt``-th time. Never raises for what the receiver or the network does."""
        outcome = Outcome(None, f"no answer within {self._timeout:g} s", down=True)
        with trio.move_on_after(self._timeout):
            try:
                response = await self._send(event_id, attempt, body)
            except AddressRefusedError as error:
                return Outcome(None, str(error), down=True)
            except (httpx.TransportError, OSError) as error:
                return Outcome(None, _explain(error), down=True)
            # From here on the answer is known, whatever becomes of its body.
            outcome = self._judge(response)
            try:
                await _drain(response)
                if _more_came(response):
                    # Not closed: the pool looks at it once more, and leaves what the other end has ended.
                    response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            except (httpx.HTTPError, OSError):
                pass
            finally:
                await response.aclose()
        return outcome

    async def _send(self, event_id: str, attempt: int, body: bytes) -> httpx.Response:
        addresses = await allowed_addresses(self._resolver, self._host, self._port, allow_private=self._allow_private)
        if not addresses:
            raise OSError("host not found")
        addresses = addresses[:ADDRESSES]
        timestamp = self._clock.now_ms() // 1000
        headers = {
            "Host": self._host_header,
            "User-Agent": _user_agent(),
            "Accept": "*/*",
            "Content-Type": "application/json",
            "Smsgw-Event-Id": event_id,
            "Smsgw-Attempt": str(attempt),
            "Smsgw-Timestamp": str(timestamp),
            "Smsgw-Signature": sign(self._secret, event_id, timestamp, body),
        }
        extensions = {
            # The certificate has to be that of the name, although the connection goes to the address.
            "sni_hostname": self._host,
            # For the connection and again for its TLS handshake. Nine tenths in all, so that it is these limits that
            # end a handshake: httpcore closes the socket for its own time-outs, and forgets to when it is cancelled.
            "timeout": {"connect": 0.9 * self._timeout / (2 * len(addresses))},
        }
        last: httpx.TransportError | None = None
        for address in addresses:
            request = httpx.Request("POST", self._url_at(address), headers=headers, content=body, extensions=extensions)
            try:
                return await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error  # nothing was sent yet
        assert last is not None
        raise last

    def _url_at(self, address: str) -> httpx.URL:
        url = self._urls.get(address)
        if url is None:
            if len(self._urls) >= URLS:
                self._urls.clear()  # names that change their addresses all the time
            url = self._urls[address] = self._url.copy_with(host=address)
        return url

    def _judge(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        if 200 <= status < 300:
            return Outcome(status, None)
        if 300 <= status < 400:
            return Outcome(status, f"status {status}: redirects are not followed")
        after = self._retry_after(response.headers.get("retry-after", "")) if status in _SAYS_WHEN else 0.0
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


async def _drain(response: httpx.Response) -> None:
    octets = 0
    with trio.move_on_after(ANSWER_WAIT) as scope:
        async for chunk in response.aiter_raw():
            octets += len(chunk)
            if octets > ANSWER_OCTETS:
                # Leaving the loop would leave generators of the library to the garbage collector: end its read instead.
                scope.cancel()


def _more_came(response: httpx.Response) -> bool:
    """Whether octets came behind an answer: on a kept connection they would be the answer to the next post.

    Looks where h11 keeps them, for which the libraries above it have no word; what comes later is seen by these.
    """
    inner: Any = response.stream
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        inner = getattr(inner, name, None)
    return inner is not None and bool(inner.trailing_data[0])


@lru_cache(maxsize=1)
def _user_agent() -> str:
    try:
        return f"smsgw/{version('smsgw')}"
    except PackageNotFoundError:
        return "smsgw"


def _explain(error: BaseException) -> str:
    """An error in fixed words: what the receiver sent or chose is not put into logs and the store."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate refused: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        if isinstance(cause, socket.gaierror):
            return "host lookup failed" if cause.errno == socket.EAI_AGAIN else "host not found"
        if isinstance(cause, OSError) and cause.errno:
            begun = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
            return f"{'the connection broke' if begun else 'cannot connect'}: {os.strerror(cause.errno)}"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, as libraries wrap it; at most ten deep."""
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None:
            return
        yield cause
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__


_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (httpx.ConnectTimeout, "connecting took too long"),
    (httpx.ConnectError, "cannot connect"),
    (httpx.RemoteProtocolError, "no proper HTTP answer"),
    (httpx.NetworkError, "the connection broke"),
    (OSError, "host not found"),
)
