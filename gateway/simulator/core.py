"""What the parts of a simulator share: its settings, clocks, chance, counters and binds."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import trio

from gateway.sms.reassembly import assemble

from .air import Kind, Message, OnAir, part_of, show_address
from .config import SimulatorConfig
from .deliveries import Bind, Deliveries, Delivery
from .stats import Stats
from .timer import Timer


class Core:
    """Held by the simulator and handed to its parts. `wall` gives seconds since 1970."""

    def __init__(
        self,
        config: SimulatorConfig,
        rng: random.Random,
        wall: Callable[[], float],
        on_air: Callable[[OnAir], None] | None,
        timer: Timer,
    ) -> None:
        self.config = config
        self.rng = rng
        self.wall = wall
        self.on_air = on_air
        self.timer = timer
        self.stats = Stats()
        self.binds: dict[int, Bind] = {}
        self.touched: set[Bind] = set()
        self.deliveries = Deliveries(self.binds, self.stats, rng, timer.later, self._sent)
        self.messages: deque[Message] = deque(maxlen=config.log_size)
        self.conversation: tuple[str, str] | None = None
        """Who was written to last, and by which number."""

    def show(self, kind: Kind, **fields: Any) -> None:
        """Tell who looks at the air, if anybody does."""
        if self.on_air is not None:
            self.on_air(OnAir(kind=kind, at=self.wall(), **fields))

    def show_bind(self, kind: Kind, bind: Bind, **fields: Any) -> None:
        """The same, of a bind."""
        if self.on_air is not None:
            self.show(kind, bind=bind.number, system_id=bind.system_id, **fields)

    def pump(self) -> None:
        """Put what is owed into the binds that have room for it."""
        now = trio.current_time()
        for bind in self.binds.values():
            if bind.queue and self.deliveries.pump(bind, now):
                self.touched.add(bind)

    def _sent(self, bind: Bind, delivery: Delivery) -> None:
        pdu = delivery.pdu
        if delivery.kind == "receipt":
            self.stats.receipts_sent += 1
        else:
            self.stats.inbound_sent += 1
        if self.on_air is None:
            return
        part = part_of(pdu)
        whole = assemble({part.seq: part}, part.total, self.config.alphabet)
        self.show_bind(
            delivery.kind,
            bind,
            source=show_address(pdu.source),
            destination=show_address(pdu.destination),
            part=part.seq,
            total=part.total,
            encoding=whole.encoding,
            text=whole.text,
            octets=part.data,
            message_id=delivery.message_id,
            state=delivery.state,
            attempt=delivery.attempts,
        )
