"""Which route a message takes, and the order of its carriers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from gateway.policy.routing import Facts, Ranking, Routing, country, pair_key
from gateway.settings import Settings
from gateway.settings.routes import Route

OURS, OTHER = "+15551230001", "+15551230002"
UK, US, CANADA, SHORT = "+447700900123", "+12125550101", "+14165550101", "72727"


def route(name: str, *carriers: dict[str, Any], **given: Any) -> Route:
    return Route.model_validate({"name": name, "carriers": carriers or ({"name": "a"},), **given})


def routing(*routes: Route) -> Routing:
    # Settings as the tests of the settings check them; here only the routes matter.
    return Routing(Settings.model_construct(routes=routes))


@pytest.mark.parametrize(
    ("given", "facts", "failed"),
    [
        ({}, (OURS, "crm", "direct", UK), None),
        ({"numbers": [OURS]}, (OURS, "crm", "direct", UK), None),
        ({"numbers": [OTHER]}, (OURS, "crm", "direct", UK), "numbers"),
        ({"apps": ["crm", "shop"]}, (OURS, "shop", "direct", UK), None),
        ({"apps": ["crm"]}, (OURS, "shop", "direct", UK), "apps"),
        ({"classes": ["marketing"]}, (OURS, "crm", "marketing", UK), None),
        ({"classes": ["marketing"]}, (OURS, "crm", "transactional", UK), "classes"),
        ({"countries": ["GB"]}, (OURS, "crm", "direct", UK), None),
        ({"countries": ["GB"]}, (OURS, "crm", "direct", US), "countries"),
        ({"countries": ["US"]}, (OURS, "crm", "direct", CANADA), "countries"),
        ({"countries": ["CA"]}, (OURS, "crm", "direct", CANADA), None),
        ({"countries": ["US"]}, (OURS, "crm", "direct", SHORT), "countries"),
        ({"prefixes": ["+44", "+1212"]}, (OURS, "crm", "direct", US), None),
        ({"prefixes": ["+44", "+1213"]}, (OURS, "crm", "direct", US), "prefixes"),
        ({"prefixes": ["1"]}, (OURS, "crm", "direct", US), "prefixes"),
        ({"prefixes": ["727"]}, (OURS, "crm", "direct", SHORT), None),
        ({"numbers": [OURS], "countries": ["GB"], "classes": ["direct"]}, (OURS, "crm", "direct", UK), None),
        ({"numbers": [OURS], "countries": ["GB"], "classes": ["direct"]}, (OURS, "crm", "marketing", UK), "classes"),
    ],
)
def test_all_conditions_given_must_hold(given: dict[str, Any], facts: tuple[str, ...], failed: str | None) -> None:
    one = routing(route("r", **given))
    assert [look.failed for look in one.looks(Facts(*facts))] == [failed]
    found = one.route(Facts(*facts))
    assert (found.name if found else None) == ("r" if failed is None else None)


def test_the_first_route_that_matches_is_taken() -> None:
    one = routing(route("uk", countries=["GB"]), route("bulk", classes=["marketing"]), route("rest"))
    taken = {
        (UK, "direct"): "uk",
        (UK, "marketing"): "uk",
        (US, "marketing"): "bulk",
        (US, "direct"): "rest",
    }
    for _ in range(2):  # the second time from what is remembered
        for (peer, klass), name in taken.items():
            found = one.route(Facts(OURS, "crm", klass, peer))
            assert found is not None
            assert found.name == name
    looks = one.looks(Facts(OURS, "crm", "marketing", US))
    assert [(look.route.name, look.failed) for look in looks] == [("uk", "countries"), ("bulk", None)]


def test_without_a_route_that_matches() -> None:
    assert routing(route("uk", countries=["GB"])).route(Facts(OURS, "crm", "direct", US)) is None


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        (UK, "GB"),
        (CANADA, "CA"),
        ("+15550000000", "US"),  # in no plan: the main country of the calling code
        ("+78005553535", "RU"),
        (SHORT, None),
        ("+80012345678", None),  # a freephone number of no country
    ],
)
def test_country_of_a_phone(peer: str, found: str | None) -> None:
    assert country(peer) == found


def test_preferences_come_in_their_order_whatever_the_key() -> None:
    ranking = Ranking(
        route("r", {"name": "c", "preference": 3}, {"name": "a", "preference": 1}, {"name": "b", "preference": 2})
    )
    assert {ranking.ranked(f"key {i}") for i in range(100)} == {("a", "b", "c")}
    assert ranking.home("any") == "a"


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (1, 2, 7), (1000, 1)])
def test_each_carrier_has_its_share_of_pairs(weights: tuple[int, ...]) -> None:
    count = 20_000
    ranking = Ranking(route("r", *({"name": f"c{i}", "weight": w} for i, w in enumerate(weights))))
    homes = Counter(ranking.home(pair_key(OURS, f"+4477{i:08}")) for i in range(count))
    for i, weight in enumerate(weights):
        share = weight / sum(weights)
        # Five standard deviations: the keys are fixed, so this is decided once and for all.
        assert abs(homes[f"c{i}"] - count * share) < 5 * (count * share * (1 - share)) ** 0.5 + 1


def test_when_a_carrier_is_gone_only_its_own_pairs_move() -> None:
    three = Ranking(route("r", {"name": "a"}, {"name": "b"}, {"name": "c"}))
    two = Ranking(route("r", {"name": "a"}, {"name": "c"}))
    for i in range(1000):
        key = pair_key(OURS, f"+4477{i:08}")
        if three.home(key) != "b":
            assert two.home(key) == three.home(key)
        assert [name for name in three.ranked(key) if name != "b"] == list(two.ranked(key))
        assert three.ranked(key)[0] == three.home(key)


def test_a_pair_is_at_home_in_the_same_place_in_every_run() -> None:
    ranking = Ranking(route("r", {"name": "a"}, {"name": "b"}, {"name": "c", "preference": 2}))
    assert [ranking.ranked(pair_key(OURS, f"+4477009001{i:02}")) for i in range(6)] == [
        ("b", "a", "c"),
        ("a", "b", "c"),
        ("b", "a", "c"),
        ("b", "a", "c"),
        ("b", "a", "c"),
        ("a", "b", "c"),
    ]
