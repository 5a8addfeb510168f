"""Whom an app may send to: its countries, and no lines that only cost or that cannot read. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from gateway.settings import App, Settings
from gateway.settings.destinations import ANYWHERE
from gateway.sms.address import kind_of
from gateway.sms.lines import LineKind, line_kind, line_of

Reason = Literal["country_not_allowed", "premium_rate", "fixed_line"]


class Refused(NamedTuple):
    """Why a message may not go to a phone."""

    reason: Reason
    detail: str


class Reach(NamedTuple):
    """Whom one app may send to. ``countries`` None: anywhere."""

    countries: frozenset[str] | None
    refused: frozenset[LineKind]


class Destinations:
    """Whom the apps of a configuration may send to."""

    def __init__(self, settings: Settings) -> None:
        self._usual = Reach(None, frozenset(settings.destinations.refused_kinds))
        self._apps: Final = {app.name: self._reach(app, settings) for app in settings.apps}

    def refused(self, app: str, peer: str) -> Refused | None:
        """Why a message of an app may not go to a peer, None where it may. Short codes are of nobody's plan."""
        reach = self._apps.get(app, self._usual)
        if not peer.startswith("+"):
            return None
        if reach.countries is None:
            if not reach.refused or (kind := line_kind(peer)) is None:
                return None
        else:
            country, kind = line_of(peer)
            if country not in reach.countries:
                where, listed = country or "no country", ", ".join(sorted(reach.countries))
                return Refused("country_not_allowed", f"{peer} is of {where}, and {app} sends to {listed}")
        if kind is not None and kind in reach.refused:
            what = "a premium-rate number" if kind == "premium_rate" else "a fixed line"
            return Refused(kind, f"{peer} is {what} by the numbering plan of {line_of(peer).country}")
        return None

    def reach(self, app: str) -> Reach:
        """Whom an app may send to; one that the configuration does not name, as the operator, anywhere."""
        return self._apps.get(app, self._usual)

    def _reach(self, app: App, settings: Settings) -> Reach:
        kinds = self._usual.refused if app.refused_kinds is None else frozenset(app.refused_kinds)
        if app.countries is None:
            return Reach(countries_of(app.numbers, settings), kinds)
        return Reach(None if ANYWHERE in app.countries else frozenset(app.countries), kinds)


def countries_of(numbers: tuple[str, ...] | None, settings: Settings) -> frozenset[str] | None:
    """The countries that numbers are for (None: all numbers); None where none of them tells one.

    A number's own and those that it lists, a short code's that of `default_region`. Names are of no country.
    """
    found: set[str] = set()
    for value in settings.numbers_by_value if numbers is None else numbers:
        number = settings.numbers_by_value[value]
        found.update(number.countries)
        kind = kind_of(value)
        own = number.country if kind == "international" else settings.default_region if kind == "short_code" else None
        if own is not None:
            found.add(own)
    return frozenset(found) or None
