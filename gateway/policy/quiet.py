"""When messages of a class are not sent to a phone, and when they may be again. Pure: moments in, a standing out.

Of a class and a phone it is a matter of the rules for both and of the zones in which the phone may be: those who have
them in common share one `Rest`, which remembers its last answer with the time for which it holds. So most messages cost
a look-up and a comparison, and of a class without quiet hours nothing is asked at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from gateway.policy.schedule import Opening
from gateway.policy.zones import Zones
from gateway.settings import Settings
from gateway.settings.carrier.forms import zone_of
from gateway.settings.own import OWN_APP
from gateway.settings.quiet import PEER, Action, Quiet
from gateway.settings.routes import MessageClass
from gateway.settings.schedules import Schedule
from gateway.sms.lines import line_of

AHEAD: Final = 8
"""Days that are looked ahead for the next quiet span; when none is found it is looked again."""
LONGEST: Final = 21
"""Days after which quiet hours that follow each other are taken to have no end."""
REMEMBERED: Final = 2000
"""Sets of rules and zones of which the last answer is remembered; there are some 400 zones."""
_DAY_MS: Final = 86_400_000


class Standing(NamedTuple):
    """What holds at a moment (Unix ms): ``action`` None: it may be sent.

    It has been so ``since``, as far back as was looked, and is ``until``; None: without an end in sight. ``zone`` is
    the one that ends last.
    """

    action: Action | None
    since: int
    until: int | None
    zone: str = ""


class Rest:
    """The quiet hours of some rules in some zones."""

    __slots__ = ("_high", "_known", "_low", "_openings", "zones")

    def __init__(self, openings: tuple[tuple[Opening, Action], ...], zones: tuple[str, ...]) -> None:
        self._openings = openings
        self.zones = zones
        self._low = self._high = 0
        self._known = Standing(None, 0, 0)

    def at(self, at_ms: int) -> Standing:
        """How it is at a moment."""
        if self._low <= at_ms < self._high:
            return self._known
        standing, changes = self._look(at_ms)
        self._low, self._high, self._known = at_ms, changes, standing
        return standing

    def goes_until(self, at_ms: int) -> int:
        """Until when a message may go from a moment on; where it may not: since when, also if a clock is put back."""
        standing = self.at(at_ms)
        if standing.action is not None:
            return standing.since
        return at_ms if standing.until is None else standing.until

    def _look(self, at_ms: int) -> tuple[Standing, int]:
        """How it is at a moment, and from when on another may hold."""
        within: list[tuple[int, int]] = []
        action: Action | None = None
        for opening, does in self._openings:
            if (span := opening.span(at_ms)) is not None:
                within.append(span)
                action = "refuse" if "refuse" in (does, action) else "hold"
        begins = [start for opening, _ in self._openings if (start := opening.begins(at_ms, AHEAD)) is not None]
        changes = min(begins, default=at_ms + (AHEAD - 1) * _DAY_MS)
        if action is None:
            return Standing(None, at_ms, changes), changes
        until, zone = self._end(at_ms)
        since = min(start for start, _ in within)
        return Standing(action, since, until, zone), min(changes, *(end for _, end in within))

    def _end(self, at_ms: int) -> tuple[int | None, str]:
        """When it is quiet no more after a moment at which it is, and in which zone that is so last."""
        at, zone = at_ms, ""
        while at < at_ms + LONGEST * _DAY_MS:
            last = at
            for opening, _ in self._openings:
                if (span := opening.span(at)) is not None and span[1] > last:
                    last, zone = span[1], opening.name
            if last == at:
                return at, zone
            at = last
        return None, zone


class QuietHours:
    """Those of a configuration. ``classes`` are the ones that have some."""

    def __init__(self, settings: Settings) -> None:
        self._rules = settings.quiet_hours
        self._of = settings.quiet_hours, settings.country_zones, settings.default_region
        self.classes: Final = frozenset(klass for rule in self._rules for klass in rule.classes)
        self.by_peer: Final = frozenset(k for rule in self._rules if rule.zone == PEER for k in rule.classes)
        self._by_country: Final = any(rule.countries for rule in self._rules)
        self._region = settings.default_region
        self.zones = Zones(settings.country_zones, settings.default_region)
        self._openings: dict[tuple[int, str], tuple[Opening, ...]] = {}
        self._found: dict[tuple[MessageClass, str | None, tuple[str, ...]], Rest | None] = {}

    def are_of(self, settings: Settings) -> bool:
        """Whether these are the quiet hours of a configuration as well."""
        return self._of == (settings.quiet_hours, settings.country_zones, settings.default_region)

    def of(self, klass: MessageClass, peer: str, zone: str | None, app: str = "") -> Rest | None:
        """What holds for a class and a phone; None: nothing. ``zone`` is the phone's where it is known.

        An answer of our own (``app``) goes to who wrote this moment, and disturbs nobody: a STOP is confirmed by night.
        """
        if klass not in self.classes or (app == OWN_APP and klass == "transactional"):
            return None
        country = self._country(peer) if self._by_country else None
        if klass not in self.by_peer:
            zones: tuple[str, ...] = ()
        else:
            zones = (zone,) if zone is not None else self.zones.of(peer)
        key = klass, country, zones
        try:
            return self._found[key]
        except KeyError:
            pass
        rules = tuple([r for r in self._rules if klass in r.classes and (not r.countries or country in r.countries)])
        rest = self._rest(rules, zones) if rules else None
        if len(self._found) >= REMEMBERED:
            self._found.clear()
            self._openings.clear()
        self._found[key] = rest
        return rest

    def _country(self, peer: str) -> str | None:
        return line_of(peer).country if peer.startswith("+") else self._region

    def _rest(self, rules: tuple[Quiet, ...], zones: tuple[str, ...]) -> Rest:
        openings: list[tuple[Opening, Action]] = []
        for rule in rules:
            for name in zones if rule.zone == PEER else (rule.zone,):
                openings += [(opening, rule.action) for opening in self._opened(rule, name)]
        return Rest(tuple(openings), zones)

    def _opened(self, rule: Quiet, zone: str) -> tuple[Opening, ...]:
        """A rule in a zone: its times, and beside them those of holidays."""
        key = self._rules.index(rule), zone
        found = self._openings.get(key)
        if found is None:
            made = [Opening(zone, Schedule(zone=zone, times=rule.times))]
            if rule.holidays:
                made.append(
                    Opening(
                        zone, Schedule(zone=zone, times=(), holidays=rule.holidays, holiday_times=rule.holiday_times)
                    )
                )
            found = self._openings[key] = tuple(made)
        return found


def said(standing: Standing) -> str:
    """Until when it is quiet, for people: in UTC, and on the clock that shows it last."""
    if standing.until is None:
        return "quiet hours without an end in sight"
    at = datetime.fromtimestamp(standing.until / 1000, UTC)
    local = at.astimezone(zone_of(standing.zone))
    return f"quiet hours until {at:%Y-%m-%dT%H:%M:%SZ} ({local:%H:%M} in {standing.zone})"
