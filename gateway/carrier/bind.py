"""One bind of a carrier: connects, binds, holds the session, and comes back after whatever ended it."""

from __future__ import annotations

import math
import random
import ssl
import time
from typing import TYPE_CHECKING, Final

import trio

from gateway.carrier.answer import Answer, Ask
from gateway.carrier.backoff import STABLE_AFTER, Backoff, already_bound, credentials_refused
from gateway.carrier.connection import Connector, plain, secured
from gateway.carrier.hosts import Hosts
from gateway.carrier.traffic import MAX_UNANSWERED, Kind, Traffic
from gateway.link import Link
from gateway.log import logger
from gateway.smpp.pdu import Address, BindReceiver, BindTransceiver, BindTransmitter, EnquireLink, Unbind
from gateway.smpp.session import (
    BindRefused,
    Bound,
    Closed,
    CloseReason,
    Event,
    Session,
    UnbindReceived,
)
from gateway.smpp.status import status_name

if TYPE_CHECKING:
    from gateway.carrier.carrier import Carrier

__all__ = ["MAX_UNANSWERED", "STABLE_AFTER", "Answer", "Ask", "Bind", "Kind"]

_log = logger(component="carrier")

ANSWER_WAIT: Final = 1.0
"""Seconds for the answers to what came in before an end; messages that come in later are refused at once."""
UNBIND_WAIT: Final = 2.0
DOWN_STATES: Final = ("down", "refused", "awaiting", "drained")
"""States in which the bind sleeps, and can be woken."""

_BIND_PDUS: Final[dict[Kind, type[BindTransceiver] | type[BindTransmitter] | type[BindReceiver]]] = {
    "transceiver": BindTransceiver,
    "transmitter": BindTransmitter,
    "receiver": BindReceiver,
}


class Bind(Traffic):
    """One bind.

    Its states: ``connecting``, ``binding``, ``bound``, ``unbinding``; ``down`` and ``refused`` wait for the next
    attempt, ``awaiting`` for the carrier's outbind, ``drained`` for an operator; ``stopped``.
    """

    def __init__(self, carrier: Carrier, name: str, kind: Kind, connector: Connector, rng: random.Random) -> None:
        super().__init__(carrier, name, kind)
        self._me = self
        settings = carrier.settings
        self._connector = connector
        self.by_outbind = settings.outbind is not None and kind != "transmitter"
        self.host = ""
        self.hosts = None if self.by_outbind else Hosts(settings.endpoints, settings.return_to_first)
        self.reconnects = 0
        self.refused = False  # the carrier's last answer to a bind refused the credentials
        self.already_bound = False  # it said that the account is bound already
        self._backoff = Backoff(settings, rng)
        self._scope: trio.CancelScope | None = None
        self._stream: trio.abc.Stream | None = None  # to the first host, for the next attempt
        self._refused: int | None = None
        self._bound_at = 0.0
        self._tried = False

    def silent_for(self, now: float) -> float:
        """Seconds since a submit was answered on this session, or since it was bound."""
        return now - max(self.answered_at, self._bound_at)

    # --- attempts -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Holds the bind until cancelled or stopped."""
        carrier = self.carrier
        wait = 0.0
        try:
            while not carrier.stopped():
                if carrier.parked:
                    await self._sleep("drained", math.inf)
                    wait = 0.0
                    continue
                if wait:
                    refused = credentials_refused(self._refused) or already_bound(self._refused)
                    await self._sleep("refused" if refused else "down", wait)
                    wait = 0.0
                    continue
                made = await self._outbound() if self.by_outbind else None
                if made is None and self.by_outbind:
                    continue
                wait = await self._attempt(made)
        finally:
            if self._stream is not None:
                stream, self._stream = self._stream, None
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)
        self._set("stopped")

    async def _sleep(self, state: str, seconds: float) -> None:
        with trio.CancelScope() as self._scope:
            if state != self.state:
                self._set(state)
            await trio.sleep(seconds)

    async def _outbound(self) -> tuple[trio.abc.Stream, Session] | None:
        """The next connection on which the carrier asks for a bind; None when woken without one."""
        door = self.carrier.outbinds
        assert door is not None
        with trio.CancelScope() as self._scope:
            self._set("awaiting")
            return await door.next()
        return None

    async def _attempt(self, made: tuple[trio.abc.Stream, Session] | None) -> float:
        """One attempt and the session that comes of it; the seconds to wait before the next."""
        carrier = self.carrier
        try:
            await carrier.bind_turn()
            if carrier.stopped() or carrier.parked:
                return 0.0
            self.reconnects += self._tried
            self._tried = True
            self._going = self.leaving = False
            self._bound_at = 0.0
            self._refused = None
            started = trio.current_time()
            if made is None:
                made = await self._connected()
            else:
                self.host = "outbind"
                self._set("connecting")
            if made is not None:
                stream, session = made
                made = None
                await self._hold_session(stream, session)
        finally:
            if made is not None:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(made[0])
        if carrier.stopped() or self._going:
            return 0.0
        now = trio.current_time()
        wait = self._backoff.after(self._refused, now - self._bound_at if self._bound_at else 0.0)
        if self.by_outbind and not self._refused:
            return 0.0  # when to try again is for the carrier to say
        if not self._refused:
            _log.info("bind_waits", bind=self.name, seconds=round(wait, 1), lasted=round(now - started))
        return wait

    async def _connected(self) -> tuple[trio.abc.Stream, Session] | None:
        """A connection to the host whose turn it is."""
        assert self.hosts is not None
        settings = self.carrier.settings
        host, port = self.hosts.current
        self.host = f"{host}:{port}"
        self._set("connecting")
        stream, self._stream = self._stream, None
        if stream is None:
            try:
                with trio.move_on_after(settings.connect_timeout) as self._scope:
                    stream = await self._connect(host, port)
            except (OSError, trio.BrokenResourceError, ssl.SSLError, ValueError) as error:
                self._failed(plain(error))
                self.hosts.failed()
                return None
        if self.carrier.stopped() or self._going:
            if stream is not None:
                await trio.aclose_forcefully(stream)
            return None
        if stream is None:
            self._failed("connecting took too long")
            self.hosts.failed()
            return None
        return stream, self.carrier.new_session()

    async def _connect(self, host: str, port: int) -> trio.abc.Stream:
        settings = self.carrier.settings
        context = self.carrier.tls_context()
        stream = await self._connector(host, port, settings.local_address)
        return stream if context is None else await secured(stream, context, settings.tls_server_name or host)

    async def _hold_session(self, stream: trio.abc.Stream, session: Session) -> None:
        """Binds, and holds the session to its end; the stream is closed then."""
        settings = self.carrier.settings
        self.session = session
        self.unanswered = 0
        link = Link(stream, session, self._on_events, on_free=self._free, turns=self.turns)
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
            trio.current_time(),
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
        if not self._bound_at and self.hosts is not None and not self._going:
            self.hosts.failed()

    # --- the session --------------------------------------------------------------------------------------------------

    def _session_event(self, event: Event) -> None:
        if isinstance(event, Bound):
            self._bound_at = trio.current_time()
            if self.hosts is not None:
                self.hosts.bound(self._bound_at)
            self.last_error = None
            self.refused = self.already_bound = False
            self._set("bound")
            _log.info("bound", bind=self.name, host=self.host, smsc=event.system_id, version=self.version)
        elif isinstance(event, BindRefused):
            self._refused = event.status
            self.refused = credentials_refused(event.status)
            self.already_bound = already_bound(event.status)
            self._failed(f"bind refused: {status_name(event.status)} (0x{event.status:02X})")
            if self.link is not None:
                self.link.close()
        elif isinstance(event, UnbindReceived):
            self.last_error = "the carrier unbound"
            self._set("unbinding")  # it answers what is under way, and takes nothing new
            _log.info("unbound_by_carrier", bind=self.name)
        elif isinstance(event, Closed):
            if self.state == "bound":
                self._set("unbinding")
            if not self._going and self._refused is None:
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
        (_log.error if self.refused or self.already_bound else _log.warning)(
            "bind_failed", bind=self.name, host=self.host, error=text
        )

    def _set(self, state: str) -> None:
        self.state = state
        self.since = time.time()
        self.carrier.state_changed(self)

    # --- ended by us --------------------------------------------------------------------------------------------------

    async def retire(self, patience: float) -> None:
        """Ends the session politely, or the attempt that is under way; then `run` goes on at once.

        Nothing new is written. For up to ``patience`` seconds answers to what was written are waited for, and shortly
        those that we owe; then it unbinds.
        """
        session, link = self.session, self.link
        self._going = True
        if session is None or link is None or self.state not in ("bound", "unbinding"):
            if self.state in ("connecting", "binding") and self._scope is not None:
                self._scope.cancel()
            return
        if self.state == "bound":
            self._set("unbinding")
        with trio.move_on_after(patience):
            while self.session is session and session.outstanding:
                await self.carrier.changed()
        self.leaving = True
        # What is stored and not answered when the session ends would come again, and be told twice.
        with trio.move_on_after(ANSWER_WAIT):
            while self.unanswered and self.session is session:
                await self.carrier.changed()
        if self.session is session and session.state.is_bound:
            session.send_request(Unbind(), trio.current_time())
            link.flush()
        with trio.move_on_after(UNBIND_WAIT):
            while self.session is session:
                await self.carrier.changed()
        link.close()
        while self.session is session:
            await self.carrier.changed()

    async def stop(self) -> None:
        """Unbinds politely and ends `run`; the carrier is marked as stopping already."""
        await self.retire(0)
        if self._scope is not None:
            self._scope.cancel()

    async def seek_first(self) -> bool:
        """Connects to the first host and, once it takes the connection, ends the session for a bind there.

        Returns whether the bind is on its way there.
        """
        hosts = self.hosts
        assert hosts is not None
        hosts.tried_first(trio.current_time())
        stream: trio.abc.Stream | None = None
        try:
            with trio.move_on_after(self.carrier.settings.connect_timeout):
                stream = await self._connect(*hosts.first)
        except (OSError, trio.BrokenResourceError, ssl.SSLError, ValueError) as error:
            _log.info("first_host_away", bind=self.name, error=plain(error))
        if stream is None:
            return False
        if self.state != "bound":
            await trio.aclose_forcefully(stream)
            return False
        self._stream = stream
        hosts.use_first()
        _log.info("returns_to_first", bind=self.name, host=hosts.first[0])
        await self.retire(self.carrier.settings.response_timeout)
        return True

    def probe(self) -> None:
        """Asks the other end whether it is there, now rather than when it has been silent for long."""
        session = self.session
        if session is not None and session.state.is_bound and not session.enquiring:
            session.send_request(EnquireLink(), trio.current_time())
            self.flush()

    def wake(self) -> None:
        """Tries at once instead of waiting out a back-off."""
        if self.state in DOWN_STATES and self._scope is not None:
            self._scope.cancel()
