"""A carrier's life: its binds held side by side, ended and begun anew, and what an operator may ask of them."""

from __future__ import annotations

import random
import ssl
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Literal

import trio

from gateway.carrier.alarms import Alarms
from gateway.carrier.bind import DOWN_STATES, Bind, Kind
from gateway.carrier.connection import Connector, TlsContext
from gateway.carrier.outbind import Outbinds
from gateway.carrier.stall import StallWatch
from gateway.log import logger
from gateway.settings import Carrier as CarrierSettings
from gateway.smpp.session import Role, Session, SessionConfig

if TYPE_CHECKING:
    from gateway.carrier.carrier import Carrier, Hooks

_log = logger(component="carrier")

BIND_INTERVAL: Final = 1.0
"""Seconds between two bind attempts of a carrier, over all its binds: reconnects never hammer."""
LOOK_EVERY: Final = 5.0
"""Seconds between two looks at what no event tells of."""
DOWN_AFTER: Final = 15.0
"""Seconds without a bind that make an alarm: a reconnect takes some of them and is none."""
STALL_PATIENCE: Final = 1.0
"""Seconds for answers of a bind that has given none for so long."""
REBIND_CAUSES: Final = ("operator", "stall", "first_host")

Wish = Literal["run", "pause", "drain"]
STATES: Final = ("up", "degraded", "down", "paused", "draining", "drained", "stopping")
"""What `Life.state` can be."""


class Life(ABC):
    """The binds of one carrier, and what is wanted of them. The other half of a `Carrier` is what it sends."""

    hooks: Hooks

    def __init__(self, settings: CarrierSettings, connector: Connector, rng: random.Random) -> None:
        self.settings = settings
        self.name = settings.name
        self.stopping = False
        self.ending = False  # the daemon stops, or a reload puts another in its place
        self.held = False  # by an operator or while ending: nothing new is written
        self.held_for: str | None = None  # why, as the operator said it
        self.wish: Wish = "run"
        self.alarm_list = Alarms(self.name)
        self.rebinds: dict[str, int] = dict.fromkeys(REBIND_CAUSES, 0)
        self._down_since: dict[str, float | None] = dict.fromkeys(("down", "no_transmitter", "no_receiver"))
        self.down_since: float | None = None  # when it last could send, by Trio's clock; None while it can
        self._changed = trio.Event()
        self._next_bind = 0.0
        self._turns: set[trio.CancelScope] = set()
        self._moving = trio.Lock()  # one at a time ends binds that could go on
        self._nursery: trio.Nursery | None = None
        self._tls = TlsContext(settings)
        self.outbinds = Outbinds(self._me, self.new_session) if settings.outbind is not None else None
        self.binds: list[Bind] = []
        for i in range(1, settings.binds + 1):
            kinds: list[tuple[Kind, str]]
            if settings.bind == "pair":
                kinds = [("transmitter", f"{i}t"), ("receiver", f"{i}r")]
            else:
                kinds = [(settings.bind, str(i))]
            for kind, suffix in kinds:
                self.binds.append(Bind(self._me, f"{self.name}/{suffix}", kind, connector, rng))
        self._senders = [b for b in self.binds if b.kind != "receiver"]
        self._receivers = [b for b in self.binds if b.kind != "transmitter"]
        self.stalls = StallWatch(self._me)

    @property
    @abstractmethod
    def _me(self) -> Carrier:
        """This carrier, as those outside know it."""

    @property
    @abstractmethod
    def in_use(self) -> int:
        """Segments written, whose outcome is not stored yet."""

    @abstractmethod
    async def _tick(self) -> None:
        """The timer of what waits to be sent."""

    @abstractmethod
    def pump(self) -> None:
        """Writes what can be written."""

    def new_session(self) -> Session:
        """A session for a connection that was just made."""
        settings = self.settings
        return Session(
            Role.ESME,
            SessionConfig(
                # The window is kept by the bind, where a slot is free once its answer is stored.
                window=1 << 30,
                response_timeout=settings.response_timeout,
                bind_timeout=settings.bind_timeout,
                session_init=0,
                enquire_link=settings.enquire_link,
            ),
            trio.current_time(),
        )

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS settings as a context; None without TLS. Raises OSError or ssl.SSLError on bad files."""
        return self._tls.get()

    # --- running ------------------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the binds until `stop`; binds share the time between attempts."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._review()
            for bind in self.binds:
                nursery.start_soon(bind.run)
            nursery.start_soon(self._tick)
            nursery.start_soon(self._watch)
            if self.outbinds is not None:
                nursery.start_soon(self.outbinds.run)
            task_status.started()
            while not (self.stopping and all(b.state == "stopped" for b in self.binds)):
                await self.changed()
            nursery.cancel_scope.cancel()

    async def _watch(self) -> None:
        """Now and then: stalls, hosts to go back to, reading that was stopped for long, how long what has been down."""
        assert self._nursery is not None
        # A stall is to be found soon after its time, also where that is short.
        every = min(LOOK_EVERY, max(1.0, self.settings.stall_after / 4)) if self.settings.stall_after else LOOK_EVERY
        while True:
            await trio.sleep(every)
            now = trio.current_time()
            for bind in self.binds:
                bind.look(now)
            self._how_long(now)
            if self.ending or self.wish == "drain" or self._moving.locked():
                continue
            stalled = self.stalls.look(now)
            if stalled:
                self._nursery.start_soon(self._rebind, "stall", stalled, STALL_PATIENCE)
                continue
            for bind in self.binds:
                if bind.state == "bound" and bind.hosts is not None and bind.hosts.return_due(now):
                    self._nursery.start_soon(self._return, bind)
                    break

    async def _return(self, bind: Bind) -> None:
        async with self._moving:
            if await bind.seek_first():
                self.rebinds["first_host"] += 1
                await self._back(bind)

    def stopped(self) -> bool:
        """Whether `stop` was called; a call, since it changes while others wait."""
        return self.stopping

    async def bind_turn(self) -> None:
        """Waits for this carrier's turn to try a bind."""
        if self.stopping:
            return
        now = trio.current_time()
        at = max(now, self._next_bind)
        self._next_bind = at + BIND_INTERVAL
        with trio.CancelScope() as scope:
            self._turns.add(scope)
            try:
                await trio.sleep_until(at)
            finally:
                self._turns.discard(scope)

    def bound(self, bind: Bind) -> None:
        """A bind came up."""
        self._notify()
        self.pump()
        self.hooks.ready(self._me)

    async def changed(self) -> None:
        """Waits for the next change of state of a bind, or of what is wanted of the carrier."""
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def state_changed(self, bind: Bind) -> None:
        """Called by a bind whenever its state changes."""
        self._review()
        self._notify()
        self.hooks.state(bind)
        me = self._me
        if bind.state == "down" and not me.can_send and me.claims_waiting:
            self.hooks.stalled(me)

    def all_answered(self) -> None:
        """A bind that is being ended owes no more answers, or is owed none."""
        self._notify()

    def outbind_came(self) -> None:
        """The carrier asks for a bind: what it held before may be dead without our knowing, so that is looked at."""
        if not any(b.state == "awaiting" for b in self.binds):
            for bind in self.binds:
                if bind.by_outbind:
                    bind.probe()

    async def stop(self) -> None:
        """Unbinds everywhere and ends `run`; the caller has waited for answers before."""
        self.ending = self.stopping = True
        async with trio.open_nursery() as nursery:
            for bind in self.binds:
                nursery.start_soon(bind.stop)
            for scope in list(self._turns):
                scope.cancel()
            if self.outbinds is not None:
                nursery.start_soon(self.outbinds.close)
        self._notify()

    def wind_down(self) -> None:
        """Before `stop`: nothing new is written, and no operator can have it otherwise."""
        self.ending = self.held = True
        self.hooks.stalled(self._me)
        self._notify()

    # --- as an operator wants it --------------------------------------------------------------------------------------

    @property
    def parked(self) -> bool:
        """Whether the binds shall stay unbound."""
        return self.wish == "drain"

    def hold(self, reason: str | None = None) -> None:
        """Writes nothing more until `release`. The binds stay up: answers, receipts and inbound messages go on.

        After `drain` they come up again for that.
        """
        self._want("pause", reason)

    def drain(self, reason: str | None = None) -> None:
        """Writes nothing more, waits for the answers to what was written, unbinds, and stays unbound until `release`.

        Returns at once; `state` is ``draining``, then ``drained``, and `changed` tells of it.
        """
        if self.wish == "drain" or self.ending:
            return
        self._want("drain", reason)
        if self._nursery is not None:
            for bind in self.binds:
                self._nursery.start_soon(bind.retire, self.settings.response_timeout)
                bind.wake()

    def release(self) -> None:
        """Goes on after `hold` or `drain`."""
        if self.ending or self.wish == "run":
            return
        self.held = False
        self._want("run", None)
        self.pump()
        self.hooks.ready(self._me)

    def _want(self, wish: Wish, reason: str | None) -> None:
        if self.ending:
            return
        _log.info("carrier_wish", carrier=self.name, wish=wish, reason=reason)
        self.wish = wish
        self.held_for = reason
        if wish != "run":
            self.held = True
            self.hooks.stalled(self._me)
        if wish != "drain":
            for bind in self.binds:
                if bind.state == "drained":
                    bind.wake()
        self._review()
        self._notify()

    async def rebind(self) -> list[dict[str, Any]]:
        """Unbinds politely and binds again, one bind after the other; those that are down are tried at once.

        Nothing is lost by it and nothing doubled: what was written is answered first. Where a bind does not come back
        the others are left as they are. Returns for each ``bind``, ``state`` and ``last_error``, as they then are.
        """
        if self._nursery is None or self.parked or self.ending:
            return self._shown()
        done = trio.Event()

        async def run() -> None:
            try:
                await self._rebind("operator", list(self.binds), self.settings.response_timeout)
            finally:
                done.set()

        # In the carrier's own nursery: who asked may go, but half an unbind is none.
        self._nursery.start_soon(run)
        await done.wait()
        return self._shown()

    def _shown(self) -> list[dict[str, Any]]:
        return [{"bind": b.name, "state": b.state, "last_error": b.last_error} for b in self.binds]

    async def _rebind(self, cause: str, binds: list[Bind], patience: float) -> None:
        async with self._moving:
            for bind in binds:
                if self.parked or self.ending:
                    break
                self.rebinds[cause] += 1
                if bind.session is None:
                    bind.wake()
                    continue
                _log.info("rebinds", bind=bind.name, cause=cause)
                await bind.retire(patience)
                if not await self._back(bind):
                    _log.warning("rebind_ends", bind=bind.name, state=bind.state, error=bind.last_error)
                    break

    async def _back(self, bind: Bind) -> bool:
        """Waits until a bind that was ended is bound again; returns whether it is."""
        before = bind.reconnects
        settings = self.settings
        with trio.move_on_after(settings.connect_timeout + settings.bind_timeout + BIND_INTERVAL * len(self.binds)):
            while bind.state != "bound" and not (bind.reconnects > before and bind.state in DOWN_STATES):
                if self.ending or bind.state == "stopped":
                    return False
                await self.changed()
        return bind.state == "bound"

    # --- how it is ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One word: ``up`` (all binds are), ``degraded`` (some), ``down`` (none); where an operator wants it so
        ``paused``, ``draining``, ``drained``; ``stopping``."""
        if self.ending or self.stopping:
            return "stopping"
        if self.wish == "drain":
            over = all(b.state == "drained" for b in self.binds) and not self.in_use
            return "drained" if over else "draining"
        if self.held:
            return "paused"
        up = sum(b.state == "bound" for b in self.binds)
        if up == 0:
            return "down"
        return "up" if up == len(self.binds) else "degraded"

    def alarms(self) -> list[dict[str, Any]]:
        """What is wrong and does not mend itself soon, oldest first: ``kind`` (as `gateway.carrier.alarms` lists them),
        ``since`` in seconds since 1970, ``detail`` in words."""
        return self.alarm_list.shown()

    def _review(self) -> None:
        """The alarms that follow from the state of the binds."""
        alarms = self.alarm_list
        for kind, of in (("credentials", "refused"), ("already_bound", "already_bound")):
            found = [f"{b.name}: {b.last_error}" for b in self.binds if getattr(b, of)]
            alarms.set(kind, "; ".join(found) or None)
        now = trio.current_time()
        if self._me.can_send:
            self.down_since = None
        elif self.down_since is None:
            self.down_since = now
        for kind, binds in self._directions():
            if any(b.state == "bound" for b in binds) or self.parked or self.ending:
                self._down_since[kind] = None
                alarms.set(kind, None)
            elif self._down_since[kind] is None:
                self._down_since[kind] = now

    def _directions(self) -> tuple[tuple[str, list[Bind]], ...]:
        if len(self._senders) == len(self._receivers) == len(self.binds):
            return (("down", self.binds),)
        return tuple(
            (kind, binds)
            for kind, binds in (
                ("down", self.binds),
                ("no_transmitter", self._senders),
                ("no_receiver", self._receivers),
            )
            if binds
        )

    def _how_long(self, now: float) -> None:
        for kind, binds in self._directions():
            since = self._down_since[kind]
            if all(b.state == "awaiting" for b in binds) and (kind == "no_receiver" or not self._me.something_waits()):
                continue  # it connects when it has something for us
            if since is not None and now - since >= DOWN_AFTER and not (kind != "down" and "down" in self.alarm_list):
                error = next((b.last_error for b in binds if b.last_error), "no attempt has ended yet")
                self.alarm_list.set(kind, error)
