"""Where a message may go when its carrier fails it, and what it looks like there: planned anew from what is stored.

Called in the writer's thread: all that is read here is replaced as a whole, never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.model import CLASSES
from gateway.outbound.choice import Choice
from gateway.outbound.options import PORTS, Options, restored, stored
from gateway.outbound.prepare import Preparer, receipts_of
from gateway.outbound.request import App, Refusal, Submit
from gateway.policy.routing import Facts, Ranking, pair_key
from gateway.settings import Carrier, Settings
from gateway.settings.carrier.wire import Wire
from gateway.smpp.tlv import tag_name
from gateway.store.reroute import Candidate, Cause, Plan

_ANY: Final = App("", None, binary=True)
"""Rights were looked at when the message came in."""


class Replanner:
    """The planner of the store (`gateway.store.reroute.Planner`).

    ``ready`` are the carriers that take messages just now; ``left`` (route, carrier) where what is queued there goes
    elsewhere.
    """

    def __init__(self, settings: Settings, choice: Choice, preparer: Preparer) -> None:
        self._choice = choice
        self._preparer = preparer
        self.ready: frozenset[str] = frozenset()
        self.left: frozenset[tuple[str, str]] = frozenset()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Takes over new settings; the choice and the preparer have them already."""
        self._carriers = settings.carriers_by_name
        self._same: dict[tuple[str, str], bool] = {}
        self.receipts = any(route.failover_on_receipt for route in settings.routes)

    def plan(self, message: Candidate, cause: Cause, now: int, target: str | None = None) -> Plan | None:
        """The message on the next carrier of its route, or on ``target``; None where it stays."""
        routing = self._choice.routing
        if routing is None or message.expires_at <= now:
            return None
        ranking = routing.route(Facts(message.number, message.app, CLASSES[message.klass], message.peer))
        if ranking is None or not self._allowed(ranking, message, cause):
            return None
        for name in self._next(ranking, message, cause, target):
            planned = self._on(message, ranking, self._carriers[name], cause)
            if planned is not None:
                return planned
        return None

    def _allowed(self, ranking: Ranking, message: Candidate, cause: Cause) -> bool:
        if cause == "refused":
            return ranking.route.failover_on_refusal
        if cause == "receipt":
            return ranking.route.failover_on_receipt
        if cause == "order":
            return ranking.sticky
        return (ranking.name, message.carrier) in self.left

    def _next(self, ranking: Ranking, message: Candidate, cause: Cause, target: str | None) -> Iterator[str]:
        """Carriers that it may go to, the best first: each is tried at most once for a message."""
        barred = {message.carrier, *message.tried}
        names = ranking.ranked(pair_key(*message.pair) if ranking.sticky else str(message.id))
        if target is not None:
            names = (target,) if target in names else ()
        elif ranking.sticky and (held := self._choice.moved.get(message.pair)) is not None and held[0] in names:
            names = (held[0], *(name for name in names if name != held[0]))
        open_to = [name for name in names if name not in barred and name in self._carriers]
        yield from (name for name in open_to if name in self.ready)
        if cause not in ("down", "drained"):
            # Better to wait for a carrier that is down just now than to end with the refusal of another.
            yield from (name for name in open_to if name not in self.ready)

    # --- the message itself -------------------------------------------------------------------------------------------

    def _on(self, message: Candidate, ranking: Ranking, carrier: Carrier, cause: Cause) -> Plan | None:
        sticky = ranking.sticky and cause != "receipt"  # a phone that was off says nothing of its carrier
        ref = message.concat_ref
        if self._alike(message.carrier, carrier):
            if cause == "receipt" and message.parts > 1:
                # The phone may have kept some parts of the first attempt: these shall not be put together with them.
                ref = self._preparer.next_ref()
            return Plan(
                carrier.name, ranking.name, sticky, message.body, message.encoding, message.options, message.scheme,
                ref, message.parts, receipts_of(carrier, message.parts) if message.receipt else 0,
            )  # fmt: skip
        try:
            request = self._request(message)
            planned, content, options, _ = self._preparer.planning.plan(_ANY, request, carrier)
        except (Refusal, ValueError):
            return None  # it cannot be sent there: too long, a character, a header
        kept = restored(message.options)
        bodies = planned.render(0)
        if len(bodies) > 1 and (not ref or cause == "receipt"):
            ref = self._preparer.next_ref()
        return Plan(
            carrier.name,
            ranking.name,
            sticky,
            content if isinstance(content, bytes) else content.encode(),
            planned.encoding,
            stored(msgspec.structs.replace(options, zone=kept.zone, quiet=kept.quiet)),
            planned.scheme,
            ref if len(bodies) > 1 else 0,
            len(bodies),
            receipts_of(carrier, len(bodies)) if message.receipt else 0,
        )

    def _alike(self, old: str, new: Carrier) -> bool:
        """Whether two carriers are sent to in the same way, so that what is stored serves both."""
        known = self._same.get((old, new.name))
        if known is None:
            other = self._carriers.get(old)
            known = other is not None and all(getattr(other, key) == getattr(new, key) for key in Wire.model_fields)
            self._same[old, new.name] = known
        return known

    def _request(self, message: Candidate) -> Submit:
        """A request that asks for what is stored. Raises ValueError where that is damaged."""
        options = restored(message.options)
        ports: dict[str, int] = {}
        tlvs: dict[str, str | int] = {}
        for tag, octets in options.tlvs:
            if options.added and tag in PORTS:
                ports[tag_name(tag)] = int.from_bytes(octets)
            else:
                tlvs[f"0x{tag:04X}"] = octets.hex()
        request = Submit(
            to=message.peer,
            flash=bool(options.flash),
            udh=options.udh.hex() or None,
            source_port=ports.get("source_port"),
            destination_port=ports.get("destination_port"),
            protocol_id=options.protocol_id or None,
            tlvs=tlvs or None,
            validity=1.0 if options.validity else None,
        )
        if message.encoding == "binary":
            return msgspec.structs.replace(request, data=message.body.hex())
        request = msgspec.structs.replace(request, text=message.body.decode())
        return msgspec.structs.replace(request, encoding=self._asked(message, request, options))

    def _asked(self, message: Candidate, request: Submit, options: Options) -> str:
        """The encoding that was asked for: auto where that makes on its own carrier what is stored."""
        carrier = self._carriers.get(message.carrier)
        if carrier is None:
            return "auto"
        try:
            planned, *_ = self._preparer.planning.plan(_ANY, request, carrier)
        except (Refusal, ValueError):
            return "auto"
        return "auto" if planned.encoding == message.encoding else message.encoding
