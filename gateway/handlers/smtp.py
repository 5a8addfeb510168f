"""A connection to the mail server: the blocking part, for one thread at a time.

smtplib says the commands. No answer is taken for another: a mail is offered to each recipient by itself, and a
connection that was refused what it asked for is only used again after a RSET.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Final, NamedTuple

from gateway.plain import one_line
from gateway.settings import Smtp

ANSWER_OCTETS: Final = 16 << 10
"""Octets of one answer, all its lines together; one that goes on is no answer."""
ADDRESSES: Final = 3
"""Addresses of the server that are tried, in turn, while none can be connected to."""
LONGEST_REASON: Final = 200
"""Characters of an answer that are kept as the reason of a failure."""
CLOSING: Final = 421
"""The server closes the connection after this answer (RFC 5321 §3.8)."""

Replies = dict[str, tuple[int, str]]
"""By recipient: code and text of the answer that refused it."""


class NotTakenError(Exception):
    """The mail was not taken for anybody. ``code`` is the server's, ``step`` what was asked of it."""

    def __init__(self, step: str, code: int, text: bytes | str) -> None:
        super().__init__(f"{step}: {_said(code, text)}")
        self.step = step
        self.code = code


class Taken(NamedTuple):
    """Who has the mail now, and whom the server refused."""

    accepted: tuple[str, ...]
    refused: Replies


class Line:
    """One connection, made when it is first needed. All but `cut` are for one thread at a time, and block.

    ``step`` says what is being waited for, for who gives up waiting.
    """

    def __init__(self, smtp: Smtp, context: ssl.SSLContext | None) -> None:
        self.step = "connecting"
        self._smtp = smtp
        self._context = context
        self._server: _Server | None = None
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._is_cut = False
        self._used = False

    def send(self, sender: str, recipients: tuple[str, ...], octets: bytes) -> Taken:
        """Hands a mail over. Raises NotTakenError, OSError and smtplib.SMTPException, which is one."""
        with self._use():
            return self._send(sender, recipients, octets)

    @contextmanager
    def _use(self) -> Iterator[None]:
        with self._lock:
            if self._is_cut:
                raise ConnectionAbortedError("given up")
            self._used = True
        try:
            yield
        finally:
            if self._cut_while_used():  # it may have come after the last octet, which nothing failed for
                self.close()

    def _cut_while_used(self) -> bool:
        with self._lock:
            self._used = False
            return self._is_cut

    def _send(self, sender: str, recipients: tuple[str, ...], octets: bytes) -> Taken:
        kept = self._server is not None
        try:
            try:
                server = self._server or self._connect()
                self._ask(server, "MAIL FROM", server.mail(sender, _options(server, octets)))
            except (OSError, NotTakenError) as error:
                # A server may close a connection that it has kept long enough; nothing was handed over by it.
                if not kept or (isinstance(error, NotTakenError) and error.code != CLOSING):
                    raise
                self.close()
                server = self._connect()
                self._ask(server, "MAIL FROM", server.mail(sender, _options(server, octets)))
            return self._hand_over(server, recipients, octets)
        except NotTakenError as error:
            if error.code == CLOSING or not self._reset():
                self.close()
            raise
        except BaseException:
            self.close()
            raise

    def _hand_over(self, server: _Server, recipients: tuple[str, ...], octets: bytes) -> Taken:
        refused: Replies = {}
        self.step = "RCPT TO"
        for recipient in recipients:
            code, text = server.rcpt(recipient)
            if code == CLOSING:
                raise NotTakenError(self.step, code, text)
            if code not in (250, 251):
                refused[recipient] = (code, _said(code, text))
        accepted = tuple(one for one in recipients if one not in refused)
        if not accepted:
            if not self._reset():
                self.close()
            return Taken((), refused)
        self.step = "DATA"
        try:
            code, text = server.data(octets)
        except smtplib.SMTPDataError as error:  # not even 354
            raise NotTakenError(self.step, error.smtp_code, error.smtp_error) from None
        if code != 250:
            raise NotTakenError(self.step, code, text)
        return Taken(accepted, refused)

    def _connect(self) -> _Server:
        self.step = "connecting"
        host, port = self._smtp.at
        server = _Server(self, self._smtp, self._context if self._smtp.tls == "tls" else None)
        try:
            self._ask(server, "greeting", server.connect(host, port), 220)
            self._ask(server, "EHLO", server.ehlo())
            if self._smtp.tls == "starttls":
                self.step = "STARTTLS"
                try:
                    server.starttls(context=self._context)
                except smtplib.SMTPResponseException as error:
                    raise NotTakenError(self.step, error.smtp_code, error.smtp_error) from None
                self._ask(server, "EHLO", server.ehlo())
            if self._smtp.user is not None and self._smtp.password is not None:
                self.step = "AUTH"
                try:
                    server.login(self._smtp.user, self._smtp.password.reveal())
                except smtplib.SMTPAuthenticationError as error:
                    raise NotTakenError(self.step, error.smtp_code, error.smtp_error) from None
        except BaseException:
            server.close()
            self._release()
            raise
        self._server = server
        return server

    def _ask(self, server: _Server, step: str, answer: tuple[int, bytes], wanted: int = 250) -> None:
        self.step = step
        code, text = answer
        if code != wanted:
            raise NotTakenError(step, code, text)

    def _reset(self) -> bool:
        """Ends a mail that was not handed over; returns whether the connection can be used for another."""
        if self._server is None:
            return False
        try:
            return self._server.rset()[0] == 250
        except OSError:
            return False

    def opened(self, raw: socket.socket) -> None:
        """A connection was made. Keeps a second handle of it: `cut` reaches it whatever TLS does with the first."""
        with self._lock:
            if self._is_cut:
                raw.close()
                raise ConnectionAbortedError("given up")
            self._handle = raw.dup()

    @property
    def usable(self) -> bool:
        """Whether it is open, and may be asked for another mail."""
        return self._server is not None

    def cut(self) -> None:
        """From any thread: whoever waits on this connection, or will, waits no longer. It is not used again."""
        with self._lock:
            self._is_cut = True
            used = self._used
            if self._handle is not None:
                try:
                    self._handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the other end was first
        if not used:
            self.close()

    def quit(self) -> None:
        """Takes leave and closes."""
        with self._use():
            if self._server is not None:
                try:
                    self._server.docmd("QUIT")
                except OSError:
                    pass
            self.close()

    def close(self) -> None:
        """Closes without a word."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._release()

    def _release(self) -> None:
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None


class _Server(smtplib.SMTP):
    """smtplib's client with a bound on answers, the first TLS of port 465, and no look-up of our own name."""

    def __init__(self, line: Line, smtp: Smtp, context: ssl.SSLContext | None) -> None:
        # Its own default asks the name server who we are, which can take longer than all else.
        name = socket.gethostname()
        super().__init__(local_hostname=name if "." in name else smtp.domain, timeout=smtp.timeout)
        self._line = line
        self._context = context
        self._host = smtp.host.rstrip(".")  # starttls too checks the certificate for this

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        raw = _connected(host, port, timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line.opened(raw)
        if self._context is None:
            return raw
        self._line.step = "TLS"
        return self._context.wrap_socket(raw, server_hostname=self._host)

    def getreply(self) -> tuple[int, bytes]:
        """An answer, of which no more is read than the bound."""
        if self.file is None:
            self.file = _Bounded(self.sock.makefile("rb"))  # type: ignore[union-attr]
        assert isinstance(self.file, _Bounded)
        self.file.left = ANSWER_OCTETS
        return super().getreply()


class _Bounded:
    """What smtplib uses of a file."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.left = 0

    def readline(self, limit: int) -> bytes:
        """As of a file, as long as there is something left to read."""
        line = self._file.readline(min(limit, self.left + 1))
        self.left -= len(line)
        if self.left < 0:
            raise ConnectionAbortedError(f"an answer of more than {ANSWER_OCTETS} octets")
        return line

    def close(self) -> None:
        """Closes the file below."""
        self._file.close()


def _connected(host: str, port: int, timeout: float) -> socket.socket:
    """A connection to one of a host's addresses, within nine tenths of the time for all of them together."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:ADDRESSES]
    last = OSError("host not found")
    for family, kind, protocol, _, address in found:
        raw = None
        try:
            raw = socket.socket(family, kind, protocol)
            raw.settimeout(0.9 * timeout / len(found))
            raw.connect(address)
            raw.settimeout(timeout)
        except OSError as error:
            last = error
            if raw is not None:
                raw.close()
        else:
            return raw
    raise last


def _options(server: smtplib.SMTP, octets: bytes) -> tuple[str, ...]:
    # RFC 1870 §6: a server that has no room for it says so before it has it.
    return (f"size={len(octets)}",) if server.has_extn("size") else ()


def _said(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return one_line(f"{code} {' '.join(words.split())}".rstrip(), LONGEST_REASON)
