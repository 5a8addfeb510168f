"""One bind of a carrier: connects, binds, holds the session, and comes back after whatever ended it."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import trio

from gateway.carrier.connection import Connector, plain, secured
from gateway.carrier.outgoing import SegmentOut
from gateway.carrier.status import refuses_account
from gateway.link import Link
from gateway.log import logger
from gateway.smpp.pdu import (
    Address,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DataSm,
    DeliverSm,
    Pdu,
    SubmitSm,
    Unbind,
)
from gateway.smpp.session import (
    BindRefused,
    Bound,
    Closed,
    CloseReason,
    Event,
    PduRejected,
    RequestExpired,
    RequestReceived,
    ResponseReceived,
    Role,
    Session,
    SessionConfig,
    UnbindReceived,
)
from gateway.smpp.status import status_name

if TYPE_CHECKING:
    from gateway.carrier.carrier import Carrier

_log = logger(component="carrier")

Kind = Literal["transceiver", "transmitter", "receiver"]
STABLE_AFTER: Final = 10.0
"""Seconds that a session has to last before the next reconnect starts again with the shortest wait."""
MAX_UNANSWERED: Final = 5000
"""Inbound PDUs of one bind that wait for their commit; then its reading stops."""
ANSWER_WAIT: Final = 1.0
"""Seconds for the answers to what came in before a stop; messages that come in later are refused at once."""
UNBIND_WAIT: Final = 2.0

_BIND_PDUS: Final[dict[Kind, type[BindTransceiver] | type[BindTransmitter] | type[BindReceiver]]] = {
    "transceiver": BindTransceiver,
    "transmitter": BindTransmitter,
    "receiver": BindReceiver,
}


class Answer:
    """A response to a submit. ``late``: it came after the request had expired."""

    __slots__ = ("late", "message_id", "segment", "status")

    def __init__(self, segment: SegmentOut, status: int, message_id: str, late: bool) -> None:
        self.segment = segment
        self.status = status
        self.message_id = message_id
        self.late = late


class Ask:
    """A request beside the submits, a query_sm say, and who is told of its outcome.

    ``done`` gets the response and its command_status; None and None when there will be no answer.
    """

    __slots__ = ("done",)

    def __init__(self, done: Callable[[Pdu | None, int | None], None]) -> None:
        self.done = done


class Bind:
    """One bind. ``in_use`` counts the segments that were written and whose outcome is not yet on disk.

    A slot of the window is free again when the answer is stored, not when it is read: so at any instant, at most a
    window of segments can be in doubt after a kill.
    """

    def __init__(self, carrier: Carrier, name: str, kind: Kind, connector: Connector, rng: random.Random) -> None:
        self.carrier = carrier
        self.name = name
        self.kind = kind
        self._connector = connector
        self._rng = rng
        self.state = "down"
        self.host = ""
        self.since = time.time()
        self.in_use = 0
        self.unanswered = 0  # inbound PDUs that wait for their commit
        self.reconnects = 0
        self.holds = 0  # times that reading was stopped by too much unanswered
        self.last_error: str | None = None
        self.refused = False  # the carrier's last answer to a bind refused the credentials
        self.session: Session | None = None
        self.link: Link | None = None
        self._fresh: list[SegmentOut] = []
        self._settling: list[SegmentOut] = []  # outcomes that are being handed over
        self._scope: trio.CancelScope | None = None
        self._endpoint = 0
        self._refused: int | None = None
        self._bound_at = 0.0

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

    def send(self, segment: SegmentOut, pdu: SubmitSm, now: float) -> None:
        """Puts a submit_sm into the session; `flush` writes. The caller has seen that a slot is free."""
        assert self.session is not None
        segment.bind = self
        segment.written_at = now
        self.session.send_request(pdu, now, segment)
        self._fresh.append(segment)
        self.in_use += 1

    def ask(self, pdu: Pdu, ask: Ask) -> None:
        """Puts a request beside the submits into the session, outside of the window; `flush` writes.

        The caller bounds how many of them are open, and has seen that the bind is up.
        """
        assert self.session is not None
        self.session.send_request(pdu, trio.current_time(), ask)

    def flush(self) -> None:
        """Writes what was put in."""
        if self.link is not None:
            self.link.flush()

    def respond(self, session: Session, answers: list[tuple[int, Pdu, int]]) -> None:
        """Answers inbound PDUs (sequence, response, status), unless their session is gone."""
        if session is not self.session or self.link is None:
            return
        self.unanswered -= len(answers)
        for sequence, pdu, status in answers:
            session.send_response(sequence, pdu, status)
        self.link.flush()
        if self.carrier.stopping and not self.unanswered:
            self.carrier.all_answered()
        if self.unanswered < MAX_UNANSWERED // 2:
            self.link.release()

    # --- holding ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Holds the bind until cancelled or stopped."""
        wait = 0.0
        settings = self.carrier.settings
        delay = settings.reconnect_min
        while True:
            if wait:
                state = "refused" if self._refused is not None else "down"
                if state != self.state:
                    self._set(state)
                with trio.CancelScope() as self._scope:
                    await trio.sleep(wait)
                self.reconnects += 1
            await self.carrier.bind_turn()
            if self.carrier.stopped():
                break
            started = trio.current_time()
            await self._once()
            if self.carrier.stopped():
                break
            if self._refused is not None and refuses_account(self._refused):
                wait = settings.refused_delay * self._rng.uniform(1.0, 1.1)
                continue
            if self._bound_at and trio.current_time() - self._bound_at >= STABLE_AFTER:
                delay = settings.reconnect_min
            longest = settings.reconnect_max
            wait = self._rng.uniform(min(delay, longest / 1.5), min(delay * 1.5, longest))
            delay = min(delay * 2, longest)
            _log.info(
                "bind_waits",
                bind=self.name,
                seconds=round(wait, 1),
                lasted=round(trio.current_time() - started),
            )
        self._set("stopped")

    async def _once(self) -> None:
        settings = self.carrier.settings
        endpoints = settings.endpoints
        host, port = endpoints[self._endpoint % len(endpoints)]
        self.host = f"{host}:{port}"
        self._set("connecting")
        self._bound_at = 0.0
        self._refused = None
        stream: trio.abc.Stream | None = None
        try:
            with trio.move_on_after(settings.connect_timeout) as self._scope:
                stream = await self._connect(host, port)
        except (OSError, trio.BrokenResourceError, ssl.SSLError, ValueError) as error:
            self._failed(plain(error))
            self._endpoint += 1
            return
        if self.carrier.stopped():
            if stream is not None:
                await trio.aclose_forcefully(stream)
            return
        if stream is None:
            self._failed("connecting took too long")
            self._endpoint += 1
            return
        now = trio.current_time()
        session = Session(
            Role.ESME,
            SessionConfig(
                # The window is kept by this class, where a slot is free once its answer is stored.
                window=1 << 30,
                response_timeout=settings.response_timeout,
                bind_timeout=settings.bind_timeout,
                session_init=0,
                enquire_link=settings.enquire_link,
            ),
            now,
        )
        self.session = session
        self._fresh = []
        self.unanswered = 0
        link = Link(stream, session, self._on_events, on_taken=self._taken)
        self.link = link
        self._set("binding")
        session.send_request(
            _BIND_PDUS[self.kind](
                system_id=settings.system_id,
                password=settings.password.reveal(),
                system_type=settings.system_type,
                interface_version=settings.interface_version,
                address_range=Address(settings.addr_ton, settings.addr_npi, settings.address_range),
            ),
            now,
        )
        try:
            with trio.CancelScope() as self._scope:
                await link.run()
        except Exception as error:
            # A defect of ours or a peer of a kind not thought of: it costs this session, not the daemon.
            cause = error
            while isinstance(cause, ExceptionGroup):
                cause = cause.exceptions[0]
            _log.error("bind_error", bind=self.name, error=repr(cause), exc_info=True)
            self._failed(f"internal error: {type(cause).__name__}")
        finally:
            self._lost(session)
        if not self._bound_at:
            self._endpoint += 1

    async def _connect(self, host: str, port: int) -> trio.abc.Stream:
        settings = self.carrier.settings
        context = self.carrier.tls_context()
        stream = await self._connector(host, port, settings.local_address)
        return stream if context is None else await secured(stream, context, settings.tls_server_name or host)

    def _taken(self) -> None:
        if self._fresh:
            self._fresh = []

    def _on_events(self, events: list[Event]) -> None:
        answers: list[Answer] = []
        arrived: list[tuple[int, DeliverSm | DataSm]] = []
        expired: list[SegmentOut] = []
        came_up = self.state != "bound"
        for event in events:
            kind = type(event)
            if kind is ResponseReceived:
                segment = event.token  # type: ignore[union-attr]
                if isinstance(segment, SegmentOut):
                    message_id = getattr(event.pdu, "message_id", "")  # type: ignore[union-attr]
                    answers.append(Answer(segment, event.status, message_id, event.late))  # type: ignore[union-attr]
                elif isinstance(segment, Ask) and not event.late:  # type: ignore[union-attr]
                    segment.done(event.pdu, event.status)  # type: ignore[union-attr]
            elif kind is RequestReceived:
                if isinstance(event.pdu, (DeliverSm, DataSm)):  # type: ignore[union-attr]
                    arrived.append((event.sequence, event.pdu))  # type: ignore[union-attr]
                else:
                    self._other_request(event)  # type: ignore[arg-type]
            elif kind is RequestExpired:
                if isinstance(event.token, SegmentOut):  # type: ignore[union-attr]
                    expired.append(event.token)  # type: ignore[union-attr]
                elif isinstance(event.token, Ask):  # type: ignore[union-attr]
                    event.token.done(None, None)  # type: ignore[union-attr]
            else:
                self._session_event(event)
        hooks = self.carrier.hooks
        if answers or expired:
            self._settling = [a.segment for a in answers if not a.late] + expired
            if answers:
                hooks.answered(self, answers)
                self._settling = expired
            if expired:
                self.last_error = f"{len(expired)} submits without an answer"
                hooks.unanswered(self, expired)
            self._settling = []
        if arrived:
            self.unanswered += len(arrived)
            if self.unanswered >= MAX_UNANSWERED and self.link is not None:
                self.holds += not self.link.held
                self.link.hold()
            assert self.session is not None
            hooks.arrived(self, self.session, arrived)
        if came_up and self.state == "bound":  # and was not unbound with the same read
            self.carrier.bound(self)

    def _other_request(self, event: RequestReceived) -> None:
        # An alert_notification, which has no answer. What an SMSC may not ask of an ESME the session has refused.
        _log.debug("request_ignored", bind=self.name, pdu=type(event.pdu).__name__)

    def _session_event(self, event: Event) -> None:
        if isinstance(event, Bound):
            self._bound_at = trio.current_time()
            self.last_error = None
            self.refused = False
            self._set("bound")
            _log.info("bound", bind=self.name, host=self.host, smsc=event.system_id, version=self.version)
        elif isinstance(event, BindRefused):
            self._refused = event.status
            self.refused = refuses_account(event.status)
            text = f"bind refused: {status_name(event.status)} (0x{event.status:02X})"
            self._failed(text)
            if self.link is not None:
                self.link.close()
        elif isinstance(event, UnbindReceived):
            self.last_error = "the carrier unbound"
            self._set("unbinding")  # it answers what is under way, and takes nothing new
            _log.info("unbound_by_carrier", bind=self.name)
        elif isinstance(event, PduRejected):
            self.carrier.hooks.rejected(self)
            _log.warning("pdu_rejected", bind=self.name, error=str(event.error))
        elif isinstance(event, Closed):
            if self.state == "bound":
                self._set("unbinding")
            if not self.carrier.stopping and self._refused is None:
                self._failed(self._cause(event))

    def _cause(self, closed: Closed) -> str:
        """Why a session ended, in words."""
        broken = self.link.broken if self.link is not None else None
        if closed.reason is CloseReason.BIND_TIMEOUT:
            return f"no answer to the bind in {self.carrier.settings.bind_timeout:g} s"
        if closed.reason is CloseReason.EOF:
            words = ["the carrier closed the connection" if broken is None else plain(broken), closed.detail]
        else:
            words = [closed.reason.replace("_", " "), closed.detail]
        return ": ".join(filter(None, words))

    def _failed(self, text: str) -> None:
        self.last_error = text
        refused = self._refused is not None and refuses_account(self._refused)
        (_log.error if refused else _log.warning)("bind_failed", bind=self.name, host=self.host, error=text)

    def _set(self, state: str) -> None:
        self.state = state
        self.since = time.time()
        self.carrier.state_changed(self)

    def _lost(self, session: Session) -> None:
        """The session is over: what was certainly not written, and what is in doubt."""
        fresh = {id(s) for s in self._fresh}
        written: list[SegmentOut] = []
        unwritten: list[SegmentOut] = []
        asked: list[Ask] = []
        for token in session.outstanding_tokens():
            if isinstance(token, SegmentOut):
                (unwritten if id(token) in fresh else written).append(token)
            elif isinstance(token, Ask):
                asked.append(token)
        # An error of ours came between an outcome and its record: nobody knows of it.
        written += self._settling
        self._settling = []
        self._fresh = []
        self.session = None
        self.link = None
        self.unanswered = 0
        self._set("down")
        if written or unwritten:
            self.carrier.hooks.lost(self, written, unwritten)
        for ask in asked:
            ask.done(None, None)

    # --- stopping -----------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Unbinds politely and ends `run`; the carrier is marked as stopping already."""
        session, link = self.session, self.link
        if session is not None and link is not None and self.state in ("bound", "unbinding"):
            # What is stored and not answered when the session ends would come again, and be told twice.
            with trio.move_on_after(ANSWER_WAIT):
                while self.unanswered and self.session is session:
                    await self.carrier.changed()
            if self.state == "bound" and self.session is session:
                session.send_request(Unbind(), trio.current_time())
                self._set("unbinding")
                link.flush()
            with trio.move_on_after(UNBIND_WAIT):
                while self.session is session:
                    await self.carrier.changed()
        if self._scope is not None:
            self._scope.cancel()

    def wake(self) -> None:
        """Tries at once instead of waiting out a back-off."""
        if self.state in ("down", "refused") and self._scope is not None:
            self._scope.cancel()
