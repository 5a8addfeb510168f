"""Names as senders (alphanumeric ones): to which countries they go, and for what. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from gateway.policy.name_table import REFUSED, REGISTERED
from gateway.settings import Settings
from gateway.settings.destinations import NameStanding
from gateway.settings.routes import MessageClass
from gateway.sms.address import kind_of

Standing = Literal["allowed", "unregistered", "refused", "one_way"]


class Said(NamedTuple):
    """Why a name may not send, or what is to be known when it does. ``reason`` is None where it may."""

    reason: Literal["sender_not_allowed", "sender_one_way"] | None
    text: str


class Names:
    """The names among our numbers. ``values`` are looked at by `said`."""

    def __init__(self, settings: Settings) -> None:
        numbers = settings.numbers_by_value
        self.values: Final = frozenset(value for value in numbers if kind_of(value) == "alphanumeric")
        self._registered = {value: frozenset(numbers[value].countries) for value in self.values}
        self._set: dict[str, NameStanding] = settings.destinations.sender_names

    def standing(self, name: str, klass: MessageClass, country: str | None) -> Standing:
        """How a name stands with messages of a class to a country (ISO 3166; None: of no country)."""
        if klass == "direct":
            return "one_way"
        if country is None or country in self._registered[name]:
            return "allowed"
        of_country = self._set.get(country)
        if of_country is None:
            of_country = "refused" if country in REFUSED else "registered" if country in REGISTERED else "allowed"
        return "unregistered" if of_country == "registered" else of_country

    def said(self, name: str, klass: MessageClass, country: str | None) -> Said | None:
        """What is to be said of a message from one of `values`, None where nothing is."""
        standing = self.standing(name, klass, country)
        if standing == "one_way":
            return Said("sender_one_way", f"{name} is a name, which nobody can answer: direct messages need a number")
        if standing == "refused":
            return Said(
                "sender_not_allowed", f"{name} is a name, and carriers of {country} do not take names as senders"
            )
        if standing == "unregistered":
            where = f"list {country} in its countries once it is"
            return Said(None, f"carriers of {country} want names registered, or may drop or replace {name}: {where}")
        return None
