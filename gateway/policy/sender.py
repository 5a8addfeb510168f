"""Which of several numbers sends a message that names none. Pure: facts in, a number or what is missing out.

A person goes on hearing from the number that they wrote to. Who has not written yet is given a number by a rendezvous
hash of the peer over those that fit best: the same one each time without anything being remembered, and when a number
comes or goes only the peers move that it gets or had.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable
from typing import Final, Literal, NamedTuple

from gateway.policy.names import Names
from gateway.policy.numbers import Sending
from gateway.policy.room import Room, Rooms
from gateway.settings import Settings
from gateway.settings.routes import MessageClass
from gateway.sms.address import calling_code
from gateway.sms.lines import line_of

Why = Literal["named", "only", "thread", "hash", "room", "full"]
Hindrance = Literal["country", "name", "released", "held", "unable", "class", "deaf"]

CACHED: Final = 10_000
"""Combinations of numbers, class and country of which it is remembered what fits; all but the country are of the
configuration."""


class Drawn(NamedTuple):
    """A number as the hash sees it: what was drawn for it, and its share among others."""

    seed: int
    share: float
    number: str


class Fit(NamedTuple):
    """What may send a message of a class to a country: ``best`` by which a peer's first one is chosen, and ``fit``, all
    of them. ``missing``: why none may, empty where one does. ``others`` fit less well, each lot less than the one
    before; ``metered`` are those of all whose quota may be used up for long."""

    best: tuple[Drawn, ...]
    fit: frozenset[str]
    missing: str
    even: bool = True  # whether all of the best have the same share
    others: tuple[tuple[Drawn, ...], ...] = ()
    metered: frozenset[str] = frozenset()


class Pick(NamedTuple):
    """A number, and how it came to be chosen."""

    number: str
    why: Why


class Senders:
    """The numbers of a configuration as senders. ``sending`` and ``names`` know what each of them may."""

    def __init__(self, settings: Settings, sending: Sending, names: Names) -> None:
        self._numbers = settings.numbers_by_value
        self._region = settings.default_region
        self._sending = sending
        self._names = names
        self.rooms = Rooms(settings)
        self._fits: dict[tuple[Collection[str], MessageClass, str | None], Fit] = {}

    def choose(self, fit: Fit, peer: str, threads: Iterable[str], room: Room | None = None, segments: int = 1) -> Pick:
        """One of those that fit, of which there is one. ``threads``: numbers that the peer wrote to, newest first.

        ``room`` is what is left of their quotas, where it matters, for a message of so many segments. A peer who wrote
        to a number hears from that one or from none.
        """
        if len(fit.fit) == 1:
            return Pick(fit.best[0].number, "only")
        for number in threads:
            if number in fit.fit:
                return Pick(number, "thread")
        first = _first(fit.best, peer, even=fit.even)
        if room is None or room.has(first, segments):
            return Pick(first, "hash")
        for lot in (fit.best, *fit.others):
            if having := tuple([one for one in lot if room.has(one.number, segments)]):
                return Pick(_first(having, peer, even=_is_even(lot)), "room")
        return Pick(room.soonest(fit.fit, segments), "full")

    def fit(self, numbers: frozenset[str], klass: MessageClass, peer: str) -> Fit:
        """Which of these numbers may send a message of this class to a peer."""
        country = line_of(peer).country
        if peer in self._sending.deaf:
            # One of our own, which may not hear all of them.
            return self._fit(numbers, klass, country, peer)
        key = (numbers, klass, country)
        known = self._fits.get(key)
        if known is None:
            known = self._fit(numbers, klass, country, None)
            if len(self._fits) < CACHED:
                self._fits[key] = known
        return known

    def hindrances(self, numbers: Iterable[str], klass: MessageClass, peer: str) -> list[tuple[str, Hindrance | None]]:
        """Of each number why it may not send to a peer, None where it may; for those who ask why."""
        country = line_of(peer).country
        deaf = peer if peer in self._sending.deaf else None
        return [(value, self._hindrance(value, klass, country, deaf)) for value in sorted(numbers)]

    def _fit(self, numbers: frozenset[str], klass: MessageClass, country: str | None, deaf: str | None) -> Fit:
        home: list[str] = []
        near: list[str] = []
        names: list[str] = []
        hindered: dict[Hindrance, int] = {}
        for value in sorted(numbers):
            hindrance = self._hindrance(value, klass, country, deaf)
            if hindrance is not None:
                hindered[hindrance] = hindered.get(hindrance, 0) + 1
            elif value in self._names.values:
                names.append(value)
            else:
                (home if self._is_home(value, country) else near).append(value)
        if not home and not near and not names:
            return Fit((), frozenset(), _missing(hindered, klass, country))
        best, *others = [self._drawn(lot) for lot in (home, near, names) if lot]
        fit = frozenset(home + near + names)
        return Fit(best, fit, "", _is_even(best), tuple(others), fit & self.rooms.numbers)

    def _hindrance(self, value: str, klass: MessageClass, country: str | None, deaf: str | None) -> Hindrance | None:
        number = self._numbers.get(value)
        if number is None:  # of a connection that was there before the configuration lost it
            return "released"
        if value in self._names.values:
            if self._names.standing(value, klass, country) != "allowed":
                return "name"
        elif not (self._is_home(value, country) or _is_near(value, country)):
            return "country"
        if number.state != "active":
            return number.state
        if "sms_out" not in number.able:
            return "unable"
        if not number.may_send(klass):
            return "class"
        if deaf is not None and self._sending.unreachable(value, deaf) is not None:
            return "deaf"
        return None

    def _is_home(self, value: str, country: str | None) -> bool:
        """Whether a number is of a country, or for it by the settings; a short code is of the default region."""
        own = line_of(value).country if value.startswith("+") else self._region
        return country is None or own == country or country in self._numbers[value].countries

    def _drawn(self, numbers: list[str]) -> tuple[Drawn, ...]:
        """Where all have a rate of their own, each gets its share of the peers by that."""
        rates = [self._numbers[number].throughput for number in numbers]
        shares = rates if all(rates) else [1.0] * len(numbers)
        return tuple([Drawn(_hash(number), share, number) for number, share in zip(numbers, shares, strict=True)])


def _is_even(numbers: tuple[Drawn, ...]) -> bool:
    return len({one.share for one in numbers}) == 1


def _first(numbers: tuple[Drawn, ...], peer: str, *, even: bool) -> str:
    """The one that is a peer's, by weighted rendezvous hashing."""
    if len(numbers) == 1:
        return numbers[0].number
    key = _hash(peer)
    if even:  # the logarithm would order them the same
        return max([(_mixed(seed ^ key), number) for seed, _, number in numbers])[1]
    best, first = math.inf, ""
    for seed, share, number in numbers:
        score = -math.log((_mixed(seed ^ key) + 1) / (_ALL + 2)) / share
        if score < best:
            best, first = score, number
    return first


_ALL: Final = (1 << 64) - 1


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _mixed(z: int) -> int:
    """The finaliser of splitmix64: what two hashes have in common does not show in what becomes of both together."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _ALL
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _ALL
    return z ^ z >> 31


def _is_near(value: str, country: str | None) -> bool:
    """Whether a number has the calling code of a country."""
    return value.startswith("+") and _code(line_of(value).country) == _code(country)


def _code(country: str | None) -> str | None:
    return calling_code(country) if country is not None else None


_SAID: Final[dict[Hindrance, str]] = {
    "country": "not for {country}",
    "name": "a name, not for {klass} messages to {country}",
    "released": "released",
    "held": "held",
    "unable": "without sms_out",
    "class": "not verified for {klass} messages",
    "deaf": "not heard there, as it is one of our own numbers",
}
"""In the order in which they are told."""


def _missing(hindered: dict[Hindrance, int], klass: MessageClass, country: str | None) -> str:
    count = sum(hindered.values())
    if not count:
        return "the app has no numbers"
    code = _code(country)
    if hindered.get("country") == count and country is not None:
        return f"needs a +{code} number ({country}): none of your {count}"
    where = f"{country} (+{code})" if country is not None else "choosing"
    parts = [
        f"{hindered[one]} {words.format(country=where, klass=klass)}" for one, words in _SAID.items() if one in hindered
    ]
    return f"none of your {count} numbers fits: {', '.join(parts)}"
