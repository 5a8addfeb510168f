"""Which route a message takes, and in which order its carriers come. Pure: what is up or down is for others to know."""

from __future__ import annotations

import hashlib
import math
from typing import Final, Literal, NamedTuple

from gateway.settings import Settings
from gateway.settings.routes import Route
from gateway.sms.kinds import country_of_number

Condition = Literal["numbers", "apps", "classes", "countries", "prefixes"]

CACHED: Final = 10_000
"""Combinations of number, app and class whose routes are remembered; they come from the configuration."""


class Facts(NamedTuple):
    """What a route looks at. ``number`` and ``peer`` in the form that messages carry."""

    number: str
    app: str
    klass: str
    peer: str


class Look(NamedTuple):
    """How one route was looked at: ``failed`` is the first of its conditions that does not hold, None where all do."""

    route: Route
    failed: Condition | None


class _Known(NamedTuple):
    """A route whose number, app and class are known to fit; what is left to be looked at."""

    ranking: Ranking
    countries: frozenset[str]
    prefixes: tuple[str, ...]


class Routing:
    """The routes of a configuration, in their order."""

    def __init__(self, settings: Settings) -> None:
        self.routes = settings.routes
        self.rankings = {route.name: Ranking(route) for route in settings.routes}
        self._known: dict[tuple[str, str, str], tuple[_Known, ...]] = {}

    def route(self, facts: Facts) -> Ranking | None:
        """The first route whose conditions all hold, or None: then the number's own carrier is meant."""
        key = facts[:3]
        known = self._known.get(key)
        if known is None:
            known = tuple(
                _Known(self.rankings[route.name], frozenset(route.countries), route.prefixes)
                for route in self.routes
                if _failed(route, facts) not in _OF_US
            )
            if len(self._known) < CACHED:
                self._known[key] = known
        peer = facts.peer
        for ranking, countries, prefixes in known:
            if prefixes and not peer.startswith(prefixes):
                continue
            if countries and country(peer) not in countries:
                continue
            return ranking
        return None

    def looks(self, facts: Facts) -> list[Look]:
        """How each route was looked at, up to the one that is taken."""
        out: list[Look] = []
        for route in self.routes:
            out.append(Look(route, _failed(route, facts)))
            if out[-1].failed is None:
                break
        return out


_OF_US: Final = frozenset({"numbers", "apps", "classes"})


def _failed(route: Route, facts: Facts) -> Condition | None:
    if route.numbers and facts.number not in route.numbers:
        return "numbers"
    if route.apps and facts.app not in route.apps:
        return "apps"
    if route.classes and facts.klass not in route.classes:
        return "classes"
    if route.countries and country(facts.peer) not in route.countries:
        return "countries"
    if route.prefixes and not facts.peer.startswith(route.prefixes):
        return "prefixes"
    return None


def country(peer: str) -> str | None:
    """The country of a phone: its own, or where no plan knows its number the main one of its calling code.

    A newly opened range is in no table yet, and shall not leave its country's route. None for a short code.
    """
    return country_of_number(peer)


class Ranking:
    """The carriers of a route in the order in which a pair, or a message, would have them.

    By preference, and within one by weighted rendezvous hashing of a key: each carrier is first for its share of all
    keys, and when one goes away only the keys that it was first for go elsewhere.
    """

    __slots__ = ("_groups", "name", "names", "route", "sticky")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.name = route.name
        self.sticky = route.sticky
        self.names = tuple(carrier.name for carrier in route.carriers)
        groups: dict[int, list[tuple[str, bytes, int]]] = {}
        for carrier in sorted(route.carriers, key=lambda c: c.preference):
            entry = (carrier.name, f"{carrier.name}\0".encode(), carrier.weight)
            groups.setdefault(carrier.preference, []).append(entry)
        self._groups = tuple(tuple(group) for group in groups.values())

    def preference(self, name: str) -> int:
        """The preference of one of its carriers."""
        return next(carrier.preference for carrier in self.route.carriers if carrier.name == name)

    def home(self, key: str) -> str:
        """The carrier that is first for a key."""
        return _ordered(self._groups[0], key)[0]

    def ranked(self, key: str) -> tuple[str, ...]:
        """All carriers, the first for a key first."""
        return tuple(name for group in self._groups for name in _ordered(group, key))


def _ordered(group: tuple[tuple[str, bytes, int], ...], key: str) -> list[str]:
    if len(group) == 1:
        return [group[0][0]]
    octets = key.encode()
    scored: list[tuple[float, str]] = []
    for name, seed, weight in group:
        # A CRC would do for the spread of one carrier, but those of two names differ by a constant, and never mix.
        drawn = int.from_bytes(hashlib.blake2b(seed + octets, digest_size=8).digest())
        scored.append((math.log((drawn + 1) / (2**64 + 1)) / -weight, name))
    scored.sort()
    return [name for _, name in scored]


def pair_key(number: str, peer: str) -> str:
    """The key of a pair, the same in every run and on every node."""
    return f"{number} {peer}"
