"""`[optout]` and `[[number_sets]]`: what is taken, what is refused, and what a reference is to."""

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


def test_without_a_word_of_it_stop_counts(config: Loader) -> None:
    optout = config(NUMBERS).optout
    assert (optout.scope, optout.near, optout.confirmation) == ("set", "attention", "gateway")
    assert optout.languages == ("en", "es", "fr", "de", "pt", "it")


def test_numbers_of_sets_are_in_the_one_form(config: Loader) -> None:
    (one,) = config(NUMBERS + '[[number_sets]]\nname = "a"\nnumbers = ["202 555 0101", "+1 202 555 0102"]').number_sets
    assert one.numbers == ("+12025550101", "+12025550102")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[optout]\nscope = "none"', 'optout.scope: expected "number", "set", "app" or "all", found "none"'),
        ("[optout]\nenabled = false", "optout.enabled: unknown key"),
        ("[optout]\nlanguages = []", "optout.languages: expected one language or more, each once"),
        ('[optout]\nlanguages = ["en", "en"]', "optout.languages: expected one language or more, each once"),
        ('[optout]\nstop_words = ["!?"]', "optout.stop_words: expected words with letters or digits"),
        ('[optout]\nstop_reply = " "', "optout.stop_reply: expected a text"),
        ("[optout]\nhelp_interval = 0", "optout.help_interval: expected a number from 1 to 604800"),
        ('[[number_sets]]\nname = "a"\nnumbers = []', "number_sets[0].numbers: expected one number or more"),
        (
            '[[number_sets]]\nname = "a"\nnumbers = ["202 555 0103"]',
            'number_sets[0].numbers[0]: expected one of [[numbers]], found "202 555 0103"',
        ),
        (
            '[[number_sets]]\nname = "default"\nnumbers = ["202 555 0101"]',
            "number_sets[0].name: expected another name: this is the set of the numbers that are in none",
        ),
        (
            '[[number_sets]]\nname = "a"\nnumbers = ["202 555 0101"]\n'
            '[[number_sets]]\nname = "b"\nnumbers = ["+12025550101"]',
            "number_sets[1].numbers[0]: expected each number in one set; number_sets[0] has it",
        ),
        (
            '[[number_sets]]\nname = "a"\nnumbers = ["202 555 0101"]\n'
            '[[number_sets]]\nname = "a"\nnumbers = ["202 555 0102"]',
            "number_sets[1].name: expected a name of its own; number_sets[0] has it",
        ),
    ],
)
def test_what_is_refused(problems: Failing, text: str, expected: str) -> None:
    found = problems(NUMBERS + text)
    assert any(expected in line for line in found), found
