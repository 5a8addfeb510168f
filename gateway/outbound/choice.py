"""The carrier that a message is given: by its route, by what is down, and by where its pair is held.

A number and a peer stay on their carrier while that is up. Most pairs are where the hash of their route puts them, and
that needs no memory; only pairs that were moved off that carrier are remembered, here and in the table `sticky`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.policy.routing import Facts, Ranking, Routing, pair_key
from gateway.settings import Settings
from gateway.store.sticky import StickyOp, StickyRow

Pair = tuple[str, str]
REFRESH: Final = 8
"""A pair in use is written anew when an eighth of its age is over, so that it does not age away."""


class Chosen(NamedTuple):
    """A carrier, and how it came to be. ``moved``: the pair is to be remembered on it, off its first choice."""

    carrier: str
    route: str | None = None
    moved: bool = False


class PassedOver(NamedTuple):
    """A route on which a carrier is passed over; ``to`` are the carriers that are first without it.

    None: no other takes messages, so that what is its own waits for it.
    """

    route: str
    to: tuple[str, ...]


class Choice:
    """Routes of the configuration, the carriers that are passed over, and the pairs that were moved.

    ``away`` holds (route, carrier) where the carrier has been down for the route's ``failover_after`` and what waited
    there has moved on. It is empty most of the time, and then a choice is a hash.
    """

    def __init__(self, settings: Settings) -> None:
        self.away: frozenset[tuple[str, str]] = frozenset()
        self.moved: dict[Pair, tuple[str, int]] = {}  # carrier, and when it was last written; oldest first
        self.evicted = 0
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Takes over new settings."""
        self.routing: Routing | None = Routing(settings) if settings.routes else None
        self._most = settings.limits.sticky_pairs
        self._age_ms = int(settings.limits.sticky_age * 1000)
        names = {carrier.name for carrier in settings.carriers}
        self.away = frozenset()  # what is down is looked at anew, and with it what may have another carrier now
        self.moved = {pair: held for pair, held in self.moved.items() if held[0] in names}
        while len(self.moved) > self._most:
            self._evict()

    def load(self, rows: Iterable[StickyRow]) -> None:
        """Takes what is stored, oldest first."""
        for number, peer, carrier, at in rows:
            self.moved[number, peer] = (carrier, at)
        while len(self.moved) > self._most:
            self._evict()

    # --- choosing -----------------------------------------------------------------------------------------------------

    def choose(self, facts: Facts, message_id: int, now_ms: int) -> Chosen | None:
        """The carrier for a new message; None where no route matches: then its number's own."""
        assert self.routing is not None
        ranking = self.routing.route(facts)
        return None if ranking is None else self.of(ranking, facts.number, facts.peer, message_id, now_ms)

    def of(self, ranking: Ranking, number: str, peer: str, message_id: int, now_ms: int) -> Chosen:
        """The same where the route is known. Changes nothing."""
        route, away = ranking.name, self.away
        moved = False
        if not ranking.sticky:
            key = str(message_id)
        else:
            key = pair_key(number, peer)
            held = self.moved.get((number, peer)) if self.moved else None
            if held is not None:
                if held[0] in ranking.names and (route, held[0]) not in away:
                    return Chosen(held[0], route, now_ms - held[1] > self._age_ms // REFRESH)
                moved = True  # it may be its first choice that it comes to, and stays on from now on
        if not away:
            return Chosen(ranking.home(key), route, moved)
        names = ranking.ranked(key)
        for name in names:
            if (route, name) not in away:
                return Chosen(name, route, moved or (ranking.sticky and name != names[0]))
        return Chosen(names[0], route)  # all are down: it waits where it belongs

    def passed_over(self, left: frozenset[tuple[str, str]], ready: frozenset[str]) -> dict[str, list[PassedOver]]:
        """By carrier the routes on which it is passed over just now, and where new messages of these go instead.

        ``left`` are those that would be passed over, were another of the route among ``ready``.
        """
        found: dict[str, list[PassedOver]] = {}
        for route, name in sorted(left | self.away):
            ranking = self.routing.rankings.get(route) if self.routing is not None else None
            if ranking is None:
                continue
            to: tuple[str, ...] = ()
            if (route, name) in self.away:
                usable = [carrier for carrier in ranking.route.carriers if (route, carrier.name) not in self.away]
                best = min((carrier.preference for carrier in usable), default=0)
                to = tuple(carrier.name for carrier in usable if carrier.preference == best)
            elif ready.intersection(ranking.names):
                continue  # it is about to be
            found.setdefault(name, []).append(PassedOver(route, to))
        return found

    # --- pairs that were moved ----------------------------------------------------------------------------------------

    def hold(self, pair: Pair, carrier: str, now_ms: int) -> Pair | None:
        """A pair is on this carrier from now on; the caller has it stored, and the pair that is returned removed."""
        self.moved.pop(pair, None)
        gone = self._evict() if len(self.moved) >= self._most else None
        self.moved[pair] = (carrier, now_ms)
        return gone

    def hold_all(self, rows: list[StickyRow]) -> StickyOp:
        """The same for several; returns what stores it."""
        gone = [self.hold(row[:2], row[2], row[3]) for row in rows]
        return StickyOp(rows, [pair for pair in gone if pair is not None])

    def _evict(self) -> Pair:
        pair = next(iter(self.moved))
        del self.moved[pair]
        self.evicted += 1
        return pair

    def age(self, now_ms: int) -> int:
        """Forgets the pairs that were not used for the configured time; returns the time before which rows may go."""
        before = now_ms - self._age_ms
        while self.moved:
            pair, (_, at) = next(iter(self.moved.items()))
            if at >= before:
                break
            del self.moved[pair]
        return before
