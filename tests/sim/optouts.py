"""People who write STOP and START in a simulation, and the law of it: after the acknowledgement nothing is written.

What is stored as an opt-out is known by triggers, once it is committed; what the carrier was told by what the gateway
hands to its connections. From the moment in which a STOP is acknowledged until the opt-out is gone again, no submit_sm
to that phone is handed to any connection of any carrier. Writes of one moment are in no order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio

import gateway.smpp.pdu as p
from tests.sim.line import Delivery

if TYPE_CHECKING:
    from tests.sim.ledger import Ledger
    from tests.sim.plan import Plan
    from tests.sim.world import World

SHARE: Final = 0.6
"""Of the seeds without rules, how many have people who opt out."""
TRIGGERS: Final = """
CREATE TEMP TRIGGER sim_o AFTER INSERT ON main.optout BEGIN SELECT sim_optout(new.peer, 1); END;
CREATE TEMP TRIGGER sim_r AFTER DELETE ON main.optout BEGIN SELECT sim_optout(old.peer, 0); END;
"""
NAMES: Final = ("sim_o", "sim_r")
_STOPS: Final = ("STOP", "stop.", "\u201cStop!\u201d", "Unsubscribe", "opt-out", "CANCEL")


class Said:
    """A STOP or a START: when it comes, by which carrier, to which number, and how the phone is written."""

    def __init__(self, rng: Random, plan: Plan) -> None:
        self.at = rng.uniform(1.0, plan.seconds)
        self.number, self.carrier = rng.choice(list(plan.numbers.items()))
        self.peer = rng.choice(plan.peers)
        self.stop = rng.random() < 0.7
        self.text = rng.choice(_STOPS) if self.stop else rng.choice(("START", "unstop"))
        self.address = rng.choice(
            (p.Address(1, 1, self.peer[1:]), p.Address(2, 1, self.peer[2:]), p.Address(0, 1, self.peer))
        )

    def pdu(self) -> p.DeliverSm:
        """As the carrier sends it; curly quotes need UCS-2."""
        plain = self.text.isascii()
        octets = self.text.encode() if plain else self.text.encode("utf-16-be")
        return p.DeliverSm(self.address, p.Address(1, 1, self.number[1:]), octets, data_coding=0 if plain else 8)


def planned(plan: Plan) -> list[Said]:
    """What people say in a run; nothing, in most that have rules or another share."""
    rng = Random(f"{plan.seed}/optouts")
    if plan.rules is not None or rng.random() >= SHARE:
        return []
    return sorted((Said(rng, plan) for _ in range(rng.choice((1, 3, 8)))), key=lambda said: said.at)


class OptOuts:
    """Who is out, since when a carrier was told so, and what was written to them nevertheless."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._out: set[str] = set()
        self._since: dict[str, float] = {}  # by phone, when a STOP was acknowledged
        self._of: dict[Delivery, Said] = {}

    def give(self, world: World, said: Said) -> None:
        """Has a carrier bring it."""
        delivery = Delivery(said.pdu(), f"{said.text} of {said.peer}", lambda: None)
        self._of[delivery] = said
        world.carriers[said.carrier].give(delivery)

    def watch(self, con: sqlite3.Connection, tell: Callable[[tuple[Any, ...]], None]) -> None:
        """Has a connection tell of its changes; they count when they are handed to `committed`."""
        con.create_function("sim_optout", 2, lambda *row: tell(("o", *row)))

    def committed(self, peer: str, out: int) -> None:
        """An opt-out came or went."""
        self._ledger.note("optout", f"{peer} {'out' if out else 'in'}")
        if out:
            self._out.add(peer)
            self._ledger.counts["stops"] += 1
        else:
            self._out.discard(peer)
            self._since.pop(peer, None)

    def answered(self, delivery: Delivery | None) -> None:
        """The gateway hands the acknowledgement of something to a connection."""
        said = self._of.get(delivery) if delivery is not None else None
        if said is None or not said.stop:
            return
        if said.peer in self._out:
            self._since.setdefault(said.peer, trio.current_time())

    def written(self, peer: str, place: str) -> None:
        """A submit_sm to a phone is handed to a connection."""
        since = self._since.get(peer)
        if since is not None and trio.current_time() > since:
            self._ledger.broken("optout", f"{place} is written to {peer}, whose STOP was acknowledged")
