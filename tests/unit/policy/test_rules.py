"""The rules for inbound messages: each condition, their order, what matches first, and what is done."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.conditions import SEARCHED
from gateway.policy.decision import (
    NOTHING,
    UNDECIDED,
    Facts,
    Forward,
    Last,
    Mail,
    Needs,
    Recipient,
    Reply,
    Target,
    ToHandlers,
    Tried,
    fill,
)
from gateway.policy.rules import RuleBook
from gateway.settings.groups import Group
from gateway.settings.rules import FORWARD_TEXT, Rule
from gateway.settings.schedules import Schedule

NUMBER, PEER = "+15551230001", "+447700900123"
AT = int(datetime.fromisoformat("2026-03-02T12:00:00Z").timestamp() * 1000)  # a Monday
NIGHT = int(datetime.fromisoformat("2026-03-02T23:00:00Z").timestamp() * 1000)

SCHEDULES = {
    "office": Schedule(zone="Europe/London", times=("mon-fri 09:00-17:00",), holidays=("GB-ENG",)),
    "lunch": Schedule(zone="Europe/London", times=("12:00-13:00",)),
    "night": Schedule(zone="Europe/London", times=("20:00-08:00",)),
}
GROUPS = {
    "desk": Group.model_validate(
        {
            "members": [
                {"name": "Zoe", "email": "zoe@b.example"},
                {"name": "Yan", "phone": "+447700900009", "email": "yan@b.example", "schedule": "office"},
            ]
        }
    ),
    "team": Group.model_validate(
        {
            "members": [
                {"name": "Ann", "phone": "+447700900001", "schedule": "office"},
                {"name": "Bob", "phone": "+447700900002", "schedule": "night"},
                {"name": "Cyd", "phone": "+447700900003"},
            ]
        }
    ),
    "duty": Group.model_validate(
        {
            "members": [
                {"name": "Dee", "phone": "+447700900004", "schedule": "office"},
                {"name": "Eve", "phone": "+447700900005", "schedule": "office"},
            ]
        }
    ),
}
ANN, BOB, CYD = (Target(f"+44770090000{n}", name) for n, name in enumerate(("Ann", "Bob", "Cyd"), 1))
DEE, EVE = (Target(f"+44770090000{n}", name) for n, name in enumerate(("Dee", "Eve"), 4))


class Sections:
    """What a book is made of."""

    schedules = SCHEDULES
    groups = GROUPS
    urgency_words = ("leak",)

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules


def rule(name: str = "one", /, **given: Any) -> Rule:
    return Rule.model_validate({"name": name, "tags": [name], **given})


def book(*rules: Rule) -> RuleBook:
    return RuleBook(Sections(*rules))


def facts(text: str | None = "hello", **given: Any) -> Facts:
    return Facts(**({"number": NUMBER, "peer": PEER, "text": text, "at_ms": AT} | given))


def last(age: int = 60, app: str = "crm", klass: str = "marketing", **meta: Any) -> Last:
    return Last(app, klass, meta, AT - age * 1000)


ONE, OTHER = ("+447700900200", AT - 60_000), ("+447700900201", AT - 600_000)
LISTS = frozenset({"spring", "blocked"})

Case = tuple[dict[str, Any], Facts, bool]
CONDITIONS: list[Case] = [
    ({}, facts(), True),
    ({"numbers": [NUMBER]}, facts(), True),
    ({"numbers": ["12345"]}, facts(), False),
    ({"peers": [PEER]}, facts(), True),
    ({"peers": ["+447700900124", "12345"]}, facts(), False),
    ({"peers": ["ACME"]}, facts(peer="ACME"), True),
    ({"prefixes": ["+4477"]}, facts(), True),
    ({"prefixes": ["+4478", "+1"]}, facts(), False),
    ({"prefixes": ["44"]}, facts(), False),
    ({"countries": ["GB"]}, facts(), True),
    ({"countries": ["US", "FR"]}, facts(), False),
    ({"countries": ["US"]}, facts(peer="12345"), False),
    ({"groups": ["team"]}, facts(peer="+447700900002"), True),
    ({"groups": ["duty"]}, facts(peer="+447700900002"), False),
    ({"groups": ["duty", "team"]}, facts(peer="+447700900002"), True),
    ({"groups": ["team"]}, facts(), False),
    ({"peer_lists": ["vip"]}, facts(lists=frozenset({"spring", "vip"})), True),
    ({"peer_lists": ["press", "vip"]}, facts(lists=frozenset({"vip"})), True),
    ({"peer_lists": ["VIP"]}, facts(lists=frozenset({"vip"})), False),
    ({"peer_lists": ["vip"]}, facts(), False),
    ({"relay_within": 300}, facts(), False),
    ({"relay_within": 300}, facts(forwarded=(OTHER,)), False),
    ({"relay_within": 300}, facts(forwarded=(OTHER, ONE, ONE)), True),
    ({"relay_within": 900}, facts(forwarded=(OTHER, ONE)), False),
    ({"known": True}, facts(known=True), True),
    ({"known": True}, facts(known=False), False),
    ({"known": False}, facts(known=False), True),
    ({"known": False}, facts(known=True), False),
    ({"opted_out": True}, facts(opted_out=True), True),
    ({"opted_out": True}, facts(), False),
    ({"opted_out": False}, facts(), True),
    ({"opted_out": False}, facts(opted_out=True), False),
    ({"schedules": ["office"]}, facts(), True),
    ({"schedules": ["night", "lunch"]}, facts(), True),
    ({"schedules": ["night"]}, facts(), False),
    ({"schedules": ["office"]}, facts(at_ms=NIGHT), False),
    ({"not_schedules": ["office"]}, facts(at_ms=NIGHT), True),
    ({"not_schedules": ["office", "night"]}, facts(at_ms=NIGHT), False),
    ({"not_schedules": ["office"]}, facts(), False),
    ({"times": ["mon 07:00-07:01"], "zone": "America/New_York"}, facts(), True),
    ({"times": ["mon 12:00-12:01"], "zone": "America/New_York"}, facts(), False),
    ({"keywords": ["HELLO"]}, facts("Hello, you"), True),
    ({"keywords": ["HELL"]}, facts("Hello, you"), False),
    ({"keywords": ["HELL"], "keyword_match": "prefix"}, facts("Hello, you"), True),
    ({"keywords": ["HELLO"]}, facts(None), False),
    ({"contains": ["refund", "money back"]}, facts("I want my MONEY  BACK"), False),
    ({"contains": ["refund", "money back"]}, facts("I want my MONEY BACK"), True),
    ({"contains": ["REFUND"]}, facts("no ｒｅｆｕｎｄ"), True),
    ({"contains": ["a"]}, facts(None), False),
    ({"matches": r"invoice +\d+"}, facts("see invoice 12"), True),
    ({"matches": r"invoice +\d+"}, facts("see Invoice 12"), False),
    ({"matches": r"(?i)^see INVOICE +\d+$"}, facts("see Invoice 12"), True),
    ({"matches": r"^[éü]$"}, facts("é"), True),
    ({"matches": "."}, facts("\ud800"), True),
    ({"matches": "^x"}, facts(None), False),
    ({"length_min": 5}, facts("hello"), True),
    ({"length_min": 6}, facts("hello"), False),
    ({"length_max": 5}, facts("hello"), True),
    ({"length_max": 4}, facts("hello"), False),
    ({"length_max": 0}, facts(""), True),
    ({"length_max": 10_000}, facts("x" * 10_001), False),
    ({"scripts": ["Cyrillic"]}, facts("Привет, Bob!"), True),
    ({"scripts": ["Cyrillic"]}, facts("Hello, Боб!"), False),
    ({"scripts": ["Latin", "Greek"]}, facts("Hello, Боб!"), True),
    ({"scripts": ["Latin"]}, facts("123"), False),
    ({"scripts": ["Latin"]}, facts(None), False),
    ({"urgency": True}, facts("please call ASAP"), True),
    ({"urgency": True}, facts("there is a Leak!"), True),
    ({"urgency": True}, facts("no hurry"), False),
    ({"urgency": False}, facts("no hurry"), True),
    ({"urgency": False}, facts("urgent"), False),
    ({"last_within": 60}, facts(last=last(60)), True),
    ({"last_within": 60}, facts(last=last(61)), False),
    ({"last_within": 60}, facts(last=last(-5)), True),  # the clock was set back
    ({"last_within": 60}, facts(), False),
    ({"last_before": 60}, facts(last=last(61)), True),
    ({"last_before": 60}, facts(last=last(60)), False),
    ({"last_before": 60}, facts(), True),
    ({"last_before": 60, "last_within": 90}, facts(last=last(80)), True),
    ({"last_before": 60, "last_within": 90}, facts(last=last(91)), False),
    ({"last_before": 60, "last_within": 90}, facts(), False),
    ({"last_apps": ["crm"]}, facts(last=last()), True),
    ({"last_apps": ["shop"]}, facts(last=last()), False),
    ({"last_apps": ["crm"]}, facts(), False),
    ({"last_classes": ["direct", "marketing"]}, facts(last=last()), True),
    ({"last_classes": ["direct"]}, facts(last=last()), False),
    ({"last_meta": {"campaign": "spring"}}, facts(last=last(campaign="spring", x=1)), True),
    ({"last_meta": {"campaign": "spring"}}, facts(last=last(campaign="autumn")), False),
    ({"last_meta": {"campaign": "spring"}}, facts(last=last()), False),
    ({"last_meta": {"n": "7", "vip": "true"}}, facts(last=last(n=7, vip=True)), True),
    ({"last_meta": {"n": "7"}}, facts(last=last(n=[7])), False),
    ({"last_meta": {"n": "7"}}, facts(), False),
    ({"count_min": 3, "count_within": 600}, facts(counts={600: 2}), True),
    ({"count_min": 3, "count_within": 600}, facts(counts={600: 1}), False),
    ({"count_min": 3, "count_within": 600}, facts(counts={60: 9}), False),
    ({"count_max": 1, "count_within": 600}, facts(), True),
    ({"count_max": 1, "count_within": 600}, facts(counts={600: 1}), False),
    # All that are given must hold.
    ({"countries": ["GB"], "keywords": ["hello"], "schedules": ["office"]}, facts(), True),
    ({"countries": ["GB"], "keywords": ["bye"], "schedules": ["office"]}, facts(), False),
]


@pytest.mark.parametrize(("given", "what", "matches"), CONDITIONS)
def test_conditions(given: dict[str, Any], what: Facts, matches: bool) -> None:
    one = book(rule(**given))
    assert one.decide(what).matched == (("one",) if matches else ())
    (tried,) = one.explain(what)
    assert (tried.failed is None) is matches


@pytest.mark.parametrize(
    ("rules", "matched"),
    [
        ([{}, {}], ["0"]),
        ([{"then": "continue"}, {}], ["0", "1"]),
        ([{"then": "continue"}, {"keywords": ["x"]}, {}], ["0", "2"]),
        ([{"keywords": ["x"]}, {}], ["1"]),
        ([{"keywords": ["x"], "then": "stop"}, {"then": "continue"}, {"then": "continue"}], ["1", "2"]),
        ([{"then": "continue"}, {"then": "stop"}, {}], ["0", "1"]),
        ([{"keywords": ["x"]}], []),
        ([], []),
        # Where one rule is of this number and one of another, their order stays.
        ([{"numbers": ["12345"]}, {"numbers": [NUMBER], "then": "continue"}, {}], ["1", "2"]),
        ([{"then": "continue"}, {"numbers": [NUMBER]}, {}], ["0", "1"]),
        # The special before the general, or it is never asked.
        ([{"numbers": [NUMBER]}, {"numbers": [NUMBER], "keywords": ["hello"]}], ["0"]),
        ([{"numbers": [NUMBER], "keywords": ["hello"]}, {"numbers": [NUMBER]}], ["0"]),
    ],
)
def test_the_first_that_matches_is_the_last_unless_it_says_so(rules: list[dict[str, Any]], matched: list[str]) -> None:
    made = book(*(rule(str(place), **given) for place, given in enumerate(rules)))
    decision = made.decide(facts())
    assert list(decision.matched) == matched
    assert list(decision.tags) == matched
    tried = made.explain(facts())
    assert [one.rule for one in tried if one.failed is None] == matched


@pytest.mark.parametrize("text", ["one two", "TWO", "three.", "onesie", "other", "", None])
def test_what_is_looked_up_by_the_first_word_is_what_is_found_one_by_one(text: str | None) -> None:
    given: list[dict[str, Any]] = [
        {"keywords": ["one"], "then": "continue"},
        {"contains": ["t"], "then": "continue"},
        {"keywords": ["one", "two"], "numbers": [NUMBER], "then": "continue"},
        {"keywords": ["one"], "keyword_match": "prefix", "then": "continue"},
        {"keywords": ["three"], "numbers": ["12345"]},
        {"keywords": ["two", "three"]},
        {},
    ]
    made = book(*(rule(str(place), **one) for place, one in enumerate(given)))
    for number in (NUMBER, "12345", "+1999"):
        what = facts(text, number=number)
        assert list(made.decide(what).matched) == [one.rule for one in made.explain(what) if one.failed is None]
    assert made.decide(facts("one two")).matched == ("0", "1", "2", "3", "6")
    assert made.decide(facts("Three", number="12345")).matched == ("1", "4")


def test_without_a_match_nothing_is_decided() -> None:
    assert book(rule(keywords=["x"])).decide(facts()) is UNDECIDED
    assert book().decide(facts()) is UNDECIDED
    assert UNDECIDED.handlers is None


def test_what_is_done() -> None:
    made = book(
        rule("first", handlers=["crm", "log"], tags=["a", "b"], then="continue"),
        rule("second", handlers=["log", "mail"], tags=["b"], urgent=True, reply="Thanks.", then="continue"),
        rule("third", forward=["Cyd"], tags=[]),
    )
    decision = made.decide(facts())
    assert decision.actions == (
        ToHandlers(("crm", "log")),
        ToHandlers(("log", "mail")),
        Reply("second", "Thanks."),
        Forward("third", (CYD,), "all", "{peer} to {number}: {text}"),
    )
    assert decision.handlers == ("crm", "log", "mail")
    assert (decision.tags, decision.urgent) == (("a", "b"), True)


@pytest.mark.parametrize(("given", "handlers"), [({}, None), ({"handlers": []}, ()), ({"handlers": ["crm"]}, ("crm",))])
def test_the_handlers_of_the_number_unless_a_rule_names_some(
    given: dict[str, Any], handlers: tuple[str, ...] | None
) -> None:
    assert book(rule(**given)).decide(facts()).handlers == handlers


@pytest.mark.parametrize(
    ("to", "at", "targets"),
    [
        (["team"], AT, [ANN, CYD]),
        (["team"], NIGHT, [BOB, CYD]),
        (["Bob", "team"], NIGHT, [BOB, CYD]),
        (["Bob"], AT, [BOB]),  # nobody is there: all
        (["duty"], NIGHT, [DEE, EVE]),
        (["duty", "Cyd"], NIGHT, [CYD]),
        (["+33612345678", "Ann"], AT, [Target("+33612345678"), ANN]),
        (["team", "Ann", "duty"], AT, [ANN, CYD, DEE, EVE]),
    ],
)
@pytest.mark.parametrize("mode", ["all", "first", "turn"])
def test_whom_it_is_forwarded_to(to: list[str], at: int, targets: list[Target], mode: Any) -> None:
    (forward,) = book(rule(forward=to, forward_mode=mode)).decide(facts(at_ms=at)).actions
    assert forward == Forward("one", tuple(targets), mode, "{peer} to {number}: {text}")


def test_a_keyword_and_its_argument_go_with_the_decision_and_into_the_reply() -> None:
    made = book(
        rule("club", keywords=["JOIN"], reply="{number}: {keyword} {argument}, {peer}.", then="continue"),
        rule("other", reply="{keyword}", keywords=["join", "j"], keyword_match="prefix"),
    )
    decision = made.decide(facts("join! The  {peer}'s club "))
    assert (decision.keyword, decision.argument) == ("JOIN", "The  {peer}'s club")
    assert decision.actions == (
        Reply("club", f"{NUMBER}: JOIN The  {{peer}}'s club, {PEER}."),
        Reply("other", "join"),
    )
    long = made.decide(facts("join " + "x" * 1000)).actions[0]
    assert isinstance(long, Reply)
    assert len(long.text) < 250
    assert book(rule(reply="[{keyword}{argument}]")).decide(facts()).actions == (Reply("one", "[]"),)


def test_filling_a_text_takes_nothing_of_a_stranger_for_a_placeholder() -> None:
    values = {"text": "{peer} {0} %s {text.x}", "peer": PEER, "name": None}
    assert fill("{name}{peer}: {text} {other}", values) == f"{PEER}: {{peer}} {{0}} %s {{text.x}} {{other}}"


def test_an_explanation_says_what_was_wanted_and_what_there_was() -> None:
    made = book(
        rule("number", numbers=["12345"]),
        rule("country", countries=["US", "CA"]),
        rule("office", not_schedules=["office"]),
        rule("night", schedules=["night"]),
        rule("word", keywords=["JOIN"]),
        rule("regex", matches="^x+$"),
        rule("urgent", urgency=True),
        rule("script", scripts=["Greek"]),
        rule("list", peer_lists=["vip", "press"]),
        rule("known", known=True),
        rule("last", last_within=3600),
        rule("meta", last_classes=["direct"]),
        rule("count", count_min=3, count_within=60),
        rule("group", groups=["team"]),
        rule("taken"),
        rule("behind"),
    )
    assert made.explain(facts("Hi there", last=last(86_461), counts={60: 1}, lists=LISTS)) == [
        Tried("number", "numbers", "12345", NUMBER),
        Tried("country", "countries", "US, CA", "GB"),
        Tried("office", "not_schedules", "not office", "office: mon 2026-03-02 12:00 GMT"),
        Tried("night", "schedules", "night", "mon 2026-03-02 12:00 GMT"),
        Tried("word", "keywords", "JOIN", '"Hi"'),
        Tried("regex", "matches", "^x+$", '"Hi there"'),
        Tried("urgent", "urgency", "a word of urgency", "no such word"),
        Tried("script", "scripts", "Greek", "0 of 7 letters"),
        Tried("list", "peer_lists", "vip, press", "blocked, spring"),
        Tried("known", "known", "known", "new"),
        Tried("last", "last_within", "1:00:00", "1 day, 0:01:01"),
        Tried("meta", "last_classes", "direct", "marketing"),
        Tried("count", "count_min", "3 in 60 s", "2"),
        Tried("group", "groups", "team", "none"),
        Tried("taken", None),
    ]


def test_an_answer_goes_to_who_wrote() -> None:
    made = book(rule(relay_within=300), rule("two", forward=["Ann"]))
    assert made.needs(NUMBER).forwarded
    assert made.decide(facts(forwarded=(OTHER, ONE))).actions == (Forward("one", (Target(ONE[0]),), "all", "{text}"),)
    (tried, _) = made.explain(facts(forwarded=(OTHER, ONE, ("+447700900202", AT))))
    assert tried == Tried("one", "relay_within", "forwards of one person in 0:05:00", "those of 2")


def test_mails_go_to_those_who_are_there_and_have_an_address() -> None:
    mails = rule("one", email=["desk", "Zoe", "a@b.example"], then="continue")
    made = book(mails, rule("two", email=["Zoe"], forward=["desk"]))
    zoe, yan = Recipient("zoe@b.example", "Zoe"), Recipient("yan@b.example", "Yan")
    decision = made.decide(facts())
    assert decision.actions == (
        Mail("one", (zoe, yan, Recipient("a@b.example"))),
        Forward("two", (Target("+447700900009", "Yan"),), "all", FORWARD_TEXT),
        Mail("two", (zoe,)),
    )
    assert decision.mail_to == ("zoe@b.example", "yan@b.example", "a@b.example"), "each address has one mail"
    night = made.decide(facts(at_ms=NIGHT))
    assert night.actions[0] == Mail("one", (zoe, Recipient("a@b.example"))), "Yan is there in office hours"
    only = book(rule(email=["Yan"])).decide(facts(at_ms=NIGHT))
    assert only.mail_to == ("yan@b.example",), "all where nobody is"


def test_facts_of_the_database_are_asked_for_where_a_rule_needs_them() -> None:
    made = book(
        rule("a", numbers=["12345"], known=False),
        rule("b", numbers=["12345", NUMBER], count_min=2, count_within=60),
        rule("c", numbers=[NUMBER], count_max=2, count_within=30, last_meta={"a": "b"}),
    )
    assert made.needs("12345") == Needs(known=True, last=False, spans=(60,))
    assert made.needs(NUMBER) == Needs(known=False, last=True, spans=(30, 60))
    assert made.needs("+1999") is NOTHING
    assert (made.concerns("12345"), made.concerns("+1999")) == (True, False)
    anywhere = book(rule("a", numbers=["12345"]), rule("b", last_before=5))
    assert anywhere.needs("+1999") == anywhere.needs("12345") == Needs(last=True)
    assert anywhere.concerns("+1999")
    assert book(rule("a", peer_lists=["vip"])).needs(NUMBER) == Needs(lists=True)
    assert not book().concerns(NUMBER)


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"(x*)*(y*)*(.*)*z{20}$", r"(\w+\s?)*!!$", r"^(a|aa|a?a)*b$"])
def test_a_pattern_takes_a_time_in_proportion_to_the_text(pattern: str) -> None:
    """What takes an engine that goes back and tries again longer than anybody waits."""
    made = book(rule(matches=pattern))
    start = time.process_time()
    assert not made.decide(facts("a" * (SEARCHED - 1) + "!")).matched
    assert time.process_time() - start < 0.5


ANY_TEXT = st.one_of(st.none(), st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=80))
EVERY_CONDITION = [
    rule(f"c{place}", **given, then="continue")
    for place, given in enumerate(given for given, _, _ in CONDITIONS if given)
]


@settings(derandomize=True, deadline=None, database=None)
@given(
    ANY_TEXT,
    st.sampled_from([PEER, "+447700900002", "12345", "ACME", "", "+", "+999999"]),
    st.integers(0, 4_102_444_800_000),
    st.one_of(
        st.none(), st.builds(Last, st.text(), st.just("direct"), st.dictionaries(st.text(), st.text()), st.just(AT))
    ),
)
def test_nothing_that_comes_in_is_too_much(text: str | None, peer: str, at: int, before: Last | None) -> None:
    what = facts(text, peer=peer, at_ms=at, last=before)
    tried = EVERY.explain(what)
    assert EVERY.decide(what).matched == tuple(one.rule for one in tried if one.failed is None)
    assert len(tried) == len(EVERY_CONDITION)
    assert all(one.wanted is not None and one.found is not None for one in tried if one.failed is not None)


EVERY = book(*EVERY_CONDITION)


def test_what_is_searched_is_bounded_and_what_is_counted_is_not() -> None:
    text = "x" * SEARCHED + " urgent"
    assert not book(rule(urgency=True)).decide(facts(text)).matched
    assert book(rule(length_min=SEARCHED + 7)).decide(facts(text)).matched
