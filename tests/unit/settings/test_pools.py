"""Pools, destinations, and what of apps refers to them."""

from __future__ import annotations

import pytest

from .conftest import CARRIER, Failing, Loader

NUMBERS = f"""
default_region = "US"
{CARRIER}
[[numbers]]
number = "(202) 555-0101"
[[numbers]]
number = "+447700900100"
[[numbers]]
number = "ACME"
countries = ["GB"]
"""


def test_a_pool_has_its_numbers_in_the_one_form(config: Loader) -> None:
    settings = config(
        NUMBERS
        + """
        [pools.sales]
        numbers = ["202 555 0101", "ACME"]
        [[apps]]
        name = "crm"
        uid = [1000]
        pool = "sales"
        numbers = ["+12025550101", "ACME", "+447700900100"]
        countries = ["US", "GB"]
        refused_kinds = ["premium_rate"]
        [destinations]
        sender_names = { GB = "registered" }
        """
    )
    assert settings.pools["sales"].numbers == ("+12025550101", "ACME")
    assert (settings.apps[0].pool, settings.apps[0].countries) == ("sales", ("US", "GB"))
    assert settings.destinations.refused_kinds == ("premium_rate", "fixed_line")
    assert settings.numbers_by_value["ACME"].countries == ("GB",)


WRONG = [
    ('[pools.sales]\nnumbers = ["+12025550199"]', "pools.sales.numbers[0]: expected one of [[numbers]]"),
    ('[pools.sales]\nnumbers = ["ACME", "ACME"]', "pools.sales.numbers[1]: expected each number once"),
    ("[pools.sales]\nnumbers = []", "pools.sales.numbers: expected at least one number"),
    ("[pools.sales]", "pools.sales.numbers: is required"),
    ('[[numbers]]\nnumber = "Pool:a"', 'numbers[3].number: expected another name: "pool:" names a pool'),
    ('[pools.sales]\nnumbers = ["ACME"]\n[[apps]]\nname = "crm"\nuid = [1000]\npool = "sale"',
     "apps[0].pool: expected the name of one of [pools]"),
    ('[pools.sales]\nnumbers = ["ACME"]\n[[apps]]\nname = "crm"\nuid = [1000]\npool = "sales"\n'
     'numbers = ["+447700900100"]', "apps[0].pool: expected a pool of numbers of its own: numbers lacks ACME"),
    ('[[apps]]\nname = "crm"\nuid = [1000]\ncountries = ["UK"]', "apps[0].countries[0]: expected a country of ISO"),
    ('[[apps]]\nname = "crm"\nuid = [1000]\nrefused_kinds = ["mobile"]', "apps[0].refused_kinds[0]: expected"),
    ('[destinations]\nrefused_kinds = ["fixed_line", "fixed_line"]',
     "destinations.refused_kinds: expected each of them once"),
    ('[destinations]\nsender_names = { GB = "no" }', "destinations.sender_names: expected"),
    ('[[caps]]\nprefix = "7"\nper_hour = 0', "caps[0].per_hour: expected"),
    ('[[caps]]\nprefix = "x"\nper_hour = 1', "caps[0].prefix: expected the beginning of a number"),
    ('[[caps]]\nprefix = "+"\nper_hour = 1\napps = ["crm"]', "caps[0].apps[0]: expected the name of one of [[apps]]"),
    ('[destinations]\nsender_names = { UK = "refused" }', "destinations.sender_names: expected a country of ISO 3166"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_is_named(problems: Failing, text: str, said: str) -> None:
    found = problems(NUMBERS + text)
    assert len(found) == 1
    assert said in found[0]


def test_what_is_probably_not_meant_is_warned_of(config: Loader) -> None:
    text = NUMBERS.replace('number = "+447700900100"', 'number = "+447700900100"\nstate = "held"')
    settings = config(
        text.replace('number = "ACME"', 'number = "ACME"\ncapabilities = []')
        + """
        [pools.sales]
        numbers = ["202 555 0101", "+447700900100", "ACME"]
        [[apps]]
        name = "crm"
        uid = [1000]
        countries = ["US", "*"]
        """
    )
    assert [warning for warning in settings.warnings() if warning.startswith(("pools", "apps"))] == [
        'pools "sales": +447700900100 is held, and never chosen',
        'pools "sales": ACME sends no texts, and is never chosen',
        'apps "crm": countries[1] is "*": the others are without effect',
    ]


def test_a_cap_without_its_plus_is_pointed_out(config: Loader) -> None:
    caps = "".join(f'[[caps]]\nprefix = "{prefix}"\nper_hour = 100\n' for prefix in ("+7", "7", "+"))
    assert [warning for warning in config(NUMBERS + caps).warnings() if warning.startswith("caps")] == [
        'caps "7": without + it is for short codes only; numbers of a country begin with its +'
    ]
