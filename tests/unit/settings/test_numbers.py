"""``[[numbers]]``: what is wrong with them, by line; what `check` warns of; what they are when nothing is said."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway.settings.numbercheck import number_warnings
from gateway.settings.numbers import three_months_after

from .conftest import CARRIER, Failing, Loader

TODAY = date(2026, 11, 22)


def number(value: str, lines: str = "") -> str:
    return f'[[numbers]]\nnumber = "{value}"\n{lines}\n'


US = 'campaign_id = "C1A2B3C"\n'

WRONG = [
    ("+15551230001", 'kind = "locl"', "kind", 'expected "local", "mobile", "toll_free", "short_code" or'),
    ("+15551230001", 'kind = "short_code"', "kind", 'expected "local", "mobile" or "toll_free", found "short_code"'),
    ("12345", 'kind = "toll_free"', "kind", 'expected "short_code", found "toll_free"'),
    ("Acme", 'kind = "local"', "kind", 'expected "alphanumeric", found "local"'),
    ("Acme", 'capabilities = ["sms_in", "sms_out"]', "capabilities", "expected sms_out alone: nobody can text or call"),
    ("+15551230001", 'capabilities = ["sms"]', "capabilities[0]", 'expected "sms_in", "sms_out", "voice" or'),
    ("+15551230001", 'capabilities = ["voice", "voice"]', "capabilities", "expected each of them once"),
    ("+15551230001", 'owner = ""', "owner", "expected at least 1 character"),
    ("+15551230001", 'owner = "a\\u001bb"', "owner", "expected text without control characters"),
    ("+15551230001", 'owner = " a"', "owner", "without spaces around it"),
    ("+15551230001", "meta = 5", "meta", "expected a table of texts"),
    ("+15551230001", "meta = { team = 5 }", "meta", 'expected text in quotes for "team", not 5'),
    ("+15551230001", 'meta = { "" = "x" }', "meta", "expected keys that are not empty"),
    ("+15551230001", f'meta = {{ a = "{"x" * 4096}" }}', "meta", "expected at most 4096 octets in all"),
    ("+15551230001", 'campaign_id = "C 1"', "campaign_id", "expected an id of ASCII characters without spaces"),
    ("+15551230001", 'verification = "no"', "verification", 'expected "unverified", "pending" or "verified"'),
    ("+15551230001", 'classes_until_verified = ["bulk"]', "classes_until_verified[0]", 'found "bulk"'),
    ("+15551230001", 'fallback = "+15551230003"', "fallback", 'did you mean +15551230001?'),
    ("+15551230001", 'fallback = "+1 555 123 0001"', "fallback", "expected another number than itself"),
    ("+15551230001", 'fallback = "0301"', "fallback", 'expected one of [[numbers]], found "0301"'),
    ("+15551230001", 'state = "gone"', "state", 'expected "active", "held" or "released", found "gone"'),
    ("+15551230001", 'state = "held"\nheld_until = "soon"', "held_until", "expected a day such as 2027-02-22"),
    ("+15551230001", "state = 'held'\nheld_until = 2027-02-22T05:00:00Z", "held_until", "expected a day such as"),
    ("+15551230001", 'inbound_when_held = "drop"', "inbound_when_held", 'expected "handlers", "reply" or "none"'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "line", "key", "said"), WRONG, ids=[line[:40] for _, line, _, _ in WRONG])
def test_wrong(problems: Failing, value: str, line: str, key: str, said: str) -> None:
    (problem,) = problems(CARRIER + number(value, line))
    place = 9 + line.count("\n")
    assert problem.startswith(f"smsgw.toml:{place}: numbers[0].{key}: ")
    assert said in problem


def test_a_day_until_which_it_is_held_needs_that_state(problems: Failing) -> None:
    (problem,) = problems(CARRIER + number("+15551230001", "held_until = 2027-02-22"))
    assert problem == 'smsgw.toml:7: numbers[0]: expected held_until only with state = "held"'


def test_a_group_there_has_to_be(problems: Failing, config: Loader) -> None:
    groups = '[groups.sales]\nmembers = [{ name = "Ann", phone = "+12125550177" }]\n'
    (problem,) = problems(CARRIER + number("+15551230001", 'group = "sale"') + groups)
    said = 'numbers[0].group: expected the name of one of [groups], found "sale"; did you mean sales?'
    assert problem == f"smsgw.toml:9: {said}"
    (problem,) = problems(CARRIER + number("+15551230001", 'group = "sales"\nowner = "Ann"') + groups)
    assert problem == "smsgw.toml:7: numbers[0]: expected owner or group, not both: it is one person's, or shared"
    (one,) = config(CARRIER + number("+15551230001", 'group = "sales"') + groups).numbers
    assert (one.group, one.owner) == ("sales", None)
    shared = config(CARRIER + number("12345", 'group = "sales"') + groups)
    assert not [line for line in shared.warnings() if "sales" in line]
    assert [
        line for line in config(CARRIER + groups).warnings() if 'groups "sales": neither a rule nor a number' in line
    ]


def test_what_is_wrong_of_several_is_said_at_once(problems: Failing) -> None:
    found = problems(CARRIER + number("Acme", 'kind = "mobile"') + number("12345", 'fallback = "98765"'))
    assert [line.split(": ")[1] for line in found] == ["numbers[0].kind", "numbers[1].fallback"]


@pytest.mark.parametrize(
    ("value", "kinds", "country", "able"),
    [
        ("+15551230001", ("local", "mobile"), "US", {"sms_in", "sms_out", "from_short_codes"}),
        ("12345", ("short_code",), None, {"sms_in", "sms_out", "from_short_codes"}),
        ("Acme", ("alphanumeric",), None, {"sms_out"}),
    ],
)
def test_what_a_number_is_when_nothing_is_said(
    config: Loader, value: str, kinds: tuple[str, ...], country: str | None, able: set[str]
) -> None:
    (one,) = config(CARRIER + number(value)).numbers
    assert (one.kinds, one.country, one.able) == (kinds, country, able)
    assert (one.state, one.verification, one.meta, one.owner) == ("active", "verified", {}, None)
    assert [one.may_send(klass) for klass in ("transactional", "direct", "marketing")] == [True] * 3


def test_all_that_can_be_said(config: Loader) -> None:
    text = number(
        "(201) 555-0123",
        """
        kind = "mobile"
        capabilities = ["voice", "sms_out"]
        owner = "Anna Bell"
        meta = { team = "north", "desk no" = "7" }
        campaign_id = "C1A2B3C"
        verification = "pending"
        classes_until_verified = []
        fallback = "201-555-0124"
        state = "held"
        held_until = "2027-02-22"
        inbound_when_held = "none"
        """,
    )
    one, other = config('default_region = "US"\n' + CARRIER + text + number("(201) 555-0124")).numbers
    assert (one.kinds, one.able) == (("mobile",), {"voice", "sms_out"})
    assert (one.owner, one.meta, one.campaign_id) == ("Anna Bell", {"team": "north", "desk no": "7"}, "C1A2B3C")
    assert (one.verification, one.classes_until_verified, one.may_send("transactional")) == ("pending", (), False)
    assert (one.number, one.fallback, other.number) == ("+12015550123", "+12015550124", "+12015550124")
    assert (one.state, one.held_until, one.inbound_when_held) == ("held", date(2027, 2, 22), "none")


def test_by_the_environment(config: Loader) -> None:
    env = {"SMSGW_NUMBERS__0__META": '{"team": "north"}', "SMSGW_NUMBERS__0__HELD_UNTIL": "2027-02-22"}
    (one,) = config(CARRIER + number("+15551230001", 'state = "held"'), env).numbers
    assert (one.meta, one.held_until) == ({"team": "north"}, date(2027, 2, 22))


FALLBACK = 'verification = "unverified"\nfallback = "+442079460124"\n'

WARNINGS = [
    ("+12025550123", "", ["a local number of the US without campaign_id"]),
    ("+15551230001", "", ["a local number of the US without campaign_id"]),
    ("+12025550123", US, []),
    ("+12025550123", 'state = "released"', []),
    ("+12025550123", 'capabilities = ["sms_in"]', []),
    ("+14165550123", "", []),
    ("+18005550199", "", []),
    ("12345", "", []),
    ("+442079460123", "", []),
    ("+442079460123", 'kind = "mobile"', ['kind = "mobile", and by the numbering plan of its country it is local']),
    ("+12025550123", US + 'kind = "mobile"', []),
    ("+12025550123", US + 'kind = "toll_free"', ['kind = "toll_free", and by the numbering plan']),
    ("+447700900123", "", ["the numbering plans do not tell its kind"]),
    ("+447700900123", 'kind = "mobile"', []),
    ("Acme", 'state = "held"', ["three months from today would be held_until = 2027-02-22"]),
    ("Acme", 'state = "held"\nheld_until = 2026-11-22', []),
    ("Acme", 'state = "held"\nheld_until = 2026-11-21', ["held until 2026-11-21, which is over"]),
    ("+442079460123", 'state = "held"\nheld_until = 2027-01-01\ninbound_when_held = "reply"', []),
    ("+442079460123", 'state = "held"\nheld_until = 2027-01-01\ninbound_when_held = "reply"\ncapabilities = ["sms_in"]',
     ["it cannot reply"]),
    ("Acme", 'verification = "pending"', ["pending: marketing messages from it are refused"]),
    ("Acme", 'verification = "unverified"\nclasses_until_verified = []',
     ["unverified: transactional and direct and marketing messages from it are refused"]),
    ("Acme", 'verification = "pending"\nclasses_until_verified = ["marketing", "transactional", "direct"]', []),
    ("Acme", FALLBACK + "#", []),
    ("Acme", FALLBACK + '[[numbers]]\nnumber = "+442079460124"\nverification = "pending"',
     ['fallback "+442079460124" may not send marketing messages itself', "pending: marketing messages from it"]),
    ("Acme", FALLBACK + '[[numbers]]\nnumber = "+442079460124"\ncapabilities = ["sms_in"]',
     ['fallback "+442079460124" may not send marketing messages itself']),
    ("+442079460123", 'capabilities = ["sms_out"]\nhandlers = ["crm"]', ["capabilities without sms_in"]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "lines", "expected"), WARNINGS)
def test_warnings(config: Loader, value: str, lines: str, expected: list[str]) -> None:
    text = CARRIER + number(value, lines)
    if "fallback" in lines and "[[numbers]]" not in lines:
        text += number("+442079460124")
    if "crm" in lines:
        text += '[[handlers]]\nname = "crm"\nwebhook = "https://crm.example/"\nsecret = "0123456789abcdef"\n'
    found = list(number_warnings(config(text).numbers_by_value, TODAY))
    assert len(found) == len(expected), found
    assert all(said in line for said, line in zip(expected, found, strict=True)), found
    assert all(line.startswith('numbers "') for line in found)


def test_what_is_the_same_of_many_is_said_once(config: Loader) -> None:
    text = CARRIER + "".join(number(f"+1202555{i:04}") for i in range(100, 112)) + number("Acme", 'state = "held"')
    held, many = sorted(number_warnings(config(text).numbers_by_value, TODAY), key=len)
    assert held.startswith('numbers "Acme": held for good')
    assert many.startswith(
        'numbers "+12025550100", "+12025550101", "+12025550102", "+12025550103", "+12025550104" and 7 '
    )
    assert many.count("without campaign_id") == 1


def test_the_warnings_are_among_those_of_the_whole(config: Loader) -> None:
    today = datetime.now(UTC).date()
    settings = config(CARRIER + number("+12025550123") + number("Acme", 'state = "held"'))
    found = settings.warnings()
    assert any(line.startswith('numbers "+12025550123": a local number of the US') for line in found)
    later = {three_months_after(day) for day in (today, datetime.now(UTC).date())}
    assert any(f"held_until = {day}" in line for line in found for day in later)


@pytest.mark.parametrize(
    ("day", "later"),
    [
        (date(2026, 11, 22), date(2027, 2, 22)),
        (date(2026, 11, 30), date(2027, 2, 28)),
        (date(2027, 11, 30), date(2028, 2, 29)),
        (date(2026, 12, 31), date(2027, 3, 31)),
        (date(2026, 1, 31), date(2026, 4, 30)),
    ],
)
def test_three_months(day: date, later: date) -> None:
    assert three_months_after(day) == later


def test_the_examples_of_the_guide(config: Loader) -> None:
    text = (Path(__file__).parents[3] / "docs/numbers.md").read_text()
    numbers, carrier, pool = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    handler = '[[handlers]]\nname = "crm"\nwebhook = "https://crm.example/"\nsecret = "0123456789abcdef"\n'
    settings = config(CARRIER.replace('[[carriers]]\nname = "acme"\n', carrier) + numbers + handler + pool)
    assert settings.carriers[0].campaign_tlv == "0x1400"
    assert settings.pools["sales"].numbers == tuple(settings.numbers_by_value)
    assert settings.apps[0].pool == "sales"
    assert [one.kinds[0] for one in settings.numbers] == ["local", "toll_free"]
    assert list(number_warnings(settings.numbers_by_value, TODAY)) == []
