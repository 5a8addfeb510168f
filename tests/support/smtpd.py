"""A mail server on loopback, aiosmtpd's in a thread of its own: it takes mails, and misbehaves where it is told to."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Answer = str | Callable[["_Protocol"], Any]
"""A line of SMTP; or what is done instead, which returns None or something to await."""


@dataclass
class Mail:
    """A mail that was taken: its envelope, and its content as a mail program reads it."""

    sender: str
    recipients: list[str]
    octets: bytes
    connection: int
    tls: bool

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.octets, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")


@dataclass
class Smtpd:
    """``answers`` by step are used up one by one, then ``always``; what has neither is taken.

    Steps: ``CONNECT``, ``MAIL``, ``RCPT``, ``DATA`` before the text, ``END`` after it, ``QUIT``.
    """

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    always: dict[str, Answer] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # by recipient
    context: ssl.SSLContext | None = None
    implicit: bool = False
    login: tuple[str, str] | None = None
    mails: list[Mail] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    port: int = 0
    _token: trio.lowlevel.TrioToken | None = None
    _changed: trio.Event = field(default_factory=trio.Event)

    def answer(self, step: str) -> Answer | None:
        """What is said at a step, if it is not the usual."""
        self.steps.append(step)
        self.tell()
        waiting = self.answers.get(step)
        return waiting.pop(0) if waiting else self.always.get(step)

    def tell(self) -> None:
        """Something happened; called in the server's thread."""
        if self._token is not None:
            try:
                self._token.run_sync_soon(self._told)
            except trio.RunFinishedError:
                pass

    def _told(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Waits until something that happened here makes the condition true."""
        with trio.fail_after(seconds):
            while not condition():
                await self._changed.wait()

    @contextmanager
    def running(self, port: int = 0) -> Iterator[Smtpd]:
        """Listens on a port of 127.0.0.1, a free one if it is 0, until the block ends; then every connection is cut."""
        self._token = trio.lowlevel.current_trio_token()
        started = threading.Event()
        loop = asyncio.new_event_loop()
        ending: asyncio.Event | None = None
        protocols: list[_Protocol] = []

        def factory() -> _Protocol:
            protocols.append(_Protocol(self, loop))
            return protocols[-1]

        async def serve() -> None:
            nonlocal ending
            ending = asyncio.Event()
            context = self.context if self.implicit else None
            server = await loop.create_server(factory, "127.0.0.1", port, ssl=context)
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await ending.wait()
            server.close()
            # One that was taken this very moment has no transport yet, and would leave its socket to the collector.
            for _ in range(100):
                if all(one.number for one in protocols):
                    break
                await asyncio.sleep(0.01)
            for one in protocols:
                if one.transport is not None:
                    one.transport.abort()
            await asyncio.sleep(0)  # a socket is closed a turn after its transport
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        def run() -> None:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())

        thread = threading.Thread(target=run)
        thread.start()
        assert started.wait(10)
        try:
            yield self
        finally:
            assert ending is not None
            loop.call_soon_threadsafe(ending.set)
            thread.join(10)
            assert not thread.is_alive()


class _Protocol(SMTP):
    """One connection."""

    def __init__(self, smtpd: Smtpd, loop: asyncio.AbstractEventLoop) -> None:
        starttls = smtpd.context if not smtpd.implicit else None
        super().__init__(
            _Taking(smtpd),
            hostname="mail.example",
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=self._login,
            # Of TLS from the first octet it does not know.
            auth_required=smtpd.login is not None and not smtpd.implicit,
            auth_require_tls=not smtpd.implicit,
            data_size_limit=1 << 20,
        )
        self.smtpd = smtpd
        self.number = 0
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.number:
            self.smtpd.connections += 1
            self.smtpd.open += 1
            self.number = self.smtpd.connections
        super().connection_made(transport)
        self.smtpd.tell()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.smtpd.open -= 1
        self.smtpd.tell()

    def _login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        self.smtpd.logins.append(mechanism)
        return AuthResult(success=given == self.smtpd.login, handled=False)

    async def push(self, status: Any) -> None:
        if not self._greeted:
            self._greeted = True
            status = await self._instead("CONNECT") or status
        await super().push(status)

    async def smtp_MAIL(self, arg: str) -> None:
        said = await self._instead("MAIL")
        await (super().smtp_MAIL(arg) if said is None else self.push(said))

    async def smtp_RCPT(self, arg: str) -> None:
        said = await self._instead("RCPT")
        if said is None:
            said = next((reply for one, reply in self.smtpd.refused.items() if one in arg), None)
        await (super().smtp_RCPT(arg) if said is None else self.push(said))

    async def smtp_DATA(self, arg: str) -> None:
        said = await self._instead("DATA")
        await (super().smtp_DATA(arg) if said is None else self.push(said))

    async def smtp_QUIT(self, arg: str) -> None:
        await self._instead("QUIT")
        await super().smtp_QUIT(arg)

    async def _instead(self, step: str) -> str | None:
        said = self.smtpd.answer(step)
        if said is None or isinstance(said, str):
            return said
        done = said(self)
        if done is not None:
            await done
        return None


class _Taking:
    """What aiosmtpd calls with a whole mail."""

    def __init__(self, smtpd: Smtpd) -> None:
        self._smtpd = smtpd

    async def handle_DATA(self, server: _Protocol, session: Session, envelope: Envelope) -> str:
        said = await server._instead("END")
        if said is not None:
            return said
        assert isinstance(envelope.content, bytes)
        tls = session.ssl is not None or self._smtpd.implicit
        assert envelope.mail_from is not None
        mail = Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content, server.number, tls)
        self._smtpd.mails.append(mail)
        self._smtpd.tell()
        return "250 2.0.0 taken"


def cut(protocol: _Protocol) -> None:
    """The connection is gone, without a word."""
    assert protocol.transport is not None
    protocol.transport.abort()


async def hang(protocol: _Protocol) -> None:
    """Nothing is said any more; the connection stays."""
    await asyncio.Event().wait()


async def cut_within_data(protocol: _Protocol) -> None:
    """Asks for the text, takes a first part of it, and is gone."""
    await SMTP.push(protocol, "354 go on")
    await protocol._reader.read(64)
    cut(protocol)


async def endless(protocol: _Protocol) -> None:
    """An answer whose lines do not end."""
    while not protocol.transport.is_closing():
        protocol._writer.write(b"250-and so on\r\n" * 1000)
        await protocol._writer.drain()
