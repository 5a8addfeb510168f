"""`smsgw rules explain` by the daemon and by a configuration alone, and `smsgw rules test`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_daemon import FakeDaemon, result

CONFIG = """
[[carriers]]
name = "acme"
host = "a.example"
system_id = "u"
password = "p"
[[numbers]]
number = "+15551230001"
handlers = ["crm"]
[[handlers]]
name = "crm"
webhook = "https://crm.example/sms"
secret = "0123456789abcdef"
[[rules]]
name = "join"
keywords = ["JOIN"]
reply = "Hi {argument}"
tags = ["club"]
[[rules]]
name = "night"
not_schedules = ["office"]
forward = ["oncall"]
forward_mode = "first"
urgent = true
[[rules]]
name = "again"
last_within = 60
last_apps = ["shop"]
last_meta = { campaign = "spring" }
count_min = 3
count_within = 600
known = false
handlers = []
[schedules.office]
zone = "Europe/London"
times = ["mon-fri 09:00-17:00"]
holidays = ["GB-ENG"]
[groups.oncall]
members = [{ name = "Ann", phone = "+447700900001" }, { name = "Bob", phone = "+447700900002" }]
[[apps]]
name = "shop"
uid = [0]
"""
PEER = "+447700900123"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "smsgw.toml"
    path.write_text(CONFIG)
    return str(path)


def explain(smsgw: Run, config: str, *arguments: str) -> Any:
    return smsgw("rules", "explain", "--offline", "-c", config, "--from", PEER, *arguments)


def test_a_configuration_alone_explains(smsgw: Run, config: str) -> None:
    ran = explain(smsgw, config, "--text", "hello", "--at", "2026-12-25T10:00:00Z")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "number     +15551230001",
        f"from       {PEER} (GB, known)",
        "at         2026-12-25T10:00:00.000Z",
        "before it  0 in 10m",
        "",
        "rule   matched  because",
        'join   no       keywords: wanted JOIN, found "hello"',
        "night  yes      not_schedules",
        "",
        "handlers: crm (of the number)",
        "forward (night): Ann +447700900001, else Bob +447700900002",
        f"  {PEER} to +15551230001: hello",
        "urgent",
    ]


def test_a_reply_a_keyword_and_tags_are_shown(smsgw: Run, config: str) -> None:
    ran = explain(smsgw, config, "--text", "“join!” me", "--at", "2026-12-24T10:00:00Z")
    assert ran.out.splitlines()[-4:] == [
        "handlers: crm (of the number)",
        "reply (join): Hi me",
        "keyword: JOIN, argument: me",
        "tags: club",
    ]


def test_what_the_daemon_would_know_can_be_said(smsgw: Run, config: str) -> None:
    day = ("--at", "2026-12-24T10:00:00Z", "--text", "x", "--json")
    facts = ("--new", "--last-age", "60", "--last-app", "shop", "--last-meta", "campaign=spring", "--count", "2")
    (found,) = explain(smsgw, config, *day, *facts).lines
    assert (found["matched"], found["handlers"], found["handlers_of"]) == (["again"], [], "rules")
    assert (found["known"], found["last_age"], found["counts"]) == (False, 60.0, {"600": 2})
    assert found["last"] == {"app": "shop", "class": "transactional", "meta": {"campaign": "spring"}}
    for one in ("--new", "--count"):
        place = facts.index(one)
        without = facts[:place] + facts[place + (1 if one == "--new" else 2) :]
        (found,) = explain(smsgw, config, *day, *without).lines
        assert found["matched"] == []
        assert found["rules"][-1]["failed"] == {"--new": "known", "--count": "count_min"}[one]


def test_the_daemon_is_asked(smsgw: Run, tmp_path: Path, config: str) -> None:
    (found,) = explain(smsgw, config, "--text", "hello", "--at", "2026-12-25T10:00:00Z", "--json").lines
    with FakeDaemon(tmp_path / "s", lambda request: [result(request, found)]) as fake:
        asked = ("--from", PEER, "--number", "+15551230001", "--text", "hello", "--at", "2026-12-25T10:00:00Z")
        ran = smsgw("rules", "explain", *asked, "--socket", str(tmp_path / "s"), "--json")
        assert (ran.code, ran.lines) == (0, [found])
        smsgw("rules", "explain", "--from", PEER, "--socket", str(tmp_path / "s"))
    assert [request["method"] for request in fake.requests] == ["rules", "rules"]
    assert fake.requests[0]["params"] == {
        "from": PEER,
        "number": "+15551230001",
        "text": "hello",
        "at": "2026-12-25T10:00:00.000Z",
    }
    assert fake.requests[1]["params"] == {"from": PEER}


@pytest.mark.parametrize(("at", "told"), [("2026-12-25T10:00:00Z", True), ("2027-02-01T00:00:00Z", False)])
def test_a_number_that_was_given_up_has_nobody_told(
    smsgw: Run, tmp_path: Path, config: str, at: str, told: bool
) -> None:
    held = CONFIG.replace('handlers = ["crm"]\n', 'handlers = ["crm"]\nstate = "held"\nheld_until = 2027-01-31\n', 1)
    Path(config).write_text(held)
    (found,) = explain(smsgw, config, "--text", "join", "--at", at, "--json").lines
    assert (found["heard"], found["matched"]) == (told, ["join"] if told else [])
    assert found["handlers"] == (["crm"] if told else [])
    assert ("nobody is told" in explain(smsgw, config, "--text", "join", "--at", at).out) is not told


def test_a_number_that_is_held_may_answer_by_itself(smsgw: Run, config: str) -> None:
    more = (
        'state = "held"\nheld_until = 2027-01-31\ninbound_when_held = "reply"\nreply_when_held = "Nobody reads this."\n'
    )
    Path(config).write_text(CONFIG.replace('handlers = ["crm"]\n', more, 1))
    ran = explain(smsgw, config, "--text", "join", "--at", "2026-12-25T10:00:00Z")
    assert ran.out.splitlines()[-2:] == [
        "nobody is told: the number is held or released",
        "reply: Nobody reads this.",
    ]
    assert "reply" not in explain(smsgw, config, "--text", "join", "--at", "2027-02-01T00:00:00Z").out


def test_what_the_daemon_would_hold_back_is_shown(smsgw: Run, tmp_path: Path, config: str) -> None:
    (found,) = explain(smsgw, config, "--text", "join", "--at", "2026-12-25T10:00:00Z", "--json").lines
    found["held_back"] = ["join: reply: the sender was answered a short while ago"]
    with FakeDaemon(tmp_path / "s", lambda request: [result(request, found)]):
        ran = smsgw("rules", "explain", "--from", PEER, "--socket", str(tmp_path / "s"))
    assert "reply (join): Hi \nheld back: join: reply: the sender was answered" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--number", "+15551230009"), "number: +15551230009 is none of [[numbers]]"),
        (("--number", "+1"), "number: '+1' is no address"),
        (("--at", "soon"), '"soon" is not a time'),
        (("--last-app", "shop"), "--last-app and --last-meta go with --last-age"),
        (("--last-age", "1", "--last-app", "shpo"), "last.app: no app 'shpo' in the configuration; did you mean shop?"),
        (("--last-age", "1", "--last-meta", "x"), '--last-meta: expected KEY=VALUE, found "x"'),
    ],
)
def test_what_cannot_be_explained(smsgw: Run, config: str, arguments: tuple[str, ...], said: str) -> None:
    ran = explain(smsgw, config, *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_facts_are_not_said_to_the_daemon(smsgw: Run, config: str) -> None:
    for thought in (("--new",), ("--list", "vip")):
        ran = smsgw("rules", "explain", "-c", config, "--from", PEER, *thought)
        assert ran.code == 2
        assert "--new, --last-..., --list and --count go with --offline" in ran.err


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_that_no_message_has(smsgw: Run, config: str, at: str) -> None:
    (found,) = explain(smsgw, config, "--text", "x", "--at", at, "--json").lines
    assert "again" not in found["matched"]


def test_who_would_have_a_mail(smsgw: Run, config: str, tmp_path: Path) -> None:
    more = """[[rules]]
name = "mails"
email = ["Ann", "desk@b.example"]
then = "continue"
[smtp]
host = "127.0.0.1"
tls = "none"
sender = "sms@b.example"
[[rules]]"""
    ann = '{ name = "Ann", phone = "+447700900001", email = "ann@b.example" }'
    text = CONFIG.replace('{ name = "Ann", phone = "+447700900001" }', ann).replace("[[rules]]", more, 1)
    Path(config).write_text(text)
    at = ("--text", "hello", "--at", "2026-12-24T10:00:00Z")
    assert "email (mails): Ann ann@b.example, desk@b.example\n" in explain(smsgw, config, *at).out
    cases = tmp_path / "cases.toml"
    for people, code in (('["Ann", "desk@b.example"]', 0), ('["ann@b.example", "desk@b.example"]', 0), ('["Ann"]', 1)):
        case = f'[[cases]]\nname = "a"\nfrom = "{PEER}"\nat = 2026-12-24T10:00:00Z\nexpect = {{ email = {people} }}\n'
        cases.write_text(case)
        ran = smsgw("rules", "test", "-c", config, str(cases))
        assert ran.code == code
    assert '+ email = ["Ann","desk@b.example"]' in ran.out
    (one, *_) = [row for row in smsgw("check", "-c", config, "--json").lines[0]["rules"] if row["name"] == "mails"]
    assert one["actions"] == {"email": ["Ann", "desk@b.example"]}


def test_lists_that_the_peer_is_on(smsgw: Run, config: str) -> None:
    more = '[[rules]]\nname = "vip"\npeer_lists = ["vip", "press"]\ntags = ["vip"]\nthen = "continue"\n[[rules]]'
    Path(config).write_text(CONFIG.replace("[[rules]]", more, 1))
    at = ("--text", "hello", "--at", "2026-12-24T10:00:00Z")
    ran = explain(smsgw, config, *at, "--list", "press", "--list", "spring")
    assert "on lists   press, spring\n" in ran.out
    (found,) = explain(smsgw, config, *at, "--list", "press", "--json").lines
    assert (found["lists"], found["tags"][0]) == (["press"], "vip")
    assert "peer_lists: wanted vip, press, found none" in explain(smsgw, config, *at).out


def test_a_text_of_a_stranger_is_shown_harmless(smsgw: Run, config: str) -> None:
    ran = explain(smsgw, config, "--text", "a\x1b[2J\u202eb", "--at", "2026-12-25T10:00:00Z")
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert "\\x1b[2J\\u202e" in ran.out


GOOD = """
at = 2026-12-25T10:00:00
zone = "Europe/London"
[[cases]]
name = "a holiday"
from = "+447700900123"
text = "hello"
expect = { matched = ["night"], forward = ["Ann"], reply = [], urgent = true, handlers = ["crm"] }
[[cases]]
name = "a keyword"
from = "+447700900123"
text = "Join us"
expect = { matched = ["join"], reply = "Hi us", tags = ["club"], keyword = "JOIN", argument = "us", urgent = false }
[[cases]]
name = "by phone"
from = "+447700900123"
expect = { forward = ["+447700900001"] }
"""


def tried(smsgw: Run, tmp_path: Path, config: str, cases: str, *more: str) -> Any:
    file = tmp_path / "cases.toml"
    file.write_text(cases)
    return smsgw("rules", "test", str(file), "-c", config, *more)


def test_cases_that_go_as_expected(smsgw: Run, tmp_path: Path, config: str) -> None:
    ran = tried(smsgw, tmp_path, config, GOOD)
    assert (ran.code, ran.out) == (0, "3 of 3 cases as expected\n")


@pytest.mark.parametrize(
    ("was", "now", "key", "expected", "found"),
    [
        ('["night"]', '["again"]', "matched", '["again"]', '["night"]'),
        ('["Ann"]', '["Bob"]', "forward", '["Bob"]', '["Ann"]'),
        ('["Ann"]', '["Ann", "Bob"]', "forward", '["Ann","Bob"]', '["Ann"]'),
        ("reply = []", 'reply = "Hi"', "reply", '["Hi"]', "[]"),
        ("urgent = true", "urgent = false", "urgent", "false", "true"),
        ('["crm"]', "[]", "handlers", "[]", '["crm"]'),
        ('["club"]', '["club", "new"]', "tags", '["club","new"]', '["club"]'),
        ('"Hi us"', '"Hi you"', "reply", '["Hi you"]', '["Hi us"]'),
        ('argument = "us"', 'argument = "me"', "argument", '"me"', '"us"'),
        ('keyword = "JOIN"', 'keyword = "join"', "keyword", '"join"', '"JOIN"'),
    ],
)
def test_a_case_that_does_not(
    smsgw: Run, tmp_path: Path, config: str, was: str, now: str, key: str, expected: str, found: str
) -> None:
    assert GOOD.count(was) == 1
    ran = tried(smsgw, tmp_path, config, GOOD.replace(was, now))
    assert ran.code == 1
    assert f"- {key} = {expected}\n+ {key} = {found}\n" in ran.out
    assert ran.out.endswith("2 of 3 cases as expected\n")
    lines = tried(smsgw, tmp_path, config, GOOD.replace(was, now), "--json").lines
    (failed,) = [line for line in lines if not line["passed"]]
    assert list(failed["differences"]) == [key]


def test_a_difference_says_how_each_rule_was_looked_at(smsgw: Run, tmp_path: Path, config: str) -> None:
    ran = tried(smsgw, tmp_path, config, GOOD.replace('["Ann"]', '["Bob"]'))
    assert ran.out.splitlines()[:5] == [
        "--- a holiday",
        '- forward = ["Bob"]',
        '+ forward = ["Ann"]',
        '  rule join: keywords: wanted JOIN, found "hello"',
        "  rule night: matched",
    ]


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("", "the file: Object missing required field `cases`"),
        ("cases = []", "cases: expected 1 to 10000 [[cases]]"),
        ("[[cases]", "is not TOML"),
        (GOOD.replace("urgent = true", "urgnet = true"), "cases[0].expect: Object contains unknown field `urgnet`"),
        (GOOD.replace('zone = "Europe/London"', ""), "cases[0].at: has no zone"),
        (GOOD.replace("Europe/London", "Mars"), "cases[0].at: Mars at the top of the file is no zone"),
        (GOOD.replace("at = 2026-12-25T10:00:00\n", ""), "cases[0].at: is required"),
        (GOOD.replace('["+447700900001"]', "[]").replace("forward = []", ""), "cases[2].expect: expected at least one"),
        (GOOD.replace('"+447700900123"\ntext = "hello"', '"a long sender"'), "cases[0].from: 'a long sender' is no"),
        ('number = "99999"\n' + GOOD, "cases[0].number: 99999 is none of [[numbers]]"),
    ],
)
def test_cases_that_cannot_be_read(smsgw: Run, tmp_path: Path, config: str, cases: str, said: str) -> None:
    ran = tried(smsgw, tmp_path, config, cases)
    assert ran.code == 2
    assert said in ran.err


def test_a_file_that_is_not_there(smsgw: Run, tmp_path: Path, config: str) -> None:
    ran = smsgw("rules", "test", str(tmp_path / "none.toml"), "-c", config)
    assert ran.code == 2
    assert "cannot be read: No such file or directory" in ran.err


def test_check_shows_the_rules(smsgw: Run, config: str) -> None:
    (found,) = smsgw("check", "-c", config, "--json").lines
    assert found["rules"][1] == {
        "name": "night",
        "conditions": {"not_schedules": ["office"]},
        "actions": {"forward": ["oncall"], "urgent": True, "forward_mode": "first"},
        "then": "stop",
    }
    shown = smsgw("check", "-c", config).out
    assert "join   keywords JOIN" in shown
    assert "handlers none" in shown
