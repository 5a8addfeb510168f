"""Inbound messages: asked for one by one, or made up at a rate."""

from __future__ import annotations

from typing import Any

import trio

from gateway.smpp.codec import encode
from gateway.smpp.pdu import Address, DeliverSm, Tlv
from gateway.sms.address import wire_address
from gateway.sms.segment import AskedEncoding, Scheme, plan

from .core import Core
from .deliveries import Delivery
from .timer import GRAIN

CATCH_UP = 1.0
"""Seconds by which the generator may be behind; what it missed before is not made up for."""


class Inbound:
    """Makes deliver_sm of texts."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._ref = core.rng.randrange(0x10000)
        self._due: float | None = None

    def send(
        self,
        peer: str,
        number: str,
        text: str | bytes,
        *,
        scheme: Scheme,
        encoding: AskedEncoding = "auto",
        system_id: str | None = None,
    ) -> int:
        """Queue a message in as many parts as it takes and return how many were queued."""
        core = self._core
        segments = plan(text, encoding=encoding, scheme=scheme, alphabet=core.config.alphabet)
        self._ref = (self._ref + 1) & 0xFFFF
        source, destination = Address(*wire_address(peer)), Address(*wire_address(number))
        pdus = [
            DeliverSm(
                source,
                destination,
                body.short_message,
                esm_class=body.esm_class,
                data_coding=body.data_coding,
                tlvs=tuple(Tlv(tag, value) for tag, value in body.tlvs),
            )
            for body in segments.render(self._ref)
        ]
        encode(pdus[0], 1)  # an address that does not fit is the caller's to hear of, now
        if core.config.out_of_order:
            core.rng.shuffle(pdus)
        core.stats.inbound += 1
        core.stats.inbound_parts += len(pdus)
        return sum(core.deliveries.add(Delivery("inbound", pdu, system_id)) for pdu in pdus)

    def configured(self) -> None:
        """The rate may have changed."""
        if not self._core.config.mo_rate:
            self._due = None
        elif self._due is None:
            self._due = trio.current_time() + 1 / self._core.config.mo_rate
            self._core.timer.at(self._due, self._tick, self._due)
        else:
            self._reschedule()

    def _reschedule(self) -> None:
        # Of several calls under way only the one for the present due time counts.
        soonest = trio.current_time() + 1 / self._core.config.mo_rate
        assert self._due is not None
        self._due = min(self._due, soonest)
        self._core.timer.at(self._due, self._tick, self._due)

    def _tick(self, due: Any) -> None:
        if due != self._due or self._due is None:
            return
        now = trio.current_time()
        rate = self._core.config.mo_rate
        at = max(self._due, now - CATCH_UP)
        while at <= now + GRAIN:
            self._make_up()
            at += 1 / rate
        self._due = at
        self._core.timer.at(at, self._tick, at)

    def _make_up(self) -> None:
        core = self._core
        config, rng = core.config, core.rng
        peer, number = core.conversation or ("", "")
        if config.mo_peers:
            peer = rng.choice(config.mo_peers)
        if config.mo_numbers:
            number = rng.choice(config.mo_numbers)
        if peer and number:
            self.send(peer, number, rng.choice(config.mo_texts), scheme=config.mo_scheme)
