"""Mails of handlers and rules: each event of a feed is one, for the server of ``[smtp]``, by the terms of `Pusher`."""

from __future__ import annotations

import random
import smtplib
import socket
import ssl
from abc import abstractmethod
from functools import partial
from typing import ClassVar, Final

import msgspec
import trio

from gateway.handlers.lineup import MOST_WAITING
from gateway.handlers.mail import compose
from gateway.handlers.outcome import Outcome
from gateway.handlers.pusher import Pusher
from gateway.handlers.smtp import LONGEST_REASON, Line, NotTakenError, Replies, Taken
from gateway.handlers.terms import Terms
from gateway.handlers.trust import trusted
from gateway.metrics import Metrics
from gateway.model import Clock
from gateway.outbox import Delivery, Feed, Outbox
from gateway.plain import one_line
from gateway.settings import Handler, Smtp

KEPT: Final = 10.0
"""Seconds for which a connection without mails is kept: longer than between two of a burst, shorter than any server's
patience (RFC 5321 §4.5.3.2.7 has five minutes)."""
LEAVE: Final = 1.0
"""Seconds for the server to say goodbye."""
_SIZE: Final = (452, 552)
"""What a server says to MAIL about the size of a mail (RFC 1870 §6.1). Its other refusals there, and all before, are of
us: any mail would have them."""


class Mailer(Pusher):
    """Mails the events of one feed to whom it says. ``rng`` is for tests."""

    kind: ClassVar[str] = "email"

    def __init__(
        self,
        handler: Terms,
        smtp: Smtp,
        feed: Feed,
        outbox: Outbox,
        metrics: Metrics,
        clock: Clock,
        *,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(handler, feed, outbox, metrics, clock, rng=rng)
        self._smtp = smtp
        self._context: ssl.SSLContext | None = None
        self._kept: list[tuple[float, Line]] = []  # idle connections, the one used last at the end
        self._keeping = trio.Event()
        self._limiter = trio.CapacityLimiter(handler.at_once)
        # Who has the mail of an event that others are still to get; after a restart they may get it twice.
        self._had: dict[str, tuple[str, ...]] = {}

    @abstractmethod
    def recipients(self, delivery: Delivery) -> tuple[str, ...]:
        """The addresses that an event is mailed to, at least one; the same every time."""

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """As of every handler; beside it, connections that nobody uses are closed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_idle)
            await super().run(task_status)

    async def deliver(self, delivery: Delivery, attempt: int) -> Outcome:
        """Hands the mail about an event to the server, for those who do not have it yet."""
        had = self._had.get(delivery.id, ())
        to = self.recipients(delivery)
        left = tuple(one for one in to if one not in had)
        outcome, accepted = await self._hand_over(delivery, to, left)
        had += accepted
        if outcome.error is None or outcome.final or not had:
            self._had.pop(delivery.id, None)
        else:
            if len(self._had) >= MOST_WAITING:
                self._had.pop(next(iter(self._had)))
            self._had[delivery.id] = had
        return outcome

    async def aclose(self) -> None:
        """Takes leave of the server."""
        while self._kept:
            await self._quit(self._kept.pop()[1])

    # --- one mail -----------------------------------------------------------------------------------------------------

    async def _hand_over(
        self, delivery: Delivery, to: tuple[str, ...], left: tuple[str, ...]
    ) -> tuple[Outcome, tuple[str, ...]]:
        if self._context is None and self._smtp.tls != "none":
            try:
                self._context = trusted(self._smtp.tls_ca)
            except OSError as error:
                return Outcome(None, f"tls_ca: {_words(error)}", down=True), ()
        line = self._kept.pop()[1] if self._kept else Line(self._smtp, self._context)
        taken = None
        trouble: Exception | None = None
        try:
            with trio.move_on_after(self._smtp.timeout):
                try:
                    taken = await trio.to_thread.run_sync(
                        partial(self._send, line, delivery, to, left),
                        abandon_on_cancel=True,
                        limiter=self._limiter,
                    )
                except (NotTakenError, OSError) as error:  # smtplib's are OSErrors
                    trouble = error
        finally:
            if taken is None and trouble is None:
                line.cut()  # its thread ends by itself, and closes
        if taken is not None:
            self._keep(line)
            return _outcome(taken.refused, len(to)), taken.accepted
        if trouble is None:
            return Outcome(None, f"no answer within {self._smtp.timeout:g} s ({line.step})", down=True), ()
        if isinstance(trouble, NotTakenError):
            if line.usable:
                self._keep(line)
            about_the_mail = trouble.step == "DATA" or (trouble.step == "MAIL FROM" and trouble.code in _SIZE)
            final = about_the_mail and trouble.code >= 500
            return Outcome(trouble.code, str(trouble), down=not about_the_mail, final=final), ()
        return Outcome(None, f"{line.step}: {_words(trouble)}", down=True), ()

    def _send(self, line: Line, delivery: Delivery, to: tuple[str, ...], left: tuple[str, ...]) -> Taken:
        """In a thread. There the mail is made as well: that takes longer than all else of a delivery."""
        return line.send(self._smtp.sender, left, bytes(compose(delivery, self._smtp.sender, to)))

    # --- connections --------------------------------------------------------------------------------------------------

    def _keep(self, line: Line) -> None:
        self._kept.append((trio.current_time() + KEPT, line))
        self._keeping.set()

    async def _close_idle(self) -> None:
        while True:
            if not self._kept:
                self._keeping = trio.Event()
                await self._keeping.wait()
                continue
            due = self._kept[0][0]
            if due > trio.current_time():
                await trio.sleep_until(due)
            else:
                await self._quit(self._kept.pop(0)[1])

    async def _quit(self, line: Line) -> None:
        left = False
        try:
            with trio.move_on_after(LEAVE):
                await trio.to_thread.run_sync(line.quit, abandon_on_cancel=True, limiter=self._limiter)
                left = True
        except Exception:
            self._log.exception("email_broke", handler=self.handler.name)  # nothing of it matters to a mail
        finally:
            if not left:
                line.cut()


class Email(Mailer):
    """A handler of the configuration: all it gets goes to the same people."""

    handler: Handler

    def recipients(self, delivery: Delivery) -> tuple[str, ...]:
        return self.handler.email


class RuleMail(Mailer):
    """Mails of rules: each event says whom it is for."""

    def recipients(self, delivery: Delivery) -> tuple[str, ...]:
        return msgspec.json.decode(delivery.payload, type=_MailTo).mail_to


class _MailTo(msgspec.Struct):
    mail_to: tuple[str, ...]


def _outcome(refused: Replies, recipients: int) -> Outcome:
    """What a mail that was offered to some is to its event: done, for another time, or never."""
    if not refused:
        return Outcome(250, None)
    later = {one: reply for one, reply in refused.items() if reply[0] < 500}
    shown, (code, said) = next(iter((later or refused).items()))
    more = f", and {len(refused) - 1} more refused" if len(refused) > 1 else ""
    rest = f" (of {recipients} addresses)" if recipients > 1 else ""
    return Outcome(code, f"{shown}: {said}{more}{rest}", final=not later)


def _words(error: Exception) -> str:
    """An error in few words; a server's own are made harmless."""
    if isinstance(error, socket.gaierror):
        return "host lookup failed" if error.errno == socket.EAI_AGAIN else "host not found"
    if isinstance(error, TimeoutError):
        return "took too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate: {error.verify_message}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return one_line(str(error), LONGEST_REASON).removesuffix(".")
    said = error.strerror if isinstance(error, OSError) else None
    return one_line(said or str(error) or type(error).__name__, LONGEST_REASON)
