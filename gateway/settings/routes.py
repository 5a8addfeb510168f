"""``[[routes]]``: which messages go to which carriers, with what preference, and when another one takes over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.settings.base import Section
from gateway.settings.types import Form, Name, Seconds, Written, fail
from gateway.sms.numbering import region_exists

MessageClass = Literal["transactional", "direct", "marketing"]
CONDITIONS = ("numbers", "apps", "classes", "countries", "prefixes")
"""The conditions of a route, in the order in which they are looked at and shown."""


def _country(value: str) -> str:
    if not region_exists(value):
        raise fail("country", 'a country of ISO 3166 in two capital letters, such as "GB"')
    return value


def _prefix(value: str) -> str:
    digits = value.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15) or value.startswith("+0"):
        raise fail("prefix", 'the beginning of a number, such as "+44" (digits alone are of a short code)')
    return value


Country = Annotated[str, AfterValidator(_country), Form("country (ISO 3166)")]
Prefix = Annotated[str, AfterValidator(_prefix), Form("beginning of a number")]


class RouteCarrier(Section):
    """One of the carriers of a route."""

    name: Name = Field(description="Name of one of `[[carriers]]`.")
    weight: int = Field(
        1, ge=1, le=1000, description="Share of the messages, among the carriers of the route with the same preference."
    )
    preference: int = Field(
        1, ge=1, le=100, description="The lowest goes first; the next ones take over when it fails."
    )


def _not_empty(value: tuple[RouteCarrier, ...]) -> tuple[RouteCarrier, ...]:
    # Not by min_length: that counts the entries without those that are wrong, and says so beside what is wrong.
    if not value:
        raise fail("carriers", "at least one carrier")
    return value


class Route(Section):
    """Messages that go to these carriers. All conditions given must hold; the first route that matches is taken.

    What no route takes goes to its number's own carrier.
    """

    name: Name = Field(description="Name of the route in commands, logs and histories; unique.")
    numbers: tuple[Written, ...] = Field((), description="Sent from one of these `[[numbers]]`; empty: from any.")
    apps: tuple[Name, ...] = Field((), description="Submitted by one of these apps; empty: by any.")
    classes: tuple[MessageClass, ...] = Field((), description="Of one of these message classes; empty: of any.")
    countries: tuple[Country, ...] = Field(
        (),
        description="To one of these countries. A number that no plan knows counts as one of the main country "
        "of its calling code.",
    )
    prefixes: tuple[Prefix, ...] = Field(
        (), description="To numbers that begin so, as `+44`; without `+` to short codes."
    )
    carriers: Annotated[tuple[RouteCarrier, ...], AfterValidator(_not_empty)] = Field(
        description="Where to: a list of tables `{ name, weight, preference }`."
    )
    failover_after: Seconds = Field(
        30,
        ge=1,
        le=86_400,
        description="A carrier that has been down for so long is passed over, and what waits for it moves on.",
    )
    failover_on_refusal: bool = Field(
        True,
        description="Try the next carrier when one refuses for a reason that others may not share "
        "(`statuses`: `reroute`).",
    )
    failover_on_receipt: bool = Field(
        False,
        description="Try the next carrier after a negative final receipt; the end is told of only when it is decided.",
    )
    sticky: bool = Field(
        True,
        description="A number and a peer stay on their carrier while that is up; without it each message goes by "
        "the weights anew, and order is kept for each carrier only.",
    )


def route_warnings(
    routes: tuple[Route, ...], receipts: dict[str, bool], unrouted: tuple[str, ...] = ()
) -> Iterator[str]:
    """What is allowed and probably not meant. ``receipts``: whether each carrier is asked for them.

    ``unrouted`` are numbers without a carrier of their own.
    """
    for place, route in enumerate(routes):
        where = f'routes "{route.name}"'
        earlier = next((other for other in routes[:place] if _covers(other, route)), None)
        if earlier is not None:
            yield f'{where}: never reached; routes "{earlier.name}" before it takes all that it would'
        if len(route.carriers) == 1:
            if route.failover_on_receipt:
                yield f"{where}: failover_on_receipt with one carrier: there is no other"
            else:
                yield f"{where}: one carrier: nothing takes over when it is down"
        for carrier in route.carriers:
            same = [other for other in route.carriers if other.preference == carrier.preference]
            if carrier.weight != 1 and len(same) == 1:
                yield f'{where}: the weight of "{carrier.name}" has no effect: no other has its preference'
        if route.failover_on_receipt:
            silent = [carrier.name for carrier in route.carriers if not receipts.get(carrier.name, True)]
            if silent:
                yield f'{where}: failover_on_receipt, and carriers "{silent[0]}" is asked for no receipts'
        for prefix in route.prefixes:
            if not prefix.startswith("+") and len(prefix) > 6:
                yield f'{where}: prefixes "{prefix}": without + it is for short codes only'
    if unrouted and not any(_takes_all(route) for route in routes):
        yield f'numbers "{unrouted[0]}": no carrier of its own; what no route takes is refused (no_route)'


def _covers(earlier: Route, later: Route) -> bool:
    """Whether all that the later route would take is taken by the earlier one."""
    for condition in CONDITIONS[:4]:
        wide, narrow = getattr(earlier, condition), getattr(later, condition)
        if wide and not (narrow and set(narrow) <= set(wide)):
            return False
    if not earlier.prefixes:
        return True
    return bool(later.prefixes) and all(prefix.startswith(earlier.prefixes) for prefix in later.prefixes)


def _takes_all(route: Route) -> bool:
    return not any(getattr(route, condition) for condition in CONDITIONS)
