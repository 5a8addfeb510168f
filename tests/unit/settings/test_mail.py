"""E-mail in the configuration: what is taken, what is refused with which words, what is warned of."""

from __future__ import annotations

import pytest

from tests.unit.settings.conftest import Failing, Loader

SMTP = '[smtp]\nhost = "mail.office.example"\nsender = "sms@office.example"\n'
DESK = '[[handlers]]\nname = "desk"\nemail = ["desk@office.example"]\n'
HOOK = '[[handlers]]\nname = "crm"\nwebhook = "https://crm.example/"\nsecret = "0123456789abcdef"\n'
NUMBER = '[[numbers]]\nnumber = "+442079460123"\ncarrier = "acme"\nhandlers = ["desk"]\n'
CARRIER = '[[carriers]]\nname = "acme"\nhost = "127.0.0.1"\nsystem_id = "u"\npassword = "secret"\n'


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ("", ("mail.office.example", 587)),
        ('tls = "starttls"', ("mail.office.example", 587)),
        ('tls = "tls"', ("mail.office.example", 465)),
        ('tls = "none"', ("mail.office.example", 25)),
        ("port = 2525", ("mail.office.example", 2525)),
    ],
)
def test_where_the_server_is(config: Loader, keys: str, at: tuple[str, int]) -> None:
    smtp = config(SMTP + keys).smtp
    assert smtp is not None
    assert smtp.at == at
    assert smtp.domain == "office.example"


def test_what_goes_by_mail_and_what_by_webhook(config: Loader) -> None:
    settings = config(SMTP + DESK + HOOK)
    desk, crm = settings.handlers
    assert (desk.at_once, crm.at_once) == (1, 4)
    assert (desk.takes, crm.takes) == ({"inbound"}, {"inbound", "receipt"})
    assert config(SMTP + DESK + "concurrency = 4").handlers[0].at_once == 4


BAD = [
    (DESK, "smsgw.toml:3: handlers[0].email: expected [smtp] too, the server that takes the mails"),
    ('[[handlers]]\nname = "desk"\n', "smsgw.toml:1: handlers[0]: expected either webhook or email"),
    (
        SMTP + HOOK + DESK[DESK.index("email") :],
        "smsgw.toml:4: handlers[0]: expected either webhook or email, not both",
    ),
    (
        '[[handlers]]\nname = "crm"\nwebhook = "https://crm.example/"\n',
        "smsgw.toml:1: handlers[0]: expected secret beside webhook: the key of its signature",
    ),
    *(
        (
            SMTP + DESK + keys,
            f"smsgw.toml:4: handlers[0]: expected webhook beside {keys.split()[0]}, which e-mail has no use for",
        )
        for keys in ('secret = "x"', "timeout = 5", "allow_private = true")
    ),
    (
        SMTP + '[[handlers]]\nname = "desk"\nemail = ["a@b.example", "A@b.example"]\n',
        "smsgw.toml:4: handlers[0]: expected each address of email once",
    ),
    *(
        (
            SMTP + f'[[handlers]]\nname = "desk"\nemail = ["{address}"]\n',
            f'smsgw.toml:6: handlers[0].email[0]: expected an e-mail address as name@domain, found "{shown}"',
        )
        for address, shown in [
            ("desk", "desk"),
            ("@office.example", "@office.example"),
            ("desk@", "desk@"),
            ("a b@office.example", "a b@office.example"),
            ("a..b@office.example", "a..b@office.example"),
            ("Desk <desk@office.example>", "Desk <desk@office.example>"),
            ("a@b.example\\r\\nRCPT TO:<x@y.example>", "a@b.example\\r\\nRCPT TO:<x@y.example>"),
            ("a@b.example,c@d.example", "a@b.example,c@d.example"),
            ("ü@office.example", "\\xfc@office.example"),
            ("x" * 65 + "@b.de", "x" * 60 + "..."),
        ]
    ),
    (SMTP + 'user = "me"', "smsgw.toml:1: smtp: expected user and password together, or neither"),
    (SMTP + 'password = "geheim"', "smsgw.toml:1: smtp: expected user and password together, or neither"),
    (
        SMTP + 'user = "me"\npassword = "geheimü"',
        "smsgw.toml:1: smtp: expected user and password in ASCII, which is what can be said to a server",
    ),
    (SMTP + 'tls = "ssl"', 'smsgw.toml:4: smtp.tls: expected "starttls", "tls" or "none", found "ssl"'),
    (SMTP + "timeout = 0", "smsgw.toml:4: smtp.timeout: expected a number from 1 to 600, found 0"),
    ('[smtp]\nhost = "mail.office.example"', "smsgw.toml:1: smtp.sender: is required"),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[expected[11:70] for _, expected in BAD])
def test_bad(problems: Failing, text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_a_password_is_not_in_the_error_about_it(problems: Failing) -> None:
    assert "geheim" not in "".join(problems(SMTP + 'user = "me"\npassword = "geheimü"'))


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ('tls = "none"', "smtp: without tls all texts go to mail.office.example in clear"),
        (
            'tls = "none"\nuser = "me"\npassword = "geheim"',
            "smtp: without tls the password and all texts go to mail.office.example in clear",
        ),
    ],
)
def test_warnings_of_texts_in_clear(config: Loader, keys: str, warning: str) -> None:
    warnings = config(CARRIER + NUMBER + SMTP + keys + "\n" + DESK).warnings()
    assert [line for line in warnings if line.startswith("smtp")] == [warning]
    assert "geheim" not in "".join(warnings)


def test_a_server_that_nobody_uses_is_warned_of(config: Loader) -> None:
    assert "[smtp]: neither a handler nor a rule has email" in config(CARRIER + SMTP).warnings()


def test_what_is_sound_is_not_warned_of(config: Loader) -> None:
    local = '[smtp]\nhost = "127.0.0.1"\ntls = "none"\nsender = "sms@office.example"\n'
    for smtp in (SMTP, local):
        assert config(CARRIER.replace('"acme"', '"acme"') + NUMBER + smtp + DESK).warnings() == []
