"""`[consent]` and `[[opt_ins]]`: what is taken, what is refused, and what a reference is to."""

from __future__ import annotations

import pytest

from .conftest import CARRIER, Failing, Loader

NUMBERS = f"""
default_region = "US"
{CARRIER}
[[numbers]]
number = "(202) 555-0101"
[[numbers]]
number = "202-555-0102"
"""


def opt_in(*lines: str, name: str = "offers") -> str:
    return "\n".join(["[[opt_ins]]", f'name = "{name}"', 'ask = "Reply YES"', *lines, ""])


def test_by_default_nothing_is_asked(config: Loader) -> None:
    consent = config(NUMBERS).consent
    assert not consent.asks
    assert config(NUMBERS + '[consent]\ndirect = "recorded"').consent.asks


def test_what_an_opt_in_is_for_without_more(config: Loader) -> None:
    (one,) = config(NUMBERS + opt_in('keywords = ["JOIN"]')).opt_ins
    assert (one.classes, one.scope, one.numbers, one.within) == (("marketing",), "set", (), 86_400)


def test_numbers_are_in_the_one_form(config: Loader) -> None:
    (one,) = config(NUMBERS + opt_in('numbers = ["202 555 0101"]')).opt_ins
    assert one.numbers == ("+12025550101",)


def test_a_keyword_may_be_another_at_another_number(config: Loader) -> None:
    first = opt_in('keywords = ["JOIN"]', 'numbers = ["202 555 0101"]')
    second = opt_in('keywords = ["JOIN"]', 'numbers = ["202 555 0102"]', name="alerts")
    assert len(config(NUMBERS + first + second).opt_ins) == 2


TWICE = "opt_ins[1].keywords[0]: expected a keyword of its own for a number; opt_ins[0] has it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[consent]\nmarketing = "yes"', 'consent.marketing: expected "required", "recorded" or "off", found "yes"'),
        ("[consent]\nmarkting = 1", "consent.markting: unknown key"),
        ('[[opt_ins]]\nname = "a"', "opt_ins[0].ask: is required"),
        ('[[opt_ins]]\nname = "a"\nask = " "', "opt_ins[0].ask: expected a text"),
        (opt_in('keywords = ["!"]'), "opt_ins[0].keywords: expected words with letters or digits"),
        (opt_in('keywords = ["A", "A"]'), "opt_ins[0].keywords: expected each keyword once"),
        (opt_in("classes = []"), "opt_ins[0].classes: expected one class or more, each once"),
        (opt_in("within = 1"), "opt_ins[0].within: expected a number from 60 to 2592000"),
        (opt_in('app = "crm"', 'scope = "all"'), "scope or app, not both"),
        (opt_in('app = "crm"'), 'opt_ins[0].app: expected the name of one of [[apps]], found "crm"'),
        (opt_in('numbers = ["202 555 0199"]'), "opt_ins[0].numbers[0]: expected one of [[numbers]]"),
        (opt_in() + opt_in(), "opt_ins[1].name: expected a name of its own; opt_ins[0] has it"),
        (opt_in('keywords = ["JOIN"]') + opt_in('keywords = ["join"]', name="b"), TWICE),
        (
            opt_in('keywords = ["JOIN"]', 'numbers = ["+12025550101"]')
            + opt_in('keywords = ["Join"]', 'numbers = ["202 555 0101"]', name="b"),
            TWICE,
        ),
    ],
)
def test_what_is_refused(problems: Failing, text: str, expected: str) -> None:
    found = problems(NUMBERS + text)
    assert any(expected in line for line in found), found
