"""What may be sent of a text, what is added, and why not: over apps, classes and numbers."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from gateway.policy.content import Content, Worded, content_warnings
from gateway.settings import Settings
from gateway.settings.own import OWN_APP
from gateway.settings.routes import MessageClass

NUMBER, CODE, NAME, DEAF = "+12025550101", "12345", "Acme", "+12025550102"
CLASSES: tuple[MessageClass, ...] = get_args(MessageClass)


def content(given: dict[str, Any] | None = None, *, numbers: dict[str, Any] | None = None, **more: Any) -> Content:
    own = numbers or {}
    ours = [{"number": n, "carrier": "acme", **own.get(n, {})} for n in (NUMBER, CODE, NAME)]
    ours.append({"number": DEAF, "carrier": "acme", "capabilities": ["sms_out"], **own.get(DEAF, {})})
    apps = [{"name": "crm", "uid": [0], **more.pop("app", {})}]
    return Content(Settings.model_validate({"content": given or {}, "numbers": ours, "apps": apps, **more}))


EVERY = {"clause": "every"}


@pytest.mark.parametrize("klass", CLASSES)
def test_by_default_texts_go_as_they_come(klass: MessageClass) -> None:
    usual = content()
    for text in ("Hello", "“Hello”\u00a0\u200bthere", " x ", "See https://acme.example/x", "x" * 40 * 160):
        assert usual.word("crm", klass, NUMBER, text) is None


@pytest.mark.parametrize("klass", CLASSES)
def test_what_shows_nothing_is_refused(klass: MessageClass) -> None:
    refused = content(EVERY).word("crm", klass, NUMBER, " \u200b")
    assert refused is not None
    assert refused.reason == "empty"


@pytest.mark.parametrize("klass", CLASSES)
def test_a_shortener_is_refused_in_every_class(klass: MessageClass) -> None:
    refused = content().word("crm", klass, NUMBER, "Your code: bit.ly/x")
    assert refused is not None
    assert refused.reason == "public_shortener"
    assert refused.detail == "bit.ly at character 12"


@pytest.mark.parametrize("klass", CLASSES)
def test_classes_and_apps_may_be_let_use_them(klass: MessageClass) -> None:
    by_class = content({"allow_shorteners": ["transactional"]})
    by_app = content(app={"allow_shorteners": ["direct"]})
    both = content({"allow_shorteners": ["transactional"]}, app={"allow_shorteners": ["direct"]})
    text = "See bit.ly/x"
    assert (by_class.word("crm", klass, NUMBER, text) is None) == (klass == "transactional")
    assert (by_app.word("crm", klass, NUMBER, text) is None) == (klass == "direct")
    assert by_app.word("other", klass, NUMBER, text) is not None
    assert (both.word("crm", klass, NUMBER, text) is None) == (klass != "marketing")


def test_domains_are_added_and_let_pass() -> None:
    own = content({"shorteners": ["Short.Example."], "allowed_links": ["acme.bit.ly"]})
    assert own.word("crm", "direct", NUMBER, "acme.bit.ly/x") is None
    refused = own.word("crm", "direct", NUMBER, "short.example/x")
    assert refused is not None
    assert refused.detail == "short.example at character 1"


def test_what_people_wrote_is_forwarded_with_its_links() -> None:
    """It was decided before; only our own answers are told apart from what others sent."""
    usual = content()
    assert usual.word(OWN_APP, "direct", NUMBER, "bit.ly/x") is None
    assert usual.word(OWN_APP, "transactional", NUMBER, "bit.ly/x") is not None


@pytest.mark.parametrize("klass", CLASSES)
def test_only_marketing_gets_a_clause(klass: MessageClass) -> None:
    worded = content(EVERY).word("crm", klass, NUMBER, "Sale today!")
    clause = "Reply STOP to opt out."
    expected = Worded(f"Sale today! {clause}", (f'clause added: "{clause}"',), clause=clause)
    assert worded == (expected if klass == "marketing" else None)


def test_a_clause_is_added_once() -> None:
    every = content(EVERY)
    worded = every.word("crm", "marketing", NUMBER, "Sale")
    assert worded is not None
    assert every.word("crm", "marketing", NUMBER, worded.text) is None
    assert every.word("crm", "marketing", NUMBER, "Sale. STOP to end") is None


def test_the_language_of_the_peer_then_of_the_setting() -> None:
    german = content({**EVERY, "clause_language": "de", "clauses": {"sw": "Tuma STOP"}})

    def text(language: str | None) -> str:
        worded = german.word("crm", "marketing", NUMBER, "Sale", language)
        assert worded is not None
        return worded.text

    assert text(None) == text("tlh") == "Sale Antworten Sie STOP zum Abmelden."
    assert text("pt-BR") == "Sale Responda STOP para cancelar."
    assert text("sw") == "Sale Tuma STOP"


def test_who_cannot_be_answered_gets_its_own_clause_or_none() -> None:
    numbers = {CODE: {"clause": "Txt END to 12345"}, DEAF: {"clause": "STOP au 36180"}, NUMBER: {"clause": ""}}
    own = content(EVERY, numbers=numbers)
    made = {number: own.word("crm", "marketing", number, "Sale", "es") for number in (NUMBER, CODE, NAME, DEAF)}
    assert made[NUMBER] is None
    assert [w and w.text for w in (made[CODE], made[NAME], made[DEAF])] == [
        "Sale Txt END to 12345",
        "Sale",
        "Sale STOP au 36180",
    ]
    assert made[NAME] is not None
    assert made[NAME].warnings == (
        "no clause: nobody can answer Acme; say in its `clause` how its messages are stopped",
    )
    assert own.word("crm", "marketing", NAME, "Sale. Txt END to 12345") is None


def test_characters_are_counted_as_they_are_sent() -> None:
    bounded = content({**EVERY, "normalise": True}, app={"max_characters": 30})
    assert bounded.word("crm", "direct", NUMBER, "x" * 30) is None
    refused = bounded.word("crm", "direct", NUMBER, "x" * 31)
    assert refused is not None
    assert (refused.reason, refused.detail) == ("too_long", "31 characters; the app may send 30")
    refused = bounded.word("crm", "marketing", NUMBER, "x" * 8)
    assert refused is not None
    assert refused.detail == "31 characters, 22 of them of the clause that is added; the app may send 30"
    worded = bounded.word("crm", "direct", NUMBER, "x" * 30 + "\u200b")
    assert worded == Worded("x" * 30, ("normalised: zero-width characters",))
    assert bounded.word("other", "direct", NUMBER, "x" * 31) is None


def test_normalising_is_for_all_or_for_an_app() -> None:
    for settings, app, changed in (
        ({}, {}, ()),
        ({"normalise": True}, {}, ("crm", "other")),
        ({"normalise": True}, {"normalise": False}, ("other",)),
        ({}, {"normalise": True}, ("crm",)),
    ):
        made = content(settings, app=app)
        for name in ("crm", "other"):
            worded = made.word(name, "transactional", NUMBER, "“Hi”")
            assert (worded and worded.text) == ('"Hi"' if name in changed else None)


def test_what_is_normalised_away_leaves_nothing() -> None:
    refused = content({"normalise": True, **EVERY}).word("crm", "marketing", NUMBER, "\u200b")
    assert refused is not None
    assert refused.reason == "empty"


def test_the_bound_of_an_app_is_never_above_the_one_of_all() -> None:
    assert content(app={"max_segments": 2}).max_segments == {"crm": 2}
    assert content(app={"max_segments": 50}).max_segments == {}
    assert content(app={"max_segments": 50}, limits={"max_segments": 60}).max_segments == {"crm": 50}


def test_a_text_that_cannot_be_sent_anyway_is_not_looked_at() -> None:
    """It is refused when it is cut; a megabyte of it shall not take the time of others."""
    assert content(EVERY).word("crm", "marketing", NUMBER, "bit.ly/x " * 100_000) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"clause": "always"}, "every"),
        ({"clause_language": "tlh"}, "a clause_language for which there is a text"),
        ({"clause_language": "Deutsch"}, "clause_language"),
        ({"clauses": {"de": " "}}, "not empty"),
        ({"allowed_links": ["https://acme.example/x"]}, "without scheme and path"),
        ({"shorteners": ["localhost"]}, "without scheme and path"),
        ({"shorteners": ["a b.example"]}, "without scheme and path"),
        ({"shorteners": ["a_.example-"]}, "shorteners"),
        ({"allow_shorteners": ["direct", "direct"]}, "once"),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        content(given)


def test_check_says_what_will_not_be_sent_as_it_is_meant() -> None:
    given: dict[str, Any] = {
        "carriers": [{"name": "acme", "host": "x", "system_id": "a", "password": "b"}],
        "numbers": [
            {"number": NUMBER, "clause": "Stop: bit.ly/a", "inbound_when_held": "reply", "reply_when_held": "t.co/b"},
            {"number": NAME},
            {"number": "Mute", "clause": "STOP au 36180"},
        ],
        "apps": [{"name": "crm", "uid": [0], "max_segments": 50}],
        "rules": [{"name": "hours", "reply": "See ow.ly/c"}, {"name": "fine", "reply": "See acme.example"}],
        "number_sets": [{"name": "sales", "numbers": [NUMBER], "help_reply": "Help: is.gd/d"}],
        "optout": {"stop_reply": "Gone. rb.gy/e"},
        "content": {"clause": "first", "clauses": {"de": "Ende: t.ly/f"}},
    }
    why = ": texts with public link shorteners are refused"
    assert content_warnings(Settings.model_validate(given)) == [
        f'numbers "{NAME}": nobody can answer them, and without clause what they send of class marketing says '
        "nothing of how to stop it",
        'apps "crm": max_segments = 50, and 40 are allowed for all by limits.max_segments',
        f"content.clauses.de has t.ly at character 7{why}",
        f'numbers "{NUMBER}": clause has bit.ly at character 7{why}',
        f'numbers "{NUMBER}": reply_when_held has t.co at character 1{why}',
        f'rules "hours": reply has ow.ly at character 5{why}',
        f"optout: stop_reply has rb.gy at character 7{why}",
        f'number_sets "sales": help_reply has is.gd at character 7{why}',
    ]
    given["content"] = {"allow_shorteners": ["transactional", "marketing"]}
    assert [w for w in content_warnings(Settings.model_validate(given)) if "limits" not in w] == []
