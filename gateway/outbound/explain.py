"""Which carrier a message would go to, and why: by the same routes and the same memory as a submit, sending nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.outbound.choice import Choice, Chosen
from gateway.outbound.origin import Origins
from gateway.outbound.prepare import Preparer
from gateway.outbound.request import App, Refusal, no_app
from gateway.policy.room import Room
from gateway.policy.routing import Facts, Look, Ranking, country, pair_key
from gateway.policy.sender import Why
from gateway.settings import Settings
from gateway.settings.routes import CONDITIONS, MessageClass
from gateway.sms.address import AddressError, normalise
from gateway.store.ends import rfc3339
from gateway.store.known import Known

MOST_SHOWN: Final = 100
"""Numbers of a pool that are shown."""


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Parameters of ``route``."""

    to: str
    from_: str | None = msgspec.field(name="from", default=None)
    app: str | None = None  # None: who asks
    class_: MessageClass = msgspec.field(name="class", default="transactional")
    zone: str | None = None  # as of `submit`


class Standing(msgspec.Struct):
    """How a carrier does: its state, for how long (s) it takes nothing, and how many segments wait for it."""

    state: str
    down: float | None = None
    queued: int = 0


Stands = Callable[[str], Standing | None]


class Explainer:
    """Answers ``route``. ``stands`` says how a carrier does, None where no daemon runs."""

    def __init__(self, settings: Settings, choice: Choice, preparer: Preparer, stands: Stands) -> None:
        self._settings = settings
        self._choice = choice
        self._preparer = preparer
        self._stands = stands

    def explain(self, asking: App, asked: Asked, now_ms: int, known: Known | None = None) -> dict[str, Any]:
        """The routes that were looked at, the carriers of the one that matches, and the choice. Raises Refusal."""
        app = self.app(asking, asked.app)
        try:
            peer = normalise(asked.to, self._settings.default_region).value
        except AddressError as error:
            raise Refusal("invalid_to", error.detail, field="to") from None
        origins = self._preparer.origins
        found_from = origins.of(app, asked.from_, asked.class_, peer, now_ms, known)
        number = found_from.number
        facts = Facts(number, app.name, asked.class_, peer)
        routing = self._choice.routing
        looks = routing.looks(facts) if routing is not None else []
        ranking = routing.route(facts) if routing is not None else None
        found: dict[str, Any] = {
            "from": number,
            "to": peer,
            "app": app.name,
            "class": asked.class_,
            "country": country(peer),
            "warnings": list(found_from.warnings),
            "quiet": quiet_of(self._preparer, asked.class_, peer, asked.zone, known, now_ms),
            "sender": sender_of(
                origins, app, asked.from_, asked.class_, peer, found_from.why, origins.room(known, now_ms)
            ),
            "routes": [_look(look, facts) for look in looks],
            "route": ranking.name if ranking is not None else None,
        }
        if ranking is None:
            return found | self._own(number, asking)
        return found | self._by_route(ranking, facts, asking, now_ms)

    def app(self, asking: App, name: str | None) -> App:
        """Whose message it would be: of who asks, or of an app that an operator names. Raises Refusal."""
        if name is None or name == asking.name:
            return asking
        if not asking.admin:
            raise Refusal("not_allowed", "another app is for operators", field="app")
        if name in ("operator", "local") and (name == "operator" or not self._settings.apps):
            return App(name, None, admin=True, binary=True)
        for app in self._settings.apps:
            if app.name == name:
                return App(name, frozenset(app.numbers) if app.numbers is not None else None, binary=app.binary)
        raise no_app(name, [app.name for app in self._settings.apps])

    def _own(self, number: str, asking: App) -> dict[str, Any]:
        """Without a route: the number's own carrier."""
        carrier = self._settings.numbers_by_value[number].carrier
        if carrier is None:
            detail = "no route matches, and the number has no carrier of its own: refused"
            return {"carriers": [], "carrier": None, "why": "no_route", "detail": detail}
        which = "no route matches" if self._settings.routes else "there are no routes"
        return {
            "carriers": [self._carrier(carrier, asking)],
            "carrier": carrier,
            "why": "number",
            "detail": f"{which}: it goes to the number's own carrier",
        }

    def _by_route(self, ranking: Ranking, facts: Facts, asking: App, now_ms: int) -> dict[str, Any]:
        route = ranking.route
        ranked = ranking.ranked(pair_key(facts.number, facts.peer))
        away = {name for name in ranked if (ranking.name, name) in self._choice.away}
        chosen = self._choice.of(ranking, facts.number, facts.peer, 0, now_ms)
        usable = [c for c in route.carriers if c.name not in away] or list(route.carriers)
        best = min(c.preference for c in usable)
        weights = {c.name: c.weight for c in usable if c.preference == best}
        carriers = []
        for name in ranked:
            one = next(c for c in route.carriers if c.name == name)
            carriers.append(
                self._carrier(name, asking)
                | {
                    "preference": one.preference,
                    "weight": one.weight,
                    "share": round(weights.get(name, 0) / sum(weights.values()), 3),
                    "passed_over": name in away,
                }
            )
        held = self._choice.moved.get((facts.number, facts.peer)) if ranking.sticky else None
        if self._all_down(ranking):
            why, detail = "all_down", f"all carriers of the route are down: it waits at {chosen.carrier}"
        else:
            why, detail = self._why(ranking, ranked, chosen, held is not None)
        if not ranking.sticky and len(weights) > 1:
            chosen = Chosen("", ranking.name)
            why, detail = "weight", "each message anew, by the weights: " + ", ".join(weights)
        return {
            "sticky": {"carrier": held[0], "at": rfc3339(held[1])} if held is not None else None,
            "failover": {
                "after": route.failover_after,
                "on_refusal": route.failover_on_refusal,
                "on_receipt": route.failover_on_receipt,
            },
            "carriers": carriers,
            "carrier": chosen.carrier or None,
            "why": why,
            "detail": detail,
        }

    def _all_down(self, ranking: Ranking) -> bool:
        """Whether each carrier of the route has been down for long."""
        standings = [self._stands(name) for name in ranking.names]
        return all(s is not None and s.down is not None and s.down >= ranking.route.failover_after for s in standings)

    @staticmethod
    def _why(ranking: Ranking, ranked: tuple[str, ...], chosen: Chosen, held: bool) -> tuple[str, str]:
        name = chosen.carrier
        if held and not chosen.moved and name != ranked[0]:
            return "sticky", f"the pair was moved to {name}, and stays there while that is up"
        if name != ranked[0]:
            return "failover", f"{', '.join(n for n in ranked[: ranked.index(name)])} passed over; {name} is next"
        if len(ranked) == 1:
            return "only", "the only carrier of the route"
        group = [c.name for c in ranking.route.carriers if c.preference == ranking.preference(name)]
        if len(group) > 1:
            return "weight", f"among {', '.join(group)} the weights give this pair to {name}"
        return "preference", f"{name} has the lowest preference"

    def _carrier(self, name: str, asking: App) -> dict[str, Any]:
        found: dict[str, Any] = {"name": name}
        standing = self._stands(name)
        if standing is not None:
            found |= {"state": standing.state, "down_seconds": standing.down}
            if asking.admin:
                found["queued"] = standing.queued
        return found


def _look(look: Look, facts: Facts) -> dict[str, Any]:
    """A route as it was looked at: the condition that failed, what it asks for and what there is."""
    route, failed = look
    given = {condition: list(getattr(route, condition)) for condition in CONDITIONS if getattr(route, condition)}
    found: dict[str, Any] = {"name": route.name, "matched": failed is None, "conditions": given, "failed": failed}
    if failed is not None:
        has = {"numbers": facts.number, "apps": facts.app, "classes": facts.klass, "prefixes": facts.peer}
        found["has"] = country(facts.peer) if failed == "countries" else has[failed]
    return found


_WHY: dict[Why, str] = {
    "named": "it is named",
    "only": "it is the only one that fits",
    "thread": "of those that fit it is the one that the phone wrote to last",
    "hash": "the phone wrote to none of those that fit best, and has this one of them each time",
    "room": "the number that the phone would have is over its quota; this one has room",
    "full": "none of those that fit has room under its quota, this one has some first: it is refused until then",
}


def sender_of(
    origins: Origins,
    app: App,
    wanted: str | None,
    klass: MessageClass,
    peer: str,
    why: Why,
    room: Room | None,
    segments: int = 1,
) -> dict[str, Any]:
    """Why a number sends, and where it was chosen what the others lack for a message of so many segments."""
    numbers: list[dict[str, Any]] = []
    if origins.chooses(wanted):
        hindered = origins.senders.hindrances(origins.pool(app, wanted), klass, peer)
        for value, lacks in hindered[:MOST_SHOWN]:
            full = lacks is None and room is not None and not room.has(value, segments)
            numbers.append({"number": value, "lacks": "quota" if full else lacks})
    return {"why": why, "detail": _WHY[why], "numbers": numbers}


def quiet_of(
    preparer: Preparer, klass: MessageClass, peer: str, zone: str | None, known: Known | None, at_ms: int
) -> dict[str, Any] | None:
    """What the quiet hours of a class and a phone do at a moment, by which zones, and until when; None: it has none.

    Raises Refusal for a zone that is none.
    """
    zone, rest = preparer.rest(klass, peer, zone, known)
    if rest is None:
        return None
    standing = rest.at(at_ms)
    until = None if standing.until is None else rfc3339(standing.until)
    return {"does": standing.action or "send", "until": until, "zones": list(rest.zones), "known": zone is not None}
