"""In which time zones a phone may be, by its number. Pure.

`phonenumbers` says it of area codes: one or two zones. Of mobiles of most countries, and of toll-free numbers, it says
all zones of the calling code, which is no answer: 42 for +1. Such a phone may be in any zone of its country.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from gateway.policy.zone_table import ZONES
from gateway.settings.carrier.forms import zone_of
from gateway.sms.lines import is_geographic, line_of

FEW: Final = 4
"""Clocks that an area code may be of and still say something."""
_PROBES: Final = tuple(datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=14 * n) for n in range(53))
"""Moments at which two clocks are compared: each fortnight of two years."""


class Zones:
    """By the countries' zones of the settings, before those of the table. ``region``: of those without a country."""

    def __init__(self, given: Mapping[str, tuple[str, ...]], region: str | None) -> None:
        self._given = given
        self._region = region
        self._of_country: dict[str, tuple[str, ...]] = {}

    def of(self, peer: str) -> tuple[str, ...]:
        """The zones in which a phone may be, by its address in the gateway's form; at least one."""
        country = line_of(peer).country or (None if peer.startswith("+") else self._region)
        if country is None:
            return _of_digits(peer) or self._of(self._region)
        if country not in ZONES and country not in self._given:
            return _of_digits(peer) or self._of(self._region)  # XK, which ISO 3166 has not
        zones = self._of(country)
        if len(zones) == 1:
            return zones
        near = _of_digits(peer)
        # An area code of several clocks says less than somebody who knows where the phones are.
        most = 1 if country in self._given else FEW
        return near if 0 < len(near) <= most and is_geographic(peer, country) else zones

    def _of(self, country: str | None) -> tuple[str, ...]:
        """The zones of a country with different clocks; UTC of one that is not known to have any."""
        key = country or ""
        found = self._of_country.get(key)
        if found is None:
            zones = self._given.get(key) or ZONES.get(key, ())
            found = self._of_country[key] = _clocks(tuple(zones)) or ("UTC",)
        return found


@lru_cache(maxsize=4096)  # there are some 3,200 prefixes, and far fewer answers
def _of_prefix(zones: tuple[str, ...]) -> tuple[str, ...]:
    return _clocks(zones)


def _of_digits(peer: str) -> tuple[str, ...]:
    """What phonenumbers says of the longest beginning of a number that it knows, as different clocks."""
    digits = peer[1:]
    for length in range(min(TIMEZONE_LONGEST_PREFIX, len(digits)), 0, -1):
        zones = TIMEZONE_DATA.get(digits[:length])
        if zones is not None:
            return _of_prefix(zones)
    return ()


def _clocks(zones: tuple[str, ...]) -> tuple[str, ...]:
    """Of zones whose clocks are the same the first; without those that this machine does not know."""
    found: dict[tuple[object, ...], str] = {}
    for name in zones:
        try:
            zone = zone_of(name)
        except ValueError:
            continue
        shown = tuple([moment.astimezone(zone).utcoffset() for moment in _PROBES])
        found.setdefault(shown, name)
    return tuple(found.values())
