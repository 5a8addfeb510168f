"""What a seed draws about who may be written to: what people say, who consents, and what operators enter for them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import gateway.smpp.pdu as p
from tests.sim.book import (
    AGREED,
    DIRECT,
    HELP,
    HELPED,
    JOIN,
    MARKETING,
    NEWS,
    START,
    STARTED,
    STOP,
    STOPPED,
    TEXTS,
    YES,
    Book,
    OptIn,
)

if TYPE_CHECKING:
    from tests.sim.plan import Plan

SPOKEN: Final = 0.6
"""The share of seeds in which people say something about what they get."""
CONFIRMED: Final = 0.5
"""The share of seeds in which the gateway answers STOP, START and HELP itself."""
CONSENTED: Final = 0.35
"""The share of those in which marketing needs consent."""
OFFERS: Final = "Offers? Reply YES."
BULLETIN: Final = "News? Reply YES."
WITHIN: Final = 60
"""Seconds in which a YES counts: fewer than the settings take is no time."""
_WORDS: Final = {MARKETING: "marketing", DIRECT: "direct"}
# What a person says in a row: mostly as it is meant, and in every other order.
_SPEECHES: Final = (
    (JOIN, YES),
    (JOIN, YES),
    (JOIN, YES, STOP),
    (JOIN, YES, STOP, JOIN, YES),
    (JOIN, STOP, YES),
    (JOIN, JOIN),
    (JOIN, NEWS, YES, YES),
    (NEWS, YES),
    (STOP, JOIN, YES),
    (STOP, JOIN, STOP),
    (YES,),
    (YES, STOP, START),
)
_WORDS_ALONE: Final = (
    (STOP,),
    (STOP,),
    (STOP, STOP),
    (STOP, START),
    (STOP, START, STOP),
    (STOP, HELP),
    (STOP, HELP, STOP),
    (HELP, HELP),
    (START,),
    ("near",),
)


class Said(NamedTuple):
    """A text: when it comes, from whom, by which carrier, to which number, and how the phone is written."""

    at: float
    peer: str
    number: str
    carrier: str
    text: str
    address: p.Address

    def pdu(self) -> p.DeliverSm:
        """As the carrier sends it; curly quotes need UCS-2."""
        plain = self.text.isascii()
        octets = self.text.encode() if plain else self.text.encode("utf-16-be")
        return p.DeliverSm(self.address, p.Address(1, 1, self.number[1:]), octets, data_coding=0 if plain else 8)


class Entered(NamedTuple):
    """What an app or an operator asks for: when, who, by which method of the socket; ``peer``: whom it is about."""

    at: float
    app: str
    method: str
    params: dict[str, Any]


class Permission:
    """The part of a plan that says who may be written to."""

    def __init__(self, plan: Plan) -> None:
        rng = Random(f"{plan.seed}/permission")
        self._plan = plan
        numbers = list(plan.numbers)
        self.spoken = rng.random() < SPOKEN
        self.confirmed = self.spoken and rng.random() < CONFIRMED
        self.consented = self.spoken and rng.random() < CONSENTED
        self.reach = rng.choice(("set", "set", "set", "number", "app", "all"))
        self.interval = rng.choice((5, 20, 3600))
        self.others = numbers[1::2] if rng.random() < 0.3 else []  # numbers of a set of their own
        self.silent = frozenset(number for number in numbers if rng.random() < 0.2 or not self.confirmed)
        self.opt_ins: dict[str, OptIn] = {}
        if self.consented:
            scope = rng.choice(("number", "set", "set", "all", "app:crm"))
            self.opt_ins[JOIN] = OptIn("offers", OFFERS, (MARKETING,), scope, WITHIN * 1000)
        if self.consented and rng.random() < 0.4:
            scope = rng.choice(("number", "set", "all"))
            self.opt_ins[NEWS] = OptIn("bulletin", BULLETIN, (DIRECT, MARKETING), scope, WITHIN * 1000)
        self.required = frozenset({MARKETING, DIRECT} if rng.random() < 0.2 else {MARKETING}) & (
            frozenset({MARKETING, DIRECT}) if self.consented else frozenset()
        )
        self.said = sorted(self._said(rng), key=lambda one: one.at) if self.spoken else []
        self.entered = sorted(self._entered(rng), key=lambda one: one.at) if self.consented else []
        if self.consented:
            self._more_marketing(rng)

    def book(self) -> Book:
        """The rules by which that is to be judged."""
        numbers = list(self._plan.numbers)
        return Book(
            sets={number: "set:others" if number in self.others else "set:default" for number in numbers},
            sending={number: ("crm", "shop", "ops") if number == numbers[0] else ("crm", "ops") for number in numbers},
            reach=self.reach,
            interval=self.interval * 1000,
            silent=self.silent,
            opt_ins=self.opt_ins,
            required=self.required,
        )

    # --- what is said and entered -------------------------------------------------------------------------------------

    def _said(self, rng: Random) -> Iterator[Said]:
        plan = self._plan
        for _ in range(rng.choice((1, 4, 8))):
            speech = rng.choice(_SPEECHES if self.consented and rng.random() < 0.8 else _WORDS_ALONE)
            peer = self._somebody(rng)
            number, carrier = rng.choice(list(plan.numbers.items()))
            at = rng.uniform(0.5, plan.seconds)
            for meaning in speech:
                if rng.random() < 0.15:
                    number, carrier = rng.choice(list(plan.numbers.items()))
                address = rng.choice((p.Address(1, 1, peer[1:]), p.Address(2, 1, peer[2:]), p.Address(0, 1, peer)))
                yield Said(at, peer, number, carrier, rng.choice(TEXTS[meaning]), address)
                # One after the other, at once, or when it is too late.
                at += rng.choice((0.0, rng.uniform(0, 1), rng.uniform(1, 8), rng.uniform(1, 8)))
                if meaning in (JOIN, NEWS) and rng.random() < 0.08:
                    at += WITHIN

    def _entered(self, rng: Random) -> Iterator[Entered]:
        plan = self._plan
        given = [{"peer": peer, "class": "marketing"} for peer in plan.peers if rng.random() < 0.6]
        if given:
            yield Entered(rng.uniform(0.0, 2.0), "ops", "consents_import", {"consents": given})
        for _ in range(rng.choice((0, 6, 16))):
            peer = self._somebody(rng)
            at = rng.uniform(0.5, plan.seconds)
            app = rng.choice(("crm", "crm", "shop", "ops"))
            what = rng.random()
            if what < 0.8:
                classes = [_WORDS[klass] for klass in rng.choice(((MARKETING,), (MARKETING, DIRECT)))]
                params = {"peer": peer, "granted": rng.random() < 0.5, "classes": classes}
                yield Entered(at, app, "consent_set", params)
            elif what < 0.9:
                name, number = rng.choice(list(self.opt_ins.values())).name, next(iter(plan.numbers))
                yield Entered(at, app, "consent_ask", {"peer": peer, "opt_in": name, "number": number})
            else:
                yield Entered(at, "ops", "optout_set", {"peer": peer, "out": rng.random() < 0.5})

    def _somebody(self, rng: Random) -> str:
        """Mostly one of those who get the most."""
        peers = self._plan.peers
        return peers[min(int(rng.expovariate(0.6)), len(peers) - 1)]

    def _more_marketing(self, rng: Random) -> None:
        """There has to be something that needs consent."""
        for _, _, burst in self._plan.wishes:
            for _, params in burst:
                if rng.random() < 0.6:
                    params["class"] = "marketing"

    # --- configuration ------------------------------------------------------------------------------------------------

    def of_number(self, number: str) -> str:
        """Lines of a number."""
        return '\nstop_confirmation = "carrier"' if number in self.silent and self.confirmed else ""

    def toml(self) -> list[str]:
        """Its sections."""
        sections = [
            f'[optout]\nconfirmation = "{"gateway" if self.confirmed else "carrier"}"\nscope = "{self.reach}"\n'
            f'help_interval = {self.interval}\nstop_reply = "{STOPPED}"\nstart_reply = "{STARTED}"\n'
            f'help_reply = "{HELPED}"'
        ]
        if self.others:
            members = ", ".join(f'"{number}"' for number in self.others)
            sections.append(f'[[number_sets]]\nname = "others"\nnumbers = [{members}]')
        if self.required:
            sections.append("[consent]\n" + "\n".join(f'{_WORDS[k]} = "required"' for k in sorted(self.required)))
        for keyword, one in self.opt_ins.items():
            kind, _, app = one.scope.partition(":")
            where = f'app = "{app}"' if app else f'scope = "{kind}"'
            classes = ", ".join(f'"{_WORDS[klass]}"' for klass in one.classes)
            sections.append(
                f'[[opt_ins]]\nname = "{one.name}"\nkeywords = ["{keyword}"]\nask = "{one.ask}"\n{where}\n'
                f'classes = [{classes}]\nwithin = {WITHIN}\nwelcome = "{AGREED}"'
            )
        return sections
