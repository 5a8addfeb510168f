"""The simulated SMSC: takes binds and submits, answers as told, sends receipts and inbound messages."""

from __future__ import annotations

import random
import ssl
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

import trio

from gateway.link import Link
from gateway.smpp.constants import CommandStatus, Tag, status_name
from gateway.smpp.events import Closed, Event, PduRejected, RequestExpired, RequestReceived, ResponseReceived
from gateway.smpp.pdu import (
    Address,
    AlertNotification,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    BroadcastSm,
    CancelBroadcastSm,
    CancelSm,
    DataSm,
    Pdu,
    QueryBroadcastSm,
    QuerySm,
    ReplaceSm,
    SubmitMulti,
    SubmitSm,
    Tlv,
    Unbind,
)
from gateway.smpp.session import Session, SessionConfig
from gateway.smpp.states import Role
from gateway.sms.address import wire_address
from gateway.sms.segment import AskedEncoding, Scheme

from .air import Message, OnAir
from .broadcasts import Broadcasts
from .config import SimulatorConfig
from .core import Core
from .deliveries import Bind, least_loaded
from .endings import Endings
from .ids import MessageIds
from .inbound import Inbound
from .kept import Kept
from .reading import changed
from .stats import Stats
from .submit import Submit
from .submits import Submits
from .timer import Timer

_BIND_KINDS: Final = {
    BindTransmitter: "transmitter",
    BindReceiver: "receiver",
    BindTransceiver: "transceiver",
}
AVAILABILITY: Final = {0: "available", 1: "denied", 2: "unavailable"}
"""What ms_availability_status says of a phone (SMPP 3.4 §5.3.2.30)."""
_Bind: TypeAlias = BindTransmitter | BindReceiver | BindTransceiver


class Simulator:
    """An SMSC to try things against. For one Trio run; nothing in it may be called from another thread.

    `on_air` is called with everything that happens and must not block. With a seeded `rng`, and `wall`
    (seconds since 1970, for the dates in receipts) given, the same input has the same answers.
    """

    def __init__(
        self,
        config: SimulatorConfig | None = None,
        *,
        on_air: Callable[[OnAir], None] | None = None,
        rng: random.Random | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._timer = Timer(self._turn_over)
        self._core = Core(config or SimulatorConfig(), rng or random.Random(), wall, on_air, self._timer)
        ids = MessageIds(self._core.rng)
        endings = Endings(self._core)
        self._kept = Kept(self._core, endings)
        self._submits = Submits(self._core, ids, endings, self._kept)
        self._broadcasts = Broadcasts(self._core, ids)
        self._inbound = Inbound(self._core)
        self._count = 0
        self._stopping = False
        self._changed = trio.Event()
        self._apply()

    # --- what it knows ---

    @property
    def config(self) -> SimulatorConfig:
        """Its settings now."""
        return self._core.config

    @property
    def stats(self) -> Stats:
        """Its counters."""
        return self._core.stats

    @property
    def log(self) -> deque[Submit]:
        """The last submits, oldest first."""
        return self._submits.log

    @property
    def messages(self) -> deque[Message]:
        """The last complete messages, oldest first."""
        return self._core.messages

    @property
    def incomplete(self) -> int:
        """Messages of which parts are missing."""
        return self._submits.incomplete

    @property
    def connections(self) -> dict[int, Bind]:
        """Connections by their numbers, bound or not."""
        return self._core.binds

    @property
    def binds(self) -> dict[int, Bind]:
        """Those that are bound."""
        return {number: bind for number, bind in self._core.binds.items() if bind.session.state.is_bound}

    @property
    def waiting(self) -> int:
        """Receipts and parts of inbound messages that are due and not acknowledged."""
        return self._core.deliveries.waiting

    @property
    def conversation(self) -> tuple[str, str] | None:
        """Whom the ESME wrote to last, and from which number."""
        return self._core.conversation

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on the above; it is asked after each thing that happens here."""
        while not condition():
            await self._changed.wait()

    # --- what it is told ---

    def configure(self, **changes: Any) -> None:
        """Change settings while it runs. Raises ValueError, and changes nothing, for what is none or makes
        no sense.

        The limits of a session (window, timeouts) and of the log count for what begins later.
        """
        self._core.config = changed(self._core.config, changes)
        self._apply()
        self._inbound.configured()

    def inbound(
        self,
        peer: str,
        number: str,
        text: str | bytes,
        *,
        scheme: Scheme = "udh8",
        encoding: AskedEncoding = "auto",
        system_id: str | None = None,
    ) -> int:
        """Queue a message from a phone for whoever is bound, or is bound as `system_id`; returns its parts.

        Each part is kept until it is acknowledged. Addresses are as people write them: "+15550001",
        "12345", "Bank". Returns fewer parts than the text has when too many wait already. Raises ValueError
        for what cannot be sent (UnencodableError, TooLongError, an address that is too long).
        """
        parts = self._inbound.send(peer, number, text, scheme=scheme, encoding=encoding, system_id=system_id)
        self._turn_over()
        return parts

    def alert(self, peer: str, number: str, availability: int = 0) -> int:
        """Tell an ESME that a phone can be reached again (alert_notification, SMPP 3.4 §4.12), and return its bind.

        `number` is the address of the ESME, `availability` the phone's: 0 available, 1 denied, 2 unavailable
        (§5.3.2.30). It has no response and is not kept. Raises ValueError when nobody is bound to get it, and
        for an address that is too long.
        """
        able = [bind for bind in self._core.binds.values() if bind.receives]
        if not able:
            raise ValueError("nobody is bound to get it")
        bind = least_loaded(able)
        tlvs = (Tlv(int(Tag.MS_AVAILABILITY_STATUS), availability),)
        pdu = AlertNotification(Address(*wire_address(peer)), Address(*wire_address(number)), tlvs)
        bind.session.send_request(pdu, trio.current_time())
        bind.link.flush()
        self._core.stats.alerts += 1
        self._core.show_bind(
            "alert", bind, source=peer, destination=number, detail=AVAILABILITY.get(availability, str(availability))
        )
        return bind.number

    def disconnect(self, bind: int) -> None:
        """Drop a connection without a word."""
        self._core.binds[bind].link.close()

    def unbind(self, bind: int) -> None:
        """Send unbind, as an SMSC does before maintenance; what is under way is still answered."""
        held = self._core.binds[bind]
        if held.session.state.is_bound:
            held.session.send_request(Unbind(), trio.current_time())
            held.link.flush()

    def pause_reading(self, bind: int) -> None:
        """Read nothing more of a connection, so that its ESME meets a full socket. One read may be under
        way.
        """
        self._core.binds[bind].link.hold()

    def resume_reading(self, bind: int) -> None:
        """Read on."""
        self._core.binds[bind].link.release()

    # --- running ---

    async def serve(
        self,
        host: str,
        port: int,
        *,
        ssl_context: ssl.SSLContext | None = None,
        task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen and serve until cancelled; reports its listeners when it can be connected to.

        Port 0 takes a free one. Raises OSError when the address cannot be listened on.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        await self.serve_listeners(listeners, ssl_context, task_status=task_status)

    async def serve_listeners(
        self,
        listeners: list[trio.SocketListener],
        ssl_context: ssl.SSLContext | None = None,
        *,
        task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """The same on listeners that are open."""
        handler = self._converse
        if ssl_context is not None:
            handler = partial(self._converse_tls, ssl_context)
        self._inbound.configured()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._timer.run)
            task_status.started(listeners)
            await trio.serve_listeners(handler, listeners)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connection until it ends."""
        self._inbound.configured()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._timer.run)
            await self._converse(stream)
            nursery.cancel_scope.cancel()

    async def stop(self, grace: float = 5.0) -> None:
        """Unbind everybody, and wait until they have gone or `grace` seconds are over; then drop who is
        left.
        """
        self._stopping = True
        for number, bind in list(self._core.binds.items()):
            if bind.session.state.is_bound:
                self.unbind(number)
            else:
                bind.link.close()
        with trio.move_on_after(grace):
            await self.until(lambda: not self._core.binds)
        for bind in self._core.binds.values():
            bind.link.close()

    async def _converse_tls(self, context: ssl.SSLContext, stream: trio.abc.Stream) -> None:
        await self._converse(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

    async def _converse(self, stream: trio.abc.Stream) -> None:
        core, config = self._core, self._core.config
        self._count += 1
        limits = SessionConfig(
            window=config.window,
            response_timeout=config.response_timeout,
            enquire_link=config.enquire_link,
            session_init=config.session_init,
            interface_version=int(config.interface_version.replace(".", ""), 16),
        )
        bind = Bind(self._count, Session(Role.SMSC, limits, trio.current_time()))
        bind.link = Link(stream, bind.session, partial(self._on_events, bind))
        core.stats.connections += 1
        core.binds[bind.number] = bind
        closed: Closed | None = None
        failed = "dropped"
        try:
            closed = await bind.link.run()
        except Exception as error:
            # A defect of ours, or a peer of a kind not thought of: it costs this connection, not the others.
            traceback.print_exception(error)
            failed = f"internal error: {type(error).__name__}"
        finally:
            del core.binds[bind.number]
            core.touched.discard(bind)
            core.deliveries.unbound(bind)
            detail = failed if closed is None else ": ".join(filter(None, (closed.reason, closed.detail)))
            core.show_bind("closed", bind, detail=detail)
            self._turn_over()

    # --- events ---

    def _on_events(self, bind: Bind, events: list[Event]) -> None:
        now = trio.current_time()
        core = self._core
        for event in events:
            if isinstance(event, RequestReceived):
                pdu = event.pdu
                if isinstance(pdu, SubmitSm | DataSm):
                    self._submits.received(bind, event.sequence, pdu, now)
                elif isinstance(pdu, _Bind):
                    self._bind_asked(bind, event.sequence, pdu, now)
                else:
                    self._asked(bind, event.sequence, pdu, now)
            elif isinstance(event, ResponseReceived):
                core.deliveries.answered(event.token, event.status, late=event.late)
            elif isinstance(event, RequestExpired):
                core.deliveries.expired(event.token)
            elif isinstance(event, PduRejected):
                core.stats.pdus_rejected += 1
                core.show_bind("rejected", bind, status=event.status, detail=event.error)
        self._turn_over()

    def _asked(self, bind: Bind, sequence: int, pdu: Pdu, now: float) -> None:
        match pdu:
            case SubmitMulti():
                self._submits.received_multi(bind, sequence, pdu, now)
            case QuerySm():
                self._kept.query(bind, sequence, pdu)
            case CancelSm():
                self._kept.cancel(bind, sequence, pdu)
            case ReplaceSm():
                self._kept.replace(bind, sequence, pdu)
            case BroadcastSm():
                self._broadcasts.received(bind, sequence, pdu)
            case QueryBroadcastSm():
                self._broadcasts.query(bind, sequence, pdu)
            case CancelBroadcastSm():
                self._broadcasts.cancel(bind, sequence, pdu)

    def _bind_asked(self, bind: Bind, sequence: int, pdu: _Bind, now: float) -> None:
        core, config = self._core, self._core.config
        bind.kind = _BIND_KINDS[type(pdu)]
        status = self._refusal(pdu)
        if status:
            core.stats.binds_refused += 1
            bind.session.refuse_bind(sequence, status)
            core.show(
                "bind_refused",
                bind=bind.number,
                system_id=pdu.system_id,
                status=status,
                detail=f"{bind.kind}, {status_name(status)}",
            )
            return
        bind.session.accept_bind(sequence, config.smsc_id, now)
        bind.system_id = pdu.system_id
        core.stats.binds += 1
        core.show_bind("bind", bind, detail=bind.kind)
        core.deliveries.bound()

    def _refusal(self, pdu: _Bind) -> int:
        config = self._core.config
        if config.bind_status:
            return config.bind_status
        if self._stopping:
            return int(CommandStatus.ESME_RBINDFAIL)
        if config.system_id is not None and pdu.system_id != config.system_id:
            return int(CommandStatus.ESME_RINVSYSID)
        if config.password is not None and pdu.password != config.password:
            return int(CommandStatus.ESME_RINVPASWD)
        if config.max_binds:
            held = sum(bind.system_id == pdu.system_id for bind in self.binds.values())
            if held >= config.max_binds:
                return int(CommandStatus.ESME_RALYBND)
        return 0

    def _turn_over(self) -> None:
        core = self._core
        core.pump()
        for bind in core.touched:
            bind.link.flush()
        core.touched.clear()
        self._changed.set()
        self._changed = trio.Event()

    def _apply(self) -> None:
        config, deliveries = self._core.config, self._core.deliveries
        deliveries.most = config.max_waiting
        deliveries.retry_delay = config.retry_delay
        deliveries.receipt_on = config.receipt_on
        self._timer.shuffle = self._core.rng.shuffle if config.out_of_order else None
