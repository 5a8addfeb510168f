"""`[[routes]]`: what is wrong with them, and what is probably not meant."""

from __future__ import annotations

import pytest

from tests.unit.settings.conftest import CARRIER, Failing, Loader

TWO = CARRIER + CARRIER.replace("acme", "beta")
NUMBERS = (
    '[[numbers]]\nnumber = "+15551230001"\ncarrier = "acme"\n[[numbers]]\nnumber = "+15551230002"\ncarrier = "beta"\n'
)


def route(
    *lines: str, name: str = "all", carriers: str = '{ name = "acme" }, { name = "beta", preference = 2 }'
) -> str:
    return "\n".join(["[[routes]]", f'name = "{name}"', f"carriers = [{carriers}]", *lines, ""])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('countries = ["UK"]', 'countries[0]: expected a country of ISO 3166 in two capital letters, such as "GB"'),
        ('countries = ["gb"]', "countries[0]: expected a country of ISO 3166"),
        ('prefixes = ["0044"]', None),
        ('prefixes = ["+044"]', "prefixes[0]: expected the beginning of a number"),
        ('prefixes = ["+44 20"]', "prefixes[0]: expected the beginning of a number"),
        ('prefixes = [""]', "prefixes[0]: expected the beginning of a number"),
        ('classes = ["bulk"]', "classes[0]: expected "),
        ('apps = ["shp"]', 'apps[0]: expected the name of one of [[apps]], found "shp"; did you mean shop?'),
        ('apps = ["local"]', 'apps[0]: expected the name of one of [[apps]], found "local"'),
        ('apps = ["operator"]', None),
        ('numbers = ["+15551230003"]', 'numbers[0]: expected one of [[numbers]], found "+15551230003"'),
        ('numbers = ["15551230001"]', "numbers[0]: expected one of [[numbers]]"),
        ("failover_after = 0", "failover_after: expected a number from 1 to 86400"),
        ("failover_affer = 5", "failover_affer: unknown key; did you mean failover_after?"),
    ],
)
def test_bad_routes(problems: Failing, config: Loader, text: str, said: str | None) -> None:
    whole = TWO + NUMBERS + '[[apps]]\nname = "shop"\nuid = [0]\n' + route(text)
    if said is None:
        config(whole)
        return
    (problem,) = problems(whole)
    assert f"routes[0].{said}" in problem


@pytest.mark.parametrize(
    ("carriers", "said"),
    [
        ('{ name = "acne" }', 'name: expected the name of one of [[carriers]], found "acne"; did you mean acme?'),
        ('{ name = "beta" }, { name = "beta" }', 'name: expected each carrier once, found "beta"'),
        ('{ name = "beta", weight = 0 }', "weight: expected a number from 1 to 1000"),
        ('{ name = "beta", wait = 2 }', "wait: unknown key"),
        ("{ weight = 2 }", "name: is required"),
        ("", "carriers: expected at least one carrier"),
    ],
)
def test_bad_carriers_of_a_route(problems: Failing, carriers: str, said: str) -> None:
    (problem,) = problems(TWO + NUMBERS + route(carriers=carriers))
    assert said in problem
    assert problem.startswith("smsgw.toml:")


def test_two_routes_of_one_name(problems: Failing) -> None:
    (problem,) = problems(TWO + NUMBERS + route('classes = ["direct"]') + route())
    assert "routes[1].name: expected a name of its own; routes[0] has it" in problem


def test_with_routes_a_number_needs_no_carrier(config: Loader, problems: Failing) -> None:
    bare = '[[numbers]]\nnumber = "+15551230001"\n'
    settings = config(TWO + bare + route())
    assert settings.numbers[0].carrier is None
    assert (
        settings.warnings().count(
            'numbers "+15551230001": no carrier of its own; what no route takes is refused (no_route)'
        )
        == 0
    )
    some = config(TWO + bare + route('classes = ["direct"]'))
    assert any("no carrier of its own" in warning for warning in some.warnings())
    (problem,) = problems(TWO + bare)
    assert "numbers[0].carrier: is required, as there are several carriers" in problem


def test_numbers_of_routes_are_normalised(config: Loader) -> None:
    settings = config('default_region = "US"\n' + TWO + NUMBERS + route('numbers = ["(555) 123-0002"]'))
    assert settings.routes[0].numbers == ("+15551230002",)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            route() + route("", name="late"),
            'routes "late": never reached; routes "all" before it takes all that it would',
        ),
        (
            route('classes = ["direct", "marketing"]')
            + route('classes = ["direct"]', 'countries = ["GB"]', name="late"),
            'routes "late": never reached; routes "all" before it takes all that it would',
        ),
        (
            route('prefixes = ["+44"]') + route('prefixes = ["+447", "+4420"]', name="late"),
            'routes "late": never reached; routes "all" before it takes all that it would',
        ),
        (route('classes = ["direct"]') + route(name="late"), None),
        (route('prefixes = ["+447"]') + route('prefixes = ["+44"]', name="late"), None),
        (route('numbers = ["+15551230001"]') + route('apps = ["local"]', name="late"), None),
        (
            route(carriers='{ name = "acme" }'),
            'routes "all": one carrier: nothing takes over when it is down',
        ),
        (
            route("failover_on_receipt = true", carriers='{ name = "acme" }'),
            'routes "all": failover_on_receipt with one carrier: there is no other',
        ),
        (
            route(carriers='{ name = "acme", weight = 3 }, { name = "beta", preference = 2 }'),
            'routes "all": the weight of "acme" has no effect: no other has its preference',
        ),
        (
            route('prefixes = ["4477009"]'),
            'routes "all": prefixes "4477009": without + it is for short codes only',
        ),
    ],
)
def test_warnings(config: Loader, text: str, warning: str | None) -> None:
    found = [w for w in config(TWO + NUMBERS + text).warnings() if w.startswith("routes")]
    assert found == ([warning] if warning else [])


def test_a_carrier_without_receipts_cannot_tell_of_a_failure(config: Loader) -> None:
    text = TWO.replace('name = "acme"', 'name = "acme"\nreceipts = false')
    found = config(text + NUMBERS + route("failover_on_receipt = true")).warnings()
    assert 'routes "all": failover_on_receipt, and carriers "acme" is asked for no receipts' in found


def test_routes_from_the_environment(config: Loader) -> None:
    settings = config(TWO + NUMBERS + route(), {"SMSGW_ROUTES__0__CARRIERS__1__WEIGHT": "7"})
    assert settings.routes[0].carriers[1].weight == 7
