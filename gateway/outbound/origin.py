"""Whom a message is from: the number that a request names, or the one chosen for it; and whether it may go there.

Rights and settings decide; what a peer wrote to is a fact that was asked for before (`gateway.outbound.ahead`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.outbound.request import App, Refusal
from gateway.policy.destination import Destinations
from gateway.policy.names import Names
from gateway.policy.numbers import Sending
from gateway.policy.room import Room
from gateway.policy.sender import Senders, Why
from gateway.settings import Settings
from gateway.settings.pools import BY_NAME
from gateway.settings.routes import MessageClass
from gateway.sms.address import AddressError, normalise_sender
from gateway.sms.lines import line_of
from gateway.store.known import NOTHING, Known, Need

CACHED: Final = 10_000
"""Spellings of our numbers, and apps with pools, that are remembered."""

# Plain numbers: those of an IntFlag are added up in Python, and these are for each message.
_THREADS: Final = int(Need.THREADS)
_THREADS_ROOM: Final = int(Need.THREADS | Need.ROOM)

_NOT_OURS: Final = "not one of the configured numbers"
"""Said of a number or pool that is not there as of one that is another app's: an app learns nothing of others'."""


class From(NamedTuple):
    """Where a message goes out from; ``why`` it is this number: named, the only one, or how it was chosen."""

    number: str
    why: Why
    warnings: tuple[str, ...] = ()


class Origins:
    """By the settings of the moment. ``asks``: whether any request may need a fact."""

    def __init__(self, settings: Settings) -> None:
        self._region = settings.default_region
        self._all = frozenset(settings.numbers_by_value)
        self.sending = Sending(settings)
        self.names = Names(settings)
        self.senders = Senders(settings, self.sending, self.names)
        self.destinations = Destinations(settings)
        self._looked_at = self.sending.limited | self.names.values
        self._deaf = self.sending.deaf
        self._pools = {name: frozenset(pool.numbers) for name, pool in settings.pools.items()}
        self._pool_of = {app.name: self._pools[app.pool] for app in settings.apps if app.pool is not None}
        self._within: dict[tuple[frozenset[str], frozenset[str]], frozenset[str]] = {}
        self._spelt: dict[str, str] = {}
        self._settled: dict[tuple[str, str | None, frozenset[str] | None], From] = {}
        self.asks = len(self._all) > 1

    @staticmethod
    def chooses(wanted: str | None) -> bool:
        """Whether a number is chosen where this is named."""
        return wanted is None or wanted.startswith(BY_NAME)

    def pool(self, app: App, wanted: str | None) -> frozenset[str]:
        """The numbers of which one is chosen where none is named, or a pool is. Raises Refusal."""
        numbers = app.numbers
        if wanted is None:
            pool = self._pool_of.get(app.name)
            if pool is None:
                return self._all if numbers is None else numbers
        else:
            pool = self._pools.get(wanted.removeprefix(BY_NAME), frozenset())
        if numbers is not None:
            # Only those that it may send from: of a pool that is another app's nothing is left.
            own = self._within.get((pool, numbers))
            if own is None:
                own = pool & numbers
                if len(self._within) < CACHED:
                    self._within[pool, numbers] = own
            pool = own
        if not pool:
            raise Refusal("invalid_from", f"{_NOT_OURS} or pools", field="from")
        return pool

    def need(self, app: App, wanted: str | None, klass: MessageClass, peer: str) -> int:
        """The kinds of facts that are needed to choose a number; none where one is named, or only one fits."""
        if not self.chooses(wanted):
            return 0
        try:
            pool = self.pool(app, wanted)
        except Refusal:  # said when it is prepared
            return 0
        if len(pool) > 1:
            fit = self.senders.fit(pool, klass, peer)
            if len(fit.fit) > 1:
                return _THREADS_ROOM if fit.metered else _THREADS
        return 0

    def metered(self, app: App, wanted: str | None, klass: MessageClass, peer: str) -> frozenset[str]:
        """The numbers whose room is needed (`Need.ROOM`) to choose one."""
        return self.senders.fit(self.pool(app, wanted), klass, peer).metered

    def room(self, known: Known | None, now_ms: int) -> Room | None:
        """What is left of the quotas of the numbers that were asked about; None where none was."""
        used = known.used if known is not None else None
        if used is None:
            return None
        if used.room is None:
            used.room = self.senders.rooms.of(used.numbers, used.rows, now_ms)
        return used.room

    def of(
        self,
        app: App,
        wanted: str | None,
        klass: MessageClass,
        peer: str,
        now_ms: int,
        known: Known | None = None,
        segments: int = 1,
    ) -> From:
        """The number that a message goes out from, of so many segments at least as far as is known.

        Raises Refusal where it may not go there, or from there.
        """
        if not app.replies and (refused := self.destinations.refused(app.name, peer)) is not None:
            raise Refusal(refused.reason, refused.detail, field="to")
        # What one app names, or its only number: the same for each peer, where nothing limits it.
        settled = self._settled.get((app.name, wanted, app.numbers))
        if settled is not None and peer not in self._deaf:
            return settled
        if wanted is None or wanted.startswith(BY_NAME):
            room = self.room(known, now_ms)
            pool = self.pool(app, wanted)
            found = self._chosen(pool, klass, peer, known or NOTHING, room, segments)
            alone = len(pool) == 1 and found.number in self._all
        else:
            found = From(self._named(app, wanted), "named")
            alone = True
        if found.number in self._looked_at or peer in self._deaf:
            return self._may(app, found, klass, peer, now_ms)
        if alone and len(self._settled) < CACHED:
            self._settled[app.name, wanted, app.numbers] = found
        return found

    def _chosen(
        self, pool: frozenset[str], klass: MessageClass, peer: str, known: Known, room: Room | None, segments: int
    ) -> From:
        """An only one as if it had been named, or one that fits. Raises Refusal."""
        if len(pool) == 1:
            (number,) = pool
            if number in self._all:
                return From(number, "only")
        fit = self.senders.fit(pool, klass, peer)
        if not fit.fit:
            raise Refusal("no_sender", fit.missing, field="from")
        return From(*self.senders.choose(fit, peer, known.threads, room, segments))

    def _named(self, app: App, wanted: str) -> str:
        """The number that an app names. Raises Refusal."""
        number = self._spelt.get(wanted)
        if number is None:
            try:
                number = normalise_sender(wanted, self._region).value
            except AddressError as error:
                raise Refusal("invalid_from", error.detail, field="from") from None
            if number not in self._all:
                raise Refusal("invalid_from", _NOT_OURS, field="from")
            if len(self._spelt) < CACHED:
                self._spelt[wanted] = number
        if app.numbers is not None and number not in app.numbers:
            raise Refusal("invalid_from", _NOT_OURS, field="from")
        return number

    def _may(self, app: App, found: From, klass: MessageClass, peer: str, now_ms: int) -> From:
        """The number that sends in its place, if another does. Raises Refusal where none may."""
        number, warnings = found.number, found.warnings
        if number in self.sending.limited:
            origin = self.sending.origin(number, klass, now_ms, reply=app.replies)
            if origin.reason is not None:
                raise Refusal(origin.reason, origin.detail, field="from")
            number = origin.number
            if origin.warning is not None:
                warnings += (origin.warning,)
        if number in self.names.values and (said := self.names.said(number, klass, line_of(peer).country)) is not None:
            if said.reason is not None:
                raise Refusal(said.reason, said.text, field="from")
            warnings += (said.text,)
        if peer in self._deaf and (why := self.sending.unreachable(number, peer)) is not None:
            raise Refusal("no_sms_capability", why, field="to")
        return From(number, found.why, warnings)
