"""`[[rules]]`, `[schedules]` and `[groups]`: errors, what is probably not meant, and one form of numbers."""

from __future__ import annotations

import pytest

from tests.unit.settings.conftest import CARRIER, Failing, Loader

BASE = (
    CARRIER
    + """
[[numbers]]
number = "+15551230001"
handlers = ["crm"]
[[numbers]]
number = "12345"
handlers = ["crm"]
[[handlers]]
name = "crm"
webhook = "https://crm.example/sms"
secret = "0123456789abcdef"
[[apps]]
name = "shop"
uid = [0]
[schedules.office]
zone = "Europe/London"
times = ["mon-fri 09:00-17:00"]
[groups.oncall]
members = [{ name = "Ann", phone = "+15552340001", schedule = "office" }, { name = "Bob", phone = "+15552340002" }]
[groups.desk]
members = [{ name = "Zoe", email = "zoe@b.example" }]
[smtp]
host = "127.0.0.1"
tls = "none"
sender = "sms@b.example"
"""
)


def rule(*lines: str, name: str = "one") -> str:
    return "\n".join(["[[rules]]", f'name = "{name}"', *lines, ""])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('numbers = ["+15551230002"]', "numbers[0]: expected one of [[numbers]]"),
        ('numbers = ["12345", "+1 555 123 0001"]', None),
        ('peers = ["abc", "+1"]', "peers[1]: expected a phone, a short code or a sender name"),
        ('peers = ["ACME", "54321", "+15552349999"]', None),
        ('prefixes = ["+044"]', "prefixes[0]: expected the beginning of a number"),
        ('countries = ["UK"]', "countries[0]: expected a country of ISO 3166"),
        ('groups = ["oncal"]', 'groups[0]: expected the name of one of [groups], found "oncal"; did you mean oncall?'),
        ('groups = ["ann"]', "groups[0]: expected the name of one of [groups]"),
        ('known = "yes, maybe"', "known: expected true or false"),
        ('schedules = ["ofice"]', 'schedules[0]: expected the name of one of [schedules], found "ofice"; did you mean'),
        ('not_schedules = ["office", "office"]', "not_schedules[1]: expected each of them once"),
        ('times = ["9-17"]\nzone = "UTC"', "times[0]: expected days and times such as"),
        ('zone = "Mars"\ntimes = ["09:00-10:00"]', "zone: expected a zone such as"),
        ('times = ["09:00-10:00"]', ": expected times and zone together"),
        ('zone = "UTC"', ": expected times and zone together"),
        ('keywords = ["two words"]', "keywords[0]: expected one word"),
        ('keywords = ["!?"]', "keywords[0]: expected one word"),
        ('keyword_match = "any"', 'keyword_match: expected "exact" or "prefix"'),
        ('contains = [""]', "contains[0]: expected at least 1 character"),
        ('matches = "(a"', "matches: expected a regular expression as RE2 has them (missing ): (a), found"),
        ('matches = "(a)\\\\1"', "matches: expected a regular expression as RE2 has them (invalid escape sequence"),
        ('matches = "(?=a)b"', "matches: expected a regular expression as RE2 has them"),
        ('matches = "(((a{100}){100}){100})"', "matches: expected a regular expression as RE2 has them"),
        ("length_min = 5\nlength_max = 4", ": expected length_min not above length_max"),
        ('scripts = ["latin"]', 'scripts[0]: expected a script of Unicode such as "Latin"'),
        ('scripts = ["Klingon"]', "scripts[0]: expected a script of Unicode"),
        ('scripts = ["Latin", "Han", "Old_Italic"]', None),
        ("last_within = 0", "last_within: expected a number from 1 to 31536000"),
        ("last_within = 60\nlast_before = 60", ": expected last_within above last_before"),
        ('last_before = 60\nlast_apps = ["shop"]', ": expected last_before without last_apps"),
        ('last_apps = ["shp"]', 'last_apps[0]: expected the name of one of [[apps]], found "shp"; did you mean shop?'),
        ('last_classes = ["bulk"]', "last_classes[0]: expected "),
        ("last_meta = { a = 1 }", "last_meta: expected text in quotes"),
        ("count_min = 3", ": expected count_within together with count_min or count_max"),
        ("count_within = 3", ": expected count_within together with count_min or count_max"),
        ("count_min = 3\ncount_max = 2\ncount_within = 60", ": expected count_min not above count_max"),
        ('handlers = ["crn"]', 'handlers[0]: expected the name of one of [[handlers]], found "crn"; did you mean crm?'),
        ('handlers = ["crm", "crm"]', "handlers[1]: expected each of them once"),
        (
            'forward = ["oncal"]',
            "forward[0]: expected a phone, or the name of one of [groups] or of a member of theirs",
        ),
        ('forward = ["+1 555 123 0001"]', "forward[0]: expected a phone of somebody; numbers[0] is this one"),
        ('forward = ["Ann", "oncall", "+15552349999"]', None),
        ('forward = ["Ann", "Ann"]', "forward[1]: expected each of them once"),
        ('forward = ["Zoe"]', "forward[0]: expected somebody with a phone"),
        ('forward = ["desk"]', "forward[0]: expected somebody with a phone"),
        ('email = ["Ann"]', "email[0]: expected somebody with email"),
        ('email = ["oncall"]', "email[0]: expected somebody with email"),
        ('email = ["Zo"]', "email[0]: expected an e-mail address, or the name of one of [groups] or of a member"),
        ('email = ["a@b.example\\nBcc: c@d.example"]', "email[0]: expected an e-mail address"),
        ('email = ["Zoe", "Zoe"]', "email[1]: expected each of them once"),
        ('email = ["Zoe", "desk", "a@b.example"]', None),
        ('forward_mode = "some"', "forward_mode: expected "),
        ('forward_text = "{peers}"', "forward_text: expected text in which only {peer}, {number}, {keyword}"),
        ('reply = "{text}"', "reply: expected text in which only {peer}, {number}, {keyword}, {argument} stand"),
        ('reply = "{ok then} {}"', "reply: expected text in which only"),
        ('reply = " "', "reply: expected text that is not blank"),
        ('peer_lists = ["a;b"]', "peer_lists[0]: expected the name of a list of peers, which has no semicolon"),
        ('peer_lists = [" vip"]', "peer_lists[0]: expected a word that can be printed"),
        ('peer_lists = ["Very important", "vip"]', None),
        ('tags = [" a"]', "tags[0]: expected a word that can be printed"),
        ('then = "go on"', 'then: expected "stop" or "continue"'),
        ('then = "continue"', ": expected an action"),
        ('then = "stop"', None),
        ('handlers = []\nthen = "continue"', None),
        ("urgnet = true", "urgnet: unknown key; did you mean urgent?"),
    ],
)
def test_bad_rules(problems: Failing, config: Loader, text: str, said: str | None) -> None:
    whole = BASE + rule(text)
    if said is None:
        config(whole)
        return
    (problem,) = problems(whole)
    assert f"rules[0]{'' if said.startswith(':') else '.'}{said}" in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[schedules.x]\nzone = "UTC"', "schedules.x.times: is required"),
        ('[schedules.x]\nzone = "UTC"\ntimes = ["9"]', "schedules.x.times[0]: expected days and times"),
        ('[schedules.x]\nzone = "UTC"\ntimes = []\nholydays = []', "schedules.x.holydays: unknown key; did you mean"),
        ('[schedules.x]\nzone = "UTC"\ntimes = []\nholidays = ["XY"]', "schedules.x.holidays[0]: expected a country"),
        (
            '[schedules.x]\nzone = "UTC"\ntimes = []\nexceptions = [{ date = 2026-01-01 }, { dat = 2026-01-02 }]',
            "schedules.x.exceptions[1].date: is required",
        ),
        ('[schedules."Not so"]\nzone = "UTC"\ntimes = []', "schedules: expected 1 to 32 of a-z"),
        ("[groups.x]\nmembers = []", "groups.x.members: expected 1 to 50 members"),
        ('[groups.x]\nmembers = [{ name = "Cyd" }]', "groups.x.members[0]: expected phone or email, or both"),
        (
            '[groups.x]\nmembers = [{ name = "Cyd", email = "cyd" }]',
            "groups.x.members[0].email: expected an e-mail address",
        ),
        (
            '[groups.x]\nmembers = [{ name = "Zoe", email = "other@b.example" }]',
            "groups.x.members[0].name: expected a name of one person; another group has another phone or email",
        ),
        ('[groups.x]\nmembers = [{ name = "Cyd", phone = "none" }]', "groups.x.members[0].phone: expected a phone"),
        (
            '[groups.x]\nmembers = [{ name = "Cyd", phone = "12345" }]',
            "groups.x.members[0].phone: expected a phone of somebody; numbers[1] is this one",
        ),
        (
            '[groups.x]\nmembers = [{ name = "Cyd", phone = "+15552340003", schedule = "ofice" }]',
            'groups.x.members[0].schedule: expected the name of one of [schedules], found "ofice"; did you mean',
        ),
        (
            '[groups.x]\nmembers = [{ name = "Ann", phone = "+15552340003" }]',
            "groups.x.members[0].name: expected a name of one person; another group has another phone",
        ),
        (
            '[groups.x]\nmembers = [{ name = "+1 555 234 0009", phone = "+15552340003" }]',
            "groups.x.members[0].name: expected a name that is no phone",
        ),
        (
            '[groups.x]\nmembers = [{ name = "C\\u0007", phone = "+15552340003" }]',
            "groups.x.members[0].name: expected text without control characters",
        ),
        ('[schedules.x]\nzone = "UTC"\ntimes = []\nholidays = ["US-"]', "schedules.x.holidays[0]: expected US alone"),
        (
            '[groups.x]\nmembers = [{ name = "oncall", phone = "+15552340003" }]',
            "groups.x.members[0].name: expected another name than that of a group",
        ),
    ],
)
def test_bad_schedules_and_groups(problems: Failing, text: str, said: str) -> None:
    assert any(said in problem for problem in problems(BASE + text))


def test_mails_need_a_server(problems: Failing, config: Loader) -> None:
    whole = BASE + rule('email = ["Zoe"]')
    assert "[smtp]" not in "".join(config(whole).warnings())
    assert "[smtp]: neither a handler nor a rule has email" in config(BASE).warnings()
    (problem,) = problems(whole.split("[smtp]")[0] + rule('email = ["Zoe"]'))
    assert "rules[0].email: expected [smtp] too" in problem


def test_a_name_is_given_once(problems: Failing) -> None:
    (problem,) = problems(BASE + rule() + rule())
    assert 'rules[1].name: expected a name of its own; rules[0] has it, found "one"' in problem


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("", True),
        (rule('numbers = ["99999"]', name="rest"), False),
        (rule(name="rest"), False),
        (rule('numbers = ["99999"]', 'contains = ["x"]', name="rest"), True),
        (rule('numbers = ["12345"]', name="rest"), True),
    ],
)
def test_a_number_with_keywords_has_something_for_the_rest(
    problems: Failing, config: Loader, more: str, wrong: bool
) -> None:
    whole = BASE + '[[numbers]]\nnumber = "99999"\n' + rule('numbers = ["99999"]', 'keywords = ["JOIN"]') + more
    if wrong:
        (problem,) = problems(whole)
        assert "numbers[2]: expected handlers, or a rule for the rest: rules[0] asks for keywords" in problem
    else:
        config(whole)


def test_handlers_are_something_for_the_rest(config: Loader) -> None:
    config(BASE + rule('numbers = ["12345"]', 'keywords = ["JOIN"]'))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule() + rule('keywords = ["x"]', name="two"), 'rules "two": never reached; rules "one" before it'),
        (
            rule('numbers = ["12345", "+15551230001"]') + rule('numbers = ["12345"]', name="two"),
            'rules "two": never reached; rules "one" before it',
        ),
        (rule('forward = ["Ann"]', 'forward_mode = "turn"'), 'rules "one": forward_mode = "turn" with one person'),
        (rule("urgent = true", 'then = "continue"'), 'rules "one": then = "continue", and no rule is behind it'),
        ('[schedules.spare]\nzone = "UTC"\ntimes = []\n', 'schedules "spare": neither a rule nor a member names it'),
        (rule(), 'groups "oncall": neither a rule nor a number names it'),
        (
            '[[numbers]]\nnumber = "54321"\ncapabilities = ["sms_in"]\n'
            + rule('numbers = ["12345", "54321"]', 'reply = "x"'),
            'rules "one": numbers "54321" cannot send, and so neither forward nor answer',
        ),
    ],
)
def test_what_is_probably_not_meant(config: Loader, text: str, said: str) -> None:
    assert any(warning.startswith(said) for warning in config(BASE + text).warnings())


MORE = """
[[numbers]]
number = "54321"
state = "held"
inbound_when_held = "none"
[[numbers]]
number = "54322"
capabilities = ["sms_out"]
[[numbers]]
number = "54323"
[schedules.never]
zone = "UTC"
times = []
holidays = ["US"]
[groups.one]
members = [{ name = "Eve", phone = "+15552340005" }]
"""
SENSELESS = [
    (
        rule('schedules = ["office"]', 'not_schedules = ["office", "never"]'),
        "never matches: schedules and not_schedules",
    ),
    (rule('schedules = ["office", "never"]', 'not_schedules = ["office"]'), None),
    (rule('peers = ["+15552349999"]', 'prefixes = ["+44", "+1666"]'), "never matches: none of peers begins with"),
    (rule('peers = ["+15552349999"]', 'prefixes = ["+44", "+1555"]'), None),
    (rule('numbers = ["54322"]'), 'never matches: numbers "54322" gets no texts'),
    (rule('numbers = ["54321"]'), 'never matches: nobody is told of what comes in to numbers "54321"'),
    (rule('numbers = ["54321", "54322", "54323"]'), None),
    (rule('numbers = ["+1 555 123 0001"]'), None),
    (rule('peers = ["12345"]', 'reply = "x"'), "all its peers are numbers of ours"),
    (rule('peers = ["12345", "+15552349999"]', 'reply = "x"'), None),
    (rule('groups = ["one"]', 'forward = ["Eve"]'), "forwards to nobody but the sender"),
    (rule('peers = ["+15552340005"]', 'forward = ["one", "+15552340005"]'), "forwards to nobody but the sender"),
    (rule('groups = ["oncall"]', 'forward = ["oncall"]'), None),
    (rule('peers = ["98765", "ACME"]', 'reply = "x"'), "answers only short codes and names"),
    (rule('peers = ["98765", "ACME"]', 'forward = ["Eve"]'), None),
]


@pytest.mark.parametrize(("text", "said"), SENSELESS)
def test_what_contradicts_itself(config: Loader, text: str, said: str | None) -> None:
    found = [line for line in config(BASE + MORE + text).warnings() if line.startswith('rules "one": ')]
    if said is None:
        assert found == []
    else:
        assert [line.removeprefix('rules "one": ')[: len(said)] for line in found] == [said]


def test_a_schedule_without_times(config: Loader) -> None:
    use = rule('not_schedules = ["never", "office"]')
    said = 'schedules "never": it has no times at all'
    assert said in config(BASE + MORE + use).warnings()
    for times in ('holiday_times = ["10:00-11:00"]', 'exceptions = [{ date = 2027-01-04, times = ["10:00-11:00"] }]'):
        more = MORE.replace('holidays = ["US"]', f'holidays = ["US"]\n{times}')
        assert said not in config(BASE + more + use).warnings()


def test_keywords_for_all_numbers_and_nothing_for_the_rest(config: Loader) -> None:
    keyword = rule('keywords = ["INFO"]', 'reply = "x"')
    (said,) = [line for line in config(BASE + MORE + keyword).warnings() if "subscriptions alone" in line]
    assert said.startswith('numbers "54323": no handlers, and rules "one" asks for keywords')
    for rest in (rule(name="rest"), rule('numbers = ["54323"]', name="rest")):
        assert "subscriptions alone" not in "".join(config(BASE + MORE + keyword + rest).warnings())


@pytest.mark.parametrize(
    "text",
    [
        rule('numbers = ["12345"]') + rule(name="two"),
        rule('keywords = ["x"]') + rule(name="two"),
        rule('urgent = true\nthen = "continue"') + rule(name="two"),
    ],
)
def test_a_rule_that_is_reached(config: Loader, text: str) -> None:
    assert not any("never reached" in warning for warning in config(BASE + text).warnings())


def test_a_group_that_a_number_is_shared_by_is_named(config: Loader) -> None:
    whole = BASE.replace('number = "12345"', 'number = "12345"\ngroup = "oncall"') + rule("urgent = true")
    assert not any('groups "oncall"' in warning for warning in config(whole).warnings())


def test_words_of_urgency_that_no_rule_asks_for(config: Loader) -> None:
    whole = 'urgency_words = ["leak"]\n' + BASE
    assert "urgency_words: no rule has urgency" in config(whole).warnings()
    assert "urgency_words: no rule has urgency" not in config(whole + rule("urgency = true")).warnings()


def test_numbers_and_phones_are_kept_in_one_form(config: Loader) -> None:
    settings = config(
        'default_region = "US"\n'
        + BASE.replace('phone = "+15552340001"', 'phone = "(555) 234-0001"')
        + rule('numbers = ["555 123 0001"]', 'peers = ["+1 555 234 9999", "ACME"]', 'forward = ["Ann", "555-234-8888"]')
    )
    (one,) = settings.rules
    assert (one.numbers, one.peers) == (("+15551230001",), ("+15552349999", "ACME"))
    assert one.forward == ("Ann", "+15552348888")
    assert settings.groups["oncall"].members[0].phone == "+15552340001"


def test_rules_may_come_from_the_environment(config: Loader) -> None:
    settings = config(
        BASE + rule(),
        {
            "SMSGW_RULES__0__TAGS": '["a"]',
            "SMSGW_SCHEDULES": '{"x": {"zone": "UTC", "times": [], "exceptions": [{"date": "2026-01-01"}]}}',
            "SMSGW_GROUPS": '{"y": {"members": [{"name": "Cyd", "phone": "+15552340003"}]}}',
        },
    )
    assert settings.rules[0].tags == ("a",)
    assert list(settings.schedules) == ["x"]
    assert settings.groups["y"].members[0].name == "Cyd"
