"""Outbind: the carrier connects to us and asks for a bind on that connection (SMPP 3.4 §2.2.1, §4.1.7).

Whoever connects is nobody until an outbind with the right password came, from an address that is allowed; what is
anything else costs a closed connection and a count.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from hmac import compare_digest
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import trio

from gateway.carrier.connection import keep_alive
from gateway.log import logger
from gateway.smpp.pdu import Outbind
from gateway.smpp.session import Closed, CloseReason, RequestReceived, Session

if TYPE_CHECKING:
    from gateway.carrier.carrier import Carrier

_log = logger(component="carrier")

MOST_OPEN: Final = 8
"""Connections that have not been taken for a bind; more are closed at once."""
OUTBIND_WAIT: Final = 5.0
"""Seconds from the connection to the outbind, which is the first thing that an SMSC sends."""
MOST_OCTETS: Final = 1024
"""Octets before an outbind: the longest has 41, and some enquire_link may stand before it."""
NEED_WAIT: Final = 5.0
"""Seconds for a bind to come that needs the connection: the session before it may be found dead just now."""
REFUSED_WAIT: Final = 1.0
"""Seconds before a connection with a wrong password is closed, which slows guessing."""
LISTEN_AGAIN: Final = 5.0
ACCEPT_AGAIN: Final = 0.1
OUTCOMES: Final = ("taken", "not_allowed", "too_many", "slow", "garbage", "refused", "not_needed")
"""What becomes of connections to the listening address."""

Made = tuple[trio.abc.Stream, Session]


class Outbinds:
    """Listens for one carrier, and hands connections to its binds (`next`)."""

    def __init__(self, carrier: Carrier, new_session: Callable[[], Session]) -> None:
        self._carrier = carrier
        self._new_session = new_session
        settings = carrier.settings
        assert settings.outbind_address is not None
        self.address = settings.outbind_address
        self.counts = dict.fromkeys(OUTCOMES, 0)
        self.begun: WeakKeyDictionary[trio.abc.Stream, bytes] = WeakKeyDictionary()  # what was read, for a capture
        self.open = 0
        self._networks = settings.outbind_networks
        self._offer, self._take = trio.open_memory_channel[Made](0)
        self._scope = trio.CancelScope()
        self._closed = trio.Event()
        self._running = False

    async def next(self) -> Made:
        """The next connection on which the carrier asked for a bind, and its session."""
        return await self._take.receive()

    async def run(self) -> None:
        """Listens until `close`; an address that cannot be had is tried again, with an alarm."""
        self._running = True
        host, port = self.address
        try:
            with self._scope:
                while True:
                    try:
                        listeners = await trio.open_tcp_listeners(port, host=host)
                    except OSError as error:
                        text = f"cannot listen on {host}:{port}: {error.strerror or error}"
                        self._carrier.alarm_list.set("outbind", text)
                        await trio.sleep(LISTEN_AGAIN)
                        continue
                    self._carrier.alarm_list.set("outbind", None)
                    _log.info("outbind_listens", carrier=self._carrier.name, address=f"{host}:{port}")
                    await self._serve(listeners)
        finally:
            self._closed.set()

    async def _serve(self, listeners: list[trio.SocketListener]) -> None:
        """Accepts until cancelled. (trio.serve_listeners would close a connection once it is handed over.)"""
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._accept, listener, nursery)

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:  # no file descriptor or memory left, mostly: it may be better soon
                    _log.error("outbind_not_accepted", carrier=self._carrier.name, error=error.strerror or str(error))
                    await trio.sleep(ACCEPT_AGAIN)
                    continue
                nursery.start_soon(self._arrived, stream)

    async def close(self) -> None:
        """Stops listening; returns when the address is free."""
        self._scope.cancel()
        if self._running:
            await self._closed.wait()

    async def _arrived(self, stream: trio.SocketStream) -> None:
        try:
            peer = stream.socket.getpeername()[0]
        except OSError:  # gone already
            await trio.aclose_forcefully(stream)
            return
        keep_alive(stream)
        await self.serve(stream, peer)

    async def serve(self, stream: trio.abc.Stream, peer: str) -> None:
        """One connection from an address, until a bind has taken it or it is closed."""
        taken = False
        try:
            if not self._allowed(peer):
                outcome = "not_allowed"
            elif self.open >= MOST_OPEN:
                outcome = "too_many"
            else:
                self.open += 1
                try:
                    outcome = await self._judge(stream)
                finally:
                    self.open -= 1
            self.counts[outcome] += 1
            taken = outcome == "taken"
            if taken:
                _log.info("outbind", carrier=self._carrier.name, peer=peer)
            else:
                _log.warning("outbind_closed", carrier=self._carrier.name, peer=peer, cause=outcome)
        finally:
            if not taken:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)

    def _allowed(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        return any(address in network for network in self._networks)

    async def _judge(self, stream: trio.abc.Stream) -> str:
        """What becomes of a connection; when it is taken, it is the bind's."""
        session = self._new_session()
        asked: Outbind | None = None
        with trio.move_on_after(OUTBIND_WAIT) as scope:
            asked = await self._outbind(stream, session)
        if scope.cancelled_caught:
            return "slow"
        if asked is None:
            return "garbage"
        if not self._known(asked):
            await trio.sleep(REFUSED_WAIT)
            return "refused"
        self._carrier.outbind_came()
        with trio.move_on_after(NEED_WAIT):
            await self._offer.send((stream, session))
            return "taken"
        return "not_needed"

    async def _outbind(self, stream: trio.abc.Stream, session: Session) -> Outbind | None:
        """The outbind that comes first; None when something else does, or the end."""
        octets = 0
        while octets < MOST_OCTETS:
            try:
                data = bytes(await stream.receive_some(MOST_OCTETS - octets))
                events = session.receive_data(data, trio.current_time()) if data else [Closed(CloseReason.EOF)]
                if answer := session.data_to_send():
                    await stream.send_all(answer)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            octets += len(data)
            self.begun[stream] = self.begun.get(stream, b"") + data
            if events:
                first = events[0]
                whole = len(events) == 1 and isinstance(first, RequestReceived) and isinstance(first.pdu, Outbind)
                return first.pdu if whole else None  # type: ignore[union-attr, return-value]
        return None

    def _known(self, asked: Outbind) -> bool:
        settings = self._carrier.settings
        assert settings.outbind_password is not None
        right = compare_digest(asked.password.encode(), settings.outbind_password.reveal().encode())
        return right and settings.outbind_system_id in (None, asked.system_id)
