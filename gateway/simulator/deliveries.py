"""What the SMSC owes to ESMEs: receipts and inbound messages, kept until each one is acknowledged."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal

from gateway.link import Link
from gateway.smpp.constants import CommandStatus, is_temporary
from gateway.smpp.pdu import DeliverSm
from gateway.smpp.session import Session
from gateway.smpp.states import SessionState

from .config import ReceiptBind
from .stats import Stats

_RECEIVES = (SessionState.BOUND_RX, SessionState.BOUND_TRX)


class Bind:
    """One connection of an ESME; `system_id` is empty until it has bound."""

    __slots__ = ("kind", "link", "number", "queue", "session", "system_id")

    link: Link

    def __init__(self, number: int, session: Session) -> None:
        self.number = number
        self.session = session
        self.system_id = ""
        self.kind = ""
        self.queue: deque[Delivery] = deque()

    @property
    def receives(self) -> bool:
        """Whether deliver_sm may be sent on it."""
        return self.session.state in _RECEIVES

    @property
    def load(self) -> int:
        """Deliveries that are on it or wait for it."""
        return len(self.queue) + self.session.outstanding


class Delivery:
    """A deliver_sm that is owed.

    `system_id` None: to whoever is bound. `origin` is the bind of the submit that a receipt is for, `bind`
    the one that it was last sent on, 0 before.
    """

    __slots__ = (
        "attempts",
        "bind",
        "done",
        "kind",
        "message_id",
        "on_done",
        "origin",
        "pdu",
        "state",
        "system_id",
    )

    def __init__(
        self,
        kind: Literal["receipt", "inbound"],
        pdu: DeliverSm,
        system_id: str | None,
        *,
        origin: int = 0,
        state: str = "",
        message_id: str = "",
    ) -> None:
        self.kind: Literal["receipt", "inbound"] = kind
        self.pdu = pdu
        self.system_id = system_id
        self.origin = origin
        self.state = state
        self.message_id = message_id
        self.on_done: Callable[[], None] | None = None
        self.attempts = 0
        self.bind = 0
        self.done = False


class Deliveries:
    """Gives each delivery to a bind, and again to another until it is acknowledged.

    `later(seconds, function, argument)` calls back; `on_sent` is told of each deliver_sm that went into a
    session.
    """

    def __init__(
        self,
        binds: dict[int, Bind],
        stats: Stats,
        rng: random.Random,
        later: Callable[[float, Callable[[Any], object], Any], None],
        on_sent: Callable[[Bind, Delivery], None],
    ) -> None:
        self._binds = binds
        self._stats = stats
        self._rng = rng
        self._later = later
        self._on_sent = on_sent
        self._homeless: deque[Delivery] = deque()
        self.waiting = 0
        """Deliveries that are not acknowledged."""
        self.most = 100_000
        self.retry_delay = 1.0
        self.receipt_on: ReceiptBind = "same"

    def add(self, delivery: Delivery) -> bool:
        """Take on a delivery; False when too many wait already."""
        if self.waiting >= self.most:
            self._stats.dropped += 1
            return False
        self.waiting += 1
        self._place(delivery)
        return True

    def bound(self) -> None:
        """A bind was taken: what had nowhere to go may go there."""
        homeless, self._homeless = self._homeless, deque()
        for delivery in homeless:
            self._place(delivery)

    def unbound(self, bind: Bind) -> None:
        """A bind is over: what it did not acknowledge goes to another, in the same order."""
        unanswered: list[Delivery] = bind.session.outstanding_tokens()
        queue, bind.queue = bind.queue, deque()
        for delivery in (*unanswered, *queue):
            self._place(delivery)

    def answered(self, delivery: Delivery, status: int, *, late: bool = False) -> None:
        """The response to a deliver_sm; a late one comes when it is to be sent again already."""
        if delivery.done:
            return
        stats = self._stats
        if status == CommandStatus.ESME_ROK:
            if delivery.kind == "receipt":
                stats.receipts_acknowledged += 1
            else:
                stats.inbound_acknowledged += 1
            self._finish(delivery)
        elif late:
            return
        elif is_temporary(status):
            stats.deliveries_deferred += 1
            self._later(self.retry_delay, self._place, delivery)
        else:
            stats.deliveries_refused += 1
            self._finish(delivery)

    def expired(self, delivery: Delivery) -> None:
        """No response in time."""
        self._stats.deliveries_expired += 1
        self._later(self.retry_delay, self._place, delivery)

    def pump(self, bind: Bind, now: float) -> bool:
        """Send what waits for a bind as far as its window allows; whether anything went."""
        queue = bind.queue
        if not queue or not bind.receives:
            return False
        session = bind.session
        sent = False
        while queue and session.window_free > 0:
            delivery = queue.popleft()
            if delivery.done:
                continue
            try:
                session.send_request(delivery.pdu, now, delivery)
            except ValueError:
                # A receipt goes to the address of its submit, which may have been longer than a field can be.
                self._stats.deliveries_refused += 1
                self._finish(delivery)
                continue
            delivery.attempts += 1
            delivery.bind = bind.number
            self._on_sent(bind, delivery)
            sent = True
        return sent

    def _finish(self, delivery: Delivery) -> None:
        delivery.done = True
        self.waiting -= 1
        if delivery.on_done is not None:
            delivery.on_done()

    def _place(self, delivery: Delivery) -> None:
        if delivery.done:
            return
        bind = self._choose(delivery)
        (self._homeless if bind is None else bind.queue).append(delivery)

    def _choose(self, delivery: Delivery) -> Bind | None:
        system_id = delivery.system_id
        able = [
            bind
            for bind in self._binds.values()
            if bind.receives and (system_id is None or bind.system_id == system_id)
        ]
        if not able:
            return None
        if delivery.kind == "inbound":
            return least_loaded(able)
        if self.receipt_on == "any":
            return self._rng.choice(able)
        others = [bind for bind in able if bind.number != delivery.origin]
        if self.receipt_on == "other":
            return least_loaded(others or able)
        if len(others) < len(able):
            return self._binds[delivery.origin]
        return least_loaded(able)


def least_loaded(binds: Iterable[Bind]) -> Bind:
    """The bind with the fewest deliveries, of several the oldest."""
    return min(binds, key=lambda bind: bind.load)
