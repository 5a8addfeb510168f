"""What goes over a bind while its session stands: submits, their answers, what comes in; and what its end leaves."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import trio

from gateway.carrier.answer import Answer, Ask
from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.link import Link, Turns
from gateway.log import logger
from gateway.smpp.pdu import DataSm, DeliverSm, Pdu, SubmitSm, SubmitSmResp
from gateway.smpp.session import (
    Event,
    PduRejected,
    RequestExpired,
    RequestReceived,
    ResponseReceived,
    Session,
)
from gateway.store.company import MostOpen

if TYPE_CHECKING:
    from gateway.carrier.bind import Bind
    from gateway.carrier.carrier import Carrier

_log = logger(component="carrier")

Kind = Literal["transceiver", "transmitter", "receiver"]
MAX_UNANSWERED: Final = 5000
"""Inbound PDUs of one bind that wait for their commit; then its reading stops."""
HOLD_MOST: Final = 5.0
"""Seconds for which the reading of a bind stays stopped. Then it goes on, so that an enquire_link is answered, and
what comes in beyond the bound is refused for now."""
BLOCKED: Final = 1.0
"""Seconds without an octet taken that make a connection blocked, when a submit on it is not answered in time."""


class Traffic(ABC):
    """``in_use`` counts the segments that were written and whose outcome is not yet on disk.

    A slot of the window is free again when the answer is stored, not when it is read: so at any instant, at most a
    window of segments can be in doubt after a kill.
    """

    _me: Bind  # this bind, as those outside know it

    def __init__(self, carrier: Carrier, name: str, kind: Kind) -> None:
        self.carrier = carrier
        self.name = name
        self.kind: Kind = kind
        self.state = "down"
        self.since = time.time()
        self.in_use = 0
        self.unanswered = 0  # inbound PDUs that wait for their commit
        self.most_unanswered = MostOpen()
        self.holds = 0  # times that reading was stopped by too much unanswered
        self.turns = Turns()  # reads and writes, of all its connections
        self.last_error: str | None = None
        self.leaving = False  # the session ends soon by our will: what comes in now is for the next one
        self.session: Session | None = None
        self.link: Link | None = None
        self.answered_at = 0.0  # when a submit was last answered
        self.expired = 0  # submits that expired since
        self.expired_first = self.expired_last = 0.0  # when the first and the last of those did
        self._settling: list[SegmentOut] = []  # outcomes that are being handed over
        self.overfull = False  # too much inbound waits for its commit: more has to be refused for now
        self._held_at: float | None = None
        self._going = False  # the session is being ended by us

    @property
    def version(self) -> str | None:
        """SMPP version that the SMSC said it speaks, "3.4"; None while it is not bound, or when it did not say."""
        version = self.session.peer_version if self.session is not None else None
        return f"{version >> 4}.{version & 15}" if version is not None else None

    @property
    def congestion(self) -> int | None:
        """How busy the SMSC last said it is, 0 to 100 (5.0 §4.8.4.18); None when it has not said."""
        return self.session.congestion_state if self.session is not None else None

    # --- sending ------------------------------------------------------------------------------------------------------

    @property
    def can_send(self) -> bool:
        """Whether it is bound for submits."""
        return self.state == "bound" and self.kind != "receiver"

    @property
    def free(self) -> int:
        """Free slots of its window."""
        return self.carrier.settings.window - self.in_use

    @property
    def takes(self) -> bool:
        """Whether a submit can be written on it now: a slot is free and its connection takes octets.

        What would only wait for the connection waits with the carrier instead: it can go by another bind, be cancelled
        or expire, and is in its place when pace and lanes are judged.
        """
        return (
            self.state == "bound"
            and self.in_use < self.carrier.settings.window
            and self.kind != "receiver"
            and self.link is not None
            and not self.link.blocked
        )

    def send(self, segment: SegmentOut, pdu: SubmitSm | bytes, now: float) -> None:
        """Puts a submit_sm, or the octets of its body, into the session; `flush` writes.

        The caller has seen that it `takes` one. Raises ValueError when the PDU cannot be written.
        """
        assert self.session is not None
        segment.written_at = now
        segment.message.begun = True
        if isinstance(pdu, bytes):
            self.session.send_written(SubmitSm, pdu, now, segment)
        else:
            self.session.send_request(pdu, now, segment)
        self.in_use += 1

    def ask(self, pdu: Pdu, ask: Ask) -> None:
        """Puts a request beside the submits into the session, outside of the window; `flush` writes.

        The caller bounds how many of them are open, and has seen that the bind is up.
        """
        assert self.session is not None
        self.session.send_request(pdu, trio.current_time(), ask)

    def heard_since(self, at: float) -> bool:
        """Whether anything came in on its session since then."""
        return self.session is not None and self.session.received_at > at

    def flush(self) -> None:
        """Writes what was put in."""
        if self.link is not None:
            self.link.flush()

    def let_go(self, unwanted: Callable[[Outgoing], bool]) -> None:
        """What is not to be written any more waits in nothing: a connection that takes no octets just now, and has such
        a submit before it, is closed. The others that wait in it go by another, or by the next.
        """
        link, session = self.link, self.session
        if link is None or session is None or not link.blocked or link.aborted:
            return
        waiting = link.unwritten()
        for sequence, token in session.outstanding_requests():
            if sequence in waiting and isinstance(token, SegmentOut) and unwanted(token.message):
                self.last_error = "the connection took nothing, and held a text to somebody who opted out"
                _log.warning("connection_blocked", bind=self.name, error=self.last_error, unwritten=len(waiting))
                link.abort()
                return

    def _free(self) -> None:
        """Its connection takes octets again."""
        self.carrier.pump()

    # --- what comes in ------------------------------------------------------------------------------------------------

    def respond(self, session: Session, answers: list[tuple[int, Pdu]], status: int = 0) -> None:
        """Answers inbound PDUs (sequence and response) with a command_status, unless their session is gone."""
        if session is not self.session or self.link is None:
            return
        self.unanswered -= len(answers)
        session.send_responses(answers, status)
        self.link.flush()
        if self._going and not self.unanswered:
            self.carrier.all_answered()
        if self.unanswered < MAX_UNANSWERED // 2:
            self._held_at = None
            self.overfull = False
            self.link.release()

    def look(self, now: float) -> None:
        """Called now and then: reading that was stopped for too long goes on."""
        if self._held_at is not None and now - self._held_at >= HOLD_MOST and self.link is not None:
            _log.warning("inbound_refused_for_now", bind=self.name, unanswered=self.unanswered)
            self._held_at = None
            self.overfull = True
            self.link.release()
        if self.link is not None and self.link.blocked_for(now) >= self.carrier.settings.response_timeout:
            self._give_up(self.link, now)

    def _give_up(self, link: Link, now: float) -> None:
        """The connection takes nothing: it is closed at once, since what waits in it would arrive with its copies."""
        if link.aborted:
            return
        self.last_error = f"the connection took nothing for {link.blocked_for(now):.0f} s"
        _log.warning("connection_blocked", bind=self.name, error=self.last_error, unwritten=len(link.unwritten()))
        link.abort()

    def _on_events(self, events: list[Event]) -> None:
        answers: list[Answer] = []
        arrived: list[tuple[int, DeliverSm | DataSm]] = []
        expired: list[tuple[int, SegmentOut]] = []
        came_up = self.state != "bound"
        for event in events:
            kind = type(event)
            if kind is ResponseReceived:
                segment, pdu = event.token, event.pdu  # type: ignore[union-attr]
                if isinstance(segment, SegmentOut):
                    message_id = pdu.message_id if isinstance(pdu, SubmitSmResp) else ""
                    answers.append(Answer(segment, event.status, message_id, event.late))  # type: ignore[union-attr]
                elif isinstance(segment, Ask) and not event.late:  # type: ignore[union-attr]
                    segment.done(pdu, event.status)  # type: ignore[union-attr]
            elif kind is RequestReceived:
                pdu = event.pdu  # type: ignore[union-attr]
                if isinstance(pdu, (DeliverSm, DataSm)):
                    arrived.append((event.sequence, pdu))  # type: ignore[union-attr]
                else:
                    self._other_request(event)  # type: ignore[arg-type]
            elif kind is RequestExpired:
                if isinstance(event.token, SegmentOut):  # type: ignore[union-attr]
                    expired.append((event.sequence, event.token))  # type: ignore[union-attr]
                elif isinstance(event.token, Ask):  # type: ignore[union-attr]
                    event.token.done(None, None)  # type: ignore[union-attr]
            elif kind is PduRejected:
                self.carrier.hooks.rejected(self._me)
                _log.warning("pdu_rejected", bind=self.name, error=str(event.error))  # type: ignore[union-attr]
            else:
                self._session_event(event)
        hooks = self.carrier.hooks
        if answers or expired:
            self._settling = [a.segment for a in answers if not a.late] + [s for _, s in expired]
            if answers:
                self.answered_at = trio.current_time()
                self.expired = 0
                hooks.answered(self._me, answers)
                self._settling = [s for _, s in expired]
            if expired:
                self._expired(expired, trio.current_time())
            self._settling = []
        if self._going and self.session is not None and not self.session.outstanding:
            self.carrier.all_answered()
        if arrived:
            self.unanswered += len(arrived)
            assert self.session is not None
            hooks.arrived(self._me, self.session, arrived)
            if (
                self.unanswered >= MAX_UNANSWERED
                and not self.overfull
                and self._held_at is None
                and self.link is not None
            ):
                self.holds += 1
                self._held_at = trio.current_time()
                self.link.hold()
        if came_up and self.state == "bound":  # and was not unbound with the same read
            self.carrier.bound(self._me)

    def _expired(self, expired: list[tuple[int, SegmentOut]], now: float) -> None:
        """Submits that were not answered in time: in doubt, where they were written."""
        self.expired_last = now
        if not self.expired:
            self.expired_first = now
        self.expired += len(expired)
        link = self.link
        if link is not None and link.blocked:
            waiting = link.unwritten()
            unwritten = [s for sequence, s in expired if sequence in waiting]
            if unwritten or link.blocked_for(now) >= min(BLOCKED, self.carrier.settings.response_timeout / 2):
                self._give_up(link, now)
                self.carrier.hooks.lost(self._me, [s for n, s in expired if n not in waiting], unwritten)
                return
        self.last_error = f"{len(expired)} submit{'s' * (len(expired) > 1)} without an answer"
        self.carrier.hooks.unanswered(self._me, [s for _, s in expired])

    def _other_request(self, event: RequestReceived) -> None:
        # An alert_notification, which has no answer. What an SMSC may not ask of an ESME the session has refused.
        _log.debug("request_ignored", bind=self.name, pdu=type(event.pdu).__name__)

    # --- the end of a session -----------------------------------------------------------------------------------------

    def _lost(self, session: Session) -> None:
        """The session is over: what was certainly not written, and what is in doubt."""
        waiting = self.link.unwritten() if self.link is not None else set()
        written: list[SegmentOut] = []
        unwritten: list[SegmentOut] = []
        asked: list[Ask] = []
        for sequence, token in session.outstanding_requests():
            if isinstance(token, SegmentOut):
                (unwritten if sequence in waiting else written).append(token)
            elif isinstance(token, Ask):
                asked.append(token)
        # An error of ours came between an outcome and its record: nobody knows of it.
        written += self._settling
        self._settling = []
        self.session = None
        self.link = None
        self._held_at = None
        self.overfull = False
        self.unanswered = 0
        self.expired = 0
        self._set("down")
        if written or unwritten:
            self.carrier.hooks.lost(self._me, written, unwritten)
        for ask in asked:
            ask.done(None, None)

    # --- what the other half of a bind does ---------------------------------------------------------------------------

    @abstractmethod
    def _session_event(self, event: Event) -> None:
        """Takes what happens to the session itself."""

    @abstractmethod
    def _set(self, state: str) -> None:
        """Changes the state, and tells of it."""
