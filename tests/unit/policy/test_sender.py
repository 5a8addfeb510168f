"""Which of several numbers sends: who fits, who is chosen, what is said where none does."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from gateway.policy.names import Names
from gateway.policy.numbers import Sending
from gateway.policy.sender import Senders
from gateway.settings import Settings
from gateway.settings.routes import MessageClass

US1, US2, US3 = "+12025550101", "+12025550102", "+12025550103"
GB, CA, CODE, NAME = "+447700900100", "+14165550100", "12345", "ACME"
TO_US, TO_GB, TO_CA, TO_FR = "+12125550000", "+447700900123", "+14165550199", "+33612345678"


def senders(*numbers: dict[str, Any] | str, **settings: Any) -> Senders:
    given = [{"carrier": "acme", **(one if isinstance(one, dict) else {"number": one})} for one in numbers]
    made = Settings.model_validate({"default_region": "US", "numbers": given, **settings})
    return Senders(made, Sending(made), Names(made))


def fitting(table: Senders, peer: str, klass: MessageClass = "transactional") -> tuple[set[str], set[str]]:
    """The best, and the others that fit."""
    fit = table.fit(frozenset(table._numbers), klass, peer)
    best = {one.number for one in fit.best}
    return best, set(fit.fit) - best


FITS: list[tuple[list[Any], str, MessageClass, set[str], set[str]]] = [
    ([US1, GB], TO_US, "transactional", {US1}, set()),
    ([US1, GB], TO_GB, "transactional", {GB}, set()),
    # The same calling code will do where no number is of the country itself.
    ([US1, CA], TO_US, "direct", {US1}, {CA}),
    ([US1, GB], TO_CA, "direct", {US1}, set()),
    # A short code is of the default region; others are told.
    ([CODE, GB], TO_US, "direct", {CODE}, set()),
    ([CODE, GB], TO_GB, "direct", {GB}, set()),
    ([{"number": CODE, "countries": ["GB"]}, GB], TO_GB, "direct", {CODE, GB}, set()),
    ([{"number": US1, "countries": ["FR"]}, GB], TO_FR, "marketing", {US1}, set()),
    # A name comes last, only where the country takes it, and not for what is to be answered.
    ([NAME, US1], TO_GB, "marketing", {NAME}, set()),
    ([NAME, GB], TO_GB, "marketing", {GB}, {NAME}),
    ([NAME, GB], TO_GB, "direct", {GB}, set()),
    ([NAME, US1], TO_US, "marketing", {US1}, set()),
    ([NAME, US1], "+61412345678", "marketing", set(), set()),
    ([{"number": NAME, "countries": ["AU"]}, US1], "+61412345678", "marketing", {NAME}, set()),
    # What may not send is not chosen.
    ([US1, {"number": US2, "state": "held"}], TO_US, "direct", {US1}, set()),
    ([US1, {"number": US2, "state": "released"}], TO_US, "direct", {US1}, set()),
    ([US1, {"number": US2, "capabilities": ["sms_in"]}], TO_US, "direct", {US1}, set()),
    ([US1, {"number": US2, "verification": "pending"}], TO_US, "marketing", {US1}, set()),
    ([US1, {"number": US2, "verification": "pending"}], TO_US, "direct", {US1, US2}, set()),
    # To one of our own only what it hears.
    ([CODE, US1, {"number": US2, "capabilities": ["sms_in", "sms_out"]}], US2, "direct", {US1, US2}, set()),
    # A short code, and a number of no country, may hear anybody.
    ([US1, GB], "54321", "direct", {US1, GB}, set()),
]


@pytest.mark.parametrize(("numbers", "peer", "klass", "best", "others"), FITS)
def test_fits(numbers: list[Any], peer: str, klass: MessageClass, best: set[str], others: set[str]) -> None:
    assert fitting(senders(*numbers), peer, klass) == (best, others)


MISSING = [
    ([GB, "+447700900101", NAME], TO_US, "direct", "none of your 3 numbers fits: 2 not for US (+1), 1 a name, not for "
     "direct messages to US (+1)"),
    ([GB, "+447700900101", "+447700900102"], TO_US, "transactional", "needs a +1 number (US): none of your 3"),
    ([US1, CA], TO_GB, "transactional", "needs a +44 number (GB): none of your 2"),
    ([{"number": US1, "state": "held"}, {"number": US2, "verification": "pending"}, GB], TO_US, "marketing",
     "none of your 3 numbers fits: 1 not for US (+1), 1 held, 1 not verified for marketing messages"),
    ([{"number": US1, "state": "released"}, {"number": US2, "capabilities": ["sms_in"]}], TO_US, "direct",
     "none of your 2 numbers fits: 1 released, 1 without sms_out"),
]  # fmt: skip


@pytest.mark.parametrize(("numbers", "peer", "klass", "text"), MISSING)
def test_what_is_missing_is_said(numbers: list[Any], peer: str, klass: MessageClass, text: str) -> None:
    table = senders(*numbers)
    assert table.fit(frozenset(table._numbers), klass, peer).missing == text


def test_an_app_without_numbers_is_told_so() -> None:
    assert senders(US1).fit(frozenset(), "direct", TO_US).missing == "the app has no numbers"


def test_the_standing_of_names_is_as_the_settings_say() -> None:
    table = senders(NAME, US1, destinations={"sender_names": {"GB": "refused", "AU": "allowed", "FR": "registered"}})
    assert fitting(table, TO_GB, "marketing") == (set(), set())
    assert fitting(table, "+61412345678", "marketing") == ({NAME}, set())
    assert fitting(table, TO_FR, "marketing") == (set(), set())


def test_the_number_that_a_peer_wrote_to_is_chosen_while_it_fits() -> None:
    table = senders(US1, US2, US3, GB, {"number": "+12025550104", "state": "held"})
    fit = table.fit(frozenset(table._numbers), "direct", TO_US)
    assert table.choose(fit, TO_US, (US2, US1)) == (US2, "thread")
    assert table.choose(fit, TO_US, ("+12025550104", GB, US3, US1)) == (US3, "thread")
    by_hash = table.choose(fit, TO_US, ())
    assert by_hash.why == "hash"
    assert table.choose(fit, TO_US, ("+12025550104", GB)) == by_hash


def peers(count: int) -> list[str]:
    return [f"+1212555{i:04}" for i in range(count)]


def chosen(table: Senders, count: int = 1000) -> list[str]:
    fit = table.fit(frozenset(table._numbers), "direct", TO_US)
    return [table.choose(fit, peer, ()).number for peer in peers(count)]


def test_each_number_has_its_share_and_only_that_moves() -> None:
    three = chosen(senders(US1, US2, US3))
    assert all(280 < count < 390 for count in Counter(three).values())
    assert three == chosen(senders(US3, US1, US2))
    two = chosen(senders(US1, US3))
    assert all(a == b for a, b in zip(three, two, strict=True) if a != US2)
    assert {b for a, b in zip(three, two, strict=True) if a == US2} == {US1, US3}


def test_where_all_have_a_rate_the_share_is_by_that() -> None:
    table = senders({"number": US1, "throughput": 9}, {"number": US2, "throughput": 1})
    assert 860 < Counter(chosen(table))[US1] < 940
    assert 440 < Counter(chosen(senders({"number": US1, "throughput": 9}, US2)))[US1] < 560
