"""How far an opt-out reaches by the settings: scopes of what comes in and of what goes out, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.optout import OptOuts, optout_warnings
from gateway.policy.optwords import Reading
from gateway.settings import Settings
from gateway.settings.own import OWN_APP

A, B, C = "+15551230001", "+15551230002", "+15551230003"
STOP = Reading("stop", "STOP", "en")


def book(optout: dict[str, Any] | None = None, **given: Any) -> OptOuts:
    numbers = [{"number": A, "carrier": "x", **given}, {"number": B, "carrier": "x"}, {"number": C, "carrier": "x"}]
    return OptOuts(
        Settings.model_validate(
            {
                "carriers": [{"name": "x", "host": "h", "system_id": "u", "password": "p"}],
                "numbers": numbers,
                "number_sets": [
                    {"name": "a", "numbers": [A, B], "stop_words": ["adios"], "stop_reply": "Of a.", "start_reply": ""}
                ],
                "apps": [
                    {"name": "crm", "token": "t" * 32, "numbers": [A, C]},
                    {"name": "shop", "token": "s" * 32},
                ],
                "optout": optout or {},
            }
        )
    )


@pytest.mark.parametrize(
    ("scope", "stops"),
    [
        ("number", (f"number:{A}",)),
        ("set", ("set:a",)),
        ("app", (f"number:{A}", "app:crm", "app:shop")),
        ("all", ("all",)),
    ],
)
def test_what_a_stop_is_for_a_start_lifts_and_a_message_goes_out_in(scope: str, stops: tuple[str, ...]) -> None:
    for optouts in (book({"scope": scope}), book({"scope": "all"}, stop_scope=scope)):
        terms = optouts.terms(A)
        assert terms.stops == stops
        assert terms.lifts == {"all", "set:a", f"number:{A}", "app:crm", "app:shop"}
        for app in ("crm", "shop", OWN_APP):
            assert not optouts.scopes(app, A).isdisjoint(stops), app


def test_what_a_message_goes_out_in() -> None:
    optouts = book()
    assert optouts.scopes("crm", A) == {"all", "set:a", f"number:{A}", "app:crm"}
    assert optouts.scopes("shop", C) == {"all", "set:default", f"number:{C}", "app:shop"}
    # What follows from an inbound message is of everybody who may send from the number.
    assert optouts.scopes(OWN_APP, B) == {"all", "set:a", f"number:{B}", f"app:{OWN_APP}", "app:shop"}
    assert optouts.scopes("gone", "ACME") == {"all", "set:default", "number:ACME", "app:gone"}


@pytest.mark.parametrize("scope", ["number", "set", "app", "all"])
def test_a_number_that_is_in_no_configuration(scope: str) -> None:
    optouts = book({"scope": scope})
    for app in ("shop", "other"):
        assert not optouts.scopes(app, "+15550000000").isdisjoint(optouts.terms("+15550000000").stops)
    assert f"number:{A}" not in optouts.terms("+15550000000").lifts


def test_numbers_of_a_scope() -> None:
    optouts = book()
    assert optouts.numbers_in("set:a") == (A, B)
    assert optouts.numbers_in("set:default") == (C,)
    assert optouts.numbers_in("set:gone") == ()
    assert optouts.numbers_in(f"number:{C}") == (C,)
    assert optouts.numbers_in("app:crm") == (A, C)
    assert optouts.numbers_in("app:gone") == ()
    assert optouts.numbers_in("app:shop") == optouts.numbers_in("all") == (A, B, C)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        *((one, None) for one in ("all", "set:a", "set:default", f"number:{A}", "number:ACME", "app:crm")),
        *((one, "a scope is") for one in ("", "set:", "ALL", "everything", "all:x", "app")),
        ("set:b", "no set of numbers 'b'; there is default, a"),
        ("app:x", "no app 'x'; there is crm, shop"),
        ("app:shp", "no app 'shp'; did you mean shop?"),
    ],
)
def test_scopes_by_name(scope: str, said: str | None) -> None:
    found = book().problem(scope)
    assert found is None if said is None else said in (found or "")


def test_answers() -> None:
    optouts = book({"help_reply": "Call us.", "start_reply": "Back."})
    help_ = Reading("help", "AYUDA", "es")
    start = Reading("start", "START", "fr")
    assert [optouts.terms(A).answer(one) for one in (STOP, start, help_)] == ["Of a.", None, "Call us."]
    assert [optouts.terms(C).answer(one) for one in (start, help_)] == ["Back.", "Call us."]
    assert "ne recevrez plus" in (optouts.terms(C).answer(Reading("stop", "ARRET", "fr")) or "")
    # What blocks as a STOP does is answered as one.
    assert optouts.terms(A).answer(Reading("near", "stop", "en")) == "Of a."
    silent = book({"confirmation": "carrier"})
    assert [silent.terms(A).answer(one) for one in (STOP, start, help_)] == [None] * 3
    assert book(stop_confirmation="carrier").terms(A).answer(STOP) is None
    assert book(stop_confirmation="carrier").terms(B).answer(STOP) == "Of a."


def test_words_of_a_set() -> None:
    optouts = book({"stop_words": ["tschau"]})
    assert [bool(optouts.read(number, "adios")) for number in (A, B, C)] == [True, True, False]
    assert [bool(optouts.read(number, "tschau")) for number in (A, C, "+15550000000")] == [False, True, True]


def test_numbers_that_leave_their_set() -> None:
    def by(**sets: list[str]) -> OptOuts:
        named = [{"name": name, "numbers": numbers} for name, numbers in sets.items()]
        carriers = [{"name": "x", "host": "h", "system_id": "u", "password": "p"}]
        numbers = [{"number": n, "carrier": "x"} for n in (A, B, C)]
        return OptOuts(Settings.model_validate({"carriers": carriers, "numbers": numbers, "number_sets": named}))

    says = "its opt-outs go along, what people agreed to for that set does not"
    assert by(a=[A, B]).left_behind(by(a=[B, A])) == []
    assert by(a=[A, B]).left_behind(by(z=[A, B])) == [f"number_sets: {A}, {B} left set:a: {says}"]
    assert by(a=[A]).left_behind(by(a=[B])) == [
        f"number_sets: {A} left set:a: {says}",
        f"number_sets: {B} left set:default: {says}",
    ]
    assert by().left_behind(by(a=[A, B, C])) == [f"number_sets: {A}, {B}, {C} left set:default: {says}"]


def test_apps_that_are_gone() -> None:
    def by(*names: str) -> OptOuts:
        apps = [{"name": name, "token": f"{name:x<20}"} for name in names]
        return OptOuts(Settings.model_validate({"apps": apps}))

    said = by("crm", "shop").left_behind(by("crm", "store"))
    assert [one.partition(":")[0] for one in said] == ['apps "shop" is gone']
    assert "app:shop" in said[0]
    assert by().left_behind(by("crm")) == [] == by("crm").left_behind(by("crm", "shop"))


def test_near_by_number() -> None:
    optouts = book({"near": "attention"}, stop_near="block")
    assert (optouts.terms(A).near, optouts.terms(B).near) == ("block", "attention")


def test_what_check_warns_of() -> None:
    settings = Settings.model_validate(
        {
            "carriers": [{"name": "x", "host": "h", "system_id": "u", "password": "p"}],
            "numbers": [{"number": n, "carrier": "x"} for n in (A, B)],
            "optout": {
                "languages": ["en", "de"],
                "stop_words": ["START", "genug", "info!", "alta"],
                "start_words": ["weiter", "Stopp", "genug"],
                "help_words": ["END", "unstop", "was"],
            },
            "number_sets": [
                {"name": "a", "numbers": [A], "start_words": ["cancel"]},
                {"name": "b", "numbers": [B], "languages": ["es"], "stop_words": ["alta", "info"]},
            ],
        }
    )
    assert optout_warnings(settings) == [
        'optout: stop_words "START" stops messages, and is no word for start any more',
        'optout: stop_words "info!" stops messages, and is no word for help any more',
        'optout: start_words "Stopp" is without effect: it is one of the words for stop',
        'optout: start_words "genug" is without effect: it is one of the words for stop',
        'optout: help_words "END" is without effect: it is one of the words for stop',
        'optout: help_words "unstop" is without effect: it is one of the words for start',
        'number_sets "a": start_words "cancel" is without effect: it is one of the words for stop',
        'number_sets "b": stop_words "alta" stops messages, and is no word for start any more',
        'number_sets "b": stop_words "info" stops messages, and is no word for help any more',
    ]
    assert optout_warnings(Settings()) == []
