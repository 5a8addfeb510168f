"""What people write who agree, to which opt-in, and how far what they agree to reaches."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.consent import Consents, consent_warnings, package, wording
from gateway.policy.content import content_warnings
from gateway.policy.optout import OptOuts
from gateway.policy.optwords import LANGUAGES, Vocabulary
from gateway.settings import Settings

ONE, TWO, THREE = "+15551230001", "+15551230002", "+15551230003"
ASK = "ACME: reply YES for offers."


def rules(*opt_ins: dict[str, Any], **more: Any) -> Consents:
    data = {
        "numbers": [{"number": number} for number in (ONE, TWO, THREE)],
        "number_sets": [{"name": "a", "numbers": [ONE, TWO]}],
        "opt_ins": [{"ask": ASK, **one} for one in opt_ins],
        **more,
    }
    settings = Settings.model_validate(data)
    return Consents(settings, OptOuts(settings))


JOIN = {"name": "offers", "keywords": ["JOIN", "Ofertas ya"]}


@pytest.mark.parametrize("text", ["JOIN", " join. ", "«Join»", "J\u200boin", "\uff2a\uff2f\uff29\uff2e", "ofertas YA!"])
def test_a_keyword_in_any_dress(text: str) -> None:
    word = rules(JOIN).read(ONE, text)
    assert word is not None
    assert word.join is not None
    assert word.join.name == "offers"


@pytest.mark.parametrize("text", ["JOIN now", "I join", "joining", "J", "", "join " + "." * 100, "hello"])
def test_what_is_no_keyword(text: str) -> None:
    assert rules(JOIN).read(ONE, text) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [("YES", "en"), ("y.", "en"), ("Sí", "es"), ("SI", "es"), ("oui", "fr"), ("Ja!", "de"), ("sim", "pt"),
     ("confermo", "it"), ("bestätigen", "de"), ("\N{THUMBS UP SIGN} yes", "en"), ("yes\n\n", "en")],
)  # fmt: skip
def test_yes_in_languages(text: str, language: Any) -> None:
    consents = rules(JOIN)
    word = consents.read(ONE, text)
    assert word is not None
    assert word.yes
    agreed = consents.agreed(word.key, consents.opt_ins["offers"])
    assert agreed is not None
    assert agreed.answer == package()[language].welcome


@pytest.mark.parametrize("text", ["yes but no", "no", "ok", "yes, what does it cost?", "yess"])
def test_what_is_no_yes(text: str) -> None:
    assert rules(JOIN).read(ONE, text) is None


def test_words_of_ones_own_are_of_their_opt_in_alone() -> None:
    consents = rules(JOIN | {"yes_words": ["sure"], "welcome": ""}, {"name": "alerts", "keywords": ["ALERTS"]})
    word = consents.read(ONE, "Sure!")
    assert word is not None
    offers, alerts = consents.opt_ins["offers"], consents.opt_ins["alerts"]
    agreed = consents.agreed(word.key, offers)
    assert agreed is not None
    assert (agreed.keyword, agreed.answer) == ("sure", None)
    assert consents.agreed(word.key, alerts) is None


def test_languages_are_those_of_the_opt_outs() -> None:
    consents = rules(JOIN, optout={"languages": ["it", "es"]})
    assert consents.read(ONE, "yes") is None
    word = consents.read(ONE, "si")
    assert word is not None
    agreed = consents.agreed(word.key, consents.opt_ins["offers"])
    assert agreed is not None
    assert agreed.answer == package()["it"].welcome


def test_numbers_of_an_opt_in() -> None:
    consents = rules(JOIN | {"numbers": [ONE]}, {"name": "all", "keywords": ["ALERTS"]})
    for number, text, name in (
        (ONE, "join", "offers"), (TWO, "join", None), (ONE, "alerts", "all"), (TWO, "alerts", "all"),
        ("+15550000000", "alerts", "all"), ("+15550000000", "join", None),
    ):  # fmt: skip
        word = consents.read(number, text)
        assert (word.join.name if word is not None and word.join is not None else None) == name


@pytest.mark.parametrize(
    ("given", "number", "scope"),
    [
        ({}, ONE, "set:a"),
        ({}, THREE, "set:default"),
        ({"scope": "number"}, ONE, f"number:{ONE}"),
        ({"scope": "all"}, ONE, "all"),
        ({"app": "crm"}, ONE, "app:crm"),
    ],
)
def test_scopes_of_opt_ins(given: dict[str, Any], number: str, scope: str) -> None:
    consents = rules(JOIN | given)
    assert consents.scope_of(consents.opt_ins["offers"], number) == scope


@pytest.mark.parametrize(
    ("scope", "others", "within"),
    [
        ("all", ("all",), True), ("all", ("set:a", "app:x"), False), ("set:a", ("all",), True),
        ("set:a", ("set:b",), False), (f"number:{ONE}", ("set:a",), True), (f"number:{THREE}", ("set:a",), False),
        (f"number:{THREE}", ("set:default",), True), ("app:x", ("set:a",), False), ("app:x", ("app:x",), True),
        (f"number:{ONE}", ("app:x",), False), ("set:a", (), False),
    ],
)  # fmt: skip
def test_what_is_within_a_scope(scope: str, others: tuple[str, ...], within: bool) -> None:
    assert rules(JOIN).within(scope, others) == within


def test_no_yes_is_a_stop_nor_help() -> None:
    """Whoever says YES in one language says nothing else in another."""
    vocabulary = Vocabulary()
    for language in LANGUAGES:
        for word in package()[language].yes:
            assert vocabulary.read(word) is None


def test_what_check_warns_of() -> None:
    settings = Settings.model_validate(
        {
            "numbers": [{"number": ONE}, {"number": "ACME"}],
            "optout": {"stop_words": ["enough"], "start_words": ["GO"]},
            "opt_ins": [
                {"name": "a", "ask": "Reply YES: bit.ly/x", "keywords": ["JOIN", "Enough!", "go", "info"]},
                {"name": "b", "ask": ASK, "numbers": ["ACME"], "welcome": "https://bit.ly/y"},
                {"name": "c", "ask": ASK, "numbers": [ONE], "keywords": ["join!", "deals"]},
                {"name": "d", "ask": ASK, "keywords": ["Yes.", "sure"], "yes_words": ["Sure", "END", "START"]},
            ],
        }
    )
    assert consent_warnings(settings) == [
        'opt_ins "a": keyword "Enough!" asks for nothing: it is one of the words for stop',
        'opt_ins "a": keyword "go" is one of the words for start: who opted out is asked, and back only by a YES',
        'opt_ins "a": keyword "info" asks for nothing: it is one of the words for help',
        'opt_ins "b": nobody can reply YES to "ACME"',
        'opt_ins "c": keyword "join!" is one of opt_ins "a" too, which asks where both could',
        'opt_ins "d": keyword "Yes." is a YES too: who says that late, or to something else, is asked',
        'opt_ins "d": keyword "sure" is a YES too: who says that late, or to something else, is asked',
        'opt_ins "d": yes_words "END" is no YES: it is one of the words for stop',
    ]
    found = [line.partition(" has ")[0] for line in content_warnings(settings)]
    assert found == ['opt_ins "a": ask', 'opt_ins "b": welcome']


def test_wordings_are_told_apart() -> None:
    assert wording("a", None) == wording("a", None)
    assert len({wording("a", None), wording("a", "1"), wording("a", "2"), wording("b", "1")}) == 4
